"""Published figures beside those that are found here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plmtasks.errors import InputError, PlmtasksError
from plmtasks.evaluation import Suite, read_rows
from plmtasks.hooks import Registry
from plmtasks.results import Result
from plmtasks.scoring import Submission, judge, write_run
from plmtasks.tables import Column, suite_table

from .cells import Cell, plan
from .sweeping import sweep


@dataclass(frozen=True)
class Claim:
    """What a row of a parity file says beside its run."""

    published: Mapping[str, float]
    """A score, as "accuracy" or "accuracy part=matched" → its figure, in the unit of the score."""
    tolerance: float
    """The most by which the mean of the seeds may differ."""
    source: str
    """Where the figure stands, and on what."""
    predictions: str | None = None
    """The file of what a published system predicted: it is scored, and nothing is run."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A row, and what was found."""

    task: str
    model: str
    claim: Claim
    found: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Score → value, low, high, examples, seeds, of what was found."""
    reason: str = ""
    """Why nothing was."""

    @property
    def differences(self) -> Mapping[str, float]:
        """Score → found less published."""
        return {score: float(found["value"]) - self.claim.published[score] for score, found in self.found.items()}

    @property
    def off(self) -> Mapping[str, float]:
        """The differences that are larger than the tolerance."""
        # figures are decimal numbers: a difference of the very tolerance is within it
        return {score: d for score, d in self.differences.items() if abs(d) > self.claim.tolerance + 1e-9}

    def __str__(self) -> str:
        if self.reason:
            return f"not run: {self.reason}"
        off = ", ".join(f"{difference:+.3g} ({score})" for score, difference in self.off.items())
        return f"off by {off}" if off else "reproduced"

    def record(self) -> dict[str, Any]:
        c = self.claim
        return {
            "task": self.task, "model": self.model, "verdict": str(self), "published": dict(c.published),
            "found": dict(self.found), "differences": dict(self.differences), "tolerance": c.tolerance, "source": c.source,
        }  # fmt: skip


def read_parity(path: Path) -> list[tuple[Suite, Claim]]:
    """The rows of a parity file.

    raises: InputError if there is no such file; DataError, which names file and line, for what is none
    """
    return read_rows(path, Claim)


def parity(rows: Sequence[tuple[Suite, Claim]], registry: Registry) -> Iterator[Verdict]:
    """Runs each row as a sweep runs its cells, and says how far it is from what was published."""
    for suite, claim in rows:
        (task, model), *_ = suite.pairs()
        verdict = Verdict(task=task.name, model=model.name, claim=claim)
        try:
            results = [_scored(suite, claim, registry)] if claim.predictions else _run(suite, registry)
            yield replace(verdict, found=_found(task.name, claim, results))
        except PlmtasksError as e:
            yield replace(verdict, reason=e.message)


def _run(suite: Suite, registry: Registry) -> list[Result]:
    """raises: PlmtasksError if a run cannot be made"""

    def tell(number: int, cell: Cell) -> None:
        pass

    cells = sweep(plan(suite, registry), registry, tell, retry=True)
    results = [cell.result for cell in cells if cell.result is not None]
    if len(results) < len(cells):
        raise InputError(next(cell.reason for cell in cells if cell.result is None))
    return results


def _scored(suite: Suite, claim: Claim, registry: Registry) -> Result:
    """raises: PlmtasksError if the predictions cannot be read"""
    config = suite.configs(*next(suite.pairs()))[0]
    registry.named("task", config.task, str(suite.path))
    submission = Submission(path=Path(claim.predictions or ""), split=config.split, metrics=config.metrics)
    return write_run(judge(registry, config.task, config.source, submission), config.model, config.output).result


def _found(task: str, claim: Claim, results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """raises: InputError if the runs have no such score"""
    columns = [Column(title=score, scores=(f"{task} {score}",)) for score in claim.published]
    (line,) = suite_table(results, columns, {result.identity: "" for result in results}).lines
    missing = [score for score in claim.published if score not in line.cells]
    if missing:
        raise InputError(f"{task} has no score {missing[0]!r}")
    totals = {score: cell.total for score, cell in line.cells.items()}
    return {
        score: {"value": f.value, "low": f.low, "high": f.high, "examples": f.examples, "seeds": len(f.seeds)}
        for score, f in totals.items()
    }
