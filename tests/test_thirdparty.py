"""A stranger's package (tests/thirdparty) in an environment of its own, beside our wheels: it is treated like ours."""

import json
import re
import shutil

import fresh
import pytest

pytestmark = pytest.mark.slow

TASK, MODEL = "weather/temperature", "word-sums"


@pytest.fixture(scope="module")
def environment(wheels, tmp_path_factory):
    """All of ours from the wheels, and the stranger's package from its folder, as its author installs it."""
    folder = tmp_path_factory.mktemp("stranger")
    shutil.copytree(
        fresh.ROOT / "tests" / "thirdparty",
        folder / "weather-estimates",
        ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"),
    )
    made = fresh.Fresh.of(folder / "venv", ["plmtasks[all,testing]", "setuptools"], wheels)
    made.install("--find-links", str(wheels), "--no-build-isolation", "plmtasks[all]", str(folder / "weather-estimates"))
    return made


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the commands are called: outside of the repository."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def trained(environment, place):
    environment.run("plmtasks", "train", "--task", TASK, "--model", MODEL, "--output", "words", "--quiet", cwd=place)
    return f"{MODEL}:words"


@pytest.fixture(scope="module")
def ran(environment, place, trained):
    """A run over two processes."""
    environment.run("plmtasks", "run", "--task", TASK, "--model", trained, "--processes", "2", "--quiet", cwd=place)
    return json.loads(next(place.glob("results/**/result.json")).read_text(encoding="utf-8"))


def test_nothing_comes_from_the_source_tree(environment, place):
    code = "import plmtasks, plmtasks_qa, weather_estimates as w; print(plmtasks.__file__, plmtasks_qa.__file__, w.__file__)"
    places = environment.run("python", "-c", code, cwd=place).split()
    assert all(path.startswith(str(environment.site_packages)) for path in places)
    assert not str(place).startswith(str(fresh.ROOT))
    paths = environment.run("python", "-c", "import sys; print(*sys.path, sep='\\n')", cwd=place).split("\n")
    assert not any(path.startswith(str(fresh.ROOT)) for path in paths)


@pytest.mark.parametrize(
    ("what", "name"), [("tasks", TASK), ("models", MODEL), ("metrics", "weather_error"), ("plugins", "weather-estimates 1.0")]
)  # fmt: skip
def test_list(environment, place, what, name):
    listed = environment.run("plmtasks", "list", what, cwd=place)
    assert name in listed
    assert "failed" not in listed


def test_run(ran, place):
    asked = json.loads(next(place.glob("results/**/config.json")).read_text(encoding="utf-8"))["identity"]["ask"]
    assert asked == "Estimate"
    scores = ran["scores"]["weather_error"]
    assert scores["mean_error"]["value"] < 1
    assert scores["mean_error"]["low"] < scores["mean_error"]["value"] < scores["mean_error"]["high"]
    assert scores["mean_error"]["unit"] == "°C"


def test_a_metric_made_of_a_function(environment, place, ran):
    """In two processes, from an installed package; told by its source, it is the same afterwards."""
    found = ran["scores"]["within_a_degree"]["within_a_degree"]
    assert found["low"] < found["value"] <= found["high"]
    assert found["interval"] == "wilson"
    assert re.fullmatch("within_a_degree [0-9a-f]{16}", ran["signatures"]["within_a_degree"])
    said = environment.run("plmtasks", "results", "verify", "--deep", "results", cwd=place)
    assert "1 run" in said


def test_train_and_predict(environment, place, trained):
    asked = ["A cold, foggy night in spring.", "A hot, sunny afternoon in summer."]
    answers = environment.run(
        "plmtasks", "predict", "--task", TASK, "--model", trained, cwd=place, given="\n".join(asked)
    ).splitlines()
    assert [round(float(answer.removesuffix(" °C"))) for answer in answers] == [1, 36]


def test_show(environment, place):
    shown = environment.run("plmtasks", "show", TASK, "--model", MODEL, cwd=place)
    assert "can be asked by: Estimate, Generate" in shown
    assert "word-sums does not answer Generate" in shown


def test_score(environment, place, ran):
    predictions = next(place.glob("results/**/predictions.jsonl"))
    scored = json.loads(
        environment.run("plmtasks", "score", "--task", TASK, "--predictions", str(predictions), "--format", "json", cwd=place)
    )
    signatures = {metric: {score.pop("signature") for score in scores.values()} for metric, scores in scored.items()}
    assert signatures == {metric: {signature} for metric, signature in ran["signatures"].items()}
    assert scored == ran["scores"]


def test_leaderboard(environment, place, ran):
    table = environment.run("plmtasks", "leaderboard", "results", "--format", "markdown", cwd=place)
    assert "ranked by mean_error (lower is better)" in " ".join(table.split())
    assert "| word-sums:words | bag of words | fine-tuned |" in table


@pytest.mark.parametrize("name", [TASK, "weather_error", "within_a_degree", MODEL, "weather-estimates"])
def test_check(environment, place, name):
    said = environment.run("plmtasks", "check", name, cwd=place)
    assert " passed" in said
    assert "not checked" not in said


def test_its_own_tests(environment):
    """The conformance kit among them."""
    folder = environment.folder.parent / "weather-estimates"
    printed = environment.run("python", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests", cwd=folder)
    assert int(re.search(r"(\d+) passed", printed)[1]) > 40
    reasons = re.findall(r"^SKIPPED .*\d: (.*)$", printed, flags=re.MULTILINE)
    assert sorted(reasons) == ["it generates no texts", "weather/temperature follows no other task"]
