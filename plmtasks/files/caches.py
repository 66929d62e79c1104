"""The caches that libraries fill from the network, and which of their files were asked for: what a bundle has to hold."""

import fnmatch
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

CACHES: Mapping[str, str] = {"hub": "HF_HUB_CACHE", "datasets": "HF_DATASETS_CACHE", "sacrebleu": "SACREBLEU"}
"""Cache → the environment variable by which its library finds it."""

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE")
"""The environment variables by which libraries leave the network alone."""

_asked: ContextVar[dict[str, Path] | None] = ContextVar("asked_of_caches", default=None)


@contextmanager
def noting_caches() -> Iterator[Mapping[str, Path]]:
    """What is asked for meanwhile: its path from the name of the cache on, with slashes → the file."""
    found: dict[str, Path] = {}
    token = _asked.set(found)
    try:
        yield found
    finally:
        _asked.reset(token)


def asked_of_cache(cache: str, root: str | os.PathLike[str], files: Iterable[str | os.PathLike[str]]) -> None:
    """Says that something needs these files, which its library keeps.

    cache: a name in CACHES
    root: the cache's folder
    files: what is no file, or lies elsewhere, counts for nothing
    """
    if (found := _asked.get()) is not None:
        inside = [file for file in map(Path, files) if file.is_file() and file.is_relative_to(root)]
        found |= {f"{cache}/{file.relative_to(root).as_posix()}": file for file in inside}


def asked_of_hub(snapshot: Path, patterns: Iterable[str], revision: str | None = None) -> None:
    """The same of a repository of the hub.

    snapshot: the folder of one of its revisions, in the hub's cache
    patterns: of the wanted files, as the hub understands them: a star also stands for slashes
    revision: the name under which it was asked for
    """
    if _asked.get() is None:
        return
    inside = [(file, file.relative_to(snapshot).as_posix()) for file in snapshot.rglob("*")]
    wanted = [file for file, name in inside if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    name = snapshot.parents[1] / "refs" / (revision or "main")
    asked_of_cache("hub", snapshot.parents[2], [name, *wanted])


def asked_of_datasets(loaded: Any) -> None:
    """The same of what `datasets.load_dataset` made of a data set of the hub: a split, or several by their names."""
    from datasets import config

    splits = loaded.values() if isinstance(loaded, Mapping) else [loaded]
    for folder in {Path(file["filename"]).parent for split in splits for file in split.cache_files}:
        asked_of_cache("datasets", config.HF_DATASETS_CACHE, folder.iterdir())


def use_caches(folder: Path) -> None:
    """From now on libraries have the caches in a folder alone, and leave the network alone.

    They look at their variables when they are first imported, so nothing may have been asked of them before.
    """
    os.environ |= {variable: str(folder / cache) for cache, variable in CACHES.items()}
    os.environ |= dict.fromkeys(OFFLINE, "1")
