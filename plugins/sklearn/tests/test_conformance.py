"""The kit that plugin authors are given, before and after learning."""

from pathlib import Path

import pytest

from plmtasks.hooks import load_registry
from plmtasks.model import Model
from plmtasks.testing import ModelConformance


class TestTfidfLinear(ModelConformance):
    @pytest.fixture
    def model(self) -> Model:
        return load_registry().model("tfidf-linear")


class TestMajority(ModelConformance):
    @pytest.fixture
    def model(self) -> Model:
        return load_registry().model("majority")


class TestLearned(ModelConformance):
    @pytest.fixture
    def model(self, folder: Path) -> Model:
        return load_registry().model(str(folder))
