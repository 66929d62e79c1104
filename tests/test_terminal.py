"""Tables and texts at any width: nothing scrolls off the side, nothing is lost, no path is broken."""

import os
import pty
import re
import shutil
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from plmtasks.errors import printable
from plmtasks.files import terminal

WORD = st.text(st.sampled_from("ab/_-.[]1情感é👍"), min_size=1, max_size=24)
TEXT = st.lists(WORD, max_size=5).map(" ".join)
FOLDER = "results/classification/sample/google-bert/bert-base-uncased/0123456789abcdef0123456789abcdef"


def at(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))


@given(st.text(st.characters(max_codepoint=0x2100)))
def test_a_text_is_as_wide_as_a_terminal_shows_it(text):
    shown = printable(text)
    assert terminal._length(shown) == cell_len(shown)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=4), st.sampled_from((40, 80, 120)))
def test_a_table_is_as_wide_as_the_terminal_at_most_and_loses_nothing(rows, width):
    with pytest.MonkeyPatch.context() as patch:
        at(width, patch)
        said = terminal.table(("a", "n", "b"), rows, right=("n",))
        assert max(cell_len(line) for line in said.splitlines()) <= width
        left = sorted(re.sub(r"\s", "", "".join(("a", "n", "b", *(cell for row in rows for cell in row)))))
        assert sorted(re.sub(r"[\s─]", "", said)) == left


def test_where_there_is_room_a_table_takes_what_it_needs(monkeypatch):
    at(120, monkeypatch)
    rows = [("模型", "1"), ("google-bert/bert-base-uncased", "200")]
    said = terminal.table(("model", "n"), rows, right=("n",))
    assert said.splitlines()[0] == f"{'model':29}  {'n':>3}"
    assert cell_len(said.splitlines()[2]) == terminal.needed(("model", "n"), rows) == 34


def test_names_are_broken_after_their_signs_and_numbers_are_not(monkeypatch):
    at(34, monkeypatch)
    rows = [("google-bert/bert-base-uncased", "88.07 [85.8, 90.1]")]
    lines = terminal.table(("model", "score"), rows, firm=("score",)).splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == ["google-bert/", "bert-base-", "uncased"]
    assert "88.07 [85.8, 90.1]" in lines[2]


def test_chinese_is_broken_by_its_width(monkeypatch):
    at(24, monkeypatch)
    said = terminal.table(("task", "n"), [("问" * 30, "7")], right=("n",))
    assert max(cell_len(line) for line in said.splitlines()) <= 24
    assert said.count("问") == 30


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_path_is_never_broken(width, monkeypatch):
    at(width, monkeypatch)
    rows = [("qa/squad", "bert-base", FOLDER), ("qa/squad", "gpt2", FOLDER.replace("bert", "gpt"))]
    lines = terminal.table(("task", "model", "folder"), rows, path=True).splitlines()
    assert (
        [line.strip() for line in lines if "results" in line] == [row[-1] for row in rows]
        if width < 110
        else lines[2].endswith(FOLDER)
    )
    assert terminal.place("qa on bert", FOLDER).split("\n")[-1].strip().endswith(FOLDER)
    assert (terminal.place("qa on bert", FOLDER).count("\n") == 0) == (width == 120)


def test_a_pipe_gets_whole_lines(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "__stdout__", open(os.devnull, "w"))  # noqa: SIM115, PTH123  a stream that is no terminal
    assert terminal.columns() > 10_000
    text = "a description of many words " * 40
    assert text.strip() in terminal.table(("task", "what"), [("a/b", text.strip())])
    assert terminal.wrapped(text) == text.strip()
    assert max(map(len, terminal.table(("a",), [("x" * 500,)]).splitlines()[1:2])) <= 160, "a rule has an end"


def test_a_terminal_is_asked_how_wide_it_is(monkeypatch):
    import fcntl
    import termios

    monkeypatch.delenv("COLUMNS", raising=False)
    main, sub = pty.openpty()
    try:
        fcntl.ioctl(sub, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 72, 0, 0))
        monkeypatch.setattr(sys, "__stdout__", os.fdopen(sub, "w"))
        assert terminal.columns() == 72 == shutil.get_terminal_size().columns
    finally:
        os.close(main)


def test_no_cell_steers_the_terminal(monkeypatch):
    at(80, monkeypatch)
    nasty = "a\x1b[31mb\nc\u202e"
    assert printable(nasty) in terminal.table(("name",), [(nasty,)])


def test_long_texts_are_wrapped_between_words(monkeypatch):
    at(40, monkeypatch)
    said = terminal.wrapped(f"a result that somebody looks for lies in {FOLDER} and nowhere else", "  ")
    assert FOLDER in said.split()
    assert [line for line in said.splitlines() if len(line) > 40] == [f"  {FOLDER}"]
    assert Path(FOLDER).name in said
