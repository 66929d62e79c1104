"""What a process of an engine does of a run: it answers batches by number."""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from time import monotonic

from ..config import RunConfig
from ..errors import InputError
from ..execution import Progress, alone, answering, environment, sealed_line
from ..hooks import load_registry
from ..model import LoadedModel
from ..requests import from_json, to_json
from . import runner
from .account import Account
from .job import EvaluationJob, prepare
from .work import resolved


class Worker:
    """Answers batches of runs. Each call says which run it is about, which stays prepared and loaded until another comes."""

    def __init__(self, folder: str) -> None:
        """
        folder: where the command was given, from which relative paths lead

        raises: InputError if there is no such folder on this machine
        """
        try:
            os.chdir(folder)
        except OSError as e:
            raise InputError(f"{folder}: {e.strerror} on {os.uname().nodename}", "all machines need the same files") from e
        # whoever gives the command has looked at what files name
        self.registry = load_registry(trusting=True)
        self._opened: _Opened | None = None
        self._worked = False
        """Before it came to the run that it is at."""

    def settled(self, config: str) -> str:
        """The config, as JSON both, with the automatic choices that a machine such as this makes."""
        return json.dumps(to_json(resolved(from_json(RunConfig, json.loads(config)), 1, self.registry)))

    def learn(self, config: str) -> None:
        """Trains the model of a settled config, where it must be and was not before."""
        self._prepared(config)

    def account(self, config: str) -> str:
        """The run's identity and, once the model is loaded, the account of it, as JSON."""
        opened = self._open(config)
        return json.dumps({"identity": opened.job.identity, "account": to_json(opened.account)})

    def answer(self, config: str, plan: str, batch: int) -> bytes:
        """The answers to a batch, as a journal's line.

        plan: the run's identity and, after a space, the journal's plan; this process must have the same

        raises: PlmtasksError
        """
        opened = self._open(config)
        identity, _, tag = plan.partition(" ")
        if identity != opened.job.identity:
            raise runner.other_files()
        if not tag.startswith(f"{opened.plan.hash}-"):
            raise answering.other_batches()
        return sealed_line(tag, batch, answering.answer(opened.loaded, opened.plan, batch))

    def described(self) -> str:
        """This machine and, if it is at a run, what memory that took, as JSON; as `environment.describe`."""
        device = alone().device()
        told = {**environment.describe(device), "worked_before": self._worked}
        unknown = environment.peaks(device) if self._opened is None else {}
        return json.dumps({name: value for name, value in told.items() if name not in unknown})

    def _prepared(self, config: str) -> EvaluationJob:
        job = prepare(from_json(RunConfig, json.loads(config)), self.registry)
        return runner.learn(job, alone(), Progress(quiet=True))

    def _open(self, config: str) -> "_Opened":
        if self._opened is None or self._opened.config != config:
            self._opened = None  # two models at once may not fit into memory
            job = self._prepared(config)
            self._worked, environment.worked = environment.worked, True
            self._opened = _Opened(config, job, alone().device())
        return self._opened


@dataclass
class _Opened:
    """A run that this process is at."""

    config: str
    job: EvaluationJob
    device: str

    @cached_property
    def _loaded(self) -> tuple[LoadedModel, float]:
        began = monotonic()
        loaded = self.job.model.load(self.job.example_request, self.job.config.settings, self.device)
        return loaded, monotonic() - began

    @property
    def loaded(self) -> LoadedModel:
        return self._loaded[0]

    @cached_property
    def plan(self) -> answering.Plan:
        return answering.plan(self.loaded, self.job.asked.each, self.job.config.settings, runner.beside(self.job))

    @property
    def account(self) -> Account:
        return Account.of(self.loaded, self.device, self._loaded[1], self.plan.told())
