"""What holds for every task."""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..data import Dataset, texts
from ..errors import InputError
from ..examples import Example, Prediction
from ..metric import Metric
from ..requests import Answer, Request, from_json, to_json
from ..scoring import main_score
from ..task import Follower, Rewritable, Task, as_run
from .checks import CheckFailed, NotApplicable, elsewhere, expect, is_light
from .subject import Solved, TaskSubject, seen

MOST = 0.9
"""A reference that shows in so many of the examples is there by no accident."""


# ── what it is ────────────────────────────────────────────────────────────────────────────────────────────────────


def names_are_known(subject: TaskSubject) -> None:
    """Its metrics and kinds of request are registered, and it has at least one of each."""
    task = subject.bound
    expect(task.name and task.metrics and task.asks, f"{task.name!r} has the metrics {task.metrics} and the kinds {task.asks}")
    unknown = [kind for kind in task.asks if kind not in subject.registry.requests]
    expect(not unknown, f"no plugin registers the kind of request {', '.join(unknown)}", sorted(subject.registry.requests))
    for name in task.metrics:
        try:
            subject.registry.metric(name)
        except InputError as e:
            raise CheckFailed(f"its metric {name!r} cannot be had: {e.message}") from e


def importing_is_light(subject: TaskSubject) -> None:
    """Importing it loads no torch, transformers, datasets or numpy."""
    is_light(subject.task)


def ids_are_unique(subject: TaskSubject) -> None:
    """Every split holds examples, each with an id of its own, a text."""
    for split, examples in subject.whole.items():
        expect(examples, f"split {split} holds no example")
        for example in examples:
            expect(example.id and isinstance(example.id, str), f"{split}: an id is a text, not {example.id!r}")
        [(id_, count)] = Counter(e.id for e in examples).most_common(1)
        twice = [e for e in examples if e.id == id_]
        expect(count == 1, f"{split}: {count} examples have the id {id_!r}", [e.inputs for e in twice[:3]])
    expect(subject.whole, "the data has no split")


def loading_twice_gives_the_same(subject: TaskSubject) -> None:
    """Loading the data twice gives the same examples with the same ids in the same order."""
    again = subject.task.load(subject.source)
    expect(list(again.readers) == list(subject.whole), f"splits were {list(subject.whole)}, then {list(again.readers)}")
    for split, examples in subject.whole.items():
        for one, two in zip_longest(examples, again.readers[split]()):
            expect(one == two, f"{split}: an example is another when it is read again", [_example(one), _example(two)])


def another_process_sees_the_same(subject: TaskSubject) -> None:
    """Another process, in which sets have another order, sees the same examples, requests and facts."""
    place = (subject.task, subject.source, subject.limit)
    here = seen(place)
    if here != seen(place):
        raise NotApplicable("it is another each time that it is loaded here")
    there = elsewhere(place, seen)["seen"]
    for what, found in here.items():
        differ = {part: [value, there[what].get(part)] for part, value in found.items() if there[what].get(part) != value}
        expect(not differ, f"another process sees other {what}: {', '.join(differ)}", differ if what == "facts" else None)


def splits_share_no_example(subject: TaskSubject) -> None:
    """No example of one split stands in another too."""
    places: dict[str, str] = {}
    for split, examples in subject.whole.items():
        for example in examples:
            line = repr((example.id, example.inputs, example.reference))
            other = places.setdefault(line, split)
            expect(other == split, f"an example stands in {other} and in {split}", _example(example))


def examples_survive_json(subject: TaskSubject) -> None:
    """Inputs and references are plain JSON values: lists and not tuples, keys that are texts."""
    for split, examples in subject.whole.items():
        for e in examples:
            for what, value in (("inputs", dict(e.inputs)), ("reference", e.reference), ("cluster", e.cluster)):
                expect(_survives(value), f"{split}, {e.id}: its {what} come back from JSON as something else", repr(value))
            expect(all(isinstance(s, str) for s in e.slices), f"{split}, {e.id}: slices are texts", repr(e.slices))


def fingerprint_changes_with_the_data(subject: TaskSubject) -> None:
    """The data's fingerprint is another once an example is: its input, its reference, its id or its place."""
    for split, examples in subject.examples.items():
        first = examples[0]
        changed = {
            "id": replace(first, id=f"{first.id} "), "inputs": replace(first, inputs={**first.inputs, "": "another"}),
            "reference": replace(first, reference=[first.reference]),
        }  # fmt: skip
        prints = {
            what: _fingerprint(subject.data, split, [e, *examples[1:]]) for what, e in {"nothing": first, **changed}.items()
        }
        if len(examples) > 1:
            prints["order"] = _fingerprint(subject.data, split, examples[::-1])
        same = [what for what, value in prints.items() if what != "nothing" and value == prints["nothing"]]
        expect(not same, f"{split}: the fingerprint stays when an example's {', '.join(same)} changes", _example(first))
        again = _fingerprint(subject.data, split, examples)
        expect(again == prints["nothing"], f"{split}: the same examples have two fingerprints")


def facts_tell_what_it_is(subject: TaskSubject) -> None:
    """What goes into a run's identity is JSON, names the task, and is another with other labels."""
    task = subject.bound
    facts = task.config()
    expect(_survives(facts), "config() come back from JSON as something else", repr(facts))
    expect(facts.get("name") == task.name and "version" in facts, "config() tell name and version", facts)
    if task.labels:
        others = {"turned": task.labels[::-1], "fewer": task.labels[:-1]}
        told = {how: task.labelled(labels) for how, labels in others.items() if labels != task.labels}
        same = [how for how, other in told.items() if other.labels == others[how] and other.config() == facts]
        expect(not same, f"config() stay when the labels are {' or '.join(same)}", facts)


def facts_give_the_task_back(subject: TaskSubject) -> None:
    """The facts that stand in a result make the bound task of the task alone, as reading a result does."""
    facts = json.loads(json.dumps(subject.bound.config()))
    back = json.loads(json.dumps(as_run(subject.task, facts).config()))
    lost = {name: [value, back.get(name)] for name, value in facts.items() if back.get(name) != value}
    expect(not lost, f"as_run(facts) gives a task with other facts: {', '.join(lost)}", lost)


def perturbed_fields_are_inputs(subject: TaskSubject) -> None:
    """`texts` names inputs, texts or lists of words, and `people` some of them."""
    task = subject.bound
    if not isinstance(task, Rewritable):
        raise NotApplicable(f"none of {task.name}'s inputs may be put in another way")
    strangers = set(task.people) - set(task.texts)
    expect(not strangers, f"`people` names {', '.join(sorted(strangers))}, which `texts` does not")
    for split, examples in subject.examples.items():
        for e in examples if task.texts else ():
            values = [e.inputs[name] for name in task.texts if e.inputs.get(name) is not None]
            expect(values, f"{split}: `texts` names {', '.join(task.texts)}; an example has none of them", _example(e))
            words = (v if isinstance(v, list) else [v] for v in values)
            expect(all(isinstance(w, str) for v in words for w in v), f"{split}: what `texts` names is no text", _example(e))


# ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────


def requests_survive_json(subject: TaskSubject) -> None:
    """Every request is of the kind that was asked for and comes back from JSON as it was."""
    for split, kind, example in subject.each():
        request = subject.bound.ask(example.hidden(), kind)
        shown = {**_example(example), "request": to_json(request)}
        expect(request.kind() == kind, f"{split}: asked for {kind}, and got {request.kind()}", shown)
        expect(_comes_back(request), f"{split}, {kind}: a request comes back from JSON as another", repr(request))


def order_and_limit_change_no_request(subject: TaskSubject) -> None:
    """An example is asked in the same way whatever was asked before it, and with however many others."""
    for split, examples in subject.examples.items():
        for kind in subject.bound.asks:
            whole = {e.id: subject.bound.ask(e.hidden(), kind) for e in examples}
            task = subject.task.bind(subject.task.load(subject.source))
            some = random.Random(0).sample(examples, len(examples))[: max(1, len(examples) // 2)]
            for e in some:
                request = task.ask(e.hidden(), kind)
                shown = {**_example(e), "first": to_json(whole[e.id]), "then": to_json(request)}
                expect(request == whole[e.id], f"{split}, {kind}: the same example makes another request in another order", shown)


def asking_sees_no_reference(subject: TaskSubject) -> None:
    """A request is made of the inputs alone: not of the reference, the slices or the id."""
    for split, kind, e in subject.each():
        hidden = subject.bound.ask(e.hidden(), kind)
        others = {"reference and slices": e, "another id": replace(e.hidden(), id=f"another {e.id}")}
        for what, example in others.items():
            request = subject.bound.ask(example, kind)
            shown = {**_example(e), "without": to_json(hidden), "with": to_json(request)}
            expect(request == hidden, f"{split}, {kind}: with {what} the request is another", shown)


def requests_hold_no_reference(subject: TaskSubject) -> None:
    """A request says no more of the right answer than its inputs and what all requests have in common do."""
    for split, examples in subject.examples.items():
        strings = {s for e in examples for s in _strings(e.reference)}
        for kind in subject.bound.asks:
            asked = []
            for e in examples:
                request, inputs = "\n".join(subject.bound.ask(e.hidden(), kind).texts()), "\n".join(texts(e))
                asked.append((e, {s: request.count(s) - inputs.count(s) for s in strings}, request))
            common = {s: min(more[s] for _, more, _ in asked) for s in strings}
            revealing = [(e, request) for e, more, request in asked if any(more[s] > common[s] for s in _strings(e.reference))]
            most = MOST * sum(bool(_strings(e.reference)) for e in examples)
            shown = revealing and {**_example(revealing[0][0]), "request": revealing[0][1]}
            expect(
                not revealing or len(revealing) < most, f"{split}, {kind}: {len(revealing)} requests hold their reference", shown
            )


def inputs_hold_no_reference(subject: TaskSubject) -> None:
    """No input is the reference itself, and the inputs do not name the right label alone."""
    labels = set(subject.bound.labels)
    for split, examples in subject.examples.items():
        if len({repr(e.reference) for e in examples}) < 2:
            continue
        for name in examples[0].inputs:
            same = sum(e.inputs.get(name) == e.reference for e in examples)
            expect(same < MOST * len(examples), f"{split}: the input {name!r} is the reference", _example(examples[0]))
        named = sum(_words(e) & labels == {e.reference} for e in examples if isinstance(e.reference, str))
        expect(named < max(MOST * len(examples), 5), f"{split}: the inputs name the right label alone", _example(examples[0]))


def new_questions_are_asked(subject: TaskSubject) -> None:
    """`pose` makes an example without a reference, asked by every kind like one of the data, and refuses what is no question."""
    task = subject.bound
    if not (task.fields or task.more_fields):
        raise NotApplicable(f"{task.name} takes no new questions")
    rows: list[tuple[dict[str, Any], Example | None]] = []
    for examples in subject.examples.values():
        for e in examples[:5]:
            known = {name: value for name, value in e.inputs.items() if name in (*task.fields, *task.more_fields)}
            rows += (
                [(known, e)] if set(known) == set(e.inputs) and all(isinstance(known.get(f), str) for f in task.fields) else []
            )
    for row, origin in rows or [(dict.fromkeys(task.fields, "a"), None)]:
        posed = task.pose(row, "new")
        expect(posed.id == "new" and posed.reference is None, f"a new question has the id {posed.id!r}", [row, _example(posed)])
        for kind in task.asks:
            request = task.ask(posed, kind)
            same = origin is None or request == task.ask(origin.hidden(), kind)
            expect(same, f"{kind}: a new question is asked otherwise than the same one of the data", [row, to_json(request)])
    try:
        task.pose({**dict.fromkeys(task.fields, "a"), "no such field": "a"}, "new")
    except InputError:
        return
    raise CheckFailed("`pose` takes a field that is none of the task's", {"no such field": "a"})


# ── solving and reading ───────────────────────────────────────────────────────────────────────────────────────────


def answers_survive_json(subject: TaskSubject) -> None:
    """Every solved answer is of the type that its request wants and comes back from JSON as it was."""
    for split, kind, e in subject.each():
        request = subject.bound.ask(e.hidden(), kind)
        answer = subject.bound.solve(e, request)
        shown = {**_example(e), "answer": repr(answer)}
        wanted = request.answer_type
        expect(type(answer) is wanted, f"{split}, {kind}: solved by a {type(answer).__name__}, not a {wanted.__name__}", shown)
        expect(_comes_back(answer), f"{split}, {kind}: a solved answer comes back from JSON as another", shown)


def reading_sees_no_reference(subject: TaskSubject) -> None:
    """What is read of an answer is the same with the reference hidden."""
    for split, kind, e in subject.each():
        request = subject.bound.ask(e.hidden(), kind)
        answer = subject.bound.solve(e, request)
        one, two = (subject.bound.read(example, request, answer) for example in (e, e.hidden()))
        shown = {**_example(e), "with": one.value, "without": two.value}
        expect(one == two, f"{split}, {kind}: the prediction depends on the reference", shown)


def solved_answers_are_best(subject: TaskSubject) -> None:
    """Reading the solved answers gives every metric the best value that it declares, for every kind."""
    for split in subject.examples:
        for kind in subject.bound.asks:
            asked = subject.solved(split, kind)
            for metric in subject.metrics:
                scores = _scores(metric, asked)
                for name, info in metric.scores().items():
                    value = scores.get(name, math.nan)
                    if info.best is None or math.isclose(value, info.best, rel_tol=1e-6, abs_tol=1e-6):
                        continue
                    if math.isnan(value) and (metric is not subject.metrics[0] or name != main_score(metric)):
                        continue  # not defined here: only the task's main score has to be
                    message = f"{split}, {kind}: solved answers give {metric.name}'s {name} {value:.6g}, and not {info.best:g}"
                    raise CheckFailed(message, next((a.shown() for a in asked if _less(metric, a, name, info.best)), None))


def predictions_come_back_from_a_file(subject: TaskSubject) -> None:
    """Predictions are JSON with finite scores, are shown as a text, and are read back from the file that they are written to."""
    for split, examples in subject.examples.items():
        for kind in subject.bound.asks:
            asked = subject.solved(split, kind)
            for a in asked:
                finite = all(isinstance(v, (int, float)) and math.isfinite(v) for v in a.prediction.scores.values())
                expect(_survives(a.prediction.value) and finite, f"{split}, {kind}: a prediction is no JSON", a.shown())
                text = subject.bound.show(a.example.hidden(), a.prediction)
                expect(isinstance(text, str), f"{split}, {kind}: show() gives {text!r}", a.shown())
            predictions = {a.example.id: a.prediction for a in asked}
            back = _written(subject.bound, examples, predictions)
            for a in asked:
                read = back.get(a.example.id)
                shown = {**a.shown(), "back": read and read.value}
                expect(read == a.prediction, f"{split}, {kind}: a prediction is another once it was written and read", shown)


def perfect_predictions_are_followed(subject: TaskSubject) -> None:
    """Derived from perfect predictions of the task that it follows, the examples are those of the data."""
    task = subject.bound
    if not isinstance(task, Follower):
        raise NotApplicable(f"{task.name} follows no other task")
    first = replace(subject, task=subject.registry.task(task.follows), limit=10**9)
    for split, examples in subject.whole.items():
        before = first.solved(split, first.bound.asks[0]) if split in first.whole else []
        derived = [d for a in before for d in task.derive(a.example.hidden(), a.prediction)]
        for e in derived:
            expect(e.reference is None, f"{split}: a derived example knows its reference", _example(e))
        matched = {e.id: e for e in task.match(examples, derived)}
        for e in examples:
            derived_example = matched.get(e.id)
            same = (
                derived_example is not None
                and derived_example.reference == e.reference
                and all(task.ask(derived_example.hidden(), kind) == task.ask(e.hidden(), kind) for kind in task.asks)
            )
            expect(same, f"{split}: an example is not derived as the data has it", [_example(e), _example(derived_example)])


def _example(example: Example | None) -> dict[str, Any]:
    return {} if example is None else {"id": example.id, "inputs": example.inputs, "reference": example.reference}


def _survives(value: Any) -> bool:
    """Whether a value is plain JSON, and equal after it."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False


def _comes_back(value: Request | Answer) -> bool:
    try:
        return bool(from_json(type(value), json.loads(json.dumps(to_json(value)))) == value)
    except (TypeError, ValueError, KeyError):
        return False


def _fingerprint(data: Dataset, split: str, examples: Sequence[Example]) -> str:
    """That of the same data set with these examples."""
    return replace(data, readers={split: lambda: examples}, _read={}).fingerprint(split)


def _strings(value: Any) -> list[str]:
    """The texts in a reference."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return [s for item in items for s in _strings(item)]


def _words(example: Example) -> set[str]:
    return {word.strip(".,:;!?()[]\"'") for text in texts(example) for word in text.split()}


def _scores(metric: Metric, asked: Sequence[Solved]) -> dict[str, float]:
    predictions, examples = [a.prediction for a in asked], [a.example for a in asked]
    totals = metric.statistics(predictions, examples).sum(axis=0)
    return {**{name: float(value) for name, value in metric.reduce(totals).items()}, **metric.compute(predictions, examples)}


def _less(metric: Metric, asked: Solved, name: str, best: float) -> bool:
    """Whether one example alone is not the best."""
    value = _scores(metric, [asked]).get(name, math.nan)
    return not math.isnan(value) and not math.isclose(value, best, rel_tol=1e-6, abs_tol=1e-6)


def _written(task: Task, examples: Sequence[Example], given: Mapping[str, Prediction]) -> Mapping[str, Prediction]:
    """Predictions written to a file and read again."""
    with TemporaryDirectory(prefix="plmtasks-") as folder:
        for name, text in task.write_predictions("predictions.jsonl", examples, given).items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        return task.read_predictions(Path(folder) / "predictions.jsonl", examples)


TASK_CHECKS: Mapping[str, Callable[[TaskSubject], None]] = {
    check.__name__: check
    for check in (
        names_are_known, importing_is_light, ids_are_unique, loading_twice_gives_the_same, another_process_sees_the_same,
        splits_share_no_example, examples_survive_json, fingerprint_changes_with_the_data, facts_tell_what_it_is,
        facts_give_the_task_back, perturbed_fields_are_inputs, requests_survive_json, order_and_limit_change_no_request,
        asking_sees_no_reference, requests_hold_no_reference, inputs_hold_no_reference, new_questions_are_asked,
        answers_survive_json, reading_sees_no_reference, solved_answers_are_best, predictions_come_back_from_a_file,
        perfect_predictions_are_followed,
    )
}  # fmt: skip
"""Name → check."""
