"""Parts of speech: a label a word, from CoNLL-U, columns and rows."""

import json

import pytest

from plmtasks.config import Source
from plmtasks.examples import Prediction
from plmtasks.requests import Tag, TagAnswer
from plmtasks.testing import TaskSubject
from plmtasks.testing.tasks import solved_answers_are_best

CONLLU = """# sent_id = one
1-2\tI'm\t_\t_\t_\t_\t_\t_\t_\t_
1\tI\tI\tPRON\tPRP\t_\t2\tnsubj\t_\t_
2\t'm\tbe\tAUX\tVBP\t_\t0\troot\t_\t_
3\tO-\t_\t_\t_\t_\t2\tdep\t_\t_

# sent_id = two
1\tGo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
2\t!\t!\tPUNCT\t.\t_\t1\tpunct\t_\t_
"""
COLUMNS = "I\tPRON\n'm\tAUX\nO-\t_\n\nGo\tVERB\n!\tPUNCT\n"
ROWS = [
    {"id": "one", "tokens": ["I", "'m", "O-"], "upos": ["PRON", "AUX", "_"]},
    {"id": "two", "tokens": ["Go", "!"], "upos": ["VERB", "PUNCT"]},
]
FILES = {"test.conllu": CONLLU, "test.conll": COLUMNS, "test.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS)}


@pytest.mark.parametrize("name", FILES)
def test_every_form_says_the_same(name, registry, tmp_path):
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    source = Source(data=str(path))
    task = registry.task("pos", own_data=True)
    examples = task.load(source)["test"]
    assert [e.inputs["words"] for e in examples] == [["I", "'m", "O-"], ["Go", "!"]]
    if name != "test.jsonl":  # a row names what it wants
        assert [e.reference for e in examples] == [[["PRON", 0, 1], ["AUX", 1, 2]], [["VERB", 0, 1], ["PUNCT", 1, 2]]]
    solved_answers_are_best(TaskSubject(task=task, source=source, registry=registry))


def test_other_columns_may_be_named(registry, tmp_path):
    path = tmp_path / "test.conllu"
    path.write_text(CONLLU.replace("1-2\tI'm\t_\t_\t_\t_\t_\t_\t_\t_\n", ""), encoding="utf-8")
    (first, _) = registry.task("pos").load(Source(data=str(path), columns={"words": "1", "tags": "4"}))["test"]
    assert first.reference == [["PRP", 0, 1], ["VBP", 1, 2]]


def test_accuracy_counts_words(registry, tmp_path):
    path, system = tmp_path / "test.conll", tmp_path / "system.conll"
    path.write_text(COLUMNS.replace("_", "X"), encoding="utf-8")
    data = registry.task("pos").load(Source(data=str(path)))
    task = registry.task("pos").bind(data)
    metric = registry.metric("conlleval").bind(task)
    system.write_text(COLUMNS.replace("_", "X").replace("AUX", "VERB"), encoding="utf-8")
    found = task.read_predictions(system, data["test"])
    rows = metric.statistics([found[e.id] for e in data["test"]], data["test"])
    assert float(metric.reduce(rows.sum(0))["accuracy"]) == pytest.approx(80.0)
    written = task.write_predictions("out.conll", data["test"], found)["out.conll"]
    assert written.splitlines()[1].split() == ["'m", "AUX", "VERB"]
    example = data["test"][0]
    request = task.ask(example.hidden(), "Tag")
    assert isinstance(request, Tag)
    assert request.labels == ("O", "AUX", "PRON", "PUNCT", "VERB", "X")
    assert task.read(example.hidden(), request, TagAnswer(labels=("PRON", "O", "X"))) == Prediction(
        value=[["PRON", 0, 1], ["X", 2, 3]]
    )
