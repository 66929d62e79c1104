"""A metric of the evaluate library, by name or from a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from plmtasks.errors import InputError, MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Means, ScoreInfo, Value
from plmtasks.model import Provider

from .inputs import made_up, wanted

if TYPE_CHECKING:
    from plmtasks.task import Task

OWN = ("config_name", "per_example", "lower", "trust_remote_code")
"""Options that are not handed to the metric's `compute`."""
LOWER = frozenset({
    "wer", "cer", "ter", "mer", "mse", "mae", "mape", "smape", "mase", "rmse", "perplexity", "mean_perplexity", "brier_score",
    "nist_mt_error", "hamming_loss", "character",
})  # fmt: skip
"""Metrics and scores of the library that are better when they are lower; it tells of none."""


class Modules(Provider):
    """`evaluate:NAME`, `evaluate:FOLDER`, and either with options: `evaluate:f1?average=macro`."""

    scheme = "evaluate"
    description = "a metric of the evaluate library, by its name or a folder with its script: evaluate:f1?average=macro"

    def make(self, name: str) -> "Imported":
        path, _, query = name.partition("?")
        try:
            options = {key: _value(text) for key, text in parse_qsl(query, strict_parsing=bool(query))}
        except ValueError:
            path = ""
        if not path:
            raise InputError(f"evaluate:{name} names no metric", "evaluate:NAME, evaluate:FOLDER, evaluate:NAME?option=value&…")
        local = Path(path).expanduser().exists() or path.startswith((".", "/", "~"))
        if "/" in path and not local and options.get("trust_remote_code") is not True:
            raise InputError(
                f"evaluate:{path} would run code that somebody put on the hub",
                f"if you trust it: evaluate:{path}?trust_remote_code=true",
            )
        return Imported(name=f"evaluate:{name}", path=path, options=options)


@dataclass(frozen=True, kw_only=True)
class Imported(Means):
    """Scores as the library gives them, of all pairs at once; or, `per_example`, the means of what it gives each pair alone."""

    name: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: Sequence[str] = ()
    description: str = "a metric of the evaluate library"

    def bind(self, task: "Task") -> "Imported":
        return replace(self, labels=tuple(task.labels))

    @property
    def alone(self) -> bool:
        return bool(self.options.get("per_example"))

    @cached_property
    def module(self) -> Any:
        """raises: MetricError if there is no such metric, or it cannot be loaded"""
        import evaluate

        path = str(Path(self.path).expanduser()) if self.path.startswith("~") else self.path
        try:
            return evaluate.load(path, self.options.get("config_name"), keep_in_memory=True, seed=0)
        except FileNotFoundError as e:
            raise MetricError(
                f"there is no metric {self.path!r}: neither a folder with a script of that name, nor in the library's cache, "
                "nor could it be had from the hub",
                "evaluate:FOLDER takes FOLDER/NAME.py, where FOLDER ends in NAME; offline, load it once where there is a network",
            ) from e
        except Exception as e:  # a script may do anything
            raise MetricError(f"the metric {self.path!r} cannot be loaded: {type(e).__name__}: {e}") from e

    @cached_property
    def names(self) -> Sequence[str]:
        """Those of its scores that are single numbers, as two made-up pairs have them: the library declares none.

        raises: MetricError
        """
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about made-up pairs helps nobody
            names = list(self._asked(made_up(self.module.features)))
        if not names:
            raise MetricError(f"{self.name} gives no single number")
        return names

    def scores(self) -> Mapping[str, ScoreInfo]:
        lower = self.options.get("lower")
        stem = Path(self.path).name.removesuffix(".py")
        return {
            name: ScoreInfo(
                best=None, unit="evaluate", minimum=None, maximum=None, mean_of=name if self.alone else None,
                higher_is_better=not lower if lower is not None else not {stem, name} & LOWER,
            )
            for name in self.names
        }  # fmt: skip

    def means(self) -> Mapping[str, ScoreInfo]:
        return self.scores() if self.alone else {}

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        pairs = zip(predictions, examples, strict=True)
        return [self._found([p], [e]) if self.alone else {} for p, e in pairs]

    def compute(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        return {} if self.alone or not examples else self._found(predictions, examples)

    def signature(self) -> str:
        from importlib.metadata import version

        return f"{self.name}|script {self.module._hash}|evaluate {version('evaluate')}"

    def _found(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        given = wanted(self.module.features, predictions, examples, self.labels, self.name)
        found = self._asked(given)
        missing = [name for name in self.names if name not in found]
        if missing:
            raise MetricError(f"{self.name} gave no {missing[0]!r} for these {len(examples)} predictions", *_shown(given))
        return {name: found[name] for name in self.names}

    def _asked(self, given: Mapping[str, Sequence[Any]]) -> dict[str, float]:
        """Every single number that the metric gives.

        raises: MetricError
        """
        import numpy as np

        options = {key: value for key, value in self.options.items() if key not in OWN}
        try:
            found = self.module.compute(**given, **options)
        except Exception as e:  # a script may do anything
            raise MetricError(f"{self.name} cannot score these: {type(e).__name__}: {e}", *_shown(given)) from e
        return {name: float(value) for name, value in (found or {}).items() if np.ndim(value) == 0 and _is_number(value)}


def _is_number(value: Any) -> bool:
    import numpy as np

    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _shown(given: Mapping[str, Sequence[Any]]) -> list[str]:
    return [f"the first of its {name}: {values[0]!r:.80}" for name, values in given.items() if len(values)]


def _value(text: str) -> Any:
    """An option's value: as JSON if it is any."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text
