"""Whether a stored run is what was written, each file by the others."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

from .. import scoring
from ..errors import DataError, InputError, JournalError, PlmtasksError, listed
from ..examples import Example, Prediction, fingerprint
from ..execution import on_disk
from ..files import is_sealed, parse, read_text
from ..hooks import Registry
from ..metric import Metric
from ..requests import from_json, to_json
from ..results import CLUSTER, Result, identity_hash, part
from ..scoring import breakdown, calibration, overlap
from ..task import SelfPrompted, Task
from ..training import came_to
from . import comparison
from .runs import Run

TOLERANCE = 1e-9
"""Relative: another processor sums in another order."""

JOURNAL = "every line as it was sealed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["as written", "altered", "not checked"]
    expected: str = ""
    found: str = ""
    """Or why it was not checked."""


def verify(run: Run, registry: Registry, *, deep: bool = False) -> Iterator[Finding]:
    """What a finished run's files say of one another.

    deep: statistics and scores from the predictions, examples against the identity, and predictions from the journal's answers
    """
    made = _Written(run, registry)
    if run.damage:
        yield Finding(what="result.json", state="altered", expected=run.damage.expected, found=run.damage.found)
    for check in (made.seals, made.hashes, made.identity, made.repeated, made.scores) if run.result else ():
        yield from _tried("result.json", check, "what its schema describes")
    yield from _tried("the journal's checksums", made.journal, JOURNAL)
    again: dict[str, Callable[[str], Iterator[Finding]]] = {
        "examples in predictions.jsonl": made.examples_asked, **made.answered,
        "statistics.npy from the predictions": made.counted, "scores and intervals from the predictions": made.scored,
    }  # fmt: skip
    for what, look in again.items() if run.result and deep else ():
        yield from _tried(what, partial(look, what))


def _tried(what: str, check: Callable[[], Iterator[Finding]], expected: str = "") -> Iterator[Finding]:
    """The findings, or why there are none."""
    try:
        yield from check()
    except PlmtasksError as e:
        state: Any = "altered" if isinstance(e, DataError | JournalError) else "not checked"
        yield Finding(what=what, state=state, expected=expected, found=e.message)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as e:
        yield Finding(what=what, state="altered", expected=expected, found=f"{type(e).__name__}: {e}")


def _same(what: str, expected: Any, found: Any) -> Finding:
    """The finding of two values that should be one."""
    a, b = (v if isinstance(v, str) else json.dumps(v, sort_keys=True, ensure_ascii=False) for v in (expected, found))
    return Finding(what=what, state="as written" if a == b else "altered", expected=a, found=b)


@dataclass(frozen=True)
class _Written:
    """A run as it was written; its questions, predictions and statistics can be made once more."""

    run: Run
    registry: Registry

    @property
    def result(self) -> Result:
        assert self.run.result is not None
        return self.run.result

    @cached_property
    def parts(self) -> Mapping[str, Any]:
        """Of the identity; empty where they are not there."""
        return dict(self.run.config.get("identity") or {})

    def seals(self) -> Iterator[Finding]:
        """Whether the records are, byte for byte, what was sealed."""
        whole = "the text that was sealed"
        for name in ("result.json", "config.json", "environment.json"):
            try:
                text = read_text(part(self.run.folder, name))
                record = parse(name, text)
                is_whole = isinstance(record, dict) and is_sealed(text, record)
                if name == "result.json":  # an index beside the runs may say what it wants
                    yield _same("the record of which the rest is told", self.result.record, record)
                found = whole if is_whole else "another text, or no checksum"
            except FileNotFoundError:
                if name == "environment.json":  # it may be left out of what is published
                    continue
                found = "no such file"
            except DataError as e:
                found = e.found
            yield _same(f"the checksum of {name}", whole, found)

    def hashes(self) -> Iterator[Finding]:
        for name, written, found in self.result.hashes():
            yield _same(name, f"SHA-256 {written}", f"SHA-256 {found}" if found else "no such file")

    def identity(self) -> Iterator[Finding]:
        identity = self.result.identity
        yield _same("the folder's name", identity, self.run.folder.name.partition("@")[0])
        hashed = identity_hash(self.parts) if self.parts else "no config.json, or no identity in it"
        yield _same("the identity in config.json", identity, hashed)

    def repeated(self) -> Iterator[Finding]:
        """What result.json repeats of the parts of the identity."""
        record, parts = self.result.record, self.parts
        if not parts:
            return
        model, data, of = record["model"], record["data"], parts["model"]
        yield _same("task", parts["task"], record["task"])
        yield _same("model", [of["name"], of.get("family"), parts["ask"]], [model["name"], model["family"], model["ask"]])
        yield _same("data", parts["data"], {name: data[name] for name in parts["data"]})
        yield _same("settings", parts["settings"], record["settings"])
        yield _same("metrics", parts["metrics"], record["signatures"])
        yield _same("metrics that gave scores", sorted(parts["metrics"]), sorted(record["scores"]))
        followed = (told.get("predictions_of") for told in (parts, record["protocol"]))
        yield _same("the run whose predictions are taken", *followed)
        if parts["ask"] == scoring.SUBMITTED:
            told = {key: value for key, value in record["protocol"].items() if value}
            drawn = {"repeats": parts["repeats"]} if "repeats" in parts else {}
            yield _same("how the model came to the task", {"how": scoring.SUBMITTED, **drawn}, told)
        elif "origin" not in record:
            yield from self._protocol(record["protocol"], parts)

    def _protocol(self, told: Mapping[str, Any], parts: Mapping[str, Any]) -> Iterator[Finding]:
        """How the model came to the task: from its training's record, which is a part of the identity."""
        what, forms = "how the model came to the task", [self.registry.requests.get(kind) for kind in parts["ask"].split("+")]
        if None in forms:
            yield Finding(what=what, state="not checked", found=f"no plugin that is installed brings {parts['ask']}")
            return
        zero_shot = all(form.zero_shot_for(parts["model"].get("family", "")) for form in forms if form)
        untrained = bool(told["newly_initialized"]) or (told["how"] == "untrained" and parts["allow_untrained"])
        came = came_to(self.result.task, parts["trained"], parts["shots"], untrained=untrained, zero_shot=zero_shot)
        drawn = {"shots": parts["shots"], "repeats": parts.get("repeats")}
        yield _same(what, {**came, **drawn}, {k: told.get(k) for k in (*came, *drawn)})
        yield _same("newly initialized weights", True, parts["allow_untrained"] or not told["newly_initialized"])

    def scores(self) -> Iterator[Finding]:
        """Each metric's scores from the sum of its rows."""
        import numpy as np

        data = self.result.record["data"]
        for name, scores in self.result.record["scores"].items():
            what = f"scores of {name} from statistics.npy"
            try:
                rows = comparison.rows(self.result, name, self.registry)
            except DataError as e:
                yield Finding(what=what, state="altered", expected=e.expected, found=e.found)
                continue
            except InputError as e:
                yield Finding(what=what, state="not checked", found=e.message)
                continue
            skipped = np.isnan(rows.values).any(axis=1)
            counts = {"examples": len(skipped), "skipped": int(skipped.sum())}
            yield _same(f"rows of {name}", {key: data[key] for key in counts}, counts)
            values = {s: float(v) for s, v in rows.metric.reduce(rows.values[~skipped].sum(axis=0)).items()}
            yield _close(what, {s: scores[s]["value"] for s in values}, values)

    def journal(self) -> Iterator[Finding]:
        if self.has_journal:
            for _ in on_disk(self.run.folder / "journal"):
                pass
            yield _same("the journal's checksums", JOURNAL, JOURNAL)

    @property
    def has_journal(self) -> bool:
        return any(name.startswith("journal/") for name in self.run.files)

    # ── and made once more ────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """raises: DataError"""
        return list(self.result.predictions())

    @cached_property
    def examples(self) -> list[Example]:
        return [
            Example(
                id=line["id"], inputs=line["inputs"], reference=line["reference"], cluster=line.get("cluster"),
                slices=tuple(line["slices"]), prompted=line.get("prompted", False),
            )
            for line in self.lines
        ]  # fmt: skip

    @cached_property
    def task(self) -> Task:
        """The task as it was.

        raises: InputError if it is not installed in that version
        """
        was, task = self.result.record["task"], comparison.task_of(self.result, self.registry)
        now = to_json(task.config())
        other = [f"{k} {now.get(k)}, not {was.get(k)}" for k in sorted({*was, *now}) if was.get(k) != now.get(k)]
        if other:
            raise InputError(f"{task.name} is not installed as it was: {', '.join(other)}")
        return task

    @cached_property
    def asked(self) -> scoring.Asked:
        """raises: InputError if the requests cannot be made again"""
        if self.result.record["protocol"]["shots"] and not isinstance(self.task, SelfPrompted):
            raise InputError("the shots before the questions are not stored with the run")
        requests = [self.task.ask(e.hidden(), self.parts["ask"]) for e in self.examples]
        asked, repeats = scoring.Asked(examples=self.examples, requests=requests), self.parts.get("repeats", 1)
        return asked if repeats == 1 else asked.drawn(repeats)

    def examples_asked(self, what: str) -> Iterator[Finding]:
        yield _same(what, self.parts["data"]["fingerprint"], fingerprint(self.examples))

    @property
    def answered(self) -> Mapping[str, Callable[[str], Iterator[Finding]]]:
        """What says that the predictions are those of the run: a model's answers, or the identity of a submission."""
        if self.parts.get("ask") == scoring.SUBMITTED:
            return {"predictions of the identity": self.submitted}
        return {"questions of these examples": self.questions, "predictions from the journal": self.predicted}

    def submitted(self, what: str) -> Iterator[Finding]:
        yield _same(what, self.parts["predictions"], scoring.predictions_hash(self.lines))

    def questions(self, what: str) -> Iterator[Finding]:
        yield _same(what, self.parts["requests"], identity_hash({"keys": self.asked.keys}))

    def predicted(self, what: str) -> Iterator[Finding]:
        """Every prediction from the journal's answer."""
        if not self.has_journal:
            raise InputError("the journal is not there any more")
        answers: dict[str, Any] = {}
        for *_, batch in on_disk(self.run.folder / "journal"):
            answers |= {key: answer for key, answer in batch["answers"].items() if key not in answers}
        asked = {request.key(): request for request in self.asked.each}
        typed = {key: from_json(request.answer_type, answers[key]) for key, request in asked.items() if key in answers}
        read = zip(self.lines, self.asked.read_each(self.task, typed), strict=True)
        yield _listed(what, [line["id"] for line, prediction in read if not _is_line(prediction, line)], len(self.lines))

    @cached_property
    def metrics(self) -> list[Metric]:
        """The one that ranks first, as it was in the run.

        raises: InputError
        """
        main, score = self.result.record["primary_metric"]
        names = sorted(self.result.record["scores"], key=lambda name: (name != main, name))
        first, *others = [comparison.metric_of(self.result, name, self.registry) for name in names]
        return [scoring.led_by(first, score), *others]

    @cached_property
    def given(self) -> Mapping[str, Prediction]:
        """The stored predictions by the example's id."""
        answered = (line for line in self.lines if not line.get("skipped"))
        return {line["id"]: Prediction.from_line(line) for line in answered}

    @cached_property
    def again(self) -> scoring.Scored:
        """raises: PlmtasksError, ValueError if the predictions cannot be scored"""
        # examples of one number are not independent, whatever they share
        numbers = self.result.statistics()[CLUSTER].tolist()
        examples = [replace(e, cluster=f"cluster {n}") for e, n in zip(self.examples, numbers, strict=True)]
        return scoring.score(self.metrics, examples, self.given)

    def counted(self, what: str) -> Iterator[Finding]:
        """The statistics from the predictions."""
        import numpy as np

        scored, array = self.again, self.result.statistics()
        columns, names = [*scored.columns, CLUSTER], array.dtype.names or ()
        if {*columns} != {*names}:
            yield _same(what, sorted(columns), sorted(names))
            return
        written = np.stack([array[name] for name in scored.columns], axis=1) if scored.columns else scored.rows
        equal = np.isclose(written, scored.rows, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True).all(axis=1)
        yield _listed(what, [self.examples[i].id for i in np.flatnonzero(~equal)], len(self.examples))

    def scored(self, what: str) -> Iterator[Finding]:
        """The scores with their intervals, and what else result.json tells of the predictions, as far as it is kept."""
        record, scored = self.result.record, self.again
        made: dict[str, Any] = breakdown.record(self.metrics, self.examples, scored)
        made["calibration"] = calibration.record(self.metrics, self.examples, self.given, scored, record["task"]["labels"])
        if "overlap" in record:
            found = overlap.find(self.examples, (), "").record()
            ngram = sum("overlap=yes" in e.slices for e in self.examples)
            # which are the same to the word only the train split tells, and that is not stored with the run
            made["overlap"] = {**found, **{key: record["overlap"][key] for key in ("exact", "train")}, "ngram": ngram}
        yield _close(what, _flat(record["scores"]), _flat(scored.scores))
        for name, value in made.items():
            yield _alike(f"{name} from the predictions", record.get(name), json.loads(json.dumps(value)))


def _close(what: str, expected: Mapping[str, float | None], found: Mapping[str, float | None]) -> Finding:
    """Numbers that may differ in their last bits; None and nan are one."""

    def number(value: float | None) -> float:
        return math.nan if value is None or not math.isfinite(value) else value

    pairs = {name: (number(expected.get(name)), number(found.get(name))) for name in {**expected, **found}}
    wrong = {
        name: (a, b) for name, (a, b) in pairs.items()
        if not (math.isnan(a) and math.isnan(b)) and not math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    }  # fmt: skip
    said, is_now = (", ".join(f"{name} {pair[i]:.12g}" for name, pair in (wrong or pairs).items()) for i in (0, 1))
    return Finding(what=what, state="altered" if wrong else "as written", expected=said, found=is_now)


def _alike(what: str, expected: Any, found: Any) -> Finding:
    """The finding of two JSON values whose numbers may differ in their last bits."""
    a, b = (dict(_leaves(value)) for value in (expected, found))
    number = {path for path in {*a, *b} if all(_is_number(leaves.get(path)) for leaves in (a, b))}
    rest = _same(what, *({path: leaf for path, leaf in leaves.items() if path not in number} for leaves in (a, b)))
    return rest if rest.state == "altered" else _close(what, *({path: leaves[path] for path in number} for leaves in (a, b)))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The path and the value of all that is neither an object nor a list."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield path, value
        return
    for key, held in inner:
        yield from _leaves(held, f"{path}/{key}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_line(prediction: Prediction | None, line: Mapping[str, Any]) -> bool:
    """Whether a line of predictions.jsonl tells this prediction; None: there was no answer."""
    if line.get("skipped") or prediction is None:
        return prediction is None and bool(line.get("skipped"))
    return bool(json.loads(json.dumps(prediction.to_line())) == Prediction.from_line(line).to_line())


def _listed(what: str, wrong: list[str], of: int) -> Finding:
    found = f"{len(wrong)} of {of} are others: {listed(wrong, 3)}"
    whole = f"{of} of {of} the same"
    return Finding(what=what, state="altered" if wrong else "as written", expected=whole, found=found if wrong else whole)


def _flat(scores: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, float | None]:
    return {
        f"{metric}/{name}{end}": s[key] for metric, named in scores.items() for name, s in named.items()
        for key, end in (("value", ""), ("low", " low"), ("high", " high"))
    }  # fmt: skip
