"""What a run got wrong, as text and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from plmtasks.errors import counted, printable
from plmtasks.files import as_text, terminal, write_rows
from plmtasks.store import Confusion, JudgedExample, Mistakes, label_of, texts

from .compared import WIDTH
from .formats import no_formula

NOTHING = "(none)"
"""In the place of a label: what was missed has none predicted, what was invented none as its reference."""

# ── examples ──────────────────────────────────────────────────────────────────────────────────────────────────────


def mistakes_json(made: Mistakes, label: str | None, limit: int | None) -> dict[str, Any]:
    """What was wrong, for programs, and what was taken for what."""
    found, confusion = made.with_label(label), made.confusion
    return {
        "folder": str(made.result.folder), "identity": made.result.identity, "task": made.result.task, "model": made.result.model,
        "by": made.by, "why": made.why or None, "answered": made.answered, "wrong": len(made.wrong), "label": label,
        "found": len(found), "examples": [asdict(one) for one in found[:limit]],
        "confusion": None if confusion is None else confusion_json(confusion),
    }  # fmt: skip


def confusion_json(confusion: Confusion) -> dict[str, Any]:
    """The labels, and a count for each pair of a reference and a prediction; null: it was invented, or missed."""
    counts = [[reference, prediction, count] for (reference, prediction), count in sorted(confusion.counts.items(), key=str)]
    return {"kind": confusion.kind, "labels": list(confusion.labels), "counts": counts}


def mistakes_csv(made: Mistakes, label: str | None, limit: int | None) -> str:
    """What was wrong, a row an example."""
    found = made.with_label(label)[:limit]
    safe = [{name: no_formula(value) for name, value in row.items()} for row in cells(found)]
    return write_rows(".csv", safe, header=True).decode()


def cells(found: Sequence[JudgedExample]) -> list[dict[str, Any]]:
    """Examples that were wrong, a row each."""
    inputs = list(dict.fromkeys(name for one in found for name in one.inputs))
    return [
        {
            "id": one.id, "expected": one.reference, "predicted": one.prediction, "score": one.score,
            "confidence": one.confidence, "missed": list(one.missed), "invented": list(one.invented),
            "slices": ", ".join(one.slices),
            **{f"inputs.{name}": one.inputs.get(name) for name in inputs},
        }
        for one in found
    ]  # fmt: skip


def mistakes_text(made: Mistakes, label: str | None, limit: int, more: str | None = None) -> str:
    """What was wrong, for a person.

    more: what shows the others; None: the command with a higher limit
    """
    found = made.with_label(label)
    shown = found[:limit]
    blocks = ["".join(f"{terminal.wrapped(printable(line))}\n" for line in head(made, label, found))]
    if shown and not any(one.inputs for one in shown):
        blocks.append("The texts are not in this run's predictions.jsonl: the ids say which examples they are.\n")
    graded = len({one.score for one in made.wrong}) > 1
    blocks += [_example(made, one, graded) for one in shown]
    if len(found) > len(shown):
        blocks.append(f"{len(found) - len(shown)} more: {more or f'--limit {len(found)}'}\n")
    return "\n".join(blocks)


def head(made: Mistakes, label: str | None, found: Sequence[JudgedExample]) -> list[str]:
    """Lines that say of what run they are, how many, and by what."""
    lines = [f"{made.result.task} on {made.result.model}, split {made.result.record['data']['split']}"]
    by = " by " + "/".join(dict.fromkeys(made.by)) if made.by else ""
    if label is None:
        lines.append(f"{len(found)} of {made.answered} wrong{by}{_order(found)}")
    else:
        missed = sum(label in map(label_of, one.missed) for one in found)
        invented = sum(label in map(label_of, one.invented) for one in found)
        lines.append(
            f"{len(found)} of {len(made.wrong)} wrong examples have to do with {label}: missed in {missed}, "
            f"predicted in place of what is right in {invented}"
        )
    if made.why:
        lines.append(f"wrong is what is not the reference: {made.why}")
    return lines


def _order(found: Sequence[JudgedExample]) -> str:
    if len(found) < 2:
        return ""
    if any(one.confidence is not None for one in found):
        return ", most confident first"
    return ", worst first" if len({(one.score, one.errors) for one in found}) > 1 else ", in the order of the data"


def _example(made: Mistakes, one: JudgedExample, graded: bool) -> str:
    """graded: some are worse than others"""
    told = [one.id, *(["the thinking did not end"] if one.unfinished else [])]
    if one.confidence is not None:
        told.append(f"confidence {one.confidence:.2f}")
    if made.by and one.score is not None and graded:
        told.append(f"{made.by[1]} {one.score:.2f}")
    return f"{terminal.wrapped(printable('  '.join(told)))}\n" + terminal.fields(fields(made, one), "  ")


def fields(made: Mistakes, one: JudgedExample) -> list[tuple[str, str]]:
    """What a person reads of an example: its inputs, what is right and what was predicted, shortened."""
    words = one.inputs.get("words")
    if made.kind == "spans" and isinstance(words, list):
        pairs = [("text", terminal.shortened(_sentence(one.inputs), WIDTH))]
    else:
        wanted = [one.prediction, *texts(one.reference)]
        pairs = [(name, terminal.shortened(value, WIDTH, wanted)) for name, value in one.inputs.items() if value is not None]
    if made.kind == "labels":
        both = (("expected", one.reference), ("predicted", one.prediction))
        return pairs + [(name, ", ".join(labels or []) or NOTHING) for name, labels in both]
    if made.kind == "spans":
        wrong = (("missed", one.missed), ("invented", one.invented))
        return pairs + [(name, "; ".join(_item(item, words) for item in items)) for name, items in wrong if items]
    pairs.append(("expected", terminal.shortened(_answer(one.reference, one.inputs), WIDTH)))
    return [*pairs, ("predicted", terminal.shortened(_answer(one.prediction, one.inputs), WIDTH))]


def _sentence(inputs: Mapping[str, Any]) -> str:
    """The words, the one that is asked about between stars."""
    marked = inputs.get("predicate")
    return " ".join(f"*{word}*" if i == marked else str(word) for i, word in enumerate(inputs["words"]))


def _item(item: Any, words: Any) -> str:
    """A label; a labelled span with its words."""
    if isinstance(item, str):
        return item
    label, start, end = item
    return f"{label} “{' '.join(map(str, words[start:end]))}”" if isinstance(words, list) else f"{label} {start} to {end}"


def _answer(value: Any, inputs: Mapping[str, Any]) -> str:
    """A reference or a prediction: of several texts all, of a choice's letter what it stands for."""
    if value is None or value == "":
        return NOTHING
    choices = inputs.get("choices")
    if isinstance(value, str) and len(value) == 1 and isinstance(choices, list) and 0 <= ord(value) - ord("A") < len(choices):
        return f"{value}. {as_text(choices[ord(value) - ord('A')])}"
    found = list(dict.fromkeys(texts(value)))
    if found:
        return " | ".join(found)
    return NOTHING if value in ([], {"text": [], "answer_start": []}) else as_text(value)


# ── what was taken for what ───────────────────────────────────────────────────────────────────────────────────────


def confusion_text(confusion: Confusion, limit: int) -> str:
    """The whole table where it fits the terminal, or so many of the pairs that were confused most often."""
    if confusion.kind == "labels":
        return _of_labels(confusion)
    predicted = [column for column in confusion.columns if any(b == column for _, b in confusion.counts)]
    for shown in (confusion.columns, predicted):
        header = ["reference", *map(_name, shown), "right"]
        lines = [[_name(row), *_counts(confusion, row, shown), _share(confusion, row)] for row in confusion.rows]
        if terminal.needed(header, lines) <= terminal.columns():
            about = "; of spans those with the same ends are held against each other" if confusion.kind == "spans" else ""
            never = "; the other labels were never predicted" * (len(shown) < len(confusion.columns))
            about = terminal.wrapped(f"a row a reference, a column a prediction{about}{never}")
            return f"{about}\n\n" + terminal.table(header, lines, right=header[1:])
    found = confusion.confused
    lines = [
        [_name(reference), _name(prediction), str(count), str(confusion.of_reference(reference))]
        for reference, prediction, count in found[:limit]
    ]
    head = f"{len(confusion.labels)} labels: {min(limit, len(found))} of {counted(len(found), 'pair')} that were confused\n\n"
    return head + terminal.table(["reference", "predicted as", "times", "of"], lines, right=("times", "of"))


def _of_labels(confusion: Confusion) -> str:
    """For each of the labels that an example may have several of."""
    header = ["label", "references", "right", "missed", "invented"]
    lines = [
        [label, str(confusion.of_reference(label)),
         *(str(confusion.counts.get(pair, 0)) for pair in ((label, label), (label, None), (None, label)))]
        for label in confusion.labels
    ]  # fmt: skip
    return terminal.table(header, lines, right=header[1:])


def _name(label: str | None) -> str:
    return NOTHING if label is None else printable(label)


def _counts(confusion: Confusion, row: str | None, columns: Sequence[str | None]) -> list[str]:
    found = [confusion.counts.get((row, column), 0) if (row, column) != (None, None) else 0 for column in columns]
    return [str(count or "·") for count in found]


def _share(confusion: Confusion, row: str | None) -> str:
    total = confusion.of_reference(row)
    return f"{100 * confusion.counts.get((row, row), 0) / total:.0f} %" if total and row is not None else ""
