"""How the epoch of a training that is kept is chosen: by the main score on a split."""

import math
from collections.abc import Sequence

from .. import scoring
from ..config import ModelSettings
from ..examples import Example
from ..execution import MemoryJournal, Processes, Progress, answering
from ..metric import Metric
from ..model import LoadedModel
from ..task import Task
from ..training import Scorer, Selection


def selection(task: Task, kind: str, metrics: Sequence[Metric], settings: ModelSettings) -> Selection:
    """What a training needs to know to choose the epoch that is kept."""
    name, metric = scoring.main_score(metrics[0]), metrics[0]

    def on(examples: Sequence[Example], processes: Processes) -> Scorer:
        asked = scoring.Asked(examples=examples, requests=[task.ask(e.hidden(), kind) for e in examples])

        def value(loaded: LoadedModel, moment: str) -> float:
            here, plan = processes.within(f"evaluation-{moment}"), answering.plan(loaded, asked.requests, settings)
            answers = answering.answer_all(loaded, plan, here, MemoryJournal(plan.hash), Progress(quiet=True))

            def score() -> float:
                scored = scoring.score(metrics, examples, asked.read(task, answers, plan.skipped), resamples=0)
                found = scored.scores[metric.name][name]["value"]
                return math.nan if found is None else found

            return float(here.share("score", score))

        return value

    return Selection(score=name, info=metric.scores()[name], signatures={m.name: m.signature() for m in metrics}, on=on)
