"""What references hold: labels, named beside the data, found in them or unknown where a model learns; and parts of a text."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import DataError, summary_of
from ..examples import Example
from ..files import read_lines
from .candidates import HIDDEN, whole
from .dataset import Dataset, warn_flaws


def labels_named(path: Path, columns: Iterable[str]) -> list[str]:
    """The labels in the order of their numbers, where a file `labels.txt` beside the data or its own schema names them.

    columns: those that may hold the labels

    raises: DataError
    """
    beside = path.parent / "labels.txt"
    if not beside.is_file():
        return class_names(path, columns) if path.name.endswith(".parquet") else []
    names = "\n".join(line.strip() for line in read_lines(beside)).rstrip().split("\n")
    if len(set(names)) < len(names):
        raise DataError(str(beside), "each label once", f"{len(names) - len(set(names))} of {len(names)} lines again")
    if "" in names:
        raise DataError(f"{beside}:{names.index('') + 1}", "a label a line", "none")
    return names


def class_names(path: Path, columns: Iterable[str]) -> list[str]:
    """The class names that datasets writes into the schema of a Parquet file, of the first of these columns that has any.

    raises: DataError
    """
    import pyarrow
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    except (pyarrow.ArrowException, OSError) as e:
        raise DataError(str(path), "a Parquet file", summary_of(e)) from e
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    for name in columns:
        feature = features.get(name, {})
        # a list of classes is spelled in two ways by different versions of datasets
        feature = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        if feature.get("names"):
            return list(feature["names"])
    return []


def labels_found(data: Dataset) -> list[str]:
    """The labels of the training data, without any those of all data at hand, and those that the files name; in their order.

    raises: DataError if there are fewer than two
    """
    splits = ["train"] if "train" in data.splits else data.splits
    found = {label for split in splits for e in data[split] for label in labels_of(e)} | set(data.labels())
    if len(found) < 2:
        raise DataError(data.name, "at least two labels", ", ".join(map(repr, found)) or "none")
    numbers = all(label.isascii() and label.isdigit() for label in found)
    return sorted(found, key=lambda label: (int(label) if numbers else 0, label))


def refuse_undisclosed(data: Dataset, split: str) -> None:
    """raises: DataError if the references of a split are not public"""
    if data[split] and all(e.undisclosed for e in data[split]):
        others = ", ".join(name for name in data.splits if name != split)
        raise DataError(
            f"{data.name}, split {split}", "references", f"none in all {len(data[split]):,} rows: they are not public",
            *([f"evaluate another one with --split; the data has beside it: {others}"] if others else []),
            f"plmtasks predict --task T --model M --split {split} --output FILE writes predictions of this one",
        )  # fmt: skip


def refuse_unknown(data: Dataset, split: str, labels: Sequence[str]) -> None:
    """Stops where a split has references that cannot be predicted; of tagged spans it counts them, if some can be.

    raises: DataError that counts them and guesses what is meant, or if the references are not public
    """
    refuse_undisclosed(data, split)
    known = set(labels)
    if not known:
        return
    counts = Counter(label for e in data[split] for label in set(labels_of(e)) if label not in known)
    if not counts:
        return
    rows = [set(labels_of(e)) for e in data[split]]
    strange, where = sum(bool(its - known) for its in rows), f"{data.name}, split {split}"
    if any(its & known for its in rows) and all(is_spans(e.reference) for e in data[split]):
        said = f"of {len(rows)} sentences have labels that are not learned: {_listed(counts)}; they count as missed"
        warn_flaws(where, strange, said)
        return
    expected = f"labels of the training data: {', '.join(labels[:20])}{', …' * (len(labels) > 20)}"
    if strange == len(rows) and set(counts) == {"-1"}:
        raise DataError(where, expected, f"-1, which stands for none, in all {strange} rows", *HIDDEN)
    likely = [f"{label!r} for {guess!r}" for label in counts if (guess := _like(label, labels)) is not None]
    raise DataError(
        where, expected, f"others in {strange} of {len(rows)} rows: {_listed(counts)}",
        *([f"is it {', '.join(likely[:5])}?"] if likely else []),
        "write labels alike in all splits; a label that the training data lack is known once labels.txt beside the data,"
        " or the task's file, names all of them",
    )  # fmt: skip


def labels_of(example: Example) -> Collection[str]:
    reference = example.reference
    if isinstance(reference, str):
        return [reference]
    if is_spans(reference):
        return [span[0] for span in reference]
    return reference if isinstance(reference, list) and all(isinstance(label, str) for label in reference) else []


def is_spans(reference: Any) -> bool:
    return isinstance(reference, list) and all(
        isinstance(s, (list, tuple)) and len(s) == 3 and isinstance(s[0], str) for s in reference
    )


def _listed(counts: Counter[str]) -> str:
    shown = ", ".join(f"{label!r:.40} in {n}" for label, n in counts.most_common(5))
    return shown + f" and {len(counts) - 5} more" * (len(counts) > 5)


def _like(label: str, known: Sequence[str]) -> str | None:
    """The known label that another spelling probably stands for."""
    if (number := whole(label)) is not None:
        return next((one for one in known if whole(one) == number), None)
    folded = {one.casefold().strip(): one for one in reversed(known)}
    close = get_close_matches(label.casefold().strip(), folded, n=1, cutoff=0.8)
    return folded[close[0]] if close else None


Answers = tuple[list[str], list[int | None]]
"""Texts and the offsets of their first characters, None where the file has none."""


def read_answers(at: str, value: Any) -> Answers:
    """Answers as the hub has them, {"text": […], "answer_start": […]}, SQuAD's list of such pairs, a list of texts, or one.

    at: "file:line: column"

    raises: DataError
    """
    if isinstance(value, Mapping):
        texts, starts = (_as_list(f"{at}.{key}", value.get(key)) for key in ("text", "answer_start"))
        if starts and len(starts) != len(texts):
            raise DataError(f"{at}.answer_start", f"{len(texts)} offsets, one for each text", f"{len(starts)}")
        pairs: list[Any] = [{"text": t, "answer_start": s} for t, s in zip(texts, starts or [None] * len(texts), strict=True)]
    elif isinstance(value, (list, tuple)):
        pairs = list(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        pairs = [str(value)]  # JSON and pandas write a year so
    else:
        pairs = [] if value is None or value == "" else [value]
    read = [_pair(f"{at}[{i}]", pair) for i, pair in enumerate(pairs)]
    return [text for text, _ in read], [start for _, start in read]


def locate(context: str, text: str, start: int | None) -> int | None:
    """Where an answer stands: at `start` if it does, else its occurrence nearest to that, or its first; None: nowhere."""
    if start is not None and start >= 0 and context.startswith(text, start):
        return start
    places = [m.start() for m in re.finditer(f"(?={re.escape(text)})", context)]
    return min(places, key=lambda p: abs(p - (start or 0)), default=None)


def _pair(at: str, pair: Any) -> tuple[str, int | None]:
    if isinstance(pair, str):
        pair, key = {"text": pair}, at
    elif isinstance(pair, Mapping):
        key = f"{at}.text"
    else:
        raise DataError(at, "an object", f"{pair!r:.60}")
    text, start = pair.get("text"), pair.get("answer_start")
    if not isinstance(text, str):
        raise DataError(key, "a text", f"{text!r:.60}" if "text" in pair else "nothing")
    if not text.strip():
        raise DataError(key, "a text that is not empty", f"{text!r:.60}")
    if start is not None and (not isinstance(start, int) or isinstance(start, bool)):
        raise DataError(f"{at}.answer_start", "a whole number", f"{start!r:.60}")
    return text, start


def _as_list(at: str, value: Any) -> list[Any]:
    if value is None or isinstance(value, (list, tuple)):
        return list(value or ())
    if isinstance(value, Mapping):
        raise DataError(at, "a list", f"{value!r:.60}")
    return [value]
