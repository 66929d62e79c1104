"""Every task, model, metric, format and suite of the installed plugins, by name; a value, not a global."""

import fnmatch
import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from ..config import RunConfig
from ..engine import Engine
from ..errors import InputError, PluginError, UnknownNameError, counted, listed, meant, near
from ..formats import Format, apart
from ..metric import Metric
from ..model import Model, Provider
from ..requests import Request
from ..task import Listed, Perturbation, Task
from . import loading
from .loading import Plugin, PluginWarning, reason

if TYPE_CHECKING:
    from ..model import Aggregate
    from ..results import Result

KINDS: Mapping[str, type] = {
    "task": Task, "model": Model, "metric": Metric, "perturbation": Perturbation, "format": Format, "suite": Path,
    "engine": Engine,
}  # fmt: skip

OURS = ("ray", "slurm")
"""Engines that packages of ours bring."""

NAMES_SHOWN = 8
"""Of a list that `plmtasks list` shows whole."""

TRUST = "--trust-remote-code on this command's own line lets it"

NAME = re.compile(r"[\w][\w.+@/-]*")
"""Of whatever a plugin registers: what stands in paths and on command lines."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """What the plugins registered."""

    plugins: tuple[Plugin, ...] = ()
    items: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """A kind as in `KINDS` → name → the item; of a task perhaps what a list shows: see `Listed`; of a suite its file"""
    owners: Mapping[tuple[str, str], Plugin] = field(default_factory=dict)
    """(kind, name) → who brought it"""
    providers: Mapping[str, tuple[Provider, ...]] = field(default_factory=dict)
    clashes: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """(kind, name) → the distributions that both claim it"""
    requests: Mapping[str, type[Request]] = field(default_factory=dict)
    manager: pluggy.PluginManager | None = None
    trusting: bool = False
    """Whether what files name may run code that is not installed: a flag on the command's own line said so."""

    def task(self, name: str, *, own_data: bool = False, learned: Collection[str] = ()) -> Task:
        """The task of that name, or that people call so; a path that ends in .toml declares one.

        "qa" alone is the first that its plugin registered; "ner" is an alias, and a last part such as "squad" will do.

        own_data: the user names data, so that of tasks that are called alike the one is meant that needs them
        learned: the tasks that a model has learned, which go before others that are called alike

        raises: UnknownNameError, PluginError; InputError for a word that may mean several; InputError, DataError for a file that
            declares no task
        """
        if name.endswith(".toml") and self._provider("task", name) is None:
            return self._declared(name)
        task: Task = self._get("task", self.task_called(name, own_data=own_data, learned=learned))
        return task

    def task_called(self, word: str, *, own_data: bool = False, learned: Collection[str] = ()) -> str:
        """The name of the task that people call so, which is not made for that; the word itself if none is.

        own_data, learned: as of `task`

        raises: InputError for a word that may mean several
        """
        if "/" in word or not word:
            return word
        tasks: Mapping[str, Task | Listed] = self.items["task"]
        first, called = self._words[0].get(word, []), self._words[1].get(_said(word), [])
        if fitting := [name for name in dict.fromkeys((*called, *first)) if name in learned]:
            return fitting[0]
        fitting = [name for name in called if tasks[name].needs_data == own_data]
        if first and len(fitting) != 1:
            return first[0]
        fitting = fitting or called or [name for name in tasks if _said(name.split("/")[-1]) == _said(word)]
        fitting = fitting or [n for n, t in tasks.items() if _said(word) == _last(n, t.language)]
        fitting = fitting or [n for n, t in tasks.items() if _said(word) == _said(t.collection)]
        if len(fitting) > 1:
            told = [f"{name}  {tasks[name].description}" for name in fitting[:NAMES_SHOWN]]
            more = [f"plmtasks list tasks {word} shows all"] * (len(fitting) > NAMES_SHOWN)
            more += [f"plmtasks sweep {word} runs the suite"] * (word in self.items["suite"])
            raise InputError(f"{word!r} may mean any of {len(fitting)} tasks: name the one", *told, *more)
        return fitting[0] if fitting else word

    @cached_property
    def _words(self) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
        """The names of tasks by what stands before their slashes, and by what people call them."""
        fields: dict[str, list[str]] = {}
        called: dict[str, list[str]] = {}
        for name, task in self.items["task"].items():
            fields.setdefault(name.split("/")[0], []).append(name)
            for word in dict.fromkeys(map(_said, task.aliases)):
                called.setdefault(word, []).append(name)
        return fields, called

    def _declared(self, path: str) -> Task:
        from .. import declared

        made = declared.task(path, lambda name: self.named("metric", name, path))
        if made.name in self.items["task"] and self.task(made.name).config() != made.config():
            raise InputError(f"{path}: another task {made.name!r} is installed", "give the file's task a name of its own")
        return made

    def model(self, name: str) -> Model:
        """The model of that name, or the one that a provider makes of it.

        raises: UnknownNameError, PluginError, ModelError
        """
        model: Model = self._get("model", name)
        return model

    def metric(self, name: str) -> Metric:
        """raises: UnknownNameError, PluginError"""
        metric: Metric = self._get("metric", name)
        return metric

    def named(self, kind: Literal["task", "model", "metric", "perturbation"], name: str, file: str) -> Any:
        """The item that a file names, which a stranger may have written.

        raises: InputError if it may run code that is not installed, and nobody said that it may; as `task` and the others
        """
        if not self.trusting and self.runs_code(kind, name):
            raise InputError(f"{file} names the {kind} {name!r}, which may run code that is not installed: {TRUST}")
        return getattr(self, kind)(name)

    def runs_code(self, kind: str, name: str) -> bool:
        """Whether an item of that name may run code that is not installed."""
        provider = None if name in self.items[kind] else self._provider(kind, name)
        return provider is not None and not provider.inert

    def check(self, config: RunConfig, file: str, resources: Mapping[str, Any] | None = None) -> None:
        """
        resources: what the config's engine is to give the run

        raises: InputError if a run that a file describes may run code that is not installed, and nobody said that it may
        """
        self.named("task", config.task, file)
        for metric in config.metrics:
            self.named("metric", metric, file)
        for perturbation in config.perturb:
            self.named("perturbation", perturbation, file)
        asked = {repr(config.model): [*self.named("model", config.model, file).unsafe(config.settings)]}
        if "://" in (config.predictions_of or ""):
            asked[repr(config.model)].append(f"--predictions-of {config.predictions_of}")
        if resources:
            asked[config.on] = [*self.engine(config.on).unsafe(resources)]
        for whom, unsafe in asked.items():
            if unsafe and not self.trusting:
                what = "which may run code that is not installed, or lead elsewhere"
                raise InputError(f"{file} asks {whom} with {', '.join(unsafe)}, {what}: {TRUST}")

    def perturbation(self, name: str) -> Perturbation:
        """raises: UnknownNameError, PluginError, and whatever a provider finds wrong"""
        perturbation: Perturbation = self._get("perturbation", name)
        return perturbation

    def format(self, name: str) -> Format:
        """raises: UnknownNameError, with what to install for a format of ours; PluginError"""
        form: Format = self._get("format", name, *apart(name, self.items["format"]))
        return form

    def engine(self, name: str) -> Engine:
        """raises: UnknownNameError, with what to install for an engine of ours; PluginError"""
        engine: Engine = self._get("engine", name, *([f"pip install plmtasks-{name} brings it"] if name in OURS else []))
        return engine

    def suite(self, name: str) -> Path:
        """The file of the suite of that name; of what looks like a path, or is one, that path.

        raises: UnknownNameError, PluginError
        """
        path = Path(name)
        named = name in self.items["suite"] or not (path.suffix or path.exists())
        return self._get("suite", name) if named else path

    def models_that_answer(self, kinds: Iterable[str]) -> list[str]:
        """Names of the registered models that answer one of these kinds of request at least."""
        wanted = [set(kind.split("+")) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        return [name for name, model in self.items["model"].items() if any(kind <= set(model.answers) for kind in wanted)]

    def report(self, result: "Result") -> None:
        """Tells every plugin of a result; one that fails at it is warned of, and stops nothing."""
        if self.manager is None:
            return
        for plugin in self.plugins:
            if loading.implementations(self.manager, "report", plugin.name):
                try:
                    loading.call(self.manager, plugin.name, "report", result=result)
                except Exception as e:  # noqa: BLE001  the result is written
                    blamed = loading.culprit(self.manager, plugin.name, e)
                    owner = next(p for p in self.plugins if p.name == blamed)
                    warnings.warn(f"plugin {owner.distribution} failed at a result: {reason(e)}", PluginWarning, stacklevel=2)

    def _get(self, kind: str, name: str, *hints: str) -> Any:
        if (kind, name) in self.clashes:
            raise PluginError(
                f"{kind} {name!r} is claimed by more than one plugin: {', '.join(self.clashes[kind, name])}",
                "uninstall one of them",
            )
        if name in self.items[kind]:
            found = self.items[kind][name]
            return found.make() if isinstance(found, Listed) else found
        provider = self._provider(kind, name)
        if provider is not None:
            if (members := provider.members(name.removeprefix(provider.beginning))) is not None:
                raise InputError(f"{name} stands for {counted(len(members), kind)}: name one", listed(members))
            return provider.make(name.removeprefix(provider.beginning))
        known = [*self.items[kind], *(alias for task in self.items[kind].values() for alias in getattr(task, "aliases", ()))]
        parts = {one.split("/")[-1]: one for one in self.items[kind]}
        alike = [] if near(name, known) else [parts[part] for part in near(name, parts)] or self._alike(kind, name)
        same = self.same(kind, name) or alike
        raise UnknownNameError(kind, name, [] if same else known, *meant(same), *self._broken(), *hints, *self.lacking(kind))

    def members(self, kind: str, name: str) -> list[str]:
        """The names that a name stands for: most often itself alone, those that fit a pattern, or those that a provider tells.

        raises: whatever a provider finds wrong
        """
        if name not in self.items[kind] and (fitting := fnmatch.filter(self.items[kind], name)):
            return fitting
        provider = None if name in self.items[kind] else self._provider(kind, name)
        found = provider.members(name.removeprefix(provider.beginning)) if provider is not None else None
        return [name] if found is None else [*found]

    def aggregate(self, kind: str, name: str, results: "Mapping[str, Result]") -> "Sequence[Aggregate]":
        """What the results of the members of a name come to together, as its provider says."""
        provider = self._provider(kind, name)
        return provider.aggregate(name.removeprefix(provider.beginning), results) if provider is not None else ()

    def same(self, kind: str, name: str) -> list[str]:
        """What providers call so, with their schemes."""
        return [provider.beginning + name for provider in self.providers[kind] if name in provider.names()]

    def _alike(self, kind: str, name: str) -> list[str]:
        """What providers know that is like it, with their schemes."""
        return [provider.beginning + one for provider in self.providers[kind] for one in near(name, provider.names(), 0.8)]

    def lacking(self, kind: str) -> list[str]:
        """Why nothing of a kind is there, and what brings it; nothing if something is."""
        if {"plugin": self.plugins, **self.items}.get(kind, True) or self.providers.get(kind):
            return []
        if disabled := [plugin.name for plugin in self.plugins if plugin.disabled]:
            return [f"disabled, by --disable or {loading.DISABLED_VARIABLE}: {', '.join(disabled)}"]
        what = "" if kind == "plugin" else f" that brings {kind}s"
        return [f"no plugin is installed{what}", "pip install 'plmtasks[all]' brings those of plmtasks"]

    def _broken(self) -> list[str]:
        """What tells of each plugin that cannot be used."""
        return [f"{plugin.distribution} failed to load: {plugin.error}" for plugin in self.plugins if plugin.error]

    def _provider(self, kind: str, name: str) -> Provider | None:
        """What makes an item of a name that nobody registered."""
        providers = self.providers[kind]
        schemes = (p for p in providers if name.startswith(p.beginning))
        return next(chain(schemes, (p for p in providers if p.owns(name)), (p for p in providers if p.default)), None)


@cache  # every word is held against every task's
def _said(word: str) -> str:
    """A word as people say it, however it is written: "Named-Entity_Recognition"."""
    return re.sub(r"[\s_-]+", " ", word.strip()).lower()


def _last(name: str, language: str = "") -> str:
    """The last part of a task's name, without the code of that language: of "classification/xnli.zh" xnli."""
    return _said(name.split("/")[-1].removesuffix(f".{language}"))
