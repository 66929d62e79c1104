"""Exact prompts: the same tokens, log-likelihoods and texts as lm-eval's HFLM over the same files."""

import logging
import re
from typing import Any

import exact_models
import hypothesis
import numpy as np
import pytest
import transformers
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import resolve_max_length
from plmtasks_transformers.checkpoints.limits import Limit, lm_eval_limit
from plmtasks_transformers.fast.trees import WORTH, alike, common, shared_prefixes

from plmtasks.config import ModelSettings
from plmtasks.errors import InputError, ModelError, ModelWarning
from plmtasks.requests import Choose, Generate, LogLikelihood, Several, Turn

LIMIT = exact_models.LIMIT
SHAPES = ("gpt2", "llama", "qwen", "t5")
drawn = hypothesis.settings(
    max_examples=150, derandomize=True, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)
pieces = st.sampled_from([
    "the", "nurse", "The nurse found", " ", "  ", "\n", "\n\n", "\t", "A.", ":", "12", "é", "e\u0301", "\u3000", "花园", "😀",
    "\x00", "<s>", "</s>", "<|endoftext|>", "<|im_end|>", "<unk>", "\u00a0", "Question: What is it?\nAnswer:",
])  # fmt: skip
texts = st.one_of(st.lists(pieces, max_size=8).map("".join), st.text(max_size=12).filter(lambda t: t.isprintable()))


class Told(HFLM):
    """lm-eval's model, that notes which tokens it would score."""

    told: list[tuple[list[int], list[int]]]

    def _loglikelihood_tokens(self, requests: Any, *_: Any, **__: Any) -> Any:
        self.told += [(start, own) for _, start, own in requests]
        return [(0.0, False)] * len(requests)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    small = {shape: exact_models.made(shape, tmp_path_factory.mktemp(shape)) for shape in SHAPES}
    return {**small, "large": exact_models.made("llama", tmp_path_factory.mktemp("large"), 512)}


@pytest.fixture(scope="module")
def theirs(folders):
    return {s: HFLM(pretrained=str(f), device="cpu", dtype="float32", batch_size=1) for s, f in folders.items() if s in SHAPES}


@pytest.fixture(scope="module")
def told(folders):
    return {s: Told(pretrained=str(f), device="cpu", dtype="float32", batch_size=1) for s, f in folders.items() if s in SHAPES}


@pytest.fixture(scope="module")
def opened(folders):
    """Ours in memory for requests like that one."""
    held: dict[Any, Any] = {}

    def opened(shape: str, request: Any, **settings: Any) -> Any:
        key = shape, request.kind(), str(settings)
        if key not in held:
            model = exact_models.ours(folders[shape])
            held[key] = model.load(request, ModelSettings(**{"dtype": "float32", "batch_tokens": 2048, **settings}), "cpu")
        return held[key]

    return opened


def instance(kind: str, *args: Any) -> Instance:
    return Instance(kind, {}, args, 0)


def scored(start: list[int], own: list[int]) -> list[int]:
    """What theirs reads of a context and what follows it, and the last token."""
    return (start + own)[-(LIMIT + 1) :]


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_every_text_and_what_follows_it_become_their_tokens(shape, told, opened):
    request = Choose(exact=True, text="a", choices=("b",))
    ours, lm = opened(shape, request), told[shape]

    @drawn
    @hypothesis.given(texts, texts, st.sampled_from([1, 1, 1, 30]))
    def check(context, choice, times):
        context *= times
        lm.told = []
        try:
            lm.loglikelihood([instance("loglikelihood", context, choice)], disable_tqdm=True)
            [(start, own)] = lm.told
        except IndexError:  # theirs looks at the first of no tokens
            start, own = [], []
        if own and len(own) > LIMIT:
            with pytest.raises(InputError, match=f"a choice has {len(own)} tokens"):
                ours.encode([Choose(exact=True, text=context, choices=(choice,))])
        elif not own:
            with pytest.raises(InputError, match="has no token"):
                ours.encode([Choose(exact=True, text=context, choices=(choice,))])
        else:
            [encoding] = ours.encode([Choose(exact=True, text=context, choices=(choice,))])
            if shape == "t5":
                assert (encoding.source.tolist(), encoding.wants[0][1].tolist()) == (start[-LIMIT:], own)
                assert encoding.cut == max(0, len(start) - LIMIT)
                return
            # an empty context is one token of ours where theirs has none and fails
            start = start or [ours.exact.prefix]
            assert [*encoding.rows[0].tolist(), own[-1]] == scored(start, own)
            assert encoding.wants[0][1].tolist() == own
            assert encoding.cut == max(0, len(start) + len(own) - LIMIT - 1)

    check()


@pytest.mark.parametrize("shape", ["gpt2", "llama", "qwen"])
def test_every_text_becomes_their_windows(shape, told, opened):
    ours, lm = opened(shape, LogLikelihood(text="a", disjoint=True)), told[shape]

    @drawn
    @hypothesis.given(texts, st.sampled_from([1, 1, 10, 40]))
    def check(text, times):
        text *= times
        lm.told = []
        lm.loglikelihood_rolling([instance("loglikelihood_rolling", text)], disable_tqdm=True)
        [encoding] = ours.encode([LogLikelihood(text=text, disjoint=True)])
        rows = [[*encoding.rows[row].tolist(), int(ids[-1])] for row, ids in encoding.wants if len(ids)]
        assert rows == [scored(start, own) for start, own in lm.told]
        assert [ids.tolist() for _, ids in encoding.wants if len(ids)] == [own for _, own in lm.told]

    check()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_prompt_becomes_their_tokens(shape, told, opened):
    ours, lm = opened(shape, Generate(exact=True, text="a", max_new_tokens=9)), told[shape]
    room = LIMIT if shape == "t5" else LIMIT - 9

    @drawn
    @hypothesis.given(texts, st.sampled_from([1, 1, 30]))
    def check(text, times):
        expected = lm.tok_batch_encode([text * times], left_truncate_len=room)[0][0].tolist() if text else []
        [encoding] = ours.encode([Generate(exact=True, text=text * times, max_new_tokens=9)])
        assert encoding.ids.tolist() == [int(i) for i in expected] or (not text and len(encoding.ids) == 1)

    check()


CONTEXTS = ["The nurse found ", "", "Question: a\nAnswer:", "x " * 100, "<s>The nurse", "<|im_end|>q", "花园 \n\n", "found  \n "]
CHOICES = (" the lamp", "in", " 花园 and", "A", "\n")


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_log_likelihoods_are_theirs(shape, theirs, opened):
    """Among them those of single tokens, of which one is what greedy decoding would write."""
    vocabulary = [theirs[shape].tokenizer.decode([i]) for i in range(len(theirs[shape].tokenizer))]
    single = [t for t in dict.fromkeys(vocabulary) if t.strip() and "\ufffd" not in t and not t.startswith("<")][::3]
    how = {"until": [], "max_gen_toks": 4, "do_sample": False}
    requests = [Choose(exact=True, text=c, choices=CHOICES) for c in CONTEXTS]
    for text in ("The nurse found", "Answer:"):
        [written] = theirs[shape].generate_until([instance("generate_until", text, how)], disable_tqdm=True)
        begun = [written[:n] for n in range(1, 9)]
        requests.append(Choose(exact=True, text=text, choices=tuple(dict.fromkeys([*single, *begun]))))
    greedy, usable, expected = 0, [], []
    for request in requests:
        found = {}
        for choice in request.choices:
            try:
                [found[choice]] = theirs[shape].loglikelihood(
                    [instance("loglikelihood", request.text, choice)], disable_tqdm=True
                )
            except AssertionError:  # no token of its own
                continue
        usable.append(Choose(exact=True, text=request.text, choices=tuple(found)))
        expected.append(found)
    ours = opened(shape, usable[0])
    ours.costs(usable)
    for request, answer, found in zip(usable, ours.answer(usable), expected, strict=True):
        for choice, likelihood in zip(request.choices, answer.choices, strict=True):
            # of a large one float32 tells no more than six digits
            assert likelihood.log_likelihood == pytest.approx(found[choice][0], abs=1e-4, rel=1e-5), (request.text, choice)
            assert likelihood.greedy == found[choice][1], (request.text, choice)
            greedy += likelihood.greedy
    assert greedy


@pytest.mark.parametrize("shape", ["gpt2", "llama", "qwen"])
def test_rolling_log_likelihoods_are_theirs(shape, theirs, opened):
    asked = ["", "The nurse", "The nurse found the lamp. " * 9, "花园" * 60, "x" * 47, "x" * 48, "x" * 49]
    requests = [LogLikelihood(text=t, disjoint=True) for t in asked]
    ours = opened(shape, requests[0])
    ours.costs(requests)
    for request, answer in zip(requests, ours.answer(requests), strict=True):
        [value] = theirs[shape].loglikelihood_rolling([instance("loglikelihood_rolling", request.text)], disable_tqdm=True)
        assert answer.log_likelihood == pytest.approx(value, abs=1e-4, rel=1e-6)
        assert answer.tokens == len(theirs[shape].tok_encode(request.text))


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_texts_are_theirs(shape, theirs, opened):
    ours = opened(shape, Generate(exact=True, text="a", max_new_tokens=12))

    def both(text: str, stop: tuple[str, ...]) -> str:
        request = Generate(exact=True, text=text, max_new_tokens=12, stop=stop)
        ours.costs([request])
        how = {"until": list(stop), "max_gen_toks": 12, "do_sample": False}
        [expected] = theirs[shape].generate_until([instance("generate_until", text, how)], disable_tqdm=True)
        assert ours.answer([request])[0].text == expected
        return expected

    stopped = 0
    for text in ("The nurse", "The nurse found the lamp. " * 9, "<s>The", "Answer: ", "花园"):
        whole = both(text, ())
        stopped += len(both(text, ("\n\n", whole[3:5] or "a"))) < len(whole)
    assert stopped > 2


@pytest.mark.parametrize(
    "config",
    [
        transformers.GPT2Config(n_positions=77), transformers.LlamaConfig(max_position_embeddings=99), transformers.Qwen2Config(),
        transformers.T5Config(), transformers.T5Config(n_positions=512), transformers.BloomConfig(), transformers.OPTConfig(),
        transformers.MambaConfig(), transformers.Gemma3Config(), transformers.MptConfig(), transformers.BartConfig(),
    ],
    ids=lambda config: type(config).__name__,
)  # fmt: skip
@pytest.mark.parametrize("stated", [None, 64, int(1e30)])
def test_the_limit_is_theirs(config, stated):
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=exact_models.bytes_of(["</s>"]), model_max_length=stated)
    assert lm_eval_limit(config, tokenizer, Limit(10**9, "none")).tokens == resolve_max_length(config, tokenizer)
    assert lm_eval_limit(config, tokenizer, Limit(32, "a table", hard=True)).tokens == 32


def test_what_is_over_the_limit(opened):
    long = Choose(exact=True, text="The nurse found the lamp. " * 20, choices=(" in",))
    assert "48 tokens, n_positions of its configuration" in opened("gpt2", long).limited
    assert opened("gpt2", long).costs([long])[0].cut > 0
    assert opened("gpt2", long, truncation="skip").costs([long])[0].cut > 0
    with pytest.raises(InputError, match=r"a prompt has \d+ tokens, 'm' takes 47"):
        opened("gpt2", long, truncation="error").costs([long])
    with pytest.raises(InputError, match="cut at its left: it cannot use --truncation right"):
        opened("gpt2", long, truncation="right")
    text = LogLikelihood(text=long.text, disjoint=True)
    assert opened("gpt2", text).costs([text])[0].cut == 0
    assert opened("gpt2", text, truncation="skip").costs([text])[0].cut > 0
    with pytest.raises(InputError, match=r"a text has \d+ tokens, 'm' takes 48"):
        opened("gpt2", text, truncation="error").costs([text])


def test_choices_that_have_no_likelihood(opened):
    with pytest.raises(InputError, match="the choice '' has no token"):
        opened("gpt2", Choose(exact=True, text="a", choices=("b",))).encode([Choose(exact=True, text="a", choices=("b", ""))])
    # the space of the context is what it has
    [encoding] = opened("gpt2", Choose(exact=True, text="a", choices=("b",))).encode(
        [Choose(exact=True, text="a ", choices=("",))]
    )
    assert len(encoding.wants[0][1]) == 1


TURNS = (
    Turn(role="system", content="Be brief."), Turn(role="user", content="Who?"), Turn(role="assistant", content="The nurse"),
    Turn(role="user", content="Where? "),
)  # fmt: skip


@pytest.mark.slow
def test_turns_are_rendered_as_theirs(folders, theirs, opened):
    request = Generate(exact=True, text="", turns=TURNS, max_new_tokens=4)
    prompts, lm = opened("llama", request).prompts, theirs["llama"]
    said = [{"role": t.role, "content": t.content} for t in TURNS]
    assert prompts.render(request, (), "") == lm.apply_chat_template(said)
    more = Generate(exact=True, text=" it", turns=(*TURNS, Turn(role="assistant", content="Let me see")))
    going = [*said, {"role": "assistant", "content": "Let me see"}]
    assert prompts.render(more, (), more.text) == lm.apply_chat_template(going, add_generation_prompt=False) + " it"
    ids = prompts.exact.prompts([prompts.render(request, (), "")])[0]
    assert ids == lm.tok_batch_encode([lm.apply_chat_template(said)])[0][0].tolist()
    assert ids.count(prompts.tokenizer.bos_token_id) == 1


@pytest.mark.slow
def test_a_template_without_a_system_turn_is_asked_without_it_and_says_so(theirs, opened):
    prompts, lm = opened("qwen", Generate(exact=True, text="a")).prompts, theirs["qwen"]
    own = prompts.tokenizer.chat_template
    prompts.tokenizer.chat_template = lm.tokenizer.chat_template = own.replace("and no_system", "")
    request = Choose(exact=True, text="", turns=TURNS, choices=("a",))
    with pytest.warns(ModelWarning, match="TemplateError: no system; it is asked without the system's turn"):
        rendered = prompts.render(request, (), "")
    assert rendered == lm.apply_chat_template([{"role": t.role, "content": t.content} for t in TURNS])
    assert "brief" not in rendered
    prompts.tokenizer.chat_template = None
    with pytest.raises(ModelError, match="'m' has no chat template"):
        prompts.render(request, (), "")


def test_several_kinds_on_one_set_of_weights(folders, opened, tiny):
    choose = Choose(exact=True, text="The nurse", choices=(" found", " in"))
    write = Generate(exact=True, text="The nurse", max_new_tokens=5, stop=("\n",))
    score = LogLikelihood(text="The nurse found", disjoint=True)
    both = Several(requests=(choose, write, score))
    model, settings = exact_models.ours(folders["llama"]), ModelSettings(dtype="float32", batch_tokens=2048, kernels="torch")
    mixed = model.load(both, settings, "cpu")
    costs = mixed.costs([write, choose, score])
    assert len({c.group for c in costs}) == 3
    for request in (choose, write, score):
        alone = model.load(request, settings, "cpu")
        alone.costs([request])
        assert mixed.answer([request]) == alone.answer([request])
    said = model.identity(both, settings)["settings"]
    for request in (choose, write, score):
        assert model.identity(request, settings)["settings"].items() <= said.items()
    from plmtasks.requests import ExtractSpan, Tag

    several = Several(requests=(Tag(words=("a",), labels=("O",)), ExtractSpan(question="a", context="b")))
    with pytest.raises(ModelError, match="has one head at a time, and Tag and ExtractSpan together need several"):
        tiny["encoder"].load(several, settings, "cpu")
    with pytest.raises(ModelError, match="hides each token in turn"):
        tiny["encoder"].load(score, settings, "cpu")


@hypothesis.settings(drawn, max_examples=100)
@hypothesis.given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6), max_size=8), st.integers(1, 400))
def test_families_share_what_they_begin_with(rows, times):
    heads = [[np.repeat(np.array(row, np.int32), times)] for row in rows]
    firsts = [len(row) - 1 for [row] in heads]
    names = alike(heads, firsts)
    prefixes = shared_prefixes(heads, firsts, names)
    for name in {n for n in names if n is not None}:
        members = [i for i, n in enumerate(names) if n == name]
        shared = min(common(heads[members[0]][0], heads[i][0]) for i in members)
        assert len(members) > 1
        assert min(shared, *(firsts[i] for i in members)) >= WORTH
        assert {p.name for i in members if (p := prefixes[i]) is not None} == {prefixes[members[0]].name}
    assert all((p is None) == (n is None) for p, n in zip(prefixes, names, strict=True))


def test_shots_are_computed_once_for_all_that_share_them(opened):
    """Two subjects with shots of their own, in one plan, and one question that has none."""
    shots = [" ".join(f"{w} {i}" for i in range(3)) + "\n\n" for w in ("nurse found", "lamp in")]
    requests = [Choose(exact=True, text=f"{s}Question {i}\nAnswer:", choices=(" A", " B")) for s in shots for i in range(40)]
    requests.append(Choose(exact=True, text="Who?", choices=(" A", " B")))
    ours = opened("gpt2", requests[0])
    costs = ours.costs(requests)
    groups = [c.group for c in costs]
    assert len(set(groups[:40])) == len(set(groups[40:80])) == 1
    assert len(set(groups)) == 3
    assert groups[-1] == ""
    assert max(c.tokens for c in costs[:80]) < 20
    answers = ours.answer(requests[:3])
    plain = opened("gpt2", requests[0], kernels="plain").answer(requests[:3])
    for one, other in zip(answers, plain, strict=True):
        assert [c.log_likelihood for c in one.choices] == pytest.approx([c.log_likelihood for c in other.choices], abs=1e-4)


def test_the_tokens_that_are_sent_are_told_without_weights(family, kind, tiny, load, examples):
    requests, _ = examples(kind, 3)
    for request in requests:
        rows = tiny[family].tokens(request, ModelSettings(dtype="float32"))
        [encoding] = load(family, request).encode([request])
        held = [r.tolist() for r in getattr(encoding, "rows", None) or [w.ids for w in encoding.windows]]
        held += [encoding.source.tolist()] if getattr(encoding, "source", None) is not None else []
        told = [list(row.ids[:-1] if row.scored else row.ids) for row in rows]
        assert {tuple(ids) for ids in held} <= {tuple(ids) for ids in told}
        assert all(len(row.texts) == len(row.ids) for row in rows)


@pytest.mark.slow
def test_show_prints_what_is_sent(folders):
    from click.testing import CliRunner

    from plmtasks.cli import cli

    how = ["classification/sample", "--model", str(folders["large"]), "--ask", "Choose", "--tokens", "--shots", "1"]
    said = CliRunner().invoke(cli, ["show", *how, "--system", "Be brief."], env={"COLUMNS": "100000"}).output
    assert "is sent it:\nBe brief.\n\nIs the sentiment" in said
    lines = said[said.index("tokens, 'negative'") :].splitlines()
    assert re.fullmatch(r"tokens, 'negative': \d+, those behind \| are looked for: \d+", lines[0])
    assert lines[1].startswith("  1:<s> ")
    assert "\\n" in lines[1]
    assert len(lines[1].split()) == int(re.findall(r"\d+", lines[0])[0]) + 1
    chat = CliRunner().invoke(cli, ["show", *how, "--chat", "--system", "Be brief."], env={"COLUMNS": "100000"}).output
    assert "is sent it:\n<s>[system] Be brief.</s>\n[user] Is the sentiment" in chat
    assert chat.count(" 1:<s> ") == 2  # one for each choice: the template has its own
