"""Small models of real architectures, made from a seed: no download, quick to learn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from plmtasks.config import ModelSettings
from plmtasks.requests import Request

from ..checkpoints import DECODER, ENCODER, SEQUENCE_TO_SEQUENCE
from . import vocabulary
from .scratch import FromScratch, fit

SENTINELS = 32
"""More than the spans that are lost in so few tokens."""


@dataclass(frozen=True, kw_only=True)
class Tiny(FromScratch):
    """A small model whose tokenizer knows just the texts at hand."""

    name: str
    family: str
    model_type: str
    shape: Mapping[str, Any] = field(hash=False)
    recommended: Mapping[str, Any] = field(hash=False)
    vocabulary: int = 4000
    """Words or tokens to learn at most."""
    description: str = ""

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"version": self.version, "from_scratch": self.name, "shape": dict(self.shape), "vocabulary": self.vocabulary}

    def parts(self, texts: Iterable[str]) -> tuple[Any, Any]:
        import transformers

        if self.family == ENCODER:
            made = vocabulary.whole_words(texts, self.vocabulary)
        else:
            reads = self.family == SEQUENCE_TO_SEQUENCE
            made = vocabulary.byte_pairs(texts, self.vocabulary, ends=reads, sentinels=SENTINELS * reads)
        tokenizer = vocabulary.wrapped(made, self.family, POSITIONS)
        config = transformers.AutoConfig.for_model(self.model_type, **self.shape)
        config.vocab_size = len(tokenizer)
        fit(config, tokenizer)
        return config, tokenizer


POSITIONS = 256

TINY = (
    Tiny(
        name="tiny-bert", family=ENCODER, model_type="bert",
        shape={
            "hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 192,
            "max_position_embeddings": POSITIONS, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
        },
        recommended={"num_train_epochs": 5, "learning_rate": 2e-3, "train_batch_size": 16, "weight_decay": 0.01},
        description="BERT, 2 layers of 96, made on the spot",
    ),
    Tiny(
        name="tiny-gpt", family=DECODER, model_type="gpt2",
        shape={
            "n_embd": 96, "n_layer": 2, "n_head": 4, "n_inner": 192, "n_positions": POSITIONS,
            "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "initializer_range": 0.05,
        },
        recommended={"num_train_epochs": 10, "learning_rate": 3e-3, "train_batch_size": 16, "weight_decay": 0.01},
        description="GPT-2, 2 layers of 96, made on the spot",
    ),
    Tiny(
        name="tiny-t5", family=SEQUENCE_TO_SEQUENCE, model_type="t5",
        shape={
            "d_model": 96, "d_kv": 24, "d_ff": 192, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0,
            "n_positions": POSITIONS,
        },
        recommended={"num_train_epochs": 10, "learning_rate": 2e-3, "train_batch_size": 16, "weight_decay": 0.01},
        description="T5, 2 + 2 layers of 96, made on the spot",
    ),
)  # fmt: skip
