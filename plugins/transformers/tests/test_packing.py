"""Trees of tokens, shared prefixes and laid-out weights give what rows one by one give."""

from dataclasses import replace
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_transformers.answering import sequences
from plmtasks_transformers.answering.sequences import Sequences, read, token_values
from plmtasks_transformers.fast import Ways, device, door, enter, kernels, masks, trees
from plmtasks_transformers.fast.trees import PACKED_TYPES, Prefix, groups_of, packs, shared_prefixes, tree_of

from plmtasks.config import ModelSettings
from plmtasks.errors import ModelWarning
from plmtasks.execution.batching import cut_batches
from plmtasks.requests import Choose, Shot

SMALL = {
    "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "ffn_dim": 64, "max_position_embeddings": 128, "head_dim": 8, "rotary_dim": 4, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2, "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32, "word_embed_proj_dim": 32,
}  # fmt: skip
ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=8)


@given(ROWS, st.integers(0, 3))
def test_a_tree_holds_each_beginning_once(rows, before):
    arrays = [np.array(r, np.int32) for r in rows]
    tree = tree_of(arrays, before)
    beginnings = {tuple(r[: n + 1]) for r in rows for n in range(len(r))}
    assert len(tree.ids) == len(beginnings)
    for row, places in zip(rows, tree.places, strict=True):
        assert tree.ids[places].tolist() == row
        assert tree.positions[places].tolist() == list(range(before, before + len(row)))
        for n, place in enumerate(places):
            assert [j for j in range(place + 1) if tree.ends[j] > place] == sorted(places[: n + 1])


@given(ROWS, st.integers(1, 20))
def test_groups_keep_the_order_and_the_size(rows, most):
    arrays = [np.array(r, np.int32) for r in rows]
    groups = list(groups_of(arrays, most))
    assert [i for group in groups for i in group] == list(range(len(rows)))
    for group in groups:
        first = len(arrays[group[0]])
        assert len(group) == 1 or len(tree_of([arrays[i] for i in group]).ids) <= most + (first if first >= most else 0)


def test_rows_that_begin_with_most_of_a_long_one_share_it():
    trunk = list(range(100))
    rows = [np.array([*trunk, i, i], np.int32) for i in range(9)] + [np.array([7] * 30, np.int32), np.array([8] * 3, np.int32)]
    assert [*groups_of(rows, 10)] == [[0, 1, 2, 3, 4, 5], [6, 7, 8], [9], [10]]


def test_a_shared_prefix_ends_before_what_is_predicted():
    rows = [[np.array([5] * 20 + [6, 7])], [np.array([5] * 20 + [8]), np.array([5] * 20 + [9, 9])], [np.array([5] * 30)]]
    one, two, alone = shared_prefixes(rows, [12, 19, 29], ["a", "a", "b"])
    assert one is two
    assert one.ids.tolist() == [5] * 12
    assert alone is None
    assert shared_prefixes(rows[:2], [3, 3], ["a", "a"]) == [None, None]
    assert shared_prefixes(rows[:2], [12, 19], [None, None]) == [None, None]


class Bare:
    """What `token_values` uses of a loaded model."""

    def __init__(self, module):
        self.module, self.pad_id, self.device, self.ways = module, 0, torch.device("cpu"), Ways(places=True)
        self.settings = ModelSettings()

    def inputs(self, rows):
        width = max(map(len, rows))
        ids = torch.tensor(np.array([np.pad(r, (0, width - len(r))) for r in rows]).astype(np.int64))
        return {"input_ids": ids, "attention_mask": torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r in rows])}


def some_sequences(prefix):
    """Requests with several wants each, whose rows all begin with the prefix."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(5):
        context = rng.integers(3, 99, rng.integers(3, 9)).astype(np.int32)
        rows, wants = {}, []
        for n in (1, 1, 3, 5):
            own = rng.integers(3, 99, n).astype(np.int32)
            row = tuple(np.concatenate([prefix, context, own])[:-1])
            wants.append((rows.setdefault(row, len(rows)), own))
        made.append(Sequences([np.array(r, np.int32) for r in rows], wants))
    # a row within another's
    return [*made, Sequences([made[0].rows[-1][:-2]], [(0, made[0].wants[-1][1][:2])])]


def packed(model_type, **more):
    torch.manual_seed(0)
    more |= {"sliding_window": None} if model_type == "mistral" else {}
    module = transformers.AutoModelForCausalLM.from_config(transformers.CONFIG_MAPPING[model_type](**{**SMALL, **more})).eval()
    for weight in module.parameters():
        if weight.ndim >= 2:
            torch.nn.init.normal_(weight, 0, 0.3)  # so that what a token sees shows
    module.tie_weights()
    return module


@pytest.mark.slow
@pytest.mark.parametrize("model_type", sorted(PACKED_TYPES))
def test_trees_give_what_rows_give(model_type, monkeypatch):
    module = packed(model_type)
    assert packs(module.config)
    prefix = np.arange(3, 15).astype(np.int32)
    whole = some_sequences(prefix)
    shared = Prefix(prefix)
    trimmed = [s._replace(rows=[r[len(prefix) :] for r in s.rows], prefix=shared) for s in whole]
    loaded = Bare(module)
    with torch.inference_mode():
        wanted = token_values(loaded, whole).numpy()
        assert np.array_equal(token_values(loaded, trimmed).numpy(), wanted)
        loaded.ways = Ways(places=True, trees=True)
        for batch, most in ((whole, 512), (trimmed, 512), (trimmed, 30), (whole, 1)):
            monkeypatch.setattr(sequences, "ROW", most)
            assert np.allclose(read(loaded, batch)().values, wanted, atol=2e-4), (model_type, most)
        kernels.lay_out(module)
        assert np.allclose(read(loaded, trimmed)().values, wanted, atol=2e-4)


@pytest.fixture
def uncompiled():
    """What is to be compiled is done as it is written: to make a kernel of attention by blocks takes a processor a while."""
    torch.compiler.set_stance("force_eager")
    yield
    torch.compiler.set_stance("default")


@given(st.lists(ROWS, min_size=1, max_size=3), st.integers(0, 5), st.sampled_from([2, 4, 7]))
def test_the_blocks_of_a_mask_are_those_that_it_does_not_hide(many, before, size):
    """In part or whole; a block that is told wrong would be left out, or seen where it is hidden."""
    with mock.patch.object(trees, "BLOCK", size):
        sides = [tree_of([np.array(r, np.int32) for r in rows], before) for rows in many]
        module = SimpleNamespace(device=torch.device("cpu"), dtype=torch.float32)
        found = trees.inputs_of(sides, None, module, 0, 0)
        ends = torch.arange(1, found["input_ids"].shape[1] + 1).repeat(len(sides), 1)
        for line, side in zip(ends, sides, strict=True):
            line[: len(side.ids)] = torch.from_numpy(side.ends)
        made = trees._blocks(ends, before, torch.float32)
        whole = trees._hidden(ends, before, torch.float32)[:, 0] == 0
    assert made.shape == (len(sides), 1, *whole.shape[1:])
    grids = [torch.arange(n) for n in (len(sides), 1, *whole.shape[1:])]
    assert torch.equal(made.mask_mod(*torch.meshgrid(*grids, indexing="ij"))[:, 0], whole)
    for tree, table in enumerate(whole):
        for row, queries in enumerate(table.split(size)):
            blocks = queries.split(size, 1)
            seen = {i for i, block in enumerate(blocks) if block.any()}
            full = {i for i in seen if blocks[i].all() and blocks[i].shape[1] == size}
            for expected, count, places in (
                (seen - full, made.kv_num_blocks, made.kv_indices), (full, made.full_kv_num_blocks, made.full_kv_indices)
            ):  # fmt: skip
                assert set(places[tree, 0, row, : count[tree, 0, row]].tolist()) == expected


@pytest.mark.slow
@pytest.mark.parametrize("model_type", sorted(PACKED_TYPES))
def test_trees_by_blocks_give_what_their_masks_give(model_type, uncompiled, monkeypatch):
    module = packed(model_type)
    masks.make_unasked(module)
    prefix = np.arange(3, 15).astype(np.int32)
    whole = some_sequences(prefix)
    trimmed = [s._replace(rows=[r[len(prefix) :] for r in s.rows], prefix=Prefix(prefix)) for s in whole]
    loaded, built = Bare(module), []
    monkeypatch.setattr(sequences, "ROW", 0)
    monkeypatch.setattr(trees, "_blocks", lambda *given, made=trees._blocks: built.append(1) or made(*given))
    with torch.inference_mode():
        for batch in (whole, trimmed):
            loaded.ways = Ways(places=True)
            wanted = read(loaded, batch)().values
            loaded.ways = Ways(places=True, trees=True, sparse=True)
            assert np.allclose(read(loaded, batch)().values, wanted, atol=2e-4)
    assert built


def test_blocks_are_left_out_where_the_device_says_so(load, uncompiled, monkeypatch):
    request = Choose(text="the nurse sold a lamp " * 9, choices=("sadly", "happily", "in a hurry"))
    plain = load("decoder", request, kernels="plain").answer([request])
    monkeypatch.setitem(device.DEVICES, "cpu", device.DEVICES["cpu"]._replace(sparse=True))
    monkeypatch.setattr(door, "_SEEN", {})
    monkeypatch.setattr(sequences, "ROW", 8)
    loaded = load("decoder", request, kernels="torch")
    assert loaded.ways.sparse
    [found] = loaded.answer([request])
    for one, other in zip(found.choices, plain[0].choices, strict=True):
        assert one == replace(other, log_likelihood=pytest.approx(other.log_likelihood, rel=1e-4))

    def wrong(ends, given, dtype):
        return made(torch.full_like(ends, ends.shape[1]), given, dtype)

    made = trees._blocks
    monkeypatch.setattr(trees, "_blocks", wrong)
    monkeypatch.setattr(door, "_SEEN", {})
    with pytest.warns(ModelWarning, match="'sparse' is not taken for gpt2: it gives other numbers"):
        assert load("decoder", request, kernels="torch").ways == loaded.ways._replace(sparse=False)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model_type", ["gpt2", "llama", "qwen2"])
def test_a_gpu_leaves_out_blocks(model_type, dtype):
    """Trees of three blocks, of few and many branches, behind a prefix or none, in batches of several sizes."""
    if not torch.cuda.is_available():
        pytest.skip("a CUDA device is needed")
    module = packed(model_type, max_position_embeddings=512, hidden_size=64, head_dim=16).to("cuda", dtype)
    rng = np.random.default_rng(0)
    trunk = rng.integers(3, 99, 150)
    within = 1e-3 if dtype == torch.float32 else 0.1
    with torch.inference_mode():
        assert enter(module, "torch", ["trees", "sparse"]).sparse
        for many, before in ((9, 12), (3, 0), (20, 33)):
            rows = [[*trunk[: rng.integers(3, 150)], *rng.integers(3, 99, rng.integers(1, 60))] for _ in range(many)]
            sides = [tree_of([np.array(r, np.int32) for r in some], before) for some in (rows, rows[:3], rows[1:2])]
            prefix = Prefix(rng.integers(3, 99, before)) if before else None
            expected = module(**trees.inputs_of(sides, prefix, module, 0)).logits
            found = module(**trees.inputs_of(sides, prefix, module, 0, 0)).logits
            for side, one, other in zip(sides, expected, found, strict=True):
                n = len(side.ids)
                torch.testing.assert_close(one[:n], other[:n], rtol=within, atol=within * float(one.abs().max()))


def test_sliding_windows_are_not_packed():
    assert not packs(transformers.Gemma2Config())
    assert not packs(transformers.MistralConfig(sliding_window=64))
    assert not packs(
        transformers.Qwen3Config(use_sliding_window=True, sliding_window=8, max_window_layers=1, num_hidden_layers=4)
    )


def test_shots_are_computed_once_for_all(load):
    shots = tuple(Shot(text=f"the nurse sold lamp {i}", answer="happily") for i in range(4))
    requests = [
        Choose(instruction="How?", shots=shots, text=f"the singer found {n} baskets", choices=("sadly", "happily", "in a hurry"))
        for n in range(6)
    ]
    alone = [load("decoder", r).answer([r])[0] for r in requests]
    loaded = load("decoder", requests[0])
    costs = loaded.costs(requests)
    assert len({c.group for c in costs}) == 1
    assert costs[0].group
    whole = len(loaded.prompts.ids([loaded.prompts.render(requests[0], shots, requests[0].text)])[0])
    assert max(c.tokens for c in costs) < whole / 2
    together = loaded.answer(requests)
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one.choices, other.choices, strict=True):
            assert b == replace(a, log_likelihood=pytest.approx(a.log_likelihood, rel=1e-5))


def test_requests_that_begin_alike_come_together(load):
    texts = [f"{a} {'the lamp ' * 5}{b}" for b in range(8) for a in ("nurse", "singer", "farmer")]
    requests = [Choose(text=t, choices=("a", "b")) for t in texts]
    loaded = load("decoder", requests[0])
    costs = loaded.costs(requests)
    batches = cut_batches([r.key() for r in requests], costs, 8 * max(c.tokens for c in costs))
    assert [len({requests[i].text.split()[0] for i in batch}) for batch in batches] == [1] * len(batches)


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta", "modernbert", "gpt2", "llama", "t5", "bart", "marian"])
def test_laid_out_weights_give_the_same(name):
    torch.manual_seed(0)
    more = {"n_embd": 32, "n_layer": 2, "n_head": 4} if name == "gpt2" else {}
    seq2seq = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4, "encoder_layers": 2, "decoder_layers": 2}
    seq2seq |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
    config = transformers.CONFIG_MAPPING[name](**{**SMALL, **more, **(seq2seq if name in ("t5", "bart", "marian") else {})})
    kind = "Seq2SeqLM" if config.is_encoder_decoder else "CausalLM" if name in ("gpt2", "llama") else "SequenceClassification"
    module = getattr(transformers, f"AutoModelFor{kind}").from_config(config).eval()
    ids = torch.randint(3, 99, (3, 12))
    inputs = {"input_ids": ids, **({"decoder_input_ids": ids[:, :4]} if config.is_encoder_decoder else {})}
    with torch.inference_mode():
        before = module(**inputs).logits
        kernels.lay_out(module)
        assert torch.allclose(module(**inputs).logits, before, rtol=1e-4, atol=1e-5)
    assert not [part for part in module.modules() if type(part) is torch.nn.Linear]


def test_products_have_few_sizes():
    sizes = {n: kernels.rounded(n) for n in range(1, 1025)}
    assert all(n <= size < n + max(8, n / 16) for n, size in sizes.items())
    assert all(kernels.rounded(size) == size for size in sizes.values())
    assert len(set(sizes.values())) < 100
