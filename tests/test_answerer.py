"""Requests that are at hand, answered without a task: in this process, and in processes that stay."""

import os
from pathlib import Path
from typing import Any

import pytest
import toy

from plmtasks.config import run_config
from plmtasks.errors import InputError, PlmtasksError, ProcessError
from plmtasks.evaluation import Answerer
from plmtasks.hooks import load_registry
from plmtasks.requests import Choose, Classify, Generate, Several, SeveralAnswer

REQUESTS = [Classify(text=" ".join("x" * (1 + i % 5)) + f" {i}", labels=toy.LABELS) for i in range(12)]


def answerer(processes: int = 1, **more: Any) -> Answerer:
    config = run_config("none", "toy-model", processes=processes, threads=1, batch_tokens=16, quiet=True)
    return Answerer(config, [Choose(text="a", choices=("b",)), REQUESTS[0]], registry=load_registry([toy]), **more)


@pytest.fixture
def toy_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that are started find it too."""
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(toy.__file__).parent), os.environ.get("PYTHONPATH", "")]))


def test_answers_come_in_the_order_of_requests_and_several_come_together() -> None:
    with answerer() as one:
        plain = one.answers(REQUESTS)
        asked = [*REQUESTS[::-1], Several(requests=(REQUESTS[3], REQUESTS[5])), REQUESTS[0]]
        assert one.answers(asked) == [*plain[::-1], SeveralAnswer(answers=(plain[3], plain[5])), plain[0]]  # type: ignore[arg-type]
        assert one.answers([]) == []


@pytest.mark.slow
def test_processes_stay_for_the_next_list(toy_everywhere: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Toy answers by what shares a batch: batches are those of one process."""
    expected = [answerer().answers(REQUESTS), answerer().answers(REQUESTS[:3])]
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    with answerer(2) as two:
        assert [two.answers(REQUESTS), two.answers(REQUESTS[:3]), two.parameters] == [*expected, None]
        children = [Path(f"/proc/{pid}") for pid in two._started.context.pids().values()]
        assert [child.exists() for child in children] == [True] * 2
    assert [child.exists() for child in children] == [False] * 2


@pytest.mark.slow
def test_what_a_killed_list_had_is_not_asked_again(toy_everywhere: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = answerer().answers(REQUESTS)
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("TOY_FAULT", "kill:1:2")
    monkeypatch.setenv("TOY_SLEEP_0", "0.3")
    with pytest.raises(ProcessError, match="process 1 ended by signal 9"), answerer(2, cache=str(tmp_path / "kept")) as two:
        two.answers(REQUESTS)
    before = (tmp_path / "log").read_text().split()
    monkeypatch.delenv("TOY_FAULT")
    assert answerer(cache=str(tmp_path / "kept")).answers(REQUESTS) == expected
    after = (tmp_path / "log").read_text().split()[len(before) :]
    kept = {key for path in (tmp_path / "kept").glob("*/*.jsonl") for key in before if key in path.read_text()}
    assert before
    assert after
    assert sorted([*set(before) & kept - set(after), *after]) == sorted(request.key() for request in REQUESTS)


def test_a_model_that_answers_none_of_them_is_refused() -> None:
    config = run_config("none", "toy-model")
    with pytest.raises(InputError, match="cannot be asked Choose") as raised:
        Answerer(config, [Choose(text="a", choices=("b",))], registry=load_registry([toy]))
    assert "it answers: Classify" in str(raised.value)


def test_one_of_several_processes_of_another_launcher_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(PlmtasksError, match="another launcher"):
        answerer()


def test_a_kind_that_was_not_shown_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be asked Generate here") as raised:
        answerer().answers([Generate(text="a")])
    assert raised.value.hints == ("it answers: Classify",)
