"""Models that judge what other models wrote."""

from plmtasks import hookimpl

from .metrics import PREFERENCES, PairedVerdicts, RatingAgreement, ScaleScores
from .rubric import PAIRWISE, SCORE
from .task import Rubrics, judge


@hookimpl
def register_tasks():
    return [judge(SCORE), judge(PAIRWISE), Rubrics()]


@hookimpl
def register_metrics():
    return [ScaleScores(), PairedVerdicts(), RatingAgreement(), PREFERENCES]
