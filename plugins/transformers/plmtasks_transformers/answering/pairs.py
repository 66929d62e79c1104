"""Choose by an encoder: one scorer reads each choice with the text."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch.nn import functional

from plmtasks.errors import InputError
from plmtasks.requests import Answer, Choose, ChooseAnswer, Likelihood, Request

from ..fast import Fetched
from .loaded import Answers, Encoding, Loaded, Window


class PairScorer(Loaded):
    """Softmax over the scores of a request's choices, each read behind the text by the same encoder and the same head.

    source: Zellers et al. (2018), arXiv 1808.05326, and Devlin et al. (2019), arXiv 1810.04805, section 4.4
    """

    def encode(self, requests: Sequence[Choose]) -> list[Encoding]:
        for request in requests:
            self._check(request)
        firsts, seconds = (list(side) for side in zip(*(pair for r in requests for pair in r.pairs()), strict=True))
        whole = self.tokenize(firsts, seconds, return_token_type_ids=True)
        lengths = [len(ids) for ids in whole["input_ids"]]
        if long := [i for i, length in enumerate(lengths) if length > self.limit]:
            kept = self._shortened([firsts[i] for i in long], [seconds[i] for i in long], lengths[long[0]])
            for name in ("input_ids", "token_type_ids"):
                for i, row in zip(long, kept[name], strict=True):
                    whole[name][i] = row
        rows = zip(whole["input_ids"], whole["token_type_ids"], strict=True)
        windows = iter([Window.of(ids, types) for ids, types in rows])
        left = iter(lengths)
        return [self._encoding([(next(windows), next(left)) for _ in r.choices]) for r in requests]

    def _check(self, request: Choose) -> None:
        """raises: InputError for what no scorer of pairs can be asked"""
        name = self.parts.name
        if len(request.choices) < 2:
            raise InputError(
                f"{name!r} scores choices against one another, and is asked about one alone: {request.text[:80]!r} …",
                "a decoder tells how likely a text is: see plmtasks list models",
            )
        if request.shots or request.turns:
            has = "shots" if request.shots else "turns of a chat"
            raise InputError(f"{name!r} reads a text with each choice, and has no place for {has}", "leave them out")
        if request.pair_choices and len(request.pair_choices) != len(request.choices):
            raise InputError(f"{len(request.choices)} choices have {len(request.pair_choices)} texts for a scorer of pairs")

    def _shortened(self, firsts: Sequence[str], seconds: Sequence[str], length: int) -> Any:
        """Pairs over the limit, of which the first text loses its end or, under the policy `left`, its beginning: never a choice.

        length: of the first pair

        raises: InputError under the policy `error`, and for a choice that is over the limit by itself
        """
        if self.settings.truncation == "error":
            raise self.too_long(firsts[0], length, self.limit)
        room = self.limit - self.tokenizer.num_special_tokens_to_add(pair=True)
        for second, ids in zip(seconds, self.tokenize(seconds, add_special_tokens=False)["input_ids"], strict=True):
            if len(ids) >= room:  # the tokenizer leaves at least one token of what it cuts
                takes = f"{self.parts.name!r} takes {self.limited}"
                raise InputError(f"a choice has {len(ids)} tokens, {takes}: {second[:80]!r} …")
        return self.tokenize(firsts, seconds, truncation="only_first", max_length=self.limit, return_token_type_ids=True)

    @staticmethod
    def _encoding(pairs: Sequence[tuple[Window, int]]) -> Encoding:
        """The pairs in an order of their own, so that nothing depends on the order of the choices; those that are alike once.

        pairs: with the number of tokens that each had before it was cut
        """
        named = [(w.ids.tobytes(), w.types.tobytes()) for w, _ in pairs]
        order = {name: place for place, name in enumerate(sorted(set(named)))}
        by_name = dict(zip(named, (w for w, _ in pairs), strict=True))
        cut = max(length - len(w.ids) for w, length in pairs)
        return Encoding([by_name[name] for name in order], cut, [order[name] for name in named])

    def forward(self, encodings: Sequence[Encoding]) -> torch.Tensor:
        """returns: one score a pair, (pairs of all requests), float32"""
        inputs = self.window_inputs(encodings)
        # the library takes as many choices for each question: each pair is a question with one
        apart = {name: value if name == "layout" else value[:, None] for name, value in inputs.items()}
        with self.first_alone(inputs):
            scores: torch.Tensor = self.module(**apart).logits
        return scores[:, 0].float()

    @staticmethod
    def _of_choices(encodings: Sequence[Encoding], scores: torch.Tensor) -> list[torch.Tensor]:
        """The scores of each request's choices, in their order. scores: of all pairs"""
        each = scores.split([len(e.windows) for e in encodings])
        return [own[torch.tensor(e.places, device=own.device)] for e, own in zip(encodings, each, strict=True)]

    def compute(self, requests: Sequence[Choose], encodings: Sequence[Encoding]) -> Answers:
        fetched = Fetched(self.forward(encodings))

        def answers() -> list[Answer]:
            scored = self._of_choices(encodings, fetched()[0])
            # added up from the least, so that the order of the choices changes no bit
            found = ((scores - scores.sort().values.logsumexp(-1)).tolist() for scores in scored)
            return [self._answer(r, e, values) for r, e, values in zip(requests, encodings, found, strict=True)]

        return answers

    @staticmethod
    def _answer(request: Choose, encoding: Encoding, values: Sequence[float]) -> ChooseAnswer:
        read = [len(encoding.windows[place].ids) for place in encoding.places]
        likelihoods = (
            Likelihood(log_likelihood=value, tokens=tokens, bytes=len(choice.encode("utf-8", "surrogatepass")))
            for value, tokens, choice in zip(values, read, request.choices, strict=True)
        )
        return ChooseAnswer(choices=tuple(likelihoods), scored=True)

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Cross-entropy over the choices, summed over requests; of several right ones each counts for its share."""
        losses = []
        encodings = self.encodings(requests)
        scored = self._of_choices(encodings, self.forward(encodings))
        for scores, answer in zip(scored, cast(Sequence[ChooseAnswer], answers), strict=True):
            wanted = torch.tensor([c.log_likelihood for c in answer.choices], device=scores.device).softmax(-1)
            losses.append(functional.cross_entropy(scores, wanted, label_smoothing=self.smoothing))
        return torch.stack(losses).sum(), float(len(requests))
