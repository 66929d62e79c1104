"""A sweep whose results lie at an address, on a real S3 server."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import s3
import toy
from click.testing import CliRunner, Result

from plmtasks.cli import cli
from plmtasks.config import run_config
from plmtasks.evaluation import run
from plmtasks.files import place
from plmtasks.hooks import load_registry
from plmtasks.tables import render

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(s3.MISSING), reason=f"an S3 server needs {', '.join(s3.MISSING)}: pip install 'plmtasks[dev]'"),
]

STORE = "s3://bucket/swept"

# all requests in one batch are more than fit into the memory of the last
SUITE = "threads = 1\n[[tasks]]\nname = 'toy/even'\n" + "".join(
    f"[[models]]\nname = 'toy-model'\nbatch_tokens = {tokens}\n" for tokens in (20, 30, 1024)
)
FAILED = "a batch of 23 requests, 276 padded tokens, does not fit into memory"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Mapping[str, str]]:
    with s3.server() as environment:
        yield environment


def plmtasks(*line: str) -> Result:
    tests = str(Path(toy.__file__).parent)
    told = {"PLMTASKS_PLUGINS": "toy", "PYTHONPATH": tests, "OMP_NUM_THREADS": "1", "TOY_MEMORY": "20"}
    return CliRunner(env=told).invoke(cli, line)


def objects() -> dict[str, str]:
    """All that lies there, each with the time when it was written."""
    there = place(STORE).fs  # type: ignore[attr-defined]
    return {name: str(info["LastModified"]) for name, info in there.find("bucket/swept", detail=True).items()}


def test_it_ends_with_the_table_of_a_local_one_and_is_not_run_twice(
    bucket: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("suite.toml").write_text(SUITE)
    sweep = ("sweep", "suite.toml", "--output", STORE)
    registry = load_registry([toy], installed=False)
    told = {"threads": 1, "quiet": True, "output": "here"}
    local = run([run_config("toy/even", "toy-model", batch_tokens=tokens, **told) for tokens in (20, 30)], registry)
    table = render(local, "table", registry)
    there = [f"{STORE}/{result.folder.relative_to('here')}" for result in local]

    first = plmtasks(*sweep, "--quiet")
    assert first.stdout == f"{table}3 runs: 2 done, 1 failed\n"
    assert str(first.exception) == (
        f"1 of 3 runs failed\n  toy/even on toy-model (batch_tokens 1024), seed 0: {FAILED}\n"
        f"  {STORE}/failures has all of it; --retry runs them again"
    )
    [kept] = place(f"{STORE}/failures").iterdir()
    failure = json.loads(kept.read_text())
    assert (failure["task"], failure["model"], failure["seed"]) == ("toy/even", "toy-model (batch_tokens 1024)", 0)
    assert failure["error"].startswith(f"{FAILED}\n  ")
    for folder, result in zip(there, local, strict=True):
        assert place(f"{folder}/result.json").read_bytes() == (result.folder / "result.json").read_bytes()

    before = objects()
    again = plmtasks(*sweep)
    assert again.stdout == f"{table}3 runs: 2 there, 1 failed before\n"
    assert "[1 of 3] toy/even on toy-model (batch_tokens 20), seed 0: " in again.stderr
    assert again.stderr.count(" (is there)\n") == 2
    assert f"[3 of 3] toy/even on toy-model (batch_tokens 1024), seed 0 (failed before): {FAILED}\n" in again.stderr
    assert plmtasks(*sweep, "--status").stdout.endswith(f"failed before: {FAILED}\n3 runs: 2 there, 1 failed before\n")
    assert objects() == before

    assert plmtasks("leaderboard", STORE).stdout == table
    assert "3 runs, none altered" in plmtasks("results", "verify", STORE).stdout
    listed = plmtasks("results", "list", STORE).stdout
    assert listed.count("not finished") == 1
    assert all(folder in listed for folder in there)
    assert f"{local[0].score:.2f}" in plmtasks("results", "show", there[0]).stdout
