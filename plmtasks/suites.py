"""A suite: tasks × models × seeds, as a TOML file."""

import difflib
import fnmatch
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .config import RunConfig, of_seeds, option_types, run_config
from .errors import DataError, InputError

FOR_ALL = ("output", "checkpoints", "processes", "yes", "quiet")
"""Options that stand at the top alone."""

WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


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
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror}", "a suite is a TOML file: see benchmarks/suites") from e
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise DataError(str(path), "TOML", str(e)) from e
    file = _File(path, text)
    tables = {name: content.pop(name, []) for name in ("tasks", "models", "exclude")}
    seeds = content.pop("seeds", [0])
    if not _is_list_of(int, seeds) or not seeds or len(set(seeds)) < len(seeds):
        raise DataError(file.where("", 0, "seeds"), "seeds = [0, 1, …], each once", repr(seeds))
    options = file.options("", 0, content)
    for name, found in tables.items():
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise DataError(file.where("", 0, name), f"tables [[{name}]]", repr(found))
        if not found and name != "exclude":
            raise DataError(str(path), f"at least one [[{name}]]", "none")
    suite = Suite(
        path=path, tasks=file.entries("tasks", tables["tasks"]), models=file.entries("models", tables["models"]), seeds=seeds,
        exclude=[file.pattern(number, found) for number, found in enumerate(tables["exclude"], 1)], options=options,
    )  # fmt: skip
    for number, pattern in enumerate(suite.exclude, 1):
        if not any(_fits(pattern, task, model) for task in suite.tasks for model in suite.models):
            raise DataError(file.where("exclude", number), "a pattern that some pair fits", repr(pattern))
    return suite


class _File:
    """Says of what stands in a suite's file where it stands."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines: dict[tuple[str, int, str], int] = {}
        table, count = "", dict.fromkeys(("tasks", "models", "exclude"), 0)
        for line, written in enumerate(text.splitlines(), 1):
            if header := re.match(r"\s*\[\[\s*(\w+)\s*\]\]", written):
                table = header[1]
                count[table] = count.get(table, 0) + 1
                self.lines[table, count[table], ""] = line
            elif header := re.match(r"\s*\[\s*(\w+)\s*(?:\.\s*(\w+)\s*)?\]", written):  # [models.model_args]: of the last model
                table, inner = (header[1], header[2]) if header[1] in count else ("", header[1])
                self.lines.setdefault((table, count.get(table, 0), inner or ""), line)
            elif key := re.match(r"""\s*["']?([\w-]+)["']?\s*=""", written):
                self.lines.setdefault((table, count.get(table, 0), key[1]), line)

    def where(self, table: str, number: int, key: str = "") -> str:
        """file:line, or the file alone if the line is not known."""
        line = self.lines.get((table, number, key)) or self.lines.get((table, number, ""))
        return f"{self.path}:{line}" if line else f"{self.path}"

    def entries(self, table: str, found: Sequence[Mapping[str, Any]]) -> list[Entry]:
        made = []
        for number, given in enumerate(found, 1):
            name = given.get("name")
            if not isinstance(name, str) or not name:
                raise DataError(self.where(table, number, "name"), f'a name = "…" in [[{table}]]', repr(name))
            options = self.options(table, number, {k: v for k, v in given.items() if k != "name"})
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

    def options(self, table: str, number: int, found: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a run, each of its type.

        raises: DataError
        """
        hints, place = option_types(), f"in [[{table}]]" if table else "at the top"
        known = [name for name in hints if name != "seed" and not (table and name in FOR_ALL)]
        options = {}
        for key, value in found.items():
            where = self.where(table, number, key)
            if key not in known:
                raise DataError(where, f"an option of a run {place}", repr(key), *_instead(key, known, table))
            if not _is(hints[key], value):
                raise DataError(where, f"{_words(hints[key])} for {key!r}", repr(value))
            options[key] = tuple(value) if isinstance(value, list) else value
            try:
                run_config("task", "model", **dict[str, Any]({key: options[key]}))
            except InputError as e:
                raise InputError(f"{where}: {e.message}", *e.hints) from e
        return options


def _instead(key: str, known: Iterable[str], table: str) -> list[str]:
    if key == "seed":
        return ["seeds = [0, 1, …] at the top says the seeds of all runs"]
    if table and key in FOR_ALL:
        return ["it stands at the top, before the first [[table]], for all runs"]
    tables = [] if table else ["seeds", "tasks", "models", "exclude"]
    close = difflib.get_close_matches(key, [*known, *tables], n=3)
    return [f"did you mean {' or '.join(map(repr, close))}?"] if close else []


def _label(entry: Entry, all_: Sequence[Entry]) -> str:
    """The entry's name, with the options in which those of the same name differ."""
    alike = [e.options for e in all_ if e.name == entry.name]
    keys = dict.fromkeys(key for options in alike for key in options)
    differ = [k for k in keys if any(o.get(k) != entry.options.get(k) for o in alike)]
    said = ", ".join(f"{k} {entry.options[k]}" for k in differ if k in entry.options)
    return f"{entry.name} ({said})" if said else entry.name


def _is(hint: Any, value: Any) -> bool:
    """Whether a value of TOML is of a field's type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_is(one, value) for one in inner if one is not types.NoneType)
    if origin is Literal:
        return value in inner
    if origin is Mapping:
        return isinstance(value, dict) and (inner[1] is Any or all(isinstance(v, inner[1]) for v in value.values()))
    if origin is tuple:
        return _is_list_of(inner[0], value)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _is_list_of(form: type, value: Any) -> bool:
    return isinstance(value, list) and all(_is(form, one) for one in value)


def _words(hint: Any) -> str:
    """A field's type as a person says it."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(one) for one in inner if one is not types.NoneType)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is Mapping:
        return "a table {name = …}" if inner[1] is Any else 'a table {name = "…"}'
    if origin is tuple:
        return "a list of texts"
    return WORDS.get(hint, str(hint))
