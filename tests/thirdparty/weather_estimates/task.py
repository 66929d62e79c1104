"""How warm it is, going by a weather report."""

import itertools
import random
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from plmtasks.config import Source
from plmtasks.data import Dataset, open_dataset
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example, Prediction
from plmtasks.files import column, read_records
from plmtasks.requests import Answer, Generate, GenerateAnswer, Request
from plmtasks.task import Rewritable

from .requests import Estimate, EstimateAnswer

LOW, HIGH = -60.0, 60.0
SEASONS = {"winter": 0, "spring": 10, "autumn": 8, "summer": 20}
HOURS = {"night": -4, "morning": -1, "afternoon": 4}
SKIES = {"sunny": 3, "foggy": -1, "windy": -2, "cloudy": 0, "snowy": -5}
WORDS = {"freezing": -8, "cold": -4, "mild": 1, "warm": 5, "hot": 9}
SPLITS = {"train": slice(0, 200), "validation": slice(200, 240), "test": slice(240, 300)}


def reports(split: str) -> Iterator[Example]:
    made = list(itertools.product(WORDS, SKIES, HOURS, SEASONS))
    random.Random("weather reports 1").shuffle(made)
    for word, sky, hour, season in made[SPLITS[split]]:
        degrees = WORDS[word] + SKIES[sky] + HOURS[hour] + SEASONS[season]
        text = f"A {word}, {sky} {hour} in {season}."
        yield Example(
            id=f"{word}-{sky}-{hour}-{season}", inputs={"text": text}, reference=float(degrees), slices=(f"season={season}",)
        )


def read_file(source: Source, path: Path) -> Iterator[Example]:
    names = {"text": "text", "degrees": "degrees", **source.columns}
    for number, (where, row) in enumerate(read_records(path), 1):
        found = column(where, row, names["degrees"])
        try:
            degrees = float(found)
        except (TypeError, ValueError) as e:
            raise DataError(where, "a number of degrees", repr(found)) from e
        yield Example(id=str(number), inputs={"text": str(column(where, row, names["text"]))}, reference=degrees)


class Temperature(Rewritable):
    """How warm is it?"""

    name = "weather/temperature"
    description = "degrees Celsius of a weather report"
    asks = ("Estimate", "Generate")
    metrics = ("weather_error", "within_a_degree")
    fields = ("text",)
    texts = ("text",)

    def load(self, source: Source) -> Dataset:
        own = Dataset(name=self.name, readers={split: partial(reports, split) for split in SPLITS}, published=True)
        return open_dataset(source, partial(read_file, source), name=self.name, own=own)

    def ask(self, example: Example, kind: str) -> Request:
        text = example.inputs["text"]
        if kind == "Estimate":
            return Estimate(text=text, unit="°C", low=LOW, high=HIGH)
        if kind == "Generate":
            return Generate(
                instruction="How many degrees Celsius? Answer with a number.", text=text, max_new_tokens=8, stop=("\n",)
            )
        raise InputError(f"task {self.name!r} cannot be asked by {kind}", f"it can be by: {', '.join(self.asks)}")

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """A text without a number in it is predicted as None."""
        if isinstance(answer, EstimateAnswer):
            return Prediction(value=answer.value)
        if isinstance(answer, GenerateAnswer):
            number = re.search(r"[-−]?\d+(\.\d+)?", answer.text)
            return Prediction(value=float(number[0].replace("−", "-")) if number else None)
        raise InputError(f"task {self.name!r} cannot read a {type(answer).__name__}")

    def solve(self, example: Example, request: Request) -> Answer:
        if isinstance(request, Estimate):
            return EstimateAnswer(value=example.reference)
        return GenerateAnswer(text=f"{example.reference:g}")

    def show(self, example: Example, prediction: Prediction) -> str:
        return "" if prediction.value is None else f"{prediction.value:.1f} °C"
