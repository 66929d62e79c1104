"""Layers that learn by kernels, beside autograd of plain torch in double precision under the same dropout."""

from contextlib import nullcontext
from copy import deepcopy

import numpy as np
import pytest
import torch
import transformers
from plmtasks_transformers.fast import enter, first_token_alone, learning, native
from plmtasks_transformers.fast.dropping import Dropout
from plmtasks_transformers.fast.learning import Attended, Joined, Joint, Network, Rows
from plmtasks_transformers.fast.unpadding import first_rows, layout_of
from torch.nn import functional

NEAR = {torch.bfloat16: 0.04, torch.float32: 2e-5}
"""Of the greatest number, what is rounded away."""
LENGTHS = [70, 33, 32, 16, 5, 1]
TOKENS = sum(LENGTHS)


@pytest.fixture(params=NEAR, ids=str)
def dtype(request):
    if not native.there(request.param):
        pytest.skip("no kernels for such numbers")
    return request.param


def normal(*shape, seed=0, by=1.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * by


def rebuilt(dropout, places):
    """What numbers at these places are multiplied by, as native_learning.h says."""
    if not dropout.below:
        return torch.ones(places.shape, dtype=torch.float64)
    x = (places.astype(np.uint64) + dropout.first).astype(np.uint32)
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D) ^ np.uint32(dropout.second)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    x ^= x >> 16
    return torch.from_numpy((x >= dropout.below) * float(np.float32(dropout.by)))


def held_together(own, plain, sides, dtype):
    """What both make of the sides, and the gradients of all that learn, of the greatest of each.

    own: takes inputs in dtype and weights in float32; plain: takes all in float64, as they were rounded
    """
    inputs, weights = sides
    given = [x.to(dtype).requires_grad_() for x in inputs], [w.clone().requires_grad_() for w in weights]
    exact = [[x.detach().double().requires_grad_() for x in part] for part in given]
    found, expected = own(*given), plain(*exact)
    far = normal(*found.shape, seed=99).to(dtype)
    pairs = [(found, expected)]
    gradients = torch.autograd.grad((found * far).sum(), [*given[0], *given[1]])
    pairs += zip(gradients, torch.autograd.grad((expected * far.double()).sum(), [*exact[0], *exact[1]]), strict=True)
    assert [g.dtype for g in gradients] == [dtype] * len(inputs) + [torch.float32] * len(weights)
    for one, other in pairs:
        scale = max(1.0, float(other.detach().abs().max()))
        torch.testing.assert_close(one.double() / scale, other / scale, rtol=0, atol=NEAR[dtype])


def rows_of(lengths, heads, dropout):
    layout = layout_of(lengths, torch.device("cpu"))
    return Rows(layout.rows, layout.width, heads, 0.1, dropout)


def drawn(p):
    torch.manual_seed(7)
    return Dropout.drawn(p)


@pytest.mark.parametrize("p", [0.0, 0.25])
@pytest.mark.parametrize("first", [False, True], ids=["all", "first"])
@pytest.mark.parametrize(("heads", "size"), [(3, 32), (2, 64)])
def test_attention(heads, size, first, p, dtype):
    """first: the first token of each row alone asks"""
    wide, dropout = heads * size, drawn(p)
    rows, asking = rows_of(LENGTHS, heads, dropout), None
    if first:
        mixed = layout_of([5, 70, 16, 33, 1, 32], torch.device("cpu"))
        rows, asking = rows._replace(at=first_rows(mixed)), mixed.firsts

    def plain(inputs, weights):
        sides = [
            functional.linear(inputs[0], w, b).view(-1, heads, size).transpose(0, 1)
            for w, b in zip(weights[::2], weights[1::2], strict=True)
        ]
        made = {}
        for place, begin, queries, count in rows.at.tolist():
            q, k, v = sides[0][:, begin : begin + queries], *(side[:, begin : begin + count] for side in sides[1:])
            at = (place + np.arange(queries))[None, :, None] * heads + np.arange(heads)[:, None, None]
            mask = rebuilt(dropout, at * max(LENGTHS) + np.arange(count)[None, None])
            made[place] = ((q @ k.transpose(1, 2) * 0.1).softmax(-1) * mask @ v).transpose(0, 1).flatten(1)
        return torch.cat([made[place] for place in sorted(made)])

    weights = [w for i in range(3) for w in (normal(wide, 48, seed=i, by=0.15), normal(wide, seed=9 + i, by=0.1))]
    sides = [normal(TOKENS, 48, seed=5)], weights
    held_together(lambda x, w: Attended.apply(*x, asking, rows, *w), plain, sides, dtype)


@pytest.mark.parametrize("p", [0.0, 0.25])
@pytest.mark.parametrize("size", [40, 384])
def test_the_norm_of_a_sum(size, p, dtype):
    how = Joint(1e-5, drawn(p))

    def plain(inputs, weights):
        matrix, bias, scale, shift = weights
        made = functional.linear(inputs[0], matrix, bias) * rebuilt(how.dropout, np.arange(TOKENS * size).reshape(-1, size))
        return functional.layer_norm(made + inputs[1], (size,), scale, shift, 1e-5)

    weights = [normal(size, 24, seed=1, by=0.2), normal(size, seed=2), normal(size, seed=3), normal(size, seed=4)]
    sides = [normal(TOKENS, 24, seed=5), normal(TOKENS, size, seed=6)], weights
    held_together(lambda x, w: Joined.apply(*x, how, *w), plain, sides, dtype)


@pytest.mark.parametrize("p", [0.0, 0.25])
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_a_network(approximate, p, dtype):
    size, wide, how = 40, 100, Joint(1e-5, drawn(p))

    def plain(inputs, weights):
        first, first_bias, second, second_bias, scale, shift = weights
        active = functional.gelu(functional.linear(inputs[0], first, first_bias), approximate=approximate)
        made = functional.linear(active, second, second_bias) * rebuilt(how.dropout, np.arange(TOKENS * size).reshape(-1, size))
        return functional.layer_norm(made + inputs[0], (size,), scale, shift, 1e-5)

    shapes = (wide, size), (wide,), (size, wide), (size,), (size,), (size,)
    weights = [normal(*shape, seed=i, by=0.2 if len(shape) > 1 else 1.0) for i, shape in enumerate(shapes)]
    sides = [normal(TOKENS, size, seed=8)], weights
    held_together(lambda x, w: Network.apply(*x, how, approximate == "tanh", *w), plain, sides, dtype)


def test_gelu_of_every_number(dtype):
    """Of all that bfloat16 has between -100 and 100; and its slope."""
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16)
    x = every[every.abs() < 100].to(dtype)[:, None]
    exact = x.double().requires_grad_()
    for approximate in ("none", "tanh"):
        expected = functional.gelu(exact, approximate=approximate)
        [steep] = torch.autograd.grad(expected.sum(), exact)
        slope, back = x.clone(), torch.ones_like(x)
        found = learning.gelu(slope, torch.zeros(1), approximate == "tanh")
        learning.gelu_back(back, slope)
        torch.testing.assert_close(found.double(), expected.detach(), rtol=NEAR[dtype] / 8, atol=2e-6)
        torch.testing.assert_close(back.double(), steep, rtol=NEAR[dtype] / 4, atol=2e-6)


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_dropout_keeps_the_share_and_the_mean(p):
    by = rebuilt(drawn(p), np.arange(200_000))
    zeros = (by == 0).double()
    assert abs(zeros.mean() - p) <= 5 * (p * (1 - p) / len(by)) ** 0.5
    assert p == 1 or abs(by.max() * (1 - p) - 1) < 2**-16
    # neighbours know nothing of each other, nor do two calls, whatever lies between them
    other = (rebuilt(Dropout.drawn(p), np.arange(200_000)) == 0).double() - p
    for apart in (1, 2, 16, 384):
        for one in (zeros - p, other):
            assert abs(((zeros - p)[:-apart] * one[apart:]).mean()) <= 5 * p * (1 - p) / len(by) ** 0.5


def test_any_number_of_threads_gives_the_same_bytes(dtype):
    before, made = torch.get_num_threads(), []
    rows, how = rows_of(LENGTHS, 4, drawn(0.1)), Joint(1e-5, drawn(0.1))
    sides, bias, weight = normal(TOKENS, 3 * 128).to(dtype), normal(3 * 128), torch.ones(128)
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            seen, sums = learning.attend(sides.split(128, 1), bias, rows)
            out, apart, by = learning.norm(seen, weight, seen, (weight, weight), how)
            back = learning.norm_back(out, apart, by, weight, how)
            last, slope = torch.empty_like(sides), sides.clone()
            learning.attend_back(back[0], sides.split(128, 1), bias, sums, rows, last.split(128, 1))
            active = learning.gelu(slope, bias, False)
            made.append([seen, sums, out, *back, last, active, slope, learning.columns(last)])
            made[-1].append(learning.gelu_back(active, slope))
    finally:
        torch.set_num_threads(before)
    for other in made[1:]:
        assert all(torch.equal(*pair) for pair in zip(made[0], other, strict=True))


# ── models ────────────────────────────────────────────────────────────────────────────────────────────────────────

SMALL = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 96, "vocab_size": 50,
    "max_position_embeddings": 100, "pad_token_id": 0,
}  # fmt: skip


def model(model_type="bert", head="SequenceClassification", **more):
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(model_type, **SMALL | more)
    return getattr(transformers, f"AutoModelFor{head}").from_config(config, attn_implementation="sdpa")


def batch():
    ids = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=torch.int64)
    for row, n in zip(ids, LENGTHS, strict=True):
        row[:n] = torch.randint(1, 50, (n,), generator=torch.Generator().manual_seed(n))
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


def learned(module, dtype=torch.float32, *, padded=False, first=False):
    module.zero_grad()
    inputs = batch()
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        more = {} if padded else {"layout": layout_of(LENGTHS, torch.device("cpu"))}
        with first_token_alone(module, more["layout"]) if first else nullcontext():
            logits = module(**inputs, **more).logits.float()
    if logits.ndim == 3:
        logits = logits[inputs["attention_mask"].bool()]
    logits.square().sum().backward()
    return logits.detach(), {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("head", ["SequenceClassification", "TokenClassification"])
@pytest.mark.parametrize(("model_type", "hidden"), [("bert", 64), ("roberta", 64), ("electra", 64), ("bert", 32)])
def test_a_models_gradients_are_those_of_the_librarys_own(model_type, hidden, head, dtype):
    """Also where heads are too small for the kernels; in bfloat16, of some tokens more than there are."""
    module = model(model_type, head, hidden_size=hidden).eval()
    eager = deepcopy(module)
    eager.set_attn_implementation("eager")
    expected, gradients = learned(eager, padded=True)
    assert enter(module, "torch", ["unpadded", "learned"]).learned
    torch.testing.assert_close(learned(module, padded=True)[0], expected, rtol=0, atol=1e-4)  # nothing says how rows lie
    found, own = learned(module, dtype, first=head == "SequenceClassification")
    assert own.keys() == gradients.keys()
    for name, one, other in [("logits", found, expected), *((name, own[name], gradients[name]) for name in own)]:
        near = (1e-4 if dtype == torch.float32 else 0.06) * max(0.01, float(other.abs().max()))
        torch.testing.assert_close(one, other, rtol=0, atol=near, msg=name)


def test_the_seed_says_what_is_dropped(dtype):
    module = model().train()
    enter(module, "torch", ["unpadded", "learned"])
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(learned(module, dtype)[1])
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not torch.equal(*(one["bert.encoder.layer.0.output.dense.weight"] for one in made[1:]))


def counted(monkeypatch):
    """How often each of the functions is called."""
    calls = dict.fromkeys((Attended, Joined, Network), 0)
    for function in calls:

        def call(*given, of=function, plain=function.apply):
            calls[of] += 1
            return plain(*given)

        monkeypatch.setattr(function, "apply", call)
    return calls


def test_what_the_kernels_do_not_do_goes_the_librarys_way(monkeypatch):
    if not native.there(torch.float32):
        pytest.skip("no kernels")
    calls = counted(monkeypatch)
    module = model().eval()
    assert enter(module, "torch", ["unpadded", "learned"]).learned
    first = module.bert.encoder.layer[0]
    calls.update(dict.fromkeys(calls, 0))
    expected = learned(module)
    assert list(calls.values()) == [2, 2, 2]
    with torch.inference_mode():
        module(**batch(), layout=layout_of(LENGTHS, torch.device("cpu")))
    assert list(calls.values()) == [2, 2, 2]
    first.attention.self.query.register_forward_hook(lambda _module, _args, output: output)
    first.attention.output.dense = torch.nn.Sequential(first.attention.output.dense)
    first.intermediate.intermediate_act_fn = torch.nn.Sequential(first.intermediate.intermediate_act_fn)
    found = learned(module)
    assert list(calls.values()) == [3, 3, 3]
    torch.testing.assert_close(found[0], expected[0])
    for other in (model(hidden_act="relu"), model(hidden_act="silu")):
        enter(other.eval(), "torch", ["unpadded", "learned"])
        calls.update(dict.fromkeys(calls, 0))
        learned(other)
        assert calls[Network] == 0


def test_activations_that_are_computed_again_and_weights_that_stay(dtype):
    """With dropout: what is drawn again must be the same."""
    made = []
    for again in (False, True):
        module = model().train()
        for name, p in module.named_parameters():
            p.requires_grad_("layer.0.attention" not in name and "layer.1.output" not in name)
        if again:
            module.activation_checkpointing_enable({"use_reentrant": False})
        enter(module, "torch", ["unpadded", "learned"])
        torch.manual_seed(3)
        made.append(learned(module, dtype))
    assert not any("layer.0.attention" in name or "layer.1.output" in name for name in made[0][1])
    for name, gradient in made[0][1].items():
        assert torch.equal(gradient, made[1][1][name]), name


def test_a_wrong_number_is_noticed_and_the_plain_way_taken(monkeypatch):
    if not native.there(torch.float32):
        pytest.skip("no kernels")
    plain = learning.gelu_back
    monkeypatch.setattr(learning, "gelu_back", lambda back, slope: plain(back, -slope))
    module = model(layer_norm_eps=1e-9).eval()  # a shape that was not seen yet
    with pytest.warns(match="the faster way 'learned' is not taken for bert: it gives other numbers"):
        assert not enter(module, "torch", ["unpadded", "learned"]).learned
    assert "forward" not in vars(module.bert.encoder.layer[0].attention.self)
