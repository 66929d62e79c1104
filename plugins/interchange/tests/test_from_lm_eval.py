"""lm-eval's result files as runs: files written by hand, and by lm-eval itself."""

import json
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from plmtasks_interchange.formats import LmEval, ModelCard

import plmtasks
from plmtasks.config import Source
from plmtasks.errors import DataError, InputError
from plmtasks.files import CHECKSUM
from plmtasks.hooks import load_registry
from plmtasks.results import Result, read_results
from plmtasks.statistics import wilson
from plmtasks.tables import make_boards, render

SCHEMA = json.loads((Path(plmtasks.__file__).parent / "result.schema.json").read_text(encoding="utf-8"))

DATE = "2026-01-02T03-04-05.678901"

ERROR = math.sqrt(0.75 * 0.25 / 3)
"""What lm-eval gives for a proportion of 3 in 4."""


def document(**parts: Any) -> dict[str, Any]:
    """A file of results in lm-eval 0.4's form: a task of choices, one with two filters, one of perplexity, and a group."""
    return {
        "results": {
            "arc": {"name": "arc", "alias": "arc", "sample_len": 4, "acc,none": 0.75, "acc_stderr,none": ERROR},
            "math": {
                "alias": " - math", "exact_match,strict": 0.25, "exact_match_stderr,strict": 0.1, "exact_match,flexible": 0.5,
                "exact_match_stderr,flexible": 0.11,
            },
            "wiki": {"alias": "wiki", "word_perplexity,none": 20.5, "word_perplexity_stderr,none": "N/A"},
            "all": {"alias": "all", "acc,none": 0.6, "acc_stderr,none": 0.1},
        },
        "groups": {"all": {"alias": "all", "acc,none": 0.6, "acc_stderr,none": 0.1}},
        "group_subtasks": {"all": ["arc", "math"], "arc": []},
        "configs": {
            "arc": {
                "dataset_path": "allenai/ai2_arc", "dataset_name": "ARC-Easy", "test_split": "test",
                "output_type": "multiple_choice",
            },
            "math": {
                "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "/data/math.jsonl"}}, "validation_split": "dev",
                "output_type": "generate_until",
                "generation_kwargs": {"max_gen_toks": 64, "do_sample": True, "temperature": 0.5, "until": ["x"]},
            },
            "wiki": {"dataset_path": "/somewhere/wiki", "test_split": "test", "output_type": "loglikelihood_rolling"},
        },
        "versions": {"arc": 2.0, "math": "Yaml", "wiki": None},
        "n-shot": {"arc": 0, "math": 5, "wiki": 0},
        "higher_is_better": {"arc": {"acc": True}, "math": {"exact_match": True}, "wiki": {"word_perplexity": None}},
        "n-samples": {name: {"original": of, "effective": 4} for name, of in (("arc", 4), ("math", 9), ("wiki", 4))},
        "config": {
            "model": "hf", "model_args": "pretrained=owner/model,dtype=bfloat16,trust_remote_code=True",
            "model_dtype": "torch.bfloat16", "model_num_parameters": 1000, "random_seed": 0, "device": "cuda:0", "limit": None,
        },
        "lm_eval_version": "0.4.13", "transformers_version": "5.0.0", "model_source": "hf", "model_name": "owner/model",
        "chat_template": None, "total_evaluation_time_seconds": "12.5", "date": float("nan"),
    } | parts  # fmt: skip


def sample(i: int, right: bool, **parts: Any) -> dict[str, Any]:
    return {
        "doc_id": i, "doc": {"question": f"Which {i}?"}, "target": "0", "resps": [[["-1.5", "False"]], [["-2.0", "True"]]],
        "filtered_resps": [["-1.5", "False"], ["-2.0", "True"]] if right else [["-3", "False"], ["-2.0", "True"]],
        "arguments": {"gen_args_0": {"arg_0": "Which?", "arg_1": " this"}, "gen_args_1": {"arg_0": "Which?", "arg_1": " that"}},
        "filter": "none", "metrics": ["acc"], "doc_hash": f"{i:064x}", "prompt_hash": "b" * 64, "target_hash": "c" * 64,
        "acc": float(right),
    } | parts  # fmt: skip


def write_files(folder: Path, content: Any, **samples: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"results_{DATE}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    for task, rows in samples.items():
        (folder / f"samples_{task}_{DATE}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def one(scores: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """A file of one task."""
    return document(results={"arc": scores}, **parts)


def taken(path: Path, output: Path, **tasks: str) -> dict[str, Result]:
    results = LmEval().read(path, output, tasks)
    for result in results:
        jsonschema.Draft202012Validator(SCHEMA).validate(result.record)
    stored = {r.identity: r for r in read_results(output)}
    assert not any(r.altered for r in stored.values())
    bare = {identity: {k: v for k, v in r.record.items() if k != CHECKSUM} for identity, r in stored.items()}
    assert bare == {r.identity: r.record for r in results}
    return {result.task: result for result in results}


def test_each_task_becomes_a_run(tmp_path):
    found = taken(write_files(tmp_path / "out", document()), tmp_path / "results")
    assert list(found) == ["lm-eval/arc", "lm-eval/math", "lm-eval/wiki"], "not the group, which has no examples of its own"
    record = found["lm-eval/arc"].record
    assert record["origin"] == "lm-eval"
    assert record["model"] == {"name": "owner/model", "family": "hf", "ask": "Choose"}
    assert record["data"] == {
        "name": "allenai/ai2_arc#ARC-Easy", "split": "test", "fingerprint": record["data"]["fingerprint"], "examples": 4,
        "total": 4,
        "limit": None, "skipped": 0, "truncated": None,
    }  # fmt: skip
    assert record["settings"]["dtype"] == "bfloat16"
    assert record["settings"]["trust_remote_code"] is True
    assert record["task"]["version"] == 2
    assert record["signatures"] == {"lm-eval": "lm-eval 0.4.13, arc version 2.0"}
    assert found["lm-eval/arc"].environment()["parameters"] == 1000
    math_ = found["lm-eval/math"].record
    assert math_["protocol"]["how"] == "5-shot"
    assert (math_["data"]["name"], math_["data"]["split"], math_["data"]["limit"]) == ("math.jsonl", "dev", 4)
    assert math_["settings"]["generation"] == {
        "num_beams": 1, "temperature": 0.5, "top_p": None, "length_penalty": None, "max_new_tokens": 64,
    }  # fmt: skip
    assert found["lm-eval/wiki"].record["data"]["name"] == "wiki"


def test_intervals_come_from_standard_errors(tmp_path):
    found = taken(write_files(tmp_path / "out", document()), tmp_path / "results")
    acc = found["lm-eval/arc"].record["scores"]["lm-eval"]["acc"]
    low, high = wilson(0.75, 4)
    assert (acc["value"], acc["interval"]) == (75.0, "wilson"), "its error is that of a proportion"
    assert (acc["low"], acc["high"]) == pytest.approx((100 * low, 100 * high))
    both = found["lm-eval/math"].record["scores"]
    assert set(both) == {"lm-eval:strict", "lm-eval:flexible"}
    strict = both["lm-eval:strict"]["exact_match"]
    assert (strict["value"], strict["interval"]) == (25.0, "standard error")
    assert (strict["low"], strict["high"]) == pytest.approx((25 - 19.59964, 25 + 19.59964))
    assert found["lm-eval/math"].record["primary_metric"] == ["lm-eval:strict", "exact_match"]
    ppl = found["lm-eval/wiki"].record["scores"]["lm-eval"]["word_perplexity"]
    assert (ppl["value"], ppl["interval"], ppl["unit"], ppl["higher_is_better"]) == (20.5, "none", "perplexity", False)


@pytest.mark.parametrize(
    ("scores", "name", "expected"),
    [
        ({"acc,none": 1.0, "acc_stderr,none": 0.0}, "acc", (100.0, "wilson", "points")),
        ({"bleu,none": 31.5, "bleu_stderr,none": 1.0}, "bleu", (31.5, "standard error", "points")),
        ({"mcc,none": -0.2, "mcc_stderr,none": 0.3}, "mcc", (-20.0, "standard error", "points")),
        ({"f1,none": 83.2, "f1_stderr,none": 1.0}, "f1", (83.2, "standard error", "as lm-eval gives it")),
        ({"own,none": 0.3, "own_stderr,none": 0.0}, "own", (0.3, "none", "as lm-eval gives it")),
        ({"acc,none": float("nan"), "acc_stderr,none": float("nan")}, "acc", (None, "none", "as lm-eval gives it")),
        ({"acc": 0.75, "acc_stderr": ERROR}, "acc", (75.0, "wilson", "points")),
    ],
)
def test_units_and_methods(tmp_path, scores, name, expected):
    [result] = taken(write_files(tmp_path / "out", one(scores)), tmp_path / "results").values()
    found = result.record["scores"]["lm-eval"][name]
    assert (found["value"], found["interval"], found["unit"]) == expected


def test_with_samples_come_predictions_statistics_and_the_bootstrap(tmp_path):
    rows = [sample(i, right=i != 2) for i in (3, 1, 0, 2)]
    scores = {"acc,none": 0.75, "acc_stderr,none": 0.9}
    [result] = taken(write_files(tmp_path / "out", one(scores), arc=rows), tmp_path / "results").values()
    acc = result.record["scores"]["lm-eval"]["acc"]
    low, high = wilson(0.75, 4)
    assert (acc["low"], acc["high"]) == pytest.approx((100 * low, 100 * high)), "not from the error that the file has"
    assert list(result.predictions())[2] == {
        "id": "2", "prediction": "that", "reference": "this", "scores": {"acc": 0.0}, "slices": [],
        "inputs": {"question": "Which 2?"},
    }  # fmt: skip
    statistics = result.statistics()
    assert statistics["lm-eval:acc"].tolist() == [1.0, 1.0, 0.0, 1.0]
    assert set(result.record["files"]) == {"predictions.jsonl", "statistics.npy"}


def test_corpus_scores_of_samples_are_resampled_as_they_are_made(tmp_path):
    pairs = [[-20.0, 10], [-35.0, 12], [-9.0, 4], [-40.0, 11]]
    rows = [sample(i, right=True, word_perplexity=pair, bits_per_byte=pair, bleu=["a", "b"]) for i, pair in enumerate(pairs)]
    mean = 104 / 37
    scores = {
        "word_perplexity,none": math.exp(mean), "word_perplexity_stderr,none": "N/A", "bits_per_byte,none": mean / math.log(2),
        "bits_per_byte_stderr,none": "N/A", "bleu,none": 3.0, "bleu_stderr,none": 1.0,
    }  # fmt: skip
    [result] = taken(write_files(tmp_path / "out", one(scores), arc=rows), tmp_path / "results").values()
    found = result.record["scores"]["lm-eval"]
    assert {name: s["interval"] for name, s in found.items()} == {
        "word_perplexity": "percentile bootstrap", "bits_per_byte": "percentile bootstrap", "bleu": "standard error",
    }  # fmt: skip
    assert found["word_perplexity"]["low"] == pytest.approx(math.exp(found["bits_per_byte"]["low"] * math.log(2)))
    assert found["word_perplexity"]["low"] < math.exp(mean) < found["word_perplexity"]["high"]


def test_the_same_file_gives_the_same_run(tmp_path):
    path = write_files(tmp_path / "out", document())
    first, second = (taken(path, tmp_path / "results") for _ in range(2))
    assert {r.folder for r in first.values()} == {r.folder for r in second.values()}


def test_tasks_get_the_names_that_the_user_gives(tmp_path):
    path = write_files(tmp_path / "out", document())
    found = taken(path.parent, tmp_path / "results", arc="qa/arc")
    assert list(found) == ["qa/arc", "lm-eval/math", "lm-eval/wiki"]
    alone = write_files(tmp_path / "alone", one({"acc,none": 0.5, "acc_stderr,none": 0.1}))
    assert list(taken(alone, tmp_path / "others", **{"": "qa/arc"})) == ["qa/arc"]
    with pytest.raises(InputError, match=r"has several tasks: arc, math, wiki\n  say which is meant with --task NAME=TASK"):
        LmEval().read(path, tmp_path, {"": "qa/arc"})
    with pytest.raises(InputError, match=r"has no task 'arcs'\n  it has: arc, math, wiki"):
        LmEval().read(path, tmp_path, {"arcs": "qa/arc"})


@pytest.mark.parametrize(
    ("content", "samples", "said"),
    [
        ("{", {}, "expected JSON"),
        ([1], {}, "expected results of lm-eval: an object with \"results\", scores by task, found list"),
        ({"task": 1}, {}, "found an object with task"),
        ({"results": {"a": 1}}, {}, "found an object with results"),
        (one({"alias": "arc"}), {}, "arc: expected a score, found alias"),
        (one({"acc,none": 1.0}, **{"n-samples": {}}), {}, "expected the number of examples, as n-samples, found none"),
        (one({"acc,none": 1.0}, **{"n-shot": {"arc": "many"}}), {}, "expected what lm-eval 0.4 writes, found something else"),
        (one({"acc,none": 1.0}, config={}, model_name=None), {}, "expected the model's name, found none"),
        (one({"acc,none": 1.0}), {"arc": [sample(0, True)]}, "expected 4 examples as in results_.*, found 1"),
        (one({"acc,none": 1.0}), {"arc": [sample(0, True)] * 2}, r"jsonl:2: expected each document once for each filter"),
        (one({"acc,none": 1.0}), {"arc": [{"doc_id": 0}]}, r"jsonl:1: expected a column 'doc', found doc_id"),
        (one({"acc,none": 1.0}), {"arc": []}, "expected an example a line, found none"),
        (
            one({"acc,own": 1.0}), {"arc": [sample(i, True) for i in range(4)]}, "expected lines of the filter 'own', found none",
        ),
    ],
)  # fmt: skip
def test_a_file_of_another_form_is_refused(tmp_path, content, samples, said):
    path = write_files(tmp_path / "out", content, **samples)
    with pytest.raises(DataError, match=said):
        LmEval().read(path, tmp_path / "results", {})
    assert not list((tmp_path / "results").rglob("result.json"))


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(InputError, match="no results of lm-eval at or below it"):
        LmEval().read(tmp_path, tmp_path, {})


# ── in tables ─────────────────────────────────────────────────────────────────────────────────────────────────────


def models(tmp_path: Path, **parts: Any) -> list[Result]:
    """Two models on the same logged examples, the second one better."""
    found = []
    for number, name in enumerate(("worse", "better")):
        rows = [sample(i, right=i < 2 + number) for i in range(4)]
        scores = {"acc,none": 0.5 + 0.25 * number, "acc_stderr,none": 0.2}
        path = write_files(tmp_path / name, one(scores, model_name=name, **parts), arc=rows)
        found += LmEval().read(path, tmp_path / "results", {"": "classification/sample"})
    return found


def test_models_on_the_same_logged_examples_share_a_table_that_says_why_ranks_are_not_tested(tmp_path):
    [board] = make_boards(models(tmp_path), load_registry())
    assert [(row.rank, row.result.model) for row in board.rows] == [(1, "better"), (2, "worse")]
    assert "metric 'lm-eval'" in (board.untested or "")
    assert all("scored by lm-eval" in row.marks for row in board.rows)


def test_other_logged_examples_are_another_table(tmp_path):
    [first, _] = models(tmp_path)
    path = write_files(tmp_path / "x", one({"acc,none": 1.0}), arc=[sample(i + 9, right=True) for i in range(4)])
    [other] = LmEval().read(path, tmp_path / "results", {"": "classification/sample"})
    boards = make_boards([first, other])
    assert [len(board.rows) for board in boards] == [1, 1]
    assert boards[1].apart == "other examples: 4 of 4, none in common"


def test_runs_of_ours_stand_apart(tmp_path):
    config = ["toy/even", "toy-model"]
    import toy

    from plmtasks.config import run_config
    from plmtasks.evaluation import run

    registry = load_registry([toy], installed=False)
    [ours] = run([run_config(*config, output=str(tmp_path / "ours"), threads=1, quiet=True)], registry)
    path = write_files(tmp_path / "x", one({"acc,none": 0.75, "acc_stderr,none": ERROR}))
    [theirs] = LmEval().read(path, tmp_path / "results", {"": "toy/even"})
    first, second = make_boards([ours, theirs], registry)
    assert (len(first.rows), len(second.rows)) == (1, 1)
    assert {first.apart, second.apart} & {"scored by lm-eval", "scored by plmtasks"}
    for form in ("table", "markdown", "csv", "json", "latex"):
        assert "scored by lm-eval" in " ".join(render([ours, theirs], form, registry).split())


def test_what_lm_eval_does_not_tell_is_no_default(tmp_path):
    path = write_files(tmp_path / "x", one({"acc,none": 0.75}, config={"model_args": {"pretrained": "m"}}, model_name=None))
    [result] = LmEval().read(path, tmp_path / "results", {})
    assert result.model == "m"
    assert "data type not told" in make_boards([result])[0].rows[0].marks


def test_there_and_back(tmp_path):
    """What comes from lm-eval goes back with its own names and values."""
    found = models(tmp_path)
    registry = load_registry()
    for result, path in zip(found, LmEval().write(found, tmp_path / "back", registry).files, strict=True):
        again = json.loads(path.read_text())
        assert again["results"]["classification/sample"]["acc,none"] == pytest.approx(result.score / 100)
        assert again["model_name"] == result.model
    [card] = ModelCard().write(found[:1], tmp_path / "card", registry).files
    assert "scored by lm-eval" in card.read_text()
    assert "plmtasks run" not in card.read_text()


# ── what lm-eval itself writes ────────────────────────────────────────────────────────────────────────────────────

HARNESS = """
import sys
from lm_eval import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

tracker = EvaluationTracker(output_path="out")
results = simple_evaluate(
    model="hf", model_args="pretrained=./gpt,dtype=float32", tasks=["choice", "rolling", "writing"], device="cpu", batch_size=4,
    log_samples=True, evaluation_tracker=tracker, task_manager=TaskManager(include_path="tasks", include_defaults=False),
    bootstrap_iters=10,
)
samples = results.pop("samples")
tracker.save_results_aggregated(results=results, samples=samples)
for name in samples:
    tracker.save_results_samples(task_name=name, samples=samples[name])
"""

TASKS = {
    "choice": "output_type: multiple_choice\ndoc_to_text: '{{text}} :'\ndoc_to_target: label\ndoc_to_choice: '{{choices}}'\n"
    "metric_list: [{metric: acc}, {metric: acc_norm}]\n",
    "rolling": "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: '{{text}}'\n"
    "metric_list: [{metric: word_perplexity}, {metric: bits_per_byte}]\n",
    "writing": "output_type: generate_until\ndoc_to_text: '{{text}}'\ndoc_to_target: '{{choices[label]}}'\n"
    "generation_kwargs: {until: ['.'], max_gen_toks: 4}\nmetric_list: [{metric: exact_match}, {metric: bleu}]\n",
}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lm_eval") is None, reason="lm_eval is a requirement of the benchmarks alone")
def test_lm_eval_s_own_files(tmp_path, monkeypatch):
    registry = load_registry()
    data = registry.task("classification/sample").load(Source())
    registry.model("tiny-gpt").make([text for e in data["train"][:50] for text in e.inputs.values()], 0, tmp_path / "gpt")
    labels = ["negative", "positive"]
    rows = [{"text": e.inputs["text"], "label": labels.index(e.reference), "choices": labels} for e in data["test"][:12]]
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tasks").mkdir()
    source = f"dataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path / 'docs.jsonl'}}}}}\ntest_split: test\n"
    for name, text in TASKS.items():
        (tmp_path / "tasks" / f"{name}.yaml").write_text(f"task: {name}\n{source}{text}metadata: {{version: 1.0}}\n")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    done = subprocess.run([sys.executable, "-c", HARNESS], cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    [file] = (tmp_path / "out").rglob("results_*.json")
    said = json.loads(file.read_text())["results"]
    found = taken(tmp_path / "out", tmp_path / "results")
    assert set(found) == {"lm-eval/choice", "lm-eval/rolling", "lm-eval/writing"}
    scores = {name: found[f"lm-eval/{name}"].record["scores"]["lm-eval"] for name in said}
    assert scores["choice"]["acc"]["value"] == pytest.approx(100 * said["choice"]["acc,none"])
    assert scores["choice"]["acc"]["interval"] == "wilson"
    assert scores["rolling"]["word_perplexity"]["value"] == pytest.approx(said["rolling"]["word_perplexity,none"])
    assert scores["rolling"]["bits_per_byte"]["interval"] == "percentile bootstrap"
    assert scores["writing"]["bleu"]["value"] == said["writing"]["bleu,none"]
    chosen = [row["prediction"] for row in found["lm-eval/choice"].predictions()]
    right = np.array([choice == labels[row["label"]] for choice, row in zip(chosen, rows, strict=True)])
    assert right.tolist() == found["lm-eval/choice"].statistics()["lm-eval:acc"].astype(bool).tolist()
    assert render(list(found.values()), "table", registry).count("scored by lm-eval") == 3
