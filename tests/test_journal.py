"""Answers on disk, safe against a crash."""

import hashlib
import os
import resource
import time
import uuid
from pathlib import Path

import pytest

from plmtasks.errors import JournalError, OutputError
from plmtasks.execution import Journal, MemoryJournal, on_disk
from plmtasks.execution.journal import SegmentJournal, plan_hash
from plmtasks.files import place
from plmtasks.requests import ClassifyAnswer, GenerateAnswer


def written(folder: Path, count: int = 3, plan: str = "p") -> Path:
    with Journal(folder, plan) as journal:
        for batch in range(count):
            journal.write(batch, {f"k{batch}": GenerateAnswer(text=f"answer {batch} 好\n")})
    (path,) = folder.glob("*.jsonl")
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written(tmp_path)
    journal = Journal(tmp_path, "p")
    assert journal.read() == {0, 1, 2}
    assert journal.answers(1, GenerateAnswer) == {"k1": GenerateAnswer(text="answer 1 好\n")}


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_does_not_count(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert Journal(tmp_path, "p").read() == {0, 1}


def test_an_attempt_after_a_torn_line_has_a_file_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    with Journal(tmp_path, "p") as journal:
        journal.write(2, {"k2": GenerateAnswer(text="again")})
    journal = Journal(tmp_path, "p")
    assert journal.read() == {0, 1, 2}
    assert journal.answers(2, GenerateAnswer)["k2"].text == "again"  # type: ignore[attr-defined]


def test_any_other_damage_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.index(b"answer 1")] ^= 1
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"\.jsonl:2: damaged line") as error:
        Journal(tmp_path, "p").read()
    assert "delete" in str(error.value)


def test_a_damaged_last_line_that_is_whole_is_an_error_too(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"\.jsonl:3: damaged line"):
        Journal(tmp_path, "p").read()


def test_a_sealed_line_that_is_no_json_is_told_when_its_answers_are_wanted(tmp_path: Path) -> None:
    path = written(tmp_path, 1)
    text = path.read_bytes().partition(b" ")[2].rstrip().replace(b"}}", b"}")
    path.write_bytes(hashlib.sha256(text).hexdigest()[:16].encode() + b" " + text + b"\n")
    journal = Journal(tmp_path, "p")
    assert journal.read() == {0}
    with pytest.raises(JournalError, match="no batch of answers"):
        journal.answers(0, GenerateAnswer)
    with pytest.raises(JournalError, match="damaged line"):
        list(on_disk(tmp_path))


def test_answers_of_another_plan_are_refused(tmp_path: Path) -> None:
    written(tmp_path, plan="another")
    with pytest.raises(JournalError, match="belong to another plan"):
        Journal(tmp_path, "p").read()


def test_a_line_goes_to_another_node(tmp_path: Path) -> None:
    written(tmp_path / "here")
    here = Journal(tmp_path / "here", "p")
    here.read()
    with Journal(tmp_path / "there", "p") as there:
        there.adopt(here.raw(2), 2)
        assert there.read() == {2}
        with pytest.raises(JournalError, match="damaged"):
            there.adopt(here.raw(1).replace(b"answer", b"anSwer"), 1)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A real write that stops half-way, by the limit on a file's size."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
            with Journal(tmp_path, "p") as journal:
                for batch in range(100):
                    journal.write(batch, {f"k{batch}": GenerateAnswer(text="a" * 50)})
        except OutputError as e:
            code = 0 if "cannot be written" in str(e) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    kept = Journal(tmp_path, "p").read()
    assert kept == set(range(len(kept)))
    assert len(kept) >= 3


def test_the_plan_depends_on_keys_and_batches() -> None:
    assert plan_hash(["a", "b"], [[0], [1]]) != plan_hash(["a", "b"], [[1], [0]])
    assert plan_hash(["a", "b"], [[0, 1]]) != plan_hash(["a", "c"], [[0, 1]])


def test_a_journal_in_memory_gives_back_and_sends_what_it_holds():
    here, there = MemoryJournal("p"), MemoryJournal("p")
    there.write(1, {"b": ClassifyAnswer(scores=(0.5,))})
    here.write(0, {"a": ClassifyAnswer(scores=(1.0,))})
    here.adopt(there.raw(1), 1)
    assert here.read() == {0, 1}
    assert here.answers(1, ClassifyAnswer) == {"b": ClassifyAnswer(scores=(0.5,))}
    with pytest.raises(JournalError, match="damaged"):
        MemoryJournal("other").adopt(there.raw(1), 1)


@pytest.fixture(params=["here", "memory", "nowhere"])
def journal(request: pytest.FixtureRequest, tmp_path: Path):
    """Of each kind: in a folder of this machine, at an address, and kept by nobody."""
    made = {
        "here": lambda: Journal(tmp_path, "p"),
        "memory": lambda: SegmentJournal(place(f"memory://{uuid.uuid4().hex}/journal"), "p"),
        "nowhere": lambda: MemoryJournal("p"),
    }
    with made[request.param]() as journal:
        yield journal


def test_what_was_written_or_adopted_is_known_without_reading(journal: Journal, tmp_path: Path, monkeypatch):
    written(tmp_path / "other")
    other = Journal(tmp_path / "other", "p")
    other.read()
    monkeypatch.setattr(type(journal), "read", lambda self: pytest.fail("it was read"))
    for batch in (5, 7):
        journal.write(batch, {f"k{batch}": GenerateAnswer(text=f"answer {batch} 好")})
    journal.adopt(other.raw(1), 1)
    assert set(journal.entries) == {1, 5, 7}
    for batch in (1, 5, 7):
        assert journal.answers(batch, GenerateAnswer)[f"k{batch}"].text.startswith(f"answer {batch}")


def test_a_segment_of_ones_own_is_not_fetched_again(monkeypatch):
    folder = place(f"memory://{uuid.uuid4().hex}/journal")
    with SegmentJournal(folder, "p") as other, SegmentJournal(folder, "p", 1) as journal:
        journal.write(0, {"k0": GenerateAnswer(text="a")})
        other.write(1, {"k1": GenerateAnswer(text="b")})
        other.flush()
        fetched = []
        cat = folder.fs.cat
        monkeypatch.setattr(folder.fs, "cat", lambda paths, **more: (fetched.extend(paths), cat(paths, **more))[1])
        assert journal.read() == {0, 1}
        assert len(fetched) == 1


def test_a_batch_that_took_long_does_not_wait_for_the_next(monkeypatch):
    folder = place(f"memory://{uuid.uuid4().hex}/journal")
    monkeypatch.setattr(SegmentJournal, "SECONDS", 0.01)
    with SegmentJournal(folder, "p") as journal:
        time.sleep(0.02)
        journal.write(0, {"k0": GenerateAnswer(text="a")})
        assert SegmentJournal(folder, "p").read() == {0}
