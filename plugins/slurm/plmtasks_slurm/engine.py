"""The engine: jobs handed over by submitit, grouped by what they need, and a note of each beside the results."""

import io
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.engine import Engine, Job, Jobs, Standing
from plmtasks.errors import InputError, did_you_mean, summary_of
from plmtasks.files import claim, dump, here, open_folder, read_object, write_text

from .outcome import python
from .queue import ALIVE, Queue

if TYPE_CHECKING:
    from submitit import SlurmExecutor

FOLDER = "slurm"
"""In that of the results: the notes of jobs, what became of them, and their logs."""

MINUTES = 60
"""A job's time limit, if the suite names none: a run that needs longer is queued again and goes on where it was."""

TIMEOUTS = 1000
"""How often it may be: submitit counts each end of a job with a limit of ten minutes or less as one."""

OURS = ("job_name", "stderr_to_stdout", "srun_args", "use_srun", "num_gpus", "wckey")
"""Of submitit's parameters those that are not for a suite to say."""


class Slurm(Engine):
    name = "slurm"
    description = "jobs of a cluster that Slurm manages; sweeps only"

    @contextmanager
    def jobs(self, jobs: Sequence[Job], folder: Path, *, begin: bool = True) -> Iterator[Jobs]:
        if not here(folder):
            raise InputError(
                f"{folder}: Slurm's jobs keep their logs in the folder of the results, and that is an address",
                "--output DIR names a folder that all machines share",
            )
        held = _Held(jobs, folder.absolute() / FOLDER, Queue())
        if begin:
            open_folder(held.folder)
            with claim(held.folder, "handing over of jobs"):
                held.begin()
        yield held


@dataclass(frozen=True)
class _Held(Jobs):
    """Jobs, as the notes in the folder and Slurm's queue tell of them."""

    jobs: Sequence[Job]
    folder: Path
    queue: Queue

    def look(self) -> Mapping[str, Standing]:
        noted = {job.name: self._noted(job) for job in self.jobs}
        numbers = {name: number for name, number in noted.items() if number is not None}
        return {name: self._standing(name, number) for name, number in numbers.items()}

    def begin(self) -> None:
        """Hands over what is neither queued nor running.

        raises: InputError for what Slurm refuses, or nobody can give
        """
        there = self.look()
        groups: dict[str, list[Job]] = {}
        for job in self.jobs:
            if job.name not in there or there[job.name].state in ("done", "failed"):
                groups.setdefault(dump(dict(job.resources)), []).append(job)
        executors = [self._executor(jobs[0].resources) for jobs in groups.values()]
        for executor, jobs in zip(executors, groups.values(), strict=True):
            self._submit(executor, jobs)

    def _submit(self, executor: "SlurmExecutor", jobs: Sequence[Job]) -> None:
        """One array of jobs that need the same.

        raises: InputError with what Slurm says
        """
        from submitit.core.utils import FailedJobError
        from submitit.helpers import clean_env, environment_variables

        from .work import Work

        for job in jobs:
            self._outcome(job.name).unlink(missing_ok=True)
            self._note(job.name).unlink(missing_ok=True)
        where = {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}  # which is no job's
        try:
            # the command may be given within a job; what Slurm says is told once
            with clean_env(), environment_variables(**where), redirect_stderr(io.StringIO()), executor.batch():
                made = [executor.submit(Work(job.work, str(self._outcome(job.name)))) for job in jobs]
        except FailedJobError as e:
            raise InputError(f"Slurm takes no such job: {summary_of(e)}", f"asked for: {_told(jobs[0].resources)}") from e
        for job, one in zip(jobs, made, strict=True):
            write_text(self._note(job.name), dump({"job": one.job_id}))

    def _executor(self, resources: Mapping[str, Any]) -> "SlurmExecutor":
        """raises: InputError if there is no Slurm, or nothing of that name"""
        from submitit import SlurmExecutor

        if shutil.which("srun") is None:
            raise InputError("there is no Slurm here: no srun", "give the command where jobs are submitted")
        # until submitit heeds the signals, a job must not end by them: it would not be begun again
        patient = ["sh", "-c", """trap '' TERM USR2; exec "$@\"""", "sh", *python()]
        executor = SlurmExecutor(self.folder, max_num_timeout=TIMEOUTS, python=shlex.join(patient))
        known = sorted(SlurmExecutor._valid_parameters().difference(OURS))
        for name in resources:
            if name not in known:
                more = "what submitit has no name for stands in [slurm.additional_parameters], as sbatch calls it"
                raise InputError(f"no resource of Slurm is called {name!r}", *did_you_mean(name, known), more)
        if not isinstance(resources.get("time", MINUTES), int):
            raise InputError(f"Slurm's time is a whole number of minutes, not {resources['time']!r}")
        executor.update_parameters(
            **{"time": MINUTES, **resources}, job_name="plmtasks", stderr_to_stdout=True,
        )  # fmt: skip
        return executor

    def _standing(self, name: str, number: str) -> Standing:
        log = self.folder / f"{number}_0_log.out"
        # the queue first: a job that has left it meanwhile has written what became of it
        state = self.queue.state(number)
        try:
            outcome = read_object(self._outcome(name), {"result": str, "error": str})
        except FileNotFoundError:
            if state is None or state.ended:
                return Standing(state="failed", note=f"job {number} ended{f' as {state}' if state else ''}: {log}", log=log)
            return Standing(state=state.standing, note=state.reason, log=log)
        if outcome["error"] and state is not None and state.word in ALIVE:  # it was begun again since, or is about to end
            return Standing(state=state.standing, note=state.reason, log=log)
        if outcome["error"]:
            return Standing(state="failed", note=outcome["error"], log=log)
        return Standing(state="done", result=outcome["result"], log=log)

    def _noted(self, job: Job) -> str | None:
        """The number that Slurm gave a job, if it was handed over."""
        try:
            return str(read_object(self._note(job.name), {"job": str})["job"])
        except FileNotFoundError:
            return None

    def _note(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _outcome(self, name: str) -> Path:
        return self.folder / f"{name}.outcome.json"


def _told(resources: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in resources.items()) or "nothing but the time"
