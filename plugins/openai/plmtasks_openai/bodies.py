"""What is sent for a request: its prompt, as a text or as the turns of a chat, and the fields beside it."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plmtasks.requests import Generate, LogLikelihood, Prompted, Request, plain_prompt, raw_prompt, turns

from .connection import PREFIX_TOKEN

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings

STOPS = 4
"""Stop texts that the protocol takes; an answer is cut at the others here."""
NO_THINKING = "none"
BY_THE_SERVER = "auto"
"""Settings of `reasoning`: a text is as it is; and what the server sets apart, or `</think>` ends, is thinking."""
GO_ON = {"add_generation_prompt": False, "continue_final_message": True}
"""vLLM's fields for a last turn that is gone on with."""


def is_chat(request: Request, settings: "ModelSettings") -> bool:
    """Whether turns are sent: an exact text is none, whatever the settings say."""
    return isinstance(request, Prompted) and bool(request.turns or (settings.prompt == "chat" and not request.exact))


def messages(request: Prompted, settings: "ModelSettings") -> list[dict[str, str]]:
    """The turns of a chat."""
    if request.turns:
        return [{"role": turn.role, "content": turn.content} for turn in request.turns]
    return turns(request, request.shots, request.text, settings.system)


def text(request: Prompted, settings: "ModelSettings") -> str:
    """The prompt as one text."""
    if request.exact:
        return request.text
    if settings.prompt == "raw":
        return raw_prompt(request.shots, request.text, settings.system)
    return plain_prompt(request, request.shots, request.text, settings.system)


def shown(request: Request, settings: "ModelSettings") -> str:
    """The prompt for a person; of a chat each turn under its role."""
    if isinstance(request, LogLikelihood):
        return request.context + request.text
    assert isinstance(request, Prompted)
    if is_chat(request, settings):
        return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in messages(request, settings))
    return text(request, settings)


def going_on(said: list[dict[str, str]]) -> Mapping[str, Any]:
    """The fields that make a server go on with the last turn, where that is the assistant's."""
    return GO_ON if said[-1]["role"] == "assistant" else {}


def with_extra(made: dict[str, Any], settings: "ModelSettings", more: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with those that the protocol does not know. `model_args` come last, and win."""
    own = {name: value for name, value in settings.model_args.items() if name != PREFIX_TOKEN}
    extra = {**more, **own}
    return {**made, "extra_body": extra} if extra else made


def body(request: Generate, settings: "ModelSettings") -> dict[str, Any]:
    """The fields of a request for a text, besides the model."""
    wanted = settings.of(request).generation
    made: dict[str, Any] = {"max_tokens": new_tokens(request, settings), "temperature": wanted.temperature}
    more: dict[str, Any] = {}
    if is_chat(request, settings):
        made["messages"] = messages(request, settings)
        more |= going_on(made["messages"])
    else:
        made["prompt"] = text(request, settings)
    if request.stop and settings.reasoning in (NO_THINKING, BY_THE_SERVER):  # it would end the thinking too
        made["stop"] = list(request.stop[:STOPS])
    if wanted.draws:
        made |= {"seed": seed(request, settings), **({} if wanted.top_p is None else {"top_p": wanted.top_p})}
        more |= {} if wanted.top_k is None else {"top_k": wanted.top_k}
    return with_extra(made, settings, more)


def seed(request: Generate, settings: "ModelSettings") -> int:
    """Of the tokens that are drawn: each repeat of a question has its own."""
    if not request.repeat:
        return settings.seed
    return int(hashlib.sha256(f"{settings.seed} {request.repeat}".encode()).hexdigest()[:8], 16) >> 1


def new_tokens(request: Generate, settings: "ModelSettings") -> int:
    return settings.generation.max_new_tokens or request.max_new_tokens
