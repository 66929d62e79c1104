"""lm-eval's `--model_args` as the settings of a run: those of `hf` that we have too, and ours."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plmtasks.config import RunConfig, run_config
from plmtasks.errors import InputError, did_you_mean
from plmtasks.hooks import Registry
from plmtasks.model import Model

OURS = ("processes", "threads", "kernels", "batch_tokens", "seed")
"""Settings of a run, by the same names."""

BOTH = (
    "pretrained",
    "revision",
    "dtype",
    "trust_remote_code",
    "device",
    "enable_thinking",
    "think_end_token",
    "chat_template_args",
)
"""Arguments of `hf` that mean here what they mean there."""

LOADING = ("attn_implementation", "device_map", "use_safetensors")
"""What `hf` hands to `from_pretrained`, and so do we."""

NEEDLESS = ("batch_size", "max_batch_size", "logits_cache")
"""Arguments of `hf` that no answer depends on: batches are cut by tokens, and what prompts share is computed once anyway."""

KNOWN = (*BOTH, *LOADING, *OURS, "cache")

INSTEAD = {
    "peft": "adapters that plmtasks has trained are a model by themselves: pretrained=FOLDER",
    "parallelize": "device_map=auto spreads one model over several GPUs, processes=N puts one on each",
    "tp_plan": "processes=N puts a model on each of N GPUs",
    "max_length": "a text over the model's own limit is cut at its left, as hf does",
}
"""Argument of `hf` that we have not → what to do."""

CHECKPOINT_DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What a user said of the model."""

    config: RunConfig
    cache: str | None = None
    """A folder where answers are written down, so that a killed evaluation goes on."""
    enable_thinking: bool | None = None
    template: Mapping[str, Any] = field(default_factory=dict)
    """Handed to the chat template."""


def read(pretrained: str, told: Mapping[str, Any], seed: int, registry: Registry) -> Arguments:
    """What `hf` would take as its own arguments.

    seed: of lm-eval, for drawn texts

    raises: InputError for what neither we know nor `hf` has by default; ModelError if there is no such checkpoint
    """
    told = {name: value for name, value in told.items() if name not in NEEDLESS and not _as_by_default(name, value)}
    for name in told:
        if name not in KNOWN:
            hints = [INSTEAD[name]] if name in INSTEAD else did_you_mean(name, [*KNOWN, *NEEDLESS])
            raise InputError(f"--model plmtasks takes no argument {name!r}", *hints, f"it takes: {', '.join(KNOWN)}")
    _check_device(str(told.get("device") or "cuda"))
    thinking, end = told.get("enable_thinking"), told.get("think_end_token")
    if thinking and end is None:
        raise InputError("enable_thinking=True needs to know what ends the thinking", "think_end_token=</think>")
    if str(end).isdigit():
        raise InputError(f"think_end_token={end} is a token's number", "name its text: think_end_token=</think>")
    name = _named(str(pretrained), told.get("revision"))
    config = run_config(
        "lm-eval", name,
        # without an end, hf reads the thinking as a part of the text
        reasoning="none" if end is None else str(end),
        dtype=_dtype(registry.model(name), str(told.get("dtype") or "auto")),
        trust_remote_code=bool(told.get("trust_remote_code")),
        model_args={name: told[name] for name in LOADING if name in told},
        **{"seed": seed, **{name: told[name] for name in OURS if name in told}},
    )  # fmt: skip
    template = dict(told.get("chat_template_args") or {}) | ({} if thinking is None else {"enable_thinking": thinking})
    cache = told.get("cache")
    return Arguments(config=config, cache=None if cache is None else str(cache), enable_thinking=thinking, template=template)


def _as_by_default(name: str, value: Any) -> bool:
    """Whether it says what `hf` does if nothing is said."""
    from lm_eval.models.huggingface import HFLM

    parameter = inspect.signature(HFLM.__init__).parameters.get(name)
    return parameter is not None and value == parameter.default


def _named(pretrained: str, revision: Any) -> str:
    """The model's name here: as `hf` has it, with the revision; of a folder it has none."""
    if revision is None or str(revision) == "main" or Path(pretrained).expanduser().is_dir():
        return pretrained
    return f"{pretrained}@{revision}"


def _dtype(model: Model, wanted: str) -> str:
    """As `hf` has it: automatic means the checkpoint's own."""
    configs = getattr(model, "configs", None) if wanted == "auto" else None
    if configs is None:
        return wanted
    own = configs()[""]
    found = str(own.get("dtype") or own.get("torch_dtype") or "auto").removeprefix("torch.")
    return found if found in CHECKPOINT_DTYPES else "auto"


def _check_device(device: str) -> None:
    """raises: InputError if our processes would take another"""
    import torch

    kind = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    there = kind.type if kind is not None else "cpu"
    # cuda:0 is what lm-eval says where nobody said anything, and hf takes the CPU then if there is no GPU
    wanted, _, number = device.partition(":")
    if device in ("cuda", "cuda:0") or (wanted == there and number in ("", "0")):
        return
    hint = "set CUDA_VISIBLE_DEVICES to nothing, so that no GPU is seen" if device == "cpu" else "leave it out"
    if wanted == there == "cuda":
        hint = f"CUDA_VISIBLE_DEVICES={number} in front of the command makes it the only one; processes=N takes N of them"
    raise InputError(f"device={device}: a process takes the GPU of its number, else the CPU, and here that is {there}", hint)
