"""Tag: legal labels, marked words, windows."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_transformers.answering.tag import MARK, best_labels

from plmtasks.errors import InputError
from plmtasks.requests import LogLikelihood, Tag, TagAnswer

LABELS = ("I-X", "O", "B-X", "B-Y", "I-Y", "I-Z")
WORDS = ("the", "nurse", "happily", "found", "the", "lamp", "in", "the", "garden", "on", "Monday", ".")
FORM = Tag(words=WORDS, labels=("O", "B-V", "I-V", "B-ARG0", "I-ARG0"))


def legal(labels):
    return all(b[:2] != "I-" or a in (f"B-{b[2:]}", b) for a, b in itertools.pairwise(["", *labels]))


numbers = st.floats(-5, 0, width=32)


@given(rows=st.lists(st.lists(st.lists(numbers, min_size=6, max_size=6), min_size=0, max_size=5), min_size=1, max_size=3))
def test_the_path_is_the_best_legal_one(rows):
    width = max(map(len, rows))
    table = np.zeros((len(rows), width, 6), np.float32)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = np.array(row, np.float32).reshape(-1, 6)
    for path, row in zip(best_labels(LABELS, table), rows, strict=True):
        chosen = [LABELS[k] for k in path[: len(row)]]
        assert legal(chosen)
        best = max(
            math.fsum(r[k] for r, k in zip(row, ks, strict=True))
            for ks in itertools.product(range(6), repeat=len(row))
            if legal([LABELS[k] for k in ks])
        )
        assert math.fsum(r[k] for r, k in zip(row, path, strict=False)) == pytest.approx(best, abs=1e-5)


def test_without_beginnings_every_sequence_is_legal():
    chances = np.array([[[0, 1], [1, 0]]], np.float32)
    assert best_labels(("NOUN", "I-VERB"), chances).tolist() == [[1, 0]]


def test_answers_are_legal_and_one_a_word(load):
    loaded = load("encoder", FORM)
    requests = [
        FORM,
        Tag(words=(), labels=FORM.labels),
        Tag(words=("\u200b", "lamp"), labels=FORM.labels),
        Tag(words=WORDS * 60, labels=FORM.labels),
    ]
    for request, answer in zip(requests, loaded.answer(requests), strict=True):
        assert len(answer.labels) == len(request.words)
        assert legal(answer.labels)
        assert set(answer.labels) <= set(FORM.labels)


def test_a_marked_word_has_token_type_1(load):
    loaded = load("encoder", FORM)
    marked = Tag(words=("the", "unheardof", "lamp"), labels=FORM.labels, marked=(1,))
    [encoding] = loaded.encodings([marked])
    pieces = loaded.tokenizer.tokenize("unheardof")
    assert len(pieces) > 1
    assert encoding.windows[0].types.tolist() == [0, 0] + [1] * len(pieces) + [0, 0]
    assert encoding.places.tolist() == [[0, 1], [0, 2], [0, 2 + len(pieces)]]


def test_a_model_with_one_token_type_sees_a_mark(load, tiny, tmp_path):
    import transformers

    tokenizer = load("encoder", FORM).tokenizer
    config = transformers.DistilBertConfig(vocab_size=len(tokenizer), dim=16, n_layers=1, n_heads=2, hidden_dim=16)
    transformers.DistilBertModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load(tiny["encoder"].saved(tmp_path), FORM)
    marked = Tag(words=("the", "nurse", "slept"), labels=FORM.labels, marked=(1,))
    [encoding] = loaded.encodings([marked])
    tokens = loaded.tokenizer.convert_ids_to_tokens(encoding.windows[0].ids)
    assert [tokens[place] for _, place in encoding.places] == ["the", "nurse", "s"]
    assert tokens[1:5] == ["the", MARK, "nurse", MARK] or tokens[2] == tokens[4] == "[UNK]"
    assert len(loaded.answer([marked])[0].labels) == 3


def test_words_are_spelt_as_in_running_text(load, tiny, tmp_path):
    import transformers

    tokenizer = load("decoder", LogLikelihood(text="")).tokenizer
    config = transformers.ModernBertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        pad_token_id=0, bos_token_id=1, eos_token_id=1, cls_token_id=1, sep_token_id=1,
    )  # fmt: skip
    transformers.ModernBertModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load(tiny["encoder"].saved(tmp_path), FORM)
    [encoding] = loaded.encodings([FORM])
    assert encoding.windows[0].ids.tolist() == loaded.tokenizer(" ".join(WORDS))["input_ids"]


def test_every_word_of_many_windows_is_read_where_its_neighbours_are(load):
    loaded = load("encoder", FORM)
    long = Tag(words=(*WORDS, "unheardof") * 40, labels=FORM.labels)
    [encoding] = loaded.encodings([long])
    assert len(encoding.windows) > 2
    assert (encoding.places >= 0).all()
    firsts = [loaded.tokenizer.tokenize(w)[0] for w in long.words]
    read = [loaded.tokenizer.convert_ids_to_tokens(int(encoding.windows[w].ids[p])) for w, p in encoding.places]
    assert read == firsts
    inner = encoding.places[40:-40, 1]
    assert inner.min() > 16
    assert loaded.costs([long])[0].cut == 0


@pytest.mark.parametrize(("policy", "lost"), [("right", "end"), ("skip", "end"), ("left", "start")])
def test_cut_words_are_counted(load, policy, lost):
    loaded = load("encoder", FORM, truncation=policy)
    long = Tag(words=WORDS * 30, labels=FORM.labels)
    [encoding] = loaded.encodings([long])
    assert len(encoding.windows) == 1
    assert encoding.cut == len(long.words) - 254
    gone = encoding.places[:, 0] < 0
    assert gone[-1 if lost == "end" else 0]
    assert not gone[0 if lost == "end" else -1]
    _, count = loaded.loss([long], [TagAnswer(labels=("O",) * len(long.words))])
    assert count == 254


def test_too_many_words_are_an_error_if_wanted(load):
    with pytest.raises(InputError, match="'tiny-bert' takes 256"):
        load("encoder", FORM, truncation="error").costs([Tag(words=WORDS * 30, labels=FORM.labels)])


def test_labels_that_the_head_does_not_have(load):
    with pytest.raises(InputError, match="no label 'B-Q'"):
        load("encoder", FORM).answer([Tag(words=WORDS, labels=("B-Q",))])
