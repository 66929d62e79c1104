"""Which examples each update of a training takes, and in which micro-batches they are computed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..config import TrainSettings
from ..errors import InputError
from ..execution import padded_tokens
from ..model import Cost


class Update(NamedTuple):
    """One step of the optimizer learns from examples of one task."""

    task: int
    """The task's number."""
    examples: Sequence[int]


def epoch_updates(tasks: Mapping[str, int], t: TrainSettings, epoch: int) -> list[Update]:
    """The updates of an epoch, a function of settings and epoch alone.

    tasks: name → number of examples

    Examples come at random, each once in a pass; what is alike in length comes together in micro-batches of an update only. With
    several tasks, each has its share of the epoch's updates, at random places, and goes through its examples pass by pass.

    raises: InputError if the mixing is none, or names no task
    """
    size = (t.train_batch_size or 1) * t.gradient_accumulation_steps
    counts = _shares(tasks, t.mixing, size)
    turns = [number for number, count in enumerate(counts) for _ in range(count)]
    if len(tasks) > 1:
        random.Random(f"{t.seed} {epoch} tasks").shuffle(turns)
    streams = [
        _stream(examples, size, f"{t.seed}" if len(tasks) == 1 else f"{t.seed} {name}", epoch * count)
        for (name, examples), count in zip(tasks.items(), counts, strict=True)
    ]
    return [Update(number, next(streams[number])) for number in turns]


def _stream(examples: int, size: int, seed: str, start: int) -> Iterator[list[int]]:
    """The updates of one task from the given one on, without end."""
    a_pass = -(-examples // size)
    number, first = divmod(start, a_pass)
    while True:
        order = list(range(examples))
        random.Random(f"{seed} {number}").shuffle(order)
        yield from (order[i * size : (i + 1) * size] for i in range(first, a_pass))
        number, first = number + 1, 0


def _shares(tasks: Mapping[str, int], mixing: str, size: int) -> list[int]:
    """Updates an epoch of each task; in all as many as a pass through all examples takes."""
    passes = [-(-examples // size) for examples in tasks.values()]
    if mixing == "size" or len(tasks) == 1:
        return passes
    weights = _weights(tasks, mixing)
    return [max(1, round(sum(passes) * w / sum(weights))) for w in weights]


def _weights(tasks: Mapping[str, int], mixing: str) -> list[float]:
    """raises: InputError"""
    try:
        if mixing.startswith("temperature:"):
            temperature = float(mixing.removeprefix("temperature:"))
            weights = [examples ** (1 / temperature) if temperature > 0 else 0.0 for examples in tasks.values()]
        else:
            weight_of = {name.strip(): float(weight) for name, _, weight in (pair.rpartition("=") for pair in mixing.split(","))}
            weights = [weight_of.pop(name) for name in tasks]
            if weight_of:
                raise KeyError(next(iter(weight_of)))
    except KeyError as e:
        wrong = f"no weight for {e.args[0]!r}" if e.args[0] in tasks else f"{e.args[0]!r} is not learned here"
        raise InputError(f"mixing {mixing!r}: {wrong}", f"the tasks: {', '.join(tasks)}") from None
    except (ValueError, ZeroDivisionError, OverflowError):
        weights = [0.0]
    if not all(0 < w < float("inf") for w in weights):
        raise InputError(f"mixing takes size, temperature:T, or task=weight,… above 0, not {mixing!r}")
    return weights


def micro_batches(
    batch: Sequence[int], costs: Sequence[Cost], batch_tokens: int, padding: int | None = None
) -> Iterator[list[int]]:
    """The batch, sorted by length, in parts of one group and at most `batch_tokens` padded tokens, each at least an example.

    padding: of these tokens, how many at most stand for nothing; None: any
    """
    micro_batch: list[int] = []
    for i in sorted(batch, key=lambda i: (costs[i].group, costs[i].width, i)):
        grown = [costs[j] for j in (*micro_batch, i)]
        tokens = padded_tokens(grown)
        wasted = padding is not None and tokens - sum(c.tokens for c in grown) > padding
        if micro_batch and (tokens > batch_tokens or wasted or grown[0].group != grown[-1].group):
            yield micro_batch
            micro_batch = []
        micro_batch.append(i)
    if micro_batch:
        yield micro_batch
