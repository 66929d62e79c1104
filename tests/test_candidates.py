"""Which label or choice a cell means, over all rows of a file; the labels that data have."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plmtasks.data import LETTERS, Cell, Dataset, labels_found, labels_named, predicted, refuse_unknown, settle
from plmtasks.errors import DataError, DataWarning, InputError
from plmtasks.examples import Example
from plmtasks.reading import named

DIGITS = ("1", "2", "3", "4")
COLOURS = ("red", "green", "blue", "grey")


def choices(*rows: tuple[Sequence[str], Any], said: str = "", **parts: Any) -> list[str]:
    """The texts that answers mean; rows are choices and an answer."""
    cells = [Cell(where=f"f:{n}", value=v, candidates=c, choices=True, **parts) for n, (c, v) in enumerate(rows, 1)]
    return meant({"test": cells}, said=said)["test"]


def labels(said: str = "", names: Sequence[str] = ("neg", "pos"), **splits: Sequence[Any]) -> dict[str, list[str]]:
    return meant(
        {s: [Cell(where=f"{s}:{n}", value=v, candidates=names) for n, v in enumerate(its, 1)] for s, its in splits.items()}, said
    )


def meant(splits: dict[str, list[Cell]], said: str = "") -> dict[str, list[str]]:
    def read(cells: list[Cell]) -> list[Example]:
        return [Example(id=str(i), inputs={}, reference=cell) for i, cell in enumerate(cells)]

    data = Dataset(name="f", readers={split: lambda cells=cells: read(cells) for split, cells in splits.items()})
    settled = settle(data, "answer", said, lambda e, at: replace(e, reference=e.reference.candidates[at[0]]))
    return {split: [e.reference for e in settled[split]] for split in splits}


# ── choices ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rows", "right"),
    [
        ([(DIGITS, "3")], ["3"]),
        ([(DIGITS, "3"), (COLOURS, "blue")], ["3", "blue"]),
        ([(("2300", "2400"), "2300")], ["2300"]),
        ([(("2300", "2400"), 2300)], ["2300"]),
        ([(("B", "A", "C"), "B")], ["B"]),
        ([(("1.5", "1"), "1.5"), (("x", "y"), "y")], ["1.5", "y"]),
        ([(("true", "false"), True)], ["true"]),
        ([(COLOURS, "c"), (("x", "y"), "B")], ["blue", "y"]),
        ([(COLOURS, 0), (COLOURS, 3.0)], ["red", "grey"]),
        ([(COLOURS, "blue"), (COLOURS, "A")], ["blue", "red"]),
        ([(("x", "y", "x"), "x"), (("x", "y", "x"), "C")], ["x", "x"]),
    ],
)
def test_a_text_that_is_a_choice_is_that_choice(rows, right):
    assert choices(*rows) == right


@pytest.mark.parametrize(
    ("rows", "right", "said"),
    [
        ([(COLOURS, 4), (DIGITS, 1)], ["grey", "1"], "2 of 2 answers count from 1 and not from 0"),
        ([(COLOURS, 0), (DIGITS, "2")], ["red", "3"], "1 of 2 answers are the text of .* read as numbers from 0"),
        ([(COLOURS, "D"), (("B", "A"), "B")], ["grey", "A"], "1 of 2 answers are the text of .* read as letters"),
        ([(COLOURS, 1), (COLOURS, 2)], ["green", "blue"], "2 of 2 answers may count from 0 or 1; they are read so that 0 is"),
    ],
)  # fmt: skip
def test_one_reading_of_all_rows_settles_them_and_is_said(rows, right, said):
    with pytest.warns(DataWarning, match=said):
        assert choices(*rows) == right


@pytest.mark.parametrize(
    "rows",
    [
        [(DIGITS, "3"), (COLOURS, "1")],  # from 0, from 1
        [(DIGITS, "3"), (COLOURS, "A")],
        [(DIGITS, 3)],  # a number beside texts
        [(("B", "A"), "B"), (COLOURS, 0)],
    ],
)
def test_what_is_open_is_refused_and_columns_settle_it(rows):
    with pytest.raises(DataError, match="expected answers that can be read in one way alone, found ") as error:
        choices(*rows)
    ways = [way for way in ("text", "letter", "index", "number") if f"answer_is={way}" in error.value.hints[-1]]
    readings = {tuple(choices(*rows, said=way)) for way in ways}
    assert len(ways) >= 2
    assert len(readings) >= 2


def test_the_names_that_a_file_gives_its_choices_go_first():
    # ARC calls its choices 1 to 4 in some rows
    assert choices((("2", "1"), "1"), names={"1": 0, "2": 1}) == ["2"]
    assert choices((("2", "1"), "1"), names={"A": 0, "B": 1}) == ["1"]


@pytest.mark.parametrize(
    ("rows", "said", "message"),
    [
        ([(COLOURS, "E")], "", "f:1: expected the right choice as A to D, or 0 to 3, or its text, found 'E'"),
        ([(COLOURS, 9)], "", "f:1: expected the right choice as A to D, .*, found 9"),
        ([(COLOURS, 0), (COLOURS, 4)], "", "f:2: expected answers that count from 0 or from 1 .*, found 4, and 0 at f:1"),
        ([(COLOURS, 0), (COLOURS, 4)], "index", "f:2: expected the right choice as A to D, or 0 to 3, or its text, found 4"),
    ],
)  # fmt: skip
def test_what_is_no_choice_is_told_with_its_line(rows, said, message):
    with pytest.raises(DataError, match=message):
        choices(*rows, said=said)


def test_a_way_that_there_is_not():
    with pytest.raises(InputError, match="answer_is: 'digit' is no way to tell what is meant\n  the ways are: text"):
        choices((COLOURS, 1), said="digit")


texts = st.lists(st.sampled_from(["A", "B", "C", "0", "1", "2", "3", "x", "Rome", "1.0"]), min_size=2, max_size=4, unique=True)
ROWS = st.lists(st.tuples(texts, st.integers(0, 3)), min_size=1, max_size=5)


@pytest.mark.filterwarnings("ignore::plmtasks.errors.DataWarning")
@given(rows=ROWS, way=st.sampled_from(["text", "letter", "index", "number"]))
def test_a_file_written_in_one_way_is_read_so_or_refused_unless_texts_fit_too(rows, way):
    rows = [(its, at % len(its)) for its, at in rows]
    write = {
        "text": lambda its, at: its[at],
        "letter": lambda its, at: LETTERS[at],
        "index": lambda _, at: str(at),
        "number": lambda _, at: str(at + 1),
    }
    cells = [(its, write[way](its, at)) for its, at in rows]
    right = [its[at] for its, at in rows]
    assert choices(*cells, said=way) == right
    try:
        found = choices(*cells)
    except DataError:
        return
    as_texts = all(value in its for its, value in cells)
    from_0 = way == "number" and all(int(value) < len(its) for its, value in cells)  # which is said
    assert found == right or as_texts or from_0


# ── labels ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_numbers_from_1_are_recognised_and_said():
    with pytest.warns(
        DataWarning, match="f, split test: 2 of 2 answers count from 1 and not from 0; they are read so that 1 is 'neg'"
    ):
        assert labels(test=[1, "2"]) == {"test": ["neg", "pos"]}


def test_another_split_settles_from_where_numbers_count():
    with pytest.warns(DataWarning, match="count from 1"):
        assert labels(test=["1", "1"], train=[1, 2]) == {"test": ["neg", "neg"], "train": ["neg", "pos"]}
    assert labels(test=["1", "1"], train=[1, 0]) == {"test": ["pos", "pos"], "train": ["pos", "neg"]}
    with pytest.raises(
        DataError, match="expected answers that count alike in all splits, found numbers from 1 in train, numbers from 0 in t"
    ):
        labels(train=[1, 2], test=[0, 1])


def test_pandas_writes_whole_numbers_as_decimals():
    assert labels(test=["1.0", 0.0, "pos"]) == {"test": ["pos", "neg", "pos"]}


def test_labels_that_are_numbers_are_meant_by_their_names():
    assert labels(names=["1", "2", "3"], test=["1", 2, 3.0]) == {"test": ["1", "2", "3"]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 2], "test:2: expected answers that count from 0 or from 1 in all rows, found 2, and 0 at test:1"),
        ([0, 7], "test:2: expected a known label, found 7\n  the labels are: neg, pos"),
        ([0, -1, -1], "test:2: expected a known label, found -1\n  .*\n  -1 mostly stands for .* missing\n  .*\n  2 of 3 rows"),
        ([-1, -1], "split test: expected answers, found -1, which stands for none, in all 2 rows\n  .* not public"),
    ],
)  # fmt: skip
def test_numbers_that_are_no_labels(values, message):
    with pytest.raises(DataError, match=message):
        labels(test=values)


def test_predictions_that_mean_nothing_stay_out_of_it():
    cells = [Cell(where="p", value=value, candidates=("neg", "pos")) for value in ("2", "who knows", "1", None)]
    with pytest.warns(DataWarning, match="2 of 2 predictions count from 1"):
        assert predicted(Path("p.txt"), cells) == [1, None, 0, None]


# ── the labels that data have ─────────────────────────────────────────────────────────────────────────────────────────


def data(named_: Sequence[str] = (), **splits: Sequence[Any]) -> Dataset:
    readers = {
        s: lambda its=its: [Example(id=str(i), inputs={}, reference=r) for i, r in enumerate(its)] for s, its in splits.items()
    }
    return Dataset(name="f", readers=readers, labels=lambda: named_)


def test_labels_are_those_of_the_training_data_and_those_that_are_named():
    assert labels_found(data(train=["b", "a"], test=["-1"])) == ["a", "b"]
    assert labels_found(data(test=["10", "9"], validation=["1"])) == ["1", "9", "10"]
    assert labels_found(data(("c",), train=["b", "a"])) == ["a", "b", "c"]
    with pytest.raises(DataError, match="f: expected at least two labels, found 'a'"):
        labels_found(data(train=["a"], test=["b"]))


@pytest.mark.parametrize(
    ("known", "references", "said"),
    [
        (["0", "1"], ["1.0", "0.0"], "others in 2 of 2 rows: '1.0' in 1, '0.0' in 1\n  is it '1.0' for '1', '0.0' for '0'?"),
        (["false", "true"], ["True", "false"], "others in 1 of 2 rows: 'True' in 1\n  is it 'True' for 'true'?"),
        (["positive"], ["postive"], "is it 'postive' for 'positive'?"),
        (["joy", "fear"], [["joy", "Fear"], []], "others in 1 of 2 rows: 'Fear' in 1\n  is it 'Fear' for 'fear'?"),
        (
            ["0", "1"],
            ["-1", "-1"],
            "found -1, which stands for none, in all 2 rows\n  the references of this split are not public",
        ),
        (["PER"], [[["per", 0, 1]], []], "others in 1 of 2 rows: 'per' in 1\n  is it 'per' for 'PER'?"),
        (["a"], ["b", "a"], "write labels alike in all splits; .* labels.txt"),
    ],
)
def test_labels_that_training_lacks_stop_it(known, references, said):
    with pytest.raises(DataError, match="f, split test: expected labels of the training data") as error:
        refuse_unknown(data(test=references), "test", known)
    assert re.search(said.replace("?", r"\?"), str(error.value)), str(error.value)


def test_labels_of_spans_are_counted_where_others_are_known():
    with pytest.warns(DataWarning, match="1 of 2 sentences have labels that are not learned: 'LOC' in 1; they count as missed"):
        refuse_unknown(data(test=[[["PER", 0, 1]], [["LOC", 0, 1]]]), "test", ["PER"])


def test_a_file_names_labels(tmp_path):
    (tmp_path / "labels.txt").write_text("red\nblue\n\n")
    assert labels_named(tmp_path / "test.csv", []) == ["red", "blue"]
    (tmp_path / "labels.txt").write_text("red\n\nblue\n")
    with pytest.raises(DataError, match=r"labels\.txt:2: expected a label a line, found none"):
        labels_named(tmp_path / "test.csv", [])


# ── numbers in texts ──────────────────────────────────────────────────────────────────────────────────────────────────

STARS = ["-1", "0", "1", "4", "10", "1000", "2.5"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("0.93", None), ("4.5", None), ("1,000", "1000"), ("1.0", "1"), ("1.", "1"), ("(1)", "1"), ("-1", "-1"), ("−1", "-1"),
        ("+1", "1"), (".5", None), ("100", None), ("1e3", "1000"), ("1e5", None), ("4,5", None), ("1 000", "1000"), ("1st", None),
        ("**4** stars", "4"), ("4 stars", "4"), ("4/5", "4"), ("1-2", None), ("1:30", None), ("1, because", "1"),
        ("4: fine", "4"), ("1,000,000", None), ("1.0.2", None), ("2.50", "2.5"), ("2.5.", "2.5"), ("-10", None), ("1_0", None),
        ("1e99999", None),
    ],
)  # fmt: skip
def test_a_number_names_a_label_as_a_whole(text, label):
    assert named(text, STARS) == label


@given(number=st.decimals(-2000, 2000, places=2, allow_nan=False), of=st.sampled_from(["{}", "'{}'", "{} stars", "{}."]))
def test_numbers_and_labels_are_equal_or_nothing(number, of):
    found = named(of.format(number), STARS)
    assert (None if found is None else float(found)) == (float(number) if float(number) in map(float, STARS) else None)


@pytest.mark.parametrize(
    ("text", "label"), [("good.It is", "good"), ("Good!", "good"), ("goodness", None), ("non-toxic", None), ("good—very", "good")]
)
def test_a_word_names_a_label_as_a_whole(text, label):
    assert named(text, ["good", "non"]) == label
