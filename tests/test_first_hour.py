"""The first hour, with a file of one's own: what people stumble over, a test each; nothing is at hand but a clone."""

import csv
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import hub
import pytest
import warm
from blocks import STARTS, blocks

import plmtasks as library
from plmtasks.cli.demo import next_commands
from plmtasks.config import Source
from plmtasks.errors import PlmtasksError
from plmtasks.hooks import load_registry

ROOT = Path(__file__).parents[1]
PAGES = [*STARTS, "docs/tutorial.md"]
OWN = ["--task", "sentiment", "--data", "examples/reviews.csv"]

Shell = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@pytest.fixture(scope="module")
def shell(clone: Path) -> Shell:
    """What a command prints on a terminal of 80 columns, in a clone."""

    def typed(*words: str, **environment: str) -> CompletedProcess[str]:
        usual = {"COLUMNS": "80", "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(hub.filled()), "OMP_NUM_THREADS": "1"}
        return warm.plmtasks(words, clone, {**os.environ, **usual, **environment})

    return typed


@pytest.fixture(scope="module")
def first(shell: Shell) -> CompletedProcess[str]:
    """The first run on a file of one's own, by a model that learns in a second."""
    done = shell("run", *OWN, "--holdout", "0.2", "--model", "tfidf-linear")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def run(first: CompletedProcess[str], clone: Path) -> str:
    [found] = clone.glob("results/classification/custom/tfidf-linear/*")
    return str(found.relative_to(clone))


# ── the pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", STARTS)
def test_the_environment_is_activated_before_the_first_command(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert 0 < text.index(". .venv/bin/activate") < text.index("$ plmtasks")


@pytest.mark.parametrize("page", PAGES)
def test_no_command_of_a_start_page_is_shown_and_not_run(page: str) -> None:
    for block in blocks((ROOT / page).read_text(encoding="utf-8")):
        if block.language == "text" and block.title is None:
            assert "plmtasks " not in block.body, f"{page}:{block.line}"


@pytest.mark.parametrize("page", PAGES)
def test_what_sets_up_is_there(page: str) -> None:
    lines = [
        line.split("#")[0].split()
        for block in blocks((ROOT / page).read_text(encoding="utf-8"))
        for line in block.body.splitlines()
        if block.language == "sh"
    ]
    for words in lines:
        if words[0] == "make":
            subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
        else:
            assert words == [".", ".venv/bin/activate"]


@pytest.mark.parametrize("page", PAGES)
def test_no_file_is_named_that_a_clone_has_not(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert "$MINILM" not in text
    assert "../shared" not in text
    for name in re.findall(r"(?<![\w/])examples/[\w.]+", text):
        assert (ROOT / name).exists(), name


def test_the_readme_is_read_in_one_go() -> None:
    assert (ROOT / "README.md").stat().st_size < 10_000


def test_the_demo_ends_with_commands_that_can_be_typed(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    monkeypatch.setenv("PATH", "/nowhere")
    activation, own, pages = next_commands("demo")
    assert activation.startswith(". ")
    assert Path(activation[2:]).is_file()
    assert "--data examples/reviews.csv --holdout 0.2" in own
    assert pages == "plmtasks leaderboard demo/results --site site --open"
    monkeypatch.setenv("PATH", str(Path(activation[2:]).resolve().parent))
    assert next_commands("demo")[:2] == [own, pages]
    monkeypatch.chdir(clone.parent)
    assert "examples" not in " ".join(next_commands("demo"))


# ── the examples ──────────────────────────────────────────────────────────────────────────────────────────────────────

EXAMPLES = {
    "reviews.csv": ("classification/custom", 200),
    "qa.json": ("qa/squad", 60),
    "roles.bio.tsv": ("srl/propbank", 60),
    "parallel.tsv": ("translation/text-en-de", 100),
}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.filterwarnings("error")
def test_examples_are_read_without_a_word(name: str) -> None:
    task, count = EXAMPLES[name]
    data = load_registry().task(task).load(Source(data=str(ROOT / "examples" / name)))
    assert {split: len(data[split]) for split in data.splits} == {"test": count}


def test_an_answer_stands_where_its_offset_says() -> None:
    for article in json.loads((ROOT / "examples" / "qa.json").read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for answer in (answer for question in paragraph["qas"] for answer in question["answers"]):
                assert paragraph["context"][answer["answer_start"] :].startswith(answer["text"])


def test_no_review_comes_twice() -> None:
    with (ROOT / "examples" / "reviews.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["text"].casefold() for row in rows}) == len(rows) == 200
    assert sorted(sum(row["label"] == label for row in rows) for label in ("negative", "positive")) == [92, 108]


# ── a word that is wrong or missing ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["rnu"], "did you mean 'run'?"),
        (["results", "lst"], "'list'"),
        (["run"], "plmtasks run --task classification/sample --model tiny-bert"),
        (["run", "--task", "sentiment"], "plmtasks run --task sentiment --model tiny-bert"),
        (["run", "--task", "sentimnt", "--model", "tiny-bert"], "'sentiment'"),
        (["run", "--task", "sentiment", "--model", "tiny-brt"], "'tiny-bert'"),
        (["run", *OWN, "--columns", "text=review", "--holdout", "0.2", "--model", "tfidf-linear"], "found text, label"),
    ],
)
def test_a_wrong_or_missing_word_is_answered_with_the_right_one(shell: Shell, typed: list[str], told: str) -> None:
    done = shell(*typed)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_train_split_the_error_names_what_makes_one(shell: Shell) -> None:
    done = shell("run", *OWN, "--model", "tfidf-linear")
    assert done.returncode == 2
    assert "--holdout 0.2" in done.stderr
    assert "--train-data" in done.stderr


WORDS = {
    "sentiment": "classification/", "nli": "classification/", "ner": "tagging/", "pos": "tagging/", "summarize": "summarization/",
    "translate": "translation/", "question answering": "qa/", "perplexity": "language_modeling/",
}  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_words_that_people_use_lead_to_a_task(word: str) -> None:
    assert load_registry().task(word, own_data=True).name.startswith(WORDS[word])


def test_without_plugins_it_says_how_to_get_them() -> None:
    with pytest.raises(PlmtasksError) as missing:
        load_registry(installed=False).task("sentiment")
    assert "pip install 'plmtasks[all]'" in " ".join(missing.value.hints)


# ── what a run says ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_says_what_it_read(first: CompletedProcess[str]) -> None:
    assert re.search(r"^train: 160 examples: negative 7\d, positive 8\d; .*words", first.stderr, re.M)
    assert re.search(r"^test: 40 examples: negative 1\d, positive 2\d; ", first.stderr, re.M)


def test_a_table_fits_a_terminal_and_breaks_no_path(first: CompletedProcess[str], run: str) -> None:
    lines = [line.strip() for line in first.stdout.splitlines()]
    assert run in lines
    assert [line for line in lines if len(line) > 80 and line != run] == []
    assert re.search(r"tfidf-linear¹ .*\n¹ 20 % held out", first.stdout)


def test_in_a_pipe_lines_are_whole(shell: Shell, run: str) -> None:
    lines = shell("leaderboard", "results", "--format", "tsv").stdout.splitlines()
    assert len({line.count("\t") for line in lines}) == 1
    assert lines[0].startswith("task\t")


@pytest.mark.slow
def test_one_answer_to_everything_is_warned_of(shell: Shell) -> None:
    little = ["--holdout", "0.2", "--model", "tiny-bert", "--training", "num_train_epochs=1,learning_rate=1e-6"]
    assert re.search(r"warning: .*all 40 predictions are \"(negative|positive)\"", shell("run", *OWN, *little).stderr)


def test_which_were_wrong(shell: Shell, run: str) -> None:
    shown = shell("results", "errors", run, "--label", "negative", "--limit", "3").stdout
    assert shown.count("\n  expected ") == 3
    assert max(map(len, shown.splitlines())) <= 80


def test_a_run_is_shown_on_one_screen(shell: Shell, run: str) -> None:
    shown = shell("results", "show", run).stdout.splitlines()
    assert len(shown) <= 25
    assert any(line.startswith("accuracy") for line in shown)


def test_a_default_comes_from_the_environment(shell: Shell, first: CompletedProcess[str]) -> None:
    done = shell("run", *OWN, "--holdout", "0.2", "--model", "tfidf-linear", "--quiet", PLMTASKS_OUTPUT="elsewhere")
    assert "elsewhere/classification/custom/tfidf-linear/" in done.stdout


def test_the_settings_of_a_run_can_stand_in_a_file(shell: Shell, clone: Path, first: CompletedProcess[str]) -> None:
    (clone / "run.toml").write_text(
        'task = "sentiment"\nmodel = "tfidf-linear"\ndata = "examples/reviews.csv"\nholdout = 0.2\n', encoding="utf-8"
    )
    assert shell("run", "--config", "run.toml", "--quiet").stdout == first.stdout


# ── Python ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_wrong_names_from_python_are_answered_with_the_right_ones() -> None:
    with pytest.raises(PlmtasksError, match="clasification/sample") as wrong:
        library.run("clasification/sample", "tiny-bert")
    assert "'classification/sample'" in " ".join(wrong.value.hints)
    with pytest.raises(PlmtasksError, match="epochs") as unknown:
        library.run("classification/sample", "tiny-bert", epochs=3)  # type: ignore[call-overload]
    assert "num_train_epochs" in " ".join(unknown.value.hints)


def test_a_result_shows_itself_in_a_notebook(clone: Path, run: str) -> None:
    [result] = library.load_results(clone / "results", model="tfidf-linear")
    shown = result._repr_html_()
    assert "62.50" in shown
    assert "<script" not in shown


# ── predictions of others ─────────────────────────────────────────────────────────────────────────────────────────────


def test_predictions_with_ids_are_scored_and_stand_in_the_table(shell: Shell, clone: Path) -> None:
    asked = ["score", "--task", "qa/squad", "--references", "examples/qa.json", "--predictions"]
    done = shell(*asked, "examples/predictions.csv", "--name", "a-system", "--output", "submitted")
    assert done.returncode == 0, done.stderr
    assert "a-system" in shell("leaderboard", "submitted").stdout
    rows = (clone / "examples" / "predictions.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (clone / "fewer.csv").write_text("".join(rows[:-2]), encoding="utf-8")
    refused = shell(*asked, "fewer.csv", "--name", "another", "--output", "submitted")
    assert refused.returncode == 2
    assert "found none for 2 of 60" in refused.stderr
