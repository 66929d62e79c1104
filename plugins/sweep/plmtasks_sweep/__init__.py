"""Suites for plmtasks: tasks × models × seeds, as files, four of them by name."""

from pathlib import Path

from plmtasks import hookimpl

__all__ = ["register_suites"]


@hookimpl
def register_suites() -> list[Path]:
    return sorted(Path(__file__).with_name("suites").glob("*.toml"))
