"""The tasks of lm-evaluation-harness in plmtasks, and the engine of plmtasks in lm-evaluation-harness."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .lm import LM

__all__ = ["LM"]


def __getattr__(name: str) -> Any:
    if name == "LM":  # it imports lm_eval, and so torch
        from .lm import LM

        return LM
    raise AttributeError(name)
