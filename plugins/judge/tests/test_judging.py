"""Another run's predictions, judged: from questions to scores, and what is said where that cannot be."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import plmtasks
from plmtasks.config import Source
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import load_registry
from plmtasks.requests import Choose, ChooseAnswer, Generate, GenerateAnswer, Likelihood, SeveralAnswer

OPTIONS: dict[str, Any] = {"quiet": True, "threads": 1, "batch_tokens": 500}
RUBRIC = """
name = "judge/polite"
criteria = "How polite is the answer?"
scale = ["rude", "neutral", "polite"]
template = "{question}\\n{prediction}\\n{reference}\\nIt is:"
"""


def bound(name: str, judged: Any, ratings: Path | None = None) -> Any:
    task = load_registry().task(name)
    task = task.judging(judged[: task.runs])
    return task.bind(task.load(Source(data=str(ratings) if ratings else None)))


def examples(task: Any, ratings: Path | None = None) -> Sequence[Example]:
    data = task.load(Source(data=str(ratings) if ratings else None))
    return data[data.default_split()]


def test_a_judge_reads_question_and_prediction_and_no_reference(judged: Any) -> None:
    task = bound("judge/score", judged)
    first = examples(task)[0]
    asked = task.ask(first.hidden(), "Generate")
    assert asked == Generate(
        instruction="Judge how good the answer is: whether it is right, complete and to the point.\n"
        "Say one of: 1, 2, 3, 4, 5. The last is the best.",
        text="context: the basket was not too kindly sold by the tailor Tive in the garden on Monday .\n"
        "question: who had sold the basket ?\n\nAnswer to be judged:\na tailor\n\nScore:",
        max_new_tokens=16,
    )
    assert task.ask(first.hidden(), "Choose").choices == ("1", "2", "3", "4", "5")
    assert first.reference is None
    assert (first.cluster, first.slices) == (judged[0].examples[0].cluster, judged[0].examples[0].slices)


def test_a_judge_is_shown_the_prompt_that_a_task_has_made_itself(judged: Any) -> None:
    """And not how it was asked."""
    turns = [{"role": "user", "content": "What is 1 + 1?"}]
    inputs = {"ask": "Generate", "exact": True, "stop": ["\n"], "turns": turns, "text": "It is"}
    made = replace(judged[0].examples[0], inputs=inputs, prompted=True)
    task = bound("judge/score", [replace(judged[0], examples=[made])])
    [first] = examples(task)
    assert task.ask(first.hidden(), "Generate").text.startswith("What is 1 + 1?\nIt is\n\nAnswer to be judged:")


SAID = {
    "4": 4, " 4.\nBecause it is right": 4, "Score: 2": 2, "**Rating**: 5/5": 5, "The answer is right, but long. [[3]]": 3,
    "[[1]] is too little, so [[2]]": 2, "45": None, "good": None, "": None, "4.5": None,
}  # fmt: skip


@pytest.mark.parametrize(("text", "score"), SAID.items())
def test_what_a_judge_writes(judged: Any, text: str, score: int | None) -> None:
    task = bound("judge/score", judged)
    first = examples(task)[0].hidden()
    found = task.read(first, task.ask(first, "Generate"), GenerateAnswer(text=text))
    assert found == Prediction(value=score, scores={} if score is None else {"expected": float(score)})


def test_what_a_judge_chooses(judged: Any) -> None:
    import math

    task = bound("judge/score", judged)
    first = examples(task)[0].hidden()
    chances = (0.1, 0.1, 0.2, 0.5, 0.1)
    told = tuple(Likelihood(log_likelihood=math.log(chance), tokens=1, bytes=1) for chance in chances)
    found = task.read(first, task.ask(first, "Choose"), ChooseAnswer(choices=told))
    assert found.value == 4
    assert found.scores == {"expected": pytest.approx(0.1 + 0.2 + 0.6 + 2 + 0.5)}


VERDICTS = {
    ("1", "2"): ("first", 0.0), ("2", "1"): ("second", 0.0), ("1", "1"): ("tie", 1.0), ("2", "2"): ("tie", 1.0),
    ("tie", "tie"): ("tie", 0.0), ("1", "tie"): ("tie", 0.0), ("Answer 2 is better.", "Answer 1."): ("second", 0.0),
    ("A good one", "1"): (None, None),
}  # fmt: skip


@pytest.mark.parametrize(("said", "found"), VERDICTS.items())
def test_two_answers_are_shown_in_both_orders(judged: Any, said: Any, found: Any) -> None:
    task = bound("judge/pairwise", judged)
    second = examples(task)[1].hidden()
    asked = task.ask(second, "Generate")
    one, other = (r.text for r in asked.requests)
    assert "Answer 1:\na tailor\n\nAnswer 2:\nthe baker" in one
    assert "Answer 1:\nthe baker\n\nAnswer 2:\na tailor" in other
    read = task.read(second, asked, SeveralAnswer(answers=tuple(GenerateAnswer(text=text) for text in said)))
    assert (read.value, read.scores.get("order")) == found


def test_what_is_no_answer_is_the_worst(judged: Any) -> None:
    """Thinking that did not end: whatever the judge says of the empty text."""
    id = judged[0].examples[0].id
    cut = [replace(run, predictions={**run.predictions, id: Prediction(value="", unfinished=True)}) for run in judged]
    [first, second, *_] = examples(bound("judge/score", cut))
    task = bound("judge/score", cut)
    for e, score in ((first, 1), (second, 5)):
        request = task.ask(e.hidden(), "Generate")
        found = task.read(e.hidden(), request, GenerateAnswer(text="5"))
        assert (found.value, found.scores["expected"]) == (score, score)
    for runs, winner in (([cut[0], judged[1]], "second"), ([judged[0], cut[1]], "first"), (cut, "tie")):
        task = bound("judge/pairwise", runs)
        [first, *_] = examples(task)
        request = task.ask(first.hidden(), "Generate")
        said = SeveralAnswer(answers=(GenerateAnswer(text="[[A]]"), GenerateAnswer(text="[[B]]")))
        assert task.read(first.hidden(), request, said).value == winner


def test_agreement_is_what_others_count(judged: Any, ratings: Any) -> None:
    """By scikit-learn and scipy."""
    import numpy as np
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import cohen_kappa_score

    task = bound("judge/score", judged, ratings["score"])
    asked = examples(task, ratings["score"])
    assert task.metrics == ("judge_score", "judge_agreement")
    said = [
        (1, 1.2),
        (3, 2.9),
        (None, 0.0),
        (4, 4.4),
        (4, 3.8),
        *[(1 + i * i % 5, 1 + i * i % 5 + i / 40) for i in range(len(asked) - 5)],
    ]
    predictions = [Prediction(value=value, scores={} if value is None else {"expected": e}) for value, e in said]
    metric = load_registry().metric("judge_agreement").bind(task)
    scores = {**metric.reduce(metric.statistics(predictions, asked).sum(axis=0)), **metric.compute(predictions, asked)}
    pairs = [(*both, e.reference) for both, e in zip(said, asked, strict=True) if both[0] is not None and e.reference is not None]
    values, expected, people = zip(*pairs, strict=True)
    assert len(pairs) == len(asked) - 2
    assert scores == {
        "exact": pytest.approx(100 * np.mean(np.array(values) == people)),
        "kappa": pytest.approx(cohen_kappa_score(values, people)),
        "pearson": pytest.approx(pearsonr(expected, people)[0]), "spearman": pytest.approx(spearmanr(expected, people)[0]),
    }  # fmt: skip


def test_wins(judged: Any) -> None:
    metric = load_registry().metric("judge_wins")
    said = [("first", 0.0), ("first", 0.0), ("second", 0.0), ("tie", 1.0), (None, 0.0)]
    predictions = [Prediction(value=v, scores={} if v is None else {"order": order}) for v, order in said]
    scores = metric.reduce(metric.statistics(predictions, judged[0].examples[:5]).sum(axis=0))
    assert {name: float(value) for name, value in scores.items()} == {
        "win_rate": 62.5, "wins": 50.0, "ties": 25.0, "losses": 25.0, "decided_by_order": 25.0, "read": 80.0,
    }  # fmt: skip


@pytest.mark.slow
def test_any_number_of_processes_and_a_resume_give_the_same(runs: Any, models: Any, tmp_path: Path) -> None:
    both = ",".join(str(run.folder) for run in runs)
    options = {"predictions_of": both, "output": str(tmp_path), **OPTIONS}
    one = plmtasks.run("judge/pairwise", models[0], **options)
    whole = (one.folder / "result.json").read_bytes()
    assert one.record["protocol"]["predictions_of"]["others"][0]["identity"] == runs[1].identity
    # as after a crash: half of the journal is there, and two processes answer the rest
    [journal] = one.folder.glob("journal/*.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    assert len(lines) > 2
    for path in one.folder.iterdir():
        if path.is_file() and path.name != "config.json":
            path.unlink()
    journal.write_text("".join(lines[: len(lines) // 2]))
    again = plmtasks.run("judge/pairwise", models[0], processes=2, **options)
    assert (again.folder / "result.json").read_bytes() == whole


@pytest.mark.slow
def test_a_rubric_of_ones_own(runs: Any, models: Any, tmp_path: Path) -> None:
    (tmp_path / "polite.toml").write_text(RUBRIC)
    people = tmp_path / "people.csv"
    people.write_text("id,score\n" + "".join(f"{row['id']},{i % 3 / 2 + 0.5}\n" for i, row in enumerate(runs[0].predictions())))
    options = {"predictions_of": str(runs[0].folder), "output": str(tmp_path), **OPTIONS}
    result = plmtasks.run(f"judge:{tmp_path / 'polite.toml'}", models[1], data=str(people), **options)
    assert result.task == "judge/polite"
    rows = list(result.predictions())
    assert {row["prediction"] for row in rows} <= {0, 1, 2}
    assert set(rows[0]["inputs"]) == {"question", "prediction", "reference"}
    assert set(result.record["scores"]) == {"judge_score", "judge_agreement"}
    assert 0 <= result.score <= 2
    changed = RUBRIC.replace("How polite", "How rude")
    (tmp_path / "polite.toml").write_text(changed)
    other = plmtasks.run(f"judge:{tmp_path / 'polite.toml'}", models[1], data=str(people), **options)
    assert other.identity != result.identity


def refused(task: str, models: Any, tmp_path: Path, **options: Any) -> str:
    with pytest.raises((InputError, DataError)) as caught:
        plmtasks.run(task, models[0], output=str(tmp_path), **OPTIONS, **options)
    return str(caught.value)


@pytest.mark.slow
def test_what_cannot_be_judged_is_said(runs: Any, models: Any, tmp_path: Path) -> None:
    one, two = (str(run.folder) for run in runs)
    said = "asks about the predictions of another run; named: none\n  predictions_of=RUN: the folder of a finished run"
    assert said in refused("judge/score", models, tmp_path)
    assert "of 2 other runs; named: 1\n  predictions_of=RUN,RUN: " in refused(
        "judge/pairwise", models, tmp_path, predictions_of=one
    )
    shorter = plmtasks.run("qa/sample", models[0], ask="Generate", limit=3, output=str(tmp_path / "short"), **OPTIONS)
    said = refused("judge/pairwise", models, tmp_path, predictions_of=f"{one},{shorter.folder}")
    assert "did not answer the same examples" in said
    part = tmp_path / "part"
    shutil.copytree(two, part)
    (part / "result.json").unlink()
    assert "the run is not finished" in refused("judge/score", models, tmp_path, predictions_of=str(part))
    people = tmp_path / "people.csv"
    for content, found in {
        "id,score\nx,3\n": "judges no example of the run: 'x' is none of its ids",
        "id,score\nx,7\n": "people.csv:2: expected a number from 1 to 5",
        "id,points\nx,3\n": "score",
    }.items():
        people.write_text(content)
        assert found in refused("judge/score", models, tmp_path, predictions_of=one, data=str(people))


FAULTS = {
    'name = "polite"\ncriteria = "x"\nscale = [1, 2]': ":1: expected a name of two words",
    'name = "judge/p"\nscale = [1, 2]': "expected criteria = …",
    'name = "judge/p"\ncriteria = "x"\nscale = [2, 1]': ":3: expected numbers from the worst to the best",
    'name = "judge/p"\ncriteria = "x"\nscale = [1]': ":3: expected at least two numbers",
    'name = "judge/p"\ncriteria = "x"\nscale = [1, 2]\ntemplate = "{question}"': ":4: expected {prediction} in the template",
    'name = "judge/p"\ncriteria = "x"\ntemplate = "{prediction}"': ":3: expected {first} and {second} in the template",
    'name = "judge/p"\ncriteria = "x"\nscale = [1, 2]\ntemplate = "{prediction!r}"': ":4: expected a text with names in braces",
    'name = "judge/p"\ncriteria = "x"\nscales = [1, 2]': ":3: expected a key at the top",
}


@pytest.mark.parametrize(("content", "said"), FAULTS.items())
def test_a_rubric_that_is_none(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(content)
    with pytest.raises(DataError) as caught:
        load_registry().task(f"judge:{tmp_path / 'p.toml'}")
    assert said in str(caught.value)


def test_a_template_names_what_the_judged_examples_have(judged: Any, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('name = "judge/p"\ncriteria = "x"\nscale = [1, 2]\ntemplate = "{prediction} {querstion}"')
    task = load_registry().task(f"judge:{tmp_path / 'p.toml'}").judging(judged[:1])
    with pytest.raises(DataError, match=r"p\.toml:4: expected one of context, question, inputs, reference, prediction in braces"):
        examples(task)


def test_results_tell_a_rubric(judged: Any) -> None:
    assert json.loads(json.dumps(bound("judge/score", judged).config()))["rubric"]["scale"] == [1, 2, 3, 4, 5]


def test_choices_are_asked_as_choices(judged: Any) -> None:
    task = bound("judge/pairwise", judged)
    assert all(isinstance(r, Choose) and r.choices == ("1", "2", "tie") for r in task.ask(examples(task)[0], "Choose").requests)
