"""What a task's TOML file says."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from ..data import split_files
from ..errors import DataError, did_you_mean
from ..files import TomlFile
from .templates import ALL_WORDS, KINDS, ONE_CHOICE, TOGETHER, columns_in


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where the splits come from: rows in the file, files, or the hub."""

    hub: str | None = None
    """owner/name; a split is then the path of a file there, and without any, all that the repository has are taken."""
    revision: str | None = None
    config: str | None = None
    train: Any = None
    """A path or pattern beside the file, a list of them, or the rows themselves; or a table of such paths, the split's parts,
    each a slice by its name: {matched = "…", mismatched = "…"}."""
    validation: Any = None
    test: Any = None
    parts: str = "part"
    """What the slices of parts are called: of "language" they are language=en, language=zh, …"""
    parallel: bool = False
    """Whether rows of the same id, or of the same number where they have none, are one in several parts: translations."""
    evaluate: Literal["train", "validation", "test"] | None = None
    """The split that is evaluated where the user names none; none: validation, else test."""

    @property
    def splits(self) -> Mapping[str, Any]:
        """Those that the file tells, and what it says of each."""
        said = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: value for split, value in said.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column is what."""

    inputs: tuple[str, ...] | Mapping[str, str] = ()
    """Those that templates may name, or such names and their columns; none: whatever the templates name."""
    optional: tuple[str, ...] = ()
    """Inputs that rows may lack: nothing stands for them then, and where `text_pair` is nothing else there is no second text."""
    reference: str | Mapping[str, str] | None = None
    """The right answer's column; several, under names that a metric wants: {text = "answers"}."""
    reference_is: Literal["text", "letter", "index", "number"] | None = None
    """How the column tells which label or choice it is, where its rows leave that open."""
    hidden: Any = None
    """What that column has where the answer is not public, or there is none: -1."""
    id: str | None = None
    """None: "id" where there is such a column, else the split and the number of the row; "": these in any case."""
    cluster: str | None = None
    slices: tuple[str, ...] = ()
    rows: str = ""
    """The path to rows that lie inside a document: "data[].paragraphs[].qas[]"."""
    separator: str = ""
    """comma, semicolon, tab or pipe, where a file's first line does not show it."""


@dataclass(frozen=True, kw_only=True)
class ClassifyTable:
    text: str
    text_pair: str | None = None


@dataclass(frozen=True, kw_only=True)
class RegressTable:
    text: str
    text_pair: str | None = None
    low: float | None = None
    """The least that the number can be, and the most: what is known of the scale."""
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class ChooseTable:
    text: str
    instruction: str = ""
    choices: str | tuple[str, ...] | None = None
    """A column with a list of them, or a template for each; none: the labels' words."""
    pair_text: str = ""
    """What a scorer of pairs reads, which an encoder is, beside each choice; none: `text` and the choice."""
    pair_choice: str = ""
    """What it reads of each choice, for which {choice} stands: "{question} {choice}"."""
    taught: str = ""
    """The whole prompt as T5's multi-task mixture has it."""


@dataclass(frozen=True, kw_only=True)
class GenerateTable:
    text: str
    instruction: str = ""
    max_new_tokens: int = 64
    stop: tuple[str, ...] = ("\n",)
    source_language: str | None = None
    target_language: str | None = None
    purpose: str = ""
    taught: str = ""
    """The whole prompt as T5's multi-task mixture has it."""


@dataclass(frozen=True, kw_only=True)
class ExtractSpanTable:
    question: str
    context: str
    """A column, not a template: characters of it are counted."""
    may_abstain: bool = False


@dataclass(frozen=True, kw_only=True)
class TagTable:
    words: str
    """A column with a list of words, or a text with spaces between them."""
    marked: str | None = None
    """A column with a list of the places of words of interest, from 0."""
    scheme: Literal["BIO", "none"] = "BIO"
    """Of the tags; none: each word has a label of its own, as parts of speech are."""


@dataclass(frozen=True, kw_only=True)
class LogLikelihoodTable:
    text: str
    context: str = ""


TEMPLATES = (
    "text", "text_pair", "instruction", "choices", "pair_text", "pair_choice", "taught", "question", "context", "words", "marked",
)  # fmt: skip
"""The keys of those tables that hold templates, or columns."""

COLUMN_KEYS = {("Choose", "choices"), ("ExtractSpan", "context"), ("Tag", "words"), ("Tag", "marked")}
"""Those that name a column where they are one text."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A task's file, checked."""

    name: str
    metrics: tuple[str, ...]
    main: str = ""
    """The score that ranks runs; none: the first of the first metric."""
    columns: Columns = field(default_factory=Columns)
    data: Data = field(default_factory=Data)
    description: str = ""
    aliases: tuple[str, ...] = ()
    """What people say instead of the name of a task that a plugin brings."""
    language: str = "en"
    languages: tuple[str, ...] | Mapping[str, str] = ()
    """Of a file in a catalogue that declares a task for each: see `tasks`."""
    labels: tuple[str, ...] | Mapping[str, str] = ()
    """What can be predicted, in the order of the numbers that data may have for them; or each with its word in prompts."""
    shots: tuple[Mapping[str, Any], ...] = ()
    """Rows that stand solved before each question, where the user wants no others."""
    Classify: ClassifyTable | None = None
    Regress: RegressTable | None = None
    Choose: ChooseTable | None = None
    Generate: GenerateTable | None = None
    ExtractSpan: ExtractSpanTable | None = None
    Tag: TagTable | None = None
    LogLikelihood: LogLikelihoodTable | None = None
    file: TomlFile = field(init=False, repr=False, compare=False)

    @property
    def asks(self) -> tuple[str, ...]:
        """The kinds in the order of their tables."""
        return tuple(name for name in self.file.content if name in KINDS)

    @property
    def form(self) -> str:
        """What the reference is."""
        if self.ExtractSpan or self.Regress:
            return "spans" if self.ExtractSpan else "numbers"
        if self.Tag or self.LogLikelihood:
            return "tags" if self.Tag else "likelihoods"
        if self.Choose and self.Choose.choices is not None:
            return "choices"
        return "labels" if self.Classify or self.Choose or self.labels else "texts"

    @cached_property
    def lists(self) -> tuple[str, ...]:
        """The inputs that are given as lists and never as texts."""
        choices, marked = self.Choose and self.Choose.choices, self.Tag and self.Tag.marked
        return tuple(name for name in (choices, marked) if isinstance(name, str))

    @cached_property
    def inputs(self) -> Mapping[str, str]:
        """The example's inputs: name → column."""
        given = self.columns.inputs
        if given:
            return dict(given) if isinstance(given, Mapping) else {name: name for name in given}
        used = [
            name for _, key, text, is_column in self.written for name in ([text] if is_column else columns_in(text))
            if name not in stand_ins(key)
        ]  # fmt: skip
        return {name: name for name in used}

    @cached_property
    def written(self) -> list[tuple[str, str, str, bool]]:
        """Every template of the kinds' tables, and every column that they name: kind, key, text, and whether it is a column."""
        found = []
        keys = [(kind, key) for kind in self.asks for key in vars(getattr(self, kind)) if key in TEMPLATES]
        for kind, key in keys:
            value = getattr(getattr(self, kind), key)
            is_column = (kind, key) in COLUMN_KEYS and isinstance(value, str)
            texts = [value] if isinstance(value, str) and value else value or ()
            found += [(kind, key, text, is_column) for text in texts]
        return found

    @cached_property
    def asked(self) -> Mapping[str, Sequence[tuple[str, str, bool, bool]]]:
        """What of `written` makes a request, by its kind: key, text, whether it is a column, and whether it may be empty."""
        optional = set(self.columns.optional)
        found: dict[str, list[tuple[str, str, bool, bool]]] = {kind: [] for kind in self.asks}
        for kind, key, text, is_column in self.written:
            if key != "pair_choice":
                found[kind].append((key, text, is_column, not is_column and not optional.isdisjoint(columns_in(text))))
        return found

    @cached_property
    def worded(self) -> frozenset[str]:
        """The kinds in whose templates the words of all labels stand."""
        return frozenset(kind for kind, _, text, is_column in self.written if not is_column and ALL_WORDS in columns_in(text))

    def config(self) -> dict[str, Any]:
        """What of the file can change an answer: all but what it is called, and the data, which have a hash of their own."""
        return {
            key: value for key, value in self.file.content.items() if key not in ("description", "aliases", "languages", "data")
        }


def written_in_python(name: str, data: Path | Mapping[str, Any] | None, said: Mapping[str, Any]) -> TomlFile:
    """What a file would say, from the arguments of a task in Python; a key that is None or empty is not said.

    data: a folder with a table for each split, or what the table [data] says
    said: `reference` stands for the column of that name in [columns]

    raises: InputError if the folder has no splits
    """
    folder = Path()
    if isinstance(data, Path):
        folder, data = data, {split: path.name for split, path in split_files(data).items()}
    columns = {"reference": said.get("reference"), **said.get("columns", {})}
    content = {"name": name, "data": data, **said, "columns": columns, "reference": None}
    return TomlFile(folder / name.replace("/", "-"), "", {k: _plain(v) for k, v in content.items() if v not in (None, "", ())})


def _plain(value: Any) -> Any:
    """As TOML has it: lists for tuples, and no key without a value."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def declare(file: TomlFile) -> Declaration:
    """raises: DataError, which names file and line, for what declares no task"""
    declared = file.table(Declaration, dict(file.content))
    object.__setattr__(declared, "file", file)
    try:
        json.dumps(declared.config(), allow_nan=False)
    except (TypeError, ValueError) as e:
        raise DataError(str(file.path), "texts, whole and finite numbers, lists and tables", str(e)) from e
    for keys, expected, found, *hints in chain(_whole(declared), _templates(declared), _data(declared)):
        raise DataError(file.where(*keys), expected, found, *hints)
    return declared


Faults = Iterator[tuple[Any, ...]]
"""Of each the keys that lead to it, what is expected and what is found, and perhaps hints."""


def _whole(declared: Declaration) -> Faults:
    asks, form, labels = declared.asks, declared.form, declared.labels
    asked = " and ".join(asks)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", declared.name):
        yield ["name"], "a name of two words with a slash between: group/variant", repr(declared.name)
    if not declared.metrics:
        yield ["metrics"], "at least one metric, the main one first", "none", "plmtasks list metrics"
    if not asks:
        yield [], f"a table for a kind of request: {', '.join(f'[{k}]' for k in KINDS)}", "none"
    if not any(set(asks) <= set(group) for group in TOGETHER):
        yield [asks[-1]], f"kinds that ask for the same: {'; '.join(' and '.join(group) for group in TOGETHER)}", asked
    if form == "choices" and declared.Classify:
        yield ["Choose", "choices"], "no choices: [Classify] asks for the labels, the same everywhere", "some"
    if declared.Generate and declared.Generate.max_new_tokens < 1:
        yield ["Generate", "max_new_tokens"], "at least 1", repr(declared.Generate.max_new_tokens)
    if declared.shots and not (declared.Choose or declared.Generate):
        yield ["shots"], "shots where there is a prompt: [Choose] or [Generate]", asked
    if labels and form not in ("labels", "tags"):
        yield ["labels"], "labels where something is classified or tagged", asked
    words = list(labels.values()) if isinstance(labels, Mapping) else list(labels)
    if labels and (len(words) < 2 or len(set(words)) < len(words) or not all(word.strip() == word != "" for word in words)):
        yield ["labels"], "at least two words, each once", f"{labels!r:.80}"


def _templates(declared: Declaration) -> Faults:
    known = list(declared.columns.inputs)
    for *keys, text, is_column in declared.written:
        try:
            names = [text] if is_column else columns_in(text)
        except ValueError as e:
            yield keys, "a text with names of columns in braces, {{ for a brace", str(e)
            return
        if keys[1] == "instruction" and set(names) - {ALL_WORDS}:
            yield keys, "an instruction that is the same for all examples, at most with {labels}", repr(text)
        for name in names:
            if known and name not in known and name not in stand_ins(keys[1]):
                yield keys, f"one of the inputs {', '.join(known)}", repr(name), *did_you_mean(name, known)
    if not declared.inputs:
        yield [declared.asks[0]], "a column in braces: {text}", "none", "nothing of the examples is asked"


def _data(declared: Declaration) -> Faults:
    data, columns = declared.data, declared.columns
    if columns.reference is None and declared.form != "likelihoods":
        yield ["columns"], "reference = …, the column of the right answer, in [columns]", "none"
    if strange := [name for name in columns.optional if name not in declared.inputs]:
        yield ["columns", "optional"], f"some of the inputs {', '.join(declared.inputs)}", repr(strange[0])
    if columns.reference_is is not None and declared.form not in ("labels", "choices"):
        found = " and ".join(declared.asks)
        yield ["columns", "reference_is"], "labels or choices where reference_is tells how they are told", found
    if "data" not in declared.file.content:
        return  # it has none of its own: the user names some
    for split, value in data.splits.items():
        paths = value.values() if isinstance(value, dict) and value else [value]
        if not (all(isinstance(one, str) or _all(one, str) for one in paths) or (_all(value, dict) and data.hub is None)):
            yield ["data", split], "a path, a list of paths, a table of them, or rows [[data.train]]", f"{value!r:.80}"
    if data.hub is None and not data.splits:
        yield ["data"], "train, validation, test or hub", "none of them"
    for key in ("revision", "config"):
        if getattr(data, key) is not None and data.hub is None:
            yield ["data", key], "hub = … beside it", "none"
    if data.config is not None and data.splits:
        yield ["data", "config"], "files of the repository, or one of its configs", "both"


def stand_ins(key: str) -> tuple[str, ...]:
    """The names in braces of a template under that key that are no columns."""
    return (ALL_WORDS, ONE_CHOICE) if key == "pair_choice" else (ALL_WORDS,)


def _all(value: Any, form: type) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and bool(value) and all(isinstance(v, form) for v in value)
