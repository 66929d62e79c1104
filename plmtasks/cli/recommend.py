"""`plmtasks recommend`: which model to take."""

import re
from collections.abc import Mapping

import click

from ..files import terminal
from . import options
from .options import LIST, TRUST, Several, choice, item, section
from .texts import say, say_json


class Quantity(click.ParamType[float]):
    """A number with a unit: 100M, 1.5B, 2GB."""

    def __init__(self, name: str, units: Mapping[str, float]) -> None:
        self.name, self.units = name, units

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", str(value).strip())
        if not found or found[2].lower() not in self.units:
            self.fail(f"expected a number with a unit such as {self.name}, found {value!r}", param, ctx)
        return float(found[1]) * self.units[found[2].lower()]


PARAMETERS = Quantity("100M", {"": 1, "k": 1e3, "m": 1e6, "b": 1e9})
MEMORY = Quantity(
    "2GB", {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
)


@options.command("recommend", example="plmtasks recommend results --task classification/sample")
@click.argument("results", nargs=-1, required=True, metavar="RESULTS…")
@section(
    "What is looked for",
    item("task", "--task", required=True, help="The task that the model is for."),
    click.option("--max-parameters", type=PARAMETERS, metavar="N", help="100M, 1.5B, …"),
    click.option("--min-speed", type=click.FloatRange(min=0), metavar="X", help="Examples a second, on the machine of the run."),
    click.option("--max-memory", type=MEMORY, metavar="SIZE", help="The most that a process holds: 2GB, 512MB, …"),
    click.option(
        "--family", "families", **LIST, type=Several(), metavar="F,…", help="Any of: encoder, decoder, sequence-to-sequence."
    ),
)
@section("Others", choice("format", "text", "json"), TRUST)
def command(results: tuple[str, ...], task: str, form: str, trust_remote_code: bool, **limits: float | None) -> None:
    """Which model to take, from the runs of result folders.

    The best score within the limits and all that it is not told from, the cheapest of them, the Pareto front of score, speed,
    memory and parameters, and what these data cannot decide. What is unknown is said to be, and keeps no limit.
    """
    from ..hooks import load_registry
    from ..results import read_results
    from ..tables import Limits, as_json, as_text, recommend

    found = [result for path in results for result in read_results(path)]
    limits["families"] = limits["families"] or ()  # type: ignore[assignment]
    advice = recommend(found, task, Limits(**limits), load_registry(trusting=trust_remote_code))  # type: ignore[arg-type]
    if form == "json":
        say_json(as_json(advice))
    else:
        say("\n".join(terminal.wrapped(line, "    ") for line in as_text(advice).splitlines()))
