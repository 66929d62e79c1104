"""New questions: a line in, a line out; streaming, over several processes, gone on with after any end."""

import io
import itertools
import json
import os
import pty
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import kills
import pandas
import pytest
import toy
import toy_chain
import warm
from hypothesis import given
from hypothesis import strategies as st

import plmtasks
from plmtasks.cli import cli
from plmtasks.config import Source, run_config
from plmtasks.errors import DataError, DataWarning, InputError, OutputError
from plmtasks.evaluation import PredictConfig, answers, predict
from plmtasks.evaluation.output import Kept
from plmtasks.evaluation.questions import PATIENCE, Lines, hint, read_question
from plmtasks.files import claims_file, read_records, write_rows
from plmtasks.hooks import Registry, load_registry

HERE = Path(__file__).parent
SETTINGS: dict[str, Any] = {"batch_tokens": 30, "threads": 1, "dtype": "float32", "quiet": True}
COMMAND = [sys.executable, "-m", "plmtasks", "predict", "--batch-tokens", "30", "--threads", "1", "--quiet"]
TOY = [*COMMAND, "--task", "toy/even", "--model", "toy-model"]
CHAIN = [*COMMAND, "--task", "toy/follow", "--model", "toy-model"]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PLMTASKS_PLUGINS": "toy,toy_chain", "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", **more}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([toy, toy_chain], installed=False)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Lines of many lengths, so that batches differ from block to block, with blank ones between."""
    path = tmp_path / "questions.txt"
    path.write_text("".join("\n" if i % 9 == 4 else " ".join(["x"] * (1 + i * 7 % 11)) + f" {i}\n" for i in range(60)) + "end")
    return path


def ask(registry: Registry, file: Path, output: Path, task: str = "toy/even", **more: Any) -> bytes:
    """The content of the output after a prediction in this process."""
    form, block = more.pop("form", "json"), more.pop("block", 16)
    run = run_config(task, "toy-model", **{**SETTINGS, **more})
    predict(PredictConfig(run=run, input=str(file), output=str(output), form=form, block=block), registry)
    return output.read_bytes()


# ── a line ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "id_", "inputs"),
    [
        (b"one text, and no {", "3", {"text": "one text, and no {"}),
        (b"with\ttabs", "3", {"text": "with\ttabs"}),
        (b'{"text": "a\\nb"}', "3", {"text": "a\nb"}),
        (b'  {"id": "q", "text": "a"}', "q", {"text": "a"}),
        (b'{"id": 7, "text": "a"}', "7", {"text": "a"}),
        (b" \t", "3", {}),
        (b"", "3", {}),
    ],
)
def test_a_line_is_a_question(line: bytes, id_: str, inputs: dict[str, str]) -> None:
    question = read_question(toy.ToyTask(), line, "file", 3)
    assert (question.id, question.inputs, question.reference) == (id_, inputs, None)


def test_several_fields_have_tabs_between() -> None:
    assert read_question(toy_chain.Follow(), b"a b\tb", "file", 1).inputs == {"text": "a b", "word": "b"}
    assert "text<TAB>word, or a JSON object. End" in hint(toy_chain.Follow())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"a b", r"file:3: expected text <TAB> word, found 1 cell: 'a b'"),
        (b"a\tb\tc", "found 3 cells"),
        (b"\xff\tb", "file:3: expected UTF-8 text, found byte 0xff at position 0"),
        (b'{"text": "a", ', "file:3:15: expected a JSON object a line"),
        (b'{"text": "\\ud83d", "word": "a"}', "file:3: expected whole characters"),
        (b'{"text": "a"}', "file:3: expected a question of toy/follow, found .*no text 'word'"),
        (b'{"text": "a", "word": "b", "more": 1}', "a field 'more'"),
        (b'{"text": "a", "word": ["b"]}', "no text 'word'"),
        (b'{"id": null, "text": "a", "word": "b"}', "an id: a text or a number, found None"),
    ],
)
def test_a_bad_line_is_told_with_its_place(line: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_question(toy_chain.Follow(), line, "file", 3)


# ── lines ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.binary(max_size=60).map(lambda b: b.replace(b"x", b"\n")), st.integers(1, 5), st.integers(1, 9))
def test_lines_are_cut_at_line_feeds_whatever_the_pieces(content: bytes, most: int, piece: int) -> None:
    here, there = os.pipe()
    os.write(there, content)
    os.close(there)
    lines = Lines(f"/dev/fd/{here}")
    os.close(here)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plmtasks.evaluation.questions.PIECE", piece)
        found = list(itertools.takewhile(bool, (lines.take(most) for _ in range(200))))
    lines.close()
    expected = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    expected = expected[:-1] if content.endswith(b"\n") or not content else expected
    assert [line for block in found for line in block] == [line.removesuffix(b"\r") for line in expected]
    assert all(len(block) == most for block in found[:-1])
    assert lines.taken == len(expected)


@pytest.mark.slow
def test_what_came_before_a_pause_is_taken() -> None:
    here, there = os.pipe()
    lines = Lines(f"/dev/fd/{here}")

    def write() -> None:
        os.write(there, b"one\ntwo\nthr")
        time.sleep(PATIENCE + 0.7)
        os.write(there, b"ee\n")
        os.close(there)

    writer = threading.Thread(target=write)
    writer.start()
    assert [lines.take(10), lines.take(10), lines.take(10)] == [[b"one", b"two"], [b"three"], []]
    writer.join()
    os.close(here)
    lines.close()


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_line_in_one_line_out(registry: Registry, questions: Path, tmp_path: Path) -> None:
    lines = questions.read_text().split("\n")
    rows = [json.loads(line) for line in ask(registry, questions, tmp_path / "out").splitlines()]
    assert [row["id"] for row in rows] == [str(i) for i in range(1, len(lines) + 1)]
    for line, row in zip(lines, rows, strict=True):
        assert (row["prediction"] in toy.LABELS) == bool(line.strip())
        assert row == {"id": row["id"], "prediction": row["prediction"], "scores": {}}
    text = ask(registry, questions, tmp_path / "text", form="text").decode()
    assert text == "".join(f"{row['prediction'] or ''}\n" for row in rows)


def test_python_gets_what_the_command_line_writes(registry: Registry, questions: Path, tmp_path: Path) -> None:
    written = [json.loads(line) for line in ask(registry, questions, tmp_path / "out", block=1024).splitlines()]
    texts = [{"id": str(i), "text": line} for i, line in enumerate(questions.read_text().split("\n"), 1) if line]
    run = run_config("toy/even", "toy-model", **SETTINGS)
    assert list(answers(PredictConfig(run=run), texts, registry)) == [row for row in written if row["prediction"]]


def test_python_answers_as_it_is_asked(tmp_path: Path) -> None:
    """Endless questions: nothing is read ahead but a block."""
    env = {"PLMTASKS_PLUGINS": "toy"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        endless = (f"question {i}" for i in itertools.count())
        patch.setattr("tempfile.tempdir", str(tmp_path))
        found = plmtasks.predict("toy/even", "toy-model", endless, **SETTINGS)
        first = list(itertools.islice(found, 4000))
        assert len(list(tmp_path.glob("*/*"))) <= 1, "the journals of blocks that are over are still there"
    assert [row["id"] for row in first] == [str(i) for i in range(1, 4001)]


@pytest.mark.slow
def test_python_over_several_processes_and_with_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    texts = [f"{'x ' * (i % 7)}{i}" for i in range(40)]
    alone_ = list(plmtasks.predict("toy/even", "toy-model", texts, **SETTINGS))
    assert len(alone_) == 40
    assert list(plmtasks.predict("toy/even", "toy-model", texts, processes=2, **SETTINGS)) == alone_
    file = tmp_path / "in.txt"
    file.write_text("".join(f"{t}\n" for t in texts))
    out = str(tmp_path / "out.jsonl")
    assert list(plmtasks.predict("toy/even", "toy-model", file, output=out, **SETTINGS)) == alone_
    assert [json.loads(line) for line in Path(out).read_text().splitlines()] == alone_


def test_what_follows_from_a_question_is_asked_too(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    sentences = [toy_chain.sentence(i) for i in range(20)]
    file.write_text("\n".join([*sentences, "", '{"id": "last", "text": "a b c"}', ""]))
    rows = [json.loads(line) for line in ask(registry, file, tmp_path / "out", "toy/follow").splitlines()]
    assert [row["id"] for row in rows] == [*map(str, range(1, 22)), "last"]
    counts = {len(row["predictions"]) for row in rows}
    assert counts == {0, 1, 2}, "some sentences have no word of interest, some several"
    for sentence, row in zip(sentences, rows, strict=False):
        assert [p["inputs"]["word"] for p in row["predictions"]] == sentence.split()[: len(row["predictions"])]
        assert all(p["inputs"]["text"] == sentence and p["prediction"] in toy.LABELS for p in row["predictions"])
    assert rows[20]["predictions"] == []
    shown = ask(registry, file, tmp_path / "text", "toy/follow", form="text").decode().split("\n")[:-1]
    # the line feed in what the task shows has become a space
    assert shown == ["\t".join(f"{p['inputs']['word']} {p['prediction']}" for p in row["predictions"]) for row in rows]


def test_a_question_with_fields_of_its_own_is_asked_directly(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among questions of the task that it follows; and alone, where nothing is asked of the other's model."""
    file, out = tmp_path / "in.txt", tmp_path / "out"
    own = [{"id": "own", "text": "a b c", "word": "c"}, {"text": "a b", "word": "b"}]
    file.write_text("\n".join([json.dumps(own[0]), toy_chain.sentence(1), "", json.dumps(own[1])]))
    rows = [json.loads(line) for line in ask(registry, file, out, "toy/follow").splitlines()]
    assert [row["id"] for row in rows] == ["own", "2", "3", "4"]
    assert [p["inputs"] for row in (rows[0], rows[3]) for p in row["predictions"]] == [
        {"text": "a b c", "word": "c"}, {"text": "a b", "word": "b"},
    ]  # fmt: skip
    assert all(p["prediction"] in toy.LABELS for row in rows for p in row["predictions"])
    run = run_config("toy/follow", "toy-model", **SETTINGS)
    answered = answers(PredictConfig(run=run), own, registry)
    assert [row["predictions"] for row in answered] == [rows[0]["predictions"], rows[3]["predictions"]]

    monkeypatch.setattr(toy_chain.Find, "ask", answers_nothing)
    assert len(list(answers(PredictConfig(run=run), own, registry))) == 2
    file.write_text('{"text": "a", "word": ""}\n')
    with pytest.raises(DataError, match=r"expected a question of toy/follow, found .*no text 'word'"):
        ask(registry, file, tmp_path / "bad", "toy/follow")


def test_what_is_over_the_limit_is_told(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from plmtasks.model import Cost

    monkeypatch.setattr(toy.LoadedToy, "costs", lambda self, requests: [Cost(width=4, cut=len(r.text) - 4) for r in requests])
    file = tmp_path / "in.txt"
    file.write_text("four\nlonger\nlongest\n")
    loud = {"quiet": False, "truncation": "skip"}
    rows = [json.loads(line) for line in ask(registry, file, tmp_path / "out", **loud).splitlines()]
    assert [row["prediction"] is None for row in rows] == [False, True, True]
    said = capsys.readouterr().err
    assert "2 questions of toy/even were over the limit of 'toy-model': no answer" in said
    assert "3 lines answered" in said
    ask(registry, file, tmp_path / "right", quiet=False, truncation="right")
    assert "2 questions of toy/even were over the limit of 'toy-model', and shortened" in capsys.readouterr().err


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────

FRAME = pandas.DataFrame({
    "id": [f"q{i}" for i in range(50)], "more": range(50),
    "body": [f"line {i},\n\"quoted\"" if i % 7 == 0 else f"text {'x ' * i}" for i in range(50)],
})  # fmt: skip


def table(registry: Registry, file: Path, output: str | None = None, **more: Any) -> None:
    """A prediction as the command line makes it, in this process."""
    columns = more.pop("columns", {"text": "body"})
    run = run_config("toy/even", "toy-model", **{**SETTINGS, "columns": columns, **more})
    predict(PredictConfig(run=run, input=str(file), output=output, block=16), registry)


@pytest.mark.slow
@pytest.mark.parametrize("form", [None, "text", "json"])
@pytest.mark.parametrize("name", ["t.csv", "T.CSV", "t.tsv", "t.jsonl", "t.json", "t.parquet", "t.xlsx"])
def test_a_table_has_as_many_answers_as_rows(name: str, form: Any, registry: Registry, tmp_path: Path) -> None:
    """Quoted cells over several lines and the header are no questions of their own; with a format, a line a row comes back."""
    frame = FRAME if name != "t.tsv" else FRAME.assign(body=FRAME["body"].str.replace("\n", " "))
    path = tmp_path / name
    path.write_bytes(write_rows(path.suffix.lower(), frame.to_dict("records"), header=True))
    run = run_config("toy/even", "toy-model", **SETTINGS, columns={"text": "body"})
    expected = [row["prediction"] for row in answers(PredictConfig(run=run), frame["body"], registry)]
    out = tmp_path / f"out{path.suffix.lower()}"
    predict(PredictConfig(run=run, input=str(path), output=str(out), form=form), registry)
    if form == "text":
        assert out.read_text().splitlines() == expected
    elif form == "json":
        found = [json.loads(line) for line in out.read_text().splitlines()]
        assert [(row["id"], row["prediction"]) for row in found] == [(f"q{i}", p) for i, p in enumerate(expected)]
    else:
        kept = [row for _, row in read_records(out)]
        assert [row.pop("prediction") for row in kept] == expected
        assert kept == [row for _, row in read_records(path)]


def test_a_table_is_printed_in_its_own_format(registry: Registry, tmp_path: Path, capfdbinary: Any) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    table(registry, tmp_path / "t.csv")
    found = pandas.read_csv(io.BytesIO(capfdbinary.readouterr().out))
    assert found.drop(columns="prediction").equals(FRAME)
    assert set(found["prediction"]) <= set(toy.LABELS)


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_a_table_is_gone_on_with(ending: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / f"out{ending}"
    table(registry, tmp_path / "t.csv", str(out))
    first = [row for _, row in read_records(out)]
    monkeypatch.setattr(toy.LoadedToy, "answer", answers_nothing)
    table(registry, tmp_path / "t.csv", str(out))
    assert [row for _, row in read_records(out)] == first
    monkeypatch.undo()
    pandas.concat([FRAME, FRAME[:3].assign(id="new")]).to_csv(tmp_path / "t.csv", index=False)
    table(registry, tmp_path / "t.csv", str(out))
    assert [row for _, row in read_records(out)][:50] == first
    assert len(list(read_records(out))) == 53
    (tmp_path / f"own{ending}").write_bytes(b"mine")
    with pytest.raises(OutputError, match="is there already, and no prediction wrote it"):
        table(registry, tmp_path / "t.csv", str(tmp_path / f"own{ending}"))


def test_a_table_without_header_comes_back_without(registry: Registry, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "t.csv").write_text("1,a b\n2,c\n")
    table(registry, tmp_path / "t.csv", columns={"text": "1"})
    lines = capfd.readouterr().out.splitlines()
    assert [line.rpartition(",")[0] for line in lines] == ["1,a b", "2,c"]


def test_the_columns_of_the_training_are_remembered(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"expected a column with the text \(text\), found the columns 'id', 'more', 'body'"):
        table(registry, tmp_path / "t.csv", columns={})
    record = {"columns": {"toy/even": {"text": "body", "label": "mood"}}, "tasks": {}}
    monkeypatch.setattr(toy.ToyModel, "training_record", lambda self: record)
    table(registry, tmp_path / "t.csv", columns={}, quiet=False)
    told = capfd.readouterr()
    assert len(pandas.read_csv(io.StringIO(told.out))) == 50
    assert "t.csv: columns as in the training: text=body" in told.err
    FRAME.rename(columns={"body": "text"}).to_csv(tmp_path / "t.csv", index=False)
    table(registry, tmp_path / "t.csv", columns={})


def test_rows_that_are_no_question_are_told_or_stay_without_answer(registry: Registry, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "t.csv").write_text('n,text\n1,a\n2,""\n3, \n4,b\n')
    with pytest.raises(DataError, match=r"t\.csv:3: expected a question(.|\n)*2 rows of 4(.|\n)*t\.csv:4(.|\n)*--skip-bad-rows"):
        table(registry, tmp_path / "t.csv", columns={})
    with pytest.warns(DataWarning, match="2 rows of 4 cannot be asked: no prediction"):
        table(registry, tmp_path / "t.csv", columns={}, skip_bad_rows=True)
    found = capfd.readouterr().out.splitlines()
    assert found[0] == "n,text,prediction"
    assert found[2:4] == ["2,,", "3, ,"]
    assert {found[1].split(",")[2], found[4].split(",")[2]} <= set(toy.LABELS)


def test_a_column_is_not_put_over_another(registry: Registry, tmp_path: Path) -> None:
    FRAME.assign(prediction="x").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="has a column 'prediction' already"):
        table(registry, tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"a table comes back as \.csv, .*\n  --format text writes a prediction a line"):
        table(registry, tmp_path / "t.csv", str(tmp_path / "out"))


def test_one_text_is_one_question(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    for question in ("good", {"text": "good"}):
        [row] = plmtasks.predict("toy/even", "toy-model", question, **SETTINGS)
        assert (row["id"], row["prediction"] in toy.LABELS) == ("1", True)
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    found = list(plmtasks.predict("toy/even", "toy-model", tmp_path / "t.csv", columns={"text": "body"}, **SETTINGS))
    assert [row["id"] for row in found] == list(FRAME["id"])


# ── several processes ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("count", [3])
def test_any_number_of_processes_gives_the_same_bytes(count: int, registry: Registry, questions: Path, tmp_path: Path) -> None:
    """Through a pipe to standard output; and of a task that follows another, whose examples are known in one process alone."""
    expected = ask(registry, questions, tmp_path / "out", "toy/follow")
    command = [*CHAIN, "--format", "json", "--block", "16", "--processes", str(count)]
    done = subprocess.run(command, input=questions.read_bytes(), env=environment(TOY_SLEEP="0.02"), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == expected


@pytest.mark.slow
def test_real_models_give_the_same_bytes_on_any_number_of_processes(tmp_path: Path) -> None:
    import transformers

    registry = load_registry()
    data = registry.task("qa/sample").load(Source())
    lines = [json.dumps(dict(e.inputs)) + "\n" for e in data["test"][:24]]
    (tmp_path / "in.jsonl").write_text("".join(lines))
    model = tmp_path / "gpt"
    registry.model("tiny-gpt").make((t for line in lines for t in json.loads(line).values()), 0, model)
    transformers.GPT2LMHeadModel.from_pretrained(model).save_pretrained(
        model
    )  # with the head: it has learned nothing, and answers
    more = ["--input", str(tmp_path / "in.jsonl"), "--format", "json", "--generation", "max_new_tokens=4", "--block", "10"]
    more += ["--batch-tokens", "300", "--task", "qa/sample", "--model", str(model)]
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    cli([*COMMAND[3:], *more, "--output", str(one)], standalone_mode=False)
    assert warm.plmtasks([*COMMAND[3:], *more, "--output", str(two)], tmp_path, environment(), processes=2).returncode == 0
    assert one.read_bytes() == two.read_bytes()
    assert len(one.read_bytes().splitlines()) == 24
    assert any(json.loads(line)["prediction"] for line in one.read_bytes().splitlines())


# ── going on ──────────────────────────────────────────────────────────────────────────────────────────────────────


def answers_nothing(*args: Any) -> Any:
    raise AssertionError("it was computed again")


def test_what_is_answered_is_not_answered_again(
    registry: Registry, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(registry, questions, tmp_path / "out")
    monkeypatch.setattr(toy.LoadedToy, "answer", answers_nothing)
    assert ask(registry, questions, tmp_path / "out") == first


def test_an_input_that_grew_is_gone_on_with(registry: Registry, questions: Path, tmp_path: Path, monkeypatch: Any) -> None:
    questions.write_text(questions.read_text() + "\n")
    first = ask(registry, questions, tmp_path / "out")
    log = tmp_path / "log"
    monkeypatch.setenv("TOY_LOG", str(log))
    questions.write_text(questions.read_text() + "one more\n")
    second = ask(registry, questions, tmp_path / "out")
    assert second.startswith(first)
    assert json.loads(second.splitlines()[-1])["id"] == str(len(questions.read_text().splitlines()))
    assert len(log.read_text().splitlines()) == 1


def test_what_comes_before_a_bad_line_is_kept(registry: Registry, tmp_path: Path) -> None:
    file, out = tmp_path / "in.txt", tmp_path / "out"
    file.write_text("a\nb\n{bad\nd\n")
    with pytest.raises(DataError, match=r"in\.txt:3:2: .*\n  the 2 lines before it are answered"):
        ask(registry, file, out)
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["1", "2"]
    file.write_text("a\nb\nc\nd\n")
    assert [json.loads(line)["id"] for line in ask(registry, file, out).splitlines()] == ["1", "2", "3", "4"]


def test_a_bad_first_line_leaves_no_answer(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "in.txt"
    file.write_bytes(b"\xff\n")
    with pytest.raises(DataError, match="it is the first line"):
        ask(registry, file, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch_tokens": 60}, "another prediction: not the same settings"),
        ({"task": "toy/find"}, "not the same task"),
        ({"form": "text"}, "not the same format"),
        ({"input": "other lines\n" * 80}, "begins with other lines"),
        ({"input": "x 0\n"}, "the answers to 61 lines, and .* has only 1"),
        ({"output": b""}, "was changed since: it is shorter"),
        ({"output": b"x" * 100_000}, "was changed since: it is longer"),
        ({"state": "{"}, "expected the state of a prediction"),
    ],
)
def test_answers_of_another_prediction_are_not_mixed(
    change: dict[str, Any], said: str, registry: Registry, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    before = ask(registry, questions, out)
    for name, path in (("input", questions), ("output", out), ("state", tmp_path / "out.state" / "state.json")):
        if name in change:
            content = change.pop(name)
            before = content if name == "output" else before
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((OutputError, DataError), match=said):
        ask(registry, questions, out, **change)
    assert out.read_bytes() == before


def test_other_weights_are_told(registry: Registry, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(registry, questions, tmp_path / "out")
    monkeypatch.setattr(toy.ToyModel, "identity", lambda *args: {"weights": "others"})
    with pytest.raises(OutputError, match="holds answers of other weights"):
        ask(registry, questions, tmp_path / "out")


def test_a_foreign_file_is_left_alone(registry: Registry, questions: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is there already, and no prediction wrote it"):
        ask(registry, questions, questions)


def test_two_predictions_at_one_file_are_one_too_many(registry: Registry, questions: Path, tmp_path: Path) -> None:
    """Also before the first has written a line: its model may take long to load."""
    first = Kept(tmp_path / "out")
    with pytest.raises(OutputError, match="another process is at this very prediction"):
        ask(registry, questions, tmp_path / "out")
    first.close()
    ask(registry, questions, tmp_path / "out")
    (tmp_path / "out").unlink()
    assert len(ask(registry, questions, tmp_path / "out").splitlines()) == 61


def test_threads_that_nobody_chose_stay_those_of_the_first_attempt(
    registry: Registry, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(registry, questions, tmp_path / "out", threads=1)
    run = run_config("toy/even", "toy-model", **{**SETTINGS, "threads": 0})
    config = PredictConfig(run=run, input=str(questions), output=str(tmp_path / "out"), form="json")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    predict(config, registry)
    assert (tmp_path / "out").read_bytes() == first
    with pytest.raises(OutputError, match="not the same settings"):
        predict(replace(config, run=replace(run, settings=replace(run.settings, threads=2))), registry)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "counts"), [(TOY, "21"), (CHAIN, "12")])
def test_killed_at_any_moment_and_gone_on_with(
    command: list[str], counts: str, registry: Registry, questions: Path, tmp_path: Path
) -> None:
    """kill -9, and on with another number of processes: the same bytes, and no journalled batch asked again."""
    rng = random.Random(time.time_ns())
    expected = ask(registry, questions, tmp_path / "whole", command[command.index("--task") + 1])
    out, log = tmp_path / "out", tmp_path / "log"
    command = [*command, "--input", str(questions), "--output", str(out), "--format", "json", "--block", "16"]
    env = environment(TOY_LOG=str(log), TOY_SLEEP="0.15")
    process = subprocess.Popen([*command, "--processes", counts[0]], env=env, start_new_session=True)
    _wait_for(log.exists)
    time.sleep(rng.uniform(0, 1))
    assert process.poll() is None, "it was over before it was killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _wait_for(lambda: not kills.alive(process.pid))  # its processes see that it is gone
    assert len(out.read_bytes()) < len(expected)
    done = warm.plmtasks(command[3:], tmp_path, environment(TOY_LOG=str(log)), processes=int(counts[1]))
    assert done.returncode == 0
    assert out.read_bytes() == expected
    assert [p.name for p in (tmp_path / "out.state").iterdir() if not claims_file(p.name)] == ["state.json"]
    asked = Counter(log.read_text().splitlines())
    assert sum(asked.values()) - len(asked) <= int(counts[0]), "more than the batches in flight were asked again"


def _wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# ── pipes and terminals ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("count", ["1"])
def test_lines_are_answered_while_more_are_written(count: str) -> None:
    process = subprocess.Popen(
        [*TOY, "--processes", count], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for text in (b"first\n", b"second\n"):
        process.stdin.write(text)
        process.stdin.flush()
        assert process.stdout.readline().strip().decode() in toy.LABELS
    rest, said = process.communicate(b"third", timeout=60)
    assert rest.strip().decode() in toy.LABELS
    assert (process.returncode, said) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize("count", ["2"])
def test_a_reader_that_has_enough_is_no_error(count: str) -> None:
    """`yes | plmtasks predict … | head -1`: the input never ends."""
    command = " ".join([f"yes 'a line' | {' '.join(TOY)} --processes {count} | head -n 1"])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() in toy.LABELS
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr


@pytest.fixture
def terminal() -> Iterator[Any]:
    """Starts a command at a terminal; returns what types a line and gives back what is shown until the next prompt."""
    opened = []

    def start(*command: str) -> Any:
        pid, screen = pty.fork()
        if pid == 0:
            os.execvpe(command[0], command, environment(TERM="dumb"))
        opened.append((pid, screen))

        def until(mark: bytes, typed: bytes = b"") -> str:
            os.write(screen, typed)
            shown = b""
            deadline = time.monotonic() + 60
            while not shown.replace(b"\r", b"").endswith(mark) and time.monotonic() < deadline:
                if select.select([screen], [], [], 0.1)[0]:
                    try:
                        shown += os.read(screen, 4096)
                    except OSError:  # the other side has gone
                        break
            return shown.decode().replace("\r", "")

        return until

    yield start
    for pid, screen in opened:
        os.close(screen)
        assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.slow
@pytest.mark.parametrize("count", ["1", "2"])
def test_typed_at_a_terminal(count: str, terminal: Any) -> None:
    until = terminal(*CHAIN, "--processes", count)
    said = "toy/find asks for a line: text, or a JSON object; one with word is asked of toy/follow alone. End with Ctrl-D.\n"
    assert said in until(b"\n> ")
    assert until(b"\n> ", b"w17-0 w17-1 w17-2\n").count("\n") >= 2
    assert "expected a JSON object a line" in until(b"\n> ", b"{oops\n")
    assert until(b"\n> ", b"\n").count("\n") >= 2
    assert until(b"nothing ends so", b"\x04").strip() == ""


# ── what cannot be asked ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("task", "model", "more", "said"),
    [
        (
            "classification/sample",
            "tiny-bert",
            {},
            "'tiny-bert' has no weights yet: it must learn first\n  plmtasks train --task",
        ),
        ("classification/sample", "tiny-gpt", {}, "it must learn first"),
        ("classification/custom", "FOLDER", {}, "the labels of 'classification/custom' are not known\n.*--data PATH"),
        ("toy/even", "toy-model", {"followed_model": "toy-model"}, "follows no other: it needs no --followed-model"),
        ("toy/mute", "toy-model", {}, "takes no new questions"),
        ("toy/even", "toy-model", {"input": "nowhere"}, "nowhere: No such file or directory"),
    ],
)
def test_what_cannot_be_asked_is_told(task: str, model: str, more: dict[str, str], said: str, tmp_path: Path) -> None:
    class Plugin:
        __name__ = "mute"

        @plmtasks.hookimpl
        def register_tasks(self) -> list[Any]:
            return [toy.ToyTask(name="toy/mute", fields=())]

    registry = load_registry([toy, Plugin()])  # type: ignore[list-item]
    if model == "FOLDER":
        model = str(tmp_path / "gpt")
        registry.model("tiny-gpt").make(["a text"], 0, Path(model))
    file = tmp_path / "in.txt"
    file.write_text("a line\n")
    more = {"input": str(file), **more}
    config = PredictConfig(run=run_config(task, model, **SETTINGS), **more)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        predict(config, registry)


def test_a_head_for_other_labels_is_refused(tmp_path: Path) -> None:
    """A checkpoint without the head: told before a line is answered."""
    registry = load_registry()
    registry.model("tiny-bert").make(["a text"], 0, tmp_path / "bert")
    file = tmp_path / "in.txt"
    file.write_text("a line\n")
    run = run_config("classification/sample", str(tmp_path / "bert"), **SETTINGS)
    with pytest.raises(InputError, match="'bert' has no weights that answer classification/sample by Classify") as raised:
        predict(PredictConfig(run=run, input=str(file), output=str(tmp_path / "out")), registry)
    assert "the task's labels: negative, positive" in str(raised.value)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.slow
def test_labels_that_came_from_data_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    """The user's own labels: `predict` and `export` need no data, the checkpoint's record tells them."""
    data = tmp_path / "train.jsonl"
    rows = [{"text": f"{word} {i}", "label": label} for i in range(40) for word, label in (("red", "warm"), ("blue", "cold"))]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    training = plmtasks.TrainSettings(num_train_epochs=6, learning_rate=1e-3, select_split="none", seed=0)
    plmtasks.train(
        "classification/custom", "tiny-bert", str(tmp_path / "model"), data=str(data), training=training, quiet=True, threads=1
    )
    found = list(plmtasks.predict("classification/custom", str(tmp_path / "model"), ["red 3", "blue 9"], quiet=True, threads=1))
    assert [row["prediction"] for row in found] == ["warm", "cold"]
    assert set(found[0]["scores"]) == {"confidence", "probability[warm]", "probability[cold]"}
    command = ["export", "--task", "classification/custom", "--model", str(tmp_path / "model"), "--output", str(tmp_path / "one")]
    cli(command, standalone_mode=False)
    assert set(json.loads((tmp_path / "one" / "config.json").read_text())["label2id"]) == {"warm", "cold"}


def test_a_text_may_begin_with_a_word_in_braces() -> None:
    task = toy.ToyTask()
    assert read_question(task, b"{laughs} I never", "in.txt", 1).inputs == {"text": "{laughs} I never"}
    assert read_question(task, b' {"text": "a"}', "in.txt", 1).inputs == {"text": "a"}
    for broken in (b"{laughs", b'{"text"}', b"{text: 1}"):
        with pytest.raises(DataError, match=r"in\.txt:1:\d+: expected a JSON object a line"):
            read_question(task, broken, "in.txt", 1)
