"""Without padding, and with dropout drawn four at a time: what is learned stays the same."""

import pytest
import torch
import transformers
from plmtasks_transformers.fast import enter, native
from plmtasks_transformers.fast.dropping import dropped
from plmtasks_transformers.fast.kernels import rounded
from plmtasks_transformers.fast.unpadding import ANSWERING, UNPADDED_TYPES, first_tokens, layout_of, make_unpadded

SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 50,
    "max_position_embeddings": 100, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 16, "pad_token_id": 0,
}  # fmt: skip
LENGTHS = [5, 30, 7, 30, 1, 28, 12]


def encoder(model_type, head="SequenceClassification"):
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(model_type, **SMALL)
    return getattr(transformers, f"AutoModelFor{head}").from_config(config)


def batch(lengths):
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for row, n in zip(ids, lengths, strict=True):
        row[:n] = torch.randint(1, 50, (n,))
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "head", ["SequenceClassification", "MultipleChoice", "TokenClassification", "QuestionAnswering", "MaskedLM"]
)
@pytest.mark.parametrize("model_type", sorted(UNPADDED_TYPES))
@pytest.mark.parametrize("lengths", [LENGTHS, [4, 4], [1], [80, 9, 80]], ids=["mixed", "equal", "one", "long"])
def test_logits_and_gradients_are_those_of_padded_rows(model_type, head, lengths):
    module = encoder(model_type, head).eval()
    inputs = batch(lengths)
    real = inputs["attention_mask"].bool()
    whole = head in ("SequenceClassification", "MultipleChoice")  # of a row, and not of each token
    if head == "MultipleChoice":
        inputs = {name: rows[:, None] for name, rows in inputs.items()}

    def learned(**more):
        module.zero_grad()
        out = module(**inputs, **more)
        parts = [out.logits] if "logits" in out else [out.start_logits[..., None], out.end_logits[..., None]]
        found = torch.cat([x if whole else x[real] for x in parts], -1)
        found.square().sum().backward()
        return found.detach(), {name: p.grad for name, p in module.named_parameters() if p.grad is not None}

    expected, gradients = learned()
    make_unpadded(module)
    padded, _ = learned()
    torch.testing.assert_close(padded, expected)
    found, own = learned(layout=layout_of(lengths, torch.device("cpu")))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert own.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(own[name], gradient, rtol=1e-3, atol=1e-4, msg=name)
    with torch.inference_mode():
        out = module(**inputs, layout=layout_of(lengths, torch.device("cpu"), ANSWERING))
    parts = [out.logits] if "logits" in out else [out.start_logits[..., None], out.end_logits[..., None]]
    answered = torch.cat([x if whole else x[real] for x in parts], -1)
    torch.testing.assert_close(answered, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("lengths", [LENGTHS, [4, 4], [1]], ids=["mixed", "equal", "one"])
def test_a_gpu_answers_without_padding(lengths):
    if not torch.cuda.is_available():
        pytest.skip("a CUDA device is needed")
    module = encoder("bert").to("cuda", torch.bfloat16).eval()
    inputs = {name: rows.to("cuda") for name, rows in batch(lengths).items()}
    with torch.inference_mode():
        expected = module(**inputs).logits
        assert enter(module, "torch", ["unpadded"]).unpadded
        found = module(**inputs, layout=layout_of(lengths, module.device, ANSWERING)).logits
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05)


def test_layers_compute_the_tokens_alone():
    module = encoder("bert").eval()
    make_unpadded(module)
    make_unpadded(module)  # as for a second head over the same layers
    shapes = []
    for layer in module.bert.encoder.layer:
        layer.attention.register_forward_hook(lambda _module, _args, output: shapes.append(tuple(output[0].shape)))
    module(**batch(LENGTHS), layout=layout_of(LENGTHS, torch.device("cpu")))
    assert shapes == [(1, sum(LENGTHS), 16)] * 2


def test_rows_of_one_length_are_attended_to_together():
    layout = layout_of([5, 30, 7, 30, 1, 5], torch.device("cpu"), ANSWERING)
    assert [(g.rows, g.width, g.mask) for g in layout.groups] == [(2, 30, None), (1, 7, None), (2, 5, None), (1, 1, None)]


@pytest.mark.parametrize("kind", ["Classify", "Regress", "Choose", "Tag", "ExtractSpan"])
def test_whatever_an_encoder_answers_it_computes_without_padding(load, examples, kind):
    requests, _ = examples(kind, 3)
    loaded = load("encoder", requests[0])
    shapes = []
    for layer in loaded.module.base_model.encoder.layer:
        layer.attention.register_forward_pre_hook(lambda _module, args: shapes.append(tuple(args[0].shape)))
    costs = loaded.costs(requests)
    loaded.answer(requests)
    assert {shape[:2] for shape in shapes} == {(1, rounded(sum(cost.bare for cost in costs)))}


def test_first_tokens_come_in_the_order_of_the_batch():
    layout = layout_of(LENGTHS, torch.device("cpu"))
    states = torch.arange(len(LENGTHS) * 30.0).view(-1, 1)[layout.tokens][None]
    assert first_tokens(states, layout)[:, 0, 0].tolist() == [30.0 * i for i in range(len(LENGTHS))]


def test_a_model_with_another_attention_is_left_alone():
    from plmtasks_transformers.fast.unpadding import unpads

    assert unpads(encoder("bert"))
    chosen = encoder("bert")
    chosen.set_attn_implementation("eager")
    assert not unpads(chosen)
    assert not unpads(encoder("modernbert"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("compiled", [True, False])
def test_dropout_keeps_the_share_and_the_mean(compiled, p, dtype, monkeypatch):
    if not compiled:
        monkeypatch.setattr(native, "there", lambda dtype: False)
    torch.manual_seed(0)
    x = torch.ones(401, 503, dtype=dtype, requires_grad=True)
    y = dropped(x, p)
    assert y.dtype == dtype
    zeros = (y == 0).double()
    # five deviations of a binomial share
    assert abs(zeros.mean() - p) < 5 * (p * (1 - p) / x.numel()) ** 0.5 + 2**-16
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / (1 - round(p * 2**16) / 2**16)).to(dtype).item()}
    # neighbours come from one draw, and yet know nothing of each other
    centred = (zeros - p).flatten()
    for apart in (1, 2, 3, 4):
        assert abs((centred[:-apart] * centred[apart:]).mean()) < 5 * p * (1 - p) / x.numel() ** 0.5
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())


def test_dropout_follows_torchs_seed_and_spares_everything_at_0():
    x = torch.randn(7, 3)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(dropped(x, 0.5))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert dropped(x, 0.0) is x
    assert not dropped(x, 1.0).any()
