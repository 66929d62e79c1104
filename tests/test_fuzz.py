"""Some hundreds of damaged inputs in a process of their own; `python tests/fuzz.py` tries more, and what needs torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from plmtasks.errors import DataError, DataWarning, printable
from plmtasks.files import check, parse, read_json, read_records, safe_name
from plmtasks.results import Result, read_results

pytestmark = pytest.mark.slow

COUNT = 100


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [16, 17])
def test_no_damage_comes_out_as_a_traceback(seed: int) -> None:
    script = Path(__file__).with_name("fuzz.py")
    done = subprocess.run(
        [sys.executable, str(script), "--light", "--seed", str(seed), "--count", str(COUNT)],
        capture_output=True, text=True, timeout=580, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"{COUNT} inputs of seed {seed}, 0 faults" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 10_000, "at most 100 deep"),
        ("[" * 150 + "]" * 150, "at most 100 deep"),
        ("9" * 5000, "a whole number of 5000 digits, more than 300"),
        ('{"a": }', "a.json:1:7: expected JSON"),
        ('{"a": "\\ud800"}', "expected whole characters"),
    ],
)
def test_json_that_is_none_for_us(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_json(path)


@pytest.mark.parametrize("text", ["NaN", "[1e999]", '{"a": -Infinity}'])
def test_numbers_that_json_does_not_know(text: str) -> None:
    parse("a", text)  # pandas writes them into data
    with pytest.raises(DataError, match="numbers that are finite"):
        parse("a", text, finite=True)


def test_shapes_say_where_a_value_is_another() -> None:
    shape = {"a": [{"b": int, "c?": (str, type(None))}], "d?": {...: [str]}, "e?": ([str], type(None))}
    check("f.json", {"a": [], "e": None}, shape)
    check("f.json", {"a": [{"b": 1, "c": None}, {"b": 2}], "d": {"x": ["y"]}, "more": 1}, shape)
    for value, said in [
        ([], "f.json: expected an object, found []"),
        ({}, "f.json: expected a key 'a', found none"),
        ({"a": {}}, "f.json: a: expected a list, found {}"),
        ({"a": [{"b": 1}, {"b": True}]}, "f.json: a[1].b: expected a whole number, found True"),
        ({"a": [{"b": 1, "c": 2}]}, "f.json: a[0].c: expected a text or null, found 2"),
        ({"a": [], "e": ["x", 3]}, "f.json: e[1]: expected a text, found 3"),
        ({"a": [], "d": {"x": [3]}}, "f.json: d.x[0]: expected a text, found 3"),
    ]:
        with pytest.raises(DataError) as e:
            check("f.json", value, shape)
        assert e.value.message == said


def test_damaged_pages_of_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": [f"text {i}" * 20 for i in range(50)]}), path)
    whole = path.read_bytes()
    refused: list[str] = []
    for at in range(8, len(whole) - 300, 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            list(read_records(path))
        except DataError as e:
            refused.append(e.message)
    assert len(refused) > 3
    assert all(message.startswith(f"{path}: expected a Parquet file, found a damaged one: ") for message in refused)


@pytest.mark.parametrize(
    "header",
    ["no python", "(" * 5000, "{'descr': '<f8', 'shape': (9,), 'fortran_order': False}", "{'shape': ()}", "9" * 5000, "[]", "{1"],
)
def test_a_header_that_is_none(header: str, tmp_path: Path) -> None:
    text = header.encode() + b"\n"
    (tmp_path / "statistics.npy").write_bytes(b"\x93NUMPY\x03\x00" + len(text).to_bytes(4, "little") + text + b"\0" * 72)
    with pytest.raises(DataError, match=r"statistics\.npy: expected (an array of numpy|named columns)"):
        Result(record={"data": {"examples": 9}}, folder=tmp_path).statistics()


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    array = np.array([({},)], dtype=[("cluster", "O")])
    np.save(tmp_path / "statistics.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match="expected an array of numpy"):
        Result(record={"data": {"examples": 1}}, folder=tmp_path).statistics()


def test_names_that_are_kept_elsewhere() -> None:
    given = ("CON", "aux.txt", "com1", "bert", "a/b", "..")
    assert [safe_name(name) for name in given] == ["_CON", "_aux.txt", "_com1", "bert", "a--b", "_"]
    long, other = safe_name("é" * 300), safe_name("é" * 301)
    assert len(long.encode()) <= 200
    assert long != other


def test_what_steers_a_terminal() -> None:
    assert printable("a\x1b[2J\x9b\u202e\ud800\nb\tc 　👩‍👧") == "a�[2J����b�c 　👩‍👧"
    assert printable("a\n\tb\r", lines=True) == "a\n\tb�"


def test_one_damaged_run_is_left_out(tmp_path: Path) -> None:
    from fuzz_inputs import record

    changes = {"a": {}, "b": {"scores": []}, "c": {"primary_metric": ["accuracy", "other"]}, "d": {"identity": "../../x"}}
    for name, change in changes.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps({**record(), **change}))
    with pytest.warns(DataWarning) as told:
        assert [r.folder.name for r in read_results(tmp_path)] == ["a"]
    assert [str(w.message).partition(": expected")[0].removeprefix(f"left out: {tmp_path}/") for w in told] == [
        "b/result.json: scores", "c/result.json: primary_metric", "d/result.json: identity",
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"b/result\.json: scores: expected what result\.schema\.json describes: must be object"):
        read_results(tmp_path / "b")


def test_an_error_does_not_steer_the_terminal(tmp_path: Path) -> None:
    name = "a\x1b[2J\x07\u202eb"
    command = [sys.executable, "-m", "plmtasks", "leaderboard", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/a�[2J��b: no such file or folder\n"
