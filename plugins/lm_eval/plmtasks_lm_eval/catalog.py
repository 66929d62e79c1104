"""Every task, group and tag that the installed lm-eval defines: an index that is made once and kept."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from plmtasks.errors import OutputError, PluginError, UnknownNameError, counted, listed, meant, near
from plmtasks.files import write_text

if TYPE_CHECKING:
    import lm_eval.tasks._index as lm_eval_index

Kind = Literal["task", "class", "group", "tag"]

LAYOUT = 1
"""Of the index's file: another one is made where it is not this."""

NEEDS: Mapping[str, str] = {"doc_to_image": "images", "doc_to_audio": "audio", "unsafe_code": "code that runs"}
"""A key of a task's YAML → what the task cannot do without"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What lm-eval knows by one name."""

    name: str
    kind: Kind
    """A "class" is a task in Python; a "group" has an aggregate of its own, and a "tag" has none."""
    path: Path | None = None
    """The YAML file; a tag has none."""
    output_type: str = ""
    """Of a task; "" where Python decides."""
    dataset: str = ""
    """On the hub: "path" or "path/name"."""
    members: Sequence[str] = ()
    """Of a group or a tag, those that stand in it itself; and of a task, its tags."""
    needs: Sequence[str] = ()
    """Beside text: values of NEEDS."""

    def row(self) -> dict[str, str]:
        """As a list shows it."""
        several = self.kind in ("group", "tag")
        asks = ", ".join((self.output_type, *self.needs) if self.needs else (self.output_type,))
        return {
            "name": f"lm-eval:{self.name}", "kind": "task in Python" if self.kind == "class" else self.kind,
            "asked by": counted(len(self.members), "member") if several else asks,
            "data or members": listed(self.members, 3) if several else self.dataset,
        }  # fmt: skip


def names() -> Sequence[str]:
    """Of tasks, groups and tags, in order.

    raises: PluginError if lm-eval is not installed
    """
    return list(_rows())


def names_at_hand() -> Sequence[str]:
    """The same where the index is made already; else none."""
    return list(found) if find_spec("lm_eval") is not None and (found := kept("index", stamp())) else ()


def unknown(name: str) -> UnknownNameError:
    """What is said of a name that lm-eval does not know."""
    hints = meant([f"lm-eval:{one}" for one in near(name, names())])
    return UnknownNameError("task", f"lm-eval:{name}", (), *hints, listed="lm-eval")


def entry(name: str) -> Entry | None:
    """What lm-eval knows by a name; None: nothing.

    raises: PluginError
    """
    row = _rows().get(name)
    return None if row is None else _entry(name, row)


def entries() -> Iterator[Entry]:
    """All of them, in order of their names."""
    return (_entry(name, row) for name, row in _rows().items())


def path_of(name: str) -> Path | None:
    """The YAML file of a task or group; None: there is no such name, or it is a tag."""
    found = entry(name)
    return found.path if found else None


def registry() -> dict[str, "lm_eval_index.Entry"]:
    """The same as lm-eval's own index, as its `TaskFactory` takes it and adds to it; a `TaskManager` reads all files for it."""
    return dict(_theirs())


@cache
def _theirs() -> Mapping[str, "lm_eval_index.Entry"]:
    from lm_eval.tasks._index import Entry as Theirs
    from lm_eval.tasks._index import Kind as Kinds

    kinds = {"task": Kinds.TASK, "class": Kinds.PY_TASK, "group": Kinds.GROUP, "tag": Kinds.TAG}
    tags = {one.name: set(one.members) if one.kind == "tag" else set() for one in entries()}
    return {one.name: Theirs(one.name, kinds[one.kind], one.path, tags=tags[one.name]) for one in entries()}


@cache
def folder() -> Path:
    """Where the installed lm-eval has its tasks.

    raises: PluginError if it is not installed
    """
    spec = find_spec("lm_eval")
    if spec is None or not spec.submodule_search_locations:
        raise PluginError("lm-eval is not installed", "pip install 'lm_eval>=0.4.13'")
    return Path(spec.submodule_search_locations[0]).resolve() / "tasks"


def files() -> Sequence[Path]:
    """Every YAML file of lm-eval's tasks, in order; its own index leaves some out."""
    return sorted(path for path, _ in _scanned(str(folder())))


@cache
def stamp() -> str:
    """What the index depends on: lm-eval's version, and which files there are and when they were changed.

    Looked at once a process: a table of tasks that are not installed asks for the names once for each.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        installed = version("lm_eval")
    except PackageNotFoundError:  # a checkout on the path
        installed = "?"
    place = folder()
    seen = sorted((str(path), changed) for path, changed in _scanned(str(place)))
    return f"{LAYOUT} {installed} {place} {hashlib.sha256(repr(seen).encode()).hexdigest()}"


def _scanned(place: str) -> Iterator[tuple[Path, int]]:
    """Each YAML file below a folder, and when it was changed."""
    with os.scandir(place) as found:
        for one in found:
            if one.is_dir(follow_symlinks=False):
                if one.name not in ("__pycache__", ".ipynb_checkpoints"):
                    yield from _scanned(one.path)
            elif one.name.endswith(".yaml"):
                yield Path(one.path), one.stat().st_mtime_ns


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plmtasks" / "lm_eval"


def kept(name: str, wanted: str) -> Any:
    """What was kept under a name, if it was made of what the stamp says; else None."""
    with suppress(OSError, ValueError):
        found = json.loads(_place(name).read_bytes())
        if isinstance(found, dict) and found.get("stamp") == wanted:
            return found.get("content")
    return None


def keep(name: str, of: str, content: Any) -> None:
    """Keeps it for the next command; where that cannot be, it is made again then."""
    with suppress(OSError, OutputError):
        cache_folder().mkdir(parents=True, exist_ok=True)
        write_text(_place(name), json.dumps({"stamp": of, "content": content}, separators=(",", ":")))


def _place(name: str) -> Path:
    """Each environment has a file of its own."""
    return cache_folder() / f"{name}-{hashlib.sha256(str(folder()).encode()).hexdigest()[:16]}.json"


@cache
def _rows() -> Mapping[str, Sequence[Any]]:
    """Name → the other fields of its entry, the path relative to `folder`."""
    made_of = stamp()
    found = kept("index", made_of)
    if found is None:
        found = _made()
        keep("index", made_of, found)
    return cast(Mapping[str, Sequence[Any]], found)


def _entry(name: str, row: Sequence[Any]) -> Entry:
    kind, path, output_type, dataset, members, needs = row
    whole = folder() / path if path else None
    return Entry(
        name=name, kind=kind, path=whole, output_type=output_type, dataset=dataset, members=tuple(members), needs=tuple(needs)
    )


def _made() -> dict[str, list[Any]]:
    """By lm-eval's own index."""
    from lm_eval.tasks._index import TaskIndex

    from plmtasks.execution import Progress

    Progress(quiet=not sys.stderr.isatty()).say("reading the task files of lm-eval: once, some seconds")
    place = folder()
    return {name: _row(one, place) for name, one in sorted(TaskIndex.build([place]).items())}


def _row(found: "lm_eval_index.Entry", place: Path) -> list[Any]:
    config = found.cfg or {}
    kind = {"TASK": "task", "PY_TASK": "class", "GROUP": "group", "TAG": "tag"}[found.kind.name]
    output_type = dataset = ""
    members = sorted(found.tags)
    if kind == "task":
        output_type = config.get("output_type") or "generate_until"  # as lm-eval's TaskConfig has it
        dataset = "/".join(str(config[part]) for part in ("dataset_path", "dataset_name") if config.get(part))
    elif kind == "group":
        listed = config["task"] if isinstance(config["task"], list) else [config["task"]]
        members = [one if isinstance(one, str) else str(one.get("group", one.get("task", "?"))) for one in listed]
    path = found.yaml_path.relative_to(place).as_posix() if found.yaml_path else None
    return [kind, path, output_type, dataset, members, [need for key, need in NEEDS.items() if config.get(key)]]
