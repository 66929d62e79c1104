"""How the epoch of a training that is kept is chosen: by the main score on a split."""

from collections.abc import Sequence
from dataclasses import dataclass

from .. import scoring
from ..config import ModelSettings
from ..examples import Example
from ..execution import MemoryJournal, Processes, Progress, answering
from ..metric import Metric
from ..model import LoadedModel
from ..scoring import Asked
from ..task import Task
from ..training import Selection


def selection(task: Task, kind: str, metrics: Sequence[Metric], settings: ModelSettings) -> Selection:
    """What a training needs to know to choose the epoch that is kept."""
    score = scoring.main_score(metrics[0])

    def on(examples: Sequence[Example], processes: Processes) -> _EpochScore:
        asked = Asked(examples=examples, requests=[task.ask(e.hidden(), kind) for e in examples])
        return _EpochScore(task=task, metrics=metrics, settings=settings, asked=asked, processes=processes)

    return Selection(
        score=score, info=metrics[0].scores()[score], signatures={m.name: m.signature() for m in metrics}, on=on
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _EpochScore:
    """The main score on the split that chooses the epoch."""

    task: Task
    metrics: Sequence[Metric]
    settings: ModelSettings
    asked: Asked
    processes: Processes

    def __call__(self, loaded: LoadedModel, name: str) -> float:
        """The score of the model as it is now, nan where it is not defined; called in all processes.

        name: of this moment of the training, another each time
        """
        processes = self.processes.within(f"evaluation-{name}")
        plan = answering.plan(loaded, self.asked.requests, self.settings)
        answers = answering.answer_all(loaded, plan, processes, MemoryJournal(plan.hash), Progress(quiet=True))

        def score() -> float:
            predictions = self.asked.read(self.task, answers, plan.skipped)
            return scoring.main_value(scoring.score(self.metrics, self.asked.examples, predictions, resamples=0), self.metrics)

        return float(processes.share("score", score))
