"""A checkpoint that learns: one view for each kind of request, all over the same weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plmtasks.config import ModelSettings, TrainSettings
from plmtasks.errors import InputError
from plmtasks.model import TrainableModel
from plmtasks.requests import Regress, Request

from ..answering import kind_of, weights_by_label
from ..checkpoints import (
    Checkpoint,
    Heads,
    Parts,
    State,
    base_of,
    has_adapters,
    load_parts,
    name_of,
    save_checkpoint,
    save_tokenizer,
    share_base,
    view_state,
    writing,
)  # fmt: skip
from ..fast import STILL, Ways, device_of, enter, make_quick
from . import adapters
from .freezing import freeze


def learn(
    checkpoint: Checkpoint, example_requests: Sequence[Request], settings: ModelSettings, training: TrainSettings, device: str
) -> Sequence[TrainableModel]:
    """One view for each form. Forms that one head answers share it; the other heads share the base model.

    raises: ModelError; InputError for what cannot be learned, or not together
    """
    settings = replace(settings, dtype="float32", seed=training.seed)
    kinds = [kind_of(example_request, checkpoint.family) for example_request in example_requests]
    for kind, example_request in zip(kinds, example_requests, strict=True):
        kind.check(settings, example_request.kind())
    _check_class_weights(example_requests, training)
    if training.label_smoothing_factor and any(isinstance(one, Regress) for one in example_requests):
        raise InputError("label_smoothing_factor is for labels and tokens; Regress learns numbers", "leave it out")
    keys = [_head(kind.head, example_request) for kind, example_request in zip(kinds, example_requests, strict=True)]
    parts: dict[tuple[Any, ...], Parts] = {}
    for key, example_request in zip(keys, example_requests, strict=True):
        if key not in parts:
            parts[key] = load_parts(checkpoint, key[0], example_request, settings, device)
    folder = checkpoint.folder(settings)
    if training.peft or has_adapters(folder):
        parts = {keys[0]: _adapted(checkpoint, parts, example_requests[0], training, folder)}
    modules = [p.module for p in parts.values()]
    first = parts[keys[0]]
    whole = _Whole(
        modules=modules, places=[keys.index(key) for key in parts], tokenizer=first.tokenizer, adapters=first.adapters,
        source=_source(checkpoint, folder), heads=share_base(modules) if len(modules) > 1 else None,
    )  # fmt: skip
    freeze(modules, training.freeze)
    for module in modules if training.gradient_checkpointing else ():
        _checkpoint_gradients(module, checkpoint.name)
    ways: dict[tuple[Any, ...], Ways] = {}
    # the one first whose layers all others share, with its configuration
    for key in sorted(parts, key=lambda key: whole.heads is not None and parts[key].module is not whole.heads.shared):
        used = [way for kind, own in zip(kinds, keys, strict=True) if own == key for way in kind.ways if way not in STILL]
        ways[key] = enter(parts[key].module, "torch", [*used, "learned"])
    # layers that several heads share have rows of one form; an accelerator has no attention of bare rows that drops something
    bare = all(w.unpadded for w in ways.values()) and not device_of(device).apart
    if device_of(device).quick_dropout:
        make_quick(modules)
    views = []
    for key, kind, example_request in zip(keys, kinds, example_requests, strict=True):
        view: Any = kind.opened(parts[key], example_request, ways[key]._replace(unpadded=bare))
        view.training, view.saver = training, whole.save
        views.append(view)
    return views


@dataclass(frozen=True, kw_only=True)
class _Whole:
    """What a training writes: an ordinary model, a base model with its heads, or adapters."""

    modules: Sequence[Any]
    places: Sequence[int]
    """The number of each module's first view."""
    tokenizer: Any
    adapters: Any
    heads: Heads | None
    """Several, over one base model."""
    source: tuple[Path, str, str | None]
    """The folder, name and revision of the checkpoint that it began with."""

    def save(self, folder: Path, state: State | None) -> None:
        states = [None if state is None else view_state(state, place) for place in self.places]
        if self.adapters is not None:
            with writing(folder):
                adapters.save(self.adapters, folder, self.source, states[0])
                save_tokenizer(self.tokenizer, folder)
        elif self.heads is not None:
            self.heads.save(folder, [m.state_dict() if s is None else s for m, s in zip(self.modules, states, strict=True)])
            with writing(folder):
                save_tokenizer(self.tokenizer, folder)
        else:
            save_checkpoint(self.modules[0], self.tokenizer, folder, states[0])


def _head(library_class: str, example_request: Request) -> tuple[Any, ...]:
    """Equal for forms that the same head answers."""
    labels = example_request.label_set()
    return library_class, labels and tuple(sorted(labels)), getattr(example_request, "multi_label", None)


def _adapted(
    checkpoint: Checkpoint, parts: dict[tuple[Any, ...], Parts], example_request: Request, training: TrainSettings, folder: Path
) -> Parts:
    """The model with adapters: new ones, or those that the checkpoint is."""
    export = f"plmtasks export --model {checkpoint.source} --task … --output … writes it as one model"
    if len(parts) > 1:
        raise InputError("adapters are learned under one head", "leave out peft, or train on tasks that one head answers")
    [own] = parts.values()
    if own.adapters is not None:
        method = own.adapters.peft_config["default"].peft_type.value
        if training.peft.upper() not in ("", method) or training.peft_args:
            raise InputError(
                f"{checkpoint.name!r} is {method.lower()} adapters already, which learn on as they are",
                f"leave out peft, or: {export}",
            )
        return own
    if checkpoint.head(example_request):
        raise InputError(f"{checkpoint.name!r} has several heads, and adapters need a base with one", export)
    made = adapters.add(own, example_request, training)
    return replace(own, adapters=made, module=made.get_base_model())


def _source(checkpoint: Checkpoint, folder: Path) -> tuple[Path, str, str | None]:
    """Where adapters say that their base is."""
    if has_adapters(folder):
        base = base_of(folder)
        return base, *name_of(folder)
    if folder.parent.name == "snapshots":
        return folder, checkpoint.source, folder.name
    return folder, str(folder.resolve()), None


def _check_class_weights(example_requests: Sequence[Request], training: TrainSettings) -> None:
    if not training.class_weights:
        return
    labels = [label for example_request in example_requests for label in example_request.label_set() or ()]
    if not labels:
        kinds = ", ".join(dict.fromkeys(example_request.kind() for example_request in example_requests))
        raise InputError(f"class_weights are for Classify and Tag; this is {kinds}")
    unknown = [label for label in weights_by_label(training.class_weights) if label not in labels]
    if unknown:
        raise InputError(f"class_weights: there is no label {unknown[0]!r}", f"the labels: {', '.join(dict.fromkeys(labels))}")


def _checkpoint_gradients(module: Any, name: str) -> None:
    if not module.supports_gradient_checkpointing:
        raise InputError(f"{name!r} cannot compute its activations again", "leave out gradient_checkpointing")
    # the name since transformers 5.10, of which the other is a deprecated alias
    enable = getattr(module, "activation_checkpointing_enable", None) or module.gradient_checkpointing_enable
    enable({"use_reentrant": False})
