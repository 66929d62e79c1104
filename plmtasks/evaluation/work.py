"""What all processes of a command do together: a class for each kind of work, sent to them as JSON."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import training
from ..config import ModelSettings, RunConfig, Source
from ..data import Dataset
from ..engine import Workers
from ..errors import MismatchError
from ..execution import Processes, Progress, alone, check_count, environment, joined, launcher, started_by_launcher
from ..hooks import Registry, blame, load_registry
from ..requests import Request, from_json, to_json
from ..task import Task
from . import blocks, runner
from .direct import direct
from .driver import Driver
from .job import EvaluationJob, load_data, prepare, prepare_training
from .prediction import PredictConfig


@dataclass(frozen=True, kw_only=True)
class Work(ABC):
    """One kind of work. It holds settings alone, so that every process can prepare the same from it."""

    configs: tuple[RunConfig, ...]
    """One for each run or task; the number of processes and threads of the first holds for all."""

    @abstractmethod
    def do(self, processes: Processes, registry: Registry) -> Any:
        """Does it, called in every process; returns what came of it, as JSON."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Work):
    """Runs, one after another; those whose model cannot be asked the task are left out."""

    def do(self, processes: Processes, registry: Registry, workers: Workers | None = None) -> list[tuple[str, Mapping[str, Any]]]:
        """
        workers: who answers, where these processes do not

        returns: folder and record of each result

        raises: MismatchError if no task fits its model; what would stop a run is raised before the first, if it is known then
        """
        jobs: dict[int, EvaluationJob] = {}
        drivers: dict[int, Driver] = {}
        misfits: dict[str, MismatchError] = {}
        opened = Opened()
        for number, config in enumerate(self.configs):
            try:
                if workers is None:
                    config = settled(config, processes.within(f"run-{number}"), registry)
                else:
                    drivers[number] = Driver.settled(workers, config)
                    config = drivers[number].config
                job = prepare(config, registry, opened)
            except MismatchError as e:
                misfits[left_out(config)] = e
            else:
                _ = job.must_learn  # or whatever stops it is raised here
                jobs[number] = job
        if not jobs:
            raise next(iter(misfits.values()))
        for misfit in misfits:
            _progress(self.configs[0], processes).say(misfit)
        done, said = [], set[str]()
        for number in list(jobs):
            mine, any_threads = processes.within(f"run-{number}"), self.configs[number].settings.threads == 0
            job, by = jobs.pop(number), drivers.get(number)
            if by is not None and job.must_learn:
                by.learn()
            result = runner.run(job, mine, any_threads=any_threads, said=said, by=by)
            if mine.main:
                registry.report(result)
            done.append((str(result.folder), result.record))
        return done


@dataclass(frozen=True, kw_only=True)
class Learn(Work):
    """What a run has to learn first, and not the run itself."""

    def do(self, processes: Processes, registry: Registry) -> None:
        [config] = self.configs
        job = prepare(settled(config, processes, registry), registry)
        runner.learn(job, processes, _progress(config, processes))


@dataclass(frozen=True, kw_only=True)
class Train(Work):
    """One model that learns the tasks of all configs together, into a folder."""

    folder: str

    def do(self, processes: Processes, registry: Registry) -> None:
        configs = [settled(c, processes.within(f"task-{number}"), registry) for number, c in enumerate(self.configs)]
        environment.set_threads(configs[0].settings.threads)
        jobs = [prepare_training(c, registry) for c in configs]
        progress = _progress(self.configs[0], processes)
        for job in jobs:
            runner.tell_data(job, ["train"], processes, progress, learned="train")
        training.train(training.plan(jobs, processes, progress), Path(self.folder))


@dataclass(frozen=True, kw_only=True)
class Predict(Work):
    """Answers to new questions, by the one config, which are written; or come back, where `returned`."""

    settings: PredictConfig
    questions: tuple[str, ...] | None = None
    """As JSON, in the place of an input that is read."""
    returned: bool = False

    def do(self, processes: Processes, registry: Registry) -> list[dict[str, Any]]:
        """returns: the answers, in the main process, where they are not written"""
        config = replace(self.settings, run=settled(self.configs[0], processes, registry))
        any_threads = self.configs[0].settings.threads == 0
        answers = blocks.answer(config, registry, processes, self.questions, returned=self.returned, any_threads=any_threads)
        return list(answers)


@dataclass(frozen=True, kw_only=True)
class Ask(Work):
    """Requests that are at hand, list after list as they come, by the one config's model, until there is none."""

    shown: tuple[str, ...]
    """As JSON, one of each kind that may come."""
    cache: str | None = None
    """A folder by which a killed list is gone on with."""

    def do(self, processes: Processes, registry: Registry) -> None:
        config = settled(self.configs[0], processes, registry)
        held = direct(config, [read_request(text, registry) for text in self.shown], self.cache, registry, processes)
        number = 0
        while lines := json.loads(processes.receive(f"asked/{number}")):
            answers = held.answers([read_request(line, registry) for line in lines])
            processes.forget(f"asked/{number}")
            if processes.main:
                told = {"answers": to_json(answers), "parameters": held.loaded.parameters}
                processes.send(f"answered/{number}", json.dumps(told).encode())
            number += 1


def write_request(request: Request) -> str:
    """A request with its kind, as JSON."""
    return json.dumps([request.kind(), to_json(request)])


def read_request(text: str, registry: Registry) -> Request:
    """The inverse of `write_request`."""
    kind, value = json.loads(text)
    request: Request = from_json(registry.requests[kind], value)
    return request


KINDS: Mapping[str, type[Work]] = {kind.__name__: kind for kind in (Evaluate, Learn, Train, Predict, Ask)}


class Opened:
    """Data sets, each opened once for all runs of a matrix."""

    def __init__(self) -> None:
        self._held: list[tuple[Task, Source, Dataset]] = []

    def __call__(self, task: Task, source: Source) -> Dataset:
        """The task's data from this source."""
        for *key, data in self._held:
            if key == [task, source]:
                return data
        self._held.append((task, source, load_data(task, source)))
        return self._held[-1][-1]

    def __iter__(self) -> Iterator[Dataset]:
        """All that were opened."""
        return (data for *_, data in self._held)


def left_out(config: RunConfig) -> str:
    """What the user is told of a run of a matrix whose model cannot be asked the task."""
    return f"{config.task} cannot be asked of {config.model}: left out"


def _progress(config: RunConfig, processes: Processes) -> Progress:
    return Progress(quiet=config.quiet or not processes.main)


def everywhere(work: Work, registry: Registry, *, apart: bool = False) -> Any:
    """Does the work in all processes, started here or by whoever started us; returns what came of it.

    apart: one process is started too
    """
    count = work.configs[0].processes
    check_count(count)
    if started_by_launcher():
        with joined() as processes:
            return work.do(processes, registry)
    if count <= 1 and not apart:
        return work.do(alone(), registry)
    count = max(1, count)
    threads = environment.resolve(work.configs[0], count).settings.threads
    message = json.dumps({"kind": type(work).__name__, "work": to_json(work)})
    return json.loads(launcher.launch(message, count, threads))


def take_part() -> None:
    """One process of the work that was launched."""
    with joined() as processes:
        message = json.loads(processes.receive("work"))
        work: Work = from_json(KINDS[message["kind"]], message["work"])
        try:
            # whoever launched it has looked at what files name
            done = work.do(processes, load_registry(trusting=True))
        except Exception as e:
            if (blamed := blame(e)) is not None:
                e.add_note(blamed)  # the traceback that the launcher shows ends with it
            raise
        if processes.main:
            processes.send("done", json.dumps(done).encode())


def settled(config: RunConfig, processes: Processes, registry: Registry) -> RunConfig:
    """The config with all automatic choices made.

    The main process's choices hold for all, whatever another machine would choose; folders are each machine's own.
    """
    chosen = processes.share("settings", lambda: to_json(resolved(config, processes.local_count, registry).settings))
    return replace(config, settings=from_json(ModelSettings, chosen))


def resolved(config: RunConfig, processes_here: int, registry: Registry) -> RunConfig:
    """The config with the choices that this process would make.

    processes_here: processes of the work on this machine
    """
    return environment.resolve(config, processes_here, registry.model(config.model).tokens_within)
