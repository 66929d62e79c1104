"""Entry points of plmtasks' groups in the installed distributions, and the index that finds them quickly."""

import json
import os
import re
import sys
import time
import zlib
from contextlib import suppress
from importlib import import_module
from importlib.machinery import PathFinder
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint as MetadataEntryPoint

    Stamp = list[int] | None
    """A file's times of change in nanoseconds, its size and its inode; None: there is no file."""
    Index = dict[str, tuple[list[Stamp], list[list[str]]]]
    """Folder of a distribution's metadata → the stamps of its files, and the fields of its `EntryPoint`s."""

OURS = "plmtasks"
"""Groups of this name, and of this name and a dot, are kept in the index."""

FORMAT = 1
"""Of the index's file; another number is another file."""

YOUNG = 2 * 10**9
"""Nanoseconds after a file's change in which it may change again and keep its times: FAT counts them in steps of two seconds."""


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
    """The entry points of one of our groups: the same, in the same order, as from `importlib.metadata.entry_points`.

    The folders of `sys.path` are listed each time; what a distribution's files say is taken from the index while their stamps are
    the same. An index that is missing, damaged or cannot be written costs time alone.
    """
    folders = _metadata_folders()
    if folders is None:
        from importlib.metadata import entry_points

        return [_entry_point(entry) for entry in entry_points(group=group)]
    return [entry for entry in _indexed(folders) if entry.group == group]


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


def _indexed(folders: list[str]) -> list[EntryPoint]:
    """What the files in the folders say: from the index, or read and, unless they are young, written there."""
    index, old = _read_index(), time.time_ns() - YOUNG
    found: list[EntryPoint] = []
    news: Index = {}
    for folder in folders:
        entries_stamp = _stamp(f"{folder}/entry_points.txt")
        if entries_stamp is None:
            continue
        # taken before the files are read: a change in between is seen next time
        stamps = [entries_stamp, _stamp(f"{folder}/METADATA"), _stamp(f"{folder}/PKG-INFO")]
        known = index.get(folder)
        if known is not None and known[0] == stamps:
            found += (EntryPoint(*fields) for fields in known[1])
            continue
        entries = _read(folder)
        found += entries
        if all(stamp is None or max(stamp[:2]) < old for stamp in stamps):
            news[folder] = (stamps, [list(entry) for entry in entries])
    if news:
        _write_index({**index, **news})
    return found


def _stamp(file: str) -> "Stamp":
    try:
        found = os.stat(file)  # noqa: PTH116  hundreds of Path objects would take as long as their files
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]


def _read(folder: str) -> list[EntryPoint]:
    """The entry points of our groups in a folder of metadata."""
    from importlib.metadata import Distribution

    return [_entry_point(entry) for entry in Distribution.at(folder).entry_points if entry.group.partition(".")[0] == OURS]


def _entry_point(entry: "MetadataEntryPoint") -> EntryPoint:
    try:
        module, attribute = entry.module, entry.attr
    except (AttributeError, AssertionError):  # the value names no object; importing it fails, and says so
        module, attribute = entry.value, ""
    owner = entry.dist
    has_name = owner is not None and (owner.read_text("METADATA") or owner.read_text("PKG-INFO"))
    distribution = f"{owner.name} {owner.version}" if owner is not None and has_name else entry.value
    return EntryPoint(entry.group, entry.name, distribution, module, attribute or "")


def _index_file() -> Path:
    """One file an environment. raises: RuntimeError if the user has no home"""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    # distributions are named by their whole paths: environments whose prefixes have one checksum may share a file
    return cache / "plmtasks" / f"entry_points-{FORMAT}-{zlib.crc32(sys.prefix.encode()):08x}"


def _read_index() -> "Index":
    """Empty, if there is none, or not as it was written."""
    try:
        checksum, _, text = _index_file().read_bytes().partition(b"\n")
        if int(checksum, 16) != zlib.crc32(text):
            return {}
    except (OSError, RuntimeError, ValueError):
        return {}
    index: Index = json.loads(text)
    return index


def _write_index(index: "Index") -> None:
    """Replaces the file as a whole, without what has been uninstalled; of two processes at once, one counts."""
    from ..errors import OutputError
    from ..files import write_bytes

    text = json.dumps({folder: known for folder, known in index.items() if Path(folder).exists()}).encode()
    with suppress(OSError, RuntimeError, OutputError):
        file = _index_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, b"%08x\n" % zlib.crc32(text) + text)
