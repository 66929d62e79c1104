"""Results in the formats of other tools."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from huggingface_hub import EvalResult, ModelCard, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results
from markdown_it import MarkdownIt
from plmtasks_interchange import register_formats
from plmtasks_interchange.commands import command

from plmtasks import scoring
from plmtasks.cli.options import suite
from plmtasks.cli.run import command as run_command
from plmtasks.config import RunConfig, Source, run_config
from plmtasks.errors import DataError, InputError, OutputError
from plmtasks.evaluation import run
from plmtasks.examples import Prediction
from plmtasks.files import claims_file, dump, sealed
from plmtasks.hooks import Registry, load_registry
from plmtasks.results import Result, read_results
from plmtasks.scoring import Submission, bound_metrics, score_file
from plmtasks.task import Judge

FORMATS = {form.name: form for form in register_formats()}


def write(results, form, path, registry):
    return FORMATS[form].write(results, path, registry).files


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([toy], installed=False)


@pytest.fixture
def result(tmp_path: Path, registry: Registry) -> Result:
    return run([run_config("toy/even", "toy-model", output=str(tmp_path / "results"), threads=1, quiet=True)], registry)[0]


def changed(result: Result, folder: Path, **parts: Any) -> Result:
    """A copy of a run whose record differs in some parts: those that are objects are changed, not replaced."""
    folder.mkdir(parents=True)
    for file in result.folder.iterdir():
        if file.is_file() and not claims_file(file.name):
            (folder / file.name).write_bytes(file.read_bytes())
    record = {
        **result.record,
        **{k: {**result.record[k], **v} if isinstance(v, dict) and k in result.record else v for k, v in parts.items()},
    }
    (folder / "result.json").write_text(sealed(record), encoding="utf-8")
    return read_results(folder)[0]


# ── predictions ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_predictions_that_are_written_get_the_run_s_own_scores(result, registry, tmp_path):
    [file] = write([result], "predictions", tmp_path / "new" / "p.jsonl", registry)
    for path in (file, result.folder / "predictions.jsonl"):
        scored = score_file(registry, "toy/even", Source(), Submission(path=path))
        assert scored.scores == result.record["scores"]


def test_a_run_that_skipped_examples_gives_no_file_of_predictions(result, registry, tmp_path):
    skipping = changed(result, tmp_path / "skipping", data={"skipped": 2})
    with pytest.raises(InputError, match="2 examples were skipped, and a scorer wants a prediction of each"):
        write([skipping], "predictions", tmp_path / "p.jsonl", registry)


def test_a_file_has_the_predictions_of_one_run(result, registry, tmp_path):
    with pytest.raises(InputError, match="2 runs are there, and a file has the predictions of one"):
        write([result, result], "predictions", tmp_path / "p.jsonl", registry)


def test_predictions_without_inputs_are_refused(result, registry, tmp_path):
    old = changed(result, tmp_path / "old")
    (old.folder / "predictions.jsonl").write_text('{"id": "n0", "prediction": "no", "reference": "no", "scores": {}}\n')
    with pytest.raises(DataError, match=r"predictions\.jsonl:1: expected a key 'slices', found id, prediction, reference"):
        write([old], "predictions", tmp_path / "p.jsonl", registry)


class Shouting(toy.ToyTask):
    """Loses what it writes."""

    def write_predictions(self, name, examples, predictions):
        loud = {id_: Prediction(value=p.value.upper()) for id_, p in predictions.items()}
        return super().write_predictions(name, examples, loud)


class Silent(toy.ToyTask):
    def write_predictions(self, name, examples, predictions):
        return {name: "one line\n"}


@pytest.mark.parametrize(
    ("task", "said"), [(Shouting(), "23 of 23 would be read as others, that of 'n0' first"), (Silent(), "expected 23 lines")]
)
def test_a_format_that_cannot_hold_the_predictions_is_refused(result, registry, tmp_path, task, said):
    other = replace(registry, items={**registry.items, "task": {"toy/even": task}})
    with pytest.raises(OutputError, match=said):
        write([result], "predictions", tmp_path / "p.txt", other)
    assert not (tmp_path / "p.txt").exists()


def test_no_prediction_is_null_in_json_lines(registry, tmp_path):
    task = registry.task("toy/even")
    examples = task.load(Source())["test"][:2]
    predictions = {examples[0].id: Prediction(value=None), examples[1].id: Prediction(value="no", scores={"c": 0.5})}
    [(name, text)] = task.write_predictions("p.jsonl", examples, predictions).items()
    (tmp_path / name).write_text(text)
    assert dict(task.read_predictions(tmp_path / name, examples)) == predictions
    (tmp_path / name).write_text(text.replace('"scores": {}', '"skipped": true'))
    assert list(task.read_predictions(tmp_path / name, examples)) == [examples[1].id], "skipped is no prediction"


SAMPLES = [name for name in load_registry().items["task"] if "sample" in name]


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("file", ["p.txt", "p.json", "p.jsonl", "p.tsv"])
def test_what_is_written_and_read_again_scores_the_same(name, file, tmp_path):
    """Predictions of some examples are those of others, or lack spans, so that not all are right."""
    registry = load_registry()
    task = registry.task(name)
    data = task.load(Source())
    task, examples = task.bind(data), data["test"][:20]
    requests = [task.ask(e.hidden(), task.asks[0]) for e in examples]
    predictions = {
        e.id: task.read(e.hidden(), request, task.solve(e, request)) for e, request in zip(examples, requests, strict=True)
    }
    if task.asks[0] != "Tag":
        others = {e.id: predictions[examples[i - i % 3].id] for i, e in enumerate(examples)}
    else:
        others = {
            id_: replace(p, value=[span for span in p.value if i % 2 or span[0] in ("V", "ARG1")])
            for i, (id_, p) in enumerate(predictions.items())
        }
    files = task.write_predictions(file, examples, others)
    for other, text in files.items():
        (tmp_path / other).write_text(text, encoding="utf-8")
    found = task.read_predictions(tmp_path / file, examples)
    metrics = bound_metrics(task, (), registry)
    ours, theirs = (scoring.score(metrics, examples, p, resamples=0) for p in (others, found))
    np.testing.assert_array_equal(ours.rows, theirs.rows)
    assert ours.scores == theirs.scores
    perfect = scoring.score(metrics, examples, predictions, resamples=0)
    assert (perfect.rows != ours.rows).any(), "the predictions are not all right"


# ── the command that makes a run again ────────────────────────────────────────────────────────────────────────────


def parsed(line: str) -> RunConfig:
    words = shlex.split(line)
    assert words[:2] == ["plmtasks", "run"]
    values = dict(run_command.make_context("run", words[2:]).params)
    values.pop("slices")  # of the command alone
    asked = suite(values.pop("tasks"), values.pop("models"), values.pop("config"), values)
    [[config]] = [asked.configs(*pair) for pair in asked.pairs()]
    return config


OPTIONS: list[dict[str, Any]] = [
    {},
    {"data": "my data/x.tsv", "columns": {"text": "a", "label": "b"}, "limit": 7, "shots": 2, "shots_from": "per-example"},
    {"prompt": "chat", "num_beams": 2, "top_p": 0.5, "max_new_tokens": 9, "stride": 4, "model_args": {"x": [1]}},
    {"prompt": "raw", "metrics": ("accuracy", "f1"), "ask": "Choose", "train": "never", "allow_untrained": True, "seed": 3},
    {"num_train_epochs": 2.0, "max_train_samples": 50, "freeze": ("base", "layers:2"), "optim_args": {"momentum": 0.9}},
    {"whole_word_mask": True, "class_weights": "a=1,b=2", "model_args": {"x": "1", "y": "a,z=3", "z": {"a": None}}},
    {"training": {"seed": 5, "dtype": "float16", "batch_tokens": 7}, "overlap": True, "kernels": "plain", "rows": "a[].b"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_command_gives_the_same_config(result, tmp_path, options):
    """Of a run that was given these options, by way of its config.json."""
    from plmtasks.requests import to_json

    config = run_config("toy/even", "toy-model", split="test", dtype="float32", batch_tokens=32, threads=1, **options)
    made = changed(result, tmp_path / "made")
    (made.folder / "config.json").write_text(dump({"config": to_json(config)}))
    assert parsed(command(made)) == config


@pytest.mark.slow
def test_the_command_makes_the_same_run_again(tmp_path):
    """One that trains first, with a token budget that is chosen."""
    registry = load_registry()
    options = {"max_train_samples": 8, "num_train_epochs": 1.0, "limit": 5, "threads": 1, "quiet": True}
    folders = {"output": str(tmp_path / "results"), "checkpoints": str(tmp_path / "checkpoints")}
    [first] = run([run_config("classification/sample", "tiny-bert", **options, **folders)], registry)
    [again] = run([replace(parsed(command(first)), **folders, quiet=True)], registry)
    assert again.identity == first.identity


def test_a_run_without_its_config_has_no_command(result, tmp_path):
    bare = changed(result, tmp_path / "bare")
    (bare.folder / "config.json").unlink()
    assert command(bare) is None
    (bare.folder / "config.json").write_text('{"lm_eval": {}}')
    assert command(bare) is None


# ── model cards ───────────────────────────────────────────────────────────────────────────────────────────────────


def entries(path: Path) -> list[EvalResult]:
    """Through the hub's own reader, which validates."""
    assert ModelCard.load(path).data.eval_results == model_index_to_eval_results(metadata_load(path)["model-index"])[1]
    return ModelCard.load(path).data.eval_results


def test_a_card_has_the_hub_s_metadata(result, registry, tmp_path):
    [path] = write([result], "model-card", tmp_path / "toy", registry)
    assert path == tmp_path / "toy" / "README.md"
    metadata = metadata_load(path)
    assert metadata["tags"] == ["plmtasks"]
    assert metadata["language"] == ["en"]
    assert metadata["model-index"][0]["name"] == "toy-model"
    [found] = entries(path)
    score = result.record["scores"]["toy_accuracy"]["accuracy"]
    assert (found.metric_type, found.metric_value) == ("accuracy", score["value"])
    assert (found.task_name, found.dataset_name, found.dataset_split) == ("toy/even", "toy", "test")
    args = found.metric_args
    assert {k: args[k] for k in ("low", "high", "interval")} == {k: score[k] for k in ("low", "high", "interval")}
    assert (args["examples"], args["total"], args["protocol"], args["identity"]) == (23, 23, "trained elsewhere", result.identity)


def rows(path: Path) -> list[list[str]]:
    """The cells of the card's table, as a page shows them."""
    html = MarkdownIt("gfm-like", {"linkify": False}).render(ModelCard.load(path).text)
    return [[cell.partition("</td>")[0] for cell in row.split("<td>")[1:]] for row in html.split("<tr>")[2:]]


def test_a_card_shows_what_the_scores_rest_on(result, registry, tmp_path):
    limited = changed(result, tmp_path / "limited", data={"limit": 23, "total": 50}, identity="f" * 32)
    [path] = write([result, limited], "model-card", tmp_path, registry)
    s = result.record["scores"]["toy_accuracy"]["accuracy"]
    shown = ["toy/even", "toy, test", "accuracy", f"{s['value']:.2f}", f"{s['low']:.2f} to {s['high']:.2f}, wilson"]
    assert rows(path) == [[*shown, "23", "trained elsewhere", ""], [*shown, "23 of 50", "trained elsewhere", "limit 23"]]
    assert f"    {command(result)}\n" in path.read_text()


MINE = """---
license: mit
model-index:
- name: my name for it
  results:
  - task:
      type: text-classification
    dataset:
      name: Other
      type: owner/other
    metrics:
    - type: accuracy
      value: 0.9
---

# Mine

What I say of it.
"""


def test_a_card_that_is_there_keeps_what_it_says(result, registry, tmp_path):
    path = tmp_path / "CARD.md"
    path.write_text(MINE)
    write([result], "model-card", path, registry)
    text = path.read_text()
    assert "What I say of it.\n" in text
    assert metadata_load(path)["license"] == "mit"
    assert metadata_load(path)["model-index"][0]["name"] == "my name for it"
    assert [found.metric_value for found in entries(path)] == [0.9, result.score]
    assert len(rows(path)) == 1, "the table is of our results"
    write([result], "model-card", path, registry)
    assert path.read_text() == text


def test_a_figure_that_is_measured_again_takes_the_place_of_the_old_one(result, registry, tmp_path):
    scores = {"toy_accuracy": {"accuracy": {**result.record["scores"]["toy_accuracy"]["accuracy"], "value": 99.0}}}
    again = changed(result, tmp_path / "again", identity="e" * 32, scores=scores)
    other = changed(result, tmp_path / "other", identity="d" * 32, protocol={"how": "2-shot", "shots": 2})
    [path] = write([result], "model-card", tmp_path, registry)
    path.write_text(path.read_text() + "\nA last word.\n")
    write([other], "model-card", tmp_path, registry)
    write([again], "model-card", tmp_path, registry)
    assert {(r[3], r[6]) for r in rows(path)} == {("99.00", "trained elsewhere"), (f"{result.score:.2f}", "2-shot")}
    assert {found.metric_args["identity"] for found in entries(path)} == {"e" * 32, "d" * 32}
    assert path.read_text().count("## Results") == 1
    assert path.read_text().endswith("\nA last word.\n")


def test_a_name_cannot_break_the_card(result, registry, tmp_path):
    nasty = "a|b\n<script>alert(1)</script>*x*"
    named = changed(result, tmp_path / "named", model={"name": nasty}, data={"name": nasty})
    [path] = write([named], "model-card", tmp_path / "card", registry)
    [cells] = rows(path)
    assert cells[1] == "a|b�&lt;script&gt;alert(1)&lt;/script&gt;*x*, test"
    assert [found.dataset_name for found in entries(path)] == [nasty]


def test_several_models_make_no_card(result, registry, tmp_path):
    other = changed(result, tmp_path / "other", model={"name": "other"})
    with pytest.raises(InputError, match="a card is of one model; there are runs of other, toy-model"):
        write([result, other], "model-card", tmp_path, registry)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\nx: [\n---\n", "expected a model's card"),
        ("---\n- x\n---\n", "expected a model's card"),
        ("---\nmodel-index:\n- name: x\n---\n", "expected a model's card"),
        ("---\nmodel-index:\n- name: x\n  results: []\n- name: y\n  results: []\n---\n", "expected one model in model-index"),
    ],
)
def test_a_broken_card_is_refused_and_stays(result, registry, tmp_path, text, said):
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        write([result], "model-card", path, registry)
    assert path.read_text() == text


def test_a_run_without_a_defined_score_makes_no_card(result, registry, tmp_path):
    scores = {"toy_accuracy": {"accuracy": {**result.record["scores"]["toy_accuracy"]["accuracy"], "value": None}}}
    with pytest.raises(InputError, match="no score is defined"):
        write([changed(result, tmp_path / "x", scores=scores)], "model-card", tmp_path, registry)


def test_data_on_the_hub_and_installed_tasks_have_the_hub_s_names(result, tmp_path):
    name = "hf://stanfordnlp/sst2@8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb#plain"
    named = changed(
        result, tmp_path / "x", data={"name": name}, task={"name": "classification/sst2", "labels": ["negative", "positive"]}
    )
    [path] = write([named], "model-card", tmp_path, load_registry())
    [found] = entries(path)
    assert found.task_type == "text-classification"
    said = (found.dataset_type, found.dataset_revision, found.dataset_config)
    assert said == ("stanfordnlp/sst2", "8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb", "plain")


def test_every_task_says_what_the_hub_calls_it():
    known = {
        "text-classification", "question-answering", "multiple-choice", "translation", "summarization", "token-classification",
        "text-generation",
    }  # fmt: skip
    everything = load_registry()
    tasks = map(everything.task, everything.items["task"])
    # what judges has no data set, and so no word on the hub
    assert {task.hub_type for task in tasks if not isinstance(task, Judge) and not task.name.startswith("toy")} == known


# ── evaluate ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_as_evaluate_saves_them(result, registry, tmp_path):
    evaluate = pytest.importorskip("evaluate")
    [path] = write([result], "evaluate", tmp_path / "x.json", registry)
    ours = json.loads(path.read_text())
    theirs = json.loads(Path(evaluate.save(tmp_path / "theirs.json", accuracy=0.5)).read_text())
    assert {key for key in ours if key.startswith("_")} == {key for key in theirs if key.startswith("_")}
    s = result.record["scores"]["toy_accuracy"]["accuracy"]
    assert ours["accuracy"]["score"] == pytest.approx(s["value"] / 100)
    assert ours["accuracy"]["confidence_interval"] == pytest.approx([s["low"] / 100, s["high"] / 100])
    assert ours["accuracy"]["standard_error"] == pytest.approx((s["high"] - s["low"]) / 100 / 2 / 1.959964)
    assert (ours["examples"], ours["protocol"], ours["identity"]) == (23, "trained elsewhere", result.identity)
    assert ours["samples_per_second"] == pytest.approx(23 / ours["total_time_in_seconds"])


def test_several_runs_make_several_files_of_evaluate(result, registry, tmp_path):
    other = changed(result, tmp_path / "other", identity="e" * 32)
    files = write([result, other], "evaluate", tmp_path / "saved", registry)
    assert sorted(files) == sorted((tmp_path / "saved").glob("result-*.json"))
    assert [json.loads(f.read_text())["identity"] for f in files] == [result.identity, "e" * 32]
    with pytest.raises(InputError, match="is one file, and there are 2 runs"):
        write([result, other], "evaluate", tmp_path / "x.json", registry)


# ── to lm-eval ────────────────────────────────────────────────────────────────────────────────────────────────────


def score(value, low=None, high=None, unit="points"):
    method = "none" if low is None else "percentile bootstrap"
    up, best = unit == "points", 100.0 if unit == "points" else 1.0
    return {"value": value, "low": low, "high": high, "interval": method, "unit": unit, "higher_is_better": up, "best": best}


def test_a_file_as_lm_eval_writes_it(result, registry, tmp_path):
    scores = {
        "bleu": {"bleu": score(30.0, 28.0, 32.0)},
        "more": {"accuracy": score(10.0), "ppl": score(7.0, 6.0, 8.0, unit="perplexity"), "none": score(None)},
    }
    shown = changed(
        result, tmp_path / "x", scores=scores, protocol={"how": "2-shot", "shots": 2}, data={"limit": 23, "total": 50}
    )
    [path] = write([shown], "lm-eval", tmp_path / "out", registry)
    assert path.parent == tmp_path / "out" / "toy-model"
    said = json.loads(path.read_text())
    found = said["results"]["toy/even"]
    s = result.record["scores"]["toy_accuracy"]["accuracy"]
    assert found["acc,none"] == pytest.approx(s["value"] / 100)
    assert found["acc_stderr,none"] == pytest.approx((s["high"] - s["low"]) / 100 / 2 / 1.959964)
    assert (found["bleu,none"], found["ppl,none"], found["more_accuracy,none"]) == (30.0, 7.0, pytest.approx(0.1))
    assert found["more_accuracy_stderr,none"] == "N/A"
    assert not any(key.startswith("none") for key in found)
    assert (said["n-shot"], said["n-samples"]) == ({"toy/even": 2}, {"toy/even": {"original": 50, "effective": 23}})
    assert said["higher_is_better"]["toy/even"] == {"acc": True, "bleu": True, "more_accuracy": True, "ppl": False}
    assert said["configs"]["toy/even"]["metadata"]["plmtasks"] == shown.record, "nothing is lost"


def test_lm_eval_takes_our_file_for_its_own(result, registry, tmp_path):
    utils = pytest.importorskip("lm_eval.utils", reason="lm_eval is a requirement of the benchmarks alone")
    [path] = write([result], "lm-eval", tmp_path / "out", registry)
    assert utils.get_results_filenames([str(path)]) == [str(path)]
    assert utils.get_file_datetime(path.name)[:4].isdigit()
    table = utils.make_table(json.loads(path.read_text()))
    assert "|toy/even|      1|none  |     0|acc   |↑  |" in table
    assert f"{result.score / 100:.4f}" in table


def test_lm_eval_s_files_have_one_model_and_each_task_once(result, registry, tmp_path):
    again = changed(result, tmp_path / "again", identity="e" * 32)
    with pytest.raises(InputError, match=r"two runs of toy/even on toy-model, and lm-eval's files have one"):
        write([result, again], "lm-eval", tmp_path, registry)
    other = changed(result, tmp_path / "other", model={"name": "an/other"})
    with pytest.raises(InputError, match="is one file, and there are 2 models"):
        write([result, other], "lm-eval", tmp_path / "x.json", registry)
    files = write([result, other], "lm-eval", tmp_path / "out", registry)
    assert [file.parent.name for file in files] == ["toy-model", "an__other"]
