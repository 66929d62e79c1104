from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_srl.brackets import NOTHING, read_text, show, write_text
from plmtasks_srl.data.propositions import read_sentences
from plmtasks_srl.data.sentences import lay_flat
from plmtasks_srl.spans import find_flaw, misfits, plain, read_brackets, scheme_of, spans_of, write_brackets

from plmtasks.errors import DataError
from plmtasks.reading import WordSpan, spans_to_tags, tags_to_spans

LABELS = st.sampled_from(["ARG0", "ARG1", "C-ARG1", "R-ARG1", "ARGM-TMP", "V", "creative-work"])
# few different words, so that runs repeat; brackets, bars, spaces of all kinds and what the text itself uses
WORDS = st.sampled_from(
    ["the", "a", "none", "[", "]", "[ARG0", "a|b", "x]", "*", "-LSB-", "\u00a0", "a b", "。", "word"]
) | st.text(min_size=1, max_size=3)


@st.composite
def sentences(draw, labels=LABELS):
    """Words and disjoint spans of them."""
    words = draw(st.lists(WORDS, min_size=1, max_size=14))
    bounds = sorted(draw(st.sets(st.integers(0, len(words)))))
    pairs = list(pairwise(bounds))
    kept = [pair for pair in pairs if draw(st.booleans())]
    return words, [WordSpan(draw(labels), start, end) for start, end in kept]


def at(i):
    return f"file:{i + 1}"


@given(sentences())
def test_spans_come_back_from_tags_brackets_text_and_json(sentence):
    words, spans = sentence
    length = len(words)
    assert tags_to_spans(spans_to_tags(spans, length)) == spans
    assert misfits(spans_to_tags(spans, length), "IOB2") == []
    assert read_brackets(write_brackets(spans, length), at) == spans
    assert read_text(write_text(spans, words), words) == spans
    assert list(spans_of(plain(spans))) == spans
    assert find_flaw(spans, length) is None


@given(sentences())
def test_one_writing_becomes_another_and_comes_back(sentence):
    words, spans = sentence
    tags = spans_to_tags(spans, len(words))
    cells = write_brackets(tags_to_spans(tags), len(words))
    text = write_text(read_brackets(cells, at), words)
    assert spans_to_tags(read_text(text, words), len(words)) == tags


@given(sentences())
def test_the_text_needs_no_more_than_the_sentence(sentence):
    words, spans = sentence
    assert "\n" not in write_text(spans, words)
    assert len(write_text(spans, words).split(" ")) <= len(words) + len(spans) + (not spans)


@pytest.mark.slow
def test_the_three_files_of_a_split_say_the_same(real_data):
    folder = real_data / "propbank_ewt"
    columns, tags, props = (read_sentences(folder / f) for f in ("test.gold_conll", "test.bio.tsv", "baseline.test.gold.props"))
    assert [(s.id, s.words, s.propositions) for s in columns] == [(s.id, s.words, s.propositions) for s in tags]
    assert [[p.roles for p in s.propositions] for s in columns] == [[p.roles for p in s.propositions] for s in props]


SENTENCE = ["the", "cat", "saw", "the", "dog", "and", "the", "cat", "ran"]


@pytest.mark.parametrize(
    ("spans", "text"),
    [
        ([WordSpan("ARG0", 0, 2), WordSpan("ARG1", 3, 5)], "[ARG0 the cat] [ARG1 the dog]"),
        ([WordSpan("ARG0", 6, 8)], "and [ARG0 the cat]"),
        ([WordSpan("ARG0", 6, 7), WordSpan("ARG1", 8, 9)], "and [ARG0 the] [ARG1 ran]"),
        ([], NOTHING),
    ],
)
def test_text_holds_only_the_words_that_it_takes(spans, text):
    assert write_text(spans, SENTENCE) == text
    assert read_text(text, SENTENCE) == spans


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("", []),
        ("no idea", []),
        ("[ARG0 the cat", [("ARG0", 0, 2)]),  # not closed
        ("[ARG0 the cat [ARG1 the dog]", [("ARG0", 0, 2), ("ARG1", 3, 5)]),
        ("[ARG1 the dog] [ARG0 the cat]", [("ARG1", 3, 5), ("ARG0", 6, 8)]),
        ("[ARG1 the dog] [V saw]", [("V", 2, 3), ("ARG1", 3, 5)]),  # out of order
        ("[ARG0 the bird] [ARG1 the dog]", [("ARG1", 3, 5)]),  # a word that is not there
        ("[ARG0 the cat] [ARG1 saw the] [ARG2 saw]", [("ARG0", 0, 2), ("ARG1", 2, 4)]),  # the last is taken
        ("[] [ARG0] ] [[ARG0 the cat]]", [("ARG0", 0, 2)]),
        ("the cat saw the dog and [ARG0 the cat] ran", [("ARG0", 6, 8)]),
    ],
)
def test_of_a_text_that_is_no_such_text_is_read_what_can_be(text, spans):
    assert read_text(text, SENTENCE) == [WordSpan(*span) for span in spans]


@given(st.text(st.sampled_from("[] \nARG0thecats"), max_size=40))
def test_whatever_is_written_gives_disjoint_spans(text):
    assert find_flaw(read_text(text, SENTENCE), len(SENTENCE)) is None


def test_a_person_reads_the_whole_sentence():
    assert show([WordSpan("V", 2, 3), WordSpan("ARG0", 0, 2)], SENTENCE[:6]) == "[ARG0: the cat] [V: saw] the dog and"


# ── tags ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def as_scheme(spans, length, scheme):
    """Tags of a scheme, written out from its definition."""
    tags = ["O"] * length
    ends = {(s.label, s.end) for s in spans}
    for label, start, end in spans:
        tags[start:end] = [f"I-{label}"] * (end - start)
        if scheme == "IOB2" or (scheme == "IOB1" and (label, start) in ends):
            tags[start] = f"B-{label}"
        if scheme == "IOBES":
            tags[start], tags[end - 1] = f"B-{label}", f"E-{label}"
            if end - start == 1:
                tags[start] = f"S-{label}"
    return tags


@given(sentences(), st.sampled_from(["IOB1", "IOB2", "IOBES"]))
def test_all_schemes_are_read(sentence, scheme):
    words, spans = sentence
    tags = as_scheme(spans, len(words), scheme)
    assert tags_to_spans(tags) == spans
    assert misfits(tags, scheme) == []
    found = scheme_of([tags])
    assert misfits(tags, found) == []


@pytest.mark.parametrize(
    ("tags", "scheme", "place"),
    [
        (["O", "I-X"], "IOB2", 1),
        (["B-X", "I-Y"], "IOB2", 1),
        (["B-X", "E-X"], "IOB2", 1),
        (["I-X", "B-Y"], "IOB1", 1),
        (["B-X"], "IOB1", 0),
        (["B-X", "O"], "IOBES", 1),
        (["B-X"], "IOBES", 1),
        (["S-X", "E-X"], "IOBES", 1),
        (["X"], "IOB2", 0),
        (["B-"], "IOB2", 0),
    ],
)
def test_the_first_tag_outside_a_scheme_is_told(tags, scheme, place):
    assert misfits(tags, scheme)[0] == place


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["(A*", "*"], r"file:1: expected brackets that are closed within the sentence, found \(A\* open"),
        (["*", "*)"], r"file:2: expected a closing bracket for each that was opened, found '\*\)'"),
        (["(A", "*)"], "file:1: expected a role's brackets"),
        (["(A*", "*B)"], "file:2: expected the bracket of A to be closed"),
        (["x"], "file:1: expected a role's brackets"),
    ],
)
def test_brackets_that_do_not_match_are_errors(cells, message):
    with pytest.raises(DataError, match=message):
        read_brackets(cells, at)


def test_closing_brackets_may_name_their_label_and_lie_within_one_another():
    assert read_brackets(["(A*", "(B*B)A)"], at) == [WordSpan("A", 0, 2), WordSpan("B", 1, 2)]


@given(st.lists(st.tuples(LABELS, st.integers(0, 8), st.integers(1, 4)), max_size=6))
def test_overlapping_arguments_are_laid_flat(items):
    spans = [WordSpan(label, start, start + length) for label, start, length in items]
    kept, lost = lay_flat(spans)
    assert find_flaw(kept, 12) is None
    assert lost <= len(spans)
    if find_flaw(spans, 12) is None:
        assert (list(kept), lost) == (sorted(spans, key=lambda s: s.start), 0)


def test_an_argument_around_the_predicate_goes_on_behind_it():
    assert lay_flat([WordSpan("ARG1", 0, 5), WordSpan("V", 2, 3), WordSpan("ARG2", 4, 6)]) == (
        (WordSpan("ARG1", 0, 2), WordSpan("V", 2, 3), WordSpan("C-ARG1", 3, 5)), 1,
    )  # fmt: skip


def test_a_span_of_more_words_than_any_memory_has_is_told():
    assert find_flaw([WordSpan("x", 3, 2**63)], 5) == f"['x', 3, {2**63}] in a sentence of 5 words"
