"""A training that is told to end, as a cluster tells it, saves first."""

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from plmtasks.config import TrainSettings, run_config
from plmtasks.evaluation import train
from plmtasks.training.ending import Ending


class ToldError(Exception):
    """What the signal does where no training takes it."""


def _told(*_: object) -> None:
    raise ToldError


@pytest.fixture
def ours():
    before = signal.signal(signal.SIGUSR2, _told)
    yield
    signal.signal(signal.SIGUSR2, before)


def tell_once_heeded() -> None:
    """Sends the signal as soon as somebody else takes it."""
    deadline = time.monotonic() + 100
    while signal.getsignal(signal.SIGUSR2) is _told and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGUSR2)


@pytest.mark.slow
def test_a_training_that_is_told_to_end_saves_first(tmp_path, ours):
    import torch

    # one long epoch, at whose end it would save by itself
    how = TrainSettings(num_train_epochs=1, train_batch_size=1, select_split="none", save_minutes=60)
    config = run_config("classification/sample", "tiny-bert", training=how, threads=1, quiet=True, yes=True)
    threading.Thread(target=tell_once_heeded).start()
    with pytest.raises(ToldError):
        train(config, str(tmp_path / "model"))
    state = torch.load(tmp_path / "model" / "training" / "state.pt", weights_only=True)
    assert state["update"] > 0
    assert not Path(tmp_path, "model", "model.safetensors").exists()


def test_a_second_signal_waits_for_nothing(ours):
    ending = Ending()
    with pytest.raises(ToldError), ending.noticed(1):  # noqa: PT012  what is between the two signals is told by the first
        os.kill(os.getpid(), signal.SIGUSR2)
        assert ending.told == signal.SIGUSR2
        os.kill(os.getpid(), signal.SIGUSR2)
    assert signal.getsignal(signal.SIGUSR2) is _told


def test_where_others_may_wait_for_it_a_process_ends_at_once(ours, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(ToldError), Ending().noticed(2):
        os.kill(os.getpid(), signal.SIGUSR2)


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        with suppress(ToldError), Ending().noticed(1):
            assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_who_is_told_after_the_last_update_ends_once_all_is_saved(ours):
    done = []
    with pytest.raises(ToldError), Ending().noticed(1):  # noqa: PT012  the block is the training's last save
        os.kill(os.getpid(), signal.SIGUSR2)
        done.append("saved")
    assert done == ["saved"]
    assert signal.getsignal(signal.SIGUSR2) is _told
