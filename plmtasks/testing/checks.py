"""What a check says, and how it looks at a plugin from a fresh process."""

import inspect
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ..examples import Example, Prediction
from ..metric import Metric
from ..requests import Answer, Request, from_json, to_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAVY = ("torch", "transformers", "datasets", "numpy")
"""What listing and importing do without."""

LOOK = """
import importlib, json, pickle, sys
given = json.load(sys.stdin)
sys.path[:] = given["path"]
importlib.import_module(given["module"])
heavy, seen = {name for name in given["heavy"] if name in sys.modules}, None
if given["pickled"]:
    item, work = pickle.loads(bytes.fromhex(given["pickled"]))
    seen = work(item)
    heavy = {name for name in given["heavy"] if name in sys.modules}
print()
print(json.dumps({"heavy": sorted(heavy), "seen": seen}))
"""


class CheckFailed(AssertionError):
    """A law that does not hold.

    message: what was expected and what was found
    example: plain JSON that shows it, where there is such a thing
    """

    def __init__(self, message: str, example: Any = None) -> None:
        self.message, self.example = message, example
        shown = "" if example is None else "\n" + json.dumps(example, ensure_ascii=False, indent=2, default=repr)
        super().__init__(message + shown)


class NotApplicable(Exception):
    """The law says nothing of this subject; the text tells why."""


def expect(holds: Any, message: str, example: Any = None) -> None:
    """raises: CheckFailed unless it holds"""
    if not holds:
        raise CheckFailed(message, example)


def survives_json(value: Request | Answer, what: str, example: Any) -> None:
    """raises: CheckFailed unless it comes back from JSON as it was"""
    try:
        back = from_json(type(value), json.loads(json.dumps(to_json(value), allow_nan=False)))
    except (TypeError, ValueError, KeyError) as e:
        raise CheckFailed(f"{what} is no JSON: {e}", example) from e
    expect(back == value, f"{what} comes back from JSON as another", example)


def all_scores(
    metric: Metric, rows: "NDArray[Any]", predictions: Sequence[Prediction], examples: Sequence[Example]
) -> dict[str, float]:
    """Those that are reduced and those that are computed."""
    reduced: Mapping[str, Any] = metric.reduce(rows.sum(axis=0))
    return {name: float(value) for name, value in {**reduced, **metric.compute(predictions, examples)}.items()}


def laws(module: str) -> Mapping[str, Callable[[Any], None]]:
    """The checks of a module by name, in their order: its public functions of a `subject`."""
    found = {name: f for name, f in vars(sys.modules[module]).items() if inspect.isfunction(f) and f.__module__ == module}
    return {n: f for n, f in found.items() if not n.startswith("_") and [*inspect.signature(f).parameters] == ["subject"]}


def is_light(item: Any) -> None:
    """raises: CheckFailed if importing an item's module loads something heavy; else as `elsewhere`"""
    heavy = _heavy(item.__module__)
    expect(not heavy, f"importing {item.__module__} loads {', '.join(heavy)}: import them in the functions that need them")


@cache
def _heavy(module: str) -> list[str]:
    return list(_fresh(module, "")["heavy"])


def elsewhere(item: Any, work: Callable[[Any], Any]) -> dict[str, Any]:
    """What a fresh interpreter, in which strings have other hashes, makes of an item.

    item: a value of a class that can be imported there, or a tuple that begins with one
    work: a function of a module, from the item to plain JSON

    returns: "seen", what `work` gave, and "heavy", which heavy libraries were loaded then

    raises: NotApplicable if the item cannot be brought there; CheckFailed if importing or working fails there
    """
    head = item[0] if isinstance(item, tuple) else item
    try:
        pickled = pickle.dumps((item, work))
    except (pickle.PicklingError, AttributeError, TypeError) as e:
        raise NotApplicable(f"{type(head).__qualname__} cannot be brought into another process: {e}") from e
    return _fresh(type(head).__module__, pickled.hex())


def _fresh(module: str, pickled: str) -> dict[str, Any]:
    message = {"path": sys.path, "module": module, "pickled": pickled, "heavy": HEAVY}
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    done = subprocess.run(
        [sys.executable, "-c", LOOK], input=json.dumps(message), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )  # fmt: skip
    if done.returncode == 0:
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return report
    last_line = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"it ended with {done.returncode}"
    if module == "__main__" or last_line.startswith(f"ModuleNotFoundError: No module named '{module.split('.')[0]}'"):
        raise NotApplicable(f"another process cannot import {module}: {last_line}")
    raise CheckFailed(f"in a fresh process, {module} fails: {last_line}")
