"""`--task qa --model bert-base` resolves to the real names of the hub: proved on a cache laid out like the hub's."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plmtasks.hooks import load_registry

pytestmark = pytest.mark.slow

WANTED = "google-bert/bert-base-uncased"


def put(cache: Path, kind: str, repo: str, revision: str, source: Path, name: str = "") -> None:
    """A repository in the hub's cache: refs/main names a commit, snapshots/<commit>/ holds its files."""
    folder = cache / f"{kind}s--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(revision)
    target = folder / "snapshots" / revision / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache with a little BERT under the real name, and a few questions under SQuAD's."""
    import pyarrow
    import pyarrow.parquet

    registry = load_registry()
    squad, sample = registry.task("qa/squad"), registry.task("qa/sample")
    from plmtasks.config import Source

    folder = tmp_path_factory.mktemp("hub")
    data = sample.load(Source())
    hub = squad.hub  # type: ignore[attr-defined]
    for split, path in hub.files.items():
        rows = [
            {
                "id": e.id, "title": "t", "context": e.inputs["context"], "question": e.inputs["question"],
                "answers": {"text": [e.inputs["context"][s.start : s.end]], "answer_start": [s.start]},
            }
            for e in data[split][:60]
            for r in [sample.ask(e.hidden(), "ExtractSpan")]
            for s in sample.solve(e, r).spans[:1]  # type: ignore[attr-defined]
        ]  # fmt: skip
        file = folder / "rows.parquet"
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
        target = folder / "cache" / f"datasets--{hub.repo.replace('/', '--')}" / "snapshots" / hub.revision / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    texts = [text for e in data["train"] for text in e.inputs.values()]
    registry.model("tiny-bert").make(texts, 0, folder / "model")
    put(folder / "cache", "model", WANTED, "86b5e0934494bd15c9632b12f734a8a67f723594", folder / "model")
    return folder / "cache"


def plmtasks(cache: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "plmtasks", *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=200, check=False)


def test_qa_on_bert_base(cache: Path, tmp_path: Path) -> None:
    command = ["run", "--task", "qa", "--model", "bert-base", "--threads", "1", "--limit", "20"]
    done = plmtasks(cache, tmp_path, *command, "--training", "num_train_epochs=1")
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.rglob("result.json")
    result = json.loads(path.read_text())
    assert result["task"]["name"] == "qa/squad"
    assert result["model"]["name"] == "bert-base"
    assert result["data"]["split"] == "validation"
    assert result["protocol"]["how"] == "fine-tuned"
    assert "rajpurkar/squad" in result["data"]["name"]
    (record,) = tmp_path.rglob("plmtasks.json")
    assert json.loads(record.read_text())["parts"]["start"][0]["revision"] == "86b5e0934494bd15c9632b12f734a8a67f723594"


def test_what_is_not_cached_is_said(cache: Path, tmp_path: Path) -> None:
    done = plmtasks(cache, tmp_path, "run", "--task", "qa", "--model", "roberta-base")
    assert done.returncode == 2
    assert "FacebookAI/roberta-base" in done.stderr
    assert "Traceback" not in done.stderr
    done = plmtasks(cache, tmp_path, "run", "--task", "qa/squad_v2", "--model", "bert-base")
    assert done.returncode == 2
    assert "rajpurkar/squad_v2" in done.stderr
    assert "--data PATH" in done.stderr
    assert "Traceback" not in done.stderr
