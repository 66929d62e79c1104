"""A number is the sum of what the words are worth."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import ModelError
from plmtasks.model import Cost, LoadedModel, Model, Provider, TrainableModel
from plmtasks.requests import Answer, Request

from .requests import Estimate, EstimateAnswer

if TYPE_CHECKING:
    import torch

    from plmtasks.config import ModelSettings

WORTH = "words.json"
"""The whole checkpoint: word → what it is worth. The empty word is in every text."""
RECOMMENDED = {"num_train_epochs": 15, "learning_rate": 0.5, "train_batch_size": 32}


def words(text: str) -> list[str]:
    return ["", *re.findall(r"\w+", text.lower())]


class WordSums(Model):
    """Knows no word yet."""

    name = "word-sums"
    family = "bag of words"
    answers = ("Estimate",)
    description = "a number is the sum of what the words are worth"
    recommended = RECOMMENDED
    from_scratch = True

    def make(self, texts: Iterable[str], seed: int, folder: Path) -> Model:
        write(folder, dict.fromkeys(sorted({word for text in texts for word in words(text)}), 0.0))
        return self.saved(folder)

    def saved(self, folder: Path) -> Model:
        return Checkpoint(name=self.name, folder=folder)

    def identity(self, example_request: Request, settings: "ModelSettings") -> dict[str, Any]:
        return {"version": self.version}

    def load(self, example_request: Request, settings: "ModelSettings", device: str) -> LoadedModel:
        raise ModelError(f"{self.name!r} knows no word until it is trained")


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Model):
    """What the words are worth stands in a folder."""

    name: str
    folder: Path
    family: str = WordSums.family
    answers: Sequence[str] = WordSums.answers

    @property
    def recommended(self) -> Mapping[str, Any]:  # type: ignore[override]
        return RECOMMENDED

    def saved(self, folder: Path) -> Model:
        return Checkpoint(name=self.name, folder=folder)

    def identity(self, example_request: Request, settings: "ModelSettings") -> dict[str, Any]:
        return {"version": self.version, WORTH: hashlib.sha256(self._content()).hexdigest()}

    def training_record(self) -> Mapping[str, Any] | None:
        path = self.folder / "plmtasks.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def load(self, example_request: Request, settings: "ModelSettings", device: str) -> "LoadedWordSums":
        return LoadedWordSums(json.loads(self._content()), device)

    def _content(self) -> bytes:
        try:
            return (self.folder / WORTH).read_bytes()
        except OSError as e:
            raise ModelError(f"{self.folder} holds no words of a trained word-sums", f"{WORTH}: {e.strerror}") from e


class Trained(Provider):
    """`word-sums:FOLDER`"""

    scheme = "word-sums"
    description = "a folder that `plmtasks train` wrote"
    inert = True

    def make(self, name: str) -> Model:
        return Checkpoint(name=f"{self.scheme}:{Path(name).name}", folder=Path(name))


class LoadedWordSums(TrainableModel):
    def __init__(self, worth: Mapping[str, float], device: str) -> None:
        import torch

        self.device = device
        self.places = {word: i for i, word in enumerate(worth)}
        weights = torch.tensor(list(worth.values()), dtype=torch.float32, device=device)[:, None]
        self.module = torch.nn.EmbeddingBag.from_pretrained(weights, freeze=False, mode="sum")
        self.parameters = len(worth)

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [Cost(width=len(words(request.text))) for request in requests if isinstance(request, Estimate)]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        import torch

        with torch.inference_mode():
            sums = self._sums(requests).tolist()
        bounds = [(r.low, r.high) for r in requests if isinstance(r, Estimate)]
        return [EstimateAnswer(value=min(max(value, low), high)) for value, (low, high) in zip(sums, bounds, strict=True)]

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
        import torch

        wanted = [answer.value for answer in answers if isinstance(answer, EstimateAnswer)]
        errors = self._sums(requests) - torch.tensor(wanted, device=self.device)
        return errors.square().sum(), len(wanted)

    def _sums(self, requests: Sequence[Request]) -> "torch.Tensor":
        """shape (n,)"""
        import torch

        known = [[self.places[w] for w in words(r.text) if w in self.places] for r in requests if isinstance(r, Estimate)]
        flat = torch.tensor([place for text in known for place in text], device=self.device)
        lengths = torch.tensor([len(text) for text in known], device=self.device)
        sums: torch.Tensor = self.module(flat, lengths.cumsum(0) - lengths)
        return sums[:, 0]

    def save(self, folder: Path, state: "Mapping[str, torch.Tensor] | None" = None) -> None:
        weights = self.module.state_dict()["weight"] if state is None else state["0.weight"]
        write(folder, dict(zip(self.places, weights[:, 0].tolist(), strict=True)))


def write(folder: Path, worth: Mapping[str, float]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WORTH).write_text(json.dumps(worth, ensure_ascii=False, indent=1), encoding="utf-8")
