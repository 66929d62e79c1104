"""Tag: a label for each word, from its first word piece, legal under BIO."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch.nn import functional

from plmtasks.requests import Answer, Request, Tag, TagAnswer

from ..fast import Fetched, sent
from .kinds import MARK
from .loaded import Answers, Encoding, Loaded, Window, in_groups


class Tagger(Loaded):
    """A linear head over the first piece of each word; the likeliest legal sequence of labels.

    Marked words have token type 1, or `MARK` on both sides where the model has one token type.
    """

    needs_offsets = True

    def encode(self, requests: Sequence[Tag]) -> list[Encoding]:
        shown = [self._shown(r) for r in requests]
        batch = self.tokenize(
            [words for words, _ in shown], is_split_into_words=True, truncation=True, max_length=self.limit,
            stride=self.limit // 4, return_overflowing_tokens=True,
        )  # fmt: skip
        rows: list[list[int]] = [[] for _ in requests]
        for row, i in enumerate(batch["overflow_to_sample_mapping"]):
            rows[i].append(row)
        return [self._encoding(r, batch, own, s) for r, own, (_, s) in zip(requests, rows, shown, strict=True)]

    def _shown(self, request: Tag) -> tuple[list[str], list[int]]:
        """The words that are tokenized, and where among them the request's words are."""
        marked = () if self.uses_types else request.marked
        words: list[str] = []
        places = []
        for i, word in enumerate(request.words):
            around = [MARK] * (i in marked)
            places.append(len(words) + len(around))
            words += [*around, word, *around]
        # byte-level tokenizers spell a word as in running text only after a space; others do not see it
        return [" " * (i > 0) + word for i, word in enumerate(words)], places

    def _encoding(self, request: Tag, batch: Any, rows: Sequence[int], shown: Sequence[int]) -> Encoding:
        policy = self.settings.truncation
        if len(rows) > 1 and policy == "error":
            length = sum(len(batch["input_ids"][r]) for r in rows)
            raise self.too_long(" ".join(request.words), length, self.limit)
        used = rows if policy in ("auto", "window") else rows[:1]
        back = {place: word for word, place in enumerate(shown)}
        marked = {shown[i] for i in request.marked}
        places = np.full((len(request.words), 2), -1, np.int64)
        margins = [-1] * len(request.words)
        windows = []
        for window, row in enumerate(used):
            owners = batch.word_ids(row)
            types = [int(o in marked) for o in owners]
            windows.append(Window.of(batch["input_ids"][row], types))
            # a further window may start within a word: that word's first piece is in the window before
            previous = next((o for o in owners if o is not None), None) if window else None
            for place, owner in enumerate(owners):
                margin = min(place, len(owners) - 1 - place)
                word = back.get(owner) if owner is not None and owner != previous else None
                if word is not None and margin > margins[word]:
                    margins[word], places[word] = margin, (window, place)
                previous = previous if owner is None else owner
        lost = int((places[:, 0] < 0).sum()) if len(rows) > len(used) else 0
        return Encoding(windows, lost, places)

    def forward(self, encodings: Sequence[Encoding]) -> torch.Tensor:
        """The logits of all requests' words, (words, labels of the checkpoint), float32; zeros where a word has no piece."""
        logits = self.module(**self.window_inputs(encodings)).logits
        windows = np.cumsum([0, *(len(e.windows) for e in encodings)])
        rows = np.concatenate([e.places[:, 0] + first for e, first in zip(encodings, windows, strict=False)])
        columns, there = (
            np.concatenate(x) for x in zip(*((e.places[:, 1], e.places[:, 0] >= 0) for e in encodings), strict=True)
        )
        at = sent(np.where(there, rows * logits.shape[1] + columns, 0), logits.device)
        return torch.where(sent(there[:, None], logits.device), logits.float().flatten(0, 1)[at], 0.0)

    def compute(self, requests: Sequence[Tag], encodings: Sequence[Encoding]) -> Answers:
        fetched = Fetched(self.forward(encodings))

        def answers() -> list[Answer]:
            logits = fetched()[0].split([len(r.words) for r in requests])
            return in_groups([*zip(requests, logits, strict=True)], (r.labels for r in requests), self._tagged)

        return answers

    def _tagged(self, group: Sequence[tuple[Tag, torch.Tensor]]) -> Iterator[Answer]:
        """group: requests that have the same labels, and the logits of their words"""
        labels, most = group[0][0].labels, max(len(logits) for _, logits in group)
        columns = self.columns(labels)
        chances = np.zeros((len(group), most, len(labels)), np.float32)
        for line, (_, logits) in zip(chances, group, strict=True):
            line[: len(logits)] = logits[:, columns].log_softmax(-1).numpy()
        for path, (request, _) in zip(best_labels(labels, chances), group, strict=True):
            yield TagAnswer(labels=tuple(labels[k] for k in path[: len(request.words)]))

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Cross-entropy summed over words by the weights of their labels; a word that has no piece or was cut does not count."""
        encodings = self.encodings(requests)
        logits = self.forward(encodings)
        solved = cast(Sequence[TagAnswer], answers)
        wanted = torch.tensor(
            [
                self.config.label2id[label] if window >= 0 else -100
                for e, a in zip(encodings, solved, strict=True)
                for label, (window, _) in zip(a.labels, e.places.tolist(), strict=True)
            ],
            device=logits.device,
        )
        columns = sorted(self.config.label2id, key=self.config.label2id.__getitem__)
        weights = torch.tensor(self.class_weights(columns), device=logits.device)
        loss = functional.cross_entropy(
            logits, wanted, weights, reduction="sum", ignore_index=-100, label_smoothing=self.smoothing
        )
        return loss, float(weights[wanted[wanted >= 0]].sum())


def best_labels(labels: Sequence[str], chances: np.ndarray) -> np.ndarray:
    """The likeliest sequences in which I-X follows B-X or I-X alone (Viterbi); without any B- all sequences are legal.

    chances: log-probabilities, (sequences, words, labels); a row of zeros behind the words changes nothing
    returns: label numbers, (sequences, words)
    """
    number = {label: i for i, label in enumerate(labels)}
    begins = any(label.startswith("B-") for label in labels)
    inside = np.array([begins and label.startswith("I-") for label in labels])
    own = np.arange(len(labels))
    start = np.array([number.get("B-" + label[2:], i) if inside[i] else i for i, label in enumerate(labels)])
    count, words, _ = chances.shape
    path = np.zeros((count, words), np.int64)
    if not words:
        return path
    scores = np.where(inside, -np.inf, chances[:, 0].astype(np.float64))
    before = np.zeros(chances.shape, np.int64)
    for t in range(1, words):
        continued = np.where(scores[:, start] >= scores, start, own)
        before[:, t] = np.where(inside, continued, scores.argmax(1)[:, None])
        scores = np.take_along_axis(scores, before[:, t], 1) + chances[:, t]
    path[:, -1] = scores.argmax(1)
    for t in range(words - 1, 0, -1):
        path[:, t - 1] = np.take_along_axis(before[:, t], path[:, t, None], 1)[:, 0]
    return path
