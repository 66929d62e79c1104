"""LogLikelihood by an encoder: the pseudo-log-likelihood of a text, each token hidden in turn."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from plmtasks.config import TrainSettings
from plmtasks.errors import ModelError
from plmtasks.model import Cost
from plmtasks.requests import Answer, LogLikelihood, Request

from .architectures import ENCODER
from .likelihood import step
from .loaded import Loaded, Parts
from .readout import Places, Tally, found, logits_at, tallies, token_log_likelihoods
from .score import scorable, scored

if TYPE_CHECKING:
    import numpy as np
    import torch

    from plmtasks.config import ModelSettings

PIECE = 8192
"""Padded tokens computed at once, if the settings do not say."""


class Window(NamedTuple):
    ids: "np.ndarray"
    types: "np.ndarray"
    places: "np.ndarray"
    """Of the tokens that are scored."""
    words: "np.ndarray"
    """Which word each of these tokens is of."""


class Encoding(NamedTuple):
    windows: Sequence[Window]
    cut: int

    @property
    def tokens(self) -> int:
        return sum(len(w.places) for w in self.windows)


class PseudoScorer(Loaded):
    """Every token of the text is masked once and predicted from all others of its window.

    source: Salazar et al. (2020), arXiv 1910.14659
    """

    heads = {ENCODER: "AutoModelForMaskedLM"}
    policies = ("auto", "window", "error", "skip")
    needs_offsets = True

    def __init__(self, parts: Parts, example_request: Request) -> None:
        super().__init__(parts, example_request)
        if self.tokenizer.mask_token_id is None:
            raise ModelError(f"{parts.name!r} has no mask token, and cannot score a text")
        self.step = step(parts.settings, self.limit)

    @classmethod
    def identity(cls, settings: "ModelSettings") -> dict[str, Any]:
        return {"piece": settings.batch_tokens or PIECE, "stride": settings.stride or "half of the model's limit"}

    def encode(self, requests: Sequence[LogLikelihood]) -> list[Encoding]:
        """Windows of each text, each after the end of the context, which takes at most half."""
        most = self.limit // 2
        contexts = self.tokenize([r.context for r in requests], add_special_tokens=False, return_offsets_mapping=True)
        made = []
        for request, ids, offsets in zip(requests, contexts["input_ids"], contexts["offset_mapping"], strict=True):
            lost = max(0, len(ids) - most)
            if lost and self.settings.truncation == "error":
                raise self.too_long(request.context, len(ids), most)
            pieces = self._windows(request.context[offsets[lost][0] :] if lost else request.context, request.text)
            length = sum(len(w.places) for w in pieces)
            scorable(request.text, length, self.parts.name)
            if len(pieces) > 1 and self.settings.truncation == "error":
                raise self.too_long(request.text, length, len(pieces[0].places))
            beyond = length - len(pieces[0].places) if self.settings.truncation == "skip" else 0
            made.append(Encoding(pieces, lost + beyond))
        return made

    def _windows(self, context: str, text: str) -> list[Window]:
        import numpy as np

        sides = [[context], [text]] if context.strip() else [[text]]
        batch = self.tokenize(*sides, return_token_type_ids=True)
        ids, types = (np.array(batch[name][0], np.int32) for name in ("input_ids", "token_type_ids"))
        words = np.array([-1 if w is None else w for w in batch.word_ids(0)])
        own = [j for j, side in enumerate(batch.sequence_ids(0)) if side == len(sides) - 1]
        if not own:
            return [Window(ids, types, np.array([], np.int64), words[:0])]
        first, after = own[0], own[-1] + 1
        made = []
        for begin, done, end in spread(len(own), self.limit - len(ids) + len(own), self.step):
            shown = np.r_[:first, first + begin : first + end, after : len(ids)]
            scored_here = np.arange(first + done - begin, first + end - begin)
            made.append(Window(ids[shown], types[shown], scored_here, words[first + done : first + end]))
        return made

    def cost(self, encoding: Encoding) -> Cost:
        return Cost(rows=max(1, encoding.tokens), width=max(len(w.ids) for w in encoding.windows), cut=encoding.cut)

    def learning_cost(self, encoding: Encoding) -> Cost:
        """Tokens are hidden many at a time, where an answer hides each alone."""
        return replace(self.cost(encoding), rows=len(encoding.windows))

    def compute(self, requests: Sequence[LogLikelihood], encodings: Sequence[Encoding]) -> list[Answer]:
        return [
            scored(request.text, total([t for w in encoding.windows for t in self._tally(w)]), pseudo=True)
            for request, encoding in zip(requests, encodings, strict=True)
        ]

    def _tally(self, window: Window) -> Iterator[Tally]:
        """Of the scored tokens of one window, a piece of them at a time."""
        import numpy as np
        import torch

        rows = max(1, (self.settings.batch_tokens or PIECE) // len(window.ids))
        for i in range(0, len(window.places), rows):
            hidden = [[int(p)] for p in window.places[i : i + rows]]
            masks = torch.full((len(hidden),), self.tokenizer.mask_token_id)
            yield from tallies(found(self._restored([window] * len(hidden), hidden, masks)), np.zeros(len(hidden), int), 1)

    def _restored(self, windows: Sequence[Window], hidden: Sequence[Sequence[int]], shown: "torch.Tensor") -> Places:
        """The logits at hidden places, and the true tokens there.

        hidden: places for each window; shown: the tokens that stand there instead, (all hidden places,)
        """
        import torch

        inputs = self.inputs([w.ids for w in windows], [w.types for w in windows])
        width = inputs["input_ids"].shape[1]
        places = [row * width + p for row, at in enumerate(hidden) for p in at]
        at = torch.tensor(places, dtype=torch.long, device=self.device)
        flat = inputs["input_ids"].flatten()
        true = flat[at]
        inputs["input_ids"] = flat.index_put((at,), shown.to(self.device)).view(-1, width)
        return Places(logits_at(self.module, inputs, at), torch.arange(len(at), device=self.device), true)

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
        """Masked language modelling: a share of the tokens, of which 80 % are masked, 10 % replaced, 10 % left.

        Drawn anew at each call from torch's generator.

        source: Devlin et al. (2018), arXiv 1810.04805
        """
        import torch

        training = self.training or TrainSettings()
        windows = [w for e in self.encodings(requests) for w in e.windows]
        hidden = [chosen(w, training) for w in windows]
        true = torch.tensor([int(w.ids[p]) for w, places in zip(windows, hidden, strict=True) for p in places], dtype=torch.long)
        fate = torch.rand(len(true))
        others = torch.randint(len(self.tokenizer), (len(true),))
        shown = torch.where(fate < 0.8, self.tokenizer.mask_token_id, torch.where(fate < 0.9, others, true))
        return -token_log_likelihoods(self._restored(windows, hidden, shown), self.smoothing).sum(), float(len(true))


def spread(count: int, room: int, step: int) -> Iterator[tuple[int, int, int]]:
    """(begin, done, end) of windows over `count` tokens: each holds [begin, end) and scores [done, end).

    room: the most tokens of a window; step: by which it moves on
    """
    done = 0
    while done < count or not count:
        end = min(count, max(room, done + min(step, room)))
        yield max(0, end - room), done, end
        if end == count:
            return
        done = end


def total(parts: Sequence[Tally]) -> Tally:
    """The sum, in the order of the parts."""
    return Tally(sum(p.log_likelihood for p in parts), sum(p.tokens for p in parts), sum(p.likeliest for p in parts))


def chosen(window: Window, training: TrainSettings) -> list[int]:
    """The places that are to be restored: the share that is wanted, at least one; whole words where that is wanted.

    Whole words are taken until the share is reached, so the last may go over it. A text without tokens has no places.
    """
    import numpy as np
    import torch

    if not len(window.places):
        return []
    count = max(1, round(training.mlm_probability * len(window.places)))
    if not training.whole_word_mask:
        return window.places[torch.randperm(len(window.places))[:count].numpy()].tolist()
    _, word = np.unique(window.words, return_inverse=True)
    rank = torch.randperm(int(word.max()) + 1).numpy()[word]
    order = np.argsort(rank, kind="stable")
    last = rank[order[count - 1]]
    return window.places[rank <= last].tolist()
