"""Claims: one process at a folder, whoever is killed, held up or told late."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from plmtasks.config import TrainSettings, run_config
from plmtasks.errors import BusyError, OutputError
from plmtasks.evaluation import train
from plmtasks.evaluation.output import Kept
from plmtasks.files import Claim, check_claim, claim, claims, dump, holder, open_folder, place
from plmtasks.training import checkpoint
from plmtasks.training.trainer import Trainer

LEASE = 1.2


@pytest.fixture(params=["here", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of this machine, and one at an address."""
    made = tmp_path / "run" if request.param == "here" else place(f"memory://{uuid.uuid4().hex}/run")
    open_folder(made)
    return made


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this process takes itself for one of another machine, to which the kernel shows no lock of the first."""
    monkeypatch.setattr(claims, "_machine", lambda: "another machine")
    monkeypatch.setattr(claims, "_lock", lambda folder, what: None)


def test_a_second_claim_is_told_who_has_the_first(folder: Path) -> None:
    with claim(folder, "run", lease=LEASE) as held:
        with pytest.raises(BusyError, match="another process is at this very run") as error:
            claim(folder, "run", lease=LEASE)
        assert f"process {os.getpid()} on " in str(error.value)
        assert holder(folder) == held.mine
        held.check()
    assert holder(folder) is None
    claim(folder, "run", lease=LEASE).release()


def test_another_machine_hears_the_next_sign_of_life(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claim(folder, "run", lease=LEASE) as held:
        elsewhere(monkeypatch)
        with pytest.raises(BusyError):
            claim(folder, "run", lease=LEASE)
        held.check()


def test_what_runs_out_is_taken_over_by_exactly_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = claim(folder, "run", lease=LEASE)
    first._ending.set()  # as a process that is held up: no sign of life, and nothing let go
    first._thread.join()
    elsewhere(monkeypatch)
    got: list[Claim] = []
    refused: list[BusyError] = []

    def take() -> None:
        try:
            got.append(claim(folder, "run", lease=LEASE))
        except BusyError as e:
            refused.append(e)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)
    first._ending.clear()  # it wakes up
    first._live()
    with pytest.raises(BusyError, match="took this run over"):
        first.check()
    got[0].check()
    got[0].release()


def test_a_number_that_was_free_long_ago_is_not_claimed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(folder, "run").release()
    stale = claims._last(folder)
    claim(folder, "run").release()
    with claim(folder, "run") as held:
        assert held.number == 3
        (late,) = [stale[0] + 1]  # which was deleted since
        assert not claims._made(folder, late, claims._me("run", LEASE))
        assert claims._last(folder)[0] == 3


KILLED = """
import sys, time
from plmtasks.files import claim, place
claim(place(sys.argv[1]), "run")
print("claimed", flush=True)
time.sleep(60)
"""


def test_a_killed_process_of_this_machine_is_followed_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"claimed\n"
    with pytest.raises(BusyError, match=str(tmp_path)):
        claim(tmp_path, "run")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    began = time.monotonic()
    claim(tmp_path, "run").release()
    assert time.monotonic() - began < claims.LEASE / claims.SIGNS


def test_what_a_stranger_wrote_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / ".claim-000007").write_text('{"token": "../../up"}')
    with claim(tmp_path, "run") as held:
        assert held.number == 8
    assert {path.name for path in tmp_path.iterdir()} == {".lock", ".claim-000008"}


def overtaken(folder: Path, held: Claim) -> None:
    """Somebody else's claim after this one, as another machine makes it once the lease has run out."""
    other = replace(held.mine, token=uuid.uuid4().hex, machine="another machine", host="another")
    (folder / f".claim-{held.number + 1:06d}").write_text(dump(asdict(other)))
    (folder / f".alive-{other.token}").write_bytes(b"0")


def test_who_wakes_up_looks_before_it_writes(folder: Path) -> None:
    """Its thread gives the next sign of life later than it goes on."""
    with claim(folder, "run") as held:
        check_claim(folder)
        overtaken(folder, held)
        with pytest.raises(BusyError, match="took this run over"):
            check_claim(folder)


def test_a_prediction_that_was_taken_over_writes_no_more_answers(tmp_path: Path) -> None:
    out = tmp_path / "answers"
    kept = Kept(out)
    kept.begin([b"a"])
    kept.write(["1"])
    overtaken(kept.folder, kept._claim)
    kept.begin([b"b"])
    with pytest.raises(BusyError, match="took this prediction over"):
        kept.write(["2"])
    kept.close()
    assert out.read_text() == "1\n"


@pytest.mark.slow
@pytest.mark.parametrize("save_minutes", [0, 60], ids=["a state", "weights"])
def test_a_training_that_was_taken_over_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_minutes: float
) -> None:
    how = TrainSettings(num_train_epochs=1, train_batch_size=32, select_split="none", save_minutes=save_minutes)
    config = run_config("classification/sample", "tiny-bert", training=how, threads=1, quiet=True, yes=True)
    when, folder = "update" if save_minutes == 0 else "_warn", tmp_path / "model"
    going_on = getattr(Trainer, when)

    def held_up(self: Trainer, *args: object) -> object:
        overtaken(folder, claims._held[str(folder)])
        monkeypatch.setattr(Trainer, when, going_on)
        return going_on(self, *args)

    monkeypatch.setattr(Trainer, when, held_up)
    with pytest.raises(BusyError, match="took this training over"):
        train(config, str(folder))
    assert not (folder / "model.safetensors").exists()
    assert (folder / "training" / "state.pt").exists() == (when == "_warn")


def test_a_request_that_is_repeated_finds_its_own_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client sends again what was not answered in time, and hears of the object that it made itself."""
    folder = place(f"memory://{uuid.uuid4().hex}/run")
    create = claims.create_bytes
    monkeypatch.setattr(claims, "create_bytes", lambda path, content: create(path, content) and create(path, content))
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waited for itself"))
    with claim(folder, "run") as held:
        assert held.number == 1
        held.check()


@pytest.mark.parametrize(
    "there",
    [
        lambda folder: (folder / ".claim-000003").symlink_to("nowhere"),
        lambda folder: (folder / ".claim-999999").write_text("{}"),
        lambda folder: _endless(folder, 1e18),
        lambda folder: _endless(folder, -1),
    ],
    ids=["a link that leads nowhere", "the last number of six digits", "a lease without end", "a lease of less than nothing"],
)
def test_no_file_of_a_stranger_is_waited_for(
    tmp_path: Path, there: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    there(tmp_path)
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it was waited for"))
    holder(tmp_path)
    with claim(tmp_path, "run") as held:
        held.check()


def _endless(folder: Path, lease: float) -> None:
    who = replace(claims._me("run", lease), machine="another machine")
    (folder / ".claim-000001").write_text(dump(asdict(who)))
    (folder / f".alive-{who.token}").write_bytes(b"0")


def test_a_claim_that_cannot_be_finished_leaves_no_sign_of_life(tmp_path: Path) -> None:
    (tmp_path / ".claim-000001").mkdir()  # which is no file that could be deleted
    with pytest.raises(OutputError, match="cannot be claimed"):
        claim(tmp_path, "run")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".alive-")]


def test_machines_whose_system_tells_nothing_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them over one folder, in which each sees only the locks of its own processes."""
    monkeypatch.setattr(claims, "BOOT", Path("/nowhere"))
    monkeypatch.setattr(uuid, "getnode", lambda: 1)
    one = claims._me("run", LEASE)
    assert not claims._gone(one)
    monkeypatch.setattr(uuid, "getnode", lambda: 2)
    assert claims._machine() != one.machine


@pytest.mark.slow
def test_a_training_that_ends_just_before_it_is_claimed_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = TrainSettings(num_train_epochs=1, train_batch_size=32, select_split="none")
    config = run_config("classification/sample", "tiny-bert", training=how, threads=1, quiet=True, yes=True)
    done, folder = train(config, str(tmp_path / "done")), tmp_path / "model"

    def late(place: Path, what: str) -> Claim:
        for path in done.iterdir():  # somebody else's, who lets go at this moment
            if path.is_file() and not claims.claims_file(path.name):
                shutil.copy(path, place)
        return claim(place, what)

    monkeypatch.setattr(checkpoint, "claim", late)
    monkeypatch.setattr(Trainer, "update", lambda *_: pytest.fail("it learns again"))
    train(config, str(folder))
    assert {path.name for path in folder.iterdir()} == {path.name for path in done.iterdir()}
