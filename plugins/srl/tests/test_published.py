"""Every task of the catalogue on a few rows of our own, in the columns of its data set on the hub."""

from pathlib import Path

import hub
import plmtasks_srl
import pytest

from plmtasks import declared

ROWS = Path(__file__).with_name("published")
TASKS = Path(plmtasks_srl.__file__).with_name("tasks")
SOME = ("mul", "en", "ar", "he", "ja", "th", "zh")
"""Of the languages of a file these are tried, for one is as another."""
FILES = {
    listed.name: ROWS / path.relative_to(TASKS).with_suffix(".json")
    for path in sorted(TASKS.rglob("*.toml")) for listed in declared.tasks(path) if listed.language in SOME
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_it_holds_the_laws_on_the_hubs_columns(name, registry, tmp_path) -> None:
    assert hub.checked(registry, name, tmp_path, FILES[name]) == {}
