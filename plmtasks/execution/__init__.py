"""Requests dealt to processes, answered, and written down so that a crash loses nothing."""

from . import answering, doctor, environment, launcher
from .batching import padded_tokens
from .defaults import from_environment
from .journal import Journal, MemoryJournal, journal_at, on_disk, sealed_line
from .place import apart, check_count, counts, speaks, started_by_launcher
from .processes import Processes, alone, joined
from .progress import Bar, Progress, duration, size

__all__ = [
    "Bar",
    "Journal",
    "MemoryJournal",
    "Processes",
    "Progress",
    "alone",
    "answering",
    "apart",
    "check_count",
    "counts",
    "doctor",
    "duration",
    "environment",
    "from_environment",
    "joined",
    "journal_at",
    "launcher",
    "on_disk",
    "padded_tokens",
    "sealed_line",
    "size",
    "speaks",
    "started_by_launcher",
]
