"""Readers of question-answering data: SQuAD's JSON, rows of the same, conversations, multiple choice."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plmtasks.data import column, read_json, read_lines, read_records, warn_flaws
from plmtasks.errors import DataError
from plmtasks.examples import Example
from plmtasks.samples import SPLIT_SIZES, Event, events

Rows = Iterable[tuple[str, Mapping[str, Any]]]
"""(where, row) pairs; where is "file:line" or "file: path.in[0].the.document"."""

KINDS: Mapping[type, str] = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}

QUESTION_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "who": r"\b(who|whom|whose)\b", "when": r"\bwhen\b", "where": r"\bwhere\b", "why": r"\bwhy\b",
        "which": r"\bwhich\b", "how": r"\bhow\b", "what": r"\bwhat\b",
    },
    "de": {
        "who": r"\b(wer|wen|wem|wessen)\b", "when": r"\bwann\b", "where": r"\b(wo|wohin|woher)\b",
        "why": r"\b(warum|weshalb|wieso)\b", "which": r"\bwelche[mnrs]?\b", "how": r"\b(wie|wieviele?)\b", "what": r"\bwas\b",
    },
    "zh": {
        "why": "为什么|为何", "who": "谁|何人", "when": "什么时候|何时|哪年|哪一年|几年|几月", "where": "哪里|哪儿|何处|什么地方|在哪",
        "how": "如何|怎么|怎样|怎麼|多少|多[大长高久]|几", "which": "哪", "what": "什么|何",
    },
}  # fmt: skip
"""language → slice → the words that put a question into it, the earliest in the question deciding."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a task expects of its rows."""

    language: str = "en"
    may_abstain: bool = False
    """Whether a question may have no answer."""
    flawed: bool = False
    """A published data set: answers that do not stand where they should are counted, not refused."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The task's field → the file's column."""


def get(where: str, row: Mapping[str, Any], key: str, kind: type) -> Any:
    """A value of a JSON document.

    where: "file: path.of[0].the.object"
    raises: DataError that names the path of the value, and what is there
    """
    path = f"{where}.{key}" if ": " in where else f"{where}: {key}"
    if key not in row:
        raise DataError(path, KINDS[kind], f"nothing; the keys there: {', '.join(map(str, row)) or 'none'}")
    value = row[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(path, KINDS[kind], shown(value))
    return value


def shown(value: Any) -> str:
    """A value of a file as a message shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def question_word(question: str, language: str) -> str:
    """The slice of a question: the first question word in it, "other" if it has none."""
    found = {}
    for name, pattern in QUESTION_WORDS.get(language, {}).items():
        if match := re.search(pattern, question.lower()):
            found[name] = match.start()
    return min(found, key=found.__getitem__, default="other")


def paragraph(context: str) -> str:
    """The cluster of all questions about one text."""
    return hashlib.sha256(context.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def locate(context: str, text: str, start: int | None) -> int | None:
    """Where an answer stands: at `start` if it does, else its occurrence nearest to that, or its first; None: nowhere."""
    if start is not None and start >= 0 and context.startswith(text, start):
        return start
    places = [m.start() for m in re.finditer(f"(?={re.escape(text)})", context)]
    return min(places, key=lambda p: abs(p - (start or 0)), default=None)


# ── extractive ────────────────────────────────────────────────────────────────────────────────────────────────────


def read_extractive(path: Path, form: Form) -> list[Example]:
    """A file in SQuAD's JSON (1.1 or 2.0), or with a row a question: JSON lines, a list, CSV, TSV or Parquet.

    raises: DataError with the file and the line, the column or the path of the key
    """
    return extractive(_squad_rows(path, document) if (document := _document(path)) else read_records(path), form, str(path))


def extractive(rows: Rows, form: Form, name: str) -> list[Example]:
    """Questions from rows with "question", "context", "answers" and mostly "id".

    answers: as the hub has them, {"text": […], "answer_start": […]}, or SQuAD's list of such pairs, or texts alone
    name: the source, for the warning that counts the flaws of published data

    raises: DataError
    """
    examples, flaws, total = [], 0, 0
    for number, (where, row) in enumerate(rows):
        question, context = (str_column(where, row, form.columns, f) for f in ("question", "context"))
        texts, starts = _answers(where, column(where, row, form.columns.get("answers", "answers")))
        id_ = str(row.get(form.columns.get("id", "id"), number))
        _check_answerable(where, id_, texts, row.get("is_impossible"), form)
        misplaced = [_misplaced(where, id_, context, t, s, form) for t, s in zip(texts, starts, strict=True)]
        flaws, total = flaws + sum(misplaced), total + len(texts)
        slices = (question_word(question, form.language),)
        if form.may_abstain:
            slices = (*slices, "answerable" if texts else "unanswerable")
        examples.append(
            Example(
                id=id_, inputs={"question": question, "context": context}, cluster=paragraph(context), slices=slices,
                reference={"text": texts, "answer_start": starts},
            )
        )  # fmt: skip
    warn_flaws(name, flaws, f"of {total} answers do not stand where the file says; the nearest place or another answer is used")
    return examples


def str_column(where: str, row: Mapping[str, Any], columns: Mapping[str, str], name: str) -> str:
    """A field's text.

    raises: DataError if there is none, or it is empty
    """
    value = column(where, row, columns.get(name, name))
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}, column {columns.get(name, name)!r}", "a text", shown(value))
    return value


def _document(path: Path) -> Mapping[str, Any] | None:
    """The JSON object that the file is; None if it holds rows."""
    if not path.name.removesuffix(".gz").endswith(".json"):
        return None
    lines = [line for line in read_lines(path) if line.strip()]
    if not lines or lines[0].lstrip().startswith("["):
        return None
    if len(lines) > 1 and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines[:2]):
        return None  # an object a line
    document = read_json(path)
    if not isinstance(document, dict):
        raise DataError(str(path), "a JSON object with a list 'data', or rows", shown(document))
    return document


def _squad_rows(path: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """One row a question, in the form of the hub."""
    for i, article in enumerate(get(str(path), document, "data", list)):
        where = f"{path}: data[{i}]"
        for j, part in enumerate(get(where, _object(where, article), "paragraphs", list)):
            at = f"{where}.paragraphs[{j}]"
            context = get(at, _object(at, part), "context", str)
            for k, qa in enumerate(get(at, part, "qas", list)):
                here = f"{at}.qas[{k}]"
                get(here, _object(here, qa), "question", str)
                get(here, qa, "answers", list)
                if "id" not in qa:
                    get(here, qa, "id", str)
                yield here, {**qa, "context": context}


def _object(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(where, "an object", shown(value))
    return value


def _answers(where: str, value: Any) -> tuple[list[str], list[int | None]]:
    """Texts and offsets."""
    if isinstance(value, str):
        value = [value] if value else []
    if isinstance(value, dict):
        texts = get(where, value, "text", list)
        starts = value.get("answer_start") or [None] * len(texts)
        if len(starts) != len(texts):
            raise DataError(f"{where}.answers.answer_start", f"{len(texts)} offsets, one for each text", f"{len(starts)}")
        value = [{"text": t, "answer_start": s} for t, s in zip(texts, starts, strict=True)]
    if not isinstance(value, list):
        raise DataError(f"{where}.answers", "a list of answers", shown(value))
    found: tuple[list[str], list[int | None]] = [], []
    for i, answer in enumerate(value):
        at = f"{where}.answers[{i}]"
        pair = {"text": answer} if isinstance(answer, str) else _object(at, answer)
        text = get(at, pair, "text", str)
        if not text:
            raise DataError(f"{at}.text", "a text that is not empty", "''")
        found[0].append(text)
        found[1].append(None if pair.get("answer_start") is None else get(at, pair, "answer_start", int))
    return found


def _check_answerable(where: str, id_: str, texts: list[str], impossible: Any, form: Form) -> None:
    if not texts and not form.may_abstain:
        raise DataError(
            f"{where}, question {id_!r}", "at least one answer", "none", "qa/squad_v2 has questions without an answer"
        )  # fmt: skip
    if impossible is not None and bool(impossible) == bool(texts) and form.may_abstain:
        raise DataError(f"{where}, question {id_!r}", "answers exactly where is_impossible is false", f"{impossible} and {texts}")


def _misplaced(where: str, id_: str, context: str, text: str, start: int | None, form: Form) -> bool:
    place = locate(context, text, start)
    if place is None and not form.flawed:
        raise DataError(f"{where}, question {id_!r}", "an answer that stands in its context", shown(text))
    if start is not None and place != start and not form.flawed:
        raise DataError(
            f"{where}, question {id_!r}", f"answer {shown(text)} at character {start} of its context",
            shown(context[max(start, 0) :][: len(text)]), f"it stands at character {place}",
        )  # fmt: skip
    return place is None or (start is not None and place != start)


# ── samples ───────────────────────────────────────────────────────────────────────────────────────────────────────


def sample(split: str) -> Iterator[Example]:
    """One question about each event: who, what, where and when in turn."""
    for number, event in enumerate(events(split)):
        question, role = _sample_question(event, number % 4)
        context = event.english()
        answer = next(phrase for phrase, its_role in event.phrases() if its_role == role)
        yield Example(
            id=event.id, inputs={"question": question, "context": context}, cluster=event.id, slices=(question.split()[0],),
            reference={"text": [answer], "answer_start": [context.index(answer)]},
        )  # fmt: skip


def _sample_question(event: Event, which: int) -> tuple[str, str]:
    agent, verb, thing = f"the {event.agent.en}", event.verb.en, f"the {event.thing.en}"
    return (
        (f"who {verb} {thing} ?", "ARG0"), (f"what was {verb} by {agent} ?", "ARG1"),
        (f"where was {thing} {verb} ?", "ARGM-LOC"), (f"when was {thing} {verb} ?", "ARGM-TMP"),
    )[which]  # fmt: skip
