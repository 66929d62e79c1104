"""Classify: a linear head over the whole text."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from plmtasks.errors import InputError
from plmtasks.model import Cost
from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request

from .architectures import DECODER, ENCODER, SEQUENCE_TO_SEQUENCE
from .loaded import Loaded, Parts
from .unpadding import Layout, first_tokens

if TYPE_CHECKING:
    import numpy as np
    import torch


FIRST_TOKEN_TYPES = frozenset(("bert", "camembert", "electra", "ernie", "roberta", "xlm-roberta"))
"""Encoders whose head reads the first token alone; a test holds each to what the whole of it gives."""


class Encoding(NamedTuple):
    ids: "np.ndarray"
    types: "np.ndarray"
    cut: int


class Classifier(Loaded):
    """Softmax over the labels, or a sigmoid for each where several may hold."""

    heads = dict.fromkeys((ENCODER, DECODER, SEQUENCE_TO_SEQUENCE), "AutoModelForSequenceClassification")

    def __init__(self, parts: Parts, example_request: Request) -> None:
        super().__init__(parts, example_request)
        if getattr(self.config, "pad_token_id", None) is None:
            self.config.pad_token_id = self.pad_id  # for whoever pads what is saved

    def encode(self, requests: Sequence[Classify]) -> list[Encoding]:
        made: dict[int, Encoding] = {}
        for paired in (False, True):
            group = [i for i, r in enumerate(requests) if (r.text_pair is not None) == paired]
            if group:
                made.update(zip(group, self._encode([requests[i] for i in group], paired), strict=True))
        return [made[i] for i in range(len(requests))]

    def _encode(self, requests: Sequence[Classify], paired: bool) -> list[Encoding]:
        import numpy as np

        texts = [[r.text for r in requests]] + ([[r.text_pair for r in requests]] if paired else [])
        whole = self.tokenize(*texts, return_token_type_ids=True)
        long = [i for i, ids in enumerate(whole["input_ids"]) if len(ids) > self.limit]
        lengths = {i: len(whole["input_ids"][i]) for i in long}
        if long and self.settings.truncation == "error":
            raise self.too_long(requests[long[0]].text, lengths[long[0]], self.limit)
        self.tokenizer.truncation_side = "left" if self.settings.truncation == "left" else "right"
        if long:
            some = [[side[i] for i in long] for side in texts]
            kept = self.tokenize(*some, truncation="longest_first", max_length=self.limit, return_token_type_ids=True)
            for name in ("input_ids", "token_type_ids"):
                for i, row in zip(long, kept[name], strict=True):
                    whole[name][i] = row
        return [
            Encoding(
                np.array(ids or [self.pad_id], np.int32), np.array(types or [0], np.int32), lengths.get(i, len(ids)) - len(ids)
            )
            for i, (ids, types) in enumerate(zip(whole["input_ids"], whole["token_type_ids"], strict=True))
        ]

    def cost(self, encoding: Encoding) -> Cost:
        return Cost(width=len(encoding.ids), cut=encoding.cut)

    def forward(self, encodings: Sequence[Encoding]) -> "torch.Tensor":
        """returns: one logit a label of the checkpoint, (requests, labels), float32"""
        import torch

        groups = self._groups(encodings)
        made = torch.cat([self._logits([encodings[i] for i in group]) for group in groups])
        back = torch.tensor([i for group in groups for i in group], device=made.device).argsort()
        return made[back].float()

    def _groups(self, encodings: Sequence[Encoding]) -> list[list[int]]:
        """Which go together: a sequence-to-sequence head reads the last end of a text, and takes rows with as many ends alone."""
        if self.parts.family != SEQUENCE_TO_SEQUENCE:
            return [list(range(len(encodings)))]
        groups: dict[int, list[int]] = {}
        for i, e in enumerate(encodings):
            groups.setdefault(int((e.ids == self.config.eos_token_id).sum()), []).append(i)
        return list(groups.values())

    def _logits(self, encodings: Sequence[Encoding]) -> "torch.Tensor":
        with self._padding(encodings) as pad:
            inputs = self.inputs([e.ids for e in encodings], [e.types for e in encodings], pad)
            # a layer that is computed again on the way back would find its hook gone
            again = any(getattr(part, "gradient_checkpointing", False) for part in self.module.modules())
            alone = self.config.model_type in FIRST_TOKEN_TYPES and not again
            with first_token_alone(self.module, inputs.get("layout")) if alone else nullcontext():
                logits: torch.Tensor = self.module(**inputs).logits
        return logits

    @contextmanager
    def _padding(self, encodings: Sequence[Encoding]) -> Iterator[int]:
        """The token that pads, which the model knows inside: by it a decoder finds the last token of a row, and a
        sequence-to-sequence head must not take it for an end. A text may spell the usual one."""
        if self.parts.family == ENCODER:
            yield self.pad_id
            return
        config = self.config.get_text_config()
        before = config.pad_token_id
        taken = {int(e.ids[-1]) for e in encodings} if self.parts.family == DECODER else {config.eos_token_id}
        config.pad_token_id = next(i for i in (self.pad_id, *range(len(taken) + 1)) if i not in taken)
        try:
            yield config.pad_token_id
        finally:
            config.pad_token_id = before

    def compute(self, requests: Sequence[Classify], encodings: Sequence[Encoding]) -> list[Answer]:
        logits = self.forward(encodings).cpu()
        answers: list[Answer] = []
        for request, row in zip(requests, logits, strict=True):
            own = row[self._columns(request)]
            scores = own.sigmoid() if request.multi_label else own.softmax(-1)
            answers.append(ClassifyAnswer(scores=tuple(scores.tolist())))
        return answers

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
        """Cross-entropy, or the mean over labels of the binary one; summed over requests, each by the weight of its label."""
        import torch
        from torch.nn import functional

        asked, solved = cast(Sequence[Classify], requests), cast(Sequence[ClassifyAnswer], answers)
        logits = self.forward(self.encodings(asked))
        columns = torch.tensor([self._columns(r) for r in asked], device=logits.device)
        own = logits.gather(1, columns)
        wanted = torch.tensor([a.scores for a in solved], device=logits.device)
        weights = torch.tensor([self.class_weights(r.labels) for r in asked], device=logits.device)
        if asked[0].multi_label:
            smooth = wanted + self.smoothing * (0.5 - wanted)
            losses = functional.binary_cross_entropy_with_logits(own, smooth, reduction="none", pos_weight=weights)
            return losses.mean(-1).sum(), float(len(requests))
        smooth = wanted + self.smoothing * (1 / wanted.shape[1] - wanted)
        return functional.cross_entropy(own, smooth * weights, reduction="sum"), float((wanted * weights).sum())

    def _columns(self, request: Classify) -> list[int]:
        """The head's column of each label of the request: a checkpoint may have them in another order."""
        try:
            return [int(self.config.label2id[label]) for label in request.labels]
        except KeyError as e:
            known = ", ".join(self.config.label2id)
            raise InputError(f"{self.parts.name!r} has no label {e.args[0]!r}", f"its labels: {known}") from None


@contextmanager
def first_token_alone(module: Any, layout: Layout | None) -> Iterator[None]:
    """Inside, the last layer goes on from what it attends to with the first token alone: what it makes of others is not read.

    That is three quarters of the layer's work. Only inside, since other heads may share the layer, and read all of it.
    """

    def first(_module: Any, args: Any) -> Any:
        return tuple(states[:, :1] if layout is None else first_tokens(states, layout) for states in args)

    hook = module.base_model.encoder.layer[-1].attention.output.register_forward_pre_hook(first)
    try:
        yield
    finally:
        hook.remove()
