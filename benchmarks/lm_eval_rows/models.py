"""Small models with real-shaped tokenizers, made in seconds.

Each family makes tokens in its own way: GPT-2's bytes with nothing before them; Llama's pieces with a space before the text,
bytes for what it does not know and a first token <s>; Qwen's bytes with a chat template; T5's unigrams with a last token </s>.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .facts import lessons, texts

LIMITS = {"gpt2": 320, "llama": 1536, "qwen": 1536, "t5": 512}
"""The most tokens of each; GPT-2's is short, so that prompts are cut."""

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_CHAT = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content | trim }} [/{{ m.role }}]\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


def make(family: str, folder: Path, updates: int) -> str:
    """A model of a family, with its tokenizer, in a folder. Returns the folder.

    updates: how long it learns what to write
    """
    import torch

    if not (folder / "config.json").exists():
        tokenizer = {"gpt2": _gpt2, "llama": _llama, "qwen": _qwen, "t5": _t5}[family](texts())
        tokenizer.model_max_length = LIMITS[family]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = _model(family, tokenizer)
            _learn(model, tokenizer, lessons(), updates)
            model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(folder)


def _byte_level(texts: Sequence[str], special: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=700, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False)
    )
    return made


def _gpt2(texts: Sequence[str]) -> Any:
    from transformers import PreTrainedTokenizerFast

    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=_byte_level(texts, [end]), bos_token=end, eos_token=end, unk_token=end)


def _qwen(texts: Sequence[str]) -> Any:
    from transformers import PreTrainedTokenizerFast

    made = _byte_level(texts, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=CHATML
    )  # fmt: skip


def _llama(texts: Sequence[str]) -> Any:
    import json

    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    learned = Tokenizer(models.BPE(unk_token="<unk>"))
    spaces = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learned.normalizer = spaces
    # letters that come up once have no token of their own, and are written in bytes
    learned.train_from_iterator(
        (word for text in texts for word in text.split(" ")),
        trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>", "<s>", "</s>"], limit_alphabet=70, show_progress=False),
    )
    state = json.loads(learned.to_str())["model"]
    pieces = sorted(state["vocab"], key=state["vocab"].__getitem__)
    names = [*pieces[:3], *(f"<0x{byte:02X}>" for byte in range(256)), *pieces[3:]]
    merges = [tuple(merge) for merge in state["merges"]]
    vocabulary = {name: i for i, name in enumerate(names)}
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = spaces
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(steps)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=LLAMA_CHAT
    )  # fmt: skip


def _t5(texts: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    made.train_from_iterator(
        texts, trainers.UnigramTrainer(vocab_size=700, special_tokens=special, unk_token="<unk>", show_progress=False)
    )
    made.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


def _model(family: str, tokenizer: Any) -> Any:
    import transformers as tf

    words, limit = len(tokenizer), LIMITS[family]
    if family == "gpt2":
        config = tf.GPT2Config(vocab_size=words, n_positions=limit, n_embd=64, n_layer=2, n_head=4, initializer_range=0.1)
        config.bos_token_id = config.eos_token_id = tokenizer.eos_token_id
        return tf.GPT2LMHeadModel(config)
    if family == "t5":
        return tf.T5ForConditionalGeneration(tf.T5Config(
            vocab_size=words, d_model=64, d_ff=128, d_kv=16, num_layers=2, num_heads=4, pad_token_id=0, eos_token_id=1,
            decoder_start_token_id=0,
        ))  # fmt: skip
    kind, make_config = (tf.LlamaForCausalLM, tf.LlamaConfig) if family == "llama" else (tf.Qwen2ForCausalLM, tf.Qwen2Config)
    return kind(make_config(
        vocab_size=words, max_position_embeddings=limit, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, initializer_range=0.1, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    ))  # fmt: skip


def _learn(model: Any, tokenizer: Any, texts: Sequence[str], updates: int) -> None:
    """Some updates on the texts, 16 at a time, each of 64 tokens at most."""
    import torch

    ids = [torch.tensor([*tokenizer(text)["input_ids"], tokenizer.eos_token_id][:64]) for text in texts]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for update in range(updates):
        some = [ids[(update * 16 + k) % len(ids)] for k in range(16)]
        batch = torch.nn.utils.rnn.pad_sequence(some, batch_first=True)
        labels = torch.nn.utils.rnn.pad_sequence(some, batch_first=True, padding_value=-100)
        model(input_ids=batch, attention_mask=(labels >= 0).long(), labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
