"""`plmtasks show`."""

from typing import Any

import click

from .options import DATA


@click.command("show")
@click.argument("name")
@DATA
@click.option("--ask", metavar="KIND", help="The kind of request; default: each that the task can be asked by.")
@click.option("--model", metavar="M", help="Show the prompt that this model makes of the request.")
@click.option("--prompt", type=click.Choice(["plain", "raw", "chat"]), default="plain", help="How it makes it.")
def command(name: str, ask: str | None, model: str | None, prompt: Any, **values: Any) -> None:
    """What a task asks, with one real request and its solved answer; or what a model answers."""
    from ..config import ModelSettings, Source
    from ..errors import UnknownNameError
    from ..registry import load_registry

    registry = load_registry()
    try:
        task = registry.task(name)
    except UnknownNameError:
        if name in registry.items["metric"]:
            _show_metric(registry.metric(name))
        else:
            _show_model(registry.model(name), registry)
        return
    _show_task(task, registry)
    data = task.load(Source(**values))
    task = task.bind(data)
    split = data.default_split()
    example = data[split][0]
    click.echo(f"data: {data.name}: " + ", ".join(f"{s} {len(data[s])}" for s in data.splits))
    click.echo(f"\nexample {example.id!r} of {split}:\n{_json(example)}")
    for kind in [ask] if ask else task.asks:
        request = task.ask(example.hidden(), kind)
        click.echo(f"\n{kind}:\n{_json(request)}\nsolved:\n{_json(task.solve(example, request))}")
        if model is not None and kind in registry.model(model).answers:
            text = registry.model(model).rendered(request, ModelSettings(prompt=prompt))
            click.echo(f"as {model} is sent it:\n{text}")


def _show_task(task: Any, registry: Any) -> None:
    click.echo(f"{task.name}: {task.description}")
    click.echo(f"from {registry.owners['task', task.name].distribution}, version {task.version}, language {task.language}")
    click.echo(f"can be asked by: {', '.join(task.asks)}")
    click.echo(f"models that fit: {', '.join(registry.models_that_answer(task.asks))}")
    for metric in task.metrics:
        click.echo(f"metric {metric}: {registry.metric(metric).description}")


def _show_metric(metric: Any) -> None:
    click.echo(f"{metric.name}: {metric.description}\nsignature: {metric.signature()}")
    for name, info in metric.scores().items():
        click.echo(f"{name}: {info.unit}, {'higher' if info.higher_is_better else 'lower'} is better, best {info.best}")


def _show_model(model: Any, registry: Any) -> None:
    click.echo(f"{model.name}: {model.description}".rstrip(": "))
    click.echo(f"family: {model.family}\nanswers: {', '.join(model.answers)}")
    fitting = [name for name, task in registry.items["task"].items() if set(task.asks) & set(model.answers)]
    click.echo(f"tasks that fit: {', '.join(fitting)}")
    if model.recommended:
        click.echo("trains by default with: " + ", ".join(f"{k} {v}" for k, v in model.recommended.items()))
    record = model.training_record()
    if record:
        click.echo(f"trained on: {record['task']}, {record['data']['examples']} examples of {record['data']['name']}")


def _json(value: Any) -> str:
    import json

    from ..requests import to_json

    return json.dumps(to_json(value), ensure_ascii=False, indent=2)
