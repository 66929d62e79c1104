"""Several heads over one base model: sharing it in memory, and the folder that holds it once."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError

from . import files
from .loaded import writing

if TYPE_CHECKING:
    from .loaded import State

WEIGHTS = files.WEIGHTS[0]


def share_base(modules: Sequence[Any]) -> Any:
    """Makes the modules, each with a head of its own, use one and the same base model; returns it.

    raises: InputError if the architecture has no base model apart from its heads
    """
    if any(m.base_model is m for m in modules):
        names = ", ".join(dict.fromkeys(type(m).__name__ for m in modules))
        raise InputError(f"{names} share no base model, and cannot be learned together", "learn them one after the other")
    # some heads read a pooled state that other heads' base models lack
    donor = max((m.base_model for m in modules), key=lambda base: len(list(base.parameters())))
    for module in modules:
        base = module.base_model
        for name, child in donor.named_children():
            if getattr(base, name, None) is not None:
                setattr(base, name, child)
        base._parameters.update({name: p for name, p in donor._parameters.items() if name in base._parameters})
        module.tie_weights()
    return donor


def save_heads(base: Any, modules: Sequence[Any], folder: Path, states: "Sequence[State]") -> None:
    """Writes the base model as an ordinary folder, and each head with its own configuration and weights.

    states: the weights of each module
    """
    from safetensors.torch import save_file

    number = next(i for i, m in enumerate(modules) if m.base_model is base)
    prefix = f"{modules[number].base_model_prefix}."
    own = {name.removeprefix(prefix): value for name, value in states[number].items() if name.startswith(prefix)}
    with writing(folder):
        base.save_pretrained(folder, state_dict=own)
        bare = copy.deepcopy(base.config)
        bare.num_labels, bare.problem_type = 2, None  # nobody's labels
        bare.save_pretrained(folder)
        for i, (module, state) in enumerate(zip(modules, states, strict=True)):
            place = folder / files.HEADS / str(i)
            place.mkdir(parents=True, exist_ok=True)
            config = copy.deepcopy(module.config)
            config.architectures = [type(module).__name__]
            config.save_pretrained(place)
            save_file({name: state[name].contiguous() for name in _head_names(module)}, place / WEIGHTS, {"format": "pt"})
            if module.can_generate():
                module.generation_config.save_pretrained(folder)


def read_head(module: Any, folder: Path) -> set[str]:
    """Reads a saved head into the model; returns the names of its weights.

    raises: ValueError if the folder holds another head
    """
    from safetensors.torch import load_file

    weights = load_file(folder / WEIGHTS)
    expected = _head_names(module)
    if set(weights) != set(expected):
        raise ValueError(f"the head in {folder} has {', '.join(sorted(weights))}, expected {', '.join(expected)}")
    module.load_state_dict(weights, strict=False)
    base = {id(p) for p in module.base_model.state_dict(keep_vars=True).values()}
    return {name for name, value in module.state_dict(keep_vars=True).items() if id(value) not in base}


def _head_names(module: Any) -> list[str]:
    """The names of the weights that are not the base model's, each once."""
    seen = {id(p) for p in module.base_model.state_dict(keep_vars=True).values()}
    names = []
    for name, value in sorted(module.state_dict(keep_vars=True).items()):
        if id(value) not in seen:
            seen.add(id(value))
            names.append(name)
    return names
