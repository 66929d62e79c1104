"""A stored run, run again: what differs before it starts, and whether the same bytes came out."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ..config import RunConfig
from ..errors import DataError, InputError, OutputError
from ..execution import Progress, alone, environment
from ..files import as_text, check, dump, place, reached, terminal
from ..hooks import Registry
from ..results import Result, part
from ..scoring import SUBMITTED
from . import session
from .followed import runs_named
from .job import prepare
from .runner import plans
from .suite import stored_config

FILES = ("result.json", "predictions.jsonl", "statistics.npy")
"""What has the same bytes for the same identity on the same class of machine."""

WORDS = {
    "format": "how plmtasks makes results",
    "task": "of the task: the", "ask": "the kind of request", "requests": "what is asked: texts, prompts, shots or labels",
    "data": "of the data: the", "data fingerprint": "the examples", "data total": "the number of examples of the whole split",
    "model": "of the model: the", "model files": "of the model: the file",
    "model version": "the version of how the model is asked",
    "settings": "the setting", "metrics": "the metric", "allow_untrained": "whether weights are newly initialized",
    "predictions_of": "of the run whose predictions are taken: the", "trained": "of the training: the",
    "trained start": "of the model before its training: the", "trained learned": "of what is learned: the",
    "trained learned data fingerprint": "the examples of the train split", "trained learned data": "of the train split: the",
    "trained learned pairs": "what is learned: questions and their answers",
    "trained learned selecting": "of what chooses the epoch: the", "trained training": "the training's setting",
    "trained processes": "the number of processes that train", "device": "the device", "processor": "the maker of the processor",
    "cpu_capability": "the processor's instructions", "versions": "the version of",
}  # fmt: skip
"""Parts of the identity and of environment.json, as a user knows them; a longer name holds before a shorter one."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Where things lie now; None: where the run's settings say."""

    data: str | None = None
    train_data: str | None = None
    model: str | None = None
    predictions_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Unlike:
    """One thing that is not as it was when the run was made."""

    what: str
    then: str
    now: str


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A run and what came of running it again."""

    result: Result
    files: Mapping[str, bool]
    """Whether each has the same bytes."""
    scores: Mapping[str, tuple[float | None, float | None]]
    """"metric/score" → then and now, of those that differ"""
    predictions: int
    """Examples with another prediction, or without one."""
    examples: int

    @property
    def same(self) -> bool:
        return all(self.files.values())


def config_of(result: Result, moved: Moved, output: str, checkpoints: str) -> RunConfig:
    """How a run is run again: its own settings, all automatic choices made, in another folder.

    raises: InputError if its settings are not there, or not known here
    """
    stored = _stored(result)
    then = _environment(result).get("versions", {}).get("plmtasks", "?")
    config = stored_config(result.folder / "config.json", stored, f"it was run with plmtasks {then}")
    now = {name: path for name, path in vars(moved).items() if path}
    source = replace(config.source, **{name: now.pop(name) for name in ("data", "train_data") if name in now})
    return replace(
        config, **now, source=source, output=output, checkpoints=checkpoints,
        training=replace(config.training, report_to=()), retry_oom=False, yes=True,
        # how many processes answer changes nothing, how many train does
        processes=stored["identity"].get("trained", {}).get("parts", {}).get("processes", 1),
    )  # fmt: skip


def _stored(result: Result) -> Mapping[str, Any]:
    """ "config", what was asked, and "identity", its parts.

    raises: DataError
    """
    try:
        stored = result.config()
        if not stored:
            raise DataError(str(result.folder / "config.json"), "settings and identity of the run", "no such file")
        check(str(result.folder / "config.json"), stored, {"config": {}, "identity": {"task": {}, "model": {}}})
    except DataError as e:
        raise DataError(e.where, e.expected, e.found, "a run is repeated from its whole folder") from e
    if stored["identity"].get("ask") == SUBMITTED:
        hint = "plmtasks results verify --deep scores its predictions again"
        raise InputError(f"{result.folder} has somebody else's predictions: there is no run to repeat", hint)
    return stored


def _environment(result: Result) -> Mapping[str, Any]:
    try:
        return result.environment()
    except DataError:
        return {}


# ── before it starts ──────────────────────────────────────────────────────────────────────────────────────────────


def differences(result: Result, config: RunConfig, registry: Registry) -> list[Unlike]:
    """What of data, weights, settings, versions and hardware is not as it was.

    raises: InputError and its kinds if it cannot be run here at all
    """
    then = dict(_stored(result)["identity"])
    try:
        registry.check(config, str(result.folder))
        job = prepare(config, registry)
        now = dict(job.parts)
        if job.must_learn:  # what it will have learned is not known, but from what
            processes = replace(alone(), count=config.processes)
            recipes = [plan.recipe for plan in plans(job, processes, Progress(quiet=True))]
            now["trained"] = {**recipes[0], "learned": [learned for recipe in recipes for learned in recipe["learned"]]}
            then["trained"] = then["trained"].get("parts", {})
            for parts in (then, now):
                parts["model"] = {"name": parts["model"]["name"]}
    except InputError as e:
        raise InputError(e.message, *e.hints, *_elsewhere(config)) from e
    unlike = list(_unlike(then, json.loads(dump(now))))
    described, was = environment.describe(alone().device()), _environment(result)
    if not was:
        unknown = "not known: there is no environment.json"
        return [*unlike, Unlike(what="the machine", then=unknown, now=str(described["processor"]))]
    machine, now = ({name: one.get(name) for name in environment.MACHINE} for one in (was, described))
    return [*unlike, *_unlike(machine, now)]


def _elsewhere(config: RunConfig) -> Iterator[str]:
    """What to do about each path of the settings at which nothing lies."""
    paths: dict[str, list[str | None]] = {
        "--data": [config.source.data], "--train-data": [config.source.train_data],
        "--predictions-of": [*runs_named(config.predictions_of or "")], "--model": [config.model],
    }  # fmt: skip
    for option, path in ((option, path) for option, several in paths.items() for path in several):
        if path and (option != "--model" or path.startswith((".", "/", "~"))) and "://" not in path and not Path(path).exists():
            begun = "" if Path(path).is_absolute() else ", from the folder where it was started"
            yield f"the run was told {option} {path}{begun}: {option} PATH says where that lies now"


def _unlike(then: Any, now: Any, path: tuple[str, ...] = ()) -> Iterator[Unlike]:
    """Where two trees of JSON differ, leaf by leaf."""
    if (isinstance(then, dict) and isinstance(now, dict | None)) or (isinstance(now, dict) and then is None):
        then, now = then or {}, now or {}
        for name in sorted({*then, *now}):
            yield from _unlike(then.get(name), now.get(name), (*path, name))
    elif isinstance(then, list) and isinstance(now, list) and any(isinstance(item, dict) for item in (*then, *now)):
        for a, b in zip_longest(then, now):
            yield from _unlike(a, b, path)
    elif then != now:
        yield Unlike(what=_words(path), then=_short(then), now=_short(now))


def _words(path: Sequence[str]) -> str:
    for length in range(len(path), 0, -1):
        if (words := WORDS.get(" ".join(path[:length]))) is not None:
            return " ".join([words, *(name.replace("_", " ") for name in path[length:])])
    return " ".join(path)


def _short(value: Any) -> str:
    if value is None or value == {}:
        return "none"
    text = as_text(value)
    is_hash = len(text) in (32, 64) and set(text) <= set("0123456789abcdef")
    return text[:8] if is_hash else terminal.shortened(text, 60)


# ── and after ─────────────────────────────────────────────────────────────────────────────────────────────────────


def reproduce(result: Result, config: RunConfig, registry: Registry) -> Reproduction:
    """Runs it again, and compares what came out.

    raises: OutputError if the folder holds a finished run, which would be taken for the new one; whatever stops a run
    """
    output = place(config.output)
    with reached(output):
        finished = output.exists() and any(output.rglob("result.json"))
    if finished:
        raise OutputError(f"{output} holds a run that is finished", "choose a new or empty folder with --output DIR")
    registry.check(config, str(result.folder))
    [again] = session.run([config], registry)
    names = {*result.scores(), *again.scores()}
    pairs = {name: (result.scores().get(name), again.scores().get(name)) for name in sorted(names)}
    changed, examples = _predictions(result, again)
    return Reproduction(
        result=again, files={name: _bytes_are(result, again, name) for name in FILES},
        scores={name: (then, now) for name, (then, now) in pairs.items() if then != now}, predictions=changed, examples=examples,
    )  # fmt: skip


def _bytes_are(result: Result, again: Result, name: str) -> bool:
    """Whether a file has the same bytes; one that does not lie beside the stored result is known by its hash."""
    now = (again.folder / name).read_bytes()
    try:
        return part(result.folder, name).read_bytes() == now
    except OSError:
        return bool(result.record["files"].get(name) == hashlib.sha256(now).hexdigest())


def _predictions(result: Result, again: Result) -> tuple[int, int]:
    """How many examples have another prediction now, and how many there are."""
    now = {row["id"]: row["prediction"] for row in again.predictions()}
    try:
        then = {row["id"]: row["prediction"] for row in result.predictions()}
    except DataError:
        then = {}
    return sum(then.get(id_) != value or id_ not in then for id_, value in now.items()), len(now)
