"""What a loss wants: tokens hidden, spans lost."""

from collections.abc import Sequence

import numpy as np
import torch

from plmtasks.config import TrainSettings


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
