"""A plugin for tests on a cluster: the toy task's model, slow, and with a fault in its name."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from toy import LoadedToy, ToyModel

from plmtasks import hookimpl
from plmtasks.config import ModelSettings
from plmtasks.errors import PlmtasksError
from plmtasks.model import LoadedModel, Model
from plmtasks.requests import Answer, Request


class RefusedError(PlmtasksError):
    exit_code = 5


@dataclass(frozen=True)
class Slow(ToyModel):
    """Takes its time for each batch; its name says what else it does."""

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        return LoadedSlow(self.name)


class LoadedSlow(LoadedToy):
    def __init__(self, name: str) -> None:
        self.name = name

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        if self.name == "slow":
            time.sleep(float(os.environ.get("SLOW_SECONDS", "0.5")))
        if self.name == "raises":
            raise RuntimeError("a fault on demand")
        if self.name == "refuses":
            raise RefusedError("the model refuses", "ask another")
        if self.name == "kills":
            os.kill(os.getpid(), signal.SIGKILL)
        return self.plain(requests)


@hookimpl
def register_models() -> list[Model]:
    return [Slow(name=name) for name in ("quick", "other", "slow", "raises", "refuses", "kills")]
