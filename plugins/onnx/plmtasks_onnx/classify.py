"""Classify: a graph's logits as probabilities."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from plmtasks.errors import InputError
from plmtasks.model import Cost, LoadedModel, reading
from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request

from .files import Checkpoint

if TYPE_CHECKING:
    import numpy as np

    from plmtasks.config import ModelSettings

UNLIMITED = 10**9
"""More tokens than any text has."""
TOGETHER = 128
"""Requests that are tokenized in one call."""


class Encoding(NamedTuple):
    ids: "np.ndarray"
    types: "np.ndarray"
    cut: int


class Classifier(LoadedModel):
    """Softmax over the labels, or a sigmoid for each where several may hold; long texts are cut as the policy says."""

    def __init__(self, checkpoint: Checkpoint, session: Any, settings: "ModelSettings", places: int | None) -> None:
        """places: the tokens that the model has embeddings of places for"""
        import transformers

        self.checkpoint, self.session, self.settings = checkpoint, session, settings
        with reading(checkpoint.name, checkpoint.folder):
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(checkpoint.folder, trust_remote_code=False)
            self.tokenizer("a text")  # a damaged one fails here, and not at some example
        self.limit, whose = limit_of(checkpoint.config, self.tokenizer, places)
        self.limited = f"{self.limit} tokens, {whose}" if self.limit < UNLIMITED else whose
        self.inputs = [i.name for i in session.get_inputs()]
        # the configuration's first: the graph may look for it among the tokens
        known = checkpoint.config.get("pad_token_id"), self.tokenizer.pad_token_id, self.tokenizer.eos_token_id
        self.pad = next((i for i in known if i is not None), 0)
        self.columns = {label: i for i, label in enumerate(checkpoint.labels)}
        self._encodings: dict[Request, Encoding] = {}

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [Cost(width=len(e.ids), cut=e.cut) for e in self.encodings(requests)]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        import numpy as np
        from scipy.special import expit, softmax

        encodings = self.encodings(requests)
        for request in requests:
            self._encodings.pop(request, None)  # each is answered once
        shape = len(encodings), max(len(e.ids) for e in encodings)
        ids, mask, types = np.full(shape, self.pad, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for i, encoding in enumerate(encodings):
            own = slice(len(encoding.ids))
            ids[i, own], mask[i, own], types[i, own] = encoding.ids, 1, encoding.types
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        [logits] = self.session.run(["logits"], {name: given[name] for name in self.inputs})
        answers: list[Answer] = []
        for request, row in zip(cast(Sequence[Classify], requests), logits, strict=True):
            asked = row[[self.columns[label] for label in request.labels]]
            scores = expit(asked) if request.multi_label else softmax(asked)
            answers.append(ClassifyAnswer(scores=tuple(scores.tolist())))
        return answers

    def encodings(self, requests: Sequence[Request]) -> list[Encoding]:
        """Those of new requests are made together."""
        new = cast("list[Classify]", list(dict.fromkeys(r for r in requests if r not in self._encodings)))
        for paired in (False, True):
            some = [r for r in new if (r.text_pair is not None) == paired]
            for start in range(0, len(some), TOGETHER):
                together = some[start : start + TOGETHER]
                self._encodings.update(zip(together, self._encode(together, paired), strict=True))
        return [self._encodings[r] for r in requests]

    def _encode(self, requests: Sequence[Classify], paired: bool) -> list[Encoding]:
        import numpy as np

        def tokenize(requests: Sequence[Classify], **options: Any) -> list[tuple[list[int], list[int]]]:
            texts = [[r.text for r in requests]] + ([[r.text_pair for r in requests]] if paired else [])
            batch: Mapping[str, Any] = self.tokenizer(*texts, return_attention_mask=False, return_token_type_ids=True, **options)
            return list(zip(batch["input_ids"], batch["token_type_ids"], strict=True))

        whole = tokenize(requests, truncation=False)
        lengths = [len(ids) for ids, _ in whole]
        long = [i for i, length in enumerate(lengths) if length > self.limit]
        if long and self.settings.truncation == "error":
            raise InputError(
                f"a text has {lengths[long[0]]} tokens, {self.checkpoint.name!r} takes {self.limit}: "
                f"{requests[long[0]].text[:80]!r} …",
                f"the limit: {self.limited}",
                "--truncation auto, left, right or skip says what is to happen to it",
            )
        self.tokenizer.truncation_side = "left" if self.settings.truncation == "left" else "right"
        if long:
            kept = tokenize([requests[i] for i in long], truncation="longest_first", max_length=self.limit)
            for i, row in zip(long, kept, strict=True):
                whole[i] = row
        return [
            Encoding(np.array(ids, np.int32), np.array(types, np.int32), length - len(ids))
            for (ids, types), length in zip(whole, lengths, strict=True)
        ]


def limit_of(config: Mapping[str, Any], tokenizer: Any, places: int | None) -> tuple[int, str]:
    """The most tokens, special ones included, of one text, and whose limit that is.

    places: the tokens that the model has embeddings of places for
    """
    found = [
        (places, "as many places as the model has embeddings for"),
        (config.get("max_position_embeddings"), "max_position_embeddings of its configuration"),
        (tokenizer.model_max_length, "model_max_length of its tokenizer"),
    ]
    real = [(int(n), whose) for n, whose in found if n and 0 < n < UNLIMITED]
    return min(real, key=lambda limit: limit[0], default=(UNLIMITED, "neither the model nor its tokenizer has a limit"))
