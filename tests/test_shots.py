"""Which solved examples stand before a question: never the question itself with its answer."""

from dataclasses import replace
from pathlib import Path

import pytest

from plmtasks import RunConfig
from plmtasks.config import run_config
from plmtasks.errors import InputError
from plmtasks.evaluation.job import EvaluationJob, prepare
from plmtasks.hooks import load_registry
from plmtasks.requests import Choose

ROWS = [(f"film {i} was {'fine' if i % 2 else 'poor'}", "pos" if i % 2 else "neg") for i in range(12)]


def written(path: Path, rows: list[tuple[str, str]]) -> str:
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return str(path)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Asked and shown are the same rows; the first one twice."""
    data = written(tmp_path / "test.csv", ROWS)
    train = written(tmp_path / "train.csv", [*ROWS, ROWS[0]])
    return run_config(
        "classification/custom", "tiny-gpt", data=data, train_data=train, ask="Choose", shots=4, seed=3, quiet=True, train="never"
    )


def prepared(config: RunConfig) -> EvaluationJob:
    return prepare(config, load_registry())


def shown(job: EvaluationJob) -> list[tuple[str, list[str]]]:
    assert all(isinstance(r, Choose) for r in job.asked.requests)
    return [(r.text, [s.text for s in r.shots]) for r in job.asked.requests if isinstance(r, Choose)]


@pytest.mark.parametrize("way", ["fixed", "per-example"])
def test_a_question_is_no_shot_of_itself(config: RunConfig, way: str) -> None:
    found = shown(prepared(replace(config, shots_from=way)))  # type: ignore[arg-type]
    assert all(text not in shots and len(shots) == 4 for text, shots in found)
    if way == "fixed":
        usual = max((shots for _, shots in found), key=[shots for _, shots in found].count)
        others = [(text, shots) for text, shots in found if shots != usual]
        # all but those that are shots themselves have the same before them; in place of those comes the next that is drawn
        assert {text for text, _ in others} == set(usual)
        assert all(shots[:-1] == [s for s in usual if s != text] for text, shots in others if usual.count(text) == 1)


def test_questions_that_are_none_of_the_shots_have_what_they_had(config: RunConfig, tmp_path: Path) -> None:
    """As Python's own draw gives them."""
    import random

    other = replace(config, source=replace(config.source, data=written(tmp_path / "other.csv", [("a new film", "pos"), ROWS[1]])))
    (_, first), _ = shown(prepared(other))
    places = random.Random("3").sample(range(13), 4)
    assert first == [([*ROWS, ROWS[0]][i])[0] for i in places]


def test_as_many_shots_or_none(config: RunConfig, tmp_path: Path) -> None:
    train = written(tmp_path / "few.csv", [ROWS[0], ROWS[1], ROWS[0]])
    few = replace(config, source=replace(config.source, train_data=train))
    with pytest.raises(InputError, match="2 shots were asked for, the train split has 1 examples that ask something else than"):
        prepared(replace(few, shots=2))
    with pytest.raises(InputError, match="4 shots were asked for, the train split has 3 examples"):
        prepared(few)
    assert all(text not in shots for text, shots in shown(prepared(replace(few, shots=1))))


def test_what_was_changed_is_not_shown_as_it_was(config: RunConfig) -> None:
    job = prepared(replace(config, shots=8, perturb=("case",)))
    texts = {e.id: e.inputs["text"] for e in job.examples}
    [perturbed] = job.perturbed
    assert len(perturbed.asked.requests) == len(ROWS)
    for example, request in zip(perturbed.asked.examples, perturbed.asked.requests, strict=True):
        assert isinstance(request, Choose)
        assert example.inputs["text"] != texts[example.id]
        assert len(request.shots) == 8
        assert texts[example.id] not in [s.text for s in request.shots]


def test_shots_of_a_task_s_own_file(tmp_path: Path) -> None:
    """There is no next one: a question that is a shot has one less before it."""
    shots = "".join(f'[[shots]]\ntext = "{text}"\nlabel = "{label}"\n' for text, label in ROWS[:3])
    data = written(tmp_path / "mine.csv", ROWS[:5])
    task = tmp_path / "mine.toml"
    task.write_text(
        f'''name = "films/mood"
description = "Was it good?"
metrics = ["accuracy"]
labels = ["neg", "pos"]
[data]
test = "{Path(data).name}"
[columns]
reference = "label"
[Choose]
text = "{{text}}"
{shots}'''
    )
    job = prepared(run_config(str(task), "tiny-gpt", quiet=True, train="never"))
    assert [(text, len(shots)) for text, shots in shown(job)] == [
        (text, 2 if i < 3 else 3) for i, (text, _) in enumerate(ROWS[:5])
    ]
    assert all(text not in shots for text, shots in shown(job))
