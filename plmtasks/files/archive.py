"""Bundles: files of caches in one archive, each with its hash; the same files give the same bytes, and none is code."""

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from ..errors import DataError, InputError, OutputError
from .caches import CACHES
from .documents import BYTES, check, is_sealed, parse, sealed
from .folders import beside

if TYPE_CHECKING:
    import tarfile

MANIFEST = "manifest.json"
"""The archive's first file: what it is for, and SHA-256 and size of all others."""

FORMAT = 1
"""Raised whenever an archive could not be read as before."""

SHAPE = {"format": int, "tasks": [str], "models": [str], "files": {...: {"sha256": str, "bytes": int}}}

CODE = (
    ".py", ".pyc", ".so", ".pyd", ".dll", ".dylib", ".exe", ".sh", ".bat", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle",
    ".joblib", ".npy", ".npz", ".h5", ".keras", ".msgpack",
)  # fmt: skip
"""How the names of code end, and of what a library could run as code when it reads it; weights are safetensors."""

CHUNK = 1 << 20

AGAIN = "copy it here again, or make it again with `plmtasks bundle`"

Tell = Callable[[int], None]
"""Is given how many more bytes are done."""


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A file in an archive."""

    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What an archive says that it holds."""

    path: Path
    hash: str
    """Of all that it says, and so of all that it holds."""
    tasks: tuple[str, ...]
    """For which it was made."""
    models: tuple[str, ...]
    files: Mapping[str, Packed]
    """By their paths, which begin with the name of their cache."""

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())


def pack(archive: Path, files: Mapping[str, Path], tasks: tuple[str, ...], models: tuple[str, ...], tell: Tell) -> None:
    """Writes an archive, whole or not at all. Each file is read twice, and none is held in memory.

    files: by their paths in the archive

    raises: InputError for code; OutputError; DataError if a file changes meanwhile
    """
    for name in files:
        if _flaw(name):
            raise InputError(
                f"a bundle holds no {_flaw(name)}: {files[name]}", "weights are safetensors, data are tables and texts"
            )
    told = {name: _read(files[name], tell) for name in sorted(files)}
    head = {"format": FORMAT, "tasks": list(tasks), "models": list(models), "files": {n: vars(one) for n, one in told.items()}}
    text = sealed(head).encode()
    import tarfile

    temporary = beside(archive)
    try:
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(_member(MANIFEST, len(text)), io.BytesIO(text))
            for name, one in told.items():
                with files[name].open("rb") as stream:
                    tar.addfile(_member(name, one.bytes), hashed := _Hashed(stream, tell))
                if hashed.digest.hexdigest() != one.sha256:
                    raise DataError(str(files[name]), "a file that nobody writes to", "other bytes than a moment ago")
        temporary.replace(archive)
    except OSError as e:
        raise OutputError(f"{archive}: cannot be written: {e.strerror or e}", "what was downloaded is kept") from e
    finally:
        temporary.unlink(missing_ok=True)


def read_bundle(archive: Path) -> Bundle:
    """What an archive says that it holds; nothing else of it is read.

    raises: InputError if there is none; DataError for what is no such archive, or could not be safely taken out
    """
    with _opened(archive) as tar:
        first = tar.next()
        if first is None or first.name != MANIFEST or not first.isreg() or first.size > BYTES:
            raise DataError(str(archive), f"a bundle, whose first file is {MANIFEST}", first.name if first else "nothing")
        text = _content(tar, first).read().decode("utf-8", "replace")
    where = f"{archive}: {MANIFEST}"
    found = parse(where, text)
    check(where, found, SHAPE)
    if not is_sealed(text, found):
        raise DataError(where, "the text of which it has the checksum", "another: it is damaged", AGAIN)
    if found["format"] != FORMAT:
        raise DataError(where, f"a bundle of format {FORMAT}", f"format {found['format']}", "another plmtasks wrote it")
    for name in found["files"]:
        if flaw := _flaw(name):
            raise DataError(where, "data, weights and texts by paths that lead nowhere else", f"{flaw}: {name!r:.200}")
    return Bundle(
        path=archive, hash=hashlib.sha256(text.encode()).hexdigest(), tasks=tuple(found["tasks"]), models=tuple(found["models"]),
        files={name: Packed(**one) for name, one in found["files"].items()},
    )  # fmt: skip


def unpack(bundle: Bundle, home: Path, tell: Tell) -> Path:
    """The folder below `home` that holds what the archive does: from an earlier time, or taken out now, whole or not at all.

    raises: DataError, with the name of the file that is damaged; OutputError
    """
    folder = home / bundle.hash[:32]
    if _whole(bundle, folder):
        return folder
    from filelock import FileLock

    temporary = beside(folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):  # the processes of a launcher come all at once
            if not _whole(bundle, folder):
                _take_out(bundle, temporary, tell)
                shutil.rmtree(folder, ignore_errors=True)
                temporary.replace(folder)
    except OSError as e:
        raise OutputError(
            f"{home}: {bundle.path} cannot be unpacked there: {e.strerror or e}", "HF_HUB_CACHE or HF_HOME names another place"
        ) from e
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _whole(bundle: Bundle, folder: Path) -> bool:
    """Whether all files are there, of their sizes."""
    paths = ((folder / name, one.bytes) for name, one in bundle.files.items())
    return folder.is_dir() and all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _take_out(bundle: Bundle, folder: Path, tell: Tell) -> None:
    import tarfile

    left = dict(bundle.files)
    folder.mkdir()
    with _opened(bundle.path) as tar:
        for member in tar:
            if member.name == MANIFEST:
                continue
            where, wanted = f"{bundle.path}: {member.name}", left.pop(member.name, None)
            if wanted is None or not member.isreg() or member.size != wanted.bytes:
                raise DataError(where, f"files that {MANIFEST} names, each once and of its size", "another, or a link", AGAIN)
            path = folder / tarfile.data_filter(member, str(folder)).name
            path.parent.mkdir(parents=True, exist_ok=True)
            hashed = _Hashed(_content(tar, member), tell)
            with path.open("xb") as out:
                shutil.copyfileobj(hashed, out, CHUNK)
            if hashed.digest.hexdigest() != wanted.sha256:
                raise DataError(where, f"the bytes of which {MANIFEST} has the hash", "others: it is damaged", AGAIN)
    if left:
        raise DataError(f"{bundle.path}: {next(iter(left))}", "all files that it names", f"{len(left)} fewer", AGAIN)


class _Hashed:
    """A stream that is hashed as it is read."""

    def __init__(self, stream: IO[bytes], tell: Tell) -> None:
        self.stream, self.tell, self.digest = stream, tell, hashlib.sha256()

    def read(self, size: int = CHUNK) -> bytes:
        chunk = self.stream.read(size)
        self.digest.update(chunk)
        self.tell(len(chunk))
        return chunk


def _read(file: Path, tell: Tell) -> Packed:
    with file.open("rb") as stream:
        hashed, size = _Hashed(stream, tell), 0
        while chunk := hashed.read():
            size += len(chunk)
    return Packed(sha256=hashed.digest.hexdigest(), bytes=size)


def _member(name: str, size: int) -> "tarfile.TarInfo":
    """As the same for everybody: nothing of the machine, the user or the hour."""
    import tarfile

    made = tarfile.TarInfo(name)
    made.size, made.mode = size, 0o644
    return made


def _flaw(name: str) -> str:
    """What is wrong with a path in an archive; "" if nothing is."""
    path = PurePosixPath(name)
    straight = path.as_posix() == name and ".." not in path.parts and not set(name) & set("\\:\0")
    if not straight or len(path.parts) < 2 or path.parts[0] not in CACHES:
        return "path of no cache"
    return "code or pickle" if path.suffix.lower() in CODE else ""


def _content(tar: "tarfile.TarFile", member: "tarfile.TarInfo") -> IO[bytes]:
    found = tar.extractfile(member)
    assert found is not None  # of a regular file there always is
    return found


@contextmanager
def _opened(archive: Path) -> Iterator["tarfile.TarFile"]:
    """raises: InputError if there is no such file; DataError, also for what goes wrong while it is read"""
    import tarfile

    if not archive.is_file():
        raise InputError(f"there is no bundle {archive}", "`plmtasks bundle SUITE --output FILE.tar` makes one")
    try:
        with tarfile.open(archive, "r:") as tar:
            yield tar
    except tarfile.TarError as e:
        raise DataError(str(archive), "a whole tar archive", str(e), AGAIN) from e
