"""Questions that follow one another about one text: the shapes of CoQA and QuAC."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from plmtasks.data import DOCUMENT_LENGTHS, by_length, read_answers
from plmtasks.errors import DataError
from plmtasks.examples import Example
from plmtasks.files import read_records, row_aside

from .extractive import misplaced, paragraphs, read_document, warn_misplaced
from .rows import Form, Rows, get, get_lists, get_object, get_text, paragraph, question_word, under

CANNOT_ANSWER = "CANNOTANSWER"
"""QuAC's answer to what the text does not tell; it also stands at the end of each of its contexts."""


def _slices(question: str, text: str, form: Form, *kinds: str) -> tuple[str, ...]:
    """By the question's word, the text's length and the kinds of answer."""
    length = by_length(text, form.language, DOCUMENT_LENGTHS)
    return (question_word(question, form.language), length, *(f"answer={kind}" for kind in kinds))


# ── CoQA: free answers, each with the part of the story that supports it ──────────────────────────────────────────


def read_coqa(path: Path, form: Form) -> list[Example]:
    """A file in CoQA's JSON, or with a row a conversation as the hub has them.

    raises: DataError
    """
    document = read_document(path)
    if document is None:
        return coqa(read_records(path), form, str(path))
    return list(_coqa_turns(_coqa_dialogues(path, document), form))


def coqa(rows: Rows, form: Form, name: str) -> list[Example]:
    """The hub's rows: "story", "questions" and "answers" {"input_text", "answer_start", "answer_end"}; they have no ids."""
    dialogues = []
    for number, (where, row) in enumerate(rows):
        with row_aside():
            answers = get(where, row, "answers", dict)
            together = {**answers, "questions": get(where, row, "questions", list)}
            parts = zip(*get_lists(where, together, "questions", "input_text", "answer_start", "answer_end"), strict=True)
            turns = [{"question": q, "text": [t], "rationale": [s, e]} for q, t, s, e in parts]
            dialogues.append((where, str(number), get(where, row, "story", str), turns))
    return list(_coqa_turns(dialogues, form))


def _coqa_dialogues(path: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, list[dict[str, Any]]]]:
    for i, dialogue in enumerate(get(str(path), document, "data", list)):
        where = f"{path}: data[{i}]"
        id_, story = (get(where, get_object(where, dialogue), key, str) for key in ("id", "story"))
        questions, answers = get_lists(where, dialogue, "questions", "answers")
        others = dialogue.get("additional_answers", {})
        get_lists(where, {"questions": questions, **others}, "questions", *others)
        turns = []
        for k, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            first = get_object(f"{where}.answers[{k}]", answer)
            texts = [get_text(f"{where}.answers[{k}]", first, "input_text")]
            texts += [get_text(f"{where}.additional_answers.{o}[{k}]", more[k], "input_text") for o, more in others.items()]
            asked = get_text(f"{where}.questions[{k}]", get_object(f"{where}.questions[{k}]", question), "input_text")
            span = [get(f"{where}.answers[{k}]", first, key, int) for key in ("span_start", "span_end")]
            turns.append({"question": asked, "text": texts, "rationale": span})
        yield where, id_, story, turns


def _coqa_turns(dialogues: Iterable[tuple[str, str, str, list[dict[str, Any]]]], form: Form) -> Iterator[Example]:
    """One example a turn; its id is the dialogue's, an underscore and the turn's number from 1, as in CoQA's predictions."""
    for _, id_, story, turns in dialogues:
        history: list[list[str]] = []
        for number, turn in enumerate(turns, 1):
            answer = turn["text"][0].strip().lower().rstrip(".")
            kind = {"yes": "yes/no", "no": "yes/no", "unknown": "none"}.get(answer, "some")
            yield Example(
                id=f"{id_}_{number}", cluster=paragraph(story), slices=_slices(turn["question"], story, form, kind),
                inputs={"question": turn["question"], "context": story, "history": list(history)},
                reference={"text": turn["text"], "rationale": turn["rationale"]},
            )  # fmt: skip
            history.append([turn["question"], turn["text"][0]])


# ── QuAC: answers are parts of the text, or none ──────────────────────────────────────────────────────────────────


def read_quac(path: Path, form: Form) -> list[Example]:
    """A file in QuAC's JSON, or with a row a conversation as the hub has them.

    raises: DataError
    """
    document = read_document(path)
    if document is None:
        return quac(read_records(path), form, str(path))
    return _quac_turns(_quac_dialogues(path, document), form, str(path))


def quac(rows: Rows, form: Form, name: str) -> list[Example]:
    """The hub's rows: a conversation each, with lists of "questions", "turn_ids", "yesnos", "answers", "orig_answers"."""
    dialogues = []
    for where, row in rows:
        originals = {"orig_texts": get(where, get(where, row, "orig_answers", dict), "texts", list)}
        together = {**row, **get(where, row, "answers", dict), **originals}
        keys = ("turn_ids", "questions", "texts", "answer_starts", "orig_texts", "yesnos")
        turns = [
            {"id": i, "question": q, "answers": {"text": t, "answer_start": s}, "orig_answer": {"text": o}, "yesno": y}
            for i, q, t, s, o, y in zip(*get_lists(where, together, *keys), strict=True)
        ]
        dialogues.append((where, get(where, row, "context", str), turns))
    return _quac_turns(dialogues, form, name)


def _quac_dialogues(path: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[Mapping[str, Any]]]]:
    for at, part in paragraphs(path, document):
        yield at, part["context"], get(at, part, "qas", list)


def _quac_turns(dialogues: Iterable[tuple[str, str, Sequence[Mapping[str, Any]]]], form: Form, name: str) -> list[Example]:
    """One example a turn. An answer that most annotators could not give is none; else theirs are left out who could not."""
    examples, flaws, total = [], 0, 0
    for where, whole, turns in dialogues:
        context = whole.removesuffix(CANNOT_ANSWER).rstrip()
        history: list[list[str]] = []
        for k, turn in enumerate(turns):
            at = f"{where}.qas[{k}]"
            id_, question = (get_text(at, get_object(at, turn), key) for key in ("id", "question"))
            given = list(zip(*read_answers(under(at, "answers"), turn.get("answers")), strict=True))
            if not given:
                raise DataError(f"{at}.answers", f"at least one answer, {CANNOT_ANSWER!r} if there is none", "none")
            found = [(t, s) for t, s in given if t != CANNOT_ANSWER]
            if 2 * len(found) <= len(given):
                found = []
            flaws += sum(misplaced(f"{at}, question {id_!r}", context, t, s, form) for t, s in found)
            total += len(found)
            original = get_object(f"{at}.orig_answer", turn.get("orig_answer") or {"text": given[0][0]})
            first = get_text(f"{at}.orig_answer", original, "text")
            kinds = ("some" if found else "none", *(["yes/no"] if turn.get("yesno") in ("y", "n", 0, 1) else []))
            examples.append(
                Example(
                    id=id_, cluster=paragraph(context), slices=_slices(question, context, form, *kinds),
                    inputs={"question": question, "context": context, "history": list(history)},
                    reference={"text": [t for t, _ in found], "answer_start": [s for _, s in found]},
                )
            )  # fmt: skip
            history.append([question, "" if first == CANNOT_ANSWER else first])
    warn_misplaced(name, flaws, total)
    return examples
