"""`plmtasks compare`: two runs on the same examples."""

import click

from . import options
from .options import TRUST, choice, section
from .texts import say, say_json


@options.command(
    "compare", example="plmtasks compare results/classification/sample/tiny-bert/* results/classification/sample/tiny-gpt/*"
)
@click.argument("run_a", metavar="RUN_A")
@click.argument("run_b", metavar="RUN_B")
@section(
    "What is shown",
    click.option("--examples", type=click.IntRange(min=0), default=10, metavar="N", help="So many that changed; default 10."),
    click.option(
        "--wrong",
        type=click.Choice(("both", "a", "b")),
        help="Instead show what both get wrong, or one alone.",
    ),
    choice("format", "table", "json", help="json: all that is known of each difference."),
)
@section("Others", TRUST)
def command(run_a: str, run_b: str, examples: int, wrong: str | None, form: str, trust_remote_code: bool) -> None:
    """What sets run B apart from run A, on the same examples: its scores less those of A.

    p is of the test by which tables are ranked; other tests stand in the JSON.

    A run is its folder or the result.json in it, here or at an address (s3://, hf://, …). Exits with 2 if the two cannot be
    compared, and says why.
    """
    from ..hooks import load_registry
    from ..results import read_result
    from ..store import compare, together
    from ..tables import compared_json, compared_text

    registry = load_registry(trusting=trust_remote_code)
    made = compare(read_result(run_a), read_result(run_b), registry)
    found = together(made, registry)
    if form == "json":
        say_json(compared_json(made, examples, found, wrong), sort_keys=True)
    else:
        say(compared_text(made, examples, found, wrong), nl=False)
