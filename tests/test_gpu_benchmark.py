"""The rows that `benchmarks/gpu.py` measures run, as far as a processor can tell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
DATA = Path(os.environ.get("PLMTASKS_DATA") or BENCHMARKS.parents[1] / "shared" / "data")


def dry_run(row: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--dry-run", "--threads", "1", row]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no data at {DATA}")
@pytest.mark.parametrize("row", ["classify-float32", "generate-library"])
def test_a_row_runs_dry(row: str) -> None:
    done = dry_run(row)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{row}: ran in ")
    assert "the answers are the same" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_row_that_fails_says_so_with_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLMTASKS_DATA", str(tmp_path))  # there is no tokenizer, nor any sentence
    done = dry_run("classify-float32")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "failed: classify-float32" in done.stderr
