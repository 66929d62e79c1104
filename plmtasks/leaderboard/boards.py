"""Which runs may be compared, and how they rank."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from plmtasks.config import Generation, ModelSettings
from plmtasks.errors import DataError
from plmtasks.results import Result

ScoreName = tuple[str, str]
"""Metric, score."""

IDENTITY_DIGITS = 6


@dataclass(frozen=True)
class Row:
    """One run in a table."""

    result: Result
    rank: int | None = None
    """None: it cannot be ranked, and its marks say why. Equal scores have equal ranks."""
    twin: bool = False
    """Another row has the same identity and other scores: the same run on another class of machine."""
    details: Sequence[str] = ()
    """What sets it apart from rows of its board that would look the same without."""

    @property
    def record(self) -> Mapping[str, Any]:
        return self.result.record

    @property
    def examples(self) -> int:
        """Examples that the scores rest on."""
        return int(self.record["data"]["examples"] - self.record["data"]["skipped"])

    @property
    def of(self) -> int:
        """Examples of the whole split."""
        return int(self.record["data"]["of"])

    @property
    def protocol(self) -> str:
        """How the model came to the task, with the shots it was given beside."""
        how, shots = str(self.record["protocol"]["how"]), self.record["protocol"]["shots"]
        return f"{how}, {shots}-shot" if shots and not how.endswith("-shot") else how

    @property
    def marks(self) -> list[str]:
        """What a reader must know before believing the scores."""
        data, dtype = self.record["data"], str(self.record["settings"]["dtype"])
        marks = {
            "untrained head": self.record["protocol"]["fresh_weights"],
            **dict.fromkeys(self._seen_before(), True),
            f"limit {data['limit']}": data["limit"] is not None and data["limit"] < data["of"],
            f"skipped {data['skipped']}, so not ranked": data["skipped"],
            f"truncated {data['truncated']}": data["truncated"],
            _given(self.record): "given" in self.record["protocol"],
            dtype: dtype != "float32",
            **dict.fromkeys(_changed(self.record["settings"]), True),
            "same identity, another machine": self.twin,
            "main score not defined": self.score(self.main)["value"] is None,
        }
        return [*(mark for mark, holds in marks.items() if holds), *self.details]

    def _seen_before(self) -> Iterator[str]:
        """What the training saw of the split that is reported; one of another data set may have the same name."""
        data = self.record["data"]
        for trained in self.record["protocol"]["trained_on"]:
            same = (trained["task"], trained.get("name", data["name"])) == (self.record["task"]["name"], data["name"])
            if trained.get("fingerprint") == data["fingerprint"]:
                yield "trained on these examples"
            elif same and trained["split"] == data["split"]:
                yield "trained on this split"
            if trained.get("selecting") == data["fingerprint"] or (same and trained["selected_on"] == data["split"]):
                yield "epoch chosen on this split"

    @property
    def main(self) -> ScoreName:
        metric, score = self.record["main"]
        return metric, score

    def score(self, name: ScoreName) -> Mapping[str, Any]:
        """Value, ends and unit; an empty score where this run has none of that name."""
        missing = {"value": None, "low": None, "high": None, "interval": "none", "unit": ""}
        score: Mapping[str, Any] = self.record["scores"].get(name[0], {}).get(name[1], missing)
        return score


@dataclass(frozen=True)
class Board:
    """Runs of one task on the same examples, scored in the same way, best first."""

    rows: Sequence[Row]
    apart: str | None = None
    """Why these runs are not compared with the task's first table; None for that table itself."""

    @property
    def record(self) -> Mapping[str, Any]:
        """Of any of its runs: what all have in common can be read there."""
        return self.rows[0].record

    @property
    def task(self) -> str:
        return str(self.record["task"]["name"])

    @property
    def main(self) -> ScoreName:
        return self.rows[0].main

    @property
    def higher_is_better(self) -> bool:
        return bool(self.rows[0].score(self.main)["higher_is_better"])

    @cached_property
    def scores(self) -> Sequence[ScoreName]:
        """The scores that any of its runs has, the main one first."""
        names = [(metric, score) for row in self.rows for metric, scores in row.record["scores"].items() for score in scores]
        return list(dict.fromkeys([self.main, *names]))


def make_boards(results: Sequence[Result]) -> list[Board]:
    """A table for each task, and one more for each other set of examples or way of scoring; by name of the task.

    The same result in two folders counts once.

    raises: DataError for a result that lacks what its schema demands
    """
    tasks: dict[str, dict[str, list[Result]]] = {}
    seen: set[str] = set()
    identities: Counter[str] = Counter()
    for result in results:
        content = json.dumps(result.record, sort_keys=True)
        if content in seen:
            continue
        seen.add(content)
        try:
            terms = json.dumps(_terms(result.record), sort_keys=True)
            _ = Row(result).marks, Row(result).protocol, Row(result).examples, _details(Row(result))
        except (AttributeError, KeyError, TypeError, ValueError) as e:
            raise DataError(
                str(result.folder / "result.json"), "a result as result.schema.json describes it", f"{type(e).__name__}: {e}"
            ) from e
        identities[result.identity] += 1
        tasks.setdefault(result.task, {}).setdefault(terms, []).append(result)
    twins = {identity for identity, count in identities.items() if count > 1}
    boards = []
    for _, groups in sorted(tasks.items()):
        ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), -item[1][0].record["data"]["examples"], item[0]))
        first = ordered[0][1][0].record
        for terms, group in ordered:
            apart = None if terms == ordered[0][0] else _difference(first, group[0].record)
            boards.append(Board(_told_apart(_ranked(group, twins)), apart))
    return boards


def _terms(record: Mapping[str, Any]) -> list[Any]:
    """What runs must have in common to be compared."""
    data = record["data"]
    return [record["task"]["version"], data["split"], data["fingerprint"], record["main"], record["signatures"], _kinds(record)]


def _given(record: Mapping[str, Any]) -> str:
    """Whose predictions took the place of what the data gives."""
    given = record["protocol"].get("given")
    return f"given {given['task']} of {given['model']} ({given['identity'][:IDENTITY_DIGITS]})" if given else ""


def _kinds(record: Mapping[str, Any]) -> dict[str, Any]:
    """The scores that say what kind of figures the others are: a pseudo-likelihood is not compared with a likelihood."""
    named = ((f"{metric} {name}", s) for metric, scores in record["scores"].items() for name, s in scores.items())
    return {name: s["value"] for name, s in named if s["unit"] == "kind"}


def _difference(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Why a run cannot be compared with the first: all that differs."""
    a, b = first["data"], other["data"]
    found = []
    if a["name"] != b["name"]:
        found.append(f"other data: {b['name']}")
    if a["split"] != b["split"]:
        found.append(f"another split: {b['split']}")
    if (given := _given(other)) != _given(first):
        found.append(given or "of what the data gives")
    elif a["fingerprint"] != b["fingerprint"]:
        found.append(f"other examples: {b['examples']} of {b['of']}")
    if first["task"]["version"] != other["task"]["version"]:
        found.append(f"another version of the task: {other['task']['version']}")
    if (first["main"], first["signatures"]) != (other["main"], other["signatures"]):
        found.append("scored in another way")
    kinds, others = _kinds(first), _kinds(other)
    found += [f"another kind of figures: {name} {value:g}" for name, value in others.items() if value != kinds.get(name)]
    return "; ".join(found)


def _ranked(results: Sequence[Result], twins: set[str]) -> list[Row]:
    """Best first; equal scores share a rank and the next one is left out; what cannot be ranked comes last."""

    def key(row: Row) -> float | None:
        score = row.score(row.main)
        if score["value"] is None or row.record["data"]["skipped"]:
            return None
        # sums in another order may differ in their last bits
        value = float(score["value"])
        return round(-value if score["higher_is_better"] else value, 9)

    rows = [Row(result, twin=result.identity in twins) for result in results]
    keyed = sorted(
        ((key(row), row) for row in rows),
        key=lambda pair: (pair[0] is None, pair[0] or 0.0, pair[1].result.model, pair[1].result.identity),
    )
    ranks: dict[float, int] = {}
    for place, (value, _) in enumerate(keyed, 1):
        if value is not None:
            ranks.setdefault(value, place)
    return [replace(row, rank=None if value is None else ranks[value]) for value, row in keyed]


def _changed(settings: Mapping[str, Any]) -> list[str]:
    """The settings of prompts, texts and generation that are not the defaults."""
    defaults, generation = ModelSettings(), asdict(Generation())
    changed = [] if settings["prompt"] == defaults.prompt else [f"{settings['prompt']} prompt"]
    if settings["truncation"] != defaults.truncation:
        changed.append(f"truncation {settings['truncation']}")
    if settings.get("stride"):
        changed.append(f"stride {settings['stride']}")
    for name, default in generation.items():
        value = settings["generation"][name]
        if value != default:
            words = "top-p" if name == "top_p" else name.replace("_", " ")
            changed.append(f"{words} {value:g}" if isinstance(value, int | float) else f"{words} {value}")
    return changed


def _details(row: Row) -> list[str]:
    """What two runs may differ in without a mark, the most telling first."""
    settings = row.record["settings"]
    return [
        f"asked by {row.record['model']['ask']}",
        f"model args {json.dumps(settings['model_args'], sort_keys=True)}",
        f"seed {settings['seed']}",
        f"threads {settings['threads']}",
        f"batch tokens {settings['batch_tokens']}",
        f"identity {row.result.identity[:IDENTITY_DIGITS]}",
    ]


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """The rows, with details where some agree in model, protocol and marks."""
    told = list(rows)
    for i in range(len(_details(told[0]))):
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, row in enumerate(told):
            groups.setdefault((row.result.model, row.protocol, *row.marks), []).append(place)
        for places in groups.values():
            if len({_details(told[place])[i] for place in places}) > 1:
                for place in places:
                    told[place] = replace(told[place], details=(*told[place].details, _details(told[place])[i]))
    return told
