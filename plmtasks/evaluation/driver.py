"""A run whose batches the workers of an engine answer: this process asks, deals and writes down."""

import json
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..config import RunConfig
from ..engine import Workers
from ..execution import Progress, alone, answering, journal_at
from ..requests import from_json, to_json
from . import runner
from .account import Account
from .job import EvaluationJob
from .record import Outcome


@dataclass(frozen=True)
class Driver:
    """One run of an engine's workers."""

    workers: Workers
    config: RunConfig
    """With every automatic choice made; see `settled`."""

    @classmethod
    def settled(cls, workers: Workers, config: RunConfig) -> "Driver":
        """The automatic choices are those of a worker: its device may be another than ours."""
        threads = config.settings.threads or workers.threads
        config = replace(config, settings=replace(config.settings, threads=threads))
        settled = json.loads(workers.ask("settled", json.dumps(to_json(config))))
        return cls(workers, from_json(RunConfig, settled))

    def learn(self) -> None:
        """Has a worker train the model, where it must be trained and was not before."""
        self.workers.ask("learn", self._told(self.config.settings.threads))

    def __call__(self, job: EvaluationJob, folder: Path, progress: Progress) -> None:
        """Has all requests answered, and writes the run's files; as `runner.Answering`.

        raises: PlmtasksError, also if a worker sees other data or weights, or plans other batches
        """
        began, told = time.monotonic(), self._told(job.config.settings.threads)
        resumed = runner.begin(job, folder)
        found = json.loads(self.workers.ask("account", told))
        if found["identity"] != job.identity:
            raise runner.other_files()
        account: Account = from_json(Account, found["account"])
        runner.check_trained(job, account.newly_initialized)
        plan = answering.confirmed(account.plan, job.asked.each, runner.beside(job))
        tag = f"{plan.hash}-{account.machine}"
        with journal_at(folder / "journal", tag) as journal:
            deal = partial(self.workers.deal, told, f"{job.identity} {tag}")
            answers = answering.take_all(deal, plan, alone(), journal, progress)
        measured = {
            "seconds": time.monotonic() - began, "loading_seconds": account.loading_seconds, "resumed": resumed,
            "parameters": account.parameters, "processes": self.workers.count,
        }  # fmt: skip
        described = json.loads(self.workers.ask("described"))
        outcome = Outcome(plan=plan, answers=answers, account=account, described=described, measured=measured)
        runner.finish(job, folder, outcome, progress)

    def _told(self, threads: int) -> str:
        settings = replace(self.config.settings, threads=threads)
        return json.dumps(to_json(replace(self.config, settings=settings)))
