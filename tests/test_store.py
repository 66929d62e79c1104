"""Stores of runs: listed, shown, merged and tidied, here and at addresses of fsspec."""

import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toy
import toy_chain
from click.testing import CliRunner

from plmtasks import store
from plmtasks.cli.results import command
from plmtasks.config import RunConfig, run_config
from plmtasks.errors import InputError
from plmtasks.evaluation import run
from plmtasks.execution import environment
from plmtasks.files import claim, claims_file, create_bytes, place
from plmtasks.hooks import Registry, load_registry
from plmtasks.requests import ClassifyAnswer
from plmtasks.results import Result, read_result, read_results
from plmtasks.store import compare, runs
from plmtasks.tables import render


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy,toy_chain")
    return load_registry([toy, toy_chain], installed=False)


def config(folder: Path, task: str = "toy/even", **options: Any) -> RunConfig:
    common = {"dtype": "float32", "batch_tokens": 30, "threads": 1, "kernels": "plain", "quiet": True}
    return run_config(task, "toy-model", output=str(folder), **{**common, **options})


@pytest.fixture
def here(tmp_path: Path, registry: Registry) -> Path:
    """A store of three runs of two tasks."""
    folder = tmp_path / "here"
    for made in (config(folder), config(folder, batch_tokens=300), config(folder, "toy/find")):
        run([made], registry)[0]
    return folder


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """An address that is no path of this machine."""
    import fsspec

    address = f"memory://{uuid.uuid4().hex}"
    yield address
    files = fsspec.filesystem("memory")
    if files.exists(address):
        files.rm(address, recursive=True)


@pytest.fixture
def other_machine(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run on a machine of another class, which answers otherwise."""

    def made(asked: RunConfig, vendor: str = "another vendor") -> Result:
        with monkeypatch.context() as patched:
            patched.setattr(environment, "_said_of_processor", lambda what: vendor)
            patched.setattr(toy.LoadedToy, "answer", lambda self, rs: [ClassifyAnswer(scores=(0.0, 1.0)) for _ in rs])
            return run([asked], registry)[0]

    return made


def called(*arguments: str) -> Any:
    return CliRunner(env={"COLUMNS": "250"}).invoke(command, arguments)


def content(folder: Path) -> dict[str, bytes]:
    """All that a store holds, locks left out."""
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and not claims_file(p.name)]
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


# ── places ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_results_are_read_at_an_address(here: Path, elsewhere: str, registry: Registry) -> None:
    list(store.merge([here], elsewhere))
    mine, theirs = read_results(here), read_results(elsewhere)
    assert [r.record for r in mine] == [r.record for r in theirs]
    assert str(theirs[0].folder).startswith(f"{elsewhere}/toy/even/toy-model/")
    assert [list(r.predictions()) for r in mine] == [list(r.predictions()) for r in theirs]
    assert all((a.statistics() == b.statistics()).all() for a, b in zip(mine, theirs, strict=True))
    assert render(mine, "csv", registry) == render(theirs, "csv", registry)
    twins = {name: getattr(compare(mine[0], other, registry), name) for other in (theirs[1],) for name in ("n", "differences")}
    assert twins == {name: getattr(compare(mine[0], mine[1], registry), name) for name in ("n", "differences")}
    assert read_result(f"{theirs[0].folder}/result.json").identity == mine[0].identity


def test_a_path_of_this_machine_stays_one(tmp_path: Path) -> None:
    assert place(str(tmp_path)) == tmp_path
    assert place(tmp_path) is tmp_path
    assert isinstance(place("a/b"), Path)


def test_an_address_that_nothing_opens_is_told(elsewhere: str) -> None:
    with pytest.raises(InputError, match="nowhere://x: cannot be opened\n  Unsupported filesystem"):
        read_results("nowhere://x")
    with pytest.raises(InputError, match="no such file or folder"):
        read_results(elsewhere)
    with pytest.raises(InputError, match="no such file or folder"):
        store.find(elsewhere)


def test_addresses_need_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(InputError) as error:
        place("memory://x")
    assert error.value.hints == ("pip install 'plmtasks[store]' opens addresses",)
    assert place("x") == Path("x")


def test_what_goes_wrong_elsewhere_is_our_error(elsewhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the token has expired")

    monkeypatch.setattr(type(place(elsewhere)), "exists", refuse)
    with pytest.raises(InputError, match=f"{elsewhere}: cannot be reached: the token has expired"):
        store.find(elsewhere)


# ── list and show ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_list_shows_all_runs(here: Path) -> None:
    done = called("list", str(here))
    assert done.exit_code == 0, done.exception
    assert done.output.count("toy/even") == 4  # in the task and in the folder
    assert f"accuracy {read_results(here)[0].score:.2f} [" in done.output
    assert done.output.splitlines()[-1].startswith("3 runs, ")


def test_list_as_json_with_filters(here: Path) -> None:
    def listed(*options: str) -> list[dict[str, Any]]:
        return list(json.loads(called("list", str(here), "--format", "json", *options).output))

    rows = listed()
    assert [row["task"] for row in rows] == ["toy/even", "toy/even", "toy/find"]
    first = rows[0]
    result = read_result(first["folder"])
    assert (first["identity"], first["value"], first["examples"]) == (result.identity, result.score, 23)
    assert first["bytes"] == sum(len(c) for c in content(result.folder).values())
    described = environment.describe("cpu")
    assert first["machine"] == environment.class_of(described) == environment.machine_class("cpu")
    assert first["finished"] == json.loads((result.folder / "environment.json").read_text())["finished"]
    assert [len(listed("--task", name)) for name in ("toy", "toy/find", "*/even", "to", "t*d")] == [3, 1, 2, 0, 1]
    assert [len(listed("--model", name)) for name in ("toy-model", "toy*", "toy")] == [3, 3, 0]


def test_list_shows_what_is_unfinished_or_damaged(here: Path) -> None:
    first, second, _ = read_results(here)
    (first.folder / "result.json").unlink()
    (second.folder / "result.json").write_text("{")
    (here / "toy" / "config.json").write_text("{}")  # somebody else's
    assert [r.state for r in store.find(here)] in (["unfinished", "damaged", "finished"], ["damaged", "unfinished", "finished"])
    done = called("list", str(here))
    assert "not finished" in done.output
    assert "expected a result in JSON" in called("list", str(here), "--format", "json").output  # a table breaks it into lines


def test_a_trained_checkpoint_is_no_run(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 32)
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    assert store.find(tmp_path) == []


def test_show_has_everything_of_a_run(here: Path) -> None:
    result = read_results(here)[0]
    found = json.loads(called("show", str(result.folder), "--format", "json").output)
    assert found["result"] == result.record
    config = json.loads((result.folder / "config.json").read_text())
    assert {"config": found["config"], "identity": found["identity"]} == {key: config[key] for key in ("config", "identity")}
    assert found["environment"] == json.loads((result.folder / "environment.json").read_text())
    assert found["files"] == {name: len(c) for name, c in content(result.folder).items()}
    shown = called("show", str(result.folder / "result.json"), "--all").output
    assert f"score toy_accuracy/accuracy: {result.score:.4f} points (" in shown
    assert f"identity: {result.identity}" in shown
    assert "    torch: " in shown
    done = called("show", str(here))
    assert "3 runs are there" in str(done.exception)
    (result.folder / "environment.json").unlink()
    assert called("show", str(result.folder)).exit_code == 0


# ── merge ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_stores_become_one(here: Path, tmp_path: Path, registry: Registry) -> None:
    run([config(tmp_path / "theirs", batch_tokens=200)], registry)[0]
    shutil.copytree(read_results(here)[0].folder, tmp_path / "theirs" / "copy")
    into = tmp_path / "into"
    done = called("merge", str(here), str(tmp_path / "theirs"), str(into))
    assert done.exit_code == 0, done.exception
    assert done.output == "4 runs copied, 0 of them beside one of another class of machine; 1 were there; 0 left out\n"
    found = content(into)
    assert content(here).items() <= found.items()
    assert {r.folder.name for r in read_results(into)} == {r.identity for r in read_results(into)}
    again = called("merge", str(here), str(tmp_path / "theirs"), str(into))
    assert again.output.startswith("0 runs copied, 0 of them beside one of another class of machine; 5 were there")
    assert content(into) == found


@pytest.mark.parametrize("remote", [False, True])
def test_one_identity_from_two_classes_of_machine(
    here: Path, tmp_path: Path, other_machine: Any, elsewhere: str, remote: bool
) -> None:
    theirs = other_machine(config(tmp_path / "theirs"))
    mine = next(r for r in read_results(here) if r.identity == theirs.identity)
    into = elsewhere if remote else str(tmp_path / "into")
    assert {m.what for m in store.merge([here], into)} == {"copied"}
    done = called("merge", str(tmp_path / "theirs"), into)
    assert done.exit_code == 0, done.exception
    theirs_now = theirs.folder / "environment.json"
    machine = environment.class_of(json.loads(theirs_now.read_text()))
    assert machine != environment.machine_class("cpu")
    plain, beside = [r for r in read_results(into) if r.identity == theirs.identity]
    assert (plain.folder.name, beside.folder.name) == (mine.identity, f"{mine.identity}@{machine}")
    assert (plain.record, beside.record) == (mine.record, theirs.record)
    assert f"of another class of machine: {beside.folder}" in done.output
    assert [m.what for m in store.merge([tmp_path / "theirs"], into)] == ["there"]
    # and from there into a third, where both find their places again
    third = tmp_path / "third"
    assert sorted(m.what for m in store.merge([into], third)) == ["beside", "copied", "copied", "copied"]
    assert {r.folder.name for r in read_results(third)} == {r.folder.name for r in read_results(into)}


def test_nothing_is_overwritten(here: Path, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same identity and class of machine, and other bytes: one of the two is wrong."""
    with monkeypatch.context() as patched:
        patched.setattr(toy.LoadedToy, "answer", lambda self, rs: [ClassifyAnswer(scores=(0.0, 1.0)) for _ in rs])
        run([config(tmp_path / "theirs")], registry)[0]
    before = content(here)
    done = called("merge", str(tmp_path / "theirs"), str(here))
    assert done.exit_code == 1
    assert "is of the same identity and class of machine, and has other bytes: plmtasks results verify" in done.output
    assert content(here) == before


def test_what_was_altered_is_left_out(here: Path, tmp_path: Path) -> None:
    first, second, third = read_results(here)
    path = first.folder / "predictions.jsonl"
    path.write_text(path.read_text().replace('"prediction": "yes"', '"prediction": "no"', 1))
    (second.folder / "result.json").write_text("{")
    (third.folder / "result.json").unlink()
    done = called("merge", str(here), str(tmp_path / "into"))
    assert done.exit_code == 1
    assert "altered since it was run: predictions.jsonl" in done.output
    assert "expected a result in JSON" in called("list", str(here), "--format", "json").output  # a table breaks it into lines
    assert f"left out {third.folder}: not finished" in done.output
    assert not (tmp_path / "into").exists()


def test_a_run_that_is_not_finished_fails_no_merge(here: Path, tmp_path: Path) -> None:
    (read_results(here)[0].folder / "result.json").unlink()
    done = called("merge", str(here), str(tmp_path / "into"))
    assert (done.exit_code, done.output.splitlines()[-1][:13]) == (0, "2 runs copied")


def test_an_interrupted_merge_is_gone_on_with(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into, create, written = tmp_path / "into", create_bytes, [0]

    def interrupted(path: Path, content: bytes) -> bool:
        written[0] += 1
        if written[0] == 5:  # the first was the mark of the merge
            raise KeyboardInterrupt
        return create(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(runs, "create_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(store.merge([here], into))
    assert len(content(into)) == 4
    assert not list(into.rglob("result.json"))
    assert [m.what for m in store.merge([here], into)] == ["copied"] * 3
    assert content(into) == content(here)


def test_an_unfinished_run_of_the_same_identity_is_not_mixed_with(here: Path, tmp_path: Path, registry: Registry) -> None:
    """Its answers may be of another machine, and its process may be alive."""
    mine = run([config(tmp_path / "into")], registry)[0]
    (mine.folder / "result.json").unlink()
    before = content(mine.folder)
    list(store.merge([here], tmp_path / "into"))
    assert content(mine.folder) == before
    beside = mine.folder.with_name(f"{mine.folder.name}@{environment.machine_class('cpu')}")
    assert read_result(beside).identity == mine.identity


# ── prune ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_prune_deletes_nothing_unasked(here: Path) -> None:
    before = content(here)
    done = called("prune", str(here))
    assert done.exit_code == 0, done.exception
    assert content(here) == before
    size = sum(len(c) for name, c in before.items() if "/journal/" in name)
    assert size > 0
    assert sum(w.bytes for w in store.waste(here, ["journals"])) == size
    assert done.output.splitlines()[-1].startswith("3 folders, ")
    assert done.output.endswith("nothing was deleted; --yes deletes it\n")


@pytest.mark.parametrize("remote", [False, True])
def test_journals_of_finished_runs_go(here: Path, elsewhere: str, remote: bool, registry: Registry) -> None:
    if remote:
        list(store.merge([here], elsewhere))
    where = elsewhere if remote else str(here)
    before = {r.identity: (r.record, list(r.predictions())) for r in read_results(where)}
    assert called("prune", where, "--yes").exit_code == 0
    assert {r.identity: (r.record, list(r.predictions())) for r in read_results(where)} == before
    assert all(not any(name.startswith("journal") for name in r.files) for r in store.find(where))
    assert called("prune", where).output == "nothing to delete\n"


def test_an_unfinished_run_goes_unless_somebody_is_at_it(here: Path) -> None:
    first = read_results(here)[0]
    (first.folder / "result.json").unlink()
    with claim(first.folder, "run"):
        assert store.waste(here, ["unfinished"]) == []
    (found,) = store.waste(here, ["unfinished"])
    assert found.folder == first.folder
    assert found.why.startswith("not finished; its command would go on from ")
    assert called("prune", str(here), "--only", "unfinished", "--yes").exit_code == 0
    assert not first.folder.exists()
    assert len(read_results(here)) == 2
    assert len(store.waste(here, ["journals"])) == 2


def test_an_empty_model_folder_goes_with_its_last_run(tmp_path: Path, registry: Registry) -> None:
    made = run([config(tmp_path / "s")], registry)[0]
    (made.folder / "result.json").unlink()
    called("prune", str(tmp_path / "s"), "--yes")
    assert list((tmp_path / "s").iterdir()) == []


def test_a_run_of_an_earlier_version_is_superseded(here: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.waste(here, ["superseded"]) == []
    monkeypatch.setattr(toy.ToyModel, "version", 2)
    later = run([config(here)], registry)[0]
    (found,) = store.waste(here, ["superseded"])
    assert found.folder != later.folder
    assert found.why == f"run again with later versions: {later.folder}"
    assert read_result(found.folder).record["settings"] == later.record["settings"]
    done = called("prune", str(here), "--only", "superseded", "--yes")
    assert done.output.splitlines()[-1].startswith("1 folders, ")
    assert not found.folder.exists()
    assert later.folder.exists()


def test_a_run_on_other_data_is_not_superseded(here: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy.ToyModel, "version", 2)
    monkeypatch.setenv("TOY_EXAMPLES", "9")
    run([config(here)], registry)[0]
    assert store.waste(here, ["superseded"]) == []


def test_a_run_of_other_weights_is_not_superseded(here: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy.ToyModel, "version", 2)
    monkeypatch.setattr(toy.ToyModel, "identity", lambda self, form, settings: {"weights": "others"})
    run([config(here)], registry)[0]
    assert store.waste(here, ["superseded"]) == []


def test_a_model_that_learned_again_with_a_later_version(tmp_path: Path) -> None:
    """Its weights are others, as they must be; what it started from and learned from is the same."""

    places = {"output": str(tmp_path / "r"), "checkpoints": str(tmp_path / "c")}
    options: dict[str, Any] = {
        "num_train_epochs": 1,
        "max_train_samples": 16,
        "limit": 8,
        "select_split": "none",
        "threads": 1,
        "quiet": True,
    }
    [first] = run([run_config("classification/sample", "tiny-bert", **places, **options)])
    later = shutil.copytree(first.folder, first.folder.with_name("b" * 32))
    parts = json.loads((later / "config.json").read_text())
    parts["identity"]["format"] += 1
    parts["identity"]["model"]["files"]["model.safetensors"] = "0" * 64
    (later / "config.json").write_text(json.dumps(parts))
    assert [w.folder for w in store.waste(tmp_path / "r", ["superseded"])] == [first.folder]
    parts["identity"]["trained"]["parts"]["learned"][0]["data"]["fingerprint"] = "0" * 64
    (later / "config.json").write_text(json.dumps(parts))
    assert store.waste(tmp_path / "r", ["superseded"]) == []
