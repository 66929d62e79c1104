"""Results as a static site."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plmtasks.errors import InputError
from plmtasks.results import Result

if TYPE_CHECKING:
    from plmtasks.registry import Registry

__all__ = ["Built", "build"]

PACKAGES = ("jinja2", "vl_convert")


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build did."""

    index: Path
    runs: int
    tasks: int
    written: int
    """Files that were made."""
    kept: int
    """Files of the last build that show what they would show now."""


def build(results: Sequence[Result], folder: Path, registry: "Registry") -> Built:
    """Writes the site of the results into a folder, or brings it up to date; what has not changed is not touched.

    Its pages need no server and no network.

    raises: InputError if the packages are missing that make it, or somebody else's page lies in the folder; DataError for a
        result that is not what its schema says; OutputError if the folder cannot be written to
    """
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise InputError(f"a site needs the package {package}, which is not installed", "pip install 'plmtasks[site]'")
    from .builder import Builder

    return Builder(results, folder, registry).build()
