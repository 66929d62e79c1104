"""How a model answers the same examples put in another way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError
from ..examples import Example, Prediction
from ..hooks import Registry
from ..metric import Metric
from ..results import identity_hash, prediction_lines
from ..scoring import Asked, Scored, brief, main_score, proportions, score, shared_clusters
from ..statistics import SLICE_RESAMPLES, compare
from ..task import Perturbation, Rewritable, Task


@dataclass(frozen=True, kw_only=True)
class Perturbed:
    """The examples that a perturbation changes, and what is asked of them instead."""

    perturbation: Perturbation
    asked: Asked
    """The examples changed, under the ids that they had and with their references."""

    @property
    def name(self) -> str:
        return self.perturbation.name

    def identity(self) -> dict[str, str]:
        """What of it is in a run's identity."""
        return {
            "signature": self.perturbation.signature(),
            "requests": identity_hash({"keys": [[e.id, k] for e, k in zip(self.asked.examples, self.asked.keys, strict=True)]}),
        }


def perturb(
    names: Sequence[str], task: Task, examples: Sequence[Example], registry: Registry, ask: Callable[[Sequence[Example]], Asked]
) -> list[Perturbed]:
    """What each perturbation makes of the examples; it does not see their references.

    ask: makes the requests of changed examples

    raises: UnknownNameError, PluginError; InputError if the task has nothing that it may change
    """
    perturbed = []
    for perturbation in {p.name: p for p in map(registry.perturbation, names)}.values():
        if not perturbation.fields(task):
            fitting = ", ".join(name for name, p in registry.items["perturbation"].items() if p.fields(task)) or "none"
            raise InputError(
                f"{task.name} cannot be perturbed by {perturbation.name!r}: {_why(perturbation, task)}",
                f"those that fit it: {fitting}   (plmtasks list perturbations)",
            )
        changes = ((e, perturbation.change(e.hidden(), task)) for e in examples)
        changed = [replace(c, reference=e.reference, slices=e.slices) for e, c in changes if c is not None]
        perturbed.append(Perturbed(perturbation=perturbation, asked=ask(changed)))
    return perturbed


def _why(perturbation: Perturbation, task: Task) -> str:
    if perturbation.languages and task.language not in perturbation.languages:
        return f"it changes texts in {', '.join(perturbation.languages)}, and these are in {task.language}"
    if perturbation.exchanges_people and isinstance(task, Rewritable) and task.texts:
        return "its answers depend on who a text speaks of"
    return "none of its inputs may be put in another way"


def record(
    metrics: Sequence[Metric],
    examples: Sequence[Example],
    scored: Scored,
    perturbed: Mapping[str, tuple[Sequence[Example], Mapping[str, Prediction]]],
) -> dict[str, Any]:
    """What a result tells of each perturbation: scores of the examples that it changed, and how far the main score moved on them.

    examples, scored: as they were unperturbed
    perturbed: perturbation → its examples and their predictions
    """
    told = {}
    for name, (changed, predictions) in perturbed.items():
        after = score(metrics, changed, predictions, resamples=SLICE_RESAMPLES)
        told[name] = {
            "examples": len(changed),
            "scores": {metric: brief(scores) for metric, scores in after.scores.items()} if changed else {},
            "difference": _difference(metrics[0], examples, scored, changed, after),
        }
    return told


def _difference(
    metric: Metric, examples: Sequence[Example], scored: Scored, changed: Sequence[Example], after: Scored
) -> dict[str, Any] | None:
    """The main score after less before, on the examples that were answered both times; None where it is not defined."""
    import numpy as np

    place = {e.id: i for i, e in enumerate(examples)}
    before, rows = scored.of(metric)[[place[e.id] for e in changed]], after.of(metric)
    both = ~(np.isnan(before).any(axis=1) | np.isnan(rows).any(axis=1))
    if both.sum() < 2:
        return None
    clusters = shared_clusters([changed[i] for i in np.flatnonzero(both).tolist()])
    found = compare(
        rows[both], before[both], metric.reduce, clusters=clusters, proportions=proportions(metric), resamples=SLICE_RESAMPLES
    )
    d = found.get(main_score(metric))
    if d is None:
        return None
    return {"value": d.value, "low": d.low, "high": d.high, "p": d.p_randomization, "examples": int(both.sum())}


def lines(perturbed: Mapping[str, tuple[Sequence[Example], Mapping[str, Prediction]]]) -> Iterator[str]:
    """The lines of `perturbed.jsonl`: as `predictions.jsonl`, with the perturbation behind a ~ in the id."""
    for name, (examples, predictions) in perturbed.items():
        renamed = (replace(e, id=f"{e.id}~{name}") for e in examples)
        yield from prediction_lines(renamed, {f"{id_}~{name}": p for id_, p in predictions.items()})
