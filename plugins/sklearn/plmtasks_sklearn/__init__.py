"""Classical models for plmtasks, the floor under every leaderboard."""

from plmtasks import hookimpl

from .classical import MODELS, Folders


@hookimpl
def register_models():
    return [*MODELS.values(), Folders()]
