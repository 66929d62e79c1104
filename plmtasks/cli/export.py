"""`plmtasks export`: a trained model as a folder of its own library."""

from typing import TYPE_CHECKING, Any

import click

from ..errors import OutputError
from . import options
from .options import CONFIG, DATA, TRUST, item, one, section, settings
from .texts import say

if TYPE_CHECKING:
    from ..evaluation import Suite


@options.command("export")
@section(
    "What is written",
    item("model", "--model", help="A checkpoint that was trained on one or several tasks, or adapters."),
    item("task", "--task", help="The task whose head is written."),
    settings("ask"),
    click.option("--output", required=True, metavar="DIR", help="A new folder."),
)
@section("Data", DATA)
@section("Others", CONFIG, TRUST)
def command(model: str | None, task: str | None, config: "Suite | None", output: str, **values: Any) -> None:
    """Write what answers one task as an ordinary folder of the model's own library, with adapters merged into the weights.

    --data is needed only where the labels are in no checkpoint that plmtasks trained.
    """
    from ..evaluation import any_form
    from ..files import local
    from ..hooks import load_registry
    from ..training import write_record

    folder = local(output)
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder} holds something already", "choose a new or empty folder with --output DIR")
    run = one(task, model, config, {**values, "limit": 1})
    registry = load_registry(trusting=run.settings.trust_remote_code)
    example_request, checkpoint = any_form(run, registry), registry.model(run.model)
    checkpoint.export(example_request, run.settings.that_matter(example_request), folder)
    if (record := checkpoint.training_record()) is not None:
        write_record(folder, record)
    say(f"{folder}: {checkpoint.name}, which answers {example_request.kind()}")
