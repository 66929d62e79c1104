"""A task's YAML file, read without running what it names."""

import hashlib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from plmtasks.errors import DataError, InputError, did_you_mean, listed, summary_of

from .asking import KINDS

STRUCTURE = ("class", "group", "include", "tag", "task", "task_list")
"""Keys of a file that are no setting of the task."""

OUTPUT_TYPES = ("loglikelihood", "multiple_choice", "loglikelihood_rolling", "generate_until")


@dataclass(frozen=True)
class Function:
    """What stands behind `!function`: "utils.process_docs"."""

    named: str

    def file(self, folder: Path) -> Path:
        """The file beside the YAML that has it; it may not be there, where an installed module is meant."""
        return folder / f"{self.named.rpartition('.')[0].replace('.', '/')}.py"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a YAML file says of one task, with all that it includes."""

    path: Path
    config: Mapping[str, Any]
    """As lm-eval merges it; in place of each function its name."""
    files: Sequence[Path]
    """The YAML files, and those with functions that they name beside them."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """What a group says in place of the task's own file: a part of `config`."""
    own: bool = True
    """Whether the path is a file of the task's own; else the overrides are all of it."""

    @property
    def name(self) -> str:
        return str(self.config["task"])

    @property
    def in_python(self) -> bool:
        """Whether a class is the task."""
        return "class" in self.config

    @cached_property
    def digest(self) -> str:
        """A hash of the files' contents. 16 hexadecimal digits."""
        return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in self.files)).hexdigest()[:16]

    @property
    def version(self) -> Any:
        """lm-eval's version of the task, as its metadata has it; None: a class has its own, or nobody said."""
        metadata = self.config.get("metadata")
        return metadata.get("version") if isinstance(metadata, Mapping) else None

    @property
    def needs(self) -> Sequence[str]:
        """What it cannot do without, beside text."""
        config = self.config
        return [
            *(["images"] if config.get("doc_to_image") else []), *(["audio"] if config.get("doc_to_audio") else []),
            *(["to run code that the model writes"] if config.get("unsafe_code", False) is not False else []),
        ]  # fmt: skip

    @cached_property
    def asks(self) -> str:
        """The kind of request by which it is asked, or the kinds, with a plus between.

        raises: InputError if its class cannot be loaded
        """
        kind = self.config.get("output_type", "generate_until")
        kinds = _asked_by(self.task_class()) if self.in_python else [kind]
        return "+".join(dict.fromkeys(KINDS.get(one, "Choose") for one in kinds))

    def task_class(self) -> Any:
        """The class that is the task: this runs the code beside the file.

        raises: InputError
        """
        return loaded(self.path)["class"]

    def check(self) -> "Definition":
        """raises: InputError for a key or an output type that lm-eval does not know"""
        from lm_eval.config.task import TaskConfig

        known = [field.name for field in fields(TaskConfig)]
        for key in self.config if not self.in_python else ():
            if key not in known and key not in STRUCTURE:
                raise InputError(
                    f"{self.path}: a task has no key {key!r}", *did_you_mean(key, known), f"keys: {', '.join(known)}"
                )
        kind = self.config.get("output_type")
        if kind is not None and kind not in OUTPUT_TYPES:
            raise InputError(f"{self.path}: there is no output_type {kind!r}", f"there are: {', '.join(OUTPUT_TYPES)}")
        self._check_names()
        return self

    def _check_names(self) -> None:
        """raises: InputError for a metric, an aggregation or a filter that lm-eval does not know"""
        import lm_eval.api.metrics
        import lm_eval.filters  # noqa: F401  both fill the registries
        from lm_eval.api import registry

        metric_list, filter_list = self.config.get("metric_list") or (), self.config.get("filter_list") or ()
        pairs = [(registry.aggregation_registry, "aggregation", one.get("aggregation")) for one in metric_list]
        # one that says how it is aggregated may be of the evaluate library
        pairs += [(registry.metric_registry, "metric", one.get("metric")) for one in metric_list if "aggregation" not in one]
        pairs += [(registry.filter_registry, "filter", f.get("function")) for one in filter_list for f in one.get("filter") or ()]
        for known, what, name in pairs:
            if isinstance(name, str) and name not in known:
                raise InputError(f"{self.path}: lm-eval knows no {what} {name!r}", *did_you_mean(name, known))


def read(path: Path) -> Definition:
    """The task that a YAML file defines.

    raises: InputError if there is no such file, or it defines no task; DataError where it is no YAML
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file", "--task takes lm-eval:NAME, or the path of a YAML file")
    files: dict[Path, None] = {}
    config = _merged(path.resolve(), files, ())
    if "group" in config and "class" not in config:
        members = config.get("task")
        said = listed([str(one) for one in members]) if isinstance(members, list) else str(members)
        raise InputError(f"{path} defines a group, not a task", f"of: {said}")
    if not isinstance(config.get("task"), str):
        raise InputError(f"{path} names no task", "a line `task: NAME` gives it a name", f"its keys: {', '.join(config)}")
    return Definition(path=path.resolve(), config=config, files=tuple(files)).check()


def read_member(path: Path, overrides: Mapping[str, Any], files: Sequence[Path], *, own: bool) -> Definition:
    """A task as a group has it.

    overrides: what the group says in place of the task's file
    files: of the group
    own: whether the path is a file of the task's own

    raises: as `read`
    """
    read_from: dict[Path, None] = {}
    config = _merged(path.resolve(), read_from, ()) if own else {}
    said = {key: value for key, value in overrides.items() if key not in STRUCTURE or key in ("task", "include")}
    made = (*read_from, *files)
    return Definition(path=path.resolve(), config=config | said, files=made, overrides=said, own=own).check()


def is_group(path: Path) -> bool:
    """Whether a file defines a group; not where it cannot be read, as whoever reads it says."""
    try:
        config = _parsed(path)
    except (InputError, OSError):
        return False
    return "group" in config and "class" not in config


def _merged(path: Path, files: dict[Path, None], within: Sequence[Path]) -> dict[str, Any]:
    """A file's content over that of the files that it includes."""
    if path in within:
        raise InputError(f"{path} includes itself", *(f"by {one}" for one in within[1:]))
    config = _parsed(path)
    files[path] = None
    files |= dict.fromkeys(file.resolve() for found in _functions(config) if (file := found.file(path.parent)).is_file())
    includes = config.pop("include", [])
    merged: dict[str, Any] = {}
    for name in includes if isinstance(includes, list) else [includes]:
        merged |= {k: v for k, v in _merged((path.parent / name).resolve(), files, (*within, path)).items() if k != "task_list"}
    return merged | config


def _parsed(path: Path) -> dict[str, Any]:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # which of both is there
        """Safe: a function stays a name."""

    Loader.add_constructor("!function", lambda loader, node: Function(loader.construct_scalar(node)))
    try:
        found = yaml.load(path.read_bytes(), Loader=Loader)  # noqa: S506  it is a safe one
    except FileNotFoundError as e:
        raise InputError(f"{path}: no such file, and a task includes it") from e
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        mark = getattr(e, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise DataError(where, "YAML", str(getattr(e, "problem", None) or summary_of(e))) from e
    if not isinstance(found, dict):
        raise DataError(str(path), "keys and values of a task in YAML", type(found).__name__)
    return {str(key): value for key, value in found.items()}


def _functions(value: Any) -> Iterator[Function]:
    if isinstance(value, Function):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _functions(one)


def loaded(path: Path) -> dict[str, Any]:
    """What the file says, with the functions that it names: this runs the code beside it.

    raises: InputError
    """
    from lm_eval.tasks._yaml_loader import load_yaml

    from .refusals import refused

    with refused(f"{path}: what it names by !function cannot be loaded"):
        return dict(load_yaml(path, resolve_func=True))


def _asked_by(task: Any) -> Sequence[str]:
    """lm-eval's kinds of request that a class makes, in the order in which its code names them."""
    source = inspect.getsource(task.construct_requests)
    named = re.findall(r"request_type=[\"'](\w+)[\"']", source)
    return named or [task.OUTPUT_TYPE or "generate_until"]
