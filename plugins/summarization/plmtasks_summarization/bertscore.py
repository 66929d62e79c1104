"""BERTScore with a model of the user's choice: how alike the words of two summaries are to a language model."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.data import warn_flaws
from plmtasks.errors import InputError, ModelError, summary_of
from plmtasks.examples import Example, Prediction
from plmtasks.files import file_hash
from plmtasks.metric import Means, ScoreInfo, Value
from plmtasks.model import Provider, hub_snapshot

from .metrics import texts, warn_markup

if TYPE_CHECKING:
    import torch

FILES = ("model*.safetensors", "*.json", "*.txt", "*.model")
LAYERS: Mapping[str, int] = {
    "roberta-large": 17, "FacebookAI/roberta-large": 17, "bert-base-uncased": 9, "google-bert/bert-base-uncased": 9,
    "bert-base-chinese": 8, "google-bert/bert-base-chinese": 8, "bert-base-multilingual-cased": 9,
    "google-bert/bert-base-multilingual-cased": 9, "microsoft/deberta-xlarge-mnli": 40,
}  # fmt: skip
"""The layers that the package bert-score takes; of other models the one at three quarters of the height."""

MATCHED = ("f1", "precision", "recall")

EXAMPLES_AT_ONCE = 32

UNLIMITED = 10**6
"""Tokens; no text has as many."""


class BertScores(Provider):
    """`bertscore:PATH`, with a folder or a name on the hub, and `bertscore:PATH#LAYER`."""

    scheme, inert = "bertscore", True

    def make(self, name: str) -> "BertScore":
        path, _, layer = name.partition("#")
        if not path or (layer and not (layer.isdecimal() and int(layer))):
            raise InputError(f"bertscore:{name} names no model", "bertscore:PATH or bertscore:PATH#LAYER, the lowest layer is 1")
        return BertScore(name=f"bertscore:{name}", path=path, layer=int(layer) if layer else None)


@dataclass(frozen=True, kw_only=True)
class BertScore(Means):
    """Mean F, precision and recall of greedy matching between the tokens' vectors; the better of several references.

    As bert-score computes it without idf weights and without rescaling, but the order of the examples and the hash seed do
    not change the batches. An empty summary gets 0.

    source: Zhang et al. (2020), arXiv 1904.09675
    """

    version = 2
    name: str
    path: str
    layer: int | None = None
    description: str = "BERTScore of a given model"

    def means(self) -> Mapping[str, ScoreInfo]:
        return {f"bertscore_{name}": ScoreInfo(minimum=-100.0, mean_of=f"bertscore_{name}") for name in MATCHED}

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        encoder = _encoder(self.path, self.layer)
        warn_markup(predictions, examples)
        found = (texts(p, e) for p, e in zip(predictions, examples, strict=True))
        pairs = [(summary.strip(), *(r.strip() for r in references)) for summary, references in found]
        order = sorted(range(len(pairs)), key=lambda i: (max(map(len, pairs[i])), pairs[i]))
        rows: list[Mapping[str, Value]] = [{}] * len(pairs)
        cut = 0
        for start in range(0, len(order), EXAMPLES_AT_ONCE):
            chunk = order[start : start + EXAMPLES_AT_ONCE]
            vectors = encoder.vectors(sorted({text for i in chunk for text in pairs[i]}, key=lambda t: (len(t), t)))
            cut += sum(v.cut for v in vectors.values())
            for i in chunk:
                summary, *references = (vectors[text] for text in pairs[i])
                both = [summary.match(r) for r in references]
                rows[i] = {f"bertscore_{name}": max(found[name] for found in both) for name in MATCHED}
        what = "longer than the model takes, and"
        warn_flaws(self.name, cut, f"texts are {what} their ends do not count", f"text is {what} its end does not count")
        return rows

    def signature(self) -> str:
        from importlib.metadata import version

        model = _checkpoint(self.path, self.layer)
        weights = f"{Path(self.path).name}@{model.hash}"
        return f"bertscore|model:{weights}|layer:{model.layer}|idf:no|rescaled:no|transformers {version('transformers')}"


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """The tokens of a text as unit vectors."""

    all: "torch.Tensor"
    """(tokens, width); what is matched with may be a special token"""
    own: "torch.Tensor"
    """(tokens,) of bool: no special token; only these are matched and averaged over"""
    cut: bool

    def match(self, reference: "Vectors") -> dict[str, float]:
        """Each token counts as much as the likest token of the other text is alike."""
        if not (self.own.any() and reference.own.any()):
            return dict.fromkeys(MATCHED, 0.0)
        alike = self.all @ reference.all.T
        precision = float(alike.max(dim=1).values[self.own].mean())
        recall = float(alike.max(dim=0).values[reference.own].mean())
        both = precision + recall
        return {"f1": 2 * precision * recall / both if both else 0.0, "precision": precision, "recall": recall}


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A model in memory, up to one layer."""

    module: Any
    tokenizer: Any
    layer: int
    limit: int
    """Tokens that it takes."""

    def vectors(self, texts: Sequence[str]) -> dict[str, Vectors]:
        import torch

        # as bert-score: such tokenizers know a word by the space before it
        spaced = [f" {t}" if t and self.module.config.model_type in ("roberta", "gpt2") else t for t in texts]
        lengths = [len(row) for row in self.tokenizer(spaced)["input_ids"]]
        batch = self.tokenizer(spaced, padding=True, truncation=True, max_length=self.limit, return_tensors="pt")
        ids, mask = batch["input_ids"].to(self.module.device), batch["attention_mask"].to(self.module.device)
        with torch.inference_mode():
            states = self.module(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[self.layer]
            states = torch.nn.functional.normalize(states.float(), dim=-1).cpu()
        special = torch.tensor([t for t in (self.tokenizer.cls_token_id, self.tokenizer.sep_token_id) if t is not None])
        return {
            text: Vectors(all=rows[there], own=~torch.isin(own[there], special), cut=n > self.limit)
            for text, rows, own, there, n in zip(texts, states, ids.cpu(), mask.cpu().bool(), lengths, strict=True)
        }


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model on disk."""

    folder: Path
    layer: int
    hash: str
    """Of the weights; 16 hexadecimal digits."""


@cache
def _checkpoint(path: str, layer: int | None) -> Checkpoint:
    """Loads no weights.

    raises: ModelError if there is no such model; InputError if it has no such layer
    """
    from transformers import AutoConfig

    folder = Path(path) if Path(path).is_dir() else hub_snapshot(path, FILES)
    try:
        layers = AutoConfig.from_pretrained(folder, trust_remote_code=False).get_text_config().num_hidden_layers
    except Exception as e:  # tokenizers raises Exception itself, and a value of another type whatever its code comes to
        said = f"{type(e).__name__}: {summary_of(e)}"
        raise ModelError(f"bertscore: {path!r} is no model that can be loaded", said) from e
    chosen = layer or LAYERS.get(path) or max(1, round(0.75 * layers))
    if chosen > layers:
        raise InputError(f"bertscore: {path!r} has {layers} layers, not {chosen}")
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(bytes.fromhex(file_hash(file)))
    return Checkpoint(folder=folder, layer=chosen, hash=digest.hexdigest()[:16])


@cache
def _encoder(path: str, layer: int | None) -> Encoder:
    """raises: ModelError if the model cannot be loaded; as `_checkpoint`"""
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    checkpoint = _checkpoint(path, layer)
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder, trust_remote_code=False)
        module = AutoModel.from_pretrained(checkpoint.folder, use_safetensors=True, trust_remote_code=False).eval()
    except Exception as e:  # tokenizers raises Exception itself, and a value of another type whatever its code comes to
        said = f"{type(e).__name__}: {summary_of(e)}"
        raise ModelError(f"bertscore: {path!r} is no model that can be loaded", said) from e
    if module.config.is_encoder_decoder:
        module = module.get_encoder()
    stated = getattr(module.config.get_text_config(), "max_position_embeddings", None)
    # relative positions have no limit, and their tokenizers an astronomical one
    limit = min(tokenizer.model_max_length, stated or UNLIMITED, _places(module), UNLIMITED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Encoder(module=module.to(device), tokenizer=tokenizer, layer=checkpoint.layer, limit=limit)


def _places(module: Any) -> int:
    """The most tokens that the model has embeddings of places for, whatever it calls them and from where it counts.

    It is shown a text: the table of which it looks up one row after another, a token each, is that of places.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    shown, found = 6, [UNLIMITED]
    ids = torch.full((1, shown), 1 if module.config.get_text_config().pad_token_id == 0 else 0)

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.nn.functional.embedding and args[0].dim():
                rows, weight = args[0].reshape(-1, args[0].shape[-1]), args[1]
                first = int(rows[0, 0])
                run = int((rows[0] == torch.arange(first, first + rows.shape[1])).long().cumprod(0).sum())
                if run >= shown and bool((rows == rows[0]).all()):
                    step = 1 if run == shown else run  # some pad a text to a multiple, with places for the padding
                    found.append((weight.shape[0] - first) // step * step)
            return func(*args, **(kwargs or {}))

    with torch.inference_mode(), Watch():
        module(input_ids=ids, attention_mask=torch.ones_like(ids))
    return min(found)
