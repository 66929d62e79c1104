"""`plmtasks compare`."""

from typing import TYPE_CHECKING, Any

import click

from . import options
from .options import TRUST, choice, section
from .texts import say, say_json

if TYPE_CHECKING:
    from ..statistics import Difference
    from ..store import Changed, Comparison

WIDTH = 160
"""Characters of an input, a reference or a prediction that are shown."""


@options.command("compare")
@click.argument("run_a", metavar="RUN_A")
@click.argument("run_b", metavar="RUN_B")
@section(
    "What is shown",
    click.option("--examples", type=click.IntRange(min=0), default=10, metavar="N", help="So many that changed; default 10."),
    choice("format", "table", "json", help="json: all that is known of each difference."),
)
@section("Others", TRUST)
def command(run_a: str, run_b: str, examples: int, form: str, trust_remote_code: bool) -> None:
    """What sets run B apart from run A, on the same examples: its scores less those of A.

    p is of the test by which tables are ranked; other tests stand in the JSON.

    A run is its folder or the result.json in it, here or at an address (s3://, hf://, …). Exits with 2 if the two cannot be
    compared, and says why.
    """
    from ..hooks import load_registry
    from ..results import read_result
    from ..store import compare

    made = compare(read_result(run_a), read_result(run_b), load_registry(trusting=trust_remote_code))
    if form == "json":
        from ..files import dump

        say_json(dump(_json(made, examples)))
    else:
        say(_table(made, examples), nl=False)


def _json(made: "Comparison", examples: int) -> dict[str, Any]:
    from dataclasses import asdict

    runs = (made.first, made.second)
    return {
        "runs": [{"folder": str(r.folder), "identity": r.identity, "model": r.model, "scores": r.scores()} for r in runs],
        "task": made.first.task, "data": made.first.data, "split": made.first.record["data"]["split"],
        "primary_metric": made.first.record["primary_metric"], "examples": made.n,
        "differences": {m: {s: asdict(d) for s, d in scores.items()} for m, scores in made.differences.items()},
        "slices": {name: {"examples": n, "difference": asdict(d) if d else None} for name, (n, d) in made.slices.items()},
        "changed": len(made.changed), "changed_examples": [asdict(c) for c in made.changed[:examples]],
    }  # fmt: skip


HEADER = ("A", "B", "B less A", "p", "effect")


def _table(made: "Comparison", examples: int) -> str:
    from ..execution import printable
    from .texts import table

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
    blocks.append(table(["score", *HEADER], rows, right=HEADER) if rows else "too few examples for a test\n")
    if made.slices:
        rows = [[name, str(n), *(_cells(d) if d else ["–"] * 3)] for name, (n, d) in made.slices.items()]
        blocks.append(table([f"slice, {metric}/{score}", "examples", *HEADER[2:]], rows, right=("examples", *HEADER[2:])))
    shown = made.changed[:examples]
    what = f", first those that moved {metric}/{score} farthest:" if shown else ""
    blocks.append(f"{len(made.changed)} of {data['examples']} predictions differ{what}")
    blocks += [_changed(c) for c in shown]
    return "\n".join(blocks) + "\n"


def _cells(d: "Difference") -> list[str]:
    interval = f" [{d.low:+.2f}, {d.high:+.2f}]" if d.low is not None and d.high is not None else ""
    between = f" [{d.effect_low:+.2f}, {d.effect_high:+.2f}]" if d.effect_low is not None and d.effect_high is not None else ""
    return [
        f"{d.value:+.2f}{interval}", f"{d.p:.4f}" if d.p >= 0.0001 else f"{d.p:.0e}",
        "–" if d.effect is None else f"{d.effect:+.2f}{between}",
    ]  # fmt: skip


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _changed(c: "Changed") -> str:
    from .texts import shortened

    named = f"  ({', '.join(c.slices)})" if c.slices else ""
    lines = [shortened(f"{c.id}{named}", WIDTH)]
    lines += [f"  {name}: {shortened(value, WIDTH)}" for name, value in c.inputs.items()]
    lines.append(f"  reference: {shortened(c.reference, WIDTH)}")
    for name, prediction, score in zip("AB", c.predictions, c.scores, strict=True):
        lines.append(f"  {name}: {shortened(prediction, WIDTH)}" + ("" if score is None else f"   [{score:.2f}]"))
    return "\n".join(lines)
