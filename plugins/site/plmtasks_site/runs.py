"""A run as the pages show it."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from plmtasks.files import dump, value_hash
from plmtasks.results import Result
from plmtasks.scoring import SUBMITTED
from plmtasks.store import Mistakes

from .withheld import whole

FILES = ("config.json", "environment.json", "predictions.jsonl", "statistics.npy")

ROOM = 100
"""Characters that the columns of a table of what was taken for what may take together; else it is a list of pairs."""

MOST_PAIRS = 200
"""That are listed."""

SHADES = 5


@dataclass(frozen=True)
class Run:
    """A result with the name of its pages and what it cost."""

    result: Result
    key: str
    """The name of its files: its identity."""
    home: Path | None = None
    """Where the paths that pages tell begin; None: they are as the results' are."""

    @cached_property
    def state(self) -> str:
        """A hash that changes with any of its files; the large ones are not read for it."""
        return value_hash([self.rows_state, [_stamp(self.result.folder / name) for name in FILES[:2]]])

    @cached_property
    def rows_state(self) -> str:
        """The same of its scores and the files that hold its answers alone."""
        return value_hash([self.result.record, [_stamp(self.result.folder / name) for name in FILES[2:]]])

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """What it ran on and what it took; empty where nobody measured."""
        return self.result.environment()

    @property
    def config(self) -> Mapping[str, Any]:
        return self.result.config()

    @property
    def place(self) -> Path:
        """Its folder, as pages tell it."""
        folder = self.result.folder
        return folder.relative_to(self.home) if self.home is not None and folder.is_relative_to(self.home) else folder

    @property
    def page(self) -> str:
        return f"runs/{self.key}.html"

    @property
    def parameters(self) -> float | None:
        return self._positive("parameters")

    @property
    def memory(self) -> float | None:
        """The most bytes that a process held: of the GPU's memory where it ran on one."""
        return self._positive("peak_device_memory_bytes") or self._positive("peak_memory_bytes")

    @property
    def speed(self) -> float | None:
        """Examples a second, once the model was loaded."""
        took = self.result.answering()
        return took[0] / took[1] if took else None

    @property
    def machine(self) -> str:
        parts = [self.environment.get(name) for name in ("device", "processor", "cpu_capability")]
        count = self.environment.get("processes")
        return ", ".join(
            [*(str(p) for p in parts if p), *([f"{count} processes"] if isinstance(count, int) and count > 1 else [])]
        )

    @cached_property
    def submission(self) -> Mapping[str, Any] | None:
        """Of somebody else's predictions, what is said of them: "fields" and "text" of their card, "submitted"; else None."""
        if self.result.record["model"]["ask"] != SUBMITTED:
            return None
        config = whole(self.result).config().get("config")
        said = config.get("submission") if isinstance(config, dict) else None
        card = said.get("card") if isinstance(said, dict) else None
        fields, text = (card.get("fields"), card.get("text")) if isinstance(card, dict) else (None, None)
        return {
            "fields": fields if isinstance(fields, dict) else {}, "text": text if isinstance(text, str) else "",
            "submitted": str(said.get("submitted", "")) if isinstance(said, dict) else "",
        }  # fmt: skip

    @property
    def submitter(self) -> str:
        """Who made its predictions, if a card says it and the system's name does not."""
        said = str((self.submission or {}).get("fields", {}).get("submitter") or "").strip()
        return said if said != self.result.model else ""

    def _positive(self, name: str) -> float | None:
        value = self.environment.get(name)
        return value if isinstance(value, int | float) and 0 < value < math.inf else None


def named(results: Iterable[Result], home: Path | None = None) -> dict[Path, Run]:
    """Each result's run, by its folder; of several results of one identity all but one get a longer key."""
    groups: dict[str, list[tuple[str, Result]]] = {}
    for result in results:
        identity = result.identity if re.fullmatch("[0-9a-f]{32}", result.identity) else value_hash(result.identity)
        groups.setdefault(identity, []).append((value_hash(result.record), result))
    runs = {}
    for identity, found in groups.items():
        for i, (content, result) in enumerate(sorted(found, key=lambda pair: pair[0])):
            runs[result.folder] = Run(result, f"{identity}-{content[:8]}" if i else identity, home)
    return runs


def unknown(runs: Iterable[Run], cost: str) -> str:
    """Why nobody needs the column of a cost: no run says it; else empty."""
    return "" if any(getattr(run, cost) is not None for run in runs) else "not known of any run"


def confused(made: Mistakes) -> Mapping[str, Any] | None:
    """What was taken for what, as a table or a list of pairs; None where no labels are predicted.

    A cell of the table is a prediction, how often it was made, and how dark it is shaded: 0 to SHADES.
    """
    found = made.confusion
    if found is None:
        return None
    if found.kind == "labels":
        each = [
            (label, *(found.counts.get(p, 0) for p in ((label, label), (label, None), (None, label)))) for label in found.labels
        ]
        return {"kind": "each", "columns": ("label", "right", "missed", "invented"), "rows": each}
    if sum(3 + len(label or "(none)") for label in found.columns) > ROOM:
        pairs = [(*pair, found.of_reference(pair[0])) for pair in found.confused[:MOST_PAIRS]]
        return {"kind": "pairs", "columns": ("reference", "predicted as", "times", "of"), "rows": pairs}
    rows = []
    for reference in found.rows:
        total = max(1, found.of_reference(reference))
        counts = [(prediction, found.counts.get((reference, prediction), 0)) for prediction in found.columns]
        right = f"{100 * found.counts.get((reference, reference), 0) / total:.0f} %" if reference is not None else ""
        rows.append((reference, [(p, count, math.ceil(SHADES * count / total)) for p, count in counts], right))
    return {"kind": "table", "columns": found.columns, "rows": rows}


def _stamp(path: Path) -> list[int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns]


def readable(value: Any) -> str:
    """JSON for a reader."""
    return dump(value) if value else ""
