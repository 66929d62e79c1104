"""Tasks whose answer is a tag for each word."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from .. import reading, requests
from ..data import Dataset, class_names
from ..errors import DataError
from ..examples import Example, Prediction
from ..requests import Answer, Request
from .base import DeclaredTask
from .file import Declaration


class Tags(DeclaredTask):
    """Which words are what? The reference is the [label, start, end] of each span of words [start, end).

    Where the tags have no scheme, each word has a label of its own, and is a span of it.
    """

    hub_type = "token-classification"

    def __init__(self, name: str, *, words: str, reference: str, marked: str | None = None, **said: Any) -> None:
        """Asked by `Tag`.

        words: the column of the words, a list or a text with spaces between them
        reference: the column of the tags, O, B-… and I-…; with `Tag = {"scheme": "none", …}` in their place, labels
        marked: the column of the places of words of interest, from 0
        """
        super().__init__(name, reference=reference, **{"Tag": {"words": words, "marked": marked}, **said})

    def _declare(self, declared: Declaration, labels: Sequence[str] | None = None) -> None:
        """A file may name the tags instead of the spans' labels, in the order of their numbers."""
        self.plain = declared.Tag is not None and declared.Tag.scheme == "none"
        self.numbered = tuple(declared.labels) if self.plain or "O" in declared.labels else ()
        if labels is None and self.numbered and not self.plain:
            labels = list(dict.fromkeys(tag[2:] for tag in self.numbered if tag != "O"))
        super()._declare(declared, labels)

    def bind(self, data: Dataset) -> DeclaredTask:
        """With the labels of the training data, else of all data at hand."""
        if self.labels:
            return self
        splits = ["train"] if "train" in data.splits else data.splits
        return self.labelled(sorted({span[0] for split in splits for e in data[split] for span in e.reference}))

    def naming(self, path: Path, column: str) -> DeclaredTask:
        """With the tags that the schema of a Parquet file names in the order of their numbers."""
        names = [] if self.numbered or not path.name.endswith(".parquet") else class_names(path, [column])
        if not names or (not self.plain and "O" not in names):
            return self
        task = self.labelled(self.labels or (names if self.plain else ()))
        task.numbered = tuple(names)
        return task

    def tags(self) -> tuple[str, ...]:
        return self.labels if self.plain else reading.bio_tags(self.labels)

    def spans(self, tags: Sequence[str]) -> list[list[Any]]:
        """What the tags of a sentence mark."""
        if self.plain:
            return [[tag, place, place + 1] for place, tag in enumerate(tags)]
        return [list(span) for span in reading.tags_to_spans(tags)]

    def input(self, where: str, name: str, value: Any) -> Any:
        said = self.declared.Tag
        if said is not None and name == said.words:
            words = value.split() if isinstance(value, str) else value
            published = self.declared.data.hub is not None  # its words may be blank, and count as they are
            told = isinstance(words, (list, tuple)) and all(isinstance(w, str) and (published or w.strip()) for w in words)
            if not words or not told:
                raise DataError(where, "words: a list, or a text with spaces between them", f"{value!r:.60}")
            return list(words)
        return super().input(where, name, value)

    def listed(self, where: str, name: str, value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, int) for v in value):
            raise DataError(where, f"a list of places of words, from 0, as {name!r}", f"{value!r:.60}")
        return list(value)

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> list[list[Any]]:
        """A tag a word, by its name or number: O, B-label at the first word of a span and I-label at its others; or a label."""
        said = cast(Any, self.declared.Tag)
        words = inputs[said.words]
        if said.marked and not all(0 <= place < len(words) for place in inputs[said.marked]):
            raise DataError(where, f"places of {len(words)} words, from 0, as {said.marked!r}", f"{inputs[said.marked]!r:.60}")
        listed = list(cell) if isinstance(cell, (list, tuple)) else [] if cell is None else [cell]
        tags = cell.split() if isinstance(cell, str) else listed
        if len(tags) != len(words):
            raise DataError(where, f"{len(words)} tags, one for each word", f"{len(tags)}")
        return self.spans([self._tag(where, tag) for tag in tags])

    def _tag(self, where: str, tag: Any) -> str:
        name = self.numbered[tag] if isinstance(tag, int) and 0 <= tag < len(self.numbered) else str(tag)
        if self.plain:
            if not name or (self.labels and name not in self.labels):
                raise DataError(where, f"one of the labels {', '.join(self.labels)}" if self.labels else "a label", repr(tag))
            return name
        label = name[2:]
        if name != "O" and (name[:2] not in ("B-", "I-") or not label or (self.labels and label not in self.labels)):
            known = f" with a label of {', '.join(self.labels)}" if self.labels else ""
            raise DataError(where, f"O, B-… or I-…{known}", repr(tag))
        return name

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        return Prediction(value=self.spans(cast(requests.TagAnswer, answer).labels))

    def solve(self, example: Example, request: Request) -> Answer:
        """Spans whose label the request does not have cannot be told."""
        known = [span for span in example.reference if span[0] in self.labels]
        if self.plain:  # a word with a label of its own that cannot be told gets another: it has to have one
            told = {start: label for label, start, _ in known}
            return requests.TagAnswer(labels=tuple(told.get(at, self.labels[0]) for at in range(len(cast(Any, request).words))))
        return requests.TagAnswer(labels=tuple(reading.spans_to_tags(known, len(cast(Any, request).words))))

    def show(self, example: Example, prediction: Prediction) -> str:
        words = example.inputs[cast(Any, self.declared.Tag).words]
        return ", ".join(f"{label}: {' '.join(words[start:end])}" for label, start, end in prediction.value) or "none"
