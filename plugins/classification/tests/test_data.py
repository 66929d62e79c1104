"""Every format in, examples out; and what bad input gets."""

import gzip
import json
import socket
from pathlib import Path

import pytest
from plmtasks_classification.catalog import TASKS

from plmtasks.config import Source
from plmtasks.data import HubData, refuse_unknown
from plmtasks.errors import DataError, DataWarning, InputError
from plmtasks.examples import Example

TASK = {task.name.removeprefix("classification/"): task for task in TASKS}


def read(variant: str, path: Path, split: str = "test", **columns: str) -> tuple[Example, ...]:
    return TASK[variant].load(Source(data=str(path), columns=columns))[split]


def short(examples: tuple[Example, ...]) -> list[tuple[object, ...]]:
    return [(e.id, *e.inputs.values(), e.reference) for e in examples]


# ── formats ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("variant", "name", "content", "expected"),
    [
        ("sst2", "test.tsv", 'good "film\t1\nbad\t0\n', [("test-0", 'good "film', "positive"), ("test-1", "bad", "negative")]),
        ("sst2", "test.tsv", "sentence\tlabel\ngood\t1\n", [("test-0", "good", "positive")]),
        ("sst2", "test.tsv", "idx\tsentence\tlabel\n7\tgood\tpositive\n", [("test-0", "good", "positive")]),
        ("sst2", "test.csv", 'label,sentence\n1,"good, ""really"""\n', [("test-0", 'good, "really"', "positive")]),
        ("sst2", "test.jsonl", '{"sentence": "bad", "label": 0, "id": 12}\n', [("12", "bad", "negative")]),
        ("sst2", "test.json", '[{"sentence": "bad", "label": 0}]', [("test-0", "bad", "negative")]),
        (
            "mrpc",
            "msr_paraphrase_test.txt",
            '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t5\t6\t"A" b\tc\r\n',
            [("5-6", '"A" b', "c", "equivalent")],
        ),
        ("mrpc", "test.tsv", "sentence1\tsentence2\tlabel\nA\tB\t0\n", [("test-0", "A", "B", "not_equivalent")]),
        ("goemotions", "test.tsv", "oh\t2,27\tabc\n", [("abc", "oh", ["anger", "neutral"])]),
        ("goemotions", "test.jsonl", '{"text": "oh", "labels": [17, 2], "id": "q"}\n', [("q", "oh", ["anger", "joy"])]),
        ("tnews", "test_public.json", '{"label": 103, "sentence": "球", "id": 4}\n', [("4", "球", "体育")]),
        (
            "tnews",
            "test.json",
            '{"label": "116", "sentence": "玩"}\n{"label": 14, "sentence": "玩"}\n',
            [("test-0", "玩", "电竞"), ("test-1", "玩", "电竞")],
        ),
        ("chnsenticorp", "test.tsv", "label\ttext_a\n1\t好\n", [("test-0", "好", "正面")]),
        ("custom", "test.csv", "text,label\nx,blue  sky\ny, red\n", [("test-0", "x", "blue sky"), ("test-1", "y", "red")]),
        ("custom", "test.jsonl", '{"text": "x", "text_pair": "y", "label": 3}\n', [("test-0", "x", "y", "3")]),
        (
            "custom",
            "test.jsonl",
            '{"text": "x", "label": ["b", "a"]}\n{"text": "y", "label": []}\n',
            [("test-0", "x", ["a", "b"]), ("test-1", "y", [])],
        ),
    ],
)
def test_formats(tmp_path: Path, variant: str, name: str, content: str, expected: list[tuple[object, ...]]) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert short(read(variant, tmp_path)) == expected
    assert short(read(variant, tmp_path / name)) == expected


def test_compressed_text(tmp_path: Path) -> None:
    (tmp_path / "test.tsv.gz").write_bytes(gzip.compress(b"good\t1\n"))
    assert short(read("sst2", tmp_path)) == [("test-0", "good", "positive")]


def test_columns_by_other_names(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("review\tstars\tkey\tmore\nfine\tgood\t1\tso so\n")
    rows = read("custom", tmp_path, text="review", label="stars", id="key", text_pair="more")
    assert short(rows) == [("1", "fine", "so so", "good")]
    (tmp_path / "test.tsv").write_text("review\tstars\nfine\t1\n")
    assert short(read("sst2", tmp_path, text="review", label="stars")) == [("test-0", "fine", "positive")]


def test_label_names_beside_the_data(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("red\nblue\n")
    (tmp_path / "test.csv").write_text("text,label\nx,1\ny,red\n")
    assert [e.reference for e in read("custom", tmp_path)] == ["blue", "red"]


def test_numbers_from_1_beside_label_names_are_recognised_in_all_splits_and_said(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("neg\npos\n")
    (tmp_path / "train.csv").write_text("text,label\nx,1\ny,2\n")
    (tmp_path / "test.csv").write_text("text,label\nx,1\ny,1\n")
    data = TASK["custom"].load(Source(data=str(tmp_path)))
    with pytest.warns(DataWarning, match="split test: 2 of 2 labels count from 1 and not from 0; .* so that 1 is 'neg'"):
        assert [e.reference for e in data["test"]] == ["neg", "neg"]
    assert TASK["custom"].bind(data).labels == ("neg", "pos")
    assert [e.slices[-1] for e in data["train"]] == ["label=neg", "label=pos"]
    said = TASK["custom"].load(Source(data=str(tmp_path), columns={"label_is": "index"}))
    assert [e.reference for e in said["test"]] == ["pos", "pos"]
    with pytest.raises(DataError, match=r"train\.csv:3: expected a known label, found '2'\n  the labels are: neg, pos"):
        said["train"]
    with pytest.raises(InputError, match="--columns label_is: 'digit' is no way to tell what is meant"):
        TASK["custom"].load(Source(data=str(tmp_path), columns={"label_is": "digit"}))


def test_labels_that_no_example_has_are_labels_where_a_file_names_them(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("red\nblue\ngrey\n")
    (tmp_path / "train.csv").write_text("text,label\nx,red\ny,blue\n")
    (tmp_path / "test.csv").write_text("text,label\nx,grey\n")
    data = TASK["custom"].load(Source(data=str(tmp_path)))
    assert TASK["custom"].bind(data).labels == ("blue", "grey", "red")
    refuse_unknown(data, "test", TASK["custom"].bind(data).labels)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("custom", r"found -1, which stands for none, in all 2 rows\n  the references .* not p"),
        (
            "sst2",
            r"found none in all 2 rows: they are not public\n  evaluate another one with --split; .* train\n  plmtasks pred",
        ),
    ],
)
def test_references_that_are_not_public_are_told(tmp_path: Path, variant: str, message: str) -> None:
    (tmp_path / "train.csv").write_text("text,label\nx,0\ny,1\n")
    (tmp_path / "test.csv").write_text("text,label\nx,-1\ny,-1\n")
    data = TASK[variant].load(Source(data=str(tmp_path)))
    with pytest.raises(DataError, match=message):
        refuse_unknown(data, "test", TASK[variant].bind(data).labels)
    assert len(TASK[variant].bind(data).labels) == 2


def test_class_names_in_a_parquet_file(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, List, Value

    names = ClassLabel(names=["red", "blue"])
    one = Dataset.from_dict({"text": ["x"], "label": [1]}, features=Features({"text": Value("string"), "label": names}))
    one.to_parquet(str(tmp_path / "one.parquet"))
    assert [e.reference for e in read("custom", tmp_path / "one.parquet")] == ["blue"]
    many = Dataset.from_dict({"text": ["x"], "tags": [[1, 0]]}, features=Features({"text": Value("string"), "tags": List(names)}))
    many.to_parquet(str(tmp_path / "many.parquet"))
    assert [e.reference for e in read("custom", tmp_path / "many.parquet", label="tags")] == [["blue", "red"]]


def test_slices_by_length_label_and_what_the_row_tells(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("oh\t2,27\tabc\n")
    [example] = read("goemotions", tmp_path)
    assert example.slices == ("words=0-10", "label=anger", "label=neutral")
    assert example.hidden().slices == ()
    rows = "text,text_pair,label,genre,domain\na b c d e f,g h i j k l,x,fiction,\na,b,y,,\n"
    (tmp_path / "own.csv").write_text(rows)
    first, second = read("custom", tmp_path / "own.csv")
    assert first.slices == ("words=11-20", "genre=fiction", "label=x")
    assert second.slices == ("words=0-10", "label=y")
    (tmp_path / "test.tsv").write_text("text_a\tlabel\n" + "好" * 21 + "\t1\n")
    [example] = read("chnsenticorp", tmp_path / "test.tsv")
    assert example.slices == ("characters=21-40", "label=正面")


def test_training_data_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("sentence,label\nx,1\n")
    data = TASK["sample"].load(Source(train_data=str(tmp_path / "mine.csv")))
    assert [len(data[split]) for split in ("train", "validation", "test")] == [1, 100, 200]


# ── bad input ─────────────────────────────────────────────────────────────────────────────────────────────────────────

SKIP = "--skip-bad-rows leaves it out, and says how many"
BY_POSITION = "if that is the first row and no header, by position from 0: --columns %s=0,…"

BAD = {
    "an unknown label": (
        "sst2",
        "good\t1\nso so\t7\n",
        "2: expected a known label, found '7'",
        ["the labels are: negative, positive"],
    ),
    "no label": ("sst2", "good\t\n", "1: expected one label, found none", []),
    "several labels": (
        "goemotions",
        "oh\t2,29\ta\n",
        "1: expected a known label, found '29'",
        ["the labels are: " + ", ".join(TASK["goemotions"].labels)],
    ),
    "a missing column": (
        "chnsenticorp",
        "label\tbody\n1\tx\n",
        "2: expected a column with the text (text or sentence or text_a or sentence1 or #1 String), "
        "found the columns 'label', 'body'",
        ["say which it is with --columns text=COLUMN", BY_POSITION % "text"],
    ),
    "test data without labels": (
        "sst2",
        "index\tsentence\n0\tx\n",
        "2: expected a column with the label (label or labels or Quality), found the columns 'index', 'sentence'",
        ["say which it is with --columns label=COLUMN", BY_POSITION % "label"],
    ),
    "a missing second text": (
        "mrpc",
        "sentence1\tlabel\nx\t1\n",
        "2: expected a column with the text_pair (text_pair or text_b or sentence2 or #2 String), "
        "found the columns 'sentence1', 'label'",
        ["say which it is with --columns text_pair=COLUMN", BY_POSITION % "text_pair"],
    ),
    "a mixed format": (
        "sst2",
        'good\t1\n{"sentence": "bad", "label": 0}\n',
        "2: expected 2 cells (text, label), found 1",
        [SKIP],
    ),
    "an id again": ("goemotions", "oh\t2\ta\nah\t3\ta\n", "2: expected each id once, found 'a' again", ["first at @1", SKIP]),
    "another encoding": (
        "sst2",
        "good\t1\ncaf\xe9\t0\n".encode("latin-1"),
        "2: expected UTF-8 text, found byte 0xe9 at position 10",
        [
            "save it as UTF-8, or: iconv -f ITS-ENCODING -t UTF-8",
            "that is often GB18030 for Chinese and WINDOWS-1252 for European languages; Excel saves as 'CSV UTF-8'",
        ],
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_lines(tmp_path: Path, what: str) -> None:
    variant, content, message, hints = BAD[what]
    path = tmp_path / "test.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as error:
        read(variant, path)
    assert error.value.message == f"{path}:{message}"
    assert list(error.value.hints) == [hint.replace("@", f"{path}:") for hint in hints]
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"text": "x", "label": "a"}\n{"text": "y", "label"\n',
            "2:22: expected a JSON object a line, found Expecting ':' delimiter",
        ),
        ('{"text": "x", "label": "a"}\n["y", "b"]\n', "2: expected a JSON object a line, found list"),
        ('{"text": "x", "label": "a"}\n{"text": 3, "label": "a"}\n', "2: expected text as the text, found 3"),
        ('{"text": "x", "label": "a"}\n{"text": "y", "label": ["a"]}\n', "2: expected one label, found ['a']"),
        ('{"text": "x", "label": ["a"]}\n{"text": "y", "label": "a"}\n', "2: expected a list of labels, found 'a'"),
        ('{"text": "x", "label": null}\n', "1: expected one label, found none"),
    ],
)
def test_bad_json_lines(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text(content)
    with pytest.raises(DataError) as error:
        read("custom", path)
    assert error.value.message == f"{path}:{message}"


def test_an_empty_split(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("")
    with pytest.raises(DataError, match=r"test\.tsv, split test: expected at least one example, found none"):
        read("sst2", tmp_path / "test.tsv")


def test_label_names_twice(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("red\nred\n")
    (tmp_path / "test.csv").write_text("text,label\nx,1\n")
    with pytest.raises(DataError, match=r"labels\.txt: expected each label once, found 1 of 2 lines again"):
        read("custom", tmp_path)


def test_labels_that_the_task_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("red\nblue\n")
    (tmp_path / "test.tsv").write_text("oh\t1\tabc\n")
    with pytest.raises(DataError, match=r"labels\.txt: expected the labels admiration, .*, neutral, found red, blue"):
        read("goemotions", tmp_path)


def test_an_unknown_field(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\nx,1\n")
    with pytest.raises(InputError) as error:
        read("custom", tmp_path, txt="text")
    assert str(error.value) == "--columns: there is no field 'txt'\n  the fields are: text, text_pair, label, id, label_is"


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\nx,1\n")
    with pytest.raises(DataError, match=r"test\.csv:2: expected a column 'tag', found text, label"):
        read("custom", tmp_path, label="tag")


def test_a_broken_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "test.parquet").write_bytes(b"PAR1 no more")
    for variant in ("custom", "sst2"):
        with pytest.raises(DataError, match=r"test\.parquet: expected a Parquet file, found "):
            read(variant, tmp_path)


# ── the hub ───────────────────────────────────────────────────────────────────────────────────────────────────────────

PUBLISHED = {
    "sst2": ({"sentence": "x", "label": 1, "idx": 0}, "positive", {"train": 67349, "validation": 872, "test": 1821}),
    "mrpc": (
        {"sentence1": "x", "sentence2": "y", "label": 1, "idx": 0},
        "equivalent",
        {"train": 3668, "validation": 408, "test": 1725},
    ),
    "goemotions": ({"text": "x", "labels": [27], "id": "a"}, ["neutral"], {"train": 43410, "validation": 5426, "test": 5427}),
    "tnews": ({"sentence": "x", "label": 7, "idx": 0}, "教育", {"train": 53360, "validation": 10000, "test": 10000}),
    "chnsenticorp": ({"text": "x", "label": 0}, "负面", {"train": 9600, "validation": 1200, "test": 1200}),
}
"""One row as each data set has it on the hub, its reference here, and the size of each split."""


@pytest.mark.parametrize("variant", PUBLISHED)
def test_data_in_the_cache_of_the_hub(variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants
    import pyarrow
    import pyarrow.parquet

    row, reference, counts = PUBLISHED[variant]
    hub: HubData = TASK[variant].hub
    assert hub.files.keys() == counts.keys()
    for file in hub.files.values():
        path = tmp_path / f"datasets--{hub.repo.replace('/', '--')}" / "snapshots" / hub.revision / file
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    data = TASK[variant].load(Source())
    assert data.name == f"hf://{hub.repo}@{hub.revision}"
    assert data.published
    for split in counts:
        [example] = data[split]
        assert (example.id, example.reference) == (row.get("id", f"{split}-0"), reference)
        assert example.inputs == ({"text": "x", "text_pair": "y"} if variant == "mrpc" else {"text": "x"})


@pytest.mark.network
@pytest.mark.parametrize("variant", PUBLISHED)
def test_data_on_the_hub(variant: str) -> None:
    try:
        socket.create_connection(("huggingface.co", 443), timeout=3).close()
    except OSError as e:
        pytest.skip(f"the hub cannot be reached: {e}")
    data = TASK[variant].load(Source())
    assert {split: len(data[split]) for split in data.splits} == PUBLISHED[variant][2]


def test_hub_columns_as_json_survive(tmp_path: Path) -> None:
    """Rows of the hub saved as JSON lines are read alike."""
    for variant, (row, reference, _) in PUBLISHED.items():
        path = tmp_path / "test.jsonl"
        path.write_text(json.dumps(row) + "\n")
        assert [e.reference for e in read(variant, path)] == [reference]
