"""Submissions to GLUE and SuperGLUE, of rows of our own in the hub's columns."""

import json
from contextlib import ExitStack
from pathlib import Path

import hub
import pytest
from plmtasks_interchange import register_formats

from plmtasks.config import run_config
from plmtasks.errors import DataError, InputError, OutputError
from plmtasks.evaluation import PredictConfig, predict, train
from plmtasks.formats import Format
from plmtasks.hooks import load_registry

FORMATS = {form.name: form for form in register_formats()}
PUBLISHED = [Path(__file__).parents[2] / plugin / "tests" / "published" for plugin in ("classification", "qa")]


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture
def data(registry, tmp_path):
    """Lays out the rows of tasks, and writes files of predictions as `predict --split test` does: task → values by id."""
    with ExitStack() as stack:

        def written(**values):
            files = []
            for name, given in values.items():
                task, rows = name.replace("__", "/"), name.partition("__")[2].removeprefix("superglue_")
                found = (p / c / f"{rows}.json" for p in PUBLISHED for c in ("superglue", "glue"))
                [*paths] = [path for path in found if path.is_file() and ("superglue_" not in name or "superglue" in path.parts)]
                stack.enter_context(hub.holding(tmp_path / "cache", registry.task(task), paths[-1]))
                files.append(tmp_path / f"{name}.jsonl")
                lines = ({"task": task, "split": "test", "id": i, "prediction": v, "scores": {}} for i, v in given.items())
                files[-1].write_text("".join(json.dumps(line) + "\n" for line in lines))
            return files

        yield written


def submitted(form, files, path, registry):
    made = FORMATS[form].submit(files, path, registry)
    return {file.name: file.read_text() for file in made.files}, str(made)


def test_glue(data, registry, tmp_path):
    files = data(
        classification__cola={"0": "acceptable", "1": "unacceptable"}, regression__stsb={"0": 4.56789, "1": 0.25},
        classification__mnli={"matched-1": "contradiction", "matched-0": "entailment", "mismatched-0": "neutral"},
        classification__sst2={"test-0": "positive", "test-1": "negative"},
        classification__mrpc={"test-0": "not_equivalent", "test-1": "equivalent"},
        classification__qqp={"0": "duplicate", "1": "not_duplicate"},
        classification__qnli={"0": "entailment", "1": "not_entailment"},
        classification__rte={"0": "entailment", "1": "not_entailment"},
        classification__wnli={"0": "entailment", "1": "not_entailment"},
        classification__ax={"0": "neutral", "1": "entailment"},
    )  # fmt: skip
    made, said = submitted("glue", files, tmp_path / "out", registry)
    assert made == {
        "CoLA.tsv": "index\tprediction\n0\t1\n1\t0\n", "STS-B.tsv": "index\tprediction\n0\t4.568\n1\t0.250\n",
        "SST-2.tsv": "index\tprediction\n0\t1\n1\t0\n", "MRPC.tsv": "index\tprediction\n0\t0\n1\t1\n",
        "MNLI-m.tsv": "index\tprediction\n0\tentailment\n1\tcontradiction\n", "MNLI-mm.tsv": "index\tprediction\n0\tneutral\n",
        "QQP.tsv": "index\tprediction\n0\t1\n1\t0\n", "QNLI.tsv": "index\tprediction\n0\tentailment\n1\tnot_entailment\n",
        "RTE.tsv": "index\tprediction\n0\tentailment\n1\tnot_entailment\n", "WNLI.tsv": "index\tprediction\n0\t1\n1\t0\n",
        "AX.tsv": "index\tprediction\n0\tneutral\n1\tentailment\n",
    }  # fmt: skip
    assert "too" not in said
    _, said = submitted("glue", files[:1], tmp_path / "out", registry)
    assert said.endswith(
        "\nthe server takes these, too: "
        "SST-2.tsv, MRPC.tsv, STS-B.tsv, QQP.tsv, MNLI-m.tsv, MNLI-mm.tsv, QNLI.tsv, RTE.tsv, WNLI.tsv, AX.tsv"
    )


def test_superglue(data, registry, tmp_path):
    files = data(
        qa__boolq={"0": "True"}, qa__copa={"0": "The wax was red."}, qa__multirc={"9-9-0": "True", "9-9-1": "False"},
        qa__record={"0-0": "Skog"}, classification__cb={"0": "neutral", "1": "contradiction"},
        classification__superglue_rte={"0": "not_entailment"}, classification__wic={"0": "False"},
        classification__wsc={"0": "True"},
        classification__axb={"0": "entailment", "1": "not_entailment"},
        classification__axg=dict.fromkeys("0123", "entailment"),
    )  # fmt: skip
    made, said = submitted("superglue", files, tmp_path / "out", registry)
    questions = [{"idx": 9, "answers": [{"idx": 0, "label": 1}, {"idx": 1, "label": 0}]}]
    assert {name: [json.loads(line) for line in text.splitlines()] for name, text in made.items()} == {
        "BoolQ.jsonl": [{"idx": 0, "label": "true"}], "COPA.jsonl": [{"idx": 0, "label": 1}],
        "MultiRC.jsonl": [{"idx": 9, "passage": {"questions": questions}}], "ReCoRD.jsonl": [{"idx": 0, "label": "Skog"}],
        "CB.jsonl": [{"idx": 0, "label": "neutral"}, {"idx": 1, "label": "contradiction"}],
        "RTE.jsonl": [{"idx": 0, "label": "not_entailment"}], "WiC.jsonl": [{"idx": 0, "label": "false"}],
        "WSC.jsonl": [{"idx": 0, "label": "True"}],
        "AX-b.jsonl": [{"idx": 0, "label": "entailment"}, {"idx": 1, "label": "not_entailment"}],
        "AX-g.jsonl": [{"idx": i, "label": "entailment"} for i in range(4)],
    }  # fmt: skip
    assert "too" not in said


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({"0": "acceptable"}, DataError, "a prediction of each of the 2 examples of test, found 1 without one, '1' first"),
        ({"0": "acceptable", "1": None}, OutputError, "1 prediction of 2 named no answer, '1' first, and the server"),
        ({"0": "acceptable", "1": "well"}, OutputError, "1 prediction of 2 named no answer"),
    ],
)
def test_the_server_takes_an_answer_to_each(data, registry, tmp_path, values, error, said):
    with pytest.raises(error, match=said):
        FORMATS["glue"].submit(data(classification__cola=values), tmp_path / "out", registry)
    assert not (tmp_path / "out").exists()


def test_what_is_no_submission(data, registry, tmp_path):
    [boolq] = data(qa__boolq={"0": "True"})
    with pytest.raises(InputError, match="the server has no task 'qa/boolq'\n  it has: classification/cola"):
        FORMATS["glue"].submit([boolq], tmp_path / "out", registry)
    with pytest.raises(InputError, match=r"qa/boolq is in .* already"):
        FORMATS["superglue"].submit([boolq, boolq], tmp_path / "out", registry)
    with pytest.raises(InputError, match="a submission is made of files of predictions, and this is none"):
        FORMATS["glue"].submit([tmp_path], tmp_path / "out", registry)
    (tmp_path / "bare.jsonl").write_text('{"id": "0", "prediction": "True"}\n')
    with pytest.raises(DataError, match='expected lines with "task" and "split", the same in all of them'):
        FORMATS["glue"].submit([tmp_path / "bare.jsonl"], tmp_path / "out", registry)
    with pytest.raises(InputError, match="format 'none' is not made of predictions"):
        type("None", (Format,), {"name": "none"})().submit([boolq], tmp_path / "out", registry)


def test_a_model_s_own_predictions(data, registry, tmp_path):
    data(classification__cola={})
    settings = {"threads": 1, "quiet": True, "training": {"num_train_epochs": 1}}
    train([run_config("classification/cola", "tiny-bert", **settings)], str(tmp_path / "cola"), registry)
    run = run_config("classification/cola", str(tmp_path / "cola"), threads=1, quiet=True)
    predict(PredictConfig(run=run, split="test", output=str(tmp_path / "p.jsonl")), registry)
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [(line["task"], line["split"], line["id"]) for line in lines] == [("classification/cola", "test", i) for i in "01"]
    made, _ = submitted("glue", [tmp_path / "p.jsonl"], tmp_path / "out", registry)
    numbers = [["unacceptable", "acceptable"].index(line["prediction"]) for line in lines]
    assert made["CoLA.tsv"] == f"index\tprediction\n0\t{numbers[0]}\n1\t{numbers[1]}\n"
