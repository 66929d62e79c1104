"""Batches that are begun before the answers to an earlier one are read."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from plmtasks.config import ModelSettings
from plmtasks.errors import OutOfMemoryError
from plmtasks.execution import Journal, Progress, alone, answering
from plmtasks.model import Cost, LoadedModel
from plmtasks.requests import Answer, LogLikelihood, LogLikelihoodAnswer, Request

REQUESTS = [LogLikelihood(text=f"{word} " * (n + 1)) for n, word in enumerate(("one", "two", "three", "four", "five"))]


class Begins(LoadedModel):
    """Tells in which order batches are begun and read; fails where it is to."""

    def __init__(self, ahead: int, fails: str = "") -> None:
        self.ahead, self.fails = ahead, fails
        self.told: list[str] = []

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [Cost(width=len(" ".join(r.texts()).split())) for r in requests]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        return self.begin(requests)()

    def begin(self, requests: Sequence[Request]) -> Callable[[], list[Answer]]:
        name = " ".join(requests[0].texts()).split()[0]
        self._tell(f"begin {name}")

        def answers() -> list[Answer]:
            self._tell(f"read {name}")
            return [LogLikelihoodAnswer(log_likelihood=-len(r.key()), tokens=1, words=1, bytes=len(r.key())) for r in requests]

        return answers

    def _tell(self, what: str) -> None:
        self.told.append(what)
        if what == self.fails:
            raise RuntimeError("CUDA out of memory")


def answered(loaded: LoadedModel, folder: Path) -> dict[str, Answer]:
    work = answering.plan(loaded, REQUESTS, ModelSettings(batch_tokens=5))
    with Journal(folder, work.hash, 0) as journal:
        return answering.answer_all(loaded, work, alone(), journal, Progress(quiet=True))


@pytest.mark.parametrize("ahead", [0, 1, 2, 9])
def test_answers_and_journal_are_the_same_however_far_it_is_ahead(tmp_path: Path, ahead: int) -> None:
    found = [answered(Begins(n), tmp_path / str(n)) for n in (0, ahead)]
    assert found[0] == found[1]
    first, second = ([p.read_bytes() for p in sorted((tmp_path / str(n)).rglob("*.jsonl"))] for n in (0, ahead))
    assert first == second != []


def test_as_many_are_begun_as_the_model_likes(tmp_path: Path) -> None:
    one, none = Begins(1), Begins(0)
    answered(one, tmp_path / "one")
    answered(none, tmp_path / "none")
    assert one.told[:5] == ["begin five", "begin two", "read five", "begin four", "read two"]
    assert none.told[:4] == ["begin five", "read five", "begin two", "read two"]
    assert sorted(one.told) == sorted(none.told)


@pytest.mark.parametrize("fails", ["begin three", "read four"])
def test_what_was_read_before_a_failure_is_not_computed_again(tmp_path: Path, fails: str) -> None:
    with pytest.raises(OutOfMemoryError, match=r"a batch of 1 requests, . padded tokens, does not fit into memory"):
        answered(Begins(1, fails), tmp_path)
    again = Begins(1)
    assert len(answered(again, tmp_path)) == len(REQUESTS)
    assert "begin five" not in again.told
    assert "begin four" in again.told
