"""What was altered since a run was written is found, whatever it is."""

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
import toy_chain
from click.testing import CliRunner

from plmtasks import results
from plmtasks.cli.results import command
from plmtasks.config import run_config
from plmtasks.data import Dataset
from plmtasks.evaluation import run
from plmtasks.examples import Example
from plmtasks.files import dump, sealed
from plmtasks.hooks import Registry, load_registry
from plmtasks.results import Result, identity_hash, read_result
from plmtasks.store import Finding, find, verify
from plmtasks.tables.boards import make_boards


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([toy, toy_chain], installed=False)


@pytest.fixture(scope="module")
def written(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Result:
    options: dict[str, Any] = {"dtype": "float32", "batch_tokens": 30, "threads": 1, "kernels": "plain", "quiet": True}
    return run([run_config("toy/even", "toy-model", output=str(tmp_path_factory.mktemp("store")), **options)], registry)[0]


@pytest.fixture(scope="module")
def sliced(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Of enough examples for slices."""
    options: dict[str, Any] = {"dtype": "float32", "batch_tokens": 30, "threads": 1, "kernels": "plain", "quiet": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            toy.ToyTask, "load", lambda self, source: Dataset(name="toy", published=True, readers={"test": lambda: [
                Example(id=f"n{i}", inputs={"text": f"x {i}"}, reference=toy.LABELS[i % 2], slices=(f"half={i % 2}",))
                for i in range(80)
            ]})
        )  # fmt: skip
        return run([run_config("toy/even", "toy-model", output=str(tmp_path_factory.mktemp("sliced")), **options)], registry)[0]


@pytest.fixture
def copy(written: Result, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written.folder, tmp_path / written.folder.name))


def findings(folder: Path, registry: Registry, *, deep: bool = False) -> dict[str, Finding]:
    (made,) = find(folder)
    return {f.what: f for f in verify(made, registry, deep=deep)}


def altered(folder: Path, registry: Registry, *, deep: bool = False) -> set[str]:
    return {what for what, f in findings(folder, registry, deep=deep).items() if f.state == "altered"}


def changed(path: Path, change: Callable[[Any], Any]) -> None:
    """A JSON file with something else in it, by somebody who knows of its checksum."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(sealed(value))


def line_changed(folder: Path, change: Callable[[Any], Any], number: int = 0) -> None:
    """A line of predictions.jsonl with something else in it."""
    lines = (folder / "predictions.jsonl").read_text().splitlines()
    row = json.loads(lines[number])
    change(row)
    lines[number] = json.dumps(row, ensure_ascii=False, sort_keys=True)
    (folder / "predictions.jsonl").write_text("".join(line + "\n" for line in lines))


def hashed_again(folder: Path) -> None:
    """Somebody who alters a file and knows of the hashes."""

    def hashes(record: Any) -> None:
        record["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in record["files"]}

    changed(folder / "result.json", hashes)


def other_answer(row: Any) -> None:
    row["prediction"] = "no" if row["prediction"] == "yes" else "yes"


def other_statistic(folder: Path) -> None:
    array = read_result(folder).statistics()
    array["toy_accuracy:right"][3] = 1 - array["toy_accuracy:right"][3]
    with (folder / "statistics.npy").open("wb") as file:
        np.lib.format.write_array(file, array, version=(3, 0))


def test_what_was_written_passes_every_check(copy: Path, registry: Registry) -> None:
    found = findings(copy, registry, deep=True)
    assert {f.state for f in found.values()} == {"as written"}
    assert {"predictions.jsonl", "statistics.npy", "predictions from the journal", "the journal's checksums"} <= found.keys()
    assert len(found) >= 15


def test_an_altered_prediction_is_found(copy: Path, registry: Registry) -> None:
    line_changed(copy, other_answer)
    found = findings(copy, registry)["predictions.jsonl"]
    assert found.state == "altered"
    assert found.expected.startswith("SHA-256 ")
    assert found.expected != found.found
    assert altered(copy, registry) == {"predictions.jsonl"}


def test_a_prediction_altered_with_its_hash_is_found_by_what_it_rests_on(copy: Path, registry: Registry) -> None:
    line_changed(copy, other_answer, number=4)
    hashed_again(copy)
    assert altered(copy, registry) == set()
    found = findings(copy, registry, deep=True)
    assert {what for what, f in found.items() if f.state == "altered"} == {
        "predictions from the journal", "statistics.npy from the predictions", "scores and intervals from the predictions",
    }  # fmt: skip
    assert found["predictions from the journal"].found == "1 of 23 are others: n4"
    assert found["statistics.npy from the predictions"].found == "1 of 23 are others: n4"
    assert found["scores and intervals from the predictions"].expected.startswith("toy_accuracy/accuracy ")


@pytest.mark.parametrize("part", ["reference", "inputs", "id"])
def test_an_altered_example_is_found(copy: Path, registry: Registry, part: str) -> None:
    other = {"reference": "neither", "inputs": {"text": "another"}, "id": "another"}
    line_changed(copy, lambda row: row.update({part: other[part]}))
    hashed_again(copy)
    assert "examples in predictions.jsonl" in altered(copy, registry, deep=True)
    assert ("questions of these examples" in altered(copy, registry, deep=True)) == (part == "inputs")


def test_altered_statistics_are_found(copy: Path, registry: Registry) -> None:
    other_statistic(copy)
    assert altered(copy, registry) == {"statistics.npy", "scores of toy_accuracy from statistics.npy"}
    hashed_again(copy)
    assert altered(copy, registry) == {"scores of toy_accuracy from statistics.npy"}
    assert findings(copy, registry, deep=True)["statistics.npy from the predictions"].found == "1 of 23 are others: n3"


def test_an_altered_score_is_found(copy: Path, registry: Registry) -> None:
    def better(record: Any) -> None:
        record["scores"]["toy_accuracy"]["accuracy"]["value"] += 10

    changed(copy / "result.json", better)
    found = findings(copy, registry)["scores of toy_accuracy from statistics.npy"]
    assert found.state == "altered"
    values = [float(text.removeprefix("accuracy ")) for text in (found.expected, found.found)]
    assert values[0] == pytest.approx(values[1] + 10)


def test_an_altered_interval_is_found_by_the_deep_check(copy: Path, registry: Registry) -> None:
    changed(copy / "result.json", lambda r: r["scores"]["toy_accuracy"]["accuracy"].update(low=0.5))
    assert altered(copy, registry) == set()
    found = findings(copy, registry, deep=True)["scores and intervals from the predictions"]
    assert (found.state, found.expected) == ("altered", "toy_accuracy/accuracy low 0.5")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda r: r["model"].update(name="a better model"), "model"),
        (lambda r: r["settings"].update(seed=7), "settings"),
        (lambda r: r["data"].update(fingerprint="0" * 64), "data"),
        (lambda r: r["task"].update(version=2), "task"),
        (lambda r: r["signatures"].update(toy_accuracy="toy_accuracy v2"), "metrics"),
        (lambda r: r["data"].update(examples=24), "scores of toy_accuracy from statistics.npy"),
        (lambda r: r["data"].update(skipped=1), "rows of toy_accuracy"),
        (
            lambda r: r["protocol"].update(predictions_of={"task": "toy/find", "model": "m", "identity": "0" * 32}),
            "the run whose predictions are taken",
        ),
        (lambda r: r.update(identity="0" * 32), "the folder's name"),
        (lambda r: r["scores"].update(another={}), "metrics that gave scores"),
        (lambda r: r.pop("protocol"), "result.json"),
    ],
)
def test_an_altered_result_is_found(copy: Path, registry: Registry, change: Any, what: str) -> None:
    changed(copy / "result.json", change)
    assert what in altered(copy, registry)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda r: r["protocol"].update(how="fine-tuned"), "how the model came to the task"),
        (lambda r: r["protocol"].update(shots=5), "how the model came to the task"),
        (lambda r: r["protocol"]["trained_on"].append({"task": "toy/even"}), "how the model came to the task"),
        (lambda r: r["protocol"].update(newly_initialized=["head"]), "newly initialized weights"),
        (lambda r: r["model"].update(family="encoder"), "model"),
        (lambda r: r["slices"].clear(), "slices from the predictions"),
        (lambda r: r["slices"].popitem()[1].update(examples=1), "slices from the predictions"),
        (lambda r: r.update(calibration={"of": ["toy_accuracy", "accuracy"]}), "calibration from the predictions"),
    ],
)
def test_an_altered_provenance_is_found(tmp_path: Path, registry: Registry, change: Any, what: str, sliced: Result) -> None:
    folder = Path(shutil.copytree(sliced.folder, tmp_path / sliced.folder.name))
    assert altered(folder, registry, deep=True) == set()
    changed(folder / "result.json", change)
    # what is not even of the schema is told as such
    assert altered(folder, registry, deep=True) & {what, "result.json"}


@pytest.mark.parametrize("name", ["result.json", "config.json", "environment.json"])
def test_every_flipped_bit_is_found(copy: Path, registry: Registry, name: str) -> None:
    whole, rng = (copy / name).read_bytes(), random.Random(name)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        (copy / name).write_bytes(damaged)
        assert altered(copy, registry), bytes(damaged)
    (copy / name).write_bytes(whole)
    assert altered(copy, registry) == set()


def test_a_table_marks_what_was_altered(copy: Path, registry: Registry) -> None:
    text = (copy / "result.json").read_text()
    assert "altered since it was written" not in make_boards([read_result(copy)])[0].rows[0].marks
    for other in (text.replace('"shots": 0', '"shots": 1'), dump({**json.loads(text), "checksum": "0" * 64})):
        (copy / "result.json").write_text(other)
        assert "altered since it was written" in make_boards([read_result(copy)])[0].rows[0].marks


def test_altered_settings_are_another_identity(copy: Path, registry: Registry) -> None:
    changed(copy / "config.json", lambda c: c["identity"]["settings"].update(seed=7))
    found = findings(copy, registry)["the identity in config.json"]
    assert found.state == "altered"
    assert found.found == identity_hash(json.loads((copy / "config.json").read_text())["identity"])
    (copy / "config.json").unlink()
    assert altered(copy, registry) == {"the identity in config.json", "the checksum of config.json"}


def test_another_name_of_the_folder_is_found(copy: Path, registry: Registry) -> None:
    assert altered(copy.rename(copy.with_name(f"{copy.name}@0a1b2c3d")), registry) == set()
    other = copy.with_name(f"{copy.name}@0a1b2c3d").rename(copy.with_name("a" * 32))
    assert altered(other, registry) == {"the folder's name"}


@pytest.mark.parametrize("name", ["predictions.jsonl", "statistics.npy"])
def test_a_file_that_is_gone_is_found(copy: Path, registry: Registry, name: str) -> None:
    (copy / name).unlink()
    found = findings(copy, registry, deep=True)
    assert (found[name].state, found[name].found) == ("altered", "no such file")


def test_a_damaged_journal_is_found(copy: Path, registry: Registry) -> None:
    (path,) = (copy / "journal").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"scores":[0', b'"scores":[1', 1))
    assert altered(copy, registry) == {"the journal's checksums"}
    assert ":1: damaged line" in findings(copy, registry)["the journal's checksums"].found
    assert "predictions from the journal" in altered(copy, registry, deep=True)


def test_a_journal_that_was_deleted_is_no_alteration(copy: Path, registry: Registry) -> None:
    shutil.rmtree(copy / "journal")
    found = findings(copy, registry, deep=True)
    assert altered(copy, registry, deep=True) == set()
    gone = found["predictions from the journal"]
    assert (gone.state, gone.found) == ("not checked", "the journal is not there any more")


def test_what_cannot_be_read_is_found(copy: Path, registry: Registry) -> None:
    (copy / "result.json").write_text("{")
    assert altered(copy, registry) == {"result.json"}


def test_a_run_of_what_is_not_installed_is_not_checked_all_through(
    copy: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = load_registry([], installed=False)
    found = findings(copy, none, deep=True)
    assert {f.state for f in found.values()} == {"as written", "not checked"}
    assert "there is no task 'toy/even'" in found["questions of these examples"].found
    monkeypatch.setattr(toy.ToyAccuracy, "version", 2)
    monkeypatch.setattr(toy.ToyTask, "version", 2)
    found = findings(copy, registry, deep=True)
    assert "installed is 'toy_accuracy v2'" in found["scores of toy_accuracy from statistics.npy"].found
    assert found["questions of these examples"].found == "toy/even is not installed as it was: version 2, not 1"
    assert altered(copy, registry, deep=True) == set()


def test_a_run_of_given_predictions_passes_too(tmp_path: Path, registry: Registry) -> None:
    options: dict[str, Any] = {"dtype": "float32", "batch_tokens": 30, "threads": 1, "kernels": "plain", "quiet": True}
    first = run([run_config("toy/find", "toy-model", output=str(tmp_path), **options)], registry)[0]
    config = run_config("toy/follow", "toy-model", output=str(tmp_path), predictions_of=str(first.folder), **options)
    second = run([config], registry)[0]
    assert {f.state for f in findings(second.folder, registry, deep=True).values()} == {"as written"}


def test_verify_at_an_address(copy: Path, registry: Registry) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    files.put(str(copy), "/verified/", recursive=True)
    try:
        assert altered(results.place("memory://verified"), registry, deep=True) == set()
        files.pipe(f"/verified/{copy.name}/predictions.jsonl", b"{}\n")
        assert "predictions.jsonl" in altered(results.place("memory://verified"), registry)
    finally:
        files.rm("/verified", recursive=True)


# ── the command ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_says_what_was_expected_and_found(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    done = CliRunner().invoke(command, ["verify", str(copy)])
    assert done.exit_code == 0, done.exception
    assert done.output.endswith("\n1 run, none altered\n")
    line_changed(copy, other_answer)
    done = CliRunner().invoke(command, ["verify", str(copy)])
    assert done.exit_code == 1
    first, second, last = done.output.splitlines()
    assert first == f"toy/even on toy-model: altered: {copy}"
    assert second.startswith("  predictions.jsonl: expected SHA-256 ")
    assert last == "1 run, 1 altered"
    done = CliRunner().invoke(command, ["verify", str(copy), "--deep", "--format", "json"])
    assert done.exit_code == 1
    (report,) = json.loads(done.output)
    assert report["altered"]
    states = {f["what"]: f["state"] for f in report["findings"]}
    assert states["predictions from the journal"] == "altered"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("classification/sample", "tiny-bert"), ("classification/sample", "tiny-t5"), ("qa/sample", "tiny-bert"),
        ("srl/sample", "tiny-bert"), ("translation/sample", "tiny-gpt"), ("summarization/sample", "tiny-t5"),
        ("language_modeling/sample", "tiny-gpt"),
    ],
)  # fmt: skip
def test_a_run_of_every_kind_of_request_passes_every_check(task: str, model: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"output": str(tmp_path / "r"), "checkpoints": str(tmp_path / "c"), "threads": 1, "quiet": True}
    training: dict[str, Any] = {"num_train_epochs": 1, "max_train_samples": 32, "select_split": "none", "limit": 24}
    [made] = run([run_config(task, model, **options, **training)])
    found = findings(made.folder, load_registry(), deep=True)
    assert {what: f for what, f in found.items() if f.state != "as written"} == {}
