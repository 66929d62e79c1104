"""The kit that plugin authors are given, on a graph of 32 and of 8 bits."""

from pathlib import Path

import pytest

from plmtasks.hooks import load_registry
from plmtasks.model import Model
from plmtasks.testing import ModelConformance

pytestmark = pytest.mark.slow


class TestGraph(ModelConformance):
    @pytest.fixture
    def model(self, folder: Path) -> Model:
        return load_registry().model(f"onnx:{folder}")


class TestRoundedGraph(ModelConformance):
    @pytest.fixture
    def model(self, folder: Path) -> Model:
        return load_registry().model(f"onnx-int8:{folder}")

    @pytest.fixture
    def tolerance(self) -> float:
        """Activations are rounded by the largest of the batch."""
        return 0.01
