"""A checkpoint opened for requests: in memory to answer them, or by its tokenizer alone to show what they become."""

from typing import Any

from plmtasks.config import ModelSettings
from plmtasks.errors import ModelError
from plmtasks.model import LoadedModel, TokenRow
from plmtasks.requests import Choose, LogLikelihood, Prompted, Request

from ..checkpoints import ENCODER, Checkpoint, load_parts, parts_without_numbers, parts_without_weights
from .kinds import kind_of


def load(checkpoint: Checkpoint, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
    """A checkpoint in memory, ready for one kind of request, or for several that the same head answers.

    raises: ModelError; InputError for a way to truncate that such requests do not have
    """
    from ..fast import enter

    asked = example_request.each()
    kinds = [kind_of(one, checkpoint.family) for one in asked]
    for kind, one in zip(kinds, asked, strict=True):
        kind.check(settings, one.kind())
        if isinstance(one, LogLikelihood) and one.disjoint and kind.module == "hiding":
            said = f"{checkpoint.name!r} hides each token in turn, and has no likelihood of a text from its beginning to its end"
            raise ModelError(said, "a decoder has: see plmtasks list models")
    if len({kind.head for kind in kinds}) > 1:
        names = " and ".join(one.kind() for one in asked)
        raise ModelError(f"{checkpoint.name!r} has one head at a time, and {names} together need several", "ask by one of them")
    parts = load_parts(checkpoint, kinds[0].head, asked[0], settings, device)
    ways = enter(parts.module, settings.kernels, list(dict.fromkeys(way for kind in kinds for way in kind.ways)))
    parts.module.eval()  # adapters come in the mode of learning
    views: dict[str, Any] = {one.kind(): kind.opened(parts, one, kind.of(ways)) for one, kind in zip(asked, kinds, strict=True)}
    if len(views) == 1:
        alone: LoadedModel = views[asked[0].kind()]
        return alone
    from .several import Mixed

    return Mixed(views)


def prompt_of(checkpoint: Checkpoint, request: Request, settings: ModelSettings) -> str:
    """The prompt of a request, from configuration and tokenizer alone; other requests' texts, one a line.

    Of pairs their first text, and a line for the second of each.

    raises: ModelError
    """
    from .prompts import Prompts

    if len(request.each()) > 1:
        return "\n\n".join(prompt_of(checkpoint, one, settings) for one in request.each())
    if not isinstance(request, Prompted):
        return "\n".join(request.texts())
    if isinstance(request, Choose) and checkpoint.family == ENCODER:
        return "\n".join([request.pairs()[0][0], *(f"- {second}" for _, second in request.pairs())])
    return Prompts(parts_without_weights(checkpoint, settings)).render(request, request.shots, request.text)


def tokens_of(checkpoint: Checkpoint, request: Request, settings: ModelSettings) -> list[TokenRow]:
    """The tokens that a request becomes, from configuration and tokenizer alone.

    raises: ModelError; InputError as `load`
    """
    from ..fast import PLAIN
    from .shown import rows_of

    made: list[TokenRow] = []
    for one in request.each():
        kind = kind_of(one, checkpoint.family)
        kind.check(settings, one.kind())
        parts = parts_without_numbers(checkpoint, kind.head, one, settings)
        view: Any = kind.opened(parts, one, PLAIN)
        made += rows_of(view, one)
    return made
