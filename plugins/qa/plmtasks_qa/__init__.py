"""Question answering for plmtasks: extractive, generative, conversational and multiple-choice."""

from plmtasks import hookimpl

from . import metrics, task


@hookimpl
def register_tasks():
    return [*task.squad()]


@hookimpl
def register_metrics():
    return [metrics.Squad(), metrics.Cmrc()]
