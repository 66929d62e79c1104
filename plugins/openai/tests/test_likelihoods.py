"""Log-probabilities of prompts: the numbers of the same weights in this process, parted as lm-evaluation-harness parts them."""

from pathlib import Path
from typing import Any

import pytest

import plmtasks
from plmtasks.config import ModelSettings
from plmtasks.errors import InputError, ModelError
from plmtasks.hooks import load_registry
from plmtasks.requests import Choose, LogLikelihood, Request, Shot, Turn, plain_prompt

pytestmark = pytest.mark.slow

CONTEXT = "the basket was not too kindly"
CHOICES = (" sold", "sold by the tailor", " ly", "ly", " by the tailor Tive in the garden", "  é€ 庭 .", "s", "\n\nAnn")
"""Some of them join their first letters to the end of the context."""
CHOOSE = Choose(text=CONTEXT, choices=CHOICES, exact=True)


@pytest.fixture(params=["echoing", "llama_cpp"])
def address(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def load(address: str, example: Request = CHOOSE, **settings: Any) -> Any:
    return load_registry().model(f"openai:tiny@{address}").load(example, ModelSettings(**settings), "cpu")


class Reference:
    """The same weights by one forward of the transformers library, and `_encode_pair` of lm-evaluation-harness."""

    def __init__(self, place: Path) -> None:
        import transformers

        self.tokenizer = transformers.AutoTokenizer.from_pretrained(place)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(place).eval()

    def __call__(self, context: str, continuation: str) -> tuple[Any, int, bool]:
        spaces = len(context) - len(context.rstrip())
        head, tail = (context[:-spaces], context[-spaces:] + continuation) if spaces else (context, continuation)
        return self.behind(self.ids(head + tail), len(self.ids(head)))

    def ids(self, text: str) -> list[int]:
        return [0, *self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    def said(self, turns: list[dict[str, str]], choice: str) -> tuple[Any, int, bool]:
        start = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        known, whole = (self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (start, start + choice))
        return self.behind(whole, len(known))

    def behind(self, ids: list[int], known: int) -> tuple[Any, int, bool]:
        import torch

        with torch.no_grad():
            numbers = torch.log_softmax(self.model(torch.tensor([ids])).logits[0].float(), -1)[known - 1 : -1]
        own = ids[known:]
        greedy = bool((numbers.argmax(-1) == torch.tensor(own)).all())
        return pytest.approx(float(numbers[range(len(own)), own].sum()), abs=2e-4), len(own), greedy


@pytest.fixture(scope="session")
def reference(llama: Path) -> Reference:
    return Reference(llama)


def found(answer: Any) -> list[tuple[float, int, bool]]:
    return [(choice.log_likelihood, choice.tokens, choice.greedy) for choice in answer.choices]


@pytest.mark.parametrize("context", [CONTEXT, CONTEXT + " ", "the basket \n", "庭 th"])
def test_choices(address: str, reference: Reference, context: str) -> None:
    [answer] = load(address).answer([Choose(text=context, choices=CHOICES, exact=True)])
    assert found(answer) == [reference(context, choice) for choice in CHOICES]
    assert [choice.bytes for choice in answer.choices] == [len(choice.encode()) for choice in CHOICES]


def test_the_likeliest_text_is_greedy(address: str, reference: Reference) -> None:
    ids = reference.ids(CONTEXT)
    import torch

    with torch.no_grad():
        made = reference.model.generate(
            torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=12, do_sample=False, pad_token_id=0
        )[0, len(ids) :]
    # pieces of characters are no text, and some texts have other tokens when they are read
    texts = [reference.tokenizer.decode(made[:n]) for n in range(1, 13)]
    fitting = tuple(t for n, t in enumerate(texts, 1) if reference.ids(CONTEXT + t) == [*ids, *made[:n].tolist()])
    assert fitting
    [answer] = load(address).answer([Choose(text=CONTEXT, choices=(*fitting, " sold"), exact=True)])
    assert [choice.greedy for choice in answer.choices] == [*(True for _ in fitting), False]


@pytest.mark.parametrize("prompt", ["plain", "raw"])
def test_prompts_are_those_of_a_model_in_a_folder(address: str, llama: Path, prompt: Any) -> None:
    shot = Shot(text="ann opened the door .", answer="ann")
    asked = Choose(instruction="Who was it?", shots=(shot,), text="the basket was sold", choices=("ann", "the tailor"))
    settings = {"prompt": prompt, "dtype": "float32", "batch_tokens": 1000}
    [here] = load_registry().model(str(llama)).load(asked, ModelSettings(**settings), "cpu").answer([asked])
    [there] = load(address, **settings).answer([asked])
    for one, other in zip(here.choices, there.choices, strict=True):
        assert (one.tokens, one.bytes) == (other.tokens, other.bytes)
        assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=2e-4)


def test_an_instruction_of_the_system_stands_first(echoing: str, reference: Reference) -> None:
    asked = Choose(instruction="Who was it?", text="the basket was sold", choices=("ann",))
    [answer] = load(echoing, system="Be brief.").answer([asked])
    assert found(answer) == [reference("Be brief.\n\n" + plain_prompt(asked, (), asked.text), " ann")]


def test_texts_after_a_context(address: str, reference: Reference) -> None:
    asked = [LogLikelihood(context=CONTEXT, text=" by the tailor Tive ."), LogLikelihood(context=CONTEXT + " ", text="é by")]
    for request, answer in zip(asked, load(address).answer(asked), strict=True):
        number, tokens, _ = reference(request.context, request.text)
        assert (answer.log_likelihood, answer.tokens) == (number, tokens)
        assert (answer.words, answer.bytes) == (len(request.text.split()), len(request.text.encode()))


def test_texts_without_a_context(echoing: str, reference: Reference) -> None:
    texts = [CONTEXT, "a", ""]
    answers = load(echoing).answer([LogLikelihood(text=text, disjoint=bool(text)) for text in texts])
    assert [(a.log_likelihood, a.tokens) for a in answers] == [*(reference("", t)[:2] for t in texts[:2]), (0, 0)]
    # whose tokens have no text of their own, so that nobody sees that the first is the beginning
    with pytest.raises(ModelError, match="a text without a context\n  --model-args prefix_token="):
        load(echoing).answer([LogLikelihood(text="庭の")])
    own = load(echoing, model_args={"prefix_token": "<s>", "add_special_tokens": False})
    [answer] = own.answer([LogLikelihood(text="庭の")])
    assert (answer.log_likelihood, answer.tokens) == reference("", "庭の")[:2]


def test_a_first_token_of_which_nothing_is_told(llama_cpp: str) -> None:
    with pytest.raises(ModelError, match="null for the first token of 'the basket'") as caught:
        load(llama_cpp).answer([LogLikelihood(text="the basket")])
    assert "prefix_token" in str(caught.value)
    [behind] = load(llama_cpp, model_args={"prefix_token": "\n"}).answer([LogLikelihood(text="the basket")])
    [after] = load(llama_cpp).answer([Choose(text="\na", choices=(" basket",), exact=True)])
    assert behind.tokens == 2
    assert after.choices[0].tokens == 1


@pytest.mark.parametrize("exact", [True, False])
def test_choices_in_a_chat(echoing: str, reference: Reference, exact: bool) -> None:
    said = [Turn(role="system", content="Be brief."), Turn(role="user", content="who?")]
    turns = [{"role": turn.role, "content": turn.content} for turn in said]
    given = {"exact": True, "turns": tuple(said)} if exact else {}
    settings: dict[str, Any] = {} if exact else {"prompt": "chat", "system": "Be brief."}
    [answer] = load(echoing, **settings).answer([Choose(text="who?", choices=("ann", "the tailor"), **given)])
    assert found(answer) == [reference.said(turns, choice) for choice in ("ann", "the tailor")]


def test_a_turn_that_is_begun_is_gone_on_with(echoing: str, reference: Reference) -> None:
    said = (Turn(role="user", content="who?"), Turn(role="assistant", content="it was"))
    [answer] = load(echoing).answer([Choose(text="", turns=said, exact=True, choices=(" ann",))])
    start = reference.tokenizer("<user>who?</><assistant>it was", add_special_tokens=False)["input_ids"]
    whole = reference.tokenizer("<user>who?</><assistant>it was ann", add_special_tokens=False)["input_ids"]
    assert found(answer) == [reference.behind(whole, len(start))]


def test_servers_that_do_not_tell_are_named(llama_cpp: str, moved: str) -> None:
    with pytest.raises(ModelError, match="no `prompt_logprobs` of a chat"):
        load(llama_cpp, prompt="chat").answer([Choose(text="who?", choices=("ann",))])
    with pytest.raises(ModelError, match="moved by a token"):
        load(moved).answer([CHOOSE])


def test_choices_without_a_token_are_refused(echoing: str) -> None:
    with pytest.raises(ModelError, match="no token of 's' alone\n  its tokenizer joins it"):
        load(echoing).answer([Choose(text="a", choices=("s",), exact=True)])
    with pytest.raises(InputError, match="an empty choice has no token"):
        load(echoing).answer([Choose(text="who?", choices=("",))])


def test_a_run_asks_so_where_it_is_wanted(echoing: str, tmp_path: Path) -> None:
    name, options = f"openai:tiny@{echoing}", {"limit": 6, "quiet": True, "threads": 1}
    written = plmtasks.run("classification/sample", name, output=str(tmp_path / "one"), **options)
    chosen = plmtasks.run("classification/sample", name, ask="Choose", output=str(tmp_path / "two"), **options)
    assert [one.record["model"]["ask"] for one in (written, chosen)] == ["Generate", "Choose"]
