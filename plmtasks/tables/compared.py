"""Two runs side by side, as text and for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from plmtasks.errors import printable
from plmtasks.files import terminal
from plmtasks.statistics import Difference
from plmtasks.store import Changed, Comparison, Together

WIDTH = 160
"""Characters of an input, a reference or a prediction that are shown."""


WRONG = {"both": "both are wrong", "a": "A alone is wrong", "b": "B alone is wrong"}
"""Which examples of a pair can be asked for, and what is said of them."""


def _wrong(found: Together) -> dict[str, Sequence[Changed]]:
    return dict(zip(WRONG, (found.both, found.first, found.second), strict=True))


def compared_json(made: Comparison, examples: int, found: Together | None = None, which: str | None = None) -> dict[str, Any]:
    """What sets two runs apart, for programs; so many examples that changed.

    found: what they get wrong, which is counted then
    which: a key of WRONG, whose examples are told as well
    """
    runs = (made.first, made.second)
    return {
        "runs": [{"folder": str(r.folder), "identity": r.identity, "model": r.model, "scores": r.scores()} for r in runs],
        "task": made.first.task, "data": made.first.data, "split": made.first.record["data"]["split"],
        "primary_metric": made.first.record["primary_metric"], "examples": made.n,
        "differences": {m: {s: asdict(d) for s, d in scores.items()} for m, scores in made.differences.items()},
        "slices": {name: {"examples": n, "difference": asdict(d) if d else None} for name, (n, d) in made.slices.items()},
        "changed": len(made.changed), "changed_examples": [asdict(c) for c in made.changed[:examples]],
        **({} if found is None else {"wrong": {**{w: len(them) for w, them in _wrong(found).items()}, "neither": found.right}}),
        **({"wrong_examples": [asdict(c) for c in _wrong(found)[which][:examples]]} if found and which else {}),
    }  # fmt: skip


HEADER = ("A", "B", "B less A", "p", "effect")
NARROW = 100
"""Columns of a terminal that has no room for the effects; the JSON form has them."""


def compared_text(made: Comparison, examples: int, found: Together | None = None, which: str | None = None) -> str:
    """What sets two runs apart, as tables, and so many examples that changed.

    found: what they get wrong, which is counted then
    which: a key of WRONG, whose examples are shown instead
    """
    data, (metric, score) = made.first.record["data"], made.first.record["primary_metric"]
    blocks = [
        printable(f"{made.first.task} on {made.first.data}, split {data['split']}: {made.n} of {data['examples']} examples"),
        *(
            printable(f"{name}  {r.model}, {r.record['protocol']['how']}: {r.folder}")
            for name, r in (("A", made.first), ("B", made.second))
        ),
        "",
    ]
    a, b = made.first.scores(), made.second.scores()
    rows = [
        [f"{m}/{s}", _number(a[f"{m}/{s}"]), _number(b[f"{m}/{s}"]), *_cells(d)]
        for m, scores in made.differences.items()
        for s, d in scores.items()
    ]
    left = -1 if terminal.columns() < NARROW else None
    head = ["score", *HEADER][:left]
    blocks.append(terminal.table(head, [row[:left] for row in rows], right=HEADER) if rows else "too few examples for a test\n")
    if made.slices:
        rows = [[name, str(n), *(_cells(d) if d else ["–"] * 3)] for name, (n, d) in made.slices.items()]
        head = [f"slice, {metric}/{score}", "examples", *HEADER[2:]][:left]
        blocks.append(terminal.table(head, [row[:left] for row in rows], right=("examples", *HEADER)))
    if found is not None:
        counts = ", ".join(f"{said} on {len(_wrong(found)[name])}" for name, said in WRONG.items())
        blocks.append(f"{counts}, neither on {found.right} examples")
    if found is not None and which is not None:
        blocks += [f"{WRONG[which]}:", *(_changed(c) for c in _wrong(found)[which][:examples])]
        return "\n".join(blocks) + "\n"
    shown = made.changed[:examples]
    what = f", first those that moved {metric}/{score} farthest:" if shown else ""
    blocks.append(f"{len(made.changed)} of {data['examples']} predictions differ{what}")
    blocks += [_changed(c) for c in shown]
    return "\n".join(blocks) + "\n"


def _cells(d: Difference) -> list[str]:
    interval = f" [{d.low:+.2f}, {d.high:+.2f}]" if d.low is not None and d.high is not None else ""
    between = f" [{d.effect_low:+.2f}, {d.effect_high:+.2f}]" if d.effect_low is not None and d.effect_high is not None else ""
    return [
        f"{d.value:+.2f}{interval}", f"{d.p:.4f}" if d.p >= 0.0001 else f"{d.p:.0e}",
        "–" if d.effect is None else f"{d.effect:+.2f}{between}",
    ]  # fmt: skip


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _changed(c: Changed) -> str:
    named = f"  ({', '.join(c.slices)})" if c.slices else ""
    lines = [terminal.shortened(f"{c.id}{named}", WIDTH)]
    lines += [f"  {name}: {terminal.shortened(value, WIDTH)}" for name, value in c.inputs.items()]
    lines.append(f"  reference: {terminal.shortened(c.reference, WIDTH)}")
    for name, prediction, score in zip("AB", c.predictions, c.scores, strict=True):
        lines.append(f"  {name}: {terminal.shortened(prediction, WIDTH)}" + ("" if score is None else f"   [{score:.2f}]"))
    return "\n".join(lines)
