"""Runs as a caller sees them: one or many, over one or many processes."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from .. import results
from ..config import ModelSettings, RunConfig
from ..data import Dataset
from ..errors import MismatchError, OutOfMemoryError, PlmtasksError
from ..execution import Processes, Progress, alone, check_count, environment, joined, launcher, speaks, started_by_launcher
from ..hooks import Registry, blame, load_registry
from ..requests import from_json, to_json
from ..results import Result
from ..training import Estimate, cost
from . import job, lessons, prediction, runner
from .prediction import PredictConfig
from .runner import Outlook


def run(configs: Sequence[RunConfig], registry: Registry | None = None) -> list[Result]:
    """The results of all runs whose task and model fit, in their order; every process returns them.

    All configs ask for the same number of processes. Each result is on disk before the next run begins.

    raises: PlmtasksError, whatever stops a run; what was finished or answered before is kept
    """
    registry = registry or _registry(configs)
    fit = fitting(configs, registry)
    if any(config.retry_oom for config in fit) and not started_by_launcher():
        return [result for config in fit for result in _with_less_memory(config, registry)]
    return _everywhere(_Work(configs=fit), registry)


def _with_less_memory(config: RunConfig, registry: Registry, *, apart: bool = False) -> list[Result]:
    """The result of a run, with half the token budget as often as it needs."""
    count = max(1, config.processes)
    while True:
        try:
            return _everywhere(_Work(configs=[config]), registry, apart=apart)
        except PlmtasksError as e:
            half = _resolved(config, count, registry).settings.batch_tokens // 2
            # an error that came from another process has kept no more of its type than this
            if e.exit_code != OutOfMemoryError.exit_code or not half:
                raise
            Progress(quiet=config.quiet).say(f"{e.message}: again with --batch-tokens {half}")
            config = replace(config, settings=replace(config.settings, batch_tokens=half))


def _registry(configs: Sequence[RunConfig]) -> Registry:
    return load_registry(trusting=any(config.settings.trust_remote_code for config in configs))


def run_apart(config: RunConfig, registry: Registry, *, learns: bool) -> Result:
    """The result of a run in processes of its own, even if it is one.

    Whatever ends them ends only this run, and the peak of their memory is that of answering alone.

    learns: its model has to be trained first; that is done in other processes

    raises: PlmtasksError
    """
    if learns:
        _everywhere(_Work(configs=[config], learn=True), registry, apart=True)
    if config.retry_oom:
        return _with_less_memory(config, registry, apart=True)[0]
    return _everywhere(_Work(configs=[config]), registry, apart=True)[0]


def outlook(config: RunConfig, registry: Registry, data: Dataset | None = None) -> Outlook:
    """What such a run would find if it began now: its result, or a trained model; no model is loaded.

    data: the config's, if it is at hand

    raises: PlmtasksError, whatever would stop the run before anything is computed
    """
    count = max(1, config.processes)
    processes = replace(alone(), count=count, local_count=count)
    settled, any_threads = _resolved(config, count, registry), config.settings.threads == 0
    return runner.outlook(settled, registry, processes, any_threads=any_threads, data=data)


def train(config: RunConfig | Sequence[RunConfig], folder: str, registry: Registry | None = None) -> Path:
    """Trains a model on a task's train split; the checkpoint is an ordinary folder of the model's own library.

    config: several, which differ in task and source alone, make one model that learns all the tasks together

    raises: PlmtasksError
    """
    configs = [config] if isinstance(config, RunConfig) else list(config)
    registry = registry or _registry(configs)
    for one in configs:
        fitting([one], registry)
    _everywhere(_Work(configs=configs, train=folder), registry)
    return Path(folder)


def estimate(config: RunConfig | Sequence[RunConfig], registry: Registry | None = None) -> Estimate:
    """What such a training would cost, by a few updates of it in this process that are thrown away.

    raises: PlmtasksError
    """
    configs = [config] if isinstance(config, RunConfig) else list(config)
    registry = registry or _registry(configs)
    count = max(1, configs[0].processes, int(os.environ.get("WORLD_SIZE", "1")))
    settled = [_resolved(one, count, registry) for one in configs]
    environment.set_threads(settled[0].settings.threads)
    here = alone()
    model, lessons_, teacher = lessons.plan(_jobs(settled, registry), here, Progress(quiet=True), here.device(), free=True)
    return cost.estimate(model, lessons_, teacher, count)


def predict(config: PredictConfig, registry: Registry | None = None) -> None:
    """Answers the questions of a file, a pipe or a terminal, a line for a line.

    raises: PlmtasksError, whatever stops it; what was answered before is kept
    """
    registry = registry or _registry([config.run])
    _everywhere(_Work(configs=fitting([config.run], registry), predict=config), registry)


def answers(
    config: RunConfig,
    inputs: str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]] | os.PathLike[str],
    output: str | None = None,
    followed_model: str | None = None,
) -> Iterator[dict[str, Any]]:
    """The answer to each question, as `plmtasks predict --format json` writes it.

    inputs: a question or several, answered as they are asked for; or a file of them. Over several processes, or with
        `output`, all are answered first; of processes that another launcher started, the main one gets the answers

    raises: PlmtasksError
    """
    if isinstance(inputs, (str, Mapping)):
        inputs = [inputs]
    registry = _registry([config])
    fitting([config], registry)
    several = config.processes > 1 or started_by_launcher()
    if output is None and not several and not isinstance(inputs, os.PathLike):
        settled = _settled(config, alone(), registry)
        environment.set_threads(settled.settings.threads)
        return prediction.answers(PredictConfig(run=settled, followed_model=followed_model), inputs, registry)
    return _by_files(PredictConfig(run=config, output=output, followed_model=followed_model, form="json"), inputs, registry)


def _by_files(config: PredictConfig, inputs: Any, registry: Registry) -> Iterator[dict[str, Any]]:
    folder = tempfile.TemporaryDirectory(prefix="plmtasks-")
    file, found = Path(folder.name, "questions"), Path(config.output or Path(folder.name, "answers.jsonl"))
    if isinstance(inputs, os.PathLike):
        file = Path(inputs)
    else:
        field = [*prediction.asked_first(registry.task(config.run.task), registry).fields, "text"][0]
        rows = (json.dumps({field: row} if isinstance(row, str) else row, ensure_ascii=False) for row in inputs)
        with file.open("w", encoding="utf-8") as out:
            out.writelines(f"{row}\n" for row in rows)
    predict(replace(config, input=str(file), output=str(found)), registry)

    def rows_found() -> Iterator[dict[str, Any]]:
        with folder, found.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    return rows_found() if speaks() else iter(())


def _jobs(configs: Sequence[RunConfig], registry: Registry) -> list[job.Job]:
    """The jobs of a training: of what is evaluated, one example is enough to know the form."""
    return [job.prepare(replace(config, limit=1), registry, learns=True) for config in configs]


def fitting(configs: Sequence[RunConfig], registry: Registry) -> list[RunConfig]:
    """The configs of a matrix whose task and model fit together.

    raises: MismatchError if none does; errors of unknown names
    """
    kept, unfit = [], []
    for config in configs:
        try:
            job.choose_kind(registry.task(config.task), registry.model(config.model), config.ask, registry)
            kept.append(config)
        except MismatchError as e:
            unfit.append(e)
    if not kept:
        raise unfit[0]
    return kept


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What all processes do together."""

    configs: Sequence[RunConfig]
    train: str | None = None
    """The folder of a checkpoint that is to learn all the configs' tasks; None: the configs are run."""
    predict: PredictConfig | None = None
    """What is to be answered, by the one config."""
    learn: bool = False
    """Only what the runs have to learn first."""


def _everywhere(work: _Work, registry: Registry, *, apart: bool = False) -> list[Result]:
    """Does the work in all processes, started here or by whoever started us.

    apart: one process is started too
    """
    count = work.configs[0].processes
    check_count(count)
    if started_by_launcher():
        with joined() as processes:
            return _do(work, processes, registry)
    if count <= 1 and not apart:
        return _do(work, alone(), registry)
    count = max(1, count)
    threads = environment.resolve(work.configs[0], count).settings.threads
    folders = json.loads(launcher.launch(json.dumps(to_json(work)), count, threads))
    return [results.read_results(Path(f))[0] for f in folders]


def worker() -> None:
    """One process of the work that was launched."""
    with joined() as processes:
        told = json.loads(processes.receive("work"))
        work = _Work(
            configs=[from_json(RunConfig, c) for c in told["configs"]], train=told["train"],
            learn=told["learn"], predict=from_json(PredictConfig | None, told["predict"]),
        )  # fmt: skip
        try:
            # whoever launched it has looked at what files name
            found = _do(work, processes, load_registry(trusting=True))
        except Exception as e:
            if (blamed := blame(e)) is not None:
                e.add_note(blamed)  # the traceback that the launcher shows ends with it
            raise
        if processes.main:
            processes.send("done", json.dumps([str(r.folder) for r in found]).encode())


def _do(work: _Work, processes: Processes, registry: Registry) -> list[Result]:
    if work.train is not None:
        _train(work.configs, Path(work.train), processes, registry)
        return []
    if work.predict is not None:
        settled = replace(work.predict, run=_settled(work.predict.run, processes, registry))
        prediction.predict(settled, registry, processes, any_threads=work.predict.run.settings.threads == 0)
        return []
    if work.learn:
        for number, config in enumerate(work.configs):
            mine = processes.within(f"learn-{number}")
            runner.learn(_settled(config, mine, registry), registry, mine, Progress(quiet=config.quiet or not mine.main))
        return []
    if len(work.configs) > 1:  # before the first run: what stops the last would be known too late
        for config in work.configs:
            lessons.must_learn(job.prepare(config, registry))
    found = []
    for number, config in enumerate(work.configs):
        mine = processes.within(f"run-{number}")
        result = runner.run(_settled(config, mine, registry), registry, mine, any_threads=config.settings.threads == 0)
        if mine.main:
            registry.report(result)
        found.append(result)
    return found


def _train(configs: Sequence[RunConfig], folder: Path, processes: Processes, registry: Registry) -> None:
    settled = [_settled(config, processes.within(f"task-{number}"), registry) for number, config in enumerate(configs)]
    environment.set_threads(settled[0].settings.threads)
    progress = Progress(quiet=configs[0].quiet or not processes.main)
    lessons.train(_jobs(settled, registry), processes, progress, processes.device(), folder)


def _settled(config: RunConfig, processes: Processes, registry: Registry) -> RunConfig:
    """The config with all automatic choices made.

    The main process's choices hold for all, whatever another machine would choose; folders are each machine's own.
    """
    chosen = processes.share("settings", partial(_settings, config, processes.local_count, registry))
    return replace(config, settings=from_json(ModelSettings, chosen))


def _settings(config: RunConfig, processes_here: int, registry: Registry) -> Any:
    return to_json(_resolved(config, processes_here, registry).settings)


def _resolved(config: RunConfig, processes_here: int, registry: Registry) -> RunConfig:
    return environment.resolve(config, processes_here, registry.model(config.model).tokens_within)
