"""The tokens that a request becomes, for a person to look at."""

from collections.abc import Iterator, Sequence
from typing import Any

from plmtasks.model import TokenRow
from plmtasks.requests import Choose, Request

from .loaded import Loaded
from .sequences import LanguageModel, Sequences


def rows_of(view: Loaded, request: Request) -> Iterator[TokenRow]:
    """view: one that answers such requests; its weights need no numbers"""

    def row(name: str, ids: Sequence[int], scored: int = 0) -> TokenRow:
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
        for name, window in zip(_windows(len(encoding.windows)), encoding.windows, strict=True):
            yield row(name, window.ids)
    else:
        reads = isinstance(view, LanguageModel) and view.prompts.reads
        yield row("read by the encoder" if reads else "prompt", encoding.ids)
        if reads:
            told = view.prompts.speak(request.source_language, request.target_language)  # type: ignore[union-attr]
            yield row("given to the decoder", [told.get("decoder_start_token_id") or view.decoder_start])


def _windows(count: int) -> list[str]:
    return [f"window {i + 1} of {count}" for i in range(count)] if count > 1 else ["text"]
