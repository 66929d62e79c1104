"""What `plmtasks run` gives is what lm-eval gives, of any number of processes and after kill -9."""

import json
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import warm
from click.testing import CliRunner

from plmtasks.cli import cli
from plmtasks.hooks import load_registry

pytestmark = pytest.mark.slow

NAMES = ("choices", "contexts", "last_word", "page", "writing", "both")


@pytest.fixture(scope="module")
def command(tasks: Path, model: Path) -> list[str]:
    """All kinds of task, each with its own file of rows."""
    data = tasks / "rows"
    data.mkdir(exist_ok=True)
    for name in NAMES:
        (data / f"{name}.jsonl").write_bytes((tasks / f"{name}.jsonl").read_bytes())
    files = ",".join(str(tasks / f"{name}.yaml") for name in NAMES)
    command = ["run", "--task", files, "--data", str(data), "--model", str(model), "--dtype", "float32", "--threads", "1"]
    return [*command, "--batch-tokens", "200", "--train", "never", "--allow-untrained"]


def run(command: list[str], folder: Path, processes: int = 0) -> None:
    done = warm.plmtasks([*command, "--output", str(folder)], folder, os.environ, processes=processes)
    assert done.returncode == 0, done.stderr


def results(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("result.json"))}


@pytest.fixture(scope="module")
def alone(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    run(command, folder)
    assert len(results(folder)) == len(NAMES)
    return folder


def test_killed_and_resumed_by_another_number_of_processes(command: list[str], alone: Path, tmp_path: Path) -> None:
    """Two begin, and three answer what is left: a part of a task, and the tasks behind it from their beginning."""
    forks = warm.started([*command, "--output", str(tmp_path)], tmp_path, os.environ, processes=2)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.rglob("journal/*.jsonl"))) < 3 and forks[0].is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    for fork in forks:
        fork.kill()
        fork.join()
    assert len(results(tmp_path)) < len(NAMES) - 2, "it was nearly over before it was killed"
    run(command, tmp_path, 3)
    assert results(tmp_path) == results(alone)


@pytest.fixture(scope="module")
def theirs(tasks: Path, model: Path) -> Mapping[str, Any]:
    """What lm-eval's own evaluator gives with its own model class, one document after another."""
    import datasets
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    def rows(path: str, **_: Any) -> Any:
        read = datasets.load_dataset("json", data_files=[str(tasks / f"{path.partition('/')[2]}.jsonl")], split="train")
        return datasets.DatasetDict(dict.fromkeys(("train", "validation", "test"), read))

    def opened(path: str, *args: Any, **more: Any) -> Any:
        return rows(path) if path.startswith("nobody/") else load(path, *args, **more)

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    load = datasets.load_dataset
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load_dataset", opened)  # the data sets' names are nobody's on the hub
        manager = TaskManager(include_defaults=False, include_path=str(tasks))
        lm = HFLM(pretrained=str(model), device="cpu", dtype="float32", batch_size=1)
        found: Mapping[str, Any] = lm_eval.simple_evaluate(
            lm, tasks=list(NAMES), task_manager=manager, bootstrap_iters=0, fewshot_random_seed=0, num_fewshot=0
        )
    return found


COUNTED = ("acc", "acc_norm", "acc_mutual_info", "mcc", "exact_match", "exact")


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_lm_evals(name: str, alone: Path, theirs: Mapping[str, Any]) -> None:
    [record] = (json.loads(path.read_text()) for path in alone.rglob("result.json") if f"--{name}" in str(path))
    ours = {score: told["value"] for score, told in record["scores"]["lm-eval"].items()}
    figures = {
        key.removesuffix(",none"): float(value) for key, value in theirs["results"][name].items()
        if "," in key and "_stderr" not in key
    }  # fmt: skip
    assert ours.keys() == figures.keys()
    for score, value in figures.items():
        exact = score.partition(",")[0] in COUNTED
        assert ours[score] == pytest.approx(value, **({"abs": 1e-6} if exact else {"rel": 1e-4})), score


@pytest.mark.parametrize("name", NAMES)
def test_prompts_and_responses_are_lm_evals(name: str, alone: Path, theirs: Mapping[str, Any]) -> None:
    [path] = (path for path in alone.rglob("predictions.jsonl") if f"--{name}" in str(path))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    samples = {str(sample["doc_id"]): sample for sample in theirs["samples"][name]}
    assert [line["id"] for line in lines] == list(samples)
    for line in lines:
        pairs = flat(line)
        sample = samples[line["id"]]
        prompts = [arguments if isinstance(arguments[-1], str) else arguments[:1] for arguments in sample["arguments"]]
        assert [prompt for prompt, _ in pairs] == [tuple(arguments) for arguments in prompts]
        for (_, said), [response] in zip(pairs, sample["resps"], strict=True):
            if isinstance(said, list):
                assert (pytest.approx(said[0], abs=1e-4), said[1]) == tuple(response)
            else:
                assert said == (response if isinstance(said, str) else pytest.approx(response, rel=1e-6, abs=1e-4))


def flat(line: Mapping[str, Any]) -> Sequence[tuple[tuple[str, ...], Any]]:
    """Each prompt, with its continuation where there is one, and what was said to it."""
    told = line["inputs"].get("requests", [line["inputs"]])
    said = line["prediction"] if "requests" in line["inputs"] else [line["prediction"]]
    found: list[tuple[tuple[str, ...], Any]] = []
    for one, of in zip(told, said, strict=True):
        text = one.get("text", "")
        found += [((text, c), a) for c, a in zip(one["choices"], of, strict=True)] if "choices" in one else [((text,), of)]
    return found


def test_its_result_file_has_lm_evals_names(alone: Path, theirs: Mapping[str, Any], tmp_path: Path) -> None:
    done = warm.plmtasks(["convert", str(alone), "--to", "lm-eval", "--output", str(tmp_path / "all.json")], tmp_path, os.environ)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "all.json").read_text())
    for name in NAMES:
        assert {key for key in theirs["results"][name] if "," in key} == {key for key in written["results"][name] if "," in key}
    assert written["versions"]["choices"] == theirs["versions"]["choices"] == 2.0


def test_seeds_are_one_row_and_a_chat_is_another(tasks: Path, model: Path, tmp_path: Path) -> None:
    """And what was asked is verified though shots stand before it."""
    chat = tmp_path / "gpt"
    shutil.copytree(model, chat)
    (chat / "chat_template.jinja").write_text("{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}")
    command = ["run", "--task", str(tasks / "choices.yaml"), "--data", str(tasks / "choices.jsonl"), "--model", str(chat)]
    command += [
        "--train-data",
        str(tasks / "train.jsonl"),
        "--shots",
        "2",
        "--train",
        "never",
        "--threads",
        "1",
        "--allow-untrained",
    ]
    (tmp_path / "runs").mkdir()
    for more in ([], ["--seed", "1"], ["--chat", "--system", "Be terse."]):
        run([*command, *more], tmp_path / "runs")
    done = warm.plmtasks(["leaderboard", "runs", "--format", "json"], tmp_path, os.environ)
    rows = json.loads(done.stdout)["boards"][0]["runs"]
    assert sorted((row["seeds"], "chat prompt" in row["marks"], "system text" in row["marks"]) for row in rows) == [
        (1, True, True), (2, False, False),
    ]  # fmt: skip
    assert sorted(row["prompt"] for row in rows) == ["chat", "plain"]
    done = warm.plmtasks(["results", "verify", "runs", "--deep"], tmp_path, os.environ)
    assert done.stdout.count("scored with its documents alone") == 6, "and all else of the three runs is checked"
    assert "shots" not in done.stdout


def test_an_encoder_is_asked_by_pairs_and_no_length_decides(tmp_path: Path) -> None:
    """A scorer of pairs from a seed: accuracy by length is accuracy, and the choices are those that transformers prefers."""
    import torch
    import transformers

    registry = load_registry()
    texts = [f"Question: is {word} a fruit? Answer: yes no certainly not at all" for word in ("apple", "stone", "pear", "cup")]
    registry.model("tiny-bert").make(texts, 0, tmp_path / "bare")
    config = transformers.AutoConfig.from_pretrained(tmp_path / "bare", initializer_range=0.5)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "bare")
    torch.manual_seed(0)
    module = transformers.BertForMultipleChoice(config).eval()
    for part in (module, tokenizer):
        part.save_pretrained(tmp_path / "scorer")
    words = ("no", "certainly not at all, and yes")
    rows = [{"thing": f"the {'big ' * n}{word}", "label": n % 2} for n, word in enumerate(("apple", "stone", "pear", "cup") * 3)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "task.yaml").write_text(f"""
task: fruit_or_not
dataset_path: json
dataset_kwargs: {{data_files: {tmp_path / "rows.jsonl"}}}
test_split: train
output_type: multiple_choice
doc_to_text: "Question: is {{{{thing}}}} a fruit?\\nAnswer:"
doc_to_target: "{{{{label}}}}"
doc_to_choice: {json.dumps(list(words))}
metric_list: [{{metric: acc}}, {{metric: acc_norm}}, {{metric: brier_score}}]
""")
    places = {"--task": "task.yaml", "--model": "scorer", "--output": "out"}
    options = [word for option, place in places.items() for word in (option, str(tmp_path / place))]
    made = CliRunner().invoke(cli, ["run", *options, "--quiet"], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    [written] = (tmp_path / "out").rglob("result.json")
    scores = json.loads(written.read_text())["scores"]["lm-eval"]
    right = []
    for row in rows:
        first = [f"Question: is {row['thing']} a fruit?\nAnswer:"] * 2
        batch = tokenizer(first, [f" {word}" for word in words], padding=True, return_tensors="pt")
        with torch.inference_mode():
            logits = module(**{name: value[None] for name, value in batch.items()}).logits[0]
        right.append(int(logits.argmax()) == row["label"])
    assert 0 < sum(right) < len(right)
    assert scores["acc"]["value"] == scores["acc_norm"]["value"] == pytest.approx(sum(right) / len(right))
