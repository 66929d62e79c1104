"""The options that commands share, and the config that they make."""

import itertools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..config import RunConfig, run_config

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Pairs(click.ParamType[Mapping[str, str]]):
    """`a=b,c=d` as a mapping."""

    name = "name=value,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mapping[str, str]:
        if isinstance(value, Mapping):
            return value
        # a comma that stands in a path, as in join(',', words), parts nothing: what follows one that does is a name and =
        pairs = [pair.partition("=") for pair in re.split(r",(?=\s*[\w.-]+\s*=(?!=))", value) if pair]
        if any(not (name and equals) for name, equals, _ in pairs):
            self.fail(f"expected name=value,…, found {value!r}", param, ctx)
        return {name.strip(): text.strip() for name, _, text in pairs}


class Names(click.ParamType[tuple[str, ...]]):
    """`a,b` as names."""

    name = "name,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        return value if isinstance(value, tuple) else tuple(name.strip() for name in value.split(",") if name.strip())


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


def item(kind: str, *names: str, metavar: str = "", **more: Any) -> Decorator:
    """An option that names something installed; it completes to such names, and where none begins so, to paths."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ..hooks import load_registry

        found = [CompletionItem(name) for name in load_registry().items[kind] if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]

    return click.option(*names, shell_complete=complete, metavar=metavar or kind[0].upper(), **more)


def chain(*decorators: Decorator) -> Decorator:
    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


POSITIVE = click.FloatRange(min=0, min_open=True)

SKIP = click.option("--skip-bad-rows", is_flag=True, help="Leave out rows that cannot be used, and count them.")
DATA = chain(
    click.option("--data", metavar="PATH", help="A file, a folder with a file a split, or hf://owner/name."),
    click.option("--train-data", metavar="PATH", help="The same, for the train split alone."),
    click.option(
        "--columns",
        type=Pairs(),
        default={},
        help="The task's fields in the file's columns: text=review,label=stars; without a header by position: text=1,label=0.",
    ),
    SKIP,
)
METRICS = item(
    "metric", "--metric", "metrics", multiple=True, metavar="NAME",
    help="A further one, beside the task's own; several for several.",
)  # fmt: skip
TRUST = click.option(
    "--trust-remote-code", is_flag=True, help="Run code that comes with a checkpoint, or that a file names: a metric's script."
)
MODEL = chain(
    click.option("--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]), default="auto"),
    click.option("--batch-tokens", type=click.IntRange(min=1), metavar="N", help="The most padded tokens computed together."),
    click.option(
        "--kernels", type=click.Choice(["auto", "plain", "torch", "onednn"]), default="auto",
        help="plain: the model's library alone; torch: what prompts share computed once, nothing padded; onednn: the same, "
        "with weights laid out for oneDNN; auto: the fastest.",
    ),
    click.option(
        "--truncation", type=click.Choice(["auto", "error", "left", "right", "window", "skip"]), default="auto",
        help="Texts over the model's limit; auto: windows for spans, tags and scores, right for classification, "
        "for prompts shots go first, then the left of the text.",
    ),
    click.option("--chat", "prompt", flag_value="chat", help="Prompts by the tokenizer's chat template."),
    click.option("--raw-prompt", "prompt", flag_value="raw", help="Prompts of the texts alone, as other harnesses make them."),
    click.option(
        "--stride", type=click.IntRange(min=1), metavar="N",
        help="Tokens by which the window over a long text that is scored moves on; default: half of the model's limit.",
    ),
    click.option("--model-args", type=Json(), default={}, help="Handed to from_pretrained: device_map, attn_implementation, …"),
    TRUST,
)  # fmt: skip
GENERATION = chain(
    click.option("--beams", type=click.IntRange(min=1), metavar="N", help="Default 1, whatever the checkpoint says."),
    click.option(
        "--temperature", type=click.FloatRange(min=0), metavar="X",
        help="Default 0, whatever the checkpoint says: the likeliest token.",
    ),
    click.option(
        "--top-p", type=click.FloatRange(min=0, max=1, min_open=True), metavar="X",
        help="Of drawn tokens; default: the checkpoint's, as all that is not named (top_k, repetition_penalty, …).",
    ),
    click.option("--length-penalty", type=float, metavar="X", help="Of beams; default: the checkpoint's."),
    click.option("--max-new-tokens", type=click.IntRange(min=1), metavar="N", help="Default: what the task asks for."),
)  # fmt: skip
PROCESSES = chain(
    click.option("--processes", type=click.IntRange(min=1), metavar="N", help="Processes on this machine; default 1."),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="N",
        help="CPU threads a process; default: OMP_NUM_THREADS, else cores / processes.",
    ),
    click.option("--seed", type=int, default=0, help="Draws shots, samples and newly initialized weights."),
    click.option("--yes", is_flag=True, help="Ask nothing."),
    click.option("--quiet", is_flag=True, help="Print the result only."),
)
TRAINING = chain(
    click.option("--epochs", type=POSITIVE, metavar="N", help="Default: the model's, else 3."),
    click.option("--learning-rate", type=POSITIVE, metavar="X", help="Default: the model's, else 5e-5."),
    click.option("--warmup", type=click.FloatRange(0, 1), metavar="X", help="Fraction of the updates; default 0.1."),
    click.option("--weight-decay", type=click.FloatRange(min=0), metavar="X", help="Default 0.01."),
    click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        metavar="N",
        help="Examples a batch, over all processes; default: the model's, else 32.",
    ),
    click.option("--accumulation", type=click.IntRange(min=1), metavar="N", help="Batches an update; default 1."),
    click.option("--clip", type=click.FloatRange(min=0), metavar="X", help="The gradient's largest norm; default 1, 0: any."),
    click.option(
        "--select-split",
        metavar="S",
        help="Picks the best epoch, none: the last; default: validation, if it is not the one reported.",
    ),
    click.option(
        "--patience", type=click.IntRange(min=1), metavar="N", help="Epochs without a better score after which training ends."
    ),
    click.option("--optimizer", metavar="NAME", help="Of torch.optim; default AdamW."),
    click.option("--optimizer-args", type=Json(), metavar="JSON", help="Handed to it: betas, momentum, …"),
    click.option(
        "--schedule", metavar="NAME", help="linear (default), cosine, constant after the warm-up; or of torch.optim.lr_scheduler."
    ),
    click.option("--schedule-args", type=Json(), metavar="JSON", help="Handed to the latter."),
    click.option(
        "--freeze",
        multiple=True,
        metavar="WHAT",
        help="What does not learn: embeddings, base, layers:N or a part of weights' names.",
    ),
    click.option("--label-smoothing", type=click.FloatRange(0, 1, max_open=True), metavar="X", help="Default 0."),
    click.option("--class-weights", metavar="W", help="balanced, or label=weight,…"),
    click.option("--gradient-checkpointing", is_flag=True, default=None, help="Less memory, more time."),
    click.option("--peft", metavar="METHOD", help="Learn few weights beside the frozen ones: lora, ia3, … of the peft library."),
    click.option("--peft-args", type=Json(), metavar="JSON", help="Handed to it: r, lora_alpha, target_modules, …"),
    click.option("--mask-rate", type=click.FloatRange(0, 1, min_open=True), metavar="X", help="Of plain text; default 0.15."),
    click.option("--whole-words", is_flag=True, default=None, help="Mask all tokens of a word together."),
    click.option("--span-length", type=click.FloatRange(min=1), metavar="X", help="Mean tokens of a span to restore; default 3."),
    click.option(
        "--track", multiple=True, metavar="NAME", help="tensorboard, wandb, mlflow, trackio, …; several times for several."
    ),
    click.option("--train-limit", type=click.IntRange(min=1), metavar="N", help="At most so many training examples."),
)


def configs(tasks: tuple[str, ...], models: tuple[str, ...], values: dict[str, Any]) -> list[RunConfig]:
    """One config for each task and model, from a command's options; those not given keep their defaults."""
    given = {name: value for name, value in values.items() if value is not None}
    return [run_config(task, model, **given) for task, model in itertools.product(tasks, models)]
