"""What a table says, in sentences: who leads, what is as good for less, and who is left behind."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from plmtasks.errors import counted
from plmtasks.tables import Overview, Row, Standing, with_interval

from .pages import size
from .plots import Point
from .runs import Run
from .tables import Table

Sentence = list[str | Row]
"""Texts, and the runs that it names."""

NAMED = 3
"""Runs of the first tier that are named; of more their number."""

LESS = 0.95
"""The share of a cost from which on it is less: smaller differences are nobody's reason to choose."""


def cheapest(table: Table, rows: Sequence[Row]) -> Row | None:
    """The one with the fewest parameters, or the fastest of those whose parameters nobody knows; None: nothing is known."""
    for name, more in (("parameters", False), ("speed", True)):
        costs = [getattr(table.run(row), name) for row in rows]
        if len(rows) > 1 and None not in costs and len(set(costs)) > 1:
            return rows[costs.index(max(costs) if more else min(costs))]
    return None


def story(table: Table) -> list[Sentence]:
    """Of a table with at least two ranked runs; else nothing."""
    ranked = [row for row in table.board.rows if row.rank is not None]
    if len(ranked) < 2:
        return []
    best, last = ranked[0], ranked[-1]
    level = [row for row in ranked[1:] if row.tier == 1] if best.tier else []
    found = [_lead(table, best, level)]
    cheap = cheapest(table, [best, *level]) if level else cheapest(table, ranked)
    if cheap is best:
        found.append([best, " is also the cheapest", " of them" * bool(level), f", with {_words(table.run(best))}."])
    elif cheap is not None:
        less = _less(table.run(cheap), table.run(best))
        if less:
            equal = any(cheap is row for row in level)
            price = ", and the data cannot tell it from the best" if equal else f", and scores {_behind(table, cheap, best)}"
            found.append([cheap, f" is the cheapest: it takes {less}{price}."])
    if not any(last is row for row in (cheap, *level)):
        found.append([last, f" comes last, {_behind(table, last, best)}."])
    return found


def named(table: Table) -> set[str]:
    """The keys of the runs that a picture names whatever else it names."""
    return {table.run(part).key for sentence in story(table) for part in sentence if isinstance(part, Row)}


def _lead(table: Table, best: Row, level: Sequence[Row]) -> Sentence:
    value = with_interval(best.score(table.board.main)).partition(" ")[0]
    said: Sentence = [best, f" leads with {table.main} {value}"]
    if not best.tier:
        return [*said, "; whether by more than chance was not tested."]
    if not level:
        return [*said, ", ahead of all others by more than chance."]
    if len(level) > NAMED:
        return [*said, f", and {len(level)} others cannot be told from it."]
    names: Sentence = [part for row in level for part in (row, ", ")][:-1]
    if len(level) > 1:
        names[-2] = " and "
    return [*said, "; ", *names, " cannot be told from it."]


def _behind(table: Table, row: Row, best: Row) -> str:
    """How far, with the interval of the paired test where there is one."""
    form = ".1f" if table.unit == "points" else ".3g"
    found = table.difference(table.run(row), table.run(best))
    if found is None or found[1] is None or found[2] is None:
        gap, reach = abs(row.score(table.board.main)["value"] - best.score(table.board.main)["value"]), ""
    else:
        sign = -1 if table.board.higher_is_better else 1
        ends = sorted((sign * found[1], sign * found[2]))
        gap, reach = abs(found[0]), f" ({ends[0]:{form}} to {ends[1]:{form}})".replace("-", "−")
    return f"{gap:{form}} {table.unit}{reach} {'below' if table.board.higher_is_better else 'above'} the best"


def _less(one: Run, other: Run) -> str:
    """What one takes less than the other."""

    def said() -> Iterator[str]:
        if one.parameters and other.parameters and one.parameters < LESS * other.parameters:
            yield f"{100 * one.parameters / other.parameters:.0f} % of the best one's parameters"
        if one.speed and other.speed and one.machine == other.machine and one.speed * LESS > other.speed:
            yield f"{other.speed / one.speed:.0%} of its time".replace("%", " %")

    return " and ".join(said())


def _words(run: Run) -> str:
    return f"{size(run.parameters)} parameters" if run.parameters else f"{size(run.speed)} examples a second"


def overview_story(overview: Overview, points: Sequence[Point]) -> str:
    """Of the models over all tasks."""
    first, last = overview.standings[0], overview.standings[-1]
    if first.win_rate is None or last.win_rate is None or first is last:
        return ""

    def said(one: Standing) -> str:
        whole = len(one.cells) == len(overview.tasks)
        return f"{one.win_rate:.0f} % of its comparisons on {'all' if whole else 'its'} {counted(len(one.cells), 'task')}"

    sentence = f"{first.model} wins most often, {said(first)}; {last.model} wins least, {said(last)}."
    small = min(points, key=lambda point: point.cost, default=None)
    if small is None or max(point.cost for point in points) * LESS < small.cost:
        return sentence
    if small.model == first.model:
        return f"{sentence} {first.model} is also the smallest."
    one = next(s for s in overview.standings if s.model == small.model)
    return f"{sentence} {one.model} is the smallest, with {size(small.cost)} parameters, and wins {said(one)}."


def overview_points(overview: Overview, runs: Mapping[Path, Run]) -> list[Point]:
    """Win rate and size of the models whose size is known; a link leads to the run of each one's first task."""
    points = []
    for s in overview.standings:
        known = [(run, run.parameters) for row in s.cells.values() if (run := runs[row.result.folder]).parameters]
        if known and s.win_rate is not None:
            cost = max(parameters or 0.0 for _, parameters in known)
            text = f"{s.model}, {s.protocol}: wins {s.win_rate:.1f} % on {counted(len(s.cells), 'task')}, {size(cost)} parameters"
            points.append(
                Point(
                    model=s.model, family=s.family, cost=cost, score=s.win_rate, low=None, high=None, text=text,
                    page=known[0][0].page, first=s is overview.standings[0], named=len(overview.standings) <= NAMED,
                )
            )  # fmt: skip
    return points
