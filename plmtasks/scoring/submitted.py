"""Somebody else's predictions as a run: the folder that every other run has."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..data import is_empty
from ..errors import DataError, InputError, summary_of
from ..examples import fingerprint
from ..execution import environment
from ..files import claim, open_folder, read_text, sealed, value_hash, write_files, write_text
from ..requests import to_json
from ..results import (
    SCHEMA_VERSION,
    Result,
    identity_hash,
    prediction_lines,
    read_result,
    run_folder,
    statistics_bytes,
    stored,
)
from ..statistics import drawn_by
from . import breakdown, calibration
from .metrics import main_score
from .repeats import counted_repeats
from .scores import Judged

SUBMITTED = "submitted"
"""How the model came to the task, and how it was asked: nobody here knows. Its family too, unless a card says it."""

FORMAT = 1
"""Raised whenever the core would make another result of the same submission."""

UNKNOWN: Mapping[str, Any] = {
    "dtype": None, "batch_tokens": None, "threads": None, "truncation": "auto", "prompt": "plain",
    "generation": {"num_beams": 1, "temperature": 0.0, "top_p": None, "length_penalty": None, "max_new_tokens": None},
    "seed": 0, "model_args": {}, "trust_remote_code": False,
}  # fmt: skip
"""The settings of a run that nobody here made."""


FRONT_MATTER = re.compile(r"\s*---[\r\n]+.*?[\r\n]+---(\r\n|\n|$)", re.DOTALL)
"""What the hub takes for a card's fields; of another beginning it would only log that there are none."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What submitters say of their system: Markdown, with fields in front of it."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    """The YAML front matter, as JSON can hold it."""
    text: str = ""

    @property
    def family(self) -> str:
        """The field "family", if it is a text."""
        said = self.fields.get("family")
        return said.strip() if isinstance(said, str) and said.strip() else SUBMITTED


def read_card(path: Path) -> Card:
    """A model card: a Markdown file, with or without YAML front matter.

    raises: InputError if it is not there, or huggingface_hub is not; DataError if the front matter is no YAML
    """
    try:
        content = read_text(path)
    except FileNotFoundError as e:
        raise InputError(f"{path}: no such file", "a card is a Markdown file that says what made the predictions") from e
    content = content.removeprefix("\ufeff")
    if not content.lstrip().startswith("---"):
        return Card(text=content.strip())
    said = "front matter of YAML between two lines of ---, then text"
    if not FRONT_MATTER.match(content):
        raise DataError(str(path), said, "no second such line")
    try:
        from huggingface_hub import ModelCard
    except ImportError as e:
        raise InputError(f"{path}: reading a card's fields needs huggingface_hub", "pip install 'plmtasks[run]'") from e
    try:
        card = ModelCard(content, ignore_metadata_errors=True)
    except Exception as e:  # YAML's own errors, and whatever the card's checks raise
        raise DataError(str(path), said, f"{type(e).__name__}: {summary_of(e)}") from e
    fields = card.data.to_dict()  # type: ignore[no-untyped-call]
    return Card(fields=_plain(fields), text=card.text.strip())


def _plain(value: Any) -> Any:
    """As JSON can hold it: what YAML has beside, such as dates, as text."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    finite = isinstance(value, float) and math.isfinite(value)
    return value if value is None or finite or isinstance(value, str | bool | int) else str(value)


@dataclass(frozen=True, kw_only=True)
class Written:
    """The run of a submission."""

    result: Result
    there: bool
    """Whether the same submission was there already."""


def write_run(judged: Judged, name: str, output: str | Path, card: Card | None = None) -> Written:
    """The submission as a run in a folder of results. The same submission again is the same run, with the words of the last card.

    name: what the system is called

    raises: InputError for a name that says nothing; OutputError
    """
    if not name.strip() or not name.isprintable():
        raise InputError(f"{name!r} is no name for a system", "it is a line of text that stands in tables: my-system")
    card = card or Card()
    parts = _parts(judged, name, card)
    identity = identity_hash(parts)
    folder = run_folder(output, judged.task.name, name, identity)
    config = sealed({"config": _config(judged, name, card), "identity": parts})
    there = stored(folder) is not None
    open_folder(folder)
    with claim(folder, "run"):
        write_text(folder / "config.json", config)
        if not there:
            _write(judged, folder, parts)
    return Written(result=read_result(folder), there=there)


def predictions_hash(lines: Sequence[Mapping[str, Any]]) -> str:
    """lines: of each example, in their order; what repeats them of the examples does not matter"""
    names = ("id", "prediction", "scores", "reasoning", "unfinished", "repeats")
    return value_hash([[line[name] for name in names if name in line] for line in lines])


def _parts(judged: Judged, name: str, card: Card) -> Mapping[str, Any]:
    """The parts of the identity."""
    data, split, examples, given = judged.data, judged.split, judged.examples, judged.predictions
    left_out = data.left_out(split)
    return {
        "format": FORMAT, "ask": SUBMITTED, "task": judged.task.config(),
        "data": {
            "name": data.public_name(split, judged.source), "split": split, "fingerprint": fingerprint(examples),
            "total": len(examples), **({"left_out": left_out} if left_out else {}),
        },
        "model": {"name": name, "family": card.family}, "settings": dict(UNKNOWN),
        "metrics": {m.name: m.signature() for m in judged.metrics},
        **_repeats(judged), "predictions": predictions_hash([{"id": e.id, **given[e.id].to_line()} for e in examples]),
        "slices": identity_hash({"of": [list(e.slices) for e in examples]}), **drawn_by(len(examples)),
    }  # fmt: skip


def _repeats(judged: Judged) -> dict[str, int]:
    """Of how many texts each prediction was made; nothing of one."""
    repeats = counted_repeats(judged.predictions.values())
    return {"repeats": repeats} if repeats > 1 else {}


def _config(judged: Judged, name: str, card: Card) -> dict[str, Any]:
    """What was asked, and the submitter's words: no part of the identity."""
    given = judged.given
    submission = {"predictions": str(given.path), **({"na_prob": given.na_prob} if given.na_prob is not None else {})}
    words = {"card": {"fields": dict(card.fields), "text": card.text}} if card.fields or card.text else {}
    source = {key: value for key, value in to_json(judged.source).items() if value}
    asked = {"split": given.split, "metrics": list(given.metrics)} if given.metrics else {"split": given.split}
    return {"task": judged.task.name, "model": name, "source": source, **asked, "submission": {**submission, **words}}


def _write(judged: Judged, folder: Path, parts: Mapping[str, Any]) -> None:
    """The run's files; `result.json` last, so that a folder that has it is complete."""
    examples, scored = judged.examples, judged.scored
    hashes = write_files(folder, {
        "predictions.jsonl": prediction_lines(examples, judged.predictions),
        "statistics.npy": statistics_bytes(scored.columns, scored.rows, examples),
    })  # fmt: skip
    versions = {name: found for name in ("plmtasks", "numpy") if (found := environment.version(name))}
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    write_text(folder / "environment.json", sealed({"finished": finished, "versions": versions}))
    write_text(folder / "result.json", sealed({**_record(judged, parts), "files": hashes}))


def _record(judged: Judged, parts: Mapping[str, Any]) -> dict[str, Any]:
    examples, scored, metrics = judged.examples, judged.scored, judged.metrics
    confident = calibration.record(metrics, examples, judged.predictions, scored, judged.task.labels)
    empty = sum(map(is_empty, examples))
    return {
        "schema_version": SCHEMA_VERSION, "identity": identity_hash(parts), "task": parts["task"],
        "model": {**parts["model"], "ask": SUBMITTED},
        "protocol": {"how": SUBMITTED, "shots": 0, **_repeats(judged), "newly_initialized": [], "trained_on": []},
        "data": {
            **parts["data"], "examples": len(examples), "limit": None, **({"empty": empty} if empty else {}), "skipped": 0,
            "truncated": None,
        },
        "settings": parts["settings"], "scores": scored.scores, "primary_metric": [metrics[0].name, main_score(metrics[0])],
        "signatures": parts["metrics"], **breakdown.record(metrics, examples, scored),
        **({"calibration": confident} if confident else {}),
    }  # fmt: skip
