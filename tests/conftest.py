"""What only the tests of the core share."""

import os
from pathlib import Path

import fresh
import pytest
from filelock import FileLock

# a stranger's package and a caller's code: other tests use them from outside
collect_ignore = ["thirdparty", "typed"]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> Path:
    """The folder of the wheels that `make wheels` builds, once for all test processes."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(shared / "wheels.lock"):
        if not (shared / "wheels").exists():
            fresh.build_wheels(shared / "source").replace(shared / "wheels")
    return shared / "wheels"
