"""Which model to take: what the runs of a task say within the user's limits, and what they cannot decide."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from operator import ge, le
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError, printable
from plmtasks.execution import size
from plmtasks.files import with_interval
from plmtasks.results import Result
from plmtasks.statistics import seeds_apart

from .boards import Board, Row, make_boards
from .costs import Costs, Machine, costs, count, number, place

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

SHORT = 2.0
"""Seconds of answering: a speed that rests on fewer is shown, and not compared."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the user can afford; None: anything."""

    max_parameters: float | None = None
    min_speed: float | None = None
    """Examples a second, on the machine of the run."""
    max_memory: float | None = None
    """Bytes of a process."""
    families: tuple[str, ...] = ()
    """Any of them; none given: all."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A row of the task's table with its costs."""

    name: str
    """The model's, with what sets it apart from other runs of it."""
    row: Row
    costs: Costs
    beyond: Sequence[str] = ()
    """The limits that it breaks."""
    unsure: Sequence[str] = ()
    """Why it is not known whether it keeps a limit."""

    @property
    def within(self) -> bool:
        return not self.beyond and not self.unsure

    @property
    def rough(self) -> bool:
        """Whether its speed was measured too shortly to be compared."""
        return self.costs.seconds is not None and self.costs.seconds < SHORT

    @property
    def value(self) -> float:
        score = self.row.score(self.row.main)
        return float(score["value"]) * (1 if score["higher_is_better"] else -1)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Something of which more is better; None: unknown."""

    name: str
    best: str
    """What its best is called."""
    value: Callable[[Candidate], float | None]
    kind: Callable[[Candidate], Any] = lambda candidate: None
    """Values of another kind are not compared."""
    same: float = 0.0
    """The share by which values may differ that count as equal: what was measured once is no surer."""

    def compare(self, a: Candidate, b: Candidate) -> int | None:
        """1 if the first is better, -1 if the second is, 0 if they count as equal; None: nobody knows."""
        x, y = self.value(a), self.value(b)
        if x is None or y is None or self.kind(a) != self.kind(b):
            return None
        if abs(x - y) <= self.same * max(abs(x), abs(y)):
            return 0
        return 1 if x > y else -1


SCORE = Axis(name="score", best="the best score", value=lambda c: c.value)
AXES = (
    Axis(
        name="speed", best="the fastest", value=lambda c: None if c.rough else c.costs.speed, kind=lambda c: c.costs.machine,
        same=0.2,
    ),
    Axis(
        name="memory", best="the least memory", value=lambda c: None if c.costs.bound else _less(c.costs.memory),
        kind=lambda c: c.costs.machine and (c.costs.machine[0], c.costs.machine[-2]), same=0.05,
    ),
    Axis(name="parameters", best="the fewest parameters", value=lambda c: _less(c.costs.parameters)),
)  # fmt: skip


def _less(value: float | None) -> float | None:
    return None if value is None else -value


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The answer to "which model should I take"."""

    board: Board
    limits: Limits
    candidates: Sequence[Candidate]
    """All that are ranked, the best score first."""
    leaders: Sequence[Candidate] = ()
    """Within the limits, the best and those that the data cannot tell from it."""
    take: Sequence[tuple[Candidate, Sequence[str]]] = ()
    """Of the leaders, those that no other leader beats at less or equal cost, with what speaks for each."""
    front: Sequence[Candidate] = ()
    """Within the limits, those that no other beats or equals in all, and beats in something."""
    undecided: Sequence[str] = ()
    """What these data cannot decide."""
    others: Sequence[str] = field(default_factory=list)
    """Runs of the task that are not compared, and why."""


def recommend(results: Sequence[Result], task: str, limits: Limits, registry: "Registry") -> Advice:
    """What the runs of a task say within the limits.

    raises: InputError if there is none; DataError for a result that is none
    """
    there = {result.task for result in results}
    full = task if task in there else registry.task(task, learned=there).name
    if full not in there:
        raise InputError(f"there is no run of {full!r}", f"there are runs of: {', '.join(sorted(there))}")
    first, *rest = make_boards([result for result in results if result.task == full], registry)
    named = _names([row for row in first.rows if row.rank is not None])
    ranked = [_held(row, name, limits) for row, name in named]
    if not ranked:
        raise InputError(f"no run of {full!r} can be ranked", *(f"{r.result.model}: {'; '.join(r.marks)}" for r in first.rows))
    others = [f"{row.result.model}: not ranked: {'; '.join(row.marks)}" for row in first.rows if row.rank is None]
    others += [f"{row.result.model}: {board.apart}" for board in rest for row in board.rows]
    within = [c for c in ranked if c.within]
    if not within:
        return Advice(board=first, limits=limits, candidates=ranked, others=others)
    # among those within the limits alone: what is told from the best of all may be the best of these
    (inner,) = make_boards([result for c in within for result in c.row.results], registry)
    best = {row.result.identity for row in inner.rows if (row.tier or row.rank) == 1}
    leaders = [c for c in within if c.row.result.identity in best or _apart(within[0], c) is False]
    axes = [axis for axis in AXES if sum(axis.value(c) is not None for c in within) > 1]
    take = _unbeaten(leaders, axes)
    return Advice(
        board=first, limits=limits, candidates=ranked, leaders=leaders,
        take=[(c, _reasons(c, leaders, axes)) for c in take], front=_unbeaten(within, [SCORE, *axes]),
        undecided=_undecided(within, leaders, inner), others=others,
    )  # fmt: skip


def _names(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Each row with its model's name, and with what sets it apart from others of that model."""
    found = []
    for row in rows:
        alike = [other for other in rows if other.result.model == row.result.model]
        several = len({other.protocol for other in alike}) > 1
        apart = [*([row.protocol] if several else []), *row.details] if len(alike) > 1 else []
        found.append((row, f"{row.result.model} ({', '.join(apart)})" if apart else row.result.model))
    return found


def _held(row: Row, name: str, limits: Limits) -> Candidate:
    """The row, held to the limits."""
    c, family = costs(row), str(row.record["model"]["family"])
    beyond, unsure = [], []
    if limits.families and family not in limits.families:
        beyond.append(family)
    for what, limit, value, keeps, said in (
        ("parameters", limits.max_parameters, c.parameters, le, f"{count(c.parameters or 0)} parameters"),
        ("memory", limits.max_memory, c.memory, le, f"{size(c.memory or 0)} of memory"),
        ("speed", limits.min_speed, c.speed, ge, f"{number(c.speed or 0)} examples/s"),
    ):
        if limit is None or (value is not None and keeps(value, limit)):
            continue
        if value is None:
            unsure.append(f"{what} unknown: {c.unknown[what]}")
        elif what == "memory" and c.bound:
            unsure.append(f"at most {said}: its process had trained or answered before")
        else:
            beyond.append(said)
    return Candidate(name=name, row=row, costs=c, beyond=beyond, unsure=unsure)


def _apart(a: Candidate, b: Candidate) -> bool | None:
    """Whether two scores differ by more than seeds make them; None: nobody knows, or no seed acts on them."""
    if a.row.recipe is None and b.row.recipe is None:
        return None
    first, second = ([result.score or 0.0 for result in c.row.results] for c in (a, b))
    return seeds_apart(first, second)


def _unbeaten(candidates: Sequence[Candidate], axes: Sequence[Axis]) -> list[Candidate]:
    """Those that no other beats; all, if those that count as equal beat one another in a ring."""
    return [c for c in candidates if not any(_beats(other, c, axes) for other in candidates)] or list(candidates)


def _beats(a: Candidate, b: Candidate, axes: Sequence[Axis]) -> bool:
    """Whether the first is at least as good on all axes and better on one; what is unknown or of another kind decides nothing."""
    found = [axis.compare(a, b) for axis in axes]
    return all(one in (0, 1) for one in found) and 1 in found


def _reasons(c: Candidate, leaders: Sequence[Candidate], axes: Sequence[Axis]) -> list[str]:
    """What speaks for one of those that may be taken."""
    top = max(leaders, key=lambda other: other.value)
    found = ["the best score"] if c.value == top.value else [f"its score cannot be told from the best, {shown(top)}"]
    rivals = [other for other in leaders if other is not c]
    for axis in axes:
        if rivals and all(axis.compare(c, other) == 1 for other in rivals):
            found.append(f"{axis.best} of those that are not told apart")
    return found


def _undecided(within: Sequence[Candidate], leaders: Sequence[Candidate], board: Board) -> list[str]:
    found = []
    if board.untested:
        found.append(f"whether differences in score are chance: {board.untested}")
    elif len(leaders) > 1:
        unit = leaders[0].row.score(leaders[0].row.main)["unit"]
        hardly = f"; differences under {board.smallest:.2g} {unit} hardly show here" if board.smallest else ""
        found.append(f"which has the best score: {names(leaders)} are not told apart{hardly}")
    found += _of_seeds(within)
    machines: dict[Machine | None, list[Candidate]] = {}
    for c in within:
        if c.costs.speed is not None:
            machines.setdefault(c.costs.machine, []).append(c)
    if len(machines) > 1:
        places = "; ".join(f"{names(ran)} on {place(machine)}" for machine, ran in machines.items())
        found.append(f"which is faster of those that ran on other machines: {places}")
    rough = [c for c in within if c.rough]
    if rough:
        found.append(f"the speed of {names(rough)}: it rests on less than {SHORT:g} s")
    for what in ("parameters", "speed", "memory"):
        reasons: dict[str, list[Candidate]] = {}
        for c in within:
            if what in c.costs.unknown:
                reasons.setdefault(c.costs.unknown[what], []).append(c)
        found += [f"{what} of {names(ones)}: {why}" for why, ones in reasons.items()]
    bound = [c for c in within if c.costs.bound]
    if bound:
        found.append(f"memory of {names(bound)}: at most what is shown, since the process had trained or answered before")
    return found


def _of_seeds(within: Sequence[Candidate]) -> list[str]:
    """What another seed might change in the order of scores."""
    moved = [c for c in within[1:] if _apart(within[0], c) is False]
    single = [c for c in within if c.row.recipe is not None and not c.row.others]
    found = [f"the order of {names([within[0], *moved])} with other seeds: theirs differ by as much"] if moved else []
    if single and len(within) > 1:
        found.append(f"what another seed would give: {names(single)} had one")
    return found


def names(candidates: Sequence[Candidate]) -> str:
    return ", ".join(c.name for c in candidates)


def shown(c: Candidate) -> str:
    return f"{c.row.main[1]} {with_interval(c.row.score(c.row.main))}"


def _facts(c: Candidate) -> str:
    k = c.costs
    speed = f"{number(k.speed)} examples/s" if k.speed is not None else "speed unknown"
    memory = f"{'at most ' * k.bound}{size(k.memory)}" if k.memory is not None else "memory unknown"
    parameters = f"{count(k.parameters)} parameters" if k.parameters is not None else "parameters unknown"
    marks = [mark for mark in c.row.marks if mark not in c.row.details]
    how = f"{c.row.record['model']['family']}, {c.row.protocol}"
    return "; ".join([how, shown(c), speed, memory, parameters, *marks])


def _said(limits: Limits) -> str:
    said = [
        f"at most {count(limits.max_parameters)} parameters" if limits.max_parameters is not None else "",
        f"at least {number(limits.min_speed)} examples/s" if limits.min_speed is not None else "",
        f"at most {size(limits.max_memory)} of memory" if limits.max_memory is not None else "",
        " or ".join(limits.families),
    ]
    return ", ".join(s for s in said if s) or "none"


def as_text(advice: Advice) -> str:
    """The advice in lines, its reasons below each."""
    data, within = advice.board.record["data"], [c for c in advice.candidates if c.within]
    of = f"{data['examples']} of {data['total']}" if data["examples"] < data["total"] else f"{data['total']}"
    lines = [
        f"{advice.board.task}: {advice.board.rows[0].result.data}, split {data['split']}, {of} examples",
        f"limits: {_said(advice.limits)}; {len(within)} of {len(advice.candidates)} models within",
    ]
    if not advice.take:
        lines.append("no model is known to keep these limits")
    for i, (c, reasons) in enumerate(advice.take):
        lines += [f"{'or' if i else 'take'} {c.name}", f"  {_facts(c)}", *(f"  + {reason}" for reason in reasons)]
    more = [c for c in advice.front if c not in [taken for taken, _ in advice.take]]
    lines += _listed("no better score at less cost (the Pareto front beside these):", [f"{c.name}: {_facts(c)}" for c in more])
    lines += _listed("these data cannot decide:", advice.undecided)
    lines += _listed("not known to keep the limits:", [f"{c.name}: {'; '.join(c.unsure)}" for c in advice.candidates if c.unsure])
    lines += _listed(
        "beyond the limits:", [f"{c.name}: {'; '.join(c.beyond)}" for c in advice.candidates if c.beyond and not c.unsure]
    )
    lines += _listed("not compared:", advice.others)
    return "\n".join(printable(line) for line in lines) + "\n"


def _listed(title: str, items: Sequence[str]) -> list[str]:
    return [title, *(f"  - {item}" for item in items)] if items else []


def as_json(advice: Advice) -> str:
    """All that the text rests on."""
    taken = {id(c): list(reasons) for c, reasons in advice.take}

    def one(c: Candidate) -> Mapping[str, Any]:
        return {
            "model": c.row.result.model, "family": c.row.record["model"]["family"], "protocol": c.row.protocol,
            "identities": [r.identity for r in c.row.results], "score": dict(c.row.score(c.row.main)), "marks": c.row.marks,
            "ranks": c.row.ranks, "tier": c.row.tier, **asdict(c.costs), "within": c.within, "beyond": list(c.beyond),
            "unsure": list(c.unsure), "leader": c in advice.leaders, "front": c in advice.front, "take": id(c) in taken,
            "reasons": taken.get(id(c), []),
        }  # fmt: skip

    data = {k: advice.board.record["data"][k] for k in ("name", "split", "fingerprint", "examples", "total")}
    content = {
        "task": advice.board.task, "data": data, "primary_metric": list(advice.board.main), "limits": asdict(advice.limits),
        "models": [one(c) for c in advice.candidates], "undecided": list(advice.undecided), "not_compared": list(advice.others),
    }  # fmt: skip
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
