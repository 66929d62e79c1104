"""A checkpoint as a model: it answers, learns, and is exported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from plmtasks.config import ModelSettings, TrainSettings
from plmtasks.errors import InputError, ModelError
from plmtasks.model import LoadedModel, Model, TokenRow, TrainableModel, read_training
from plmtasks.requests import Request, Thinking

from ..answering import identity_of, load, prompt_of, tokens_of
from ..checkpoints import ANSWERS, Checkpoint, answers_of, memory_of, template_of

SAFE_ARGS = ("attn_implementation", "device_map", "dtype", "max_memory", "torch_dtype")
"""Of `from_pretrained`, whose texts lead nowhere, but for kernels of the hub: "owner/name"."""
SAFE_IF = {
    "use_safetensors": True, "weights_only": True, "use_kernels": False, "allow_all_kernels": False, "trust_remote_code": False,
}  # fmt: skip
"""And those that are safe with one value alone. All other numbers and truth values are taken for the configuration's."""


class LibraryModel(Model):
    """A model that the transformers library loads."""

    def unsafe(self, settings: ModelSettings) -> Sequence[str]:
        """Remote code, pickles, kernels of the hub, and texts, lists and objects that are not known to be harmless."""

        def harmless(name: str, value: Any) -> bool:
            if name in SAFE_IF:
                return value is SAFE_IF[name]
            return isinstance(value, (int, float)) or (name in SAFE_ARGS and "/" not in str(value))

        said = [f"{name}={value!r:.40}" for name, value in settings.model_args.items() if not harmless(name, value)]
        return [*(["trust_remote_code"] if settings.trust_remote_code else []), *said]


@dataclass(frozen=True, kw_only=True)
class Pretrained(Checkpoint, LibraryModel):  # type: ignore[override]  # its family is read when it is asked for
    """A model whose weights are in a folder or on the hub."""

    version = 4
    description: str = ""
    recommended: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @cached_property
    def answers(self) -> Sequence[str]:  # type: ignore[override]  # read when asked for, if the family is not stated
        if self.stated_family:
            return ANSWERS[self.stated_family]
        return answers_of([*self.configs().values()])

    def saved(self, folder: Path) -> "Pretrained":
        return replace(self, source=str(folder), revision=None)

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        return {
            "version": self.version,
            **self.file_identity(example_request, settings),
            "settings": {
                "truncation": settings.truncation,
                "model_args": dict(settings.model_args),
                "trust_remote_code": settings.trust_remote_code,
                # the seed of a head that the checkpoint does not have
                "head_seed": settings.seed if self.newly_initialized(example_request) else None,
                **identity_of(example_request, self.family, settings),
                **self._thinking(example_request, settings),
            },
        }

    def _thinking(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        """How its thinking ends, where the chat template says it: runs of old read that as a part of the answer."""
        if example_request.most_tokens() is None or settings.prompt != "chat" or settings.reasoning != "auto":
            return {}
        thinking = Thinking.of("auto", template_of(self.folder(settings)))
        return {} if thinking is None else {"reasoning": thinking.end}

    def training_record(self) -> Mapping[str, Any] | None:
        return read_training(Path(self.source).expanduser())

    def rendered(self, request: Request, settings: ModelSettings) -> str:
        return prompt_of(self, request, settings)

    def tokens(self, request: Request, settings: ModelSettings) -> Sequence[TokenRow]:
        return tokens_of(self, request, settings)

    def tokens_within(self, memory: int, dtype: str) -> int | None:
        try:
            config = self.configs(download=False)[""]
        except ModelError:
            return None  # not at hand
        weights, token = memory_of(config, 4 if dtype == "float32" else 2)
        return max(0, memory - weights) // token

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        return load(self, example_request, settings, device)

    def learner(
        self, example_requests: Sequence[Request], settings: ModelSettings, training: TrainSettings, device: str
    ) -> Sequence[TrainableModel]:
        from ..training import learn

        return learn(self, example_requests, settings, training, device)

    def export(self, example_request: Request, settings: ModelSettings, folder: Path) -> None:
        from ..training import export

        if self.newly_initialized(example_request):
            raise InputError(
                f"{self.name!r} has no head for such a {example_request.kind()} request", *self.instead(example_request)
            )
        export(self, example_request, settings, folder)
