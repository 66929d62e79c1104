import json
import subprocess
import sys

import pytest
import sacrebleu.metrics
from plmtasks_translation.catalog import OPUS100_LANGUAGES, PAIRS, opus100
from plmtasks_translation.data import Form
from plmtasks_translation.metrics import tokenizer
from plmtasks_translation.sets import SETS
from sacrebleu.dataset import DATASETS

from plmtasks.config import Source
from plmtasks.data import draw, events, language_name
from plmtasks.errors import DataError, InputError, UnknownNameError
from plmtasks.examples import Example, Prediction
from plmtasks.requests import GenerateAnswer

# task, path under the real data, split → examples
DATA = [
    (
        "translation/multi30k",
        "multi30k_en_de",
        {
            "train": 29000, "validation": 1014, "test": 1000, "test_2016_flickr": 1000, "test_2017_flickr": 1000,
            "test_2017_mscoco": 461,
        },
    ),
    ("translation/text-de-en", "multi30k_en_de/test_2017_mscoco.de.gz", {"test": 461}),
    ("translation/multi30k", "multi30k_en_de/val.en.gz", {"validation": 1014}),
    ("translation/wmt22-zh-en", "wmt22_zh_en", {"test": 1875}),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "path", "sizes"), DATA)
def test_solved_answers_give_every_metric_its_best_value(name, path, sizes, registry, score, real_data):
    task = registry.task(name)
    data = task.load(Source(data=str(real_data / path)))
    task = task.bind(data)
    assert {split: len(data[split]) for split in data.splits} == sizes
    for split in data.splits:
        predictions = {}
        for example in data[split]:
            asked = task.ask(example.hidden(), "Generate")
            solved = task.solve(example, asked)
            predictions[example.id] = task.read(example.hidden(), asked, solved)
            assert predictions[example.id].value.strip() == example.reference[0].strip()
        for metric, count in (dict.fromkeys(task.metrics, 300) | {"ter": 50}).items():
            chosen = draw(data[split], count)
            [info] = registry.metric(metric).scores().values()
            assert score(task, metric, [predictions[e.id] for e in chosen], chosen) == info.best, (split, metric)


def test_plain_translation_is_multi30k(registry):
    assert registry.task("translation").name == "translation/multi30k"


def test_every_task_names_metrics_that_there_are(registry):
    for task in registry.items["task"].values():
        assert [registry.metric(m).name for m in task.metrics] == list(task.metrics)
        assert task.description


def test_importing_and_naming_every_task_is_light():
    heavy = {"numpy", "torch", "transformers", "datasets", "pyarrow", "sacrebleu", "huggingface_hub", "lxml"}
    code = (
        "import sys; from plmtasks_translation.catalog import PAIRS, Pairs; import plmtasks_translation\n"
        "tasks = [Pairs().make(f'{s}-{p}') for s, pairs in PAIRS.items() for p in pairs]\n"
        f"print(len(tasks), sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{sum(map(len, PAIRS.values()))} []"


# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_set_and_pair_of_sacrebleu_has_a_name(registry):
    assert {name: set(pairs.split()) for name, pairs in SETS.items()} == {n: set(d.langpairs) for n, d in DATASETS.items()}
    for name, pairs in SETS.items():
        for pair in pairs.split():
            task = registry.task(f"translation/{name}-{pair}")
            assert (task.name, f"{task.source}-{task.target}", task.language) == (f"translation/{name}-{pair}", pair, task.target)


@pytest.mark.parametrize(
    ("name", "source", "target"),
    [("text-en-pt_BR", "en", "pt_BR"), ("text-zho_Hans-sah", "zho_Hans", "sah"), ("wmt21/B-en-zh", "en", "zh")],
)
def test_names_with_any_languages(name, source, target, registry):
    task = registry.task(f"translation/{name}")
    assert (task.source, task.target) == (source, target)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("wmt22-zh-fr", "its pairs: cs-en, cs-uk"),
        ("wmt22-zh-em", "did you mean 'translation/wmt22-zh-en'"),
        ("wmt22", "its pairs: cs-en, cs-uk"),
        ("text", "translation/text-FROM-TO with --data PATH"),
        ("text-en-german", "translation/text-FROM-TO with --data PATH"),
        ("opus100-en-sw", "its pairs: af-en, en-af"),
    ],
)
def test_a_set_or_pair_that_there_is_not_is_refused(name, hint, registry):
    with pytest.raises(UnknownNameError, match=hint):
        registry.task(f"translation/{name}")


def test_every_language_that_is_offered_has_a_name():
    codes = {code for pairs in PAIRS.values() for pair in pairs for code in pair.split("-")}
    assert not [code for code in codes if language_name(code) == code]
    assert (language_name("zho_Hans"), language_name("pt_BR"), language_name("xx")) == ("Chinese", "Portuguese", "xx")
    assert tokenizer("yue_Hant") == "zh"


def test_opus_100_has_99_languages_beside_english_and_only_some_of_the_splits_for_some():
    assert len(OPUS100_LANGUAGES) == 99
    splits = {pair: opus100(Form(source=pair[:2], target=pair[3:])).splits for pair in ("de-en", "en-yo", "zh-ar")}
    assert splits == {"de-en": ["train", "validation", "test"], "en-yo": ["train"], "zh-ar": ["test"]}


# ── asking and reading ────────────────────────────────────────────────────────────────────────────────────────────


def example(text="The kite is red."):
    return Example(id="1", inputs={"source": text}, reference=["Der Drachen ist rot.", "Rot ist der Drachen."])


def test_a_request_names_both_languages(registry):
    asked = registry.task("translation/text-en-de").ask(example().hidden(), "Generate")
    assert (asked.text, asked.source_language, asked.target_language) == ("The kite is red.", "en", "de")
    assert asked.instruction == "Translate this text from English to German."
    assert (asked.max_new_tokens, asked.stop) == (64, ("\n",))


@pytest.mark.parametrize(("text", "tokens"), [("a" * 64, 64), ("a" * 65, 128), ("红" * 50, 256), ("a" * 5000, 512)])
def test_the_longer_a_text_the_longer_its_translation_may_be(text, tokens, registry):
    assert registry.task("translation/text-en-de").ask(example(text).hidden(), "Generate").max_new_tokens == tokens


def test_a_text_of_several_lines_may_have_a_translation_of_several(registry):
    assert registry.task("translation/text-en-de").ask(example("One.\nTwo.").hidden(), "Generate").stop == ()


def test_solved_is_the_first_reference_and_read_takes_what_was_written(registry):
    task = registry.task("translation/text-en-de")
    asked = task.ask(example().hidden(), "Generate")
    assert task.solve(example(), asked) == GenerateAnswer(text="Der Drachen ist rot.")
    assert task.read(example().hidden(), asked, GenerateAnswer(text=" Rot. ")) == Prediction(value="Rot.")


def test_a_new_question_needs_its_source_alone(registry):
    task = registry.task("translation/sample")
    posed = task.pose({"source": "the nurse"}, "7")
    asked = task.ask(posed, "Generate")
    assert task.show(posed, task.read(posed, asked, GenerateAnswer(text="护士"))) == "护士"
    with pytest.raises(InputError, match="asked with source; the question has no text 'source'"):
        task.pose({"source": " "}, "7")


def test_sample_says_the_same_event_in_both_languages(registry):
    there, back = (registry.task(n).load(Source()) for n in ("translation/sample", "translation/sample-zh-en"))
    for event, a, b in zip(events("test"), there["test"], back["test"], strict=True):
        assert (a.id, a.inputs["source"], a.reference) == (event.id, event.english(), [event.chinese()])
        assert (b.id, b.inputs["source"], b.reference) == (event.id, event.chinese(), [event.english()])


def test_the_number_of_references_is_known_once_the_data_is(registry, write):
    task = registry.task("translation/text-en-de")
    path = write(
        train_jsonl=[{"source": "a", "reference": ["x", "y", "z"]}],
        test_jsonl=[{"source": "a", "reference": ["x", "y"]}, {"source": "b", "reference": ["x", "y"]}],
        dev_jsonl=[{"source": "a", "reference": ["x", "y"]}],
    )
    assert task.bind(task.load(Source(data=str(path.parent)))).references == 2
    write(dev_jsonl=[{"source": "a", "reference": "x"}])
    assert task.bind(task.load(Source(data=str(path.parent)))).references == 0


# ── others' translations ──────────────────────────────────────────────────────────────────────────────────────────

TWO = [Example(id=id_, inputs={"source": "a"}) for id_ in ("a", "b")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hyp_de", '{"Rot" ist es.\n\n'),
        ("hyp_de_gz", '{"Rot" ist es.\n\n'),
        ("hyp_jsonl", [{"id": "b", "prediction": ""}, {"id": "a", "prediction": '{"Rot" ist es.'}]),
        ("hyp_jsonl_gz", [{"id": "b", "prediction": ""}, {"id": "a", "prediction": '{"Rot" ist es.'}]),
    ],
)
def test_translations_are_read_in_every_form(name, value, registry, write):
    found = registry.task("translation").read_predictions(write(**{name: value}), TWO)
    assert {id_: p.value for id_, p in found.items()} == {"a": '{"Rot" ist es.', "b": ""}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hyp_de", "eins\nzwei\ndrei\n", r"hyp\.de: expected 2 lines, one for each example, found 3"),
        ("hyp_de", "", r"hyp\.de: expected 2 lines, one for each example, found 0"),
        ("hyp_jsonl", [{"id": "a", "prediction": 3}], r"hyp\.jsonl: a: expected a translation as text, found 3"),
        ("hyp_jsonl", [{"id": "a", "prediction": "x"}, {"id": "a", "prediction": "y"}], r"hyp\.jsonl:2: expected each id once"),
    ],
)
def test_bad_translations_are_named_exactly(name, value, message, registry, write):
    with pytest.raises(DataError, match=message):
        registry.task("translation").read_predictions(write(**{name: value}), TWO)


@pytest.mark.slow
def test_as_a_user_scores_a_published_system(real_data):
    folder = real_data / "wmt22_zh_en"
    command = [
        sys.executable, "-m", "plmtasks", "score", "--task", "translation/wmt22-zh-en", "--references", str(folder), "--columns",
        "reference=A", "--predictions", str(folder / "generaltest2022.zh-en.hyp.DLUT.en"), "--format", "json",
    ]  # fmt: skip
    scores = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert scores["bleu"]["bleu"]["value"] == pytest.approx(24.981437204982416, abs=1e-9)
    assert 23 < scores["bleu"]["bleu"]["low"] < 24.98 < scores["bleu"]["bleu"]["high"] < 27


@pytest.mark.slow
def test_scores_into_chinese_say_that_its_words_were_cut(registry, write, tmp_path):
    data = write(test_jsonl=[{"source": "the cat sat", "reference": ["猫坐下了。", "那只猫坐下了。"]}] * 2)
    (tmp_path / "hyp").write_text("猫坐下了。\n猫睡了。\n", encoding="utf-8")
    command = [
        sys.executable, "-m", "plmtasks", "score", "--task", "translation/text-en-zh", "--references", str(data),
        "--predictions", str(tmp_path / "hyp"),
    ]  # fmt: skip
    text, found = (
        subprocess.run([*command, *more], capture_output=True, text=True, check=True).stdout
        for more in ([], ["--format", "json"])
    )
    scorer = sacrebleu.metrics.BLEU(tokenize="zh")
    score = scorer.corpus_score(["猫坐下了。", "猫睡了。"], [["猫坐下了。"] * 2, ["那只猫坐下了。"] * 2])
    assert f"\nbleu: {scorer.get_signature()}\n" in text
    assert "tok:zh" in text
    bleu = json.loads(found)["bleu"]["bleu"]
    assert (bleu["value"], bleu["signature"]) == (pytest.approx(score.score), str(scorer.get_signature()))


@pytest.mark.parametrize("name", ["hyp.de", "hyp.jsonl"])
def test_translations_are_written_a_line_each(name, registry, tmp_path):
    task = registry.task("translation")
    predictions = {"b": Prediction(value=""), "a": Prediction(value='{"Rot" ist\u2028es.')}
    [(file, text)] = task.write_predictions(name, TWO, predictions).items()
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert name.endswith(".jsonl") or text.count("\n") == 2
    assert dict(task.read_predictions(tmp_path / file, TWO)) == predictions


def test_a_published_system_keeps_its_file(registry, real_data):
    folder = real_data / "wmt22_zh_en"
    task = registry.task("translation/wmt22-zh-en")
    examples = task.load(Source(data=str(folder), columns={"reference": "A"}))["test"]
    path = folder / "generaltest2022.zh-en.hyp.DLUT.en"
    files = task.write_predictions("hyp.en", examples, task.read_predictions(path, examples))
    assert files == {"hyp.en": path.read_text(encoding="utf-8")}
