"""The scores of lm-eval as ours, with intervals from its samples or its standard errors."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .evaluated import ORIGIN, Evaluated
from .scales import PERCENTAGES, Z

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRACTIONS = {"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "acc_all", "exact_match", "em", "f1", "mcc", "likelihood"}
"""Scores that lm-eval gives as fractions; they become points."""

UNITS = {"perplexity": "perplexity", "word_perplexity": "perplexity", "byte_perplexity": "perplexity", "bits_per_byte": "bits"}

BEST = {"points": 100.0, "perplexity": 1.0, "bits": 0.0}

TRANSFORMS: Sequence[Callable[[Any], Any]] = (lambda x: x, lambda x: math.e**-x, lambda x: -x / math.log(2))
"""What lm-eval makes of the mean of its examples' values: itself, a perplexity, bits a byte."""

Ends = tuple[float | None, float | None, str]
"""Low, high, and the method that gave them."""


def metric_name(applied: str) -> str:
    """lm-eval's answers are read in one way, "none", or in the several ways of its filters."""
    return ORIGIN if applied == "none" else f"{ORIGIN}:{applied}"


def scored(task: Evaluated) -> "tuple[dict[str, NDArray[Any]], dict[str, dict[str, Any]]]":
    """The columns of statistics by name, as far as samples were logged, and the scores as in `result.json`."""
    columns: dict[str, NDArray[Any]] = {}
    scores: dict[str, dict[str, Any]] = {}
    for (name, applied), (value, error) in task.scores.items():
        metric = metric_name(applied)
        points = name in FRACTIONS and value is not None and abs(value) <= 1
        unit = "points" if points or name in PERCENTAGES else UNITS.get(name, "as lm-eval gives it")
        sums = _sums(task, name, applied)
        if sums is not None:
            rows, transform = sums
            columns[f"{metric}:{name}"], columns[f"{metric}:{name} weight"] = rows.T
            low, high, method = _bootstrapped(rows, transform)
        else:
            low, high, method = _from_error(value, error, task.examples, fraction=points and name != "mcc")
        scores.setdefault(metric, {})[name] = {
            **{key: None if v is None else v * (100.0 if points else 1.0) for key, v in _named(value, low, high).items()},
            "interval": method, "unit": unit, "higher_is_better": _higher(task, name), "best": BEST.get(unit),
        }  # fmt: skip
    return columns, scores


def _named(value: float | None, low: float | None, high: float | None) -> Mapping[str, float | None]:
    return {"value": value, "low": low, "high": high}


def _higher(task: Evaluated, name: str) -> bool:
    said = (task.of("higher_is_better") or {}).get(name)
    return name not in UNITS and name != "ter" if said is None else bool(said)


def _sums(task: Evaluated, name: str, applied: str) -> "tuple[NDArray[Any], Callable[[Any], Any]] | None":
    """(n, 2): each example's value and weight, and what makes the score of the sums' ratio; None if nothing known does."""
    import numpy as np

    value = task.scores[name, applied][0]
    values = task.samples.values(name, applied) if task.samples else None
    pairs = [v if isinstance(v, list) and len(v) == 2 else [v, 1] for v in values or ()]
    if value is None or not pairs or not all(isinstance(number, int | float) for pair in pairs for number in pair):
        return None
    rows = np.array(pairs, dtype=np.float64)
    total, weight = rows.sum(axis=0)
    with np.errstate(all="ignore"):
        found = [t for t in TRANSFORMS if weight > 0 and math.isclose(t(total / weight), value, rel_tol=1e-9, abs_tol=1e-12)]
    return (rows, found[0]) if found else None


def _bootstrapped(rows: "NDArray[Any]", transform: Callable[[Any], Any]) -> Ends:
    from plmtasks.statistics import bootstrap

    found = bootstrap(rows, lambda totals: {"score": transform(totals[..., 0] / totals[..., 1])}, proportions={"score": 0})
    return found["score"].low, found["score"].high, found["score"].method


def _from_error(value: float | None, error: float | None, n: int, *, fraction: bool) -> Ends:
    """The normal interval, or Wilson's where the standard error is that of a proportion: no interval if that is 0 and it is none.

    fraction: the value is a mean of values between 0 and 1
    """
    from plmtasks.statistics import wilson

    if value is None or error is None or n < 2:
        return None, None, "none"
    # of values between 0 and 1, only those that are all 0 or 1 have this deviation
    if fraction and math.isclose(error, math.sqrt(max(0.0, value * (1 - value)) / (n - 1)), rel_tol=1e-6, abs_tol=1e-12):
        return *wilson(value, n), "wilson"
    if error == 0:
        return None, None, "none"
    low, high = value - Z * error, value + Z * error
    return (max(0.0, low), min(1.0, high), "standard error") if fraction else (low, high, "standard error")
