"""Generate: greedy, beams, sampling, stop texts, groups."""

import pytest
import torch

from plmtasks.config import Generation, ModelSettings
from plmtasks.data import events
from plmtasks.errors import InputError
from plmtasks.execution.batching import cut_batches
from plmtasks.requests import Generate, GenerateAnswer, Shot

EVENTS = events("train", 6)
TEXTS = [e.english() for e in EVENTS]
REQUESTS = [Generate(text=t[: 20 + 9 * i], max_new_tokens=6) for i, t in enumerate(TEXTS)]
FAMILIES = pytest.mark.parametrize("family", ["decoder", "sequence-to-sequence"])


ANSWERS = [GenerateAnswer(text=f"{e.agent.en} on Monday") for e in EVENTS]


@pytest.fixture(scope="module")
def taught(tiny, tmp_path_factory):
    """Family → a model that has learned to answer each request in its own way."""

    def teach(family):
        loaded = tiny[family].load(REQUESTS[0], ModelSettings(dtype="float32"), "cpu")
        optimizer = torch.optim.AdamW(loaded.module.parameters(), lr=5e-3)
        loaded.module.train()
        for _ in range(60):
            loss, count = loaded.loss(REQUESTS, ANSWERS)
            (loss / count).backward()
            optimizer.step()
            optimizer.zero_grad()
        folder = tmp_path_factory.mktemp(f"taught-{family}")
        loaded.save(folder)
        return tiny[family].saved(folder)

    return {family: teach(family) for family in ("decoder", "sequence-to-sequence")}


@pytest.mark.slow
@FAMILIES
def test_what_was_learned_comes_back_whatever_the_padding(load, taught, family):
    loaded = load(taught[family], REQUESTS[0])
    assert loaded.answer(REQUESTS) == ANSWERS
    assert [loaded.answer([r])[0] for r in REQUESTS] == ANSWERS


@FAMILIES
def test_greedy_takes_the_likeliest_token_each_time(load, family):
    loaded = load(family, REQUESTS[0])
    [answer] = loaded.answer([REQUESTS[2]])
    [encoding] = loaded.encodings([REQUESTS[2]])
    ids = torch.tensor(encoding.ids[None].astype("int64"))
    made = torch.tensor([[loaded.decoder_start]]) if family == "sequence-to-sequence" else ids
    start = made.shape[1]
    with torch.inference_mode():
        for _ in range(6):
            inputs = {"input_ids": ids, "decoder_input_ids": made} if family == "sequence-to-sequence" else {"input_ids": made}
            made = torch.cat([made, loaded.module(**inputs).logits[:, -1:].argmax(-1)], 1)
            if made[0, -1] == loaded.tokenizer.eos_token_id:
                break
    assert answer.text == loaded.tokenizer.decode(made[0, start:], skip_special_tokens=True).strip()


@FAMILIES
def test_beams(load, taught, family):
    beams = Generation(num_beams=4, length_penalty=0.5)
    assert load(taught[family], REQUESTS[0], generation=beams).answer(REQUESTS) == ANSWERS
    unsure = load(family, REQUESTS[0], generation=beams)
    assert unsure.answer(REQUESTS) == unsure.answer(REQUESTS) != load(family, REQUESTS[0]).answer(REQUESTS)
    settings = unsure._settings(REQUESTS[0], 6, 1)
    assert (settings.num_beams, settings.length_penalty, settings.do_sample) == (4, 0.5, False)


@FAMILIES
def test_sampling_is_a_function_of_seed_and_batch(load, family):
    def sample(seed, top_p=1.0):
        generation = Generation(temperature=1.0, top_p=top_p)
        return load(family, REQUESTS[0], seed=seed, generation=generation).answer(REQUESTS)

    before = torch.get_rng_state()
    assert sample(1) == sample(1) != sample(2)
    assert torch.equal(torch.get_rng_state(), before)
    greedy = load(family, REQUESTS[0], seed=1).answer(REQUESTS)
    assert sample(1, top_p=1e-6) == greedy != sample(1)


@FAMILIES
def test_the_text_ends_before_the_first_stop(load, taught, family):
    stopped = [Generate(text=r.text, max_new_tokens=6, stop=("Mon", " on")) for r in REQUESTS]
    wanted = [GenerateAnswer(text=a.text.split()[0]) for a in ANSWERS]
    assert load(taught[family], REQUESTS[0]).answer(stopped) == wanted


@FAMILIES
def test_the_settings_length_goes_over_the_request_s(load, taught, family):
    short = load(taught[family], REQUESTS[0], generation=Generation(max_new_tokens=2))
    assert short.encodings(REQUESTS)[0].new == 2
    for made, whole in zip(short.answer(REQUESTS), ANSWERS, strict=True):
        assert whole.text.startswith(made.text)
        assert len(made.text) < len(whole.text)


def test_only_equal_ways_of_making_share_a_batch(load, tiny, tmp_path):
    """Lengths and stop texts are each row's own, but for beams, and where something of the checkpoint's hangs on the length."""
    requests = [Generate(text="a"), Generate(text="b"), Generate(text="a", max_new_tokens=3), Generate(text="a", stop=("\n",))]

    def groups(model, **settings):
        return len({c.group for c in load(model, requests[0], **settings).costs(requests)})

    assert groups("decoder") == 1
    assert groups("decoder", generation=Generation(num_beams=2)) == 2
    assert groups("decoder", generation=Generation(num_beams=2, temperature=1.0)) == 3
    loaded = load("decoder", requests[0])
    loaded.module.generation_config.min_new_tokens = 2
    loaded.save(tmp_path)
    assert groups(tiny["decoder"].saved(tmp_path)) == 2


@FAMILIES
def test_a_batch_begins_with_its_longest_prompts(load, family):
    loaded = load(family, REQUESTS[0])
    [batch] = cut_batches([r.key() for r in REQUESTS], loaded.costs(REQUESTS), 2048)
    lengths = [len(encoding.ids) for encoding in loaded.encodings([REQUESTS[i] for i in batch])]
    assert len(set(lengths)) > 1
    assert lengths == sorted(lengths, reverse=True)


def test_shots_are_read_once_for_all(load):
    shots = tuple(Shot(text=t, answer=f"the {t.split()[1]}") for t in TEXTS[:3])
    requests = [Generate(instruction="Who was it?", shots=shots, text=t, max_new_tokens=5, stop=("a",)) for t in TEXTS[3:]]
    alone = [load("decoder", r).answer([r])[0] for r in requests]
    loaded = load("decoder", requests[0])
    assert len({c.group for c in loaded.costs(requests)}) == 1
    assert len(loaded.encodings(requests)[0].prefix) > 20
    assert loaded.answer(requests) == alone


def test_no_room_for_a_prompt(load):
    request = Generate(text="the nurse", max_new_tokens=300)
    with pytest.raises(InputError, match="takes 256 tokens, which leaves none before 300 new ones\n  --generation max"):
        load("decoder", request).costs([request])


def test_a_long_prompt_leaves_room_for_the_answer(load):
    request = Generate(text="the nurse " * 300, max_new_tokens=16)
    loaded = load("decoder", request)
    [encoding] = loaded.encodings([request])
    assert 240 < len(encoding.ids) + encoding.new <= 256
    assert loaded.costs([request])[0].cut == encoding.cut > 300
    loaded.answer([request])
    loss, count = loaded.loss([request], [GenerateAnswer(text="the nurse " * 100)])
    assert count == 16
    assert torch.isfinite(loss)


@FAMILIES
def test_what_is_learned_shortened_is_counted(load, family):
    requests = [Generate(text=text, max_new_tokens=4) for text in ("the nurse", "the nurse " * 300, "the lamp", "a")]
    answers = [GenerateAnswer(text=text) for text in ("the lamp", "the lamp", "the lamp " * 9, "")]
    assert load(family, requests[0]).shortened(requests, answers) == 2


def test_an_answer_over_the_limit_of_the_decoder(load):
    """Its tokens stand in their own places: cut, it costs what its beginning does."""
    request = Generate(text="the nurse", max_new_tokens=1000)
    loaded = load("sequence-to-sequence", request)
    words = "the nurse " * 400
    loss, count = loaded.loss([request], [GenerateAnswer(text=words)])
    shorter, same = load("sequence-to-sequence", Generate(text="the nurse")).loss(
        [Generate(text="the nurse", max_new_tokens=loaded.limit)], [GenerateAnswer(text=words)]
    )
    assert count == same == loaded.limit
    assert float(loss.detach()) == pytest.approx(float(shorter.detach()), rel=1e-6)


ODD = {
    "nothing": (1, {"num_beams": 4, "do_sample": True, "temperature": 3.0}),
    "short": (3, {"length_penalty": -2.0, "num_beams": 2}),
    "long": (3, {"length_penalty": 3.0, "early_stopping": True, "num_beams": 2}),
    "never": (3, {"length_penalty": 0.4, "early_stopping": "never", "num_beams": 2}),
    "words": (1, {"repetition_penalty": 3.0, "bad_words_ids": [[5], [40, 41]], "suppress_tokens": [1, 7], "min_new_tokens": 5}),
    "beams of words": (3, {"begin_suppress_tokens": [12], "sequence_bias": [[[17], 4.0]], "no_repeat_ngram_size": 2}),
    "whole rows": (1, {"no_repeat_ngram_size": 1, "min_length": 14}),
    "forced": (3, {"forced_bos_token_id": 21, "forced_eos_token_id": 22, "exponential_decay_length_penalty": (2, 1.5)}),
    "more than there can be": (1, {"min_new_tokens": 40, "min_length": 90}),
    "source": (1, {"encoder_no_repeat_ngram_size": 2, "encoder_repetition_penalty": 1.6}),
    "another form": (1, {"return_dict_in_generate": True, "output_scores": True, "num_return_sequences": 3, "num_beams": 3}),
    "a clock": (1, {"max_time": 0.0}),
    "a text": (1, {"stop_strings": ["a"]}),
}
"""Beams that are named, and what a checkpoint's generation configuration says besides."""


@pytest.mark.slow
@FAMILIES
@pytest.mark.parametrize("odd", ODD)
def test_what_is_not_named_comes_from_the_checkpoint(load, tiny, tmp_path, family, odd):
    """Together, what the library's `generate` gives each prompt alone: greedy, or beams, by the checkpoint's other settings."""
    (beams, said), loaded = ODD[odd], load(family, REQUESTS[0])
    for weight in loaded.module.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight.data, 0, 0.2, generator=torch.Generator().manual_seed(weight.numel()))
    loaded.module.tie_weights()
    loaded.module.generation_config.update(**said)
    loaded.save(tmp_path)
    loaded = load(tiny[family].saved(tmp_path), REQUESTS[0], generation=Generation(num_beams=beams))
    tokenizer, wanted = loaded.tokenizer, []
    named = {"num_beams": beams, "do_sample": False, "num_return_sequences": 1, "return_dict_in_generate": False}
    more = {"tokenizer": tokenizer} if odd == "a text" else {}
    for request in REQUESTS[:4]:
        ids = torch.tensor(loaded.encodings([request])[0].ids[None].astype("int64"))
        made = loaded.module.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, pad_token_id=tokenizer.pad_token_id, **named, **more,
        )  # fmt: skip
        start = 1 if family == "sequence-to-sequence" else ids.shape[1]
        wanted.append(tokenizer.decode(made[0, start:], skip_special_tokens=True).strip())
    batches = cut_batches([r.key() for r in REQUESTS[:4]], loaded.costs(REQUESTS[:4]), 2048)
    found = {i: a.text for batch in batches for i, a in zip(batch, loaded.answer([REQUESTS[i] for i in batch]), strict=True)}
    assert [found[i] for i in range(4)] == wanted


def test_of_drawn_tokens_what_is_not_named_comes_from_the_checkpoint(load, tiny, tmp_path):
    """The likeliest token alone is left to be drawn, by the checkpoint or by name."""
    greedy = load("decoder", REQUESTS[0])
    wanted = greedy.answer(REQUESTS)
    for number, (said, named, same) in enumerate(
        [({"top_k": 1}, {}, True), ({"top_p": 1e-6}, {}, True), ({"top_p": 1e-6}, {"top_p": 1.0}, False), ({}, {}, False)]
    ):
        greedy.module.generation_config = type(greedy.module.generation_config)(do_sample=True, **said)
        greedy.save(tmp_path / str(number))
        drawn = Generation(temperature=1.0, **named)
        assert (
            load(tiny["decoder"].saved(tmp_path / str(number)), REQUESTS[0], generation=drawn).answer(REQUESTS) == wanted
        ) == same
