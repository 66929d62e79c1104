"""Static pages of results for plmtasks."""

from plmtasks import hookimpl
from plmtasks.formats import Format

from .site import Site


@hookimpl
def register_formats() -> list[Format]:
    return [Site()]
