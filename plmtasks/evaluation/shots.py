"""Requests of examples, with solved examples before them."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import cast

from ..config import RunConfig
from ..data import Dataset
from ..errors import InputError, counted
from ..examples import Example
from ..requests import Prompted, Request, Shot
from ..scoring import Asked
from ..task import SelfPrompted, Task


def times_asked(config: RunConfig, task: Task) -> int:
    """How many times each question is asked: once, if the task itself asks for several texts."""
    return 1 if isinstance(task, SelfPrompted) and task.repeats > 1 else config.repeats


class Asker:
    """Makes requests of examples, with shots before them: never the example itself, nor one that asks the same."""

    def __init__(self, task: Task, kind: str, data: Dataset, config: RunConfig) -> None:
        self.task, self.kind, self.data, self.config = task, kind, data, config
        self.count = 0 if isinstance(task, SelfPrompted) else config.shots or 0
        self.repeats = times_asked(config, task)
        self._request = cache(lambda place: cast(Prompted, self._bare(data["train"][place])))
        self._first: tuple[str, Sequence[int]] = "", ()

    def ask(self, examples: Sequence[Example], originals: Mapping[str, Example] = MappingProxyType({})) -> Asked:
        """The examples with a request for each.

        originals: by id what an example was before it was changed; that is no shot of it either

        raises: InputError if the task takes no shots, or there are too few
        """
        requests = [self._bare(example) for example in examples]
        if not self.count or not requests:
            return self._drawn(Asked(examples=examples, requests=requests))
        if not isinstance(requests[0], Prompted):
            raise InputError(
                f"a {self.kind} request takes no shots",
                f"task {self.task.name!r} can be asked by: {', '.join(self.task.asks)} (--ask KIND)",
            )
        if "train" not in self.data.splits:
            hint = "name one with --train-data FILE, or divide the data with --holdout 0.2"
            raise InputError(f"{self.data.name} has no train split to take shots from", hint)
        if self.count > len(self.data["train"]):
            raise InputError(
                f"{self.count} shots were asked for, the train split has {counted(len(self.data['train']), 'example')}"
            )
        with_shots: list[Request] = []
        for example, request in zip(examples, requests, strict=True):
            before = originals.get(example.id)
            asked = [(example, request), *([(before, self._bare(before))] if before is not None else [])]
            with_shots.append(cast(Prompted, request).with_shots(self._shots(asked)))
        return self._drawn(Asked(examples=examples, requests=with_shots))

    def _drawn(self, asked: Asked) -> Asked:
        return asked if self.repeats == 1 else asked.drawn(self.repeats)

    def _bare(self, example: Example) -> Request:
        return self.task.ask(example.hidden(), self.kind)

    def _shots(self, asked: Sequence[tuple[Example, Request]]) -> tuple[Shot, ...]:
        """The first that are drawn of those which ask something else.

        asked: what stands after the shots, and its request

        raises: InputError if too few are left
        """
        each = "" if self.config.shots_from == "fixed" else f" {asked[0][0].id}"
        others = (i for i in self._order(f"{self.config.seed}{each}") if not any(self._same(i, *a) for a in asked))
        taken = list(itertools.islice(others, self.count))
        if len(taken) < self.count:
            raise InputError(
                f"{self.count} shots were asked for, the train split has {len(taken)} examples that ask something else than "
                f"{asked[0][0].id!r}",
                "ask for fewer with --shots, or name more examples with --train-data PATH",
            )
        return tuple(r.as_shot(self.task.solve(self.data["train"][i], r)) for i in taken for r in [self._request(i)])

    def _order(self, seed: str) -> Iterator[int]:
        """Places in the train split in a random order, which is drawn to its end only where that is wanted."""
        pool = range(len(self.data["train"]))
        if self._first[0] != seed:
            self._first = seed, random.Random(seed).sample(pool, self.count)
        yield from self._first[1]
        rest = [i for i in pool if i not in self._first[1]]
        random.Random(f"{seed} and more").shuffle(rest)
        yield from rest

    def _same(self, place: int, example: Example, request: Request) -> bool:
        """Whether the inputs are equal, or what is asked with them."""
        if self.data["train"][place].inputs == example.inputs:
            return True
        return self._request(place).with_shots(()) == cast(Prompted, request).with_shots(())
