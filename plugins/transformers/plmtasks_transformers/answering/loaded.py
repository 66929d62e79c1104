"""What all models in memory share: encodings made once, batches padded to their widest row, saving."""

import inspect
from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from plmtasks.config import TrainSettings
from plmtasks.errors import InputError, ModelError
from plmtasks.model import Cost, TrainableModel
from plmtasks.requests import Answer, Request

from ..checkpoints import Parts, State, save_checkpoint, view_state
from ..fast import ANSWERING, LEARNING, Ways, device_of, first_token_alone, groups, layout_of, padded, sent
from .kinds import Kind, weights_by_label

TOGETHER = 128
"""Requests that are tokenized in one call."""


Answers = Callable[[], list[Answer]]
"""What waits for the answers to a batch."""


class Window(NamedTuple):
    """Tokens that an encoder reads together; some kinds of request note more about them."""

    ids: np.ndarray
    types: np.ndarray

    @classmethod
    def of(cls, ids: Sequence[int], types: Sequence[int]) -> "Window":
        return cls(np.array(ids, np.int32), np.array(types, np.int32) if any(types) else _first_types(len(types)))


@lru_cache(1024)
def _first_types(tokens: int) -> np.ndarray:
    """Of a text without a second one: the same for all of that length, of which there may be a million."""
    return np.zeros(tokens, np.int32)


class Encoding(NamedTuple):
    """A request as the rows that an encoder reads: its text, or windows of it."""

    windows: Sequence[Any]
    cut: int
    places: Any = None
    """Where among them are the things that are asked about."""

    @property
    def width(self) -> int:
        return max(len(w.ids) for w in self.windows)


class Loaded(TrainableModel):
    """A checkpoint that answers one kind of request. Subclasses hold encode, cost, compute and loss of their kind."""

    needs_offsets: ClassVar[bool] = False
    """Whether the tokenizer must tell where in the text each token stands."""
    training: TrainSettings | None = None
    """How it learns; None: it was loaded to answer."""
    saver: Callable[[Path, State | None], None] | None = None
    """Writes the whole checkpoint, where this is one view of it."""

    def __init__(self, kind: Kind, parts: Parts, example_request: Request, ways: Ways) -> None:
        if self.needs_offsets and not parts.tokenizer.is_fast:
            raise ModelError(
                f"the tokenizer of {parts.name!r} does not tell where its tokens stand, which {example_request.kind()} needs"
            )
        self.kind, self.parts, self.ways = kind, parts, ways
        self.module: Any = parts.module
        self.tokenizer = parts.tokenizer
        self.settings = parts.settings
        self.limit, self.written = parts.limit.tokens, parts.written.tokens
        self.newly_initialized = parts.newly_initialized
        self.parameters = parts.parameters
        self.config: Any = self.module.config
        accepted = inspect.signature(self.module.forward).parameters
        self.uses_types = "token_type_ids" in accepted and getattr(self.config, "type_vocab_size", 0) > 1
        eos = self.tokenizer.eos_token_id
        # padding is masked, so that any token will do where the tokenizer has none for it
        self.pad_id: int = next((i for i in (self.tokenizer.pad_token_id, eos) if i is not None), 0)
        self._encodings: dict[Request, Any] = {}

    @property
    def limited(self) -> str:  # type: ignore[override]  # of its parts
        both = dict.fromkeys((self.parts.limit.told, self.parts.written.told))
        return " to read and ".join(both) + " to write" * (len(both) - 1)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.module.device
        return device

    @property
    def ahead(self) -> int:  # type: ignore[override]  # of its device
        return int(device_of(self.device).apart)

    @property
    def decoder_start(self) -> int:
        """The token from which a decoder behind an encoder starts."""
        wanted = ("decoder_start_token_id", "bos_token_id")
        # not every configuration has every such field
        ids = [getattr(config, name, None) for name in wanted for config in (self.config, self.module.generation_config)]
        return next((int(i) for i in ids if i is not None), self.pad_id)

    @abstractmethod
    def encode(self, requests: Sequence[Any]) -> list[Any]:
        """Token ids and all else that `forward` and `decode` need, one encoding a request."""

    def cost(self, encoding: Any) -> Cost:
        """What such an encoding costs to answer."""
        return Cost(rows=len(encoding.windows), width=encoding.width, cut=encoding.cut)

    @abstractmethod
    def compute(self, requests: Sequence[Any], encodings: Sequence[Any]) -> Answers:
        """Forward, without gradients; what it returns decodes, and alone waits for the device."""

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return self._without_padding([self.cost(e) for e in self.encodings(requests)])

    def learning_cost(self, encoding: Any) -> Cost:
        """What learning from it costs: `loss` goes over it once."""
        return self.cost(encoding)

    def learning_costs(self, requests: Sequence[Request]) -> list[Cost]:
        return self._without_padding([self.learning_cost(e) for e in self.encodings(requests)])

    def _without_padding(self, costs: list[Cost]) -> list[Cost]:
        return [replace(c, bare=c.tokens) for c in costs] if self.ways.unpadded else costs

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        return self.begin(requests)()

    def begin(self, requests: Sequence[Request]) -> Answers:
        encodings = self.encodings(requests)
        for request in requests:
            self._encodings.pop(request, None)  # each is answered once
        if self.module.training:
            self.module.eval()
        with torch.inference_mode():
            return self.compute(requests, encodings)

    def encodings(self, requests: Sequence[Request]) -> list[Any]:
        """The encodings of the requests; those that are not there yet are made together."""
        new = list(dict.fromkeys(r for r in requests if r not in self._encodings))
        self._encodings.update(zip(new, self.encoded(new), strict=True))
        return [self._encodings[r] for r in requests]

    def encoded(self, requests: Sequence[Any]) -> list[Any]:
        """Their encodings, made some at a time: a tokenizer's answer is many times what is kept of it."""
        return [e for i in range(0, len(requests), TOGETHER) for e in self.encode(requests[i : i + TOGETHER])]

    def save(self, folder: Path, state: State | None = None) -> None:
        """state: the weights, if they are gathered elsewhere: the state of a ModuleList of all views' modules."""
        (self.saver or self._save)(folder, state)

    def _save(self, folder: Path, state: State | None) -> None:
        save_checkpoint(self.module, self.tokenizer, folder, state and view_state(state, 0))

    @property
    def smoothing(self) -> float:
        """The share of a target that is spread over all labels or tokens."""
        return self.training.label_smoothing_factor if self.training is not None else 0.0

    def class_weights(self, labels: Sequence[str]) -> list[float]:
        """What an example of each label counts for in the loss; one that is not named, for 1."""
        named = weights_by_label(self.training.class_weights if self.training is not None else "")
        return [named.get(label, 1.0) for label in labels]

    def tokenize(self, *texts: Any, **options: Any) -> Any:
        """One batched call of the tokenizer, nothing padded, nothing cut unless asked."""
        self.tokenizer.truncation_side = "left" if self.settings.truncation == "left" else "right"
        return self.tokenizer(*texts, return_attention_mask=False, **{"truncation": False, **options})

    def rows(self, rows: Sequence[Sequence[int] | np.ndarray], fill: int, *, left: bool = False) -> torch.Tensor:
        """Rows of integers padded to the widest, (rows, width), on the device."""
        return sent(padded(rows, fill, left=left), self.device)

    def inputs(self, ids: Sequence[Any], types: Sequence[Any] | None = None, pad: int | None = None) -> dict[str, Any]:
        """What `forward` of a transformers model takes, padded on the right.

        pad: a token that pads in place of the usual one
        """
        made: dict[str, Any] = {
            "input_ids": self.rows(ids, self.pad_id if pad is None else pad),
            "attention_mask": self.rows([[1] * len(r) for r in ids], 0),
        }  # fmt: skip
        if types is not None and self.uses_types:
            made["token_type_ids"] = self.rows(types, 0)
        if self.ways.unpadded:
            alike = LEARNING if torch.is_grad_enabled() else ANSWERING
            made["layout"] = layout_of([len(r) for r in ids], self.device, alike)
        return made

    def window_inputs(self, encodings: Sequence[Encoding], pad: int | None = None) -> dict[str, Any]:
        """All windows of all requests in one batch."""
        windows = [w for e in encodings for w in e.windows]
        return self.inputs([w.ids for w in windows], [w.types for w in windows], pad)

    def first_alone(self, inputs: Mapping[str, Any]) -> AbstractContextManager[None]:
        """Inside, the last layer goes over the first token alone, where a head reads no other and the model takes that way."""
        # a layer that is computed again on the way back would find its hook gone
        again = torch.is_grad_enabled() and any(getattr(part, "gradient_checkpointing", False) for part in self.module.modules())
        return first_token_alone(self.module, inputs.get("layout")) if self.ways.first_token and not again else nullcontext()

    def columns(self, labels: Sequence[str]) -> list[int]:
        """The head's column of each label: a checkpoint may have them in another order.

        raises: InputError for a label that it does not have
        """
        try:
            return [int(self.config.label2id[label]) for label in labels]
        except KeyError as e:
            known = ", ".join(self.config.label2id)
            raise InputError(f"{self.parts.name!r} has no label {e.args[0]!r}", f"its labels: {known}") from None

    def too_long(self, text: str, length: int, limit: int) -> InputError:
        """The error of the truncation policy `error`."""
        start = " ".join(text.split()[:8])
        return InputError(
            f"a text has {length} tokens, {self.parts.name!r} takes {limit}: {start[:80]!r} …",
            f"the limit: {self.limited}",
            f"--truncation {', '.join(p for p in self.kind.policies if p != 'error')} says what is to happen to it",
        )


def in_groups(items: Sequence[Any], keys: Iterable[Hashable], work: Callable[[list[Any]], Iterable[Any]]) -> list[Any]:
    """What `work` makes of the items of each group, in the order of all of them."""
    made: dict[int, Any] = {}
    for group in groups(keys):
        made.update(zip(group, work([items[i] for i in group]), strict=True))
    return [made[i] for i in range(len(items))]
