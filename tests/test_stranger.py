"""What a stranger's file may do: docs/design/stranger.md. Canaries stand wherever a file can name something; none may sing."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import toy
from click.testing import CliRunner

from plmtasks.cli import cli
from plmtasks.config import run_config
from plmtasks.errors import DataError, PlmtasksError
from plmtasks.evaluation import run
from plmtasks.files import dump
from plmtasks.hooks import load_registry
from plmtasks.results import read_results

SONG = "import os\nopen(os.environ['CANARY'], 'a').write(__name__ + chr(10))\n"
"""Python that tells that it was run."""

METRIC = f"""{SONG}
import datasets
import evaluate


class Canary(evaluate.Metric):
    def _info(self):
        number = datasets.Value("int32")
        features = datasets.Features({{"predictions": number, "references": number}})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        return {{"accuracy": 0.5}}
"""

NAMES = (
    "evaluate:./stranger/canary", "evaluate:stranger/canary?trust_remote_code=true", "evaluate:canary?per_example=true",
    "comet:./stranger/comet", "comet:./stranger/comet/checkpoints/model.ckpt",
)  # fmt: skip
"""Of metrics, as a file may have them."""

SETTINGS = {"dtype": "float32", "batch_tokens": 30, "threads": 1, "kernels": "plain", "quiet": True}
OPTIONS = ("--dtype", "float32", "--batch-tokens", "30", "--threads", "1", "--config", "kernels=plain", "--quiet")
SECRET = "the secret of somebody's home"
LIMIT = 60
"""Seconds for a command."""


class Bomb:
    """A pickle that sings when it is read."""

    def __reduce__(self) -> Any:
        return exec, (SONG.replace("__name__", "'pickle'"),)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with canaries in all that the library could run of it."""
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    load_registry().model("tiny-bert").make(["a fine room", "a dirty bed"] * 9, 0, folder)
    for name in ("config.json", "tokenizer_config.json"):
        found = json.loads((folder / name).read_text())
        found["auto_map"] = {
            f"Auto{kind}": f"canary_code.{kind}" for kind in ("Config", "Model", "ModelForSequenceClassification")
        }
        found["auto_map"]["AutoTokenizer"] = [None, "canary_code.Tokenizer"]
        found["chat_template"] = (
            "{{ cycler.__init__.__globals__.os.system('touch ' + cycler.__init__.__globals__.os.environ['CANARY']) }}"
        )
        (folder / name).write_text(json.dumps(found))
    (folder / "canary_code.py").write_text(SONG)
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(SONG)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    return folder


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of two runs, as plmtasks writes them."""
    store = tmp_path_factory.mktemp("honest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLMTASKS_PLUGINS", "toy")
        registry = load_registry([toy], installed=False)
        configs = [run_config("toy/even", "toy-model", output=str(store), **{**SETTINGS, "batch_tokens": n}) for n in (30, 300)]
        return [run([config], registry)[0].folder for config in configs]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path, honest: list[Path]) -> Iterator[Path]:
    """A home with a secret, and in it the folder where commands are given, which holds what a stranger has sent."""
    work = tmp_path / "home" / "work"
    work.mkdir(parents=True)
    (tmp_path / "home" / "secret.jsonl").write_text(json.dumps({"text": SECRET, "label": "pos"}) + "\n")
    (tmp_path / "home" / "journals").mkdir()
    (tmp_path / "home" / "journals" / "1-2.jsonl").write_text(SECRET)
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    for name, value in {"CANARY": str(tmp_path / "song"), "PLMTASKS_PLUGINS": "toy", "HF_HUB_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    _forget_modules(monkeypatch, tmp_path / "modules")
    shutil.copytree(checkpoint, work / "stranger" / "model")
    _plant_code(work)
    _plant_runs(work / "stranger" / "store", honest)
    _plant_texts(work / "stranger")
    yield tmp_path
    for name in _imported_scripts():
        del sys.modules[name]


def _imported_scripts() -> list[str]:
    return [name for name in sys.modules if name.startswith("evaluate_modules")]


def _forget_modules(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """A process imports a script of evaluate once, from the first cache that it was told of; here each test is to hear it."""
    import evaluate

    for name in _imported_scripts():
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if not Path(place, "evaluate_modules").exists()])
    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", str(cache))
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", str(cache / "metrics"))


def _plant_code(work: Path) -> None:
    for folder in (work / "stranger" / "canary", work / "canary"):
        folder.mkdir()
        (folder / "canary.py").write_text(METRIC)
    comet = work / "stranger" / "comet" / "checkpoints"
    comet.mkdir(parents=True)
    (comet / "model.ckpt").write_bytes(pickle.dumps(Bomb()))
    (comet.parent / "hparams.yaml").write_text("class_identifier: !!python/object/apply:os.system ['touch $CANARY']\n")
    for name in ("comet", "megatron_canary", "kernels", "sitecustomize"):
        (work / f"{name}.py").write_text(SONG)
    (work / "stranger" / "singing.py").write_text(f"{SONG}\ndef sing(document):\n    return 'a fine bed'\n")
    (work / "stranger" / "singing.yaml").write_text(LM_EVAL)
    (work / "stranger" / "rows.jsonl").write_text('{"label": 0}\n' * 2)


def _altered(
    honest: Path, into: Path, change: Callable[[dict[str, Any], dict[str, Any]], None], *, name: str | None = None
) -> Path:
    """A copy of a run after a change of its result and its config."""
    folder = into / (name or honest.name)
    shutil.copytree(honest, folder)
    record, config = (json.loads((folder / file).read_text()) for file in ("result.json", "config.json"))
    change(record, config)
    (folder / "result.json").write_text(dump(record))
    (folder / "config.json").write_text(dump(config))
    return folder


def _plant_runs(store: Path, honest: list[Path]) -> None:
    def scored_by(metric: str) -> Any:
        def change(record: dict[str, Any], config: dict[str, Any]) -> None:
            record["scores"][metric] = record["scores"].pop("toy_accuracy")
            record["signatures"] = {metric: f"{metric} v1"}
            record["primary_metric"] = [metric, "accuracy"]
            record["task"]["version"] = 100 + NAMES.index(metric)  # a board of its own
            config["config"]["metrics"] = [metric]

        return change

    for number, metric in enumerate(NAMES):
        for made in honest:
            _altered(made, store / f"metric-{number}", scored_by(metric))
    for made in honest:  # as a merge would have brought them into the user's own store, where `run` finds them
        _altered(made, store / "own" / "toy" / "even" / "toy-model", scored_by(NAMES[0]))
    for name, settings in {
        "code": {"trust_remote_code": True}, "pickle": {"model_args": {"use_safetensors": False}},
        "kernel": {"model_args": {"attn_implementation": "stranger/kernel"}}, "cache": {"model_args": {"cache_dir": "../cache"}},
    }.items():  # fmt: skip
        _altered(honest[0], store / name, lambda record, config, s=settings: config["config"].update(
            task="./stranger/plain.toml", model="./stranger/model", settings={**config["config"]["settings"], **s},
        ))  # fmt: skip
    _altered(honest[0], store / "task", lambda record, config: (
        record["task"].update(name="./stranger/task.toml"), config["config"].update(task="./stranger/task.toml", metrics=[]),
    ))  # fmt: skip
    _altered(honest[0], store / "lm-eval", lambda record, config: (
        record["task"].update(name="./stranger/singing.yaml"),
        config["config"].update(task="./stranger/singing.yaml", metrics=[]),
    ))  # fmt: skip
    _altered(honest[0], store / "given", lambda record, config: config["config"].update(predictions_of="http://127.0.0.1:9/run"))
    for name, identity in {"up": "../../../../../../escaped", "absolute": "/escaped", "dots": "..", "empty": ""}.items():
        _altered(honest[0], store / name, lambda record, config, i=identity: record.update(
            identity=i.replace("/escaped", str(store.parents[2] / "escaped")) if i.startswith("/") else i,
            files={}, model={**record["model"], "name": "../.."},
        ))  # fmt: skip
    files = _altered(honest[0], store / "files", lambda record, config: record["files"].update(
        {"/dev/zero": "0", str(store.parents[2] / "secret.jsonl"): "0", "../../../../../secret.jsonl": "0", "pipe": "0"}
    ))  # fmt: skip
    os.mkfifo(files / "pipe")
    _plant_links(store, honest[0])


def _plant_links(store: Path, honest: Path) -> None:
    secret = store.parents[2] / "secret.jsonl"
    for name in ("predictions.jsonl", "environment.json", "config.json", "statistics.npy"):
        linked = _altered(honest, store / f"link-{name}", lambda record, config: record.update(files={}))
        (linked / name).unlink()
        (linked / name).symlink_to(secret)
        (linked / "extra.txt").symlink_to(secret)
    journal = _altered(honest, store / "link-journal", lambda record, config: None)
    shutil.rmtree(journal / "journal")
    (journal / "journal").symlink_to(secret.parent / "journals")
    (journal / ".lock").unlink(missing_ok=True)
    (journal / ".lock").symlink_to(secret)
    for name in ("environment.json", "predictions.jsonl"):
        piped = _altered(honest, store / f"pipe-{name}", lambda record, config: None)
        (piped / name).unlink()
        os.mkfifo(piped / name)


TASK = """
name = "stranger/{name}"
metrics = {metrics}
labels = ["neg", "pos"]
[columns]
reference = "label"
[Classify]
text = "{{text}}"
[data]
train = [{{text = "a fine room", label = "pos"}}, {{text = "a dirty bed", label = "neg"}}]
test = {test}
"""
LM_EVAL = """
task: singing
dataset_path: json
dataset_kwargs: {data_files: {test: stranger/rows.jsonl}}
output_type: multiple_choice
test_split: test
doc_to_text: !function singing.sing
doc_to_choice: ["no", "yes"]
doc_to_target: label
metric_list: [{metric: acc}]
"""
ROWS = '[{text = "a fine bed", label = "pos"}, {text = "a dirty room", label = "neg"}]'


def _plant_texts(folder: Path) -> None:
    metrics = '["accuracy", "evaluate:./stranger/canary"]'
    tasks = {"task": (metrics, ROWS), "plain": ('["accuracy"]', ROWS)}
    outside = _leading_out(folder)
    tasks |= {f"data-{i}": ('["accuracy"]', f'"{path}"') for i, path in enumerate(outside)}
    for name, (counted, test) in tasks.items():
        (folder / f"{name}.toml").write_text(TASK.format(name=name, metrics=counted, test=test))
    pair = '[[tasks]]\nname = "{task}"\n[[models]]\nname = "{model}"\ntraining.num_train_epochs = 1\n{option}\n'
    toy_pair = {"task": "toy/even", "model": "toy-model"}
    plain = {"task": "./stranger/plain.toml", "model": "./stranger/model"}
    suites = {
        "metric": {**toy_pair, "option": 'metrics = ["evaluate:./stranger/canary"]'},
        "comet": {**toy_pair, "option": 'metrics = ["comet:./stranger/comet"]'},
        "task": {"task": "./stranger/task.toml", "model": "./stranger/model", "option": ""},
        "lm-eval": {"task": "./stranger/singing.yaml", "model": "./stranger/model", "option": ""},
        "code": {**plain, "option": "trust_remote_code = true"},
        "pickle": {**plain, "option": "model_args = {use_safetensors = false}"},
        "peft": {
            **plain,
            "option": 'training.peft = "lora"\n'
            'training.peft_args = {megatron_config = {a = 1}, megatron_core = "megatron_canary"}',
        },
    }  # fmt: skip
    for name, said in suites.items():
        (folder / f"suite-{name}.toml").write_text('threads = 1\noutput = "swept"\n' + pair.format(**said))
        row = f'task = "{said["task"]}"\nmodel = "{said["model"]}"\n{said["option"]}\n'
        claim = 'published = {accuracy = 50}\ntolerance = 1\nsource = "their paper"\n'
        (folder / f"rows-{name}.toml").write_text(f'threads = 1\noutput = "found"\n[[rows]]\n{row}{claim}')
    for name, where in {"up": "../escaped", "absolute": str(folder.parents[1] / "escaped")}.items():
        (folder / f"suite-{name}.toml").write_text(f'output = "{where}"\n' + pair.format(**toy_pair, option=""))
    (folder / "predictions.txt").write_text("pos\nneg\n")
    _plant_boards(folder, outside)
    general = {"config": {"model": "hf", "model_args": "pretrained=../.."}, "n-samples": {}}
    results = {"results": {"../../escaped": {"acc,none": 0.5, "sample_len": 2}}, **general}
    (folder / "results_2026.json").write_text(json.dumps(results))


def _plant_boards(folder: Path, outside: list[str]) -> None:
    boards = {
        "metric": {"task": "toy/even", "metrics": ["evaluate:./stranger/canary"]}, "task": {"task": "./stranger/task.toml"},
        "plain": {"task": "./stranger/plain.toml"},
        **{f"data-{i}": {"task": "./stranger/plain.toml", "data": path} for i, path in enumerate(outside)},
    }  # fmt: skip
    for name, entry in boards.items():
        board = folder / f"board-{name}"
        (board / "submissions" / "link").mkdir(parents=True)
        (board / "submissions" / "link" / "t").symlink_to(folder.parents[1])
        (board / "submissions" / "made" / "t").mkdir(parents=True)
        (board / "submissions" / "made" / "t" / "predictions.txt").symlink_to(folder.parents[1] / "secret.jsonl")
        said = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
        (board / "board.toml").write_text("\n".join(["[tasks.t]", *said, ""]))
    (folder / "card.md").write_text("---\nsubmitter: ../../escaped\n---\n<script>alert(1)</script>\n")


def _leading_out(folder: Path) -> list[str]:
    (folder / "linked.jsonl").symlink_to(folder.parents[1] / "secret.jsonl")
    secret = folder.parents[1] / "secret.jsonl"
    return ["../../secret.jsonl", str(secret), "../../*.jsonl", f"{secret.parent}/*.jsonl", "linked.jsonl", "link*.jsonl"]


def lines(root: Path) -> Iterator[list[str]]:
    """Every command as one types it who looks at these files, or is asked to run them."""
    stranger = Path("stranger")
    store, runs = str(stranger / "store"), [str(p.parent) for p in sorted(stranger.rglob("result.json"))]
    for form in ("table", "markdown", "csv", "json", "latex"):
        yield ["leaderboard", store, "--format", form]
    yield ["leaderboard", store, "--site", "site"]
    groups = sorted({str(Path(r).parent) for r in runs})
    for group in groups:  # one that cannot be read must not keep the others from being looked at
        yield ["leaderboard", group]
        yield ["leaderboard", group, "--site", f"sites/{Path(group).name}"]
        yield ["recommend", group, "--task", "toy/even"]
        yield ["results", "merge", group, "merged"]
    for number in range(len(NAMES)):
        pair = sorted(r for r in runs if f"metric-{number}" in r)
        yield ["compare", *pair]
        yield ["convert", *pair[:1], "--to", "evaluate", "--output", f"converted/{number}"]
    for made in runs:
        yield ["results", "show", made]
        yield ["results", "show", made, "--format", "json"]
        yield ["reproduce", made, "--check"]
        yield ["compare", made, runs[0]]
        for form in ("model-card", "lm-eval", "evaluate", "predictions"):
            yield ["convert", made, "--to", form, "--output", f"converted/{Path(made).parent.name}/{form}"]
    yield from (["results", "verify", store, *deep] for deep in ([], ["--deep"]))
    yield ["results", "list", store]
    yield ["results", "merge", store, "merged"]
    yield ["results", "prune", store]
    yield ["recommend", store, "--task", "toy/even"]
    yield ["run", "--task", "toy/even", "--model", "toy-model", *OPTIONS, "--output", f"{store}/own"]
    yield ["leaderboard", f"{store}/own"]
    for given in ("link-predictions.jsonl", "pipe-predictions.jsonl"):
        yield ["run", "--task", "srl/sample", "--model", "tiny-bert", "--predictions-of", f"{store}/{given}"]
    for name in ("code", "pickle", "kernel", "task", "metric-0", "given", "lm-eval"):
        yield ["reproduce", next(r for r in runs if f"/{name}/" in r), "--quiet"]
    yield ["convert", str(stranger), "--from", "lm-eval", "--output", "converted/from"]
    card, predictions = str(stranger / "card.md"), str(stranger / "predictions.txt")
    for board in sorted(map(str, stranger.glob("board-*"))):
        yield ["board", "init", board]
        for name in ("kept", "../escaped"):
            yield ["board", "submit", board, "--task", "t", "--predictions", predictions, "--name", name, "--card", card]
        yield ["board", "check", board]
        yield ["board", "build", board, "--output", f"sites/{Path(board).name}"]
    for suite in sorted(stranger.glob("suite-*.toml")):
        yield ["sweep", str(suite), "--dry-run"]
        yield ["sweep", str(suite), "--quiet"]
        yield ["bundle", str(suite), "--output", f"{suite.stem}.tar"]
    yield from (["parity", str(rows)] for rows in sorted(stranger.glob("rows-*.toml")))
    yield from _tasks(stranger)
    yield from (["list", what] for what in ("tasks", "metrics", "plugins"))
    yield ["doctor"]
    yield ["results", "prune", store, "--yes"]


def _tasks(stranger: Path) -> Iterator[list[str]]:
    model = str(stranger / "model")
    learn = ["--training", "num_train_epochs=1", "--threads", "1", "--quiet"]
    for task in sorted(str(p) for p in stranger.glob("*.toml") if not p.name.startswith(("suite-", "rows-"))):
        yield ["show", task, "--model", model, "--chat"]
        yield ["check", task]
        yield ["score", "--task", task, "--predictions", str(stranger / "predictions.txt")]
        if Path(task).stem in ("task", "plain"):
            yield ["run", "--task", task, "--model", model, *learn, "--output", "ran", "--checkpoints", "trained"]
            yield ["train", "--task", task, "--model", model, *learn, "--output", f"learned-{Path(task).stem}"]
            yield ["predict", "--task", task, "--model", model, "--input", str(stranger / "predictions.txt")]
            yield ["export", "--task", task, "--model", model, "--output", f"exported-{Path(task).stem}"]
    yield ["show", model]
    yield ["train", "--task", str(stranger / "plain.toml"), "--from-scratch", model, *learn, "--output", "scratch"]


UNASKED = {
    "completion": "prints a script of its own", "demo": "takes no file", "lm-eval": "hands its line to lm-eval, and reads no run",
    "new": "writes a plugin by its name", "texts": "is no command",
}  # fmt: skip
"""Commands that are given no file of anybody's."""


def called(line: list[str]) -> Any:
    """What came of a command, in this process."""

    def late(*args: Any) -> None:
        raise TimeoutError(f"over {LIMIT} s: {' '.join(line)}")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)
    try:
        result = CliRunner().invoke(cli, line)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    expected = (SystemExit, PlmtasksError, click.ClickException, type(None))
    assert isinstance(result.exception, expected), (line, result.exception, result.exc_info)
    return result


def content(folder: Path, without: str) -> Mapping[str, bytes | str]:
    """What lies below a folder but for one in it, links and pipes by what they are."""
    found = (p for top in folder.iterdir() if top.name != without for p in (top, *top.rglob("*")))
    return {
        str(p.relative_to(folder)): f"link to {p.readlink()}" if p.is_symlink() else p.read_bytes() if p.is_file() else "other"
        for p in found
    }  # fmt: skip


@pytest.mark.slow
def test_no_canary_sings_whatever_the_command(root: Path) -> None:
    home, work, song = root / "home", root / "home" / "work", root / "song"
    outside = content(home, "work")
    asked = set()
    for line in lines(root):
        result = called(line)
        asked.add(line[0])
        assert not song.exists(), (line, song.read_text(), result.output)
        assert SECRET not in result.output, line
        assert content(home, "work") == outside, line
    assert asked == set(cli.list_commands(click.Context(cli))) - UNASKED.keys()
    made = content(work, "stranger")
    assert len(made) > 20
    for name, what in made.items():
        assert not str(what).startswith("link to"), name
        assert SECRET.encode() not in (what if isinstance(what, bytes) else b""), name


@pytest.mark.parametrize(
    "line",
    [
        ["leaderboard", "stranger/store/metric-0"],
        ["show", "stranger/task.toml"],
        ["results", "verify", "stranger/store/metric-2"],
        ["reproduce", "stranger/store/code", "--check"],
    ],
    ids=" ".join,
)
def test_a_flag_on_the_line_lets_it(root: Path, line: list[str]) -> None:
    """And the canaries are alive."""
    without = called(line)
    assert not (root / "song").exists()
    said = f"{without.output}{without.exception}"
    assert "--trust-remote-code" in " ".join(said.split())
    with_it = called([*line, "--trust-remote-code"])
    assert (root / "song").exists() or "code" in line[1], with_it.output
    assert "--trust-remote-code" not in f"{with_it.output}{with_it.exception}"


@pytest.mark.slow
def test_started_processes_import_nothing_of_the_current_folder(root: Path) -> None:
    for name in ("numpy", "torch", "plmtasks", "toy_canary"):
        Path(f"{name}.py").write_text(SONG)
    info = Path("evil-1.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Name: evil\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[plmtasks]\nevil = toy_canary\n")
    Path("honest.toml").write_text('threads = 1\n[[tasks]]\nname = "toy/even"\n[[models]]\nname = "toy-model"\n')
    program = Path(sys.executable).with_name("plmtasks")
    subprocess.run([program, "sweep", "honest.toml", "--quiet"], check=True, capture_output=True, timeout=200)
    assert list(Path("results").rglob("result.json"))
    assert not (root / "song").exists()


def test_a_document_has_an_end(tmp_path: Path) -> None:
    """A file of nothing but holes takes no room on the disk, and all of the memory."""
    with (tmp_path / "result.json").open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(DataError, match=r"a document of at most 256 MiB, found 268,435,457 bytes"):
        read_results(tmp_path)
