"""A run whose names are resolved and whose questions are known; nothing is loaded yet."""

import dataclasses
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import given, robustness
from .config import RunConfig
from .data import Dataset, draw
from .errors import InputError, MismatchError, PlmtasksError
from .examples import Example, Prediction
from .metric import Metric
from .model import Model
from .registry import Registry
from .requests import Answer, Request, Shot
from .robustness import Perturbed
from .scoring import bound_metrics
from .slices import GENDER, Groups, read_groups
from .task import Task
from .wording import counted


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run whose names are resolved and whose questions are known; nothing is loaded yet."""

    config: RunConfig
    task: Task
    model: Model
    kind: str
    metrics: Sequence[Metric]
    data: Dataset
    split: str
    examples: Sequence[Example]
    requests: Sequence[Request]
    """One for each example."""
    form: Request
    """Any of them: it shows the label set."""
    of: int
    """How many examples there are without a limit."""
    learned: bool = False
    """Whether the model was trained for this run."""
    given: Mapping[str, str] = field(default_factory=dict)
    """The run whose predictions take the place of what the data gives: its task, model and identity."""
    perturbed: Sequence[Perturbed] = ()
    """What is asked besides."""
    groups: Groups | None = None
    """What slices the examples by the people in their texts."""

    def sliced(self) -> Sequence[Example]:
        """The examples with these slices too. They are no part of the data, so runs with and without can be compared."""
        return self.groups.sliced(self.examples, self.task.people or self.task.texts or None) if self.groups else self.examples


def prepare(config: RunConfig, registry: Registry, *, learns: bool = False, data: Dataset | None = None) -> Job:
    """Resolves names, reads the data and asks the task.

    learns: the labels are those of the data, and not those that the model has learned before
    data: the config's, if it is at hand; None: it is opened

    raises: InputError and its kinds, whatever cannot be run
    """
    task, model = registry.task(config.task), registry.model(config.model)
    kind = choose_kind(task, model, config.ask, registry)
    data = data or task.load(config.source)
    bound = task.bind(data)
    task = bound if learns or config.train == "always" or task.labels else with_learned_labels(bound, model)
    split = config.split or data.default_split()
    whole, taken = given.take(config, task, data, split, registry) if config.given else (data[split], {})
    examples = draw(whole, config.limit)
    metrics = bound_metrics(task, config.metrics, registry)
    form = task.ask(data[split][0].hidden(), kind)
    config = replace(config, settings=config.settings.that_matter(form))
    perturbed = [
        replace(p, requests=ask(task, kind, p.examples, data, config))
        for p in robustness.perturb(config.perturb, task, examples, registry)
    ]
    return Job(
        config=config, task=task, model=model, kind=kind, metrics=metrics, data=data, split=split, examples=examples,
        requests=ask(task, kind, examples, data, config), form=form, of=len(whole), given=taken,
        perturbed=perturbed, groups=_groups(task, config),
    )  # fmt: skip


def _groups(task: Task, config: RunConfig) -> Groups | None:
    """The user's words, else those of women and men where it does not matter to the task who is spoken of."""
    if config.groups is not None:
        return read_groups(Path(config.groups))
    return GENDER if task.people and task.language == "en" else None


def with_learned_labels(task: Task, model: Model) -> Task:
    """The task with the labels that the model was trained on for it: a test file alone may have fewer, or others."""
    learned = (model.training_record() or {}).get("tasks", {}).get(task.name, {}).get("labels")
    return task.labelled(learned) if learned else task


def knowing(task: Task, model: Model, config: RunConfig) -> Task:
    """The task with its labels: those that the model has learned, else its own or those of data that the user names.

    Without any it stays as it is; it may be asked in a way that needs none.
    """
    if type(task).bind is Task.bind:
        return task
    if config.source.data or config.source.train_data:
        task = task.bind(task.load(config.source))
    task = with_learned_labels(task, model)
    if task.labels:
        return task
    try:
        return task.bind(task.load(config.source))
    except InputError:
        return task


def made_up(task: Task) -> Example:
    """Any new question.

    raises: InputError if the task takes none
    """
    return task.pose(dict.fromkeys(task.fields, "a"), "1")


def any_form(config: RunConfig, registry: Registry) -> Request:
    """What the task asks of the model, so that the label set is seen: without data where the model knows the labels.

    raises: InputError and its kinds
    """
    task, model = registry.task(config.task), registry.model(config.model)
    kind = choose_kind(task, model, config.ask, registry)
    try:
        task = knowing(task, model, config)
        form = task.ask(made_up(task).hidden(), kind)
    except InputError:
        return prepare(config, registry).form
    return form if getattr(form, "labels", None) != () else prepare(config, registry).form


def choose_kind(task: Task, model: Model, wanted: str | None, registry: Registry) -> str:
    """The kind of request by which this model is asked this task.

    raises: MismatchError, InputError
    """
    if wanted is not None and wanted not in task.asks:
        raise InputError(f"task {task.name!r} cannot be asked by {wanted!r}", f"it can be asked by: {', '.join(task.asks)}")
    for kind in [wanted] if wanted else task.asks:
        if kind in model.answers:
            return kind
    fitting = registry.models_that_answer([wanted] if wanted else task.asks)
    raise MismatchError((task.name, task.asks), (model.name, model.answers), fitting, wanted)


def ask(task: Task, kind: str, examples: Sequence[Example], data: Dataset, config: RunConfig) -> list[Request]:
    """One request for each example, with its shots before it."""
    requests = [task.ask(example.hidden(), kind) for example in examples]
    if not config.shots or not requests:
        return requests
    if "shots" not in {f.name for f in dataclasses.fields(requests[0])}:
        raise InputError(
            f"a {kind} request takes no shots", f"task {task.name!r} can be asked by: {', '.join(task.asks)} (--ask KIND)"
        )
    if "train" not in data.splits:
        raise InputError(f"{data.name} has no train split to take shots from", "name one with --train-data PATH")
    pool = data["train"]
    if config.shots_from == "fixed":
        shots = _shots(task, kind, pool, config.shots, f"{config.seed}")
        return [replace(request, shots=shots) for request in requests]  # type: ignore[call-arg]
    return [
        replace(request, shots=_shots(task, kind, pool, config.shots, f"{config.seed} {example.id}"))  # type: ignore[call-arg]
        for request, example in zip(requests, examples, strict=True)
    ]


def _shots(task: Task, kind: str, pool: Sequence[Example], count: int, seed: str) -> tuple[Shot, ...]:
    if count > len(pool):
        raise InputError(f"{count} shots were asked for, the train split has {counted(len(pool), 'example')}")
    shots = []
    for example in random.Random(seed).sample(pool, count):
        request = task.ask(example.hidden(), kind)
        shots.append(Shot(text=getattr(request, "text", ""), answer=_words(request, task.solve(example, request))))
    return tuple(shots)


def _words(request: Request, answer: Answer) -> str:
    """A solved answer as a text."""
    choices = getattr(request, "choices", None)
    if choices is not None:
        likeliest = max(range(len(choices)), key=lambda i: answer.choices[i].log_likelihood)  # type: ignore[attr-defined]
        return str(choices[likeliest])
    return str(getattr(answer, "text", ""))


def data_name(data: Dataset, split: str) -> str:
    """The data set of a split without the folders it happens to lie in."""
    if split == "train" and data.train_name is not None:
        return data.train_name if data.train_name.startswith("hf://") else Path(data.train_name).name
    return data.name if data.published or data.name.startswith("hf://") else Path(data.name).name


def read(
    task: Task, examples: Sequence[Example], requests: Sequence[Request], answers: Mapping[str, Answer], skipped: frozenset[str]
) -> dict[str, Prediction]:
    """The predictions of all examples that were not skipped, by id.

    raises: PlmtasksError if an example has no answer
    """
    predictions = {}
    for example, request in zip(examples, requests, strict=True):
        key = request.key()
        if key in skipped:
            continue
        if key not in answers:
            raise PlmtasksError(f"example {example.id!r} was not answered")
        predictions[example.id] = task.read(example.hidden(), request, answers[key])
    return predictions
