"""A board that others submit to: who keeps its rules stands on its pages, and nothing that is hidden does."""

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest
import warm
import yaml
from plmtasks_board.board import Board, Entry, read_board
from plmtasks_board.build import build
from plmtasks_board.start import start
from plmtasks_board.submissions import check, submit

from plmtasks.errors import DataError, InputError
from plmtasks.files import sealed
from plmtasks.hooks import Registry, load_registry

THINGS = ("quixotic lantern", "marzipan trombone", "obsidian teapot", "velvet anchor", "copper gyroscope", "paisley walrus")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def squad(path: Path) -> Path:
    """Questions whose texts and answers stand nowhere else."""
    asked = [
        {
            "context": f"On shelf {i} Ulrika keeps a {thing} for winter.",
            "qas": [
                {
                    "id": f"secret-{i}", "question": f"What does Ulrika keep on shelf {i}?",
                    "answers": [{"text": thing, "answer_start": len(f"On shelf {i} Ulrika keeps a ")}],
                }
            ],
        }
        for i, thing in enumerate(THINGS)
    ]  # fmt: skip
    path.write_text(json.dumps({"version": "1.1", "data": [{"title": "Shelves", "paragraphs": asked}]}), encoding="utf-8")
    return path


def predictions(path: Path, wrong: int = 0, missing: int = 0) -> Path:
    said = {f"secret-{i}": "zeppelin guess" if i < wrong else thing for i, thing in enumerate(THINGS) if i >= missing}
    path.write_text("id,prediction\n" + "".join(f"{k},{v}\n" for k, v in said.items()), encoding="utf-8")
    return path


def card(path: Path, submitter: str, **fields: str) -> Path:
    lines = "".join(f"{k}: {v}\n" for k, v in {"submitter": submitter, **fields}.items())
    path.write_text(f"---\n{lines}---\nMade by {submitter}.\n", encoding="utf-8")
    return path


@pytest.fixture
def board(registry: Registry, tmp_path: Path) -> Board:
    return start(tmp_path / "board", Entry(task="qa/squad", data=str(squad(tmp_path / "test.json"))), registry)[0]


def put(board: Board, registry: Registry, name: str, who: str = "Anna", wrong: int = 0) -> Path:
    folder = board.root.parent
    files = predictions(folder / "p.csv", wrong), card(folder / "card.md", who), None
    return submit(board, registry, name, "squad", files).folder


def ruled(board: Board, registry: Registry, rules: str) -> Board:
    path = board.root / "board.toml"
    path.write_text(re.sub(r"submissions = 0\ndays = 7\n(#.*\n)fields = \[\]", rules, path.read_text()), encoding="utf-8")
    return read_board(board.root, registry)


def reasons(board: Board, registry: Registry) -> dict[str, str]:
    return {one.folder.parent.name: one.why for one in check(board, registry)}


# ── as it is used ─────────────────────────────────────────────────────────────────────────────────────────────────


def plmtasks(folder: Path, *arguments: str) -> CompletedProcess[str]:
    return warm.plmtasks(arguments, folder, {**os.environ, "COLUMNS": "200"})


def submitting(folder: Path, name: str, file: Path, words: Path) -> Sequence[str]:
    return "board", "submit", "b", "--task", "squad", "--predictions", str(file), "--name", name, "--card", str(words)


@pytest.mark.slow
def test_one_is_refused_one_is_altered_and_the_rest_is_shown(tmp_path: Path) -> None:
    squad(tmp_path / "test.json")
    made = plmtasks(tmp_path, "board", "init", "b", "--task", "qa/squad", "--data", "test.json")
    assert made.returncode == 0, made.stderr
    for name, who, wrong in (("anna-1", "Anna", 0), ("ben-1", "Ben", 2), ("cleo-1", "Cleo", 3)):
        words = card(tmp_path / "card.md", who)
        said = plmtasks(tmp_path, *submitting(tmp_path, name, predictions(tmp_path / "p.csv", wrong), words))
        assert said.returncode == 0, said.stderr
    refused = plmtasks(tmp_path, *submitting(tmp_path, "dan-1", predictions(tmp_path / "p.csv", missing=2), words))
    assert refused.returncode == 2
    assert "expected a prediction for every example, found none for 2 of 6, 'secret-0' first" in refused.stderr
    assert not (tmp_path / "b" / "submissions" / "dan-1").exists()

    assert "3 runs shown, 0 left out" in plmtasks(tmp_path, "board", "build", "b").stdout
    sent = tmp_path / "b" / "submissions" / "ben-1" / "squad" / "predictions.p.csv"
    sent.chmod(0o644)
    predictions(sent)  # better than what was submitted
    (kept,) = (tmp_path / "b" / "results").rglob("cleo-1/*/predictions.jsonl")
    kept.write_text(kept.read_text().replace("zeppelin guess", THINGS[0], 1))

    checked = plmtasks(tmp_path, "board", "check", "b")
    assert checked.returncode == 1
    assert re.search(r"ben-1/squad: .*expected the file that was submitted, found another: it was altered after", checked.stdout)
    verified = plmtasks(tmp_path, "results", "verify", "b/results")
    assert verified.returncode == 1
    assert re.search(r"qa/squad on cleo-1: altered", verified.stdout)
    built = plmtasks(tmp_path, "board", "build", "b")
    assert built.returncode == 0, built.stderr
    assert "1 run shown, 2 left out" in built.stdout
    assert re.search(r"left out: \S*ben-1/squad: .*it was altered after it was submitted", built.stderr)
    assert re.search(
        r"left out: \S*cleo-1/squad: .*altered since it was written \(predictions.jsonl, .*delete the folder", built.stderr
    )
    index = tmp_path / "b" / "site" / "index.html"
    page, _, told = index.read_text().partition('<h2 id="left-out">')
    assert re.search(r"<dt>submissions/<wbr>ben-<wbr>1/<wbr>squad</dt><dd>predictions.p.csv: .*it was altered after", told)
    assert str(tmp_path) not in told
    index.write_text(page)
    pages = everything(tmp_path / "b" / "site")
    assert "anna-1" in pages
    assert not any(name in pages for name in ("ben-1", "cleo-1", "dan-1"))


def everything(folder: Path) -> str:
    """All that stands in the files of a folder, with JSON's and HTML's ways to write a text undone."""
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.slow
def test_nothing_that_is_hidden_stands_on_a_page(board: Board, registry: Registry, tmp_path: Path) -> None:
    put(board, registry, "one", wrong=1)
    put(board, registry, "two", "Ben", wrong=3)
    site = tmp_path / "site"
    build(board, registry, site)
    secrets = [*THINGS, "Ulrika", "secret-", "zeppelin guess"]
    assert [secret for secret in secrets if secret in everything(site)] == []
    assert [secret for secret in THINGS if secret in everything(board.shown)] == []
    shown = board.root / "board.toml"
    shown.write_text(shown.read_text().replace("hidden = true", "hidden = false"))
    build(read_board(board.root, registry), registry, site)
    pages = everything(site)
    assert [secret for secret in secrets if secret not in pages] == [], "such a page has them if it may"
    assert str(tmp_path) not in pages, "nor does a page say where the board lies"
    build(board, registry, site)
    assert [secret for secret in secrets if secret in everything(site)] == [], "nor what was left from an open one"


def test_a_pull_request_is_checked_without_the_references(board: Board, registry: Registry, tmp_path: Path) -> None:
    put(board, registry, "one")
    shutil.rmtree(board.root / "hidden")
    put(board, registry, "two")
    assert reasons(board, registry) == {"one": "", "two": ""}
    with pytest.raises(InputError, match=r"hidden/test\.json: no such file or folder, and it has the references of squad\n"):
        build(board, registry, tmp_path / "site")


def test_the_workflow_and_the_page_for_submitters(board: Board) -> None:
    flow = yaml.safe_load((board.root / ".github" / "workflows" / "board.yml").read_text())
    runs = [step["run"] for job in flow["jobs"].values() for step in job["steps"] if "run" in step]
    assert [line for line in runs if line.startswith("plmtasks")] == [
        "plmtasks board check .",
        "plmtasks board build . --output site",
    ]
    assert any(re.fullmatch(r"pip install plmtasks-board==\S+ plmtasks-qa==\S+", line) for line in runs)
    assert "${{ secrets.HIDDEN_TOKEN }}" in json.dumps(flow["jobs"]["pages"])
    assert "secrets" not in json.dumps(flow["jobs"]["check"]), "a stranger's pull request sees none"
    used = [step["uses"] for job in flow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert [action for action in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action)] == [], "a tag may be moved"
    taken = [step["with"] for job in flow["jobs"].values() for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert all(one["persist-credentials"] is False for one in taken)
    page = (board.root / "README.md").read_text()
    assert "plmtasks board submit . --task squad" in page
    assert "\n    submitter: …\n" in page
    assert set((board.root / ".gitignore").read_text().split()) >= {"/hidden/", "/results/", "/.board/"}


def test_a_repository_changes_no_byte_of_what_was_submitted(board: Board, registry: Registry, tmp_path: Path) -> None:
    """Nor on Windows, where git would change the ends of lines; and a clone, without the references, can be checked."""
    said = predictions(tmp_path / "p.csv")
    said.write_bytes(said.read_bytes().replace(b"\n", b"\r\n"))
    submit(board, registry, "one", "squad", (said, card(tmp_path / "c.md", "Anna"), None))
    git = ("git", "-c", "core.autocrlf=true", "-c", "core.safecrlf=false", "-c", "user.name=a", "-c", "user.email=a@b.c")
    for line in ("init -q", "add -A", "commit -qm one", "clone -q . ../clone"):
        run((*git, *line.split()), cwd=board.root, check=True)
    clone = read_board(tmp_path / "clone", registry)
    assert reasons(clone, registry) == {"one": ""}
    assert not any(thing in everything(clone.root / "questions") for thing in ("answer_start", "hidden/"))
    assert not (clone.root / "hidden").exists()


def test_questions_are_what_predict_takes(board: Board) -> None:
    rows = [json.loads(line) for line in (board.root / "questions" / "squad.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [f"secret-{i}" for i in range(6)]
    assert rows[0]["question"] == "What does Ulrika keep on shelf 0?"
    assert all(set(row) <= {"id", "question", "context", "title"} for row in rows), "no answers"


def test_the_words_of_run_name_a_task(registry: Registry, tmp_path: Path) -> None:
    """With data of one's own, "sentiment" is the task for them, here as there; also where a person writes it into the file."""
    (tmp_path / "films.csv").write_text("id,text,label\n1,a fine film,good\n2,a bore,bad\n")
    board, _ = start(tmp_path / "board", Entry(task="sentiment", data=str(tmp_path / "films.csv")), registry)
    assert [entry.task for entry in board.entries.values()] == ["classification/custom"]
    path = board.root / "board.toml"
    path.write_text(path.read_text().replace("classification/custom", "sentiment"))
    assert read_board(board.root, registry).task("custom", registry).name == "classification/custom"


def test_a_board_is_brought_up_to_date_and_never_overwritten(board: Board, registry: Registry, tmp_path: Path) -> None:
    (board.root / "README.md").write_text("Mine.")
    (board.root / "questions" / "squad.jsonl").unlink()
    _, written = start(board.root, None, registry)
    assert [path.name for path in written] == ["squad.jsonl"]
    assert (board.root / "README.md").read_text() == "Mine."
    with pytest.raises(InputError, match="is there\n  write further tasks into it"):
        start(board.root, Entry(task="qa/squad"), registry)
    with pytest.raises(InputError, match="no such file or folder"):
        start(tmp_path / "new", Entry(task="qa/squad", data="nowhere.json"), registry)
    assert not (tmp_path / "new").exists()


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_so_many_submissions_in_so_many_days(board: Board, registry: Registry) -> None:
    board = ruled(board, registry, "submissions = 2\ndays = 7\nfields = []")
    first, second = put(board, registry, "one"), put(board, registry, "two")
    resealed(second, submitted=(datetime.now(UTC) - timedelta(hours=1)).isoformat())
    put(board, registry, "three", "Ben")
    with pytest.raises(InputError, match="four: anna has 2 of 2 submissions to squad within 7 days; again from 20"):
        put(board, registry, "four", "anna")
    resealed(first, submitted=(datetime.now(UTC) - timedelta(days=8)).isoformat())
    put(board, registry, "four")
    resealed(first, submitted=(datetime.now(UTC) - timedelta(days=1)).isoformat())
    assert {name: why.partition(";")[0] for name, why in reasons(board, registry).items() if why} == {
        "four": "Anna has 2 of 2 submissions to squad within 7 days"
    }


def resealed(folder: Path, **changes: str) -> None:
    path = folder / "submission.json"
    path.write_text(sealed({**json.loads(path.read_text()), **changes}))


def test_what_a_card_must_say(board: Board, registry: Registry, tmp_path: Path) -> None:
    board = ruled(board, registry, 'submissions = 0\ndays = 7\nfields = ["license"]')
    with pytest.raises(InputError, match="the card does not say: license\n  between two lines of --- at its top"):
        put(board, registry, "one")
    files = predictions(tmp_path / "p.csv"), card(tmp_path / "c.md", "Anna", license="mit"), None
    assert submit(board, registry, "one", "qa/squad", files).folder.exists()
    assert reasons(board, registry) == {"one": ""}


@pytest.mark.parametrize(
    ("name", "task", "said"),
    [
        ("../evil", "squad", "'../evil' is no name for a folder\n  such as 'evil'"),
        ("two", "sqad", "the board has no task 'sqad'\n  did you mean 'squad'"),
        ("one", "squad", "is there: one was submitted to squad before\n  give the new one another name"),
    ],
)
def test_what_is_not_taken(board: Board, registry: Registry, tmp_path: Path, name: str, task: str, said: str) -> None:
    put(board, registry, "one")
    files = predictions(tmp_path / "p.csv"), card(tmp_path / "c.md", "Anna"), None
    with pytest.raises(InputError, match=said):
        submit(board, registry, name, task, files)


def test_whose_a_name_is(board: Board, registry: Registry) -> None:
    first = put(board, registry, "one")
    path = board.root / "board.toml"
    path.write_text(path.read_text() + path.read_text().partition("[tasks.squad]")[2].join(["[tasks.again]", ""]))
    again = read_board(board.root, registry)
    files = predictions(board.root / "p.csv"), card(board.root / "c.md", "Ben"), None
    with pytest.raises(InputError, match="one: the name one is taken by Anna: choose another"):
        submit(again, registry, "one", "again", files)
    assert first.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "two"}, "expected a submission of one to squad, found two to squad"),
        ({"submitted": "soon"}, "expected a date and time, found 'soon'"),
        ({"submitted": "2999-01-01"}, "expected a date that has been, found 2999-01-01"),
        ({"predictions": "../../../hidden/test.json"}, "expected the files card.md, predictions.p.csv"),
        ({"files": {}}, "expected the files , found card.md, predictions.p.csv"),
        ({"task": 3}, "task: expected a text, found 3"),
    ],
)
def test_a_record_of_something_else(board: Board, registry: Registry, change: Mapping[str, str], said: str) -> None:
    resealed(put(board, registry, "one"), **change)
    assert said in reasons(board, registry)["one"]


def test_a_link_to_the_references_is_no_submission(board: Board, registry: Registry) -> None:
    folder = put(board, registry, "one")
    (folder / "predictions.p.csv").unlink()
    (folder / "predictions.p.csv").symlink_to(board.root / "hidden" / "test.json")
    assert "expected a file or folder, found a link" in reasons(board, registry)["one"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "hidden = true",
            "hiden = true",
            r"board\.toml:\d+: expected a key in \[tasks.squad\].*'hiden'\n  did you mean 'hidden'",
        ),
        ("days = 7", "days = 'x'", r"board\.toml:\d+: expected a whole number for 'days', found 'x'"),
        ("[tasks.squad]", '[tasks."a b"]', r"expected a name of letters, digits, dots, hyphens and low lines, found 'a b'"),
        (
            "hidden/test.json",
            "../test.json",
            r"board\.toml:\d+: expected data and tasks within the board's folder, found '../test.json'",
        ),
        ("[tasks.squad]", "[task.squad]", r"expected a key at the top: title, about, rules, tasks, found 'task'"),
    ],
)
def test_what_a_board_s_file_may_not_say(board: Board, registry: Registry, old: str, new: str, said: str) -> None:
    path = board.root / "board.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=said):
        read_board(board.root, registry)


def test_a_stranger_s_board_runs_no_code_and_leads_nowhere(board: Board, registry: Registry, tmp_path: Path) -> None:
    path = board.root / "board.toml"
    text = path.read_text()
    path.write_text(text + 'metrics = ["evaluate:./mine"]\n')
    with pytest.raises(InputError, match=r"names the metric 'evaluate:\./mine', which may run code that is not installed"):
        read_board(board.root, registry)
    path.write_text(text)
    (board.root / ".board").mkdir()
    (tmp_path / "precious").mkdir()
    (board.root / ".board" / "results").symlink_to(tmp_path / "precious")
    with pytest.raises(DataError, match=r"\.board/results: expected a folder, found a link"):
        read_board(board.root, registry)


@pytest.mark.slow
def test_the_owner_s_runs_stand_on_the_board_unless_they_are_altered(board: Board, registry: Registry, tmp_path: Path) -> None:
    import toy

    from plmtasks.config import run_config
    from plmtasks.evaluation import run

    put(board, registry, "one")
    own = load_registry([toy], installed=False)
    result = run([run_config("toy/even", "toy-model", output=str(board.store), quiet=True)], own)[0]
    built = build(board, registry, tmp_path / "site")
    assert {one.model for one in built.results} == {"one", "toy-model"}
    (result.folder / "statistics.npy").write_bytes(b"")
    built = build(board, registry, tmp_path / "site")
    assert [one.model for one in built.results] == ["one"]
    assert "altered since it was written (statistics.npy" in str(built.left_out[0])
