"""Drawn texts: each by a seed of its own, whatever is asked beside it."""

import numpy as np
import pytest
import torch
from plmtasks_transformers.fast import Draws, device
from plmtasks_transformers.fast.decoding import Decoding, End
from test_decoding import APART, PROMPTS, padded, small

from plmtasks.config import Generation, ModelSettings
from plmtasks.data import events
from plmtasks.requests import Generate

TEXTS = [e.english() for e in events("train", 4)]
DRAWN = [
    Generate(text=t[: 20 + 9 * i], max_new_tokens=6, temperature=1.0, repeat=k) for i, t in enumerate(TEXTS) for k in range(3)
]
FAMILIES = pytest.mark.parametrize("family", ["decoder", "sequence-to-sequence"])


def seeds(count):
    return [Generate(text="", repeat=i).seed(7) for i in range(count)]


@pytest.mark.parametrize("apart", [False, True], ids=["processor", "accelerator"])
def test_tokens_come_as_often_as_their_chances_say(monkeypatch, apart):
    """An accelerator draws for the whole vocabulary, so as not to wait for how many candidates there are."""
    monkeypatch.setitem(device.DEVICES, "cpu", device.DEVICES["cpu"]._replace(apart=apart))
    count = 6000
    scores = torch.randn(40, generator=torch.Generator().manual_seed(1)) * 1.5
    scores[[3, 17]] = -torch.inf
    chances = scores.softmax(-1).double().numpy()
    for step in (0, 5):
        tokens = Draws(seeds(count), range(count))(scores.expand(count, -1), range(count), step).numpy()
        found, expected = np.bincount(tokens, minlength=40), chances * count
        assert found[[3, 17]].sum() == 0
        left = expected > 0
        # chi-square with 37 degrees of freedom: above 80 once in 20,000 times
        assert (((found - expected) ** 2)[left] / expected[left]).sum() < 80


def test_steps_and_repeats_are_drawn_apart():
    """What two of them draw hangs together no more than chance has it."""
    count, scores = 3000, torch.zeros(3000, 10)
    draws = Draws(seeds(count), range(count))
    first, second = (draws(scores, range(count), step) for step in (0, 1))
    assert 0.07 < float((first == second).double().mean()) < 0.13
    assert 0.07 < float((first[1:] == first[:-1]).double().mean()) < 0.13
    assert torch.equal(draws(scores[:5], range(10, 15), 0), first[10:15])


@pytest.mark.parametrize("named", [{"top_k": 5}, {"top_p": 0.6}, {"top_k": 0, "temperature": 0.5}, {"min_p": 0.2}], ids=str)
@pytest.mark.parametrize("name", ["gpt2", "llama", "t5"])
def test_our_loop_draws_what_the_library_s_does(name, named):
    """One token is left to the library's own loop, after its own warpers; what is left to be drawn are theirs."""
    module = small(name, **(APART if name == "t5" else {}))
    rows = [p for p in PROMPTS for _ in range(3)]
    order, settings = [*range(0, 18, 2), *range(1, 18, 2)], {"do_sample": True, "max_new_tokens": 7, **named}
    with torch.inference_mode():
        start, made = 1 if name == "t5" else max(map(len, rows)), []
        for which in (order, sorted(order)):
            asked, own = [rows[i] for i in which], [seeds(18)[i] for i in which]
            prompts = [str(row) for row in asked]
            ours = Decoding([End(7, ())] * 18, lambda made, stop: False, 16, None, Draws(own, prompts))
            mine = module.generate(**padded(module, asked), **settings, custom_generate=ours)
            theirs = Draws(own, prompts).by_library
            theirs = module.generate(**padded(module, asked), **settings, custom_generate=theirs)[:, start:].tolist()
            assert [row[: len(own)] for row, own in zip(theirs, mine, strict=True)] == mine
            made.append(dict(zip(which, mine, strict=True)))
    assert made[0] == made[1]
    assert len({str(row) for row in made[0].values()}) > 9


def test_a_prompt_that_is_drawn_from_several_times_is_read_once():
    module, read = small("gpt2"), []
    module.get_input_embeddings().register_forward_pre_hook(lambda _, given: read.append(tuple(given[0].shape)))
    given = padded(module, [PROMPTS[3]] * 4 + [PROMPTS[0]] * 2)
    own = Decoding([End(3, ())] * 6, lambda made, stop: False, 0, None, Draws(seeds(6), "aaaabb"))
    with torch.inference_mode():
        module.generate(**given, do_sample=True, max_new_tokens=3, eos_token_id=60, custom_generate=own)
    assert read == [(2, 7), (6, 1), (6, 1)]


@FAMILIES
def test_a_text_depends_on_its_request_and_the_seed_alone(load, family):
    loaded = load(family, DRAWN[0], seed=1)
    loaded.costs(DRAWN)
    together = loaded.answer(DRAWN)
    assert len({a.text for a in together}) > 9
    assert loaded.answer(DRAWN[::-1]) == together[::-1]
    assert [loaded.answer([r])[0] for r in DRAWN] == together
    assert load(family, DRAWN[0], seed=1, kernels="plain").answer(DRAWN) == together
    assert sum(a == b for a, b in zip(load(family, DRAWN[0], seed=2).answer(DRAWN), together, strict=True)) < 3


def test_repeats_stand_beside_each_other(load):
    loaded = load("decoder", DRAWN[0])
    near = [(c.group, c.width, c.near) for c in loaded.costs(DRAWN)]
    assert len(set(near)) == 4
    assert all(len(set(near[i : i + 3])) == 1 for i in range(0, 12, 3))


@FAMILIES
def test_what_is_named_goes_before_what_the_request_says(load, family):
    greedy = load(family, DRAWN[0], generation=Generation(temperature=0.0)).answer(DRAWN)
    plain = [Generate(text=r.text, max_new_tokens=6) for r in DRAWN]
    assert load(family, plain[0]).answer(plain) == greedy
    likeliest = [Generate(text=r.text, max_new_tokens=6, temperature=3.0, top_k=1) for r in DRAWN]
    assert load(family, likeliest[0]).answer(likeliest) == greedy
    assert load(family, likeliest[0], generation=Generation(top_k=0)).answer(likeliest) != greedy
    assert load(family, DRAWN[0], generation=Generation(top_p=1e-6)).answer(DRAWN) == greedy
    beams = [Generate(text=r.text, max_new_tokens=6, num_beams=3) for r in DRAWN]
    wanted = load(family, plain[0], generation=Generation(num_beams=3)).answer(plain)
    assert load(family, beams[0]).answer(beams) == wanted != greedy


def test_requests_of_other_settings_share_no_batch(load):
    ways = [{}, {"temperature": 1.0}, {"temperature": 0.5}, {"temperature": 0.5, "top_k": 3}, {"num_beams": 2}]
    requests = [Generate(text="a", **way) for way in ways]

    def groups(**settings):
        return len({c.group for c in load("decoder", requests[0], **settings).costs(requests)})

    assert groups() == 5
    assert groups(generation=Generation(temperature=0.7, top_k=5)) == 2  # beams are left


def test_the_identity_tells_that_texts_are_drawn(tiny):
    def identity(request, **settings):
        found = tiny["decoder"].identity(request, ModelSettings(dtype="float32", **settings))["settings"]
        return {**found, "head_seed": None}

    plain, drawn = Generate(text="a"), Generate(text="a", temperature=0.7)
    old = {"num_beams": 1, "temperature": 0.0, "top_p": None, "length_penalty": None, "max_new_tokens": None}
    assert identity(plain)["generation"] == old
    assert identity(plain, seed=1) == identity(plain, seed=2)
    assert identity(drawn, seed=1) != identity(drawn, seed=2)
    assert identity(plain, seed=1, generation=Generation(temperature=0.7)) == identity(drawn, seed=1)
    assert identity(drawn, generation=Generation(temperature=0.0)) == identity(plain)
