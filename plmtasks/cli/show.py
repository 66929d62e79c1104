"""`plmtasks show`: what one task asks, one model answers, one metric or plugin gives."""

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from ..config import ModelSettings, run_config
from ..errors import InputError, PlmtasksError, counted
from ..files import terminal
from ..model import TokenRow
from ..requests import Request, to_json
from . import options
from .options import CHAT, DATA, HOLDOUT, TRUST, item, section, setting, settings, source
from .texts import say


@options.command("show", example="plmtasks show classification/sample")
@click.argument("name")
@section("Of a task", DATA, HOLDOUT, setting("ask", help="The kind of request; default: each that the task can be asked by."))
@section(
    "A prompt",
    item("model", "--model", help="Show the prompt that this model makes of the request."),
    click.option("--tokens", is_flag=True, help="And all tokens that it is sent."),
    settings("shots", "prompt"),
    CHAT,
    setting("system"),
)
@section("Of a metric", item("task", "--task", help="Show it as it counts for this task."))
@section("Others", TRUST)
def command(name: str, task: str | None, trust_remote_code: bool, **values: Any) -> None:
    """What a task asks, with one real request and its solved answer; what a model answers; what a metric or plugin gives."""
    from ..hooks import find, load_registry

    registry = load_registry(trusting=trust_remote_code)
    own_data = values.get("data") is not None
    asking = {n: values.pop(n) for n in ("ask", "model", "tokens", "shots", "prompt", "chat", "system")}
    kind, item = find(registry, name, own_data=own_data)
    if task is not None and kind != "metric":
        raise InputError(f"{name!r} is a {kind}; --task goes with a metric", f"plmtasks show {task} shows the task")
    if kind == "metric":
        _show_metric(item, _loaded(registry.task(task, own_data=own_data), values)[0] if task else None)
    elif kind == "task":
        _show_asked(item, registry, values, asking)
    else:
        {"model": _show_model, "plugin": _show_plugin}[kind](item, registry)


def _show_asked(task: Any, registry: Any, data_options: Mapping[str, Any], asking: Mapping[str, Any]) -> None:
    """A task, its data, and what is asked of its first example.

    asking: how, by the names of the options
    """
    from ..data import contents, warn_of_labels
    from ..evaluation import Asker, prompted

    ask, model = asking["ask"], asking["model"]
    if ask is not None and ask not in task.asks:
        raise InputError(f"task {task.name!r} cannot be asked by {ask!r}", f"it can be asked by: {', '.join(task.asks)}")
    if asking["tokens"] and model is None:
        raise InputError("--tokens shows those of a model", f"plmtasks show {task.name} --model M --tokens")
    asked = registry.model(model) if model is not None else None
    own = {n: value for n in ("shots", "prompt", "chat", "system") if (value := asking[n]) is not None}
    config = run_config(task.name, model or "", **options.prompt(own))
    shown, data, missing = _loaded(prompted(task, config), data_options)
    _show_task(shown, registry)
    if data is None:
        say(f"data: not at hand: {missing}")
        return
    split = data.default_split()
    example = data[split][0]
    say(f"data: {data.name}")
    for one in data.splits:
        say(f"  {contents(data, one, shown.labels)}")
    if shown.labels:
        warn_of_labels(data, data.splits, learned="train" if "train" in data.splits else split)
    say(f"\nexample {example.id!r} of {split}:\n{_json(example)}")
    for wanted in [ask] if ask else shown.asks:
        say(f"\n{wanted}:")
        try:
            request = Asker(shown, wanted, data, config).ask([example]).requests[0]
        except InputError as e:  # it takes no shots, and others may
            if ask:
                raise
            say(e.message)
            continue
        solved = "its answer is not public" if example.undisclosed else _json(shown.solve(example, request))
        say(f"{_json(request)}\nsolved:\n{solved}")
        if asked is not None:
            _show_sent(asked, request, wanted, config.settings, asking["tokens"])


def _show_sent(model: Any, request: Request, kind: str, settings: ModelSettings, tokens: bool) -> None:
    """What the model is really sent."""
    if not {*kind.split("+")} <= {*model.answers}:
        say(f"{model.name} does not answer {kind}")
        return
    say(f"as {model.name} is sent it:\n{model.rendered(request, settings)}")
    if tokens:
        _show_tokens(model.tokens(request, settings))


def _show_tokens(rows: Sequence[TokenRow]) -> None:
    if not rows:
        say("which tokens these are, nobody here knows: its tokenizer is not here, or yet to be learned")
    for row in rows:
        texts = [re.sub(r"[^\S ]", lambda gap: repr(gap[0])[1:-1], text) for text in row.texts]  # a line feed would end the line
        told = [f"{i}:{text}" for i, text in zip(row.ids, texts, strict=True)]
        told.insert(len(told) - row.scored, "|")
        looked_for = f", those behind | are looked for: {row.scored}" if row.scored else ""
        say(f"tokens, {row.name}: {len(row.ids)}{looked_for}")
        say(terminal.wrapped("  " + " ".join(told if row.scored else told[:-1]), "  "))


def _loaded(task: Any, values: Mapping[str, Any]) -> tuple[Any, Any, str]:
    """The task as its data makes it, and the data; or as it is, and why there is none."""
    from ..evaluation import load_data

    try:
        data = load_data(task, source(values))
        bound = task.bind(data)
        data[data.default_split()]  # splits are read when they are asked for
        return bound, data, ""
    except InputError as e:
        if any(values.values()):  # the data that the user named must be there
            raise
        return task, None, e.message.splitlines()[0]


def _show_task(task: Any, registry: Any) -> None:
    say(f"{task.name}: {task.description}")
    owner = registry.owners.get(("task", task.name))
    say(f"{f'from {owner.distribution}, ' if owner else ''}version {task.version}, language {task.language}")
    if task.aliases:
        say(terminal.wrapped(f"also called: {', '.join(task.aliases)}", "  "))
    say(f"can be asked by: {', '.join(task.asks)}")
    say(terminal.wrapped(f"models that fit: {_some(registry.models_that_answer(task.asks), 'models')}", "  "))
    for metric in task.metrics:
        say(terminal.wrapped(f"metric {metric}: {registry.metric(metric).description}", "  "))
        try:
            say(f"  {registry.metric(metric).bind(task).signature()}")
        except PlmtasksError as e:  # its tokenizer, say, is not installed
            say(f"  not to be had here: {e.message.splitlines()[0]}")
    # of what it says of the predictions that it reads, all but errors and sources
    formats = re.split(r"\n\n(?=\w+:)", inspect.getdoc(task.read_predictions) or "")[0]
    say(terminal.wrapped(f"predictions to score: {' '.join(formats.split())}", "  "))


def _show_metric(metric: Any, task: Any) -> None:
    """task: for which it counts; None: any, and then how is the task's to say"""
    bound = metric if task is None else metric.bind(task)
    of = "signature, where the task says nothing else (--task T)" if task is None else f"signature in {task.name}"
    say(f"{metric.name}: {metric.description}\n{of}: {bound.signature()}")
    for name, info in metric.scores().items():
        say(f"{name}: {info.unit}, {'higher' if info.higher_is_better else 'lower'} is better, best {info.best}")


def _show_model(model: Any, registry: Any) -> None:
    from ..training import learned

    say(f"{model.name}: {model.description}".rstrip(": "))
    say(f"family: {model.family}\nanswers: {', '.join(model.answers)}")
    fitting = [name for name, task in registry.items["task"].items() if set(task.asks) & set(model.answers)]
    say(terminal.wrapped(f"tasks that fit: {_some(fitting, 'tasks')}", "  "))
    if model.recommended:
        say("trains by default with: " + ", ".join(f"{k} {v}" for k, v in model.recommended.items()))
    for head in model.heads() if not model.from_scratch else ():
        say(f"has weights for: {head}")
    for trained in learned(model.training_record() or {}):
        say(f"trained on: {trained['task']}, {counted(trained['examples'], 'example')} of {trained['name']}")


def _show_plugin(plugin: Any, registry: Any) -> None:
    say(f"plugin {plugin.name}, from {plugin.distribution}")
    if plugin.error:
        say(f"failed to load: {plugin.error}")
    for kind, items in registry.items.items():
        names = [name for name in items if registry.owners[kind, name] == plugin]
        if names:
            say(terminal.wrapped(f"{kind}s: {', '.join(names)}", "  "))


def _some(names: Sequence[str], what: str) -> str:
    """The first names, and how many more there are."""
    from ..hooks import NAMES_SHOWN

    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more (plmtasks list {what})" if more > 0 else "")


def _json(value: Any) -> str:
    return json.dumps(to_json(value), ensure_ascii=False, indent=2)
