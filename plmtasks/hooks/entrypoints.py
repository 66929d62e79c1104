"""Entry points of plmtasks' groups in the installed distributions, found without the parsers of `importlib.metadata`."""

import os
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import PathFinder
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

OURS = b"[plmtasks"
"""How the headers of our groups begin in a distribution's file of entry points."""

VALUE = re.compile(r"([\w.]+)\s*(?::\s*([\w.]+)\s*)?(?:\[.*\]\s*)?")
"""An entry point's module, the object in it, and extras."""


class EntryPoint(NamedTuple):
    """An object that a distribution offers by name."""

    group: str
    name: str
    distribution: str
    """The package to blame, with its version."""
    module: str
    attribute: str
    """Within the module, with dots; "": the module itself."""

    def load(self) -> Any:
        """Imports the object; raises whatever its module raises."""
        module = import_module(self.module)
        return attrgetter(self.attribute)(module) if self.attribute else module


def entry_points(group: str) -> list[EntryPoint]:
    """The entry points of one of our groups: the same, in the same order, as from `importlib.metadata.entry_points`."""
    folders = _metadata_folders()
    if folders is None:
        from importlib.metadata import entry_points

        found = ((e.name, e.value, f"{e.dist.name} {e.dist.version}" if e.dist else e.value) for e in entry_points(group=group))
    else:
        found = (entry for folder in folders for entry in _read(folder, group))
    made = []
    for name, value, distribution in found:
        parts = VALUE.fullmatch(value)  # a value that names no object fails when it is imported, and that says so
        made.append(EntryPoint(group, name, distribution, *((parts[1], parts[2] or "") if parts else (value, ""))))
    return made


def _metadata_folders() -> list[str] | None:
    """Each distribution's folder of metadata; of several distributions of one name, the first on `sys.path` counts.

    None: there are archives, eggs or finders of others, which `importlib.metadata` knows better.
    """
    if any(hasattr(finder, "find_distributions") and finder is not PathFinder for finder in sys.meta_path):
        return None
    first: dict[str, str] = {}
    for place in sys.path:
        try:
            with os.scandir(Path(place).absolute()) as children:
                paths = [(c.name, c.path) for c in children if c.name.lower().endswith((".dist-info", ".egg-info", "egg-info"))]
        except NotADirectoryError:
            return None
        except OSError:
            continue
        for child, path in paths:
            stem, _, ending = child.rpartition(".")
            name = re.sub(r"[-_.]+", "-", stem.partition("-")[0]).lower()
            if not name or ending not in ("dist-info", "egg-info"):  # the name stands in the metadata
                return None
            first.setdefault(name, path)
    return list(first.values())


def _read(folder: str, group: str) -> Iterator[tuple[str, str, str]]:
    """Name, value and distribution of a group's entry points in a folder of metadata; few have any of ours, and most is left."""
    content = _content(f"{folder}/entry_points.txt")
    if OURS not in content:
        return
    metadata = (_content(f"{folder}/METADATA") or _content(f"{folder}/PKG-INFO")).decode("utf-8", "replace")
    said = dict(re.findall(r"^(Name|Version): *(.*?)\s*$", re.split(r"\r?\n\r?\n", metadata)[0], re.MULTILINE))
    inside = False
    for line in map(str.strip, content.decode("utf-8", "replace").splitlines()):
        if line.startswith("["):
            inside = line == f"[{group}]"
        elif inside and "=" in line and not line.startswith("#"):
            name, _, value = map(str.strip, line.partition("="))
            yield name, value, f"{said['Name']} {said['Version']}" if len(said) == 2 else value


def _content(file: str) -> bytes:
    """Empty, if it cannot be read."""
    try:
        with open(file, "rb") as stream:  # noqa: PTH123  hundreds of Path objects would take as long as their files
            return stream.read()
    except OSError:
        return b""
