"""Adapters of the peft library: added, saved, merged."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from plmtasks.config import TrainSettings
from plmtasks.errors import InputError, summary_of
from plmtasks.requests import Request

from ..checkpoints import (
    ADAPTER_BASE,
    ADAPTER_CONFIG,
    ADAPTERS,
    DECODER,
    SEQUENCE_TO_SEQUENCE,
    Parts,
    own_head,
    peft_library,
    weight_hashes,
)  # fmt: skip

NEED_MORE = ("ADALORA", "ADAMSS", "POLY", "SHADOW")
"""Methods that need a step of their own in the training loop, or inputs that no request has."""


TASK_TYPES = {"Classify": "SEQ_CLS", "Regress": "SEQ_CLS", "Tag": "TOKEN_CLS", "ExtractSpan": "QUESTION_ANS"}
"""Kind of request → what peft calls a model with its head."""


def add(parts: Parts, example_request: Request, training: TrainSettings) -> Any:
    """Puts adapters into the model in memory, and freezes all else but its head; returns peft's model around it.

    raises: InputError for a method or its arguments that peft does not know, or that fits no such model
    """
    peft = peft_library()
    try:
        config = _config(parts, example_request, training)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            return peft.get_peft_model(parts.module, config, autocast_adapter_dtype=False)
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError, RuntimeError, AssertionError) as e:
        first = summary_of(e)
        raise InputError(
            f"{training.peft} does not fit {parts.name!r}: {first}", "peft_args takes what peft's configuration takes"
        ) from e


def save(model: Any, folder: Path, base: tuple[Path, str, str | None], state: Mapping[str, torch.Tensor] | None = None) -> None:
    """Writes adapters alone.

    base: the folder of the model that they were trained on, and its name and revision as others find it
    state: the weights of the model within, where they are gathered elsewhere
    """
    import peft
    from safetensors.torch import save_file

    own = None if state is None else {f"base_model.model.{name}": value for name, value in state.items()}
    weights = peft.get_peft_model_state_dict(model, state_dict=own, save_embedding_layers=False)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: weights[name].contiguous().clone() for name in sorted(weights)}, folder / ADAPTERS, {"format": "pt"})
    place, name, revision = base
    config = model.peft_config["default"].to_dict()
    config |= {"base_model_name_or_path": name, "revision": revision, "inference_mode": True}
    _write(folder / ADAPTER_CONFIG, {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()})
    _write(folder / ADAPTER_BASE, weight_hashes(place))
    module = model.get_base_model()
    module.config.architectures = [type(module).__name__]
    module.config.save_pretrained(folder)


def merged(model: Any, name: str) -> Any:
    """The model with its adapters' work in its own weights.

    Where one weight has several uses (embeddings that are the output's too), and adapters change one of them, each use gets
    a weight of its own.

    raises: InputError if the method cannot be merged
    """
    untied = _untie(model)
    try:
        module = model.merge_and_unload()
    except (AttributeError, NotImplementedError, ValueError) as e:
        raise InputError(f"the adapters of {name!r} cannot be merged: {e}") from e
    if untied:
        for config in {id(c): c for c in (module.config, module.config.get_text_config())}.values():
            config.tie_word_embeddings = False
        module.all_tied_weights_keys = module.get_expanded_tied_weights_keys(all_submodels=True)
    return module


def _untie(model: Any) -> bool:
    """Whether adapters change a weight that has other uses: then no use shares its weight any more."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import AuxiliaryTrainingWrapper

    uses: dict[int, list[tuple[Any, str]]] = {}
    for part in model.modules():
        for name, weight in part.named_parameters(recurse=False, remove_duplicate=False):
            uses.setdefault(id(weight), []).append((part, name))
    touching = [part for part in model.modules() if isinstance(part, (BaseTunerLayer, AuxiliaryTrainingWrapper))]
    changed = {id(p) for part in touching for p in cast("torch.nn.Module", part).parameters()}
    if not any(len(uses.get(weight, ())) > 1 for weight in changed):
        return False
    for places in uses.values():
        for part, name in places[1:]:
            own = getattr(part, name)
            setattr(part, name, torch.nn.Parameter(own.detach().clone(), requires_grad=own.requires_grad))
    return True


def _config(parts: Parts, example_request: Request, training: TrainSettings) -> Any:
    """The method's configuration, with defaults for what the user left open."""
    from dataclasses import fields

    from peft import PeftType
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING

    fields_of = {str(t.value): {f.name for f in fields(c)} for t, c in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    fitting = sorted(m for m, names in fields_of.items() if names >= {"target_modules", "modules_to_save"} and m not in NEED_MORE)
    method = training.peft.upper()
    if method not in fitting:
        raise InputError(f"peft takes no {training.peft!r}", f"it takes: {', '.join(fitting).lower()}")
    unknown = [name for name in training.peft_args if name not in fields_of[method]]
    if unknown:
        raise InputError(f"{training.peft} takes no {unknown[0]!r}", f"it takes: {', '.join(sorted(fields_of[method]))}")
    if training.peft_args.get("megatron_config") is not None:
        raise InputError("peft_args takes no 'megatron_config': peft would import what it names")
    kind, module = PeftType(method), parts.module
    defaults: dict[str, Any] = {
        "task_type": _task_type(parts.family, example_request),
        "modules_to_save": _whole(parts, example_request) or None,
    }
    known = getattr(PEFT_TYPE_TO_TUNER_MAPPING[kind], "target_module_mapping", None)
    if known is not None and module.config.model_type not in known and method != "LN_TUNING":
        defaults["target_modules"] = _linear(module)
    return PEFT_TYPE_TO_CONFIG_MAPPING[kind](**{**defaults, **training.peft_args})


def _task_type(family: str, example_request: Request) -> str | None:
    """What peft calls a model with such a head."""
    if own_head(family, example_request):  # peft has no word for multiple choice
        return TASK_TYPES.get(example_request.kind())
    return {DECODER: "CAUSAL_LM", SEQUENCE_TO_SEQUENCE: "SEQ_2_SEQ_LM"}.get(family)


def _whole(parts: Parts, example_request: Request) -> list[str]:
    """The modules that learn as they are: the head over the base model, and whatever has newly initialized weights.

    What shares a weight with the base model cannot be among them: its copy would go its own way.

    raises: InputError if such a thing would have to learn
    """
    module, base = parts.module, parts.module.base_model
    fresh = {id(module.get_parameter(name)): name for name in parts.newly_initialized}
    own = own_head(parts.family, example_request)
    heads = [name for name, child in module.named_children() if child is not base] if own else []
    tied = {id(p) for p in base.parameters()}.difference(fresh)
    found: list[str] = []
    learned: set[int] = set()
    for name in dict.fromkeys([*heads, *(name.rpartition(".")[0] for name in parts.newly_initialized)]):
        weights = {id(p) for p in module.get_submodule(name).parameters()}
        if weights - learned and tied.isdisjoint(weights):
            found.append(name)
            learned |= weights
    left = sorted(name for weight, name in fresh.items() if weight not in learned)
    if left:
        some = ", ".join(left[:3])
        raise InputError(
            f"{parts.name!r} lacks weights that would have to learn beside its adapters: {some}", "train it without peft first"
        )
    return found


def _linear(module: Any) -> list[str]:
    """The linear layers of the base model, where peft has no opinion of its own."""
    from transformers.pytorch_utils import Conv1D

    base = module.base_model
    prefix = "" if base is module else f"{module.base_model_prefix}."
    return [f"{prefix}{name}" for name, layer in base.named_modules() if isinstance(layer, (torch.nn.Linear, Conv1D))]


def _write(file: Path, content: Mapping[str, Any]) -> None:
    # an enumeration of peft's is written as its value
    file.write_text(json.dumps(content, indent=2, sort_keys=True, default=lambda v: sorted(v)), encoding="utf-8")
