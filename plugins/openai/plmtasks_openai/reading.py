"""The text in a completion, and the thinking before it."""

from typing import TYPE_CHECKING, Any

from plmtasks.requests import Generate, GenerateAnswer, before_stop

from .bodies import BY_THE_SERVER, NO_THINKING

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings

START, END = "<think>", "</think>"
"""What most chat templates put around thinking, where a server does not set it apart."""
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
    if not thought and (settings.reasoning not in (NO_THINKING, BY_THE_SERVER) or (chat and settings.reasoning == BY_THE_SERVER)):
        thought, text, unfinished = _within(text, settings.reasoning)
    return GenerateAnswer(
        text="" if unfinished else before_stop(text, request.stop).strip(), reasoning=thought,
        reasoning_tokens=_tokens(completion.usage, unfinished) if thought or unfinished else 0, unfinished=unfinished,
    )  # fmt: skip


def _apart(message: Any) -> str:
    found = [value for name in APART if isinstance(value := getattr(message, name, None), str)]
    return next((value for value in found if value), "")


def _within(text: str, setting: str) -> tuple[str, str, bool]:
    """The thinking within a text, what stands behind it, and whether the thinking does not end.

    setting: what ends it; auto: `</think>`, if there is any
    """
    end = END if setting == BY_THE_SERVER else setting
    thought, found, rest = text.partition(end)
    if found:
        return thought.strip().removeprefix(START).strip(), rest, False
    if setting == BY_THE_SERVER and not text.lstrip().startswith(START):
        return "", text, False
    return text.strip().removeprefix(START).strip(), "", True


def _tokens(usage: Any, unfinished: bool) -> int:
    """Of the thinking, as far as the server tells; where there is nothing else, all that were written."""
    told = getattr(getattr(usage, "completion_tokens_details", None), "reasoning_tokens", None)
    whole = getattr(usage, "completion_tokens", None) if unfinished else None
    return next((int(n) for n in (told, whole) if n), 0)
