"""Trainings of every kind in few processes: `python trainings.py killed|split FOLDER`, `torchrun … trainings.py together …`."""

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from plmtasks import RunConfig, TrainSettings, run_config
from plmtasks.evaluation import run, train
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


ZERO = {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL": "true"}
ENGINES = {
    "whole": {},
    "FSDP": {
        "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_TRANSFORMER_CLS_TO_WRAP": "BertLayer", "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
        "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
    },
    **{f"ZeRO {stage}": {**ZERO, "ACCELERATE_DEEPSPEED_ZERO_STAGE": str(stage)} for stage in (1, 2, 3)},
    "ZeRO 3, kept elsewhere": {
        **ZERO, "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3",
        "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE": "cpu", "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE": "cpu",
    },
}  # fmt: skip
"""How weights lie in two processes → what `accelerate launch` tells them of it; `whole`: each has all."""

KILLED = ("FSDP", "ZeRO 1", "ZeRO 2", "ZeRO 3")


def split(folder: Path) -> None:
    """A run that learns first, with each engine in two processes; the same, killed at its first state and resumed."""
    import accelerate  # noqa: F401
    from transformers import BertForSequenceClassification  # noqa: F401

    if find_spec("deepspeed"):
        import deepspeed  # noqa: F401
    registry = load_registry()
    [config] = configs("Classify")
    config = replace(config, training=replace(config.training, select_split="none"), limit=64)
    for engine, variables in ENGINES.items():
        if engine.startswith("ZeRO") and not find_spec("deepspeed"):
            continue

        def work(config: RunConfig, variables: dict[str, str] = variables) -> None:
            os.environ.update(variables)
            run([config], registry)

        # a training of whole weights is killed above; where they are kept changes nothing in how a state is
        for name in ("once", "killed") if engine in KILLED else ("once",):
            where = folder / engine / name
            mine = replace(config, output=str(where / "results"), checkpoints=str(where / "checkpoints"))
            if name == "killed":
                processes = pair(lambda mine=mine: work(mine))
                deadline = time.monotonic() + 100
                while not list(where.rglob("state.pt")) and time.monotonic() < deadline:
                    time.sleep(0.002)
                for process in processes:
                    os.kill(process, signal.SIGKILL)
                assert all(os.WIFSIGNALED(os.waitpid(process, 0)[1]) for process in processes), f"{engine}: it was over"
            assert all(os.waitpid(process, 0)[1] == 0 for process in pair(lambda mine=mine: work(mine))), f"{engine}, {name}"


def pair(work: Callable[[], None]) -> list[int]:
    """Two processes that do it, as a launcher would start them; their ids."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    processes = []
    for rank in ("0", "1"):
        process = os.fork()
        if not process:
            code = 1  # a fork does not go on as its parent, whatever comes
            try:
                os.environ.update(place, RANK=rank, LOCAL_RANK=rank)
                work()
                code = 0
            except BaseException:  # noqa: BLE001  # said, and told by the exit code
                traceback.print_exc()
            finally:
                os._exit(code)
        processes.append(process)
    return processes


if __name__ == "__main__":
    {"killed": killed, "split": split, "together": together}[sys.argv[1]](Path(sys.argv[2]))
