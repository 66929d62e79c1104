"""Data sets: examples from the hub, from files and from a little grammar; their labels, languages and slices."""

from .candidates import LETTERS, Cell, check_reading, predicted, settle, whole
from .dataset import (
    SPLIT_FILES,
    Dataset,
    HubData,
    draw,
    holds_objects,
    hub_dataset,
    hub_file,
    is_empty,
    open_dataset,
    read_predictions,
    split_files,
    warn_flaws,
    write_predictions,
)
from .extracts import locate, read_answers
from .labels import class_names, labels_found, labels_named, refuse_unknown
from .languages import LANGUAGES, UNSPACED, base_language, is_spaced, language_name
from .slices import DOCUMENT_LENGTHS, GENDER, TEXT_LENGTHS, Groups, by_count, by_length, dimension, read_groups, texts
from .synthetic import MANNERS, SPLIT_SIZES, Event, events

__all__ = [
    "DOCUMENT_LENGTHS",
    "GENDER",
    "LANGUAGES",
    "LETTERS",
    "MANNERS",
    "SPLIT_FILES",
    "SPLIT_SIZES",
    "TEXT_LENGTHS",
    "UNSPACED",
    "Cell",
    "Dataset",
    "Event",
    "Groups",
    "HubData",
    "base_language",
    "by_count",
    "by_length",
    "check_reading",
    "class_names",
    "dimension",
    "draw",
    "events",
    "holds_objects",
    "hub_dataset",
    "hub_file",
    "is_empty",
    "is_spaced",
    "labels_found",
    "labels_named",
    "language_name",
    "locate",
    "open_dataset",
    "predicted",
    "read_answers",
    "read_groups",
    "read_predictions",
    "refuse_unknown",
    "settle",
    "split_files",
    "texts",
    "warn_flaws",
    "whole",
    "write_predictions",
]
