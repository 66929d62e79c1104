"""A checkpoint by name: an alias, a hub id, a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError, ModelError, UnknownNameError
from plmtasks.model import LoadedModel, Model, Provider, TrainableModel, read_training
from plmtasks.requests import Request

from . import files
from .architectures import ANSWERS, family_of, has_head, head_of, memory_of

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings, TrainSettings

SAFE_ARGS = ("attn_implementation", "device_map", "dtype", "max_memory", "torch_dtype")
"""Of `from_pretrained`, whose texts lead nowhere, but for kernels of the hub: "owner/name"."""
SAFE_IF = {
    "use_safetensors": True,
    "weights_only": True,
    "use_kernels": False,
    "allow_all_kernels": False,
    "trust_remote_code": False,
}
"""And those that are safe with one value alone. All other numbers and truth values are taken for the configuration's."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Model):
    """Weights, configuration and tokenizer in a folder or on the hub."""

    version = 4
    name: str
    source: str
    """A folder or a hub id."""
    revision: str | None = None
    """A branch, tag or commit of the hub."""
    stated_family: str | None = None
    """Known without the files."""
    description: str = ""
    recommended: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @cached_property
    def family(self) -> str:  # type: ignore[override]  # read when asked for, if it is not stated
        return self.stated_family or family_of(files.find_config(self.source, self.revision))

    @cached_property
    def answers(self) -> Sequence[str]:  # type: ignore[override]
        answers = ANSWERS[self.family]
        if self.stated_family or "Classify" in answers:
            return answers
        configs = files.find_configs(self.source, self.revision).values()
        heads = [h for config in configs for h in config.get("architectures") or []]
        return ("Classify", *answers) if any(h.endswith("ForSequenceClassification") for h in heads) else answers

    def saved(self, folder: Path) -> "Checkpoint":
        return replace(self, source=str(folder), revision=None)

    def identity(self, example_request: Request, settings: "ModelSettings") -> dict[str, Any]:
        from . import adapters
        from .kinds import kind_of

        folder, head = self.folder(settings), self.head(example_request)
        hub = folder.parent.name == "snapshots"
        return {
            "version": self.version,
            "files": files.hashes(folder, pickles=_pickles(settings), code=settings.trust_remote_code),
            "revision": folder.name if hub else None,
            **({"head": files.hashes(folder / head)} if head else {}),
            **({"adapters": adapters.identity(folder)} if adapters.there(folder) else {}),
            "settings": {
                "truncation": settings.truncation,
                "model_args": dict(settings.model_args),
                "trust_remote_code": settings.trust_remote_code,
                # the seed of a head that the checkpoint does not have
                "head_seed": settings.seed if self.newly_initialized(example_request) else None,
                **kind_of(example_request, self.family).identity(settings),
            },
        }

    def newly_initialized(self, example_request: Request) -> bool:
        return self.head(example_request) is None

    def heads(self) -> Sequence[str]:
        try:
            configs = files.find_configs(self.source, self.revision, download=False)
        except ModelError:
            return ()  # not at hand
        return [said for config in configs.values() if (said := head_of(config))]

    def instead(self, example_request: Request) -> list[str]:
        """What it has and what was asked of it, for an error."""
        labels = getattr(example_request, "labels", ())
        has = [f"it has: {head}" for head in self.heads()] or ["it has no head at all"]
        return [*has, f"wanted: {example_request.kind()}" + (f" with the labels {', '.join(labels)}" if labels else "")]

    def head(self, example_request: Request) -> str | None:
        """The folder within the checkpoint of the head that answers such a request, "" for its own; None if it has none."""
        configs = files.find_configs(self.source, self.revision).items()
        return next((folder for folder, config in configs if has_head(config, example_request)), None)

    def training_record(self) -> Mapping[str, Any] | None:
        return read_training(Path(self.source).expanduser())

    def unsafe(self, settings: "ModelSettings") -> Sequence[str]:
        return unsafe(settings)

    def rendered(self, request: Request, settings: "ModelSettings") -> str:
        from .loading import prompt_of

        return prompt_of(self, request, settings)

    def tokens_within(self, memory: int, dtype: str) -> int | None:
        try:
            config = files.find_configs(self.source, self.revision, download=False)[""]
        except ModelError:
            return None  # not at hand
        weights, token = memory_of(config, 4 if dtype == "float32" else 2)
        return max(0, memory - weights) // token

    def load(self, example_request: Request, settings: "ModelSettings", device: str) -> LoadedModel:
        from . import unpadding
        from .kernels import lay_out
        from .kinds import kind_of
        from .loading import load_parts

        kind = kind_of(example_request, self.family)
        kind.check(settings, example_request.kind())
        parts = load_parts(self, kind, example_request, settings, device)
        parameters = sum(p.numel() for p in parts.module.parameters())  # before some are laid out as something else
        bare = unpadding.unpads(parts.module)
        if bare:
            unpadding.make_unpadded(parts.module)
        if settings.kernels == "onednn" and device == "cpu":
            lay_out(parts.module)
        loaded = kind(parts, example_request)
        loaded.unpads, loaded.parameters = bare, parameters
        return loaded

    def learner(
        self, example_requests: Sequence[Request], settings: "ModelSettings", training: "TrainSettings", device: str
    ) -> Sequence[TrainableModel]:
        from .learner import learn

        return learn(self, example_requests, settings, training, device)

    def export(self, example_request: Request, settings: "ModelSettings", folder: Path) -> None:
        from .exporting import export

        if self.newly_initialized(example_request):
            raise InputError(
                f"{self.name!r} has no head for such a {example_request.kind()} request", *self.instead(example_request)
            )
        export(self, example_request, settings, folder)

    def folder(self, settings: "ModelSettings") -> Path:
        """Where its files are; downloads what is not there.

        raises: ModelError
        """
        return files.find_folder(self.source, self.revision, pickles=_pickles(settings), code=settings.trust_remote_code)


class Hub(Provider):
    """Any hub id (`owner/name`, with an optional `@revision`) and any folder."""

    scheme, inert = "transformers", True
    default = True

    def make(self, name: str) -> Checkpoint:
        source, _, revision = name.partition("@")
        if Path(name).expanduser().is_dir():
            return Checkpoint(name=label(name), source=name)
        if name.startswith((".", "/", "~")):
            raise ModelError(f"there is no folder {name!r}")
        if "/" not in source:
            from .aliases import alias_models
            from .tiny import TINY

            known = [*(m.name for m in alias_models()), *(m.name for m in TINY)]
            raise UnknownNameError("model", name, known, "other checkpoints are owner/name on the hub, or a folder")
        return Checkpoint(name=name, source=source, revision=revision or None)


def _pickles(settings: "ModelSettings") -> bool:
    return settings.model_args.get("use_safetensors") is False


def unsafe(settings: "ModelSettings") -> list[str]:
    """Remote code, pickles, kernels of the hub, and texts, lists and objects that are not known to be harmless."""

    def harmless(name: str, value: Any) -> bool:
        if name in SAFE_IF:
            return value is SAFE_IF[name]
        return isinstance(value, (int, float)) or (name in SAFE_ARGS and "/" not in str(value))

    said = [f"{name}={value!r:.40}" for name, value in settings.model_args.items() if not harmless(name, value)]
    return [*(["trust_remote_code"] if settings.trust_remote_code else []), *said]


def label(folder: str) -> str:
    """A folder's own name, for tables; with its parent's where it is a word that many folders have."""
    path = Path(folder).expanduser().absolute()
    return f"{path.parent.name}/{path.name}" if path.name in ("model", "checkpoint", "best", "final", "output") else path.name
