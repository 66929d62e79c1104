"""A checkpoint that learns: one view for each kind of request, all over the same weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError
from plmtasks.requests import Classify, Request, Tag

from . import adapters, dropout, unpadding
from .freezing import freeze
from .heads import Heads, share_base
from .kinds import kind_of
from .loaded import Loaded, Parts, of_view, save_checkpoint, writing
from .loading import load_parts
from .targets import weights_by_label

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings, TrainSettings

    from .checkpoint import Checkpoint
    from .loaded import State


def learn(
    checkpoint: "Checkpoint",
    example_requests: Sequence[Request],
    settings: "ModelSettings",
    training: "TrainSettings",
    device: str,
) -> list[Loaded]:
    """One view for each form. Forms that one head answers share it; the other heads share the base model.

    raises: ModelError; InputError for what cannot be learned, or not together
    """
    settings = replace(settings, dtype="float32", seed=training.seed)
    kinds = [kind_of(example_request, checkpoint.family) for example_request in example_requests]
    for kind, example_request in zip(kinds, example_requests, strict=True):
        kind.check(settings, example_request.kind())
    _check_class_weights(example_requests, training)
    keys = [
        _head(kind.heads[checkpoint.family], example_request)
        for kind, example_request in zip(kinds, example_requests, strict=True)
    ]
    parts: dict[tuple[Any, ...], Parts] = {}
    for key, kind, example_request in zip(keys, kinds, example_requests, strict=True):
        if key not in parts:
            parts[key] = load_parts(checkpoint, kind, example_request, settings, device)
    folder = checkpoint.folder(settings)
    if training.peft or adapters.there(folder):
        parts = {keys[0]: _adapted(checkpoint, parts, example_requests[0], training, folder)}
    views = [kind(parts[key], example_request) for key, kind, example_request in zip(keys, kinds, example_requests, strict=True)]
    modules = [p.module for p in parts.values()]
    whole = _Whole(
        modules=modules, places=[keys.index(key) for key in parts], tokenizer=views[0].tokenizer,
        adapters=views[0].parts.adapters, source=_source(checkpoint, folder),
        heads=share_base(modules) if len(modules) > 1 else None,
    )  # fmt: skip
    freeze(modules, training.freeze)
    for module in modules if training.gradient_checkpointing else ():
        _checkpoint_gradients(module, checkpoint.name)
    quick = device == "cpu"
    if quick:
        dropout.make_quick(modules)
    bare = all(map(unpadding.unpads, modules))
    for module in modules if bare else ():
        unpadding.make_unpadded(module)
    for view in views:
        view.training, view.saver, view.unpads = training, whole.save, bare
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

    def save(self, folder: Path, state: "State | None") -> None:
        states = [None if state is None else of_view(state, place) for place in self.places]
        if self.adapters is not None:
            with writing(folder):
                adapters.save(self.adapters, folder, self.source, states[0])
                self.tokenizer.save_pretrained(folder)
        elif self.heads is not None:
            self.heads.save(folder, [m.state_dict() if s is None else s for m, s in zip(self.modules, states, strict=True)])
            with writing(folder):
                self.tokenizer.save_pretrained(folder)
        else:
            save_checkpoint(self.modules[0], self.tokenizer, folder, states[0])


def _head(library_class: str, example_request: Request) -> tuple[Any, ...]:
    """Equal for forms that the same head answers."""
    if isinstance(example_request, Classify):
        return library_class, tuple(sorted(example_request.labels)), example_request.multi_label
    return library_class, *([tuple(sorted(example_request.labels))] if isinstance(example_request, Tag) else [])


def _adapted(
    checkpoint: "Checkpoint",
    parts: dict[tuple[Any, ...], Parts],
    example_request: Request,
    training: "TrainSettings",
    folder: Path,
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


def _source(checkpoint: "Checkpoint", folder: Path) -> tuple[Path, str, str | None]:
    """Where adapters say that their base is."""
    if adapters.there(folder):
        base = adapters.base_of(folder)
        return base, *adapters.name_of(folder)
    if folder.parent.name == "snapshots":
        return folder, checkpoint.source, folder.name
    return folder, str(folder.resolve()), None


def _check_class_weights(example_requests: Sequence[Request], training: "TrainSettings") -> None:
    if not training.class_weights:
        return
    labels = [
        label
        for example_request in example_requests
        if isinstance(example_request, (Classify, Tag))
        for label in example_request.labels
    ]
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
