"""A tiny Llama with random weights, as the transformers library writes it and as llama.cpp reads it."""

import importlib.util
import json
from pathlib import Path
from typing import Any

CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
WIDTH, HIDDEN, LAYERS, HEADS, GROUPS, LIMIT = 32, 64, 2, 4, 2, 256
LLAMA_CPP = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
"""What its weights are called."""


def make(place: Path) -> None:
    """A byte-level tokenizer that puts a beginning before a text, and a model whose texts differ."""
    import tokenizers
    import torch
    import transformers
    from tokenizers import decoders, models, pre_tokenizers, processors, trainers

    from plmtasks.data import events

    learned = tokenizers.Tokenizer(models.BPE())
    learned.pre_tokenizer, learned.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    learned.train_from_iterator([e.english() for e in events("train", 200)], trainer)
    learned.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=learned, bos_token="<s>", eos_token="</s>", chat_template=CHAT
    )
    tokenizer.save_pretrained(place)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=HIDDEN, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=GROUPS, max_position_embeddings=LIMIT, bos_token_id=0, eos_token_id=1,
        initializer_range=0.2, rms_norm_eps=1e-5,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(place)


def to_gguf(place: Path, path: Path, bos: bool = True) -> None:
    """The model in a folder as a file of llama.cpp.

    bos: whether a text is to begin with its beginning
    """
    import gguf
    import numpy as np
    import transformers

    learned = json.loads((place / "tokenizer.json").read_text())["model"]
    w = gguf.GGUFWriter(str(path), "llama")
    w.add_context_length(LIMIT)
    w.add_embedding_length(WIDTH)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(HIDDEN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(GROUPS)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(WIDTH // HEADS)
    w.add_rope_freq_base(10000.0)
    w.add_vocab_size(len(learned["vocab"]))
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(sorted(learned["vocab"], key=learned["vocab"].__getitem__))
    w.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (len(learned["vocab"]) - 2))
    w.add_token_merges([" ".join(pair) for pair in learned["merges"]])
    w.add_bos_token_id(0)
    w.add_eos_token_id(1)
    w.add_add_bos_token(bos)
    for name, weight in transformers.AutoModelForCausalLM.from_pretrained(place).state_dict().items():
        w.add_tensor(called(name), np.ascontiguousarray(turned(name, weight.float().numpy())))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def called(name: str) -> str:
    if not name.startswith("model.layers."):
        return {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}[
            name[: -len(".weight")]
        ] + ".weight"
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{LLAMA_CPP[rest[: -len('.weight')]]}.weight"


def turned(name: str, weight: Any) -> Any:
    """Queries and keys with the halves of each head between one another, as llama.cpp turns them."""
    heads = HEADS if "q_proj" in name else GROUPS if "k_proj" in name else None
    return weight if heads is None else weight.reshape(heads, 2, -1, WIDTH).swapaxes(1, 2).reshape(weight.shape)


def make_all(folder: Path) -> None:
    """The model, and where its package is there the same as files of llama.cpp, of which one puts no beginning before a text."""
    make(folder)
    if importlib.util.find_spec("gguf"):
        to_gguf(folder, folder / "tiny.gguf")
        to_gguf(folder, folder / "nobos.gguf", bos=False)
