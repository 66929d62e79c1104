"""Summarization as a task: a text in, a shorter one out."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from plmtasks.config import Source
from plmtasks.data import Dataset, Event, holds_objects, open_dataset, texts_only
from plmtasks.examples import Example, Prediction
from plmtasks.files import read_lines
from plmtasks.requests import Answer, Generate, GenerateAnswer, Request
from plmtasks.task import HubTask, Rewritable

from .data import COLUMNS, FILES, Form, Hub, story_folders
from .samples import sample

BLANK_LINES = re.compile(r"\n\s*\n+")

LINE_FEEDS = re.compile(r" ?(?:<q>|<n>) ?")
"""How several systems write a line feed in a file with a summary a line."""


@dataclass(frozen=True, kw_only=True)
class Summarization(Rewritable, HubTask):
    """What a text says, in fewer words.

    inputs: "text"
    reference: one summary or several, any of which is right
    """

    name: str
    description: str
    language: str = "en"
    metrics: Sequence[str] = ("rouge", "summary_style")
    asks: Sequence[str] = ("Generate",)
    fields: Sequence[str] = ("text",)
    texts: Sequence[str] = ("text",)
    hub_type: str = "summarization"
    instruction: str = "Summarize the text."
    """Empty before the built-in samples: it makes them harder for the smallest decoders."""
    max_new_tokens: int = 128
    hub: Hub | None = None
    built_in: Callable[[Event], tuple[str, str]] | None = None
    """Writes the built-in samples."""
    topics: bool = False
    """As in `Form`."""
    aliases: Sequence[str] = ()
    needs_data: bool = False

    def load(self, source: Source) -> Dataset:
        form = Form(language=self.language, topics=self.topics).with_columns(source.columns)
        own = sample(self.built_in) if self.built_in else self.hub.dataset(form) if self.hub else None
        stories, learned = story_folders(source.data), story_folders(source.train_data)
        if stories:
            own = Dataset(name=str(source.data), readers={s: partial(form.read, folder) for s, folder in stories.items()})
            source = replace(source, data=None, columns={})
        others = replace(source, train_data=None) if learned else source
        data = open_dataset(others, form.read, name=self.name, own=own, patterns=FILES)
        if not learned:
            return data
        train = learned.get("train") or next(iter(learned.values()))
        return replace(data, readers={**data.readers, "train": partial(form.read, train)}, train_name=source.train_data)

    def ask(self, example: Example, kind: str) -> Request:
        return Generate(
            instruction=self.instruction, text=example.inputs["text"], max_new_tokens=self.max_new_tokens, stop=("\n\n",),
            purpose="summarize" if self.instruction else "",
        )  # fmt: skip

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        assert isinstance(answer, GenerateAnswer)
        return Prediction(value=answer.text.strip())

    def solve(self, example: Example, request: Request) -> Answer:
        """The first reference; a blank line, at which models stop, becomes a line feed."""
        return GenerateAnswer(text=BLANK_LINES.sub("\n", example.reference[0]))

    def column_names(self, field: str) -> Sequence[str]:
        return COLUMNS.get(field, (field,))

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """A summary a line, JSON lines, a table with "id" and "prediction", or a folder with a file an example, named by its id.

        In a file with a summary a line, <q> and <n> are line feeds.

        raises: DataError with the line
        """
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.is_file())
            return {p.stem: Prediction(value="\n".join(read_lines(p)).strip()) for p in files}
        found = texts_only(path, super().read_predictions(path, examples), "a summary")
        if holds_objects(path, read_lines(path)):
            return found
        return {id_: replace(p, value=LINE_FEEDS.sub("\n", p.value)) for id_, p in found.items()}

    def write_predictions(
        self, name: str, examples: Sequence[Example], predictions: Mapping[str, Prediction]
    ) -> Mapping[str, str]:
        """A summary a line, with <q> for its line feeds."""
        if name.endswith((".jsonl", ".json")):
            return super().write_predictions(name, examples, predictions)
        texts = (predictions[e.id].value.replace("\n", " <q> ") for e in examples)
        return {name: "".join(f"{text}\n" for text in texts)}
