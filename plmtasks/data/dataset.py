"""Examples from the hub, from files, from the built-in samples; their fingerprint."""

import fnmatch
import hashlib
import json
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..config import Source
from ..errors import DataError, DataWarning, InputError, counted, summary_of
from ..examples import Example, Prediction, fingerprint
from ..files import (
    Layout,
    asked_of_datasets,
    asked_of_hub,
    bad_rows_aside,
    kind_of,
    laid_out,
    parse,
    read_json_lines,
    read_lines,
    read_records,
)
from .places import Places

Reader = Callable[[Path], Iterable[Example]]
"""Reads one file of one split; raises DataError."""

Patterns = Mapping[str, Sequence[str]]

SPLIT_FILES: Patterns = {
    "train": ("train.*", "train_few_all.*", "*train*.*"),
    "validation": ("validation.*", "valid.*", "val.*", "dev.*", "dev_few_all.*", "*valid*.*", "*dev*.*"),
    "test": ("test_public.*", "test.*", "*test*.*"),  # FewCLUE's test.* has no labels
}
"""The file names that are taken for a split, the first pattern that fits exactly one file; a reader may bring its own."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Named splits of examples, each read when it is first asked for."""

    name: str
    readers: Mapping[str, Callable[[], Iterable[Example]]]
    published: bool = False
    """Whether this is the task's own data set, whose flaws are known, and not the user's."""
    evaluated: str = ""
    """The split that is evaluated if none is named; "": validation, else test."""
    train_name: str | None = None
    """Where the train split comes from, if not from where the others do."""
    labels: Callable[[], Sequence[str]] = tuple
    """The labels that the files name that were read, whether or not an example has them."""
    skip_bad_rows: bool = False
    """Whether rows that cannot be used are left out, and counted, instead of an error that tells all of them."""
    _read: dict[str, tuple[Example, ...]] = field(default_factory=dict, repr=False, init=False)
    _left_out: dict[str, int] = field(default_factory=dict, repr=False, init=False)
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
            here = f"{self.name}, split {split}"
            with bad_rows_aside() as bad:
                examples = tuple(self.readers[split]())
            if bad.errors and not (self.skip_bad_rows and examples):
                raise bad.error(all_bad=not examples)
            if not examples:
                raise DataError(here, "at least one example", "none")
            if places := Places(len(examples), lambda place: examples[place].id).again():
                twice = list(dict.fromkeys(examples[place].id for place in places))
                many = counted(len(twice), "id is not unique", "ids are not unique")
                raise DataError(here, "a different id for each example", f"{twice[0]!r} more than once", many)
            if without := sum(e.undisclosed for e in examples) % len(examples):  # all of them are a split to be predicted
                examples = tuple(e for e in examples if not e.undisclosed)
                warn_flaws(here, without, "examples have no reference, and are left out", "example has no reference: left out")
            self._read[split], self._left_out[split] = examples, len(bad.errors) + without
            left = f"{f' of {bad.rows:,}' if bad.rows else ''} cannot be used, and"
            warn_flaws(here, len(bad.errors), f"rows{left} are left out", f"row{left} is left out")
            warn_flaws(here, sum(map(is_empty, examples)), "examples have an empty text", "example has an empty text")
        return self._read[split]

    def left_out(self, split: str) -> int:
        """How many rows of a split could not be used."""
        return self._left_out[split] if self[split] else 0

    def total(self, split: str) -> int:
        """How many examples a split has, where not all of them may have been made for a limited run."""
        return len(self[split])

    def part_of(self, split: str) -> str | None:
        """The fingerprint of the split that this one is a part of; None: it is whole."""
        return None

    def default_split(self) -> str:
        """The split that is evaluated if none is named: the one said, else validation, else test, else the only one there is."""
        for split in (self.evaluated, "validation", "test", *self.readers):
            if split in self.readers and (split != "train" or len(self.readers) == 1):
                return split
        raise InputError(f"{self.name} has no split to evaluate", f"it has: {', '.join(self.readers)}")

    def fingerprint(self, split: str) -> str:
        if split not in self._hashes:
            self._hashes[split] = fingerprint(self[split])
        return self._hashes[split]

    def public_name(self, split: str, source: Source) -> str:
        """What a result calls the data of a split: its published name, or, of a user's own files, a name of their content.

        How files and folders are called is each user's own affair; a result has the same bytes whatever it is.

        source: what the data were opened from
        """
        named = (source.train_data if split == "train" else None) or source.data
        if named is None or named.startswith("hf://"):
            return named or self.name
        return content_name(self.fingerprint(split))


CONTENT = "content "
"""How the name of data begins that have none but that of their content."""


def content_name(fingerprint: str) -> str:
    """The name of a user's own data, whatever their files are called."""
    return f"{CONTENT}{fingerprint[:12]}"


def is_empty(example: Example) -> bool:
    """Whether one of its texts has no character that is seen."""
    return "" in [value.strip() for value in example.inputs.values() if isinstance(value, str)]


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
    said: Layout | None = None,
) -> Dataset:
    """The data set that `source` names, else the task's own.

    patterns: the file names of each split, or what tells them of a file or folder
    said: how the files are laid out, if not as `source` alone says

    raises: InputError if neither is there, or there are names for the columns of no file
    """
    readers: Mapping[str, Callable[[], Iterable[Example]]] = {}
    published, evaluated, train = False, "", source.train_data
    said = said or Layout.of(source.columns, source.rows, source.separator)

    def examples(path: Path) -> Iterable[Example]:
        with laid_out(said):
            return list(read(path))

    def of_files(where: str) -> Mapping[str, Callable[[], Iterable[Example]]]:
        if where.startswith("hf://"):
            files = _generic_hub_files(where)
        else:
            files = split_files(Path(where), patterns(Path(where)) if callable(patterns) else patterns)
        return {split: partial(examples, path) for split, path in files.items()}

    if source.data is not None:
        readers, name = of_files(source.data), source.data
    elif own is not None:
        if (source.columns or source.rows or source.separator) and train is None:
            raise InputError(f"--columns is for your own files, and {name} has none of them here", "name them with --data PATH")
        readers, name, published, evaluated = own.readers, own.name, own.published, own.evaluated
    elif train is None:
        raise InputError(f"{name} has no data of its own here", "name a file or folder with --data PATH")
    if train is not None:
        found = of_files(train)
        if "train" not in found and len(found) > 1:
            raise InputError(f"{train}: no train split", f"its splits: {', '.join(found)}")
        first = found.get("train") or next(iter(found.values()))
        readers = {"train": first, **{s: r for s, r in readers.items() if s != "train"}}
    return Dataset(
        name=name, readers=readers, published=published, evaluated=evaluated, train_name=train, skip_bad_rows=source.skip_bad_rows
    )  # fmt: skip


def split_files(path: Path, patterns: Patterns = SPLIT_FILES) -> dict[str, Path]:
    """The file of each split. A single file is the split that its name says, else "test".

    raises: InputError if there is no such path, no file that fits, or more than one
    """
    if path.is_file():
        for split, globs in patterns.items():
            if any(fnmatch.fnmatch(path.name.lower(), g) for g in globs):
                return {split: path}
        return {"test": path}
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    names = sorted(p.name for p in path.iterdir() if p.is_file())
    found: dict[str, Path] = {}
    for split, globs in patterns.items():
        fitting = next(filter(None, ([n for n in names if fnmatch.fnmatch(n.lower(), g)] for g in globs)), [])
        if len(fitting) > 1:
            said = f"{path}: more than one file could be the {split} split: {', '.join(fitting)}"
            raise InputError(said, "name one of them with --data, or leave one of them in the folder")
        found.update((split, path / name) for name in fitting)
    if not found:
        wanted = ", ".join(p for globs in patterns.values() for p in globs)
        raise InputError(f"{path}: no file of any split", f"looked for: {wanted}", f"found: {', '.join(names) or 'no file'}")
    return found


def hub_dataset(hub: HubData, read_rows: Callable[[Iterable[tuple[str, dict[str, Any]]]], Iterable[Example]]) -> Dataset:
    """A pinned data set of the hub; `read_rows` makes examples of (where, row) pairs."""

    def read(path: str) -> Iterable[Example]:
        return read_rows(read_records(hub_file(hub.repo, path, hub.revision)))

    readers = {split: partial(read, path) for split, path in hub.files.items()}
    return Dataset(name=f"hf://{hub.repo}@{hub.revision}", readers=readers, published=True)


def hub_file(repo: str, path: str, revision: str) -> Path:
    """A file of a data set's repository, downloaded or from the hub's cache.

    raises: InputError if it is not cached and the hub cannot be reached
    """
    from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache

    found = try_to_load_from_cache(repo, path, revision=revision, repo_type="dataset")
    try:
        if not isinstance(found, str):
            # of no file at all: this finds out in a second that there is no network, a download in twenty
            snapshot_download(repo, repo_type="dataset", allow_patterns=[])
            found = hf_hub_download(repo, path, repo_type="dataset", revision=revision)
    except (OSError, ValueError) as e:  # the hub's errors are OSErrors, a bad name is a ValueError
        said = f"data set {repo}@{revision}: {path} is not in the hub's cache, and the hub did not give it"
        hint = "with no network, name files with --data PATH, or a --bundle that holds it"
        raise InputError(said, f"{type(e).__name__}: {summary_of(e)}", hint) from e
    snapshot = Path(found.removesuffix(path))
    asked_of_hub(snapshot, [path], revision)
    return Path(found)


def _generic_hub_files(where: str) -> dict[str, Path]:
    """Every split of any data set on the hub, as Parquet files in datasets' cache."""
    import datasets

    name, _, config = where.removeprefix("hf://").partition("#")
    name, _, revision = name.partition("@")
    try:
        loaded = datasets.load_dataset(name, config or None, revision=revision or None)
    except (OSError, ValueError) as e:
        raise InputError(f"data set {where} cannot be read", f"{type(e).__name__}: {summary_of(e)}") from e
    asked_of_datasets(loaded)
    files = {}
    for split, rows in loaded.items():
        digest = hashlib.sha256(f"{where} {split} {rows._fingerprint}".encode()).hexdigest()[:16]
        path = Path(datasets.config.HF_DATASETS_CACHE) / "plmtasks" / f"{split}-{digest}.parquet"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.to_parquet(str(path))
        files[str(split)] = path
    return files


def warn_flaws(where: str, count: int, many: str, one: str = "") -> None:
    """Says how many items of a data set have a flaw that is no error; nothing if none has.

    many, one: what is said of several, "rows have no text", and of one, "row has no text"; without the second the first will do
    """
    if count:
        warnings.warn(f"{where}: {counted(count, one or many, many)}", DataWarning, stacklevel=2)


def draw(examples: Sequence[Example], limit: int | None) -> tuple[Example, ...]:
    """At most `limit` examples in their order: those whose ids have the smallest hashes, so the same for every model."""
    if limit is None or limit >= len(examples):
        return tuple(examples)
    ranked = sorted(examples, key=lambda e: hashlib.sha256(e.id.encode("utf-8", "surrogatepass")).digest())
    kept = {e.id for e in ranked[:limit]}
    return tuple(e for e in examples if e.id in kept)


def holds_objects(path: Path, lines: Sequence[str]) -> bool:
    """Whether a file of predictions has rows with ids: a table with a column of that name, or JSON lines.

    It has JSON lines if its name says so, or if its first line is an object with an id. A text may begin with a brace, too.
    """
    if _is_table(path, lines) or path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson", ".json")):
        return True
    first = next((line for line in lines if line.strip()), "")
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return re.match(r'\s*\{\s*"(id|prediction)"\s*:', first) is not None  # one that is broken
    return isinstance(row, dict) and "id" in row


TABLES = (".csv", ".tsv")


def _is_table(path: Path, lines: Sequence[str]) -> bool:
    """Whether it is a table whose first line names the columns "id" and "prediction"."""
    if kind_of(path) not in TABLES:
        return False
    cells = re.split(r"[,;\t|]", next((line for line in lines if line.strip() and not line.startswith("sep=")), ""))
    return {"id", "prediction"} <= {cell.strip(' "') for cell in cells}


def read_predictions(path: Path, examples: Sequence[Example]) -> dict[str, Prediction]:
    """id → prediction, from JSON lines or a table with "id" and "prediction", or one prediction a line in the examples' order.

    Where every prediction of a table is a list in JSON, they are lists.

    raises: DataError with the line
    """
    lines = read_lines(path)
    if holds_objects(path, lines):
        found: dict[str, Prediction] = {}
        for where, row in _table_rows(path) if _is_table(path, lines) else read_json_lines(path):
            if missing := next((name for name in ("id", "prediction") if name not in row and "skipped" not in row), None):
                raise DataError(where, f"a key {missing!r}", ", ".join(row))
            id_ = str(row["id"])
            if id_ in found:
                raise DataError(where, "each id once", f"{id_!r} again")
            if row.get("skipped") is True:
                continue
            value, scores = row["prediction"], row.get("scores", {})
            if value is not None and not isinstance(value, (str, int, float, list)):
                raise DataError(where, "a prediction: a text, a number, a list or null", json.dumps(value))
            if not isinstance(scores, dict) or not all(isinstance(s, (int, float)) for s in scores.values()):
                raise DataError(where, "scores: an object of numbers", json.dumps(scores))
            found[id_] = _predicted(where, {**row, "scores": scores})
        return found
    if len(lines) != len(examples):
        ways = ["or a table whose first line names the columns id and prediction"] if kind_of(path) in TABLES else []
        raise DataError(str(path), f"{counted(len(examples), 'line')}, one for each example", f"{len(lines)}", *ways)
    return {e.id: Prediction(value=line) for e, line in zip(examples, lines, strict=True)}


def _predicted(where: str, row: Mapping[str, Any]) -> Prediction:
    """raises: DataError for repeats or thinking that are none"""
    try:
        return Prediction.from_line(row)
    except (AttributeError, KeyError, TypeError) as e:
        raise DataError(
            where, 'repeats as a list of objects with "prediction" and "scores"', f"{row.get('repeats')!r:.80}"
        ) from e


def _table_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """(where, row) with the columns "id" and "prediction" of a table; others are not read."""
    rows = [(where, {"id": row["id"], "prediction": row["prediction"]}) for where, row in read_records(path)]
    try:
        lists = [parse(where, row["prediction"]) for where, row in rows]
    except DataError:
        return rows
    if not all(isinstance(value, list) for value in lists):
        return rows
    return [(where, {**row, "prediction": value}) for (where, row), value in zip(rows, lists, strict=True)]


def texts_only(path: Path, predictions: Mapping[str, Prediction], what: str = "a prediction") -> Mapping[str, Prediction]:
    """The predictions of a file, each of which is a text.

    what: a prediction in the task's words: "a summary"

    raises: DataError for the first that is something else
    """
    for id_, prediction in predictions.items():
        if not isinstance(prediction.value, str):
            raise DataError(f"{path}: {id_}", f"{what} as text", repr(prediction.value))
    return predictions


def write_predictions(examples: Sequence[Example], predictions: Mapping[str, Prediction]) -> str:
    """JSON lines with "id", "prediction", "scores" and what else a prediction has, in the order of the examples."""
    rows = ({"id": e.id, **predictions[e.id].to_line()} for e in examples)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
