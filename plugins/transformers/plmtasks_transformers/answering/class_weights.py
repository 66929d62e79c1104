"""What an example of each label counts for in the loss."""

from collections.abc import Mapping, Sequence
from functools import cache

from plmtasks.errors import InputError


@cache
def weights_by_label(text: str) -> Mapping[str, float]:
    """label=weight,… as a mapping; a label may hold "=", not ",".

    raises: InputError
    """
    weights = {}
    for pair in text.split(","):
        label, equals, weight = pair.rpartition("=")
        try:
            weights[label.strip()] = float(weight)
        except ValueError:
            equals = ""
        if not equals or not weights[label.strip()] >= 0:
            raise InputError(f"class_weights: expected label=weight, found {pair!r}")
    return weights


def class_weights(text: str, labels: Sequence[str]) -> list[float]:
    """What an example of each label counts for; labels that are not named count for 1."""
    named = weights_by_label(text) if text else {}
    return [named.get(label, 1.0) for label in labels]
