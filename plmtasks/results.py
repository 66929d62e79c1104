"""What a run gave, and its files."""

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DataError, InputError, OutputError
from .examples import Example, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA_VERSION = 1

CLUSTER = "cluster"
"""The column of `statistics.npy` that is no statistic: examples of one number are not independent."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """One run's result: `result.json`, and the folder in which it stands with all that it rests on."""

    record: Mapping[str, Any]
    """The content of `result.json`; its form is `result.schema.json`."""
    folder: Path

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
        path = self.folder / "environment.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return found

    def predictions(self) -> Iterator[dict[str, Any]]:
        """The lines of `predictions.jsonl`."""
        with (self.folder / "predictions.jsonl").open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

    def statistics(self) -> "NDArray[Any]":
        """The rows of sufficient statistics, one an example, as a structured array with named columns.

        "metric:column" holds a statistic, nan where the example was skipped; "cluster" the number of what it shares with others.

        raises: DataError if the file is missing or is no such array
        """
        import numpy as np

        path = self.folder / "statistics.npy"
        try:
            with path.open("rb") as file:
                array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError) as e:
            raise DataError(str(path), "an array of numpy", str(e), "run again: the answers are kept") from e
        if array.dtype.names is None or CLUSTER not in array.dtype.names:
            raise DataError(str(path), f"named columns, {CLUSTER!r} among them", str(array.dtype.names))
        return array


def identity_hash(parts: Mapping[str, Any]) -> str:
    """The hash under which a run is reused. 32 hexadecimal digits."""
    return hashlib.sha256(dump(parts).encode()).hexdigest()[:32]


def run_folder(root: str, task: str, model: str, identity: str) -> Path:
    """`root/<task>/<model>/<identity>`."""
    return Path(root, *(safe_name(part) for part in task.split("/")), safe_name(model), identity)


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


def read_results(path: Path) -> list[Result]:
    """All results at or below a path, in the order of their folders.

    raises: InputError if there is no such path or no result; DataError if one cannot be read
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    files = [path] if path.is_file() else sorted(path.rglob("result.json"))
    if not files:
        raise InputError(f"{path}: no result.json at or below it", "plmtasks run writes one")
    return [Result(record=_read_record(file), folder=file.parent) for file in files]


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
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


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or nothing.

    raises: OutputError
    """
    write_bytes(path, text.encode("utf-8", "surrogatepass"))


def write_bytes(path: Path, content: bytes) -> None:
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
