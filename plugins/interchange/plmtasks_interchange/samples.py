"""The examples that lm-eval logs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from plmtasks.data import whole
from plmtasks.errors import DataError
from plmtasks.files import column, read_json_lines

NEEDED = ("doc_id", "doc", "target", "filtered_resps", "doc_hash", "target_hash")


@dataclass(frozen=True)
class Samples:
    """One task's logged examples."""

    path: Path
    by_filter: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """filter → id → its line"""

    @cached_property
    def hashes(self) -> list[list[str]]:
        """Of each example's document and right answer."""
        return [[row["doc_hash"], row["target_hash"]] for row in next(iter(self.by_filter.values())).values()]

    def rows(self, applied: str) -> Mapping[str, Mapping[str, Any]]:
        """id → line, of one filter.

        raises: DataError
        """
        if applied not in self.by_filter:
            raise DataError(str(self.path), f"lines of the filter {applied!r}", ", ".join(self.by_filter))
        return self.by_filter[applied]

    def values(self, metric: str, applied: str) -> list[Any] | None:
        """What a metric counted of each example; None if it did not count all of them."""
        rows = self.rows(applied).values()
        return [row[metric] for row in rows] if all(metric in row for row in rows) else None

    def numbers(self, row: Mapping[str, Any]) -> dict[str, float]:
        """The metrics of one example that are numbers."""
        return {m: float(row[m]) for m in row.get("metrics", ()) if isinstance(row.get(m), (int, float))}

    def prediction(self, row: Mapping[str, Any], kind: str) -> Any:
        """The likeliest choice's text, the text that was written, or how likely a text is.

        kind: lm-eval's of the request
        """
        answers = row["filtered_resps"]
        if kind == "multiple_choice":
            return self._choice(row, max(range(len(answers)), key=lambda i: float(answers[i][0])))
        if kind.startswith("loglikelihood"):
            return float(answers[0][0] if isinstance(answers[0], list) else answers[0])
        return answers[0] if len(answers) == 1 else answers

    def reference(self, row: Mapping[str, Any], kind: str) -> Any:
        """The right answer in the prediction's terms: of choices, which lm-eval mostly tells by a number from 0, the text."""
        at = whole(row["target"])
        return self._choice(row, at) if kind == "multiple_choice" and at is not None and self._are_numbers else row["target"]

    @cached_property
    def _are_numbers(self) -> bool:
        """Whether the right choices are told by their numbers in all lines, and not by their texts."""
        rows = list(next(iter(self.by_filter.values())).values())
        texts = [[self._choice(row, i) for i in range(len(row["filtered_resps"]))] for row in rows]
        numbers = [(whole(row["target"]), len(its)) for row, its in zip(rows, texts, strict=True)]
        told = all(str(row["target"]) in its for row, its in zip(rows, texts, strict=True))
        return not told and all(at is not None and 0 <= at < count for at, count in numbers)

    @staticmethod
    def _choice(row: Mapping[str, Any], position: int) -> str:
        return str(row["arguments"][f"gen_args_{position}"]["arg_1"]).strip()


def read_samples(path: Path) -> Samples:
    """raises: DataError with the line"""
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for where, row in read_json_lines(path):
        for name in NEEDED:
            column(where, row, name)
        rows = found.setdefault(str(row.get("filter", "none")), {})
        if row["doc_id"] in rows:
            raise DataError(where, "each document once for each filter", f"{row['doc_id']} again")
        rows[row["doc_id"]] = row
    if not found:
        raise DataError(str(path), "an example a line", "none")
    if len({tuple(sorted(rows)) for rows in found.values()}) > 1:
        raise DataError(str(path), "the same documents for each filter", "others")
    return Samples(path, {name: {str(id_): rows[id_] for id_ in sorted(rows)} for name, rows in found.items()})
