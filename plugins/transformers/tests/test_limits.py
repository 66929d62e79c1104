"""How long a text may be: held to what plain models of many architectures take, and to what is said of it."""

import contextlib
from types import SimpleNamespace

import pytest
import torch
import transformers
from plmtasks_transformers.checkpoints.limits import UNLIMITED, limits_of
from transformers import CONFIG_MAPPING

SMALL = {
    "vocab_size": 40, "hidden_size": 16, "n_embd": 16, "d_model": 16, "dim": 16, "emb_dim": 16, "num_hidden_layers": 1,
    "n_layer": 1, "n_layers": 1, "num_layers": 1, "num_decoder_layers": 1, "encoder_layers": 1, "decoder_layers": 1,
    "num_encoder_layers": 1,
    "num_attention_heads": 2, "n_head": 2, "n_heads": 2, "num_heads": 2, "num_key_value_heads": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "num_encoder_attention_heads": 2, "num_decoder_attention_heads": 2, "intermediate_size": 16,
    "d_ff": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "ffn_dim": 16, "hidden_dim": 16, "head_dim": 8, "d_kv": 8,
    "num_local_experts": 2, "rotary_dim": 8, "max_position_embeddings": 40, "n_positions": 40, "max_seq_len": 40,
    "max_encoder_position_embeddings": 48, "max_decoder_position_embeddings": 40, "attention_window": [16], "pad_token_id": 1,
    "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip
FROM_PADDING = [
    "roberta",
    "xlm-roberta",
    "camembert",
    "ibert",
    "roberta-prelayernorm",
    "xlm-roberta-xl",
    "data2vec-text",
    "mpnet",
    "esm",
    "longformer",
]
FROM_ZERO = [
    "bert",
    "distilbert",
    "electra",
    "albert",
    "convbert",
    "nystromformer",
    "roformer",
    "xlm",
    "gpt2",
    "opt",
    "gpt_neo",
    "openai-gpt",
    "biogpt",
]
NESTED = ["gemma3", "llama4", "mistral3", "qwen2_5_vl", "qwen3_vl"]
STATED = ["modernbert", "llama", "qwen3", "gpt_neox"]
ENDLESS = ["bloom", "mamba", "t5", "mt5", "xlnet"]


def config_of(model_type):
    """One layer of 16, 40 places; what is nested in it too."""
    config = CONFIG_MAPPING[model_type]()
    for part in (config, *(v for v in vars(config).values() if isinstance(v, transformers.PreTrainedConfig))):
        for name, value in SMALL.items():
            if hasattr(part, name):
                with contextlib.suppress(AttributeError, NotImplementedError):  # a name for something else
                    setattr(part, name, value)
        if getattr(part, "layer_types", None):
            with contextlib.suppress(AttributeError):
                part.layer_types = part.layer_types[:1]
    return config


def made(model_type, library=transformers.AutoModel):
    torch.manual_seed(0)
    return library.from_config(config_of(model_type)).eval()


def limits(module, length=10**30):
    return limits_of(module, SimpleNamespace(model_max_length=length))


def takes(module, read, written=5):
    """Whether plain transformers computes so many tokens."""
    ids = torch.full((1, read), 5)
    more = {"decoder_input_ids": torch.full((1, written), 5)} if module.config.is_encoder_decoder else {}
    try:
        with torch.no_grad():
            module(input_ids=ids, attention_mask=torch.ones_like(ids), **more)
    except (IndexError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize(("model_type", "places"), [*((t, 38) for t in FROM_PADDING), *((t, 40) for t in FROM_ZERO)])
def test_a_text_fills_the_table_of_places(model_type, places):
    module = made(model_type)
    limit, written = limits(module)
    assert limit == written
    assert limit.tokens == places
    assert takes(module, places)
    assert not takes(module, places + 1)
    assert "of the model" in limit.whose or "the model has embeddings" in limit.whose


@pytest.mark.parametrize("model_type", [*NESTED, *STATED])
def test_a_configuration_says_how_long_a_text_may_be_wherever_it_does(model_type):
    library = transformers.AutoModelForCausalLM if model_type in NESTED[:1] else transformers.AutoModel
    limit, _ = limits(made(model_type, library))
    assert limit.told == "40 tokens, max_position_embeddings of its configuration"


@pytest.mark.parametrize("model_type", ENDLESS)
def test_without_a_limit_nothing_is_cut(model_type):
    module = made(model_type)
    assert limits(module)[0].told == "neither the model nor its tokenizer has a limit"
    assert limits(module)[0].tokens == UNLIMITED
    assert takes(module, 700)
    assert limits(module, 512)[0].told == "512 tokens, model_max_length of its tokenizer"


def test_reading_and_writing_have_limits_of_their_own():
    for model_type, read, written in (("led", 48, 40), ("bart", 40, 40), ("marian", 40, 40), ("prophetnet", 38, 37)):
        module = made(model_type)
        assert [limit.tokens for limit in limits(module)] == [read, written], model_type
        assert takes(module, read, written)
        assert not takes(module, 5, written + 1)
        # ProphetNet's encoder gives all further tokens the last place
        assert not takes(module, read + 1) or model_type == "prophetnet"
    module = made("led")
    module.config.max_encoder_position_embeddings = 50  # it pads what it reads to windows of 16 tokens
    module.encoder.embed_positions = type(module.encoder.embed_positions)(50, 16)
    assert limits(module)[0].tokens == 48
    assert not takes(module, 49)


def test_mpt_states_its_limit_by_another_name():
    module = made("mpt")
    assert limits(module)[0].told == "40 tokens, max_seq_len of its configuration"
    assert takes(module, 40)
    assert not takes(module, 41)


def test_the_smallest_limit_counts():
    module = made("bert")
    assert limits(module, 12)[0].told == "12 tokens, model_max_length of its tokenizer"
    assert limits(module, 41)[0].told == "40 tokens, as many places as the model has embeddings for"
