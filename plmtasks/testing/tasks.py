"""What holds for every task."""

import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..data import texts
from ..errors import InputError
from ..examples import Example, Prediction
from ..metric import Metric
from ..requests import Answer, Choose, Generate, GenerateAnswer, Request, strings, to_json
from ..scoring import count, main_score
from ..task import Follower, Rewritable, Task, as_run
from .checks import CheckFailed, NotApplicable, all_scores, elsewhere, expect, is_light, laws, survives_json
from .subject import Solved, TaskSubject, seen, told

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
        twice = [e.inputs for e in examples if e.id == id_]
        expect(count == 1, f"{split}: {count} examples have the id {id_!r}", twice[:3])
    expect(subject.whole, "the data has no split")


def loading_twice_gives_the_same(subject: TaskSubject) -> None:
    """Loading the data twice gives the same examples with the same ids in the same order."""
    again = subject.task.load(subject.source)
    expect(list(again.readers) == list(subject.whole), f"splits were {list(subject.whole)}, then {list(again.readers)}")
    for split, examples in subject.whole.items():
        for one, two in zip_longest(examples, again.readers[split]()):
            expect(one == two, f"{split}: an example is another when it is read again", [told(one), told(two)])


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
            other = places.setdefault(repr(list(told(example).values())), split)
            expect(other == split, f"an example stands in {other} and in {split}", told(example))


def examples_survive_json(subject: TaskSubject) -> None:
    """Inputs and references are plain JSON values: lists and not tuples, keys that are texts."""
    for split, examples in subject.whole.items():
        for e in examples:
            for what, value in (("inputs", dict(e.inputs)), ("reference", e.reference), ("cluster", e.cluster)):
                expect(_is_plain(value), f"{split}, {e.id}: its {what} come back from JSON as something else", repr(value))
            expect(all(isinstance(s, str) for s in e.slices), f"{split}, {e.id}: slices are texts", repr(e.slices))


def fingerprint_changes_with_the_data(subject: TaskSubject) -> None:
    """The data's fingerprint is another once an example is: its input, its reference, its id or its place."""
    for split, (first, *rest) in subject.examples.items():
        changes: dict[str, dict[str, Any]] = {
            "id": {"id": f"{first.id} "}, "inputs": {"inputs": {**first.inputs, "": "another"}},
            "reference": {"reference": [first.reference]},
        }  # fmt: skip
        others = {what: [replace(first, **change), *rest] for what, change in changes.items()}
        others |= {"order": [first, *rest][::-1]} if rest else {}
        prints = {
            what: replace(subject.data, readers={split: lambda found=found: found}).fingerprint(split)  # type: ignore[misc]
            for what, found in {"nothing": [first, *rest], "again": [first, *rest], **others}.items()
        }
        same = [what for what in others if prints[what] == prints["nothing"]]
        expect(not same, f"{split}: the fingerprint stays when an example's {', '.join(same)} changes", told(first))
        expect(prints["again"] == prints["nothing"], f"{split}: the same examples have two fingerprints")


def facts_tell_what_it_is(subject: TaskSubject) -> None:
    """What goes into a run's identity is JSON, names the task, and is another with other labels."""
    task = subject.bound
    facts = task.config()
    expect(_is_plain(facts), "config() come back from JSON as something else", repr(facts))
    expect(facts.get("name") == task.name and "version" in facts, "config() tell name and version", facts)
    others = {"turned": task.labels[::-1], "fewer": task.labels[:-1]}
    relabelled = {how: task.labelled(labels) for how, labels in others.items() if labels != task.labels}
    same = [how for how, other in relabelled.items() if other.labels == others[how] and other.config() == facts]
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
            expect(values, f"{split}: `texts` names {', '.join(task.texts)}; an example has none of them", told(e))
            words = (v if isinstance(v, list) else [v] for v in values)
            expect(all(isinstance(w, str) for v in words for w in v), f"{split}: what `texts` names is no text", told(e))


# ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────


def requests_survive_json(subject: TaskSubject) -> None:
    """Every request is of the kind that was asked for and comes back from JSON as it was."""
    for place, a in subject.each():
        shown = told(a.example, request=to_json(a.request))
        kinds = list(dict.fromkeys(one.kind() for one in a.request.each()))
        expect(kinds and {*kinds} <= {*a.kind.split("+")}, f"{place}: asked for {a.kind}, and got {'+'.join(kinds)}", shown)
        for one in a.request.each():
            survives_json(one, f"{place}: a request", repr(one))


def order_and_limit_change_no_request(subject: TaskSubject) -> None:
    """An example is asked in the same way whatever was asked before it, and with however many others."""
    for (split, kind), asked in subject.solved.items():
        whole = {a.example.id: a.request for a in asked}
        task = subject.task.bind(subject.task.load(subject.source))
        for a in random.Random(0).sample(asked, len(asked))[: max(1, len(asked) // 2)]:
            request = task.ask(a.example.hidden(), kind)
            shown = told(a.example, first=to_json(whole[a.example.id]), then=to_json(request))
            same = request == whole[a.example.id]
            expect(same, f"{split}, {kind}: the same example makes another request in another order", shown)


def asking_sees_no_reference(subject: TaskSubject) -> None:
    """A request is made of the inputs alone: not of the reference, the slices or the id."""
    for place, a in subject.each():
        renamed = replace(a.example.hidden(), id=f"another {a.example.id}")
        for what, example in (("reference and slices", a.example), ("another id", renamed)):
            request = subject.bound.ask(example, a.kind)
            shown = told(a.example, without=to_json(a.request)) | {"with": to_json(request)}
            expect(request == a.request, f"{place}: with {what} the request is another", shown)


def requests_hold_no_reference(subject: TaskSubject) -> None:
    """A request says no more of the right answer than its inputs and what all requests have in common do."""
    for (split, kind), asked in subject.solved.items():
        right = [[s for s in strings(to_json(a.example.reference)) if s.strip()] for a in asked]
        wanted = {s for its in right for s in its}
        given = ["\n".join(texts(a.example)) for a in asked]
        for said in zip(*(_readings(a.request) for a in asked), strict=True):
            more = [{s: one.count(s) - two.count(s) for s in wanted} for one, two in zip(said, given, strict=True)]
            common = {s: min(counts[s] for counts in more) for s in wanted}
            revealing = [i for i, its in enumerate(right) if any(more[i][s] > common[s] for s in its)]
            few = not revealing or len(revealing) < MOST * sum(map(bool, right))
            shown = revealing and told(asked[revealing[0]].example, request=said[revealing[0]])
            expect(few, f"{split}, {kind}: {len(revealing)} requests hold their reference", shown)


def _readings(request: Request) -> tuple[str, str]:
    """What a prompted model reads of a request, and what a scorer of pairs does, which may see nothing of the prompt."""
    if not isinstance(request, Choose) or not request.pair_choices:
        return ("\n".join(request.texts()),) * 2
    prompt = replace(request, pair_text="", pair_choices=())
    return "\n".join(prompt.texts()), "\n".join([request.pair_text, *request.pair_choices])


def inputs_hold_no_reference(subject: TaskSubject) -> None:
    """No input is the reference itself, and the inputs do not name the right label alone."""
    labels = set(subject.bound.labels)
    for split, examples in subject.examples.items():
        if len({repr(e.reference) for e in examples}) < 2:
            continue
        for name in examples[0].inputs:
            same = sum(e.inputs.get(name) == e.reference for e in examples)
            expect(same < MOST * len(examples), f"{split}: the input {name!r} is the reference", told(examples[0]))
        words = [{word.strip(".,:;!?()[]\"'") for text in texts(e) for word in text.split()} for e in examples]
        pairs = zip(words, examples, strict=True)
        named = sum(its & labels == {e.reference} for its, e in pairs if isinstance(e.reference, str))
        expect(named < max(MOST * len(examples), 5), f"{split}: the inputs name the right label alone", told(examples[0]))


def new_questions_are_asked(subject: TaskSubject) -> None:
    """`pose` makes an example without a reference, asked by every kind like one of the data, and refuses what is no question."""
    task = subject.bound
    fields = (*task.fields, *task.more_fields)
    if not fields:
        raise NotApplicable(f"{task.name} takes no new questions")
    some = [e for examples in subject.examples.values() for e in examples[:5]]
    whole = [e for e in some if set(e.inputs) <= set(fields) and all(isinstance(e.inputs.get(f), str) for f in task.fields)]
    made = dict.fromkeys(task.fields, "a")
    for origin in whole or (None,):
        row = dict(origin.inputs) if origin else made
        posed = task.pose(row, "new")
        expect(posed.id == "new" and posed.reference is None, f"a new question has the id {posed.id!r}", [row, told(posed)])
        for kind in task.asks:
            request = task.ask(posed, kind)
            same = origin is None or request == task.ask(origin.hidden(), kind)
            expect(same, f"{kind}: a new question is asked otherwise than the same one of the data", [row, to_json(request)])
    try:
        task.pose({**made, "no such field": "a"}, "new")
    except InputError:
        return
    raise CheckFailed("`pose` takes a field that is none of the task's", {"no such field": "a"})


# ── solving and reading ───────────────────────────────────────────────────────────────────────────────────────────


def answers_survive_json(subject: TaskSubject) -> None:
    """Every solved answer is of the type that its request wants and comes back from JSON as it was."""
    for place, a in subject.each():
        found, wanted = type(a.answer), a.request.answer_type
        shown = told(a.example, answer=repr(a.answer))
        expect(found is wanted, f"{place}: solved by a {found.__name__}, not a {wanted.__name__}", shown)
        for one in a.request.apart(a.answer):
            survives_json(one, f"{place}: a solved answer", shown)


def reading_sees_no_reference(subject: TaskSubject) -> None:
    """What is read of an answer is the same with the reference hidden."""
    for place, a in subject.each():
        read = subject.bound.read(a.example, a.request, a.answer)
        shown = told(a.example, without=a.prediction.value) | {"with": read.value}
        expect(read == a.prediction, f"{place}: the prediction depends on the reference", shown)


def solved_answers_are_best(subject: TaskSubject) -> None:
    """Reading the solved answers gives every metric the best value that it declares, for every kind."""
    for (split, kind), asked in subject.solved.items():
        for metric in subject.metrics:
            scores = _scores(metric, asked)
            for name, info in metric.scores().items():
                value = scores.get(name, math.nan)
                needed = metric is subject.metrics[0] and name == main_score(metric)  # no other has to be defined here
                if info.best is None or _is_best(value, info.best, defined=needed):
                    continue
                lost = (a.shown() for a in asked if not _is_best(_scores(metric, [a]).get(name, math.nan), info.best))
                message = f"{split}, {kind}: solved answers give {metric.name}'s {name} {value:.6g}, and not {info.best:g}"
                raise CheckFailed(message, next(lost, None))


def unfinished_thinking_is_no_answer(subject: TaskSubject) -> None:
    """Something is read of the empty text of a model whose thinking did not end, and it is nowhere the best."""
    asked = {place: [a for a in found if isinstance(a.request, Generate)] for place, found in subject.solved.items()}
    if not any(asked.values()) or not subject.metrics:
        raise NotApplicable(f"{subject.bound.name} is not asked by Generate")
    nothing, metric = GenerateAnswer(text="", unfinished=True), subject.metrics[0]
    info = metric.scores()[main_score(metric)]
    for (split, kind), found in asked.items():
        read = [_read_of(a, nothing, f"{split}, {kind}: an empty text") for a in found]
        rows = count(metric, [replace(p, unfinished=True) for p in read], [a.example for a in found])
        values = metric.reduce(rows).get(main_score(metric), ()) if info.best is not None and info.rewards else ()
        best = next((a.shown() for a, value in zip(found, values, strict=False) if value == info.best), None)
        expect(best is None, f"{split}, {kind}: where the thinking did not end, the answer counts as right", best)


def predictions_come_back_from_a_file(subject: TaskSubject) -> None:
    """Predictions are JSON with finite scores, are shown as a text, and are read back from the file that they are written to."""
    for (split, kind), asked in subject.solved.items():
        for a in asked:
            finite = all(isinstance(v, (int, float)) and math.isfinite(v) for v in a.prediction.scores.values())
            expect(_is_plain(a.prediction.value) and finite, f"{split}, {kind}: a prediction is no JSON", a.shown())
            text = subject.bound.show(a.example.hidden(), a.prediction)
            expect(isinstance(text, str), f"{split}, {kind}: show() gives {text!r}", a.shown())
        back = _written(subject.bound, subject.examples[split], {a.example.id: a.prediction for a in asked})
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
        before = first.solved.get((split, first.bound.asks[0]), [])
        derived = [d for a in before for d in task.derive(a.example.hidden(), a.prediction)]
        for e in derived:
            expect(e.reference is None, f"{split}: a derived example knows its reference", told(e))
        matched = {e.id: e for e in task.match(examples, derived)}
        for e in examples:
            other = matched.get(e.id)
            same = other is not None and other.reference == e.reference
            asked = [(task.ask(other.hidden(), kind), task.ask(e.hidden(), kind)) for kind in task.asks] if same and other else []
            same = same and all(one == two for one, two in asked)
            expect(same, f"{split}: an example is not derived as the data has it", [told(e), told(other)])


def _read_of(asked: Solved, answer: Answer, what: str) -> Prediction:
    """raises: CheckFailed if the task cannot read it"""
    try:
        return asked.task.read(asked.example.hidden(), asked.request, answer)
    except (LookupError, TypeError, ValueError) as e:
        raise CheckFailed(f"{what} cannot be read: {type(e).__name__}: {e}", told(asked.example)) from e


def _is_plain(value: Any) -> bool:
    """Whether a value is plain JSON, and equal after it."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False


def _scores(metric: Metric, asked: Sequence[Solved]) -> dict[str, float]:
    predictions, examples = [a.prediction for a in asked], [a.example for a in asked]
    return all_scores(metric, metric.statistics(predictions, examples), predictions, examples)


def _is_best(value: float, best: float, *, defined: bool = False) -> bool:
    """Whether a score is the best, or, unless it has to be defined, not defined."""
    return (math.isnan(value) and not defined) or math.isclose(value, best, rel_tol=1e-6, abs_tol=1e-6)


def _written(task: Task, examples: Sequence[Example], given: Mapping[str, Prediction]) -> Mapping[str, Prediction]:
    """Predictions written to a file and read again."""
    with TemporaryDirectory(prefix="plmtasks-") as folder:
        for name, text in task.write_predictions("predictions.jsonl", examples, given).items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        return task.read_predictions(Path(folder) / "predictions.jsonl", examples)


TASK_CHECKS = laws(__name__)
"""Name → check."""
