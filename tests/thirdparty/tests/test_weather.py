import pytest
from weather_estimates import Temperature

from plmtasks.config import Source
from plmtasks.errors import DataError


def test_reports_come_from_a_file(tmp_path):
    (tmp_path / "test.csv").write_text("report,degrees\nMild rain.,11.5\n", encoding="utf-8")
    source = Source(data=str(tmp_path / "test.csv"), columns={"text": "report"})
    (example,) = Temperature().load(source)["test"]
    assert (example.inputs, example.reference) == ({"text": "Mild rain."}, 11.5)


def test_what_is_no_number_is_an_error(tmp_path):
    (tmp_path / "test.csv").write_text("text,degrees\nMild rain.,warm\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.csv:2: expected a number of degrees, found 'warm'"):
        Temperature().load(Source(data=str(tmp_path / "test.csv")))["test"]
