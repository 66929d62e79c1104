"""Whether a stored run is what was written, each file by the others."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from .. import scoring
from ..errors import DataError, InputError, JournalError, PlmtasksError, summary_of
from ..examples import Example, Prediction, fingerprint
from ..execution import on_disk
from ..files import is_sealed, parse, read_text
from ..requests import from_json, to_json
from ..results import CLUSTER, Result, identity_hash, part
from ..scoring import breakdown, calibration, overlap
from ..training import came_to
from . import comparison
from .runs import Run

if TYPE_CHECKING:
    from ..hooks import Registry
    from ..metric import Metric
    from ..task import Task

TOLERANCE = 1e-9
"""Relative: another processor sums in another order."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["as written", "altered", "not checked"]
    expected: str = ""
    found: str = ""
    """Or why it was not checked."""


def verify(run: Run, registry: "Registry", *, deep: bool = False) -> Iterator[Finding]:
    """What a finished run's files say of one another.

    deep: statistics and scores from the predictions, examples against the identity, and predictions from the journal's answers
    """
    if run.result is None:
        if run.damage:
            yield Finding(what="result.json", state="altered", expected=run.damage.expected, found=run.damage.found)
        yield from _journal(run)
        return
    checks: list[Callable[[], Iterator[Finding]]] = [
        partial(_seals, run), partial(_hashes, run.result), partial(_identity, run), partial(_repeated, run, registry),
        partial(_scores, run.result, registry),
        partial(_journal, run),
    ]  # fmt: skip
    if deep:
        again = _Again(run, registry)
        checks += [again.examples_asked, again.questions, again.predicted, again.scored]
    for check in checks:
        try:
            yield from check()
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as e:
            yield Finding(
                what="result.json", state="altered", expected="what its schema describes", found=f"{type(e).__name__}: {e}"
            )


def _same(what: str, expected: Any, found: Any) -> Finding:
    """The finding of two values that should be one."""
    a, b = (
        value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False) for value in (expected, found)
    )
    return Finding(what=what, state="as written" if a == b else "altered", expected=a, found=b)


def _hashes(result: Result) -> Iterator[Finding]:
    for name, written, found in result.hashes():
        yield _same(name, f"SHA-256 {written}", f"SHA-256 {found}" if found else "no such file")


def _seals(run: Run) -> Iterator[Finding]:
    """Whether the records are, byte for byte, what was sealed."""
    for name in ("result.json", "config.json", "environment.json"):
        whole, found = "the text that was sealed", "another text, or no checksum"
        try:
            text = read_text(part(run.folder, name))
            record = parse(name, text)
            if isinstance(record, dict) and is_sealed(text, record):
                found = whole
        except FileNotFoundError:
            if name == "environment.json":  # it may be left out of what is published
                continue
            found = "no such file"
        except DataError as e:
            found = e.found
        yield Finding(
            what=f"the checksum of {name}", state="as written" if found == whole else "altered", expected=whole, found=found
        )


def _identity(run: Run) -> Iterator[Finding]:
    assert run.result is not None
    parts = run.config.get("identity")
    identity = run.result.identity
    yield _same("the folder's name", identity, run.folder.name.partition("@")[0])
    yield _same(
        "the identity in config.json", identity, identity_hash(parts) if parts else "no config.json, or no identity in it"
    )


def _repeated(run: Run, registry: "Registry") -> Iterator[Finding]:
    """What result.json repeats of the parts of the identity."""
    assert run.result is not None
    record, parts = run.result.record, run.config.get("identity")
    if not parts:
        return
    model, data = record["model"], record["data"]
    yield _same("task", parts["task"], record["task"])
    yield _same(
        "model", [parts["model"]["name"], parts["model"].get("family"), parts["ask"]],
        [model["name"], model["family"], model["ask"]],
    )  # fmt: skip
    yield _same("data", parts["data"], {name: data[name] for name in parts["data"]})
    yield _same("settings", parts["settings"], record["settings"])
    yield _same("metrics", parts["metrics"], record["signatures"])
    yield _same("metrics that gave scores", sorted(parts["metrics"]), sorted(record["scores"]))
    yield _same("the run whose predictions are taken", parts.get("predictions_of"), record["protocol"].get("predictions_of"))
    if "origin" not in record:
        yield from _protocol(record, parts, registry)


def _protocol(record: Mapping[str, Any], parts: Mapping[str, Any], registry: "Registry") -> Iterator[Finding]:
    """How the model came to the task: from its training's record, which is a part of the identity."""
    what, told = "how the model came to the task", record["protocol"]
    form = registry.requests.get(parts["ask"])
    if form is None:
        yield Finding(what=what, state="not checked", found=f"no plugin that is installed brings {parts['ask']}")
        return
    untrained = bool(told["newly_initialized"]) or (told["how"] == "untrained" and parts["allow_untrained"])
    came = came_to(record["task"]["name"], form, parts["trained"], parts["shots"], untrained=untrained)
    yield _same(what, {**came, "shots": parts["shots"]}, {**dict.fromkeys(came), **{k: told.get(k) for k in (*came, "shots")}})
    yield _same("newly initialized weights", True, parts["allow_untrained"] or not told["newly_initialized"])


def _scores(result: Result, registry: "Registry") -> Iterator[Finding]:
    """Each metric's scores from the sum of its rows."""
    import numpy as np

    data = result.record["data"]
    for name, scores in result.record["scores"].items():
        what = f"scores of {name} from statistics.npy"
        try:
            rows = comparison.rows(result, name, registry)
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


def _journal(run: Run) -> Iterator[Finding]:
    if not any(name.startswith("journal/") for name in run.files):
        return
    what, whole = "the journal's checksums", "every line as it was sealed"
    try:
        for _ in on_disk(run.folder / "journal"):
            pass
    except JournalError as e:
        yield Finding(what=what, state="altered", expected=whole, found=e.message)
        return
    yield Finding(what=what, state="as written", expected=whole, found=whole)


@dataclass(frozen=True)
class _Again:
    """A run's questions, predictions and statistics made once more."""

    run: Run
    registry: "Registry"

    @property
    def result(self) -> Result:
        assert self.run.result is not None
        return self.run.result

    @property
    def parts(self) -> Mapping[str, Any]:
        parts: Mapping[str, Any] = self.run.config["identity"]
        return parts

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """raises: DataError"""
        where = str(self.run.folder / "predictions.jsonl")
        try:
            return list(self.result.predictions())
        except (OSError, ValueError) as e:
            raise DataError(where, "a JSON object a line", str(e)) from e

    @cached_property
    def examples(self) -> list[Example]:
        return [
            Example(
                id=line["id"], inputs=line["inputs"], reference=line["reference"], cluster=line.get("cluster"),
                slices=tuple(line["slices"]),
            )
            for line in self.lines
        ]  # fmt: skip

    @cached_property
    def task(self) -> "Task":
        """The task as it was.

        raises: InputError if it is not installed in that version
        """
        was = self.result.record["task"]
        task = comparison.task_of(self.result, self.registry)
        now = to_json(task.config())
        if now != was:
            other = [
                f"{name} {now.get(name)}, not {was.get(name)}" for name in sorted({*was, *now}) if was.get(name) != now.get(name)
            ]
            raise InputError(f"{task.name} is not installed as it was: {', '.join(other)}")
        return task

    @cached_property
    def asked(self) -> scoring.Asked:
        """raises: InputError if the requests cannot be made again"""
        if self.result.record["protocol"]["shots"]:
            raise InputError("the shots before the questions are not stored with the run")
        requests = [self.task.ask(e.hidden(), self.parts["ask"]) for e in self.examples]
        return scoring.Asked(examples=self.examples, requests=requests)

    def examples_asked(self) -> Iterator[Finding]:
        what = "examples in predictions.jsonl"
        yield from _tried(what, lambda: _same(what, self.parts["data"]["fingerprint"], fingerprint(self.examples)))

    def questions(self) -> Iterator[Finding]:
        def check() -> Finding:
            return _same(what, self.parts["requests"], identity_hash({"keys": self.asked.keys}))

        what = "questions of these examples"
        yield from _tried(what, check)

    def predicted(self) -> Iterator[Finding]:
        """Every prediction from the journal's answer."""

        def check() -> Finding:
            if not any(name.startswith("journal/") for name in self.run.files):
                raise InputError("the journal is not there any more")
            answers: dict[str, Any] = {}
            for batch in on_disk(self.run.folder / "journal"):
                for key, answer in batch["answers"].items():
                    answers.setdefault(key, answer)
            pairs = zip(self.asked.requests, self.asked.keys, strict=True)
            typed = {key: from_json(request.answer_type, answers[key]) for request, key in pairs if key in answers}
            read = zip(self.lines, self.asked.read_each(self.task, typed), strict=True)
            return _listed(what, [line["id"] for line, prediction in read if not _is_line(prediction, line)], len(self.lines))

        what = "predictions from the journal"
        yield from _tried(what, check)

    def scored(self) -> Iterator[Finding]:
        """Statistics and scores, with their intervals, from the predictions."""
        import numpy as np

        record = self.result.record
        whats = "statistics.npy from the predictions", "scores and intervals from the predictions"
        try:
            metrics = [comparison.metric_of(self.result, name, self.registry) for name in record["scores"]]
            given = {
                line["id"]: Prediction(value=line["prediction"], scores=line["scores"])
                for line in self.lines if not line.get("skipped")
            }  # fmt: skip
            array = self.result.statistics()
            # examples of one number are not independent, whatever they share
            examples = [
                Example(id=e.id, inputs=e.inputs, reference=e.reference, cluster=f"cluster {number}", slices=e.slices)
                for e, number in zip(self.examples, array[CLUSTER].tolist(), strict=True)
            ]  # fmt: skip
            scored = scoring.score(metrics, examples, given)
            rest = self._rest(metrics, scored, given)
        except (PlmtasksError, ValueError) as e:
            state: Any = "altered" if isinstance(e, DataError | ValueError) else "not checked"
            for what in whats:
                yield Finding(what=what, state=state, found=summary_of(e))
            return
        if {*scored.columns, CLUSTER} != {*(array.dtype.names or ())}:
            yield _same(whats[0], sorted([*scored.columns, CLUSTER]), sorted(array.dtype.names or ()))
        else:
            written = np.stack([array[name] for name in scored.columns], axis=1) if scored.columns else scored.rows
            equal = np.isclose(written, scored.rows, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True).all(axis=1)
            yield _listed(whats[0], [examples[i].id for i in np.flatnonzero(~equal)], len(examples))
        yield _close(whats[1], _flat(record["scores"]), _flat(scored.scores))
        for name, made in rest.items():
            yield _alike(f"{name} from the predictions", record.get(name), json.loads(json.dumps(made)))

    def _rest(self, metrics: "Sequence[Metric]", scored: scoring.Scored, given: Mapping[str, Prediction]) -> dict[str, Any]:
        """What else result.json tells of the predictions: slices, their gaps, calibration, overlap as far as it is kept."""
        record = self.result.record
        found: dict[str, Any] = breakdown.record(metrics, self.examples, scored)
        found["calibration"] = calibration.record(metrics, self.examples, given, scored, record["task"]["labels"])
        if "overlap" in record:
            made = overlap.find(self.examples, (), "").record()
            ngram = sum("overlap=yes" in e.slices for e in self.examples)
            # which are the same to the word only the train split tells, and that is not stored with the run
            found["overlap"] = {**made, **{key: record["overlap"][key] for key in ("exact", "train")}, "ngram": ngram}
        return found


def _is_line(prediction: Prediction | None, line: Mapping[str, Any]) -> bool:
    """Whether a line of predictions.jsonl tells this prediction; None: there was no answer."""
    if line.get("skipped") or prediction is None:
        return prediction is None and bool(line.get("skipped"))
    return bool(json.loads(json.dumps([prediction.value, dict(prediction.scores)])) == [line["prediction"], line["scores"]])


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


def _tried(what: str, check: Callable[[], Finding]) -> Iterator[Finding]:
    """The finding, or why there is none."""
    try:
        yield check()
    except (DataError, JournalError) as e:
        yield Finding(what=what, state="altered", found=e.message)
    except InputError as e:
        yield Finding(what=what, state="not checked", found=e.message)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as e:
        yield Finding(what=what, state="altered", found=f"{type(e).__name__}: {e}")


def _listed(what: str, wrong: list[str], of: int) -> Finding:
    found = f"{len(wrong)} of {of} are others: {', '.join(wrong[:3])}" + (", …" if len(wrong) > 3 else "")
    whole = f"{of} of {of} the same"
    return Finding(what=what, state="altered" if wrong else "as written", expected=whole, found=found if wrong else whole)


def _flat(scores: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, float | None]:
    return {
        f"{metric}/{name}{end}": s[key] for metric, named in scores.items() for name, s in named.items()
        for key, end in (("value", ""), ("low", " low"), ("high", " high"))
    }  # fmt: skip
