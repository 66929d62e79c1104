"""The templates, and how they show numbers."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plmtasks.files import as_text
from plmtasks.tables import higher, label, rank, with_interval

from .runs import readable

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the pages say beside the results, and what they may not say."""

    title: str = ""
    """What the site is called; none: a leaderboard."""
    about: str = ""
    """Markdown, for its first page."""
    left_out: Sequence[tuple[str, str]] = ()
    """What is not shown, and why, for its first page."""
    home: Path | None = None
    """Where the paths that they tell begin; None: they are as the results' are."""
    examples: bool = True
    """False keeps texts, labels, references and predictions of examples out of every page."""


class Pages:
    """The templates of this package; what they print of a result is escaped."""

    def __init__(self, look: Look, sort: str | None) -> None:
        """
        sort: the column by which tables are ordered at first; None: ranks
        """
        import jinja2

        from .words import markdown

        self._made = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True,
            lstrip_blocks=True, undefined=jinja2.StrictUndefined,
        )  # fmt: skip
        self._made.filters |= {
            "number": with_interval, "rank": rank, "size": size, "decimals": decimals, "signed": signed, "p": p_value, "bar": bar,
            "readable": readable, "shell": shlex.quote, "percent": percent, "plain": as_text,
            "ends": ends, "breakable": breakable, "markdown": markdown,
        }  # fmt: skip
        title = look.title or "Leaderboard"
        self._made.globals |= {"label": label, "higher": higher, "sort": sort or "", "examples": look.examples, "site": title}
        self.state = [sort, look.examples, title]

    def render(self, template: str, root: str, **values: Any) -> str:
        """
        root: the way from the page to the site's root, such as "../"
        """
        return self._made.get_template(template).render(root=root, **values)


def size(value: float | None, unit: str = "") -> str:
    """22.7 M; 1.3 GB."""
    if value is None:
        return "–"
    for factor, prefix in PREFIXES:
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}".strip()


def decimals(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def ends(score: Mapping[str, Any]) -> str:
    """[85.8, 90.1]: the second part of `with_interval`."""
    return with_interval(score).partition(" ")[2]


def breakable(name: str) -> Any:
    """A name that may be broken after its signs, where a column is narrow."""
    import markupsafe

    pieces = re.findall(r"[^/_.-]*[/_.-]+|[^/_.-]+", name)
    return markupsafe.Markup("<wbr>").join(pieces)


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


def signed(difference: tuple[float, float | None, float | None, float | None]) -> str:
    """−1.20 [−2.1, −0.3]."""
    value, low, high, _ = difference
    interval = "no interval" if low is None or high is None else f"{low:+.1f}, {high:+.1f}"
    return f"{value:+.2f} [{interval}]".replace("-", "−")


def p_value(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def bar(score: Mapping[str, Any], scale: tuple[float, float]) -> dict[str, float] | None:
    """Where a score and the ends of its interval lie on a bar from 0 to 100; None: not defined, or on a bar of no length."""
    low, high = scale
    width = high - low
    if score["value"] is None or width <= 0:
        return None

    def place(value: float | None) -> float:
        at = score["value"] if value is None else value
        return round(100 * min(1.0, max(0.0, (at - low) / width)), 2)

    return {"low": place(score["low"]), "value": place(score["value"]), "high": place(score["high"])}
