"""The kit that plugin authors are given, on a model behind a server."""

import pytest

from plmtasks.hooks import load_registry
from plmtasks.model import Model
from plmtasks.testing import ModelConformance

pytestmark = pytest.mark.slow


class TestServed(ModelConformance):
    @pytest.fixture
    def model(self, echoing: str) -> Model:
        return load_registry().model(f"openai:tiny@{echoing}")
