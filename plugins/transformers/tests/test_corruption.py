"""Texts whose spans are restored by a sequence-to-sequence model."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_transformers.answering.hiding import corrupted, sentinels

from plmtasks.config import TrainSettings
from plmtasks.data import events
from plmtasks.requests import LogLikelihood

TEXTS = [e.english() for e in events("train", 40)]
SHORT = LogLikelihood(text=TEXTS[0])
AFTER = LogLikelihood(text="on Monday .", context="the nurse found the lamp")
LONG = LogLikelihood(text=" ".join(TEXTS))
MARKS = list(range(1000, 1032))


@given(
    count=st.integers(1, 300),
    rate=st.floats(0.01, 1.0),
    length=st.floats(1, 10),
    marks=st.integers(2, 32),
    seed=st.integers(0, 99),
)
def test_source_and_target_together_are_the_text(count, rate, length, marks, seed):
    torch.manual_seed(seed)
    ids = list(range(count))
    source, target = corrupted(ids, MARKS[:marks], TrainSettings(mlm_probability=rate, mean_noise_span_length=length))
    used = [t for t in source if t >= 1000]
    assert used == MARKS[: len(used)]
    assert [t for t in target if t >= 1000] == MARKS[: len(used) + 1]
    spans = {}
    for token in target:
        if token >= 1000:
            spans[token] = []
            last = token
        else:
            spans[last].append(token)
    assert spans.pop(MARKS[len(used)]) == []
    assert all(spans.values())
    assert [t for token in source for t in spans.get(token, [token])] == ids
    lost = count - (len(source) - len(used))
    assert lost == min(max(1, round(rate * count)), max(1, count - 1))
    # no two spans side by side
    assert all(a < 1000 or b < 1000 for a, b in pairwise(source))


def test_spans_have_the_length_that_is_wanted():
    torch.manual_seed(0)
    source, target = corrupted(list(range(200)), MARKS, TrainSettings(mean_noise_span_length=3))
    assert (len(source), len(target)) == (200 - 30 + 10, 30 + 10 + 1)
    other, _ = corrupted(list(range(200)), MARKS, TrainSettings(mean_noise_span_length=3))
    assert other != source


def test_pseudo_likelihood_hides_each_token_in_turn(load):
    loaded = load("sequence-to-sequence", SHORT, batch_tokens=64)
    marks = sentinels(loaded.tokenizer)
    assert loaded.tokenizer.convert_ids_to_tokens(marks[:2]) == ["<extra_id_0>", "<extra_id_1>"]
    [answer] = loaded.answer([SHORT])
    ids = loaded.tokenizer(SHORT.text)["input_ids"]
    total, hits = 0.0, 0
    for place, token in enumerate(ids[:-1]):
        source = [*ids[:place], marks[0], *ids[place + 1 :]]
        with torch.inference_mode():
            start = torch.tensor([[loaded.decoder_start, marks[0]]])
            logits = loaded.module(input_ids=torch.tensor([source]), decoder_input_ids=start).logits[0, -1]
        total += float(logits.log_softmax(-1)[token])
        hits += int(logits.argmax() == token)
    assert answer.log_likelihood == pytest.approx(total, abs=1e-3)
    assert (answer.tokens, answer.likeliest, answer.pseudo) == (len(ids) - 1, hits, True)


def test_a_context_makes_it_a_likelihood_and_the_two_share_no_batch(load):
    loaded = load("sequence-to-sequence", SHORT)
    costs = loaded.costs([SHORT, AFTER])
    assert costs[0].group != costs[1].group
    assert [a.pseudo for r in (SHORT, AFTER) for a in loaded.answer([r])] == [True, False]


def test_a_long_text_is_restored_window_by_window(load):
    loaded = load("sequence-to-sequence", SHORT)
    windows = loaded.encodings([LONG])[0].windows
    assert [int(w.ids[p]) for w in windows for p in w.places] == loaded.tokenizer(LONG.text)["input_ids"][:-1]
    assert [len(w.ids) for w in windows] == [255] * len(windows)
    assert len(windows) > 2


def test_what_was_lost_is_learned(load):
    loaded = load("sequence-to-sequence", SHORT)
    optimizer = torch.optim.AdamW(loaded.module.parameters(), lr=3e-3)
    torch.manual_seed(0)
    losses = []
    for _ in range(25):
        loss, count = loaded.loss([SHORT], [])
        (loss / count).backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item() / count)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_each_token_of_a_long_text_is_learned_once(load):
    loaded = load("sequence-to-sequence", SHORT)
    loaded.training = TrainSettings(mlm_probability=1.0, mean_noise_span_length=1000)
    _, count = loaded.loss([LONG], [])
    windows = loaded.encodings([LONG])[0].windows
    # of each window all but one token are lost, in one span; two sentinels and the end stand beside them
    assert count == len(loaded.tokenizer(LONG.text)["input_ids"]) - 1 + 2 * len(windows)


def test_the_same_seed_gives_the_same_loss(load):
    loaded = load("sequence-to-sequence", SHORT)
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        found.append(loaded.loss([SHORT, LONG], [])[0].item())
    assert found[0] == found[1] != found[2]
