import json
import math
import shutil

import pytest

import plmtasks
from plmtasks.config import Source
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example
from plmtasks.requests import Generate, GenerateAnswer, LogLikelihood, LogLikelihoodAnswer
from plmtasks.testing import TaskSubject
from plmtasks.testing.tasks import ids_are_unique, solved_answers_are_best

CHINESE = "护士在花园里找到了红色的灯，飞行员把它卖掉了。"

REAL = {
    "wikitext2": ("wikitext2", {}), "text": ("wikitext2/valid.txt", {}),
    "lambada": ("dialogsum/dialogsum.dev.jsonl", {"text": "summary", "id": "fname"}),
    "dialogue": ("dialogsum/dialogsum.dev.jsonl", {}),
    "headline": ("dialogsum/dialogsum.dev.jsonl", {"text": "topic", "references": "summary"}),
}  # fmt: skip
"""task → real data that it can read, with its columns"""

ROWS = {
    "headline": {"title": "Kites fly", "text": "Many red kites flew on Sunday ."},
    "story": {"prompt": "Once there was a kite .", "story": "It flew away over the hills ."},
    "data-to-text": {"mr": "name[Kite], colour[red]", "references": ["Kite is a red thing .", "The red kite is Kite ."]},
    "dialogue": {"dialogue": "A: Where is the red kite ?\nB: It flew away , sadly ."},
    "text": {"text": CHINESE}, "wikitext2": {"text": CHINESE}, "lambada": {"text": CHINESE},
}  # fmt: skip
CHINESE_ROWS = {
    "headline": {"title": "风筝飞了", "text": CHINESE}, "story": {"prompt": "从前有一只风筝。", "story": CHINESE},
    "data-to-text": {"mr": "名字[风筝]", "references": [CHINESE]}, "dialogue": {"dialogue": f"甲：你好！\n乙：{CHINESE}"},
}  # fmt: skip


def whole(registry, name, data, **columns):
    task = registry.task(f"language_modeling/{name}")
    return TaskSubject(task=task, source=Source(data=str(data), columns=columns), registry=registry, limit=10**9)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_solved_answers_of_real_data_are_the_best(registry, real_data, name):
    path, columns = REAL[name]
    subject = whole(registry, name, real_data / path, **columns)
    ids_are_unique(subject)
    solved_answers_are_best(subject)


@pytest.mark.parametrize("rows", [ROWS, CHINESE_ROWS], ids=["rows", "chinese"])
def test_solved_answers_of_own_rows_are_the_best(registry, write, rows):
    for name, row in rows.items():
        solved_answers_are_best(whole(registry, name, write(f"{name}.jsonl", row)))


def test_a_document_is_asked_whole_and_read_with_its_counts(registry):
    task = registry.task("language_modeling/text")
    example = Example(id="1", inputs={"text": "the red kite"})
    request = task.ask(example, "LogLikelihood")
    assert request == LogLikelihood(text="the red kite")
    answer = LogLikelihoodAnswer(log_likelihood=-12.0, tokens=4, words=3, bytes=12, likeliest=1, pseudo=True)
    prediction = task.read(example, request, answer)
    assert prediction.value == -12.0
    assert prediction.scores == {"tokens": 4, "words": 3, "bytes": 12, "likeliest": 1, "pseudo": 1}
    assert task.show(example, prediction) == "pseudo-perplexity 20.09 a token, 54.60 a word, 1.443 bits a byte"


def test_the_last_word_is_right_where_all_its_tokens_are_the_likeliest(registry):
    task = registry.task("language_modeling/lambada")
    example = Example(id="1", inputs={"text": "the red kite"}, reference="kite")
    request = task.ask(example.hidden(), "LogLikelihood")
    assert request == LogLikelihood(text=" kite", context="the red")
    read = [
        task.read(
            example.hidden(), request, LogLikelihoodAnswer(log_likelihood=-1.0, tokens=2, words=1, bytes=5, likeliest=n)
        ).value
        for n in (1, 2)
    ]
    assert read == ["", "kite"]


def test_prompts_of_open_ended_tasks(registry):
    def asked(name, text):
        return registry.task(f"language_modeling/{name}").ask(Example(id="1", inputs={"text": text}), "Generate")

    assert asked("headline", "Kites fly") == Generate(
        instruction="Write a news article that fits the headline.", text="Headline: Kites fly\nArticle:", max_new_tokens=256
    )
    assert asked("story", "Once .") == Generate(text="Once .", max_new_tokens=256)
    assert asked("data-to-text", "a | b | c").text == "Data: a | b | c\nText:"
    assert asked("dialogue", "A: Hi!\nB: Hello.").text == "A: Hi!\nB: Hello.\nNext turn:"


def test_what_is_written_is_read_as_it_stands(registry):
    task = registry.task("language_modeling/story")
    example = Example(id="1", inputs={"text": "Once ."})
    assert task.read(example, task.ask(example, "Generate"), GenerateAnswer(text=" It\nflew . ")).value == "It\nflew ."


def test_new_questions_are_texts(registry):
    for task in registry.items["task"].values():
        posed = task.pose({"text": "the red kite"}, "1")
        request = task.ask(posed, task.asks[0])
        assert request.texts()
    with pytest.raises(InputError, match="at least two words, not 'kite'"):
        registry.task("language_modeling/lambada").pose({"text": "kite"}, "1")
    with pytest.raises(InputError, match="no text 'text'"):
        registry.task("language_modeling/text").pose({"text": " "}, "1")


def test_somebody_elses_likelihoods_are_scored(registry, score, write):
    task = registry.task("language_modeling/text")
    examples = [Example(id="a", inputs={"text": "the red kite"})]
    path = write("p.jsonl", {"id": "a", "prediction": -6.0, "scores": {"tokens": 3}})
    found = score(task, list(task.read_predictions(path, examples).values()), examples)
    assert found["word_perplexity"] == found["token_perplexity"] == pytest.approx(math.exp(2))
    for bad in ({"id": "a", "prediction": "x", "scores": {"tokens": 3}}, {"id": "a", "prediction": -6.0}):
        with pytest.raises(DataError, match=r"p\.jsonl: a: expected a log-likelihood and its tokens"):
            task.read_predictions(write("p.jsonl", bad), examples)


def test_somebody_elses_words_and_texts_are_scored(registry, score, write):
    task = registry.task("language_modeling/lambada")
    examples = [Example(id=i, inputs={"text": "the red kite"}, reference="kite") for i in "ab"]
    found = task.read_predictions(write("p.txt", "kite\nboat\n"), examples)
    assert score(task, [found[e.id] for e in examples], examples)["accuracy"] == 50
    for name in ("lambada", "story"):
        with pytest.raises(DataError, match=r"p\.jsonl: a: expected a prediction as text, found 3"):
            registry.task(f"language_modeling/{name}").read_predictions(write("p.jsonl", {"id": "a", "prediction": 3}), examples)


def test_plain_language_modeling_is_wikitext(registry):
    assert registry.task("language_modeling").name == "language_modeling/wikitext2"


# ── with real models ──────────────────────────────────────────────────────────────────────────────────────────────

SMALL = {
    "encoder": {
        "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    },
    "decoder": {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128},
    "sequence-to-sequence": {
        "model_type": "t5", "d_model": 32, "d_kv": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2, "n_positions": 128,
    },
}  # fmt: skip


@pytest.mark.slow
def test_wikitext_in_gpt2s_own_vocabulary(real_data, tmp_path):
    """Pretraining a model of GPT-2's shape and evaluating it; then the next turn of a dialogue."""
    from plmtasks.tables.boards import Row

    folder = tmp_path / "gpt"
    shutil.copytree(real_data / "tokenizers" / "gpt2", folder)
    (folder / "config.json").write_text(json.dumps({**SMALL["decoder"], "n_embd": 16, "vocab_size": 50257}))
    lines = (real_data / "wikitext2" / "test.txt").read_text(encoding="utf-8").splitlines()[:8]
    (tmp_path / "test.txt").write_text("\n".join(lines), encoding="utf-8")
    options = {"threads": 1, "yes": True, "quiet": True, "output": str(tmp_path / "results")}
    training = plmtasks.TrainSettings(num_train_epochs=2, learning_rate=3e-3, train_batch_size=2, select_split="none")
    model = plmtasks.train(
        "language_modeling/wikitext2", f"scratch:{folder}", str(tmp_path / "model"), training=training,
        data=str(tmp_path / "test.txt"), train_data=str(tmp_path / "test.txt"), threads=1, yes=True, quiet=True,
    )  # fmt: skip
    bits = []
    for stride in (0, 128):
        result = plmtasks.run(
            "language_modeling/wikitext2", str(model), data=str(tmp_path / "test.txt"), stride=stride, **options
        )
        scores = result.record["scores"]["perplexity"]
        assert result.record["settings"]["stride"] == stride
        assert scores["pseudo"]["value"] == 0
        # better than a guess among 50,257
        assert 1 < scores["token_perplexity"]["value"] < 50257
        assert ("stride 128" in Row(result).marks) == (stride == 128)
        bits.append(scores["bits_per_byte"]["value"])
    assert bits[0] != bits[1]
    result = plmtasks.run(
        "language_modeling/dialogue", str(model), data=str(real_data / "dialogsum" / "dialogsum.dev.jsonl"), limit=3, **options
    )
    assert result.record["scores"]["open_ended"]["rouge_l"]["value"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("family", ["encoder", "sequence-to-sequence"])
def test_pretrained_from_scratch_then_tuned(family, write, tmp_path):
    """The recipe on the smallest scale: unlabelled sentences, then the last word; two tables for two kinds of likelihood."""
    from plmtasks.data import events
    from plmtasks.tables.boards import make_boards

    write("train.txt", "\n".join(e.english() for e in events("train", 64)))
    shape = write("shape.json", {**SMALL[family], "vocab_size": 400})
    training = plmtasks.TrainSettings(
        num_train_epochs=4, learning_rate=5e-3, train_batch_size=16, select_split="none", whole_word_mask=True
    )
    common = {"threads": 1, "yes": True, "quiet": True}
    model = plmtasks.train(
        "language_modeling/text", f"scratch:{shape}", str(tmp_path / "pretrained"), training=training,
        train_data=str(tmp_path / "train.txt"), **common,
    )  # fmt: skip
    history = json.loads((tmp_path / "pretrained" / "plmtasks.json").read_text())["history"]
    assert history[-1]["loss"] < history[0]["loss"]
    data = write("test.txt", "\n".join(e.english() for e in events("test", 4)))
    options = {"output": str(tmp_path / "results"), "checkpoints": str(tmp_path / "checkpoints"), **common}
    pseudo = plmtasks.run("language_modeling/text", str(model), data=str(data), **options)
    assert pseudo.record["scores"]["perplexity"]["pseudo"]["value"] == 1
    assert pseudo.record["protocol"]["how"] == "pretrained"
    plain = plmtasks.run(
        "language_modeling/text", "tiny-gpt", data=str(data), train_data=str(data), **options,
        training=plmtasks.TrainSettings(num_train_epochs=1, select_split="none"),
    )  # fmt: skip
    boards = make_boards([pseudo, plain])
    assert len(boards) == 2
    assert "another kind of figures: perplexity pseudo" in boards[1].apart
    tuned = plmtasks.run(
        "language_modeling/sample", str(model), train="always", limit=20, **options,
        training=plmtasks.TrainSettings(num_train_epochs=1, learning_rate=5e-3, select_split="none"),
    )  # fmt: skip
    assert tuned.record["protocol"]["how"] == "fine-tuned"
    assert tuned.score is not None
