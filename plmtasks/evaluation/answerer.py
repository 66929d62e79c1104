"""Requests that are at hand, as a caller sees it: one model, one or many processes that stay, and list after list of requests."""

import atexit
import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import islice
from typing import Any, Self

from ..config import RunConfig
from ..errors import InputError
from ..execution import alone, launcher, started_by_launcher
from ..hooks import Registry, load_registry
from ..requests import Answer, Request, from_json, to_json
from .direct import direct
from .work import Ask, resolved, write_request


class Answerer:
    """Answers lists of requests, as they come, by a model that is loaded once, whatever their kinds.

    Whoever has a harness of its own asks here: there is no task, no data and no result.
    """

    def __init__(
        self, config: RunConfig, shown: Sequence[Request], *, cache: str | None = None, registry: Registry | None = None
    ) -> None:
        """
        config: model and settings; its task is a name for messages
        shown: one request of each kind that may come
        cache: a folder where answers are written down as they come: a list that was killed goes on there

        raises: InputError and its kinds
        """
        if started_by_launcher():
            raise InputError(
                "another launcher has started several of this process, and each would answer all requests",
                "start it once, without torchrun or accelerate launch: processes=N starts N of its own",
            )
        self.registry = registry or load_registry(trusting=config.settings.trust_remote_code)
        self.count = max(1, config.processes)
        self.config = resolved(config, self.count, self.registry)
        """With every automatic choice made."""
        self.shown, self.cache = tuple(shown), cache
        self.parameters: int | None = None
        """Of the model, once it has answered."""
        self._open, self._asked = ExitStack(), 0
        self._here = direct(self.config, self.shown, cache, self.registry, alone())

    def answers(self, requests: Sequence[Request]) -> list[Answer | None]:
        """An answer to each, in their order; None where the model's limit left it out, by the policy `skip`.

        raises: PlmtasksError, whatever stops it
        """
        each = [one for request in requests for one in request.each()]
        if not each:
            return []
        answers = iter(self._asked_there(each) if self.count > 1 else self._asked_here(each))
        return [_whole(request, list(islice(answers, len(request.each())))) for request in requests]

    def identity(self) -> dict[str, Any]:
        """All of the model and its settings that can change an answer; nothing is loaded.

        raises: ModelError
        """
        return self._here.identity()

    def _asked_here(self, requests: Sequence[Request]) -> list[Answer | None]:
        self.parameters = self._here.loaded.parameters
        return self._here.answers(requests)

    def _asked_there(self, requests: Sequence[Request]) -> list[Answer | None]:
        started, number = self._started, self._asked
        self._asked += 1
        started.send(f"asked/{number}", json.dumps([write_request(request) for request in requests]))
        told: dict[str, Any] = json.loads(started.receive(f"answered/{number}"))
        self.parameters = told["parameters"]
        pairs = zip(requests, told["answers"], strict=True)
        return [None if value is None else from_json(request.answer_type, value) for request, value in pairs]

    @cached_property
    def _started(self) -> launcher.Started:
        """Its processes; they end with this one, if not before."""
        work = Ask(configs=(self.config,), shown=tuple(map(write_request, self.shown)), cache=self.cache)
        message = json.dumps({"kind": "Ask", "work": to_json(work)})
        atexit.register(self.close)
        return self._open.enter_context(launcher.started(message, self.count, self.config.settings.threads))

    def close(self) -> None:
        """Ends its processes."""
        if "_started" in vars(self):
            self._started.send(f"asked/{self._asked}", "null")
            del self._started
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _whole(request: Request, answers: Sequence[Answer | None]) -> Answer | None:
    """None where one to a part of the request is missing."""
    there = [answer for answer in answers if answer is not None]
    return request.joined(there) if len(there) == len(answers) else None
