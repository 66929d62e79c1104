"""Every task of the catalogue, and ReCoRD, on a few rows of our own, in the columns of its data set on the hub."""

from pathlib import Path

import hub
import plmtasks_qa
import pytest

from plmtasks import declared

ROWS = Path(__file__).with_name("published")
TASKS = Path(plmtasks_qa.__file__).with_name("tasks")
FILES = {"qa/record": ROWS / "superglue" / "record.json"} | {
    listed.name: ROWS / path.relative_to(TASKS).with_suffix(".json")
    for path in sorted(TASKS.rglob("*.toml")) for listed in declared.tasks(path)
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_it_holds_the_laws_on_the_hubs_columns(name, registry, tmp_path) -> None:
    assert hub.checked(registry, name, tmp_path, FILES[name]) == {}
