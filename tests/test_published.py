"""Every catalogue of declared tasks: that its files are whole, told apart, and as the hub has their data."""

import json
import re
import tomllib
from pathlib import Path

import hub
import pytest

from plmtasks import declared
from plmtasks.hooks import load_registry

ROOT = Path(__file__).parents[1]
CATALOGUES = sorted(ROOT.glob("plugins/*/plmtasks_*/tasks"))


def rows_of(path: Path) -> Path:
    """The file of the rows for the tests of a task's file."""
    package = next(folder for folder in CATALOGUES if folder in path.parents)
    return package.parents[1] / "tests" / "published" / path.relative_to(package).with_suffix(".json")


FILES = {
    path: rows_of(path) for folder in CATALOGUES for path in sorted(folder.rglob("*.toml"))
    if "\n[data" in path.read_text(encoding="utf-8") or rows_of(path).is_file()
}  # fmt: skip
"""A task's file → its rows; tasks for the user's own data have none."""
TASKS = {listed.name: path for path in FILES for listed in declared.tasks(path)}
IDS = {"ids": lambda path: str(path.relative_to(ROOT / "plugins")) if isinstance(path, Path) else str(path)}


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.mark.parametrize("path", FILES, **IDS)
def test_a_head_tells_the_source_and_what_is_not_pinned(path) -> None:
    text = path.read_text(encoding="utf-8")
    head = " ".join(re.match(r"(?:#.*\n)*", text)[0].replace("#", "").split())
    assert head.startswith("Source: ")
    data = tomllib.loads(text).get("data", {})
    pinned = re.fullmatch("[0-9a-f]{40}", data.get("revision", ""))
    assert "hub" not in data or pinned or re.search("(?i)revisions? not pinned", head), "revision not pinned: none is known"


@pytest.mark.parametrize("path", FILES, **IDS)
def test_each_file_has_rows_of_our_own(path) -> None:
    assert FILES[path].is_file()


def test_no_two_are_called_alike(registry) -> None:
    names = [listed.name for path in FILES for listed in declared.tasks(path)]
    assert len(names) == len(set(names))
    assert [plugin.error for plugin in registry.plugins if plugin.error] == []
    assert registry.clashes == {}


@pytest.mark.parametrize("name", TASKS)
def test_its_metrics_and_its_main_score_are_there(name, registry) -> None:
    task = registry.task(name)
    scores = [score for metric in task.metrics for score in registry.metric(metric).bind(task).scores()]
    assert not task.main or task.main in scores


@pytest.mark.parametrize("path", FILES, **IDS)
def test_labels_are_in_the_order_of_the_hubs_numbers(path) -> None:
    """Where the hub has the same names."""
    said, told = tomllib.loads(path.read_text(encoding="utf-8")), json.loads(FILES[path].read_text(encoding="utf-8"))
    column = said.get("columns", {}).get("reference")
    names = told.get("names", {}).get(column, []) if isinstance(column, str) else []
    labels = list(said.get("labels", ()))
    assert set(labels) != set(names) or labels == names


@pytest.mark.network
@pytest.mark.parametrize("name", [name for name, path in TASKS.items() if "\nhub = " in path.read_text(encoding="utf-8")])
def test_the_hub_has_these_columns_and_labels(name, registry, tmp_path) -> None:
    assert hub.faults_on_the_hub(registry, name, tmp_path, FILES[TASKS[name]]) == []
