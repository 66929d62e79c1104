"""The engine: jobs handed over by submitit, grouped by what they need, and a note of each beside the results."""

import io
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.engine import Engine, Job, Jobs, Standing
from plmtasks.errors import STEERING, InputError, counted, did_you_mean, summary_of
from plmtasks.files import claim, dump, fits, here, open_folder, read_object, write_text

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

ARRAY = 1000
"""Elements of an array at most: Slurm takes no more unless its MaxArraySize is raised."""

PLAIN = (
    "account", "array_parallelism", "comment", "constraint", "cpus_per_gpu", "cpus_per_task", "dependency", "exclude",
    "exclusive", "gpus_per_node", "gpus_per_task", "gres", "mem", "mem_per_cpu", "mem_per_gpu", "nodelist", "nodes",
    "ntasks_per_node", "partition", "qos", "signal_delay_s", "time",
)  # fmt: skip
"""Of submitit's parameters those that any suite may say: none runs a command or tells anybody."""

PLAIN_MORE = (
    "begin", "contiguous", "core_spec", "deadline", "distribution", "gpu_bind", "gpu_freq", "hint", "hold", "licenses", "nice",
    "ntasks_per_core", "oversubscribe", "prefer", "reservation", "sockets_per_node", "switches", "threads_per_core", "time_min",
    "tmp",
)  # fmt: skip
"""Of sbatch's options those that are as harmless and for which submitit has no name."""

WHOLE = ("time", "nodes", "ntasks_per_node", "array_parallelism")
"""With which submitit itself counts."""

UNSENT = re.compile(r"[0-9a-f]{32}\.pkl|\.submission_file_[0-9a-f]{32}\.sh")
"""Files that submitit writes for what it hands over, and renames once Slurm has taken it."""

OURS = ("job_name", "stderr_to_stdout", "srun_args", "use_srun", "num_gpus", "wckey")
"""Of submitit's parameters those that are not for a suite to say."""


class Slurm(Engine):
    name = "slurm"
    description = "jobs of a cluster that Slurm manages; sweeps only"

    def unsafe(self, resources: Mapping[str, Any]) -> Sequence[str]:
        """Commands before and after the run, mail, and sbatch's options that are not known to be harmless."""
        from submitit import SlurmExecutor

        more = resources.get("additional_parameters")
        more = more if isinstance(more, Mapping) else {}
        said = SlurmExecutor._valid_parameters().difference(PLAIN, ["additional_parameters"]).intersection(resources)
        said.update(name for name in more if name.replace("-", "_") not in PLAIN_MORE)
        # in the job's script a text's second line would be a command
        said.update(name for name, value in {**resources, **more}.items() if STEERING.search(str(value)))
        return sorted(said)

    @contextmanager
    def jobs(self, jobs: Sequence[Job], folder: Path, *, begin: bool = True) -> Iterator[Jobs]:
        if not here(folder):
            raise InputError(
                f"{folder}: Slurm's jobs keep their logs in the folder of the results, and that is an address",
                "--output DIR names a folder that all machines share",
            )
        held = _Held(jobs, folder.absolute() / FOLDER, Queue())
        if begin:
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
        groups: dict[str, list[Job]] = {}
        for job in self.jobs:
            groups.setdefault(dump(dict(job.resources)), []).append(job)
        executors = {told: self._executor(jobs[0].resources) for told, jobs in groups.items()}
        open_folder(self.folder)
        with claim(self.folder, "handing over of jobs"):
            there, taken = self.look(), 0
            for told, jobs in groups.items():
                left = [job for job in jobs if job.name not in there or there[job.name].state in ("done", "failed")]
                for at in range(0, len(left), ARRAY):
                    try:
                        self._submit(executors[told], left[at : at + ARRAY])
                    except InputError as e:
                        hint = [f"{counted(taken, 'other job')} it has taken: the same command finds them"] if taken else []
                        raise InputError(e.message, *e.hints, *hint) from e
                    taken += len(left[at : at + ARRAY])
        self.queue.expire()

    def _submit(self, executor: "SlurmExecutor", jobs: Sequence[Job]) -> None:
        """One array of jobs that need the same.

        raises: InputError with what Slurm says
        """
        from submitit.core.utils import FailedJobError, FailedSubmissionError
        from submitit.helpers import clean_env, environment_variables

        from .work import Work

        for job in jobs:
            self._outcome(job.name).unlink(missing_ok=True)
            self._note(job.name).unlink(missing_ok=True)
        # the command may be given within a job, whose place is not that of these; what the user says of all jobs holds
        where = {name: value for name, value in os.environ.items() if name == "SLURM_CONF" or name.startswith("SBATCH_")}
        try:
            # what Slurm says is told once
            with clean_env(), environment_variables(**where), redirect_stderr(io.StringIO()), executor.batch():
                made = [executor.submit(Work(job.work, str(self._outcome(job.name)))) for job in jobs]
        except (FailedJobError, FailedSubmissionError, OSError) as e:
            raise InputError(f"Slurm takes no such job: {summary_of(e)}", f"asked for: {_told(jobs[0].resources)}") from e
        finally:
            for path in self.folder.iterdir():
                if UNSENT.fullmatch(path.name) and not path.is_symlink():  # a link leads to what was sent
                    path.unlink()
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
        for name in WHOLE:
            if not fits(int, resources.get(name, 1)):
                of = " of minutes" if name == "time" else ""
                raise InputError(f"Slurm's {name} is a whole number{of}, not {resources[name]!r}")
        try:
            executor.update_parameters(**{"time": MINUTES, **resources}, job_name="plmtasks", stderr_to_stdout=True)
        except (TypeError, ValueError) as e:
            raise InputError(f"submitit makes no job of what the suite's [slurm] says: {summary_of(e)}", _told(resources)) from e
        return executor

    def _standing(self, name: str, number: str) -> Standing:
        log = self.folder / f"{number}_0_log.out"
        # the queue first: a job that has left it meanwhile has written what became of it
        state = self.queue.state(number)
        try:
            outcome = read_object(self._outcome(name), {"result": str, "error": str})
        except FileNotFoundError:
            if state is None or state.ended:
                error = f"job {number} ended{f' as {state.word}' if state else ''}: {log}"
                # no later command has to wait for the job's own word again
                write_text(self._outcome(name), dump({"result": "", "error": error}))
                return Standing(state="failed", note=error, log=log)
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
