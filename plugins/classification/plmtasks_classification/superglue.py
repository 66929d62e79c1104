"""SuperGLUE's tasks whose rows have to be made ready before they are read: words in question are marked, pairs are found.

Source: the data set's card, https://huggingface.co/datasets/aps/super_glue, and the script before its conversion to Parquet,
datasets/super_glue/super_glue.py in huggingface/datasets; Wang et al. (2019), arXiv 1905.00537. The test splits' label is -1, but
for axg, which has a public test split alone. Second source of columns, labels and T5's words: super_glue of EleutherAI's lm-eval.
"""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from plmtasks.declared import Labels
from plmtasks.errors import DataError
from plmtasks.examples import Example
from plmtasks.requests import Prompted, Request

REVISION = "3de24cf8022e94f4ee4b9d55a6f539891524d646"
TRUTHS = ("False", "True")
ANSWER = "Answer with True or False."
GENDERED = re.compile(r"\b(she|he|hers|her|his|him|herself|himself)\b", re.IGNORECASE)
MARKED = re.compile(r"\* (.*?) \*")


class SuperGlue(Labels):
    """A task of labels on a configuration of SuperGLUE, with whose rows something is done first."""

    collection = "superglue"

    def __init__(self, name: str, config: str, splits: tuple[str, ...] = ("train", "validation", "test"), **said: Any) -> None:
        """
        config: the name of the folder in the repository
        said: as of `Labels`
        """
        files = {split: f"{config}/{split}-00000-of-00001.parquet" for split in splits}
        columns = {"hidden": -1, "id": "idx", **said.pop("columns", {})}
        data = {"hub": "aps/super_glue", "revision": REVISION, **files}
        super().__init__(name, reference="label", data=data, columns=columns, **said)

    needed: ClassVar[Sequence[str]]
    """The columns without which a row stays as it is."""

    @abstractmethod
    def made_ready(self, where: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The columns of a row that are other than the data has them, or further ones.

        raises: DataError
        """

    def example(self, where: str, row: Mapping[str, Any], id: str, columns: Mapping[str, str] | None = None) -> Example:
        more = self.made_ready(where, row) if all(name in row for name in self.needed) else {}
        return super().example(where, {**row, **more}, id, columns)


class WordInContext(SuperGlue):
    """Does a word mean the same in two sentences? It stands between asterisks in both."""

    needed = ("sentence1", "start1", "end1", "sentence2", "start2", "end2")

    def made_ready(self, where: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        return {f"sentence{n}": _marked(row[f"sentence{n}"], int(row[f"start{n}"]), int(row[f"end{n}"]), "*") for n in "12"}

    def posed(self, inputs: Mapping[str, Any], kind: str) -> Request:
        """T5 was taught without the marks: `get_glue_text_preprocessor` in the glue_utils.py of its repository."""
        request = super().posed(inputs, kind)
        return replace(request, taught=MARKED.sub(r"\1", request.taught)) if isinstance(request, Prompted) else request


class Winograd(SuperGlue):
    """Does a pronoun stand for a noun? It stands between number signs, and the noun between asterisks.

    source: the marks are those of `wsc` in the preprocessors.py of google-research/text-to-text-transfer-transformer. T5 itself
        was taught to name the noun, by `wsc_simple` there, and not to say True or False, so that it is asked as others are.
    """

    needed = ("text", "span1_index", "span1_text", "span2_index", "span2_text")

    def made_ready(self, where: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        text, spans = row["text"], []
        for number, mark in ((1, "*"), (2, "#")):
            index, words = int(row[f"span{number}_index"]), len(text.split())
            if not 0 <= index < words:
                raise DataError(where, f"the place of one of {words} words, from 0, as span{number}_index", repr(index))
            spans.append((*_place(text, row[f"span{number}_text"], index), mark))
        for start, end, mark in sorted(spans, reverse=True):  # what stands behind is moved by a mark
            text = _marked(text, start, end, mark)
        return {"text": text}


class Winogender(SuperGlue):
    """RTE's question where the premise has a pronoun of either gender; the two premises that differ in it alone are a pair."""

    needed = ("premise", "hypothesis")

    def made_ready(self, where: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"pair": f"{GENDERED.sub('…', row['premise'])} {row['hypothesis']}"}


def _marked(text: str, start: int, end: int, mark: str) -> str:
    return f"{text[:start]}{mark} {text[start:end]} {mark}{text[end:]}"


def _place(text: str, span: str, index: int) -> tuple[int, int]:
    """The characters of a span that begins with a word of the text, counted from 0.

    Where the text has other words there, it is the span's first occurrence; where there is none, as many words as it has.
    """
    words = [found.span() for found in re.finditer(r"\S+", text)]
    start = words[index][0]
    for begin in (start, text.lower().find(span.lower())):
        if begin >= 0 and text[begin : begin + len(span)].lower() == span.lower():
            return begin, begin + len(span)
    return start, words[min(index + len(span.split()), len(words)) - 1][1]


def _asked(instruction: str, text: str, taught: str = "") -> dict[str, Any]:
    """The tables of prompted kinds."""
    both = {"instruction": instruction, "text": text, "taught": taught}
    return {"Choose": both, "Generate": {**both, "max_new_tokens": 16}}


ENTAILS = "Does the second sentence follow from the first? Answer with one of: {labels}."

TASKS = (
    WordInContext(
        "classification/wic", "wic", description="Does a word mean the same in two sentences? (Word in Context, SuperGLUE)",
        text="{word}: {sentence1}", text_pair="{sentence2}", labels=TRUTHS, metrics=["accuracy", "f1"],
        **_asked(
            f"Does the word mean the same in both sentences? {ANSWER}",
            "Word: {word}\nSentence 1: {sentence1}\nSentence 2: {sentence2}",
            "wic sentence1: {sentence1} sentence2: {sentence2} word: {word}",
        ),
    ),
    Winograd(
        "classification/wsc", "wsc.fixed", description="Does a pronoun stand for a noun? (Winograd Schema Challenge, SuperGLUE)",
        text="{text}", labels=TRUTHS, metrics=["accuracy", "f1"],
        **_asked(f"Does the pronoun between # stand for what stands between *? {ANSWER}", "{text}"),
    ),
    Winogender(
        "classification/axg", "axg", ("test",), columns={"cluster": "pair"},
        description="RTE's question about pronouns of either gender (Winogender, SuperGLUE)",
        text="{premise}", text_pair="{hypothesis}", labels=("entailment", "not_entailment"),
        metrics=["accuracy", "gender_parity", "f1"],
        **_asked(
            ENTAILS, "Sentence 1: {premise}\nSentence 2: {hypothesis}", "rte hypothesis: {hypothesis} premise: {premise}"
        ),
    ),
)  # fmt: skip
