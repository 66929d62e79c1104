"""The options that commands share, and the configs that they make."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from .. import config
from ..config import GROUPS, RunConfig, known, setting_types, types
from ..errors import InputError
from ..files import values
from .texts import say

if TYPE_CHECKING:
    from ..evaluation import Suite

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


# ── types ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Several(click.ParamType[tuple[Any, ...]]):
    """A list: A,B"""

    def __init__(self, item: click.ParamType[Any] = click.STRING, name: str = "A,B") -> None:
        """item: of what; name: an example"""
        self.item, self.name = item, name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        try:
            listed = values.several(value) if isinstance(value, str) else value
        except ValueError:
            self.fail(f"expected a list such as {self.name}, found {value!r}", param, ctx)
        return tuple(self.item.convert(one, param, ctx) for one in listed)


class Pairs(click.ParamType[Mapping[str, str]]):
    """KEY=VALUE,… as a mapping of texts."""

    name = "KEY=VALUE,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mapping[str, str]:
        if isinstance(value, Mapping):
            return value
        pairs = values.split(value)
        if not all(name for name, _ in pairs):
            self.fail(f"expected {self.name}, found {value!r}", param, ctx)
        return dict(pairs)


class Settings(Pairs):
    """KEY=VALUE,… as settings, each of its type."""

    def __init__(self, form: type | None = None) -> None:
        """form: the class whose fields they are; None: any, for a library"""
        self.form = form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mapping[str, Any]:
        pairs = super().convert("help=" if value == "help" else value, param, ctx)
        if isinstance(value, Mapping) or self.form is None:
            return {name: values.read(Any, text) if isinstance(text, str) else text for name, text in pairs.items()}
        option = param.opts[0] if param else ""
        try:
            known(pairs, types(self.form), f"setting of {option}")
        except InputError as e:
            raise InputError(e.message, *e.hints, "there are:", *values.meanings(self.form)) from e
        return {name: values.typed(types(self.form)[name], text, f"{option} {name}") for name, text in pairs.items()}

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, key = incomplete.rpartition(",")
        names = types(self.form) if self.form else ()
        return [CompletionItem(f"{before}{comma}{name}=") for name in names if name.startswith(key)]


# ── options ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Command(click.Command):
    """Shows its options in the sections that they belong to, and an example."""

    def __init__(self, *args: Any, example: str = "", **more: Any) -> None:
        """example: a line that can be typed; what is missing on somebody's line is told by it"""
        self.example = example
        super().__init__(*args, **{"epilog": f"\b\nFor example: {example}" if example else None, **more})

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        title = "Options"
        for param in self.get_params(ctx):
            title = getattr(param, "section", title)  # --help stands with the last
            if (record := param.get_help_record(ctx)) is not None:
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


command = partial(click.command, cls=Command)


def example(ctx: click.Context) -> str:
    """A line that can be typed, with what the user has said already; "" where the command has none."""
    line = str(getattr(ctx.command, "example", ""))
    for kind in ("task", "model"):
        said = ctx.params.get(kind) or ",".join(ctx.params.get(f"{kind}s") or ())
        if said:
            line = re.sub(f"(?<=--{kind} )\\S+", lambda _, said=said: shlex.quote(said), line)  # type: ignore[misc]
        elif kind == "task" and ctx.params.get("data"):  # a sample brings its own
            line = line.replace("/sample", "/custom")
    for name in ("data", "columns", "holdout", "folds"):
        if (said := ctx.params.get(name)) is not None and f"--{name} " not in line:
            told = ",".join(f"{key}={value}" for key, value in said.items()) if isinstance(said, Mapping) else str(said)
            line += f" --{name} {shlex.quote(told)}" if line else ""
    return line


def section(title: str, *options: Decorator) -> Decorator:
    """Options that stand together in the help of a command."""

    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        before = len(getattr(function, "__click_params__", []))
        chain(*options)(function)
        for param in function.__click_params__[before:]:  # type: ignore[attr-defined]
            param.section = title
        return function

    return apply


class Setting(click.Option):
    """The option of a setting, whose help is what `config` says of the field."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        self.help = self.help or _help(str(self.name))
        return super().get_help_record(ctx)


def _help(name: str) -> str:
    form = next(form for form in (*config.PARTS.values(), *GROUPS.values()) if name in types(form))
    said = (
        values.documented(form)[name]
        .removesuffix(".")
        .replace("None: ", "Default: ")
        .replace("; none: ", "; default: ")
        .replace("`", "")
    )
    default = values.defaults(form)[name]
    if name in GROUPS:
        told = ", ".join(f"{one}={default}" if default else one for one, default in values.defaults(GROUPS[name]).items())
        return f"{said}: {told}. `--{name} help` says what each means."
    shown = default not in ("", "0", "auto") and "efault: " not in said
    return f"{said}; default: {default}." if shown else said + "." * (not said.endswith("…"))


def once(ctx: click.Context, param: click.Parameter, found: Sequence[Any]) -> Any:
    """The list that an option takes, names of several joined; of settings, a second one would hide the first."""
    if len(found) > 1 and all(isinstance(one, tuple) for one in found):
        return tuple(name for names in found for name in names)
    if len(found) > 1:
        raise click.UsageError(f"{param.opts[0]} stands here {len(found)} times: it takes all at once, as {param.type.name}", ctx)
    return found[0] if found else None


LIST: Mapping[str, Any] = {"multiple": True, "callback": once}
"""Of an option that takes a list."""

PLACES = {
    "data": "PATH", "train_data": "PATH", "output": "DIR", "checkpoints": "DIR", "predictions_of": "RUN", "groups": "FILE",
    "ask": "KIND", "split": "S", "system": "TEXT", "reasoning": "END", "on": "ENGINE",
}  # fmt: skip
"""What the value of a setting is called in the help, if it is no number."""


def setting(name: str, **more: Any) -> Decorator:
    """An option for a setting of a run. Nothing but what is given goes to the config: it has the defaults, and the bounds."""
    hint = setting_types().get(name) or types(GROUPS["training"])[name]
    origin = get_origin(hint)
    number = next((one for one in (hint, *get_args(hint)) if one in (int, float)), None)
    kind: dict[str, Any]
    if hint is bool:
        kind = {"is_flag": True}
    elif name in GROUPS or name == "model_args":
        kind = {**LIST, "type": Settings(GROUPS.get(name))}
    elif origin in (Mapping, tuple):
        kind = {**LIST, "type": Pairs() if origin is Mapping else Several()}
    elif origin is Literal:
        kind = {"type": click.Choice(get_args(hint))}
    else:
        kind = {"type": number or str, "metavar": PLACES.get(name) or ("N" if number is int else "X")}
    return click.option(f"--{name.replace('_', '-')}", name, cls=Setting, **{"default": None, **kind, **more})


def settings(*names: str) -> Decorator:
    return chain(*map(setting, names))


def chain(*decorators: Decorator) -> Decorator:
    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def item(kind: str, *names: str, lists: bool = False, **more: Any) -> Decorator:
    """An option that names something installed; it completes to such names, and where none begins so, to paths.

    lists: it takes several of them
    """

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ..hooks import load_registry

        before, comma, last = incomplete.rpartition(",") if lists else ("", "", incomplete)
        found = [f"{before}{comma}{name}" for name in load_registry().items[kind] if name.startswith(last)]
        return [CompletionItem(name) for name in found] or [CompletionItem(incomplete, type="file")]

    letter = kind[0].upper()
    form = {**LIST, "type": Several(), "metavar": f"{letter},…"} if lists else {"metavar": letter}
    return click.option(*names, shell_complete=complete, **{**form, **more})


DATA = settings("data", "train_data", "columns", "skip_bad_rows")
HOLDOUT = setting("holdout")
TRUST = setting("trust_remote_code")
CHAT = click.option(
    "--chat", cls=Setting, is_flag=True, default=None, help="Ask in turns, by the tokenizer's chat template; shots are turns too."
)
METRICS = item("metric", "--metrics", lists=True, cls=Setting, help="Further ones, beside the task's own.")


def choice(name: str, *forms: str, **more: Any) -> Decorator:
    """An option that says in which form something is printed; the first is the default."""
    return click.option(f"--{name}", "form", type=click.Choice(forms), default=forms[0], **more)


def prompt(line: Mapping[str, Any]) -> dict[str, Any]:
    """What a command's options say, with `--chat` in the words of a config."""
    given = dict(line)
    return given | ({"prompt": "chat"} if given.pop("chat", None) else {})


def source(line: Mapping[str, Any]) -> config.Source:
    """Where a command's examples come from."""
    return config.Source(**{name: value for name, value in line.items() if value is not None})


NO_MATTER = ("output", "checkpoints", "processes", "on", "yes", "quiet", "retry_oom")
"""Settings that no result depends on."""


# ── what they make ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_config(ctx: click.Context, param: click.Parameter, found: Sequence[str]) -> "Suite | None":
    """What --config says; what is the command's own is as if it stood on the line, unless it stands there."""
    from ..evaluation import Suite, read_suite

    if not found:
        return None
    own = {p.opts[0].strip("-").replace("-", "_"): p for p in ctx.command.params if not isinstance(p, Setting) and p is not param}
    made, told = Suite(), {}
    for name, said in values.split(",".join(found)):
        if not name and made.path is not None:
            raise InputError(f"--config names two files, {made.path} and {said}", "one file says all; the line adds to it")
        if not name:
            made = read_suite(Path(said), own)
        else:
            hint = known({name: said}, setting_types(), "setting of a run") and setting_types()[name]
            told[name] = values.typed(hint, said, f"--config {name}")
    ctx.default_map = {str(own[name].name): _cast(own[name], ctx, *found) for name, found in made.own.items()}
    return replace(made, settings=config.merged(made.settings, told))


def _cast(param: click.Parameter, ctx: click.Context, value: Any, where: str) -> Any:
    """raises: InputError if an option does not take what a file says"""
    try:
        return param.type_cast_value(ctx, value)
    except click.BadParameter as e:
        raise InputError(f"{where}: {param.opts[0].strip('-')}: {e.message}") from e


CONFIG = click.option(
    "--config", metavar="FILE,…", is_eager=True, multiple=True, callback=_read_config,
    help="Settings from a TOML file, or a run's folder or its config.json; KEY=VALUE,… for one without an option. The line wins.",
)  # fmt: skip


def suite(tasks: Sequence[str] | None, models: Sequence[str] | None, told: "Suite | None", line: Mapping[str, Any]) -> "Suite":
    """What is to be run, from a command's options; those that are not given keep what the file says, or their defaults.

    raises: InputError if no task or model is named, or for what a file may not ask
    """
    from ..evaluation import Suite
    from ..hooks import load_registry

    for kind, names, of_file in (("task", tasks, told and told.tasks), ("model", models, told and told.models)):
        if not (names or of_file or (told and told.path)):
            raise InputError(f"no {kind} is named", example(click.get_current_context()))
    given = prompt({name: value for name, value in line.items() if value is not None})
    seeds = given.pop("seed", ())
    told = replace(told or Suite(), environment=_defaults(given))
    made = told.on_line(given, tasks or (), models or (), (seeds,) if isinstance(seeds, int) else seeds)
    if made.path is not None:
        made.check(load_registry(trusting=bool(given.get("trust_remote_code"))))
    return made


def _defaults(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the environment says; the user is told which of it can change a result, and does not stand on the line."""
    from ..execution import from_environment, speaks

    found = from_environment()
    silent = line.get("quiet", found.get("quiet", False)) or not speaks()
    matter = [name for name in found if name not in (*line, *NO_MATTER)]
    if matter and not silent:
        say(f"the environment has defaults for {', '.join(matter)}", err=True)
    return found


def one(task: str | None, model: str | None, told: "Suite | None", line: Mapping[str, Any]) -> RunConfig:
    """The same of a command that takes one task and one model.

    raises: InputError, also if a file names several
    """
    made = suite(task and (task,), model and (model,), told, line)
    found = [config for pair in made.pairs() for config in made.configs(*pair)]
    if len(found) > 1:
        raise InputError(f"{made.path} names {len(found)} runs", "--task, --model and --seed say which")
    return found[0]
