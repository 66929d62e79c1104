import csv
import io
import json
import unicodedata
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import jsonschema
import pytest
import toy
from markdown_it import MarkdownIt

from plmtasks.config import ModelSettings, run_config
from plmtasks.errors import DataError, InputError
from plmtasks.evaluation import run
from plmtasks.hooks import load_registry
from plmtasks.results import Result, identity_hash, read_results
from plmtasks.tables import Selection, make_boards, render

SCHEMA = json.loads((Path(__file__).parents[1] / "plmtasks" / "result.schema.json").read_text(encoding="utf-8"))

GENERATION = {"num_beams": 1, "temperature": 0.0, "top_p": 1.0, "length_penalty": 1.0, "max_new_tokens": None}


def score(value, *, unit="points", higher=True, interval=(1.0, 2.0)):
    low, high = interval if interval else (None, None)
    return {
        "value": value, "low": low, "high": high, "interval": "wilson" if interval else "none", "unit": unit,
        "higher_is_better": higher, "best": 100.0 if higher else 0.0,
    }  # fmt: skip


def result(model="m", value=50.0, *, identity=None, task="t/one", scores=None, main=("a", "acc"), **parts):
    """A result with what a test is about; `data`, `protocol`, `settings` and `signatures` are changed, not replaced."""
    record = {
        "schema_version": 1, "identity": identity or identity_hash({"model": model, "value": value}),
        "task": {"name": task, "version": parts.get("version", 1), "language": "en", "labels": []},
        "model": {"name": model, "family": "encoder", "ask": parts.get("ask", "Classify")},
        "protocol": {"how": "fine-tuned", "shots": 0, "newly_initialized": [], "trained_on": []} | parts.get("protocol", {}),
        "data": {
            "name": "set", "split": "test", "fingerprint": "a" * 64, "examples": 872, "total": 872, "limit": None, "skipped": 0,
            "truncated": 0,
        } | parts.get("data", {}),
        "settings": {
            "dtype": "float32", "batch_tokens": 64, "threads": 1, "truncation": "auto", "prompt": "plain", "seed": 0,
            "generation": GENERATION, "model_args": {},
            "trust_remote_code": False,
        } | parts.get("settings", {}),
        "scores": scores or {"a": {"acc": score(value)}}, "primary_metric": list(main),
        "signatures": {"a": "a v1"} | parts.get("signatures", {}), "files": {},
    }  # fmt: skip
    return Result(record=record, folder=Path("results") / model)


def ranks(results):
    return [[(row.rank, row.result.model) for row in board.rows] for board in make_boards(results)]


def validate(record):
    jsonschema.Draft202012Validator(SCHEMA).validate(record)


# ── which runs are compared, and how they rank ────────────────────────────────────────────────────────────────────


def test_best_first_and_equal_scores_share_a_rank():
    runs = [result("b", 70.0), result("d", 60.0), result("a", 80.0), result("c", 70.0)]
    assert ranks(runs) == [[(1, "a"), (2, "b"), (2, "c"), (4, "d")]]


def test_the_order_of_the_folders_changes_nothing():
    runs = [result("b", 70.0), result("a", 70.0), result("c", 70.0, task="t/two")]
    assert render(runs, "json") == render(runs[::-1], "json")


def test_lower_is_better_where_the_score_says_so():
    def perplexity(model, value):
        return result(model, scores={"a": {"ppl": score(value, unit="perplexity", higher=False)}}, main=("a", "ppl"))

    assert ranks([perplexity("worse", 30.0), perplexity("better", 20.0)]) == [[(1, "better"), (2, "worse")]]
    assert "ppl ↓" in render([perplexity("worse", 30.0)], "markdown")


def test_scores_that_differ_in_their_last_bits_are_equal():
    assert ranks([result("a", 0.1 + 0.2), result("b", 0.3)]) == [[(1, "a"), (1, "b")]]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"data": {"split": "validation", "fingerprint": "b" * 64}}, "another split: validation; other examples: 872 of 872"),
        ({"data": {"fingerprint": "b" * 64, "examples": 100, "limit": 100}}, "other examples: 100 of 872"),
        ({"data": {"name": "mine", "fingerprint": "b" * 64}}, "other data: mine; other examples: 872 of 872"),
        ({"signatures": {"a": "a v2"}}, "scored in another way"),
        ({"version": 2}, "another version of the task: 2"),
    ],
)
def test_only_runs_on_the_same_examples_are_compared(parts, reason):
    boards = make_boards([result("lone", 99.0, **parts), result("a", 80.0), result("b", 70.0)])
    assert [[row.result.model for row in board.rows] for board in boards] == [["a", "b"], ["lone"]]
    assert [board.apart for board in boards] == [None, reason]
    assert reason in render([board.rows[0].result for board in boards], "markdown").replace("\\", "")


def test_a_run_that_skipped_examples_is_not_ranked():
    runs = [result("skips", 99.0, data={"skipped": 3}), result("whole", 50.0)]
    assert ranks(runs) == [[(1, "whole"), (None, "skips")]]
    assert "| 869 of 872 |" in render(runs, "markdown")
    assert "skipped 3" in render(runs, "markdown")


def test_a_score_that_is_not_defined_is_not_ranked(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    runs = [result("none", None, scores={"a": {"acc": score(None, interval=None)}}), result("some", 0.0)]
    assert ranks(runs) == [[(1, "some"), (None, "none")]]
    assert "main score not defined" in render(runs, "table")


def test_a_result_copied_to_another_folder_counts_once():
    assert ranks([result("a"), result("a")]) == [[(1, "a")]]


def test_one_identity_with_other_bytes_stands_twice_and_says_so():
    boards = make_boards([result("a", 80.0, identity="f" * 32), result("a", 80.1, identity="f" * 32)])
    assert [row.marks for row in boards[0].rows] == [["same identity, another machine"]] * 2


@pytest.mark.parametrize(
    ("parts", "mark"),
    [
        ({"protocol": {"how": "untrained", "newly_initialized": ["head.weight"]}}, "untrained head"),
        ({"data": {"limit": 436, "examples": 436}}, "limit 436"),
        ({"data": {"truncated": 7}}, "truncated 7"),
        ({"data": {"truncated": 7, "too_long": "8 tokens, its own"}}, "truncated 7 (8 tokens, its own)"),
        ({"settings": {"dtype": "bfloat16"}}, "bfloat16"),
        ({"settings": {"prompt": "raw"}}, "raw prompt"),
        ({"settings": {"truncation": "left"}}, "truncation left"),
        ({"settings": {"generation": GENERATION | {"num_beams": 2, "temperature": 0.7}}}, "beams 2; temperature 0.7"),
        ({"settings": {"generation": GENERATION | {"num_beams": 2, "length_penalty": 2.0}}}, "beams 2; length penalty 2"),
        ({"settings": {"generation": GENERATION | {"temperature": 1.0, "top_p": 0.9}}}, "temperature 1; top-p 0.9"),
        ({"settings": {"generation": GENERATION | {"max_new_tokens": 16}}}, "max new tokens 16"),
        ({"protocol": {"shots": 2}}, "fine-tuned, 2-shot"),
    ],
)
@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_what_a_reader_must_know_stands_in_every_form(monkeypatch, form, parts, mark):
    monkeypatch.setenv("COLUMNS", "200")
    said = render([result("a", **parts), result("b")], form)
    for part in mark.split("; "):
        assert part in said
        assert part not in render([result("b")], form)


@pytest.mark.parametrize(
    ("trained", "marks"),
    [
        ({}, []),
        ({"selected_on": "test"}, ["epoch chosen on this split"]),
        ({"selected_on": "test", "name": "another set"}, []),
        ({"selected_on": "test", "task": "t/two"}, []),
        ({"selected_on": "dev", "selecting": "a" * 64, "name": "a copy"}, ["epoch chosen on this split"]),
        ({"fingerprint": "a" * 64, "name": "a copy"}, ["trained on these examples"]),
        ({"split": "test"}, ["trained on this split"]),
    ],
)
def test_a_row_says_what_the_training_saw_of_its_split(trained, marks):
    record = {"task": "t/one", "name": "set", "split": "train", "examples": 9, "fingerprint": "c" * 64, "selected_on": None}
    found = result(identity="f" * 32, protocol={"trained_on": [record | trained]})
    validate(found.record)
    assert make_boards([found])[0].rows[0].marks == marks


def test_rows_that_would_look_the_same_say_in_what_they_differ():
    def marks(*runs):
        return [row.marks for row in make_boards(runs)[0].rows]

    assert marks(result("m", 9.0), result("m", 8.0, ask="Generate")) == [["asked by Classify"], ["asked by Generate"]]
    assert marks(result("m", 9.0), result("m", 8.0, settings={"seed": 1, "threads": 2})) == [["seed 0"], ["seed 1"]]
    assert marks(result("m", 9.0), result("m", 8.0, settings={"threads": 2})) == [["threads 1"], ["threads 2"]]
    assert marks(result("m", 9.0), result("m", 8.0, settings={"batch_tokens": 32})) == [["batch tokens 64"], ["batch tokens 32"]]
    alike = [result("m", 9.0, identity="a" * 32), result("m", 8.0, identity="b" * 32)]
    assert marks(*alike) == [["identity aaaaaa"], ["identity bbbbbb"]]
    three = marks(*alike, result("m", 7.0, settings={"seed": 1}))
    assert three == [["seed 0", "identity aaaaaa"], ["seed 0", "identity bbbbbb"], ["seed 1"]]
    assert marks(result("m", 9.0), result("other", 8.0, settings={"seed": 1})) == [[], []]
    assert marks(result("m", 9.0), result("m", 8.0, protocol={"shots": 2}, settings={"seed": 1})) == [[], []]


def test_files_for_programs_always_say_how_a_model_was_asked():
    runs = [result("m", ask="Generate", identity="f" * 32, protocol={"how": "2-shot", "shots": 2})]
    for row in (next(csv.DictReader(io.StringIO(render(runs, "csv")))), json.loads(render(runs, "json"))["boards"][0]["runs"][0]):
        said = {k: str(row[k]) for k in ("ask", "shots", "prompt", "identity", "protocol")}
        assert said == {"ask": "Generate", "shots": "2", "prompt": "plain", "identity": "f" * 32, "protocol": "2-shot"}


def test_a_limit_above_the_size_of_the_split_is_no_limit():
    assert make_boards([result("a", data={"limit": 1000})])[0].rows[0].marks == []


# ── forms ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_score_shows_its_interval():
    runs = [result("a", scores={"a": {"acc": score(88.0733, interval=(85.81, 90.09)), "f1": score(50.0, interval=None)}})]
    text = render(runs, "markdown")
    assert "| 88.07 [85.8, 90.1] | 50.00 [no interval] |" in text


def test_the_main_score_leads_and_labels_scores_stay_out_of_the_table(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    scores = {"a": {"f1[x]": score(1.0), "acc": score(2.0), "extra": score(None, interval=None)}, "b": {"acc": score(3.0)}}
    runs = [result("m", scores=scores, main=("b", "acc"))]
    header = next(line for line in render(runs, "markdown").splitlines() if line.startswith("| rank"))
    assert header == "| rank | model | family | protocol | n | b/acc | a/acc |"
    assert "2 more scores in the csv and json forms" in render(runs, "table")
    assert {row["score"] for row in csv.DictReader(io.StringIO(render(runs, "csv")))} == {"f1[x]", "acc", "extra"}


NASTY = "a|b\n\x1b[31m[bold]_x_ <script> `c` =1,2\"'"


def test_a_name_cannot_break_the_table(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    runs = [result(NASTY), result("b", 40.0)]
    html = MarkdownIt("gfm-like", {"linkify": False}).render(render(runs, "markdown"))
    assert html.count("<tr>") == 3
    assert html.count("<td") == 12
    assert "<script" not in html
    assert "<em>" not in html
    assert "a|b��[31m[bold]_x_ &lt;script&gt; `c` =1,2" in html
    shown = render(runs, "table")
    assert "[bold]" in shown
    assert not any(unicodedata.category(c) == "Cc" for c in shown.replace("\n", ""))
    assert next(csv.DictReader(io.StringIO(render(runs, "csv"))))["model"] == NASTY
    assert json.loads(render(runs, "json"))["boards"][0]["runs"][0]["model"] == NASTY


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "plain"])
def test_no_cell_is_a_formula(name):
    text = render([result(name, value=-2.5, unit="bits")], "csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["model"] == (name if name == "plain" else f"'{name}")
    assert row["value"] == "-2.5", "a number stays one"


def test_the_table_fits_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = render([result("some/very-long-name-of-a-model-that-wraps", data={"truncated": 3})], "table")
    assert max(map(len, text.splitlines())) <= 60


def test_a_narrow_table_leaves_scores_out_and_breaks_no_word(monkeypatch):
    names = ["accuracy", "f1_macro", "precision_macro", "matthews"]
    scores = {"a": {name: score(88.07, interval=(85.8, 90.1)) for name in names}}
    runs = [result("google-bert/bert-base-uncased", scores=scores, main=("a", "matthews"), data={"truncated": 3}), result("b")]
    for width, shown, left in ((200, 4, None), (120, 2, "2 more scores"), (101, 1, "3 more scores"), (66, 1, "3 more scores")):
        monkeypatch.setenv("COLUMNS", str(width))
        text = render([runs[0]], "table")
        assert max(map(len, text.splitlines())) <= width
        header = next(line for line in text.splitlines() if line.startswith("rank")).split()
        assert header == ["rank", "model", "family", "protocol", "n", "matthews", *names[: shown - 1]]
        assert left is None or left in " ".join(text.split())
    assert "google-bert/" in text.split()
    assert "uncased¹" in text.split()


@pytest.mark.parametrize("width", [100, 80, 60])
def test_chosen_columns_that_have_no_room_go_on_below_with_the_models(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    names = ["accuracy", "accuracy_norm_bytes", "f1_macro", "precision_macro", "matthews"]
    scores = {"a": {name: score(88.07, interval=(85.8, 90.1)) for name in names}}
    runs = [result(name, scores=scores, main=("a", "accuracy")) for name in ("bert-large", "gpt2")]
    chosen = Selection(columns=tuple(names[1:]))
    lines = render(runs, "table", None, chosen).splitlines()
    heads = [line.split() for line in lines if line.startswith("rank")]
    assert max(map(len, lines)) <= width
    assert len(heads) > 1
    assert [head[:2] for head in heads] == [["rank", "model"]] * len(heads), "whose the figures are"
    assert [name for head in heads for name in head[2:]] == ["family", "protocol", "n", *names], "in order, whole, each once"
    assert sum("bert-large" in line for line in lines) == len(heads)
    assert sum(line.count("88.07 [85.8, 90.1]") for line in lines) == len(runs) * len(names)


@pytest.mark.parametrize("width", [None, 120, 80])
def test_marks_are_footnotes_and_details_stand_beside_the_name(monkeypatch, width):
    if width is None:  # a pipe
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(width))
    both = {"data": {"truncated": 3, "limit": 436, "examples": 436}}
    runs = [
        result("a", 90.0, **both),
        result("a", 80.0, ask="Generate", **both),
        result("模型", 70.0, data=both["data"] | {"truncated": 0}),
    ]
    lines = render(runs, "table").splitlines()
    assert "¹ limit 436" in lines
    assert "² truncated 3" in lines
    text = render(runs, "table")
    assert text.count("¹,²") == 2
    assert ("a (asked by Classify)¹,²" in text) == (width != 80)
    assert "模型¹ " in text
    assert text.count("limit 436") == 1, "the same mark has one number"


def test_tabs_part_the_cells_of_tsv():
    runs = [result("a\tb", 90.0), result("c", 80.0)]
    read = list(csv.DictReader(io.StringIO(render(runs, "tsv")), delimiter="\t"))
    assert read == list(csv.DictReader(io.StringIO(render(runs, "csv"))))


def test_no_results_give_an_empty_table():
    assert render([], "table") == ""
    assert json.loads(render([], "json"))["boards"] == []


def test_an_unknown_form_is_refused():
    with pytest.raises(InputError, match="there is no format 'html'"):
        render([result()], "html")


@pytest.mark.parametrize(
    "damage", [lambda r: r.pop("data"), lambda r: r["data"].update(limit="x"), lambda r: r.update(primary_metric=[])]
)
def test_a_record_of_another_shape_names_its_file(damage):
    broken = result("m")
    damage(broken.record)
    with pytest.raises(DataError, match=r"results/m/result\.json: expected a result as result\.schema\.json describes it"):
        render([broken], "table")


# ── the schema ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_result_may_tell_of_every_setting_that_there_is():
    """But for what is chosen before: a result says what it became."""
    described = SCHEMA["properties"]["settings"]["properties"]
    chosen = {"dtype": {"auto"}, "kernels": {"auto"}}
    asked = {name: set(get_args(hint)) for name, hint in get_type_hints(ModelSettings).items() if get_origin(hint) is Literal}
    assert {"dtype", "kernels", "truncation", "prompt"} <= asked.keys()
    for name, values in asked.items():
        assert set(described[name]["enum"]) - {None} == values - chosen.get(name, set()), name


def test_the_records_of_these_tests_are_of_the_schema():
    validate(result("m", identity="f" * 32).record)


def test_a_real_run_has_the_form_of_the_schema_and_can_be_shown(tmp_path):
    config = run_config("toy/even", "toy-model", output=str(tmp_path / "results"), threads=1, quiet=True)
    found = run([config], load_registry([toy], installed=False))
    validate(found[0].record)
    read = read_results(tmp_path)
    assert [r.record for r in read] == [found[0].record]
    assert "toy-model" in render(read, "markdown")


@pytest.mark.parametrize(
    "damage",
    [
        lambda r: r.update(extra=1),
        lambda r: r.pop("identity"),
        lambda r: r["protocol"].update(how="by magic"),
        lambda r: r["scores"]["a"]["acc"].update(low=None),
        lambda r: r["scores"]["a"]["acc"].update(interval="none"),
        lambda r: r["data"].update(fingerprint="short"),
        lambda r: r["settings"].update(dtype="auto"),
        lambda r: r.update(main=["a"]),
    ],
)
def test_the_schema_refuses(damage):
    record = result("m", identity="f" * 32).record
    damage(record)
    with pytest.raises(jsonschema.ValidationError):
        validate(record)
