"""What the tests of core and plugins share."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from plmtasks.config import Source

# readline, which pytest imports, tells every process that xdist starts of a terminal that is not there
os.environ.pop("COLUMNS", None)
os.environ.pop("LINES", None)

# a machine that is busy with other tests is no failure
hypothesis.settings.register_profile("plmtasks", deadline=None)
hypothesis.settings.load_profile("plmtasks")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets: beside the repository, or where PLMTASKS_DATA points."""
    folder = Path(os.environ.get("PLMTASKS_DATA") or Path(__file__).parents[1] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; PLMTASKS_DATA can name another folder")
    return folder


@pytest.fixture(scope="session")
def source_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Sequence[Mapping[str, Any]] | None], Source]:
    """What makes a source of rows for a task, in a file of their own; of none, its own data set."""
    folder = tmp_path_factory.mktemp("rows")

    def source(task: str, rows: Sequence[Mapping[str, Any]] | None) -> Source:
        path = folder / f"{task.replace('/', '-')}.jsonl"
        if rows is None:
            return Source()
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        return Source(data=str(path))

    return source


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file: text as it is, several values as JSON lines, one value as a JSON document."""

    def write(name: str, *values: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = values[0] if isinstance(values[0], str) else "\n".join(json.dumps(v, ensure_ascii=False) for v in values)
        path.write_text(text, encoding="utf-8")
        return path

    return write
