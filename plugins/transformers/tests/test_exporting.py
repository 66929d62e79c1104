"""Exported folders answer as what they were made of: peft's own forward pass is the measure of adapters."""

import warnings

import peft
import pytest
import torch
import transformers
from plmtasks_transformers.models import Hub

from plmtasks.config import ModelSettings, TrainSettings
from plmtasks.errors import ModelError
from plmtasks.requests import Choose, LogLikelihood

SETTINGS = ModelSettings(dtype="float32")
TEXTS = ["the nurse found the lamp in the garden", "sadly", "the cook happily sold it ."]
LIBRARY = {"decoder": "AutoModelForCausalLM", "sequence-to-sequence": "AutoModelForSeq2SeqLM", "encoder": "AutoModelForMaskedLM"}
TIED = {
    "decoder": [
        {"target_modules": ["wte", "c_attn"]}, {"target_modules": ["lm_head", "c_attn"]}, {"target_modules": ["wte", "lm_head"]},
        {"target_modules": ["wte", "c_attn"], "ensure_weight_tying": True},
        {"target_modules": ["c_attn"], "modules_to_save": ["wte"]},
        {"target_modules": ["c_attn"], "modules_to_save": ["lm_head"]},
        {"target_modules": ["c_attn"], "modules_to_save": ["wte"], "ensure_weight_tying": True},
        {"target_modules": ["c_attn"], "trainable_token_indices": [5, 6, 7, 8]},
    ],
    "encoder": [
        {"target_modules": ["word_embeddings", "query"]}, {"target_modules": ["decoder", "query"]},
        {"target_modules": ["query"], "modules_to_save": ["word_embeddings"]},
    ],
    "sequence-to-sequence": [
        {"target_modules": ["shared", "q"]}, {"target_modules": ["lm_head", "q"]},
        {"target_modules": ["q"], "modules_to_save": ["shared"]},
    ],
}  # fmt: skip
"""Adapters that change one use of a weight, or both."""


def adapted(model, example_request, folder, method="lora", **args):
    """Adapters with random weights on a checkpoint, in a folder as plmtasks writes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        [view] = model.learner([example_request], SETTINGS, TrainSettings(peft=method, peft_args=args), "cpu")
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in view.module.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.1)
    view.save(folder)
    return Hub().make(str(folder))


def logits(module, tokenizer):
    """Of plain transformers, for each text."""
    with torch.no_grad():
        made = []
        for text in TEXTS:
            batch = tokenizer(text, return_tensors="pt")
            if module.config.is_encoder_decoder:
                batch["decoder_input_ids"] = batch["input_ids"]
            made.append(module.eval()(**batch).logits.flatten())
    return torch.cat(made)


@pytest.fixture(scope="module")
def bases(tiny, tmp_path_factory):
    """Whole models, whose embeddings are their output's too."""
    made = {}
    for family, library in LIBRARY.items():
        folder = tmp_path_factory.mktemp("base")
        torch.manual_seed(2)
        module = getattr(transformers, library).from_pretrained(tiny[family].source)
        module.save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(tiny[family].source).save_pretrained(folder)
        assert module.config.tie_word_embeddings
        made[family] = tiny[family].saved(folder)
    return made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("family", "args"), [(family, args) for family, several in TIED.items() for args in several])
def test_adapters_on_tied_embeddings(bases, tmp_path, family, args):
    model = adapted(bases[family], LogLikelihood(text=""), tmp_path / "adapters", **args)
    base = getattr(transformers, LIBRARY[family]).from_pretrained(bases[family].source)
    wanted = peft.PeftModel.from_pretrained(base, tmp_path / "adapters")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "adapters")
    expected = logits(wanted, tokenizer)
    model.export(LogLikelihood(text=""), SETTINGS, tmp_path / "whole")
    plain, info = getattr(transformers, LIBRARY[family]).from_pretrained(tmp_path / "whole", output_loading_info=True)
    assert not info["missing_keys"]
    assert torch.allclose(logits(plain, tokenizer), expected, atol=1e-4)
    request = LogLikelihood(text=TEXTS[0])
    found, given = (m.load(request, SETTINGS, "cpu").answer([request])[0] for m in (model, Hub().make(str(tmp_path / "whole"))))
    assert found.log_likelihood == pytest.approx(given.log_likelihood, rel=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_what_adapters_leave_alone_stays_tied(bases, tmp_path):
    model = adapted(bases["decoder"], LogLikelihood(text=""), tmp_path / "adapters", target_modules=["c_attn"])
    model.export(LogLikelihood(text=""), SETTINGS, tmp_path / "whole")
    plain = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "whole")
    assert plain.lm_head.weight is plain.transformer.wte.weight


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_exported_leaves_nothing(bases, tmp_path, monkeypatch):
    from plmtasks_transformers.training import adapters

    model = adapted(bases["decoder"], LogLikelihood(text=""), tmp_path / "adapters", target_modules=["wte"])
    monkeypatch.setattr(adapters, "_untie", lambda model: False)  # as peft merges them
    with pytest.raises(ModelError, match="loaded again it answers otherwise") as error:
        model.export(LogLikelihood(text=""), SETTINGS, tmp_path / "deep" / "whole")
    assert "nothing was written" in str(error.value)
    assert not [*(tmp_path / "deep").iterdir()]


@pytest.fixture(scope="module")
def llama(tiny, tmp_path_factory):
    """With linear layers, which most methods want, and tied embeddings."""
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny["decoder"].source)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32,
        num_key_value_heads=4, tie_word_embeddings=True, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return Hub().make(str(folder))


METHODS = {
    "lora": {}, "dora": {"use_dora": True}, "ia3": {}, "lokr": {"r": 4}, "loha": {"r": 4}, "oft": {"oft_block_size": 8},
    "boft": {"boft_block_size": 8}, "vera": {"r": 4}, "fourierft": {"n_frequency": 10}, "randlora": {"r": 4}, "hra": {"r": 4},
    "miss": {"r": 8}, "ln_tuning": {}, "road": {"group_size": 8},
    "delora": {"r": 4}, "waveft": {"n_frequency": 16}, "c3a": {"block_size": 8},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", METHODS)
def test_every_method_that_merges(llama, tmp_path, method):
    layers = {} if method in ("ia3", "ln_tuning") else {"target_modules": ["q_proj", "v_proj"]}
    model = adapted(
        llama, LogLikelihood(text=""), tmp_path / "adapters", "lora" if method == "dora" else method, **METHODS[method], **layers
    )
    library = transformers.AutoModelForCausalLM
    wanted = peft.PeftModel.from_pretrained(library.from_pretrained(llama.source), tmp_path / "adapters")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "adapters")
    expected = logits(wanted, tokenizer)
    assert not torch.allclose(expected, logits(library.from_pretrained(llama.source), tokenizer), atol=1e-3)
    model.export(Choose(text="", choices=()), SETTINGS, tmp_path / "whole")
    assert torch.allclose(logits(library.from_pretrained(tmp_path / "whole"), tokenizer), expected, atol=1e-4)
