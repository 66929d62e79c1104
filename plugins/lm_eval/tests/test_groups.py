"""Groups and tags of lm-eval: who stands in them, and their totals beside lm-eval's own."""

import json
import random
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import exact_models
import pytest
from plmtasks_lm_eval import catalog, groups
from warm import plmtasks

from plmtasks.errors import InputError
from plmtasks.hooks import load_registry
from plmtasks.results import read_results

GROUP = """
group: mini
task:
  - group: mini_sure
    task: [mmlu_anatomy, mmlu_virology]
    aggregate_metric_list: [{metric: acc, weight_by_size: true}]
  - task: arc_easy
    num_fewshot: 1
  - {task: arc_challenge, task_alias: hard}
aggregate_metric_list:
  - {metric: acc, weight_by_size: true}
  - {metric: acc_norm, weight_by_size: false}
"""


def questions(count: int, seed: int) -> list[dict[str, Any]]:
    """In the columns of mmlu and of arc, both at once."""
    r, words = random.Random(seed), ["red", "green", "a blue one", "seven", "none of them", "the other"]
    made = []
    for number in range(count):
        choices, answer = r.sample(words, 4), r.randrange(4)
        text = f"Which of these is number {number + seed}?"
        both = {"text": choices, "label": list("ABCD")}
        made.append({"question": text, "choices": choices, "answer": answer, "arc": both, "answerKey": "ABCD"[answer]})
    return made


def rows(task: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Of one task, in the columns that it reads."""
    found = questions(count, seed)
    if task.startswith("arc"):
        return [{"question": q["question"], "choices": q["arc"], "answerKey": q["answerKey"]} for q in found]
    return [{"question": q["question"], "choices": q["choices"], "answer": q["answer"]} for q in found]


def write(path: Path, found: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in found), encoding="utf-8")


SIZES = {"mmlu_anatomy": 9, "mmlu_virology": 4, "arc_easy": 7, "arc_challenge": 5}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A group's file, the data of its tasks, and a model."""
    folder = tmp_path_factory.mktemp("group")
    (folder / "mini.yaml").write_text(GROUP, encoding="utf-8")
    for seed, (task, count) in enumerate(SIZES.items()):
        write(folder / "data" / task / "test.jsonl", rows(task, count, seed))
        for split in ("train", "dev", "validation"):
            write(folder / "data" / task / f"{split}.jsonl", rows(task, 3, seed + 50))
    exact_models.made("gpt2", folder / "gpt")
    return folder


def theirs(place: Path) -> dict[str, Any]:
    """What lm-eval itself makes of the group on the same rows, by its own model."""
    import datasets
    from lm_eval import evaluator
    from lm_eval.tasks._factory import TaskFactory
    from lm_eval.tasks._index import Entry, Kind

    def data(task: str) -> Any:
        splits = ("test", "train", "dev", "validation")
        return datasets.DatasetDict({
            split: datasets.Dataset.from_list([json.loads(line) for line in (place / "data" / task / f"{split}.jsonl").open()])
            for split in splits
        })  # fmt: skip

    class Own(TaskFactory):  # type: ignore[misc]
        def _build_task(self, entry: Any, overrides: Any) -> Any:
            return super()._build_task(entry, {**(overrides or {}), "custom_dataset": lambda **_: data(entry.name)})

    entry = Entry("mini", Kind.GROUP, place / "mini.yaml")
    group = Own().build(entry, overrides=None, registry=catalog.registry())
    for task in group.get_all_tasks():
        task.set_fewshot_seed(0)
        if task.get_config("num_fewshot") is None:
            task.set_config("num_fewshot", 0)
    told = {
        "tasks": {t.task_name: t for t in group.get_all_tasks()},
        "groups": {g.name: g for g in (group, *group.get_all_groups())},
    }
    result = evaluator.evaluate(exact_models.theirs(place / "gpt"), told, bootstrap_iters=100000)
    assert result is not None
    return dict(result)


@pytest.fixture(scope="module")
def lines(place: Path) -> list[str]:
    """What a run of the group prints, whose results are in `results`."""
    asked = ["--task", "./mini.yaml", "--model", "./gpt", "--data", "data", "--quiet"]
    done = plmtasks(["run", *asked], place, {})
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_group_comes_to_what_lm_eval_prints(place: Path, lines: list[str]) -> None:
    assert lines[0] == "./mini.yaml on gpt: 4 tasks, with 95 % intervals"
    assert [line.split()[0] for line in lines if "-shot" in line or "all of it" in line] == [
        "lm-eval:mmlu_anatomy", "lm-eval:mmlu_virology", "mini.yaml/arc_easy", "lm-eval:arc_challenge", "mini", "mini::mini_sure"
    ]  # fmt: skip
    by_name = {result.task: result for result in read_results(place / "results")}
    assert {name: result.record["protocol"]["shots"] for name, result in by_name.items()} == {
        "lm-eval:mmlu_anatomy": 0, "lm-eval:mmlu_virology": 0, "mini.yaml/arc_easy": 1, "lm-eval:arc_challenge": 0
    }  # fmt: skip
    expected = theirs(place)["groups"]
    found = {one.name: one for one in load_registry().aggregate("task", str(place / "mini.yaml"), renamed(by_name, place))}
    assert [(one.name, one.examples, one.depth) for one in found.values()] == [("mini", 25, 0), ("mini::mini_sure", 13, 1)]
    for name, told in found.items():
        assert set(told.scores) == {key.partition(",")[0] for key in expected[name] if "," in key and "_stderr" not in key}
        for score, values in told.scores.items():
            assert values["value"] == pytest.approx(expected[name][f"{score},none"], abs=1e-6)
            assert values["stderr"] == pytest.approx(expected[name][f"{score}_stderr,none"], abs=1e-6)
    shown = plmtasks(["leaderboard", "results", "--task", "./mini.yaml"], place, {}).stdout
    assert shown == "\n".join(lines[: shown.count("\n")]) + "\n"


def renamed(results: dict[str, Any], place: Path) -> dict[str, Any]:
    """As the group is named from elsewhere."""
    return {name.replace("mini.yaml", str(place / "mini.yaml")): result for name, result in results.items()}


@pytest.mark.slow
def test_what_is_lacking_is_told_in_place_of_a_total(place: Path, lines: list[str]) -> None:
    [one] = [result for result in read_results(place / "results") if result.task == "lm-eval:mmlu_anatomy"]
    shutil.copytree(one.folder, place / "few" / one.folder.name)
    shown = plmtasks(["leaderboard", "few", "--task", "./mini.yaml"], place, {}).stdout
    first = " ".join(shown.partition("\n\n")[0].split())
    assert first == (
        "./mini.yaml on gpt: 1 task, with 95 % intervals; no total: 3 of 4 tasks are missing, lm-eval:mmlu_virology, "
        "mini.yaml/arc_easy, lm-eval:arc_challenge"
    )
    assert "all of it" not in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mmlu", "leaderboard_bbh"])
def test_totals_of_lm_evals_own_groups(name: str) -> None:
    """The same numbers, by its own objects of every task and by our tree of names."""
    import datasets
    from lm_eval.evaluator_utils import _process_results
    from lm_eval.tasks._factory import TaskFactory

    bbh = {"input": "x", "target": "(A)"}
    mmlu = {"question": "x", "choices": list("abcd"), "answer": 1}
    data = datasets.Dataset.from_list([bbh if "bbh" in name else mmlu])
    given = datasets.DatasetDict(dict.fromkeys(("test", "dev", "validation", "train"), data))
    registry = catalog.registry()
    built = TaskFactory().build(registry[name], overrides={"custom_dataset": lambda **_: given}, registry=registry)
    r, metric = random.Random(0), "acc_norm" if "bbh" in name else "acc"
    raw: dict[str, Any] = {}
    for task in built.get_all_tasks():
        values = [float(r.random() < 0.4) for _ in range(r.randrange(2, 40))]
        raw[task.task_name] = {"task": task, "raw_metrics": defaultdict(list, {(metric, "none"): values}), "logged_samples": []}
    whole = {one.name: one for one in (built, *built.get_all_groups())}
    metrics = _process_results(raw, whole, bootstrap_iters=100).metrics
    tree = groups.tree(name)
    assert tree is not None
    assert tree.group is not None
    assert [one.task for one in tree.members] == list(raw)
    found = {one.name: one for one in groups.together(tree.group, {task: metrics[task] for task in raw})}
    assert {told.name for told in whole.values() if told.has_aggregation} == {
        group.name for group in whole.values() if metrics[group.name]["alias"] in found
    }
    for group in whole.values():
        told, expected = found[metrics[group.name]["alias"]], metrics[group.name]
        assert told.scores[metric]["value"] == expected[f"{metric},none"]
        assert told.scores[metric]["stderr"] == expected[f"{metric}_stderr,none"]
        assert told.examples == expected["sample_len"]


def test_members_by_name() -> None:
    registry = load_registry()
    assert registry.members("task", "lm-eval:ai2_arc") == ["lm-eval:arc_challenge", "lm-eval:arc_easy"]
    assert registry.aggregate("task", "lm-eval:ai2_arc", {}) == []
    assert registry.members("task", "lm-eval:arc_easy") == ["lm-eval:arc_easy"]
    assert len(registry.members("task", "lm-eval:leaderboard_bbh")) == 24


def test_what_a_group_says_of_its_tasks_stays_with_them() -> None:
    """lm-eval 0.4.13 gives all of mmlu in openllm one name, and keeps the last of 57."""
    registry = load_registry()
    members = registry.members("task", "lm-eval:openllm")
    assert len([name for name in members if "/mmlu_" in name]) == 57
    task = registry.task("lm-eval:openllm/mmlu_anatomy")
    assert task.name == "lm-eval:openllm/mmlu_anatomy"
    assert task.definition.config["num_fewshot"] == 5
    assert "num_fewshot" not in registry.task("lm-eval:mmlu_anatomy").definition.config
    assert task.config() != registry.task("lm-eval:mmlu_anatomy").config()


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("lm-eval:ai2_arc", "lm-eval:ai2_arc stands for 2 tasks: name one", "lm-eval:arc_challenge, lm-eval:arc_easy"),
        ("lm-eval:openllm/gsm9k", "openllm has no task 'gsm9k'", "did you mean 'gsm8k'?"),
        (
            "lm-eval:t0_eval",
            "lm-eval:t0_eval: its members cannot be told: Dict entry in group 't0_eval' must have 'task' or 'group' key, got: "
            "['dataset_path', 'dataset_name', 'use_prompt', 'training_split', 'validation_split', 'output_type', 'metric_list']",
            None,
        ),
        ("lm-eval:helaswag", "there is no task 'lm-eval:helaswag'", "did you mean 'lm-eval:hellaswag'"),
    ],
)
def test_bad_names(name: str, message: str, hint: str | None) -> None:
    with pytest.raises(InputError) as caught:
        load_registry().task(name)
    assert caught.value.message == message
    assert hint is None or caught.value.hints[0].startswith(hint)


def test_a_group_that_names_what_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("group: bad\ntask: [mmlu_anatomy, no_such_task]\n", encoding="utf-8")
    with pytest.raises(InputError, match="'no_such_task', which is neither a task nor a group nor a tag"):
        load_registry().members("task", str(path))
