"""How texts are written: what a user says of it, and what each request does."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from .base import Request
from .forms import LATER
from .kinds import Generate

SAMPLING = ("num_beams", "temperature", "top_p", "top_k")
"""What a request may say of how its tokens are picked, too."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """How `Generate` picks tokens, in the words of `transformers.GenerationConfig`: greedy unless beams or a temperature are set.

    What is not named here is as the request says; what that does not say either comes from the checkpoint's generation
    configuration, and else is as the library that loads it has it.
    """

    num_beams: int | None = None
    """Texts that are followed side by side; none: as the task asks, 1 for most, whatever the checkpoint says."""
    temperature: float | None = None
    """0 takes the likeliest token, above it tokens are drawn; none: as the task asks, 0 for most (the checkpoint has no say)."""
    top_p: float | None = None
    """The likeliest tokens of this share are drawn from; none: the task's, else the checkpoint's."""
    top_k: int | None = field(default=None, metadata=LATER)
    """So many likeliest tokens are drawn from, all for 0; none: the task's, else the checkpoint's."""
    length_penalty: float | None = None
    """Of beams; none: the checkpoint's."""
    max_new_tokens: int | None = None
    """The most tokens that are written; none: what the task asks for."""

    def of(self, request: Generate) -> "Generation":
        """How the tokens of its answer are picked: what is not named, as the request says."""
        return replace(self, **{name: getattr(request, name) for name in SAMPLING if getattr(self, name) is None})

    @property
    def draws(self) -> bool:
        """Whether tokens are drawn, as far as it says."""
        return bool(self.temperature)

    def settled(self, requests: Iterable[Request]) -> "Generation":
        """The same for all of these, with 1 beam and a temperature of 0 named where none of them says otherwise."""
        asked = [one for request in requests for one in request.each() if isinstance(one, Generate)]
        plain: dict[str, Any] = {"num_beams": 1, "temperature": 0.0}
        unsaid = [n for n, v in plain.items() if getattr(self, n) is None and all(getattr(r, n) == v for r in asked)]
        return replace(self, **{name: plain[name] for name in unsaid})
