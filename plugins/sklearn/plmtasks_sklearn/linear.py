"""What is linear in the features of a text: its weights, how they are read and written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from plmtasks.errors import DataError, InputError, ModelError
from plmtasks.model import Cost, LoadedModel
from plmtasks.requests import Classify, Regress, Request

from .features import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = "weights.safetensors"

Asked = Classify | Regress
"""What has a text, and perhaps a second one."""


@dataclass(kw_only=True)
class Linear(LoadedModel):
    """A column for each label, or one that is a number. A subclass says what they mean."""

    labels: Sequence[str]
    """None: it gives a number."""
    intercept: "NDArray[Any]"
    """(columns)"""
    weights: "NDArray[Any] | None" = None
    """(features, columns); None: no text changes anything."""
    features: Features | None = None
    pairs: bool = True
    """Whether it knows what to do with a second text."""
    newly_initialized: Sequence[str] = ()

    @classmethod
    def untrained(cls, labels: Sequence[str]) -> Self:
        """0 everywhere, so that all labels are as likely."""
        import numpy as np

        return cls(labels=labels, intercept=np.zeros(len(labels) or 1), newly_initialized=("weights", "intercept"))

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any]) -> Self:
        """raises: ModelError"""
        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            held = load_file(folder / WEIGHTS)
            made = cls(labels=config["labels"], intercept=held["intercept"].astype(np.float64))
            if "weights" in held:
                made.weights, made.pairs = held["weights"].astype(np.float64), config["pairs"]
                made.features = Features.read(folder, {view: held[view] for view in config["views"]}, pairs=made.pairs)
            made.check()
        except (OSError, ValueError, KeyError, DataError, SafetensorError) as e:
            raise ModelError(f"the weights in {folder} cannot be read: {e}") from e
        made.parameters = sum(array.size for array in held.values())
        return made

    def check(self) -> None:
        """raises: ValueError for arrays of other sizes than labels and features ask for, and for numbers that are none"""
        import numpy as np

        columns = len(self.labels) or 1
        if self.intercept.shape != (columns,):
            raise ValueError(f"{self.intercept.shape} intercepts of {columns} columns")
        if self.weights is not None and self.features is not None:
            width = self.features.matrix([Regress(text="")]).shape[1]
            if self.weights.shape != (width, columns):
                raise ValueError(f"{self.weights.shape} weights of {width} features and {columns} columns")
        if any(np.isnan(array).any() for array in (self.intercept, self.weights) if array is not None):
            raise ValueError("some are no numbers")

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        # nothing is padded; a word has some four characters
        counts = [1 + (len(r.text) + len(r.text_pair or "")) // 4 for r in cast("Sequence[Asked]", requests)]
        return [Cost(width=count, bare=count) for count in counts]

    def values(self, requests: Sequence[Asked]) -> "NDArray[Any]":
        """returns: (requests, columns)

        raises: InputError for a pair where it has learned from single texts
        """
        import numpy as np

        if not self.pairs and any(r.text_pair is not None for r in requests):
            raise InputError("the model learned from single texts, and is asked a pair")
        found = np.tile(self.intercept, (len(requests), 1))
        return found if self.features is None else found + self.features.matrix(requests) @ self.weights


def write(folder: Path, intercept: "NDArray[Any]", weights: "NDArray[Any] | None", features: Features | None) -> None:
    """Writes what `Linear.read` reads.

    intercept: (columns); weights: (features, columns), None with the features
    """
    import numpy as np
    from safetensors.numpy import save

    arrays: dict[str, Any] = {"intercept": intercept}
    if features is not None:
        features.write(folder)
        arrays |= {"weights": weights, **features.rarity}
    content = save({name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()})
    (folder / WEIGHTS).write_bytes(content)
