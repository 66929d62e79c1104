"""Settings on the command line and in files."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from plmtasks.cli import COMMANDS, cli
from plmtasks.cli.options import Pairs, Settings, suite
from plmtasks.config import BOUNDS, GROUPS, PARTS, Generation, RunConfig, TrainSettings, all_settings, run_config, types
from plmtasks.data.candidates import HIDDEN
from plmtasks.errors import DataError, InputError
from plmtasks.evaluation import read_suite
from plmtasks.execution import from_environment
from plmtasks.files.values import documented, read, split, written

LITTLE = "max_train_samples=16,num_train_epochs=1,select_split=none"
RUN = ["run", "--task", "classification/sample", "--model", "tiny-bert", "--limit", "4", "--threads", "1", "--quiet"]


def plmtasks(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments])


def config(*arguments: str, command: str = "run") -> RunConfig:
    """The one that a command line makes."""
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    values = found.make_context(command, list(arguments)).params
    made = suite(*(values.pop(name) for name in ("tasks", "models", "config")), {**values, "slices": None})
    [[made_config]] = [made.configs(*pair) for pair in made.pairs()]
    return made_config


# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_names_are_those_of_transformers() -> None:
    """What has a name there has it here; the others have none, and are said to be ours."""
    transformers = pytest.importorskip("transformers")
    arguments = {f.name for f in dataclasses.fields(transformers.TrainingArguments)}
    collator = {f.name for f in dataclasses.fields(transformers.DataCollatorForLanguageModeling)}
    elsewhere = {"early_stopping_patience", "max_train_samples", "mean_noise_span_length", "train_batch_size"}
    ours = {
        "batch_tokens", "class_weights", "freeze", "peft", "peft_args", "mixing", "dtype", "select_split", "save_minutes",
    }  # fmt: skip
    assert types(TrainSettings).keys() <= arguments | collator | elsewhere | ours
    assert not ours & (arguments | collator)
    assert types(Generation).keys() <= set(transformers.GenerationConfig().to_dict()) | {"max_new_tokens"}


def test_every_setting_is_told() -> None:
    for form in (*PARTS.values(), *GROUPS.values()):
        assert documented(form).keys() >= types(form).keys()
    assert {name for form in (*PARTS.values(), *GROUPS.values()) for name in types(form)} >= BOUNDS.keys()


def test_chat_is_a_prompt() -> None:
    asked = ("--task", "classification/sample", "--model", "tiny-gpt")
    assert config(*asked, "--chat").settings.prompt == "chat"
    assert config(*asked, "--chat", "--config", "prompt=raw").settings.prompt == "chat"
    assert config(*asked).settings.prompt == "plain"
    assert config(*asked, "--system", "Be brief.").settings.system == "Be brief."
    assert config(*asked, "--config", "prompt=raw").settings.prompt == "raw"


@pytest.mark.parametrize("name", ["run", "train", "predict"])
def test_help_shows_at_most_38_options_in_sections(name: str) -> None:
    said = plmtasks(name, "--help").output
    assert len(re.findall(r"^  (?:-h, )?--", said, flags=re.MULTILINE)) <= 38
    assert re.findall(r"^\w.*:$", said, flags=re.MULTILINE)[0] in (
        "Task, model and data:",
        "Task and data:",
        "Questions and answers:",
    )
    assert "Options:" not in said


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in HIDDEN])
def test_no_option_may_be_given_again(name: str) -> None:
    """A list has commas, so that a second one is a mistake."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for one in (command, *getattr(command, "commands", {}).values()):
        lists = [p for p in one.params if isinstance(p, click.Option) and p.multiple]
        assert all(p.callback is not None for p in lists)


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5,
)  # fmt: skip
KEY = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)


@pytest.mark.slow
@given(st.dictionaries(KEY, JSON, min_size=1, max_size=4))
def test_settings_of_any_type_are_read_as_they_are_written(settings: dict[str, Any]) -> None:
    line = ",".join(f"{name}={written(value)}" for name, value in settings.items())
    assert {name: read(Any, text) for name, text in split(line)} == settings


@given(st.lists(TEXT.map(str.strip).filter(bool), min_size=1, max_size=4).map(tuple))
def test_lists_are_read_as_they_are_written(names: tuple[str, ...]) -> None:
    assert read(tuple[str, ...], written(names)) == names


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("num_train_epochs=2,learning_rate=1e-4", {"num_train_epochs": 2.0, "learning_rate": 1e-4}),
        ("freeze=base,layers:2,optim=SGD", {"freeze": ("base", "layers:2"), "optim": "SGD"}),
        ('optim_args={"betas": [0.9, 0.98]},seed=3', {"optim_args": {"betas": [0.9, 0.98]}, "seed": 3}),
        ('class_weights="a=1,b=2",peft=lora', {"class_weights": "a=1,b=2", "peft": "lora"}),
        ("gradient_checkpointing=true,whole_word_mask=False", {"gradient_checkpointing": True, "whole_word_mask": False}),
    ],
)
def test_settings_are_typed(text: str, settings: dict[str, Any]) -> None:
    assert Settings(TrainSettings).convert(text, None, None) == settings
    assert all_settings(config("--task", "t", "--model", "m", "--training", text))["training"].items() >= settings.items()


def test_what_is_handed_to_a_library_is_of_any_type() -> None:
    made = Settings().convert('device_map=auto,x=1,y=1.5,z=true,w={"a": [1, 2]},v="1"', None, None)
    assert made == {"device_map": "auto", "x": 1, "y": 1.5, "z": True, "w": {"a": [1, 2]}, "v": "1"}


def test_columns_are_texts() -> None:
    assert Pairs().convert('text="a b",label=[0]', None, None) == {"text": '"a b"', "label": "[0]"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "toy/a", "--task", "toy/b"], "there is no task 'toy/a'"),
        (["--training", "seed=1", "--training", "optim=SGD"], "it takes all at once, as KEY=VALUE,…"),
        (["--training", "epochs=3"], "no setting of --training is called 'epochs'\n  did you mean 'num_train_epochs'?\n  there"),
        (["--training", "help"], "  weight_decay                 Not on biases and normalization weights. (default: 0.01)\n"),
        (["--training", "num_train_epochs=many"], "--training num_train_epochs: expected a number, found 'many'"),
        (["--generation", "num_beams=1.5"], "--generation num_beams: expected a whole number, found '1.5'"),
        (["--training", "optim_args=3"], "--training optim_args: expected a table {name = …}, found '3'"),
        (["--training", "learning_rate=0"], "learning_rate is a number above 0, not 0.0"),
        (["--generation", "top_p"], "expected KEY=VALUE,…, found 'top_p'"),
        (["--shots", "-1"], "shots is a number of at least 0, not -1"),
        (["--seed", "0,x"], "'x' is not a valid integer"),
        (["--config", "kernel=plain"], "no setting of a run is called 'kernel'\n  did you mean 'kernels'?"),
        (["--config", "stride=x"], "--config stride: expected a whole number, found 'x'"),
        (["--config", "nothing.toml"], "nothing.toml: cannot be read: No such file"),
        (["--config", "nothing/config.json"], "nothing/config.json: No such file"),
    ],
)  # fmt: skip
def test_what_is_no_setting_is_told(arguments: list[str], said: str) -> None:
    done = plmtasks("run", "--task", "classification/sample", "--model", "tiny-bert", *arguments)
    assert done.exit_code
    assert said in f"{done.output}{done.exception}"


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_stands_on_the_line_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'task = "qa/sample"\nmodel = "tiny-bert"\nlimit = 3\nshots_from = "per-example"\nseed = 4\nskip_bad_rows = true\n'
        'metrics = ["f1", "squad"]\n[training]\nlearning_rate = 0.5\noptim = "SGD"\n'
    )
    file = str(tmp_path / "a.toml")
    made = config("--config", file, "--training", "learning_rate=0.1", "--limit", "5")
    assert made == run_config(
        "qa/sample", "tiny-bert", limit=5, shots_from="per-example", seed=4, skip_bad_rows=True, metrics=("f1", "squad"),
        training={"learning_rate": 0.1, "optim": "SGD"},
    )  # fmt: skip
    made = config("--config", f"{file},kernels=plain,limit=2", "--task", "srl/sample", "--seed", "1")
    assert (made.task, made.model, made.seed, made.limit, made.settings.kernels) == ("srl/sample", "tiny-bert", 1, 2, "plain")


def test_a_file_knows_the_commands_own_options(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('task = "qa/sample"\nmodel = "tiny-bert"\noutput = "model"\ndry_run = true\n')
    train = cli.get_command(click.Context(cli), "train")
    assert train is not None
    values = train.make_context("train", ["--config", str(tmp_path / "a.toml"), "--output", "other"]).params
    assert (values["output"], values["dry_run"], values["tasks"]) == ("other", True, None)
    (tmp_path / "a.toml").write_text('task = "qa/sample"\n\nblock = "many"\n')
    done = plmtasks("predict", "--config", str(tmp_path / "a.toml"))
    assert f"{tmp_path}/a.toml:3: block: 'many' is not a valid integer" in str(done.exception)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limit = 1\nlearning_rate = 2\n", ":2: expected a setting at the top, found 'learning_rate'\n  training."),
        ("epochs = 2\n", ":1: expected a setting at the top, found 'epochs'\n  did you mean 'training.num_train_epochs'?"),
        ("[training]\nepochs = 2\n", ":2: no setting of training is called 'epochs'\n  did you mean 'num_train_epochs'?"),
        ('limit = "x"\n', ":1: expected a whole number for 'limit', found 'x'"),
        ("\nlimit = -1\n", ":2: limit is a number of at least 0, not -1"),
        ("task = 3\n", ":1: expected task = "),
        ("seed = [1, 1]\n", ":1: expected seed = 0 or [0, 1, …], each once"),
        ("perturbation = 3\n", ":1: expected a setting at the top, found 'perturbation'\n  did you mean 'perturb'"),
    ],
)  # fmt: skip
def test_what_a_file_says_wrong_is_told_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(InputError) as error:
        read_suite(tmp_path / "a.toml")
    assert f"{tmp_path}/a.toml{said}" in str(error.value)


def test_a_file_makes_a_matrix(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'seed = [1, 2]\nlimit = 3\n[[tasks]]\nname = "qa/sample"\nlimit = 5\n[[tasks]]\nname = "srl/sample"\n'
        '[[models]]\nname = "tiny-bert"\ntraining.learning_rate = 0.5\n'
    )
    made = read_suite(tmp_path / "a.toml").on_line({"training": {"optim": "SGD"}}, tasks=["qa/sample", "classification/sample"])
    found = [one for pair in made.pairs() for one in made.configs(*pair)]
    assert [(one.task, one.limit, one.seed) for one in found] == [
        (task, limit, seed) for task, limit in (("qa/sample", 5), ("classification/sample", 3)) for seed in (1, 2)
    ]  # fmt: skip
    assert {(one.training.learning_rate, one.training.optim) for one in found} == {(0.5, "SGD")}


def test_a_run_is_the_same_from_its_config_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = plmtasks(*RUN, "--training", LITTLE, "--seed", "3", "--split", "test")
    assert done.exit_code == 0, done.exception
    [path] = (tmp_path / "results").rglob("config.json")
    before = path.parent.stat().st_mtime_ns
    again = plmtasks("run", "--config", str(path.parent))
    assert again.exit_code == 0, again.exception
    assert (again.output, path.parent.stat().st_mtime_ns) == (done.output, before)
    assert plmtasks("run", "--config", str(path), "--output", "other").exit_code == 0
    [other] = (tmp_path / "other").rglob("result.json")
    assert other.read_bytes() == path.with_name("result.json").read_bytes()


def test_the_environment_has_defaults_for_what_nobody_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"LIMIT": "7", "SHOTS": "2", "KERNELS": "plain", "QUIET": "on", "SEED": "5", "OUTPUT": str(tmp_path.parent / "runs")}
    for name, text in {**said, "TRAINING": "optim=SGD", "LEARNING_RATE": "0.5", "METRICS": "f1,squad", "DATA": "none"}.items():
        monkeypatch.setenv(f"PLMTASKS_{name}", text)
    (tmp_path / "a.toml").write_text('limit = 3\n[training]\nlearning_rate = 0.1\n[[models]]\nname = "tiny-bert"\nshots = 1\n')
    made = config("--config", str(tmp_path / "a.toml"), "--task", "qa/sample", "--seed", "6")
    assert (made.limit, made.shots, made.settings.kernels, made.quiet, made.seed) == (3, 1, "plain", True, 6)
    assert (made.training.learning_rate, made.training.optim, made.metrics) == (0.1, "SGD", ("f1", "squad"))
    assert (made.output, made.source.data) == (said["OUTPUT"], None)
    alone = config("--task", "qa/sample", "--model", "tiny-bert", "--limit", "1")
    assert (alone.limit, alone.shots, alone.seed, alone.training.learning_rate) == (1, 2, 5, 0.5)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("LIMIT", "many", "PLMTASKS_LIMIT: expected a whole number, found 'many'"),
        ("LIMIT", "-1", "PLMTASKS_LIMIT: limit is a number of at least 0, not -1"),
        ("QUIET", "perhaps", "PLMTASKS_QUIET is 'perhaps'\n  1 says yes, 0 says no"),
        ("TRAINING", "epochs=1", "no setting of PLMTASKS_TRAINING is called 'epochs'\n  did you mean 'num_train_epochs'?"),
        ("TRAIN", "perhaps", "PLMTASKS_TRAIN: train is one of auto, never, always, not 'perhaps'"),
    ],
)  # fmt: skip
def test_a_default_that_a_setting_does_not_take_is_told(name: str, text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        from_environment({f"PLMTASKS_{name}": text})
    assert said in str(error.value)


def test_what_is_empty_or_no_setting_is_no_default() -> None:
    assert (
        from_environment({"PLMTASKS_LIMIT": "", "PLMTASKS_PLUGINS": "x", "LIMIT": "3", "PLMTASKS_TRUST_REMOTE_CODE": "1"}) == {}
    )


def test_one_file_says_all(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text('task = "qa/sample"\nmodel = "tiny-bert"\n')
    a, b = str(tmp_path / "a.toml"), str(tmp_path / "b.toml")
    for arguments in (["--config", f"{a},{b}"], ["--config", a, "--config", b]):
        with pytest.raises(InputError, match=r"--config names two files, .*a\.toml and .*b\.toml"):
            config(*arguments)
    assert config("--config", a, "--config", "limit=3").limit == 3


def test_a_file_that_is_no_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"config": {"task": "x"}}))
    with pytest.raises(DataError, match=r"config\.json: expected the config\.json of a run"):
        read_suite(tmp_path / "config.json")
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(DataError, match=r"result\.json: .*found no 'config'\n  did you mean .*config\.json\?"):
        read_suite(tmp_path / "result.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('model = "tiny-bert"\ntrust_remote_code = true\n', "may run code"),
        ('model = "tiny-bert"\noutput = "/elsewhere"\n', "output = '/elsewhere' lies outside"),
    ],
)
def test_a_strangers_file_runs_no_code_and_writes_nowhere_else(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(f'task = "qa/sample"\n{text}')
    done = plmtasks("run", "--config", str(tmp_path / "a.toml"))
    assert done.exit_code
    assert said in str(done.exception)
