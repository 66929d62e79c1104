"""Claims: who works at a folder, here or at an address, so that nobody else does the same work at the same time.

A claim is a file that is created only where there is none, numbered one higher than the last: of several at once one alone has
it, and a number is never claimed twice. Beside it lies the claim's sign of life, which its holder alone writes, every few
seconds, and deletes when it lets go. A claim without a sign of life is free; one that has given none for the length of its
lease is taken over, by creating the next number. How long that is, is observed on the observer's own clock, or is the
difference of two times of the store: the clocks of two machines are never compared.

In a folder of this machine the kernel holds a lock besides, so that another process hears at once that it is busy, or that its
holder was killed; a shared file system may show the lock to one machine alone, and the claim to all.
"""

import os
import platform
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import BusyError, DataError, InputError, OutputError
from .documents import dump, read_object
from .folders import create_bytes, here, names, reached

if TYPE_CHECKING:
    from filelock import FileLock

LEASE = 60.0
"""Seconds without a sign of life after which a claim may be taken over: longer than a process is held up and lives."""

SIGNS = 12
"""Signs of life in the time of a lease."""

LONGEST = 3600.0
"""Seconds of a lease that is believed: whoever claims longer would be waited for without end."""

NUMBERED = re.compile(r"\.claim-([0-9]{6,})")

BOOT = Path("/proc/sys/kernel/random/boot_id")

SHAPE = {"token": str, "what": str, "host": str, "machine": str, "pid": int, "started": str, "since": str, "lease": (int, float)}


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who claimed a folder."""

    token: str
    """Of this claim alone: 32 hexadecimal digits."""
    what: str
    """That is done there: a run, a training."""
    host: str
    machine: str
    """This start of the system and its name space of processes, within which a process's number is its own; or a network card."""
    pid: int
    started: str
    """When the process began, as its system counts: its number is given again to others."""
    since: str
    """When it claimed the folder, by its own clock; to be shown, and compared with nothing."""
    lease: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


_held: dict[str, "Claim"] = {}
"""What this process has, by its folder."""


class Claim(AbstractContextManager["Claim"]):
    """A folder that this process has to itself, as long as it gives signs of life; they are given by a thread."""

    def __init__(self, folder: Path, mine: Holder, number: int, kernel: "FileLock | None") -> None:
        self.folder, self.mine, self.number = folder, mine, number
        self._kernel, self._lost, self._ending = kernel, "", threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"claim of {folder}", daemon=True)
        self._thread.start()
        _held[str(folder)] = self

    def check(self) -> None:
        """To be called before what others rely on is written.

        raises: BusyError if another process took the claim over, because no sign of life was given for the length of the lease;
            InputError if the folder cannot be reached
        """
        with reached(self.folder):
            self._look()  # a process that was held up may come here before its thread gives the next sign
        if self._lost:
            raise BusyError(f"{self.folder}: {self._lost}", "run again: what it makes will be yours too")

    def release(self) -> None:
        """Lets go; a second time does nothing."""
        if self._ending.is_set():
            return
        _held.pop(str(self.folder), None)
        self._ending.set()
        self._thread.join()
        try:
            with suppress(InputError), reached(self.folder):  # what is not deleted runs out
                _sign(self.folder, self.mine.token).unlink()
        finally:
            if self._kernel is not None:
                self._kernel.release()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _live(self) -> None:
        count, last = 0, time.monotonic()
        while not self._ending.wait(self.mine.lease / SIGNS) and not self._lost:
            count += 1
            try:
                with reached(self.folder):
                    _sign(self.folder, self.mine.token).write_bytes(b"%d" % count)
                    self._look()
                last = time.monotonic()
            except InputError as e:  # the next sign may succeed
                if time.monotonic() - last > self.mine.lease:
                    self._lost = f"no sign of life could be written for {self.mine.lease:g} s: {e.__cause__}"

    def _look(self) -> None:
        last = max(_numbers(self.folder), default=0)
        if last > self.number:
            self._lost = f"another process took this {self.mine.what} over: no sign of life had come for its lease"
        elif last < self.number:
            self._lost = f"somebody deleted the claim of this {self.mine.what}"


def claim(folder: Path, what: str, *, lease: float = LEASE, tell: Callable[[str], None] = lambda _: None) -> Claim:
    """The folder for this process alone, until the claim is released or the process ends.

    folder: is there and can be written to, as `open_folder` proves
    what: is done there: "run", "training"
    tell: is given one sentence if a claim without a sign of life is waited for

    Who is there already and alive is told at once in a folder of this machine, and elsewhere with its next sign of life, after a
    twelfth of the lease. Who was killed is told at once on the same machine, and else after the rest of its lease.

    raises: BusyError if another process is there; OutputError
    """
    kernel = _lock(folder, what)
    try:
        with reached(folder):
            return _claim(folder, _me(what, lease), kernel, tell)
    except BaseException as e:
        if kernel is not None:
            kernel.release()
        if isinstance(e, InputError):
            raise OutputError(f"{folder}: cannot be claimed: {e.__cause__}") from e
        raise


def check_claim(folder: Path) -> None:
    """To be called before what others rely on is written into a folder that this process may have claimed.

    raises: BusyError, as `Claim.check`
    """
    if (mine := _held.get(str(folder))) is not None:
        mine.check()


def holder(folder: Path) -> Holder | None:
    """Who claimed the folder last and has not let go, alive or not; None also for a process of this machine that has ended.

    raises: InputError if the folder cannot be reached
    """
    with reached(folder):
        last = _last(folder)[1]
        return None if last is None or _gone(last) or not _sign(folder, last.token).exists() else last


def _claim(folder: Path, me: Holder, kernel: "FileLock | None", tell: Callable[[str], None]) -> Claim:
    mine, told = _sign(folder, me.token), False
    held: Claim | None = None
    other, seen, since = None, b"", time.monotonic()
    try:
        while True:
            mine.write_bytes(b"0")
            number, last = _last(folder)
            sign = _read(folder, last)
            if last != other:
                other, seen, since = last, sign, time.monotonic()
            waited = time.monotonic() - since
            if last is None or not sign or waited > last.lease or _ended(last, kernel) or _aged(folder, mine, last):
                if _made(folder, number + 1, me):
                    _tidy(folder, number, last)
                    held = Claim(folder, me, number + 1, kernel)
                    return held
                continue  # somebody else saw it too, and created the next claim
            if sign != seen:
                raise _busy(folder, last)
            if waited > 2 * last.lease / SIGNS and not told:
                told = True
                tell(f"{folder} is claimed by {last}, without a sign of life: waiting for {last.lease:g} s at most")
            time.sleep(min(1.0, last.lease / SIGNS / 2))
    finally:
        if held is None:
            with suppress(FileNotFoundError):
                mine.unlink()


def _made(folder: Path, number: int, me: Holder) -> bool:
    """Whether this process created the claim of that number, and it is the last."""
    created = create_bytes(path := folder / f".claim-{number:06d}", dump(asdict(me)).encode())
    there, whose = _last(folder)
    if created and there != number:
        path.unlink()  # of a number that others had, and had deleted, since this process saw that it was free
    # a client that repeats a request is told that the file is there, which may be the one that it made
    return there == number and whose is not None and whose.token == me.token


def _busy(folder: Path, last: Holder | None, what: str = "") -> BusyError:
    who = [str(last)] if last is not None else []
    what = last.what if last is not None else what
    return BusyError(
        f"{folder}: another process is at this very {what}", *who, "wait for it; what it makes will be yours too"
    )  # fmt: skip


def claims_file(name: str) -> bool:
    """Whether a file of that name is a claim's, and nothing of what is done in its folder."""
    return name == ".lock" or name.startswith((".claim-", ".alive-"))


def _lock(folder: Path, what: str) -> "FileLock | None":
    """The kernel's own lock, where there is one.

    raises: BusyError if another process holds it; OutputError
    """
    if not here(folder):
        return None
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as e:
        raise _busy(folder, _last(folder)[1], what) from e
    except NotImplementedError:  # a file system that knows no locks
        return None
    except OSError as e:  # a link is not followed
        raise OutputError(f"{folder / '.lock'}: cannot be locked: {e.strerror}") from e
    return lock


def _ended(last: Holder, kernel: "FileLock | None") -> bool:
    """Whether its holder is known to have ended: the kernel would have given a lock to nobody else on its machine."""
    return _gone(last) or (kernel is not None and last.machine == _machine())


def _aged(folder: Path, mine: Path, last: Holder) -> bool:
    """Whether a claim has outlived its lease, by the store's own times of its last sign of life and of ours, which is new."""
    if here(folder):  # a shared file system may give the times of whoever wrote
        return False
    files = cast(Any, folder).fs
    try:
        now, then = (files.modified(cast(Any, path).path) for path in (mine, _sign(folder, last.token)))
    except (NotImplementedError, KeyError, FileNotFoundError):
        return False
    return bool((now - then).total_seconds() > last.lease)


def _tidy(folder: Path, number: int, last: Holder | None) -> None:
    """Deletes the claims before this process's, which nobody looks at any more."""
    for path in (*(folder / f".claim-{one:06d}" for one in _numbers(folder) if one <= number), *_sign_of(folder, last)):
        with suppress(FileNotFoundError):
            path.unlink()


def _numbers(folder: Path) -> list[int]:
    return [int(found[1]) for name in names(folder) if (found := NUMBERED.fullmatch(name))]


def _last(folder: Path) -> tuple[int, Holder | None]:
    """The highest number, 0 if there is none, and whose it is; None: nobody's, or of somebody who wrote no claim."""
    missing = 0
    while number := max(_numbers(folder), default=0):
        try:
            found = Holder(**{k: v for k, v in read_object(folder / f".claim-{number:06d}", SHAPE).items() if k in SHAPE})
        except FileNotFoundError:
            if number == missing:  # a link that leads nowhere
                return number, None
            missing = number  # or a higher one was made, and this one deleted
            continue
        except DataError:
            return number, None
        ours = re.fullmatch("[0-9a-f]{32}", found.token) and 0 < found.lease <= LONGEST
        return number, found if ours else None
    return 0, None


def _sign(folder: Path, token: str) -> Path:
    return folder / f".alive-{token}"


def _sign_of(folder: Path, last: Holder | None) -> Iterator[Path]:
    if last is not None:
        yield _sign(folder, last.token)


def _read(folder: Path, last: Holder | None) -> bytes:
    """A claim's sign of life; nothing if it has none any more."""
    try:
        return b"" if last is None else b"=" + _sign(folder, last.token).read_bytes()
    except FileNotFoundError:
        return b""


# ── processes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _me(what: str, lease: float) -> Holder:
    return Holder(
        token=uuid.uuid4().hex, what=what, host=platform.node(), machine=_machine(), pid=os.getpid(),
        started=_started(os.getpid()), since=datetime.now(UTC).isoformat(timespec="seconds"), lease=lease,
    )  # fmt: skip


def _machine() -> str:
    """As of a `Holder`."""
    try:
        return f"{BOOT.read_text(encoding='ascii').strip()} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # no Linux
        return f"{uuid.getnode():012x}"


def _started(pid: int) -> str:
    """When a process began, in ticks since the system did; "" if there is none, or where that cannot be told."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = told.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _gone(last: Holder) -> bool:
    """Whether it is a process of this machine that has ended."""
    return last.machine == _machine() and _started(last.pid) != last.started
