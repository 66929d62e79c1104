"""plmtasks' metrics as objects of the evaluate library: the same scores by its ways."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plmtasks_evaluate import as_evaluate

from plmtasks.errors import MetricError, UnknownNameError
from plmtasks.hooks import load_registry
from plmtasks.results import read_results

SST2 = "classification/sst2"


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import evaluate

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_METRICS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_the_scores_of_a_run_come_out_again(moods: Path) -> None:
    result = read_results(moods)[0]
    rows = list(result.predictions())
    for name in ("accuracy", "f1", "matthews"):
        metric = as_evaluate(name, "classification/sample")
        for start in range(0, len(rows), 7):
            some = rows[start : start + 7]
            metric.add_batch(predictions=[r["prediction"] for r in some], references=[r["reference"] for r in some])
        found = metric.compute()
        assert found == {score: pytest.approx(s["value"]) for score, s in result.record["scores"][name].items()}


@pytest.mark.parametrize(
    ("metric", "predictions", "references", "expected"),
    [
        (
            "squad",
            [{"id": "a", "prediction_text": "the cat"}, {"id": "b", "prediction_text": "dog"}],
            [{"id": "a", "answers": {"text": ["cat", "a dog"], "answer_start": [0, 9]}}] * 2,
            {"f1": 100.0, "exact_match": 100.0},
        ),
        ("squad", ["big cat", ""], ["cat", ["cat", "dog"]], {"f1": pytest.approx(100 / 3), "exact_match": 0.0}),
        ("bleu", ["a b c d", "a b c d"], ["a b c d", ["x", "a b c d"]], {"bleu": 100.0}),
        (
            "seqeval",
            [["B-ARG0", "O", "B-ARG1", "I-ARG1"]],
            [["B-ARG0", "B-V", "B-ARG1", "O"]],
            {"f1": 50.0, "precision": 50.0, "recall": 50.0},
        ),
        ("accuracy", ["negative", 1], [0, "positive"], {"accuracy": 100.0}),
        (
            "regression_error",
            [1, 2.5],
            [2.0, 2],
            {"mae": 0.75, "rmse": pytest.approx(0.625**0.5), "mse": 0.625, "no_number": 0.0},
        ),
        ("last_word", ["cat", "dog"], ["cat", "cow"], {"accuracy": 50.0}),
    ],
)
def test_pairs_in_the_forms_of_evaluates_metrics(metric: str, predictions: Any, references: Any, expected: Any) -> None:
    task = SST2 if metric == "accuracy" else None
    found = as_evaluate(metric, task).compute(predictions=predictions, references=references)
    assert {name: found[name] for name in expected} == expected


def test_no_answer_probabilities_are_used() -> None:
    answers = [{"text": ["cat"], "answer_start": [0]}, {"text": [], "answer_start": []}]
    predictions = [
        {"id": str(i), "prediction_text": "cat", "no_answer_probability": p} for i, p in enumerate((0.1, 0.9))
    ]  # fmt: skip
    references = [{"id": str(i), "answers": a} for i, a in enumerate(answers)]
    found = as_evaluate("squad", "qa/squad_v2").compute(predictions=predictions, references=references)
    assert (found["f1"], found["best_f1"], found["no_answer_f1"]) == (50.0, 100.0, 0.0)


def test_numbers_are_labels_in_the_order_that_is_told() -> None:
    given = {"predictions": np.array([0, 1, 1]), "references": np.array([0, 1, 0])}
    found = as_evaluate("f1", SST2, labels=("bad", "good")).compute(**given)
    assert found["f1[bad]"] == pytest.approx(200 / 3)
    assert found["precision[good]"] == 50.0
    assert as_evaluate("accuracy").compute(**given) == {"accuracy": pytest.approx(200 / 3)}
    rows = {"predictions": [[1, 0, 1], [0, 0, 0]], "references": [[1, 0, 1], [0, 1, 0]]}
    several = as_evaluate("multi_label", "classification/goemotions", labels=("a", "b", "c")).compute(**rows)
    assert several["f1_samples"] == 50.0


def test_with_others_in_one_call_and_pair_by_pair() -> None:
    import evaluate

    together = evaluate.combine([as_evaluate("accuracy"), as_evaluate("matthews", SST2)])
    assert isinstance(together.evaluation_modules[0], evaluate.EvaluationModule)
    assert together.compute(predictions=[0, 1], references=[0, 1]) == {"accuracy": 100.0, "matthews": 100.0}
    for prediction, reference in ((0, 0), (1, 0), (1, 1), (0, 1)):
        together.add(prediction=prediction, reference=reference)
    assert together.compute() == {"accuracy": 50.0, "matthews": 0.0}
    alone = as_evaluate("accuracy")
    alone.add(prediction=1, reference=1)
    assert (alone.name, alone.module_type, alone.compute()) == ("accuracy", "metric", {"accuracy": 100.0})
    twins = evaluate.combine([as_evaluate("squad"), as_evaluate("cmrc", "qa/cmrc2018")])
    answer = {"text": ["cat"], "answer_start": [0]}
    assert set(twins.compute(predictions=["cat"], references=[answer])) >= {"squad_f1", "cmrc_f1"}


def test_a_trainer_of_the_transformers_library_uses_it(tmp_path: Path) -> None:
    import torch
    import transformers

    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=2
    )
    transformers.set_seed(0)
    model = transformers.BertForSequenceClassification(config)
    rows = [{"input_ids": torch.tensor([i + 1] * 4), "labels": i % 2} for i in range(10)]
    metric = as_evaluate("f1", SST2)

    def compute(given: Any) -> Any:
        return metric.compute(predictions=given.predictions.argmax(-1), references=given.label_ids)

    settings = transformers.TrainingArguments(str(tmp_path), report_to=[], use_cpu=True, disable_tqdm=True)
    trainer = transformers.Trainer(model=model, args=settings, eval_dataset=rows, compute_metrics=compute)
    found = trainer.evaluate()
    predicted = trainer.predict(rows).predictions.argmax(-1)  # type: ignore[arg-type]
    assert found["eval_f1_micro"] == pytest.approx(
        100 * np.mean([p == r["labels"] for p, r in zip(predicted, rows, strict=True)])
    )


def test_what_it_cannot_score_is_told() -> None:
    with pytest.raises(UnknownNameError, match="no_such"):
        as_evaluate("no_such")
    with pytest.raises(MetricError, match="needs a task with labels"):
        as_evaluate(load_registry().metric("f1"), "qa/squad").compute(predictions=["a"], references=["a"])
    with pytest.raises(MetricError, match="takes no option 'average'"):
        as_evaluate("accuracy").compute(predictions=[1], references=[1], average="macro")
    with pytest.raises(MetricError, match="example '1' cannot be compared as a text: predicted 3"):
        as_evaluate("bleu", "translation/sample").compute(predictions=["a", 3], references=["a", "b"])
    with pytest.raises(MetricError, match=r"cannot score such predictions: .*\n  a prediction: 3, its reference"):
        as_evaluate("squad").compute(predictions=[3], references=["a"])


def test_one_of_evaluates_own_goes_round(script: Any) -> None:
    back = as_evaluate(load_registry().metric(script("hits")), SST2)
    assert back.compute(predictions=["negative", 1], references=["negative", "negative"]) == {"hits": 0.5}
