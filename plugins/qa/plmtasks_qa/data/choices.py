"""Questions with choices: the shapes of RACE, ARC, CommonsenseQA, MMLU, HellaSwag and SWAG."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plmtasks.data import DOCUMENT_LENGTHS, LETTERS, Cell, by_length, is_spaced
from plmtasks.errors import DataError
from plmtasks.examples import Example
from plmtasks.files import column, read_records, row_aside

from .rows import Form, Rows, get, get_id, get_lists, get_object, get_text, paragraph, question_word, shown, under

SHAPES = (
    "question and choices (a list, or ARC's {text, label}) with answer or answerKey",
    "article, question and options (RACE)", "ctx and endings (HellaSwag)", "sent1, sent2 and ending0, ending1, … (SWAG)",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Item:
    """A row in the form that all shapes come down to."""

    context: str | None = None
    question: str | None = None
    """None: the choices continue the context."""
    begun: str = ""
    """What the context ends with and the choices continue, where the file tells it apart: SWAG's "sent2", HellaSwag's "ctx_b"."""
    choices: Sequence[str]
    names: Sequence[str] = ()
    """What the file calls its choices, where it names them."""
    answer: Any


def read_choices(path: Path, form: Form) -> list[Example]:
    """A file with a row a question, or RACE's with an object an article: JSON lines, a list, CSV, TSV or Parquet.

    raises: DataError
    """
    return choices(read_records(path), form, str(path))


def choices(rows: Rows, form: Form, name: str) -> list[Example]:
    """Questions from rows of any of the shapes. Without "id" an example's id is its number, or its article's and that.

    Their references are cells yet: what they mean is read in all rows together, and then made a letter by `lettered`.

    raises: DataError
    """
    examples, of_article = [], Counter[str]()
    for number, (where, row) in enumerate(_flat(rows)):
        with row_aside():
            named = {**row, **{f: column(where, row, c) for f, c in form.columns.items()}}
            id_ = get_id(where, row, form, number)
            if "example_id" in named:  # RACE names its articles, not its questions
                id_ = f"{named['example_id']}/{of_article[named['example_id']]}"
                of_article[named["example_id"]] += 1
            examples.append(_example(where, named, id_, form))
    return examples


def _example(where: str, row: Mapping[str, Any], id_: str, form: Form) -> Example:
    item = _item(where, row)
    _check(where, item, form)
    inputs = {"context": item.context, "question": item.question, "choices": list(item.choices)}
    if item.begun:
        inputs["begun"] = item.begun
    if "subject" in row:
        inputs["subject"] = get_text(where, row, "subject")
    return Example(
        id=id_, inputs=inputs, reference=cell(where, item.answer, item.choices, item.names),
        cluster=paragraph(item.context) if item.context else None, slices=tuple(_slices(item, inputs.get("subject"), form)),
    )  # fmt: skip


def _slices(item: Item, subject: Any, form: Form) -> Iterator[str]:
    if item.question:
        yield question_word(item.question, form.language)
    if item.context:
        yield by_length(item.context, form.language, DOCUMENT_LENGTHS)
    if subject:
        yield f"subject={subject}"


def _flat(rows: Rows) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """RACE's articles cut into their questions; other rows as they are."""
    for where, row in rows:
        if not {"questions", "options", "answers"} <= set(row):
            yield where, row
            continue
        with row_aside():
            article, id_ = get(where, row, "article", str), get(where, row, "id", str)
            parts = zip(*get_lists(where, row, "questions", "options", "answers"), strict=True)
            for k, (question, its, answer) in enumerate(parts):
                its_own = {"article": article, "question": question, "options": its, "answer": answer, "example_id": id_}
                yield f"{where}, question {k}", its_own


def _item(where: str, row: Mapping[str, Any]) -> Item:
    if "ending0" in row:
        texts = [row[f"ending{i}"] for i in range(len(LETTERS)) if f"ending{i}" in row]
        context = " ".join(get_text(where, row, key) for key in ("sent1", "sent2"))
        return Item(context=context, begun=row["sent2"].strip(), choices=texts, answer=_answer(where, row))
    if "endings" in row:
        context, begun = get_text(where, row, "ctx"), ""
        if row.get("ctx_b"):
            begun = get_text(where, row, "ctx_b").capitalize()
            context = f"{get_text(where, row, 'ctx_a')} {begun}"
        if row.get("activity_label"):
            context = f"{get_text(where, row, 'activity_label')}: {context}"
        texts = [_without_headings(e) if isinstance(e, str) else e for e in get(where, row, "endings", list)]
        return Item(context=_without_headings(context), begun=_without_headings(begun), choices=texts, answer=_answer(where, row))
    article = next((get_text(where, row, key) for key in ("article", "context") if row.get(key)), None)
    if isinstance(question := row.get("question"), dict):
        at = under(where, "question")
        texts, names = _named_choices(at, get(at, question, "choices", list))
        question = get_text(at, question, "stem")
    elif "options" in row or "choices" in row:
        texts, names = _named_choices(where, row["options"] if "options" in row else row["choices"])
        question = get_text(where, row, "question")
    else:
        raise DataError(where, "a question with choices", ", ".join(map(str, row)), *SHAPES, "--columns field=column,… renames")
    return Item(context=article, question=question, choices=texts, names=names, answer=_answer(where, row))


def _named_choices(where: str, value: Any) -> tuple[list[str], list[str]]:
    """Texts, and names where there are some, of {"text", "label"} lists, of a list of such pairs, or of texts."""
    at = under(where, "choices")
    if isinstance(value, dict):
        texts, labels = get_lists(at, value, "text", "label")
        return texts, [str(label) for label in labels]
    if not isinstance(value, list):
        raise DataError(at, "a list of choices", shown(value))
    if value and isinstance(value[0], dict):
        pairs = [(f"{at}[{i}]", get_object(f"{at}[{i}]", pair)) for i, pair in enumerate(value)]
        return [get(here, pair, "text", str) for here, pair in pairs], [get(here, pair, "label", str) for here, pair in pairs]
    return value, []


def _answer(where: str, row: Mapping[str, Any]) -> Any:
    for key in ("answer", "answerKey", "label"):
        if key in row:
            return row[key]
    raise DataError(where, "a column 'answer', 'answerKey' or 'label'", ", ".join(map(str, row)), "--columns answer=…")


def _check(where: str, item: Item, form: Form) -> None:
    most = form.options or len(LETTERS)
    if not 2 <= len(item.choices) <= most:
        hints = ("qa/multiple-choice takes up to 26",) if form.options else ()
        raise DataError(where, f"2 to {most} choices", f"{len(item.choices)}", *hints)
    wrong = next((c for c in item.choices if not isinstance(c, str) or not c.strip()), None)
    if wrong is not None:
        raise DataError(where, "choices that are texts and not empty", shown(wrong))


def cell(where: str, answer: Any, choices: Sequence[str], names: Sequence[str] = ()) -> Cell:
    """An answer that means one of the choices."""
    called = {name: names.index(name) for name in names}
    return Cell(where=where, value=answer, candidates=choices, names=called, choices=True)


def lettered(example: Example, positions: Sequence[int]) -> Example:
    """The example with the letter of the right choice as its reference."""
    return replace(example, reference=LETTERS[positions[0]])


def pairs(inputs: Mapping[str, Any], language: str) -> tuple[str, tuple[str, ...]]:
    """What a scorer of pairs reads: the text, and for each choice what it reads beside that.

    Beside an article, the question with the choice in the place of its "_", or behind it; beside a question without an article,
    the choice; beside a beginning, how it goes on.

    source: RACE, SWAG and ARC as `convert_examples_to_features` has them in transformers 4's
    examples/legacy/multiple_choice/utils_multiple_choice.py; CommonsenseQA as fairseq's examples/roberta/commonsense_qa, without
    its "Q:" and "A:"
    """
    context, question, its_choices = (inputs[key] for key in ("context", "question", "choices"))
    space = " " if is_spaced(language) else ""
    if question is None:
        begun = inputs.get("begun", "")
        if not (begun and context.endswith(begun)):
            return context, tuple(its_choices)
        return context.removesuffix(begun).rstrip(), tuple(f"{begun}{space}{choice}" for choice in its_choices)
    if not context:
        return question, tuple(its_choices)
    blank = "_" in question
    return context, tuple(question.replace("_", c) if blank else f"{question}{space}{c}" for c in its_choices)


def _without_headings(text: str) -> str:
    """HellaSwag without the marks that WikiHow left in it; a title ends a sentence."""
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")
