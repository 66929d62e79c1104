"""Runs, trainings and predictions as a caller sees them, over one or many processes."""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import training
from ..config import RunConfig
from ..engine import Workers
from ..errors import BusyError, InputError, MismatchError, OutOfMemoryError, PlmtasksError
from ..execution import Progress, alone, apart, check_count, counts, environment, speaks, started_by_launcher
from ..files import local, place, read_json_lines
from ..hooks import Registry, load_registry
from ..requests import from_json, to_json
from ..results import Result, identity_hash
from ..training import Estimate
from . import blocks, runner
from .driver import Driver
from .job import EvaluationJob, Load, load_data, prepare, prepare_training, resolve
from .prediction import PredictConfig
from .runner import Outlook
from .work import Evaluate, Learn, Predict, Train, everywhere, left_out, resolved

BUSY_SECONDS = 5.0
"""After which work that another process is at is looked at again."""


def run(configs: Sequence[RunConfig], registry: Registry | None = None) -> list[Result]:
    """The results of all runs whose task and model fit, in their order; every process returns them.

    All configs ask for the same number of processes. Each result is on disk before the next run begins.

    raises: MismatchError if no task fits its model; PlmtasksError, whatever stops a run; what was finished or answered before
        is kept
    """
    registry = registry or _registry(configs)
    if engine := configs[0].on:
        return _on(engine, _fitting(configs, registry), registry)
    if any(config.retry_oom for config in configs) and not started_by_launcher():
        return [_with_less_memory(config, registry) for config in _fitting(configs, registry)]
    return _results(everywhere(Evaluate(configs=tuple(configs)), registry))


def _on(engine: str, configs: Sequence[RunConfig], registry: Registry) -> list[Result]:
    """The results of runs that the workers of an engine answer.

    raises: InputError if a launcher has started several of this process
    """
    if started_by_launcher():
        raise InputError(f"--on {engine} has workers of its own", "give the command once, without another launcher")
    with registry.engine(engine).workers(configs[0].processes, configs[0].settings.threads) as workers:
        if any(config.retry_oom for config in configs):
            return [_with_less_memory(config, registry, workers=workers) for config in configs]
        return _results(Evaluate(configs=tuple(configs)).do(alone(), registry, workers))


def _results(done: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Result]:
    return [Result(record=record, folder=place(folder)) for folder, record in done]


def _fitting(configs: Sequence[RunConfig], registry: Registry) -> list[RunConfig]:
    """The configs of a matrix whose task and model fit together.

    raises: MismatchError if none does; errors of unknown names
    """
    fitting, misfits = [], []
    for config in configs:
        try:
            resolve(config, registry)
            fitting.append(config)
        except MismatchError as e:
            misfits.append(e)
            Progress(quiet=config.quiet).say(left_out(config))
    if not fitting:
        raise misfits[0]
    return fitting


def _with_less_memory(config: RunConfig, registry: Registry, *, apart: bool = False, workers: Workers | None = None) -> Result:
    """The result of a run, with half the token budget as often as it needs.

    apart, workers: as of `everywhere` and `Evaluate.do`
    """
    while True:
        work = Evaluate(configs=(config,))
        try:
            return _results(work.do(alone(), registry, workers) if workers else everywhere(work, registry, apart=apart))[0]
        except PlmtasksError as e:
            chosen = Driver.settled(workers, config).config if workers else resolved(config, max(1, config.processes), registry)
            half = chosen.settings.batch_tokens // 2
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
        everywhere(Learn(configs=(config,)), registry, apart=True)
    if config.retry_oom:
        return _with_less_memory(config, registry, apart=True)
    return _results(everywhere(Evaluate(configs=(config,)), registry, apart=True))[0]


def work_of(config: RunConfig, *, learns: bool) -> str:
    """A run as an engine's job: what `do_job` takes.

    learns: its model has to be trained first
    """
    return json.dumps({"folder": str(Path.cwd()), "learns": learns, "config": to_json(config)})


def do_job(work: str) -> str:
    """Does a run that was handed to an engine, in processes of its own; or in this one, if a launcher started several such.

    Where another job is at the same run, or the same training, it waits for that; several processes of a launcher's end together.

    returns: the folder of the result

    raises: PlmtasksError; BusyError where it does not wait
    """
    told = json.loads(work)
    try:
        os.chdir(told["folder"])
    except OSError as e:
        raise InputError(f"{told['folder']}: {e.strerror} on {os.uname().nodename}", "all machines need the same files") from e
    # whoever gave the command has looked at what files name
    config, registry = from_json(RunConfig, told["config"]), load_registry(trusting=True)
    while True:
        try:
            if started_by_launcher():
                return str(run([config], registry)[0].folder)
            return str(run_apart(config, registry, learns=told["learns"]).folder)
        except PlmtasksError as e:
            # an error that came from another process has kept no more of its type than this
            if e.exit_code != BusyError.exit_code:
                raise
            time.sleep(BUSY_SECONDS)


def outlook(config: RunConfig, registry: Registry, load: Load = load_data) -> Outlook:
    """What such a run would find if it began now: its result, or a trained model; no model is loaded.

    load: opens the config's data, or has them at hand

    raises: MismatchError; PlmtasksError, whatever would stop the run before anything is computed
    """
    count = max(1, config.processes)
    processes = replace(alone(), count=count, local_count=count)
    job = prepare(resolved(config, count, registry), registry, load)
    found = runner.outlook(job, processes, any_threads=config.settings.threads == 0)
    return replace(found, asked=_asked(config, job))


def _asked(config: RunConfig, job: EvaluationJob) -> str:
    seed = job.parts["settings"]["seed"]  # 0 where no answer depends on it
    told = {**job.parts, "settings": to_json(replace(config.settings, seed=seed))}
    if job.must_learn:
        told |= {"training": to_json(config.training), "processes": config.processes, "pool": job.data.fingerprint("train")}
    return identity_hash(told)


def train(config: RunConfig | Sequence[RunConfig], folder: str, registry: Registry | None = None) -> Path:
    """Trains a model on a task's train split; the checkpoint is an ordinary folder of the model's own library.

    config: several, which differ in task and source alone, make one model that learns all the tasks together

    raises: PlmtasksError
    """
    configs = (config,) if isinstance(config, RunConfig) else tuple(config)
    local(folder)
    everywhere(Train(configs=configs, folder=folder), registry or _registry(configs))
    return Path(folder)


def estimate(config: RunConfig | Sequence[RunConfig], registry: Registry | None = None) -> Estimate:
    """What such a training would cost a process, by a few updates of it in this one that are thrown away.

    raises: PlmtasksError
    """
    configs = [config] if isinstance(config, RunConfig) else list(config)
    registry = registry or _registry(configs)
    check_count(configs[0].processes)
    count, here = counts()
    if count == 1:
        count = here = max(1, configs[0].processes)
    jobs = [prepare_training(resolved(one, here, registry), registry) for one in configs]
    environment.set_threads(jobs[0].config.settings.threads)
    with apart():
        return training.estimate(training.plan(jobs, alone(), Progress(quiet=True)), count)


def predict(config: PredictConfig, registry: Registry | None = None) -> None:
    """Answers the questions of a file, a pipe or a terminal, a line for a line; or those of a split, as JSON lines.

    raises: PlmtasksError, whatever stops it; what was answered before is kept
    """
    registry = registry or _registry([config.run])
    if config.output is not None:
        local(config.output)
    questions = None if config.split is None else tuple(_of_split(config, config.split, registry))
    if questions is not None:
        config = replace(config, form="json")
    everywhere(Predict(configs=(config.run,), settings=config, questions=questions), registry)


def _of_split(config: PredictConfig, split: str, registry: Registry) -> Iterator[str]:
    """The examples of a split as questions in JSON, by their ids.

    raises: InputError if there is an input besides, or no such split
    """
    if config.input != "-" or config.form == "text":
        raise InputError("--split asks what the task's data has, in JSON lines", "leave out --input and --format text")
    task, _, _ = resolve(config.run, registry)
    return (json.dumps({"id": e.id, **e.inputs}) for e in load_data(task, config.run.source)[split])


def answers(
    config: PredictConfig,
    inputs: str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]] | os.PathLike[str],
    registry: Registry | None = None,
) -> Iterator[dict[str, Any]]:
    """The answer to each question, as `plmtasks predict --format json` writes it.

    config: its input is the inputs, its format is JSON
    inputs: a question or several, answered as they are asked for; or a file of them. Over several processes, or with
        an output, all are answered first; of processes that another launcher started, the main one gets the answers

    raises: PlmtasksError
    """
    config = replace(config, form="json", input=os.fspath(inputs) if isinstance(inputs, os.PathLike) else "-")
    if isinstance(inputs, (str, Mapping)):
        inputs = [inputs]
    questions = None if isinstance(inputs, os.PathLike) else map(json.dumps, inputs)
    registry = registry or _registry([config.run])
    resolve(config.run, registry)
    if config.output is None and config.run.processes <= 1 and not started_by_launcher():
        settled = replace(config, run=resolved(config.run, 1, registry))
        return blocks.answer(settled, registry, alone(), questions, returned=True)
    held = None if questions is None else tuple(questions)
    returned = everywhere(Predict(configs=(config.run,), settings=config, questions=held, returned=True), registry)
    if config.output is None or not speaks():
        return iter(returned)
    return (answer for _, answer in read_json_lines(Path(config.output)))  # with those that an earlier call left there
