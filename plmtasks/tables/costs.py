"""What a row's runs took: parameters, speed and memory, of what machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plmtasks.errors import DataError, counted

from .boards import Row

Machine = tuple[Any, ...]
"""Device, processor, its instructions and cores, processes of the run and their threads: speeds of the same are compared."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What answering took; None is unknown, and never counts as nothing."""

    parameters: int | None = None
    speed: float | None = None
    """Examples a second, once the model was loaded; the mean of several seeds."""
    seconds: float | None = None
    """Of answering, on which the speed rests; the mean of several seeds."""
    memory: int | None = None
    """The most bytes that a process held: of the GPU's memory if there is one, else of the machine's."""
    bound: bool = False
    """The process had trained or answered before, perhaps with more: the model itself may need less."""
    machine: Machine | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)
    """"parameters", "speed" or "memory" → why it is not known."""


def costs(row: Row) -> Costs:
    """What the environments of a row's runs say."""
    try:
        known = [result.environment() for result in row.results]
    except DataError as e:
        return Costs(unknown=dict.fromkeys(("parameters", "speed", "memory"), e.message))
    if not all(known):
        return Costs(unknown=dict.fromkeys(("parameters", "speed", "memory"), "it has no environment.json"))
    what = ("device", "processor_name", "processor", "cpu_capability", "cores", "processes")
    machines = {(*map(e.get, what), row.record["settings"]["threads"]) for e in known}
    took = [result.answering() for result in row.results]
    measured = [one for one in took if one is not None]
    parameters, unknown = known[0].get("parameters"), {}
    if parameters is None:
        unknown["parameters"] = "its number is not known"
    if len(machines) > 1:
        unknown["speed"] = "its seeds ran on several kinds of machine"
    elif None in took:
        resumed = known[took.index(None)].get("resumed")
        unknown["speed"] = "it was interrupted and gone on with" if resumed else "it was not measured"
    peaks = [e.get("peak_device_memory_bytes") or e.get("peak_memory_bytes") or 0 for e in known]
    if not any(peaks):
        unknown["memory"] = "it was not measured"
    return Costs(
        parameters=parameters, unknown=unknown, machine=machines.pop() if len(machines) == 1 else None,
        speed=None if "speed" in unknown else sum(answered / seconds for answered, seconds in measured) / len(took),
        seconds=None if None in took else sum(seconds for _, seconds in measured) / len(took),
        memory=max(peaks) or None,
        # of earlier versions nobody knows what was before
        bound=any(e.get("worked_before", True) for e, peak in zip(known, peaks, strict=True) if peak == max(peaks) > 0),
    )  # fmt: skip


def place(machine: Machine | None) -> str:
    """A machine and the processes on it, in words."""
    if machine is None:
        return "several"
    device, name, vendor, capability, cores, processes, threads = machine
    cpu = ", ".join(str(part) for part in (name or vendor, capability, f"{cores} cores" if cores else None) if part)
    what = cpu if device == "cpu" else f"{device}, {cpu}"
    return f"{what}, {counted(processes, 'process', 'processes')} of {counted(threads, 'thread')}"


def count(count: float) -> str:
    """109M: weights as a person counts them."""
    for unit, least in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= least:
            return f"{count / least:.3g}{unit}"
    return f"{count:g}"


def number(value: float) -> str:
    """1,234 or 12.3: three digits and no more than are known."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
