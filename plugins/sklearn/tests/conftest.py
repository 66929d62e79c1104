"""What the classical models have learned of the built-in sentences."""

from pathlib import Path

import pytest

import plmtasks


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sklearn") / "moods"
    plmtasks.train("classification/sample", "tfidf-linear", str(place), max_train_samples=100, quiet=True)
    return place
