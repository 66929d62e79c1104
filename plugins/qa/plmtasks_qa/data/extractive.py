"""SQuAD's JSON, and rows with a question, its context and its answers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plmtasks.data import DOCUMENT_LENGTHS, by_length, locate, read_answers, warn_flaws
from plmtasks.errors import DataError
from plmtasks.examples import Example
from plmtasks.files import column, count_row, current_layout, kind_of, parse, read_json, read_lines, read_records, row_aside

from .rows import Form, Rows, get, get_field, get_id, get_object, paragraph, question_word, shown, under


def read_extractive(path: Path, form: Form) -> list[Example]:
    """A file in SQuAD's JSON (1.1 or 2.0), or with a row a question: JSON lines, a list, CSV, TSV or Parquet.

    raises: DataError with the file and the line, the column or the path of the key
    """
    document = read_document(path)
    return extractive(read_records(path) if document is None else squad_rows(path, document), form, str(path))


def extractive(rows: Rows, form: Form, name: str) -> list[Example]:
    """Questions from rows with "question", "context", "answers" or "answer", and mostly "id" (else their number).

    answers: as the hub has them, {"text": […], "answer_start": […]}, or SQuAD's list of such pairs, or texts alone
    name: the source, for the warning that counts the flaws of published data

    raises: DataError
    """
    examples, flaws, total = [], 0, 0
    for number, (where, row) in enumerate(rows):
        with row_aside():
            example = _example(where, row, form, number)
            texts, starts = example.reference["text"], example.reference["answer_start"]
            at, context = f"{where}, question {example.id!r}", example.inputs["context"]
            flaws += sum(misplaced(at, context, t, s, form) for t, s in zip(texts, starts, strict=True))
            total += len(texts)
            examples.append(example)
    warn_misplaced(name, flaws, total)
    return examples


def _example(where: str, row: Mapping[str, Any], form: Form, number: int) -> Example:
    question, context = (get_field(where, row, form, f) for f in ("question", "context"))
    named = form.columns.get("answers") or ("answer" if "answer" in row and "answers" not in row else "answers")
    texts, starts = read_answers(under(where, named), column(where, row, named))
    id_ = get_id(where, row, form, number)
    _check_answerable(f"{where}, question {id_!r}", texts, row.get("is_impossible"), form)
    slices: tuple[str, ...] = (question_word(question, form.language), by_length(context, form.language, DOCUMENT_LENGTHS))
    if form.may_abstain:
        slices = (*slices, f"answer={'some' if texts else 'none'}")
    return Example(
        id=id_, inputs={"question": question, "context": context}, cluster=paragraph(context), slices=slices,
        reference={"text": texts, "answer_start": starts},
    )  # fmt: skip


def misplaced(at: str, context: str, text: str, start: int | None, form: Form) -> bool:
    """Whether an answer does not stand where the file says.

    raises: DataError if so, unless the data set is known to be flawed
    """
    place = locate(context, text, start)
    if place is None and not form.flawed:
        raise DataError(at, "an answer that stands in its context", shown(text))
    if start is not None and place != start and not form.flawed:
        found = shown(context[max(start, 0) :][: len(text)])
        raise DataError(at, f"answer {shown(text)} at character {start} of its context", found, f"it stands at character {place}")
    return place is None or (start is not None and place != start)


def warn_misplaced(name: str, flaws: int, total: int) -> None:
    warn_flaws(name, flaws, f"of {total} answers do not stand where the file says; the nearest place or another answer is taught")


def read_document(path: Path) -> Mapping[str, Any] | None:
    """The JSON object that the file is; None if it holds rows.

    raises: DataError with line and column
    """
    kind = kind_of(path)
    is_json = kind in (".json", ".jsonl", ".ndjson") and not current_layout().rows
    lines = [line for line in read_lines(path) if line.strip()] if is_json else []
    if not lines or lines[0].lstrip().startswith("["):
        return None
    try:
        first = parse(str(path), lines[0])
    except DataError:
        first = None  # the first line of a document over many lines, or a broken row
    one_object = len(lines) == 1 and isinstance(first, dict)
    a_document = one_object or first is None if kind == ".json" else one_object and "data" in first
    return get_object(str(path), read_json(path)) if a_document else None


def squad_rows(path: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """One row a question, in the form of the hub."""
    for at, part in paragraphs(path, document):
        for k, qa in enumerate(get(at, part, "qas", list)):
            here = f"{at}.qas[{k}]"
            count_row()
            with row_aside():
                get(here, get_object(here, qa), "question", str)
                get(here, qa, "answers", list)
                if "id" not in qa:
                    get(here, qa, "id", str)
                yield here, {**qa, "context": part["context"]}


def paragraphs(path: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, object) for each paragraph of a document in SQuAD's JSON."""
    for i, article in enumerate(get(str(path), document, "data", list)):
        where = f"{path}: data[{i}]"
        for j, part in enumerate(get(where, get_object(where, article), "paragraphs", list)):
            at = f"{where}.paragraphs[{j}]"
            get(at, get_object(at, part), "context", str)
            yield at, part


def _check_answerable(at: str, texts: list[str], impossible: Any, form: Form) -> None:
    if not texts and not form.may_abstain:
        raise DataError(at, "at least one answer", "none", "qa/squad_v2 takes questions without an answer")
    if impossible is not None and bool(impossible) == bool(texts) and form.may_abstain:
        raise DataError(at, "answers exactly where is_impossible is false", f"{impossible!r} and {shown(texts)}")
