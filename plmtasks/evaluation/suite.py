"""Tasks × models × seeds: what is to be run, as the command line and a file say."""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..config import GROUPS, RunConfig, all_settings, known, merged, of_seeds, run_config, setting_types, types
from ..errors import DataError, InputError, PluginError, UnknownNameError, did_you_mean, meant
from ..files import TomlFile, as_text, fits, here, place, read_json, read_toml
from ..hooks import Registry
from ..requests import from_json, to_json

T = TypeVar("T")

FOR_ALL = ("output", "checkpoints", "processes", "on", "yes", "quiet")
"""Settings that stand at the top of a file alone."""

LISTS = ("tasks", "models", "exclude")
"""The tables of a file of which there may be several."""

ENGINES = ("ray", "slurm")
"""Tables of what engines are to give a run, as partition or gpus, in the engine's own words; they stand with settings."""

SHOWN = ("description", "columns")
"""What stands in a file to be read by people: what it is, and what its table shows (see `tables`)."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A task or a model, with the settings of its runs."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Engine → what it is to give its runs."""
    label: str = ""
    """Its name, with what sets it apart from others of that name."""
    where: str = ""
    """"file:line"; empty: the command line."""
    groups: tuple[str, ...] = ()
    """The names that were asked for, and that stand for it among others."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What is to be run."""

    path: Path | None = None
    tasks: Sequence[Entry] = ()
    models: Sequence[Entry] = ()
    seeds: Sequence[int] = ()
    exclude: Sequence[Mapping[str, str]] = ()
    """Pairs that are not run, as patterns for the names of "task" and "model"."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of all runs; those of a task go before them, and those of a model before these."""
    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Engine → what it is to give every run; those of tasks and models go before as their settings do."""
    own: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    """What is no setting of a run, but of the command that reads the file, and where it stands."""
    line: Mapping[str, Any] = field(default_factory=dict)
    """The settings that stand on the command line, before all others."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Those for which the user's environment has defaults, after all others."""
    only: Sequence[Mapping[str, str]] = ()
    """The pairs that are wanted, as those that are excluded; none: all."""

    def on_line(
        self, settings: Mapping[str, Any], tasks: Sequence[str] = (), models: Sequence[str] = (), seeds: Sequence[int] = ()
    ) -> "Suite":
        """The suite with what stands on the command line; tasks and models that are named there are all.

        raises: InputError if no task or no model is named anywhere
        """
        made = replace(
            self, line=settings, tasks=_named(self.tasks, tasks), models=_named(self.models, models), seeds=seeds or self.seeds
        )
        for kind, entries in (("task", made.tasks), ("model", made.models)):
            if not entries:
                where = f"{self.path} names no {kind}" if self.path else f"no {kind} is named"
                raise InputError(where, f'--{kind} NAME, or {kind} = "NAME" in a file')
        return made

    def pairs(self) -> Iterator[tuple[Entry, Entry]]:
        """Every wanted task with every model, those that are excluded too."""
        every = ((task, model) for task in self.tasks for model in self.models)
        return (pair for pair in every if not self.only or any(_fits(pattern, *pair) for pattern in self.only))

    def narrowed(self, only: Sequence[Mapping[str, str]]) -> "Suite":
        """The suite with those of its pairs alone that fit some pattern.

        raises: InputError for a pattern that fits no pair, or names neither task nor model
        """
        every = [pair for pair in self.pairs() if not self.excludes(*pair)]
        for pattern in only:
            known(pattern, ("task", "model"), "part of --only")
            if not any(_fits(pattern, *pair) for pair in every):
                asked = ",".join(f"{name}={value}" for name, value in pattern.items())
                there = [f"task={task.name},model={model.name}" for task, model in every]
                raise InputError(f"--only {asked} fits no run", "there are:", *dict.fromkeys(there))
        return replace(self, only=only)

    def expanded(self, registry: Registry) -> "Suite":
        """The suite with the members of a task's name, where it stands for several, in its place; each once.

        raises: UnknownNameError, InputError for a name whose members cannot be told
        """
        found: list[Entry] = []
        for entry in self.tasks:
            members = registry.members("task", entry.name)
            groups = entry.groups if members == [entry.name] else (*entry.groups, entry.name)
            for name in members:
                label = name + entry.label.removeprefix(entry.name)
                same = next((i for i, e in enumerate(found) if e.name == name and e.settings == entry.settings), None)
                if same is None:
                    found.append(replace(entry, name=name, label=label, groups=groups))
                else:
                    found[same] = replace(found[same], groups=(*found[same].groups, *groups))
        return replace(self, tasks=found)

    def configs(self, task: Entry, model: Entry) -> list[RunConfig]:
        """The runs of a pair, one a seed.

        raises: InputError
        """
        told = merged(self.environment, self.settings, task.settings, model.settings, self.line)
        config = run_config(task.name, model.name, **told)
        return of_seeds(config, self.seeds) if self.seeds else [config]

    def wanted(self, engine: str, task: Entry, model: Entry) -> dict[str, Any]:
        """What the engine is to give the runs of a pair."""
        return {k: v for part in (self, task, model) for k, v in part.resources.get(engine, {}).items()}

    def excludes(self, task: Entry, model: Entry) -> bool:
        return any(_fits(pattern, task, model) for pattern in self.exclude)

    def check(self, registry: Registry) -> None:
        """Whether what a file says, which a stranger may have written, can be run.

        raises: InputError for a name that nobody registered; for what runs code that is not installed, or is written outside of
            the folder of the file and the one in which the command is given, if the caller did not say so
        """
        if self.path is None:
            return
        kinds: tuple[tuple[Literal["task", "model"], Sequence[Entry]], ...] = (("task", self.tasks), ("model", self.models))
        for kind, entries in kinds:
            for entry in (one for one in entries if one.where):
                try:
                    for name in registry.members(kind, entry.name):
                        registry.named(kind, name, entry.where)
                except (UnknownNameError, PluginError) as e:
                    raise InputError(f"{entry.where}: {e.message}", *e.hints) from e
        within = (Path.cwd(), self.path.resolve().parent)
        for task, model in self.expanded(registry).pairs():
            config = self.configs(task, model)[0]
            registry.check(config, model.where or task.where or str(self.path), self.wanted(config.on, task, model))
            for name, folder in (("output", config.output), ("checkpoints", config.checkpoints)):
                said = name in self.line or folder == self.environment.get(name)
                if not said and not any(here(place(folder)) and Path(folder).resolve().is_relative_to(one) for one in within):
                    outside = f"{self.path}: {name} = {folder!r} lies outside of this folder and the file's"
                    raise InputError(outside, f"--{name} DIR says where")


def _named(entries: Sequence[Entry], names: Sequence[str]) -> Sequence[Entry]:
    """The entries of these names, and new ones for names that none has; no names: all."""
    return [
        entry for name in names for entry in ([e for e in entries if e.name == name] or [Entry(name=name, label=name)])
    ] if names else entries  # fmt: skip


def _fits(pattern: Mapping[str, str], task: Entry, model: Entry) -> bool:
    names = {"task": (task.name, *task.groups), "model": (model.name,)}
    return all(any(fnmatch.fnmatchcase(name, pattern[what]) for name in names[what]) for what in pattern)


def read_suite(path: Path, own: Iterable[str] = (), engines: Iterable[str] = ENGINES) -> Suite:
    """What a file says is to be run: a TOML file, or the `config.json` of a run, or the run's folder.

    own: the names that mean something to the command alone
    engines: whose tables of resources may stand there

    raises: InputError if there is no such file; DataError, which names file and line, for what is no such file
    """
    path = path / "config.json" if path.is_dir() else path
    if path.suffix == ".json":
        config = stored_config(path, read_json(path))
        task, model = (Entry(name=name, label=name, where=str(path)) for name in (config.task, config.model))
        return Suite(path=path, tasks=[task], models=[model], seeds=[config.seed], settings=all_settings(config))
    read = read_toml(path, "settings stand in a TOML file, or in the config.json of a run")
    file = _File(path, read.text, read.content, engines=tuple(engines))
    content = {k: v for k, v in read.content.items() if k not in SHOWN}
    tables = {name: content.pop(name, []) for name in LISTS}
    for name, found in tables.items():
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise DataError(file.where(name), f"tables [[{name}]]", repr(found))
    lists = {name: file.lists(name, content.pop(name, [])) for name in ("task", "model", "seed")}
    mine = {name: (content.pop(name), file.where(name)) for name in own if name in content and name not in ("task", "model")}
    suite = Suite(
        path=path, seeds=lists["seed"], own=mine, resources=file.resources(content), settings=file.settings(content, more=own),
        tasks=file.entries("task", lists["task"], tables["tasks"]),
        models=file.entries("model", lists["model"], tables["models"]),
        exclude=[file.pattern(number, found) for number, found in enumerate(tables["exclude"])],
    )  # fmt: skip
    for number, pattern in enumerate(suite.exclude):
        if not any(_fits(pattern, *pair) for pair in suite.pairs()):
            raise DataError(file.where("exclude", number), "a pattern that some pair fits", repr(pattern))
    return suite


def read_rows(path: Path, form: type[T]) -> list[tuple[Suite, T]]:
    """The runs that a file names one by one, each in a table [[rows]] of its own, as suites of one task and one model.

    form: a dataclass of what a row says besides; what stands at the file's top is said of all rows

    raises: InputError if there is no such file; DataError, which names file and line, for what is no such file
    """
    read = read_toml(path, "rows of runs stand in a TOML file")
    file, content = _File(path, read.text, read.content), {k: v for k, v in read.content.items() if k not in SHOWN}
    rows, seeds = content.pop("rows", []), file.lists("seed", content.pop("seed", []))
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(file.where("rows"), "tables [[rows]]", f"{rows!r:.80}")
    settings, names, found = file.settings(content), [f.name for f in fields(form)], []  # type: ignore[arg-type]
    for number, row in enumerate(rows):
        said = file.table(form, {k: v for k, v in row.items() if k in names}, "rows", number)
        own = file.settings({k: v for k, v in row.items() if k not in (*names, "task", "model")}, "rows", number)
        where = file.where("rows", number)
        for kind in ("task", "model"):
            if not isinstance(row.get(kind), str) or not row[kind]:
                raise DataError(file.where("rows", number, kind), f'a {kind} = "…" in [[rows]]', repr(row.get(kind)))
        task, model = (Entry(name=row[kind], label=row[kind], where=where) for kind in ("task", "model"))
        suite = Suite(
            path=path, seeds=seeds, settings=settings, tasks=[task], models=[replace(model, settings=own)],
        )  # fmt: skip
        found.append((suite, said))
    return found


def stored_config(path: Path, content: Any, *hints: str) -> RunConfig:
    """The settings in the `config.json` of a run; those that are newer than it have their defaults.

    raises: DataError; InputError if one is not known here
    """
    unknown: list[str] = []
    try:
        stored = content["config"]
        known = to_json(RunConfig(task=stored["task"], model=stored["model"]), whole=True)
        config: RunConfig = from_json(RunConfig, _filled(known, stored, unknown))
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        near = path.with_name("config.json")
        hint = f"did you mean {near}?" if path != near and near.is_file() else ""
        found = f"no {e}" if isinstance(e, KeyError) else str(e)
        raise DataError(str(path), "the config.json of a run", found, *[hint] * bool(hint)) from e
    if unknown:
        raise InputError(f"{path.parent} was run with settings that are not known here: {', '.join(unknown)}", *hints)
    return config


def _filled(known: Mapping[str, Any], stored: Mapping[str, Any], unknown: list[str], above: str = "") -> dict[str, Any]:
    """What was said, beside what is known by default. What is handed on to libraries has names of its own.

    unknown: gets the names that are not
    """
    unknown += [above + name for name in stored if name not in known]
    groups = [name for name, value in known.items() if isinstance(value, Mapping) and value]
    inner = {name: _filled(known[name], stored[name], unknown, f"{above}{name}.") for name in groups if name in stored}
    return {**known, **stored, **inner}


@dataclass(frozen=True)
class _File(TomlFile):
    """The tables of a file of settings."""

    engines: Sequence[str] = ()
    """Whose tables may stand with the settings."""

    def lists(self, name: str, found: Any) -> list[Any]:
        """What stands under task, model or seed: one or several.

        raises: DataError
        """
        form, made = int if name == "seed" else str, found if isinstance(found, list) else [found]
        if not fits(tuple[form, ...], made) or len(set(made)) < len(made):  # type: ignore[valid-type]
            example = "0 or [0, 1, …]" if name == "seed" else '"…" or ["…", "…"]'
            raise DataError(self.where(name), f"{name} = {example}, each once", repr(found))
        return made

    def entries(self, kind: str, names: Sequence[str], found: Sequence[Mapping[str, Any]]) -> list[Entry]:
        table = f"{kind}s"
        made = [Entry(name=name, where=self.where(kind)) for name in names]
        for number, given in enumerate(found):
            name = given.get("name")
            if not isinstance(name, str) or not name:
                raise DataError(self.where(table, number, "name"), f'a name = "…" in [[{table}]]', repr(name))
            resources = self.resources(given, table, number)
            settings = self.settings({k: v for k, v in given.items() if k != "name"}, table, number)
            made.append(Entry(name=name, settings=settings, resources=resources, where=self.where(table, number)))
        labelled = [replace(entry, label=_label(entry, made)) for entry in made]
        for i, entry in enumerate(labelled):
            if entry.label in [other.label for other in labelled[:i]]:
                raise DataError(entry.where, f"each of [[{table}]] once", f"{entry.label!r} again")
        return labelled

    def pattern(self, number: int, found: Mapping[str, Any]) -> Mapping[str, str]:
        wrong = [key for key, value in found.items() if key not in ("task", "model") or not isinstance(value, str)][:1]
        if wrong or not found:
            is_there = f"{wrong[0]} = {found[wrong[0]]!r}" if wrong else "neither"
            raise DataError(self.where("exclude", number, *wrong), 'task = "…", model = "…" or both in [[exclude]]', is_there)
        return found

    def resources(self, found: Mapping[str, Any], *at: str | int) -> dict[str, Mapping[str, Any]]:
        """Those of the tables that are engines'.

        raises: DataError
        """
        of = {name: value for name, value in found.items() if name in self.engines}
        for name, value in of.items():
            self.check(Mapping[str, Any], value, *at, name)
        return of

    def settings(self, found: Mapping[str, Any], table: str = "", number: int = 0, more: Iterable[str] = ()) -> dict[str, Any]:
        """Settings, each of its type; tables of engines are left out.

        more: names that may stand there besides

        raises: DataError; InputError for a value that a setting does not take
        """
        at: tuple[str | int, ...] = (table, number) if table else ()
        known = [name for name in setting_types() if name != "seed" and not (table and name in FOR_ALL)]
        found = {name: value for name, value in found.items() if name not in self.engines}
        for key, value in found.items():
            if key not in known:
                place = f"in [[{table}]]" if table else "at the top"
                raise DataError(self.where(*at, key), f"a setting {place}", repr(key), *_instead(key, [*known, *more], table))
            if key in GROUPS:
                self.check(Mapping[str, Any], value, *at, key)
                for name, inner in value.items():
                    self._check({key: {name: inner}}, types(GROUPS[key]).get(name), inner, *at, key, name)
            else:
                self._check({key: value}, setting_types()[key], value, *at, key)
        return dict(found)

    def _check(self, settings: Mapping[str, Any], hint: Any, value: Any, *keys: str | int) -> None:
        """One setting, which the keys lead to: is there such a one, and does it take the value?"""
        if hint is not None:
            self.check(hint, value, *keys)
        try:
            run_config("task", "model", **settings)
        except InputError as e:
            raise InputError(f"{self.where(*keys)}: {e.message}", *e.hints) from e


def _instead(key: str, known: Iterable[str], table: str) -> list[str]:
    if table and key == "seed":
        return ["seed = [0, 1, …] at the top says the seeds of all runs"]
    if table and key in FOR_ALL:
        return ["it stands at the top, before the first [[table]], for all runs"]
    group = next((name for name, form in GROUPS.items() if key in types(form)), None)
    if group is not None:
        return [f"{group}.{key} = … is the way"]
    inner = [f"{name}.{one}" for name, form in GROUPS.items() for one in types(form)]
    longer = [name for name in (*known, *inner) if key in name]
    return meant(longer) or did_you_mean(key, [*known, *inner, *ENGINES, *([] if table else ["seed", "task", "model", *LISTS])])


def _label(entry: Entry, all_: Sequence[Entry]) -> str:
    """The entry's name, with the settings in which those of the same name differ."""
    alike = [_flat(e.settings) for e in all_ if e.name == entry.name]
    own = _flat(entry.settings)
    differ = [k for k in dict.fromkeys(k for settings in alike for k in settings) if any(s.get(k) != own.get(k) for s in alike)]
    said = ", ".join(f"{k} {as_text(own[k])}" for k in differ if k in own)
    return f"{entry.name} ({said})" if said else entry.name


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    inner = [settings.get(name, {}) for name in GROUPS]
    return {name: value for part in (settings, *inner) for name, value in part.items() if name not in GROUPS}
