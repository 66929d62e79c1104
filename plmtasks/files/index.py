"""Many small files below an address, read as few large ones.

Each file that a table needs is a request of its own, and ten thousand runs have forty thousand of them. So whoever has read
many at once leaves them beside the runs as packs, `.index/<hash>.zip`, for the next. A pack is a cache and nothing else: it
says of each file how the store's listing described it (its size, and entity tag or time), and what the listing of now
describes otherwise is read again. Packs are never changed, so that two who write at once lose nothing.
"""

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from ..errors import DataError, InputError
from .documents import check, decoded, parse
from .folders import create_bytes, here, reached

FOLDER = ".index"

PACK = re.compile(rf"{FOLDER}/[0-9a-f]{{32}}\.zip")

MANIFEST = "marks.json"

WORTH = 100
"""Files of one name that are in no pack: from so many on they are packed."""

MOST = 4 << 20
"""Bytes of a file that is packed; a larger one is a request by itself."""

FULL = 64 << 20
"""Bytes of files in a pack."""

PACKS = 8
"""Of more, the files are packed anew together."""

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, LookupError, OSError)
"""What reading an archive raises that is not whole, or is of a kind or under a password that we do not write."""

TAGS = ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "last_modified", "updated", "mtime", "modified", "created")
"""Under which listings tell what changes with a file's content, the best first."""


@dataclass(frozen=True)
class Listed:
    """A file, as the store lists it."""

    size: int
    mark: str
    """What changes with its content; "" if the store tells nothing that does."""


def listing(root: Path) -> dict[str, Listed]:
    """All files below an address, by their paths below it; a request for each thousand.

    raises: what the libraries behind addresses raise
    """
    there: Any = root
    within = f"{there.path.strip('/')}/" if there.path.strip("/") else ""
    found: Mapping[str, Mapping[str, Any]] = there.fs.find(there.path, detail=True)
    made = {}
    for name, info in found.items():
        tag = next((str(info[key]) for key in TAGS if info.get(key)), "")
        size = int(info.get("size") or 0)
        # some file systems begin their paths with a slash, and some leave it out
        made[name.lstrip("/").removeprefix(within)] = Listed(size, f"{size} {tag}" if tag else "")
    return made


@dataclass
class Index:
    """The files of some names below an address: listed, read together, and kept packed for the next reader."""

    root: Path
    names: Sequence[str]
    """Those that are packed; those that are read in any case come first, and `later` ones only when they are asked for."""
    later: Sequence[str] = ()
    listed: Mapping[str, Listed] = field(init=False)
    _held: dict[str, bytes] = field(init=False, default_factory=dict, repr=False)
    _packed: dict[str, zipfile.ZipFile] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """raises: what the libraries behind addresses raise"""
        self.listed = listing(self.root)
        packs = [path for path in self.listed if PACK.fullmatch(path)]
        for content in self._fetched(packs).values():
            self._open(content)
        wanted = {name: [path for path in self.listed if path.rpartition("/")[2] == name] for name in (*self.names, *self.later)}
        missing = {name: [path for path in paths if self._may_be_packed(path)] for name, paths in wanted.items()}
        if max(map(len, missing.values()), default=0) >= WORTH:
            self._pack([path for paths in missing.values() for path in paths], packs)
        self._held |= self._fetched([path for name in self.names for path in wanted[name] if path not in self._packed])

    def read(self, path: str) -> bytes | None:
        """A file by its path below the address; None: it is none of those that were read, or its pack is damaged."""
        with suppress(*DAMAGED):
            if (pack := self._packed.get(path)) is not None:
                return pack.read(path)
        return self._held.get(path)

    def paths(self, name: str) -> list[str]:
        """Those of all files of a name, in the order of their folders."""
        return sorted(path for path in self.listed if path.rpartition("/")[2] == name)

    def below(self, folder: str) -> "Held":
        """The files of one folder, whose path ends with a slash, or is nothing."""
        return Held(self, folder)

    @cached_property
    def by_folder(self) -> Mapping[str, Mapping[str, int]]:
        """Of each folder the bytes of all files in it and in the folders right below it, by their paths within it."""
        found: dict[str, dict[str, int]] = {}
        for path, one in self.listed.items():
            parts = path.split("/")
            for depth in {1, 2} & {*range(1, len(parts) + 1)}:
                folder = "".join(f"{part}/" for part in parts[:-depth])
                found.setdefault(folder, {})["/".join(parts[-depth:])] = one.size
        return found

    def _fetched(self, paths: Sequence[str]) -> dict[str, bytes]:
        """The content of files, many at a time where the address's library can; what is gone by now is left out."""
        there: Any = self.root
        whole = {(there / path).path: path for path in paths}
        found = there.fs.cat(list(whole), on_error="return") if whole else {}
        by_path = {name.strip("/"): path for name, path in whole.items()}
        made: dict[str, bytes] = {}
        for name, content in found.items():
            if isinstance(content, bytes):
                made[by_path[name.strip("/")]] = content
            elif not isinstance(content, FileNotFoundError):
                raise content
        return made

    def _open(self, content: bytes) -> None:
        """Takes from a pack what is as the listing says it is now."""
        try:
            pack = zipfile.ZipFile(io.BytesIO(content))
            marks = parse(MANIFEST, pack.read(MANIFEST).decode())
            check(MANIFEST, marks, {...: str})
        except (*DAMAGED, DataError):
            return  # whatever it is, the files themselves are there
        sizes = {info.filename: info.file_size for info in pack.infolist() if info.compress_type == zipfile.ZIP_DEFLATED}
        for path, mark in marks.items():
            now = self.listed.get(path)
            if now is not None and now.mark == mark and now.size == sizes.get(path):
                self._packed[path] = pack

    def _pack(self, missing: Iterable[str], packs: Sequence[str]) -> None:
        """Reads these files, and writes those that stay as they were listed into packs."""
        anew = len(packs) >= PACKS
        for some in self._portions([*missing, *(self._packed if anew else ())]):
            read = {path: content for path in some if (content := self.read(path)) is not None}
            read |= self._fetched([path for path in some if path not in read])
            content = _packed({path: (self.listed[path].mark, read[path]) for path in sorted(read)})
            now = listing(self.root)
            steady = {path for path in read if now.get(path) == self.listed[path]}
            if steady != set(read):  # somebody writes there at this moment
                content = _packed({path: (self.listed[path].mark, read[path]) for path in sorted(steady)})
                self._held |= {path: read[path] for path in read if path not in steady}
            self._open(content)
            name = hashlib.sha256(content).hexdigest()[:32]
            with suppress(InputError), reached(self.root):  # who may only read goes without
                create_bytes(self.root / FOLDER / f"{name}.zip", content)
        for path in packs if anew else ():
            with suppress(InputError), reached(self.root):  # as above
                cast(Any, self.root / path).unlink()

    def _may_be_packed(self, path: str) -> bool:
        one = self.listed[path]
        return path not in self._packed and bool(one.mark) and one.size <= MOST

    def _portions(self, paths: Iterable[str]) -> Iterator[list[str]]:
        some, size = list[str](), 0
        for path in paths:
            some.append(path)
            size += self.listed[path].size
            if size >= FULL:
                yield some
                some, size = [], 0
        if some:
            yield some


def files_of(root: Path, names: Sequence[str], later: Sequence[str]) -> dict[str, dict[Path, "Held | None"]]:
    """For each name the files of it at or below a place, in the order of their folders, with what was read beside each.

    names: at an address they are read together
    later: too, where the files are many
    """
    if here(root):
        return {name: dict.fromkeys(sorted(root.rglob(name))) for name in names}
    index = Index(root, names, later)
    return {name: {root / path: index.below(path.removesuffix(name)) for path in index.paths(name)} for name in names}


@dataclass(frozen=True)
class Held:
    """The files of one folder that an index has read."""

    index: Index
    within: str

    def read(self, name: str) -> bytes | None:
        """A file's content; None: it has to be read where it lies."""
        return self.index.read(self.within + name)

    def text(self, name: str) -> str | None:
        """The same as text.

        raises: DataError
        """
        content = self.read(name)
        return None if content is None else decoded(self.index.root / (self.within + name), content)

    def sizes(self) -> Mapping[str, int]:
        """The bytes of the files of the folder, as `Index.by_folder`."""
        return self.index.by_folder.get(self.within, {})


def _packed(files: Mapping[str, tuple[str, bytes]]) -> bytes:
    """files: mark and content by path; the same files give the same bytes"""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr(zipfile.ZipInfo(MANIFEST), json.dumps({path: mark for path, (mark, _) in files.items()}))
        for path, (_, content) in files.items():
            pack.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()
