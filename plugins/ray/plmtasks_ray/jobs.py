"""The runs of a sweep as tasks on the cluster, each with the resources that it needs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plmtasks.engine import Job, Jobs, Standing
from plmtasks.errors import InputError, summary_of
from plmtasks.files import here

from .cluster import environment, failed, have_gpus, nodes
from .inside import do

LOGS = "ray"
"""The folder of what the runs print, in that of the sweep's results."""


@contextmanager
def handed(jobs: Sequence[Job], folder: Path) -> Iterator["RayJobs"]:
    """The jobs as tasks; those that are not done when the block ends are ended: the same sweep goes on with them.

    raises: InputError if Ray does not know a resource
    """
    import ray

    # with results at an address the nodes share no folder perhaps: Ray keeps what they print
    logs = (folder / LOGS).absolute() if here(folder) else None
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
    gpus, held = have_gpus(nodes()), dict[str, _Task]()
    try:
        for job in jobs:
            held[job.name] = _begin(job, logs, gpus)
        yield RayJobs(held)
    finally:
        for task in held.values():
            ray.cancel(task.ref, force=True)


def _begin(job: Job, logs: Path | None, gpus: bool) -> "_Task":
    """
    gpus: a process takes one, if the suite does not say what the job takes

    raises: InputError if Ray does not know a resource that it needs
    """
    import ray

    config = json.loads(job.work)["config"]
    processes, threads = max(1, config["processes"]), max(1, config["settings"]["threads"])
    wanted = {"num_cpus": processes * threads, "num_gpus": processes * gpus, **job.resources}
    try:
        made = ray.remote(do).options(**wanted, runtime_env=environment(max(1, int(wanted["num_cpus"]) // processes)))
    except (TypeError, ValueError) as e:
        raise InputError(
            f"Ray cannot give {job.name} what the suite's [ray] says: {summary_of(e)}",
            "it takes num_cpus, num_gpus, memory in bytes, resources = {NAME = N}, …, as ray.remote does",
        ) from e
    log = None if logs is None else logs / f"{job.name}.log"
    if log is not None:
        log.unlink(missing_ok=True)  # that it is there says that the job runs
    return _Task(made.remote(job.work, None if log is None else str(log)), log)


@dataclass(frozen=True)
class _Task:
    ref: Any
    log: Path | None


@dataclass(frozen=True)
class RayJobs(Jobs):
    """Tasks that were handed to Ray, which begins one again whose node or process is lost: it goes on from its journal."""

    tasks: Mapping[str, _Task]

    def look(self) -> Mapping[str, Standing]:
        return {name: _standing(task) for name, task in self.tasks.items()}


def _standing(task: _Task) -> Standing:
    import ray

    log = task.log if task.log is not None and task.log.exists() else None
    if not ray.wait([task.ref], timeout=0)[0]:
        return Standing(state="running" if log or task.log is None else "queued", log=log)
    try:
        done, value = ray.get(task.ref)
    except ray.exceptions.RayTaskError as e:  # before there was a run that could fail
        return Standing(state="failed", note=f"could not be begun on the Ray cluster: {e.cause}", log=log)
    except ray.exceptions.RayError as e:  # begun again as often as Ray does, and lost each time
        return Standing(state="failed", note=f"lost on the Ray cluster: {e}", log=log)
    return Standing(state="done", result=value, log=log) if done else Standing(state="failed", note=str(failed(value)), log=log)
