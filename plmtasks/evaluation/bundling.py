"""What runs need of the hub and of other caches, found by preparing them, as one archive; and runs from such an archive."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..config import RunConfig
from ..errors import InputError, MismatchError
from ..execution import Progress
from ..files import Bundle, Tell, noting_caches, pack, read_bundle, unpack, use_caches
from ..hooks import Registry
from .session import outlook
from .work import Opened, left_out

MEGABYTE = 10**6


def bundle(configs: Sequence[RunConfig], registry: Registry, archive: Path, progress: Progress) -> Bundle:
    """Writes what runs need into an archive: all splits of their data, what their metrics need, and their models' files.

    What is not on this machine is downloaded. No model is loaded, and nothing is computed.

    raises: MismatchError if no task fits its model; InputError if nothing is needed; PlmtasksError, whatever would stop a run
    """
    opened, fitting, misfits = Opened(), list[RunConfig](), list[MismatchError]()
    with noting_caches() as needed:
        for config in configs:
            try:
                outlook(config, registry, opened)
                fitting.append(config)
            except MismatchError as e:
                misfits.append(e)
                progress.say(left_out(config))
        for data in opened:
            for split in data.splits:
                _ = data[split]
    if not fitting:
        raise misfits[0]
    for told in dict.fromkeys(told for config in fitting for told in _beside(config, registry)):
        progress.say(f"not in the bundle: {told}")
    if not needed:
        raise InputError("these runs need nothing that a bundle holds", "their data and models are built in, or your own")
    tasks, models = (tuple(dict.fromkeys(getattr(config, kind) for config in fitting)) for kind in ("task", "model"))
    with _bar(progress, f"writing {archive.name}", 2 * sum(file.stat().st_size for file in needed.values())) as tell:
        pack(archive, needed, tasks, models, tell)
    return read_bundle(archive)


def use_bundle(archive: Path, progress: Progress) -> None:
    """From now on data and models come from the archive alone, which is unpacked beside the hub's cache once.

    raises: InputError, DataError, OutputError
    """
    found = read_bundle(archive)
    with _bar(progress, f"unpacking {archive.name}", found.bytes) as tell:
        use_caches(unpack(found, _home(), tell))


def _beside(config: RunConfig, registry: Registry) -> Iterator[str]:
    """What a run needs beside, which no cache holds, or no bundle may hold."""
    paths = [config.source.data, config.source.train_data, config.groups, *(config.predictions_of or "").split(",")]
    paths += [config.task] * config.task.endswith((".toml", ".yaml")) + [config.model] * Path(config.model).expanduser().is_dir()
    yield from (f"{path}, which is your own: take it along" for path in paths if path and "://" not in path)
    code = [metric for metric in config.metrics if registry.runs_code("metric", metric)]
    yield from (f"{metric}, which may be code: have it there" for metric in code)


def _home() -> Path:
    """Where bundles are unpacked: wherever the user wants large files of the hub."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache).expanduser().absolute().with_name("plmtasks-bundles")
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(home).expanduser().absolute() / "plmtasks-bundles"


@contextmanager
def _bar(progress: Progress, title: str, total: int) -> Iterator[Tell]:
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        bar.update(done // MEGABYTE)

    with progress.bar(title, total // MEGABYTE, "MB") as bar:
        yield tell
