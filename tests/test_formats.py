"""Formats of results, and the commands that write and read them."""

import json
from pathlib import Path

import pytest
import toy
from click.testing import CliRunner, Result

from plmtasks.cli import cli
from plmtasks.config import run_config
from plmtasks.errors import InputError, UnknownNameError
from plmtasks.evaluation import run
from plmtasks.formats import Format, Written
from plmtasks.hooks import load_registry
from plmtasks.results import read_results


class Inward(Format):
    """Has nothing but `read`."""

    name = "inward"

    def read(self, path, output, tasks):
        return []


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "results"
    run([run_config("toy/even", "toy-model", output=str(folder), threads=1, quiet=True)], load_registry([toy], installed=False))
    return folder


@pytest.fixture
def call(monkeypatch):
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return invoke


def test_a_format_of_a_plugin_writes_and_reads(runs, call, tmp_path):
    [result] = read_results(runs)
    written = call("convert", runs, "--to", "toy-lines", "--output", tmp_path / "all.jsonl")
    assert written.output == f"{tmp_path / 'all.jsonl'}\n"
    assert json.loads((tmp_path / "all.jsonl").read_text()) == result.record
    read = call(
        "convert", tmp_path / "all.jsonl", "--from", "toy-lines", "--task", "toy/even=toy/odd", "--output", tmp_path / "x"
    )
    assert read.output == f"{tmp_path / 'x' / result.identity}: toy/odd on toy-model, 23 examples\n"
    [again] = read_results(tmp_path / "x")
    assert again.record == {**result.record, "task": {**result.record["task"], "name": "toy/odd"}}


def test_the_list_says_which_are_written_and_which_are_read(call):
    rows = [line.split("\t") for line in call("list", "formats", "--format", "tsv").output.splitlines()[1:]]
    assert {name: ways for name, ways, _ in rows} == {
        **dict.fromkeys(("model-card", "evaluate", "predictions", "glue", "superglue", "site"), "written"),
        **dict.fromkeys(("lm-eval", "toy-lines"), "written, read"),
    }
    assert rows[-1] == ["toy-lines", "written, read", "a JSON line a run"]
    assert (Inward().writes, Inward().reads) == (False, True)
    told = next(line for line in call("list", "plugins").output.splitlines() if line.startswith("interchange "))
    assert told.endswith("6 formats (register_formats)")


def test_what_a_format_cannot_do_it_refuses(runs, call, tmp_path):
    registry = load_registry([toy], installed=False)
    with pytest.raises(InputError, match="format 'inward' is read and not written\n  plmtasks list formats says"):
        Inward().write(read_results(runs), tmp_path, registry)
    refused = call("convert", tmp_path, "--from", "site", "--output", tmp_path / "x").exception
    assert isinstance(refused, InputError)
    assert str(refused).startswith("format 'site' is written and not read\n  plmtasks list formats says")


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        ("toy-line", ["did you mean 'toy-lines'?"]),
        ("site", ["pip install 'plmtasks[site]' brings 'site'"]),
        ("lm-eval", ["pip install plmtasks-interchange brings 'lm-eval'"]),
        ("modelcard", ["pip install plmtasks-interchange brings 'model-card'"]),
        ("helm", []),
    ],
)
def test_an_unknown_format_says_what_to_install(name, hints):
    with pytest.raises(UnknownNameError) as caught:
        load_registry([toy], installed=False).format(name)
    assert [caught.value.message, *caught.value.hints] == [
        f"there is no format {name!r}", *hints, "plmtasks list formats shows all",
    ]  # fmt: skip


def test_what_is_installed_is_not_to_be_installed():
    with pytest.raises(UnknownNameError) as caught:
        load_registry().format("lm-evil")
    assert caught.value.hints == ("did you mean 'lm-eval'?", "plmtasks list formats shows all")


def test_a_command_prints_what_a_format_says_or_its_files():
    assert str(Written(files=[Path("a"), Path("b")])) == "a\nb"
    assert str(Written(files=[Path("a")], said="one file")) == "one file"
