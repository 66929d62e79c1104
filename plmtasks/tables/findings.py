"""What a result tells beside its scores, in a few lines."""

from collections.abc import Iterator
from typing import Any

from plmtasks.results import Result


def summary(result: Result) -> str:
    """The worst slice of each kind with its gap to the best, and what each perturbation did to the main score."""
    return "".join(f"  {line}\n" for line in (*_slices(result), *_perturbations(result)))


def _slices(result: Result) -> Iterator[str]:
    metric, score = result.record["primary_metric"]
    for group in result.record.get("groups", {}).values():
        worst, best = (result.record["slices"][group[name]] for name in ("worst", "best"))
        low, high = (s["scores"][metric][score]["value"] for s in (worst, best))
        yield (
            f"{score} is worst on {group['worst']}: {low:.2f} ({worst['examples']} examples), {group['gap']:.2f}{_tested(group)} "
            f"from the best, {group['best']}: {high:.2f} ({best['examples']})"
        )


def _perturbations(result: Result) -> Iterator[str]:
    metric, score = result.record["primary_metric"]
    for name, found in result.record.get("perturbations", {}).items():
        said = f"{name} changes {found['examples']} of {result.record['data']['examples']} examples"
        difference = found["difference"]
        if difference is None:
            yield said
            continue
        after = found["scores"][metric][score]["value"]
        yield f"{said}: their {score} is {after:.2f}, {difference['value']:+.2f}{_tested(difference)} from before"


def _tested(found: Any) -> str:
    ends = f" [{found['low']:.2f}, {found['high']:.2f}]" if found["low"] is not None else ""
    return ends + (f" (p {found['p']:.2g})" if found["p"] is not None else "")
