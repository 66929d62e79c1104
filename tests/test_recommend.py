"""Which model to take: real runs of models that know a share of the answers; what they took is set by the tests."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import toy
from click.testing import CliRunner

from plmtasks.cli import cli
from plmtasks.cli.recommend import MEMORY, PARAMETERS
from plmtasks.config import ModelSettings, of_seeds, run_config
from plmtasks.errors import InputError
from plmtasks.evaluation import run
from plmtasks.hooks import Registry, load_registry
from plmtasks.model import LoadedModel
from plmtasks.requests import Answer, ClassifyAnswer, Request
from plmtasks.results import Result, read_results
from plmtasks.statistics import seeds_apart
from plmtasks.tables import Limits, as_json, as_text, recommend
from plmtasks.tables.boards import Row
from plmtasks.tables.costs import costs
from plmtasks.tables.recommendation import Advice


@dataclass(frozen=True)
class Knowing(toy.ToyModel):
    """Right for a share of the questions, by their hash: one that knows more knows all that another knows."""

    share: float = 1.0
    draws: float = 0.0
    """By how much the share moves from seed to seed."""

    def identity(self, form: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"share": self.share, **({"seed": settings.seed} if self.draws else {})}

    def load(self, form: Request, settings: ModelSettings, device: str) -> LoadedModel:
        return LoadedKnowing(self.share + self.draws * (settings.seed % 2))


class LoadedKnowing(toy.LoadedToy):
    def __init__(self, share: float) -> None:
        self.share = share

    def plain(self, requests: Sequence[Request]) -> list[Answer]:
        answers: list[Answer] = []
        for r in requests:
            number = r.text.split()[-1]  # type: ignore[attr-defined]
            knows = int(hashlib.sha256(number.encode()).hexdigest()[:8], 16) / 2**32 < self.share
            yes = float((int(number) % 2 == 0) == knows)
            answers.append(ClassifyAnswer(scores=(1 - yes, yes)))
        return answers


MODELS = (
    Knowing(name="big", share=0.90), Knowing(name="middle", share=0.89, family="other"), Knowing(name="small", share=0.60),
    Knowing(name="lucky", share=0.70, draws=0.2),
)  # fmt: skip
PLUGIN = ModuleType("knowing")
PLUGIN.register_models = toy.hookimpl(lambda: list(MODELS), specname="register_models")  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([toy, PLUGIN], installed=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOY_EXAMPLES", "600")
        patch.setenv("TOY_MEMORY", "600")
        for model in MODELS:
            config = run_config("toy/even", model.name, output=str(folder), threads=1, quiet=True)
            run(of_seeds(config, range(4 if model.draws else 1)), registry)
    return folder


TOOK = {
    "big": {"parameters": 300_000_000, "seconds": 60.0, "peak_memory_bytes": 2_000_000_000},
    "middle": {"parameters": 100_000_000, "seconds": 30.0, "peak_memory_bytes": 900_000_000},
    "small": {"parameters": 10_000_000, "seconds": 6.0, "peak_memory_bytes": 400_000_000},
    "lucky": {"parameters": 10_000_000, "seconds": 6.0, "peak_memory_bytes": 400_000_000},
}
HERE = {
    "device": "cpu", "processor_name": "A Processor", "cpu_capability": "AVX2", "cores": 2, "processes": 1, "examples": 600,
    "loading_seconds": 0.0, "resumed": False, "worked_before": False,
}  # fmt: skip


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> "Runs":
    return Runs(made, tmp_path)


class Runs:
    """Copies of the runs, with other environments."""

    def __init__(self, made: Path, folder: Path) -> None:
        self.made, self.folder = made, folder

    def __call__(self, *names: str, **others: Mapping[str, Any] | None) -> list[Result]:
        found = []
        for result in read_results(self.made):
            if result.model not in names:
                continue
            folder = self.folder / result.model / result.identity
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("result.json", "statistics.npy"):
                (folder / name).write_bytes((result.folder / name).read_bytes())
            environment = {**HERE, **TOOK[result.model], **(others.get(result.model) or {})}
            path = folder / "environment.json"
            path.unlink(missing_ok=True)
            if others.get(result.model, {}) is not None:
                environment.pop(environment.pop("gone", ""), None)
                path.write_text(json.dumps(environment))
            found.append(Result(record=result.record, folder=folder))
        return found


def taken(advice: Advice) -> list[str]:
    return [c.row.result.model for c, _ in advice.take]


def front(advice: Advice) -> list[str]:
    return sorted(c.row.result.model for c in advice.front)


ALL = ("big", "middle", "small")


def test_the_cheapest_of_those_that_are_not_told_apart(runs: Runs, registry: Registry) -> None:
    advice = recommend(runs(*ALL), "toy/even", Limits(), registry)
    assert taken(advice) == ["middle"]
    assert [c.row.result.model for c in advice.leaders] == ["big", "middle"]
    assert front(advice) == ["big", "middle", "small"]
    text = as_text(advice)
    assert "take middle\n  other, trained elsewhere; accuracy 90.50 [87.9, 92.6]; 20 examples/s; 900 MB; 100M parameters" in text
    assert "+ its score cannot be told from the best, accuracy 91.33 [88.8, 93.3]" in text
    assert "+ the fastest of those that are not told apart" in text
    assert "which has the best score: big, middle are not told apart" in text


@pytest.mark.parametrize(
    ("limits", "take", "beyond"),
    [
        (Limits(max_parameters=50e6), ["small"], ["big", "middle"]),
        (Limits(min_speed=50), ["small"], ["big", "middle"]),
        (Limits(max_memory=1e9), ["middle"], ["big"]),
        (Limits(families=("toy",)), ["big"], ["middle"]),
        (Limits(max_parameters=1e3), [], ["big", "middle", "small"]),
    ],
)
def test_limits_are_held(runs: Runs, registry: Registry, limits: Limits, take: list[str], beyond: list[str]) -> None:
    advice = recommend(runs(*ALL), "toy/even", limits, registry)
    assert taken(advice) == take
    assert [c.row.result.model for c in advice.candidates if c.beyond] == beyond
    text = as_text(advice)
    assert f"{3 - len(beyond)} of 3 models within" in text
    assert "beyond the limits:\n  - big" in text or beyond == ["middle"]
    assert ("no model is known to keep these limits" in text) == (not take)


def test_what_is_best_within_the_limits_need_not_be_told_from_what_is_beyond(runs: Runs, registry: Registry) -> None:
    """Of all three the small one is in the second tier; alone with the lucky one it may lead."""
    advice = recommend(runs(*ALL), "toy/even", Limits(max_parameters=50e6), registry)
    assert [c.row.tier for c in advice.candidates] == [1, 1, 2]
    assert taken(advice) == ["small"]
    assert {c.row.result.model: reasons for c, reasons in advice.take} == {"small": ["the best score"]}


@pytest.mark.parametrize(
    ("what", "limit", "change", "why"),
    [
        ("parameters", Limits(max_parameters=1e9), {"parameters": None}, "parameters unknown: its number is not known"),
        ("speed", Limits(min_speed=0.1), {"resumed": True}, "speed unknown: it was interrupted and gone on with"),
        ("speed", Limits(min_speed=0.1), {"seconds": 0.0}, "speed unknown: it was not measured"),
        ("memory", Limits(max_memory=1e12), {"peak_memory_bytes": 0}, "memory unknown: it was not measured"),
        ("memory", Limits(max_memory=1e12), None, "memory unknown: it has no environment.json"),
    ],
)
def test_what_is_unknown_is_said_and_keeps_no_limit(
    runs: Runs, registry: Registry, what: str, limit: Limits, change: Mapping[str, Any] | None, why: str
) -> None:
    advice = recommend(runs("big", "small", big=change), "toy/even", limit, registry)
    assert taken(advice) == ["small"]
    assert f"not known to keep the limits:\n  - big: {why}" in as_text(advice)
    free = recommend(runs("big", "small", big=change), "toy/even", Limits(), registry)
    assert taken(free) == ["big"]
    assert f"{what} unknown" in as_text(free)
    assert f"  - {what} of big: {why.partition(': ')[2]}" in as_text(free)
    model = json.loads(as_json(free))["models"][0]
    assert model[what] is None
    assert model["unknown"][what] == why.partition(": ")[2]


def test_the_memory_of_a_process_that_worked_before_is_a_bound(runs: Runs, registry: Registry) -> None:
    """As of a run that trained first, or one of a version that did not tell."""
    for before in ({"worked_before": True}, {"gone": "worked_before"}):
        results = runs("big", "small", big=before)
        strict = recommend(results, "toy/even", Limits(max_memory=1e9), registry)
        assert "at most 2.0 GB of memory: its process had trained or answered before" in as_text(strict)
        assert [c.within for c in strict.candidates] == [False, True]
        wide = recommend(results, "toy/even", Limits(max_memory=3e9), registry)
        assert [c.within for c in wide.candidates] == [True, True]
        assert "memory of big: at most what is shown" in as_text(wide)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"processor_name": "Another"}, "Another, AVX2, 2 cores, 1 process of 1 thread"),
        ({"device": "NVIDIA X"}, "NVIDIA X, A Processor, AVX2, 2 cores, 1 process of 1 thread"),
        ({"processes": 4}, "A Processor, AVX2, 2 cores, 4 processes of 1 thread"),
        ({"cpu_capability": "AVX512"}, "A Processor, AVX512, 2 cores, 1 process of 1 thread"),
    ],
)
def test_speeds_of_other_machines_are_not_compared(runs: Runs, registry: Registry, change: dict[str, Any], place: str) -> None:
    """On its own machine the big one is slower by far; elsewhere nobody knows, so nothing beats it."""
    here = recommend(runs("big", "middle"), "toy/even", Limits(), registry)
    assert taken(here) == ["middle"]
    there = recommend(runs("big", "middle", big=change), "toy/even", Limits(), registry)
    assert taken(there) == ["big", "middle"]
    text = as_text(there)
    assert "which is faster of those that ran on other machines" in text
    assert f"big on {place}" in text


def test_speeds_and_memory_that_differ_little_count_as_equal(runs: Runs, registry: Registry) -> None:
    same = {"parameters": 1, "seconds": 60.0, "peak_memory_bytes": 10**9}
    almost = {**same, "seconds": 55.0, "peak_memory_bytes": 98 * 10**7}
    assert taken(recommend(runs("big", "middle", big=same, middle=almost), "toy/even", Limits(), registry)) == ["big", "middle"]
    faster = {**same, "seconds": 40.0}
    assert taken(recommend(runs("big", "middle", big=same, middle=faster), "toy/even", Limits(), registry)) == ["middle"]


def test_a_speed_of_a_moment_is_not_compared(runs: Runs, registry: Registry) -> None:
    same = {"parameters": 1, "peak_memory_bytes": 10**9}
    advice = recommend(
        runs("big", "middle", big={**same, "seconds": 1.9}, middle={**same, "seconds": 0.5}), "toy/even", Limits(), registry
    )
    assert taken(advice) == ["big", "middle"]
    assert "the speed of big, middle: it rests on less than 2 s" in as_text(advice)


def test_loading_is_no_part_of_the_speed(runs: Runs, registry: Registry) -> None:
    advice = recommend(runs("big", big={"loading_seconds": 54.0}), "toy/even", Limits(), registry)
    assert "100 examples/s" in as_text(advice)


def test_a_front_leaves_out_what_is_beaten(runs: Runs, registry: Registry) -> None:
    worse = {"parameters": 10**9, "seconds": 100.0, "peak_memory_bytes": 10**10}
    advice = recommend(runs(*ALL, small=worse), "toy/even", Limits(), registry)
    assert front(advice) == ["big", "middle"]
    unknown = recommend(runs(*ALL, small={**worse, "parameters": None}), "toy/even", Limits(), registry)
    assert front(unknown) == ["big", "middle", "small"], "nobody knows whether it is the smallest"


def test_seeds_that_move_a_score_tell_nothing_apart(runs: Runs, registry: Registry) -> None:
    """The small one and the lucky one differ by less than the lucky one's seeds."""
    advice = recommend(runs("small", "lucky"), "toy/even", Limits(), registry)
    assert [c.row.result.model for c in advice.candidates] == ["lucky", "small"]
    assert [len(c.row.results) for c in advice.candidates] == [4, 1]
    assert advice.candidates[1].row.tier == 2
    assert [c.row.result.model for c in advice.leaders] == ["lucky", "small"]
    text = as_text(advice)
    assert "the order of lucky, small with other seeds" in text


@pytest.mark.parametrize(
    ("a", "b", "apart"),
    [
        ([90.0], [80.0], None),
        ([90.0, 91.0, 89.0], [80.0, 81.0, 79.0], True),
        ([90.0, 91.0, 89.0], [88.0, 91.0, 90.0], False),
        ([90.0, 91.0, 89.0], [80.0], True),
        ([90.0, 95.0, 85.0], [80.0], False),
        ([90.0, 90.0], [90.0, 90.0], False),
        ([90.0, 90.0], [91.0, 91.0], True),
    ],
)
def test_whether_seeds_tell_trainings_apart(a: list[float], b: list[float], apart: bool | None) -> None:
    assert seeds_apart(a, b) is apart
    assert seeds_apart(b, a) is apart


def test_the_test_of_seeds_is_scipys() -> None:
    from scipy.stats import ttest_ind

    a = [70.1, 72.4, 69.8, 74.0]
    for shift in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0):
        b = [x * 0.5 + 35 + shift for x in a[:3]]
        assert seeds_apart(a, b) is bool(ttest_ind(a, b, equal_var=False).pvalue < 0.05)


def test_runs_that_are_not_compared_are_said(runs: Runs, registry: Registry) -> None:
    big, small = runs("big", "small")
    data = {**small.record["data"], "fingerprint": "b" * 64, "examples": 10, "limit": 10}
    other = Result(record={**small.record, "data": data}, folder=small.folder)
    skips = Result(
        record={**small.record, "identity": "a" * 32, "data": {**small.record["data"], "skipped": 3}}, folder=small.folder
    )
    text = as_text(recommend([big, other, skips], "toy/even", Limits(), registry))
    assert "not compared:\n  - small: not ranked: skipped 3, so not ranked\n  - small: other examples: 10 of 600" in text


def test_without_statistics_nobody_knows_what_is_chance(runs: Runs, registry: Registry) -> None:
    results = runs(*ALL)
    for result in results:
        (result.folder / "statistics.npy").unlink()
    advice = recommend(results, "toy/even", Limits(), registry)
    assert taken(advice) == ["big"]
    assert "whether differences in score are chance: " in as_text(advice)


def test_a_task_without_runs_is_an_error(runs: Runs, registry: Registry) -> None:
    with pytest.raises(InputError, match=r"there is no task 'qa'"):
        recommend(runs("big"), "qa", Limits(), registry)
    renamed = [Result(record={**r.record, "task": {**r.record["task"], "name": "t/other"}}, folder=r.folder) for r in runs("big")]
    with pytest.raises(InputError, match=r"there is no run of 'toy/even'\n  there are runs of: t/other"):
        recommend(renamed, "toy", Limits(), registry)


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", r"environment\.json: expected a JSON object, found list"), ('{"seconds": "1"}', r"json: seconds: expected a number")],
)
def test_an_environment_that_is_none_stops_nothing(text: str, said: str, runs: Runs, registry: Registry) -> None:
    (result,) = runs("big")
    (result.folder / "environment.json").write_text(text)
    found = costs(Row(result))
    assert (found.parameters, found.speed, found.memory) == (None, None, None)
    assert re.search(said, found.unknown["speed"])
    recommend([result], "toy/even", Limits(), registry)


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        (PARAMETERS, "100M", 1e8), (PARAMETERS, "1.5b", 1.5e9), (PARAMETERS, "7", 7.0), (MEMORY, "2GB", 2e9),
        (MEMORY, "2 GiB", 2.0**31), (MEMORY, "512MB", 5.12e8),
    ],
)  # fmt: skip
def test_quantities_have_units(form: Any, text: str, value: float) -> None:
    assert form.convert(text, None, None) == value


def test_the_command(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    runs(*ALL)
    common = ["recommend", "--task", "toy", str(runs.folder)]
    said = CliRunner().invoke(cli, [*common, "--max-parameters", "200M", "--max-memory", "1GB", "--family", "other"])
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith("toy/even: toy, split test, 600 examples\n")
    assert "limits: at most 200M parameters, at most 1.0 GB of memory, other; 1 of 3 models within\ntake middle" in said.stdout
    found = json.loads(CliRunner().invoke(cli, [*common, "--format", "json", "--min-speed", "50"]).stdout)
    assert found["limits"]["min_speed"] == 50
    assert [(m["model"], m["within"], m["take"]) for m in found["models"]] == [
        ("big", False, False), ("middle", False, False), ("small", True, True),
    ]  # fmt: skip
    wrong = CliRunner().invoke(cli, [*common, "--max-memory", "much"])
    assert wrong.exit_code == 2
    assert "expected a number with a unit such as 2GB, found 'much'" in wrong.output


def test_real_runs_tell_all_that_is_asked_of_them(tmp_path: Path) -> None:
    """Parameters are the model's, however its weights are laid out."""
    config = run_config(
        "classification/sample", "tiny-bert", max_train_samples=16, num_train_epochs=1, limit=8, threads=1,
        output=str(tmp_path / "results"), checkpoints=str(tmp_path / "checkpoints"), quiet=True,
    )  # fmt: skip
    registry = load_registry()
    results = run([config], registry)
    advice = recommend(results, "classification/sample", Limits(), registry)
    costs = advice.candidates[0].costs
    from safetensors.numpy import load_file

    weights = load_file(next((tmp_path / "checkpoints").rglob("model.safetensors")))
    assert costs.parameters == sum(array.size for array in weights.values())
    assert costs.speed
    assert costs.memory
    assert costs.bound, "it trained before"
    assert costs.unknown == {}
