"""The way of a request through the modules, and how often each thing is done on it."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import toy

import plmtasks
from plmtasks.cli import cli
from plmtasks.config import run_config
from plmtasks.evaluation import run
from plmtasks.hooks import load_registry
from plmtasks.results import Result, read_results

PAGE = Path(__file__).parents[1] / "docs" / "design" / "flow.md"

BESIDE = {
    "evaluation.alike", "evaluation.followed", "evaluation.robustness", "execution.defaults", "execution.environment",
    "execution.place", "execution.processes", "execution.progress", "scoring.repeats",
}  # fmt: skip
"""What is asked on the way and is no step of it: the machine, defaults, processes, what is said, and what is not wanted here."""

Call = tuple[str, str]
"""Module, without the package's name, and function."""


@contextmanager
def traced() -> Iterator[list[Call]]:
    """The calls of plmtasks' and the toy plugin's functions, in their order."""
    core, calls = f"{Path(plmtasks.__file__).parent}/", list[Call]()

    def hear(frame: FrameType, event: str, _: Any) -> None:
        file, name = frame.f_code.co_filename, frame.f_code.co_qualname
        if event == "call" and "<" not in name and (file.startswith(core) or file == toy.__file__):
            calls.append((file.removeprefix(core).removesuffix(".py").replace("/", "."), name))

    before = sys.getprofile()
    sys.setprofile(hear)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def drawn() -> list[tuple[str, list[str]]]:
    """The page's drawing: modules with their functions."""
    [drawing] = re.findall(r"^```text\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [re.fullmatch(r" *([\w.]+) +(\S+(?:, \S+)*)  +\S.*", line) for line in drawing.splitlines()]
    assert len(lines) > 10
    assert all(lines)
    return [(line[1], line[2].split(", ")) for line in lines if line]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Of a run of five examples in one batch."""
    monkeypatch.setenv("TOY_EXAMPLES", "5")
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    options = ["--batch-tokens", "1000", "--dtype", "float32", "--config", "kernels=plain", "--threads", "1", "--quiet"]
    with traced() as calls:
        cli(["run", "--task", "toy/even", "--model", "toy-model", "--output", str(tmp_path), *options], standalone_mode=False)
    assert read_results(tmp_path)[0].record["data"]["examples"] == 5
    return calls


def test_the_page_draws_the_modules_in_their_order(calls: list[Call]) -> None:
    names = [module for module, _ in drawn()]
    assert len(set(names)) == len(names)
    assert [module for module in dict.fromkeys(module for module, _ in calls) if module in names] == names


def test_each_function_of_the_page_is_called_once(calls: list[Call]) -> None:
    counts = Counter(calls)
    assert {(m, f): counts[m, f] for m, functions in drawn() for f in functions} == {
        (m, f): 1 for m, functions in drawn() for f in functions
    }


def test_the_page_leaves_no_module_out(calls: list[Call]) -> None:
    entered = {m for m, _ in calls if m.split(".")[0] in ("evaluation", "execution", "scoring")}
    assert entered == {m for m, _ in drawn() if m.split(".")[0] in ("evaluation", "execution", "scoring")} | BESIDE


def counted(work: Callable[[], list[Result]]) -> Counter[str]:
    """How often each function is called, by its name alone."""
    with traced() as calls:
        work()
    return Counter(name for _, name in calls)


def test_each_thing_is_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_EXAMPLES", "20")
    registry = load_registry([toy], installed=False)
    options: dict[str, Any] = {"dtype": "float32", "threads": 1, "kernels": "plain", "quiet": True, "output": str(tmp_path)}
    configs = [run_config("toy/even", "toy-model", batch_tokens=tokens, **options) for tokens in (30, 40, 50)]
    for runs in (configs[:1], configs[1:]):  # one alone, and a matrix
        counts = counted(lambda runs=runs: run(runs, registry))  # type: ignore[misc]
        assert counts["prepare"] == counts["choose_kind"] == len(runs)
        assert counts["ToyTask.load"] == 1
        assert counts["ToyModel.identity"] <= 2 * len(runs)
        assert counts["Request._hashed"] == 20 * len(runs)
        assert counts["ToyTask.ask"] == 21 * len(runs)  # the examples, and once to see the labels
        assert counts["ToyTask.read"] == 20 * len(runs)
        assert counts["ToyModel.load"] == len(runs)
        assert counts["EvaluationJob.parts"] == len(runs)
    again = counted(lambda: run(configs, registry))
    assert (again["prepare"], again["ToyModel.load"], again["LoadedToy.answer"]) == (3, 0, 0)
