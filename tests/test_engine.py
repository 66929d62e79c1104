"""Runs whose batches the workers of an engine answer."""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import warm

from plmtasks import hookimpl
from plmtasks.config import run_config
from plmtasks.engine import Engine, Workers
from plmtasks.errors import InputError, PlmtasksError, UnknownNameError
from plmtasks.evaluation import Worker, run
from plmtasks.execution import environment
from plmtasks.hooks import load_registry
from plmtasks.requests import to_json

TRAINING = {"num_train_epochs": 1.0, "max_train_samples": 16}

_worker: Worker | None = None
_lost: Path | None = None


def _begin(environment: dict[str, str], folder: str, lost: Path | None) -> None:
    global _worker, _lost
    os.environ.update(environment)  # the process that forks began with another
    _worker, _lost = Worker(folder), lost


def _do(call: str, *args: Any) -> Any:
    if call == "answer" and _lost is not None and not _lost.exists():
        _lost.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return getattr(_worker, call)(*args)


class Pool(Workers):
    """Processes of the standard library, as a stranger might begin an engine."""

    def __init__(self, count: int, threads: int, lost: Path | None) -> None:
        self.count, self.threads, self.lost = count, threads, lost
        self.open = self._new()

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.count,
            mp_context=get_context("forkserver"),
            initializer=_begin,
            initargs=(dict(os.environ), str(Path.cwd()), self.lost),
        )

    def ask(self, call: str, *args: str) -> Any:
        return self.open.submit(_do, call, *args).result()

    def deal(self, config: str, plan: str, batches: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        left = dict.fromkeys(batches)
        while left:
            asked = {self.open.submit(_do, "answer", config, plan, batch): batch for batch in left}
            try:
                for done in as_completed(asked):
                    line = done.result()
                    del left[asked[done]]
                    yield asked[done], line
            except BrokenProcessPool:
                self.open = self._new()


class PoolEngine(Engine):
    name = "pool"

    def __init__(self, lost: Path | None = None) -> None:
        self.lost = lost

    @contextmanager
    def workers(self, count: int, threads: int) -> Iterator[Workers]:
        pool = Pool(count or 2, threads or 1, self.lost)
        try:
            yield pool
        finally:
            pool.open.shutdown()


class Plugin:
    __name__ = "pool_plugin"

    def __init__(self, lost: Path | None = None) -> None:
        self.lost = lost

    @hookimpl
    def register_engines(self) -> list[Engine]:
        return [PoolEngine(self.lost)]


def _run(output: Path, on: str = "", lost: Path | None = None, **more: Any) -> bytes:
    registry = load_registry([Plugin(lost)])  # type: ignore[list-item]
    told = {"threads": 1, "limit": 40, "batch_tokens": 256, "quiet": True, "output": str(output), "training": TRAINING, **more}
    [result] = run([run_config("classification/sample", "tiny-bert", on=on, **told)], registry)
    return (result.folder / "result.json").read_bytes()


@pytest.mark.slow
def test_the_workers_of_an_engine_give_the_bytes_of_one_process(tmp_path: Path) -> None:
    warm.start()  # where they come from
    here, there = (str(tmp_path / f"trained-{name}") for name in ("here", "there"))
    alone = _run(tmp_path / "alone", checkpoints=here)
    assert _run(tmp_path / "trained", on="pool", processes=1, checkpoints=there) == alone
    assert _run(tmp_path / "two", on="pool", processes=2, checkpoints=here) == alone
    assert _run(tmp_path / "lost", on="pool", processes=2, checkpoints=here, lost=tmp_path / "lost-one") == alone
    assert (tmp_path / "lost-one").exists()


def test_what_an_engine_is_not_there_for_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="there is no engine 'nowhere'"):
        _run(tmp_path, on="nowhere")
    with pytest.raises(UnknownNameError, match="pip install plmtasks-slurm"):
        load_registry(installed=False).engine("slurm")
    with pytest.raises(InputError, match="runs single runs, and no sweeps"):
        PoolEngine().jobs([], tmp_path)


def test_a_worker_that_sees_other_files_answers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    (tmp_path / "rows.jsonl").write_text('{"text": "good", "label": "a"}\n{"text": "bad", "label": "b"}\n')
    told = {"data": "rows.jsonl", "quiet": True, "threads": 1, "batch_tokens": 64}
    config = json.dumps(to_json(run_config("classification/custom", "toy-model", **told)))

    def asked() -> tuple[Worker, str, str]:
        worker = Worker(str(tmp_path))
        account = json.loads(worker.account(config))
        return worker, account["identity"], f"{account['account']['plan']['hash']}-machine"

    _, identity, tag = asked()
    (tmp_path / "rows.jsonl").write_text('{"text": "good", "label": "b"}\n{"text": "bad", "label": "a"}\n')
    worker, other, same = asked()
    assert tag == same
    assert identity != other
    assert worker.answer(config, f"{other} {tag}", 0).partition(b" ")[2]
    with pytest.raises(PlmtasksError, match="the processes see different data, weights or versions"):
        worker.answer(config, f"{identity} {tag}", 0)
    with pytest.raises(PlmtasksError, match="the processes planned different batches"):
        worker.answer(config, f"{other} {tag[1:]}", 0)


def test_a_worker_without_the_folder_says_so() -> None:
    with pytest.raises(InputError, match="all machines need the same files"):
        Worker("/nowhere/at/all")


def test_a_worker_tells_what_the_peak_of_its_memory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a run that others answered, and of a second run that there was one before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environment, "worked", False)
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    worker = Worker(str(tmp_path))
    assert not {"peak_memory_bytes", "peak_device_memory_bytes"} & json.loads(worker.described()).keys()
    for number, worked in ((0, False), (1, True)):
        config = run_config("toy/even", "toy-model", threads=1, batch_tokens=30, quiet=True, output=str(tmp_path / str(number)))
        worker.account(json.dumps(to_json(config)))
        told = json.loads(worker.described())
        assert told["peak_memory_bytes"] > 0
        assert told["worked_before"] is worked


def test_workers_whose_memory_does_not_suffice_get_smaller_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    monkeypatch.setenv("TOY_MEMORY", "2")
    monkeypatch.setenv("TOY_LOG", str(log := tmp_path / "log"))
    settings = {"threads": 1, "batch_tokens": 30, "quiet": True, "retry_oom": True}
    registry, made = load_registry([Plugin()]), []  # type: ignore[list-item]
    for on in ("", "pool"):
        [result] = run([run_config("toy/even", "toy-model", on=on, output=str(tmp_path / f"on-{on}"), **settings)], registry)
        made.append((result.folder / "result.json").read_bytes())
        assert result.environment()["processes"] == (2 if on else 1)
    assert made[0] == made[1]
    assert max(len(line.split()) for line in log.read_text().splitlines()) == 2
