"""Prompts: plain, raw and chat; what T5, BART and multilingual models are given."""

from dataclasses import replace
from functools import partial

import pytest
import transformers
from plmtasks_transformers.answering import chat_template
from plmtasks_transformers.answering.prompts import Prompts, language_token
from plmtasks_transformers.checkpoints import Parts
from plmtasks_transformers.checkpoints.limits import Limit

from plmtasks.config import ModelSettings
from plmtasks.data import LANGUAGES
from plmtasks.errors import InputError, ModelError
from plmtasks.requests import Choose, Generate, Shot

LIMIT = Limit(256, "of a test")
REQUEST = Generate(instruction="Is it good?", shots=(Shot(text="bad film", answer="no"),), text="fine film")
CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"


@pytest.fixture
def prompts(load):
    """Prompts for a tiny model of a family, as if it were of another type."""

    def prompts(family="decoder", style="plain", kind=None, template=None, **config):
        loaded = load(family, REQUEST)
        loaded.tokenizer.chat_template = template
        loaded.module.config.model_type = kind or loaded.module.config.model_type
        for name, value in config.items():
            setattr(loaded.module.config, name, value)
        settings = ModelSettings(prompt=style)
        parts = loaded.parts
        return Prompts(
            Parts(
                name="m",
                family=family,
                module=parts.module,
                tokenizer=parts.tokenizer,
                settings=settings,
                limit=LIMIT,
                written=LIMIT,
            )
        )

    return prompts


def render(prompts, request=REQUEST):
    return prompts.render(request, request.shots, request.text)


def test_plain(prompts):
    assert render(prompts()) == "Is it good?\n\nbad film\nAnswer: no\n\nfine film\nAnswer:"
    assert render(prompts("sequence-to-sequence")) == render(prompts())
    assert render(prompts(), Choose(text="The sky is", choices=("blue",))) == "The sky is"
    asked = Generate(instruction="Answer.", shots=(Shot(text="问题：a\n答案：", answer="b"),), text="Question: c\nAnswer:")
    assert render(prompts(), asked) == "Answer.\n\n问题：a\n答案： b\n\nQuestion: c\nAnswer:"


def test_raw_is_what_the_task_gives_and_nothing_else(prompts):
    assert render(prompts(style="raw")) == "bad film no\n\nfine film"
    assert prompts(style="raw").delimiter == " "


def test_chat(prompts):
    made = prompts(style="chat", template=CHAT)
    assert render(made) == "<user>Is it good?\n\nbad film</><assistant>no</><user>fine film</><assistant>"
    assert made.delimiter == ""
    [(start, own)] = made.continuations([render(made)], ["yes"])
    assert made.tokenizer.decode(start + own).endswith("<assistant>yes")
    with pytest.raises(ModelError, match="no chat template"):
        prompts(style="chat")


@pytest.mark.slow
@pytest.mark.parametrize("template", [CHAT, "{{ bos_token }}{{ messages | tojson }} 中文\n{% if x is defined %}x{% endif %}"])
def test_chat_is_what_the_tokenizer_makes_of_it(template, prompts):
    made = prompts(style="chat", template=template)
    for text in ("fine film", "line\u2028 \x1b[2J 👩‍👧 <|endoftext|>", ""):
        turns = [{"role": "user", "content": text}]
        wanted = made.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        assert made.render(Choose(text=text, choices=("a",)), (), text) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ 'a' * 10**10 }}", "MemoryError|its process ended"),
        ("{{ 'a'.ljust(10**10) }}", "MemoryError|its process ended"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "no prompt after 1 s"),
        ("{{ 'abc' * 5000000 }}", "a prompt of more than 10,000,000 letters"),
        ("{{ raise_exception('no system turn') }}", "no system turn"),
        ("{{ ().__class__.__mro__ }}", "SecurityError"),
        ("{% if %}", "TemplateSyntaxError"),
    ],
)
def test_a_template_has_so_much_time_and_room(template, said, prompts, monkeypatch):
    monkeypatch.setattr(chat_template, "SECONDS", 1.0 if "99999" in template else 30.0)
    with pytest.raises(ModelError, match=f"the chat template of 'm' fails: .*({said})"):
        render(prompts(style="chat", template=template))


def test_models_that_take_the_text_alone(prompts):
    bart = prompts("sequence-to-sequence", kind="bart")
    assert bart.render(REQUEST, (), REQUEST.text) == "fine film"
    with pytest.raises(InputError, match="can be shown no examples"):
        render(bart)


def test_t5_is_told_the_languages(prompts):
    request = Generate(instruction="Translate.", text="Hallo", source_language="de", target_language="en")
    assert render(prompts("sequence-to-sequence"), request) == "translate German to English: Hallo"
    assert render(prompts("decoder"), request) == "Translate.\n\nHallo\nAnswer:"
    regional = Generate(text="Hello", source_language="eng_Latn", target_language="pt_BR")
    assert render(prompts("sequence-to-sequence"), regional) == "translate English to Portuguese: Hello"


def test_what_is_wanted_in_a_word(prompts):
    request = Generate(instruction="Say it in a sentence.", text="fine film", purpose="summarize")
    assert render(prompts(), request) == "Say it in a sentence.\n\nfine film\nTL;DR:"
    assert render(prompts("sequence-to-sequence"), request) == "summarize: fine film"
    assert render(prompts("sequence-to-sequence", kind="bart"), request) == "fine film"
    assert render(prompts(style="chat", template=CHAT), request) == "<user>Say it in a sentence.\n\nfine film</><assistant>"


ACCEPTABLE = Choose(
    instruction="Is it right?", text="It rain.", choices=("unacceptable", "acceptable"), taught="cola sentence: It rain."
)


FIRST = {"task_specific_params": {"summarization": {"prefix": "summarize: "}}}
"""What the config.json of T5's first release tells."""


@pytest.fixture
def first_t5(prompts):
    """Prompts for a tiny T5, as if it were of T5's first release."""
    return partial(prompts, "sequence-to-sequence", **FIRST)


def test_t5_is_asked_as_it_was_taught(first_t5):
    assert render(first_t5(), ACCEPTABLE) == "cola sentence: It rain."
    shown = ACCEPTABLE.with_shots((Shot(text="I is.", answer="unacceptable"),))
    assert render(first_t5(), shown).startswith("Is it right?\n\nI is.")
    assert first_t5().render(shown, (), shown.text).startswith("Is it right?")
    assert render(first_t5(style="raw"), ACCEPTABLE) == "It rain."
    assert "Is it right?" in render(first_t5(style="chat", template=CHAT), ACCEPTABLE)


@pytest.mark.parametrize("more", [FIRST | {"is_gated_act": True}, FIRST | {"kind": "mt5"}, {}])
def test_other_models_were_not_taught_so(prompts, more):
    assert render(prompts("sequence-to-sequence", **more), ACCEPTABLE) == "Is it right?\n\nIt rain.\nAnswer:"
    assert render(prompts("decoder"), ACCEPTABLE) == "Is it right?\n\nIt rain.\nAnswer:"


def test_what_t5_was_taught_is_cut_behind_the_name_of_the_task(first_t5):
    [(prompt, cut)] = first_t5().fit([replace(ACCEPTABLE, taught="cola sentence: " + "rain " * 90)], [40])
    assert cut > 0
    assert prompt.startswith("cola sentence: rain")


def test_a_folder_tells_that_its_model_was_taught(load, tiny, tmp_path):
    plain = load("sequence-to-sequence", ACCEPTABLE)
    plain.module.config.task_specific_params = FIRST["task_specific_params"]
    plain.save(tmp_path)
    taught = tiny["sequence-to-sequence"].saved(tmp_path)
    settings = ModelSettings(dtype="float32")
    assert taught.rendered(ACCEPTABLE, settings) == "cola sentence: It rain."
    assert tiny["sequence-to-sequence"].rendered(ACCEPTABLE, settings).startswith("Is it right?")
    assert taught.identity(ACCEPTABLE, settings) != tiny["sequence-to-sequence"].identity(ACCEPTABLE, settings)
    assert replace(ACCEPTABLE, taught="").key() != ACCEPTABLE.key()
    [one] = load(taught, ACCEPTABLE).answer([ACCEPTABLE])
    bare = replace(ACCEPTABLE, instruction="", text=ACCEPTABLE.taught, taught="")
    assert [one] == load("sequence-to-sequence", bare).answer([bare])


@pytest.mark.parametrize("purpose", ["", "summarize"])
def test_a_text_to_be_summarized_keeps_its_beginning(prompts, purpose):
    made = prompts()
    request = Generate(text="first " + "x " * 50 + "last", purpose=purpose)
    [(prompt, cut)] = made.fit([request], [20])
    assert cut > 0
    assert prompt.startswith("first") == bool(purpose)
    assert prompt.endswith("last") != bool(purpose)


def test_the_space_before_an_answer_belongs_to_it(prompts):
    made = prompts()
    both = made.continuations(["The nurse ", "The nurse", ""], ["found", "found", "found"])
    assert both[1][0] == made.ids(["The nurse"])[0]
    assert made.tokenizer.decode(both[1][1]) == " found"
    assert made.tokenizer.decode(both[0][1]) == "  found"
    assert both[2][0] == [made.tokenizer.bos_token_id]


def test_an_end_that_a_tokenizer_adds_is_not_in_a_prompt(prompts):
    made = prompts("sequence-to-sequence")
    assert made.ids(["the nurse"])[0][-1] == made.tokenizer.eos_token_id
    made.reads = False
    assert made.ids(["the nurse"])[0][-1] != made.tokenizer.eos_token_id


def multilingual(*names):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>")
    made.add_tokens(list(names), special_tokens=True)
    return made


def test_language_codes():
    mbart, nllb = multilingual("de_DE", "en_XX", "zh_CN"), multilingual("eng_Latn", "deu_Latn", "zho_Hans")
    assert language_token(mbart, "zh") == ("zh_CN", 4)
    assert language_token(nllb, "zh") == ("zho_Hans", 4)
    m2m = multilingual()
    m2m.lang_token_to_id = {"__de__": 7}
    assert language_token(m2m, "de") == ("de", 7)
    with pytest.raises(ModelError, match="no language 'fr'"):
        language_token(mbart, "fr")
    pieces = multilingual("jv")
    with pytest.raises(ModelError, match="no language 'jv'"):
        language_token(pieces, "jv")
    assert all(len(code) in (2, 3) and nllb_code[3] == "_" for code, (_, nllb_code) in LANGUAGES.items())


def test_a_region_or_script_that_a_model_does_not_tell_apart():
    mbart, nllb, m2m = multilingual("zh_CN", "pt_XX"), multilingual("zho_Hans", "zho_Hant", "por_Latn"), multilingual()
    m2m.lang_token_to_id = {"__zh__": 7}
    found = [language_token(t, code)[0] for code in ("zh_CN", "zho_Hant") for t in (mbart, nllb, m2m)]
    assert found == ["zh_CN", "zho_Hans", "zh", "zh_CN", "zho_Hant", "zh"]
    assert [language_token(t, "pt_BR")[0] for t in (mbart, nllb)] == ["pt_XX", "por_Latn"]
