"""What a model thinks before it answers is no part of the answer."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_transformers.answering.stopping import Endings, StopTexts, Until

from plmtasks.config import Generation, ModelSettings
from plmtasks.data import events
from plmtasks.requests import Generate, GenerateAnswer, Thinking

EVENTS = events("train", 4)
REQUESTS = [Generate(text=e.english()[: 20 + 9 * i], max_new_tokens=40) for i, e in enumerate(EVENTS)]
TAGS = {"spelled": ("<think>", "</think>"), "special": ("[THINK]", "[/THINK]")}
TURNS = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: BEGIN"
"""BEGIN is what the prompt ends with."""
AGENTS = [e.agent.en for e in EVENTS]


def template(end, begin=""):
    return TURNS.replace("BEGIN", begin) + "{# " + end + " #}"


@pytest.fixture(scope="module", params=TAGS)
def thinker(request, tiny, tmp_path_factory):
    """A model that thinks and then answers, but for the last request, over which it thinks on and on; with its tags."""
    start, end = TAGS[request.param]
    loaded = tiny["decoder"].load(REQUESTS[0], ModelSettings(dtype="float32"), "cpu")
    if request.param == "special":
        loaded.tokenizer.add_special_tokens({"additional_special_tokens": [start, end]})
        loaded.module.resize_token_embeddings(len(loaded.tokenizer))
    loaded.tokenizer.chat_template = template(end)
    folder = tmp_path_factory.mktemp("new")
    loaded.save(folder)
    loaded = tiny["decoder"].saved(folder).load(REQUESTS[0], ModelSettings(dtype="float32", prompt="chat"), "cpu")
    thought = [f"{start} on\n\nMonday {end}\n\n{agent}\nsadly" for agent in AGENTS]
    thought[-1] = start + " on Monday" * 30
    optimizer = torch.optim.AdamW(loaded.module.parameters(), lr=5e-3)
    loaded.module.train()
    for _ in range(80):
        loss, count = loaded.loss(REQUESTS, [GenerateAnswer(text=text) for text in thought])
        (loss / count).backward()
        optimizer.step()
        optimizer.zero_grad()
    loaded.save(folder)
    return tiny["decoder"].saved(folder), start, end


WAYS = pytest.mark.parametrize("way", [{}, {"kernels": "plain"}, {"generation": Generation(num_beams=2)}], ids=str)


@pytest.mark.slow
@WAYS
def test_thinking_is_told_from_the_answer(load, thinker, way):
    model, start, end = thinker
    asked = [Generate(text=r.text, max_new_tokens=40, stop=("\n",)) for r in REQUESTS]
    found = load(model, asked[0], prompt="chat", **way).answer(asked)
    assert [(a.text, a.reasoning, a.unfinished) for a in found[:-1]] == [(agent, "on\n\nMonday", False) for agent in AGENTS[:-1]]
    counts = {len(model.load(asked[0], ModelSettings(), "cpu").prompts.bare_ids([f"{start} on\n\nMonday {end}"])[0])}
    assert {a.reasoning_tokens for a in found[:-1]} <= {*counts, *(n + 1 for n in counts)}  # white space may belong to the end
    assert (found[-1].text, found[-1].unfinished, found[-1].reasoning_tokens) == ("", True, 40)
    assert found[-1].reasoning.startswith("on Monday on Monday")


@pytest.mark.slow
def test_who_says_what_thinking_is(load, thinker):
    model, start, _ = thinker
    [first] = load(model, REQUESTS[0], prompt="chat", reasoning="none").answer(REQUESTS[:1])
    assert not first.reasoning
    assert first.text.endswith(AGENTS[0] + "\nsadly")
    assert first.text.startswith("on" if start == "[THINK]" else start)
    # the user names an end, which is no tag
    named = load(model, REQUESTS[0], prompt="chat", reasoning="Monday").answer(REQUESTS)
    assert named[0].text.endswith("sadly")
    assert named[0].reasoning.endswith("on")
    never = load(model, REQUESTS[0], prompt="chat", reasoning="nowhere").answer(REQUESTS)
    assert all(a.unfinished and not a.text for a in never)
    # without a chat template nobody knows of thinking
    assert not any(a.reasoning or a.unfinished for a in load(model, REQUESTS[0]).answer(REQUESTS))


def test_the_prompt_may_begin_the_thinking(load, tiny, tmp_path):
    """The model itself knows no tags; the prompt may end the thinking too."""
    loaded = load("decoder", REQUESTS[0])

    def answers(begin, **settings):
        loaded.tokenizer.chat_template = template("</think>", begin)
        loaded.save(tmp_path)
        return load(tiny["decoder"].saved(tmp_path), REQUESTS[0], prompt="chat", **settings).answer(REQUESTS)

    begun = answers("<think>\n")
    assert all(a.unfinished and not a.text and a.reasoning for a in begun)
    plain = answers("<think>\n", reasoning="none")
    assert [a.reasoning for a in begun] == [a.text for a in plain]
    assert answers("<think>\n</think>\n") == answers("<think>\n</think>\n", reasoning="none") != plain


def test_the_identity_tells_the_end_of_thinking(tiny, tmp_path, load):
    def told(model, **settings):
        return model.identity(REQUESTS[0], ModelSettings(dtype="float32", **settings))["settings"].get("reasoning")

    loaded = load("decoder", REQUESTS[0])
    loaded.tokenizer.chat_template = template("</think>")
    loaded.save(tmp_path)
    model = tiny["decoder"].saved(tmp_path)
    assert told(model, prompt="chat") == "</think>"
    assert told(model) is told(model, prompt="chat", reasoning="none") is None


PIECES = ["<", "/", "think", ">", "</", ">\n", "\n", "\n\n", " ", "a", "b", "<think>", "</think>"]


def say(ids):
    return "".join(PIECES[i] for i in ids)


@given(
    st.lists(st.integers(0, len(PIECES) - 1), max_size=30), st.sampled_from([(), ("\n\n",), ("a\n", "b"), (">",), (" a",)]),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_a_text_that_stops_where_it_may_loses_nothing(made, stop, always, begun):
    """It goes on while it may yet be needed, and what is read of it is what is read of the longer one."""
    thinking, endings = Thinking(end="</think>", start="<think>", always=always), Endings(StopTexts(say))
    until = Until(stop, thinking, begun or always)
    stopped = next((n for n in range(1, len(made) + 1) if endings(made[:n], until)), len(made))
    whole, short = endings.read(made, until), endings.read(made[:stopped], until)
    text = say(made)
    if until.begun or "</think>" in text or text.lstrip().startswith("<think>"):
        thought, end, answer = text.partition("</think>")
        assert whole.reasoning == thought.lstrip().removeprefix("<think>").strip()
        assert whole.unfinished == (not end)
        wanted = answer.lstrip()
        for s in stop:
            wanted = wanted.partition(s)[0]
        assert whole.text == wanted
    if "</think>" in say(made[:stopped]) or until.begun or "</think>" not in text:
        assert short == whole


def test_the_end_of_thinking_by_a_template_or_by_name():
    assert Thinking.of("auto", None) is Thinking.of("none", "</think>") is Thinking.of("auto", "{{ m }}") is None
    assert Thinking.of("auto", "x.split('</think>')") == Thinking(end="</think>", start="<think>")
    said = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>4"
    assert Thinking.of("auto", said).parted(said, False)[1] == "4"
    assert Thinking.of("[/MULL]", None) == Thinking(end="[/MULL]", start="[MULL]", always=True)
    assert Thinking.of("So:", None) == Thinking(end="So:", always=True)
    assert Thinking.of("</think>", None).begins("") is True
    assert [Thinking.of("auto", "</think>").begins(p) for p in ("a", "a <think>\n", "<think></think>")] == [False, True, False]
