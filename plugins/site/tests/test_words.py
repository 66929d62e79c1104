"""What others write stands on pages as words: it runs nothing, loads nothing and leads nowhere but to the web."""

import html.parser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_site.words import markdown

TAGS = {
    *("p", "a", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br", "table", "thead", "tbody", "tr"),
    *("th", "td"),
}
ATTRIBUTES = {"href", "rel", "title", "class", "start"}
PIECES = (
    *("<script>", "</script>", "<img src=x onerror=y>", "<b", ">", "![a](http://x.org/p.png)", "[b](javascript:c)", "\n\n"),
    *("[d](https://x.org)", "[e]: data:text/html,x\n", "[e]", "<javascript:f>", "<http://x.org>", "`", "```\n", "# ", "- ", "| "),
    *("|---|:-:|\n", "&lt;", '"', "'", "](", "![", "[", " ", "\n", "JaVaScRiPt:", "&#106;avascript:g", "vbscript:h", "//x.org"),
)


class Found(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href"]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=30).map("".join))
def test_no_text_becomes_more_than_words(text):
    found = Found(markdown(text))
    assert found.tags <= TAGS
    assert found.attributes <= ATTRIBUTES
    assert all(link.lower().startswith(("http://", "https://", "mailto:")) for link in found.links)


def table(*parts):
    return "\n".join(["<table>", *parts, "</table>", ""])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# Words\n\nthat *please*", '<p class="heading">Words</p>\n<p>that <em>please</em></p>\n'),
        ("<b onclick=x>no</b>", "<p>&lt;b onclick=x&gt;no&lt;/b&gt;</p>\n"),
        ("![a <map>](https://x.org/a.png)", "<p>(a &lt;map&gt;)</p>\n"),
        ("[here](https://x.org)", '<p><a href="https://x.org" rel="nofollow noopener">here</a></p>\n'),
        ("[here](javascript:x)", "<p>[here](javascript:x)</p>\n"),
        ("[up](../index.html)", "<p>[up](../index.html)</p>\n"),
        ("|a|\n|:-:|\n|b|", table("<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>", "<tbody>\n<tr>\n<td>b</td>\n</tr>\n</tbody>")),
    ],
)  # fmt: skip
def test_how_markdown_is_shown(text, shown):
    assert str(markdown(text)) == shown
