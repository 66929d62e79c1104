"""What others wrote in Markdown, as HTML that runs nothing and loads nothing."""

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SAFE = re.compile("(https?://|mailto:)", re.IGNORECASE)
"""Where a link may lead."""


def markdown(text: str) -> Any:
    """CommonMark: HTML in it is text, a picture its words, and a heading a paragraph, which leaves the page's outline alone."""
    import markupsafe

    return markupsafe.Markup(_reader().render(text))  # the reader escapes whatever is not Markdown


@functools.cache
def _reader() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.validateLink = lambda url: bool(SAFE.match(url))  # type: ignore[method-assign]
    made.add_render_rule("image", _picture)
    made.core.ruler.push("plain", _plain)
    return made


def _plain(state: Any) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "p"
        token.attrs.pop("style", None)  # of a table's cells: pages take styles from their own files alone
        if token.type == "heading_open":
            token.attrSet("class", "heading")
        for part in token.children or ():
            if part.type == "link_open":
                part.attrSet("rel", "nofollow noopener")


def _picture(reader: Any, tokens: "Sequence[Token]", at: int, options: Any, env: Any) -> str:
    from markdown_it.common.utils import escapeHtml

    return f"({escapeHtml(tokens[at].content) or 'a picture'})"
