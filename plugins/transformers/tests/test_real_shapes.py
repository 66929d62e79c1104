"""Models with the real vocabularies of BERT, GPT-2 and T5 (random weights), and those of other makers."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from plmtasks_transformers.fast.readout import logits_at
from plmtasks_transformers.models import Hub

from plmtasks.config import ModelSettings, TrainSettings
from plmtasks.requests import (
    Choose,
    ChooseAnswer,
    Classify,
    ClassifyAnswer,
    ExtractSpan,
    ExtractSpanAnswer,
    Generate,
    GenerateAnswer,
    Likelihood,
    LogLikelihood,
    LogLikelihoodAnswer,
    Regress,
    RegressAnswer,
    Span,
    Tag,
    TagAnswer,
)  # fmt: skip

TEXT = "The café's nurse, unbelievably, found the lamp in the garden. 护士找到了灯。"
CHINESE = "护士在花园里高兴地找到了灯。"
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
REQUESTS = {
    "Classify": Classify(text=TEXT, text_pair="Yes?", labels=("a", "b")),
    "Regress": Regress(text=TEXT, text_pair="Yes?"),
    "Tag": Tag(words=tuple(TEXT.split()), labels=("O", "B-X", "I-X"), marked=(3,)),
    "ExtractSpan": ExtractSpan(question="Who found it?", context=TEXT * 30),
    "Choose": Choose(instruction="Good?", text=TEXT, choices=("yes", "not at all", "好")),
    "LogLikelihood": LogLikelihood(text=TEXT),
    "Generate": Generate(text=TEXT, max_new_tokens=5, stop=("\n",)),
}


SOLVED = {
    "Classify": ClassifyAnswer(scores=(1.0, 0.0)),
    "Regress": RegressAnswer(value=9.5),
    "ExtractSpan": ExtractSpanAnswer(spans=(Span(start=4, end=16, score=1.0),)),
    "Choose": ChooseAnswer(choices=tuple(Likelihood(log_likelihood=float(i == 1), tokens=1, bytes=1) for i in range(3))),
    "LogLikelihood": LogLikelihoodAnswer(log_likelihood=0.0, tokens=1, words=1, bytes=1),
    "Generate": GenerateAnswer(text="好 the lamp"),
}
"""What a perfect model would answer; tags are as many as there are words."""


def solved(request):
    if isinstance(request, Tag):
        return TagAnswer(labels=("B-X", *["O"] * (len(request.words) - 1)))
    return SOLVED[request.kind()]


def in_chinese(request):
    """The same request about a text in Chinese, each character a word."""
    if isinstance(request, Tag):
        return replace(request, words=tuple(CHINESE))
    if isinstance(request, ExtractSpan):
        return replace(request, question="谁找到了？", context=CHINESE * 20)
    return replace(request, text=CHINESE)


def learn(model, kinds):
    """A few updates of every kind together, on both languages: the losses fall, and the checkpoint answers as its views do."""
    torch.manual_seed(0)
    lessons = [[REQUESTS[kind], in_chinese(REQUESTS[kind])] for kind in kinds]
    views = model.learner([requests[0] for requests in lessons], ModelSettings(dtype="float32"), TrainSettings(), "cpu")
    optimizer = torch.optim.AdamW(torch.nn.ModuleList([v.module for v in views]).parameters(), lr=2e-2)
    losses = []
    for _ in range(8):
        total = 0.0
        for view, requests in zip(views, lessons, strict=True):
            view.module.train()
            loss, count = view.loss(requests, [solved(r) for r in requests])
            (loss / count).backward()
            total += float(loss.detach()) / count
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total)
    assert sum(losses[-2:]) < 0.9 * sum(losses[:2])
    folder = Path(model.source) / "learned"
    views[0].save(folder)
    for view, requests in zip(views, lessons, strict=True):
        again = Hub().make(str(folder)).load(requests[0], ModelSettings(dtype="float32"), "cpu")
        assert again.newly_initialized == ()
        assert again.answer(requests) == view.answer(requests)


def write(folder, config, base, source=None, names=()):
    for name in names:
        shutil.copy(source / name, folder / name)
    getattr(transformers, base)(config).save_pretrained(folder)
    return Hub().make(str(folder))


def check(load, close, model):
    """Every kind that the model answers: alone as beside another, with a loss that has a gradient."""
    for kind in model.answers:
        request = REQUESTS[kind]
        loaded = load(model, request)
        [answer] = loaded.answer([request])
        assert close(loaded.answer([request, request])[1], answer)
        if isinstance(request, ExtractSpan):
            assert all(request.context == TEXT * 30 and request.context[s.start : s.end].strip() for s in answer.spans)
        if isinstance(request, (Choose, LogLikelihood)):
            assert loaded.costs([request])[0].width < 120
        # probabilities and numbers that are met already would have no gradient
        wanted = SOLVED[kind] if kind in ("Classify", "Regress", "Choose") else answer
        loss, count = loaded.loss([request], [wanted])
        assert count > 0
        loss.backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in loaded.module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bert-base-uncased", "bert-base-chinese"])
def test_bert(load, close, real_data, tmp_path, name):
    source = real_data / "tokenizers" / name
    config = transformers.BertConfig(**{**transformers.BertConfig.from_json_file(source / "bert_config.json").to_dict(), **SMALL})
    model = write(tmp_path, config, "BertForPreTraining", source, ["vocab.txt"])
    assert (model.family, model.newly_initialized(REQUESTS["LogLikelihood"]), model.newly_initialized(REQUESTS["Classify"])) == (
        "encoder",
        False,
        True,
    )
    check(load, close, model)
    learn(model, model.answers)


@pytest.mark.slow
def test_gpt2(load, close, real_data, tmp_path):
    config = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2)
    model = write(tmp_path, config, "GPT2LMHeadModel", real_data / "tokenizers" / "gpt2", ["vocab.json", "merges.txt"])
    assert (model.family, model.newly_initialized(REQUESTS["Choose"])) == ("decoder", False)
    loaded = load(model, REQUESTS["Choose"])
    assert loaded.limit == 1024
    [(start, own)] = loaded.prompts.continuations(["The nurse found the"], ["lamp"])
    assert loaded.tokenizer.convert_ids_to_tokens(start + own) == ["The", "Ġnurse", "Ġfound", "Ġthe", "Ġlamp"]
    assert (len(own), loaded.prompts.beginning) == (1, 50256)
    check(load, close, model)
    learn(model, model.answers)


@pytest.mark.slow
def test_t5(load, close, real_data, tmp_path):
    config = transformers.T5Config(d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2, decoder_start_token_id=0)
    model = write(tmp_path, config, "T5ForConditionalGeneration", real_data / "tokenizers" / "t5", ["spiece.model"])
    assert (model.family, model.newly_initialized(REQUESTS["Choose"])) == ("sequence-to-sequence", False)
    loaded = load(model, REQUESTS["Choose"])
    [target] = loaded.prompts.targets(["the lamp"], loaded.decoder_start)
    assert loaded.tokenizer.convert_ids_to_tokens(target.ids) == ["<pad>", "▁the", "▁lamp", "</s>"]
    assert loaded.tokenizer.convert_ids_to_tokens(target.own) == ["▁the", "▁lamp"]
    check(load, close, model)
    learn(model, model.answers)


TWICE = {f"{side}_{k}": v for side in ("encoder", "decoder") for k, v in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 16))}
OTHERS = {
    "RobertaForMaskedLM": ("RobertaConfig", {**SMALL, "max_position_embeddings": 130, "type_vocab_size": 1}),
    "DistilBertForMaskedLM": ("DistilBertConfig", {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}),
    "ElectraForMaskedLM": ("ElectraConfig", {**SMALL, "embedding_size": 16}),
    "DebertaV2ForMaskedLM": (
        "DebertaV2Config", {**SMALL, "type_vocab_size": 0, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    ),
    "AlbertForMaskedLM": ("AlbertConfig", {**SMALL, "embedding_size": 16}),
    "XLMRobertaForMaskedLM": ("XLMRobertaConfig", {**SMALL, "max_position_embeddings": 130}),
    "ModernBertForMaskedLM": ("ModernBertConfig", SMALL),
    "LlamaForCausalLM": ("LlamaConfig", {**SMALL, "num_key_value_heads": 2}),
    "Gemma2ForCausalLM": ("Gemma2Config", {**SMALL, "num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 0.01}),
    "GPTNeoXForCausalLM": ("GPTNeoXConfig", SMALL),
    "OPTForCausalLM": ("OPTConfig", {**SMALL, "ffn_dim": 16, "word_embed_proj_dim": 16}),
    "Qwen2ForCausalLM": ("Qwen2Config", {**SMALL, "num_key_value_heads": 2}),
    "BartForConditionalGeneration": ("BartConfig", {"d_model": 16, **TWICE}),
    "MarianMTModel": ("MarianConfig", {"d_model": 16, **TWICE}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("head", OTHERS)
def test_other_architectures(load, tiny, close, tmp_path, head):
    name, shape = OTHERS[head]
    family = "encoder" if head.endswith("MaskedLM") else "decoder" if head.endswith("CausalLM") else "sequence-to-sequence"
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny[family].source)
    special = {f"{t}_token_id": getattr(tokenizer, f"{t}_token_id") for t in ("pad", "bos", "eos", "cls", "sep")}
    shape = {
        **shape,
        **special,
        "vocab_size": len(tokenizer),
        "decoder_start_token_id": tokenizer.pad_token_id,
        "forced_eos_token_id": None,
    }
    tokenizer.save_pretrained(tmp_path)
    model = write(tmp_path, getattr(transformers, name)(**shape), head)
    assert model.family == family
    assert not model.newly_initialized(REQUESTS["LogLikelihood"])
    check(load, close, model)
    module = load(model, REQUESTS["LogLikelihood"]).module
    rows = torch.arange(5, 25).view(2, 10)
    inputs = {"input_ids": rows} | ({"decoder_input_ids": rows} if family == "sequence-to-sequence" else {})
    places = torch.tensor([3, 9, 10, 18])
    with torch.inference_mode():
        assert torch.allclose(logits_at(module, inputs, places), module(**inputs).logits.flatten(0, 1)[places], atol=1e-6)
