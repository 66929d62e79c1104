"""The text in a completion, and the thinking before it."""

from typing import TYPE_CHECKING, Any

from plmtasks.requests import Generate, GenerateAnswer, Thinking, before_stop

from .bodies import NO_THINKING

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings

END = "</think>"
"""What most chat templates put behind thinking, where a server does not set it apart."""
APART = ("reasoning_content", "reasoning")
"""The fields in which servers set it apart."""


def read(completion: Any, chat: bool, request: Generate, settings: "ModelSettings") -> GenerateAnswer:
    """raises: TypeError and its kin if it is no completion"""
    choice = completion.choices[0]
    text = choice.message.content if chat else choice.text
    thought = _apart(choice.message) if chat and settings.reasoning != NO_THINKING else ""
    if text is None and (thought or choice.finish_reason in ("length", "content_filter")):
        text = ""  # it says why there is none
    if not isinstance(text, str):
        raise TypeError(f"{text!r} for a text")
    unfinished = bool(thought) and not text.strip()
    thinking = None if thought else Thinking.of(settings.reasoning, END if chat else None)
    if thinking is not None:
        thought, answer = thinking.parted(text, thinking.always)
        text, unfinished = answer or "", answer is None
    return GenerateAnswer(
        text="" if unfinished else before_stop(text, request.stop).strip(), reasoning=thought,
        reasoning_tokens=_tokens(completion.usage, unfinished) if thought or unfinished else 0, unfinished=unfinished,
    )  # fmt: skip


def _apart(message: Any) -> str:
    found = [value for name in APART if isinstance(value := getattr(message, name, None), str)]
    return next((value for value in found if value), "")


def _tokens(usage: Any, unfinished: bool) -> int:
    """Of the thinking, as far as the server tells; where there is nothing else, all that were written."""
    told = getattr(getattr(usage, "completion_tokens_details", None), "reasoning_tokens", None)
    whole = getattr(usage, "completion_tokens", None) if unfinished else None
    return next((int(n) for n in (told, whole) if n), 0)
