"""What `plmtasks doctor` looks at: what is there to run with, and what is missing for what."""

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from ..errors import InputError
from ..hooks import Plugin, Registry
from .defaults import variables
from .environment import describe, version

LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "accelerate",
    "datasets",
    "evaluate",
    "sacrebleu",
    "seqeval",
    "numpy",
    "scipy",
    "pluggy",
)
EXTRAS = {
    "run": "running models", "store": "results at addresses (s3://…, hf://…)", "site": "pages of results",
}  # fmt: skip
"""The extras of plmtasks that a user may want, and for what."""

GB = 1e9
SECONDS = 5
"""How long the hub may take to answer."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    about: str
    what: str
    said: str
    state: Literal["fine", "missing", "broken"] = "fine"
    """missing: something does without it; broken: nothing can"""


def examine(registry: Registry, results: str, *, online: bool = False) -> list[Finding]:
    """Versions, plugins, devices, folders, processes; with `online`, whether the hub answers.

    results: where runs are to be kept
    """
    return [
        *_versions(), *(_plugin(plugin) for plugin in registry.plugins), *_requirements(registry), *_devices(),
        *_folders(results), _processes(), *_settings(), *([_hub()] if online else []),
    ]  # fmt: skip


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "python", platform.python_version())
    for name in ("plmtasks", *LIBRARIES):
        found = version(name)
        yield Finding("versions", name, found or "not installed", "fine" if found else "missing")


def _plugin(plugin: Plugin) -> Finding:
    if plugin.error:
        return Finding("plugins", plugin.name, f"{plugin.distribution} failed to load: {plugin.error}", "broken")
    return Finding("plugins", plugin.name, plugin.distribution + (", disabled" if plugin.disabled else ""))


def _requirements(registry: Registry) -> Iterator[Finding]:
    """The requirements of plmtasks, its extras and the plugins that are not there in the version that they want."""
    from importlib import metadata

    from packaging.requirements import Requirement

    wanted = [("plmtasks", extra, what) for extra, what in EXTRAS.items()]
    wanted += [(name, "", name) for name in dict.fromkeys(p.distribution.split(" ")[0] for p in registry.plugins)]
    if version(other := "plmtasks-interchange") is None:
        yield Finding("requirements", "formats of other tools", f"needs {other}: pip install {other}", "missing")
    for distribution, extra, what in wanted:
        lacking = []
        try:
            lines = metadata.requires(distribution) or []
        except metadata.PackageNotFoundError:
            continue  # a module that PLMTASKS_PLUGINS names
        for requirement in map(Requirement, lines):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            found = version(requirement.name)
            if found is None or not requirement.specifier.contains(found, prereleases=True):
                lacking.append(f"{requirement.name}{requirement.specifier}" + (f" (there is {found})" if found else ""))
        if lacking:
            command = f"pip install '{distribution}[{extra}]'" if extra else f"pip install {distribution}"
            yield Finding("requirements", what, f"needs {', '.join(lacking)}: {command}", "missing" if extra else "broken")
        else:
            yield Finding("requirements", what, "all there")


def _devices() -> Iterator[Finding]:
    if version("torch") is None:
        yield Finding("devices", "processor", platform.processor() or platform.machine())
        return
    import torch

    machine = describe("cpu")
    memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / GB:.1f} GB of memory" if hasattr(os, "sysconf") else ""
    what = [machine["processor_name"], f"{machine['cores']} cores", machine["cpu_capability"], memory]
    yield Finding("devices", "processor", ", ".join(part for part in what if part))
    for i in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(i)
        bfloat16 = "bfloat16" if torch.cuda.is_bf16_supported() else "no bfloat16"
        yield Finding("devices", f"GPU {i}", f"{gpu.name}, {gpu.total_memory / GB:.1f} GB, {bfloat16}")
    if not torch.accelerator.is_available():
        yield Finding("devices", "GPU", "none that torch sees", "missing")


def _folders(results: str) -> Iterator[Finding]:
    hub = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    for what, path in (("results", Path(results).absolute()), ("hub's cache", hub)):
        there = next(folder for folder in (path, *path.parents) if folder.exists())
        free = f"{shutil.disk_usage(there).free / GB:.1f} GB free"
        size = f", holds {sum(f.lstat().st_size for f in path.rglob('*') if f.is_file()) / GB:.1f} GB" if path.is_dir() else ""
        writable = os.access(there, os.W_OK)
        said = f"{path}: {free}{size}" + ("" if writable else "; cannot be written")
        yield Finding("folders", what, said, "fine" if writable else "broken")


def _settings() -> Iterator[Finding]:
    """The variables of the environment that begin like ours: which give a setting its default, and whether it takes them."""
    for one in variables():
        try:
            _ = one.value
        except InputError as e:
            yield Finding("environment", one.name, e.message.removeprefix(f"{one.name}: "), "broken")
            continue
        said = f"{one.text}: {'the default of ' + one.setting if one.setting else 'no setting'}"
        hint = f", {one.hints[0]}" if one.hints else ""
        yield Finding("environment", one.name, said + hint, "missing" if one.hints else "fine")


def _processes() -> Finding:
    """Whether the processes of a run would find each other."""
    if version("torch") is None:
        return Finding("processes", "rendezvous", "needs torch", "missing")
    from torch.distributed import TCPStore

    try:
        TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False).set("here", "yes")
    except (RuntimeError, OSError) as e:
        return Finding("processes", "rendezvous", f"no store on 127.0.0.1: {e}", "broken")
    return Finding("processes", "rendezvous", "a store on 127.0.0.1 answers")


def _hub() -> Finding:
    import urllib.request

    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return Finding("hub", address, "not asked: HF_HUB_OFFLINE is set", "missing")
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            return Finding("hub", address, f"answers ({answer.status})")
    except (OSError, ValueError) as e:
        return Finding("hub", address, f"cannot be reached: {e}", "missing")
