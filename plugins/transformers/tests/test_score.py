"""Score: windows, likelihood and pseudo-likelihood."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_transformers.score import windows

from plmtasks.errors import InputError
from plmtasks.requests import Score
from plmtasks.samples import events

TEXTS = [e.english() for e in events("train", 40)]
SHORT = Score(text=TEXTS[0])
AFTER = Score(text="on Monday .", context="the nurse found the lamp ")
LONG = Score(text=" ".join(TEXTS))


@given(given=st.integers(1, 60), count=st.integers(0, 200), limit=st.integers(4, 40))
def test_each_token_is_scored_once_with_what_precedes_it(given, count, limit):
    tokens = list(range(given + count))
    scored = []
    rows = list(windows(tokens[:given], tokens[given:], limit))
    for row, wanted in rows:
        assert 0 < len(row) <= limit
        assert len(wanted) <= len(row)
        if len(wanted):
            assert row[-1] == wanted[-1] - 1
            assert (np.diff(row) == 1).all()
        # at least half of a further window is context
        if scored and count:
            assert len(row) - len(wanted) >= limit - limit // 2 or row[0] == 0
        scored += wanted.tolist()
    assert scored == tokens[given:]


@pytest.mark.parametrize("family", ["decoder", "sequence-to-sequence"])
def test_likelihood_of_a_text(load, family):
    loaded = load(family, SHORT)
    tokenizer, module = loaded.tokenizer, loaded.module
    for request, answer in zip((SHORT, AFTER), loaded.answer([SHORT, AFTER]), strict=True):
        with torch.inference_mode():
            if family == "decoder":
                ids = [tokenizer.bos_token_id] * (not request.context) + tokenizer(request.context + request.text)["input_ids"]
                count = len(ids) - (len(tokenizer(request.context.rstrip())["input_ids"]) or 1)
                logits = module(input_ids=torch.tensor([ids])).logits[0, :-1]
                labels = torch.tensor(ids[1:])
            else:
                labels = torch.tensor(tokenizer(request.text)["input_ids"][:-1])
                source = torch.tensor([tokenizer(request.context)["input_ids"]])
                logits, count = module(input_ids=source, labels=labels[None]).logits[0], len(labels)
        value = logits.log_softmax(-1).gather(1, labels[:, None])[-count:].sum()
        assert answer.log_likelihood == pytest.approx(float(value), abs=1e-4)
        assert (answer.tokens, answer.words, answer.bytes) == (count, len(request.text.split()), len(request.text))


@pytest.mark.parametrize("family", ["decoder", "sequence-to-sequence"])
def test_a_long_text_goes_over_windows(load, family):
    loaded = load(family, SHORT)
    [cost], [answer] = loaded.costs([LONG]), loaded.answer([LONG])
    own = len(loaded.tokenizer(LONG.text, add_special_tokens=False)["input_ids"])
    assert cost.rows > 2
    assert cost.cut == 0
    assert answer.tokens == own
    pieces = loaded.encodings([LONG])[0]
    alone = 0.0
    for row, (_, wanted) in zip(pieces.rows, pieces.wants, strict=True):
        ids = torch.tensor(row[None].astype(np.int64))
        with torch.inference_mode():
            if family == "decoder":
                logits = loaded.module(input_ids=ids).logits[0]
            else:
                source = torch.tensor([loaded.tokenizer("")["input_ids"]])
                logits = loaded.module(input_ids=source, decoder_input_ids=ids).logits[0]
        chances = logits[-len(wanted) :].log_softmax(-1)
        alone += float(chances.gather(1, torch.tensor(wanted.astype(np.int64))[:, None]).sum())
    assert answer.log_likelihood == pytest.approx(alone, rel=1e-5)


def test_pseudo_likelihood_hides_each_token_in_turn(load):
    loaded = load("encoder", SHORT)
    tokenizer = loaded.tokenizer
    for request, answer in zip((SHORT, AFTER), loaded.answer([SHORT, AFTER]), strict=True):
        sides = [request.context] * bool(request.context) + [request.text]
        batch = tokenizer(*sides, return_tensors="pt")
        places = [j for j, side in enumerate(batch.sequence_ids(0)) if side == len(sides) - 1]
        total = 0.0
        for place in places:
            ids = batch["input_ids"].clone()
            ids[0, place] = tokenizer.mask_token_id
            with torch.inference_mode():
                logits = loaded.module(**{**batch, "input_ids": ids}).logits
            total += float(logits[0, place].log_softmax(-1)[batch["input_ids"][0, place]])
        assert answer.log_likelihood == pytest.approx(total, abs=1e-3)
        assert answer.tokens == len(places)


def test_pseudo_likelihood_of_a_long_text_scores_each_token_once(load):
    loaded = load("encoder", SHORT, batch_tokens=2048)
    request = Score(text=LONG.text, context=LONG.text)
    windows = loaded.encodings([request])[0].windows
    own = loaded.tokenizer(LONG.text, add_special_tokens=False)["input_ids"]
    assert [int(w.ids[p]) for w in windows for p in w.places] == own
    assert max(len(w.ids) for w in windows) <= 256
    assert loaded.costs([request])[0].rows == len(own)


@pytest.mark.parametrize("family", ["encoder", "decoder", "sequence-to-sequence"])
def test_policies(load, family):
    with pytest.raises(InputError, match="takes 25"):
        load(family, SHORT, truncation="error").costs([SHORT, LONG])
    skip = load(family, SHORT, truncation="skip").costs([SHORT, LONG])
    assert skip[0].cut == 0
    assert skip[1].cut > 100


@pytest.mark.parametrize("family", ["encoder", "decoder", "sequence-to-sequence"])
def test_an_empty_text_has_no_token(load, family):
    empty = Score(text="")
    [answer, _] = load(family, empty).answer([empty, SHORT])
    assert (answer.log_likelihood, answer.tokens, answer.words, answer.bytes) == (0.0, 0, 0, 0)


def test_masked_words_are_restored_from_the_others(load):
    loaded = load("encoder", SHORT)
    requests = [Score(text=t) for t in TEXTS[:20]]
    torch.manual_seed(0)
    _, count = loaded.loss(requests, [])
    total = sum(e.tokens for e in loaded.encodings(requests))
    assert 0.1 < count / total < 0.2
    assert loaded.loss([Score(text="a")], [])[1] == 1
