"""What a run says while it runs."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..errors import printable


@dataclass
class Progress:
    """Lines and bars on standard error; silent where `quiet`, and in all processes but the main one.

    On a terminal a bar moves; elsewhere a line is written every half minute.
    """

    quiet: bool = False
    _bar: "Bar | None" = field(default=None, repr=False)

    def say(self, text: str) -> None:
        """Writes a line, above the bar if there is one."""
        if self.quiet:
            return
        text = printable(text, lines=True)
        if self._bar is not None and self._bar.live is not None:
            self._bar.live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    @contextmanager
    def bar(self, title: str, total: int, unit: str) -> "Iterator[Bar]":
        """A bar over `total` units, until the block ends."""
        bar = self._bar = Bar(title=title, total=total, unit=unit, quiet=self.quiet)
        try:
            bar.open()
            yield bar
        finally:
            bar.close()
            self._bar = None


@dataclass
class Bar:
    title: str
    total: int
    unit: str
    quiet: bool = False
    live: Any = None
    """rich's display, on a terminal"""
    _done: int = 0
    _first: int = 0
    _start: float = field(default_factory=time.monotonic)
    _last_line: float = 0.0

    def open(self) -> None:
        if self.quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self.live = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self.live.add_task(self.title, total=self.total, rate="")
        self.live.start()

    def begin_at(self, done: int) -> None:
        """So many were done before; the rate counts from here."""
        self._done = self._first = done
        self._start = time.monotonic()
        self.update(done)

    def update(self, done: int, note: str = "") -> None:
        """`done` units of the total are done; `note` stands beside the rate."""
        self._done = done
        if self.quiet:
            return
        rate = self._rate(note)
        if self.live is not None:
            self.live.update(self.live.task_ids[0], completed=done, rate=rate)
        elif time.monotonic() - max(self._last_line, self._start) > 30:
            self._last_line = time.monotonic()
            sys.stderr.write(f"{self.title}: {done} of {self.total} {self.unit}, {rate}, {self._left()} left\n")
            sys.stderr.flush()

    def close(self) -> None:
        if self.live is not None:
            self.live.stop()

    def seconds(self) -> float:
        """Since the bar was opened."""
        return time.monotonic() - self._start

    def seconds_left(self) -> float:
        """By the rate so far; infinite before anything is done."""
        done = self._done - self._first
        return (self.total - self._done) * (time.monotonic() - self._start) / done if done else float("inf")

    def _rate(self, note: str) -> str:
        seconds = max(time.monotonic() - self._start, 1e-9)
        return f"{(self._done - self._first) / seconds:.1f} {self.unit}/s" + (f" {note}" if note else "")

    def _left(self) -> str:
        return duration(self.seconds_left())


def duration(seconds: float) -> str:
    """Seconds as a person says them: "42 s", "3 min 5 s", "2 h 10 min"."""
    if seconds == float("inf"):
        return "an unknown time"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """Bytes as a person says them: "87 MB", "1.4 GB"."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            value = count / least
            return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
    return f"{count:.0f} bytes"
