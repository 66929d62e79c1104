"""Cross-validation: models that each learned from all but a part of the data, asked as one, each about that part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..config import ModelSettings, RunConfig
from ..data import Dataset, one_split
from ..errors import InputError
from ..model import Cost, LoadedModel, Model
from ..requests import Answer, Request
from ..results import identity_hash


def check_folds(config: RunConfig, data: Dataset) -> None:
    """raises: InputError if a run cannot be cross-validated so"""
    selected = config.training.select_split not in (None, "none")
    others = {
        "--holdout": config.source.holdout is not None, "--shots": config.shots, "--predictions-of": config.predictions_of,
        "overlap": config.overlap, "--training select_split": selected,
    }  # fmt: skip
    for name, given in others.items():
        if given:
            raise InputError(f"--folds does not go with {name}", f"leave {name} out, or --folds")
    one_split(data)


@dataclass(frozen=True, kw_only=True)
class Folds(Model):
    """The models of all folds as one: each request is asked of the model that did not learn from its example."""

    name: str
    family: str
    answers: Sequence[str]
    learns_by: Sequence[str] | None
    models: Sequence[Model]
    places: Mapping[str, int]
    """Request key → the number of its model."""
    facts: Mapping[str, Any]
    """What a record says of the data that was divided."""

    @property
    def version(self) -> int:  # type: ignore[override]
        return self.models[0].version

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"folds": [model.identity(example_request, settings) for model in self.models]}

    def newly_initialized(self, example_request: Request) -> bool:
        return any(model.newly_initialized(example_request) for model in self.models)

    def training_record(self) -> Mapping[str, Any]:
        """The records of all trainings as that of one, on all of the data."""
        records = [model.training_record() or {} for model in self.models]
        first = records[0]
        of_all = {name: identity_hash({name: [r[name] for r in records]}) for name in ("recipe", "any_seed")}
        [(task, facts)] = first["tasks"].items()
        return {
            **{name: value for name, value in first.items() if name not in ("files", "checksum")}, **of_all,
            "parts": {**first["parts"], "learned": [learned for r in records for learned in r["parts"]["learned"]]},
            "tasks": {task: {**self.facts, "selected_on": None, "folds": len(records), "labels": facts["labels"]}},
            "history": [{**entry, "fold": n} for n, r in enumerate(records, 1) for entry in r["history"]], "folds": len(records),
        }  # fmt: skip

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        return _LoadedFolds(self, example_request, settings, device)


class _LoadedFolds(LoadedModel):
    """One of them at a time is in memory."""

    def __init__(self, of: Folds, example_request: Request, settings: ModelSettings, device: str) -> None:
        self._of, self._how = of, (example_request, settings, device)
        self._asked: list[list[Sequence[Request]]] = [[] for _ in of.models]
        self._place, self._loaded = 0, of.models[0].load(*self._how)
        self.newly_initialized, self.parameters = self._loaded.newly_initialized, self._loaded.parameters

    def _at(self, place: int) -> LoadedModel:
        if place != self._place:
            del self._loaded  # before the next is read
            self._place, self._loaded = place, self._of.models[place].load(*self._how)
            for requests in self._asked[place]:  # a model may keep what it found in the whole plan
                self._loaded.costs(requests)
        return self._loaded

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        places = [self._of.places[request.key()] for request in requests]
        found: dict[int, Cost] = {}
        for place in sorted({*places}):
            mine = [i for i, of in enumerate(places) if of == place]
            asked, loaded = [requests[i] for i in mine], self._at(place)
            found |= zip(mine, (replace(cost, turn=place) for cost in loaded.costs(asked)), strict=True)
            self._asked[place].append(asked)
            self.limited = loaded.limited
        return [found[i] for i in range(len(requests))]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        return self._at(self._of.places[requests[0].key()]).answer(requests)
