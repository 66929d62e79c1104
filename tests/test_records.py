"""Files as other people's tools write them: pandas, Excel, doccano, and the data sets of papers."""

import bz2
import gzip
import io
import json
import lzma
import warnings
import zipfile
from pathlib import Path

import jsonschema
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

import plmtasks
from plmtasks.cli.options import Pairs
from plmtasks.config import Source
from plmtasks.data import open_dataset
from plmtasks.errors import DataError, DataWarning, InputError
from plmtasks.examples import Example
from plmtasks.files import WRITTEN, Layout, column, dump, kind_of, laid_out, read_lines, read_records, row_aside, write_rows
from plmtasks.results import Result
from plmtasks.tables import render

FRAME = pandas.DataFrame({"text": ["a fine film", 'he said "no",\nand left', "é; 中|\t."], "label": ["pos", "neg", "pos"]})
ROWS = FRAME.to_dict("records")


def rows(path: Path, **said: object) -> list[dict[str, object]]:
    with laid_out(Layout(**said)):  # type: ignore[arg-type]
        return [row for _, row in read_records(path)]


def read(path: Path) -> list[Example]:
    """A task's reader."""
    found = []
    for number, (where, row) in enumerate(read_records(path)):
        with row_aside():
            text, label = (column(where, row, name) for name in ("text", "label"))
            if not label:
                raise DataError(where, "a label", "none")
            found.append(Example(id=str(number), inputs={"text": text}, reference=label))
    return found


def opened(path: Path, **source: object):
    return open_dataset(Source(data=str(path), **source), read, name="toy")  # type: ignore[arg-type]


# ── what pandas and Excel write ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.csv", lambda f, p: f.to_csv(p, index=False)),
        ("t.CSV", lambda f, p: f.to_csv(p, index=False)),
        ("T.Csv.GZ", lambda f, p: f.to_csv(p, index=False, compression="gzip")),
        ("t.csv.bz2", lambda f, p: f.to_csv(p, index=False)),
        ("t.csv.xz", lambda f, p: f.to_csv(p, index=False)),
        ("t.csv.zip", lambda f, p: f.to_csv(p, index=False)),
        ("semicolon.csv", lambda f, p: f.to_csv(p, index=False, sep=";")),
        ("tab.csv", lambda f, p: f.to_csv(p, index=False, sep="\t")),
        ("pipe.csv", lambda f, p: f.to_csv(p, index=False, sep="|")),
        ("quoted.csv", lambda f, p: f.to_csv(p, index=False, sep=";", quoting=1)),
        ("utf16.csv", lambda f, p: f.to_csv(p, index=False, encoding="utf-16")),
        ("utf32.csv", lambda f, p: f.to_csv(p, index=False, encoding="utf-32")),
        ("bom.csv", lambda f, p: f.to_csv(p, index=False, encoding="utf-8-sig")),
        ("t.xlsx", lambda f, p: f.to_excel(p, index=False)),
        ("t.parquet", lambda f, p: f.to_parquet(p)),
        ("t.jsonl", lambda f, p: f.to_json(p, orient="records", lines=True)),
        ("lines.json", lambda f, p: f.to_json(p, orient="records", lines=True)),
        ("records.json", lambda f, p: f.to_json(p, orient="records")),
        ("columns.json", lambda f, p: f.to_json(p)),
        ("split.json", lambda f, p: f.to_json(p, orient="split")),
    ],
)
def test_what_pandas_writes_is_read(name, write, tmp_path):
    write(FRAME, tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        assert rows(tmp_path / name) == ROWS


def test_an_index_is_a_column_without_a_name(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv")
    assert rows(tmp_path / "t.csv") == [{"": str(i), **row} for i, row in enumerate(ROWS)]


def test_what_is_missing_is_none_or_empty(tmp_path):
    frame = pandas.DataFrame({"text": ["a", None], "n": [1.0, None]})
    frame.to_parquet(tmp_path / "t.parquet")
    assert rows(tmp_path / "t.parquet") == [{"text": "a", "n": 1.0}, {"text": None, "n": None}]
    (tmp_path / "t.jsonl").write_text('{"text": NaN}')
    assert rows(tmp_path / "t.jsonl") == [{"text": None}]


def test_what_excel_leaves_around_a_table_is_no_row(tmp_path):
    """Rows of empty cells, cells past the last column, and the line that names the separator."""
    (tmp_path / "t.csv").write_text("sep=;\ntext;label;;\na;x;;\n;;;\nb;y\n , ;z;;\n;\n")
    with pytest.warns(DataWarning, match="t.csv: 2 rows of empty cells, passed over"):
        found = rows(tmp_path / "t.csv")
    assert found == [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}, {"text": " , ", "label": "z"}]


def test_numbers_of_a_sheet_are_as_its_csv_would_have_them(tmp_path):
    frame = pandas.DataFrame({"n": [1.0, 2.5], "b": [True, False], "t": ["=1+1", "x"]})
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    assert [(row["n"], row["b"]) for row in rows(tmp_path / "t.xlsx")] == [("1", "TRUE"), ("2.5", "FALSE")]


def test_further_sheets_are_told(tmp_path):
    with pandas.ExcelWriter(tmp_path / "t.xlsx") as book:
        FRAME.to_excel(book, sheet_name="one", index=False)
        FRAME.to_excel(book, sheet_name="two", index=False)
    with pytest.warns(DataWarning, match="its first sheet is read, 'one', and not 'two'"):
        assert rows(tmp_path / "t.xlsx") == ROWS


@pytest.mark.parametrize("damage", [lambda b: b[:300], lambda b: b"text", lambda b: b[:200] + bytes(200) + b[400:]])
def test_a_damaged_workbook_is_one_message(damage, tmp_path):
    FRAME.to_excel(tmp_path / "t.xlsx", index=False)
    (tmp_path / "t.xlsx").write_bytes(damage((tmp_path / "t.xlsx").read_bytes()))
    with pytest.raises(DataError, match=r"t\.xlsx: expected an Excel workbook, found"):
        rows(tmp_path / "t.xlsx")


def test_without_openpyxl_it_is_said_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"needs openpyxl\n  pip install 'plmtasks\[excel\]'"):
        rows(tmp_path / "t.xlsx")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_packed_texts_are_known_by_their_content(pack, tmp_path):
    (tmp_path / "t.txt").write_bytes(pack("é\n".encode()))
    assert read_lines(tmp_path / "t.txt") == ["é"]
    (tmp_path / "t.txt").write_bytes(pack(bytes(range(256)) * 9)[:-20])
    with pytest.raises(DataError, match=r"expected a .* file, found a damaged one"):
        read_lines(tmp_path / "t.txt")


def test_an_archive_of_several_files_is_refused(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", "a")
        archive.writestr("__MACOSX/a.csv", "a")
    (tmp_path / "t.csv").write_bytes(packed.getvalue())
    assert read_lines(tmp_path / "t.csv") == ["a"]
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("b.csv", "b")
    (tmp_path / "t.csv").write_bytes(packed.getvalue())
    with pytest.raises(DataError, match="2 files in it, where one is expected"):
        read_lines(tmp_path / "t.csv")


def test_utf_16_without_its_mark_is_told(tmp_path):
    (tmp_path / "t.csv").write_bytes("text,label\n".encode("utf-16-le"))
    with pytest.raises(DataError, match=r"expected UTF-8 text, found byte 0x00(.|\n)*iconv"):
        rows(tmp_path / "t.csv")


# ── separators ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_several_separators_that_counts_by_which_all_rows_are_even(tmp_path):
    (tmp_path / "t.csv").write_text("text, as it came;label\na, b, c;x\nd;y\n")
    assert rows(tmp_path / "t.csv") == [{"text, as it came": "a, b, c", "label": "x"}, {"text, as it came": "d", "label": "y"}]


def test_a_separator_that_is_not_plain_is_asked_for(tmp_path):
    (tmp_path / "t.csv").write_text("a,b;c\n1,2;3\n")
    with pytest.raises(DataError, match=r"t\.csv:1: expected one character.*comma and semicolon\n.*--columns separator=comma"):
        rows(tmp_path / "t.csv")
    assert rows(tmp_path / "t.csv", separator="comma") == [{"a": "1", "b;c": "2;3"}]
    assert rows(tmp_path / "t.csv", separator=";") == [{"a,b": "1,2", "c": "3"}]
    with pytest.raises(InputError, match="separator is one of comma, semicolon, tab, pipe, not 'x'"):
        Layout(separator="x")


def test_the_user_names_separator_and_rows_among_the_columns():
    source = Source(columns={"text": "a", "separator": "tab", "rows": "data[]"})
    assert (source.columns, source.separator, source.rows) == ({"text": "a"}, "tab", "data[]")
    assert Source(columns=source.all_columns()) == source


@given(st.lists(st.tuples(*[st.text("ab ,;\t|\"\n", max_size=6)] * 2).filter(lambda r: r[1].strip()), min_size=1, max_size=6),
       st.sampled_from(",;\t|"))  # fmt: skip
def test_any_separator_that_csv_writes_is_found(tmp_path_factory, cells, separator):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    pandas.DataFrame(cells, columns=["first", "second"]).to_csv(path, index=False, sep=separator, lineterminator="\n")
    assert [tuple(row.values()) for row in rows(path)] == cells


# ── no header ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'pos,"a, b"\nneg,c\n'), ("t.csv", "pos;a, b\nneg;c\n"), ("t.tsv", "pos\ta, b\nneg\tc\n"),
        ("t.txt", "pos\ta, b\nneg\tc\n"), ("t.jsonl", '["pos", "a, b"]\n["neg", "c"]\n'),
        ("t.json", '[["pos", "a, b"], ["neg", "c"]]'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("columns", [{"text": "1", "label": "0"}, {"text": "-1", "label": "-2"}])
def test_positions_name_columns_of_a_file_without_header(name, content, columns, tmp_path):
    (tmp_path / name).write_text(content)

    def read_named(path: Path) -> list[Example]:
        cells = [(where, *(column(where, row, columns[f]) for f in ("text", "label"))) for where, row in read_records(path)]
        return [Example(id=where, inputs={"text": text}, reference=label) for where, text, label in cells]

    data = open_dataset(Source(data=str(tmp_path / name), columns=columns), read_named, name="toy")
    assert [(e.inputs["text"], e.reference) for e in data["test"]] == [("a, b", "pos"), ("c", "neg")]


def test_positions_and_names_do_not_mix_in_a_table(tmp_path):
    (tmp_path / "t.csv").write_text("0,text\nx,a\n")
    with pytest.raises(InputError, match=r"by position and others by name\n  by name: text\n(.|\n)*label='\"1\"'"):
        opened(tmp_path / "t.csv", columns={"text": "text", "label": "0"})["test"]
    assert column("w", {"0": "x", "text": "a"}, '"0"') == "x"


def test_a_header_that_stands_in_the_rows_too_is_told(tmp_path):
    (tmp_path / "t.csv").write_text("pos,a fine film\nneg,a bore\npos,fine\n")
    with pytest.warns(DataWarning, match=r"its first line is taken for the header, and 'pos' stands .* by position from 0"):
        rows(tmp_path / "t.csv")


# ── bad rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_bad_rows_are_told_at_once(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f"a{i},{'' if i % 2 else 'x'}\n" for i in range(30)) + "one\n")
    data = opened(tmp_path / "t.csv")
    with pytest.raises(DataError) as caught:
        data["test"]
    first, *hints = str(caught.value).split("\n  ")
    assert first == f"{tmp_path / 't.csv'}:3: expected a label, found none"
    assert hints[0] == "16 rows of 31 cannot be used; the others:"
    assert hints[1:3] == [f"{tmp_path / 't.csv'}:{n}: expected a label, found none" for n in (5, 7)]
    assert hints[10:] == ["… and 6 more", "--skip-bad-rows leaves them out, and says how many"]
    data = opened(tmp_path / "t.csv", skip_bad_rows=True)
    with pytest.warns(DataWarning, match="16 rows of 31 cannot be used, and are left out"):
        assert [e.inputs["text"] for e in data["test"]] == [f"a{i}" for i in range(0, 30, 2)]
    assert data.left_out("test") == 16


def test_where_no_row_can_be_used_the_file_is_wrong_and_nothing_is_skipped(tmp_path):
    (tmp_path / "t.csv").write_text("body,label\na,x\nb,y\n")
    for skip in (False, True):
        with pytest.raises(DataError) as caught:
            opened(tmp_path / "t.csv", skip_bad_rows=skip)["test"]
        assert "expected a column 'text', found body, label" in str(caught.value)
        assert "skip" not in str(caught.value)


def test_broken_lines_are_bad_rows_too(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"text": "a", "label": "x"}\n{"text": \n[1]\n{"text": "b", "label": "y"}\n')
    with pytest.raises(DataError, match=r"t\.jsonl:2:10: expected a JSON object(.|\n)*t\.jsonl:3: expected a JSON object"):
        opened(tmp_path / "t.jsonl")["test"]
    assert len(opened(tmp_path / "t.jsonl", skip_bad_rows=True)["test"]) == 2


def test_empty_texts_are_counted(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n ,x\na,y\n,z\n")
    with pytest.warns(DataWarning, match="split test: 2 examples have an empty text"):
        assert len(opened(tmp_path / "t.csv")["test"]) == 3


# ── paths ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

SQUAD = {
    "data": [
        {"title": "T", "paragraphs": [
            {"id": "P", "context": "one", "qas": [{"id": "Q1", "question": "a"}, {"id": "Q2", "question": "b"}]},
            {"id": "R", "context": "two", "qas": []},
        ]},
        {"title": "U", "paragraphs": [{"id": "S", "context": "three", "qas": [{"id": "Q3", "question": "c"}]}]},
    ]
}  # fmt: skip
C3 = [[["p1", "p2"], [{"question": "a", "choice": ["x", "y"], "answer": "x"}], "1"], [["p3"], [{"question": "b"}], "2"]]


def test_rows_lie_inside_a_document(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps(SQUAD, indent=1))
    found = rows(tmp_path / "t.json", rows="data[].paragraphs[].qas[]")
    assert [(r["title"], r["context"], r["id"], column("w", r, "paragraphs.id")) for r in found] == [
        ("T", "one", "Q1", "P"), ("T", "one", "Q2", "P"), ("U", "three", "Q3", "S"),
    ]  # fmt: skip
    with laid_out(Layout(rows="data[].paragraphs[].qas[]")):
        places = [where for where, _ in read_records(tmp_path / "t.json")]
    assert places[-1] == f"{tmp_path / 't.json'}: data[1].paragraphs[0].qas[0]"


def test_lists_in_lists_have_positions(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps(C3))
    found = rows(tmp_path / "t.json", rows="[][1][]")
    assert [(column("w", r, "join(' ', \"0\")"), r["question"], r["2"]) for r in found] == [("p1 p2", "a", "1"), ("p3", "b", "2")]


def test_each_line_may_hold_rows(tmp_path):
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(article) + "\n" for article in SQUAD["data"]))
    assert [r["id"] for r in rows(tmp_path / "t.jsonl", rows="paragraphs[].qas[]")] == ["Q1", "Q2", "Q3"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data[].paragraphs", r"rows=data\[\]\.paragraphs: a path to rows ends in \[\]"),
        ("date[]", "t.json: date: expected a list of rows, found nothing"),
        ("data[].title[]", r"t.json: data\[0\]\.title: expected a list of rows, found str"),
        ("data[.[]", "is no JMESPath"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(path, said, tmp_path):
    (tmp_path / "t.json").write_text(json.dumps(SQUAD))
    with pytest.raises(InputError, match=said):
        rows(tmp_path / "t.json", rows=path)


def test_a_document_without_a_path_says_what_to_do(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps(SQUAD))
    with pytest.raises(
        DataError, match=r"found one object; the keys there: data\n  say where its rows lie with --columns rows=data\[\]"
    ):
        rows(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("name", "value"), [("a.b[0]", 1), ("a.b[-1]", 2), ("*.c", [3]), ("a", {"b": [1, 2]}), ("x.y", "dotted"), ("length(a.b)", 2)]
)
def test_a_column_may_be_a_path(name, value):
    assert column("w", {"a": {"b": [1, 2]}, "d": {"c": 3}, "x.y": "dotted"}, name) == value


@pytest.mark.parametrize("name", ["a.c", "b[0]", "a.b[7]", "a b (c)"])
def test_a_path_to_nothing_names_the_columns_that_there_are(name):
    with pytest.raises(DataError, match=r"w: expected a column .*, found a\n"):
        column("w", {"a": {"b": [1]}}, name)


# ── back to a file ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_is_written_is_read_back(kind, tmp_path):
    written = [{**row, "n": i} for i, row in enumerate(ROWS)]
    path = tmp_path / f"t{kind}"
    path.write_bytes(write_rows(kind, written, header=True))
    cells = kind in (".csv", ".xlsx", ".tsv")
    expected = [{**row, "n": str(row["n"])} if cells else row for row in written]
    if kind == ".tsv":  # it knows no quotes
        expected = [{**row, "text": " ".join(row["text"].replace("\t", " ").splitlines())} for row in expected]
    assert rows(path) == expected


def test_a_cell_that_looks_like_a_formula_stays_text(tmp_path):
    import openpyxl

    (tmp_path / "t.xlsx").write_bytes(write_rows(".xlsx", [{"text": "=cmd|x"}], header=True))
    assert openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets[0]["A2"].data_type == "s"


@pytest.mark.parametrize(("name", "kind"), [("a.CSV", ".csv"), ("a.b.Jsonl.GZ", ".jsonl"), ("a", ""), ("a.csv.zip", ".csv")])
def test_endings_are_known_in_any_case(name, kind):
    assert kind_of(Path(name)) == kind


# ── what a result says of them ────────────────────────────────────────────────────────────────────────────────────────


def test_a_result_counts_what_was_left_out_and_what_is_empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = "text,label\n" + "".join(f"w{i % 3} v,{'ab'[i % 2]}\n" for i in range(12)) + " ,a\n"
    Path("good.csv").write_text(good)
    Path("bad.csv").write_text(good + "x,\ny,\n")
    schema = json.loads((Path(plmtasks.__file__).parent / "result.schema.json").read_text())

    def run(data: str, **more: object) -> Result:
        result = plmtasks.run(
            "classification/custom", "majority", data=data, train_data="good.csv", split="test", quiet=True, threads=1, **more
        )
        jsonschema.validate(result.record, schema)
        return result

    with pytest.raises(DataError, match="2 rows of 15 cannot be used"):
        run("bad.csv")
    whole, left = run("good.csv"), run("bad.csv", skip_bad_rows=True)
    assert [(r.record["data"].get("left_out"), r.record["data"]["empty"]) for r in (whole, left)] == [(None, 1), (2, 1)]
    assert whole.score == left.score
    assert whole.identity != left.identity
    table = render([whole, left], "csv")
    assert "2 bad rows left out" in table
    assert "1 empty text" in table
    run("good.csv", skip_bad_rows=True)
    assert run("good.csv", skip_bad_rows=True).identity == whole.identity


def test_columns_with_commas_are_told_apart():
    said = "text=join(', ', words[?x=='a,b']),label=stars , rows=data[].qas[]"
    assert Pairs().convert(said, None, None) == {
        "text": "join(', ', words[?x=='a,b'])", "label": "stars", "rows": "data[].qas[]",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["metrics", "perturb", "freeze", "report_to"])
def test_one_name_is_not_its_letters(name):
    config = plmtasks.run_config("t", "m", **{name: "good"})
    assert getattr(config if hasattr(config, name) else config.training, name) == ("good",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner), max_leaves=30,
)  # fmt: skip


@given(JSON)
def test_a_document_is_written_as_pythons_own_json_writes_it(value):
    assert dump(value) == json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def test_what_json_has_no_type_for_is_written_or_refused_as_by_pythons_own():
    assert dump({2: [io.SEEK_SET], 10: ()}) == '{\n "2": [\n  0\n ],\n "10": []\n}\n'
    with pytest.raises(TypeError):
        dump([b""])
    with pytest.raises(ValueError, match="JSON compliant"):
        dump({"a": [float("nan")]})
