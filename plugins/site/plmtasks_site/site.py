"""The pages as a format of results."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import counted
from plmtasks.formats import Format, Written

if TYPE_CHECKING:
    from plmtasks.hooks import Registry
    from plmtasks.results import Result
    from plmtasks.tables import Selection


class Site(Format):
    """A folder of pages that need no server and no network."""

    name = "site"
    description = "pages of tables, runs and pairs in a folder, which is brought up to date"

    def write(
        self, results: "Sequence[Result]", path: Path, registry: "Registry", *, selection: "Selection | None" = None, **look: Any
    ) -> Written:
        """As every format does.

        selection: what is shown of the results
        look: the fields of `pages.Look`, what pages say beside the results and what they may not say
        """
        from .builder import build

        built = build(results, path, registry, selection=selection, **look)
        runs, tasks = counted(built.runs, "run"), counted(built.tasks, "task")
        said = f"{built.index}: {runs} of {tasks}; {built.written} files written, {built.kept} kept as they were"
        return Written(files=[built.index], said=said)
