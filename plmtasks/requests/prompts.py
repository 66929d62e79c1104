"""Requests in words: tables compare models that are asked in the same."""

from collections.abc import Sequence

from .base import Prompted, Shot

CUE = "\nAnswer:"
"""Put after a text under an instruction, unless the text ends with a colon."""

CUES = {"summarize": "\nTL;DR:"}
"""Purpose → what people write between a text and such an answer."""


def plain_prompt(request: Prompted, shots: Sequence[Shot], text: str, system: str = "") -> str:
    """Instruction, shots and text, a blank line between; the answer follows after a space.

    shots, text: those of the request, or what is left of them where a model takes no more
    system: stands before all of it, a blank line behind
    """
    cue = CUES.get(request.aim(), CUE)
    cued = [
        f"{t}{cue}" if request.instruction and not t.rstrip().endswith((":", "：")) else t
        for t in (*(s.text for s in shots), text)
    ]
    answered = [f"{t} {s.answer}" for t, s in zip(cued, shots, strict=False)]
    return "\n\n".join(part for part in (system, request.instruction, *answered, cued[-1]) if part)


def raw_prompt(shots: Sequence[Shot], text: str, system: str = "") -> str:
    """Shots and text as they are, a blank line between; the answer follows after a space."""
    return "\n\n".join([*([system] if system else []), *(f"{s.text} {s.answer}" for s in shots), text])


def turns(request: Prompted, shots: Sequence[Shot], text: str, system: str = "") -> list[dict[str, str]]:
    """The turns of a chat, each with "role" and "content": one for each side of a shot, the instruction in the user's first.

    system: a turn of its own before them
    """
    made = []
    for shot in shots:
        made += [{"role": "user", "content": shot.text}, {"role": "assistant", "content": shot.answer}]
    made.append({"role": "user", "content": text})
    made[0]["content"] = "\n\n".join(part for part in (request.instruction, made[0]["content"]) if part)
    return [*([{"role": "system", "content": system}] if system else []), *made]


def before_stop(text: str, stop: Sequence[str]) -> str:
    """The text up to the first of the stop texts in it."""
    for s in stop:
        text = text.partition(s)[0]
    return text
