"""What a run gave, and its files."""

import ast
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .errors import DataError, InputError, OutputError, PlmtasksError
from .examples import Example, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLUSTER", "SCHEMA_VERSION", "Result", "read_result", "read_results"]

SCHEMA_VERSION = 1

FILES = ("config.json", "environment.json", "perturbed.jsonl", "predictions.jsonl", "result.json", "statistics.npy")
"""What a run's folder holds beside its journal; whatever else lies there is no part of the run, and is never opened."""

JOURNAL = re.compile(r"journal/\w[\w.-]*\.jsonl")

DOCUMENT_BYTES = 2**28
"""The most that a result, a configuration or an environment takes."""

CLUSTER = "cluster"
"""The column of `statistics.npy` that is no statistic: examples of one number are not independent."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """One run's result: `result.json`, and the folder in which it stands with all that it rests on."""

    record: Mapping[str, Any]
    """The content of `result.json`; its form is `result.schema.json`."""
    folder: Path
    """Or what behaves as one; see `place`."""

    def __repr__(self) -> str:
        return f"Result({self.task!r} on {self.model!r}: {self.score}, {str(self.folder)!r})"

    @property
    def identity(self) -> str:
        return str(self.record["identity"])

    @property
    def task(self) -> str:
        return str(self.record["task"]["name"])

    @property
    def model(self) -> str:
        return str(self.record["model"]["name"])

    @property
    def score(self) -> float | None:
        """The task's main score."""
        metric, name = self.record["main"]
        value: float | None = self.record["scores"][metric][name]["value"]
        return value

    def scores(self) -> dict[str, float | None]:
        """All scores by name: "metric/score"."""
        return {f"{m}/{name}": s["value"] for m, scores in self.record["scores"].items() for name, s in scores.items()}

    def environment(self) -> Mapping[str, Any]:
        """The content of `environment.json`; nothing if it is not there."""
        try:
            found: dict[str, Any] = json.loads(document(self.folder, "environment.json"))
        except FileNotFoundError:
            return {}
        return found

    def predictions(self) -> Iterator[dict[str, Any]]:
        """The lines of `predictions.jsonl`.

        raises: DataError if there is no such file; ValueError for a line that is no JSON
        """
        try:
            path = part(self.folder, "predictions.jsonl")
        except FileNotFoundError as e:
            raise DataError(str(self.folder), "predictions.jsonl, what was predicted", str(e.strerror), "run again") from e
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

    def hashes(self) -> Iterator[tuple[str, str, str | None]]:
        """Of each file beside `result.json`: its name, the SHA-256 that was written down, and its own; None: it is not there.

        Nothing else is read, whatever the record names.
        """
        for name, written in self.record.get("files", {}).items():
            try:
                with part(self.folder, name).open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                found = None
            yield name, written, found

    def check_files(self) -> None:
        """raises: DataError if a file beside `result.json` was altered since"""
        for name, written, found in self.hashes():
            if found != written:
                is_now = "no such file" if found is None else "an altered file"
                raise DataError(str(self.folder / name), "the file that the run wrote", is_now, "plmtasks results verify")

    def statistics(self) -> "NDArray[Any]":
        """The rows of sufficient statistics, one an example, as a structured array with named columns.

        "metric:column" holds a statistic, nan where the example was skipped; "cluster" the number of what it shares with others.

        raises: DataError if the file is missing or is no such array
        """

        path = self.folder / "statistics.npy"
        try:
            array: NDArray[Any] = _array(part(self.folder, "statistics.npy").read_bytes())
        except (OSError, ValueError) as e:
            raise DataError(str(path), "an array of numpy", str(e), "run again: the answers are kept") from e
        if array.dtype.names is None or CLUSTER not in array.dtype.names:
            raise DataError(str(path), f"named columns, {CLUSTER!r} among them", str(array.dtype.names))
        return array


def _array(content: bytes) -> "NDArray[Any]":
    """The array in a file of numpy's format; thousands of files have the same header, which takes longer than all else."""
    import numpy as np

    start = 12 + int.from_bytes(content[8:12], "little")
    shape, dtype = _header(content[:start])
    return np.frombuffer(content, dtype, offset=start).reshape(shape).copy()


@lru_cache(maxsize=1000)
def _header(content: bytes) -> tuple[tuple[int, ...], Any]:
    """raises: ValueError if it is no header of such a file, or one of objects"""
    import io

    import numpy as np

    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version < (2, 0):
        raise ValueError(f"format {version[0]}.{version[1]}")
    # 3.0 is 2.0 in UTF-8, and numpy reads it by a private function alone
    text = content[12:].decode("utf-8")
    described = ast.literal_eval(text)
    dtype = np.lib.format.descr_to_dtype(described["descr"])
    if dtype.hasobject:
        raise ValueError("it holds objects")
    return described["shape"], dtype


def is_part(name: str) -> bool:
    """Whether a run's folder has files of that name, which is relative to it."""
    return name in FILES or JOURNAL.fullmatch(name) is not None


def part(folder: Path, name: str) -> Path:
    """The file of that name in a run's folder.

    Folders come from strangers: other names, links that lead out of the folder, pipes and devices are not there.

    raises: FileNotFoundError
    """
    path = folder / name if is_part(name) else None
    if path is None or not path.is_file() or (here(path) and not _within(path, folder)):
        raise FileNotFoundError(errno.ENOENT, "no such file in the run's folder", str(folder / name))
    return path


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def document(folder: Path, name: str) -> bytes:
    """The content of a file of JSON in a run's folder.

    raises: FileNotFoundError; OSError if it is larger than any that a run writes
    """
    path = part(folder, name)
    if path.stat().st_size > DOCUMENT_BYTES:
        raise OSError(errno.EFBIG, f"more than {DOCUMENT_BYTES >> 20} MiB", str(path))
    return path.read_bytes()


def identity_hash(parts: Mapping[str, Any]) -> str:
    """The hash under which a run is reused. 32 hexadecimal digits."""
    return hashlib.sha256(dump(parts).encode()).hexdigest()[:32]


def place(address: str | os.PathLike[str]) -> Path:
    """A file or folder by its address: a path of this machine, or one that fsspec opens (`s3://…`, `hf://…`, `memory://…`).

    What lies elsewhere has the methods of a path, but is no `pathlib.Path`.

    raises: InputError if nothing that is installed opens such an address
    """
    if not (isinstance(address, str) and "://" in address):
        return cast(Path, address) if hasattr(address, "rglob") else Path(address)
    try:
        from upath import UPath

        path = UPath(address)
        _ = path.fs
    except (ImportError, ValueError, OSError) as e:
        said = "pip install 'plmtasks[store]' opens addresses" if getattr(e, "name", None) == "upath" else str(e)
        raise InputError(f"{address}: cannot be opened", said) from e
    return cast(Path, path)


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


def run_folder(root: str | os.PathLike[str], task: str, model: str, identity: str) -> Path:
    """`root/<task>/<model>/<identity>`."""
    return place(root).joinpath(*(safe_name(part) for part in task.split("/")), safe_name(model), identity)


def safe_name(name: str) -> str:
    """A name as part of a path."""
    return re.sub(r"[^\w.@+-]+", "--", name.strip("./")) or "_"


def dump(value: Any) -> str:
    """JSON with sorted keys; the same value gives the same bytes.

    raises: ValueError for nan and infinity, which JSON does not know
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False) + "\n"


def stored(folder: Path) -> Result | None:
    """The result in a run's folder; None if it is not finished."""
    path = folder / "result.json"
    return Result(record=_read_record(path), folder=folder) if path.exists() else None


def read_results(address: str | Path) -> list[Result]:
    """All results at or below a path or an address, in the order of their folders.

    raises: InputError if there is no such path or no result; DataError if one cannot be read
    """
    path = place(address)
    with reached(path):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        files = [path] if path.is_file() else sorted(path.rglob("result.json"))
        if not files:
            raise InputError(f"{path}: no result.json at or below it", "plmtasks run writes one")
        return [Result(record=_read_record(file), folder=file.parent) for file in files]


def read_result(address: str | Path) -> Result:
    """The one result at a path or an address: a run's folder or its `result.json`.

    raises: InputError if there is none, or more than one; DataError
    """
    found = read_results(address)
    if len(found) > 1:
        raise InputError(f"{address}: {len(found)} runs are there", "name the folder of one, such as", str(found[0].folder))
    return found[0]


def _read_record(path: Path) -> dict[str, Any]:
    try:
        # a file of another name is one that the user named
        record = json.loads(document(path.parent, path.name) if is_part(path.name) else path.read_bytes())
    except OSError as e:
        raise DataError(str(path), "a result in JSON", e.strerror or str(e)) from e
    except (UnicodeDecodeError, json.JSONDecodeError) as e:
        hints = ["delete the file and run again: the answers are kept"] if (path.parent / "journal").exists() else []
        raise DataError(str(path), "a result in JSON", str(e), *hints) from e
    if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
        version = record.get("schema_version") if isinstance(record, dict) else None
        raise DataError(str(path), f"a result of schema version {SCHEMA_VERSION}", f"version {version}")
    return record


def open_folder(folder: Path) -> None:
    """Makes a run's folder and proves that it can be written to.

    raises: OutputError
    """
    if not here(folder):
        raise OutputError(
            f"{folder}: a run writes to folders of this machine", "plmtasks results merge copies what is finished to an address"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as e:
        raise OutputError(f"{folder}: cannot be written: {e.strerror}", "choose another folder with --output DIR") from e


def lock(folder: Path, what: str) -> AbstractContextManager[Any]:
    """Held while one process is at a folder; the system lets go of it when the process ends.

    raises: OutputError if another process holds it
    """
    from filelock import FileLock, Timeout

    try:
        return FileLock(folder / ".lock", timeout=0).acquire()
    except Timeout as e:
        raise OutputError(
            f"{folder}: another process is at this very {what}", "wait for it; what it makes will be yours too"
        ) from e
    except OSError as e:  # a link is not followed
        raise OutputError(f"{folder / '.lock'}: cannot be locked: {e.strerror}") from e


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or nothing.

    raises: OutputError
    """
    write_bytes(path, text.encode("utf-8", "surrogatepass"))


def write_bytes(path: Path, content: bytes) -> None:
    """The same, of bytes.

    raises: OutputError
    """
    if not here(path):  # elsewhere a whole file is written at once
        with reached(path):
            path.write_bytes(content)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        hints = (
            ["what was finished is kept; make room and run again"] if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else []
        )
        raise OutputError(f"{path}: cannot be written: {e.strerror}", *hints) from e


def prediction_lines(examples: Sequence[Example], predictions: Mapping[str, Prediction]) -> str:
    """The text of `predictions.jsonl`: one line an example, in the order of the examples; skipped ones are null."""

    def line(e: Example) -> str:
        p = predictions.get(e.id)
        row = {
            "id": e.id, "prediction": p.value if p else None, "reference": e.reference, "scores": dict(p.scores) if p else {},
            "slices": list(e.slices), "inputs": e.inputs, **({} if p else {"skipped": True}),
            **({} if e.cluster is None else {"cluster": e.cluster}),
        }  # fmt: skip
        return json.dumps(row, ensure_ascii=False, sort_keys=True)

    return "".join(line(e) + "\n" for e in examples)


def statistics_bytes(columns: Sequence[str], rows: "NDArray[Any]", examples: Sequence[Example]) -> bytes:
    """The content of `statistics.npy`: a structured array, one named float64 column a statistic, and the clusters' numbers.

    rows: (n, k)
    """
    import io

    import numpy as np

    shared = [e.cluster if e.cluster is not None else f"{CLUSTER} of {e.id}" for e in examples]
    number = {cluster: i for i, cluster in enumerate(dict.fromkeys(shared))}
    array = np.zeros(len(rows), dtype=[*((name, "<f8") for name in columns), (CLUSTER, "<i8")])
    for i, name in enumerate(columns):
        array[name] = rows[:, i]
    array[CLUSTER] = [number[cluster] for cluster in shared]
    buffer = io.BytesIO()
    # 3.0 has UTF-8 names: labels are in any script, and np.save would warn of them
    np.lib.format.write_array(buffer, array, version=(3, 0), allow_pickle=False)
    return buffer.getvalue()
