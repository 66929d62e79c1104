"""Checkpoints by name: short names of well-known ones, any of the hub, and any folder."""

from pathlib import Path

from plmtasks.errors import ModelError, UnknownNameError
from plmtasks.model import Provider

from ..checkpoints import DECODER, ENCODER, SEQUENCE_TO_SEQUENCE, folder_name
from .pretrained import Pretrained
from .scratch import TINY

ENCODERS = {
    "bert-base": "google-bert/bert-base-uncased",
    "bert-base-cased": "google-bert/bert-base-cased",
    "bert-base-chinese": "google-bert/bert-base-chinese",
    "bert-base-multilingual": "google-bert/bert-base-multilingual-cased",
    "bert-large": "google-bert/bert-large-uncased",
    "roberta-base": "FacebookAI/roberta-base",
    "roberta-large": "FacebookAI/roberta-large",
    "distilbert-base": "distilbert/distilbert-base-uncased",
    "electra-base": "google/electra-base-discriminator",
    "deberta-base": "microsoft/deberta-v3-base",
    "albert-base": "albert/albert-base-v2",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "modernbert-base": "answerdotai/ModernBERT-base",
    "minilm": "sentence-transformers/all-MiniLM-L6-v2",
}

DECODERS = {
    "distilgpt2": "distilbert/distilgpt2",
    "gpt2": "openai-community/gpt2",
    "gpt2-medium": "openai-community/gpt2-medium",
    "gpt2-large": "openai-community/gpt2-large",
    "pythia-70m": "EleutherAI/pythia-70m",
    "pythia-160m": "EleutherAI/pythia-160m",
    "pythia-410m": "EleutherAI/pythia-410m",
    "opt-125m": "facebook/opt-125m",
    "opt-350m": "facebook/opt-350m",
    "qwen2.5-0.5b": "Qwen/Qwen2.5-0.5B",
    "qwen2.5-0.5b-instruct": "Qwen/Qwen2.5-0.5B-Instruct",
    "smollm2-135m": "HuggingFaceTB/SmolLM2-135M",
    "smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct",
}

SEQUENCE_TO_SEQUENCE_MODELS = {
    "t5-small": "google-t5/t5-small",
    "t5-base": "google-t5/t5-base",
    "flan-t5-small": "google/flan-t5-small",
    "flan-t5-base": "google/flan-t5-base",
    "mt5-small": "google/mt5-small",
    "bart-base": "facebook/bart-base",
    "bart-large-cnn": "facebook/bart-large-cnn",
    "opus-mt-zh-en": "Helsinki-NLP/opus-mt-zh-en",
    "opus-mt-en-zh": "Helsinki-NLP/opus-mt-en-zh",
    "opus-mt-en-de": "Helsinki-NLP/opus-mt-en-de",
    "opus-mt-de-en": "Helsinki-NLP/opus-mt-de-en",
    "mbart-50": "facebook/mbart-large-50-many-to-many-mmt",
    "nllb-600m": "facebook/nllb-200-distilled-600M",
    "m2m100-418m": "facebook/m2m100_418M",
}

FAMILIES = {ENCODER: ENCODERS, DECODER: DECODERS, SEQUENCE_TO_SEQUENCE: SEQUENCE_TO_SEQUENCE_MODELS}


def alias_models() -> list[Pretrained]:
    """A model for each alias; what it answers is known without its files."""
    return [
        Pretrained(name=name, source=source, stated_family=family, description=source)
        for family, table in FAMILIES.items()
        for name, source in table.items()
    ]


class Hub(Provider):
    """Any hub id (`owner/name`, with an optional `@revision`) and any folder."""

    scheme, inert = "transformers", True
    default = True

    def make(self, name: str) -> Pretrained:
        source, _, revision = name.partition("@")
        if Path(name).expanduser().is_dir():
            return Pretrained(name=folder_name(name), source=name)
        if name.startswith((".", "/", "~")):
            beside = [str(one.parent) for one in sorted(Path(name).expanduser().parent.glob("*/config.json"))[:3]]
            here = [f"checkpoints beside it: {', '.join(beside)}"] if beside else []
            ways = "a model is a folder, owner/name on the hub, or an alias (plmtasks list models)"
            raise ModelError(f"there is no folder {name!r}", *here, ways)
        if "/" not in source:
            known = [m.name for m in (*alias_models(), *TINY)]
            raise UnknownNameError("model", name, known, "other checkpoints are owner/name on the hub, or a folder")
        return Pretrained(name=name, source=source, revision=revision or None)
