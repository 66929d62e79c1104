"""A checkpoint that learned for a short while, with graphs kept beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import plmtasks


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("onnx") / "moods"
    learns = {"max_train_samples": 64, "num_train_epochs": 1.0, "select_split": "none", "threads": 1, "quiet": True}
    plmtasks.train("classification/sample", "tiny-bert", str(place), **learns)
    return place


@pytest.fixture(scope="session", autouse=True)
def _cache(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
        yield
