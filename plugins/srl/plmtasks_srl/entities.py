"""Tagged spans of a sentence as a task: what names what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from plmtasks.config import Source
from plmtasks.data import Dataset, HubData, hub_file
from plmtasks.examples import Example, Prediction
from plmtasks.files import kind_of
from plmtasks.reading import WordSpan

from .data.entities import RECORDS, TagFormat, Tagged
from .data.writing import write_tagged
from .predictions import TAGS_RIGHT, Written, count_other_references, find_words, in_order, tags_right
from .spans import plain, spans_of
from .task import SpanTask, by_words
from .wordwise import WordTask


@dataclass(frozen=True, kw_only=True)
class Entities(SpanTask):
    """Which spans of a sentence name what, or any other spans that are tagged word by word."""

    cue = "Entities"
    metrics: Sequence[str] = ("conlleval",)
    tags: tuple[str, ...] = field(default=(), repr=False)
    """What the numbers mean that its rows on the hub have instead of tags."""
    hub: HubData | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """words, tags → the column that its files have, where it goes by another name."""
    runs: bool = False
    """Whether the tags have no scheme, and words beside one another with the same are a span."""

    plain_tags: ClassVar[bool] = False
    """Whether the tags have no scheme, a label a word."""

    def read_file(self, path: Path, source: Source) -> Iterable[Example]:
        columns = source.columns or (self.columns if kind_of(path) in RECORDS else {})
        return self.examples(TagFormat(tags=self.tags, columns=columns, plain=self.plain_tags, runs=self.runs).read(path))

    def own(self) -> Dataset | None:
        if self.hub is None:
            return None
        repo, revision, files = self.hub.repo, self.hub.revision, self.hub.files

        def read(path: str) -> Iterable[Example]:
            return self.read_file(hub_file(repo, path, revision), Source())

        return Dataset(name=f"hf://{repo}@{revision}", readers={s: partial(read, p) for s, p in files.items()}, published=True)

    def examples(self, sentences: Iterable[Tagged]) -> Iterable[Example]:
        for number, s in enumerate(sentences):
            inputs = {"words": list(s.words), "number": number}
            yield Written(id=s.id, inputs=inputs, reference=plain(self.from_tags(s.tags)), slices=(by_words(s),), tags=s.tags)

    def read_columns(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """The tag in the last column; a tag that continues nothing begins a span, as for conlleval.

        The words are in the column that has the most words of the references.
        """
        sentences = find_words(list(TagFormat(predicted=True, plain=self.plain_tags).read_loosely(path)), examples)
        paired = in_order(path, sentences, examples)
        if not self.plain_tags:
            count_other_references(path, paired)
        return {
            e.id: Prediction(value=plain(self.from_tags(s.tags)), scores={TAGS_RIGHT: tags_right(s.tags, e)}) for e, s in paired
        }  # fmt: skip

    def write_columns(self, name: str, examples: Sequence[Example], found: Mapping[str, Sequence[WordSpan]]) -> Mapping[str, str]:
        """The word, the reference's tag and the predicted one, with a space between: what conlleval reads."""
        text = ""
        for e in examples:
            words = e.inputs["words"]
            text += write_tagged(
                words, *(self.to_tags(spans, len(words)) for spans in (spans_of(e.reference or ()), found[e.id]))
            )
        return {name: text}


@dataclass(frozen=True, kw_only=True)
class PartsOfSpeech(WordTask, Entities):
    """Which part of speech is each word? Any tags that are no spans: a label a word."""

    cue = "Parts of speech"
    plain_tags = True
    main: str = "accuracy"
    asks: Sequence[str] = ("Tag",)
