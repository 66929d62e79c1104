"""Runs on one file: a part of it held out, or cross-validated."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import toy
import warm

from plmtasks import hookimpl
from plmtasks.config import ModelSettings, RunConfig, Source, TrainSettings
from plmtasks.errors import InputError
from plmtasks.evaluation import config_of, differences, run, train
from plmtasks.evaluation.reproduction import Moved
from plmtasks.hooks import Registry, load_registry
from plmtasks.model import LoadedModel, Model, read_training
from plmtasks.requests import Answer, Request
from plmtasks.results import Result
from plmtasks.store import find, verify
from plmtasks.tables import Row, render

LEARNED = "learned.json"


@dataclass(frozen=True)
class Pupil(Model):
    """Learns its questions by heart, and may be asked none of them."""

    name: str = "pupil"
    family: str = "toy"
    answers: Sequence[str] = ("Classify",)
    learns_by: Sequence[str] | None = ()
    folder: Path | None = None

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"weights": None if self.folder is None else (self.folder / LEARNED).read_text()}

    def newly_initialized(self, example_request: Request) -> bool:
        return self.folder is None

    def training_record(self) -> Mapping[str, Any] | None:
        return None if self.folder is None else read_training(self.folder)

    def saved(self, folder: Path) -> "Pupil":
        return replace(self, folder=folder)

    def learn(self, requests: Sequence[Request], answers: Sequence[Answer], training: TrainSettings, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LEARNED).write_text(json.dumps(sorted(r.key() for r in requests)))

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        assert self.folder is not None
        return LoadedPupil(json.loads((self.folder / LEARNED).read_text()))


class LoadedPupil(toy.LoadedToy):
    def __init__(self, learned: Sequence[str]) -> None:
        self.learned = {*learned}
        self.planned: set[str] = set()

    def costs(self, requests: Sequence[Request]) -> list[Any]:
        self.planned |= {r.key() for r in requests}
        return super().costs(requests)

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        keys = {r.key() for r in requests}
        assert not keys & self.learned, "it was asked what it had learned"
        assert keys <= self.planned, "it was not told the plan"
        return self.plain(requests)


@hookimpl
def register_models() -> list[Model]:
    return [Pupil()]


@pytest.fixture
def registry() -> Registry:
    return load_registry([toy, sys.modules[__name__]], installed=False)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    settings = ModelSettings(dtype="float32", batch_tokens=30, threads=1, kernels="plain")
    places = {"output": str(tmp_path / "results"), "checkpoints": str(tmp_path / "checkpoints")}
    return RunConfig(task="toy/even", model="pupil", settings=settings, quiet=True, **places)


@pytest.fixture
def cross_validated(config: RunConfig, registry: Registry) -> Result:
    return run([replace(config, folds=4)], registry)[0]


def test_each_example_is_asked_once_of_a_model_that_did_not_learn_it(cross_validated: Result, tmp_path: Path) -> None:
    assert [line["id"] for line in cross_validated.predictions()] == [f"n{i}" for i in range(23)]
    learned = [json.loads(path.read_text()) for path in tmp_path.rglob(LEARNED)]
    assert sorted(map(len, learned)) == [17, 17, 17, 18]
    for key in {key for keys in learned for key in keys}:
        assert sum(key in keys for keys in learned) == 3
    answered = [json.loads(line.split(" ", 1)[1])["answers"] for line in _journal(cross_validated)]
    assert len([key for batch in answered for key in batch]) == len({key for batch in answered for key in batch}) == 23


def _journal(result: Result) -> list[str]:
    return [line for path in sorted((result.folder / "journal").iterdir()) for line in path.read_text().splitlines()]


def test_there_is_one_result_and_one_row(cross_validated: Result, registry: Registry, tmp_path: Path) -> None:
    assert len(find(tmp_path)) == 1
    record = cross_validated.record
    assert record["protocol"]["how"] == "trained, 4-fold"
    assert (record["data"]["folds"], record["data"]["examples"], record["data"]["split"]) == (4, 23, "test")
    [trained] = record["protocol"]["trained_on"]
    assert (trained["folds"], trained["examples"], trained["fingerprint"]) == (4, 23, record["data"]["fingerprint"])
    assert Row(cross_validated).marks == [], "no model was asked what it had learned from"
    assert "trained, 4-fold" in render([cross_validated], "table", registry)


def test_it_is_verified_and_reproduced(cross_validated: Result, config: RunConfig, registry: Registry, tmp_path: Path) -> None:
    findings = list(verify(find(tmp_path)[0], registry, deep=True))
    assert [f for f in findings if f.state != "as written"] == []
    again = config_of(cross_validated, Moved(), str(tmp_path / "again"), str(tmp_path / "more"))
    assert differences(cross_validated, again, registry) == []
    assert (run([again], registry)[0].folder / "result.json").read_bytes() == (
        cross_validated.folder / "result.json"
    ).read_bytes()


def test_it_goes_on_from_its_journal(cross_validated: Result, config: RunConfig, registry: Registry) -> None:
    whole = (cross_validated.folder / "result.json").read_bytes()
    [path] = (cross_validated.folder / "journal").iterdir()
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]) + lines[-1][:20])
    (cross_validated.folder / "result.json").unlink()
    again = run([replace(config, folds=4)], registry)[0]
    assert (again.folder / "result.json").read_bytes() == whole
    assert len(list((again.folder / "journal").iterdir())) == 2


def test_other_folds_are_another_run(cross_validated: Result, config: RunConfig, registry: Registry) -> None:
    assert run([replace(config, folds=4)], registry)[0].folder == cross_validated.folder
    other = run([replace(config, folds=3)], registry)[0]
    assert other.identity != cross_validated.identity
    assert other.record["data"]["fingerprint"] == cross_validated.record["data"]["fingerprint"], "so that they are compared"


def test_perturbed_examples_are_asked_of_the_same_model(config: RunConfig, registry: Registry) -> None:
    result = run([replace(config, folds=3, perturb=("toy-louder",))], registry)[0]
    assert result.record["perturbations"]


def test_a_part_is_held_out(config: RunConfig, registry: Registry) -> None:
    source = Source(holdout=0.25)
    result = run([replace(config, source=source)], registry)[0]
    data = result.record["data"]
    assert (data["holdout"], data["examples"], data["total"]) == (0.25, 6, 6)
    assert result.record["protocol"]["trained_on"][0]["examples"] == 17
    assert "25 % held out of one split" in Row(result).marks
    assert "holdout" not in run([replace(config, model="toy-model")], registry)[0].record["data"]


def test_no_seed_moves_the_parts(config: RunConfig, registry: Registry) -> None:
    seeded = [replace(config, source=Source(holdout=0.25), seed=s, settings=replace(config.settings, seed=s)) for s in (0, 1, 2)]
    assert len({result.record["data"]["fingerprint"] for result in run(seeded, registry)}) == 1


def test_a_model_that_was_trained_apart_is_asked_what_was_held_out(config: RunConfig, registry: Registry, tmp_path: Path) -> None:
    held = replace(config, source=Source(holdout=0.25))
    folder = train(held, str(tmp_path / "pupil"), registry)
    learned = {*json.loads((folder / LEARNED).read_text())}
    result = run([held], registry)[0]
    asked = {key for line in _journal(result) for key in json.loads(line.split(" ", 1)[1])["answers"]}
    assert (len(learned), len(asked), learned & asked) == (17, 6, set())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "toy-model"}, "--folds trains 4 models, and 'toy-model' needs no training for toy/even\n  leave --folds out"),
        ({"source": Source(holdout=0.2)}, "--folds does not go with --holdout"),
        ({"shots": 2}, "--folds does not go with --shots"),
        ({"overlap": True}, "--folds does not go with overlap"),
        ({"training": TrainSettings(select_split="test")}, "--folds does not go with --training select_split"),
    ],
)
def test_what_does_not_go_with_folds(config: RunConfig, registry: Registry, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        run([replace(config, folds=4, **changes)], registry)
    assert said in str(error.value)


def test_training_alone_has_no_folds(config: RunConfig, registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is of `plmtasks run`"):
        train(replace(config, folds=4), str(tmp_path / "model"), registry)


def test_what_was_read_is_told(config: RunConfig, registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    run([replace(config, quiet=False, source=Source(holdout=0.25))], registry)
    said = capsys.readouterr().err
    assert "\ntrain: 17 examples: no 8, yes 9; 7 words in the median, 12 at most\n" in said
    assert "\ntest: 6 examples: no 3, yes 3; " in said
    run([replace(config, source=Source(holdout=0.5))], registry)
    assert capsys.readouterr().err == ""


REVIEWS = "review,stars\n" + "".join(
    f"{'fine' if i % 3 else 'poor'} film number {i},{'good' if i % 3 else 'bad'}\n" for i in range(60)
)


@pytest.mark.slow
def test_from_one_file_over_any_number_of_processes(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text(REVIEWS)
    line = ["run", "--task", "classification/custom", "--data", "reviews.csv", "--columns", "text=review,label=stars"]
    line += ["--model", "tfidf-linear", "--threads", "1"]
    bare = warm.plmtasks(line, tmp_path, os.environ)
    assert bare.returncode == 2
    assert "has no train split, and 'tfidf-linear' must learn first\n  --holdout 0.2 learns" in bare.stderr
    assert "--train-data FILE" in bare.stderr
    made = []
    for count in ("1", "3"):
        folds = [*line, "--folds", "3", "--output", count, "--checkpoints", f"{count}/models"]
        done = warm.plmtasks(folds, tmp_path, os.environ, processes=int(count))
        assert done.returncode == 0, done.stderr
        assert "trained, 3-fold" in done.stdout
        assert done.stderr.count("test: 60 examples: bad 20, good 40; 4 words in the median, 4 at most") == 1
        made.append([path.read_bytes() for path in sorted((tmp_path / count).rglob("result.json"))])
    assert made[0] == made[1]
    assert len(made[0]) == 1
