"""Small random models with tokenizers of the four shapes that exact prompts meet, and lm-eval's HFLM over the same folders."""

from pathlib import Path
from typing import Any

import torch
import transformers
from plmtasks_transformers.models import Pretrained
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from plmtasks.data import events

TEXTS = [t for e in events("train", 200) for t in (e.english(), e.chinese())] + [
    "Question: What is 2 + 2?\nAnswer: 4\n\n", "  indented\n\ttext, déjà vu … naïve", "A. yes B. no C. maybe D. 42", "😀 ok"
]  # fmt: skip
LIMIT = 48
SMALL: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 32,
}  # fmt: skip
CHAT = (
    "{{ bos_token or '' }}{% for m in messages %}{% if m.role == 'system' and no_system %}{{ raise_exception('no system') }}"
    "{% endif %}[{{ m.role }}] {{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
)


def bytes_of(special: list[str], size: int = 400) -> Tokenizer:
    """Byte-level BPE, as GPT-2 and Qwen have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _llama() -> Tokenizer:
    """Metaspace BPE with byte fallback and a BOS, as Llama 2 and Mistral have it."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    known = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")  # no piece goes on beyond a word's end
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=700, special_tokens=known, show_progress=False))
    tokenizer.pre_tokenizer = None
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)
    ])  # fmt: skip
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer


def _t5() -> Tokenizer:
    """Unigram with an end, as sentencepiece makes it for T5; its own trainer finds other pieces each time."""
    found = Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.Metaspace()
    known = ["<pad>", "</s>", "<unk>"]
    found.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=500, special_tokens=known, show_progress=False))
    pieces = sorted(found.get_vocab(), key=found.get_vocab().__getitem__)
    chances = [(piece, -8 - place / 1000 if place > 2 else 0.0) for place, piece in enumerate(pieces)]
    tokenizer = Tokenizer(models.Unigram(chances, unk_id=2))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def _saved(folder: Path, tokenizer: Tokenizer, config: Any, **special: str) -> Path:
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.chat_template = CHAT
    fast.save_pretrained(folder)
    config.vocab_size = len(fast)
    for name in ("bos", "eos", "pad"):
        setattr(config, f"{name}_token_id", getattr(fast, f"{name}_token_id"))
    torch.manual_seed(4 if config.is_encoder_decoder else 0)  # whose likeliest texts are read as the tokens that made them
    auto = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    model = auto.from_config(config)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2.0)  # likelihoods that differ more than those of weights drawn so near zero
    model.save_pretrained(folder)
    return folder


def made(shape: str, folder: Path, limit: int = LIMIT) -> Path:
    """The folder of a model: gpt2, llama, qwen or t5."""
    end = "<|endoftext|>"
    if shape == "gpt2":
        config = transformers.GPT2Config(n_positions=limit, n_embd=32, n_layer=2, n_head=2)
        return _saved(folder, bytes_of([end]), config, bos_token=end, eos_token=end, unk_token=end)
    if shape == "llama":
        special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        return _saved(folder, _llama(), transformers.LlamaConfig(**SMALL, max_position_embeddings=limit), **special)
    if shape == "qwen":
        tokenizer = bytes_of([end, "<|im_start|>", "<|im_end|>"])
        tokenizer.add_special_tokens([AddedToken(t, special=True) for t in ("<|im_start|>", "<|im_end|>")])
        return _saved(
            folder,
            tokenizer,
            transformers.Qwen2Config(**SMALL, max_position_embeddings=limit),
            eos_token="<|im_end|>",
            pad_token=end,
        )
    config = transformers.T5Config(
        d_model=32, d_kv=16, d_ff=32, num_layers=2, num_heads=2, n_positions=limit, decoder_start_token_id=0
    )
    return _saved(folder, _t5(), config, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")


def theirs(folder: Path, **more: Any) -> Any:
    """lm-eval's model over the same files."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1, **more)


def ours(folder: Path) -> Pretrained:
    return Pretrained(name="m", source=str(folder))
