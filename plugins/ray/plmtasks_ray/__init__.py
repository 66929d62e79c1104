"""Runs and sweeps of plmtasks on a Ray cluster."""

from plmtasks import hookimpl

from .engine import RayEngine

__all__ = ["register_engines"]


@hookimpl
def register_engines() -> list[RayEngine]:
    return [RayEngine()]
