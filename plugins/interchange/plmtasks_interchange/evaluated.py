"""What a file of lm-eval's results says of one task."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from plmtasks.errors import DataError
from plmtasks.files import check, read_json

from .samples import Samples, read_samples

ORIGIN = "lm-eval"

ASKED = {
    "multiple_choice": "Choose",
    "loglikelihood": "LogLikelihood",
    "loglikelihood_rolling": "LogLikelihood",
    "generate_until": "Generate",
}
"""lm-eval's kind of request → ours"""

NO_SCORES = ("name", "alias", "sample_len", "sample_count")

BUILDERS = ("json", "csv", "parquet", "text", "arrow", "pandas")
"""What stands for a data set where its files are named."""

_OBJECT, _COUNT = (dict, type(None)), (int, float, str, type(None))
DOCUMENT = {
    "group_subtasks?": _OBJECT, "config?": _OBJECT, "configs?": {...: _OBJECT}, "higher_is_better?": {...: _OBJECT},
    "n-shot?": {...: _COUNT}, "n-samples?": {...: {"original?": _COUNT, "effective?": _COUNT}}, "model_name?": (str, type(None)),
}  # fmt: skip
"""What a file of lm-eval holds beside its results, as far as it is read; files of every version have some of it."""


@dataclass(frozen=True)
class Evaluated:
    """One task in a file of results."""

    path: Path
    document: Mapping[str, Any]
    name: str

    def of(self, key: str) -> Any:
        """What the file says of this task under a key of its first level."""
        found = self.document.get(key)
        return found.get(self.name) if isinstance(found, dict) else None

    @cached_property
    def config(self) -> Mapping[str, Any]:
        return self.of("configs") or {}

    @cached_property
    def general(self) -> Mapping[str, Any]:
        """Of the model and the run."""
        return self.document.get("config") or {}

    @cached_property
    def scores(self) -> dict[tuple[str, str], tuple[float | None, float | None]]:
        """(metric, filter) → value and standard error, as lm-eval has them; the first is the main one.

        raises: DataError if there is none
        """
        raw = self.document["results"][self.name]
        found = {}
        for key, value in raw.items():
            metric, _, applied = key.partition(",")
            if key not in NO_SCORES and not metric.endswith("_stderr") and isinstance(value, int | float):
                error = raw.get(f"{metric}_stderr,{applied}", raw.get(f"{metric}_stderr"))
                found[metric, applied or "none"] = finite(value), finite(error)
        if not found:
            raise DataError(f"{self.path}: {self.name}", "a score", ", ".join(raw) or "nothing")
        return found

    @cached_property
    def samples(self) -> Samples | None:
        """Its logged examples, if they lie beside the results.

        raises: DataError if they are not those that the results count
        """
        date = self.path.stem.rpartition("_")[2]
        path = self.path.parent / f"samples_{self.name}_{date}.jsonl"
        beside = path.resolve().parent == self.path.parent.resolve()  # whatever the file calls its tasks
        found = read_samples(path) if beside and path.is_file() else None
        if found is not None and self._said not in (None, len(found.hashes)):
            raise DataError(str(path), f"{self._said} examples as in {self.path.name}", str(len(found.hashes)))
        return found

    @property
    def _said(self) -> int | None:
        counts = self.of("n-samples") or {}
        said = counts.get("effective", self.document["results"][self.name].get("sample_len"))
        return None if said is None else int(said)

    @cached_property
    def examples(self) -> int:
        """raises: DataError if nothing says how many"""
        found = len(self.samples.hashes) if self.samples else self._said
        if found is None:
            raise DataError(f"{self.path}: {self.name}", "the number of examples, as n-samples", "none", "use a newer lm-eval")
        return found

    @cached_property
    def of_split(self) -> int:
        return int((self.of("n-samples") or {}).get("original", self.examples))

    @property
    def data_name(self) -> str:
        source, part = self.config.get("dataset_path") or self.name, self.config.get("dataset_name")
        files = (self.config.get("dataset_kwargs") or {}).get("data_files")
        if source in BUILDERS and files:
            return ", ".join(_local(file) for file in _leaves(files))
        return f"{_local(source)}#{part}" if part else _local(source)

    @property
    def split(self) -> str:
        named = (self.config.get(key) for key in ("test_split", "validation_split", "training_split"))
        return next((str(split) for split in named if split), "test")

    @cached_property
    def fingerprint(self) -> str:
        """Of what lm-eval tells of its examples: their hashes where it logged them, else where they come from and how many."""
        told: Any = [self.data_name, self.split, self.name, self.of("versions"), self.of_split, self.examples]
        if self.samples:
            told = self.samples.hashes
        return hashlib.sha256(json.dumps([ORIGIN, told], ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def model(self) -> str:
        """raises: DataError if it has no name"""
        named = (self.model_args.get(key) for key in ("peft", "pretrained", "model"))
        found = next((name for name in (self.document.get("model_name"), *named, self.general.get("model")) if name), None)
        if found is None:
            raise DataError(str(self.path), "the model's name", "none")
        return _local(str(found))

    @cached_property
    def model_args(self) -> dict[str, Any]:
        args = self.general.get("model_args") or {}
        check(f"{self.path}: config.model_args", args, (str, dict))
        if isinstance(args, str):
            return {name: value for name, equals, value in (pair.partition("=") for pair in args.split(",")) if equals}
        return dict(args)

    @property
    def kind(self) -> str:
        return str(self.config.get("output_type", "generate_until"))

    @property
    def shots(self) -> int:
        return int(self.of("n-shot") or 0)


def read_tasks(path: Path) -> list[Evaluated]:
    """The tasks of a file; not their groups, which have no examples of their own.

    raises: DataError
    """
    document = read_json(path)
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, dict) or not results or not all(isinstance(scores, dict) for scores in results.values()):
        raise DataError(str(path), 'results of lm-eval: an object with "results", scores by task', _shape(document))
    check(str(path), document, DOCUMENT)
    groups = {name for name, members in (document.get("group_subtasks") or {}).items() if members}
    return [Evaluated(path=path, document=document, name=name) for name in results if name not in groups]


def _shape(document: Any) -> str:
    if not isinstance(document, dict):
        return type(document).__name__
    return f"an object with {', '.join(list(document)[:8]) or 'nothing'}"


def finite(value: Any) -> float | None:
    """The number; None for what is none, as "N/A" or infinity."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _local(name: str) -> str:
    """A name without the folders that it happens to lie in."""
    return Path(name).name if name.startswith(("/", "./", "../", "~")) else name


def _leaves(value: Any) -> Iterator[str]:
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _leaves(item)
    if isinstance(value, str):
        yield value
