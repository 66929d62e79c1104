"""What is told of a model once it is loaded, wherever that is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..execution import environment
from ..model import LoadedModel


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a process that has loaded a run's model tells of it."""

    newly_initialized: tuple[str, ...]
    """Names of weights, in their order."""
    parameters: int | None
    limited: str
    """What the model's limit is, as a person says it; empty if there is none."""
    machine: str
    """The class of machine: 8 digits."""
    loading_seconds: float
    plan: Mapping[str, Any] = field(default_factory=dict)
    """Its batches, as `Plan.told`, for whoever did not cut them."""

    @classmethod
    def of(cls, loaded: LoadedModel, device: str, loading_seconds: float, plan: Mapping[str, Any] | None = None) -> "Account":
        return cls(
            newly_initialized=tuple(sorted(loaded.newly_initialized)), parameters=loaded.parameters, limited=loaded.limited or "",
            machine=environment.machine_class(device), loading_seconds=loading_seconds, plan=plan or {},
        )  # fmt: skip
