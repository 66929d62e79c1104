"""Models without weights: a configuration, random numbers from a seed, and a tokenizer learned from the texts at hand.

The tiny ones are of real architectures, and quick to learn.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from plmtasks.config import ModelSettings
from plmtasks.errors import ModelError, summary_of
from plmtasks.files import read_object
from plmtasks.model import LoadedModel, Provider, reading
from plmtasks.requests import Request

from ..checkpoints import (
    ANSWERS,
    CONFIG_FIELDS,
    DECODER,
    ENCODER,
    PREFIXED,
    SEQUENCE_TO_SEQUENCE,
    TOKENIZER,
    answers_of,
    family_of,
    folder_name,
    save_checkpoint,
    sha256,
)  # fmt: skip
from . import vocabulary
from .pretrained import LibraryModel, Pretrained

SENTINELS = 100
"""As T5 has them; a small vocabulary has fewer."""
TINY_SENTINELS, POSITIONS = 32, 256
"""More than the spans that are lost in so few tokens."""
RECOMMENDED = {"num_train_epochs": 10, "learning_rate": 5e-4, "train_batch_size": 32}


class FromScratch(LibraryModel):
    """A model without weights: `make` writes them."""

    from_scratch = True

    @property
    def answers(self) -> tuple[str, ...]:  # type: ignore[override]
        return ANSWERS[self.family]

    def make(self, texts: Iterable[str], seed: int, folder: Path) -> Pretrained:
        """Writes the bare model, so that no head is taken for trained.

        raises: ModelError if the library cannot make such a model
        """
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        try:
            config, tokenizer = self.parts(texts)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                module = transformers.AutoModel.from_config(config, trust_remote_code=False)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as e:
            raise ModelError(f"{self.name!r} cannot be made: {summary_of(e)}") from e
        save_checkpoint(module, tokenizer, folder)
        return self.saved(folder)

    @abstractmethod
    def parts(self, texts: Iterable[str]) -> tuple[Any, Any]:
        """Configuration and tokenizer of the transformers library that fit each other."""

    def saved(self, folder: Path) -> Pretrained:
        return Pretrained(name=self.name, source=str(folder), stated_family=self.family, recommended=self.recommended)

    def newly_initialized(self, example_request: Request) -> bool:
        return True

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        raise ModelError(f"{self.name!r} has no weights until it is made and trained", "plmtasks run --train auto does both")


@dataclass(frozen=True, kw_only=True)
class Scratch(FromScratch):
    """What a config.json describes. Tokenizer files beside it are used; without any, a tokenizer is learned from the texts."""

    name: str
    path: Path
    """Of the config.json."""
    recommended: Mapping[str, Any] = field(default_factory=lambda: dict(RECOMMENDED), hash=False)
    description: str = "a configuration without weights"

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """raises: DataError for what is no JSON, ModelError for what is no configuration"""
        config = read_object(self.path, CONFIG_FIELDS)
        if not config.get("model_type"):
            raise ModelError(f"{self.path} names no model_type", 'such as "model_type": "bert"')
        return config

    @cached_property
    def family(self) -> str:  # type: ignore[override]
        return family_of(self.config)

    @property
    def answers(self) -> tuple[str, ...]:  # type: ignore[override]
        return answers_of([self.config])

    @property
    def tokenizer_files(self) -> list[Path]:
        return sorted(f for f in self.path.parent.iterdir() if TOKENIZER.fullmatch(f.name))

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        hashes = {f.name: sha256(f) for f in self.tokenizer_files}
        return {"version": self.version, "from_scratch": dict(self.config), "tokenizer": hashes}

    def parts(self, texts: Iterable[str]) -> tuple[Any, Any]:
        import transformers

        with reading(self.name, self.path.parent):
            config = transformers.AutoConfig.for_model(**self.config)
            if self.tokenizer_files:
                tokenizer = transformers.AutoTokenizer.from_pretrained(str(self.path.parent), trust_remote_code=False)
                config.vocab_size = max(config.vocab_size, len(tokenizer))
                fit(config, tokenizer, self.config.get("decoder_start_token_id"))
                return config, tokenizer
        sentinels = min(SENTINELS, config.vocab_size // 20) if config.model_type in PREFIXED else 0
        tokenizer = vocabulary.learned(texts, self.family, config.vocab_size, sentinels)
        config.vocab_size = len(tokenizer)
        fit(config, tokenizer)
        return config, tokenizer


def fit(config: Any, tokenizer: Any, start: int | None = None) -> None:
    """Tells the configuration the special tokens of its tokenizer; what the tokenizer does not have stays as it is.

    start: the token from which a decoder behind an encoder starts; None: padding
    """
    for name in ("pad_token_id", "eos_token_id", "bos_token_id"):
        token = getattr(tokenizer, name)
        if token is not None:
            setattr(config, name, token)
    if config.is_encoder_decoder:
        config.decoder_start_token_id = tokenizer.pad_token_id if start is None else start
        if getattr(config, "forced_eos_token_id", None) is not None:
            config.forced_eos_token_id = tokenizer.eos_token_id


class Configurations(Provider):
    """`scratch:PATH`, a config.json of the transformers library or a folder that has one, with tokenizer files or without."""

    scheme, inert = "scratch", True

    def make(self, name: str) -> Scratch:
        path = Path(name.removeprefix(f"{self.scheme}:")).expanduser()
        path = path / "config.json" if path.is_dir() else path
        if not path.is_file():
            hint = "a model from scratch is described by a config.json of the transformers library"
            raise ModelError(f"there is no configuration {str(path)!r}", hint)
        called = folder_name(str(path.parent)) if path.stem == "config" else path.stem
        return Scratch(name=f"{self.scheme}:{called}", path=path)


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

        sentinels = TINY_SENTINELS if self.family == SEQUENCE_TO_SEQUENCE else 0
        tokenizer = vocabulary.learned(texts, self.family, self.vocabulary, sentinels, whole_words=True, limit=POSITIONS)
        config = transformers.AutoConfig.for_model(self.model_type, **self.shape)
        config.vocab_size = len(tokenizer)
        fit(config, tokenizer)
        return config, tokenizer


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
