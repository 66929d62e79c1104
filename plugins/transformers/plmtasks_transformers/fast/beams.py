"""Several texts for each row, of which the best is kept."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from .decoding import Decoding, GrowingSteps
from .device import Fetched, sent
from .static_cache import closed_up, keep_lengths

BLOCK = 128
"""Numbers of a row that are looked at together for the greatest."""


class Search(NamedTuple):
    """How beams are searched; what the words mean is the library's."""

    beams: int
    length_penalty: float
    early_stopping: bool | str


class BeamDecoding(Decoding):
    """Beam search as the library's `_beam_search` has it, for the best text alone: a row that can find no better one leaves,
    and what beams share, which is the encoder's part, is not moved with them.

    The library is to be asked for one beam: each text is read once, and becomes several beams with its first token.
    """

    def __init__(self, search: Search, *asked: Any) -> None:
        super().__init__(*asked)
        self.search = search
        self.best: list[list[tuple[float, list[int]]]] = [[] for _ in self.ends]
        """For each text what has ended, with its score, the best first; at most as many as there are beams."""

    def __call__(
        self, module: Any, input_ids: torch.Tensor, logits_processor: Any, stopping_criteria: Any, generation_config: Any,
        **inputs: Any,
    ) -> list[list[int]]:  # fmt: skip
        beams, start, device = self.search.beams, input_ids.shape[1], input_ids.device
        ends = generation_config.eos_token_id
        wide = beams * max(2, 1 + (len(ends) if isinstance(ends, list) else 1))
        rows = list(range(len(input_ids)))
        logits = self._begin(module, input_ids, inputs)
        ids, running = input_ids[:, None], torch.zeros(len(rows), 1, device=device)
        steps: Any = GrowingSteps(module, inputs)
        while True:
            # ids: (texts, beams, tokens), running: (texts, beams); one beam at first
            likely, words = highest(logits_processor(ids.flatten(0, 1), log_softmax(logits.float())), wide)
            scores, at = (likely + running.view(-1, 1)).view(len(rows), -1).topk(wide)
            parents, tokens = at // wide, words.view(len(rows), -1).gather(1, at)
            grown = torch.cat([ids.gather(1, parents[..., None].expand(-1, -1, ids.shape[2])), tokens[..., None]], 2)
            over = stopping_criteria(grown.flatten(0, 1), None).view(len(rows), -1)
            # the one time in a step that the host waits for the device: what is small is looked at here
            over, near, made = Fetched(over, scores, grown[..., start:])()
            over = over | self._stopped(rows, made, over)
            best, taken = torch.where(over, near - 1e9, near).topk(beams)
            self._end(rows, made, near, over)
            length = grown.shape[2] - start
            going = [
                not all(done) and self._may_improve(row, likeliest, length)
                for row, done, likeliest in zip(rows, over.tolist(), best[:, 0].tolist(), strict=True)
            ]
            order = closed_up(going)
            rows = [rows[i] for i in order]
            if not rows:
                return [found[0][1] for found in self.best]
            which, chosen, running = (sent(x, device) for x in (np.array(order), taken.numpy(), best[order].numpy()))
            same, own = _moved(which, parents.gather(1, chosen), ids.shape[1])
            steps.keep(own, len(logits), same)
            keep_lengths(logits_processor, same)
            if self.fixed is not None and steps is not self.fixed:  # the texts have all their beams now
                steps = self.fixed
                steps.begin(inputs, logits[same])
            ids = grown[which].gather(1, chosen[which][..., None].expand(-1, -1, grown.shape[2]))
            logits = steps(ids.flatten(0, 1))

    def _stopped(self, rows: Sequence[int], grown: torch.Tensor, over: torch.Tensor) -> torch.Tensor:
        """Which candidates end with a stop text, (texts, candidates)."""
        found = torch.zeros_like(over)
        for i, row in enumerate(rows):
            if stop := self.ends[row].stop:
                found[i] = torch.tensor([self.stops(made, stop) for made in grown[i].tolist()], device=over.device)
        return found

    def _end(self, rows: Sequence[int], grown: torch.Tensor, scores: torch.Tensor, over: torch.Tensor) -> None:
        """Keeps the best of what has ended; of the candidates the first beams alone count.

        grown: what is made of each candidate, (texts, candidates, tokens); scores, over: (texts, candidates)
        """
        search, length = self.search, grown.shape[2]
        for i, j in over[:, : search.beams].nonzero().tolist():
            best = self.best[rows[i]]
            if search.early_stopping is True and len(best) == search.beams:
                continue
            best.append((float(scores[i, j]) / length**search.length_penalty, grown[i, j].tolist()))
            best.sort(key=lambda found: -found[0])
            del best[search.beams :]

    def _may_improve(self, row: int, running: float, length: int) -> bool:
        """Whether a text may yet become better than the worst of those that have ended.

        running: the summed log-likelihood of the best beam; length: its tokens
        """
        best, search = self.best[row], self.search
        if len(best) < search.beams:
            return True
        if search.early_stopping is True:
            return False
        longest = search.early_stopping == "never" and search.length_penalty > 0
        return running / (self.ends[row].new if longest else length) ** search.length_penalty > best[-1][0]


def _moved(texts: torch.Tensor, parents: torch.Tensor, before: int) -> tuple[torch.Tensor, torch.Tensor]:
    """For each row that there is next a row of the same text, and the one that its beam goes on from.

    texts: that stay, in their new order, (texts that stay,)
    parents: of the next beams of each text that there was, (texts, beams); before: beams that it had
    """
    beams = torch.arange(parents.shape[1], device=texts.device) % before
    return (texts[:, None] * before + beams).flatten(), (texts[:, None] * before + parents[texts]).flatten()


def log_softmax(table: torch.Tensor) -> torch.Tensor:
    """Of each row, in place, a few rows at a time: a CPU's cache holds them."""
    for piece in table.split(16):
        piece -= piece.logsumexp(-1, keepdim=True)
    return table


def highest(table: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The greatest numbers of each row and their places, (rows, count): what `topk` finds, which takes much longer on a CPU.

    They stand in those blocks of a row whose greatest numbers are the greatest, and the rest that fills no block.
    """
    blocks = table.shape[1] // BLOCK
    if blocks <= count:
        few = table.topk(count)
        return few.values, few.indices
    whole, rest = table[:, : blocks * BLOCK].unflatten(1, (blocks, BLOCK)), table[:, blocks * BLOCK :]
    best = whole.amax(-1).topk(count).indices
    places = (best[..., None] * BLOCK + torch.arange(BLOCK, device=table.device)).flatten(1)
    places = torch.cat([places, torch.arange(blocks * BLOCK, table.shape[1], device=table.device).expand_as(rest)], 1)
    found = torch.cat([whole.gather(1, best[..., None].expand(-1, -1, BLOCK)).flatten(1), rest], 1).topk(count)
    return found.values, places.gather(1, found.indices)
