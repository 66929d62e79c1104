"""The command line, as a user types it."""

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import warm

from plmtasks.cli import COMMANDS, OPTION, brought, cli, options_of, whose_option
from plmtasks.data.candidates import HIDDEN


def plmtasks(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm.plmtasks(arguments, cwd, {**os.environ, "COLUMNS": "200"})


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in HIDDEN])
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    done = plmtasks(tmp_path, command, "--help")
    assert done.returncode == 0
    assert f"plmtasks {command}" in done.stdout
    assert COMMANDS[command] in plmtasks(tmp_path, "--help").stdout


@pytest.mark.slow
def test_list_says_what_is_installed(tmp_path: Path) -> None:
    assert "qa/squad " in plmtasks(tmp_path, "list", "tasks").stdout
    assert "bert-base " in plmtasks(tmp_path, "list", "models").stdout
    assert "squad " in plmtasks(tmp_path, "list", "metrics").stdout
    assert "plmtasks-qa 0.1.0" in plmtasks(tmp_path, "list", "plugins").stdout
    assert "ClassifyAnswer       Which of these labels?\n" in plmtasks(tmp_path, "list", "requests").stdout


@pytest.mark.slow
def test_show_renders_a_real_request(tmp_path: Path) -> None:
    shown = plmtasks(tmp_path, "show", "qa/sample", "--ask", "ExtractSpan").stdout
    assert '"question": "' in shown
    assert "solved:" in shown
    assert "metric squad:" in shown
    assert "answers: Choose, LogLikelihood, Generate" in plmtasks(tmp_path, "show", "tiny-gpt").stdout
    assert "higher is better" in plmtasks(tmp_path, "show", "squad").stdout


@pytest.mark.slow
def test_official_figures_of_squad(real_data: Path, tmp_path: Path) -> None:
    for system, f1, exact in (
        ("BERT_ensemble_Google_AI_Language", 86.325, 74.874),
        ("r-net_ensemble_Microsoft_Research_Asia", 83.408, 72.773),
    ):
        predictions = real_data / "squad_system_predictions" / f"1.1__{system}.json"
        references = real_data / "xquad" / "xquad.en.json"
        common = ["score", "--task", "qa/squad", "--predictions", str(predictions), "--references", str(references)]
        said = plmtasks(tmp_path, *common).stdout
        assert f"{f1:.3f}" in said
        assert f"{exact:.3f}" in said
        scores = json.loads(plmtasks(tmp_path, *common, "--format", "json").stdout)
        assert scores["squad"]["f1"]["value"] == pytest.approx(f1, abs=5e-4)


@pytest.mark.slow
def test_train_run_and_table(tmp_path: Path) -> None:
    """From a file of one's own to a table: train, run on two models, leaderboard."""
    rows = [f"{word} film number {i}\t{label}\n" for i in range(40) for word, label in (("a fine", 1), ("a poor", 0))]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.tsv").write_text("".join(rows))
    (tmp_path / "data" / "test.tsv").write_text("".join(r.replace("number", "part") for r in rows[:30]))
    common = ["--task", "classification/sst2", "--data", "data", "--threads", "1"]
    done = plmtasks(tmp_path, "train", *common, "--model", "tiny-bert", "--output", "mine", "--quiet")
    assert done.returncode == 0, done.stderr
    done = plmtasks(tmp_path, "run", *common, "--model", "./mine,tiny-gpt")
    assert done.returncode == 0, done.stderr
    assert "rank" in done.stdout
    assert "mine" in done.stdout
    assert "fine-tuned" in done.stdout
    assert "epoch 1: loss" in done.stderr
    table = plmtasks(tmp_path, "leaderboard", "results", "--format", "markdown").stdout
    assert "| mine | encoder | fine-tuned | 30 |" in table
    again = plmtasks(tmp_path, "run", *common, "--model", "./mine")
    assert "the same was run before" in again.stderr


@pytest.mark.slow
def test_shots_make_a_prompt_that_is_shared(tmp_path: Path) -> None:
    """k-shot on a decoder; per-example shots are another identity."""
    from plmtasks.config import Source
    from plmtasks.hooks import load_registry

    registry = load_registry()
    texts = [text for e in registry.task("qa/sample").load(Source())["train"][:100] for text in e.inputs.values()]
    registry.model("tiny-gpt").make(texts, 0, tmp_path / "gpt")
    common = ["run", "--task", "classification/sample", "--model", "./gpt", "--shots", "2", "--limit", "6", "--threads", "1"]
    common += ["--train", "never", "--allow-untrained", "--quiet"]
    for shots_from in ("fixed", "per-example"):
        done = plmtasks(tmp_path, *common, "--config", f"shots_from={shots_from}")
        assert done.returncode == 0, done.stderr
        assert "untrained" in done.stdout
    found = [json.loads(p.read_text()) for p in tmp_path.rglob("result.json")]
    assert len({r["identity"] for r in found}) == 2
    assert {r["protocol"]["shots"] for r in found} == {2}


@pytest.mark.slow
def test_several_tasks_and_models_make_a_matrix_of_those_that_fit(tmp_path: Path) -> None:
    done = plmtasks(
        tmp_path, "run", "--task", "qa/sample,classification/sample", "--model", "tiny-bert", "--ask", "ExtractSpan",
        "--training", "max_train_samples=16,num_train_epochs=1", "--limit", "5", "--threads", "1",
    )  # fmt: skip
    assert done.returncode == 2, "a kind that one of the tasks does not know"
    assert "cannot be asked by 'ExtractSpan'" in done.stderr
    done = plmtasks(
        tmp_path, "run", "--task", "qa/sample", "--model", "tiny-bert,tiny-gpt", "--ask", "ExtractSpan",
        "--training", "max_train_samples=16,num_train_epochs=1", "--limit", "5", "--threads", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "qa/sample cannot be asked of tiny-gpt: left out" in done.stderr
    assert len(list(tmp_path.rglob("result.json"))) == 1


@pytest.mark.slow
def test_show_says_what_a_model_does_not_answer_and_what_a_task_cannot_ask(tmp_path: Path) -> None:
    shown = plmtasks(tmp_path, "show", "qa/sample", "--ask", "ExtractSpan", "--model", "tiny-gpt")
    assert shown.returncode == 0, shown.stderr
    assert "tiny-gpt does not answer ExtractSpan" in shown.stdout
    done = plmtasks(tmp_path, "show", "qa/sample", "--ask", "Foo")
    assert done.returncode == 2
    assert "task 'qa/sample' cannot be asked by 'Foo'\n  it can be asked by: ExtractSpan, Generate" in done.stderr


@pytest.mark.slow
def test_show_says_where_no_tokens_are_known(tmp_path: Path) -> None:
    shown = plmtasks(tmp_path, "show", "classification/sample", "--ask", "Choose", "--model", "tiny-gpt", "--tokens")
    assert "which tokens these are, nobody here knows" in shown.stdout
    alone = plmtasks(tmp_path, "show", "classification/sample", "--tokens")
    assert alone.returncode == 2
    assert "error: --tokens shows those of a model\n  plmtasks show classification/sample --model M --tokens\n" in alone.stderr
    shots = plmtasks(tmp_path, "show", "classification/sample", "--shots", "2").stdout
    assert "\nClassify:\na Classify request takes no shots\n" in shots
    assert shots.count('"answer": ') == 4  # of two kinds


def test_show_of_a_task_without_its_data(tmp_path: Path) -> None:
    common = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "plmtasks", "show", "classification/sst2"]
    shown = subprocess.run(command, cwd=tmp_path, env=common, capture_output=True, text=True, timeout=200, check=False)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    fitting, predictions, data = (next(x for x in lines if x.startswith(word)) for word in ("models", "predictions", "data"))
    assert " more (plmtasks list models)" in fitting
    assert fitting.count(",") == 7
    assert "GLUE's tab-separated" in predictions
    assert data.startswith("data: not at hand: data set ")
    assert shown.stdout.endswith(data + "\n")
    done = plmtasks(tmp_path, "show", "classification/sst2", "--data", "nowhere")
    assert (done.returncode, done.stderr) == (2, "error: nowhere: no such file or folder\n"), "the user named it"


def test_show_says_which_predictions_can_be_scored(tmp_path: Path) -> None:
    assert "predictions to score: SQuAD's `{id: answer}` JSON" in plmtasks(tmp_path, "show", "qa/sample").stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "meant"),
    [("sst", "'classification/sst2'"), ("tiny-gtp", "'tiny-gpt'"), ("sqaud", "'squad'"), ("transformer", "'transformers'")],
)
def test_show_of_a_name_that_is_nothing_names_what_is_close(name: str, meant: str, tmp_path: Path) -> None:
    done = plmtasks(tmp_path, "show", name)
    assert done.returncode == 2
    assert f"there is no task {name!r}\n  nor a model, metric or plugin of that name\n  did you mean" in done.stderr
    assert meant in done.stderr


def test_show_of_a_checkpoint_goes_to_its_provider(tmp_path: Path) -> None:
    assert "'no-such/checkpoint' is not on this machine" in plmtasks(tmp_path, "show", "no-such/checkpoint").stderr


def test_show_of_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = plmtasks(tmp_path, "show", "plmtasks-qa").stdout
    assert "plugin qa, from plmtasks-qa 0.1.0\ntasks: qa/squad," in shown
    assert "metrics: squad," in shown
    (tmp_path / "broken_plugin.py").write_text("raise ImportError('no such library')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PLMTASKS_PLUGINS", "broken_plugin")
    assert "failed to load: ImportError: no such library" in plmtasks(tmp_path, "show", "broken_plugin").stdout


def test_score_says_what_was_scored(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("a fine film\t1\na poor film\t0\n")
    (tmp_path / "predictions").write_text("1\n1\n")
    common = ["score", "--task", "classification/sst2", "--predictions", "predictions", "--references", "test.tsv"]
    done = plmtasks(tmp_path, *common)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 examples of test.tsv, split test\n")
    assert "50.000" in done.stdout
    assert done.stdout.endswith("\naccuracy: accuracy v1\nf1: f1 v1\nmatthews: matthews v1\n")
    found = json.loads(plmtasks(tmp_path, *common, "--format", "json").stdout)
    assert (found["accuracy"]["accuracy"]["value"], found["accuracy"]["accuracy"]["signature"]) == (50.0, "accuracy v1")


@pytest.mark.slow
def test_a_metric_is_shown_as_it_counts_for_a_task(tmp_path: Path) -> None:
    plain, chinese = plmtasks(tmp_path, "show", "bleu"), plmtasks(tmp_path, "show", "bleu", "--task", "translation/sample")
    assert "signature, where the task says nothing else (--task T): nrefs:1|case:mixed|eff:no|tok:13a|" in plain.stdout
    assert "signature in translation/sample: nrefs:1|case:mixed|eff:no|tok:zh|" in chinese.stdout
    assert "  nrefs:1|case:mixed|eff:no|tok:zh|" in plmtasks(tmp_path, "show", "translation/sample").stdout
    done = plmtasks(tmp_path, "show", "tiny-bert", "--task", "qa/sample")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: 'tiny-bert' is a model; --task goes with a metric\n  plmtasks show qa/sample shows the task\n"


@pytest.mark.slow
def test_convert_goes_both_ways(tmp_path: Path) -> None:
    results = {
        "results": {"arc": {"acc,none": 0.75, "acc_stderr,none": 0.1}},
        "n-samples": {"arc": {"original": 9, "effective": 9}},
    }
    (tmp_path / "results_1.json").write_text(json.dumps({**results, "model_name": "owner/model"}))
    done = plmtasks(tmp_path, "convert", "results_1.json", "--from", "lm-eval", "--task", "arc=qa/arc", "--output", "results")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(": qa/arc on owner/model, 9 examples\n")
    assert "scored by lm-eval" in plmtasks(tmp_path, "leaderboard", "results").stdout
    for form, output in (("model-card", "card"), ("lm-eval", "back.json"), ("evaluate", "saved")):
        done = plmtasks(tmp_path, "convert", "results", "results/qa", "--to", form, "--output", output)
        assert done.returncode == 0, done.stderr
        [file] = done.stdout.split()
        assert "0.75" in (tmp_path / file).read_text() or "75.0" in (tmp_path / file).read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "convert takes --to FORMAT for runs, or --from FORMAT for files of another tool"),
        (("--to", "evaluate", "--from", "lm-eval"), "convert takes --to FORMAT for runs, or --from FORMAT"),
        (("--to", "evaluate", "--task", "a=b"), "--task goes with --from: a run knows its task"),
        (("--to", "predictions"), "no-such: no such file or folder"),
        (("--from", "lm-eval"), "no-such: No such file or directory"),
    ],
)
def test_convert_says_what_it_wants(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = plmtasks(tmp_path, "convert", "no-such", *arguments, "--output", "x")
    assert done.returncode == 2
    assert f"error: {said}" in done.stderr


# ── hints ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def every_option() -> dict[str, set[str]]:
    found = {name: options_of(importlib.import_module(f"plmtasks.cli.{name}").command) for name in COMMANDS if name not in HIDDEN}
    return found | {name: options_of(entry.load()) for name, entry in brought().items()}


def test_every_option_that_the_code_names_is_one_of_some_command() -> None:
    """What messages and hints name, in the core and in the plugins; options of other programs stand behind their names."""
    known = set[str]().union(*every_option().values())
    others = {"--help", "--nproc-per-node", "--revision", "--log", "--logits", "--mpirun", "--multi", "--head", "--address"}
    root = Path(__file__).parents[1]
    for path in [*root.glob("plmtasks/**/*.py"), *root.glob("plugins/*/plmtasks_*/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert set(OPTION.findall(node.value)) <= known | others, f"{path}:{node.lineno}"


@pytest.mark.parametrize("command", [*COMMANDS, "board", "lm-eval", "sweep"])
def test_a_hint_names_options_of_the_command_or_the_command_that_has_them(command: str) -> None:
    own = every_option().get(command, set())
    for hint in ("name data with --data PATH", "leave out --limit", "--train always, or --truncation left", "run it again"):
        said = whose_option(hint, cli.get_command(click.Context(cli), command))
        assert said.startswith(hint)
        if "(" not in said:
            assert set(OPTION.findall(hint)) <= own
        else:
            other = every_option()[said.rpartition("(plmtasks ")[2].split()[0]]
            assert set(OPTION.findall(hint)) <= other
    assert whose_option("plmtasks train --seed 3", cli.get_command(click.Context(cli), command)) == "plmtasks train --seed 3"


@pytest.mark.slow
def test_score_takes_its_references_by_the_name_that_hints_have(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\ngood,a\nbad,b\n")
    (tmp_path / "p.txt").write_text("a\nb\n")
    said = ("score", "--task", "classification/custom", "--predictions", "p.txt")
    refused = plmtasks(tmp_path, *said)
    assert refused.stderr.endswith("has no data of its own here\n  name a file or folder with --data PATH\n")
    assert plmtasks(tmp_path, *said, "--data", "t.csv").stdout.startswith("2 examples of t.csv")
    (tmp_path / "t.csv").write_text("text,label\ngood,a\nbad,b\nnone,\n")
    assert "--skip-bad-rows leaves it out" in plmtasks(tmp_path, *said, "--data", "t.csv").stderr
    assert plmtasks(tmp_path, *said, "--data", "t.csv", "--skip-bad-rows").stdout.startswith("2 examples of t.csv")
