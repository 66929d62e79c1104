"""A system that finds nothing has the worst scores, in every task that has data of its own."""

import json
from pathlib import Path

import pytest

from plmtasks.config import Source
from plmtasks.examples import Prediction
from plmtasks.hooks import load_registry

NOTHING = {
    "classification/sample": "", "language_modeling/sample": "", "qa/sample": "", "summarization/sample": "",
    "summarization/sample-zh": "", "translation/sample": "", "translation/sample-zh-en": "", "srl/sample": [],
    "srl/sample-zh": [], "srl/predicates-sample": [], "srl/predicates-sample-zh": [],
}  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("form", ["x.jsonl", "x.txt"])
def test_nothing_at_all_scores_nothing(name: str, form: str, tmp_path: Path) -> None:
    registry = load_registry()
    task = registry.task(name)
    data = task.load(Source())
    task = task.bind(data)
    examples = data[data.default_split()][:4]
    rows = [json.dumps({"id": e.id, "prediction": NOTHING[name]}) for e in examples]
    texts = {"x.jsonl": "".join(f"{row}\n" for row in rows), "x.txt": "\n" * len(examples)}
    if NOTHING[name] == []:  # what a system writes in columns that finds nothing
        given = {e.id: Prediction(value=[]) for e in examples}
        texts["x.txt"] = next(iter(task.write_predictions("x.txt", examples, given).values()))
    (tmp_path / form).write_text(texts[form])
    found = task.read_predictions(tmp_path / form, examples)
    metric = registry.metric(task.metrics[0]).bind(task)
    scores = metric.reduce(metric.statistics([found[e.id] for e in examples], examples).sum(0))
    scores |= metric.compute([found[e.id] for e in examples], examples)
    assert scores[metric.main or next(iter(metric.scores()))] == 0
