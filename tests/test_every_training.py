"""Every kind of request is learned alike: the same again, over two processes, and after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from trainings import KINDS, configs

from plmtasks.errors import OutputError
from plmtasks.evaluation import train
from plmtasks.hooks import Registry, load_registry
from plmtasks.model import RECORD

pytestmark = pytest.mark.slow

SCRIPT = str(Path(__file__).with_name("trainings.py"))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Path:
    folder = tmp_path_factory.mktemp("once")
    for kind in KINDS:
        train(configs(kind), str(folder / kind), registry)
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, SCRIPT, "killed", str(folder)], check=True, timeout=400, env=ENVIRONMENT)
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    # gloo loses a message now and then, torch alone too: its processes then wait for ever, and are started anew once
    for last in (False, True):
        folder = tmp_path_factory.mktemp("together")
        with subprocess.Popen([*launch, SCRIPT, "together", str(folder)], env=ENVIRONMENT, start_new_session=True) as started:
            try:
                assert started.wait(timeout=130) == 0
                return folder
            except subprocess.TimeoutExpired:
                os.killpg(started.pid, signal.SIGKILL)
                assert not last, "two processes did not end"
    raise AssertionError


def losses(folder: Path) -> list[float]:
    """Of the epochs, and of the tasks in them where there are several."""
    history = json.loads((folder / RECORD).read_text())["history"]
    return [loss for entry in history for loss in (entry["loss"], *entry.get("losses", {}).values())]


def judged(folder: Path) -> list[tuple[object, object]]:
    """By what each epoch was judged, of which the best is kept."""
    history = json.loads((folder / RECORD).read_text())["history"]
    return [(entry.get("score"), entry.get("scores")) for entry in history]


def weights(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}


def test_what_was_kept_of_split_weights_is_not_taken_for_whole_ones(killed: Path, registry: Registry, tmp_path: Path) -> None:
    """Of split weights, `state.pt` keeps neither weights nor optimizer: each process keeps its part beside it."""
    import torch

    folder = shutil.copytree(killed / "Tag", tmp_path / "Tag")
    path = folder / "training" / "state.pt"
    state = torch.load(path, weights_only=True)
    torch.save({name: part for name, part in state.items() if name not in ("weights", "optimizer")}, path)
    with pytest.raises(OutputError, match="keeps no weights and no optimizer"):
        train(configs("Tag"), str(folder), registry)


@pytest.mark.parametrize("kind", list(KINDS))
def test_killed_and_resumed_it_ends_with_the_same_weights(kind: str, once: Path, killed: Path, registry: Registry) -> None:
    """In another process too: the same seed on the same machine gives the same curve, whatever happened on the way."""
    assert not (killed / kind / RECORD).exists()
    train(configs(kind), str(killed / kind), registry)
    assert losses(killed / kind) == losses(once / kind)
    assert weights(killed / kind) == weights(once / kind)
    assert judged(killed / kind) == judged(once / kind)


@pytest.mark.parametrize("kind", list(KINDS))
def test_two_processes_learn_as_one(kind: str, once: Path, together: Path) -> None:
    """The same batches, shared out: the losses are those of one process but for rounding."""
    # masks are drawn by each process for its share, so that two processes hide other tokens than one
    assert losses(together / kind) == pytest.approx(losses(once / kind), rel=0.1 if "LogLikelihood" in kind else 0.01)
