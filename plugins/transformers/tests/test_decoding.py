"""Our loop makes the tokens that the library's makes, row by row."""

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_transformers.answering.generate import StopTexts
from plmtasks_transformers.fast import device, kernels, micro_batches, static_cache
from plmtasks_transformers.fast.beams import BeamDecoding, Search, highest, log_softmax
from plmtasks_transformers.fast.decoding import Decoding, End, covers
from plmtasks_transformers.fast.trees import Prefix

SMALL = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": 64, "n_positions": 64, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4}
APART = {
    "d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    "decoder_start_token_id": 1, "forced_eos_token_id": None,
}  # fmt: skip
PROMPTS = [[5, 9, 31, 7, 22], [44], [8, 8, 15], [51, 3, 20, 33, 6, 12, 40], [19, 5], [30, 31, 32, 33]]
ENDS = [End(new, stop) for new, stop in zip((9, 4, 12, 7, 12, 1), ((), (), ("1",), ("7", "03"), ("5",), ()), strict=True)]
PROCESSED = {"repetition_penalty": 1.3, "suppress_tokens": [11, 12], "no_repeat_ngram_size": 3}


def say(ids):
    """Two digits a token; of an end, nothing."""
    return "".join(f"{i:02d}" for i in ids if i > 2)


def small(name, **more):
    config = transformers.CONFIG_MAPPING[name](**{**SMALL, **(GPT2 if name == "gpt2" else {}), **more})
    torch.manual_seed(3)
    kind = "Seq2SeqLM" if config.is_encoder_decoder else "CausalLM"
    module = getattr(transformers, f"AutoModelFor{kind}").from_config(config).eval()
    for weight in module.parameters():
        if weight.ndim >= 2:
            torch.nn.init.normal_(weight, 0, 0.3)  # so that no row says the same word again and again
    module.tie_weights()
    return module


def padded(module, prompts=PROMPTS):
    width = max(map(len, prompts))
    apart = module.config.is_encoder_decoder
    rows = [p + [0] * (width - len(p)) if apart else [0] * (width - len(p)) + p for p in prompts]
    masks = [[1] * len(p) + [0] * (width - len(p)) for p in prompts]
    return {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor([m if apart else m[::-1] for m in masks])}


def alone(module, prompt, end, **settings):
    """What the library makes of one prompt, up to where the end is due."""
    ids = torch.tensor([prompt])
    made = module.generate(input_ids=ids, attention_mask=ids.ne(-1).long(), max_new_tokens=end.new, **settings)
    own = made[0, 1 if module.config.is_encoder_decoder else len(prompt) :].tolist()
    stopped = [n for n in range(1, len(own) + 1) if any(s in say(own[:n]) for s in end.stop)]
    return own[: stopped[0]] if stopped else own


@pytest.mark.slow
@pytest.mark.parametrize("processed", [{}, PROCESSED], ids=["plain", "processed"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt_neox", "opt", "bloom", "qwen3", "t5", "bart", "marian"])
def test_the_library_s_tokens(name, processed):
    module = small(name, **(APART if name in ("t5", "bart", "marian") else {}))
    assert covers(module)
    settings = {"do_sample": False, **processed}
    with torch.inference_mode():
        wanted = [alone(module, p, e, **settings) for p, e in zip(PROMPTS, ENDS, strict=True)]
        for most in (0, 8, 1):
            own = Decoding(ENDS, StopTexts(say), most)
            assert module.generate(**padded(module), max_new_tokens=12, custom_generate=own, **settings) == wanted
    assert len({len(row) for row in wanted}) > 3


@pytest.mark.slow
@pytest.mark.parametrize("search", [Search(4, 1.0, False), Search(3, 0.0, True), Search(2, 0.5, "never"), Search(4, -1.0, False)])
@pytest.mark.parametrize("name", ["gpt2", "llama", "t5", "bart"])
def test_the_library_s_beams(name, search):
    module = small(name, **(APART if name in ("t5", "bart") else {}))
    settings = {"do_sample": False, "max_new_tokens": 9, "repetition_penalty": 1.2, "eos_token_id": [2, 7, 24, 30, 51]}
    ends = [End(9, ())] * len(PROMPTS)
    with torch.inference_mode():
        given = padded(module)
        start = 1 if module.config.is_encoder_decoder else given["input_ids"].shape[1]
        words = {"num_beams": search.beams, "length_penalty": search.length_penalty, "early_stopping": search.early_stopping}
        wanted = module.generate(**given, **settings, **words)[:, start:].tolist()
        for most in (0, 8):
            own = BeamDecoding(search, ends, StopTexts(say), most)
            found = module.generate(**given, **settings, custom_generate=own)
            assert [say(row) for row in found] == [say(row) for row in wanted]
    assert len({len(row) for row in found}) > 1


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt", "bloom"])
def test_what_all_prompts_begin_with_is_read_once(name):
    module = small(name)
    begin = [7, 41, 18, 25, 33, 9, 14, 50, 21]
    given = padded(module, [begin + p for p in PROMPTS])
    read = []
    module.get_input_embeddings().register_forward_pre_hook(lambda _, given: read.append(tuple(given[0].shape)))
    with torch.inference_mode():
        wanted = [alone(module, begin + p, e) for p, e in zip(PROMPTS, ENDS, strict=True)]
        prefix = Prefix(np.array(begin))
        for most, tables in ((0, [(1, 9), (6, 7)]), (8, [(1, 5), (2, 3), (1, 7), (2, 4)])):
            read.clear()
            own = Decoding(ENDS, StopTexts(say), most, prefix)
            assert module.generate(**given, max_new_tokens=12, custom_generate=own) == wanted
            assert read[: len(tables)] == tables


def test_an_accelerator_puts_a_prefix_behind_the_padding_of_all_rows_at_once(monkeypatch):
    found = [torch.randn(3, 2, 4 + 6, 5) for _ in range(2)]
    tables = []
    for apart in (False, True):
        monkeypatch.setitem(device.DEVICES, "cpu", device.DEVICES["cpu"]._replace(apart=apart))
        monkeypatch.setattr(static_cache, "sent", lambda table, _: torch.from_numpy(table))
        layer = static_cache.StaticCacheLayer(7, 20)
        for some in (slice(0, 3), slice(3, 6)):
            layer.put(some, found, [6, 2, 3], 12)
        tables.append([table[:6] for table in (layer.keys, layer.values)])
    assert all(torch.equal(*pair) for pair in zip(*tables, strict=True))
    assert torch.equal(tables[0][0][1, :, 6:10], found[0][0, :, :4])


def test_laid_out_weights_and_a_single_row():
    module = small("gpt2")
    kernels.lay_out(module)
    ids = torch.tensor(PROMPTS[:1])
    with torch.inference_mode():
        wanted = alone(module, PROMPTS[0], ENDS[0])
        assert module.generate(input_ids=ids, max_new_tokens=9, custom_generate=Decoding(ENDS[:1], StopTexts(say), 8)) == [wanted]


def test_what_is_left_to_the_library():
    assert not covers(small("mistral", sliding_window=8))
    assert not covers(transformers.MambaForCausalLM(transformers.MambaConfig(vocab_size=60, hidden_size=32, num_hidden_layers=2)))
    module = small("t5", **APART)
    module.generation_config.encoder_no_repeat_ngram_size = 2
    assert not covers(module)


def test_a_stop_text_ends_with_a_part_of_a_character_or_a_space():
    def read(ids):
        return bytes(ids).decode(errors="replace").lstrip(" ")

    stops = StopTexts(read)
    made = list("so é x".encode())
    found = {s: [n for n in range(1, len(made) + 1) if stops(made[:n], (s,))] for s in ("é", "o é", "x", "o ", "q")}
    assert {s: ends[:1] for s, ends in found.items()} == {"é": [5], "o é": [5], "x": [7], "o ": [3], "q": []}


@pytest.mark.parametrize("width", [3, 128, 1000, 1300, 1408])
def test_the_highest_are_those_of_topk(width):
    table = torch.randn(5, width)
    count = min(width, 8)
    values, places = highest(table, count)
    assert torch.equal(values, table.topk(count).values)
    assert torch.equal(places, table.topk(count).indices)
    wanted = table.log_softmax(-1)
    assert torch.allclose(log_softmax(table), wanted, atol=1e-6)


@given(st.lists(st.integers(1, 9), min_size=1), st.integers(0, 30))
def test_micro_batches_hold_all_in_turn_within_the_budget(lengths, tokens):
    found = micro_batches(lengths, tokens)
    assert [n for some in found for n in lengths[some]] == lengths
    assert all(len(lengths[some]) == 1 or not tokens or len(lengths[some]) * max(lengths[some]) <= tokens for some in found)
