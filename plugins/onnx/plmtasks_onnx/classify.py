"""Classify: a graph's logits as probabilities."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from plmtasks.batching import Cost
from plmtasks.errors import InputError, ModelError
from plmtasks.model import LoadedModel
from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request

if TYPE_CHECKING:
    import numpy as np

    from plmtasks.config import ModelSettings

    from .checkpoint import Exported

FROM_PADDING = ("roberta", "xlm-roberta", "camembert", "xmod", "data2vec-text", "longformer", "mpnet")
"""Types whose positions are counted from behind the padding's."""
TOGETHER = 128
"""Requests that are tokenized in one call."""


class Encoding(NamedTuple):
    ids: "np.ndarray"
    types: "np.ndarray"
    cut: int


class Classifier(LoadedModel):
    """Softmax over the labels, or a sigmoid for each where several may hold; long texts are cut as the policy says."""

    def __init__(self, checkpoint: "Exported", session: Any, settings: "ModelSettings") -> None:
        import transformers

        self.checkpoint, self.session, self.settings = checkpoint, session, settings
        try:
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(checkpoint.folder, trust_remote_code=False)
        except (OSError, ValueError, KeyError, TypeError, ImportError) as e:
            raise ModelError(f"the tokenizer of {checkpoint.name!r} cannot be loaded: {str(e).strip().splitlines()[0]}") from e
        self.limit = limit_of(checkpoint.config, self.tokenizer)
        self.inputs = [i.name for i in session.get_inputs()]
        self.pad = next((i for i in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id) if i is not None), 0)
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


def limit_of(config: Mapping[str, Any], tokenizer: Any) -> int:
    """The most tokens, special ones included, of one text. Relative positions have no limit: then the tokenizer's, or 512."""
    positions = config.get("max_position_embeddings") or 0
    if config.get("model_type") in FROM_PADDING:
        positions -= config.get("pad_token_id", 1) + 1
    return min((n for n in (positions, tokenizer.model_max_length) if n and 0 < n < 10**9), default=512)
