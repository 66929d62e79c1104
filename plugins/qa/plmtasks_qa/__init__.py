"""Question answering for plmtasks: extractive, generative, conversational and multiple-choice."""

from plmtasks import hookimpl

from . import catalog, metrics


@hookimpl
def register_tasks():
    return [*catalog.QUESTION_ANSWERING, *catalog.MULTIPLE_CHOICE]


@hookimpl
def register_metrics():
    return [metrics.Squad(), metrics.Cmrc(), metrics.Conversation(), metrics.ChoiceAccuracy()]
