"""LogLikelihood against speed, memory and size, with the runs that no other beats in both."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .names import MOST, SIDES, sides

SITE = "https://site.invalid/"
"""Stands for the site's root in links: Vega completes relative ones by an address of its own."""

WIDTH, HEIGHT = 320, 240

FEW = 12
"""So many points are all named where there is room; of more the front alone."""

PADDING = 24
"""Pixels between the points and the ends of the axes."""

COLOUR = "#0b66c3"
"""Replaced by the style sheet, as all colours are: light and dark pages share a plot."""

BEHIND = "#566270"
"""The same, of runs that are not of the first tier."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run in a plot."""

    model: str
    family: str
    cost: float
    score: float
    low: float | None
    high: float | None
    text: str
    """What a reader is told who points at it."""
    page: str
    first: bool = True
    """Of the first tier, or of runs that were not tested."""
    named: bool = False
    """Its name stands beside it, whatever else is named."""


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What a plot shows."""

    cost: str
    more_is_better: bool
    """Of the cost."""
    form: str
    """How its numbers are written, for d3-format."""
    score: str = "score"
    higher_is_better: bool = True


def front(points: Sequence[Point], axes: Axes) -> list[Point]:
    """The points that no other equals or beats in score and cost, and beats in one; by their cost."""

    def key(point: Point) -> tuple[float, float]:
        return (
            -point.cost if axes.more_is_better else point.cost,
            -point.score if axes.higher_is_better else point.score,
        )

    kept: list[Point] = []
    for point in sorted(points, key=key):
        if not kept or key(point)[1] < key(kept[-1])[1] or key(point) == key(kept[-1]):
            kept.append(point)
    return sorted(kept, key=lambda point: point.cost)


def svg(points: Sequence[Point], axes: Axes, root: str) -> str:
    """The plot as SVG that takes its colours from the page.

    root: the way from the page to the site's root, such as "../"
    """
    import vl_convert

    text: str = vl_convert.vegalite_to_svg(_spec(points, axes))
    return text.replace(SITE, root)


def _spec(points: Sequence[Point], axes: Axes) -> dict[str, Any]:
    best = front(points, axes)
    costs = [point.cost for point in points]
    wide = max(costs) / min(costs) > 20
    x = {
        "field": "cost", "type": "quantitative", "title": axes.cost,
        "axis": {"format": axes.form, "tickCount": 5, "grid": False, "labelOverlap": True},
        "scale": {"type": "log" if wide else "linear", "zero": False, "nice": False, "padding": PADDING},
    }  # fmt: skip
    y = {
        "field": "score", "type": "quantitative", "title": axes.score, "axis": {"tickCount": 5},
        "scale": {"zero": False, "nice": True, "padding": 8},
    }  # fmt: skip
    ends = {**y, "field": "low"}
    legend = {"title": None, "orient": "bottom", "symbolFillColor": BEHIND, "symbolStrokeWidth": 0}
    colour = {"field": "first", "type": "nominal", "legend": None, "scale": {"domain": [True, False], "range": [COLOUR, BEHIND]}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": WIDTH, "height": HEIGHT, "background": None,
        "config": {"view": {"stroke": None}, "font": "sans-serif", "axis": {"labelFontSize": 11, "titleFontSize": 12}},
        "layer": [
            {
                "data": {"values": [_values(p) for p in points if p.low is not None]},
                "mark": {"type": "rule", "opacity": 0.45, "strokeWidth": 3, "aria": False},
                "encoding": {"x": x, "y": ends, "y2": {"field": "high"}, "color": colour},
            },
            {
                "data": {"values": [_values(p) for p in best]},
                "mark": {"type": "line", "color": COLOUR, "strokeWidth": 1.5, "strokeDash": [4, 3], "aria": False},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": [_values(p) for p in points]},
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {
                    "x": x, "y": y, "color": colour, "href": {"field": "page"}, "description": {"field": "text"},
                    "shape": {"field": "family", "type": "nominal", "legend": legend},
                },
            },
            *_names(points, best, (x, y), wide),
        ],
    }  # fmt: skip


def _names(points: Sequence[Point], best: Sequence[Point], axes: tuple[Any, Any], wide: bool) -> Iterator[dict[str, Any]]:
    """The layers of names, one for each side on which they stand."""
    places = _places(points, wide)
    lines = [(places[points.index(a)], places[points.index(b)]) for a, b in itertools.pairwise(best)]
    few = points if len(points) <= FEW else [p for p in points if p.named or p in best]
    needed = [p.named or p in (best[0], best[-1]) for p in points]
    named = [(p.model if p in few else "", place, need) for p, place, need in zip(points, places, needed, strict=True)]
    found = sides(named, lines, (WIDTH, HEIGHT))
    for align, below in SIDES:
        kept = [points[i] for i, side in found.items() if side == (align, below)]
        yield {
            "data": {"values": [_values(p) for p in kept]},
            "mark": {
                "type": "text", "fontSize": 11, "aria": False, "limit": MOST, "baseline": "middle", "align": align,
                "dx": 8 if align == "left" else -8, "dy": below,
            },
            "encoding": {"x": axes[0], "y": axes[1], "text": {"field": "model"}},
        }  # fmt: skip


def _places(points: Sequence[Point], wide: bool) -> list[tuple[float, float]]:
    """About where the points are drawn, in pixels."""
    along = [math.log(p.cost) if wide else p.cost for p in points]
    ends = [end for p in points for end in (p.low, p.score, p.high) if end is not None]

    def at(value: float, values: Sequence[float], length: float) -> float:
        low, high = min(values), max(values)
        return PADDING + (length - 2 * PADDING) * ((value - low) / (high - low) if high > low else 0.5)

    return [(at(x, along, WIDTH), HEIGHT - at(p.score, ends, HEIGHT)) for x, p in zip(along, points, strict=True)]


def _values(point: Point) -> Mapping[str, Any]:
    return {**vars(point), "page": SITE + point.page}
