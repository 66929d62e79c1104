"""Labelled spans of a sentence's words as tasks: who did what to whom, what the predicates are, what names what."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

from plmtasks.config import Source
from plmtasks.data import SPLIT_SIZES, TEXT_LENGTHS, Dataset, HubData, by_count, holds_objects, hub_dataset, warn_flaws
from plmtasks.errors import InputError
from plmtasks.examples import Example, Prediction
from plmtasks.files import read_lines
from plmtasks.reading import WordSpan, bio_tags, spans_to_tags, tags_to_spans
from plmtasks.requests import Answer, Generate, GenerateAnswer, Request, Tag, TagAnswer
from plmtasks.task import Follower, HubTask, Rewritable

from .brackets import read_text, show, write_text
from .data.columns import open_columns
from .data.documents import read_documents
from .data.entities import Tagged
from .data.propositions import read_sentences
from .data.samples import sample
from .data.sentences import CONTINUED_VERB, VERB, Proposition, Sentence, has_words
from .data.writing import write_bio, write_props
from .predictions import Written, check_spans, in_order
from .spans import plain, spans_of
from .words import split_words
from .wordwise import WordTask

MARK = "*"
"""Stands on both sides of the predicate where the sentence is shown as a text."""

FREQUENCIES = (0, 1, 5, 20)
"""How often a predicate's word is one in the split: what parts rare predicates from common ones."""


@dataclass(frozen=True, kw_only=True)
class SpanTask(Rewritable, HubTask):
    """Which spans of a sentence's words are what.

    inputs: "words", and "number", the sentence's place in its file
    reference: [label, start, end] of each span of words [start, end), disjoint
    """

    name: str
    description: str
    instruction: str
    cue: ClassVar[str]
    """What follows the sentence in a text that asks."""
    language: str = "en"
    metrics: Sequence[str]
    asks: Sequence[str] = ("Tag", "Generate")
    hub_type: str = "token-classification"
    labels: tuple[str, ...] = ()
    """Of its spans: those of the training data, and those that it has by itself."""
    fields: Sequence[str] = ("text",)
    more_fields: Sequence[str] = ("words",)
    texts: Sequence[str] = ("words",)
    people: Sequence[str] = ("words",)
    aliases: Sequence[str] = ()
    needs_data: bool = False

    @abstractmethod
    def read_file(self, path: Path, source: Source) -> Iterable[Example]:
        """The examples of one file, or of a folder's files."""

    def own(self) -> Dataset | None:
        """Its own data set; None: it has none."""
        return None

    def load(self, source: Source) -> Dataset:
        return open_columns(source, partial(self.read_file, source=source), self.name, self.own())

    def bind(self, data: Dataset) -> "SpanTask":
        """With the labels of the training data beside its own; without either, with those of all data at hand."""
        splits = ["train"] if "train" in data.splits else [] if self.labels else data.splits
        found = {span[0] for split in splits for example in data[split] for span in example.reference}
        return replace(self, labels=(*self.labels, *sorted(found - set(self.labels))))

    @cached_property
    def tag_labels(self) -> tuple[str, ...]:
        return bio_tags(self.labels)

    def ask(self, example: Example, kind: str) -> Request:
        """raises: InputError if the file had no words"""
        words = example.inputs["words"]
        if not has_words(words):
            raise InputError(f"{self.name}: sentences without words cannot be asked, only scored", "put the file of words beside")
        marked = self.marked(example)
        if kind == "Tag":
            return Tag(words=tuple(words), labels=self.tag_labels, marked=marked)
        shown = " ".join(f"{MARK} {word} {MARK}" if i in marked else word for i, word in enumerate(words))
        return Generate(
            instruction=self.instruction, text=f"{shown}\n{self.cue}:", max_new_tokens=min(24 + 4 * len(words), 128), stop=("\n",)
        )

    def marked(self, example: Example) -> tuple[int, ...]:
        """Positions of the words that are asked about; none: the whole sentence is."""
        return ()

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        if isinstance(answer, TagAnswer):
            spans = self.from_tags(answer.labels)
        else:
            assert isinstance(answer, GenerateAnswer)
            spans = read_text(answer.text, example.inputs["words"])
        return Prediction(value=plain(self.settled(example, spans)))

    def settled(self, example: Example, spans: Sequence[WordSpan]) -> Sequence[WordSpan]:
        """The spans, with what is known of them beforehand."""
        return spans

    def solve(self, example: Example, request: Request) -> Answer:
        """Spans whose label is none of the request's cannot be told by `Tag`."""
        spans = spans_of(example.reference)
        if isinstance(request, Tag):
            known = [span for span in spans if span.label in self.labels]
            return TagAnswer(labels=tuple(self.to_tags(known, len(request.words))))
        return GenerateAnswer(text=write_text(self.told(example, spans), example.inputs["words"]))

    def told(self, example: Example, spans: Sequence[WordSpan]) -> Sequence[WordSpan]:
        """The spans that have to be written: those that are not known beforehand."""
        return spans

    def to_tags(self, spans: Sequence[WordSpan], length: int) -> list[str]:
        return spans_to_tags(spans, length)

    def from_tags(self, tags: Sequence[str]) -> list[WordSpan]:
        return tags_to_spans(tags)

    def pose(self, row: Mapping[str, Any], id: str) -> Example:
        """A sentence as "text", which is cut into words, or as a list of "words".

        raises: InputError
        """
        words, text = row.get("words"), row.get("text")
        if words is None and isinstance(text, str):
            words = split_words(text)
        if not (isinstance(words, list) and words and all(isinstance(w, str) and w.strip() for w in words)):
            raise InputError(f"{self.name} is asked with a sentence as 'text', or as 'words', a list; the question has neither")
        unknown = [name for name in row if name not in (*self.fields, *self.more_fields)]
        if unknown:
            known = ", ".join((*self.fields, *self.more_fields))
            raise InputError(f"{self.name} is asked with {known}; the question has a field {unknown[0]!r}")
        return Example(id=id, inputs={"words": words})

    def show(self, example: Example, prediction: Prediction) -> str:
        return show(spans_of(prediction.value), example.inputs["words"])

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """JSON lines or a table with "id" and "prediction", a list of [label, start, end]; or columns, in a format of the
        references.

        raises: DataError
        """
        if holds_objects(path, read_lines(path)):
            return check_spans(path, super().read_predictions(path, examples), examples)
        return self.read_columns(path, examples)

    @abstractmethod
    def read_columns(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """Predictions from columns, sentence by sentence in the order of the references."""

    def write_predictions(
        self, name: str, examples: Sequence[Example], predictions: Mapping[str, Prediction]
    ) -> Mapping[str, str]:
        """Columns, sentence by sentence, as the official scorers read them; those want the references in the same form."""
        if name.endswith((".jsonl", ".json")):
            return super().write_predictions(name, examples, predictions)
        return self.write_columns(name, examples, {id_: spans_of(p.value) for id_, p in predictions.items()})

    @abstractmethod
    def write_columns(self, name: str, examples: Sequence[Example], found: Mapping[str, Sequence[WordSpan]]) -> Mapping[str, str]:
        """Files of the spans that were found, and of the references."""


@dataclass(frozen=True, kw_only=True)
class Propositions(SpanTask):
    """What the two tasks on propositions share: their data."""

    tells_senses: ClassVar[bool] = False
    sample_language: str | None = None
    """Its data are the built-in events in this language."""
    hub: HubData | None = None
    """Its data are documents as `read_documents` takes them."""

    @abstractmethod
    def examples(self, sentences: Iterable[Sentence]) -> Iterable[Example]:
        """The examples that sentences give."""

    @abstractmethod
    def propositions(self, example: Example, spans: Sequence[WordSpan]) -> Iterable[Proposition]:
        """What these spans of an example say, in the terms of sentences."""

    def write_columns(self, name: str, examples: Sequence[Example], found: Mapping[str, Sequence[WordSpan]]) -> Mapping[str, str]:
        """Brackets, as srl-eval.pl reads them; tags where the name ends in .tsv, or the senses have to be told.

        The references stand in `….gold….` beside it; sentences without an example are in neither.
        """
        write = write_bio if self.tells_senses or name.endswith(".tsv") else write_props
        path, given = Path(name), {e.id: spans_of(e.reference or ()) for e in examples}
        files = {name: found, f"{path.stem}.gold{path.suffix}": given}
        return {file: write(self.sentences(examples, spans)) for file, spans in files.items()}

    def sentences(self, examples: Sequence[Example], spans: Mapping[str, Sequence[WordSpan]]) -> list[Sentence]:
        made: dict[int, Sentence] = {}
        for e in examples:
            number, words = e.inputs["number"], tuple(e.inputs["words"])
            before = made.get(number, Sentence(id=e.cluster or e.id, words=words, propositions=()))
            told = (*before.propositions, *self.propositions(e, spans[e.id]))
            made[number] = replace(before, propositions=told)
        return [made[number] for number in sorted(made)]

    def read_file(self, path: Path, source: Source) -> Iterable[Example]:
        if source.columns:
            raise InputError(f"{self.name} takes no --columns: its formats have their columns in a fixed order")
        sentences = read_sentences(path)
        wordless = sum(not has_words(s.words) for s in sentences)
        many = "sentences have no words and none beside them: they can be scored, not asked"
        one = "sentence has no words and none beside it: it can be scored, not asked"
        warn_flaws(str(path), wordless, many, one)
        return self.examples(sentences)

    def own(self) -> Dataset | None:
        if self.hub is not None:
            return hub_dataset(self.hub, lambda rows: self.examples(read_documents(rows)))
        language = self.sample_language
        if language is None:
            return None
        readers = {split: lambda split=split: self.examples(sample(split, language)) for split in SPLIT_SIZES}
        return Dataset(name="built-in sample", readers=readers, published=True)


@dataclass(frozen=True, kw_only=True)
class Roles(Propositions, Follower):
    """What plays which role for one predicate of a sentence.

    inputs: also "predicate", the position of its word; None: a predicate that was not found, which has no roles; "sense" where
    that was found, which nobody is asked
    reference: the roles, V for the predicate's own words
    """

    cue = "Roles"
    metrics: Sequence[str] = ("srl_eval", "seqeval")
    fields: Sequence[str] = ("text", "predicate")
    follows: str

    def examples(self, sentences: Iterable[Sentence]) -> Iterable[Example]:
        sentences = list(sentences)
        frequency = Counter(s.words[p.predicate].lower() for s in sentences for p in s.propositions)
        for number, s in enumerate(sentences):
            for p in s.propositions:
                roles = sum(span.label not in (VERB, CONTINUED_VERB) for span in p.roles)
                own = (
                    by_count("frequency", frequency[s.words[p.predicate].lower()], FREQUENCIES),
                    by_count("roles", roles, (0, 1, 2, 3)),
                )
                inputs = {"words": list(s.words), "predicate": p.predicate, "number": number}
                id_ = f"{s.id}.{p.predicate}"
                told = plain(p.roles)
                yield Written(id=id_, inputs=inputs, reference=told, cluster=s.id, slices=(*_slices(s), *own), lemmas=s.lemmas)

    def propositions(self, example: Example, spans: Sequence[WordSpan]) -> Iterable[Proposition]:
        predicate = example.inputs["predicate"]
        # where that was not found, the id still tells it
        position = predicate if predicate is not None else int(example.id.rpartition(".")[2])
        return [Proposition(predicate=position, sense="", roles=tuple(spans))] if spans else []

    def marked(self, example: Example) -> tuple[int, ...]:
        predicate = example.inputs["predicate"]
        return () if predicate is None else (predicate,)

    def settled(self, example: Example, spans: Sequence[WordSpan]) -> Sequence[WordSpan]:
        """With V at the predicate, whatever else is said of it."""
        predicate = example.inputs["predicate"]
        if predicate is None:
            return []
        if any(s.label in (VERB, CONTINUED_VERB) and s.start <= predicate < s.end for s in spans):
            return spans
        tags = spans_to_tags(spans, len(example.inputs["words"]))
        tags[predicate] = f"B-{VERB}"
        return tags_to_spans(tags)

    def told(self, example: Example, spans: Sequence[WordSpan]) -> Sequence[WordSpan]:
        predicate = example.inputs["predicate"]
        return [span for span in spans if span != WordSpan(VERB, predicate, predicate + 1)]

    def pose(self, row: Mapping[str, Any], id: str) -> Example:
        """Also "predicate": the word, or where it comes more than once, its position from 0.

        raises: InputError
        """
        example = super().pose(row, id)
        words, given = example.inputs["words"], row.get("predicate")
        if isinstance(given, str) and words.count(given) == 1:
            position = words.index(given)
        elif isinstance(given, (int, str)) and str(given).isdecimal() and int(given) < len(words):
            position = int(given)
        else:
            expected = "the 'predicate': one of the words, or its position from 0 where the word comes more than once"
            raise InputError(f"{self.name} is asked with {expected}; the question has {given!r}", " ".join(words))
        return replace(example, inputs={**example.inputs, "predicate": position})

    def read_columns(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """The roles of the same predicates; of a predicate that the file does not have, none."""
        sentences = read_sentences(path, predicted=True)
        found, missed = {}, 0
        for example, s in in_order(path, sentences, examples, whole=False):
            roles = next((p.roles for p in s.propositions if p.predicate == example.inputs["predicate"]), None)
            missed += roles is None
            found[example.id] = Prediction(value=plain(roles or ()))
        surplus = sum(len(s.propositions) for s in sentences) - (len(examples) - missed)
        warn_flaws(
            str(path), surplus, "predicates are none of the references', and do not count",
            "predicate is none of the references', and does not count",
        )  # fmt: skip
        warn_flaws(str(path), missed, f"of the references' {len(examples)} predicates are not in it, all of their roles missed")
        return found

    def derive(self, example: Example, prediction: Prediction) -> Sequence[Example]:
        """One example a predicate that was found, under the id that the data would give it, and with the sense that was found."""
        return [
            Example(
                id=f"{example.id}.{start}", inputs={**example.inputs, "predicate": start, "sense": sense}, cluster=example.id,
            )
            for sense, start, _ in spans_of(prediction.value)
        ]  # fmt: skip

    def match(self, examples: Sequence[Example], derived: Sequence[Example]) -> Sequence[Example]:
        """What is found at a predicate that the data do not have is wrong; a predicate that was not found has no roles."""
        known, found = {e.id: e for e in examples}, {e.id for e in derived}
        slices = {e.cluster: e.slices for e in examples}
        asked = [
            replace(known[e.id], inputs=e.inputs) if e.id in known
            else replace(e, reference=[], slices=slices.get(e.cluster, ()))
            for e in derived
        ]  # fmt: skip
        missed = [e for e in examples if e.id not in found]
        return [*asked, *(replace(e, inputs={**e.inputs, "predicate": None}) for e in missed)]


@dataclass(frozen=True, kw_only=True)
class Predicates(WordTask, Propositions):
    """Which words of a sentence are predicates, and in which sense: the number of the roleset.

    reference: a span of one word for each, labelled with its sense; V where the data tell none
    """

    cue = "Predicates"
    tells_senses = True
    metrics: Sequence[str] = ("predicates",)

    def examples(self, sentences: Iterable[Sentence]) -> Iterable[Example]:
        for number, s in enumerate(sentences):
            inputs = {"words": list(s.words), "number": number}
            yield Written(
                id=s.id, inputs=inputs, reference=_senses(s), cluster=s.id, slices=_slices(s), lemmas=s.lemmas
            )  # fmt: skip

    def propositions(self, example: Example, spans: Sequence[WordSpan]) -> Iterable[Proposition]:
        return [Proposition(predicate=start, sense=sense, roles=(WordSpan(VERB, start, end),)) for sense, start, end in spans]

    def read_columns(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        sentences = read_sentences(path, predicted=True)
        return {e.id: Prediction(value=_senses(s)) for e, s in in_order(path, sentences, examples)}


def _senses(sentence: Sentence) -> list[list[Any]]:
    """The predicates of a sentence; those of two propositions once."""
    return plain({p.predicate: WordSpan(p.sense or VERB, p.predicate, p.predicate + 1) for p in sentence.propositions}.values())


def _slices(sentence: Sentence) -> tuple[str, ...]:
    return by_words(sentence), by_count("predicates", len(sentence.propositions), (0, 1, 3, 6))


def by_words(sentence: Sentence | Tagged) -> str:
    return by_count("words", len(sentence.words), TEXT_LENGTHS)
