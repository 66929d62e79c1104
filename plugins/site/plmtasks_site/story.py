"""What a table says, in sentences: who leads, what is as good for less, and who is left behind."""

from collections.abc import Iterator, Sequence

from plmtasks.leaderboard import Row
from plmtasks.leaderboard.overview import Overview, Standing

from .pages import size
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
        found.append(["It is also the cheapest", " of those" * bool(level), f": {_words(table.run(best))}."])
    elif cheap is not None:
        less = _less(table.run(cheap), table.run(best))
        if less:
            price = ", and is as good" if any(cheap is row for row in level) else f", and scores {_behind(table, cheap, best)}"
            found.append([cheap, f" is the cheapest: it takes {less}{price}."])
    if not any(last is row for row in (cheap, *level)):
        found.append([last, f" comes last, {_behind(table, last, best)}."])
    return found


def named(table: Table) -> set[str]:
    """The keys of the runs that a picture names whatever else it names."""
    return {table.run(part).key for sentence in story(table) for part in sentence if isinstance(part, Row)}


def _lead(table: Table, best: Row, level: Sequence[Row]) -> Sentence:
    value = f"{best.score(table.board.main)['value']:.4g}"
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
    unit = table.unit if table.unit != "points" else "points"
    found = table.difference(table.run(row), table.run(best))
    if found is None or found[1] is None or found[2] is None:
        gap = abs(row.score(table.board.main)["value"] - best.score(table.board.main)["value"])
        return f"{gap:.3g} {unit} {'below' if table.board.higher_is_better else 'above'} the best"
    ends = sorted((abs(found[1]), abs(found[2]))) if found[1] * found[2] > 0 else [found[1], found[2]]
    side = "below" if table.board.higher_is_better else "above"
    return f"{abs(found[0]):.3g} {unit} {side} the best [{ends[0]:.3g}, {ends[1]:.3g}]".replace("-", "−")


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


def overview_story(overview: Overview) -> str:
    """Of the models over all tasks."""
    first, last = overview.standings[0], overview.standings[-1]
    if first.win_rate is None or last.win_rate is None or first is last:
        return ""

    def said(one: Standing) -> str:
        tasks = len(one.cells)
        whole = tasks == len(overview.tasks)
        return f"{one.win_rate:.0f} % of its comparisons on {'all' if whole else 'its'} {tasks} tasks"

    return f"{first.model} wins most often, {said(first)}; {last.model} wins least, {said(last)}."
