"""Files and folders, here or at an address: written whole or not at all."""

import errno
import hashlib
import itertools
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from ..errors import InputError, OutputError, PlmtasksError

SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")
"""What an address becomes that was taken for a path: a folder of this name."""


def place(address: str | os.PathLike[str]) -> Path:
    """A file or folder by its address: a path of this machine, or one that fsspec opens (`s3://…`, `hf://…`, `memory://…`).

    What lies elsewhere has the methods of a path, but is no `pathlib.Path`.

    raises: InputError if nothing that is installed opens such an address
    """
    if not (isinstance(address, str) and "://" in address):
        return cast(Path, address) if hasattr(address, "rglob") else Path(address)
    try:
        from fsspec.dircache import DirCache
        from upath import UPath
        from upath.implementations.local import FilePath

        path = UPath(address)
        if isinstance(path, FilePath):  # file://…
            return Path(path.path)
        # others write there too: what was listed a moment ago tells nothing of now
        if isinstance(listings := getattr(path.fs, "dircache", None), DirCache):
            listings.use_listings_cache = False
    except (ImportError, ValueError, OSError) as e:
        said = "pip install 'plmtasks[store]' opens addresses" if getattr(e, "name", None) == "upath" else str(e)
        raise InputError(f"{address}: cannot be opened", said) from e
    return cast(Path, path)


def local(address: str | os.PathLike[str]) -> Path:
    """A path of this machine, for what is written nowhere else: checkpoints, and files that are appended to or linked.

    raises: OutputError for an address
    """
    path = place(address) if isinstance(address, str) and "://" in address else Path(address)
    if not here(path) or SCHEME.fullmatch(path.parts[0] if path.parts else ""):
        raise OutputError(f"{address}: this is written to folders of this machine, and to no address")
    return path


def here(path: Path) -> bool:
    """Whether a place is a path of this machine."""
    return isinstance(path, Path)


@contextmanager
def reached(path: Path) -> Iterator[None]:
    """What goes wrong at a place that is not of this machine, as an error of ours.

    raises: InputError
    """
    try:
        yield
    except PlmtasksError:
        raise
    except Exception as e:  # every library behind fsspec has errors of its own
        if here(path) and not isinstance(e, OSError):
            raise
        raise InputError(f"{path}: cannot be reached: {e}") from e


def safe_name(name: str) -> str:
    """A name as part of a path, on any system: at most 200 bytes, and none that Windows keeps for devices."""
    made = re.sub(r"[^\w.@+-]+", "--", name.strip("./")) or "_"
    if re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", made, re.IGNORECASE):
        made = f"_{made}"
    if len(made.encode()) > 200:
        digest = hashlib.sha256(made.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        made = f"{made.encode()[:180].decode('utf-8', 'ignore')}-{digest}"
    return made


def beside(path: Path) -> Path:
    """A place for what is not yet whole: nobody else's, as a process's number is on another machine."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")


def open_folder(folder: Path) -> None:
    """Makes a folder and proves that it can be written to; at an address also that of several who create, one alone does.

    raises: OutputError
    """
    if not here(folder):
        _open_address(folder)
        return
    local(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = beside(folder / "probe")
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as e:
        raise OutputError(f"{folder}: cannot be written: {e.strerror}", "choose another folder with --output DIR") from e


def _open_address(folder: Path) -> None:
    probe = beside(folder / "probe")
    try:
        with reached(folder):
            made, again = create_bytes(probe, b"x"), create_bytes(probe, b"x")
            cast(Any, probe).fs.rm_file(cast(Any, probe).path)
    except InputError as e:
        raise OutputError(f"{folder}: cannot be written: {e.__cause__}", "choose another place with --output DIR") from e
    if not made or again:
        raise OutputError(
            f"{folder}: nothing can be created there on the condition that nobody else has",
            "run with --output DIR on this machine; plmtasks results merge copies what is finished to an address",
        )


def names(folder: Path) -> list[str]:
    """Of what lies in a folder, in their order; none if there is no such folder.

    raises: OSError, and what the libraries behind addresses raise
    """
    try:
        if here(folder):
            return sorted(path.name for path in folder.iterdir())
        there = cast(Any, folder)
        return sorted(name.rstrip("/").rpartition("/")[2] for name in there.fs.ls(there.path, detail=False))
    except FileNotFoundError:
        return []


def create_bytes(path: Path, content: bytes) -> bool:
    """Creates a whole file where there is none; False: there is one. Of several at once, one alone creates it.

    raises: OSError, and what the libraries behind addresses raise
    """
    if not here(path):
        there = cast(Any, path)
        try:
            try:
                there.fs.pipe_file(there.path, content, mode="create")
            except FileNotFoundError:
                if there.drive:  # a bucket: it is not for us to make one
                    raise
                there.fs.makedirs(there.parent.path, exist_ok=True)
                there.fs.pipe_file(there.path, content, mode="create")
        except FileExistsError:
            return False
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    try:
        temporary.write_bytes(content)
        try:
            os.link(temporary, path)  # unlike a file that is opened, it is there with its whole content
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            with suppress(FileExistsError), path.open("xb") as file:
                file.write(content)
                return True
            return False
        return True
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or nothing.

    raises: OutputError
    """
    write_bytes(path, text.encode("utf-8", "surrogatepass"))


def write_bytes(path: Path, content: bytes | Iterable[bytes]) -> None:
    """The same, of bytes, or of pieces of them, which are never held together here.

    raises: OutputError
    """
    if not here(path):  # what is written in parts would be put in place half, too, by whatever closes it
        try:
            with reached(path):
                whole = content if isinstance(content, bytes) else b"".join(content)
                cast(Any, path).fs.pipe_file(cast(Any, path).path, whole)
        except InputError as e:
            raise OutputError(f"{path}: cannot be written: {e.__cause__}") from e
        return
    temporary = beside(path)
    try:
        with temporary.open("wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
        temporary.replace(path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        hints = (
            ["what was finished is kept; make room and run again"] if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else []
        )
        raise OutputError(f"{path}: cannot be written: {e.strerror}", *hints) from e


def write_files(folder: Path, contents: Mapping[str, bytes | Iterable[str]]) -> dict[str, str]:
    """Writes files of these names, each whole or not at all; the SHA-256 of each.

    contents: bytes, or lines of a text with their ends
    """
    hashes = {}
    for name, content in contents.items():
        digest = hashlib.sha256()
        pieces = [content] if isinstance(content, bytes) else encoded(content)
        write_bytes(folder / name, _passed(pieces, digest.update))
        hashes[name] = digest.hexdigest()
    return hashes


def _passed(pieces: Iterable[bytes], see: Callable[[bytes], None]) -> Iterator[bytes]:
    """The pieces, each of which is seen before it goes on."""
    for piece in pieces:
        see(piece)
        yield piece


def encoded(lines: Iterable[str]) -> Iterator[bytes]:
    """Lines as UTF-8, some thousand together."""
    some = iter(lines)
    while piece := "".join(itertools.islice(some, 4096)):
        yield piece.encode("utf-8", "surrogatepass")
