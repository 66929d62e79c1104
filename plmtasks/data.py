"""Examples from the hub, from files, from the built-in samples; their fingerprint."""

import csv
import fnmatch
import gzip
import hashlib
import json
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .config import Source
from .documents import check_file, parse
from .errors import DataError, InputError
from .examples import Example, Prediction, fingerprint

Reader = Callable[[Path], Iterable[Example]]
"""Reads one file of one split; raises DataError."""

Patterns = Mapping[str, Sequence[str]]

SPLIT_FILES: Patterns = {
    "train": ("train.*", "train_few_all.*", "*train*.*"),
    "validation": ("validation.*", "valid.*", "val.*", "dev.*", "dev_few_all.*", "*valid*.*", "*dev*.*"),
    "test": ("test.*", "test_public.*", "*test*.*"),
}
"""The file names that are taken for a split, the first pattern that fits exactly one file; a reader may bring its own."""


class DataWarning(UserWarning):
    """A published data set has a known flaw; the message counts it."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Named splits of examples, each read when it is first asked for."""

    name: str
    readers: Mapping[str, Callable[[], Iterable[Example]]]
    published: bool = False
    """Whether this is the task's own data set, whose flaws are known, and not the user's."""
    train_name: str | None = None
    """Where the train split comes from, if not from where the others do."""
    labels: Callable[[], Sequence[str]] = tuple
    """The labels that the files name that were read, whether or not an example has them."""
    _read: dict[str, tuple[Example, ...]] = field(default_factory=dict, repr=False)
    _hashes: dict[str, str] = field(default_factory=dict, repr=False, init=False)

    @property
    def splits(self) -> list[str]:
        return list(self.readers)

    def __getitem__(self, split: str) -> tuple[Example, ...]:
        """The examples of a split.

        raises: InputError if there is no such split; DataError if it is empty or an id comes twice
        """
        if split not in self.readers:
            raise InputError(f"{self.name} has no split {split!r}", f"it has: {', '.join(self.readers)}")
        if split not in self._read:
            examples = tuple(self.readers[split]())
            if not examples:
                raise DataError(f"{self.name}, split {split}", "at least one example", "none")
            twice = [id_ for id_, n in Counter(e.id for e in examples).items() if n > 1]
            if twice:
                raise DataError(
                    f"{self.name}, split {split}", "a different id for each example", f"{twice[0]!r} more than once",
                    f"{len(twice)} ids are not unique",
                )  # fmt: skip
            self._read[split] = examples
        return self._read[split]

    def default_split(self) -> str:
        """The split that is evaluated if none is named: validation, else test, else the only one there is."""
        for split in ("validation", "test", *self.readers):
            if split in self.readers and (split != "train" or len(self.readers) == 1):
                return split
        raise InputError(f"{self.name} has no split to evaluate", f"it has: {', '.join(self.readers)}")

    def fingerprint(self, split: str) -> str:
        if split not in self._hashes:
            self._hashes[split] = fingerprint(self[split])
        return self._hashes[split]


@dataclass(frozen=True, kw_only=True)
class HubData:
    """Files of a data set on the hub, pinned."""

    repo: str
    revision: str
    files: Mapping[str, str]
    """split → the file's path in the repository (Parquet, JSON lines or CSV)"""


def open_dataset(
    source: Source,
    read: Reader,
    *,
    name: str,
    patterns: Patterns | Callable[[Path], Patterns] = SPLIT_FILES,
    own: Dataset | None = None,
) -> Dataset:
    """The data set that `source` names, else the task's own.

    patterns: the file names of each split, or what tells them of a file or folder

    raises: InputError if neither is there, or there are names for the columns of no file
    """
    readers: dict[str, Callable[[], Iterable[Example]]] = {}
    published = False
    if source.data is not None:
        readers.update(_readers(source.data, read, patterns))
        name = source.data
    elif own is not None:
        if source.columns and source.train_data is None:
            raise InputError(f"--columns is for your own files, and {name} has none of them here", "name them with --data PATH")
        readers.update(own.readers)
        name, published = own.name, own.published
    elif source.train_data is None:
        raise InputError(f"{name} has no data of its own here", "name a file or folder with --data PATH")
    if source.train_data is not None:
        found = _readers(source.train_data, read, patterns)
        if "train" not in found and len(found) > 1:
            raise InputError(f"{source.train_data}: no train split", f"its splits: {', '.join(found)}")
        readers = {
            "train": found.get("train") or next(iter(found.values())),
            **{s: r for s, r in readers.items() if s != "train"},
        }
    return Dataset(name=name, readers=readers, published=published, train_name=source.train_data)


def _readers(
    where: str, read: Reader, patterns: Patterns | Callable[[Path], Patterns]
) -> dict[str, Callable[[], Iterable[Example]]]:
    if where.startswith("hf://"):
        files = _generic_hub_files(where)
    else:
        files = split_files(Path(where), patterns(Path(where)) if callable(patterns) else patterns)
    return {split: (lambda path=path: read(path)) for split, path in files.items()}  # type: ignore[misc]


def split_files(path: Path, patterns: Patterns = SPLIT_FILES) -> dict[str, Path]:
    """The file of each split. A single file is the split that its name says, else "test".

    raises: InputError if there is no such path, no file that fits, or more than one
    """
    if path.is_file():
        for split, globs in patterns.items():
            if any(fnmatch.fnmatch(path.name, g) for g in globs):
                return {split: path}
        return {"test": path}
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    names = sorted(p.name for p in path.iterdir() if p.is_file())
    found: dict[str, Path] = {}
    for split, globs in patterns.items():
        for pattern in globs:
            fitting = [n for n in names if fnmatch.fnmatch(n, pattern)]
            if len(fitting) > 1:
                raise InputError(
                    f"{path}: more than one file could be the {split} split: {', '.join(fitting)}",
                    "name one of them with --data, or leave one of them in the folder",
                )
            if fitting:
                found[split] = path / fitting[0]
                break
    if not found:
        wanted = ", ".join(p for globs in patterns.values() for p in globs)
        raise InputError(f"{path}: no file of any split", f"looked for: {wanted}", f"found: {', '.join(names) or 'no file'}")
    return found


def hub_dataset(hub: HubData, read_rows: Callable[[Iterable[tuple[str, dict[str, Any]]]], Iterable[Example]]) -> Dataset:
    """A pinned data set of the hub; `read_rows` makes examples of (where, row) pairs."""

    def reader(split: str) -> Callable[[], Iterable[Example]]:
        return lambda: read_rows(read_records(hub_file(hub.repo, hub.files[split], hub.revision)))

    return Dataset(name=f"hf://{hub.repo}@{hub.revision}", readers={s: reader(s) for s in hub.files}, published=True)


def hub_file(repo: str, path: str, revision: str) -> Path:
    """A file of a data set's repository, downloaded or from the hub's cache.

    raises: InputError if it is not cached and the hub cannot be reached
    """
    from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache

    cached = try_to_load_from_cache(repo, path, revision=revision, repo_type="dataset")
    if isinstance(cached, str):
        return Path(cached)
    try:
        # of no file at all: this finds out in a second that there is no network, a download in twenty
        snapshot_download(repo, repo_type="dataset", allow_patterns=[])
        return Path(hf_hub_download(repo, path, repo_type="dataset", revision=revision))
    except (OSError, ValueError) as e:  # the hub's errors are OSErrors, a bad name is a ValueError
        raise InputError(
            f"data set {repo}@{revision}: {path} is not in the hub's cache, and the hub did not give it",
            f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}",
            "with no network, name files with --data PATH",
        ) from e


def _generic_hub_files(where: str) -> dict[str, Path]:
    """Every split of any data set on the hub, as Parquet files in datasets' cache."""
    import datasets

    name, _, config = where.removeprefix("hf://").partition("#")
    name, _, revision = name.partition("@")
    try:
        loaded = datasets.load_dataset(name, config or None, revision=revision or None)
    except (OSError, ValueError) as e:
        raise InputError(f"data set {where} cannot be read", f"{type(e).__name__}: {str(e).splitlines()[0]}") from e
    files = {}
    for split, rows in loaded.items():
        digest = hashlib.sha256(f"{where} {split} {rows._fingerprint}".encode()).hexdigest()[:16]
        path = Path(datasets.config.HF_DATASETS_CACHE) / "plmtasks" / f"{split}-{digest}.parquet"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.to_parquet(str(path))
        files[str(split)] = path
    return files


# ── reading files ─────────────────────────────────────────────────────────────────────────────────────────────────


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text, plain or gzip, with or without BOM, cut at line feeds alone.

    raises: InputError if it cannot be opened; DataError with the line if it is no UTF-8
    """
    check_file(path)
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise InputError(f"{path}: {e.strerror or e}") from e
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as e:
            raise DataError(str(path), "a gzip file", f"a damaged one ({e})") from e
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = raw[: e.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}", "UTF-8 text", f"byte 0x{raw[e.start]:02x} at position {e.start}") from e
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_json(path: Path) -> Any:
    """A JSON document.

    raises: DataError with line and column
    """
    return parse(str(path), "\n".join(read_lines(path)))


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """("file:line", object) for each line that is not blank.

    raises: DataError with the line
    """
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        row = read_object(where, line)
        yield where, row


def read_object(where: str, line: str) -> dict[str, Any]:
    """The JSON object that a line holds.

    raises: DataError
    """
    row = parse(where, line, line="a JSON object a line")
    if not isinstance(row, dict):
        raise DataError(where, "a JSON object a line", type(row).__name__)
    return row


def read_table(
    path: Path, *, delimiter: str = "\t", header: bool | Sequence[str] = True, quoting: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """("file:line", row) for each line of a CSV or TSV file.

    header: True: the first line names the columns; else the names of the columns of a file without header
    quoting: CSV quotes; without it, a quotation mark is text

    raises: DataError with the line where a row has too few or too many cells
    """
    csv.field_size_limit(2**31 - 1)
    lines = read_lines(path)
    rows = csv.reader(
        (line + "\n" for line in lines), delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE
    )
    columns = None if header is True else list(header or ())
    try:
        for row in rows:
            where = f"{path}:{rows.line_num}"
            if not row:
                continue
            if columns is None:
                columns = row
                if len(set(columns)) < len(columns):
                    raise DataError(where, "a different name for each column", ", ".join(columns))
                continue
            if len(row) != len(columns):
                raise DataError(where, f"{len(columns)} cells ({', '.join(columns)})", f"{len(row)}")
            yield where, dict(zip(columns, row, strict=True))
    except csv.Error as e:
        if "new-line character" not in str(e):
            raise DataError(f"{path}:{rows.line_num}", "CSV", str(e)) from e
        hint = "within a cell it wants quotes, as CSV has them" if quoting else "a cell of tab-separated text cannot hold it"
        found = "a carriage return alone, without a line feed after it"
        raise DataError(f"{path}:{rows.line_num}", "lines that end in a line feed", found, hint) from e


def read_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, row) for each record of a file whose format its name says: .jsonl, .json (a list), .csv, .tsv, .parquet.

    raises: DataError; InputError for any other name
    """
    name = path.name.removesuffix(".gz")
    if name.endswith((".jsonl", ".ndjson")):
        yield from read_json_lines(path)
    elif name.endswith(".json"):
        yield from _read_json_records(path)
    elif name.endswith(".csv"):
        yield from read_table(path, delimiter=",", quoting=True)
    elif name.endswith(".tsv"):
        yield from read_table(path)
    elif name.endswith(".parquet"):
        yield from _read_parquet(path)
    else:
        raise InputError(
            f"{path}: the format is not known by this name", "known: .jsonl .json .csv .tsv .parquet, and .gz of the texts"
        )


def _read_json_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A list of objects, or, as many data sets have it, an object a line."""
    lines = read_lines(path)
    if lines and lines[0].lstrip().startswith("{"):
        yield from read_json_lines(path)
        return
    rows = read_json(path)
    if not isinstance(rows, list):
        raise DataError(str(path), "a list of objects", type(rows).__name__)
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(f"{path}: [{i}]", "an object", type(row).__name__)
        yield f"{path}: [{i}]", row


def _read_parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    check_file(path)
    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                yield f"{path}: row {number}", row
                number += 1
    # a damaged text is a UnicodeDecodeError, a date out of all calendars an OverflowError
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError, OverflowError) as e:
        raise DataError(str(path), "a Parquet file", f"a damaged one: {str(e).splitlines()[0]}") from e


def column(where: str, row: Mapping[str, Any], name: str) -> Any:
    """A row's value.

    raises: DataError that names the columns that there are
    """
    if name not in row:
        raise DataError(where, f"a column {name!r}", f"{', '.join(map(str, row))}", "say which with --columns field=column,…")
    return row[name]


def warn_flaws(where: str, count: int, what: str) -> None:
    """Says how many items of a published data set have a known flaw; nothing if none has."""
    if count:
        warnings.warn(f"{where}: {count} {what}", DataWarning, stacklevel=2)


def draw(examples: Sequence[Example], limit: int | None) -> tuple[Example, ...]:
    """At most `limit` examples in their order: those whose ids have the smallest hashes, so the same for every model."""
    if limit is None or limit >= len(examples):
        return tuple(examples)
    ranked = sorted(examples, key=lambda e: hashlib.sha256(e.id.encode("utf-8", "surrogatepass")).digest())
    kept = {e.id for e in ranked[:limit]}
    return tuple(e for e in examples if e.id in kept)


def holds_objects(path: Path, lines: Sequence[str]) -> bool:
    """Whether a file of predictions is one of JSON lines: its name says so, or its first line is an object with an id.

    A text may begin with a brace, too.
    """
    if path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson", ".json")):
        return True
    first = next((line for line in lines if line.strip()), "")
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return re.match(r'\s*\{\s*"(id|prediction)"\s*:', first) is not None  # one that is broken
    return isinstance(row, dict) and "id" in row


def read_predictions(path: Path, examples: Sequence[Example]) -> dict[str, Prediction]:
    """id → prediction, from JSON lines with "id" and "prediction", or one prediction a line in the examples' order.

    raises: DataError with the line
    """
    lines = read_lines(path)
    if holds_objects(path, lines):
        found: dict[str, Prediction] = {}
        for where, row in read_json_lines(path):
            id_ = str(column(where, row, "id"))
            if id_ in found:
                raise DataError(where, "each id once", f"{id_!r} again")
            if row.get("skipped") is True:
                continue
            value, scores = column(where, row, "prediction"), row.get("scores", {})
            if value is not None and not isinstance(value, (str, int, float, list)):
                raise DataError(where, "a prediction: a text, a number, a list or null", json.dumps(value))
            if not isinstance(scores, dict) or not all(isinstance(s, (int, float)) for s in scores.values()):
                raise DataError(where, "scores: an object of numbers", json.dumps(scores))
            found[id_] = Prediction(value=value, scores=scores)
        return found
    if len(lines) != len(examples):
        raise DataError(str(path), f"{len(examples)} lines, one for each example", f"{len(lines)}")
    return {e.id: Prediction(value=line) for e, line in zip(examples, lines, strict=True)}


def write_predictions(examples: Sequence[Example], predictions: Mapping[str, Prediction]) -> str:
    """JSON lines with "id", "prediction" and "scores", in the order of the examples."""
    rows = ({"id": e.id, "prediction": predictions[e.id].value, "scores": dict(predictions[e.id].scores)} for e in examples)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
