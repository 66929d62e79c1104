"""The index of what lm-eval defines: the same as lm-eval's own, kept, made anew where something changed, and quick to search."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from plmtasks_lm_eval import catalog, checking

from plmtasks import cli
from plmtasks.errors import UnknownNameError
from plmtasks.hooks import load_registry


def listed(*arguments: str) -> str:
    done = CliRunner().invoke(cli.cli, ["list", *arguments])
    assert done.exception is None, done.output
    return done.output


@pytest.mark.slow
def test_the_index_is_lm_evals_own() -> None:
    """In some folders, in which each kind of entry is: to read all of them takes long."""
    from lm_eval.tasks._index import TaskIndex

    places = [catalog.folder() / name for name in ("arc", "glue", "hellaswag", "leaderboard", "mmlu", "squadv2")]
    theirs, ours = TaskIndex.build(places), catalog.registry()
    assert {one.kind.name for one in theirs.values()} == {"TASK", "PY_TASK", "GROUP", "TAG"}
    for name, one in theirs.items():
        assert (ours[name].kind, ours[name].yaml_path) == (one.kind, one.yaml_path)
        assert one.kind.name != "TAG" or ours[name].tags >= one.tags
    here = {name for name, one in ours.items() if one.yaml_path and any(one.yaml_path.is_relative_to(p) for p in places)}
    assert here == {name for name, one in theirs.items() if one.yaml_path}


def test_what_is_kept_is_used_while_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    catalog.keep("figures", "one state", {"a": 1})
    assert catalog.kept("figures", "one state") == {"a": 1}
    assert catalog.kept("figures", "another state") is None
    assert catalog.kept("others", "one state") is None
    [file] = (tmp_path / "plmtasks" / "lm_eval").iterdir()
    file.write_text("{", encoding="utf-8")
    assert catalog.kept("figures", "one state") is None


def test_where_nothing_can_be_kept_all_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    catalog.keep("figures", "one state", 1)
    assert catalog.kept("figures", "one state") is None


def test_a_changed_file_changes_the_stamp(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.yaml").touch()
    (tmp_path / "a" / "utils.py").touch()
    [(path, before)] = catalog._scanned(str(tmp_path))
    assert path == tmp_path / "a" / "one.yaml"
    os.utime(path, ns=(before + 1, before + 1))
    assert list(catalog._scanned(str(tmp_path))) == [(path, before + 1)]


def test_searching_imports_no_lm_eval() -> None:
    """Once the index is there."""
    assert catalog.names()
    program = (
        "import sys; from plmtasks import cli\n"
        "try: cli.cli(['list', 'lm-eval', 'hellaswag', '--format', 'tsv'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('lm_eval', 'torch', 'datasets', 'numpy', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.splitlines()[1].split("\t") == ["lm-eval:hellaswag", "task", "multiple_choice", "Rowan/hellaswag"]


def test_a_list_of_names() -> None:
    rows = [line.split("\t") for line in listed("lm-eval", "leaderboard_bbh", "--format", "tsv").splitlines()]
    assert rows[0] == ["name", "kind", "asked by", "data or members"]
    assert rows[1][:3] == ["lm-eval:leaderboard_bbh", "group", "24 members"]
    assert len(rows) > 25
    [tag] = [row for row in json.loads(listed("lm-eval", "ai2_arc", "--format", "json")) if row["name"] == "lm-eval:ai2_arc"]
    assert tag == {
        "name": "lm-eval:ai2_arc", "kind": "tag", "asked by": "2 members", "data or members": "arc_challenge, arc_easy"
    }  # fmt: skip
    assert "lm-eval:NAME" in listed("tasks", "lm-eval")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lm-eval", "hellaswagg"], "has 'hellaswagg'\n  did you mean 'hellaswag'"),
        (["lm-evall"], "there is nothing to list under 'lm-evall'\n  did you mean 'lm-eval'?\n  there are: tasks, models,"),
        (["openai"], "any openai:NAME may be asked for: a model of a server"),
        (["tasks", "--check"], "--check tries what stands under a scheme, not tasks\n  plmtasks check NAME tries one"),
        (["openai", "--check"], "there is nothing under openai: to be tried"),
    ],
)
def test_a_list_of_nothing(arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(sys, "argv", ["plmtasks", "list", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_a_name_without_its_scheme() -> None:
    assert catalog.names()
    with pytest.raises(UnknownNameError) as caught:
        load_registry().task("leaderboard_bbh")
    assert caught.value.hints[0] == "did you mean 'lm-eval:leaderboard_bbh'?"
    with pytest.raises(UnknownNameError) as caught:
        load_registry().task("leaderboard_bhh")
    assert "lm-eval:leaderboard_bbh" in caught.value.hints[0]


@pytest.mark.slow
def test_files_are_gone_through_without_data() -> None:
    found = {row["name"]: row for row in checking.checked("benchmarks/")}
    assert {row["kind"] for row in found.values()} == {"group", "task"}
    assert found["benchmarks/openllm.yaml"]["refused"] == ""
    assert found["benchmarks/t0_eval.yaml"]["refused"] == "lm-eval cannot build the group: a member has no name"
    image = catalog.folder() / "chartqa" / "chartqa.yaml"
    assert checking._check(image) == {"name": str(image), "kind": "task", "refused": "asks about images"}
