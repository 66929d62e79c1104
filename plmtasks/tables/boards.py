"""Which runs may be compared, and how they rank."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.config import Generation, ModelSettings
from plmtasks.data import content_name
from plmtasks.errors import DataError, PlmtasksError, counted
from plmtasks.files import CHECKSUM
from plmtasks.results import Result, run_folder
from plmtasks.scoring import SUBMITTED
from plmtasks.statistics import Spread, spread
from plmtasks.store import IDENTITY_DIGITS, origin, predictions_of, reasons, terms

from .pairs import ranking

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

ScoreName = tuple[str, str]
"""Metric, score."""

DEFAULTS, GENERATION = ModelSettings(), asdict(Generation().settled(()))


@dataclass(frozen=True)
class Row:
    """One run in a table, or the runs of several seeds of it."""

    result: Result
    """Of the first seed."""
    others: Sequence[Result] = ()
    """Of the other seeds."""
    rank: int | None = None
    """By the score alone, equal scores with equal ranks. None: it cannot be ranked, and its marks say why."""
    ranks: tuple[int, int] | None = None
    """The ranks that the data leave open, from the tests of all pairs; None: no tests were made."""
    tier: int | None = None
    """1 for the best and all that cannot be told from it, and so on; None: no tests were made."""
    copies: Sequence[Result] = ()
    """The same runs in other folders: from another person's results."""
    twin: bool = False
    """Another row has the same identity and other scores: the same run on another class of machine."""
    details: Sequence[str] = ()
    """What sets it apart from rows of its board that would look the same without."""

    @property
    def record(self) -> Mapping[str, Any]:
        return self.result.record

    @property
    def recipe(self) -> str | None:
        """What it has in common with its other seeds; None: it rests on no seed, or on several."""
        return str(self.record["seed"]["recipe"]) if "seed" in self.record else None

    @property
    def seed(self) -> int:
        return int(self.record["seed"]["value"] if "seed" in self.record else self.record["settings"]["seed"])

    @property
    def examples(self) -> int:
        """Examples that the scores rest on."""
        return int(self.record["data"]["examples"] - self.record["data"]["skipped"])

    @property
    def total(self) -> int:
        """Examples of the whole split."""
        return int(self.record["data"]["total"])

    @cached_property
    def protocol(self) -> str:
        """How the model came to the task, with the shots it was given beside."""
        how, shots = str(self.record["protocol"]["how"]), self.record["protocol"]["shots"]
        repeats = self.record["protocol"].get("repeats")
        said = f"{how}, {shots}-shot" if shots and not how.endswith("-shot") else how
        return f"{said}, {repeats} repeats" if repeats else said

    @property
    def prompt(self) -> str:
        """How it was asked: a task that makes its own prompts tells of a chat itself."""
        return "chat" if self.record["task"].get("prompted", {}).get("chat") else str(self.record["settings"]["prompt"])

    @cached_property
    def marks(self) -> list[str]:
        """What a reader must know before believing the scores."""
        data, dtype = self.record["data"], str(self.record["settings"]["dtype"] or "data type not told")
        limit = f" ({data['too_long']})" if "too_long" in data else ""
        marks = {
            "altered since it was written": any(result.altered for result in (*self.results, *self.copies)),
            f"the same run in {' and in '.join(self.sources)}": len(self.sources) > 1,
            f"scored by {origin(self.record)}": "origin" in self.record,
            "untrained head": self.record["protocol"]["newly_initialized"],
            **dict.fromkeys(self._seen_before(), True),
            f"{100 * data.get('holdout', 0):g} % held out of one split": "holdout" in data,
            f"limit {data['limit']}": data["limit"] is not None and data["limit"] < data["total"],
            f"skipped {data['skipped']}{limit}, so not ranked": data["skipped"],
            f"truncated {data['truncated']}{limit}": data["truncated"],
            f"thinking did not end in {data.get('unfinished')}": "unfinished" in data,
            f"{counted(data.get('left_out', 0), 'bad row')} left out": "left_out" in data,
            counted(data.get("empty", 0), "empty text"): "empty" in data,
            **dict.fromkeys(self._overlap(), True),
            predictions_of(self.record): "predictions_of" in self.record["protocol"],
            dtype: dtype != "float32" and self.record["protocol"]["how"] != SUBMITTED,
            **dict.fromkeys(_prompted(self.record["task"]), True),
            **dict.fromkeys(_changed(self.record["settings"]), True),
            "same identity, another machine": self.twin,
            "main score not defined": self.score(self.main)["value"] is None,
        }
        return [*(mark for mark, holds in marks.items() if mark and holds), *self.details]

    def _overlap(self) -> Iterator[str]:
        """How many of the examples stand in the train split, or share a run of words with it."""
        found = self.record.get("overlap")
        if found and found["exact"]:
            yield f"{found['exact']} of {found['examples']} stand in train"
        if found and found["ngram"] > found["exact"]:
            yield f"{found['ngram']} of {found['examples']} share {found['n']} words in a row with train"

    def _seen_before(self) -> Iterator[str]:
        """What the training saw of the split that is reported; one of another data set may have the same name."""
        data = self.record["data"]
        for trained in self.record["protocol"]["trained_on"]:
            if "folds" in trained:
                continue  # no model was asked what it had learned from
            same = (trained["task"], trained.get("name", data["name"])) == (self.record["task"]["name"], data["name"])
            if trained.get("fingerprint") == data["fingerprint"]:
                yield "trained on these examples"
            elif trained.get("part_of") == data["fingerprint"]:
                yield "trained on a part of these examples"
            elif same and trained["split"] == data["split"]:
                yield "trained on this split"
            chosen = trained.get("selecting")
            whole = chosen is not None and data["name"] == content_name(chosen)
            if chosen == data["fingerprint"] or whole or (same and trained["selected_on"] == data["split"]):
                yield "epoch chosen on this split"

    @property
    def main(self) -> ScoreName:
        metric, score = self.record["primary_metric"]
        return metric, score

    @property
    def results(self) -> Sequence[Result]:
        """Of all its seeds."""
        return [self.result, *self.others]

    @cached_property
    def sources(self) -> Sequence[str]:
        """The results that have it, where several have the same run; none where it is in one folder alone."""
        return list(dict.fromkeys(_source(result) for result in (*self.results, *self.copies))) if self.copies else []

    def score(self, name: ScoreName) -> Mapping[str, Any]:
        """Value, ends and unit; an empty score where this run has none of that name.

        Of several seeds the mean value, between the mean ends of their sampling intervals.
        """
        found = [_score(result, name) for result in self.results]
        if not self.others:
            return found[0]
        means = {key: _mean([s[key] for s in found]) for key in ("value", "low", "high")}
        return {**found[0], **means, **({"interval": "none"} if means["low"] is None else {})}

    def spread(self, name: ScoreName) -> Spread | None:
        """How far a score moves from seed to seed; None where there is only one seed, or a score is not defined."""
        values = [_score(result, name)["value"] for result in self.results]
        return spread(values) if self.others and None not in values else None


def _source(result: Result) -> str:
    """The folder of results that a run is in."""
    folder, within = result.folder, len(run_folder("", result.task, result.model, result.identity).parts)
    return str(folder.parents[within - 1]) if len(folder.parents) >= within else str(folder)


def _score(result: Result, name: ScoreName) -> Mapping[str, Any]:
    missing = {"value": None, "low": None, "high": None, "interval": "none", "unit": ""}
    score: Mapping[str, Any] = result.record["scores"].get(name[0], {}).get(name[1], missing)
    return score


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


@dataclass(frozen=True)
class Board:
    """Runs of one task on the same examples, scored in the same way, best first."""

    rows: Sequence[Row]
    apart: str | None = None
    """Why these runs are not compared with the task's first table; None for that table itself."""
    smallest: float | None = None
    """The difference that such data would show in four cases of five."""
    untested: str | None = None
    """Why no pair was tested."""
    columns: Sequence[str] | None = None
    """The scores and costs that its tables show beside the main score; None: the first of its scores."""

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


def make_boards(results: Sequence[Result], registry: "Registry | None" = None) -> list[Board]:
    """A table for each task, and one more for each other set of examples or way of scoring; by name of the task.

    The same result in two folders counts once, and its row tells both; runs that differ in their seed alone share a row.

    registry: whose metrics make ranks and tiers of the statistics that lie beside the results; None: no tests are made

    raises: DataError for a result that lacks what its schema demands
    """
    tasks: dict[str, dict[str, list[Result]]] = {}
    seen: dict[str, list[list[Result]]] = {}
    for result in results:
        try:
            known = seen.setdefault(result.identity, [])
            if (same := next((group for group in known if _same(result, group[0])), None)) is not None:
                same.append(result)
                continue
            known.append([result])
            common = json.dumps(terms(result.record), sort_keys=True)
            row = Row(result)
            _ = row.marks, row.protocol, row.examples, row.recipe, _details(row)
        except (AttributeError, KeyError, TypeError, ValueError) as e:
            raise DataError(
                str(result.folder / "result.json"), "a result as result.schema.json describes it", f"{type(e).__name__}: {e}"
            ) from e
        tasks.setdefault(result.task, {}).setdefault(common, []).append(result)
    copies = _copies(group for known in seen.values() for group in known)
    twins = {identity for identity, known in seen.items() if len(known) > 1}
    boards = []
    for _, groups in sorted(tasks.items()):
        ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), -item[1][0].record["data"]["examples"], item[0]))
        first = ordered[0][1][0]
        for common, group in ordered:
            apart = None if common == ordered[0][0] else "; ".join(reasons(first, group[0]))
            board = tested(Board(_ranked(_of_seeds(group, twins, copies)), apart), registry)
            boards.append(replace(board, rows=_told_apart(board.rows)))
    return boards


def _same(one: Result, another: Result) -> bool:
    """Whether two runs are one: all that is told of them but the hashes of their files, which the last bits of a sum change."""
    a, b = ({k: v for k, v in result.record.items() if k not in ("files", CHECKSUM)} for result in (one, another))
    return a == b


def _copies(groups: Iterable[Sequence[Result]]) -> dict[Path, list[Result]]:
    """The same runs in other folders, by the folder of the one that is shown."""
    return {first.folder: [r for r in others if r.folder != first.folder] for first, *others in groups}


def _of_seeds(results: Sequence[Result], twins: set[str], copies: Mapping[Path, Sequence[Result]]) -> list[Row]:
    """A row for each run, or for the runs that differ in their seed alone."""
    groups: dict[Any, list[Result]] = {}
    times: Counter[tuple[str, int]] = Counter()
    for number, row in enumerate(sorted(map(Row, results), key=lambda row: (row.seed, row.result.identity))):
        key: Any = number
        if row.recipe is not None and row.result.identity not in twins:
            # a seed that comes twice, as from the trainings of two machines, is no further one: it begins another row
            key = row.recipe, times[row.recipe, row.seed]
            times[row.recipe, row.seed] += 1
        groups.setdefault(key, []).append(row.result)
    return [
        Row(group[0], group[1:], twin=group[0].identity in twins, copies=[copy for one in group for copy in copies[one.folder]])
        for group in groups.values()
    ]


def tested(board: Board, registry: "Registry | None") -> Board:
    """The board with the ranks and tiers that the statistics of its runs leave open."""
    rows = [row for row in board.rows if row.rank is not None]
    if registry is None or len(rows) < 2:
        return board
    try:
        found = ranking([row.results for row in rows], board.main, registry)
    except PlmtasksError as e:
        return replace(board, untested=e.message)
    made = [replace(row, ranks=(int(found.low[i]), int(found.high[i])), tier=int(found.tier[i])) for i, row in enumerate(rows)]
    return replace(board, rows=[*made, *board.rows[len(rows) :]], smallest=found.smallest)


def _ranked(rows: Sequence[Row]) -> list[Row]:
    """Best first; equal scores share a rank and the next one is left out; what cannot be ranked comes last."""

    def key(row: Row) -> float | None:
        score = row.score(row.main)
        if score["value"] is None or row.record["data"]["skipped"]:
            return None
        # sums in another order may differ in their last bits
        value = float(score["value"])
        return round(-value if score["higher_is_better"] else value, 9)

    keyed = sorted(
        ((key(row), row) for row in rows),
        key=lambda pair: (pair[0] is None, pair[0] or 0.0, pair[1].result.model, pair[1].result.identity),
    )
    ranks: dict[float, int] = {}
    for place, (value, _) in enumerate(keyed, 1):
        if value is not None:
            ranks.setdefault(value, place)
    return [replace(row, rank=None if value is None else ranks[value]) for value, row in keyed]


def _prompted(task: Mapping[str, Any]) -> list[str]:
    """How a task that makes its own prompts was wanted to."""
    told = task.get("prompted", {})
    return [*(["chat prompt"] if told.get("chat") else []), *(["system text"] if told.get("system") else [])]


def _changed(settings: Mapping[str, Any]) -> list[str]:
    """The settings of prompts, texts and generation that are not the defaults."""
    changed = [] if settings["prompt"] == DEFAULTS.prompt else [f"{settings['prompt']} prompt"]
    if settings.get("system"):
        changed.append("system text")
    if settings.get("reasoning", DEFAULTS.reasoning) != DEFAULTS.reasoning:
        changed.append(f"reasoning {settings['reasoning']}")
    if settings["truncation"] != DEFAULTS.truncation:
        changed.append(f"truncation {settings['truncation']}")
    if settings.get("stride"):
        changed.append(f"stride {settings['stride']}")
    made = settings["generation"]
    # what has no part in the answers
    idle = {*(["top_p", "top_k"] if made["temperature"] == 0 else []), *(["length_penalty"] if made["num_beams"] == 1 else [])}
    for name, default in GENERATION.items():
        value = made.get(name)
        if value not in (default, None) and name not in idle:
            words = name.replace("_", "-" if name.startswith("top") else " ")
            changed.append(f"{words} {value:g}" if isinstance(value, int | float) else f"{words} {value}")
    return changed


def _details(row: Row) -> list[str]:
    """What two runs may differ in without a mark, the most telling first."""
    settings = row.record["settings"]
    return [
        f"asked by {row.record['model']['ask']}",
        f"model args {json.dumps(settings['model_args'], sort_keys=True)}",
        f"seed {row.seed}",
        f"threads {settings['threads']}",
        f"batch tokens {settings['batch_tokens']}",
        f"identity {row.result.identity[:IDENTITY_DIGITS]}",
    ]


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """The rows, with details where some agree in model, protocol and marks."""
    told, details = list(rows), [_details(row) for row in rows]
    for i in range(len(details[0])):
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, row in enumerate(told):
            groups.setdefault((row.result.model, row.protocol, *row.marks), []).append(place)
        for places in groups.values():
            if len({details[place][i] for place in places}) > 1:
                for place in places:
                    told[place] = replace(told[place], details=(*told[place].details, details[place][i]))
    return told
