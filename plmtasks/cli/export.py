"""`plmtasks export`."""

from pathlib import Path
from typing import Any

import click

from .options import DATA, TRUST, configs, item
from .texts import say


@click.command("export")
@item("model", "--model", required=True, help="A checkpoint that was trained on one or several tasks, or adapters.")
@item("task", "--task", required=True, help="The task whose head is written.")
@DATA
@click.option("--ask", metavar="KIND", help="The kind of request; default: the first of the task's that the model answers.")
@TRUST
@click.option("--output", required=True, metavar="DIR", help="A new folder.")
def command(model: str, task: str, output: str, **values: Any) -> None:
    """Write what answers one task as an ordinary folder of the model's own library, with adapters merged into the weights.

    --data is needed only where the labels are in no checkpoint that plmtasks trained.
    """
    from ..errors import OutputError
    from ..evaluation import any_form
    from ..hooks import load_registry
    from ..training import write_record

    folder = Path(output)
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder} holds something already", "choose a new or empty folder with --output DIR")
    [config] = configs((task,), (model,), {**values, "limit": 1})
    registry = load_registry(trusting=config.settings.trust_remote_code)
    example_request, checkpoint = any_form(config, registry), registry.model(config.model)
    checkpoint.export(example_request, config.settings.that_matter(example_request), folder)
    if (record := checkpoint.training_record()) is not None:
        write_record(folder, record)
    say(f"{folder}: {checkpoint.name}, which answers {example_request.kind()}")
