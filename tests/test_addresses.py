"""Runs at addresses: written, killed and gone on with, by many at once, and read in few requests; with a real S3 server."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import s3
import toy
from click.testing import CliRunner

from plmtasks import store
from plmtasks.cli.results import command
from plmtasks.config import RunConfig, run_config
from plmtasks.errors import BusyError, InputError, OutputError
from plmtasks.evaluation import outlook, run, train
from plmtasks.evaluation.reproduction import reproduce
from plmtasks.execution.journal import SegmentJournal
from plmtasks.files import claim, index, local, open_folder, place
from plmtasks.hooks import Registry, load_registry
from plmtasks.requests import GenerateAnswer
from plmtasks.results import read_result, read_results
from plmtasks.tables import render

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(s3.MISSING), reason=f"an S3 server needs {', '.join(s3.MISSING)}: pip install 'plmtasks[dev]'"),
]


@pytest.fixture(scope="module")
def bucket() -> Iterator[Mapping[str, str]]:
    with s3.server() as environment:
        yield environment


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    return load_registry([toy], installed=False)


def config(output: str | Path, **options: Any) -> RunConfig:
    return run_config("toy/even", "toy-model", output=str(output), batch_tokens=30, threads=1, quiet=True, **options)


OFTEN = "from plmtasks.execution.journal import SegmentJournal as j; j.SECONDS = 2; from plmtasks.cli import main; main()"
"""plmtasks, with a journal whose segments go every two seconds."""
COMMAND = [sys.executable, "-c", OFTEN, "run", "--task", "toy/even", "--model", "toy-model", "--batch-tokens", "30",
           "--threads", "1", "--quiet"]  # fmt: skip


def started(bucket: Mapping[str, str], output: str, *options: str, **environment: str) -> "subprocess.Popen[str]":
    own = {"PLMTASKS_PLUGINS": "toy", "PYTHONPATH": str(Path(__file__).parent), "TOY_EXAMPLES": "40"}
    return subprocess.Popen(
        [*COMMAND, "--output", output, *options], env={**os.environ, **bucket, **own, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def segments(address: str) -> list[str]:
    """The segments of journals; s3fs's glob looks at a folder twice, and a claim may be gone between, ``find`` lists once."""
    there = place(address)
    return [path for path in there.fs.find(there.path) if "/journal/" in path]


def test_killed_and_gone_on_with_in_two_processes_it_has_the_bytes_of_a_local_run(
    bucket: Mapping[str, str], tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim and its journal are those of a process that was killed; two at once, one is busy."""
    monkeypatch.setenv("TOY_EXAMPLES", "40")
    expected = (run([config(tmp_path)], registry)[0].folder / "result.json").read_bytes()
    log = tmp_path / "log"
    first = started(bucket, "s3://bucket/killed", TOY_SLEEP="3", TOY_LOG=str(log))
    end = time.monotonic() + 120
    while not segments("s3://bucket/killed"):
        assert time.monotonic() < end, "no segment came"
        time.sleep(0.5)
    second = started(bucket, "s3://bucket/killed")
    assert "another process is at this very run" in second.communicate()[1]
    assert second.returncode == BusyError.exit_code
    first.kill()
    first.communicate()
    kept = len(segments("s3://bucket/killed"))
    asked = sum(1 for _ in log.open())
    last = started(bucket, "s3://bucket/killed", "--processes", "2", TOY_LOG=str(log))
    assert last.wait(120) == 0, last.communicate()[1]
    last.communicate()
    again = sum(1 for _ in log.open()) - asked
    found = read_result("s3://bucket/killed")
    assert place(f"{found.folder}/result.json").read_bytes() == expected
    assert kept
    assert again < len(read_result(tmp_path).statistics()), "what a segment held was computed again"


def test_sixteen_writers_to_one_store_lose_nothing(bucket: Mapping[str, str], tmp_path: Path, registry: Registry) -> None:
    """Runs, merges of the same runs and merges of twins with other bytes, all at the same time."""
    made = [run([config(tmp_path / "one", seed=n, shots=0, limit=5 + n)], registry)[0] for n in range(4)]
    _twin(tmp_path / "one", tmp_path / "other")
    told: list[Any] = []

    def merging(source: Path) -> None:
        told.extend(store.merge([source], "s3://bucket/sixteen"))

    def running(limit: int) -> None:
        told.append(run([config("s3://bucket/sixteen", limit=limit)], registry)[0])

    threads = [
        *(threading.Thread(target=merging, args=(tmp_path / name,)) for name in ("one", "other") for _ in range(4)),
        *(threading.Thread(target=running, args=(10 + n,)) for n in range(8)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_results("s3://bucket/sixteen")
    assert len(found) >= len(made) + 8
    for one in told:
        if isinstance(one, store.runs.Merged) and one.into is not None:
            assert place(f"{one.into}/result.json").read_bytes() == (Path(one.folder) / "result.json").read_bytes()
    # of each twin what is not there was told to be left out
    there = {place(f"{one.folder}/result.json").read_bytes() for one in found}
    left = {str(one.folder) for one in told if isinstance(one, store.runs.Merged) and one.what == "left out"}
    for source in ("one", "other"):
        for one in read_results(tmp_path / source):
            assert (one.folder / "result.json").read_bytes() in there or str(one.folder) in left
    done = CliRunner().invoke(command, ["verify", "s3://bucket/sixteen"])
    assert f"{len(found)} runs, none altered" in done.output, done.output
    assert not [path for path in index.listing(place("s3://bucket/sixteen")) if path.endswith(".merging")]
    assert "toy-model" in render(found, "table", registry)
    for one in store.waste("s3://bucket/sixteen", ["journals"]):
        store.delete(one)
    assert not [path for path in index.listing(place("s3://bucket/sixteen")) if "/journal/" in path]


def _twin(source: Path, into: Path) -> None:
    """The same runs with other bytes."""
    from plmtasks.files import sealed

    shutil.copytree(source, into)
    for path in into.rglob("result.json"):
        path.write_text(sealed({**json.loads(path.read_text()), "later": "another"}))


def test_what_cannot_be_done_at_an_address_is_refused_before_anything_is_computed(
    bucket: Mapping[str, str], tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(toy.LoadedToy, "answer", lambda self, rs: pytest.fail("it was computed"))
    with pytest.raises(OutputError, match=r"s3://nobody/runs/.*cannot be written: The specified bucket does not exist"):
        run([config("s3://nobody/runs")], registry)
    with pytest.raises(OutputError, match="written to folders of this machine, and to no address"):
        train(config(tmp_path), "s3://bucket/model", registry)
    files = place("s3://bucket/x").fs  # type: ignore[attr-defined]
    pipe = files.pipe_file
    monkeypatch.setattr(files, "pipe_file", lambda path, value, mode="overwrite": pipe(path, value))
    with pytest.raises(OutputError, match="on the condition that nobody else has"):
        run([config("s3://bucket/overwriting")], registry)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_does_not_answer_is_told_as_such(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library of an address has errors of its own."""
    import s3fs

    key = {"ACCESS_KEY_ID": "user", "SECRET_ACCESS_KEY": "secret"}
    for name, value in {"ENDPOINT_URL": "http://127.0.0.1:9", "MAX_ATTEMPTS": "1", **key}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    here, there = run([config(tmp_path)], registry)[0], config("s3://nobody/runs")
    attempts: list[Callable[[], object]] = [
        lambda: run([there], registry),
        lambda: run([replace(there, settings=replace(there.settings, threads=0))], registry),
        lambda: outlook(there, registry),
        lambda: reproduce(here, there, registry),
        lambda: list(store.merge([tmp_path], "s3://nobody/runs")),
        lambda: read_results("s3://nobody/runs"),
        lambda: store.find("s3://nobody/runs"),
    ]
    for attempt in attempts:
        with pytest.raises((InputError, OutputError), match=r"s3://nobody/runs.*cannot be reached: Could not connect"):
            attempt()
    s3fs.S3FileSystem.clear_instance_cache()


def test_no_folder_is_called_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for attempt in (
        lambda: local("s3://bucket/x"),
        lambda: open_folder(Path("s3://bucket/x")),
        lambda: local(Path("memory://x")),
    ):
        with pytest.raises(OutputError, match="to no address"):
            attempt()
    assert list(tmp_path.iterdir()) == []
    assert place(f"file://{tmp_path}") == tmp_path


def test_a_claim_at_an_address_is_taken_over_by_the_stores_own_clock(
    bucket: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from plmtasks.files import claims

    folder = place("s3://bucket/claimed")
    first = claim(folder, "run", lease=2)
    first._ending.set()
    first._thread.join()
    monkeypatch.setattr(claims, "_machine", lambda: "another machine")
    time.sleep(4)
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it was waited for"))
    with claim(folder, "run", lease=2) as second:
        assert second.number == first.number + 1


def test_what_waits_for_a_segment_is_lost_and_no_more() -> None:
    folder = place("memory://segments/journal")
    with SegmentJournal(folder, "p") as journal:
        journal.BYTES = 1  # every line is a segment
        journal.write(0, {"k": GenerateAnswer(text="a")})
        journal.BYTES = 1 << 20
        journal.write(1, {"k": GenerateAnswer(text="b")})
        assert SegmentJournal(folder, "p").read() == {0}
        journal.flush()
        assert SegmentJournal(folder, "p").read() == {0, 1}
        journal.SECONDS = 0
        journal.write(2, {"k": GenerateAnswer(text="c")})
        assert SegmentJournal(folder, "p").read() == {0, 1, 2}
    read = SegmentJournal(folder, "p")
    assert read.read() == {0, 1, 2}
    assert read.answers(2, GenerateAnswer)["k"].text == "c"  # type: ignore[attr-defined]


def test_a_table_over_many_runs_reads_packs(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are counted; a run that changes, or comes beside, is read again and no other."""
    import fsspec

    address = "memory://packed"
    files = fsspec.filesystem("memory")
    made = run([config(tmp_path)], registry)[0]
    content = {p.name: p.read_bytes() for p in made.folder.iterdir() if p.suffix in (".json", ".npy")}
    for number in range(150):
        for name, one in content.items():
            files.pipe_file(f"/packed/toy/even/m{number:03d}/{made.identity}/{name}", one)
    asked: list[str] = []

    def count(kind: str) -> None:
        method = getattr(files, kind)
        monkeypatch.setattr(files, kind, lambda path, *a, **k: (asked.append(f"{kind} {path}"), method(path, *a, **k))[1])

    for kind in ("cat_file", "find", "exists", "info", "open"):
        count(kind)
    monkeypatch.setattr(index, "WORTH", 100)
    first = read_results(address)
    assert len(first) == 150
    assert len(asked) > 600  # each file once
    asked.clear()
    second = read_results(address)
    assert [r.record for r in second] == [r.record for r in first]
    assert all(r.environment() and len(r.statistics()) for r in second)
    assert len(asked) < 20, asked
    folder = "/packed/toy/even/m007/" + made.identity
    changed = json.loads(content["result.json"])
    changed["model"]["name"] = "renamed"
    from plmtasks.files import sealed

    files.pipe_file(f"{folder}/result.json", sealed(changed).encode())
    files.pipe_file("/packed/.index/" + "0" * 32 + ".zip", b"no pack at all")
    asked.clear()
    third = read_results(address)
    assert [r.model for r in third].count("renamed") == 1
    assert len(asked) < 30, asked
    assert not [one for one in asked if "m008" in one]
    files.rm("/packed", recursive=True)
