"""LogLikelihood against speed, memory and size, with the runs that no other beats in both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SITE = "https://site.invalid/"
"""Stands for the site's root in links: Vega completes relative ones by an address of its own."""

WIDTH, HEIGHT = 320, 240

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
        "scale": {"type": "log" if wide else "linear", "zero": False, "nice": False, "padding": 24},
    }  # fmt: skip
    y = {
        "field": "score", "type": "quantitative", "title": axes.score, "axis": {"tickCount": 5},
        "scale": {"zero": False, "nice": True, "padding": 8},
    }  # fmt: skip
    ends = {**y, "field": "low"}
    named, middle = _spaced(points, best, wide), (max(costs) * min(costs)) ** 0.5 if wide else (max(costs) + min(costs)) / 2
    rising = axes.more_is_better is not axes.higher_is_better
    sides = {left: [p for p in named if (p.cost <= middle) is left] for left in (True, False)}
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
            *(_names(named, (x, y), left, rising) for left, named in sides.items()),
        ],
    }  # fmt: skip


def _names(points: Sequence[Point], places: tuple[Any, Any], left: bool, rising: bool) -> dict[str, Any]:
    """Names beside points, towards the middle of the plot, and not where the front runs.

    rising: the front goes up to the right
    """
    side = {"align": "left" if left else "right", "dx": 8 if left else -8, "dy": 8 if left is rising else -8}
    return {
        "data": {"values": [_values(p) for p in points]},
        "mark": {"type": "text", "fontSize": 11, "aria": False, "limit": 150, "baseline": "middle", **side},
        "encoding": {"x": places[0], "y": places[1], "text": {"field": "model"}},
    }


def _values(point: Point) -> Mapping[str, Any]:
    return {**vars(point), "page": SITE + point.page}


def _spaced(points: Sequence[Point], best: Sequence[Point], wide: bool) -> list[Point]:
    """The points whose names do not cover one another: those that have to be named, the ends of the front, what has room."""
    import math

    def place(point: Point) -> float:
        return math.log(point.cost) if wide else point.cost

    along, up = [place(p) for p in points], [p.score for p in points]
    room, height = (max(along) - min(along)) / 3, (max(up) - min(up)) / 10
    kept: list[Point] = []
    for point in [*(p for p in points if p.named), *best[:1], *best[-1:], *best, *points]:
        far = all(abs(place(point) - place(p)) > room or abs(point.score - p.score) > height for p in kept)
        if point not in kept and (far or point.named):
            kept.append(point)
    return kept
