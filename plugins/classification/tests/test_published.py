"""Every task of the catalogue, and those made ready, on a few rows of our own, in the columns of the data sets on the hub."""

from pathlib import Path

import hub
import plmtasks_classification
import pytest

from plmtasks import declared
from plmtasks.hooks import load_registry

ROWS = Path(__file__).with_name("published")
TASKS = Path(plmtasks_classification.__file__).with_name("tasks")
SOME = ("mul", "en", "ar", "he", "ja", "th", "zh")
"""Of the languages of a file these are tried, for one is as another."""
MADE_READY = {
    task.name: ROWS / "superglue" / f"{task.name.split('/')[1]}.json" for task in plmtasks_classification.superglue.TASKS
}
MADE_READY["classification/cluewsc"] = ROWS / "clue" / "cluewsc.json"
FILES = MADE_READY | {
    listed.name: ROWS / path.relative_to(TASKS).with_suffix(".json")
    for path in sorted(TASKS.rglob("*.toml")) for listed in declared.tasks(path)
    if listed.language in SOME and not listed.needs_data
}  # fmt: skip


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.mark.parametrize("name", FILES)
def test_it_holds_the_laws_on_the_hubs_columns(name, registry, tmp_path) -> None:
    assert hub.checked(registry, name, tmp_path, FILES[name]) == {}
