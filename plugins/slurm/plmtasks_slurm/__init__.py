"""Slurm as an engine of plmtasks: each run of a sweep is a job."""

from plmtasks import hookimpl
from plmtasks.engine import Engine

from .engine import Slurm

__all__ = ["register_engines"]


@hookimpl
def register_engines() -> list[Engine]:
    return [Slurm()]
