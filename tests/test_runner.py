"""A task and a model in, a result out."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy

from plmtasks import RunConfig, Source
from plmtasks.config import ModelSettings, run_config
from plmtasks.errors import InputError, MismatchError, OutputError, PlmtasksError
from plmtasks.evaluation import run
from plmtasks.execution import Journal, Progress, alone, answering
from plmtasks.files import claims_file
from plmtasks.hooks import Registry, load_registry
from plmtasks.model import Cost, LoadedModel
from plmtasks.requests import Answer, Choose, ChooseAnswer, Likelihood, LogLikelihood, LogLikelihoodAnswer, Request
from plmtasks.results import Result, read_results


@pytest.fixture
def registry() -> Registry:
    return load_registry([toy], installed=False)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    settings = ModelSettings(dtype="float32", batch_tokens=30, threads=1, kernels="plain")
    return RunConfig(task="toy/even", model="toy-model", settings=settings, output=str(tmp_path), quiet=True)


def answers_nothing(*args: Any) -> Any:
    raise AssertionError("it was computed again")


def test_a_run_leaves_its_files(config: RunConfig, registry: Registry) -> None:
    result = run([config], registry)[0]
    names = {p.name for p in result.folder.iterdir() if not claims_file(p.name)}
    assert names == {"config.json", "journal", "predictions.jsonl", "statistics.npy", "result.json", "environment.json"}
    assert result.folder.parent.parts[-3:] == ("toy", "even", "toy-model")
    assert [p["id"] for p in result.predictions()] == [f"n{i}" for i in range(23)]
    rows = result.statistics()
    assert rows.dtype.names == ("toy_accuracy:right", "toy_accuracy:n", "cluster")
    assert result.score == pytest.approx(100 * rows["toy_accuracy:right"].sum() / 23)
    record = result.record["scores"]["toy_accuracy"]["accuracy"]
    assert record["low"] < record["value"] < record["high"]


def test_the_same_identity_is_reused(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run([config], registry)[0]
    monkeypatch.setattr(toy.ToyModel, "load", answers_nothing)
    again = run([config], registry)[0]
    assert again.folder == first.folder
    assert again.record == first.record


@pytest.mark.parametrize("other", [{"batch_tokens": 60}, {"threads": 2}, {"dtype": "bfloat16"}, {"truncation": "right"}])
def test_another_setting_is_another_identity(config: RunConfig, registry: Registry, other: dict[str, Any]) -> None:
    first = run([config], registry)[0]
    second = run([replace(config, settings=replace(config.settings, **other))], registry)[0]
    assert first.identity != second.identity


def test_other_data_is_another_identity(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run([config], registry)[0]
    monkeypatch.setenv("TOY_EXAMPLES", "24")
    assert run([config], registry)[0].identity != first.identity


def test_a_journal_is_gone_on_with(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without its result, but with its journal, computes nothing again."""
    first = run([config], registry)[0]
    content = (first.folder / "result.json").read_bytes()
    (first.folder / "result.json").unlink()
    monkeypatch.setattr(toy.LoadedToy, "answer", answers_nothing)
    run([config], registry)[0]
    assert (first.folder / "result.json").read_bytes() == content


def test_equal_requests_are_computed_once(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answer = toy.LoadedToy.answer

    def counting(self: toy.LoadedToy, requests: Any) -> Any:
        asked.extend(r.key() for r in requests)
        return answer(self, requests)

    monkeypatch.setattr(toy.LoadedToy, "answer", counting)
    monkeypatch.setattr(toy.ToyTask, "ask", lambda self, example, kind: toy.Classify(text="always the same", labels=toy.LABELS))
    assert run([config], registry)[0].record["data"]["examples"] == 23
    assert len(asked) == 1


def test_limit_draws_by_id_and_is_said(config: RunConfig, registry: Registry) -> None:
    result = run([replace(config, limit=5)], registry)[0]
    assert result.record["data"]["examples"] == 5
    assert result.record["data"]["total"] == 23
    assert result.record["data"]["limit"] == 5


def test_no_example_gives_no_score(config: RunConfig, registry: Registry) -> None:
    result = run([replace(config, limit=0)], registry)[0]
    assert result.score is None
    assert list(result.predictions()) == []


def test_skipped_examples_leave_the_score(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = toy.LoadedToy.costs
    monkeypatch.setattr(toy.LoadedToy, "costs", lambda self, rs: [replace(c, cut=int(c.width > 8)) for c in costs(self, rs)])
    monkeypatch.setattr(toy.LoadedToy, "limited", "8 tokens, the toy's own")
    whole = run([config], registry)[0].record["data"]
    assert whole["truncated"] > 0
    assert whole["too_long"] == "8 tokens, the toy's own"
    assert whole["skipped"] == 0
    skip = replace(config, settings=replace(config.settings, truncation="skip"))
    result = run([skip], registry)[0]
    assert result.record["data"]["skipped"] == whole["truncated"]
    assert result.record["data"]["truncated"] == 0
    assert result.record["data"]["too_long"] == whole["too_long"]
    skipped = [p for p in result.predictions() if p.get("skipped")]
    assert len(skipped) == whole["truncated"]
    import numpy as np

    assert np.isnan(result.statistics()["toy_accuracy:n"]).sum() == len(skipped)


def test_a_model_that_answers_too_little_fails(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = toy.LoadedToy.answer
    monkeypatch.setattr(toy.LoadedToy, "answer", lambda self, requests: answer(self, requests)[1:])
    with pytest.raises(PlmtasksError, match=r"was asked . requests of kind Classify, and gave"):
        run([config], registry)[0]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (LogLikelihood(text="好", context="很"), LogLikelihoodAnswer(log_likelihood=0.0, tokens=0, words=1, bytes=3)),
        (
            Choose(text="很", choices=("好", "x")),
            ChooseAnswer(choices=tuple(Likelihood(log_likelihood=-n, tokens=n, bytes=n) for n in (0, 1))),
        ),
    ],
)
def test_a_likelihood_of_no_token_is_none(request_: Request, answer: Answer, tmp_path: Path) -> None:
    class Careless(LoadedModel):
        def costs(self, requests: Sequence[Request]) -> list[Cost]:
            return [Cost(width=1) for _ in requests]

        def answer(self, requests: Sequence[Request]) -> list[Answer]:
            return [answer for _ in requests]

    work = answering.plan(Careless(), [request_], ModelSettings())
    with (
        pytest.raises(PlmtasksError, match="a model gave '好' a likelihood, and has no token for it"),
        Journal(tmp_path, work.hash, 0) as journal,
    ):
        answering.answer_all(Careless(), work, alone(), journal, Progress(quiet=True))


def test_a_journal_is_read_once(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run([config], registry)[0]
    (first.folder / "result.json").unlink()
    times = []
    read = Journal.read
    monkeypatch.setattr(Journal, "read", lambda self: (times.append(self), read(self))[1])
    run([config], registry)
    assert len(times) == 1


def test_two_at_the_same_run(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    load = toy.ToyModel.load

    def meanwhile(*args: Any) -> Any:
        with pytest.raises(OutputError, match="another process is at this very run"):
            run([config], registry)[0]
        monkeypatch.setattr(toy.ToyModel, "load", load)
        return load(*args)

    monkeypatch.setattr(toy.ToyModel, "load", meanwhile)
    assert run([config], registry)[0].score is not None


def test_a_damaged_journal_is_an_error(config: RunConfig, registry: Registry) -> None:
    first = run([config], registry)[0]
    (first.folder / "result.json").unlink()
    (journal,) = (first.folder / "journal").iterdir()
    lines = journal.read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b"scores", b"scorer", 1)
    journal.write_bytes(b"\n".join(lines))
    with pytest.raises(PlmtasksError, match=r"\.jsonl:2: damaged line"):
        run([config], registry)[0]


def test_a_damaged_result_is_an_error(config: RunConfig, registry: Registry) -> None:
    first = run([config], registry)[0]
    (first.folder / "result.json").write_text("{")
    with pytest.raises(InputError, match="expected a result in JSON"):
        run([config], registry)[0]


def test_a_pair_that_does_not_fit(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy.ToyTask, "asks", ("Generate",))
    other = replace(registry, items={**registry.items, "task": {"toy/even": toy.ToyTask(asks=("Generate",))}})
    with pytest.raises(MismatchError) as error:
        run([config], other)
    assert str(error.value) == (
        "model 'toy-model' cannot be asked task 'toy/even'\n"
        "  the task can be asked by: Generate\n"
        "  'toy-model' answers: Classify\n"
        "  models that fit: none installed   (plmtasks list models)"
    )


def test_newly_initialized_are_refused(config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy.ToyModel, "newly_initialized", lambda self, form: True)
    with pytest.raises(InputError, match="--train never forbids training"):
        run([replace(config, train="never")], registry)[0]
    with pytest.raises(InputError, match="toy has no train split") as error:
        run([config], registry)[0]
    assert "--train-data FILE" in str(error.value)


def test_newly_initialized_that_were_allowed_are_shown(
    config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.ToyModel, "newly_initialized", lambda self, form: True)
    monkeypatch.setattr(toy.LoadedToy, "newly_initialized", ("head.weight",))
    result = run([replace(config, train="never", allow_untrained=True)], registry)[0]
    assert result.record["protocol"]["how"] == "untrained"
    assert result.record["protocol"]["newly_initialized"] == ["head.weight"]


def test_a_checkpoint_that_lacks_weights_is_found_out(
    config: RunConfig, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.LoadedToy, "newly_initialized", ("head.weight",))
    with pytest.raises(InputError, match=r"lacks weights that Classify needs: head\.weight"):
        run([config], registry)[0]
    assert not list(Path(config.output).rglob("result.json"))


def test_shots_need_a_request_that_takes_them(config: RunConfig, registry: Registry) -> None:
    with pytest.raises(InputError, match="a Classify request takes no shots"):
        run([replace(config, shots=2)], registry)[0]


def test_an_output_that_cannot_be_written(config: RunConfig, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        run([replace(config, output=str(tmp_path / "file"))], registry)[0]


def test_results_are_read_back(config: RunConfig, registry: Registry, tmp_path: Path) -> None:
    result = run([config], registry)[0]
    assert [r.identity for r in read_results(tmp_path)] == [result.identity]
    assert isinstance(read_results(result.folder / "result.json")[0], Result)
    json.loads((result.folder / "environment.json").read_text())


def test_flat_options_find_their_part() -> None:
    config = run_config("t", "m", data="x", columns={"text": "a"}, num_beams=4, dtype="bfloat16", seed=3, processes=2)
    assert config.source == Source(data="x", columns={"text": "a"})
    assert config.settings.generation.num_beams == 4
    assert (config.settings.dtype, config.settings.seed, config.seed, config.training.seed) == ("bfloat16", 3, 3, 3)
    learned = run_config("t", "m", num_train_epochs=2, max_train_samples=8, batch_tokens=99).training
    assert (learned.num_train_epochs, learned.max_train_samples, learned.batch_tokens) == (2, 8, 99)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"beams": 4}, "no setting of a run is called 'beams'"),
        ({"training": {"epochs": 4}}, "no setting of training is called 'epochs'"),
        ({"learning_rate": 0}, "learning_rate is a number above 0, not 0"),
        ({"generation": {"top_p": 1.5}}, "top_p is a number above 0 and at most 1, not 1.5"),
        ({"label_smoothing_factor": 1}, "label_smoothing_factor is a number of at least 0 and below 1, not 1"),
        ({"train": "maybe"}, "train is one of auto, never, always, not 'maybe'"),
        ({"dtype": "int8"}, "dtype is one of auto, float32, bfloat16, float16, not 'int8'"),
        ({"limit": -3}, "limit is a number of at least 0, not -3"),
        ({"num_beams": "4"}, "num_beams is a number of at least 1, not '4'"),
    ],
)
def test_options_are_checked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        run_config("t", "m", **options)
    assert error.value.message == said
