import pytest
from plmtasks_transformers.models.scratch import TINY

from plmtasks.testing import ModelConformance


@pytest.mark.parametrize("family", [tiny.family for tiny in TINY])
class TestTiny(ModelConformance):
    @pytest.fixture
    def model(self, tiny, family):
        return tiny[family]
