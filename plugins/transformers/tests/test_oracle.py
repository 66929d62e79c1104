"""Every kind of request, held to plain transformers for random models of many architectures and strange texts.

PLMTASKS_ORACLE says how many examples are drawn of each (3 unless it is set); they are the same at each call.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis
import oracle
import pytest
from hypothesis import strategies as st
from plmtasks_transformers.models import Hub

from plmtasks.config import ModelSettings
from plmtasks.errors import InputError
from plmtasks.execution.answering import plan
from plmtasks.requests import Choose, Classify, ExtractSpan, Generate, LogLikelihood, Regress, Shot, Tag

WITHIN = 1e-4
ENCODERS, DECODERS, WRITERS = ([c for c in oracle.CASES if c.family == family] for family in (oracle.E, oracle.D, oracle.S))
drawn = hypothesis.settings(
    max_examples=int(os.environ.get("PLMTASKS_ORACLE", "3")), derandomize=True, database=None, deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck), report_multiple_bugs=False,
    phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
)  # fmt: skip
PIECES = (
    "the nurse", "found", "it", "was", "a", "good", "film", ",", ".", "12,500", "naïve", "护士在花园里找到了灯", "灯", "🙂", "👩‍🚀", "é",  # noqa: E501  a table
    "<s>", "</s>", "<pad>", "<mask>", "[SEP]", "[MASK]", "<|endoftext|>", "unbelievablyunbelievably", "\n", " ", "\t", "Answer:", "#1=%",  # noqa: E501  a table
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).flatmap(
    lambda pieces: st.sampled_from((" ", "", "  ")).map(lambda between: between.join(pieces))
)
words = st.lists(st.sampled_from([p for p in PIECES if p.strip()]), min_size=1, max_size=8)


def long(text: str, times: int = 30) -> str:
    return " ".join([text] * times)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Plain transformers and plmtasks over one folder, each loaded once."""
    kept: dict[Any, Any] = {}

    def made(case: oracle.Case, kind: str, example_request: Any, **settings: Any) -> Any:
        own = kind in oracle.LABELS or (kind == "Choose" and case.family == oracle.E)
        head = kind if own else "language"
        if (case, head) not in kept:
            folder = tmp_path_factory.mktemp(f"{case.model_type}-{head}")
            oracle.make(case, head, folder)
            kept[case, head] = folder, oracle.Oracle(case, head, folder)
        folder, plain = kept[case, head]
        key = case, kind, "loaded"
        if key not in kept:
            wanted = ModelSettings(**{"dtype": "float32", "kernels": "torch", "threads": 1, "batch_tokens": 400, **settings})
            kept[key] = Hub().make(str(folder)).load(example_request, wanted, "cpu"), wanted
        return plain, *kept[key]

    return made


def answers(loaded: Any, settings: Any, requests: list[Any]) -> list[Any]:
    """As a run asks them: planned together, in batches."""
    work = plan(loaded, requests, settings)
    found = {}
    for batch in range(len(work.batches)):
        keys = work.batch_keys(batch)
        found |= dict(zip(keys, loaded.answer([work.requests[i] for i in work.batches[batch]]), strict=True))
    return [found[r.key()] for r in requests]


def refused(loaded: Any, settings: Any, request: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        answers(loaded, settings, [request])


def alike(case: oracle.Case, request: Any, found: Any, wanted: Any) -> None:
    """A failing case says itself in five lines."""
    __tracebackhide__ = True
    close = found == wanted if isinstance(wanted, (str, list, tuple)) else found == pytest.approx(wanted, rel=WITHIN, abs=WITHIN)
    if not close:
        lines = (
            f"{request.kind()} of {case.model_type} ({case.tokens} tokens, {case.around!r} around a text)",
            f"request: {request!r}",
            f"plmtasks:     {found!r}",
            f"transformers: {wanted!r}",
            "tests/oracle.py makes the model again: oracle.make(case, kind, folder)",
        )
        pytest.fail("\n".join(lines), pytrace=False)


def each(cases: list[oracle.Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[c.model_type for c in cases])


@pytest.mark.slow
@each([*ENCODERS, *(c for c in DECODERS if c.model_type in ("gpt2", "opt", "qwen3", "gemma3"))])
@drawn
@hypothesis.given(texts, texts, texts)
def test_classify(made: Callable[..., Any], case: oracle.Case, one: str, two: str, three: str) -> None:
    labels = ("great", "fine", "poor")
    requests = [Classify(text=t, labels=labels) for t in (one, two, long(three))]
    if case.family == oracle.E:
        requests += [Classify(text=one, text_pair=two, labels=labels), Classify(text=long(two), text_pair=three, labels=labels)]
    plain, loaded, settings = made(case, "Classify", requests[0])
    for request, answer in zip(requests, answers(loaded, settings, requests), strict=True):
        wanted = plain.classify(request.text, request.text_pair)
        alike(case, request, dict(zip(labels, answer.scores, strict=True)), {label: wanted[label] for label in labels})


@pytest.mark.slow
@each([*ENCODERS, *(c for c in DECODERS if c.model_type in ("gpt2", "opt", "qwen3", "gemma3")), *WRITERS[1:2]])
@drawn
@hypothesis.given(texts, texts, texts)
def test_regress(made: Callable[..., Any], case: oracle.Case, one: str, two: str, three: str) -> None:
    requests = [Regress(text=t) for t in (one, two, long(three))]
    if case.family == oracle.E:
        requests += [Regress(text=one, text_pair=two), Regress(text=long(two), text_pair=three)]
    plain, loaded, settings = made(case, "Regress", requests[0])
    assert not loaded.newly_initialized
    for request, answer in zip(requests, answers(loaded, settings, requests), strict=True):
        alike(case, request, answer.value, plain.regress(request.text, request.text_pair))


@pytest.mark.slow
@each(ENCODERS)
@drawn
@hypothesis.given(texts, texts, texts)
def test_choose_among_pairs(made: Callable[..., Any], case: oracle.Case, one: str, two: str, three: str) -> None:
    requests = [
        Choose(text=one, choices=(two, three)), Choose(text=long(two), choices=("the film", one, "it was good")),
        Choose(text="", choices=("A", "B"), pair_text=three, pair_choices=(f"who ? {one}", f"who ? {two}")),
    ]  # fmt: skip
    plain, loaded, settings = made(case, "Choose", requests[0])
    for request, answer in zip(requests, answers(loaded, settings, requests), strict=True):
        assert answer.scored
        for choice, wanted in zip(answer.choices, plain.choose(request.pairs()), strict=True):
            alike(case, request, choice.log_likelihood, wanted)


@pytest.mark.slow
@each(ENCODERS)
@drawn
@hypothesis.given(words, words, words)
def test_tag(made: Callable[..., Any], case: oracle.Case, one: list[str], two: list[str], three: list[str]) -> None:
    labels = ("O", "B-X", "I-X")
    requests = [Tag(words=tuple(w), labels=labels) for w in (one, two, three * 20)]
    plain, loaded, settings = made(case, "Tag", requests[0])
    for request, answer in zip(requests, answers(loaded, settings, requests), strict=True):
        alike(case, request, list(answer.labels), plain.tag(request.words))


@pytest.mark.slow
@each(ENCODERS)
@drawn
@hypothesis.given(texts, texts, texts)
def test_extract_span(made: Callable[..., Any], case: oracle.Case, one: str, two: str, three: str) -> None:
    requests = [ExtractSpan(question="who found it ?", context=c, may_abstain=True) for c in (one, two, long(three))]
    plain, loaded, settings = made(case, "ExtractSpan", requests[0])
    for request, answer in zip(requests, answers(loaded, settings, requests), strict=True):
        scores, nothing = plain.spans(request.question, request.context)
        best = sorted(scores.values(), reverse=True)[:20]
        top = max([*best, nothing])
        total = sum(2.718281828459045 ** (s - top) for s in (*best, nothing))
        alike(case, request, answer.no_answer, 2.718281828459045 ** (nothing - top) / total)
        given = {(s.start, s.end): s.score for s in answer.spans}
        alike(case, request, given, {span: 2.718281828459045 ** (scores.get(span, -1e9) - top) / total for span in given})
        alike(case, request, len(given), len(best))


@pytest.mark.slow
@each(ENCODERS)
@drawn
@hypothesis.given(texts, texts)
def test_pseudo_likelihood(made: Callable[..., Any], case: oracle.Case, one: str, two: str) -> None:
    requests = [LogLikelihood(text=one), LogLikelihood(text=two, context=one)]
    plain, loaded, settings = made(case, "LogLikelihood", requests[0])
    # over the limit a context is cut and a text is scored in windows, which tests of their own look at
    fits = [
        len(plain.bare(r.context)) <= plain.limit // 2 and len(plain.bare(r.context + r.text)) < plain.limit - 8 for r in requests
    ]
    wanted = {r: plain.pseudo(r.context, r.text) for r, fit in zip(requests, fits, strict=True) if fit}
    held(case, loaded, settings, wanted)


def held(case: oracle.Case, loaded: Any, settings: Any, wanted: dict[LogLikelihood, tuple[float, int]]) -> None:
    """wanted: the likelihood of each text and how many tokens it has"""
    whole = [r for r, (_, tokens) in wanted.items() if tokens]
    for request in wanted.keys() - set(whole):
        refused(loaded, settings, request, "has no token for")
    for request, answer in zip(whole, answers(loaded, settings, whole), strict=True):
        value, tokens = wanted[request]
        alike(case, request, {"": answer.log_likelihood, "tokens": answer.tokens}, {"": value, "tokens": tokens})


def scored(plain: oracle.Oracle, request: LogLikelihood) -> tuple[float, int]:
    if plain.case.family == oracle.D:
        start, own = plain.split(request.context, request.text)
        return plain.likelihood(start, own), len(own)
    spaces = request.context[len(request.context.rstrip()) :]
    start, own = plain.target(spaces + request.text)
    source = plain.tokenizer(request.context.rstrip())["input_ids"]
    return plain.likelihood(start, own, source[-plain.limit :]), len(own)


@pytest.mark.slow
@each([*DECODERS, *WRITERS])
@drawn
@hypothesis.given(texts, texts, texts)
def test_likelihood(made: Callable[..., Any], case: oracle.Case, one: str, two: str, three: str) -> None:
    requests = [
        LogLikelihood(text=one),
        LogLikelihood(text=two, context=one),
        LogLikelihood(text=three, context=two + " "),
        LogLikelihood(text=long(three)),
    ]
    plain, loaded, settings = made(case, "LogLikelihood", requests[0])
    held(case, loaded, settings, {r: scored(plain, r) for r in requests})


def prompt_of(plain: oracle.Oracle, request: Any, style: str, text: str) -> str:
    """What the model reads before its answer."""
    shots, case = request.shots, plain.case
    if style == "chat":
        turns = [t for s in shots for t in (("user", s.text), ("assistant", s.answer))] + [("user", text)]
        said = [{"role": role, "content": content} for role, content in turns]
        made: str = plain.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        return made
    if case.family == oracle.S and case.model_type not in ("t5", "mt5"):
        return text
    return "\n\n".join([*(f"{s.text} {s.answer}" for s in shots), text])


CHOICES = ("great", "poor film", "好看的", "🙂", "no</s>")


@pytest.mark.slow
@each([*DECODERS, *WRITERS])
@drawn
@hypothesis.given(texts, texts, st.booleans())
def test_choose(made: Callable[..., Any], case: oracle.Case, one: str, two: str, shown: bool) -> None:
    shots = (Shot(text="good film", answer="great"),) if shown and case.model_type not in ("bart", "marian", "led") else ()
    style = "chat" if case.template else "plain"
    requests = [Choose(text=t, choices=CHOICES, shots=s) for t, s in ((one, shots), (two, shots), (long(one), ()))]
    plain, loaded, settings = made(case, "Choose", requests[0], prompt=style)
    if case.family == oracle.S:
        over = [r for r in requests if written(plain, prompt_of(plain, r, style, r.text)) > plain.limit]
        for request in over:
            refused(loaded, settings, request, "a choice has .* tokens")
        requests = [r for r in requests if r not in over]
    for request, answer in zip(requests, answers(loaded, settings, requests), strict=True):
        prompt = prompt_of(plain, request, style, request.text)
        if case.family == oracle.D:
            prompt = left(plain, loaded, request, style)
        for choice, found in zip(request.choices, answer.choices, strict=True):
            if case.family == oracle.D:
                start, own = plain.split(prompt, ("" if style == "chat" else " ") + choice, chat=style == "chat")
                start = start[-(plain.limit + 1 - len(own)) :]
                value = plain.likelihood(start, own)
            else:
                start, own = plain.target(prompt[len(prompt.rstrip()) :] + choice)
                value = plain.likelihood(start, own, source_of(plain, loaded, request, style))
            alike(case, request, {choice: found.log_likelihood, "tokens": found.tokens}, {choice: value, "tokens": len(own)})


def written(plain: oracle.Oracle, prompt: str) -> int:
    """The tokens that the decoder reads to write the longest choice, to which the white space before it belongs."""
    spaces = prompt[len(prompt.rstrip()) :]
    return max(len(start) + len(own) - 1 for start, own in (plain.target(spaces + c) for c in CHOICES))


def left(plain: oracle.Oracle, loaded: Any, request: Any, style: str) -> str:
    """What is left of a prompt over the limit: fewer shots, or else the end of the text, and little room is wasted."""
    encode = plain.bare if style == "chat" else plain.ids
    delimiter = "" if style == "chat" else " "
    whole = prompt_of(plain, request, style, request.text)
    most = loaded.limit - max(len(loaded.prompts.ids([delimiter + c])[0]) for c in request.choices)
    if len(encode(whole)) <= most:
        return whole
    [(prompt, cut)] = loaded.prompts.fit([request], [most])
    assert cut > 0
    assert len(encode(prompt)) <= most
    bare = replace(request, shots=())
    ends = [prompt_of(plain, bare, style, request.text[i:]) for i in range(len(request.text))]
    assert prompt in ends
    assert prompt == ends[0] or len(encode(prompt)) > most // 2
    return prompt


def source_of(plain: oracle.Oracle, loaded: Any, request: Any, style: str) -> list[int]:
    """What an encoder reads."""
    prompt = prompt_of(plain, request, style, request.text)
    if len(plain.tokenizer(prompt)["input_ids"]) > plain.limit:
        [(prompt, cut)] = loaded.prompts.fit([request], [loaded.limit])
        assert cut > 0
        bare = replace(request, shots=())
        assert prompt in [prompt_of(plain, bare, style, request.text[i:]) for i in range(len(request.text))]
    return list(plain.tokenizer(prompt.rstrip())["input_ids"])


@pytest.mark.slow
@each([*DECODERS, *WRITERS])
@drawn
@hypothesis.given(texts, texts)
def test_generate(made: Callable[..., Any], case: oracle.Case, one: str, two: str) -> None:
    style = "chat" if case.template else "plain"
    requests = [Generate(text=t, max_new_tokens=6) for t in (one, two, long(two))]
    plain, loaded, settings = made(case, "Generate", requests[0], prompt=style)
    for request, answer in zip(requests, answers(loaded, settings, requests), strict=True):
        prompt = prompt_of(plain, request, style, request.text)
        encode = (
            plain.bare if style == "chat" else plain.ids if case.family == oracle.D else lambda t: plain.tokenizer(t)["input_ids"]
        )
        if len(encode(prompt)) > plain.limit - 6 * (case.family == oracle.D):
            [(prompt, _)] = loaded.prompts.fit([request], [plain.limit - 6 * (case.family == oracle.D)])
            assert prompt in [prompt_of(plain, request, style, request.text[i:]) for i in range(len(request.text))]
        alike(case, request, answer.text, plain.written(encode(prompt) or [plain.beginning], 6))
