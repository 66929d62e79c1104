"""Which examples the train split has already."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plmtasks.config import Source
from plmtasks.examples import Example
from plmtasks.hooks import load_registry
from plmtasks.results import Result
from plmtasks.scoring import find
from plmtasks.scoring.overlap import Overlap
from plmtasks.tables import Row

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def examples(*texts: Any) -> list[Example]:
    return [Example(id=str(i), inputs={"text": text}) for i, text in enumerate(texts)]


def words(*names: str) -> str:
    return " ".join(" ".join(name) for name in names)


def test_exact_but_for_case_marks_and_white_space() -> None:
    made = find(examples("The red kite!", "the red kites", ""), examples("the  RED, kite", ""), "t")
    assert (made.exact, made.ngram, made.short) == ({"0"}, {"0"}, 3)


def test_n_words_in_a_row_of_one_input() -> None:
    made = find(
        examples(words("abcdefgh"), words("xabcdefgh"), words("abcdefg"), words("hgfedcba")), examples(words("zabcdefghz")), "t"
    )
    assert made.n == 8
    assert (made.exact, made.ngram, made.short) == (set(), {"0", "1"}, 1)
    # words that two inputs have between them are not in a row
    pair = Example(id="p", inputs={"text": words("abcd"), "text_pair": words("efgh")})
    assert find([pair], examples(words("abcdefgh")), "t").ngram == set()


def test_long_texts_must_share_thirteen_words_and_most_texts_are_long_enough() -> None:
    long = words(LETTERS)
    assert find(examples(*[long] * 20), examples(words(LETTERS[:12])), "t").ngram == set()
    assert len(find(examples(*[long] * 20), examples(words(LETTERS[:13])), "t").ngram) == 20
    # more than one of twenty is of ten words
    made = find(examples(*[long] * 18, *[words(LETTERS[:10])] * 2), examples(words(LETTERS[:12])), "t")
    assert (made.n, len(made.ngram)) == (10, 20)


def test_a_chinese_character_is_a_word() -> None:
    made = find(examples("昨天，她在花园里看见了红色的风筝。"), examples("她在花园里看见了风筝", "她在花园"), "t")
    assert (made.n, made.ngram) == (13, set())
    assert find(examples("她在花园里看见了风筝"), examples("昨天她在花园里看见了风筝。"), "t").ngram == {"0"}


def test_tagged_words_are_a_text() -> None:
    assert find(examples(["The", "kite", "."]), examples(["the", "kite"]), "t").exact == {"0"}


texts = st.lists(st.text(alphabet="ab ", min_size=0, max_size=40), max_size=5)


@given(texts, texts)
def test_the_hashes_find_what_comparing_all_finds(evaluated: list[str], train: list[str]) -> None:
    made = find(examples(*evaluated), examples(*train), "t")

    def grams(text: str) -> set[tuple[str, ...]]:
        cut = text.split()
        return {tuple(cut[i : i + made.n]) for i in range(len(cut) - made.n + 1)}

    known = set().union(*map(grams, train))
    exact = {str(i) for i, t in enumerate(evaluated) if t.split() and any(t.split() == other.split() for other in train)}
    assert made.exact == exact
    assert made.ngram == exact | {str(i) for i, t in enumerate(evaluated) if grams(t) & known}
    assert made.short == sum(not grams(t) for t in evaluated)


def test_the_examples_are_sliced_by_it() -> None:
    made = Overlap(train="t", n=8, exact=frozenset(), ngram=frozenset("1"), short=0, examples=2)
    assert [e.slices for e in made.sliced(examples("a", "b"))] == [("overlap=no",), ("overlap=yes",)]


def test_a_table_says_so() -> None:
    record: Any = {
        "overlap": {"exact": 1, "ngram": 3, "n": 8, "examples": 20},
        "data": {"limit": None, "total": 20, "skipped": 0, "truncated": 0},
        "settings": {"dtype": "float32"},
    }  # fmt: skip
    marks = ["1 of 20 stand in train", "3 of 20 share 8 words in a row with train"]
    assert list(Row(Result(record=record, folder=Path()))._overlap()) == marks


def test_sst2_has_a_sentence_twice(real_data: Path) -> None:
    data = load_registry().task("classification/sst2").load(Source(data=str(real_data / "sst2")))
    made = find(data["validation"], data["train"], "train")
    assert (made.n, len(made.exact), made.examples) == (8, 1, 872)
