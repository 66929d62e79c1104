"""The package's own functions, as a script or a notebook calls them."""

import html.parser
import inspect
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import typing
import warnings
from pathlib import Path

import pytest
import settings

import plmtasks
from plmtasks import calls, config
from plmtasks.calls import ScoreSettings, Settings
from plmtasks.errors import DataError, DataWarning, InputError, PlmtasksError
from plmtasks.files import Table
from plmtasks.results import Result
from plmtasks.tables import Leaderboard, Results

FUNCTIONS = [
    plmtasks.run,
    plmtasks.train,
    plmtasks.predict,
    plmtasks.score,
    plmtasks.load_results,
    plmtasks.leaderboard,
    plmtasks.mistakes,
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The runs of two models, one of which learns from all at once, for two seeds."""
    folder = tmp_path_factory.mktemp("ran")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        results = plmtasks.run(
            "classification/sample", ["majority", "tfidf-linear"], seed=[0, 1], limit=20, split="test", quiet=True
        )  # fmt: skip
    return folder, results


@pytest.fixture
def here(ran, monkeypatch):
    monkeypatch.chdir(ran[0])
    return ran[1]


# ── parameters ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_settings_are_those_of_the_config_classes():
    assert settings.stands() == settings.text(), "python tests/settings.py writes them anew"
    assert set(Settings.__annotations__) | {"seed", "output"} == {
        name for form in (*config.PARTS.values(), *config.GROUPS.values()) for name in config.types(form)
    }
    assert ScoreSettings.__annotations__.items() <= Settings.__annotations__.items()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_an_editor_sees_every_parameter_with_its_default(function):
    parameters = inspect.signature(function).parameters
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters.values())
    if function in (plmtasks.run, plmtasks.train, plmtasks.predict):
        assert set(Settings.__annotations__) | {"seed", "output"} <= set(parameters)
        assert parameters["warmup_steps"].default == config.TrainSettings().warmup_steps
        assert parameters["shots_from"].annotation == typing.Literal["fixed", "per-example"]


def test_ipython_completes_them():
    completer = pytest.importorskip("IPython.core.completer")
    made = completer.IPCompleter(namespace={"plmtasks": plmtasks})
    for jedi in (True, False):
        made.use_jedi = jedi
        for code, name in (("plmtasks.run('a', 'b', num_tr", "num_train_epochs="), ("plmtasks.load", "load_results")):
            with completer.provisionalcompleter():
                assert [c.text.lstrip(".") for c in made.completions(code, len(code))] == [name]


def test_values_come_plain(tmp_path):
    np = pytest.importorskip("numpy")
    assert type(calls.taken("limit", int | None, np.int64(5))) is int
    assert type(calls.taken("learning_rate", float, np.float32(0.5))) is float
    assert calls.taken("seed", int | typing.Sequence[int], range(3)) == (0, 1, 2)
    assert calls.taken("data", Settings.__annotations__["data"], tmp_path) == str(tmp_path)
    assert calls.taken("metrics", typing.Sequence[str], "accuracy") == "accuracy"


# ── what comes back ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_gives_a_result_and_several_give_results(here):
    one = plmtasks.run("classification/sample", "majority", limit=20, split="test", quiet=True)
    assert isinstance(one, Result)
    assert isinstance(here, Results)
    assert [(r.model, r.record["seed"]["value"] if "seed" in r.record else None) for r in here[:2]] == [("majority", None)] * 2
    assert len(here) == 4
    assert one in here
    assert len(plmtasks.run(["classification/sample"], "majority", limit=20, split="test", quiet=True)) == 1


def test_a_training_object_keeps_its_seed(monkeypatch):
    seen = []
    monkeypatch.setattr("plmtasks.evaluation.run", lambda configs: seen.extend(configs) or [None] * len(configs))
    plmtasks.run("a", "b", training=plmtasks.TrainSettings(seed=5))
    plmtasks.run("a", "b", seed=7)
    plmtasks.run("a", ["b", "c"], seed=[1, 2])
    assert [(c.model, c.seed, c.settings.seed, c.training.seed) for c in seen] == [
        ("b", 0, 0, 5), ("b", 7, 7, 7), ("b", 1, 1, 1), ("b", 2, 2, 2), ("c", 1, 1, 1), ("c", 2, 2, 2),
    ]  # fmt: skip


def test_results_are_loaded_by_patterns(here):
    assert {r.model for r in plmtasks.load_results()} == {"majority", "tfidf-linear"}
    assert {r.model for r in plmtasks.load_results("results", model="tf*", task="classification")} == {"tfidf-linear"}


def test_a_board_is_what_the_command_prints(here):
    import warm

    board = plmtasks.leaderboard("results")
    assert isinstance(board, Leaderboard)
    done = warm.plmtasks(["leaderboard", "results", "--format", "markdown"], Path.cwd(), os.environ)
    assert done.stdout.strip() == board.to_markdown().strip()
    assert "tfidf-linear" in repr(board)
    assert [line["rank"] for line in board.to_pandas().to_dict("records")] == [1, 2]
    assert board.to_pandas()["value"].tolist() == sorted({r.score for r in here}, reverse=True)


def test_a_comparison_is_the_store_s(here):
    models = {r.model: r for r in here}
    made = plmtasks.compare(models["majority"], str(models["tfidf-linear"].folder))
    frame = made.to_pandas().set_index(["metric", "score"])
    difference = models["tfidf-linear"].score - models["majority"].score
    assert frame.loc[("accuracy", "accuracy"), "difference"] == pytest.approx(difference)
    assert "B less A" in repr(made)
    assert "B less A" in made._repr_html_()


def test_predictions_at_hand_are_scored_as_a_file_of_them(here, tmp_path):
    best = max(here, key=lambda r: r.score)
    rows = list(best.predictions())
    lines = tmp_path / "lines.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = tmp_path / "test.jsonl"
    data.write_text(
        "".join(json.dumps({"id": r["id"], "text": r["inputs"]["text"], "label": r["reference"]}) + "\n" for r in rows),
        encoding="utf-8",
    )
    told = {"data": data, "split": "test"}
    by_file = plmtasks.score("classification/custom", lines, **told)
    pandas = pytest.importorskip("pandas")
    by_id = {row["id"]: row["prediction"] for row in rows}
    for given in (by_id, rows, list(by_id.values()), pandas.DataFrame({"id": by_id.keys(), "prediction": by_id.values()})):
        assert plmtasks.score("classification/custom", given, **told).scores == by_file.scores
    assert by_file.scores["accuracy"]["accuracy"]["value"] == pytest.approx(best.score)
    assert "accuracy/accuracy" in repr(by_file)
    by_id.popitem()
    with pytest.raises(InputError, match=r"^predictions: expected a prediction for every example, found none for 1"):
        plmtasks.score("classification/custom", by_id, **told)


def test_a_frame_is_asked_by_its_rows(here):
    pandas = pytest.importorskip("pandas")
    checkpoint = plmtasks.train("classification/sample", "tfidf-linear", "made", quiet=True)
    frame = pandas.DataFrame({"id": ["a", "b"], "text": ["a good day", "a bad day"]})
    asked = list(plmtasks.predict("classification/sample", checkpoint, frame, quiet=True))
    assert [row["id"] for row in asked] == ["a", "b"]
    texts = list(plmtasks.predict("classification/sample", checkpoint, frame["text"], quiet=True))
    assert [row["prediction"] for row in texts] == [row["prediction"] for row in asked]


# ── what was wrong ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_mistakes_are_what_the_command_tells(here):
    import warm

    best = max(here, key=lambda r: r.score)
    wrong = plmtasks.mistakes(best)
    done = warm.plmtasks(["results", "errors", str(best.folder), "--format", "json"], Path.cwd(), os.environ)
    told = json.loads(done.stdout)
    assert [one.id for one in wrong] == [one["id"] for one in told["examples"]] != []
    frame = wrong.to_pandas()
    assert frame["predicted"].tolist() == [one["prediction"] for one in told["examples"]]
    assert set(frame["inputs.text"]) == {one["inputs"]["text"] for one in told["examples"]}
    counts = wrong.confusion().to_pandas()
    assert [[a, b, counts.loc[a, b]] for a, b, _ in told["confusion"]["counts"]] == told["confusion"]["counts"]
    assert int(counts.to_numpy().sum()) == 20
    assert wrong[0].id in repr(wrong)
    assert wrong[0].id in wrong._repr_html_()
    assert repr(wrong.confusion()).count("%") == 2
    missed = plmtasks.mistakes(str(best.folder), label="negative")
    assert [one.id for one in missed] == [one.id for one in wrong if {"negative"} & {one.reference, one.prediction}]


def test_slices_are_those_of_the_record(here):
    best = max(here, key=lambda r: r.score)
    frame = best.slices().to_pandas().set_index(["slice", "metric", "score"])
    for name, part in best.record["slices"].items():
        for score in ("value", "low", "high"):
            assert frame.loc[(name, "accuracy", "accuracy"), score] == part["scores"]["accuracy"]["accuracy"][score]
        assert name in repr(best.slices())


def test_the_model_of_a_run_is_at_hand(here):
    trained = next(r for r in here if r.model == "tfidf-linear")
    row = next(iter(trained.predictions()))
    [answer] = plmtasks.predict("classification/sample", trained.checkpoint, row["inputs"], quiet=True)
    assert answer["prediction"] == row["prediction"]
    assert next(r for r in here if r.model == "majority").checkpoint != trained.checkpoint
    assert Result(record=here[0].record, folder=Path("nowhere")).checkpoint is None


def test_a_board_is_ranked_and_shown_as_it_is_told(here):
    board = plmtasks.leaderboard(here, score="f1_macro", columns=["speed"], sort="model")
    assert [line["model"] for line in board.to_pandas().to_dict("records")] == ["majority", "tfidf-linear"]
    assert set(board.to_pandas()["score"]) == {"f1/f1_macro"}
    assert "examples/s" in repr(board)
    assert "examples/s" in board._repr_html_()
    assert "accuracy" not in repr(board)


def test_results_of_several_places_are_one_list(here):
    assert list(here[:1] + list(here[1:])) == list(here)
    both = plmtasks.load_results(["results", Path("results")])
    assert len(both) == 2 * len(plmtasks.load_results())
    other = Result(record={**here[0].record, "seed": {"value": 3, "recipe": "0"}}, folder=here[0].folder)
    assert len({*here, *plmtasks.load_results()}) >= len({result.folder for result in here})
    assert "seed" in repr(here[:1] + Results([other])).splitlines()[0]
    assert "seed" not in repr(here[:1]).splitlines()[0]


def test_of_a_frame_the_columns_are_found(here):
    pandas = pytest.importorskip("pandas")
    checkpoint = next(r.checkpoint for r in here if r.model == "tfidf-linear")
    when = pandas.to_datetime(["2026-01-01", None])
    frame = pandas.DataFrame({"sentence": ["a good day", "a bad day"], "text_pair": [None, float("nan")], "when": when})
    asked = [row["prediction"] for row in plmtasks.predict(T, checkpoint, frame, quiet=True)]
    assert asked == [row["prediction"] for row in plmtasks.predict(T, checkpoint, list(frame["sentence"]), quiet=True)]
    with pytest.raises(InputError, match=r"found the columns 'review'\n  say which it is with columns=\{\"text\": \"COLUMN\"\}"):
        list(plmtasks.predict(T, checkpoint, frame[["sentence"]].rename(columns={"sentence": "review"}), quiet=True))
    renamed = frame.rename(columns={"sentence": "review"})
    assert asked == [
        row["prediction"] for row in plmtasks.predict(T, checkpoint, renamed, columns={"text": "review"}, quiet=True)
    ]
    with pytest.raises(InputError, match="the question has no text 'text'"):
        list(plmtasks.predict(T, checkpoint, pandas.DataFrame({"text": [None]}), quiet=True))
    with pytest.raises(InputError, match="the frame cannot be read: DataFrame columns must be unique"):
        plmtasks.predict(T, checkpoint, pandas.DataFrame([["a", "b"]], columns=["text", "text"]), quiet=True)


# ── how it shows itself ───────────────────────────────────────────────────────────────────────────────────────────────────


class Tags(html.parser.HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def test_a_notebook_shows_text_alone(here):
    evil = '<script>alert("1")</script> & \x1b[31m'
    shown = Table(header=[evil, "b"], lines=[[evil, "1"]], caption=evil, right=("b",)).html()
    tags = Tags()
    tags.feed(shown)
    assert tags.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert tags.text.count('<script>alert("1")</script> & �[31m') == 3
    record = json.loads(json.dumps(here[0].record))
    record["model"]["name"] = record["task"]["name"] = evil
    result = Result(record=record, folder=here[0].folder)
    for made in (result, Results([result]), Leaderboard(Results([result]))):
        assert "<script" not in made._repr_html_()
        assert "&lt;script&gt;" in made._repr_html_()
        assert "\x1b" not in made._repr_html_() + str(made._tables()[0])


def test_a_score_is_shown_with_what_it_rests_on(here):
    best = max(here, key=lambda r: r.score)
    for text in (repr(best), best._repr_html_(), repr(here), here._repr_html_()):
        assert re.search(rf"{best.score:.2f} \[[\d.]+, [\d.]+\]", text)
        assert "trained" in text
        assert "20" in text


def test_results_as_a_frame(here):
    frame = here.to_pandas()
    assert frame["model"].tolist() == [r.model for r in here]
    assert frame["accuracy/accuracy"].tolist() == [r.score for r in here] == frame["value"].tolist()
    single = here[0].to_pandas().set_index(["metric", "score"])
    assert single.loc[("accuracy", "accuracy"), "value"] == here[0].score


def test_without_pandas_it_says_so(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        here.to_pandas()


# ── what is wrong ─────────────────────────────────────────────────────────────────────────────────────────────────────────

T, M = "classification/sample", "majority"
WRONG = [
    (lambda p: p.run("clasification/sample", M), "did you mean 'classification/sample'"),
    (lambda p: p.run(T, "tiny-brt"), "did you mean 'tiny-bert'"),
    (lambda p: p.run(T), r"missing a required argument: 'model'\n  plmtasks.run\(task, model, …\)"),
    (lambda p: p.run(T, M, "test"), "too many positional arguments"),
    (lambda p: p.run(T, M, sedd=1), "did you mean 'seed'"),
    (lambda p: p.run(T, M, batch_size=8), "did you mean 'train_batch_size'"),
    (lambda p: p.run(T, M, limit="10"), "limit is a whole number or None, not str: '10'"),
    (lambda p: p.run(T, M, seed=[]), "no seed is named"),
    (lambda p: p.run([], M), "no task is named"),
    (lambda p: p.run([T, None], M), "task is a text or a path or a list of texts, not list"),
    (lambda p: p.run(T, M, split="tst"), "it has: train, validation, test"),
    (lambda p: p.run(T, M, dtype="float23"), "dtype is one of auto, float32"),
    (lambda p: p.run(T, M, metrics=["acuracy"]), "did you mean 'accuracy'"),
    (lambda p: p.run(T, M, columns=["text"]), "columns is a dict, not list"),
    (lambda p: p.run(T, M, training={"learning_rte": 1}), "did you mean 'learning_rate'"),
    (lambda p: p.run(T, M, quiet=1), "quiet is True or False, not int: 1"),
    (lambda p: p.run("classification/custom", M, data="nowhere.csv"), "nowhere.csv: no such file"),
    (lambda p: p.run("qa/sample", M), "cannot be asked task 'qa/sample'"),
    (lambda p: p.train(T, M), "missing a required argument: 'output'"),
    (lambda p: p.train({T: "x"}, M, "out"), "what task 'classification/sample' is given is a dict, not str"),
    (lambda p: p.train({T: {"dta": "x"}}, M, "out"), "did you mean 'data'"),
    (lambda p: p.predict(T, M, 5), "inputs is a text or a dict or a list or a path, not int"),
    (lambda p: list(p.predict(T, M, ["a", 5])), r"inputs\[1\] is a text or a dict, not int: 5"),
    (lambda p: list(p.predict(T, M, [{"text": object()}])), r"inputs\[0\] cannot be written as JSON"),
    (lambda p: p.score(T, [1, 2]), r"predictions\[0\] is no text or row: 1"),
    (lambda p: p.score(T, {}), "there are no predictions"),
    (lambda p: p.score(T, {"a": object()}), "predictions cannot be written as JSON"),
    (lambda p: p.score(T, ["positive\nnegative"]), "has more than one line"),
    (lambda p: p.score(T, {"a": "positive"}, splt="test"), "did you mean 'split'"),
    (lambda p: p.load_results("nowhere"), "nowhere: no such file or folder"),
    (lambda p: p.load_results(task="clasification/sample"), "did you mean 'classification/sample'"),
    (lambda p: p.load_results(modl="x"), "no parameter of load_results is called 'modl'\n  did you mean 'model'"),
    (lambda p: p.leaderboard([]), "there are no results"),
    (lambda p: p.leaderboard(5), "a result is a Result or its folder, not int: 5"),
    (lambda p: p.compare("results", "results"), "4 runs are there|3 runs are there|2 runs are there"),
    (lambda p: p.compare(p.load_results(), p.load_results()), "it is asked of one result, and here are [234]"),
    (lambda p: p.predict(T, p.load_results()[0], "a"), "the model that learned for a result is its .checkpoint"),
    (lambda p: p.run(T, M, lr=1e-3), "did you mean 'learning_rate'"),
    (lambda p: p.run(T, M, data=p.load_results().to_pandas()), "not DataFrame: task .*\n  a file of it is made by .to_csv"),
    (lambda p: p.predict(T, M, __file__), r"test_python.py' is a file\n  its lines are asked as Path\("),
    (lambda p: p.score(T, [{"pred": "positive"}]), "a row of predictions has no \"prediction\", but 'pred'"),
    (lambda p: p.leaderboard(p.load_results().to_pandas()), "a result is a Result or its folder, not DataFrame"),
    (
        lambda p: p.leaderboard(task="qa"),
        "no parameter of leaderboard is called 'task'\n  it takes results, score, columns, sort",
    ),
    (lambda p: p.leaderboard(score="f2"), "no score of these runs is called 'f2'\n.*\n?  there are: accuracy"),
    (lambda p: p.mistakes(p.load_results()[0], "negativ"), "did you mean 'negative'"),
    (lambda p: p.mistakes(p.load_results()), "it is asked of one result"),
    (lambda p: p.compare(p.load_results()[0]), "missing a required argument: 'run_b'"),
]


@pytest.mark.parametrize(("call", "said"), WRONG)
def test_a_wrong_call_says_what_to_do(here, call, said):
    with pytest.raises(PlmtasksError, match=said):
        call(plmtasks)


# ── what is said meanwhile ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_said_goes_where_the_application_listens(here, capsys, caplog):
    def said():
        plmtasks.run(T, M, limit=20, split="test")
        logged, caplog.records[:] = [record.name for record in caplog.records], []
        return capsys.readouterr().err, logged

    printed, logged = said()
    assert "the same was run before" in printed
    assert logged == []
    with caplog.at_level(logging.INFO, "plmtasks"):
        printed, logged = said()
        assert printed == ""
        assert set(logged) == {"plmtasks"}
    with caplog.at_level(logging.WARNING, "plmtasks"):
        assert said() == ("", [])


def test_a_warning_of_ours_names_the_callers_line_and_a_library_s_is_hidden(caplog):
    @calls.checked
    def call() -> int:
        warnings.warn("theirs", FutureWarning, stacklevel=1)
        warnings.warn("ours", DataWarning, stacklevel=1)
        return 3

    with warnings.catch_warnings(record=True) as found, caplog.at_level(logging.DEBUG, "plmtasks"):
        warnings.simplefilter("always")
        assert call() == 3
    assert [(str(w.message), w.filename) for w in found] == [("ours", __file__)]
    assert "FutureWarning: theirs" in caplog.text


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("--holdout 0.2 learns", "holdout=0.2 learns"),
        ("leave --holdout out", "leave holdout out"),
        ("name one with --train-data FILE, or", "name one with train_data=FILE, or"),
        ("(--train always), or pass --allow-untrained: the", '(train="always"), or pass allow_untrained=True: the'),
        ("with --columns text=review,label=b", 'with columns={"text": "review"},label=b'),
        ("--training select_split=none", 'training={"select_split": "none"}'),
        ("--skip-bad-rows leaves it out", "skip_bad_rows=True leaves it out"),
        ("plmtasks train --model M", "plmtasks train --model M"),
        ("--no-such 3", "--no-such 3"),
    ],
)
def test_a_message_names_parameters_in_the_place_of_options(said, meant):
    assert calls.as_python(said, calls.DEFAULTS) == meant


def test_an_error_is_told_below_the_callers_own_line_and_comes_out_of_a_pool(caplog):
    with caplog.at_level(logging.DEBUG, "plmtasks"), pytest.raises(InputError) as found:
        plmtasks.run("classification/custom", M, data="nowhere.csv")
    assert len(found.traceback) == 2, "the caller's, and ours"
    assert found.value.__suppress_context__
    assert "in run\n" in caplog.text, "the rest is in the log"
    error = pickle.loads(pickle.dumps(DataError("file:1", "a", "b", "do this")))  # noqa: S301  our own
    assert (type(error), str(error), error.found) == (DataError, "file:1: expected a, found b\n  do this", "b")


def test_who_interrupts_is_told_that_it_goes_on():
    @calls.checked
    def call(output: str = "") -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="the same call goes on from here"):
        call()


def test_threads_take_turns():
    log = []

    @calls.checked
    def call(number: int) -> None:
        log.append(number)
        time.sleep(0.05)
        log.append(number)

    shows = warnings.showwarning
    threads = [threading.Thread(target=call, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log[::2] == log[1::2]
    assert warnings.showwarning is shows


NOTEBOOK = """
import sys, nbformat
from nbclient import NotebookClient
cells = sys.stdin.read().split("# %%\\n")
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
NotebookClient(book, timeout=200, kernel_name="python3", allow_errors=True).execute()
print(nbformat.writes(book))
"""


@pytest.mark.slow
def test_in_a_real_kernel(tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    code = f"""import plmtasks
result = plmtasks.run({T!r}, "tiny-bert", limit=20, num_train_epochs=1)
result
# %%
board = plmtasks.leaderboard(result)
board
# %%
plmtasks.mistakes(result)
# %%
plmtasks.compare(result, result)
# %%
plmtasks.run({T!r}, "tiny-bert", limit=-1)"""
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], input=code, cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout)["cells"]
    shown = [[o for o in cell["outputs"] if o["output_type"] == "execute_result"] for cell in cells]
    assert ["<table>" in "".join(one["data"]["text/html"]) for [one] in shown[:-1]] == [True] * 4
    [wrong] = cells.pop()["outputs"]
    assert wrong["evalue"] == "limit is a number of at least 0, not -1"
    assert "config.py" not in "".join(wrong["traceback"]), "the cell's line and ours alone"
    streams = "".join("".join(o["text"]) for cell in cells for o in cell["outputs"] if o["output_type"] == "stream")
    assert "epoch 1" in streams
    assert set(re.findall(r"\w*Warning", streams)) <= {"LearningWarning"}, "none of a library's"
    assert [len(cell["outputs"]) for cell in cells[1:]] == [1, 1, 1], "only what the cell gives is shown"
    bars = [o for o in cells[0]["outputs"] if o["output_type"] == "display_data"]
    assert len(bars) == 2, "training and answering have a bar each"
    assert [(list(bar["data"]), "".join(bar["data"]["text/plain"])) for bar in bars] == [(["text/plain"], "")] * 2, (
        "gone at the end"
    )
