"""LogLikelihood by models that restore hidden tokens: encoders, and those that restore spans (T5). Each one is hidden in turn."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from plmtasks.config import TrainSettings
from plmtasks.errors import ModelError
from plmtasks.model import Cost
from plmtasks.requests import Answer, LogLikelihood, Request

from ..fast import Fetched, Found, Places, Tally, found, logits_at, sent, tallies, token_log_likelihoods
from .kinds import MICRO_BATCH
from .loaded import Answers, Encoding, Loaded
from .log_likelihood import Scorer, scorable, scored
from .sequences import Sequences, read, spread, step


class Window(NamedTuple):
    ids: np.ndarray
    types: np.ndarray
    places: np.ndarray
    """Of the tokens that are scored."""
    words: np.ndarray
    """Which word each of these tokens is of."""


class Restorer(Loaded):
    """Every token of the text is hidden once and predicted from all others of its window."""

    beside: ClassVar[int] = 0
    """Tokens beside a window's own that are computed with it."""
    group: ClassVar[str] = ""

    @abstractmethod
    def read_hidden(self, window: Window, places: np.ndarray) -> Callable[[], Found]:
        """What is found of the tokens in these places, each hidden alone, once it is there."""

    def limited_to(self, request: LogLikelihood, windows: Sequence[Window], room: int, lost: int = 0) -> Encoding:
        """All windows, or what another policy leaves of them.

        room: the most tokens of a text; lost: those of its context
        """
        length = sum(len(w.places) for w in windows)
        scorable(request.text, length, self.parts.name)
        if len(windows) > 1 and self.settings.truncation == "error":
            raise self.too_long(request.text, length, room)
        return Encoding(windows, lost + (length - len(windows[0].places) if self.settings.truncation == "skip" else 0))

    def cost(self, encoding: Encoding) -> Cost:
        rows = max(1, sum(len(w.places) for w in encoding.windows))
        return Cost(group=self.group, rows=rows, width=encoding.width + self.beside, cut=encoding.cut)

    def learning_cost(self, encoding: Encoding) -> Cost:
        """Tokens are hidden many at a time, where an answer hides each alone."""
        return replace(self.cost(encoding), rows=len(encoding.windows))

    def compute(self, requests: Sequence[LogLikelihood], encodings: Sequence[Encoding]) -> Answers:
        found = [[part for window in e.windows for part in self._read(window)] for e in encodings]

        def answers() -> list[Answer]:
            made: list[Answer] = []
            for request, parts in zip(requests, found, strict=True):
                tallied = [tally for part, count in parts for tally in tallies(part(), np.zeros(count, int), 1)]
                whole = Tally(*(sum(numbers) for numbers in zip(*tallied, strict=True))) if tallied else Tally(0, 0, 0)
                made.append(scored(request.text, whole, pseudo=True))
            return made

        return answers

    def _read(self, window: Window) -> Iterator[tuple[Callable[[], Found], int]]:
        """What is found of the scored tokens of one window, some of them at a time; and how many these are."""
        rows = max(1, (self.settings.batch_tokens or MICRO_BATCH) // (len(window.ids) + self.beside))
        for i in range(0, len(window.places), rows):
            places = window.places[i : i + rows]
            yield self.read_hidden(window, places), len(places)


class PseudoScorer(Restorer):
    """An encoder, for which a token is masked.

    source: Salazar et al. (2020), arXiv 1910.14659
    """

    needs_offsets = True

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        if self.tokenizer.mask_token_id is None:
            raise ModelError(f"{self.parts.name!r} has no mask token, and cannot score a text")
        self.step = step(self.settings, self.limit)

    def encode(self, requests: Sequence[LogLikelihood]) -> list[Encoding]:
        """Windows of each text, each after the end of the context, which takes at most half."""
        most = self.limit // 2
        contexts = self.tokenize([r.context for r in requests], add_special_tokens=False, return_offsets_mapping=True)
        made = []
        for request, ids, offsets in zip(requests, contexts["input_ids"], contexts["offset_mapping"], strict=True):
            lost = max(0, len(ids) - most)
            if lost and self.settings.truncation == "error":
                raise self.too_long(request.context, len(ids), most)
            windows = self._windows(request.context[offsets[lost][0] :] if lost else request.context, request.text)
            made.append(self.limited_to(request, windows, len(windows[0].places), lost))
        return made

    def _windows(self, context: str, text: str) -> list[Window]:
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

    def read_hidden(self, window: Window, places: np.ndarray) -> Callable[[], Found]:
        masks = np.full(len(places), self.tokenizer.mask_token_id)
        fetched = Fetched(*found(self._restored([window] * len(places), places[:, None].tolist(), masks), self.ways.compiled))
        return lambda: Found(*(x.numpy() for x in fetched()))

    def _restored(self, windows: Sequence[Window], hidden: Sequence[Sequence[int]], shown: np.ndarray) -> Places:
        """The logits at hidden places, and the true tokens there.

        hidden: places for each window; shown: the tokens that stand there instead, (all hidden places,)
        """
        inputs = self.inputs([w.ids for w in windows], [w.types for w in windows])
        width = inputs["input_ids"].shape[1]
        places = [row * width + p for row, at in enumerate(hidden) for p in at]
        at = sent(np.array(places, np.int64), self.device)
        flat = inputs["input_ids"].flatten()
        true = flat[at]
        inputs["input_ids"] = flat.index_put((at,), sent(shown, self.device)).view(-1, width)
        return Places(logits_at(self.module, inputs, at, self.ways.places), torch.arange(len(at), device=self.device), true)

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Masked language modelling: a share of the tokens, of which 80 % are masked, 10 % replaced, 10 % left.

        Drawn anew at each call from torch's generator.

        source: Devlin et al. (2018), arXiv 1810.04805
        """
        training = self.training or TrainSettings()
        windows = [w for e in self.encodings(requests) for w in e.windows]
        hidden = [hidden_places(w.places, w.words, training) for w in windows]
        true = torch.tensor([int(w.ids[p]) for w, places in zip(windows, hidden, strict=True) for p in places], dtype=torch.long)
        fate = torch.rand(len(true))
        others = torch.randint(len(self.tokenizer), (len(true),))
        shown = torch.where(fate < 0.8, self.tokenizer.mask_token_id, torch.where(fate < 0.9, others, true))
        return -token_log_likelihoods(self._restored(windows, hidden, shown.numpy()), self.smoothing).sum(), float(len(true))


class SpanRestorer(Restorer, Scorer):
    """A text after a context is scored as by any sequence-to-sequence model; so is all text if the tokenizer has no sentinels.

    A text without a context is scored as it is learned: its tokens are replaced by a sentinel, and the decoder restores them.
    """

    beside, group = 3, "restored"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.sentinels = sentinels(self.tokenizer)

    def encode(self, requests: Sequence[LogLikelihood]) -> list[Any]:
        alone = [not r.context.strip() and len(self.sentinels) > 1 for r in requests]
        others = [r for r, a in zip(requests, alone, strict=True) if not a]
        after = iter(Scorer.encode(self, others) if others else [])
        whole = iter(self.prompts.bare_ids([r.text for r, a in zip(requests, alone, strict=True) if a]))
        return [self._windows(r, next(whole)) if a else next(after) for r, a in zip(requests, alone, strict=True)]

    def _windows(self, request: LogLikelihood, ids: Sequence[int]) -> Encoding:
        own, none = np.array(ids, np.int32), np.array([], np.int32)
        windows = [
            Window(own[begin:end], none, np.arange(done - begin, end - begin), none)
            for begin, done, end in spread(len(own), self.limit - 1, self.step)
        ]
        return self.limited_to(request, windows, self.limit)

    def cost(self, encoding: Any) -> Cost:
        return (Scorer if isinstance(encoding, Sequences) else Restorer).cost(self, encoding)

    def learning_cost(self, encoding: Any) -> Cost:
        return (Scorer if isinstance(encoding, Sequences) else Restorer).learning_cost(self, encoding)

    def compute(self, requests: Sequence[LogLikelihood], encodings: Sequence[Any]) -> Answers:
        return (Scorer if isinstance(encodings[0], Sequences) else Restorer).compute(self, requests, encodings)

    def read_hidden(self, window: Window, places: np.ndarray) -> Callable[[], Found]:
        """Each in turn gives way to the first sentinel."""
        start = np.array([self.decoder_start, self.sentinels[0]], np.int32)
        some = []
        for place in places:
            source = np.append(window.ids, self.tokenizer.eos_token_id)
            source[place] = self.sentinels[0]
            some.append(Sequences([start], [(0, window.ids[place : place + 1])], source))
        return read(self, some)

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Span corruption where there is no context: a share of the tokens gives way to sentinels and is to be written.

        Drawn anew at each call from torch's generator. Each token of a long text is in one window alone.

        source: Raffel et al. (2020), arXiv 1910.10683
        """
        encodings = self.encodings(requests)
        if isinstance(encodings[0], Sequences):
            return Scorer.loss(self, requests, answers)
        training, end = self.training or TrainSettings(), [self.tokenizer.eos_token_id]
        batch = []
        for window in (w for e in encodings for w in e.windows):
            source, target = corrupted(window.ids[window.places].tolist(), self.sentinels, training)
            row = np.array([self.decoder_start, *target], np.int32)
            batch.append(Sequences([row], [(0, np.array(target + end, np.int32))], np.array(source + end, np.int32)))
        return self.loss_of(batch)


def sentinels(tokenizer: Any) -> list[int]:
    """The ids of <extra_id_0>, <extra_id_1> and so on; none if the tokenizer has no such tokens."""
    vocabulary = tokenizer.get_vocab()
    found: list[int] = []
    while (name := f"<extra_id_{len(found)}>") in vocabulary:
        found.append(vocabulary[name])
    return found


def hidden_places(places: np.ndarray, words: np.ndarray, training: TrainSettings) -> list[int]:
    """The places that are to be restored: the share that is wanted, at least one; whole words where that is wanted.

    places: of the tokens that may be hidden; words: which word each of them is of

    Whole words are taken until the share is reached, so the last may go over it. A text without tokens has no places.
    """
    if not len(places):
        return []
    count = max(1, round(training.mlm_probability * len(places)))
    if not training.whole_word_mask:
        return places[torch.randperm(len(places))[:count].numpy()].tolist()
    _, word = np.unique(words, return_inverse=True)
    rank = torch.randperm(int(word.max()) + 1).numpy()[word]
    order = np.argsort(rank, kind="stable")
    last = rank[order[count - 1]]
    return places[rank <= last].tolist()


def corrupted(ids: Sequence[int], marks: Sequence[int], training: TrainSettings) -> tuple[list[int], list[int]]:
    """What the encoder reads, a sentinel in place of each lost span, and what the decoder writes: sentinels and lost spans.

    The lost spans have `training.mean_noise_span_length` tokens in the mean and never stand side by side.
    """
    if not ids:
        return [], []
    count = len(ids)
    lost = min(max(1, round(training.mlm_probability * count)), max(1, count - 1))
    spans = max(1, min(round(lost / training.mean_noise_span_length), lost, count - lost, len(marks) - 1))
    source: list[int] = []
    target: list[int] = []
    at = 0
    for mark, kept, gone in zip(marks, _parts(count - lost, spans), _parts(lost, spans), strict=False):
        source += [*ids[at : at + kept], mark]
        target += [mark, *ids[at + kept : at + kept + gone]]
        at += kept + gone
    return source, [*target, marks[spans]]


def _parts(total: int, count: int) -> list[int]:
    """`count` random lengths of at least 1 that sum to `total`; [0] for nothing."""
    cuts = sorted((torch.randperm(max(total - 1, 0))[: count - 1] + 1).tolist())
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]
