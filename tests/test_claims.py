"""Claims: one process at a folder, whoever is killed, held up or told late."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from plmtasks.errors import BusyError
from plmtasks.files import Claim, claim, claims, holder, open_folder, place

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
