"""What a result tells beside its scores, in a few lines."""

from collections.abc import Iterator
from typing import Any

from plmtasks.errors import counted
from plmtasks.files import Table, with_interval
from plmtasks.results import Result

NOTHING = {"value": None}


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
        if "transfer" in group:
            yield from _transfer(result, group["transfer"])


def _transfer(result: Result, found: Any) -> Iterator[str]:
    """What becomes of the source's score in the other slices: the gap in a line, and the slices in a table."""
    metric, score = result.record["primary_metric"]
    unit, parts = {"unit": result.record["scores"][metric][score]["unit"]}, result.record["slices"]
    gap, mean, less = found["gap"], found["mean"], found["differences"]
    own = {name: parts[name]["scores"][metric][score] for name in (found["from"], *less)}
    at_source = own[found["from"]]["value"]
    yield (
        f"{score} has a gap of {gap['value']:.2f}{_tested(gap)} from {found['from']}, {at_source:.2f}, to the mean of "
        f"{counted(len(less), 'other')}, {at_source - gap['value']:.2f}; the mean of all is {mean['value']:.2f}{_tested(mean)}"
    )
    lines = [
        [name, str(parts[name]["examples"]), with_interval({**unit, **s}), with_interval({**unit, **less.get(name, NOTHING)})]
        for name, s in own.items()
    ]
    table = Table(header=["slice", "n", f"{score}, 95 % interval", f"less {found['from']}"], lines=lines, right=("n",))
    yield from (f"  {line}" for line in str(table).splitlines())


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
    return ends + (f" (p {found['p']:.2g})" if found.get("p") is not None else "")
