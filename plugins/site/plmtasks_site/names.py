"""Where the names of a plot's points stand, so that they cover neither points nor one another."""

import itertools
from collections.abc import Iterator, Sequence

Place = tuple[float, float]
"""In pixels, from the left and from the top."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

SIDES = tuple(itertools.product(("left", "right"), (-8, 8)))
"""How a name is aligned to its point, which lies at that end of it, and how far below."""

LETTER, LINE, MOST = 6.0, 12.0, 150.0
"""Width of a letter, height of a line, and the widest name, in pixels."""

STEPS = 24
"""Places of a line that are looked at."""


def sides(
    points: Sequence[tuple[str, Place, bool]], lines: Sequence[tuple[Place, Place]], frame: Place
) -> dict[int, tuple[str, int]]:
    """The number of each point that is named, and its side: the first of SIDES that covers least.

    points: name (none: it is not named), place, and whether it has to be named; others are where nothing is covered
    lines: what is drawn besides, from end to end, and had better not be covered
    frame: width and height
    """
    drawn = [place for line in lines for place in _along(*line)]
    taken: list[Box] = []
    found = {}
    for i in sorted(range(len(points)), key=lambda i: not points[i][2]):
        name, place, needed = points[i]
        if not name:
            continue
        others = [point[1] for j, point in enumerate(points) if j != i]
        boxes = [_box(name, place, side) for side in SIDES]
        costs = [(_covered(box, others, taken, frame), sum(_within(box, one) for one in drawn)) for box in boxes]
        best = costs.index(min(costs))
        if needed or costs[best][0] == 0:
            found[i] = SIDES[best]
            taken.append(boxes[best])
    return found


def _box(name: str, place: Place, side: tuple[str, int]) -> Box:
    width = min(MOST, LETTER * len(name))
    left = place[0] + 8 if side[0] == "left" else place[0] - 8 - width
    top = place[1] + side[1] - LINE / 2
    return left, top, left + width, top + LINE


def _covered(box: Box, others: Sequence[Place], taken: Sequence[Box], frame: Place) -> int:
    """How many points and names it covers, and ends of the frame it passes."""
    left, top, right, bottom = box
    wide = left - 5, top - 5, right + 5, bottom + 5
    names = sum(left < r and right > x and top < b and bottom > y for x, y, r, b in taken)
    return names + sum(_within(wide, one) for one in others) + (left < 0) + (right > frame[0]) + (top < 0) + (bottom > frame[1])


def _within(box: Box, place: Place) -> bool:
    return box[0] < place[0] < box[2] and box[1] < place[1] < box[3]


def _along(start: Place, end: Place) -> Iterator[Place]:
    for i in range(STEPS + 1):
        yield start[0] + (end[0] - start[0]) * i / STEPS, start[1] + (end[1] - start[1]) * i / STEPS
