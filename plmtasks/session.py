"""Runs as a caller sees them: one or many, over one or many processes."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from . import distributed, environment, results, runner
from .config import RunConfig
from .distributed import Processes
from .errors import MismatchError
from .progress import Progress
from .registry import Registry, load_registry
from .requests import from_json, to_json
from .results import Result


def run(configs: Sequence[RunConfig], registry: Registry | None = None) -> list[Result]:
    """The results of all runs, in their order; every process returns them.

    All configs ask for the same number of processes. Each result is on disk before the next run begins.

    raises: PlmtasksError, whatever stops a run; what was finished or answered before is kept
    """
    registry = registry or load_registry()
    fitting(configs, registry)
    return [results.read_results(Path(folder))[0] for folder in _everywhere({"configs": configs}, configs[0], registry)]


def train(config: RunConfig, folder: str, registry: Registry | None = None) -> Path:
    """Trains a model on a task's train split; the checkpoint is an ordinary folder of the model's own library.

    raises: PlmtasksError
    """
    registry = registry or load_registry()
    fitting([config], registry)
    _everywhere({"configs": [config], "train": folder}, config, registry)
    return Path(folder)


def fitting(configs: Sequence[RunConfig], registry: Registry) -> list[RunConfig]:
    """The configs of a matrix whose task and model fit together.

    raises: MismatchError if none does; errors of unknown names
    """
    kept, unfit = [], []
    for config in configs:
        try:
            runner.choose_kind(registry.task(config.task), registry.model(config.model), config.ask, registry)
            kept.append(config)
        except MismatchError as e:
            unfit.append(e)
    if not kept:
        raise unfit[0]
    return kept


def _everywhere(work: Mapping[str, Any], config: RunConfig, registry: Registry) -> Sequence[str]:
    """Does the work in all processes, started here or by whoever started us; returns the folders that it wrote."""
    distributed.check_count(config.processes)
    if distributed.started_by_launcher():
        with distributed.joined() as processes:
            return _work(work, processes, registry)
    if config.processes <= 1:
        return _work(work, distributed.alone(), registry)
    resolved = [environment.resolve(c, config.processes) for c in work["configs"]]
    with tempfile.TemporaryDirectory(prefix="plmtasks-") as folder:
        file = Path(folder, "work.json")
        file.write_text(json.dumps(to_json({**work, "configs": resolved})), encoding="utf-8")
        distributed.launch(["worker", str(file)], config.processes, resolved[0].settings.threads)
        done: Sequence[str] = json.loads(file.with_suffix(".done").read_text(encoding="utf-8"))
        return done


def worker(file: Path) -> None:
    """One process of a run that `run` or `train` launched; `file` holds the work."""
    work = json.loads(file.read_text(encoding="utf-8"))
    work["configs"] = [from_json(RunConfig, c) for c in work["configs"]]
    with distributed.joined() as processes:
        folders = _work(work, processes, load_registry())
        if processes.main:
            file.with_suffix(".done").write_text(json.dumps(folders), encoding="utf-8")


def _resolved(config: RunConfig, processes_here: int) -> Any:
    return to_json(environment.resolve(config, processes_here))


def _work(work: Mapping[str, Any], processes: Processes, registry: Registry) -> list[str]:
    folders = []
    for number, config in enumerate(work["configs"]):
        mine = processes.within(f"run-{number}")
        # the main process's choices hold for all, whatever another machine would choose
        settled = from_json(RunConfig, mine.share("config", partial(_resolved, config, mine.local_count)))
        progress = Progress(quiet=config.quiet or not mine.main)
        if "train" in work:
            environment.set_threads(settled.settings.threads)
            job = runner.prepare(replace(settled, limit=1), registry)
            runner.train(job, mine, progress, mine.device(), Path(work["train"]))
            folders.append(work["train"])
        else:
            result = runner.run(settled, registry, mine, progress)
            if mine.main and registry.manager is not None:
                registry.manager.hook.report(result=result)
            folders.append(str(result.folder))
    return folders
