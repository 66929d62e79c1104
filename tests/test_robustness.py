"""The same examples asked again in another way, in the same run."""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import toy
import warm

from plmtasks import RunConfig
from plmtasks.config import ModelSettings
from plmtasks.errors import InputError, PluginError, UnknownNameError
from plmtasks.evaluation import run
from plmtasks.examples import Example
from plmtasks.hooks import Registry, load_registry
from plmtasks.tables import summary
from plmtasks.task import Perturbation

SCHEMA = json.loads((files("plmtasks") / "result.schema.json").read_text())


@pytest.fixture
def registry() -> Registry:
    return load_registry([toy], installed=False)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    settings = ModelSettings(dtype="float32", batch_tokens=30, threads=1, kernels="plain")
    return RunConfig(
        task="toy/even", model="toy-model", settings=settings, output=str(tmp_path), quiet=True, perturb=("toy-louder",)
    )


def test_the_unperturbed_come_out_as_without(config: RunConfig, registry: Registry) -> None:
    """The toy model's answers tell how batches were cut."""
    plain, perturbed = run([replace(config, perturb=())], registry)[0], run([config], registry)[0]
    assert plain.identity != perturbed.identity
    assert "perturbations" not in plain.record
    for name in ("predictions.jsonl", "statistics.npy"):
        assert (plain.folder / name).read_bytes() == (perturbed.folder / name).read_bytes()
    for key in ("scores", "slices", "groups", "data"):
        assert plain.record[key] == perturbed.record[key]


def test_what_was_changed_is_scored_and_kept(config: RunConfig, registry: Registry) -> None:
    result = run([config], registry)[0]
    jsonschema.validate(result.record, SCHEMA)
    content = (result.folder / "perturbed.jsonl").read_bytes()
    assert result.record["files"]["perturbed.jsonl"] == hashlib.sha256(content).hexdigest()
    lines = [json.loads(line) for line in content.splitlines()]
    assert [line["id"] for line in lines] == [f"n{i}~toy-louder" for i in range(23) if i % 3]
    before = {p["id"]: p for p in result.predictions()}
    for line in lines:
        first = before[line["id"].removesuffix("~toy-louder")]
        assert line["inputs"]["text"] == first["inputs"]["text"].upper() != first["inputs"]["text"]
        assert line["reference"] == first["reference"]
    found = result.record["perturbations"]["toy-louder"]
    right = sum(line["prediction"] == line["reference"] for line in lines)
    earlier = [before[line["id"].removesuffix("~toy-louder")] for line in lines]
    right_before = sum(p["prediction"] == p["reference"] for p in earlier)
    assert found["examples"] == len(lines) == 15
    assert found["scores"]["toy_accuracy"]["accuracy"]["value"] == pytest.approx(100 * right / 15)
    difference = found["difference"]
    assert difference["value"] == pytest.approx(100 * (right - right_before) / 15)
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert difference["examples"] == 15
    assert f"toy-louder changes 15 of 23 examples: their accuracy is {100 * right / 15:.2f}" in summary(result)


def test_a_run_is_found_again_and_its_identity_knows_the_words(
    config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run([config], registry)[0]
    assert run([config], registry)[0].record == first.record
    monkeypatch.setattr(toy.Louder, "rewrite_words", lambda self, words, draw: [f"{word}!" for word in words])
    assert run([config], registry)[0].identity != first.identity


class Fixed(Perturbation):
    """Does as it is told."""

    name = "fixed"

    def __init__(self, rewrite: Any, rewrite_words: Any = None, **more: Any) -> None:
        self._rewrite, self._words = rewrite, rewrite_words
        for name, value in more.items():
            setattr(self, name, value)

    def rewrite(self, text: str, draw: random.Random) -> str:
        return str(self._rewrite(text))

    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        return list(self._words(words)) if self._words else words


def with_one(perturbation: Perturbation) -> Registry:
    plugin: Any = type(sys)("other")
    plugin.register_perturbations = toy.hookimpl(lambda: [perturbation], specname="register_perturbations")
    return load_registry([toy, plugin], installed=False)


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_compare_where_it_changes_too_little(n: int, config: RunConfig) -> None:
    registry = with_one(Fixed(lambda text: text.upper() if text.endswith(" 5") and n else text))
    result = run([replace(config, perturb=("fixed",))], registry)[0]
    found = result.record["perturbations"]["fixed"]
    assert (found["examples"], found["difference"]) == (n, None)
    jsonschema.validate(result.record, SCHEMA)
    assert f"fixed changes {n} of 23 examples\n" in summary(result)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"languages": ("de",)}, "it changes texts in de, and these are in en"),
        ({"exchanges_people": True}, "its answers depend on who a text speaks of"),
    ],
)
def test_what_does_not_suit_a_task_is_an_error(more: dict[str, Any], said: str, config: RunConfig) -> None:
    with pytest.raises(InputError, match=f"toy/even cannot be perturbed by 'fixed': {said}\n  those that fit it: toy-louder "):
        run([replace(config, perturb=("fixed",))], with_one(Fixed(str.upper, **more)))[0]


def test_a_task_that_names_no_texts(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy.ToyTask, "texts", ())
    unchangeable = replace(registry.task("toy/even"), texts=())  # type: ignore[type-var]
    monkeypatch.setitem(registry.items["task"], "toy/even", unchangeable)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="none of its inputs may be put in another way\n  those that fit it: none"):
        run([config], registry)[0]


def test_an_unknown_one(config: RunConfig, registry: Registry) -> None:
    with pytest.raises(UnknownNameError, match="no perturbation 'toy-loud'\n  did you mean 'toy-louder'"):
        run([replace(config, perturb=("toy-loud",))], registry)[0]


def test_words_keep_their_number() -> None:
    task: Any = replace(toy.ToyTask(), texts=("words",))
    example = Example(id="1", inputs={"words": ["a", "kite"], "n": 3})
    assert Fixed(str.upper).change(example, task) is None
    changed = Fixed(str.upper, lambda words: [w.upper() for w in words]).change(example, task)
    assert changed == replace(example, inputs={"words": ["A", "KITE"], "n": 3})
    with pytest.raises(PluginError, match="'fixed' made 1 words of 2"):
        Fixed(str.upper, lambda words: words[1:]).change(example, task)


def call(folder: Path, *more: str, processes: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    run = ["run", "--task", "toy/even", "--model", "toy-model", "--batch-tokens", "30", "--threads", "1"]
    run += ["--perturb", "toy-louder", "--output", str(folder), *more]
    toy = {"PLMTASKS_PLUGINS": "toy", "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    return warm.plmtasks(run, folder.parent, {**os.environ, **toy, **environment}, processes=processes)


def made(folder: Path) -> dict[str, bytes]:
    return {n: p.read_bytes() for n in ("result.json", "perturbed.jsonl", "predictions.jsonl") for p in folder.rglob(n)}


@pytest.mark.slow
def test_two_processes_and_a_resumed_run_give_the_same_bytes(tmp_path: Path) -> None:
    once = call(tmp_path / "one")
    assert "  toy-louder changes 15 of 23 examples: their accuracy is" in once.stdout
    assert call(tmp_path / "two", processes=2, TOY_SLEEP="0.1").returncode == 0
    assert call(tmp_path / "again", TOY_FAULT="raise:0:7").returncode
    assert not list((tmp_path / "again").rglob("result.json"))
    assert list((tmp_path / "again").rglob("journal/*.jsonl"))
    assert call(tmp_path / "again").returncode == 0
    assert made(tmp_path / "one") == made(tmp_path / "two") == made(tmp_path / "again")


def test_the_train_split_is_looked_at_where_the_user_wants_it(config: RunConfig, registry: Registry) -> None:
    with pytest.raises(InputError, match="toy has no train split to look for its examples in"):
        run([replace(config, overlap=True)], registry)[0]
