"""A task from what its file says."""

from collections.abc import Mapping

from ..files import TomlFile
from .base import DeclaredTask
from .file import declare
from .forms import Choices, Labels, Likelihoods, Spans, Texts
from .numbers import Numbers
from .tags import Tags

FORMS: Mapping[str, type[DeclaredTask]] = {
    "labels": Labels, "choices": Choices, "texts": Texts, "spans": Spans, "tags": Tags, "likelihoods": Likelihoods,
    "numbers": Numbers,
}  # fmt: skip
"""What the reference is → the class of such tasks."""


def made(file: TomlFile) -> DeclaredTask:
    """raises: DataError, which names file and line, for what declares no task"""
    declared = declare(file)
    return FORMS[declared.form].of(declared)
