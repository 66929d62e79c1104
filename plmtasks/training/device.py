"""What is done one way on a processor and another way on an accelerator while a model learns: a row for each."""

from typing import NamedTuple


class Device(NamedTuple):
    """What suits a kind of device."""

    batch_tokens: int | None
    """Padded tokens of a micro-batch that nobody chose; None: as many as the model answers at once. More than those of some dozen
    sentences are no faster on a processor, and take memory on the way back."""
    padding: int | None
    """Of these, how many at most stand for nothing before another micro-batch is begun: what one costs by itself. None: any,
    since a large one is as fast."""
    lasting: bool
    """Whether the gradients of embeddings last from update to update, so that no memory is cleared for them anew."""
    within: bool
    """Whether the optimizer divides and clips the gradients while it reads them."""


ACCELERATOR = Device(batch_tokens=None, padding=None, lasting=False, within=False)
DEVICES = {"cpu": Device(batch_tokens=2048, padding=128, lasting=True, within=True)}
"""By their type as torch spells it; all others are accelerators."""


def device_of(device: str) -> Device:
    """device: as torch spells it: "cpu", "cuda:1" """
    return DEVICES.get(device.partition(":")[0], ACCELERATOR)
