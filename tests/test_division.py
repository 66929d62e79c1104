"""One split becomes several: whole clusters, no text on two sides, labels in proportion; and what a split is told to hold."""

import random
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plmtasks.config import Source
from plmtasks.data import Dataset, contents, divide, folds, held_out, warn_of_labels
from plmtasks.errors import DataWarning, InputError
from plmtasks.examples import Example


def example(number: int, text: str, reference: object = "a", cluster: str | None = None) -> Example:
    return Example(id=f"n{number}", inputs={"text": text}, reference=reference, cluster=cluster)


def numbered(references: str) -> list[Example]:
    return [example(i, f"text {i}", reference) for i, reference in enumerate(references)]


def of(*splits: str, size: int = 50) -> Dataset:
    def read(split: str) -> list[Example]:
        return [example(i, f"{split} {i}", "ab"[i % 2]) for i in range(size)]

    return Dataset(name="reviews.csv", readers={split: (lambda split=split: read(split)) for split in splits})


@pytest.mark.parametrize("shares", [[0.2, 0.8], [0.5, 0.5], [0.2] * 5, [0.1] * 10, [1 / 3] * 3])
def test_each_label_is_divided_in_proportion(shares: list[float]) -> None:
    examples = numbered("".join(random.Random(0).choices("abcd", [50, 30, 15, 5], k=211)))
    parts = divide(examples, shares)
    for label, count in Counter(e.reference for e in examples).items():
        held = Counter(part for e, part in zip(examples, parts, strict=True) if e.reference == label)
        assert all(abs(held[part] - share * count) < 2 for part, share in enumerate(shares)), (label, held)
    assert all(abs(Counter(parts)[part] - share * len(examples)) < 2 for part, share in enumerate(shares))


def test_references_that_stand_there_once_are_divided_together() -> None:
    parts = divide([example(i, f"text {i}", [f"a summary of {i}"]) for i in range(100)], [0.2, 0.8])
    assert Counter(parts) == {0: 20, 1: 80}


GROUPS = st.lists(
    st.tuples(st.sampled_from("abcdefghijkl"), st.sampled_from(["x", "y", None]), st.sampled_from("pq")), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(GROUPS, st.sampled_from([(0.2, 0.8), (0.25,) * 4]), st.randoms())
def test_what_belongs_together_stays_together_in_any_order(
    said: list[tuple[str, str | None, str]], shares: tuple[float, ...], drawn: random.Random
) -> None:
    examples = [example(i, f"word {text}", reference, cluster) for i, (text, cluster, reference) in enumerate(said)]
    parts = dict(zip([e.id for e in examples], divide(examples, shares), strict=True))
    for one in examples:
        for other in examples:
            if one.inputs == other.inputs or (one.cluster is not None and one.cluster == other.cluster):
                assert parts[one.id] == parts[other.id]
    shuffled = drawn.sample(examples, len(examples))
    assert dict(zip([e.id for e in shuffled], divide(shuffled, shares), strict=True)) == parts
    others = [replace(e, id=f"other {e.id}") for e in examples]
    assert divide(others, shares) == list(parts.values())


def test_the_same_words_are_one_text_whatever_case_and_marks() -> None:
    alike = ["A fine film!", "a  fine film", "A FINE FILM", "a fine, film…"]
    examples = [
        *numbered("ab" * 20),
        *(example(100 + i, text) for i, text in enumerate(alike)),
        example(104, ":-)"),
        example(105, ":-("),
    ]
    for number in range(2, 9):
        parts = divide(examples, [1 / number] * number)
        assert len({*parts[40:44]}) == 1
    assert len({tuple(divide(examples, [1 / n] * n)[44:]) for n in range(2, 9)}) > 1
    assert any(len({*divide(examples, [1 / n] * n)[44:]}) == 2 for n in range(2, 9)), "texts without a word are as they are"


def test_a_cluster_larger_than_the_part_is_learned() -> None:
    examples = [example(i, f"text {i}", "ab"[i % 2], "one" if i < 60 else None) for i in range(100)]
    parts = divide(examples, [0.2, 0.8])
    assert {*parts[:60]} == {1}
    assert 0 in parts


def test_one_file_becomes_train_and_test() -> None:
    whole = of("test")
    made = held_out(whole, Source(data="reviews.csv", holdout=0.2))
    assert made.splits == ["train", "test"]
    assert (made.default_split(), len(made["test"]), len(made["train"])) == ("test", 10, 40)
    assert {e.id for e in made["test"]} | {e.id for e in made["train"]} == {e.id for e in whole["test"]}
    assert held_out(whole, Source(data="reviews.csv")) is whole
    assert made.public_name("test", Source(data="reviews.csv")) != made.public_name("train", Source(data="reviews.csv"))


def test_a_train_split_alone_keeps_what_is_beside_it() -> None:
    made = held_out(of("train", "unsupervised"), Source(holdout=0.5))
    assert made.splits == ["train", "unsupervised", "test"]
    assert (len(made["train"]), len(made["test"]), len(made["unsupervised"])) == (25, 25, 50)


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        (("train", "test"), "reviews.csv has train, test\n  leave --holdout out"),
        (("train", "validation"), "reviews.csv has train, validation\n  leave --holdout out"),
        (("validation", "test"), "reviews.csv has validation, test\n  name the file of one split with --data FILE"),
    ],
)
def test_splits_that_are_there_are_not_divided(splits: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError) as error:
        held_out(of(*splits), Source(holdout=0.2))
    assert said in str(error.value)


def test_parts_that_would_be_empty_are_refused() -> None:
    with pytest.raises(InputError, match=r"cannot be divided into a part of 0\.001 and the rest: 50 examples"):
        held_out(of("test"), Source(holdout=0.001))
    with pytest.raises(InputError, match="cannot be divided into 60 parts: 50 examples"):
        folds(of("test"), "test", 60)
    for share in (0, 1, 1.5, -0.1):
        with pytest.raises(InputError, match="holdout is a number above 0 and below 1"):
            Source(holdout=share)


def test_a_label_of_one_part_is_known_in_the_other() -> None:
    data = Dataset(name="d", readers={"test": lambda: numbered("ab" * 20 + "c")})
    for made in (held_out(data, Source(holdout=0.2)), *folds(data, "test", 4)):
        assert {*made.labels()} == {"a", "b", "c"}


def test_bad_rows_are_counted_of_the_whole_and_told_once(tmp_path: Path) -> None:
    from plmtasks.hooks import load_registry

    file = tmp_path / "reviews.csv"
    file.write_text("text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(20)) + ",a\nno label,\n")
    source = Source(data=str(file), skip_bad_rows=True, holdout=0.25)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = held_out(load_registry().task("classification/custom").load(source), source)
        _ = made["train"], made["test"]
    assert made.left_out("test") == made.left_out("train") == 1
    assert len([one for one in caught if "left out" in str(one.message)]) == 1
    assert len([one for one in caught if "empty text" in str(one.message)]) == 1


# ── what a split holds ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_split_is_told_in_a_line() -> None:
    examples = [*numbered("aab"), example(3, "", "b"), example(4, "w " * 30, "b")]
    data = Dataset(name="d", readers={"test": lambda: examples})
    said = contents(data, "test", ("a", "b"))
    assert said == "test: 5 examples: a 2, b 3; 2 words in the median, 30 at most; 1 with an empty text"
    data = Dataset(name="d", readers={"test": lambda: [example(0, "电影很好看", "甲"), example(1, "很好", "好的")]})
    assert contents(data, "test", ()) == (
        "test: 2 examples; 2 characters in the median, 5 at most; references: 1 character in the median, 2 at most"
    )


def test_what_is_written_repeated_or_a_number_is_told() -> None:
    answers = [{"text": ["two words"]}, {"text": []}, {"text": ["one", "another answer"]}]
    examples = [Example(id=str(i), inputs={"question": "who is it"}, reference=answer) for i, answer in enumerate(answers)]
    data = Dataset(name="d", readers={"test": lambda: examples})
    assert contents(data, "test", ()) == (
        "test: 3 examples; 3 words in the median, 3 at most; references: 1 word in the median, 2 at most; "
        "1 without an answer; 2 repeat another"
    )
    data = Dataset(name="d", readers={"test": lambda: [example(i, "fine", n) for i, n in enumerate((0.5, 4.0, 1.25, 3.0))]})
    assert contents(data, "test", ()).endswith("; references: 0.5 to 4, 2.125 in the median; 3 repeat another")
    data = Dataset(name="d", readers={"test": lambda: numbered("0110")})
    assert contents(data, "test", ("0", "1")).startswith("test: 4 examples: '0' 2, '1' 2; ")
    data = Dataset(name="d", readers={"test": lambda: [example(0, "fine", "a"), example(1, "fine", "b"), example(2, "", "a")]})
    with pytest.warns(DataWarning, match=r"^d: 1 text stands there with more than one label, such as 'fine': 'a' and 'b'; keep"):
        warn_of_labels(data, ["test"], learned=None)


def test_of_many_labels_the_most_frequent_are_told() -> None:
    data = Dataset(name="d", readers={"test": lambda: numbered("".join(label * n for n, label in enumerate("abcdefghij", 1)))})
    assert ": j 10, i 9, h 8, g 7, f 6, e 5, d 4, c 3 and 2 more; " in contents(data, "test", tuple("abcdefghij"))


def test_labels_that_are_probably_a_slip_are_warned_of() -> None:
    examples = [
        example(i, f"text {i}", label) for i, label in enumerate(["good"] * 5 + ["Good"] + ["bad"] * 3 + ["b ad", "neutral"])
    ]
    data = Dataset(name="d", readers={"test": lambda: examples})
    with pytest.warns(DataWarning) as caught:
        warn_of_labels(data, ["test"], learned="test")
    said = [str(one.message) for one in caught]
    assert said == [
        "d: the labels 'good' (5) and 'Good' (1) differ in case or white space alone: if they are one, write them "
        "alike in the file",
        "d: the labels 'bad' (3) and 'b ad' (1) differ in case or white space alone: if they are one, write them "
        "alike in the file",
        "d: 1 label occurs once, too seldom to be learned: 'neutral'; correct what is a slip, else add examples or "
        "leave them out",
    ]
    with pytest.warns(DataWarning) as caught:
        warn_of_labels(data, ["test"], learned=None)
    assert len(caught) == 2, "nothing is learned, so nothing is too seldom"


def test_clean_labels_and_published_data_are_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_labels(Dataset(name="d", readers={"test": lambda: numbered("aabb")}), ["test"], learned="test")
        warn_of_labels(Dataset(name="d", readers={"test": lambda: numbered("aAb")}, published=True), ["test"], learned="test")
        spans = [example(i, "a b", [["PER", 0, 1]] + [["LOC", 1, 2]] * (i == 0)) for i in range(3)]
        warn_of_labels(Dataset(name="d", readers={"test": lambda: spans}), ["test"], learned="test")


def test_one_of_a_label_in_a_part_is_no_slip() -> None:
    data = held_out(Dataset(name="d", readers={"test": lambda: numbered("aaaabb")}), Source(holdout=0.5))
    assert [Counter(e.reference for e in data[split])["b"] for split in data.splits] == [1, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_labels(data, ["train", "test"], learned="train")
