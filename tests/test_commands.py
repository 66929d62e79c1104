"""Commands that other distributions bring."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from plmtasks import cli
from plmtasks.errors import InputError

GREET = """
import click


@click.command()
@click.argument("name")
def command(name):
    \"\"\"Greet somebody.\"\"\"
    click.echo(f"hello {name}")
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of distributions: one command that works, one that cannot be loaded, one of the name of ours."""
    for module, name, code in (
        ("greeting", "greet", GREET),
        ("broken", "broken", "import nothing_such"),
        ("other", "run", GREET),
    ):
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[plmtasks.commands]\n{name} = {module}:command\n")
    return tmp_path


def called(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "plmtasks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_it_is_listed_and_called(site: Path) -> None:
    said = called(site, "--help")
    assert said.returncode == 0
    assert "  greet        Greet somebody.\n" in said.stdout
    assert "broken cannot be loaded: ModuleNotFoundError: No module named 'nothing_such'" in " ".join(said.stdout.split())
    assert said.stdout.count("\n  run ") == 1
    assert "Evaluate models on tasks" in said.stdout
    assert called(site, "greet", "you").stdout == "hello you\n"
    assert "Usage: python -m plmtasks run" in called(site, "run", "--help").stdout


@pytest.mark.slow
def test_it_is_listed_with_the_plugins(site: Path) -> None:
    lines = [line.split() for line in called(site, "list", "plugins").stdout.splitlines()]
    assert ["greet", "greeting", "1.0", "command", "(plmtasks", "greet)"] in lines
    assert not [line for line in lines if line[:2] == ["run", "other"]]
    told = {plugin["name"]: plugin for plugin in json.loads(called(site, "list", "plugins", "--format", "json").stdout)}
    assert told["greet"]["distribution"] == "greeting 1.0"
    assert told["greet"]["brings"] == {"command": 1}
    assert told["greet"].keys() == told["qa"].keys()


def test_one_that_cannot_be_loaded_is_named(site: Path) -> None:
    said = called(site, "broken")
    assert said.returncode == 2
    assert said.stderr == (
        "error: command 'broken' (broken 1.0) cannot be loaded: ModuleNotFoundError: No module named 'nothing_such'\n"
    )


def test_ours_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "brought", dict)
    said = CliRunner().invoke(cli.cli, ["sweep", "suite.toml"])
    assert isinstance(said.exception, InputError)
    assert "there is no command 'sweep'\n  pip install plmtasks-sweep brings it" in str(said.exception)
    assert "brings it" not in str(CliRunner().invoke(cli.cli, ["swep"]).exception)


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """What the error of a line says."""
    monkeypatch.setattr(sys, "argv", ["plmtasks", *arguments])
    monkeypatch.setattr(cli, "_take_signals", lambda: None)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    return [line for line in capsys.readouterr().err.splitlines() if not line.endswith("--help shows all")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rnu", ["error: there is no command 'rnu'", "  did you mean 'run'?"]),
        ("leaderbord results", ["error: there is no command 'leaderbord'", "  did you mean 'leaderboard'?"]),
        ("run", ["error: no task is named", "  plmtasks run --task classification/sample --model tiny-bert"]),
        ("run --task ner", ["error: no model is named", "  plmtasks run --task ner --model tiny-bert"]),
        ("run --task qa,ner", ["error: no model is named", "  plmtasks run --task qa,ner --model tiny-bert"]),
        ("run --model gpt2", ["error: no task is named", "  plmtasks run --task classification/sample --model gpt2"]),
        ("predict --model out", [
            "error: no task is named", "  plmtasks predict --task classification/sample --model out --input questions.txt",
        ]),
        ("train --task qa --model bert-base", [
            "error: --output DIR says where the checkpoint is written (--dry-run writes none)",
            "  plmtasks train --task qa --model bert-base --output sentiment",
        ]),
        ("score --task qa", [
            "error: missing --predictions", "  plmtasks score --task qa --references dev.json --predictions predictions.json",
        ]),
        ("compare a", [
            "error: missing RUN_B",
            "  plmtasks compare results/classification/sample/tiny-bert/* results/classification/sample/tiny-gpt/*",
        ]),
        ("leaderboard", ["error: missing RESULTS…", "  plmtasks leaderboard results"]),
    ],
)  # fmt: skip
def test_a_line_that_lacks_a_word_gets_one_that_can_be_typed(line, said, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    assert told(monkeypatch, capsys, *line.split()) == said


def test_words_that_are_nearly_right_are_asked_for(monkeypatch, capsys):  # type: ignore[no-untyped-def]
    assert "Did you mean 'list'?" in told(monkeypatch, capsys, "results", "lst")[0]
    assert "'--task'" in told(monkeypatch, capsys, "run", "--tsk", "qa")[0]
    assert told(monkeypatch, capsys, "run", "--task", "sentimnt", "--model", "tiny-bert")[1].startswith(
        "  did you mean 'sentiment'"
    )


@pytest.mark.parametrize("command", ["run", "train", "predict", "score", "compare", "leaderboard", "show", "list", "recommend"])
def test_the_example_stands_in_the_help_and_has_options_that_there_are(command: str) -> None:
    said = CliRunner().invoke(cli.cli, [command, "--help"]).output
    (line,) = (line.partition("For example: ")[2] for line in said.splitlines() if "For example: " in line)
    assert line.split()[:2] == ["plmtasks", command]
    assert set(cli.OPTION.findall(line)) <= cli.options_of(cli._own(command))


# ── lists ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def listed(*arguments: str) -> str:
    return CliRunner().invoke(cli.cli, ["list", *arguments]).output


def test_a_list_has_a_header_and_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for what in ("tasks", "models", "metrics", "requests", "perturbations", "formats", "engines", "plugins"):
        lines = listed(what).splitlines()
        assert set(lines[1]) == {"─"}
        assert max(map(len, lines)) <= 80
    assert listed("tasks").split()[:3] == ["task", "asked", "by"]


def test_a_list_in_a_pipe_has_whole_lines_and_tsv_has_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "__stdout__", open(os.devnull, "w"))  # noqa: SIM115, PTH123  a stream that is no terminal
    said = listed("tasks").splitlines()
    (line,) = (line for line in said if line.startswith("  classification/sst2 "))
    assert line.endswith("Is a sentence of a film review negative or positive? (Stanford Sentiment Treebank)")
    rows = [line.split("\t") for line in listed("tasks", "--format", "tsv").splitlines()]
    assert rows[0] == ["name", "asks", "metrics", "language", "collection", "description", "aliases"]
    assert {len(row) for row in rows} == {7}
    (entities,) = (line for line in said if line.startswith("ner, "))
    assert entities.split()[-2:] == ["tagging/wnut17", "tagging/text"]
    assert "ner" in next(row for row in rows if row[0] == "tagging/text")[6].split(", ")
    assert json.loads(listed("models", "--format", "json"))[0].keys() == {"model", "family", "description"}


def groups(*arguments: str) -> dict[str, list[str]]:
    """The names under each group's, as `list tasks` prints them."""
    found: dict[str, list[str]] = {}
    for line in listed("tasks", *arguments).partition("people say")[0].splitlines()[2:]:
        if line.strip() and not line.startswith(" "):
            found[line.strip()] = under = []
        elif line.strip():
            under.append(line.split()[0])
    return found


@pytest.mark.parametrize("width", ["80", "120", "1000"])
def test_tasks_stand_in_groups_and_of_many_languages_as_one(width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    lines = listed("tasks").splitlines()
    assert max(map(len, lines)) <= int(width)
    family = next(line for line in lines if line.startswith("  classification/xnli"))
    assert family.startswith("  classification/xnli[.LANGUAGE] ")
    assert lines[lines.index("glue") - 1] == ""
    assert lines.index("classification") < lines.index("translation") < lines.index("glue")
    if width == "1000":
        assert family.endswith("Does one sentence follow from another, contradict it, or neither? (XNLI, XTREME); "
                               "ar, bg, de, el, en, es, fr, hi, ru, sw, th, tr, ur, vi, zh")  # fmt: skip
        assert {"classification/cola", "regression/stsb"} <= {*groups()["glue"]}
        assert "translation/NAME" in groups()["translation"]


def test_tasks_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    from plmtasks.hooks import load_registry

    monkeypatch.setenv("COLUMNS", "1000")
    registry = load_registry()
    tasks, others = registry.items["task"], [f"{provider.beginning}NAME" for provider in registry.providers["task"]]
    assert groups("GLUE") == {"glue": [name for name, task in tasks.items() if getattr(task, "collection", "") == "glue"]}
    assert [line.split()[0] for line in listed("tasks", "xnli").splitlines()[2:]] == [n for n in tasks if "xnli" in n]
    for option, value, field in (("--language", "zh", "language"), ("--asks", "loglikelihood", "asks")):
        shown = {name for group in groups(option, value).values() for name in group}
        assert shown == {name for name, task in tasks.items() if value in str(getattr(task, field)).casefold()}
    told = json.loads(listed("tasks", "xtreme", "--language", "sw", "--format", "json"))
    assert next(row for row in told if "xnli" in row["name"]) == {
        "name": "classification/xnli.sw", "asks": ["Classify", "Choose", "Generate"], "metrics": ["accuracy", "f1"],
        "language": "sw", "collection": "xtreme", "aliases": [],
        "description": "Does one Swahili sentence follow from another, contradict it, or neither? (XNLI, XTREME)",
    }  # fmt: skip
    assert {row["name"] for row in json.loads(listed("tasks", "--format", "json"))} == {*tasks, *others}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tasks gleu", ["error: nothing of N has 'gleu'", "  did you mean 'glue'?"]),
        ("tasks --asks Tagg", ["error: no task has --asks Tagg", "  did you mean 'Tag'?"]),
        ("tasks glue --language zh", ["error: nothing of N has 'glue'"]),
        ("models --language zh", ["error: --language and --asks choose tasks, and no models"]),
    ],
)
def test_what_fits_no_task_is_told(line, said, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    found = told(monkeypatch, capsys, "list", *line.split())
    assert [re.sub(r"of \d+", "of N", one) for one in found][: len(said)] == said


# ── the core alone ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_core_alone_says_what_brings_the_rest(monkeypatch, capsys):  # type: ignore[no-untyped-def]
    from plmtasks.hooks import loading

    monkeypatch.setattr(loading, "entry_points", lambda group: [])
    assert listed("tasks").splitlines() == [
        "no plugin is installed that brings tasks", "pip install 'plmtasks[all]' brings those of plmtasks",
    ]  # fmt: skip
    assert "no plugin is installed\npip install 'plmtasks[all]'" in listed("plugins")
    said = told(monkeypatch, capsys, "run", "--task", "qa", "--model", "tiny-bert")
    assert "  pip install 'plmtasks[all]' brings those of plmtasks" in said


def test_plugins_that_are_left_alone_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    rows = [row.split("\t") for row in listed("plugins", "--format", "tsv").splitlines()[1:]]
    monkeypatch.setenv("PLMTASKS_DISABLE", ",".join(name for name, _, brings in rows if not brings.startswith("command")))
    assert listed("tasks").startswith("disabled, by --disable or PLMTASKS_DISABLE: ")


def test_the_extra_all_names_every_distribution() -> None:
    import tomllib

    root = Path(__file__).parents[1]
    wanted = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]["all"]
    names = {tomllib.loads(file.read_text(encoding="utf-8"))["project"]["name"] for file in root.glob("plugins/*/pyproject.toml")}
    assert names <= set(wanted)
