"""A model that learns from solved answers."""

import copy
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plmtasks import ModelSettings, RunConfig, TrainSettings, run_config
from plmtasks.cli import cli
from plmtasks.errors import DataError, InputError, OutputError
from plmtasks.evaluation import estimate, run, train
from plmtasks.execution import Progress, alone
from plmtasks.execution.place import PLACE
from plmtasks.hooks import Registry, load_registry
from plmtasks.model import RECORD, Cost, LoadedModel, Model
from plmtasks.requests import Answer, ClassifyAnswer, Request
from plmtasks.training.checkpoint import _make
from plmtasks.training.optimizer import clipped, lasting_gradients, make_optimizer, scaled_step
from plmtasks.training.recipe import Training

LITTLE = TrainSettings(num_train_epochs=2, max_train_samples=256, train_batch_size=16, learning_rate=2e-3)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def config(tmp_path: Path, **options: object) -> RunConfig:
    settings = {"threads": 1, "quiet": True, "output": str(tmp_path / "results"), "checkpoints": str(tmp_path / "checkpoints")}
    return run_config("classification/sample", "tiny-bert", **{**settings, "training": LITTLE, **options})


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def curve(folder: Path) -> list[float]:
    return [entry["loss"] for entry in json.loads((folder / RECORD).read_text())["history"]]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Path:
    folder = tmp_path_factory.mktemp("once")
    return train(config(folder), str(folder / "model"), registry)


def test_the_checkpoint_is_an_ordinary_folder(once: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, info = AutoModelForSequenceClassification.from_pretrained(once, output_loading_info=True)
    assert not info["missing_keys"]
    assert set(model.config.label2id) == {"negative", "positive"}
    assert AutoTokenizer.from_pretrained(once)("a word")["input_ids"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(once: Path, tmp_path: Path, registry: Registry) -> None:
    again = train(config(tmp_path), str(tmp_path / "model"), registry)
    assert curve(again) == curve(once)
    assert weights(again) == weights(once)


@pytest.mark.slow
def test_another_seed_gives_others(once: Path, tmp_path: Path, registry: Registry) -> None:
    again = train(config(tmp_path, training=replace(LITTLE, seed=1)), str(tmp_path / "model"), registry)
    assert weights(again) != weights(once)


def test_a_finished_training_is_not_done_again(once: Path, registry: Registry, tmp_path: Path) -> None:
    before = (once / "model.safetensors").stat().st_mtime_ns
    train(config(tmp_path), str(once), registry)
    assert (once / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(OutputError, match="holds another training"):
        train(config(tmp_path, training=replace(LITTLE, seed=5)), str(once), registry)


def test_the_record_tells_what_it_learned(once: Path) -> None:
    record = json.loads((once / RECORD).read_text())
    learned = record["tasks"]["classification/sample"]
    assert learned["examples"] == 256
    assert learned["selected_on"] == "validation"
    assert learned["labels"] == ["negative", "positive"]
    assert record["before"] == []
    assert [entry["epoch"] for entry in record["history"]] == [1, 2]
    assert record["history"][-1]["loss"] < record["history"][0]["loss"]
    assert not (once / "training").exists()


@pytest.mark.slow
def test_the_trained_model_runs_as_fine_tuned(tmp_path: Path, registry: Registry) -> None:
    learned = train(config(tmp_path, training=TrainSettings()), str(tmp_path / "model"), registry)
    result = run([replace(_settled(config(tmp_path, split="test")), model=str(learned))], registry)[0]
    assert result.record["protocol"]["how"] == "fine-tuned"
    assert result.record["protocol"]["trained_on"][0]["selected_on"] == "validation"
    assert result.score is not None
    assert result.score > 70  # chance is 50, and 200 examples leave 3.5 points of error


@pytest.mark.slow
def test_the_split_that_is_reported_does_not_choose(tmp_path: Path, registry: Registry) -> None:
    little = replace(LITTLE, num_train_epochs=1, max_train_samples=32)
    on_validation = run([_settled(config(tmp_path, split="validation", training=little))], registry)[0]
    assert on_validation.record["protocol"]["trained_on"][0]["selected_on"] is None
    on_test = run([_settled(config(tmp_path, split="test", training=little))], registry)[0]
    assert on_test.record["protocol"]["trained_on"][0]["selected_on"] == "validation"


def test_without_a_train_split_it_is_refused(tmp_path: Path, registry: Registry) -> None:
    data = tmp_path / "test.tsv"
    data.write_text("a good film\t1\na bad film\t0\n")
    with pytest.raises(InputError, match="has no train split") as error:
        run([run_config("classification/sst2", "tiny-bert", data=str(data), output=str(tmp_path), threads=1)], registry)
    assert "--train-data FILE" in str(error.value)


def _settled(config: RunConfig) -> RunConfig:
    from plmtasks.execution.environment import resolve

    return resolve(config, 1)


COMMAND = [
    "train", "--task", "classification/sample", "--model", "tiny-bert", "--threads", "1",
    "--max-train-samples", "256", "--train-batch-size", "16", "--learning-rate", "0.002", "--quiet",
]  # fmt: skip


@pytest.mark.slow
def test_accumulated_batches_are_one_update(tmp_path: Path, registry: Registry) -> None:
    """4 batches of 8 are the update of one batch of 32, and so are pieces of few tokens."""
    plain = replace(LITTLE, train_batch_size=32, max_train_samples=32, num_train_epochs=1)
    forms = {
        "one": plain,
        "accumulated": replace(plain, train_batch_size=8, gradient_accumulation_steps=4),
        "pieces": replace(plain, batch_tokens=16),
    }
    curves = {name: curve(train(config(tmp_path, training=t), str(tmp_path / name), registry)) for name, t in forms.items()}
    assert curves["accumulated"] == pytest.approx(curves["one"], rel=1e-5)
    assert curves["pieces"] == pytest.approx(curves["one"], rel=1e-5)


def test_a_process_may_train_twice_with_other_precisions(tmp_path: Path, registry: Registry) -> None:
    little = replace(LITTLE, max_train_samples=32, num_train_epochs=1, select_split="none")
    for dtype in ("float32", "bfloat16"):
        folder = train(config(tmp_path, training=replace(little, dtype=dtype)), str(tmp_path / dtype), registry)
        assert json.loads((folder / RECORD).read_text())["parts"]["training"]["dtype"] == dtype


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [300, 1200])
def test_a_full_disk_loses_nothing(tmp_path: Path, kilobytes: int) -> None:
    """Weights, or the state of the training, that do not fit: by the limit on a file's size, lifted afterwards."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, resource.RLIM_INFINITY))

    command = [*COMMAND, "--num-train-epochs", "1", "--output", str(tmp_path / "model")]
    program = [sys.executable, "-m", "plmtasks", *command]
    done = subprocess.run(program, preexec_fn=limit, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model" / RECORD).exists()
    cli(command, standalone_mode=False)
    assert (tmp_path / "model" / RECORD).exists()


def test_a_folder_that_holds_something_else_is_left_alone(once: Path, tmp_path: Path, registry: Registry) -> None:
    import shutil

    other = tmp_path / "model"
    shutil.copytree(once, other)
    (other / RECORD).unlink()
    before = weights(other)
    with pytest.raises(OutputError, match="holds something else"):
        train(config(tmp_path), str(other), registry)
    assert weights(other) == before


def test_the_record_names_the_training_data_by_their_content(tmp_path: Path, registry: Registry) -> None:
    records = []
    for name in ("mine.tsv", "theirs.tsv"):
        (tmp_path / name).write_text("a good film\t1\na bad film\t0\n" * 8)
        source = {"train_data": str(tmp_path / name), "data": str(tmp_path / name)}
        options = {**source, "training": replace(LITTLE, max_train_samples=None, num_train_epochs=1), "threads": 1, "quiet": True}
        folder = train(run_config("classification/sst2", "tiny-bert", **options), str(tmp_path / f"model-{name}"), registry)
        records.append((folder / RECORD).read_bytes())
    assert records[0] == records[1]
    facts = json.loads(records[0])["tasks"]["classification/sst2"]
    assert facts["name"] == f"content {facts['fingerprint'][:12]}"


def test_what_is_generated_changes_no_training(once: Path, tmp_path: Path, registry: Registry) -> None:
    """Another way to generate is another run, not another training."""
    recipes = set()
    for beams in (1, 3):
        little = replace(LITTLE, max_train_samples=16, num_train_epochs=1, select_split="none")
        made = config(tmp_path, training=little, num_beams=beams, limit=4, split="test", ask="Generate")
        run([_settled(replace(made, model="tiny-t5"))], registry)[0]
        recipes |= {p.parent.name for p in (tmp_path / "checkpoints").rglob(RECORD)}
    assert len(recipes) == 1
    assert len(list((tmp_path / "results").rglob("result.json"))) == 2


def test_training_ends_when_patience_is_over(tmp_path: Path, registry: Registry) -> None:
    """With a learning rate of almost nothing no epoch is better than the first."""
    still = replace(LITTLE, num_train_epochs=9, max_train_samples=64, learning_rate=1e-9, early_stopping_patience=2)
    folder = train(config(tmp_path, training=still), str(tmp_path / "model"), registry)
    assert len(json.loads((folder / RECORD).read_text())["history"]) == 3
    with pytest.raises(InputError, match="early_stopping_patience needs a split"):
        train(config(tmp_path, training=replace(still, select_split="none")), str(tmp_path / "none"), registry)


def test_labels_that_weigh_nothing_stop_nothing(tmp_path: Path, registry: Registry) -> None:
    """Updates in which nothing counts: their loss is 0."""
    nothing = replace(
        LITTLE,
        num_train_epochs=1,
        max_train_samples=16,
        train_batch_size=4,
        class_weights="negative=0,positive=0",
        select_split="none",
    )
    assert curve(train(config(tmp_path, training=nothing), str(tmp_path / "model"), registry)) == [0.0]
    estimate(config(tmp_path, training=nothing), registry)
    with pytest.raises(InputError, match="max_train_samples of 0 leaves nothing to learn from"):
        train(config(tmp_path, training=replace(nothing, max_train_samples=0)), str(tmp_path / "none"), registry)


@pytest.mark.parametrize(
    ("variables", "split", "said"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, None, "in its second version alone\n  fsdp_version: 2"),
        (
            {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"},
            "test",
            "no split can choose the epoch\n  leave select_split out",
        ),
    ],
)
def test_weights_that_are_split_have_their_conditions(
    variables: dict[str, str], split: str | None, said: str, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=said):
        train(config(tmp_path, training=replace(LITTLE, select_split=split)), str(tmp_path / "model"), registry)


def test_the_prompt_holds_for_every_task_that_has_one(tmp_path: Path, registry: Registry) -> None:
    """Also where the first of them has none."""
    from plmtasks.evaluation.job import prepare_training
    from plmtasks.execution import Progress
    from plmtasks.training import plan

    tasks = ("language_modeling/sample", "qa/sample")
    configs = [_settled(replace(config(tmp_path, prompt="raw"), task=task, model="tiny-gpt")) for task in tasks]
    training = plan([prepare_training(one, registry) for one in configs], alone(), Progress(quiet=True))
    assert training.settings.prompt == "raw"


def test_rare_labels_weigh_more(tmp_path: Path, registry: Registry) -> None:
    """56 texts of label 0 and 4 of label 1."""
    for name, count in (("train", 60), ("dev", 4)):
        lines = [f"{'a good' if i % 16 == 0 else 'a bad'} film number {i % 8}\t{int(i % 16 == 0)}" for i in range(count)]
        (tmp_path / f"{name}.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n")
    weights_of = {}
    for wanted in ("", "balanced", "0=1,1=15"):
        some = replace(LITTLE, max_train_samples=None, num_train_epochs=1, class_weights=wanted, select_split="none")
        options = {"training": some, "data": str(tmp_path), "columns": {}, "threads": 1, "quiet": True}
        folder = train(run_config("classification/custom", "tiny-bert", **options), str(tmp_path / f"m{wanted}"), registry)
        weights_of[wanted] = json.loads((folder / RECORD).read_text())["parts"]["training"]["class_weights"]
    assert weights_of[""] == ""
    balanced = dict(pair.split("=") for pair in weights_of["balanced"].split(","))
    assert float(balanced["1"]) / float(balanced["0"]) == pytest.approx(56 / 4, rel=1e-4)
    assert weights_of["0=1,1=15"] == "0=1,1=15"
    with pytest.raises(InputError, match="maybe"):
        train(config(tmp_path, training=replace(LITTLE, class_weights="maybe=2")), str(tmp_path / "wrong"), registry)


def test_a_dry_run_tells_the_cost_and_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    cli([*COMMAND, "--dry-run", "--num-train-epochs", "2"], standalone_mode=False)
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in capsys.readouterr().out.splitlines()}
    assert told["data"] == "256 examples of classification/sample"
    assert told["steps"] == "32 updates, 2 epochs"
    count, learning = (int(word.replace(",", "")) for word in told["parameters"].split() if word[0].isdigit())
    assert count == learning > 50_000
    assert list(tmp_path.iterdir()) == []


def test_the_estimate_counts_bytes(registry: Registry, tmp_path: Path) -> None:
    """AdamW holds two numbers a weight; four times the batch keeps about four times the activations."""
    small, large = (
        estimate(config(tmp_path, training=replace(LITTLE, train_batch_size=b, batch_tokens=10_000)), registry) for b in (8, 32)
    )
    assert small.weights == small.gradients == 4 * small.parameters
    assert small.optimizer == pytest.approx(8 * small.trainable, rel=0.01)
    assert large.activations == pytest.approx(4 * small.activations, rel=0.35)


@pytest.mark.parametrize(
    "environment",
    [
        {"WORLD_SIZE": "4", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"},
        {
            "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_TASKS_PER_NODE": "4",
            "SLURM_STEP_NODELIST": "node03", "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NODEID": "0",
        },
        {"PMI_SIZE": "4", "PMI_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"},
    ],
    ids=["torchrun", "srun", "MPI"],
)  # fmt: skip
def test_one_of_several_estimates_its_share_alone(
    environment: dict[str, str], registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = replace(LITTLE, train_batch_size=32, batch_tokens=10_000)
    expected = estimate(config(tmp_path, training=how, processes=4), registry)
    for name in PLACE:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, "")  # so that it is what it was after the test
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert replace(estimate(config(tmp_path, training=how), registry), seconds=expected.seconds) == expected
    assert os.environ["WORLD_SIZE"] == "4"


def test_tensorboard_follows(tmp_path: Path, registry: Registry) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    some = replace(LITTLE, max_train_samples=64, report_to=("tensorboard",))
    folder = train(config(tmp_path, training=some), str(tmp_path / "model"), registry)
    events = EventAccumulator(str(next((folder / "tracking").rglob("events*")).parent))
    events.Reload()
    assert [e.step for e in events.Scalars("loss/classification/sample")] == list(range(8))
    assert len(events.Scalars("score/classification/sample")) == 2
    untracked = train(config(tmp_path, training=replace(some, report_to=())), str(tmp_path / "untracked"), registry)
    assert weights(untracked) == weights(folder)
    with pytest.raises(InputError, match="report_to nothing: it is not installed"):
        train(config(tmp_path, training=replace(some, report_to=("nothing",))), str(tmp_path / "other"), registry)


def test_a_hub_that_cannot_be_reached_loses_nothing(once: Path, tmp_path: Path) -> None:
    from plmtasks.training import publish
    from plmtasks.training.publication import model_card

    record = json.loads((once / RECORD).read_text())
    card = model_card("me/mine", record)
    assert (card.data.library_name, card.data.tags) == ("transformers", ["plmtasks"])
    assert card.text.startswith("# mine\n")
    assert "- classification/sample: 256 examples" in card.text
    assert "plmtasks run --task classification/sample --model me/mine" in card.text
    with pytest.raises(OutputError, match="did not take the checkpoint") as error:
        publish(once, "me/mine", record)
    assert f"it is kept: {once}" in str(error.value)
    command = [*COMMAND, "--output", str(tmp_path / "m"), "--push-to-hub", "me//mine"]
    with pytest.raises(OutputError, match="no name of a repository"):
        cli(command, standalone_mode=False)
    assert not (tmp_path / "m").exists(), "it was told before the training"


@pytest.mark.parametrize("tied", [False, True])
def test_gradients_that_last_are_those_made_anew(tied: bool) -> None:
    """Rows that come twice, padding that learns nothing, a table that is the output's weight too."""
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(9, 4, padding_idx=0)
            self.out = torch.nn.Linear(4, 9, bias=False)
            if tied:
                self.out.weight = self.words.weight

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return torch.tanh(self.out(self.words(ids))).square().sum()  # type: ignore[no-any-return]

    torch.manual_seed(0)
    plain = Model()
    lasting = copy.deepcopy(plain)
    tables = lasting_gradients(lasting)
    for ids in (torch.tensor([1, 1, 5, 0]), torch.tensor([2, 5, 2])):
        plain.zero_grad()
        for parameter, gradient in tables:
            parameter.grad = gradient.zero_()
        lasting.out.weight.grad = None if not tied else lasting.words.weight.grad
        for model in (plain, lasting):
            for half in ids.split(2):
                model(half).backward()
        for own, expected in zip(lasting.parameters(), plain.parameters(), strict=True):
            assert own.grad is not None
            assert not own.grad.is_sparse
            torch.testing.assert_close(own.grad, expected.grad)


@pytest.mark.parametrize("most", [0.0, 0.5, 100.0])
def test_gradients_are_divided_and_clipped_as_torch_does(most: float) -> None:
    import torch

    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.zeros(n, 3)) for n in (2, 5)]
    summed = [torch.randn(n, 3) for n in (2, 5)]
    for weight, gradient in zip(weights, summed, strict=True):
        weight.grad = gradient / 4
    if most:
        torch.nn.utils.clip_grad_norm_(weights, most)
    factor = clipped(summed, 1 / 4, most)
    for weight, gradient in zip(weights, summed, strict=True):
        torch.testing.assert_close(gradient * factor, weight.grad)


@pytest.mark.parametrize("optim", ["AdamW", "SGD", "RMSprop"])
def test_an_optimizer_may_divide_the_gradients_itself(optim: str) -> None:
    import torch

    made = []
    for within in (False, True):
        torch.manual_seed(0)
        model = torch.nn.Linear(5, 3)
        optimizer = make_optimizer(model, TrainSettings(optim=optim, learning_rate=0.1, weight_decay=0.1))
        for factor in (0.5, 0.01):
            model(torch.randn(7, 5)).square().sum().backward()
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            scaled_step(optimizer, gradients, torch.tensor(factor), within=within)
            optimizer.zero_grad()
        made.append(model.weight.detach())
    torch.testing.assert_close(*made)
    assert not hasattr(optimizer, "grad_scale")


def test_a_model_is_made_once_whatever_its_files_are(tmp_path: Path) -> None:
    """A training that goes on finds what was made before it was interrupted."""
    from toy import ToyModel

    class Own(ToyModel):
        def make(self, texts: object, seed: int, folder: Path) -> "Own":
            folder.mkdir()
            (folder / "words.txt").write_text(f"{len(list(tmp_path.iterdir()))}", encoding="utf-8")
            return self

    training = Training(
        model=Own(), datasets=[], how=TrainSettings(), settings=ModelSettings(), processes=alone(), progress=Progress(quiet=True),
        device="cpu",
    )  # fmt: skip
    for _ in range(2):
        _make(training, tmp_path / "scratch")
        (tmp_path / "another").touch()
    assert (tmp_path / "scratch" / "words.txt").read_text(encoding="utf-8") == "1"
    assert {path.name for path in tmp_path.iterdir()} == {"scratch", "another"}


@dataclass(frozen=True)
class AtOnce(Model):
    """Learns how often the first label holds, with an error drawn by the seed."""

    name: str = "at-once"
    answers: Sequence[str] = ("Classify",)
    learns_by: Sequence[str] | None = ("seed",)
    source: str | None = None

    def saved(self, folder: Path) -> "AtOnce":
        return replace(self, source=str(folder))

    def identity(self, form: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"share": self.share}

    @property
    def share(self) -> float | None:
        return float((Path(self.source) / "share").read_text()) if self.source else None

    def newly_initialized(self, form: Request) -> bool:
        return self.source is None

    def training_record(self) -> Any:
        return json.loads((Path(self.source) / RECORD).read_text()) if self.source else None

    def load(self, form: Request, settings: ModelSettings, device: str) -> LoadedModel:
        share = self.share

        class Loaded(LoadedModel):
            def costs(self, requests: Sequence[Request]) -> list[Cost]:
                return [Cost(width=1)] * len(requests)

            def answer(self, requests: Sequence[Request]) -> list[Answer]:
                assert share is not None
                return [ClassifyAnswer(scores=(share, 1 - share)) for _ in requests]

        return Loaded()

    def learn(self, requests: Sequence[Request], answers: Sequence[Answer], training: TrainSettings, folder: Path) -> None:
        assert training.num_train_epochs is None
        first = [a.scores[0] for a in answers]  # type: ignore[attr-defined]
        (folder / "share").write_text(f"{sum(first) / len(first) + random.Random(training.seed).random() / 100}")


def at_once(tmp_path: Path, **options: object) -> Any:
    found = load_registry()
    known = replace(found, items={**found.items, "model": {**found.items["model"], "at-once": AtOnce()}})
    places = {"output": str(tmp_path / "results"), "checkpoints": str(tmp_path / "checkpoints")}
    settings = {"threads": 1, "dtype": "float32", "batch_tokens": 1000, "kernels": "plain", "quiet": True, **places}
    return run([run_config("classification/sample", "at-once", **{**settings, **options})], known)[0]


def test_a_model_that_learns_at_once_goes_by_the_settings_that_it_names(tmp_path: Path) -> None:
    first = at_once(tmp_path, max_train_samples=20)
    assert (
        at_once(
            tmp_path, max_train_samples=20, num_train_epochs=7.0, learning_rate=0.5, early_stopping_patience=2, peft="lora"
        ).folder
        == first.folder
    )
    assert len(list((tmp_path / "checkpoints").rglob(RECORD))) == 1
    other_data, other_seed = at_once(tmp_path, max_train_samples=10), at_once(tmp_path, max_train_samples=20, seed=1)
    assert len({first.identity, other_data.identity, other_seed.identity}) == 3
    assert first.record["protocol"]["how"] == "trained"
    assert first.record["seed"]["recipe"] == other_seed.record["seed"]["recipe"]
    assert [r.record["seed"]["value"] for r in (first, other_seed)] == [0, 1]


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", RECORD])
def test_a_checkpoint_that_was_altered_is_refused(once: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(once, tmp_path / "model"))
    assert set(json.loads((folder / RECORD).read_text())["files"]) >= {"model.safetensors", "tokenizer.json", "config.json"}
    content = bytearray((folder / name).read_bytes())
    place = content.index(b'"loss": 0.') + 10 if name == RECORD else len(content) // 2
    content[place] ^= 1
    (folder / name).write_bytes(content)
    command = ["run", "--task", "classification/sample", "--model", str(folder), "--limit", "2", "--output", str(tmp_path / "r")]
    done = CliRunner().invoke(cli, [*command, "--threads", "1", "--quiet"])
    assert isinstance(done.exception, DataError)
    assert done.exception.message.startswith(f"{folder / name}: expected the ")
    assert not list(tmp_path.rglob("result.json"))
    (folder / RECORD).unlink()  # it is another model then
    assert load_registry().model(str(folder)).training_record() is None


def test_what_is_exported_has_a_record_with_hashes_of_its_own(once: Path, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    command = ["export", "--model", str(once), "--task", "classification/sample", "--output", str(folder)]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    record = load_registry().model(str(folder)).training_record()
    assert record is not None
    assert record["files"]["model.safetensors"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
