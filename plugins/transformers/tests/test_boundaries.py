"""Where texts meet and end: white space, characters that a tokenizer joins, special tokens that a text spells.

The right values are of plain loops over transformers, one text at a time.
"""

from dataclasses import replace

import pytest
import torch
import transformers
from plmtasks_transformers.models import Hub
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from plmtasks.errors import InputError
from plmtasks.requests import (
    Choose,
    Classify,
    ClassifyAnswer,
    ExtractSpan,
    ExtractSpanAnswer,
    Generate,
    GenerateAnswer,
    LogLikelihood,
    Span,
)  # fmt: skip

LEARNED = [
    "the nurse found the lamp in the garden .",
    "assistant: great user: not great",
    "今天天气很好",
    "我觉得很好吃",
    "(a) (b) :) 😀😁",
] * 4
END, TURN = "<|endoftext|>", "<|turn|>"
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 600}
CHAT = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}ENDING{% endif %}"


def byte_level(*, bos=False, end=False, pieces=True):
    """A tokenizer like GPT-2's, which joins Han characters; bos, end: what it puts around a text."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = [END, TURN, "<s>", "</s>", "<pad>", *(f"<extra_id_{i}>" for i in range(4))]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(LEARNED if pieces else [], trainer)
    around = f"{'<s> ' * bos}$A{' </s>' * end}"
    if bos or end:
        tokens = [(t, made.token_to_id(t)) for t in ("<s>", "</s>")]
        made.post_processor = processors.TemplateProcessing(single=around, special_tokens=tokens)
    names = (
        {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"} if bos or end else {"eos_token": END, "bos_token": END}
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names)


def word_pieces():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "nurse", "lamp", "found"]
    made = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, model_input_names=inputs, **names)


SHAPES = {
    "gpt2": (transformers.GPT2Config, {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 600}),
    "llama": (transformers.LlamaConfig, SMALL),
    "bert": (transformers.BertConfig, SMALL),
    "t5": (transformers.T5Config, {"d_model": 16, "d_ff": 16, "d_kv": 8, "num_layers": 1, "num_heads": 2, "vocab_size": 600,
                                   "decoder_start_token_id": 4}),
    "bart": (transformers.BartConfig, {
        "d_model": 16, "vocab_size": 600, "decoder_start_token_id": 3, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 4,
        **{f"{s}_{k}": v for s in ("encoder", "decoder") for k, v in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 16))},
    }),
}  # fmt: skip
HEADS = {"bert": "MaskedLM", "t5": "Seq2SeqLM", "bart": "Seq2SeqLM"}


@pytest.fixture
def made(tmp_path, load):
    """A random model of a shape with such a tokenizer, ready for requests like a form."""

    def made(name, tokenizer, example_request, *, head=None, template=None, config=(), **settings):
        shape, sizes = SHAPES[name]
        torch.manual_seed(0)
        kind = getattr(transformers, f"AutoModelFor{head or HEADS.get(name, 'CausalLM')}")
        module = kind.from_config(shape(**{**sizes, **dict(config)}))
        with torch.no_grad():
            for weight in module.parameters():
                weight.mul_(6 if weight.ndim > 1 else 1)  # so that tokens differ much in their likelihood
        module.save_pretrained(tmp_path)
        tokenizer.chat_template = template
        tokenizer.save_pretrained(tmp_path)
        return load(Hub().make(str(tmp_path)), example_request, **settings)

    return made


def summed(module, given, own, **source):
    """The log-likelihood of tokens after others, and whether each is the likeliest."""
    with torch.inference_mode():
        if source:
            logits = module(**source, decoder_input_ids=torch.tensor([[*given, *own[:-1]]])).logits[0]
        else:
            logits = module(input_ids=torch.tensor([[*given, *own[:-1]]])).logits[0]
    chances = logits[len(given) - 1 :].log_softmax(-1)
    return float(chances.gather(1, torch.tensor(own)[:, None]).sum())


def encode_pair(tokenizer, context, continuation, *, apart=False):
    """As lm-evaluation-harness has it, with the special tokens that the tokenizer puts in front."""
    spaces = len(context) - len(context.rstrip())
    if spaces:
        context, continuation = context[:-spaces], context[-spaces:] + continuation
    if apart:
        return tokenizer(context)["input_ids"], tokenizer(continuation, add_special_tokens=False)["input_ids"]
    start = tokenizer(context)["input_ids"]
    return start, tokenizer(context + continuation)["input_ids"][len(start) :]


ENDINGS = ["assistant: ", "assistant:", "assistant:\n", "assistant:\t \n", f"{TURN}", f"{TURN}\n"]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_white_space_at_the_end_of_a_chat_template_goes_to_the_choice(made, ending):
    request = Choose(instruction="Was it good?", text="the lamp was fine", choices=("great", "not great", "很好"))
    loaded = made("gpt2", byte_level(), request, template=CHAT.replace("ENDING", ending), prompt="chat")
    prompt = loaded.prompts.render(request, (), request.text)
    assert prompt.endswith(ending)
    [answer] = loaded.answer([request])
    for choice, found in zip(request.choices, answer.choices, strict=True):
        start, own = encode_pair(loaded.tokenizer, prompt, choice)
        assert (found.tokens, found.bytes) == (len(own), len(choice.encode()))
        assert found.tokens > 0
        assert found.log_likelihood == pytest.approx(summed(loaded.module, start, own), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("style", ["plain", "raw"])
@pytest.mark.parametrize("text", ["the lamp was ", "the lamp was\n", "the lamp was\t", "the lamp was:  \n "])
@pytest.mark.parametrize("name", ["llama", "bart", "t5"])
def test_white_space_at_the_end_of_a_text_goes_to_the_choice(made, name, text, style):
    apart = name in ("bart", "t5")
    request = Choose(text=text, choices=("great", "not great"))
    loaded = made(name, byte_level(bos=name != "t5", end=apart), request, prompt=style)
    [answer] = loaded.answer([request])
    for choice, found in zip(request.choices, answer.choices, strict=True):
        start, own = encode_pair(loaded.tokenizer, text, choice if apart else f" {choice}", apart=apart)
        given = {"input_ids": torch.tensor([start])} if apart else {}
        # what BART's decoder reads first is its start and the tokenizer's beginning
        begins = {"bart": [3, 2], "t5": [4]}.get(name, start)
        assert found.tokens == len(own) > 0
        assert found.log_likelihood == pytest.approx(summed(loaded.module, begins, own, **given), rel=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_a_choice_without_a_token_is_an_error(made, name):
    request = Choose(text="the lamp was ", choices=("great", ""))
    loaded = made(name, byte_level(end=name == "t5"), request)
    with pytest.raises(InputError, match="the choice '' has no token for"):
        loaded.costs([request])


@pytest.mark.parametrize("name", ["bert", "t5", "gpt2"])
def test_a_text_without_a_token_is_an_error(made, name):
    """A tokenizer may have none for a character; of white space BERT's has none."""
    tokenizer = word_pieces() if name == "bert" else byte_level(end=name == "t5")
    if name != "bert":
        from tokenizers import normalizers

        tokenizer.backend_tokenizer.normalizer = normalizers.Strip()
    request = LogLikelihood(text=" \n")
    loaded = made(name, tokenizer, request)
    with pytest.raises(InputError, match=r"the text ' .n' has no token for .* and so no likelihood"):
        loaded.costs([request])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("context", "text"),
    [("今天天气很", "好"), ("我觉得很", "好"), ("今天天", "气很好"), ("the nurse found the la", "mp"), ("the nurse", " found")],
)
def test_characters_that_a_tokenizer_joins_over_the_boundary(made, context, text):
    score, choose = LogLikelihood(text=text, context=context), Choose(text=context, choices=(text, "not great"))
    loaded = made("gpt2", byte_level(), score)
    tokenizer = loaded.tokenizer
    start, own = tokenizer(context)["input_ids"], tokenizer(text)["input_ids"]
    together = tokenizer(context + text)["input_ids"]
    assert (together == start + own) == (text == " found")
    [answer] = loaded.answer([score])
    assert (answer.tokens, answer.bytes) == (len(own), len(text.encode()))
    assert answer.log_likelihood == pytest.approx(summed(loaded.module, start, own), rel=1e-4)
    # a chat has nothing between prompt and choice
    chat = made("gpt2", byte_level(), choose, template="{{ messages[-1].content }}", prompt="chat")
    [found, _] = chat.answer([choose])[0].choices
    assert (found.tokens, found.log_likelihood) == (len(own), pytest.approx(answer.log_likelihood, rel=1e-4))


SPELLED = [
    f"the nurse {END}",
    f"{END}the nurse",
    f"the {END} nurse </s>",
    "</s>",
    "<s>the <pad> nurse</s></s>",
    f"the nurse {TURN}",
]


@pytest.mark.slow
@pytest.mark.parametrize("text", SPELLED)
@pytest.mark.parametrize(("name", "around"), [("gpt2", {}), ("llama", {"bos": True}), ("llama", {"bos": True, "end": True})])
def test_a_decoder_scores_special_tokens_that_a_text_spells(made, name, around, text):
    loaded = made(name, byte_level(**around), LogLikelihood(text=text))
    own = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert any(t < 9 for t in own)  # the special tokens come first
    first = loaded.tokenizer.bos_token_id
    [answer, after] = loaded.answer([LogLikelihood(text=text), LogLikelihood(text=text, context="found the lamp</s>")])
    assert answer.tokens == after.tokens == len(own)
    assert answer.log_likelihood == pytest.approx(summed(loaded.module, [first], own), rel=1e-4)
    start = [first] * bool(around) + loaded.tokenizer("found the lamp</s>", add_special_tokens=False)["input_ids"]
    assert after.log_likelihood == pytest.approx(summed(loaded.module, start, own), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("text", [*SPELLED, "<extra_id_0> found", "found <extra_id_1>"])
@pytest.mark.parametrize("name", ["t5", "bart"])
def test_a_model_with_an_encoder_scores_special_tokens_that_a_text_spells(made, name, text):
    requests = [LogLikelihood(text=text, context="found"), Choose(text="found", choices=(text, "lamp"))]
    tokenizer = byte_level(bos=name == "bart", end=True)
    own = tokenizer(text, add_special_tokens=False)["input_ids"]
    for request in requests:
        loaded = made(name, tokenizer, request)
        [answer] = loaded.answer([request])
        found = answer.choices[0] if isinstance(request, Choose) else answer
        source = torch.tensor([tokenizer("found")["input_ids"]])
        start = [3, 2] if name == "bart" else [4]
        assert found.tokens == len(own)
        assert found.log_likelihood == pytest.approx(summed(loaded.module, start, own, input_ids=source), rel=1e-4)


def test_hidden_tokens_may_be_special(made):
    """Of an encoder and of a model that restores spans, whose texts have no context."""
    text = "the [SEP] nurse [PAD] [CLS] found [SEP]"
    loaded = made("bert", word_pieces(), LogLikelihood(text=text))
    ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
    total = 0.0
    for place in range(1, ids.shape[1] - 1):
        with torch.inference_mode():
            logits = loaded.module(input_ids=ids.clone().index_fill_(1, torch.tensor([place]), 4)).logits
        total += float(logits[0, place].log_softmax(-1)[ids[0, place]])
    [answer] = loaded.answer([LogLikelihood(text=text)])
    assert (answer.tokens, answer.log_likelihood) == (7, pytest.approx(total, rel=1e-4))

    text = "the nurse</s> found</s>"
    loaded = made("t5", byte_level(end=True), LogLikelihood(text=text))
    ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
    sentinel, total = loaded.tokenizer.convert_tokens_to_ids("<extra_id_0>"), 0.0
    for place in range(ids.shape[1] - 1):
        source = ids.clone().index_fill_(1, torch.tensor([place]), sentinel)
        total += summed(loaded.module, [4, sentinel], [int(ids[0, place])], input_ids=source)
    [answer] = loaded.answer([LogLikelihood(text=text)])
    assert (answer.tokens, answer.log_likelihood) == (ids.shape[1] - 1, pytest.approx(total, rel=1e-4))


@pytest.mark.parametrize("pad", [None, 0, 7])
def test_a_decoder_that_classifies_reads_the_last_token_whatever_it_is(made, pad):
    """The tokenizer pads with its end, the checkpoint names that token, another, or none."""
    texts = ["the nurse", f"the nurse {END}", f"the lamp {END}{END}", END, "found the lamp in the garden", f"{END} the"]
    requests = [Classify(text=t, labels=("a", "b", "c")) for t in texts]
    config = {"pad_token_id": pad, "id2label": dict(enumerate("abc")), "label2id": {"a": 0, "b": 1, "c": 2}}
    loaded = made("gpt2", byte_level(), requests[0], head="SequenceClassification", config=config)
    wanted = []
    for text in texts:
        ids = torch.tensor([loaded.tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            wanted += loaded.module.score(loaded.module.transformer(input_ids=ids).last_hidden_state[0, -1]).softmax(-1).tolist()
    before = loaded.module.config.pad_token_id
    for found in (loaded.answer(requests), [loaded.answer([r])[0] for r in requests]):
        assert [s for a in found for s in a.scores] == pytest.approx(wanted, rel=1e-4)
    assert loaded.module.config.pad_token_id == before
    [same] = loaded.answer([requests[1]])
    loss, count = loaded.loss(requests, [ClassifyAnswer(scores=(1.0, 0.0, 0.0))] * len(requests))
    assert float(loss.detach()) / count == pytest.approx(-sum(torch.tensor(wanted[::3]).log().tolist()) / len(texts), rel=1e-4)
    assert same == loaded.answer([requests[1]])[0]


def test_a_head_behind_an_encoder_reads_the_last_end(made):
    texts = ["the nurse", "the </s> nurse", "the lamp </s></s>", "found the lamp in the garden"]
    requests = [Classify(text=t, labels=("a", "b")) for t in texts]
    config = {"id2label": dict(enumerate("ab")), "label2id": {"a": 0, "b": 1}}
    loaded = made("bart", byte_level(bos=True, end=True), requests[0], head="SequenceClassification", config=config)
    wanted = []
    for text in texts:
        with torch.inference_mode():
            wanted += (
                loaded.module(**loaded.tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits[0].softmax(-1)
            )
    found = loaded.answer(requests)
    assert [s for a in found for s in a.scores] == pytest.approx([float(w) for w in wanted], rel=1e-4)


@pytest.mark.parametrize("prompt", [f"the nurse {END}", END, f"{END}{END} found", f"found {TURN}"])
def test_an_end_that_a_prompt_spells_is_read(made, prompt):
    request = Generate(text=prompt, max_new_tokens=6)
    loaded = made("gpt2", byte_level(), request, prompt="raw")
    ids = loaded.tokenizer(prompt, return_tensors="pt")["input_ids"]
    made_ids = loaded.module.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False, pad_token_id=0)
    wanted = loaded.tokenizer.decode(made_ids[0, ids.shape[1] :], skip_special_tokens=True)
    long = replace(request, text="the nurse found the lamp in the garden")
    assert [loaded.answer([request])[0].text, loaded.answer([long, request])[1].text] == [wanted.strip()] * 2


def test_a_stop_text_may_spell_a_special_token(made):
    loaded = made("gpt2", byte_level(), Generate(text="a"))
    turn, *rest = loaded.tokenizer(f"{TURN}>|")["input_ids"]
    said = loaded.tokenizer("the nurse")["input_ids"]
    stops = loaded._endings[False].stops
    assert stops([*said, turn], (TURN,))
    assert not stops([*said, turn], ("|>", "turn"))
    assert not stops(said, (TURN,))
    assert stops([*said, turn, rest[0]], (f"{TURN}>", "zz"))


def writes(module, prompt, ids):
    """From now on the module makes these tokens after so many of a prompt, and the last of them again and again."""

    def forced(_module, _args, kwargs, output):
        output.logits[:, -1] = -1e4
        output.logits[:, -1, ids[min(int(kwargs["position_ids"].max()) + 1 - prompt, len(ids) - 1)]] = 0

    module.register_forward_hook(forced, with_kwargs=True)


STOPPED = [
    (f"the nurse Q{TURN}", (f"Q{TURN}",), "the nurse"),
    (f"the nurse Q{TURN}", (f"e Q{TURN}", "zz"), "the nurs"),
    (f"the nurse{TURN} Q", (f"{TURN} Q", "\n"), "the nurse"),
    (f"the{TURN} nurse Q{TURN}", (f"Q{TURN}",), "the nurse"),
    (f"Q the Q{TURN}Q{TURN}", (f"Q{TURN}",), "Q the"),
    (f"the nurse\nQ{TURN}", (f"Q{TURN}", "\n"), "the nurse"),
    (f"好{TURN}🙂", (f"好{TURN}",), ""),
    (f"the 🙂Q{TURN}", (f"Q{TURN}",), "the 🙂"),
    (f"Q<s>nurse {TURN}", (f"Q{TURN}",), "Qnurse"),
    ("the nurse Q", ("Q",), "the nurse"),
]
"""What was made, the stop texts, the answer."""


@pytest.mark.slow
@pytest.mark.parametrize(("said", "stop", "left"), STOPPED)
def test_no_part_of_a_stop_text_stays_in_the_answer(made, said, stop, left):
    request = Generate(text="a", max_new_tokens=60, stop=stop)
    loaded = made("gpt2", byte_level(), request)
    end = loaded.tokenizer.eos_token_id
    writes(loaded.module, len(loaded.encodings([request])[0].ids), [*loaded.tokenizer(said)["input_ids"], end])
    assert loaded.answer([request])[0].text == left


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["assistant: ", "assistant:\n", "assistant:"])
def test_an_answer_is_learned_after_the_prompt_that_is_read(made, ending):
    """All of its tokens, after the very tokens from which an answer is made."""
    request = Generate(text="the lamp was fine", max_new_tokens=9)
    loaded = made("gpt2", byte_level(), request, template=CHAT.replace("ENDING", ending), prompt="chat")
    [encoding] = loaded.encodings([request])
    for answer in ("great", f"great {END}", "很好"):
        own = [*loaded.tokenizer(answer)["input_ids"], loaded.tokenizer.eos_token_id]
        loss, count = loaded.loss([request], [GenerateAnswer(text=answer)])
        assert count == len(own)
        assert -float(loss.detach()) == pytest.approx(summed(loaded.module, encoding.ids.tolist(), own), rel=1e-4)


def test_spans_of_texts_that_spell_special_tokens(made):
    """Offsets are those of the text, and no answer is where the tokenizer puts its own token."""
    context = "the [SEP] nurse [CLS] found [PAD] lamp"
    request = ExtractSpan(question="the [CLS] nurse", context=context, may_abstain=True)
    loaded = made("bert", word_pieces(), request, head="QuestionAnswering")
    batch = loaded.tokenizer(request.question, context, return_tensors="pt", return_offsets_mapping=True)
    with torch.inference_mode():
        logits = loaded.module(input_ids=batch["input_ids"], token_type_ids=batch["token_type_ids"])
    places = [i for i, side in enumerate(batch.sequence_ids(0)) if side == 1]
    start, end = logits.start_logits[0], logits.end_logits[0]
    a, b = max(((a, b) for a in places for b in places if a <= b), key=lambda ab: float(start[ab[0]] + end[ab[1]]))
    offsets = batch["offset_mapping"][0].tolist()
    [answer] = loaded.answer([request])
    assert isinstance(answer, ExtractSpanAnswer)
    assert (answer.spans[0].start, answer.spans[0].end) == (offsets[a][0], offsets[b][1])
    ratio = answer.spans[0].score / answer.no_answer
    assert ratio == pytest.approx(float((start[a] + end[b] - start[0] - end[0]).exp()), rel=1e-3)
    loaded.loss([request], [ExtractSpanAnswer(spans=(Span(start=4, end=9),))])[0].backward()
