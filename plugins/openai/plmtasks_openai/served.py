"""A model behind a server: its name, its address, and what the server says of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from plmtasks.errors import InputError
from plmtasks.model import LoadedModel, Model, Provider
from plmtasks.requests import Request, to_json

from .connection import Connection, connection

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings

BATCH_TOKENS = 1024
"""A default: some thirty questions."""
RESERVED = ("model", "messages", "prompt", "stream", "n", "api_key")
"""Fields of a request that are not for a user to set."""


@dataclass(frozen=True, kw_only=True)
class Served(Model):
    """Weights that somebody else holds: nobody here can know them, and the server may change them."""

    name: str
    model: str
    """What the server calls it."""
    address: str | None = None
    """As the name gave it; None: OPENAI_BASE_URL, else OpenAI's own."""
    family: str = "server"
    answers: Sequence[str] = ("Generate", "Choose", "LogLikelihood")
    on_request: Sequence[str] = ("Choose",)
    """Few servers tell how likely a text is."""
    description: str = ""

    @cached_property
    def connection(self) -> Connection:
        return connection(self.address)

    @cached_property
    def said(self) -> Mapping[str, Any]:
        """What the server says of the model, asked once."""
        return self.connection.said_of(self.model)

    def identity(self, example_request: Request, settings: "ModelSettings") -> dict[str, Any]:
        """What is asked of whom. Weights are not in it: the server does not show them."""
        check(settings, example_request)
        generation = settings.of(example_request).generation
        more = {"system": settings.system, "reasoning": "" if settings.reasoning == "auto" else settings.reasoning}
        return {
            "version": self.version, "address": self.connection.address, "model": self.model, "said": dict(self.said),
            "settings": {
                "prompt": settings.prompt, "generation": to_json(generation), "model_args": dict(settings.model_args),
                "generation_seed": settings.seed if generation.draws else None,
                **{name: value for name, value in more.items() if value},
            },
        }  # fmt: skip

    def unsafe(self, settings: "ModelSettings") -> Sequence[str]:
        """An address of another machine, which would read the questions; `model_args` are fields of a request."""
        host = urlsplit(self.address).hostname or "" if self.address else "localhost"
        return [] if host in ("localhost", "::1") or re.fullmatch(r"127(\.\d+){3}", host) else [f"the address {self.address}"]

    def rendered(self, request: Request, settings: "ModelSettings") -> str:
        from .bodies import shown

        return shown(request, settings)

    def tokens_within(self, memory: int, dtype: str) -> int:
        """The same on every machine, whatever it has: a batch is what an interruption may lose."""
        return BATCH_TOKENS

    def load(self, example_request: Request, settings: "ModelSettings", device: str) -> LoadedModel:
        from .asking import LoadedServed

        check(settings, example_request)
        return LoadedServed(self.model, self.connection, settings)


class Servers(Provider):
    """`openai:MODEL` and `openai:MODEL@ADDRESS`."""

    scheme, inert = "openai", True
    description = "a model of a server of the OpenAI protocol at OPENAI_BASE_URL; NAME@http://HOST:PORT/v1: at that address"

    def make(self, name: str) -> Served:
        model, _, address = re.fullmatch(r"(.*?)(@(?=https?://)(.*))?", name, re.DOTALL).groups()  # type: ignore[union-attr]
        if not model:
            raise InputError(f"{self.scheme}:{name} names no model", "openai:MODEL, or openai:MODEL@http://HOST:PORT/v1")
        return Served(name=f"{self.scheme}:{model}", model=model, address=address)


def check(settings: "ModelSettings", example_request: Request) -> None:
    """raises: InputError for what the protocol has no word for, or what would write a key into a file"""
    if (settings.of(example_request).generation.num_beams or 1) > 1:
        raise InputError("a server of the OpenAI protocol has no beams", "leave out num_beams")
    if settings.truncation not in ("auto", "error"):
        raise InputError(
            f"a server cannot use --truncation {settings.truncation}", "it can use: auto, error; a longer text ends the run"
        )
    taken = [name for name in RESERVED if name in settings.model_args]
    if taken:
        raise InputError(
            f"--model-args are fields of each request, and {', '.join(taken)} is not to be set there",
            "the key is read from OPENAI_API_KEY, the address from OPENAI_BASE_URL or openai:MODEL@http://HOST:PORT/v1",
        )
