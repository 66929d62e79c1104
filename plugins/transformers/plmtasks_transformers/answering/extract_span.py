"""ExtractSpan: the start and the end of an answer, over windows of a long context."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch.nn import functional

from plmtasks.requests import Answer, ExtractSpan, ExtractSpanAnswer, Request, Span

from ..fast import Fetched
from .kinds import SPANS
from .loaded import Answers, Encoding, Loaded

WINDOW, OVERLAP, QUESTION, ANSWER, BEST = SPANS.values()


class Window(NamedTuple):
    ids: np.ndarray
    types: np.ndarray
    first: int
    """The row's position of its first token of the context."""
    spans: np.ndarray
    """Characters [start, end) of the context for each such token, (tokens, 2)."""
    null: int
    """The position that says there is no answer."""


class SpanExtractor(Loaded):
    """Logits for start and end of each token; the recipe of BERT for SQuAD.

    source: Devlin et al. (2019), arXiv 1810.04805, sections 4.2 and 4.3, and the code published with it
    """

    needs_offsets = True

    @property
    def limited(self) -> str:  # type: ignore[override]  # of its parts
        recipe = f"{QUESTION} tokens of a question and {WINDOW} in all, as the recipe of BERT for SQuAD has it"
        return recipe if self.limit >= WINDOW else super().limited

    def encode(self, requests: Sequence[ExtractSpan]) -> list[Encoding]:
        questions, lost = self._short_questions([r.question for r in requests])
        limit = min(WINDOW, self.limit)
        room = limit - min(QUESTION, limit // 2) - self.tokenizer.num_special_tokens_to_add(pair=True)
        batch = self.tokenize(
            questions, [r.context for r in requests], truncation="only_second", max_length=limit, stride=min(OVERLAP, room // 2),
            return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True,
        )  # fmt: skip
        windows: list[list[Window]] = [[] for _ in requests]
        for row, i in enumerate(batch["overflow_to_sample_mapping"]):
            windows[i].append(self._window(batch, row))
        return [self._limited(r, w, n) for r, w, n in zip(requests, windows, lost, strict=True)]

    def _short_questions(self, questions: list[str]) -> tuple[list[str], list[int]]:
        """Questions of at most `QUESTION` tokens (or half the model's), and how many tokens each lost."""
        most = min(QUESTION, min(WINDOW, self.limit) // 2)
        encoded = self.tokenize(questions, add_special_tokens=False, return_offsets_mapping=True)
        short, lost = [], []
        for question, ids, offsets in zip(questions, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            short.append(question if len(ids) <= most else question[: offsets[most - 1][1]])
            lost.append(max(0, len(ids) - most))
        return short, lost

    def _window(self, batch: Any, row: int) -> Window:
        ids = np.array(batch["input_ids"][row], np.int32)
        sides = batch.sequence_ids(row)
        own = [j for j, side in enumerate(sides) if side == 1]
        first = own[0] if own else len(ids)
        spans = np.array(batch["offset_mapping"][row][first : first + len(own)], np.int32).reshape(-1, 2)
        # one that a text spells has a side
        null = next((j for j, side in enumerate(sides) if side is None and ids[j] == self.tokenizer.cls_token_id), 0)
        types = np.array(batch["token_type_ids"][row], np.int32)
        return Window(ids, types, first, spans, null)

    def _limited(self, request: ExtractSpan, windows: list[Window], cut: int) -> Encoding:
        """All windows, or what another policy leaves of them."""
        policy = self.settings.truncation
        if len(windows) == 1 or policy in ("auto", "window"):
            return Encoding(windows, cut)
        places = {int(start) for w in windows for start in w.spans[:, 0]}
        kept = windows[0]  # the first at the side that is kept
        if policy == "error":
            raise self.too_long(request.context, len(places), len(kept.spans))
        return Encoding([kept], cut + len(places.difference(kept.spans[:, 0].tolist())))

    def forward(self, encodings: Sequence[Encoding]) -> tuple[torch.Tensor, torch.Tensor]:
        """returns: logits of start and end, each (windows, width), float32; all windows of all requests in one batch"""
        out = self.module(**self.window_inputs(encodings))
        return out.start_logits.float(), out.end_logits.float()

    def compute(self, requests: Sequence[ExtractSpan], encodings: Sequence[Encoding]) -> Answers:
        fetched = Fetched(*self.forward(encodings))

        def answers() -> list[Answer]:
            starts, ends = (logits.numpy() for logits in fetched())
            made: list[Answer] = []
            row = 0
            for request, encoding in zip(requests, encodings, strict=True):
                rows = slice(row, row + len(encoding.windows))
                made.append(best_spans(request, encoding.windows, starts[rows], ends[rows]))
                row = rows.stop
            return made

        return answers

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Cross-entropy of start and end, halved, summed over windows; a window without the answer points at [CLS]."""
        encodings = self.encodings(requests)
        solved = cast(Sequence[ExtractSpanAnswer], answers)
        targets = [target(w, a) for e, a in zip(encodings, solved, strict=True) for w in e.windows]
        starts, ends = self.forward(encodings)
        wanted = torch.tensor(targets, device=starts.device)
        widths = torch.tensor([len(w.ids) for e in encodings for w in e.windows], device=starts.device)
        outside = torch.arange(starts.shape[1], device=starts.device) >= widths[:, None]
        smooth = ~outside / widths[:, None]
        right = functional.one_hot(wanted, starts.shape[1]).to(smooth.dtype)  # (windows, start and end, width)
        shares = right + self.smoothing * (smooth[:, None] - right)
        logits = torch.stack([starts, ends], 1).masked_fill(outside[:, None], torch.finfo(starts.dtype).min)
        return -(shares * logits.log_softmax(-1)).sum() / 2, float(len(targets))


def target(window: Window, answer: ExtractSpanAnswer) -> tuple[int, int]:
    """The row's positions of the first and the last token of the solved answer; the null position if it is not inside."""
    if not answer.spans or not len(window.spans):
        return window.null, window.null
    start, end = answer.spans[0].start, answer.spans[0].end
    if start < window.spans[0][0] or end > window.spans[-1][1]:
        return window.null, window.null
    inside = [i for i, (a, b) in enumerate(window.spans) if a < end and b > start]
    if not inside:
        return window.null, window.null
    return window.first + inside[0], window.first + inside[-1]


def best_spans(request: ExtractSpan, windows: Sequence[Window], starts: np.ndarray, ends: np.ndarray) -> ExtractSpanAnswer:
    """The likeliest spans over all windows, and how likely it is that there is none.

    starts, ends: logits, (windows, width)
    A span scores start + end; "no answer" scores the least of what the windows' null positions do; probabilities are the
    softmax over the ranked spans and, where the request may abstain, "no answer".
    """
    scored: dict[tuple[int, int], float] = {}
    for window, start, end in zip(windows, starts, ends, strict=True):
        for place, score in _window_places(request.context, window, start, end).items():
            scored[place] = max(score, scored.get(place, -np.inf))
    ranked = sorted(scored.items(), key=lambda item: (-item[1], item[0]))[:BEST]
    scores = [score for _, score in ranked]
    if request.may_abstain or not scores:
        scores.append(min(float(s[w.null] + e[w.null]) for w, s, e in zip(windows, starts, ends, strict=True)))
    exponents = np.exp(np.array(scores, np.float64) - max(scores))
    chances = (exponents / exponents.sum()).tolist()
    spans = tuple(Span(start=a, end=b, score=p) for ((a, b), _), p in zip(ranked, chances, strict=False))
    return ExtractSpanAnswer(spans=spans, no_answer=chances[-1] if request.may_abstain else 0.0)


def _window_places(context: str, window: Window, starts: np.ndarray, ends: np.ndarray) -> dict[tuple[int, int], float]:
    """The best places in the text with their scores, at least `BEST` where the window has so many."""
    found: dict[tuple[int, int], float] = {}
    if not len(window.spans):
        return found
    own = slice(window.first, window.first + len(window.spans))
    padded = np.concatenate([ends[own].astype(np.float64), np.full(ANSWER - 1, -np.inf)])
    # row i, column d: a span from token i to token i + d
    scores = starts[own].astype(np.float64)[:, None] + np.lib.stride_tricks.sliding_window_view(padded, ANSWER)
    flat = scores.ravel()
    for count in (2 * BEST, len(flat)):
        # the best alone are sorted, and all that equal the last of them, so that the first of equals come first
        least = np.partition(flat, -count)[-count] if len(flat) > count else -np.inf
        among = np.flatnonzero((flat >= least) & (flat > -np.inf))
        for k in among[np.argsort(-flat[among], kind="stable")][:count].tolist():
            first, last = k // ANSWER, k // ANSWER + k % ANSWER
            place = _trimmed(context, int(window.spans[first][0]), int(window.spans[last][1]))
            if place[0] < place[1]:
                found.setdefault(place, float(flat[k]))  # the best come first; tokens of space alone make no other place
        if len(found) >= BEST:
            break
    return found


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The same span without white space at its ends: some tokenizers count the space before a word to it."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
