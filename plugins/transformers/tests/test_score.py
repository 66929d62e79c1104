"""LogLikelihood: windows, likelihood and pseudo-likelihood."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_transformers.answering.hiding import hidden_places
from plmtasks_transformers.answering.log_likelihood import windows
from plmtasks_transformers.answering.sequences import spread

from plmtasks.config import ModelSettings, TrainSettings
from plmtasks.data import events
from plmtasks.errors import InputError
from plmtasks.requests import LogLikelihood

TEXTS = [e.english() for e in events("train", 40)]
SHORT = LogLikelihood(text=TEXTS[0])
AFTER = LogLikelihood(text="on Monday .", context="the nurse found the lamp ")
LONG = LogLikelihood(text=" ".join(TEXTS))


@given(given=st.integers(1, 60), count=st.integers(0, 200), limit=st.integers(4, 40), data=st.data())
def test_each_token_is_scored_once_with_what_precedes_it(given, count, limit, data):
    step = data.draw(st.integers(1, limit))
    tokens = list(range(given + count))
    scored = []
    rows = list(windows(tokens[:given], tokens[given:], limit, step))
    for row, wanted in rows:
        assert 0 < len(row) <= limit
        assert len(wanted) <= len(row)
        if len(wanted):
            assert row[-1] == wanted[-1] - 1
            assert (np.diff(row) == 1).all()
        # a further window moves on by the stride, and all else of it is context
        if scored and count:
            assert len(wanted) <= step
            assert len(row) == limit
        scored += wanted.tolist()
    assert scored == tokens[given:]


@pytest.mark.parametrize("family", ["decoder", "sequence-to-sequence"])
def test_likelihood_of_a_text(load, family):
    loaded = load(family, SHORT)
    tokenizer, module = loaded.tokenizer, loaded.module
    # without a context a model that restores spans is asked in another way
    requests = [SHORT, AFTER] if family == "decoder" else [AFTER]
    for request, answer in zip(requests, loaded.answer(requests), strict=True):
        with torch.inference_mode():
            if family == "decoder":
                ids = [tokenizer.bos_token_id] * (not request.context) + tokenizer(request.context + request.text)["input_ids"]
                count = len(ids) - (len(tokenizer(request.context.rstrip())["input_ids"]) or 1)
                logits = module(input_ids=torch.tensor([ids])).logits[0, :-1]
                labels = torch.tensor(ids[1:])
            else:
                head = request.context.rstrip()
                labels = torch.tensor(tokenizer(request.context[len(head) :] + request.text)["input_ids"][:-1])
                source = torch.tensor([tokenizer(head)["input_ids"]])
                logits, count = module(input_ids=source, labels=labels[None]).logits[0], len(labels)
        value = logits.log_softmax(-1).gather(1, labels[:, None])[-count:].sum()
        assert answer.log_likelihood == pytest.approx(float(value), abs=1e-4)
        assert (answer.tokens, answer.words, answer.bytes) == (count, len(request.text.split()), len(request.text))
        assert answer.likeliest == int((logits.argmax(-1) == labels)[-count:].sum())
        assert not answer.pseudo


def test_the_share_of_likeliest_tokens_is_no_accident(load):
    loaded = load("decoder", SHORT)
    loaded.module.train()
    optimizer = torch.optim.AdamW(loaded.module.parameters(), lr=3e-3)
    for _ in range(60):
        loss, count = loaded.loss([SHORT], [])
        (loss / count).backward()
        optimizer.step()
        optimizer.zero_grad()
    [answer] = loaded.answer([SHORT])
    assert answer.likeliest == answer.tokens


@given(count=st.integers(0, 200), room=st.integers(1, 40), step=st.integers(1, 40))
def test_windows_that_look_both_ways_score_each_token_once(count, room, step):
    found = list(spread(count, room, step))
    assert [place for _, done, end in found for place in range(done, end)] == list(range(count))
    for begin, done, end in found:
        assert 0 <= begin <= done <= end <= begin + room
        assert end - begin == min(room, count)
        assert done == 0 or end - done <= step


def likelihood_token_by_token(loaded, ids, stride):
    """The log-likelihood of ids[1:], in a loop over windows as a reader would write it: a window of the model's limit moves on by
    the stride, and each token is predicted in the first window in which its predecessor stands."""
    total, end = 0.0, 1
    while end < len(ids):
        last = min(end - 1 + (stride if end > 1 else loaded.limit), len(ids) - 1)
        shown = ids[max(0, last - loaded.limit) : last]
        with torch.inference_mode():
            chances = loaded.module(input_ids=torch.tensor([shown])).logits[0].log_softmax(-1)
        for place in range(end, last + 1):
            total += float(chances[len(shown) - 1 - (last - place), ids[place]])
        end = last + 1
    return total


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, 37, 0, 256])
def test_a_long_text_goes_over_windows_that_move_on_by_the_stride(load, stride):
    loaded = load("decoder", SHORT, stride=stride)
    request = LONG if stride != 1 else LogLikelihood(text=" ".join(TEXTS[:23]))
    ids = [loaded.tokenizer.bos_token_id, *loaded.tokenizer(request.text)["input_ids"]]
    assert len(ids) > loaded.limit
    [cost], [answer] = loaded.costs([request]), loaded.answer([request])
    assert cost.cut == 0
    assert answer.tokens == len(ids) - 1
    assert answer.log_likelihood == pytest.approx(likelihood_token_by_token(loaded, ids, stride or loaded.limit // 2), rel=1e-5)


def test_another_stride_is_another_identity(tiny, load):
    ways = [ModelSettings(stride=s, dtype="float32") for s in (0, 16)]
    for family in tiny:
        identities = [tiny[family].identity(SHORT, s) for s in ways]
        assert identities[0] != identities[1]
        with pytest.raises(InputError, match=r"stride 300 is more than the 256 tokens"):
            load(family, SHORT, stride=300)


def test_a_long_text_after_a_context_goes_over_windows_of_the_decoder_alone(load):
    loaded = load("sequence-to-sequence", AFTER)
    request = LogLikelihood(text=LONG.text, context="Monday")
    pieces = loaded.encodings([request])[0]
    [answer] = loaded.answer([request])
    assert len(pieces.rows) > 2
    assert answer.tokens == len(loaded.tokenizer(LONG.text)["input_ids"]) - 1
    alone = 0.0
    source = torch.tensor([loaded.tokenizer("Monday")["input_ids"]])
    for row, (_, wanted) in zip(pieces.rows, pieces.wants, strict=True):
        with torch.inference_mode():
            ids = torch.tensor(row[None].astype(np.int64))
            chances = loaded.module(input_ids=source, decoder_input_ids=ids).logits[0][-len(wanted) :].log_softmax(-1)
        alone += float(chances.gather(1, torch.tensor(wanted.astype(np.int64))[:, None]).sum())
    assert answer.log_likelihood == pytest.approx(alone, rel=1e-5)


def test_pseudo_likelihood_hides_each_token_in_turn(load):
    loaded = load("encoder", SHORT)
    tokenizer = loaded.tokenizer
    for request, answer in zip((SHORT, AFTER), loaded.answer([SHORT, AFTER]), strict=True):
        sides = [request.context] * bool(request.context) + [request.text]
        batch = tokenizer(*sides, return_tensors="pt")
        places = [j for j, side in enumerate(batch.sequence_ids(0)) if side == len(sides) - 1]
        total, hits = 0.0, 0
        for place in places:
            ids = batch["input_ids"].clone()
            ids[0, place] = tokenizer.mask_token_id
            with torch.inference_mode():
                logits = loaded.module(**{**batch, "input_ids": ids}).logits
            total += float(logits[0, place].log_softmax(-1)[batch["input_ids"][0, place]])
            hits += int(logits[0, place].argmax() == batch["input_ids"][0, place])
        assert answer.log_likelihood == pytest.approx(total, abs=1e-3)
        assert (answer.tokens, answer.likeliest, answer.pseudo) == (len(places), hits, True)


def test_pseudo_likelihood_of_a_long_text_scores_each_token_once(load):
    loaded = load("encoder", SHORT, batch_tokens=2048)
    request = LogLikelihood(text=LONG.text, context=LONG.text)
    windows = loaded.encodings([request])[0].windows
    own = loaded.tokenizer(LONG.text, add_special_tokens=False)["input_ids"]
    assert [int(w.ids[p]) for w in windows for p in w.places] == own
    assert max(len(w.ids) for w in windows) <= 256
    assert loaded.costs([request])[0].rows == len(own)
    assert len(windows) > 2
    assert all(len(w.ids) == 256 for w in windows)


@pytest.mark.parametrize("family", ["encoder", "decoder", "sequence-to-sequence"])
def test_policies(load, family):
    with pytest.raises(InputError, match="takes 25"):
        load(family, SHORT, truncation="error").costs([SHORT, LONG])
    skip = load(family, SHORT, truncation="skip").costs([SHORT, LONG])
    assert skip[0].cut == 0
    assert skip[1].cut > 100


@pytest.mark.parametrize(("family", "kept"), [("encoder", 128), ("sequence-to-sequence", 256)])
def test_what_a_long_context_loses_is_counted(load, family, kept):
    after = LogLikelihood(text=SHORT.text, context=LONG.text)
    loaded = load(family, SHORT)
    tokens = loaded.tokenizer(LONG.text, add_special_tokens=family != "encoder")["input_ids"]
    assert [cost.cut for cost in loaded.costs([AFTER, after])] == [0, len(tokens) - kept]
    assert load(family, SHORT, truncation="skip").costs([after])[0].cut > 0
    with pytest.raises(InputError, match=f"a text has {len(tokens)} tokens"):
        load(family, SHORT, truncation="error").costs([after])


@pytest.mark.parametrize("family", ["encoder", "sequence-to-sequence"])
def test_a_text_is_learned_at_once_though_it_is_scored_token_by_token(load, family):
    loaded = load(family, SHORT)
    for scored, learned in zip(loaded.costs([SHORT, LONG]), loaded.learning_costs([SHORT, LONG]), strict=True):
        assert (learned.width, learned.group) == (scored.width, scored.group)
        assert learned.rows < scored.rows / 4
    assert loaded.learning_costs([SHORT])[0].rows == 1


@pytest.mark.parametrize(("family", "tokens"), [("encoder", 0), ("decoder", 0), ("sequence-to-sequence", 1)])
def test_a_text_without_tokens_teaches_its_end_at_most(load, family, tokens):
    loss, count = load(family, SHORT).loss([LogLikelihood(text="")], [])
    assert (loss.item() > 0, count) == (tokens > 0, tokens)
    loss.backward()


@pytest.mark.parametrize("family", ["encoder", "decoder", "sequence-to-sequence"])
def test_an_empty_text_has_no_token(load, family):
    empty = LogLikelihood(text="")
    [answer, _] = load(family, empty).answer([empty, SHORT])
    assert (answer.log_likelihood, answer.tokens, answer.words, answer.bytes) == (0.0, 0, 0, 0)


def test_masked_words_are_restored_from_the_others(load):
    loaded = load("encoder", SHORT)
    requests = [LogLikelihood(text=t) for t in TEXTS[:20]]
    total = sum(len(w.places) for e in loaded.encodings(requests) for w in e.windows)
    torch.manual_seed(0)
    losses = [loaded.loss(requests, []) for _ in range(2)]
    assert 0.1 < losses[0][1] / total < 0.2
    assert losses[0][0].item() != losses[1][0].item()
    torch.manual_seed(0)
    assert loaded.loss(requests, [])[0].item() == losses[0][0].item()
    assert loaded.loss([LogLikelihood(text="a")], [])[1] == 1
    loaded.training = TrainSettings(mlm_probability=0.5)
    assert 0.4 < loaded.loss(requests, [])[1] / total < 0.6


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=30), rate=st.floats(0.05, 1.0), whole=st.booleans(),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_the_share_that_is_to_be_restored(sizes, rate, whole, seed):
    words = np.repeat(np.arange(len(sizes)), sizes)
    count = len(words)
    torch.manual_seed(seed)
    places = hidden_places(np.arange(1, count + 1), words, TrainSettings(mlm_probability=rate, whole_word_mask=whole))
    wanted = max(1, round(rate * count))
    assert len(set(places)) == len(places)
    assert set(places) <= set(range(1, count + 1))
    if whole:
        hidden = {int(words[p - 1]) for p in places}
        assert len(places) == sum(sizes[w] for w in hidden)
        assert wanted <= len(places) < wanted + max(sizes)
    else:
        assert len(places) == wanted


def test_of_the_hidden_tokens_four_in_five_are_masked(load, monkeypatch):
    loaded = load("encoder", SHORT)
    seen = []
    restored = loaded._restored

    def look(windows, hidden, shown):
        seen.append(
            (torch.from_numpy(shown), torch.tensor([int(w.ids[p]) for w, at in zip(windows, hidden, strict=True) for p in at]))
        )
        return restored(windows, hidden, shown)

    monkeypatch.setattr(loaded, "_restored", look)
    torch.manual_seed(1)
    for _ in range(8):
        loaded.loss([LogLikelihood(text=t) for t in TEXTS], [])
    shown, true = (torch.cat(x) for x in zip(*seen, strict=True))
    shares = [float((shown == loaded.tokenizer.mask_token_id).float().mean()), float((shown == true).float().mean())]
    assert shares == pytest.approx([0.8, 0.1], abs=0.04)
