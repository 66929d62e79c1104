"""What a run says while it runs."""

import html
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..errors import printable

LOG = logging.getLogger("plmtasks")
"""What is said goes here, at the level INFO, where an application listens."""


NOTEBOOK_SECONDS = 0.2
"""Between two pictures of a bar in a notebook."""


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this program; a notebook's cell is no terminal."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def shows() -> bool:
    """Whether what is said stands on standard error: no application takes it, and nobody told the logger to be silent."""
    if LOG.isEnabledFor(logging.INFO):
        return not LOG.hasHandlers()
    return LOG.level == logging.NOTSET and logging.root.manager.disable < logging.INFO


@dataclass
class Progress:
    """Lines and bars on standard error, or an application's log; silent where `quiet`, and in all processes but the main one."""

    quiet: bool = False
    said: set[str] = field(default_factory=set, repr=False)
    """What is said once in a command, however many runs it has."""
    _bar: "Bar | None" = field(default=None, repr=False)

    def say(self, text: str) -> None:
        """Writes a line, above the bar if there is one."""
        if self.quiet:
            return
        text = printable(text, lines=True)
        LOG.info("%s", text)
        if not shows():
            return
        if self._bar is not None and self._bar.live is not None:
            self._bar.live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def say_once(self, text: str, of: str) -> None:
        """The same, unless it was said before of this very thing."""
        if f"{of}: {text}" not in self.said:
            self.said.add(f"{of}: {text}")
            self.say(text)

    @contextmanager
    def bar(self, title: str, total: int, unit: str) -> "Iterator[Bar]":
        """A bar over `total` units, until the block ends."""
        bar = self._bar = Bar(title, total, unit, self.quiet)
        try:
            yield bar
        finally:
            self._bar = None
            bar.stop()


class Bar:
    """How many units are done. On a terminal and in a notebook it moves; elsewhere a line is written every half minute."""

    def __init__(self, title: str, total: int, unit: str, quiet: bool) -> None:
        self.title, self.total, self.unit, self.quiet = title, total, unit, quiet or not shows()
        self._done = self._first = 0
        self._start, self._last_line = time.monotonic(), 0.0
        self.live: Any = None
        """rich's display, on a terminal"""
        self._cell: Any = None
        """IPython's, in a notebook"""
        if self.quiet:
            return
        if in_notebook():
            from IPython.display import display

            self._cell = display(self._drawn(0, ""), raw=True, display_id=True)  # type: ignore[no-untyped-call]
            return
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self.live = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self.live.add_task(title, total=total, rate="")
        self.live.start()

    def stop(self) -> None:
        """It is shown no longer."""
        if self.live is not None:
            self.live.stop()
        if self._cell is not None:
            self._cell.update({"text/plain": ""}, raw=True)

    def _drawn(self, done: int, rate: str) -> dict[str, str]:
        """As a notebook shows it: by the browser, with no widget to be installed."""
        said = f"{self.title}: {done} of {self.total} {self.unit}" + (
            f", {rate}, {duration(self.seconds_left())} left" if rate else ""
        )
        bar = f'<progress value="{done}" max="{self.total}"></progress> {html.escape(printable(said))}'
        return {"text/plain": printable(said), "text/html": bar}

    def begin_at(self, done: int) -> None:
        """So many were done before; the rate counts from here."""
        self._first, self._start = done, time.monotonic()
        self.update(done)

    def update(self, done: int, note: str = "") -> None:
        """`done` units of the total are done; `note` stands beside the rate."""
        self._done = done
        if self.quiet:
            return
        rate = f"{self.per_second(done - self._first):.1f} {self.unit}/s" + (f", {note}" if note else "")
        if self.live is not None:
            self.live.update(self.live.task_ids[0], completed=done, rate=rate)
        elif self._cell is not None:
            if time.monotonic() - self._last_line > NOTEBOOK_SECONDS or done == self.total:
                self._last_line = time.monotonic()
                self._cell.update(self._drawn(done, rate), raw=True)
        elif time.monotonic() - max(self._last_line, self._start) > 30:
            self._last_line = time.monotonic()
            left = duration(self.seconds_left())
            print(f"{self.title}: {done} of {self.total} {self.unit}, {rate}, {left} left", file=sys.stderr, flush=True)

    def per_second(self, count: float) -> float:
        """The rate of what was done so often since the bar began."""
        return count / max(time.monotonic() - self._start, 1e-9)

    def seconds_left(self) -> float:
        """By the rate so far; infinite before anything is done."""
        done = self._done - self._first
        return (self.total - self._done) / self.per_second(done) if done else float("inf")


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
