import csv
import functools
import http.server
import io
import json
import re
import shutil
import threading
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from plmtasks_site import plots, scripts
from plmtasks_site.builder import build
from plmtasks_site.names import sides
from plmtasks_site.notes import notes
from plmtasks_site.pages import bar
from plmtasks_site.runs import Run

import plmtasks
from plmtasks.cli import cli
from plmtasks.config import Source
from plmtasks.errors import DataError, InputError
from plmtasks.files import dump
from plmtasks.hooks import load_registry
from plmtasks.results import Result, identity_hash, read_results
from plmtasks.scoring import Card, Submission, judge, write_run
from plmtasks.tables import Selection
from plmtasks.tables.boards import GENERATION, Row
from plmtasks.tables.costs import costs

pytestmark = pytest.mark.slow

CHROMIUM = "/usr/bin/chromium"
SCRIPT = "<script>document.title='stolen'</script>"
MODEL = f"{SCRIPT}<img src=x onerror=\"document.title='stolen'\">"
SLICE = f"text={SCRIPT}"
BRIEF = {"accuracy": {"accuracy": {"value": 61.5, "low": 44.0, "high": 77.5, "interval": "wilson"}}}
BINS = [{"low": low, "high": low + 0.2, "count": 10, "confidence": low + 0.1, "accuracy": low} for low in (0.2, 0.4, 0.8)]
EXAMINED = {
    "slices": {SLICE: {"examples": 31, "scores": BRIEF}, "length=short": {"examples": 49, "scores": BRIEF}},
    "groups": {"length": {"worst": SLICE, "best": "length=short", "gap": 7.5, "low": -2.0, "high": 17.0, "p": 0.21}},
    "perturbations": {
        "case": {"examples": 1, "scores": BRIEF, "difference": None},
        "typos": {
            "examples": 70, "scores": BRIEF, "difference": {"value": -4.5, "low": -9.5, "high": 0.5, "p": 0.08, "examples": 70},
        },
    },
    "calibration": {
        "of": ["accuracy", "accuracy"], "examples": 80, "ece": 0.123, "low": 0.061, "high": 0.198, "chance": 0.05, "bins": BINS,
        "equal_mass": {"ece": 0.1, "low": 0.05, "high": 0.2, "chance": 0.05, "bins": BINS},
    },
    "overlap": {"train": "train", "exact": 2, "ngram": 3, "examples": 80, "n": 8, "short": 5},
}  # fmt: skip
PREDICTION = f"</script>{SCRIPT}\u2028'\"&amp;"


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Real runs of little models after little training; one more is a copy with a hostile name and hostile predictions."""
    root = tmp_path_factory.mktemp("site")
    common = {
        "split": "test", "output": str(root / "results"), "checkpoints": str(root / "checkpoints"), "threads": 1, "quiet": True,
        "yes": True,
    }  # fmt: skip

    def lessons(limit, epochs=2):
        return plmtasks.TrainSettings(
            num_train_epochs=epochs, max_train_samples=limit, train_batch_size=16, learning_rate=2e-3, select_split="none"
        )

    # one learns all of it, one some, one nothing
    for model, limit, epochs in (("tiny-bert", 600, 5), ("tiny-gpt", 48, 2), ("tiny-t5", 144, 2)):
        last = plmtasks.run("classification/sample", model, limit=80, training=lessons(limit, epochs), **common)
    plmtasks.run("classification/sample", "tiny-bert", limit=30, training=lessons(600, 5), **common)
    plmtasks.run("qa/sample", "tiny-bert", limit=40, training=lessons(48), **common)
    copied(last, root / "results", MODEL, PREDICTION)
    return root / "results"


def copied(result, root, model, prediction):
    """A run that differs from another in its model's name and its first prediction."""
    record = {
        **result.record,
        "model": {**result.record["model"], "name": model},
        "identity": identity_hash({"model": model}),
        **EXAMINED,
    }
    folder = root / "copied" / record["identity"]
    shutil.copytree(result.folder, folder)
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    lines[0]["prediction"] = prediction
    lines[0]["inputs"]["text"] += f" {SCRIPT}"
    (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "result.json").write_text(dump(record), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def site(runs, registry, tmp_path_factory):
    return build(read_results(runs), tmp_path_factory.mktemp("pages") / "site", registry).index.parent


# ── the files ─────────────────────────────────────────────────────────────────────────────────────────────────────


def stamps(folder):
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_what_did_not_change_is_not_touched(runs, registry, tmp_path):
    copy, folder = tmp_path / "results", tmp_path / "site"
    shutil.copytree(runs, copy)
    first = build(read_results(copy), folder, registry)
    before = stamps(folder)
    second = build(read_results(copy), folder, registry)
    assert (first.runs, first.tasks, first.kept) == (6, 2, 0)
    assert (second.written, second.kept) == (0, first.written)
    assert stamps(folder) == before
    qa = next(copy.glob("qa/**/environment.json"))
    qa.write_text(dump({**json.loads(qa.read_text()), "parameters": 123456789}), encoding="utf-8")
    build(read_results(copy), folder, registry)
    changed = {name for name, stamp in stamps(folder).items() if before[name] != stamp}
    assert {name.split("/")[0] for name in changed} == {"index.html", "manifest.json", "tasks", "runs", "compare", "data"}
    assert not any("classification" in name for name in changed)
    assert "123 M" in (folder / "index.html").read_text()


def test_the_pages_of_a_run_that_is_gone_go(runs, registry, tmp_path):
    copy, folder = tmp_path / "results", tmp_path / "site"
    shutil.copytree(runs, copy)
    build(read_results(copy), folder, registry)
    (folder / "mine.txt").write_text("somebody's own")
    shutil.rmtree(copy / "qa")
    built = build(read_results(copy), folder, registry)
    anew = build(read_results(copy), tmp_path / "anew", registry)
    assert set(stamps(folder)) - set(stamps(tmp_path / "anew")) == {"mine.txt"}
    assert built.runs == anew.runs == 5
    assert (folder / "index.html").read_bytes() == (tmp_path / "anew" / "index.html").read_bytes()


def test_an_interrupted_build_is_made_good(runs, registry, tmp_path, monkeypatch):
    folder = tmp_path / "site"
    results = read_results(runs)
    monkeypatch.setattr(plots, "svg", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build(results, folder, registry)
    monkeypatch.undo()
    assert build(results, folder, registry).kept == 0
    assert build(results, folder, registry).written == 0


def test_somebody_elses_page_is_not_overwritten(runs, registry, tmp_path):
    (tmp_path / "index.html").write_text("my home page")
    with pytest.raises(InputError, match="plmtasks did not write"):
        build(read_results(runs), tmp_path, registry)
    assert (tmp_path / "index.html").read_text() == "my home page"


@pytest.mark.parametrize("content", ["no json", '{"groups": {"x": {"digest": "", "files": ["../../escape"]}}}', "[]"])
def test_a_damaged_manifest_is_an_error_and_deletes_nothing(runs, registry, tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=r"what a build left.*\n  delete"):
        build(read_results(runs), tmp_path, registry)


def test_a_run_without_its_predictions_still_has_its_page(runs, registry, tmp_path):
    copy = tmp_path / "results"
    shutil.copytree(runs, copy)
    gone = next(copy.glob("qa/**/predictions.jsonl"))
    gone.unlink()
    folder = build(read_results(copy), tmp_path / "site", registry).index.parent
    assert (folder / "runs" / f"{gone.parent.name}.html").exists()
    assert not (folder / "data" / "qa--sample" / f"{gone.parent.name}-0.js").exists()


def test_links_lead_somewhere_and_stay_within_the_site(site):
    for page in site.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"#]+)', page.read_text(encoding="utf-8")):
            target = (page.parent / link).resolve()
            assert target.exists(), (page, link)
            assert target.is_relative_to(site.resolve())


def test_data_scripts_are_safe_wherever_they_stand():
    text = scripts.literal({"a": "</script><!-- \u2028\u2029 \ud800 é 中"})
    assert "<" not in text
    assert text.encode("utf-8")
    assert json.loads(text) == {"a": "</script><!-- \u2028\u2029 \ud800 é 中"}


def test_many_rows_are_cut_into_scripts_of_a_megabyte():
    rows = [[f"{i}", {"text": "中" * 1000}, None, []] for i in range(2500)]
    made = scripts.scripts("data/x", "x", rows)
    assert list(made) == [f"data/x-{i}.js" for i in range(len(made))]
    assert all(len(text.encode()) < 1_100_000 for text in made.values())
    parts = [json.loads(text.removeprefix('plmtasks.put("x", ').removesuffix(");\n")) for text in made.values()]
    assert [row for part in parts for row in part] == rows


def test_a_row_that_fits_no_script_is_cut_and_says_so():
    (text,) = scripts.scripts("x", "x", [["id", {"text": "ab" * 3_000_000}, "yes", []]]).values()
    assert len(text) < 1_100_000
    assert "… (100000 of 6000000 characters)" in text


def test_the_front_holds_what_no_other_beats():
    axes = plots.Axes(cost="bytes", more_is_better=False, form="~s", higher_is_better=True)
    named = {"small": (1, 50), "large": (9, 90), "worse": (5, 40), "middle": (5, 70), "equal": (5, 70), "slow": (10, 90)}
    points = [
        plots.Point(model=n, family="f", cost=c, score=s, low=None, high=None, text=n, page="") for n, (c, s) in named.items()
    ]
    assert {p.model for p in plots.front(points, axes)} == {"small", "middle", "equal", "large"}
    turned = plots.Axes(cost="speed", more_is_better=True, form="~g", higher_is_better=False)
    assert {p.model for p in plots.front(points, turned)} == {"slow", "worse"}


def test_names_cover_neither_points_nor_one_another():
    near = [("tiny-bert", (40.0, 100.0), True), ("tiny-gpt", (80.0, 105.0), True), ("tiny-t5", (300.0, 20.0), True)]
    found = sides(near, [((40.0, 100.0), (300.0, 20.0))], (320.0, 240.0))
    assert found[2][0] == "right"  # it would leave the frame
    assert found[1] == ("left", 8)  # above runs the line
    assert found[0] != found[1]
    crowd = [(f"model-{i}", (100.0 + i, 100.0), False) for i in range(9)]
    assert len(sides(crowd, [], (320.0, 240.0))) < 9
    assert len(sides([("alone", (100.0, 100.0), False)], [], (320.0, 240.0))) == 1


def test_the_command_builds_a_site_and_says_what_it_did(runs, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    call = ["leaderboard", str(runs), "--site", str(tmp_path / "site")]
    first, second = CliRunner().invoke(cli, [*call, "--open"]), CliRunner().invoke(cli, call)
    assert opened == [(tmp_path / "site" / "index.html").as_uri()]
    assert re.search(r"index.html: 6 runs of 2 tasks; \d+ files written, 0 kept as they were\n$", first.output)
    assert re.search(r"; 0 files written, \d+ kept as they were\n$", second.output)


@pytest.mark.parametrize(
    ("options", "said"), [(["--open"], "name its folder with --site"), (["--site", "x", "--output", "y"], "one of them")]
)
def test_options_that_do_not_fit_together(runs, options, said):
    done = CliRunner().invoke(cli, ["leaderboard", str(runs), *options])
    assert done.exit_code == 2
    assert said in done.output


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def test_pages_without_examples_hold_no_string_of_the_data(registry, tmp_path):
    """Neither texts nor labels, neither in pages nor in what pages load, though tables, ranks and intervals are there."""
    root = tmp_path / "own"
    rows = [f"{word} Zyx{i} film,{label}\n" for i in range(40) for word, label in (("fine", "qgood"), ("poor", "qbad"))]
    root.mkdir()
    for split, some in (("train", rows), ("test", rows[:60])):
        (root / f"{split}.csv").write_text("text,label\n" + "".join(some), encoding="utf-8")
    common = {"output": str(tmp_path / "results"), "checkpoints": str(tmp_path / "learnt"), "threads": 1, "quiet": True}
    for model, weights in (("tiny-bert", "qgood=1,qbad=2"), ("majority", "")):
        lessons = plmtasks.TrainSettings(num_train_epochs=1, train_batch_size=16, select_split="none", class_weights=weights)
        plmtasks.run("classification/custom", model, data=str(root), split="test", training=lessons, **common)
    results = read_results(tmp_path / "results")
    data = {text for result in results for line in result.predictions() for text in strings([*map(line.get, LINE)])}
    assert {"qgood", "qbad", "fine Zyx0 film"} <= data
    open_, closed = tmp_path / "open", tmp_path / "closed"
    build(results, open_, registry)
    build(results, closed, registry, examples=False)
    written = {path: path.read_text(encoding="utf-8") for path in closed.rglob("*") if path.suffix in (".html", ".js", ".json")}
    assert {str(path.relative_to(closed)) for path, text in written.items() if any(part in text for part in data)} == set()
    assert any("qgood" in path.read_text(encoding="utf-8") for path in open_.rglob("*.js"))
    page = (closed / "index.html").read_text(encoding="utf-8")
    assert "tiny-bert" in page
    assert "f1_macro" in "".join(written.values())
    assert build(results, closed, registry, examples=False).written == 0
    assert build(results, closed, registry).written > 0
    assert build(results, closed, registry, examples=False).written > 0
    assert not (closed / "data").exists() or not list((closed / "data").rglob("examples-*.js"))


LINE = ("inputs", "reference", "prediction")


def test_pages_show_what_was_chosen(runs, registry, tmp_path):
    chosen = Selection(task="classification", model="tiny-*", score="f1_macro", columns=("accuracy",), sort="model")
    built = build(read_results(runs), tmp_path / "site", registry, selection=chosen)
    page = (built.index.parent / "tasks" / "classification--sample.html").read_text(encoding="utf-8")
    assert (built.runs, built.tasks) == (4, 1)
    assert "Ranked by <strong>f1_macro</strong>" in page
    assert 'data-sort="model"' in page
    heads = re.findall(r"<th scope=\"col\"[^>]*>", page[: page.index("</thead>")])
    assert [h for h in heads if 'data-names="accuracy ' in h and "hidden" in h] == []
    assert any('data-names="f1_micro ' in h and "data-fold=" in h for h in heads)
    with pytest.raises(InputError, match="no model of these runs"):
        build(read_results(runs), tmp_path / "none", registry, selection=Selection(model="huge"))


def test_marks_become_numbers_and_what_all_share_is_said_once():
    def row(model, *details, **data):
        common = {"examples": 10, "total": 10, "limit": None, "skipped": 0, "truncated": 0, **data}
        settings = {"dtype": "bfloat16", "prompt": "plain", "truncation": "auto", "generation": {**GENERATION}}
        record = {
            "task": {"name": "t"}, "model": {"name": model}, "data": common, "settings": settings, "primary_metric": ["a", "b"],
            "protocol": {"how": "zero-shot", "newly_initialized": [], "trained_on": []}, "scores": {"a": {"b": {"value": 1.0}}},
        }  # fmt: skip
        return Row(Result(record=record, folder=Path(model)), details=details)

    one, other = row("one", truncated=2), row("other", "seed 1")
    made = notes([(one, None), (other, "other examples")])
    assert made.common == ["bfloat16"]
    assert made.of(one) == [(1, "truncated 2")]
    assert made.of(other, "other examples") == [(2, "apart: other examples")]


# ── in a browser ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, site):
    """Opens a page of the site from the disk; fails if any page logged an error, or loaded anything from elsewhere."""
    faults, contexts = [], []

    def opened(path, base=None, **options):
        base = base or site.as_uri()
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(base) else faults.append(request.url))
        page.goto(f"{base}/{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def column(page, table, name):
    """The texts of one column of a table, as shown."""
    heads = page.locator(f"#{table} thead th").all_inner_texts()
    place = next(i for i, head in enumerate(heads) if head.strip() == name)
    cells = page.locator(f"#{table} tbody tr > :nth-child({place + 1})")
    return [" ".join(text.split()) for text in cells.evaluate_all("cells => cells.map((c) => c.dataset.text ?? c.innerText)")]


def test_a_table_sorts_by_each_header_and_says_so(visit):
    page = visit("index.html")
    head = page.locator("#runs thead th", has_text="model")
    head.get_by_role("button").click()
    names = column(page, "runs", "model")
    assert head.get_attribute("aria-sort") == "ascending"
    assert names == sorted(names, key=str.lower)
    assert len(names) == 6
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, "runs", "model") == names[::-1]
    page.locator("#runs thead th", has_text="score").get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    values = [float(text.split()[0]) for text in column(page, "runs", "score")]
    assert values == sorted(values, reverse=True)


def test_filters_and_a_search_leave_what_fits(visit):
    page = visit("index.html")
    runs = page.get_by_role("form", name="Filter: Runs with")
    runs.get_by_label("Task").select_option("classification/sample")
    assert set(column(page, "runs", "task")) == {"classification/sample"}
    runs.get_by_label("Search model").fill("BERT")
    assert column(page, "runs", "model") == ["tiny-bert", "tiny-bert"]
    assert page.get_by_text("2 of 6 runs").is_visible()
    runs.get_by_label("Search model").fill("no such model")
    assert column(page, "runs", "model") == []
    assert page.get_by_text("0 of 6 runs").is_visible()


def heads(page, table):
    return [text.strip() for text in page.locator(f"#{table} thead th:visible").all_inner_texts()]


def test_columns_are_chosen_and_the_address_keeps_them(visit):
    page = visit("tasks/classification--sample.html", viewport={"width": 1300, "height": 900})
    assert {"family", "examples", "f1_micro"}.isdisjoint(heads(page, "board"))
    assert "f1_micro (the same as accuracy)" in page.locator("#board-title ~ .note", has_text="Folded away").inner_text()
    menu = page.locator(".corner:has(+ .scroll #board) details")
    menu.locator("summary").click()
    menu.get_by_label("f1_micro").check()
    menu.get_by_label("ex/s").uncheck()
    chosen = heads(page, "board")
    assert "f1_micro" in chosen
    assert "ex/s" not in chosen
    again = visit("tasks/" + page.url.rsplit("/", 1)[1])
    assert heads(again, "board") == chosen
    menu.get_by_role("button", name="As at first").click()
    assert "f1_micro" not in heads(page, "board")


@pytest.mark.parametrize("width", [1300, 400])
def test_what_has_no_room_is_folded_and_no_table_scrolls(visit, site, width):
    for path in ("index.html", "tasks/classification--sample.html", "tasks/qa--sample.html"):
        page = visit(path, viewport={"width": width, "height": 900})
        wide = "all => all.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.getAttribute('aria-labelledby'))"
        assert page.locator(".scroll").evaluate_all(wide) == [], path
        drawn = page.locator(".plots svg").evaluate_all("all => all.map((e) => e.getBoundingClientRect().right)")
        assert all(right <= width for right in drawn)
    assert ("memory" in heads(visit("tasks/qa--sample.html", viewport={"width": width, "height": 900}), "board")) is (
        width == 1300
    )


def test_what_is_seen_is_given_as_a_file(visit, tmp_path):
    page = visit("index.html")
    page.get_by_role("form", name="Filter: Runs with").get_by_label("Task").select_option("classification/sample")
    page.locator("#runs thead th", has_text="model").get_by_role("button").click()
    seen = column(page, "runs", "model")
    page.locator(".corner:has(+ .scroll #runs) summary").click()

    def saved(form):
        with page.expect_download() as found:
            page.get_by_role("button", name=f"Download {form}: Runs with").click()
        assert found.value.suggested_filename == f"index-runs.{form.lower()}"
        found.value.save_as(tmp_path / form)
        return (tmp_path / form).read_text(encoding="utf-8")

    rows = json.loads(saved("JSON"))
    assert [row["model"] for row in rows] == seen
    assert set(rows[0]["score"]) == {"score", "value", "low", "high"}
    assert {"protocol", "examples", "marks"} <= set(rows[0])
    listed = list(csv.DictReader(io.StringIO(saved("CSV"))))
    assert [row["model"] for row in listed] == seen
    assert [float(row["score low"]) for row in listed] == [row["score"]["low"] for row in rows]


def test_marks_stand_beside_the_model_and_are_told(visit):
    page = visit("tasks/classification--sample.html")
    row = page.locator("#board tbody tr", has=page.get_by_role("link", name=MODEL, exact=True))
    ref = row.locator("a.ref").last
    number, mark = ref.get_attribute("aria-label").split(": ", 1)
    assert page.locator(ref.get_attribute("href")).inner_text() == mark
    assert ref.inner_text() == number
    ref.click()
    assert page.get_by_role("tooltip").inner_text() == mark
    assert "#" not in page.url
    page.keyboard.press("Escape")
    assert page.get_by_role("tooltip").count() == 0
    touched = visit("tasks/classification--sample.html", has_touch=True, viewport={"width": 400, "height": 800})
    touched.locator("#board a.ref").first.tap()
    assert touched.get_by_role("tooltip").is_visible()


def test_a_table_says_who_leads_what_is_cheap_and_who_is_last(visit):
    page = visit("tasks/classification--sample.html")
    told = page.locator("#board-title ~ .story").first.inner_text()
    ranked = column(page, "board", "model")
    assert told.startswith(f"{ranked[0]} leads with accuracy ")
    assert "cheapest" in told
    assert re.search(r"comes last, [\d.]+ points \([−\d.]+ to [\d.]+\) below the best\.", told)
    assert page.locator("#board-title ~ .story a").first.get_attribute("href").startswith("../runs/")


def test_a_permanent_link_brings_the_view_back(visit):
    page = visit("index.html")
    page.get_by_role("form", name="Filter: Runs with").get_by_label("Family").select_option("encoder")
    page.locator("#runs thead th", has_text="task").get_by_role("button").click()
    page.locator("#runs thead th", has_text="task").get_by_role("button").click()
    again = visit(page.url.rsplit("/", 1)[1])
    assert column(again, "runs", "task") == column(page, "runs", "task") == ["qa/sample", *["classification/sample"] * 2]
    assert again.get_by_role("form", name="Filter: Runs with").get_by_label("Family").input_value() == "encoder"
    again.evaluate("location.hash = ''")
    assert len(column(again, "runs", "task")) == 6


def test_from_the_index_to_the_task_the_pair_and_the_run(visit):
    page = visit("index.html")
    page.locator("#tasks").get_by_role("link", name="classification/sample").click()
    assert page.get_by_role("heading", level=1).inner_text() == "classification/sample"
    assert len(column(page, "board", "model")) == 4
    assert "other examples: 30 of 200" in page.locator("#board-1-title").inner_text()
    assert page.locator(".plots figure svg").count() >= 3
    page.locator("#board-pairs").get_by_role("link", name="than").last.click()
    assert "Two runs" in page.get_by_role("heading", level=1).inner_text()
    page.locator("#examples > li").first.wait_for()
    assert re.search(r"points of accuracy .*95 % interval .* by a paired bootstrap", page.locator("#difference").inner_text())
    page.get_by_role("navigation", name="Where this page is").get_by_role("link", name="classification/sample").click()
    page.locator("#board").get_by_role("link", name="tiny-t5").first.click()
    assert "plmtasks reproduce " in page.locator("pre code").inner_text()
    assert page.locator("#settings").get_by_role("row", name="dtype").get_by_role("cell").inner_text() == "float32"
    for name in ("config.json", "environment.json", "result.json"):
        page.get_by_text(name, exact=True).click()
    assert '"versions"' in page.locator("details[open] pre").nth(1).inner_text()


def test_what_was_looked_at_beside_the_scores_is_shown(visit, site):
    (key,) = keys(site, MODEL)
    page = visit(f"runs/{key}.html")
    assert sorted(column(page, "slices", "name")) == ["length=short", SLICE]
    assert column(page, "perturbations", "less before") == ["not tested", "−4.50 [−9.5, +0.5] p 0.080"]
    assert column(page, "groups", "gap") == ["+7.50 [−2.0, +17.0] p 0.210"]
    assert page.locator(".reliability circle").count() == len(column(page, "bins", "examples")) == 3
    plot, menu = (page.locator(place).bounding_box() for place in (".reliability", ".beside .menu summary"))
    assert menu["x"] >= plot["x"] + plot["width"], "the menu of the table beside covers no part of the picture"
    assert page.get_by_text("Expected calibration error 0.123 [0.061, 0.198]").is_visible()
    assert page.get_by_text("2 of 80 examples, and 3 with 8 words in a row of one").is_visible()
    page = visit("tasks/classification--sample.html")
    shown = dict(zip(column(page, "board-slices", "run"), column(page, "board-slices", "length=short"), strict=True))
    assert (shown[MODEL], shown["tiny-bert"]) == ("61.50 [44.0, 77.5] n 49", "–")
    shown = dict(zip(column(page, "board-gaps", "run"), column(page, "board-gaps", "calibration error"), strict=True))
    assert shown[MODEL] == "0.123 [0.061, 0.198]"
    assert re.fullmatch(r"0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", shown["tiny-bert"])


def keys(site, *models):
    text = (site / "data" / "classification--sample" / "pairs.js").read_text(encoding="utf-8")
    known = json.loads(text.removeprefix('plmtasks.put("pairs", ').removesuffix(");\n"))
    return [next(run["key"] for run in known["runs"] if run["model"] == model and run["table"] == 0) for model in models]


def lines_of(runs, model):
    found = [r for r in read_results(runs) if r.model == model and r.record["data"]["examples"] == 80]
    return list(found[0].predictions())


def predictions(runs, model):
    return {line["id"]: line["prediction"] for line in lines_of(runs, model)}


def test_two_runs_show_every_example_on_which_they_differ(visit, site, runs):
    a, b = predictions(runs, "tiny-bert"), predictions(runs, "tiny-t5")
    differing = [name for name in a if a[name] != b[name]]
    first, second = keys(site, "tiny-bert", "tiny-t5")
    page = visit(f"compare/classification--sample.html#a={first}&b={second}")
    page.locator("#examples > li").first.wait_for()
    assert page.get_by_text(f"{len(differing)} differing predictions; 80 examples in all.").is_visible()
    seen = page.locator("#examples h3").all_inner_texts()
    while page.locator("#next").is_visible() and page.locator("#next").is_enabled():
        page.locator("#next").click()
        seen += page.locator("#examples h3").all_inner_texts()
    assert [text.split(" · ")[0] for text in seen] == differing
    better = [page.locator("#show").select_option(kind) and count(page) for kind in ("a", "b", "same")]
    assert sum(better) == len(differing)
    truth = {line["id"]: line["reference"] for line in lines_of(runs, "tiny-bert")}
    right = {name: (a[name] == truth[name], b[name] == truth[name]) for name in truth}
    sides = {"both-wrong": (False, False), "a-wrong": (False, True), "b-wrong": (True, False)}
    expected = [sum(found == which for found in right.values()) for which in (*sides.values(), (True, True))]
    said = "Both are wrong on {} examples, the first alone on {}, the second alone on {}; both are right on {}."
    assert page.locator("#wrong").inner_text() == said.format(*expected)
    assert [page.locator("#show").select_option(kind) and count(page) for kind in sides] == expected[:3]
    page.locator("#show").select_option("")
    word = page.locator("#examples dd").first.inner_text().split()[0]
    page.get_by_label("Search in all texts").fill(word)
    assert 0 < count(page) <= len(differing)
    again = visit("compare/" + page.url.rsplit("/", 1)[1])
    again.locator("#examples > li").first.wait_for()
    assert again.locator("#status").inner_text() == page.locator("#status").inner_text()
    page.get_by_role("button", name="Exchange").click()
    assert page.locator("#a").input_value() == second


def test_a_run_shows_what_was_wrong_and_taken_for_what(visit, site, runs):
    lines = lines_of(runs, "tiny-t5")
    wrong = [line for line in lines if line["prediction"] != line["reference"]]
    pairs = Counter((line["reference"], line["prediction"]) for line in lines)
    (key,) = keys(site, "tiny-t5")
    page = visit(f"runs/{key}.html")
    labels = ["negative", "positive"]
    assert [column(page, "confused", label) for label in labels] == [[str(pairs[a, b]) for a in labels] for b in labels]
    assert page.locator("#examples > li").count() == 0, "they are loaded when somebody comes to them"
    page.locator("#examples-title").scroll_into_view_if_needed()
    page.locator("#examples > li").first.wait_for()
    assert page.locator("#status").inner_text() == f"{len(wrong)} of 80 examples"
    assert page.get_by_text(f"{len(wrong)} of 80 are wrong.").is_visible()
    shown = page.locator("#examples h3").all_inner_texts()
    surest = sorted(wrong, key=lambda line: -line["scores"]["confidence"])
    assert [text.split("\n")[1].split(" · ")[0] for text in shown] == [line["id"] for line in surest[:10]]
    assert "wrong" in shown[0]
    page.locator("#show").select_option("right")
    assert count(page) == 80 - len(wrong)
    (said, times) = pairs.most_common(1)[0]
    page.locator(".confused a", has_text=re.compile(f"^{times}$")).first.click()
    assert count(page) == times
    assert [page.locator(f"#{name}").input_value() for name in ("show", "reference", "prediction")] == ["all", *said]
    page.get_by_label("Search in all texts").fill(lines[0]["id"])
    assert count(page) == ((lines[0]["reference"], lines[0]["prediction"]) == said)


def test_without_examples_no_text_of_any_is_in_any_file(runs, registry, tmp_path):
    results = read_results(runs)
    texts = [text for result in results for line in result.predictions() for text in (line["id"], *line["inputs"].values())]
    for examples in (True, False):
        index = build(results, tmp_path / "site", registry, examples=examples).index
        content = "".join(path.read_text(encoding="utf-8") for path in index.parent.rglob("*") if path.suffix in (".html", ".js"))
        found = [text for text in texts if isinstance(text, str) and json.dumps(text)[1:-1] in content]
        assert bool(found) == examples
        assert ("What was taken for what" in content) == examples


def count(page):
    return int(page.locator("#status").inner_text().split()[0])


def test_runs_of_other_examples_are_not_compared(visit, site):
    page = visit("compare/classification--sample.html")
    apart = page.locator("#b optgroup[label^='Apart'] option").first.get_attribute("value")
    page.locator("#b").select_option(apart)
    assert page.get_by_text("These two are not compared: other examples: 30 of 200.").is_visible()


def test_names_and_predictions_with_script_tags_are_texts(visit, site):
    first, second = keys(site, MODEL, "tiny-t5")
    for path in ("index.html", "tasks/classification--sample.html", f"runs/{first}.html"):
        page = visit(path)
        assert page.get_by_text(MODEL).locator("visible=true").count()
        assert page.title() != "stolen"
        assert page.locator("main img, main script, header script").count() == 0
    page = visit(f"runs/{first}.html#show=all&q=script")
    page.locator("#examples-title").scroll_into_view_if_needed()
    page.locator("#examples > li").first.wait_for()
    assert PREDICTION in page.locator("#examples dd").all_text_contents()
    assert PREDICTION in page.locator("#prediction option").all_text_contents()
    assert page.locator("main script, main img").count() == 0
    page = visit(f"compare/classification--sample.html#a={first}&b={second}")
    page.locator("#examples > li").first.wait_for()
    assert PREDICTION in page.locator("#examples dd").all_text_contents()
    assert page.title().startswith("Two runs of")
    assert page.locator("main script, main img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_the_switch(visit, scheme):
    page = visit("index.html", color_scheme=scheme)

    def dark():
        return page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(20, 23, 27)"

    assert dark() == (scheme == "dark")
    button = page.get_by_role("button", name="Theme")
    button.click()
    assert (button.inner_text(), dark()) == ("Theme: light", False)
    button.click()
    assert (button.inner_text(), dark()) == ("Theme: dark", True)
    page.reload()
    assert dark()


@pytest.mark.parametrize("path", ["index.html", "tasks/classification--sample.html", "compare/classification--sample.html"])
def test_a_narrow_screen_scrolls_tables_and_not_the_page(visit, path):
    page = visit(path, viewport={"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_keyboard_reaches_the_content_first(visit):
    page = visit("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_without_scripts_the_tables_are_there(visit):
    page = visit("index.html", java_script_enabled=False)
    assert page.locator("#runs tbody tr").count() == 6
    assert page.locator("#runs thead th").first.inner_text() == "task"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "task", "pair", "run"])
def test_axe_finds_nothing_serious(visit, site, scheme, name):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    (key,) = keys(site, MODEL)
    paths = {
        "index": "index.html", "task": "tasks/classification--sample.html",
        "pair": "compare/classification--sample.html", "run": f"runs/{key}.html",
    }  # fmt: skip
    page = visit(paths[name], color_scheme=scheme, bypass_csp=True)
    if name == "run":
        page.locator("#examples-title").scroll_into_view_if_needed()
    if name in ("pair", "run"):
        page.locator("#examples > li").first.wait_for()
    found = axe.Axe().run(page, options={"preload": False}).response["violations"]  # it would fetch style sheets
    assert [(v["id"], v["impact"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found] == []


@pytest.fixture(scope="module")
def submitted(registry, tmp_path_factory):
    """Pages of two systems whose predictions somebody submitted, one with a hostile card."""
    root = tmp_path_factory.mktemp("submitted")
    (root / "test.csv").write_text("id,text,label\n" + "".join(f"r{i},film {i},{GRADES[i % 3]}\n" for i in range(30)))
    for name, wrong, card in (("mine", 3, Card()), ("theirs", 9, CARD)):
        lines = (f"r{i},{GRADES[(i + (i < wrong)) % 3]}\n" for i in range(30))
        (root / f"{name}.csv").write_text("id,prediction\n" + "".join(lines))
        given = Submission(path=root / f"{name}.csv", split="test")
        judged = judge(registry, "classification/custom", Source(data=str(root / "test.csv")), given)
        write_run(judged, name, root / "results", card)
    said = {
        "title": "Films <b>",
        "about": f"How to [submit](https://x.org). {SCRIPT}",
        "left_out": [("late/films", f"too late {SCRIPT}")],
    }
    return build(read_results(root / "results"), root / "site", registry, **said).index.parent


GRADES = ("good", "bad", "middling")
CARD = Card(
    fields={"submitter": f"Eve {SCRIPT}", "url": "https://x.org/eve", "license": ["mit", SCRIPT], "link": "javascript:x"},
    text=f"# Eve's\n\n{SCRIPT}\n\n![map](https://x.org/track.png) <img src=https://x.org/b.png>\n\n| a | b |\n|--:|---|\n| 1 | "
    f"{'x' * 300} |\n\n```\n{'long ' * 60}\n```\n[no](javascript:x) [yes](https://x.org)",
)


def test_a_submitters_words_are_text(visit, submitted):
    page = visit("tasks/classification--custom.html", submitted.as_uri(), viewport={"width": 400, "height": 800})
    assert f"submitted by Eve {SCRIPT}" in page.locator("#board").inner_text()
    heads = {head.split()[0] for head in page.locator("#board thead th:visible").all_inner_texts()}
    assert "model" in heads
    assert not {"parameters", "ex/s", "memory"} & heads, "what nobody knows has no column"
    page.get_by_role("link", name="theirs").first.click()
    assert page.title() == "theirs on classification/custom · Films <b>"
    assert page.locator(".lead").first.inner_text().endswith(f"; predictions submitted by Eve {SCRIPT}.")
    assert page.locator("main :is(script, img, iframe, [style])").count() == 0
    assert page.locator(".words").inner_text().startswith(f"Eve's\n\n{SCRIPT}\n\n(map) <img")
    hrefs = [link.get_attribute("href") for link in page.locator(":is(.words, .fields) a").all()]
    assert hrefs == ["https://x.org/eve", "https://x.org"]
    text = page.locator("main").inner_text()
    assert "asked by" not in text
    assert "batch_tokens" not in text
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_the_first_page_says_what_a_board_is_and_what_was_left_out(visit, submitted):
    page = visit("index.html", submitted.as_uri(), viewport={"width": 400, "height": 800})
    assert page.locator("h1").inner_text() == "Films <b>"
    assert page.locator(".words a").get_attribute("href") == "https://x.org"
    page.get_by_role("link", name="1 left out").click()
    assert page.locator(".left-out").inner_text() == f"late/films\ntoo late {SCRIPT}"
    assert page.locator("main :is(script, img)").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_pages_of_what_was_submitted(visit, submitted, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    (theirs,) = (path.name for path in (submitted / "runs").iterdir() if "track.png" in path.read_text())
    for path, width in (("index.html", 1300), ("index.html", 400), (f"runs/{theirs}", 1300), (f"runs/{theirs}", 400)):
        page = visit(path, submitted.as_uri(), color_scheme=scheme, bypass_csp=True, viewport={"width": width, "height": 800})
        found = axe.Axe().run(page, options={"preload": False}).response["violations"]
        assert [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found] == []


def test_it_works_from_a_web_server_too(visit, site):
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            page = visit("compare/classification--sample.html", base=f"http://127.0.0.1:{server.server_port}")
            page.locator("#examples > li").first.wait_for()
            page.get_by_role("link", name="Leaderboard").click()
            assert len(column(page, "runs", "model")) == 6
        finally:
            server.shutdown()
            thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_every_speed_is_of_answering_alone(tmp_path):
    """What recommend compares and evaluate's file tells is what the pages show."""
    took = {"seconds": 12.0, "loading_seconds": 10.0, "examples": 110}
    (tmp_path / "environment.json").write_text(json.dumps(took))
    record = {"data": {"examples": 100, "skipped": 10}, "settings": {"threads": 1}}
    result = Result(record=record, folder=tmp_path)
    assert Run(result, "key").speed == costs(Row(result)).speed == 50.0
    (tmp_path / "environment.json").write_text(json.dumps({**took, "resumed": True}))
    assert Run(result, "key").speed is costs(Row(result)).speed is None


@pytest.mark.parametrize(
    ("score", "scale", "places"),
    [
        ({"low": 90.0, "value": 95.0, "high": 100.0}, (80.0, 100.0), {"low": 50.0, "value": 75.0, "high": 100.0}),
        ({"low": 100.0, "value": 100.0, "high": 100.0}, (0.0, 100.0), {"low": 100.0, "value": 100.0, "high": 100.0}),
        ({"low": None, "value": 1.2, "high": None}, (1.2, 1.2), None),
        ({"low": None, "value": None, "high": None}, (0.0, 1.0), None),
    ],
)
def test_where_a_score_lies_on_its_bar(score, scale, places):
    assert bar(score, scale) == places
