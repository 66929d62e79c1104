"""Choose by an encoder: what plain transformers gives of each pair, whatever the order of the choices."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
import warm
from click.testing import CliRunner
from hypothesis import HealthCheck, given
from hypothesis import settings as drawn
from hypothesis import strategies as st
from plmtasks_transformers.checkpoints.architectures import ENCODER_TYPES, WITHOUT_PAIRS, answers_of
from plmtasks_transformers.models import Hub

from plmtasks.cli import cli
from plmtasks.config import Source
from plmtasks.data import events
from plmtasks.errors import InputError
from plmtasks.hooks import load_registry
from plmtasks.requests import Choose, ChooseAnswer, Likelihood, Shot, Turn

EVENTS = list(events("train", 12))
REQUESTS = [
    Choose(text=EVENTS[0].english(), choices=("positive", "negative")),
    Choose(text="What mood is it?", choices=("positive", "negative", "calm"), pair_text=EVENTS[1].english(), pair_choices=tuple(
        f"what mood is it ? {word}" for word in ("positive", "negative", "neutral")
    )),
    Choose(text="", choices=tuple(e.english() for e in EVENTS[2:7])),
]  # fmt: skip
"""Of two, three and five choices."""


def scorer(folder, tokenizer, **shape):
    """A BERT for multiple choice with random weights, as anybody writes one."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), initializer_range=0.4, pad_token_id=tokenizer.pad_token_id,
        **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, **shape},
    )  # fmt: skip
    transformers.BertForMultipleChoice(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Hub().make(str(folder))


@pytest.fixture(scope="module")
def published(tiny, tmp_path_factory):
    """Such a checkpoint with the vocabulary of the samples."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny["encoder"].source)
    return scorer(tmp_path_factory.mktemp("mc"), tokenizer, max_position_embeddings=64)


def plain(folder, requests, limit):
    """transformers' own forward pass over each question, as its example of multiple choice has it."""
    module, tokenizer = (
        getattr(transformers, kind).from_pretrained(folder) for kind in ("AutoModelForMultipleChoice", "AutoTokenizer")
    )
    found = []
    for request in requests:
        firsts, seconds = (list(side) for side in zip(*request.pairs(), strict=True))
        batch = tokenizer(firsts, seconds, truncation="only_first", max_length=limit, padding=True, return_tensors="pt")
        with torch.inference_mode():
            found.append(module.eval()(**{name: rows[None] for name, rows in batch.items()}).logits[0].log_softmax(-1).tolist())
    return found


def held(answers, wanted):
    """Whether the choices are the same, and their log-likelihoods within 1e-5."""
    for answer, values in zip(answers, wanted, strict=True):
        own = [c.log_likelihood for c in answer.choices]
        assert own == pytest.approx(values, abs=1e-5)
        assert own.index(max(own)) == values.index(max(values))


def test_a_published_checkpoint_answers_as_it_does_in_transformers(load, published):
    assert "Choose" in published.answers
    assert published.heads() == ["Choose"]
    assert not published.newly_initialized(REQUESTS[0])
    loaded = load(published, REQUESTS[0])
    assert loaded.newly_initialized == ()
    answers = loaded.answer(REQUESTS)
    assert all(answer.scored for answer in answers)
    assert [len(answer.choices) for answer in answers] == [2, 3, 5]
    held(answers, plain(published.source, REQUESTS, 64))
    assert all(sum(torch.tensor([c.log_likelihood for c in a.choices]).exp()) == pytest.approx(1, abs=1e-6) for a in answers)


@pytest.mark.slow
def test_every_question_of_real_exams(load, real_data, tmp_path):
    """RACE's questions, articles over the limit among them, with BERT's vocabulary."""
    tokenizer = transformers.BertTokenizerFast(vocab_file=str(real_data / "tokenizers/bert-base-uncased/vocab.txt"))
    model = scorer(tmp_path / "mc", tokenizer, max_position_embeddings=256)
    task = load_registry().task("qa/race")
    examples = list(task.load(Source(data=str(real_data / "race_middle/test.json")))["test"])
    requests = [task.ask(e.hidden(), "Choose") for e in examples]
    loaded = load(model, requests[0])
    assert sum(cost.cut > 0 for cost in loaded.costs(requests)) > 100
    answers = [a for i in range(0, len(requests), 16) for a in loaded.answer(requests[i : i + 16])]
    assert len(answers) == 1436
    held(answers, plain(model.source, requests, 256))


@drawn(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)), count=st.integers(2, 6), data=st.data())
def test_shuffled_choices_change_nothing(load, published, order, count, data):
    """Not one bit, where the batch holds the same question."""
    texts = data.draw(st.lists(st.sampled_from([e.english() for e in EVENTS]), min_size=count, max_size=count))
    turned = [place for place in order if place < count]
    loaded = load(published, REQUESTS[0])
    [first] = loaded.answer([Choose(text="who was it ?", choices=tuple(texts))])
    [other] = loaded.answer([Choose(text="who was it ?", choices=tuple(texts[place] for place in turned))])
    assert [first.choices[place] for place in turned] == list(other.choices)


def test_choices_that_are_alike_are_read_once(load, published):
    loaded = load(published, REQUESTS[0])
    request = Choose(text="who", choices=("the nurse", "the lamp", "the nurse"))
    assert [cost.rows for cost in loaded.costs([request])] == [2]
    first, other, again = loaded.answer([request])[0].choices
    assert first == again != other


@pytest.mark.parametrize(("policy", "kept"), [("auto", "basket"), ("right", "basket"), ("left", "lamp"), ("skip", "basket")])
def test_the_text_is_cut_and_never_a_choice(load, published, policy, kept):
    text, ending = "basket " + "the nurse " * 60 + "lamp", "in the garden on Monday " * 4
    request = Choose(text=text, choices=(ending, "positive"))
    loaded = load(published, request, truncation=policy)
    [encoding] = loaded.encodings([request])
    shown = [loaded.tokenizer.decode(encoding.windows[place].ids) for place in encoding.places]
    assert all({w for w in ("basket", "lamp") if w in row} == {kept} for row in shown)
    assert ending.strip().lower() in shown[0].lower()
    assert max(len(w.ids) for w in encoding.windows) == 64
    assert loaded.costs([request])[0].cut == len(loaded.tokenizer(text, ending)["input_ids"]) - 64


def test_a_text_over_the_limit_is_an_error_if_wanted(load, published):
    request = Choose(text="the nurse " * 100, choices=("positive", "negative"))
    with pytest.raises(InputError, match=r"a text has 20\d tokens, .* takes 64: 'the nurse"):
        load(published, request, truncation="error").costs([request])
    with pytest.raises(InputError, match="Choose cannot use --truncation window"):
        load(published, request, truncation="window")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Choose(text="a", choices=("the nurse " * 50, "b")), r"a choice has 100 tokens, .* takes 64 tokens, .*: 'the nurse"),
        (Choose(text="a", choices=("one",)), "scores choices against one another, and is asked about one alone: 'a'"),
        (Choose(text="a", choices=("b", "c"), shots=(Shot(text="a", answer="b"),)), "has no place for shots"),
        (
            Choose(text="", choices=("b", "c"), exact=True, turns=(Turn(role="user", content="a"),)),
            "no place for turns of a chat",
        ),
        (Choose(text="a", choices=("b", "c"), pair_choices=("d",)), "2 choices have 1 texts for a scorer of pairs"),
    ],
)
def test_what_no_scorer_of_pairs_can_be_asked(load, published, request_, said):
    with pytest.raises(InputError, match=said):
        load(published, request_).costs([request_])


def test_an_exact_prompt_and_its_choice_are_a_pair(load, published):
    """What lm-eval's tasks ask: the whole prompt, and each text that may follow it."""
    exact = Choose(exact=True, text="who was it ?\nAnswer:", choices=(" the nurse", " the lamp"))
    bare = replace(exact, exact=False)
    loaded = load(published, exact)
    assert loaded.answer([exact]) == loaded.answer([bare])
    held(loaded.answer([exact]), plain(published.source, [exact], 64))


def test_the_loss_is_cross_entropy_over_the_choices(load, published):
    loaded = load(published, REQUESTS[0])
    wanted = [[0.0, -1000.0], [-1000.0, -1000.0, 0.0], [0.0, 0.0, -1000.0, -1000.0, -1000.0]]
    answers = [ChooseAnswer(choices=tuple(Likelihood(log_likelihood=v, tokens=1, bytes=1) for v in vs)) for vs in wanted]
    loss, count = loaded.loss(REQUESTS, answers)
    values = plain(published.source, REQUESTS, 64)
    # of two right ones each counts for half
    expected = -values[0][0] - values[1][2] - (values[2][0] + values[2][1]) / 2
    assert count == 3
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_which_encoders_the_library_has_such_a_class_for():
    from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES as known

    assert ENCODER_TYPES - known.keys() == WITHOUT_PAIRS
    assert "Choose" not in answers_of([{"model_type": "deberta", "architectures": ["DebertaModel"]}])
    assert "Choose" not in answers_of([{"model_type": "brand-new", "architectures": ["BrandNewForMaskedLM"]}])
    assert "Choose" in answers_of(
        [{"model_type": "brand-new", "architectures": ["BrandNewForMaskedLM", "BrandNewForMultipleChoice"]}]
    )


def test_an_architecture_without_one_is_asked_by_letters(tmp_path, quiz):
    place = tmp_path / "plain"
    place.mkdir()
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    (place / "config.json").write_text(json.dumps({"model_type": "deberta", "vocab_size": 400, **small}))
    common = [
        "--task",
        "qa/multiple-choice",
        "--data",
        str(quiz),
        "--model",
        f"scratch:{place}",
        "--output",
        str(tmp_path / "out"),
    ]
    made = CliRunner().invoke(cli, ["run", *common, "--quiet", "--training", "num_train_epochs=1"])
    assert made.exit_code == 0, made.output
    [written] = (tmp_path / "out").rglob("result.json")
    assert json.loads(written.read_text())["model"]["ask"] == "Classify"
    refused = CliRunner().invoke(cli, ["run", *common, "--ask", "Choose"])
    assert "cannot be asked task 'qa/multiple-choice' by Choose" in str(refused.exception)


@pytest.mark.slow
@pytest.mark.parametrize("model_type", ["bert", "distilbert", "roberta", "deberta-v2", "modernbert", "electra", "albert"])
def test_heads_with_and_without_a_pooler_are_made_learn_and_are_saved(load, tiny, tmp_path, model_type):
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny["encoder"].source)
    small = {
        "hidden_size": 16, "dim": 16, "embedding_size": 16, "num_hidden_layers": 2, "n_layers": 2, "num_attention_heads": 2,
        "n_heads": 2, "intermediate_size": 16, "hidden_dim": 16, "max_position_embeddings": 66,
        "vocab_size": len(tokenizer), "pad_token_id": 0,
    }  # fmt: skip
    torch.manual_seed(0)
    transformers.AutoModel.from_config(transformers.AutoConfig.for_model(model_type, **small)).save_pretrained(tmp_path / "bare")
    tokenizer.save_pretrained(tmp_path / "bare")
    bare = Hub().make(str(tmp_path / "bare"))
    assert bare.newly_initialized(REQUESTS[0])
    loaded = load(bare, REQUESTS[0], seed=1)
    assert {name.split(".")[0] for name in loaded.newly_initialized} >= {"classifier"}
    loss, _ = loaded.loss(REQUESTS, [a for _, a in pairs_solved()])
    loss.backward()
    assert all(p.grad is not None for n, p in loaded.module.named_parameters() if n.startswith("classifier"))
    loaded.save(tmp_path / "mc")
    again = Hub().make(str(tmp_path / "mc"))
    assert not again.newly_initialized(REQUESTS[0])
    back = load(again, REQUESTS[0])
    assert (back.newly_initialized, back.answer(REQUESTS)) == ((), loaded.answer(REQUESTS))


def pairs_solved():
    for request in REQUESTS:
        likelihoods = [Likelihood(log_likelihood=-1000.0 * (i > 0), tokens=1, bytes=1) for i, _ in enumerate(request.choices)]
        yield request, ChooseAnswer(choices=tuple(likelihoods))


@pytest.fixture
def quiz(tmp_path):
    """Who was it? In the words of a sample, of two to four choices."""
    lines = []
    for number, event in enumerate(events("train", 48)):
        others = [e.agent.en for e in EVENTS if e.agent.en != event.agent.en][: 1 + number % 3]
        row = {"context": event.english(), "question": "who was it ?", "choices": [event.agent.en, *dict.fromkeys(others)]}
        place = number % len(row["choices"])
        row["choices"] = row["choices"][-place:] + row["choices"][:-place] if place else row["choices"]
        lines.append(json.dumps({**row, "answer": row["choices"].index(event.agent.en)}))
    folder = tmp_path / "quiz"
    folder.mkdir()
    (folder / "train.jsonl").write_text("\n".join(lines[:32]))
    (folder / "test.jsonl").write_text("\n".join(lines[32:]))
    return folder


def run(*args):
    made = CliRunner().invoke(cli, [str(a) for a in args], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    return made.output


def digests(folder: Path):
    files = [f for f in folder.rglob("*") if f.name in ("result.json", "predictions.jsonl")]
    return sorted((f.name, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files)


@pytest.mark.slow
def test_it_learns_is_saved_as_a_folder_of_the_library_and_any_number_of_processes_answer_alike(quiz, tmp_path):
    common = ["--task", "qa/multiple-choice", "--data", quiz, "--quiet", "--threads", 1]
    training = "num_train_epochs=25,learning_rate=2e-3,select_split=none"
    run("train", *common, "--model", "tiny-bert", "--training", training, "--output", tmp_path / "model")
    module, info = transformers.AutoModelForMultipleChoice.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert type(module).__name__ == "BertForMultipleChoice"
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    for processes in (1, 2):
        asked = ["run", *common, "--model", tmp_path / "model", "--output", tmp_path / str(processes)]
        done = warm.plmtasks(list(map(str, asked)), tmp_path, os.environ, processes=processes)
        assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    [written] = (tmp_path / "1").rglob("result.json")
    result = json.loads(written.read_text())
    assert (result["model"]["ask"], result["protocol"]["how"]) == ("Choose", "fine-tuned")
    assert result["protocol"]["newly_initialized"] == []
    scores = result["scores"]["choice_accuracy"]
    assert scores["accuracy"]["value"] > 60  # by chance some 38
    assert scores["accuracy_bytes"]["value"] is None
    assert "calibration" in result
    # as the library's own forward pass has them
    task = load_registry().task("qa/multiple-choice")
    data = task.load(Source(data=str(quiz)))
    asked = {e.id: task.bind(data).ask(e.hidden(), "Choose") for e in data["test"]}
    wanted = plain(tmp_path / "model", asked.values(), 256)
    predictions = [json.loads(line) for line in written.with_name("predictions.jsonl").read_text().splitlines()]
    said = {p["id"]: p["prediction"] for p in predictions}
    assert said == {id_: "ABCD"[v.index(max(v))] for id_, v in zip(asked, wanted, strict=True)}


def test_a_checkpoint_that_others_trained_is_not_zero_shot(published, quiz, tmp_path):
    said = run(
        "run", "--task", "qa/multiple-choice", "--data", quiz, "--model", published.source, "--output", tmp_path, "--quiet"
    )
    assert "trained elsewhere" in said
    run("results", "verify", tmp_path)
