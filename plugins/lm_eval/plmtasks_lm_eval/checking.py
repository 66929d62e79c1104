"""Which of lm-eval's files can be asked, gone through without data."""

import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from plmtasks.errors import InputError
from plmtasks.execution import Progress

from . import catalog
from .definition import Definition, is_group, loaded, read
from .refusals import refused

Row = Mapping[str, str]

MANY = 500
"""Files that take a while."""

OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


REASONS = {
    r"module script at \S*?/(\w+)\.py": r"needs the hub, for the metric '\1' of evaluate",
    r"lm[-_]eval\[[\"']?([\w-]+)": r"needs pip install 'lm_eval[\1]'",
    r"[Pp]lease install evaluation metrics via pip install (evaluate .*)|via `pip install ([^`]+)`": r"needs pip install \1\2",
    r"(a package .* is not installed)$": r"\1",
    r"(the installed \w+ has no \S+)$": r"\1",
    r"cannot import name ('\w+') from ('\w+')": r"the installed \2 has no \1",
    r"(\S+) is not installed or not in PATH": r"needs \1, a program",
    r"(a task has no key .*|there is no output_type .*|scores by .*)": r"\1",
    r"has no function ('\w+')": r"its Python has no function \1, which its file names",
    r"Dict entry in group": "lm-eval cannot build the group: a member has no name",
    r"unhashable type: 'list'": "lm-eval cannot build the group: a subgroup's members stand in place of a name",
}
"""What an error says → how it is counted."""


class Enough(BaseException):
    """The task would now open its data."""


def checked(word: str = "") -> Iterator[Row]:
    """A row for each YAML file: "name", relative to lm-eval's tasks; "kind"; and "refused", why it cannot be asked, or nothing.

    Files of a folder are read one after another by a process of their own, as they run Python of that folder.

    word: in the paths of those that are wanted
    """
    place = catalog.folder()
    files = [path for path in catalog.files() if word.casefold() in path.relative_to(place).as_posix().casefold()]
    folders = [list(found) for _, found in groupby(files, lambda path: path.relative_to(place).parts[0])]
    progress, done = Progress(), 0
    if len(files) > MANY:
        progress.say(f"reading {len(files):,} files, each without its data: some minutes")
    with progress.bar("checked", len(files), "files") as bar:
        for found in _by_processes(folders):
            done += len(found)
            bar.update(done)
            yield from ({**row, "name": Path(row["name"]).relative_to(place).as_posix()} for row in found)


def _by_processes(folders: Sequence[Sequence[Path]]) -> Iterator[list[Row]]:
    """Of each folder in turn; what ends Python itself is found by asking file after file."""
    waiting = list(folders)
    while waiting:
        with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), _begin) as pool:
            told = [pool.submit(_check_all, list(files)) for files in waiting]
            try:
                for future in told:
                    yield future.result()
                    waiting.pop(0)
            except BrokenProcessPool:
                pool.shutdown(cancel_futures=True)
                waiting[:1] = [[path] for path in waiting[0]] if len(waiting[0]) > 1 else []
                if len(told) and not waiting:
                    return


def _begin() -> None:
    """Of each process: nothing is fetched, and nothing is printed."""
    os.environ.update(OFFLINE)
    logging.disable(logging.CRITICAL)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.argv = sys.argv[:1]


def _check_all(files: Sequence[Path]) -> list[Row]:
    return [_check(path) for path in files]


def _check(path: Path) -> Row:
    row = {"name": str(path), "kind": "task", "refused": ""}
    try:
        if is_group(path):
            from .groups import tree

            row["kind"] = "group"
            tree(str(path))
        else:
            definition = read(path)
            row["refused"] = _needs(definition)
            if not row["refused"]:
                _try(definition)
    except InputError as e:
        row["refused"] = _reason(e, path)
    if "names no task" in row["refused"]:
        row["kind"], row["refused"] = "none", "defines neither a task nor a group: a part that others include"
    return row


def _needs(definition: Definition) -> str:
    other = [need for need in definition.needs if not need.startswith("to run")]
    return f"asks about {' and '.join(other)}" if other else ""


def _reason(error: InputError, path: Path) -> str:
    """Without what is the file's own, so that equal ones can be counted."""
    said = error.message.replace(str(path), "").lstrip(": ")
    for known, told in REASONS.items():
        if found := re.search(known, said):
            return found.expand(told)
    return f"lm-eval cannot load it: {said.partition('be made: ')[2] or said}"


def _try(definition: Definition) -> None:
    """Makes the task as far as it goes without its data.

    raises: InputError
    """
    _ = definition.asks
    with refused("cannot be made"):
        _make(definition)


def _make(definition: Definition) -> None:
    from lm_eval.api.samplers import get_sampler
    from lm_eval.filters import build_filter_ensemble
    from lm_eval.tasks._factory import TaskFactory
    from lm_eval.tasks._index import TaskIndex

    config = loaded(definition.path)
    theirs = _class(config)
    tried: list[Any] = []

    def download(self: Any, *_: Any, **__: Any) -> None:
        tried.append(self)
        raise Enough

    own = type(theirs.__name__, (theirs,), {"download": download, "__module__": theirs.__module__})
    with contextlib.suppress(Enough):
        if "class" in config:
            TaskFactory().build(TaskIndex.entry_from_path(definition.path), overrides={"class": own}, registry={})
        else:
            own(config={key: value for key, value in config.items() if key not in ("group", "tag", "task_list")})
    for one in config.get("filter_list") or ():
        build_filter_ensemble(
            one["name"], [[f["function"], {k: v for k, v in f.items() if k != "function"}] for f in one["filter"]]
        )
    sampler = (config.get("fewshot_config") or {}).get("sampler")
    if isinstance(sampler, str):
        get_sampler(sampler)
    for name, function in getattr(tried[0], "_metric_fn_list", {}).items() if tried else ():
        if function is None and config.get("process_results") is None and tried[0].OUTPUT_TYPE == "generate_until":
            raise InputError(f"scores by {name!r}, a metric of evaluate that its hub has")
    _parse(config)


def _class(config: Mapping[str, Any]) -> Any:
    from lm_eval.api.task import ConfigurableTask

    return config.get("class", ConfigurableTask)


def _parse(config: Mapping[str, Any]) -> None:
    """raises: an error of Jinja for a template that is none"""
    from lm_eval.utils import env

    for key in ("description", "doc_to_text", "doc_to_target", "doc_to_choice", "gen_prefix"):
        if isinstance(template := config.get(key), str):
            env.from_string(template)
