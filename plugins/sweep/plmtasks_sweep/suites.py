"""A suite: tasks × models × seeds, as a TOML file."""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plmtasks.config import RunConfig, of_seeds, option_types, run_config
from plmtasks.errors import DataError, InputError, did_you_mean
from plmtasks.files import TomlFile, fits, read_toml

FOR_ALL = ("output", "checkpoints", "processes", "yes", "quiet")
"""Options that stand at the top alone."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A task or a model of a suite, with what its runs are told."""

    name: str
    options: Mapping[str, Any]
    label: str
    """Its name, with what sets it apart from others of that name."""
    where: str
    """"file:line"."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What a suite's file says."""

    path: Path
    tasks: Sequence[Entry]
    models: Sequence[Entry]
    seeds: Sequence[int] = (0,)
    exclude: Sequence[Mapping[str, str]] = ()
    """Pairs that are not run, as patterns for the names of "task" and "model"."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of all runs; those of a task go before them, and those of a model before these."""

    def configs(self, task: Entry, model: Entry, **options: Any) -> list[RunConfig]:
        """The runs of a pair, one a seed.

        options: what goes before the file

        raises: InputError
        """
        told = {**self.options, **task.options, **model.options, **options}
        return of_seeds(run_config(task.name, model.name, **told), self.seeds)

    def excludes(self, task: Entry, model: Entry) -> bool:
        return any(_fits(pattern, task, model) for pattern in self.exclude)


def _fits(pattern: Mapping[str, str], task: Entry, model: Entry) -> bool:
    names = {"task": task.name, "model": model.name}
    return all(fnmatch.fnmatchcase(names[what], pattern[what]) for what in pattern)


def read_suite(path: Path) -> Suite:
    """The suite in a file.

    raises: InputError if there is no such file; DataError, which names file and line, for what is no suite
    """
    read = read_toml(path, "a suite is a TOML file: see benchmarks/suites")
    file, content = _File(path, read.text, read.content), dict(read.content)
    tables = {name: content.pop(name, []) for name in ("tasks", "models", "exclude")}
    seeds = content.pop("seeds", [0])
    if not fits(tuple[int, ...], seeds) or not seeds or len(set(seeds)) < len(seeds):
        raise DataError(file.where("seeds"), "seeds = [0, 1, …], each once", repr(seeds))
    options = file.options(content)
    for name, found in tables.items():
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise DataError(file.where(name), f"tables [[{name}]]", repr(found))
        if not found and name != "exclude":
            raise DataError(str(path), f"at least one [[{name}]]", "none")
    suite = Suite(
        path=path, tasks=file.entries("tasks", tables["tasks"]), models=file.entries("models", tables["models"]), seeds=seeds,
        exclude=[file.pattern(number, found) for number, found in enumerate(tables["exclude"])], options=options,
    )  # fmt: skip
    for number, pattern in enumerate(suite.exclude):
        if not any(_fits(pattern, task, model) for task in suite.tasks for model in suite.models):
            raise DataError(file.where("exclude", number), "a pattern that some pair fits", repr(pattern))
    return suite


class _File(TomlFile):
    """The tables of a suite's file."""

    def entries(self, table: str, found: Sequence[Mapping[str, Any]]) -> list[Entry]:
        made = []
        for number, given in enumerate(found):
            name = given.get("name")
            if not isinstance(name, str) or not name:
                raise DataError(self.where(table, number, "name"), f'a name = "…" in [[{table}]]', repr(name))
            options = self.options({k: v for k, v in given.items() if k != "name"}, table, number)
            made.append(Entry(name=name, options=options, label=name, where=self.where(table, number)))
        labelled = [Entry(name=e.name, options=e.options, label=_label(e, made), where=e.where) for e in made]
        for i, entry in enumerate(labelled):
            if entry.label in [other.label for other in labelled[:i]]:
                raise DataError(entry.where, f"each of [[{table}]] once", f"{entry.label!r} again")
        return labelled

    def pattern(self, number: int, found: Mapping[str, Any]) -> Mapping[str, str]:
        for key, value in found.items():
            if key not in ("task", "model") or not isinstance(value, str):
                where = self.where("exclude", number, key)
                raise DataError(where, 'task = "…", model = "…" or both in [[exclude]]', f"{key} = {value!r}")
        if not found:
            raise DataError(self.where("exclude", number), 'task = "…", model = "…" or both in [[exclude]]', "neither")
        return found

    def options(self, found: Mapping[str, Any], table: str = "", number: int = 0) -> dict[str, Any]:
        """The options of a run, each of its type.

        raises: DataError
        """
        hints, place = option_types(), f"in [[{table}]]" if table else "at the top"
        known = [name for name in hints if name != "seed" and not (table and name in FOR_ALL)]
        options = {}
        for key, value in found.items():
            keys = (table, number, key) if table else (key,)
            if key not in known:
                raise DataError(self.where(*keys), f"an option of a run {place}", repr(key), *_instead(key, known, table))
            self.check(hints[key], value, *keys)
            options[key] = tuple(value) if isinstance(value, list) else value
            try:
                run_config("task", "model", **dict[str, Any]({key: options[key]}))
            except InputError as e:
                raise InputError(f"{self.where(*keys)}: {e.message}", *e.hints) from e
        return options


def _instead(key: str, known: Iterable[str], table: str) -> list[str]:
    if key == "seed":
        return ["seeds = [0, 1, …] at the top says the seeds of all runs"]
    if table and key in FOR_ALL:
        return ["it stands at the top, before the first [[table]], for all runs"]
    tables = [] if table else ["seeds", "tasks", "models", "exclude"]
    return did_you_mean(key, [*known, *tables])


def _label(entry: Entry, all_: Sequence[Entry]) -> str:
    """The entry's name, with the options in which those of the same name differ."""
    alike = [e.options for e in all_ if e.name == entry.name]
    keys = dict.fromkeys(key for options in alike for key in options)
    differ = [k for k in keys if any(o.get(k) != entry.options.get(k) for o in alike)]
    said = ", ".join(f"{k} {entry.options[k]}" for k in differ if k in entry.options)
    return f"{entry.name} ({said})" if said else entry.name
