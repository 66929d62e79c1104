"""Adapters in a folder: few weights beside those of another checkpoint.

A folder of adapters has peft's own two files, a configuration and a tokenizer as of a whole model, and the hashes of the
weights that they were trained on, without which they mean nothing.
"""

from pathlib import Path
from typing import Any

from plmtasks.errors import DataError, InputError, ModelError
from plmtasks.files import read_object

from . import files

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_BASE = "adapter_base.json"
"""File name → sha256 of the base's weights."""


def has_adapters(folder: Path) -> bool:
    return (folder / files.ADAPTERS).is_file()


def base_of(folder: Path) -> Path:
    """The folder of the checkpoint that the adapters were trained on.

    raises: ModelError if it is not there, or has other weights now
    """
    (name, revision), hashes = name_of(folder), _read(folder / ADAPTER_BASE)
    told = f"{ADAPTER_CONFIG} in {folder} names it as base_model_name_or_path: correct it there if it has moved"
    try:
        base = files.find_folder(name, revision)
    except ModelError as e:
        raise ModelError(
            f"the model that the adapters in {folder} were trained on is not there: {e.message}", told, *e.hints
        ) from e
    if weight_hashes(base) != hashes:
        raise ModelError(f"the weights in {base} are not those that the adapters in {folder} were trained on", told)
    return base


def name_of(folder: Path) -> tuple[str, str | None]:
    """What the adapters call their base, and its revision on the hub."""
    config = _read(folder / ADAPTER_CONFIG)
    return str(config.get("base_model_name_or_path")), config.get("revision")


def identity(folder: Path) -> dict[str, Any]:
    """What of the adapters' base and configuration can change an answer, wherever the base lies."""
    config = _read(folder / ADAPTER_CONFIG)
    return {
        "base": files.hashes(base_of(folder)),
        "config": {k: v for k, v in config.items() if k not in ("base_model_name_or_path", "revision")},
    }


def load(module: Any, folder: Path) -> Any:
    """Puts saved adapters into their base in memory; returns peft's model around it, whose adapters can learn on."""
    peft = peft_library()
    if _read(folder / ADAPTER_CONFIG).get("megatron_config") is not None:  # with it, peft imports the module that the file names
        raise ModelError(
            f"{ADAPTER_CONFIG} in {folder} is for Megatron, and would have a module imported", "remove its megatron_config"
        )
    return peft.PeftModel.from_pretrained(module, folder, is_trainable=True, autocast_adapter_dtype=False)


def restored(folder: Path) -> set[str]:
    """The names of the whole weights, those of a head say, that are among the adapters."""
    from safetensors import safe_open

    with safe_open(folder / files.ADAPTERS, "pt") as file:
        return {name.removeprefix("base_model.model.") for name in file.keys()}  # noqa: SIM118  no mapping


def weight_hashes(folder: Path) -> dict[str, str]:
    return {file.name: files.sha256(file) for file in files.weight_files(folder)}


def peft_library() -> Any:
    """raises: InputError if it is not installed"""
    try:
        import peft
    except ImportError as e:
        raise InputError(
            "adapters need the package peft, which is not installed", "pip install 'plmtasks-transformers[peft]'"
        ) from e
    return peft


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_object(file)
    except (FileNotFoundError, DataError) as e:
        raise ModelError(f"{file} cannot be read: {e}", "adapters need it beside them") from e
