"""The tokens that a request becomes, for a person to look at."""

from collections.abc import Iterable, Iterator
from typing import Any

from plmtasks.model import TokenRow
from plmtasks.requests import Choose, Request

from ..checkpoints import SEQUENCE_TO_SEQUENCE
from .loaded import Loaded
from .sequences import Sequences


def rows_of(view: Loaded, request: Request) -> Iterator[TokenRow]:
    """view: one that answers such requests; its weights need no numbers"""

    def row(name: str, ids: Iterable[int], scored: int = 0) -> TokenRow:
        listed = [int(i) for i in ids]
        texts = [str(t) for t in view.tokenizer.convert_ids_to_tokens(listed)]
        return TokenRow(name=name, ids=tuple(listed), texts=tuple(texts), scored=scored)

    encoding: Any = view.encode([request])[0]
    if isinstance(encoding, Sequences):
        if encoding.source is not None:
            yield row("read by the encoder", encoding.source)
        names = [repr(c) for c in request.choices] if isinstance(request, Choose) else _windows(len(encoding.wants))
        for name, (place, ids) in zip(names, encoding.wants, strict=True):
            given = encoding.rows[place]
            yield row(name, [*given[: len(given) - len(ids) + 1], *ids], len(ids))
    elif hasattr(encoding, "windows"):
        windows, names = encoding.windows, _windows(len(encoding.windows))
        if isinstance(request, Choose):  # choices that are alike share a window
            windows, names = [windows[place] for place in encoding.places], [repr(c) for c in request.choices]
        for name, window in zip(names, windows, strict=True):
            yield row(name, window.ids)
    else:
        apart = view.parts.family == SEQUENCE_TO_SEQUENCE
        yield row("read by the encoder" if apart else "prompt", encoding.ids)
        if apart:
            yield row("given to the decoder", [view.decoder_start])


def _windows(count: int) -> list[str]:
    return [f"window {i + 1} of {count}" for i in range(count)] if count > 1 else ["text"]
