"""What `from_pretrained` loads, written; several heads over one base model, in memory and in a folder that holds it once."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plmtasks.errors import InputError, OutputError

from . import files

WEIGHTS = files.WEIGHTS[0]
State = Mapping[str, Any]
"""Name → tensor."""


def view_state(state: State, number: int) -> dict[str, Any]:
    """The weights of one view in the state of a ModuleList of all views' modules."""
    prefix = f"{number}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def save_checkpoint(module: Any, tokenizer: Any, folder: Path, state: State | None = None) -> None:
    """Writes model and tokenizer.

    raises: OutputError
    """
    with writing(folder):
        module.save_pretrained(folder, state_dict=None if state is None else dict(state))
        save_tokenizer(tokenizer, folder)


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Writes the tokenizer, but for how it was fetched: with a hub and without, the same training gives the same files."""
    for name in ("is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(name, None)
    tokenizer.save_pretrained(folder)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """raises: OutputError if what is written inside cannot be"""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as e:
        raise OutputError(f"{folder}: cannot be written: {e}", "what was finished is kept; make room and run again") from e


@dataclass(frozen=True, kw_only=True)
class Heads:
    """Modules, each with a head of its own, over one and the same base model.

    What belongs to whom is noted when they come together: wrappers for several processes rename and replace weights.
    """

    modules: Sequence[Any]
    owner: int
    """The module whose base model became that of all."""
    names: Sequence[Sequence[str]]
    """The names of each head's weights."""

    @property
    def shared(self) -> Any:
        """That module."""
        return self.modules[self.owner]

    def save(self, folder: Path, states: Sequence[State]) -> None:
        """Writes the base model as an ordinary folder, and each head with its own configuration and weights.

        states: the weights of each module
        """
        from safetensors.torch import save_file

        whole = self.shared
        prefix, base = f"{whole.base_model_prefix}.", whole.base_model
        own = {name.removeprefix(prefix): v for name, v in states[self.owner].items() if name.startswith(prefix)}
        with writing(folder):
            base.save_pretrained(folder, state_dict=own)
            bare = copy.deepcopy(base.config)
            bare.num_labels, bare.problem_type = 2, None  # nobody's labels
            bare.save_pretrained(folder)
            for number, (module, names) in enumerate(zip(self.modules, self.names, strict=True)):
                place = folder / files.HEADS / str(number)
                place.mkdir(parents=True, exist_ok=True)
                config = copy.deepcopy(module.config)
                config.architectures = [type(module).__name__]
                config.save_pretrained(place)
                save_file({name: states[number][name].contiguous() for name in names}, place / WEIGHTS, {"format": "pt"})
                if module.can_generate():
                    module.generation_config.save_pretrained(folder)


def share_base(modules: Sequence[Any]) -> Heads:
    """Makes the modules use one and the same base model.

    raises: InputError if the architecture has no base model apart from its heads
    """
    if any(m.base_model is m for m in modules):
        names = ", ".join(dict.fromkeys(type(m).__name__ for m in modules))
        raise InputError(f"{names} share no base model, and cannot be learned together", "learn them one after the other")
    # some heads read a pooled state that other heads' base models lack
    owner = max(range(len(modules)), key=lambda i: len(list(modules[i].base_model.parameters())))
    donor = modules[owner].base_model
    for module in modules:
        base = module.base_model
        for name, child in donor.named_children():
            if getattr(base, name, None) is not None:
                setattr(base, name, child)
        for name, p in donor.named_parameters(recurse=False):
            if hasattr(base, name):
                setattr(base, name, p)
        module.tie_weights()
    return Heads(modules=modules, owner=owner, names=[list(_own(m)) for m in modules])


def read_head(module: Any, folder: Path) -> set[str]:
    """Reads a saved head into the model; returns the names of its weights.

    raises: ValueError if the folder holds another head
    """
    from safetensors.torch import load_file

    weights, own = load_file(folder / WEIGHTS), _own(module)
    if weights.keys() != own.keys():
        raise ValueError(f"the head in {folder} has {', '.join(sorted(weights))}, expected {', '.join(own)}")
    module.load_state_dict(weights, strict=False)
    return {name for names in own.values() for name in names}


def _own(module: Any) -> dict[str, list[str]]:
    """The weights that are not the base model's: the first name of each → all its names."""
    base = {id(p) for p in module.base_model.state_dict(keep_vars=True).values()}
    names: dict[int, list[str]] = {}
    for name, value in sorted(module.state_dict(keep_vars=True).items()):
        if id(value) not in base:
            names.setdefault(id(value), []).append(name)
    return {alike[0]: alike for alike in names.values()}
