"""What a run gave, and its files."""

import ast
import errno
import hashlib
import json
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, cast

from .data import DataWarning
from .documents import Shape, dump, is_sealed, parse, read_object, read_text, sealed
from .errors import DataError, InputError, OutputError, PlmtasksError
from .examples import Example, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLUSTER", "SCHEMA_VERSION", "Result", "dump", "is_sealed", "read_result", "read_results", "sealed"]

SCHEMA_VERSION = 1

FILES = ("config.json", "environment.json", "perturbed.jsonl", "predictions.jsonl", "result.json", "statistics.npy")
"""What a run's folder holds beside its journal; whatever else lies there is no part of the run, and is never opened."""

JOURNAL = re.compile(r"journal/\w[\w.-]*\.jsonl")

_NONE = type(None)
_TEXT, _AMOUNT = (str, _NONE), (int, float, _NONE)
ENVIRONMENT = {
    "versions?": {...: _TEXT}, "finished?": _TEXT, "device?": _TEXT, "processor?": _TEXT, "processor_name?": _TEXT,
    "cpu_capability?": _TEXT, "cores?": _AMOUNT, "processes?": _AMOUNT, "parameters?": _AMOUNT, "examples?": _AMOUNT,
    "seconds?": _AMOUNT, "loading_seconds?": _AMOUNT, "peak_memory_bytes?": _AMOUNT, "peak_device_memory_bytes?": _AMOUNT,
}  # fmt: skip
"""What `environment.json` holds, as far as others read it."""

CONFIG = {
    "config?": {"settings?": {"threads?": (int, _NONE)}, "source?": {}, "training?": {}},
    "identity?": {
        "task?": {"name?": str, "version?": int}, "model?": {"name?": str, "version?": int}, "ask?": str, "data?": {},
        "settings?": {"threads?": (int, _NONE)}, "metrics?": {}, "given?": {}, "format?": int, "trained?": (dict, _NONE),
    },
}  # fmt: skip
"""What `config.json` holds, as far as others read it."""

CLUSTER = "cluster"
"""The column of `statistics.npy` that is no statistic: examples of one number are not independent."""


CONTENT = "content "
"""How the name of data begins that have none but that of their content."""


def content_name(fingerprint: str) -> str:
    """The name of a user's own data, whatever their files are called."""
    return f"{CONTENT}{fingerprint[:12]}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """One run's result: `result.json`, and the folder in which it stands with all that it rests on."""

    record: Mapping[str, Any]
    """The content of `result.json`; its form is `result.schema.json`."""
    folder: Path
    """Or what behaves as one; see `place`."""
    altered: bool = False
    """Whether `result.json` is not the text that a run sealed."""

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

    @property
    def data(self) -> str:
        """The name of its data; of a user's own files, what they are called in `config.json`, where that is there."""
        name = str(self.record["data"]["name"])
        if name.startswith(CONTENT):
            try:
                return PurePath(self.config()["config"]["source"]["data"]).name or name
            except (DataError, KeyError, TypeError):
                return name
        return name

    def answering(self) -> tuple[int, float] | None:
        """Examples that were answered, perturbed ones among them, and the seconds that it took once the model was loaded.

        None: it was not measured, or it was interrupted and gone on with. Every speed that is shown is their quotient.

        raises: DataError for an environment.json that cannot be read
        """
        took = self.environment()
        seconds = took.get("seconds") or 0.0
        loading = took.get("loading_seconds") or 0.0
        examples = took.get("examples") or self.record["data"]["examples"]
        answered = examples - self.record["data"]["skipped"]
        if took.get("resumed") or not answered > 0 or not math.inf > seconds - loading > 0:
            return None
        return answered, seconds - loading

    def scores(self) -> dict[str, float | None]:
        """All scores by name: "metric/score"."""
        return {f"{m}/{name}": s["value"] for m, scores in self.record["scores"].items() for name, s in scores.items()}

    def environment(self) -> Mapping[str, Any]:
        """The content of `environment.json`; nothing if it is not there.

        raises: DataError if it is none
        """
        return self._read("environment.json", ENVIRONMENT)

    def config(self) -> Mapping[str, Any]:
        """The content of `config.json`: "config", what was asked of plmtasks, and "identity", its parts; or nothing, as above.

        raises: DataError if it is none
        """
        return self._read("config.json", CONFIG)

    def _read(self, name: str, shape: Shape) -> Mapping[str, Any]:
        try:
            return read_object(part(self.folder, name), shape)
        except FileNotFoundError:
            return {}

    def predictions(self) -> Iterator[dict[str, Any]]:
        """The lines of `predictions.jsonl`.

        raises: DataError for what is no prediction, and where there is no such file
        """
        path = self.folder / "predictions.jsonl"
        try:
            with part(self.folder, path.name).open(encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    yield _prediction(f"{path}:{number}", line)
        except FileNotFoundError as e:
            raise DataError(str(path), "the run's predictions", "no such file", "run again: the answers are kept") from e
        except (OSError, UnicodeDecodeError) as e:
            raise DataError(str(path), "UTF-8 text", str(e)) from e

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
        if CLUSTER not in (array.dtype.names or ()):
            raise DataError(str(path), f"named columns, {CLUSTER!r} among them", str(array.dtype.names)[:200])
        examples = self.record["data"]["examples"]
        if len(array) != examples:
            raise DataError(str(path), f"a row for each of {examples} examples", str(len(array)), "run again")
        if len(array) and not 0 <= array[CLUSTER].min() <= array[CLUSTER].max() < len(array):
            raise DataError(str(path), f"{CLUSTER}s numbered from 0", f"{array[CLUSTER].min()} to {array[CLUSTER].max()}")
        return array


LINE: Mapping[str, tuple[type, ...]] = {"id": (str,), "scores": (dict,), "slices": (list,), "inputs": (dict,)}
"""What each line of `predictions.jsonl` has, beside prediction and reference, which are of any type."""


def _prediction(where: str, line: str) -> dict[str, Any]:
    found: dict[str, Any] = parse(where, line, line="a prediction as a JSON object", finite=True)
    if not isinstance(found, dict) or not {*LINE, "prediction", "reference"} <= found.keys():
        raise DataError(where, f"an object with {', '.join(LINE)}, prediction and reference", f"{line.strip():.80}")
    for name, kinds in LINE.items():
        if not isinstance(found[name], kinds):
            raise DataError(f"{where}: {name}", f"a JSON value of type {kinds[0].__name__}", f"{found[name]!r:.80}")
    if not all(isinstance(name, str) for name in found["slices"]):
        raise DataError(f"{where}: slices", "a list of texts", f"{found['slices']!r:.80}")
    return found


def _array(content: bytes) -> "NDArray[Any]":
    """The array in a file of numpy's format; thousands of files have the same header, which takes longer than all else.

    raises: ValueError
    """
    import numpy as np

    start = 12 + int.from_bytes(content[8:12], "little")
    count, dtype = _header(content[:start])
    if len(content) - start != count * dtype.itemsize:
        raise ValueError(f"{len(content) - start} bytes for {count} rows of {dtype.itemsize}")
    return np.frombuffer(content, dtype, offset=start).copy()


@lru_cache(maxsize=1000)
def _header(content: bytes) -> tuple[int, Any]:
    """Rows and type of an array of named numbers.

    raises: ValueError if it is no header of such a file
    """
    import io

    import numpy as np

    version = np.lib.format.read_magic(io.BytesIO(content))
    if version < (2, 0):
        raise ValueError(f"format {version[0]}.{version[1]}")
    # 3.0 is 2.0 in UTF-8, and numpy reads it by a private function alone
    text = content[12:].decode("utf-8")
    try:
        described = ast.literal_eval(text)
        (count,) = described["shape"]
        dtype = np.lib.format.descr_to_dtype(described["descr"])
    # what literal_eval says that it raises, and what is not as numpy writes it
    except (ValueError, TypeError, LookupError, AttributeError, SyntaxError, MemoryError, RecursionError) as e:
        raise ValueError(f"no header of named numbers: {type(e).__name__}: {e}"[:200]) from e
    kinds = {str(field[0]) for field in (dtype.fields or {}).values()}
    if type(count) is not int or count < 0 or not kinds <= {"float64", "int64"}:
        raise ValueError(f"{count!r:.40} rows of {dtype}"[:200])
    return count, dtype


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
    """A name as part of a path, on any system: at most 200 bytes, and none that Windows keeps for devices."""
    made = re.sub(r"[^\w.@+-]+", "--", name.strip("./")) or "_"
    if re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", made, re.IGNORECASE):
        made = f"_{made}"
    if len(made.encode()) > 200:
        digest = hashlib.sha256(made.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        made = f"{made.encode()[:180].decode('utf-8', 'ignore')}-{digest}"
    return made


def stored(folder: Path) -> Result | None:
    """The result in a run's folder; None if it is not finished."""
    path = folder / "result.json"
    return _read_result(path) if path.exists() else None


def read_results(address: str | Path) -> list[Result]:
    """All results at or below a path or an address, in the order of their folders.

    One of several that cannot be read is left out, with a DataWarning that names it.

    raises: InputError if there is no such path or no result; DataError if the only one, or all, cannot be read
    """
    path = place(address)
    with reached(path):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        files = [path] if path.is_file() else sorted(path.rglob("result.json"))
        if not files:
            raise InputError(f"{path}: no result.json at or below it", "plmtasks run writes one")
        if len(files) == 1:
            return [_read_result(files[0])]
        return list(_readable(files))


def _readable(files: Sequence[Path]) -> Iterator[Result]:
    """The results of those files that hold one; the others are told of and left out.

    raises: DataError if none does
    """
    damage: list[DataError] = []
    for file in files:
        try:
            yield _read_result(file)
        except DataError as e:
            damage.append(e)
            warnings.warn(f"left out: {e.message}", DataWarning, stacklevel=2)
    if len(damage) == len(files):
        raise damage[0]


def read_result(address: str | Path) -> Result:
    """The one result at a path or an address: a run's folder or its `result.json`.

    raises: InputError if there is none, or more than one; DataError
    """
    found = read_results(address)
    if len(found) > 1:
        raise InputError(f"{address}: {len(found)} runs are there", "name the folder of one, such as", str(found[0].folder))
    return found[0]


def _read_result(path: Path) -> Result:
    hints = ["delete the file and run again: the answers are kept"] if (path.parent / "journal").exists() else []
    try:
        # a file of another name is one that the user named
        text = read_text(part(path.parent, path.name) if is_part(path.name) else path)
        record = parse(str(path), text, finite=True)
    except FileNotFoundError as e:
        raise DataError(str(path), "a result in JSON", e.strerror or "no such file") from e
    except DataError as e:
        more = "" if e.expected == "JSON" else f": {e.expected}"
        raise DataError(e.where, f"a result in JSON{more}", e.found, *hints) from e
    if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
        found = f"version {record.get('schema_version')!r:.40}" if isinstance(record, dict) else type(record).__name__
        raise DataError(str(path), f"a result of schema version {SCHEMA_VERSION}", found)
    wrong = _unlike_schema(record)
    if wrong:
        raise DataError(f"{path}: {wrong[0]}", f"what result.schema.json describes: {wrong[1]}", wrong[2], *hints)
    return Result(record=record, folder=path.parent, altered=not is_sealed(text, record))


def _unlike_schema(record: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Where a record is not what its schema describes, what should be there and what is; None: it is."""
    from fastjsonschema import JsonSchemaValueException

    try:
        _schema()(record)
    except JsonSchemaValueException as e:
        keys, told = list(map(str, e.path or [])), e.message.removeprefix(str(e.name)).strip()
        return ".".join(keys[1:])[:100] or "the whole", told[:200], f"{e.value!r:.80}"
    main, scores = record["main"], record["scores"]
    if main[1] not in scores.get(main[0], {}):
        return "main", "metric and name of one of its scores", f"{main!r:.80}"
    return None


@cache
def _schema() -> Callable[[Any], Any]:
    """What checks a record; fields that a later version adds are no fault."""
    import fastjsonschema

    def open_to_more(part: Any) -> Any:
        if isinstance(part, list):
            return [open_to_more(one) for one in part]
        if not isinstance(part, dict):
            return part
        return {key: open_to_more(value) for key, value in part.items() if (key, value) != ("additionalProperties", False)}

    text = Path(__file__).with_name("result.schema.json").read_text(encoding="utf-8")
    checked: Callable[[Any], Any] = fastjsonschema.compile(open_to_more(json.loads(text)))
    return checked


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
