"""Trainings of every kind in few processes: `python trainings.py killed FOLDER`, `torchrun … trainings.py together FOLDER`."""

import os
import signal
import sys
import time
from pathlib import Path

from plmtasks import RunConfig, TrainSettings, run_config
from plmtasks.evaluation import train
from plmtasks.evaluation.work import Train
from plmtasks.execution import joined
from plmtasks.hooks import load_registry

KINDS = {
    "Classify": (["classification/sample"], "tiny-bert"),
    "Regress": (["regression/sample"], "tiny-bert"),
    "Tag": (["srl/sample"], "tiny-bert"),
    "ExtractSpan": (["qa/sample"], "tiny-bert"),
    "two heads": (["classification/sample", "qa/sample"], "tiny-bert"),
    "Generate, decoder": (["summarization/sample"], "tiny-gpt"),
    "Generate, sequence-to-sequence": (["translation/sample"], "tiny-t5"),
    "Choose": (["classification/sample"], "tiny-gpt"),
    "Choose, pairs": (["classification/sample"], "tiny-bert"),
    "LogLikelihood, masks": (["language_modeling/sample"], "tiny-bert"),
    "LogLikelihood, spans": (["language_modeling/sample"], "tiny-t5"),
}
"""request → tasks, and a model that learns them"""

CHOOSING = ("Classify", "two heads")
"""Those of which a split chooses the epoch."""


def configs(kind: str) -> list[RunConfig]:
    tasks, model = KINDS[kind]
    chosen = None if kind in CHOOSING else "none"
    training = TrainSettings(num_train_epochs=3, max_train_samples=48, train_batch_size=16, select_split=chosen)
    ask = "Choose" if kind.startswith("Choose") else None
    return [run_config(task, model, ask=ask, training=training, threads=1, quiet=True) for task in tasks]


def killed(folder: Path) -> None:
    """Each training in a process of its own, killed as soon as it has kept a state."""
    # what takes seconds is loaded once, before the processes part
    import accelerate  # noqa: F401
    from transformers import BertForQuestionAnswering, GPT2LMHeadModel, T5ForConditionalGeneration  # noqa: F401

    registry = load_registry()
    for kind in KINDS:
        process = os.fork()
        if not process:
            train(configs(kind), str(folder / kind), registry)
            os._exit(0)
        state, deadline = folder / kind / "training" / "state.pt", time.monotonic() + 100
        while not state.exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        assert os.WIFSIGNALED(status), f"{kind}: it was over before it was killed"


def together(folder: Path) -> None:
    """All trainings, one after the other, over the processes of a launcher."""
    registry = load_registry()
    with joined() as processes:
        for kind in KINDS:
            Train(configs=tuple(configs(kind)), folder=str(folder / kind)).do(processes.within(kind), registry)


if __name__ == "__main__":
    {"killed": killed, "together": together}[sys.argv[1]](Path(sys.argv[2]))
