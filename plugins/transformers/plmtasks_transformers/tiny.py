"""Small models of real architectures, made from a seed: no download, quick to learn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from plmtasks.errors import ModelError
from plmtasks.model import LoadedModel, Model
from plmtasks.requests import Request

from .architectures import ANSWERS, DECODER, ENCODER, SEQUENCE_TO_SEQUENCE
from .checkpoint import Checkpoint
from .loaded import save_checkpoint

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from plmtasks.config import ModelSettings

HAN = "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"


@dataclass(frozen=True, kw_only=True)
class Tiny(Model):
    """A model without weights: `make` writes them, with a tokenizer learned from the task's own texts."""

    from_scratch: ClassVar[bool] = True  # type: ignore[misc]

    name: str
    family: str
    base_class: str
    """The library's class of the bare model: its folder has no head, so that none is taken for trained."""
    config_class: str
    shape: Mapping[str, Any] = field(hash=False)
    recommended: Mapping[str, Any] = field(hash=False)
    vocabulary: int = 4000
    """Words or merges to learn at most."""
    description: str = ""

    @property
    def answers(self) -> tuple[str, ...]:  # type: ignore[override]
        return ANSWERS[self.family]

    def make(self, texts: Iterable[str], seed: int, folder: Path) -> Checkpoint:
        import torch
        import transformers

        tokenizer = _wrap(self._learn_tokenizer(texts), self.family)
        shape = {**self.shape, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        if self.family != ENCODER:
            shape |= {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id}
        if self.family == SEQUENCE_TO_SEQUENCE:
            shape["decoder_start_token_id"] = tokenizer.pad_token_id
        config = getattr(transformers, self.config_class)(**shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = getattr(transformers, self.base_class)(config)
        transformers.logging.disable_progress_bar()
        save_checkpoint(module, tokenizer, folder)
        return self.saved(folder)

    def saved(self, folder: Path) -> Checkpoint:
        return Checkpoint(name=self.name, source=str(folder), stated_family=self.family, recommended=self.recommended)

    def identity(self, form: Request, settings: "ModelSettings") -> dict[str, Any]:
        return {"version": self.version, "from_scratch": self.name, "shape": dict(self.shape), "vocabulary": self.vocabulary}

    def fresh(self, form: Request) -> bool:
        return True

    def load(self, form: Request, settings: "ModelSettings", device: str) -> LoadedModel:
        raise ModelError(f"{self.name!r} has no weights until it is made and trained", "plmtasks run --train auto does both")

    def _learn_tokenizer(self, texts: Iterable[str]) -> "Tokenizer":
        return (
            _learn_word_pieces(texts, self.vocabulary)
            if self.family == ENCODER
            else _learn_bytes(texts, self.vocabulary, self.family)
        )


def _learn_word_pieces(texts: Iterable[str], size: int) -> "Tokenizer":
    """Lower-cased words by frequency, each Han character a word, and all characters to spell the others with.

    The library's own trainer gives other ids in every process.
    """
    from collections import Counter

    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    characters = sorted({character for word in words for character in word})
    frequent = sorted((w for w, n in words.items() if n > 1), key=lambda w: (-words[w], w))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *("##" + c for c in characters), *frequent[:size]]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, splitter, decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    return tokenizer


def _learn_bytes(texts: Iterable[str], size: int, family: str) -> "Tokenizer":
    """Byte-pair encoding over UTF-8 bytes, so that every text comes back as it was; no merge goes beyond a Han character."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    special = ["<pad>", "</s>", "<s>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(HAN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=sorted(alphabet), show_progress=False)
    # a word is spelt alike at the start and within a text: an answer comes after a prompt, or is all that is written
    tokenizer.train_from_iterator((start + text for text in texts for start in ("", " ")), trainer)
    if family == SEQUENCE_TO_SEQUENCE:
        end = ("</s>", tokenizer.token_to_id("</s>"))
        tokenizer.normalizer = normalizers.Prepend(" ")
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[end])
    return tokenizer


def _wrap(tokenizer: "Tokenizer", family: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    if family == ENCODER:
        names = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
        inputs = ["input_ids", "token_type_ids", "attention_mask"]
    else:
        names = {"eos_token": "</s>", "bos_token": "<s>", "pad_token": "<pad>"}
        inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, model_max_length=POSITIONS, **names)


POSITIONS = 256

TINY = (
    Tiny(
        name="tiny-bert", family=ENCODER, base_class="BertModel", config_class="BertConfig",
        shape={
            "hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 192,
            "max_position_embeddings": POSITIONS, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
        },
        recommended={"epochs": 5, "learning_rate": 2e-3, "batch_size": 16, "weight_decay": 0.01},
        description="BERT, 2 layers of 96, made on the spot",
    ),
    Tiny(
        name="tiny-gpt", family=DECODER, base_class="GPT2Model", config_class="GPT2Config",
        shape={
            "n_embd": 96, "n_layer": 2, "n_head": 4, "n_inner": 192, "n_positions": POSITIONS,
            "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "initializer_range": 0.05,
        },
        recommended={"epochs": 10, "learning_rate": 3e-3, "batch_size": 16, "weight_decay": 0.01},
        description="GPT-2, 2 layers of 96, made on the spot",
    ),
    Tiny(
        name="tiny-t5", family=SEQUENCE_TO_SEQUENCE, base_class="T5Model", config_class="T5Config",
        shape={
            "d_model": 96, "d_kv": 24, "d_ff": 192, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0,
            "n_positions": POSITIONS,
        },
        recommended={"epochs": 10, "learning_rate": 2e-3, "batch_size": 16, "weight_decay": 0.01},
        description="T5, 2 + 2 layers of 96, made on the spot",
    ),
)  # fmt: skip
