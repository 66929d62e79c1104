"""What the tests of core and plugins share."""

import os
from pathlib import Path

import hypothesis
import pytest

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
