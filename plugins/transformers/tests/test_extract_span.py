"""ExtractSpan: windows, offsets, ranks."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_transformers.answering.extract_span import ANSWER, Window, best_spans, target

from plmtasks.data import events
from plmtasks.errors import InputError
from plmtasks.requests import ExtractSpan, ExtractSpanAnswer, Span

SENTENCES = [e.english() for e in events("train", 60)]
LONG = ExtractSpan(question="who found the lamp ?", context="  " + "\n".join(SENTENCES) + " ")
FORM = ExtractSpan(question="who ?", context="the nurse")


def window(request: ExtractSpan, *words: tuple[int, int], first: int = 2) -> Window:
    """A window over words at these places; row: [CLS] … context [SEP]."""
    length = first + len(words) + 1
    return Window(np.zeros(length, np.int32), np.zeros(length, np.int32), first, np.array(words, np.int32).reshape(-1, 2), 0)


def test_windows_cover_the_context(load):
    loaded = load("encoder", FORM)
    [encoding] = loaded.encodings([LONG])
    assert len(encoding.windows) > 2
    whole = loaded.tokenize(LONG.context, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert {tuple(s) for w in encoding.windows for s in w.spans.tolist()} == set(whole)
    for before, after in itertools.pairwise(encoding.windows):
        assert before.spans[-1][1] > after.spans[0][0]
    [cost] = loaded.costs([LONG])
    assert (cost.rows, cost.width, cost.cut) == (len(encoding.windows), 256, 0)


@given(place=st.integers(0, len(SENTENCES) - 1), words=st.integers(1, 5))
def test_a_target_covers_the_answer(loaded, place, words):
    start = LONG.context.index(SENTENCES[place])
    answer = " ".join(SENTENCES[place].split()[:words])
    solved = ExtractSpanAnswer(spans=(Span(start=start, end=start + len(answer)),))
    [encoding] = loaded.encodings([LONG])
    found = 0
    for w in encoding.windows:
        first, last = target(w, solved)
        if (first, last) != (w.null, w.null):
            found += 1
            spans = w.spans[first - w.first], w.spans[last - w.first]
            assert LONG.context[spans[0][0] : spans[1][1]] == answer
    assert found


@pytest.fixture(scope="session")
def loaded(tiny):
    from plmtasks.config import ModelSettings

    return tiny["encoder"].load(FORM, ModelSettings(dtype="float32"), "cpu")


def test_spans_are_of_the_context(loaded):
    for request in (LONG, FORM, ExtractSpan(question="谁 ?", context="星期一，护士在花园高兴地找到了灯。", may_abstain=True)):
        [answer] = loaded.answer([request])
        total = sum(s.score for s in answer.spans) + answer.no_answer
        assert total == pytest.approx(1)
        assert [s.score for s in answer.spans] == sorted((s.score for s in answer.spans), reverse=True)
        for span in answer.spans:
            piece = request.context[span.start : span.end]
            assert piece
            assert piece == piece.strip()
        assert (answer.no_answer > 0) == request.may_abstain


def test_nothing_to_find(loaded):
    assert loaded.answer([ExtractSpan(question="who ?", context=" ")]) == [ExtractSpanAnswer(spans=())]
    [answer] = loaded.answer([ExtractSpan(question="who ?", context="", may_abstain=True)])
    assert answer == ExtractSpanAnswer(spans=(), no_answer=1.0)
    loss, count = loaded.loss([ExtractSpan(question="who ?", context="")], [ExtractSpanAnswer(spans=(), no_answer=1.0)])
    assert count == 1
    assert float(loss.detach()) > 0


def test_a_very_long_question_leaves_room_for_the_context(loaded):
    request = ExtractSpan(question="nurse " * 200, context="the lamp")
    assert loaded.costs([request])[0].cut == 200 - 64
    assert loaded.answer([request])[0].spans


@given(data=st.data(), n=st.integers(1, 45), may_abstain=st.booleans())
def test_the_ranks_are_those_of_all_legal_spans(data, n, may_abstain):
    request = ExtractSpan(question="", context="w " * n, may_abstain=may_abstain)
    w = window(request, *((2 * i, 2 * i + 1) for i in range(n)))
    logits = st.lists(st.floats(-8, 8, width=32), min_size=n + 3, max_size=n + 3)
    start, end = (np.array([data.draw(logits)], np.float32) for _ in range(2))
    answer = best_spans(request, [w], start, end)
    legal = {(i, j): float(start[0, i + 2]) + float(end[0, j + 2]) for i in range(n) for j in range(i, min(n, i + ANSWER))}
    ranked = sorted(legal.values(), reverse=True)[:20]
    found = [legal[s.start // 2, (s.end - 1) // 2] for s in answer.spans]
    assert found == pytest.approx(ranked)
    null = [float(start[0, 0] + end[0, 0])] if may_abstain else []
    chances = np.exp(np.array(ranked + null))
    assert [s.score for s in answer.spans] == pytest.approx((chances / chances.sum())[: len(ranked)], rel=1e-4, abs=1e-7)


def test_of_equal_spans_the_first_count():
    request = ExtractSpan(question="", context="w " * 45)
    w = window(request, *((2 * i, 2 * i + 1) for i in range(45)))
    level = np.zeros((1, 48), np.float32)
    assert [(s.start, s.end) for s in best_spans(request, [w], level, level).spans] == [(0, 2 * i + 1) for i in range(20)]


def test_the_least_null_score_of_all_windows_counts():
    request = ExtractSpan(question="", context="a b", may_abstain=True)
    windows = [window(request, (0, 1)), window(request, (2, 3))]
    start = np.array([[5, 0, 1, 0], [-5, 0, 2, 0]], np.float32)
    answer = best_spans(request, windows, start, np.zeros_like(start))
    chances = np.exp([2.0, 1.0, -5.0])
    assert [(s.start, s.end) for s in answer.spans] == [(2, 3), (0, 1)]
    assert answer.no_answer == pytest.approx(chances[2] / chances.sum())


@pytest.mark.parametrize(("policy", "first"), [("right", True), ("skip", True), ("left", False)])
def test_one_window_alone(load, policy, first):
    loaded = load("encoder", FORM, truncation=policy)
    [encoding] = loaded.encodings([LONG])
    [cost] = loaded.costs([LONG])
    [kept] = encoding.windows
    whole = len(loaded.tokenize(LONG.context, add_special_tokens=False)["input_ids"])
    assert (cost.rows, cost.width, cost.cut) == (1, 256, whole - len(kept.spans))
    assert kept.spans[0][0] == 2 if first else kept.spans[-1][1] == len(LONG.context) - 1


def test_a_context_over_the_limit_is_an_error_if_wanted(load):
    with pytest.raises(InputError, match="tokens, 'tiny-bert' takes"):
        load("encoder", FORM, truncation="error").costs([FORM, LONG])


def test_loss_of_a_window_without_the_answer_points_at_the_start(load):
    loaded = load("encoder", FORM)
    start = LONG.context.index(SENTENCES[0])
    answer = ExtractSpanAnswer(spans=(Span(start=start, end=start + 5),))
    [encoding] = loaded.encodings([LONG])
    targets = [target(w, answer) for w in encoding.windows]
    assert targets[0] != (0, 0)
    assert set(targets[1:]) == {(0, 0)}
    assert loaded.loss([LONG], [answer])[1] == len(encoding.windows)
