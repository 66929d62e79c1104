"""What an interrupted training needs to go on, and how it is kept."""

import io
import shutil
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError
from ..files import write_bytes
from .accelerator import splits

if TYPE_CHECKING:
    import torch


@dataclass
class State:
    """How far a training is."""

    update: int = 0
    best: float | None = None
    best_folder: str | None = None
    """The checkpoint of the best epoch so far, in the state's folder."""
    history: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, list[float]] = field(default_factory=dict)
    """task → its losses' sum and number of updates since the last entry of the history"""


@dataclass
class Learner:
    """What of a training lives in memory: all that changes from update to update."""

    accelerator: Any
    module: "torch.nn.Module"
    optimizer: "torch.optim.Optimizer"
    lr_scheduler: "torch.optim.lr_scheduler.LRScheduler"

    def save(self, folder: Path, identity: str, state: State) -> None:
        """Keeps all of it: by the main process alone, whose weights are everybody's, unless weights are split."""
        import torch

        held: dict[str, Any] = {}
        if splits(self.accelerator):  # each process keeps its part
            self.accelerator.save_state(str(folder / f"shards-{state.update}"))
            self.accelerator.wait_for_everyone()
        else:
            held = {"weights": self.module.state_dict(), "optimizer": self.optimizer.state_dict()}
        if self.accelerator.scaler is not None:
            held["scaler"] = self.accelerator.scaler.state_dict()
        if not self.accelerator.is_main_process:
            return
        content = io.BytesIO()
        torch.save({"identity": identity, "schedule": self.lr_scheduler.state_dict(), **held, **asdict(state)}, content)
        write_bytes(folder / "state.pt", content.getvalue())
        for old in (*folder.glob("best-*"), *folder.glob("shards-*")):
            if old.name not in (state.best_folder, f"shards-{state.update}"):
                shutil.rmtree(old)

    def resume(self, folder: Path, identity: str, device: str) -> State:
        """Takes up what was kept, but for shards of weights; returns how far that training was.

        raises: OutputError if it is another training's
        """
        import torch

        path = folder / "state.pt"
        kept = torch.load(path, map_location=device, weights_only=True)
        if kept["identity"] != identity:
            raise OutputError(f"{path} belongs to another training", f"delete {folder}, or choose another folder with --output")
        if "weights" in kept:
            self.module.load_state_dict(kept["weights"])
            self.optimizer.load_state_dict(kept["optimizer"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(kept["scaler"])
        self.lr_scheduler.load_state_dict(kept["schedule"])
        return State(**{f.name: kept[f.name] for f in fields(State)})
