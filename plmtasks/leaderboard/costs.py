"""What a row's runs took: parameters, speed and memory, of what machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plmtasks.errors import DataError, counted
from plmtasks.results import Result

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
    machines = {_machine(row, e) for e in known}
    unknown = {}
    parameters = known[0].get("parameters")
    if parameters is None:
        unknown["parameters"] = "its number is not known"
    speed, seconds, why = _speed(row.results, known)
    if len(machines) > 1:
        speed, why = None, "its seeds ran on several kinds of machine"
    if speed is None:
        unknown["speed"] = why
    peaks = [_memory(e) for e in known]
    memory = max((peak for peak, _ in peaks if peak), default=None)
    bound = any(before for peak, before in peaks if peak == memory)
    if memory is None:
        unknown["memory"] = "it was not measured"
    return Costs(
        parameters=parameters, speed=speed, seconds=seconds, memory=memory, bound=bound,
        machine=machines.pop() if len(machines) == 1 else None, unknown=unknown,
    )  # fmt: skip


def _machine(row: Row, environment: Mapping[str, Any]) -> Machine:
    said = [environment.get(name) for name in ("device", "processor_name", "processor", "cpu_capability", "cores", "processes")]
    return (*said, row.record["settings"]["threads"])


def _speed(results: Sequence[Result], environments: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None, str]:
    """Examples a second, the seconds that it rests on, and why it is not known."""
    speeds, total = [], 0.0
    for result, e in zip(results, environments, strict=True):
        took = result.answering()
        if took is None:
            return None, None, "it was interrupted and gone on with" if e.get("resumed") else "it was not measured"
        answered, seconds = took
        speeds.append(answered / seconds)
        total += seconds
    return sum(speeds) / len(speeds), total / len(speeds), ""


def _memory(environment: Mapping[str, Any]) -> tuple[int | None, bool]:
    """The peak, and whether it may be that of something before."""
    peak = environment.get("peak_device_memory_bytes") or environment.get("peak_memory_bytes")
    # of earlier versions nobody knows what was before
    return peak or None, bool(environment.get("worked_before", True))


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
