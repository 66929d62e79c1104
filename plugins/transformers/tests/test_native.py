"""The kernels that a C compiler makes, beside torch's own in double precision."""

from copy import deepcopy

import numpy as np
import pytest
import torch
import transformers
from plmtasks_transformers.fast import enter, found, native
from plmtasks_transformers.fast.readout import Places
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from plmtasks.errors import ModelError
from plmtasks.execution import environment

NEAR = {torch.bfloat16: 0.02, torch.float32: 1e-5}
"""Of numbers near 1, what is rounded away, twice."""


@pytest.fixture(autouse=True, params=NEAR, ids=str)
def dtype(request):
    try:
        native.library(request.param)
    except ModelError as e:
        pytest.skip(str(e))
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def same(found, expected):
    assert found.dtype == torch.get_default_dtype()
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=NEAR[found.dtype])


@pytest.mark.parametrize("size", [32, 64, 96, 128])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", [[1], [15, 16, 17, 1], [70, 33, 32, 5], [300]])
def test_rows_see_themselves_alone(size, causal, lengths):
    q, k, v = (normal(sum(lengths) + 3, 4, size, seed=seed).transpose(0, 1) for seed in range(3))
    begins = np.cumsum([0, *lengths])
    rows = torch.tensor([[begin, begin, n, n] for begin, n in zip(begins, lengths, strict=False)])
    made = native.attend(q, k, v, rows, 0.3, causal=causal)
    for begin, n in zip(begins, lengths, strict=False):
        own = (x[:, begin : begin + n].double() for x in (q, k, v))
        same(made[begin : begin + n].transpose(0, 1), scaled_dot_product_attention(*own, scale=0.3, is_causal=causal))
    assert not made[sum(lengths) :].any()


@pytest.mark.parametrize("shared", [1, 3])
def test_what_a_mask_hides_is_not_seen(shared):
    """A tree behind a prefix; some blocks of keys are hidden from all queries of a block, and are left out."""
    queries, keys, heads, size = 100, 140, 6, 64
    q, k, v = normal(heads, queries, size), *(normal(heads // shared, keys, size, seed=seed) for seed in (1, 2))
    sees = torch.zeros(queries, keys, dtype=torch.bool)
    sees[:, :40] = True
    sees[:50, 40:90] = torch.ones(50, 50).tril()
    sees[50:, 90:] = torch.ones(50, 50).tril()
    sees[70:, :90] = False
    mask = torch.zeros(sees.shape).masked_fill_(~sees, torch.finfo(q.dtype).min)
    made = native.attend(q, k, v, torch.tensor([[0, 0, queries, keys]]), size**-0.5, mask)
    wide = (x.repeat_interleave(shared, 0).double() for x in (k, v))
    same(made.transpose(0, 1), scaled_dot_product_attention(q.double(), *wide, attn_mask=sees))


def test_no_number_stays_none():
    q, k, v = (normal(2, 40, 32, seed=seed) for seed in range(3))
    q[0, 3, 3] = torch.nan
    made = native.attend(q, k, v, torch.tensor([[0, 0, 20, 20], [20, 20, 20, 20]]), 1.0)
    assert made.isnan().any(-1).nonzero().tolist() == [[3, 0]]
    x = normal(2, 50)
    x[1, 7] = torch.nan
    assert native.gelu(x.clone()).isnan().nonzero().tolist() == [[1, 7]]
    assert native.layer_norm(x, None, torch.nn.LayerNorm(50)).isnan().any(1).tolist() == [False, True]
    assert native.read_off(x)[0].isnan().tolist() == [False, True]


@pytest.mark.parametrize("size", [5, 384, 768])
def test_a_norm_of_a_sum(size):
    x, more, norm = normal(9, size), normal(9, size, seed=1), torch.nn.LayerNorm(size, eps=1e-5)
    norm.weight.data, norm.bias.data = normal(size, seed=2), normal(size, seed=3)
    sides = norm.weight.double(), norm.bias.double(), 1e-5
    for other in (None, more):
        expected = layer_norm(x.double() + (0 if other is None else other.double()), (size,), *sides)
        near = NEAR[x.dtype] / 2
        torch.testing.assert_close(native.layer_norm(x, other, norm).double(), expected, rtol=near, atol=near)


def test_gelu_of_every_number(dtype):
    """Of all that bfloat16 has between -100 and 100."""
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16)
    x = every[every.abs() < 100].to(dtype)
    expected = gelu(x.double(), approximate="tanh")
    torch.testing.assert_close(native.gelu(x).double(), expected, rtol=NEAR[dtype] / 4, atol=1e-6)


def test_what_is_read_off_logits():
    logits = normal(7, 5003) * 5
    logits[2, [40, 4000]] = 90.0  # the first of equals counts
    logits[3] = -200.0
    logits[3, 5002] = -100.0
    sums, firsts = native.read_off(logits)
    torch.testing.assert_close(sums.double(), logits.double().logsumexp(-1), rtol=1e-6, atol=1e-6)
    assert firsts.tolist() == logits.float().argmax(-1).tolist()
    places = Places(logits, torch.arange(7), firsts)
    for own, plain in zip(found(places, compiled=True), found(places), strict=True):
        np.testing.assert_allclose(own, plain, rtol=1e-5)


def test_any_number_of_threads_gives_the_same_bytes():
    """Also of products that use tiles before and after."""
    q, k, v = (normal(4, 500, 64, seed=seed) for seed in range(3))
    rows = torch.tensor([[begin, begin, n, n] for begin, n in ((0, 100), (100, 350), (450, 50))])
    made, before = [], torch.get_num_threads()
    product = torch.nn.Linear(256, 256)
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                made.append([product(native.attend(q, k, v, rows, 0.1).flatten(1)), native.gelu(q.clone())])
    finally:
        torch.set_num_threads(before)
    for other in made[1:]:
        assert all(torch.equal(*pair) for pair in zip(made[0], other, strict=True))


SHAPE = {"vocab_size": 99, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
MODELS = {
    "bert": transformers.BertConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, hidden_act="gelu", **SHAPE
    ),
    "gpt2": transformers.GPT2Config(n_embd=128, n_layer=2, n_head=4, **SHAPE),
    "llama": transformers.LlamaConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64, **SHAPE
    ),
    "t5": transformers.T5Config(d_model=64, d_ff=64, num_layers=2, num_heads=2, d_kv=32, decoder_start_token_id=0, **SHAPE),
}
AUTO = {"bert": "AutoModelForMaskedLM", "t5": "AutoModelForSeq2SeqLM"}


@pytest.mark.parametrize("family", MODELS)
def test_a_model_gives_what_it_gave(family, dtype):
    """One row, rows of one length, and rows with padding."""
    torch.manual_seed(0)
    module = getattr(transformers, AUTO.get(family, "AutoModelForCausalLM")).from_config(deepcopy(MODELS[family]), dtype=dtype)
    module.eval()
    ids = torch.randint(3, 99, (3, 40))
    padded = torch.ones(3, 40, dtype=torch.int64)
    padded[1, 25:] = 0
    asked = [(ids[:1], None), (ids, None), (ids, padded)]

    def logits():
        more = {"decoder_input_ids": ids[:, :20]} if family == "t5" else {}
        with torch.inference_mode():
            return [
                module(input_ids=one, attention_mask=mask, **{n: x[: len(one)] for n, x in more.items()}).logits.float()
                for one, mask in asked
            ]

    before = logits()
    ways = enter(module, "compiled", ["unpadded", "places", "trees"])
    assert ways.compiled
    assert ways.unpadded == (family == "bert")
    for (_, mask), plain, own in zip(asked, before, logits(), strict=True):
        real = torch.ones(plain.shape[:2], dtype=torch.bool) if mask is None or family == "t5" else mask.bool()
        torch.testing.assert_close(own[real], plain[real], rtol=0, atol=1.5 * NEAR[dtype])


def test_a_compiler_that_makes_nothing(monkeypatch, tmp_path, dtype):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "false")
    with pytest.raises(ModelError, match=r"kernels=compiled: the C compiler made nothing that can be used"):
        native.library.__wrapped__(dtype)
    assert not list(tmp_path.rglob("*.so"))
    anew = native.library.__wrapped__
    monkeypatch.setattr(native, "library", anew)
    module = transformers.BertModel(MODELS["bert"]).to(dtype)
    with pytest.raises(ModelError, match="kernels=onednn does without"):  # other numbers would go by the same identity
        enter(module, "compiled", ["unpadded"])
    monkeypatch.setenv("CC", "cc")
    assert anew(dtype).usable()
    assert len(list(tmp_path.rglob("*.so"))) == 1
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # a home where nothing can be kept
    assert anew(dtype).usable()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_launcher_takes_them_where_there_is_a_compiler(dtype, monkeypatch):
    if not (environment._has_vectors(dtype) and environment._has_compiler(dtype)):
        pytest.skip(f"no processor or compiler for kernels of {dtype}")
    assert native.there(getattr(torch, dtype))  # what the launcher takes can be made
    assert environment._cpu_kernels(dtype) == "compiled"
    for other in ("no-such-compiler", "cc --no-such-option"):
        monkeypatch.setenv("CC", other)
        monkeypatch.setattr(environment, "_has_compiler", environment._has_compiler.__wrapped__, raising=True)
        assert environment._cpu_kernels(dtype) == "onednn"
        monkeypatch.undo()
