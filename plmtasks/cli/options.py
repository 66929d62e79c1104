"""The options that commands share, and the config that they make."""

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import click

from ..config import RunConfig, run_config

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Pairs(click.ParamType[Mapping[str, str]]):
    """`a=b,c=d` as a mapping."""

    name = "name=value,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mapping[str, str]:
        if isinstance(value, Mapping):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair]
        if any(not (name and equals) for name, equals, _ in pairs):
            self.fail(f"expected name=value,…, found {value!r}", param, ctx)
        return {name.strip(): text.strip() for name, _, text in pairs}


class Json(click.ParamType[Mapping[str, Any]]):
    """A JSON object."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        try:
            found = json.loads(value)
        except json.JSONDecodeError as e:
            self.fail(f"expected a JSON object, found {value!r} ({e})", param, ctx)
        if not isinstance(found, dict):
            self.fail(f"expected a JSON object, found {value!r}", param, ctx)
        return found


def chain(*decorators: Decorator) -> Decorator:
    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


POSITIVE = click.FloatRange(min=0, min_open=True)

DATA = chain(
    click.option("--data", metavar="PATH", help="A file, a folder with a file a split, or hf://owner/name."),
    click.option("--train-data", metavar="PATH", help="The same, for the train split alone."),
    click.option("--columns", type=Pairs(), default={}, help="The task's fields in the file's columns: text=…,label=…"),
)
MODEL = chain(
    click.option("--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]), default="auto"),
    click.option("--batch-tokens", type=click.IntRange(min=1), metavar="N", help="The most padded tokens computed together."),
    click.option(
        "--truncation", type=click.Choice(["auto", "error", "left", "right", "window", "skip"]), default="auto",
        help="Texts over the model's limit; auto: windows for spans, tags and scores, right for classification, "
        "for prompts shots go first, then the left of the text.",
    ),
    click.option("--chat", "prompt", flag_value="chat", help="Prompts by the tokenizer's chat template."),
    click.option("--raw-prompt", "prompt", flag_value="raw", help="Prompts of the texts alone, as other harnesses make them."),
    click.option("--model-args", type=Json(), default={}, help="Handed to from_pretrained: device_map, attn_implementation, …"),
    click.option("--trust-remote-code", is_flag=True, help="Run code that comes with the checkpoint."),
)  # fmt: skip
PROCESSES = chain(
    click.option("--processes", type=click.IntRange(min=1), metavar="N", help="Processes on this machine; default 1."),
    click.option("--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads a process; default: cores / processes."),
    click.option("--seed", type=int, default=0, help="Draws shots, samples and fresh weights."),
    click.option("--yes", is_flag=True, help="Ask nothing."),
    click.option("--quiet", is_flag=True, help="Print the result only."),
)
TRAINING = chain(
    click.option("--epochs", type=POSITIVE, metavar="N", help="Default: the model's, else 3."),
    click.option("--learning-rate", type=POSITIVE, metavar="X", help="Default: the model's, else 5e-5."),
    click.option("--warmup", type=click.FloatRange(0, 1), metavar="X", help="Fraction of the steps; default 0.1."),
    click.option("--weight-decay", type=click.FloatRange(min=0), metavar="X", help="Default 0.01."),
    click.option(
        "--batch-size", type=click.IntRange(min=1), metavar="N", help="Examples a batch, over all processes; default 32."
    ),
    click.option("--accumulation", type=click.IntRange(min=1), metavar="N", help="Batches an update; default 1."),
    click.option("--clip", type=click.FloatRange(min=0), metavar="X", help="The gradient's largest norm; default 1, 0: any."),
    click.option(
        "--select-split",
        metavar="S",
        help="Picks the best epoch, none: the last; default: validation, if it is not the one reported.",
    ),
    click.option("--train-limit", type=click.IntRange(min=1), metavar="N", help="At most so many training examples."),
)


def configs(tasks: tuple[str, ...], models: tuple[str, ...], values: dict[str, Any]) -> list[RunConfig]:
    """One config for each task and model, from a command's options; those not given keep their defaults."""
    given = {name: value for name, value in values.items() if value is not None}
    return [run_config(task, model, **given) for task, model in itertools.product(tasks, models)]
