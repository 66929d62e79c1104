"""Choose: log-likelihoods as a plain pass over each choice alone gives them."""

import pytest
import torch

from plmtasks.data import events
from plmtasks.errors import InputError
from plmtasks.requests import Choose, ChooseAnswer, Likelihood, Shot

TEXTS = [e.english() for e in events("train", 4)]
REQUESTS = [
    Choose(text=TEXTS[0], choices=("positive", "negative")),
    Choose(instruction="What mood is it?", text=TEXTS[1], choices=("in the garden on Monday", "yes", "negative mood")),
    Choose(text=TEXTS[2] + " ", choices=("很好", "坏"), shots=(Shot(text=TEXTS[3], answer="positive"),)),
    Choose(text="", choices=("positive", "negative")),
]


def reference(loaded, request, choice):
    """The log-likelihood of a choice, from one row and all its logits."""
    module, tokenizer = loaded.module, loaded.tokenizer
    prompt = loaded.prompts.render(request, request.shots, request.text)
    head = prompt.rstrip()
    if loaded.parts.family == "sequence-to-sequence":
        source = torch.tensor([tokenizer(head)["input_ids"]])
        labels = torch.tensor([tokenizer(prompt[len(head) :] + choice, add_special_tokens=False)["input_ids"]])
        logits = module(input_ids=source, labels=labels).logits
        return float(logits.log_softmax(-1).gather(2, labels[..., None]).sum()), labels.shape[1]
    start = tokenizer(head)["input_ids"]
    ids = torch.tensor([tokenizer(prompt + loaded.prompts.delimiter + choice)["input_ids"]])
    if not start:
        start, ids = [tokenizer.bos_token_id], torch.cat([torch.tensor([[tokenizer.bos_token_id]]), ids], 1)
    logits = module(input_ids=ids).logits.log_softmax(-1)
    own = logits[0, len(start) - 1 : -1].gather(1, ids[0, len(start) :, None])
    return float(own.sum()), len(own)


@pytest.mark.parametrize("family", ["decoder", "sequence-to-sequence"])
def test_log_likelihoods(load, family):
    loaded = load(family, REQUESTS[0])
    answers = loaded.answer(REQUESTS)
    with torch.inference_mode():
        for request, answer in zip(REQUESTS, answers, strict=True):
            for choice, likelihood in zip(request.choices, answer.choices, strict=True):
                value, tokens = reference(loaded, request, choice)
                assert likelihood.log_likelihood == pytest.approx(value, abs=1e-4)
                assert (likelihood.tokens, likelihood.bytes) == (tokens, len(choice.encode()))


def test_choices_of_one_token_share_a_row(load):
    loaded = load("decoder", REQUESTS[0])
    assert [c.rows for c in loaded.learning_costs(REQUESTS)] == [1, 3, 2, 1]
    assert load("sequence-to-sequence", REQUESTS[0]).costs(REQUESTS)[1].rows == 1


@pytest.mark.parametrize("family", ["decoder", "sequence-to-sequence"])
def test_the_loss_is_of_the_right_choice(load, family):
    loaded = load(family, REQUESTS[0])
    likelihoods = loaded.answer([REQUESTS[1]])[0].choices
    solved = ChooseAnswer(choices=tuple(Likelihood(log_likelihood=v, tokens=1, bytes=1) for v in (0.0, -9.0, -9.0)))
    loss, count = loaded.loss([REQUESTS[1]], [solved])
    assert count == likelihoods[0].tokens
    assert float(loss.detach()) == pytest.approx(-likelihoods[0].log_likelihood, rel=1e-5)


def shots(count, words=20):
    return tuple(Shot(text=f"{'the nurse ' * (words // 2)}{i}", answer="positive") for i in range(count))


@pytest.mark.parametrize("family", ["decoder", "sequence-to-sequence"])
def test_shots_go_first_those_in_front_before_the_others(load, family):
    request = Choose(instruction="What mood is it?", shots=shots(20), text="the lamp", choices=("positive", "negative"))
    loaded = load(family, request)
    [cost] = loaded.costs([request])
    [encoding] = loaded.encodings([request])
    ids = encoding.rows[0] if family == "decoder" else encoding.source
    shown = loaded.tokenizer.decode(ids)
    assert cost.cut > 0
    assert len(ids) <= 256
    assert " 19\nAnswer: positive" in shown
    assert " 0\nAnswer: positive" not in shown
    assert shown.strip().startswith("What mood is it?\n\nthe nurse")
    whole = loaded.prompts.ids([loaded.prompts.render(request, request.shots, request.text)])[0]
    assert cost.cut == len(whole) - len(ids)


@pytest.mark.parametrize(("policy", "kept"), [("auto", "lamp"), ("left", "lamp"), ("skip", "lamp"), ("right", "basket")])
def test_then_the_text_is_cut(load, policy, kept):
    text = "basket " + "the nurse " * 200 + "lamp"
    request = Choose(instruction="What mood is it?", shots=shots(1), text=text, choices=("positive",))
    loaded = load("decoder", request, truncation=policy)
    [encoding] = loaded.encodings([request])
    shown = loaded.tokenizer.decode(encoding.rows[0])
    assert shown.startswith("What mood is it?\n\n")
    assert shown.endswith("\nAnswer:")
    assert {w for w in ("basket", "lamp") if w in shown} == {kept}
    assert 240 < len(encoding.rows[0]) <= 256
    assert encoding.cut > 150


def test_a_prompt_over_the_limit_is_an_error_if_wanted(load):
    request = Choose(text="the nurse " * 200, choices=("positive",))
    with pytest.raises(InputError, match=r"a prompt has 4\d\d tokens, 'tiny-gpt' takes 25\d"):
        load("decoder", request, truncation="error").costs([request])


def test_an_instruction_over_the_limit(load):
    request = Choose(instruction="the nurse " * 200, text="lamp", choices=("positive",))
    with pytest.raises(InputError, match="the instruction alone has more"):
        load("decoder", request).costs([request])
