import gzip
import json
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plmtasks.config import Source
from plmtasks.data import Dataset, HubData, draw, hub_dataset, open_dataset, read_predictions, split_files, warn_flaws
from plmtasks.errors import DataError, DataWarning, InputError
from plmtasks.examples import Example, fingerprint
from plmtasks.files import column, read_json, read_json_lines, read_lines, read_records, read_table
from plmtasks.files.text import each_line


def example(id_):
    return Example(id=str(id_), inputs={"text": f"text {id_}"}, reference="x")


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(call, where, expected, found, *hints):
    """The one message that bad data gives: file, line and column, what was expected, what was found."""
    with pytest.raises(DataError) as caught:
        list(call())
    first, *rest = str(caught.value).split("\n")
    assert first == f"{where}: expected {expected}, found {found}"
    assert rest == [f"  {hint}" for hint in hints]
    assert caught.value.exit_code == 2


# ── lines ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "open"])
def test_lines_come_as_they_are(tmp_path, packed, mark, end, last):
    content = mark + (end.join(["ä\u2028中", "", " b\x0c"]) + (end if last else "")).encode()
    path = write(tmp_path, "a.txt.gz" if packed else "a.txt", gzip.compress(content) if packed else content)
    # neither a line separator nor a form feed ends a line, as they end none for other tools
    assert read_lines(path) == ["ä\u2028中", "", " b\x0c"]


@given(
    st.lists(
        st.sampled_from([b"a", "é".encode(), b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\x1f\x8b", b"\xff\xfe"])
    )
)
def test_lines_one_at_a_time_are_all_lines(tmp_path_factory, pieces):
    path = write(tmp_path_factory.mktemp("lines"), "a.txt", b"".join(pieces))
    found = []
    for read in (read_lines, each_line):
        try:
            found.append(list(read(path)))
        except DataError as e:
            found.append(str(e))
    assert found[0] == found[1]


def test_gzip_is_known_by_its_content(tmp_path):
    assert read_lines(write(tmp_path, "a.txt", gzip.compress(b"a\n"))) == ["a"]


def test_wrong_encoding_names_line_and_byte(tmp_path):
    path = write(tmp_path, "a.txt", "eins\nzwei\nfünf".encode("latin-1"))
    refused(
        lambda: read_lines(path), f"{path}:3", "UTF-8 text", "byte 0xfc at position 11",
        "save it as UTF-8, or: iconv -f ITS-ENCODING -t UTF-8",
        "that is often GB18030 for Chinese and WINDOWS-1252 for European languages; Excel saves as 'CSV UTF-8'",
    )  # fmt: skip


def test_a_damaged_gzip_file_is_named(tmp_path):
    path = write(tmp_path, "a.gz", gzip.compress(b"text" * 1000)[:-20])
    with pytest.raises(DataError, match=re.escape(f"{path}: expected a gzip file, found a damaged one (")):
        read_lines(path)


def test_a_gzip_file_with_damaged_content_is_named(tmp_path):
    content = bytearray(gzip.compress(bytes(range(256)) * 100))
    content[30:60] = bytes(30)
    path = write(tmp_path, "a.gz", bytes(content))
    with pytest.raises(DataError, match=re.escape(f"{path}: expected a gzip file, found a damaged one (")):
        read_lines(path)


@pytest.mark.parametrize(("name", "reason"), [("none.txt", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_opened_is_named(tmp_path, name, reason):
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / name}: {reason}")):
        read_lines(tmp_path / name)


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_broken_json_names_line_and_column(tmp_path):
    path = write(tmp_path, "a.json", '{\n "a": [1,\n 2 3]}')
    refused(lambda: read_json(path), f"{path}:3:4", "JSON", "Expecting ',' delimiter")


def test_a_broken_line_names_line_and_column(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"a": 1}\n\n{"a": }\n')
    refused(lambda: read_json_lines(path), f"{path}:3:7", "a JSON object a line", "Expecting value")


def test_a_line_that_is_no_object_is_named(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"a": 1}\n[1]\n')
    refused(lambda: read_json_lines(path), f"{path}:2", "a JSON object a line", "list")


def test_blank_lines_are_no_rows_but_count(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"a": 1}\n  \n{"a": 2}')
    assert list(read_json_lines(path)) == [(f"{path}:1", {"a": 1}), (f"{path}:3", {"a": 2})]


def test_json_is_a_list_or_lines(tmp_path):
    rows = [{"a": 1}, {"a": "ü"}]
    as_list = write(tmp_path, "a.json", json.dumps(rows, indent=1))
    as_lines = write(tmp_path, "b.json", "\n".join(map(json.dumps, rows)))
    assert [row for _, row in read_records(as_list)] == rows
    assert [row for _, row in read_records(as_lines)] == rows
    assert [where for where, _ in read_records(as_list)] == [f"{as_list}: [0]", f"{as_list}: [1]"]


@pytest.mark.parametrize(
    ("text", "at", "expected", "found"), [('"a"', "", "a list of objects", "str"), ("[{}, 3]", ": [1]", "an object", "int")]
)
def test_json_of_another_form_is_named(tmp_path, text, at, expected, found):
    path = write(tmp_path, "a.json", text)
    refused(lambda: read_records(path), f"{path}{at}", expected, found)


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_in_a_table_without_quoting_quotes_are_text(tmp_path):
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"He said\t1\n5"\t0\n')
    assert list(read_table(path)) == [
        (f"{path}:2", {"text": '"He said', "label": "1"}),
        (f"{path}:3", {"text": '5"', "label": "0"}),
    ]


def test_a_quoted_cell_may_hold_delimiters_and_lines(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\n"a, ""b""\nc",1\nd,2\n')
    assert [row["text"] for _, row in read_records(path)] == ['a, "b"\nc', "d"]


def test_a_table_without_header_gets_its_names(tmp_path):
    path = write(tmp_path, "a.tsv", "a\t1\n")
    assert list(read_table(path, header=["text", "label"])) == [(f"{path}:1", {"text": "a", "label": "1"})]


@pytest.mark.parametrize(("line", "count"), [("a", "1"), ("a\tb\tc", "3")])
def test_a_wrong_number_of_cells_names_the_line(tmp_path, line, count):
    path = write(tmp_path, "a.tsv", f"text\tlabel\n\nx\t1\n{line}\n")
    refused(lambda: read_table(path), f"{path}:4", "2 cells (text, label)", count)


def test_an_unclosed_quote_does_not_pass_in_silence(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\n"a,1\nb,2\n')
    with pytest.raises(DataError, match=re.escape(str(path))):
        list(read_records(path))


def test_a_long_cell_is_read(tmp_path):
    path = write(tmp_path, "a.tsv", f"text\n{'x' * 200_000}\n")
    assert [len(row["text"]) for _, row in read_table(path)] == [200_000]


def test_a_missing_column_names_those_that_are_there():
    refused(
        lambda: column("f.csv:2", {"sentence": "a", "y": 1}, "text"), "f.csv:2", "a column 'text'", "sentence, y",
        "say which with --columns field=column,…",
        "if that is the first row and no header, by position from 0: --columns field=0,…",
    )  # fmt: skip


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufeff"), max_size=10)


@given(rows=st.lists(st.tuples(CELL, CELL).filter(lambda row: any(c.strip() for c in row)), min_size=1, max_size=5))
def test_what_csv_writes_is_read_back(tmp_path_factory, rows):
    import csv
    import io

    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("a", "b"), *rows])
    path = write(tmp_path_factory.mktemp("csv"), "a.csv", file.getvalue())
    assert [(row["a"], row["b"]) for _, row in read_records(path)] == rows


# ── records ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_parquet_rows_come_with_their_place(tmp_path):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a", "b"], "ids": [[1], []]}), path)
    assert list(read_records(path)) == [
        (f"{path}: row 0", {"text": "a", "ids": [1]}),
        (f"{path}: row 1", {"text": "b", "ids": []}),
    ]


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    path = write(tmp_path, "a.parquet", "text")
    with pytest.raises(DataError, match=re.escape(f"{path}: expected a Parquet file, found")):
        list(read_records(path))


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.ods: the format is not known by this name"):
        list(read_records(write(tmp_path, "a.ods", "")))


# ── splits ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_gives_its_splits_by_file_names(tmp_path):
    for name in ("train.tsv", "dev.tsv", "test.tsv", "README.md", "labels.txt"):
        write(tmp_path, name, "")
    assert {s: p.name for s, p in split_files(tmp_path).items()} == {
        "train": "train.tsv",
        "validation": "dev.tsv",
        "test": "test.tsv",
    }


def test_a_name_that_contains_the_split_will_do(tmp_path):
    for name in ("msr_paraphrase_train.txt", "msr_paraphrase_test.txt"):
        write(tmp_path, name, "")
    assert set(split_files(tmp_path)) == {"train", "test"}


def test_two_files_for_one_split_are_refused(tmp_path):
    write(tmp_path, "train.csv", "")
    write(tmp_path, "train.tsv", "")
    with pytest.raises(InputError, match=re.escape("more than one file could be the train split: train.csv, train.tsv")):
        split_files(tmp_path)


def test_a_folder_without_splits_says_what_is_there(tmp_path):
    write(tmp_path, "notes.md", "")
    with pytest.raises(InputError, match=r"no file of any split(.|\n)*found: notes\.md"):
        split_files(tmp_path)


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        split_files(tmp_path / "none")


@pytest.mark.parametrize(("name", "split"), [("train.csv", "train"), ("my_dev.jsonl", "validation"), ("whatever.json", "test")])
def test_one_file_is_the_split_that_its_name_says(tmp_path, name, split):
    path = write(tmp_path, name, "")
    assert split_files(path) == {split: path}


def read_toy(path):
    return [example(line) for line in read_lines(path)]


def test_data_replaces_the_tasks_own_and_train_data_its_train_split(tmp_path):
    own = Dataset(name="own", readers={"train": lambda: [example(1)], "test": lambda: [example(2)]}, published=True)
    file, more = write(tmp_path, "validation.txt", "a\nb"), write(tmp_path, "more.txt", "c")

    def ids(**source):
        data = open_dataset(Source(**source), read_toy, name="t", own=own)
        return data.published, {split: [e.id for e in data[split]] for split in data.splits}

    assert ids() == (True, {"train": ["1"], "test": ["2"]})
    assert ids(data=str(file)) == (False, {"validation": ["a", "b"]})
    assert ids(train_data=str(more)) == (True, {"train": ["c"], "test": ["2"]})
    assert ids(data=str(file), train_data=str(more)) == (False, {"train": ["c"], "validation": ["a", "b"]})


def test_columns_of_no_file_are_refused():
    with pytest.raises(InputError, match="--columns is for your own files, and t has none of them here"):
        open_dataset(Source(columns={"text": "body"}), read_toy, name="t", own=Dataset(name="own", readers={}))


def test_a_task_without_data_of_its_own_asks_for_some():
    with pytest.raises(InputError, match="name a file or folder with --data PATH"):
        open_dataset(Source(), read_toy, name="t")


def test_train_data_with_several_splits_needs_a_train_split(tmp_path):
    write(tmp_path, "dev.txt", "a")
    write(tmp_path, "test.txt", "b")
    with pytest.raises(InputError, match="no train split"):
        open_dataset(Source(train_data=str(tmp_path)), read_toy, name="t")


@pytest.mark.parametrize(
    ("splits", "chosen"),
    [
        (["train", "test", "validation"], "validation"),
        (["train", "test"], "test"),
        (["train", "dialogues"], "dialogues"),
        (["train"], "train"),
    ],
)
def test_validation_is_evaluated_by_default_else_test(splits, chosen):
    assert Dataset(name="d", readers=dict.fromkeys(splits, list)).default_split() == chosen


def test_an_unknown_split_names_those_that_are_there():
    with pytest.raises(InputError, match=r"d has no split 'dev'\n  it has: train, test"):
        Dataset(name="d", readers={"train": list, "test": list})["dev"]


def test_an_empty_split_is_refused():
    refused(lambda: Dataset(name="d", readers={"test": list})["test"], "d, split test", "at least one example", "none")


def test_ids_that_are_not_unique_are_refused():
    data = Dataset(name="d", readers={"test": lambda: map(example, "aabcc")})
    refused(
        lambda: data["test"], "d, split test", "a different id for each example", "'a' more than once", "2 ids are not unique"
    )


def test_a_split_is_read_once_and_only_when_asked():
    reads = []
    data = Dataset(
        name="d", readers={"a": lambda: reads.append("a") or [example(1)], "b": lambda: reads.append("b") or [example(2)]}
    )
    assert data["a"] is data["a"]
    assert reads == ["a"]
    assert data.fingerprint("a") == fingerprint([example(1)])


def test_a_hub_data_set_that_is_not_cached_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    hub = HubData(repo="nobody/nothing", revision="0" * 40, files={"test": "test.parquet"})
    data = hub_dataset(hub, lambda rows: [example(row["id"]) for _, row in rows])
    with pytest.raises(InputError) as caught:
        data["test"]
    first, *hints = str(caught.value).split("\n")
    assert first.startswith(f"data set nobody/nothing@{'0' * 40}: test.parquet is not in the hub's cache")
    assert hints[-1] == "  with no network, name files with --data PATH, or a --bundle that holds it"


def test_flaws_of_published_data_are_counted_in_a_warning():
    with pytest.warns(DataWarning, match="f.json: 3 answers stand nowhere"):
        warn_flaws("f.json", 3, "answers stand nowhere")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_flaws("f.json", 0, "answers stand nowhere")


# ── limits ────────────────────────────────────────────────────────────────────────────────────────────────────────

IDS = st.lists(st.text(max_size=5), unique=True, max_size=40)


@given(IDS, st.integers(0, 45))
def test_a_limit_draws_that_many_in_their_order(ids, limit):
    examples = [example(i) for i in ids]
    drawn = draw(examples, limit)
    assert len(drawn) == min(limit, len(ids))
    assert [e for e in examples if e in drawn] == list(drawn)


@given(IDS, st.integers(0, 40), st.integers(0, 40), st.randoms(use_true_random=False))
def test_a_limit_draws_by_the_ids_alone(ids, one, other, shuffler):
    """Whatever the order of the examples, and a smaller limit draws a part of what a larger one draws."""
    examples = [example(i) for i in ids]
    shuffled = shuffler.sample(examples, len(examples))
    few, many = sorted((one, other))
    assert {e.id for e in draw(examples, few)} == {e.id for e in draw(shuffled, few)}
    assert {e.id for e in draw(examples, few)} <= {e.id for e in draw(examples, many)}


def test_no_limit_draws_all():
    examples = [example(i) for i in range(3)]
    assert draw(examples, None) == tuple(examples)


def test_a_limit_draws_the_same_everywhere():
    assert [e.id for e in draw([example(i) for i in range(10)], 3)] == ["4", "8", "9"]


# ── predictions ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_predictions_are_read_by_id_or_by_line(tmp_path):
    examples = [example("a"), example("b")]
    by_id = write(tmp_path, "p.jsonl", '{"id": "b", "prediction": ["x"], "scores": {"c": 0.5}}\n{"id": "a", "prediction": "y"}')
    by_line = write(tmp_path, "p.txt", "one\ntwo\n")
    assert {i: p.value for i, p in read_predictions(by_id, examples).items()} == {"a": "y", "b": ["x"]}
    assert read_predictions(by_id, examples)["b"].scores == {"c": 0.5}
    assert {i: p.value for i, p in read_predictions(by_line, examples).items()} == {"a": "one", "b": "two"}


def test_a_wrong_number_of_predictions_is_refused(tmp_path):
    path = write(tmp_path, "p.txt", "one\n")
    refused(lambda: read_predictions(path, [example(1), example(2)]), str(path), "2 lines, one for each example", "1")


def test_a_prediction_given_twice_is_refused(tmp_path):
    path = write(tmp_path, "p.jsonl", '{"id": 1, "prediction": "x"}\n{"id": "1", "prediction": "y"}')
    refused(lambda: read_predictions(path, [example(1)]), f"{path}:2", "each id once", "'1' again")


def test_a_prediction_without_id_is_refused(tmp_path):
    path = write(tmp_path, "p.jsonl", '{"prediction": "x"}')
    refused(lambda: read_predictions(path, [example(1)]), f"{path}:1", "a key 'id'", "prediction")


@pytest.mark.parametrize("first", ["{laughs} I never", "{", '{"a": 1}', "{}", "[applause]", "null"])
def test_a_text_that_begins_with_a_brace_is_a_prediction(tmp_path, first):
    (tmp_path / "p.txt").write_text(f"{first}\nno\n")
    examples = [Example(id=id_, inputs={}) for id_ in "ab"]
    assert [p.value for p in read_predictions(tmp_path / "p.txt", examples).values()] == [first, "no"]


@pytest.mark.parametrize("name", ["p.txt", "p.jsonl.gz", "p.ndjson"])
def test_objects_with_ids_are_predictions_whatever_the_files_name(tmp_path, name):
    (tmp_path / name).write_text('\n{"prediction": "yes", "id": "a"}\n')
    [(id_, found)] = read_predictions(tmp_path / name, [Example(id="a", inputs={})]).items()
    assert (id_, found.value) == ("a", "yes")
    (tmp_path / name).write_text('{"id": "a", "prediction": yes}\n')
    with pytest.raises(DataError, match=f"{name}:1:27: expected a JSON object a line"):
        read_predictions(tmp_path / name, [Example(id="a", inputs={})])


@pytest.mark.parametrize(("name", "hint"), [("t.csv", "it wants quotes"), ("t.tsv", "cannot hold it")])
def test_a_carriage_return_within_a_cell_is_told_in_our_words(tmp_path, name, hint):
    cut = "," if name.endswith("csv") else "\t"
    (tmp_path / name).write_bytes(f"a{cut}b\r\nx{cut}y\nx\ry{cut}z\n".encode())
    with pytest.raises(DataError, match=rf"{name}:3: expected lines that end in a line feed, found a carriage .*\n.*{hint}"):
        list(read_records(tmp_path / name))
    if name == "t.csv":
        (tmp_path / name).write_bytes(b'a,b\r\n"x\ry",z\n')
        assert [row for _, row in read_records(tmp_path / name)] == [{"a": "x\ry", "b": "z"}]
