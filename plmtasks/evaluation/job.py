"""A run whose names are resolved and whose questions are known; nothing is loaded yet."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import cast

from ..config import RunConfig, Source
from ..data import GENDER, Dataset, Groups, draw, read_groups, refuse_unknown
from ..errors import InputError, MismatchError, PlmtasksError, counted
from ..examples import Example, Prediction
from ..hooks import Registry
from ..metric import Metric
from ..model import Model
from ..requests import Answer, Prompted, Request, Shot
from ..results import content_name
from ..scoring import bound_metrics
from ..task import Rewritable, Task
from . import given, robustness
from .robustness import Perturbed


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
    example_request: Request
    """Any of them: it shows the label set."""
    total: int
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
        fields = self.task.people or self.task.texts if isinstance(self.task, Rewritable) else ()
        return self.groups.sliced(self.examples, fields or None) if self.groups else self.examples


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
    refuse_unknown(data, split, task.labels)
    whole, taken = given.take(config, task, data, split, registry) if config.predictions_of else (data[split], {})
    examples = draw(whole, config.limit)
    metrics = bound_metrics(task, config.metrics, registry)
    example_request = task.ask(data[split][0].hidden(), kind)
    config = replace(config, settings=config.settings.that_matter(example_request))
    asker, originals = Asker(task, kind, data, config), {e.id: e for e in examples}
    perturbed = [
        replace(p, requests=asker.ask(p.examples, originals))
        for p in robustness.perturb(config.perturb, task, examples, registry)
    ]
    return Job(
        config=config, task=task, model=model, kind=kind, metrics=metrics, data=data, split=split, examples=examples,
        requests=asker.ask(examples), example_request=example_request, total=len(whole), given=taken,
        perturbed=perturbed, groups=_groups(task, config),
    )  # fmt: skip


def _groups(task: Task, config: RunConfig) -> Groups | None:
    """The user's words, else those of women and men where it does not matter to the task who is spoken of."""
    if config.groups is not None:
        return read_groups(Path(config.groups))
    return GENDER if isinstance(task, Rewritable) and task.people and task.language == "en" else None


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
        example_request = task.ask(made_up(task).hidden(), kind)
    except InputError:
        return prepare(config, registry).example_request
    return example_request if example_request.label_set() != () else prepare(config, registry).example_request


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


class Asker:
    """Makes requests of examples, with shots before them: never the example itself, nor one that asks the same."""

    def __init__(self, task: Task, kind: str, data: Dataset, config: RunConfig) -> None:
        self.task, self.kind, self.data, self.config, self.count = task, kind, data, config, config.shots
        self._requests: dict[int, Request] = {}
        self._first: tuple[str, Sequence[int]] = "", ()

    def ask(self, examples: Sequence[Example], originals: Mapping[str, Example] = MappingProxyType({})) -> list[Request]:
        """One request for each example.

        originals: by id what an example was before it was changed; that is no shot of it either

        raises: InputError if the task takes no shots, or there are too few
        """
        requests = [self._bare(example) for example in examples]
        if not self.count or not requests:
            return requests
        if not isinstance(requests[0], Prompted):
            raise InputError(
                f"a {self.kind} request takes no shots",
                f"task {self.task.name!r} can be asked by: {', '.join(self.task.asks)} (--ask KIND)",
            )
        if "train" not in self.data.splits:
            raise InputError(f"{self.data.name} has no train split to take shots from", "name one with --train-data PATH")
        if self.count > len(self.data["train"]):
            raise InputError(
                f"{self.count} shots were asked for, the train split has {counted(len(self.data['train']), 'example')}"
            )
        made: list[Request] = []
        for example, request in zip(examples, requests, strict=True):
            before = originals.get(example.id)
            asked = [(example, request), *([(before, self._bare(before))] if before is not None else [])]
            made.append(cast(Prompted, request).with_shots(self._shots(asked)))
        return made

    def _bare(self, example: Example) -> Request:
        return self.task.ask(example.hidden(), self.kind)

    def _shots(self, asked: Sequence[tuple[Example, Request]]) -> tuple[Shot, ...]:
        """The first that are drawn of those which ask something else.

        asked: what stands after the shots, and its request

        raises: InputError if too few are left
        """
        each = "" if self.config.shots_from == "fixed" else f" {asked[0][0].id}"
        others = (i for i in self._order(f"{self.config.seed}{each}") if not any(self._same(i, *a) for a in asked))
        taken = list(itertools.islice(others, self.count))
        if len(taken) < self.count:
            raise InputError(
                f"{self.count} shots were asked for, the train split has {len(taken)} examples that ask something else than "
                f"{asked[0][0].id!r}",
                "ask for fewer with --shots, or name more examples with --train-data PATH",
            )
        return tuple(self._shot(i) for i in taken)

    def _order(self, seed: str) -> Iterator[int]:
        """Places in the train split in a random order, which is drawn to its end only where that is wanted."""
        pool = range(len(self.data["train"]))
        if self._first[0] != seed:
            self._first = seed, random.Random(seed).sample(pool, self.count)
        yield from self._first[1]
        rest = [i for i in pool if i not in self._first[1]]
        random.Random(f"{seed} and more").shuffle(rest)
        yield from rest

    def _request(self, place: int) -> Request:
        if place not in self._requests:
            self._requests[place] = self._bare(self.data["train"][place])
        return self._requests[place]

    def _same(self, place: int, example: Example, request: Request) -> bool:
        """Whether the inputs are equal, or what is asked with them."""
        if self.data["train"][place].inputs == example.inputs:
            return True
        one, other = (cast(Prompted, r).with_shots(()) for r in (self._request(place), request))
        return one == other

    def _shot(self, place: int) -> Shot:
        request = cast(Prompted, self._request(place))
        return request.as_shot(self.task.solve(self.data["train"][place], request))


def data_name(data: Dataset, split: str, source: Source) -> str:
    """What a result calls the data of a split: its published name, or, of a user's own files, a name of their content.

    How files and folders are called is each user's own affair; a result has the same bytes whatever it is.
    """
    named = (source.train_data if split == "train" else None) or source.data
    if named is None or named.startswith("hf://"):
        return named or data.name
    return content_name(data.fingerprint(split))


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
