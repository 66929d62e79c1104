"""A result: its record, and how it is read from the files of a run."""

import errno
import hashlib
import json
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from . import files
from .data import CONTENT
from .errors import DataError, DataWarning, InputError, counted
from .examples import Example, Prediction
from .files import Listed, Shape, Shown, Table, check, dump, here, is_sealed, parse, place, sealed

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
    "config?": {
        "settings?": {"threads?": (int, _NONE)}, "source?": {}, "training?": {},
        "submission?": {"card?": {"fields": {}, "text": str}},
    },
    "identity?": {
        "task?": {"name?": str, "version?": int}, "model?": {"name?": str, "version?": int}, "ask?": str, "data?": {},
        "settings?": {"threads?": (int, _NONE)}, "metrics?": {}, "predictions_of?": {}, "format?": int, "trained?": (dict, _NONE),
    },
}  # fmt: skip
"""What `config.json` holds, as far as others read it."""

READ_TOGETHER = (("result.json", "environment.json", "config.json"), ("statistics.npy",))
"""What lists and tables read of every run, at an address in few requests; and what they do only where runs are many."""

CLUSTER = "cluster"
"""The column of `statistics.npy` that is no statistic: examples of one number are not independent."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Result(Shown):
    """One run's result: `result.json`, and the folder in which it stands with all that it rests on."""

    record: Mapping[str, Any]
    """The content of `result.json`; its form is `result.schema.json`."""
    folder: Path
    """Or what behaves as one; see `place`."""
    altered: bool = False
    """Whether `result.json` is not the text that a run sealed."""
    held: files.Held | None = field(default=None, compare=False)
    """What was read of its files together with those of others."""

    def __repr__(self) -> str:
        metric, name = self.record["primary_metric"]
        main = files.with_interval(self.record["scores"][metric][name])
        return f"Result({self.task!r} on {self.model!r}: {name} {main}, {self._rests_on()}, {str(self.folder)!r})"

    def __hash__(self) -> int:
        return hash(self.folder)

    def _rests_on(self) -> str:
        data, protocol = self.record["data"], self.record["protocol"]
        untrained = ", untrained head" if protocol["newly_initialized"] else ""
        return f"{counted(data['examples'] - data['skipped'], 'example')}, {protocol['how']}{untrained}"

    def _tables(self) -> Sequence[Table]:
        split = self.record["data"]["split"]
        caption = f"{self.task} on {self.model}: {self.data}, split {split}, {self._rests_on()}"
        scores = [(f"{line['metric']}/{line['score']}", line) for line in self._lines() if line["value"] is not None]
        lines = [[name, files.with_interval(line)] for name, line in scores]
        return [Table(header=["score", "value, 95 % interval"], lines=lines, caption=caption)]

    def _lines(self) -> Sequence[Mapping[str, Any]]:
        return [{"metric": m, "score": name, **s} for m, found in self.record["scores"].items() for name, s in found.items()]

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
        metric, name = self.record["primary_metric"]
        value: float | None = self.record["scores"][metric][name]["value"]
        return value

    @property
    def data(self) -> str:
        """The name of its data; of a user's own files, what they are called in `config.json`, where that is there."""
        name = str(self.record["data"]["name"])
        try:
            return PurePath(self.config()["config"]["source"]["data"]).name or name if name.startswith(CONTENT) else name
        except (DataError, KeyError, TypeError):
            return name

    @property
    def checkpoint(self) -> Path | None:
        """The folder of the model that learned for this run, where it is still there: what `predict` takes."""
        told = self.config()
        where, trained = told.get("config", {}).get("checkpoints"), told.get("identity", {}).get("trained") or {}
        if not isinstance(where, str) or not isinstance(trained.get("recipe"), str):
            return None
        folder = run_folder(where, self.task, self.model, trained["recipe"])
        return folder if here(folder) and folder.is_dir() else None

    def slices(self) -> Listed:
        """The scores of slices of the examples: the main one is shown, and a frame has all."""
        main, lines = self.record["primary_metric"], []
        for name, part in self.record.get("slices", {}).items():
            scores = [(m, s, found) for m, of in part["scores"].items() for s, found in of.items() if found["value"] is not None]
            about = {"slice": name, "examples": part["examples"]}
            lines += [{**about, "metric": m, "score": s, "unit": self.record["scores"][m][s]["unit"], **f} for m, s, f in scores]
        shown = [line for line in lines if [line["metric"], line["score"]] == [*main]]
        cells = [[line["slice"], str(line["examples"]), files.with_interval(line)] for line in shown]
        caption = f"{self.task} on {self.model}: slices of {counted(self.record['data']['examples'], 'example')}"
        table = Table(header=["slice", "n", f"{main[1]}, 95 % interval"], lines=cells, caption=caption, right=("n",))
        return Listed(table, lines)

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
            text = (self.held and self.held.text(name)) or files.read_text(part(self.folder, name))
            return files.as_object(self.folder / name, text, shape)
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
                    prediction = parse(where := f"{path}:{number}", line, line="a prediction as a JSON object", finite=True)
                    check(where, prediction, LINE)
                    yield prediction
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
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                digest = None
            yield name, written, digest

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
            held = self.held and self.held.read(path.name)
            array: NDArray[Any] = files.read_array(held or part(self.folder, path.name).read_bytes())
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


READ: Shape = {"prediction": Any, "scores": dict, "reasoning?": str, "unfinished?": bool}
LINE: Shape = {**READ, "id": str, "reference": Any, "slices": [str], "inputs": dict, "repeats?": [READ]}
"""What each line of `predictions.jsonl` has."""


def is_part(name: str) -> bool:
    """Whether a run's folder has files of that name, which is relative to it."""
    return name in FILES or JOURNAL.fullmatch(name) is not None


def part(folder: Path, name: str) -> Path:
    """The file of that name in a run's folder.

    Folders come from strangers: other names, links that lead out of the folder, pipes and devices are not there.

    raises: FileNotFoundError
    """
    path = folder / name if is_part(name) else None
    if path is None or not path.is_file() or (here(path) and not path.resolve().is_relative_to(folder.resolve())):
        raise FileNotFoundError(errno.ENOENT, "no such file in the run's folder", str(folder / name))
    return path


identity_hash = files.value_hash
"""The hash under which a run is reused, of its parts."""


def run_folder(root: str | os.PathLike[str], task: str, model: str, identity: str) -> Path:
    """`root/<task>/<model>/<identity>`."""
    return place(root).joinpath(*(files.safe_name(part) for part in task.split("/")), files.safe_name(model), identity)


def stored(folder: Path, held: files.Held | None = None) -> Result | None:
    """The result in a run's folder, of whose files some are read; None if it is not finished.

    raises: DataError; InputError if the folder cannot be reached
    """
    path = folder / "result.json"
    with files.reached(folder):
        return _read_result(path, held) if (held and held.read(path.name)) or path.exists() else None


def read_results(address: str | Path) -> list[Result]:
    """All results at or below a path or an address, in the order of their folders.

    One of several that cannot be read is left out, with a DataWarning that names it.

    raises: InputError if there is no such path or no result; DataError if the only one, or all, cannot be read
    """
    path = place(address)
    with files.reached(path):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        there = {path: None} if path.is_file() else files.files_of(path, *READ_TOGETHER)["result.json"]
        if not there:
            raise InputError(f"{path}: no result.json at or below it", "plmtasks run writes one")
        found, damage = [], []
        for file, held in there.items():
            try:
                found.append(_read_result(file, held))
            except DataError as e:
                damage.append(e)
                if len(there) > 1:
                    warnings.warn(f"left out: {e.message}", DataWarning, stacklevel=2)
    if not found:
        raise damage[0]
    return found


def read_result(address: str | Path) -> Result:
    """The one result at a path or an address: a run's folder or its `result.json`.

    raises: InputError if there is none, or more than one; DataError
    """
    results = read_results(address)
    if len(results) > 1:
        raise InputError(f"{address}: {len(results)} runs are there", "name the folder of one, such as", str(results[0].folder))
    return results[0]


def _read_result(path: Path, held: files.Held | None = None) -> Result:
    journal = any("/" in name for name in held.sizes()) if held else (path.parent / "journal").exists()
    hints = ["delete the file and run again: the answers are kept"] if journal else []
    try:
        # a file of another name is one that the user named
        named = part(path.parent, path.name) if is_part(path.name) and held is None else path
        text = (held and held.text(path.name)) or files.read_text(named)
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
    return Result(record=record, folder=path.parent, altered=not is_sealed(text, record), held=held)


def _unlike_schema(record: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Where a record is not what its schema describes, what should be there and what is; None: it is."""
    wrong = files.unlike_schema(Path(__file__).with_name("result.schema.json"), record)
    if wrong:
        return wrong
    main, scores = record["primary_metric"], record["scores"]
    if main[1] not in scores.get(main[0], {}):
        return "primary_metric", "metric and name of one of its scores", f"{main!r:.80}"
    return None


def prediction_lines(examples: Iterable[Example], predictions: Mapping[str, Prediction]) -> Iterator[str]:
    """The lines of `predictions.jsonl`: one an example, in the order of the examples; skipped ones are null."""
    text = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
    for e in examples:
        p = predictions.get(e.id)
        row = {"id": e.id, "reference": e.reference, "slices": e.slices, "inputs": e.inputs}
        row |= p.to_line() if p else {"prediction": None, "scores": {}, "skipped": True}
        if e.cluster is not None:
            row["cluster"] = e.cluster
        if e.prompted:
            row["prompted"] = True
        yield text(row) + "\n"


def statistics_bytes(columns: Sequence[str], rows: "NDArray[Any]", examples: Sequence[Example]) -> bytes:
    """The content of `statistics.npy`: a structured array, one named float64 column a statistic, and the clusters' numbers.

    rows: (n, k)
    """
    import numpy as np

    array = np.zeros(len(rows), dtype=[*((name, "<f8") for name in columns), (CLUSTER, "<i8")])
    for i, name in enumerate(columns):
        array[name] = rows[:, i]
    array[CLUSTER] = np.arange(len(rows))
    if any(e.cluster is not None for e in examples):
        shared = [e.cluster if e.cluster is not None else f"{CLUSTER} of {e.id}" for e in examples]
        number = {cluster: i for i, cluster in enumerate(dict.fromkeys(shared))}
        array[CLUSTER] = [number[cluster] for cluster in shared]
    return files.array_bytes(array)
