"""A run whose names are resolved and whose questions are known, and its identity; nothing is loaded yet."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import scoring
from ..config import ModelSettings, RunConfig, Source
from ..data import GENDER, Dataset, Groups, draw, folds, held_out, read_groups, refuse_unknown
from ..errors import InputError, MismatchError
from ..examples import Example, fingerprint
from ..execution import MemoryJournal, Processes, Progress, answering
from ..hooks import Registry
from ..metric import Metric
from ..model import LoadedModel, Model
from ..requests import Generate, Prompted, Request, one_of_each_kind, to_json
from ..results import identity_hash
from ..scoring import Asked, bound_metrics
from ..statistics import drawn_by
from ..task import Prompting, Rewritable, SelfPrompted, Task
from ..training import Job, Scorer, Selection, TrainingJob, must_learn, train_split
from . import followed, robustness
from .folds import Folds, check_folds
from .robustness import Perturbed
from .shots import Asker, times_asked

FORMAT = 5
"""Raised whenever the core would make another result of the same parts."""


Load = Callable[[Task, Source], Dataset]
"""Opens a task's data."""


def load_data(task: Task, source: Source) -> Dataset:
    """The task's data from this source, opened anew; a part of it held out, where the source says so."""
    return held_out(task.load(source), source)


@dataclass(frozen=True, kw_only=True)
class EvaluationJob(Job):
    """A run whose questions are known. Its settings are at their defaults where no answer depends on them."""

    metrics: Sequence[Metric]
    split: str
    asked: Asked
    example_request: Request
    """Any of the requests: it shows the label set."""
    total: int
    """How many examples there are without a limit."""
    learned: bool = False
    """Whether the model was trained for this run."""
    predictions_of: Mapping[str, Any] = field(default_factory=dict)
    """The run whose predictions take the place of what the data gives, or are judged: its task, model and identity; and of the
    others that are judged beside it."""
    perturbed: Sequence[Perturbed] = ()
    """What is asked besides."""
    groups: Groups | None = None
    """What slices the examples by the people in their texts."""

    @property
    def examples(self) -> Sequence[Example]:
        return self.asked.examples

    @cached_property
    def sliced(self) -> Sequence[Example]:
        """The examples with these slices too. They are no part of the data, so runs with and without can be compared."""
        fields = self.task.people or self.task.texts if isinstance(self.task, Rewritable) else ()
        return self.groups.sliced(self.examples, fields or None) if self.groups else self.examples

    @cached_property
    def trainings(self) -> Sequence[TrainingJob]:
        """How its model learns from the train split, before this run; of each fold, from the others."""
        of = selection(self.task, self.kind, scoring.of_one(self.metrics), self.config.settings)
        sets = [self.data] if self.config.folds is None else folds(self.data, self.split, self.config.folds)
        return [
            TrainingJob(
                config=self.config, task=self.task, model=self.model, kind=self.kind, data=data,
                example_request=self.example_request, reported=self.split, selection=of,
            ) for data in sets
        ]  # fmt: skip

    def trained(self, models: Sequence[Model]) -> "EvaluationJob":
        """The job with what its trainings made, one model each."""
        return replace(self, model=models[0] if self.config.folds is None else self._joined(models), learned=True)

    def _joined(self, models: Sequence[Model]) -> Folds:
        """raises: InputError if the same is asked in two folds, so that one of the models would know the answer"""
        numbers = {e.id: number for number, one in enumerate(self.trainings) for e in one.data["test"]}
        places: dict[str, int] = {}
        for asked in (self.asked, *(p.asked for p in self.perturbed)):
            keys = ((example, one.key()) for example, r in zip(asked.examples, asked.requests, strict=True) for one in r.each())
            for example, key in keys:
                if places.setdefault(key, numbers[example.id]) != numbers[example.id]:
                    hint = "give examples that belong together one cluster with --columns cluster=COLUMN, or leave --perturb out"
                    raise InputError(f"example {example.id!r} asks the same as one of another fold", hint)
        facts = {
            "name": self.data.public_name(self.split, self.config.source), "split": self.split, "examples": self.total,
            "fingerprint": self.data.fingerprint(self.split),
        }  # fmt: skip
        m = self.model
        return Folds(
            name=m.name, family=m.family, answers=m.answers, learns_by=m.learns_by, models=models, places=places, facts=facts
        )  # fmt: skip

    @cached_property
    def must_learn(self) -> bool:
        """Whether its model has to be trained before; as `training.must_learn`.

        raises: InputError also if there are folds, and nothing is learned
        """
        must = not self.learned and must_learn(self.trainings[0])
        if self.config.folds is not None and not must and not self.learned:
            said = f"--folds trains {self.config.folds} models, and {self.model.name!r} needs no training for {self.task.name}"
            raise InputError(said, "leave --folds out, or train it with --train always")
        return must

    @cached_property
    def shots(self) -> int:
        """Solved examples before each question."""
        if isinstance(self.task, SelfPrompted):
            return self.task.shots
        asked = (*self.example_request.each(), *self.asked.each)
        return self.config.shots or max(len(r.shots) if isinstance(r, Prompted) else 0 for r in asked)

    @property
    def repeated(self) -> Mapping[str, int]:
        """What the identity and the result tell of how many texts are drawn for each question: nothing of one."""
        drawn = times_asked(self.config, self.task)
        return {"repeats": drawn} if drawn > 1 else {}

    @property
    def zero_shot(self) -> bool:
        """Whether its model can answer what is asked without having learned it."""
        return all(one.zero_shot_for(self.model.family) for one in self.example_request.each())

    @property
    def shots_drawn(self) -> int:
        """Those of its shots that are drawn from the train split here, and not by the task."""
        return 0 if isinstance(self.task, SelfPrompted) else self.config.shots or 0

    @property
    def prompts_drawn(self) -> bool:
        """Whether the task's own prompts rest on the seed."""
        return isinstance(self.task, SelfPrompted) and self.task.drawn

    @cached_property
    def _weights(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The model's own part of the identity, with the seed of the settings and with another."""
        s = self.config.settings
        one, other = (self.model.identity(self.example_request, replace(s, seed=seed)) for seed in (s.seed, s.seed + 1))
        return one, other

    @property
    def draws(self) -> bool:
        """Whether the model's answers depend on the seed of its settings."""
        one, other = self._weights
        return one != other

    @property
    def _fingerprint(self) -> str:
        whole = self.examples is self.data[self.split]
        return self.data.fingerprint(self.split) if whole else fingerprint(self.examples)

    @cached_property
    def parts(self) -> Mapping[str, Any]:
        """The parts of the identity: all that can change an answer or a score; a seed that changes none is 0."""
        c = self.config
        settings = c.settings if self.draws else replace(c.settings, seed=0)
        more = {"left_out": self.data.left_out(self.split), "holdout": c.source.holdout, "folds": c.folds}
        return {
            "format": FORMAT, "task": self.task.config(), "ask": self.kind, "requests": identity_hash({"keys": self.asked.keys}),
            "data": {
                "name": self.data.public_name(self.split, c.source), "split": self.split,
                "fingerprint": self._fingerprint, "total": self.total, **{k: v for k, v in more.items() if v},
            },
            "model": {
                "name": self.model.name, "family": self.model.family, "version": self.model.version, **self._weights[0],
            },
            "shots": self.shots, "settings": to_json(settings), "metrics": {m.name: m.signature() for m in self.metrics},
            "allow_untrained": c.allow_untrained and self.model.newly_initialized(self.example_request),
            # what its data's columns happened to be called changes nothing
            "trained": {name: value for name, value in (self.model.training_record() or {}).items() if name != "columns"},
            **({"predictions_of": dict(self.predictions_of)} if self.predictions_of else {}), **self.repeated,
            "slices": identity_hash({"of": [e.slices for e in self.sliced]}),
            "overlap": self.data.fingerprint("train") if c.overlap else None,
            **({"perturbations": {p.name: p.identity() for p in self.perturbed}} if self.perturbed else {}),
            **drawn_by(len(self.examples)),
        }  # fmt: skip

    @cached_property
    def identity(self) -> str:
        """The hash of the parts."""
        return identity_hash(self.parts)

    def of_all_seeds(self, trained: str | None) -> str:
        """A hash of what this run and those of other seeds have in common.

        trained: what the trainings of all seeds have in common, where the model was trained for this run
        """
        c = self.config
        one, other = self._weights
        shots = self.shots_drawn
        pool = {"of": self.data.fingerprint("train"), "from": c.shots_from, "number": shots} if shots else None
        bare = [r.with_shots(()).key() for r in self.asked.each if isinstance(r, Prompted)] if shots else self.asked.keys
        if isinstance(self.task, SelfPrompted) and self.task.drawn:
            bare = [identity_hash(to_json(replace(self.task.how, seed=0)))]
        return identity_hash({
            **self.parts, "settings": to_json(replace(c.settings, seed=0)), "requests": identity_hash({"keys": bare}),
            "model": [self.model.name, trained or {name: value for name, value in one.items() if other.get(name) == value}],
            "trained": None if trained else self.parts["trained"], "shots": pool,
        })  # fmt: skip


def prepare(config: RunConfig, registry: Registry, load: Load = load_data) -> EvaluationJob:
    """Resolves names, reads the data and asks the task.

    load: opens the config's data, or has them at hand

    raises: InputError and its kinds, whatever cannot be run
    """
    task, model, kind = resolve(config, registry)
    task, of_runs = followed.judged(config, prompted(task, config))
    data = load(task, config.source)
    bound = task.bind(data)
    task = bound if config.train == "always" or task.labels else with_learned_labels(bound, model)
    if config.folds is not None:
        check_folds(config, data)
    split = config.split or data.default_split()
    refuse_unknown(data, split, task.labels)
    takes = config.predictions_of is not None and not of_runs
    whole, predictions_of = followed.take(config, task, data, split, registry) if takes else (data[split], of_runs)
    examples = whole[: config.limit] if isinstance(task, SelfPrompted) else draw(whole, config.limit)
    example_request = one_of_each_kind(task.ask(data[split][0].hidden(), kind))
    repeats = check_repeats(config, task, example_request)
    metrics = scoring.over_repeats(bound_metrics(task, config.metrics, registry), repeats)
    named = config.task if config.task.endswith((".toml", ".yaml")) else task.name
    config = replace(config, task=named, settings=config.settings.that_matter(example_request))
    asker, originals = Asker(task, kind, data, config), {e.id: e for e in examples} if config.perturb else {}
    # the user's words, else those of women and men where it does not matter to the task who is spoken of
    spoken_of = GENDER if isinstance(task, Rewritable) and task.people and task.language == "en" else None
    groups = read_groups(Path(config.groups)) if config.groups is not None else spoken_of
    asked = asker.ask(examples)
    config = replace(config, settings=config.settings.settled([example_request, *asked.requests]))
    return EvaluationJob(
        config=config, task=task, model=model, kind=kind, metrics=metrics, data=data, split=split,
        example_request=example_request, total=len(whole) if config.predictions_of else data.total(split),
        asked=asked, predictions_of=predictions_of, groups=groups,
        perturbed=robustness.perturb(config.perturb, task, examples, registry, lambda changed: asker.ask(changed, originals)),
    )  # fmt: skip


def prompted(task: Task, config: RunConfig) -> Task:
    """The task with the prompts that the config wants, if it makes them itself.

    raises: InputError for what it cannot do
    """
    if not isinstance(task, SelfPrompted):
        return task
    s = config.settings
    return task.prompted(Prompting(
        shots=config.shots, seed=config.seed, chat=s.prompt == "chat", system=s.system, repeats=config.repeats,
        limit=config.limit, trust_remote_code=s.trust_remote_code,
    ))  # fmt: skip


def check_repeats(config: RunConfig, task: Task, request: Request) -> int:
    """How many times each question is asked; as `times_asked`.

    raises: InputError if there is no text to draw, or if all of them would be the same
    """
    if config.repeats == 1:
        return 1
    generates = [one for one in request.each() if isinstance(one, Generate)]
    if not generates:
        raise InputError(
            f"--repeats draws texts, and {task.name} is asked by {'+'.join(one.kind() for one in request.each())} here",
            *(["--ask Generate asks for one"] if "Generate" in task.asks else [f"it can be asked by: {', '.join(task.asks)}"]),
        )
    if not any(config.settings.generation.of(one).draws for one in generates):
        said = f"--repeats {config.repeats}: without a temperature all {config.repeats} texts of a question are the same"
        raise InputError(said, "--generation temperature=0.7 draws them; top_p=0.95 may stand beside it")
    return times_asked(config, task)


def prepare_training(config: RunConfig, registry: Registry) -> TrainingJob:
    """Resolves names and reads the train split of a model that learns a task, and is not evaluated after.

    raises: InputError and its kinds, whatever cannot be learned
    """
    if config.folds is not None:
        raise InputError(
            "--folds trains and asks in one: it is of `plmtasks run`", "--holdout 0.2 trains one model, and keeps a test"
        )
    task, model, kind = resolve(config, registry)
    data = load_data(task, config.source)
    task = task.bind(data)
    metrics = bound_metrics(task, config.metrics, registry)
    example_request = one_of_each_kind(task.ask(train_split(data, model)[0].hidden(), kind))
    settings = config.settings.that_matter(example_request).settled([example_request])
    return TrainingJob(
        config=replace(config, settings=settings), task=task, model=model, kind=kind, data=data, example_request=example_request,
        selection=selection(task, kind, metrics, settings),
    )  # fmt: skip


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
        task = task.bind(load_data(task, config.source))
    task = with_learned_labels(task, model)
    if task.labels:
        return task
    try:
        return task.bind(load_data(task, config.source))
    except InputError:
        return task


def any_new_question(task: Task) -> Example:
    """Any new question.

    raises: InputError if the task takes none
    """
    return task.pose(dict.fromkeys(task.fields, "a"), "1")


def any_form(config: RunConfig, registry: Registry) -> Request:
    """What the task asks of the model, so that the label set is seen: without data where the model knows the labels.

    raises: InputError and its kinds
    """
    task, model, kind = resolve(config, registry)
    try:
        task = knowing(task, model, config)
        example_request = one_of_each_kind(task.ask(any_new_question(task).hidden(), kind))
    except InputError:
        return prepare(config, registry).example_request
    return example_request if example_request.label_set() != () else prepare(config, registry).example_request


def selection(task: Task, kind: str, metrics: Sequence[Metric], settings: ModelSettings) -> Selection:
    """What a training needs to know to choose the epoch that is kept."""
    name, metric = scoring.main_score(metrics[0]), metrics[0]

    def on(examples: Sequence[Example], processes: Processes) -> Scorer:
        asked = Asked(examples=examples, requests=[task.ask(e.hidden(), kind) for e in examples])

        def value(loaded: LoadedModel, moment: str) -> float:
            here, plan = processes.within(f"evaluation-{moment}"), answering.plan(loaded, asked.each, settings)
            answers = answering.answer_all(loaded, plan, here, MemoryJournal(plan.hash), Progress(quiet=True))

            def score() -> float:
                scored = scoring.score(metrics, examples, asked.read(task, answers, plan.skipped), resamples=0)
                found = scored.scores[metric.name][name]["value"]
                return math.nan if found is None else found

            return float(here.share("score", score))

        return value

    return Selection(score=name, info=metric.scores()[name], signatures={m.name: m.signature() for m in metrics}, on=on)


def resolve(config: RunConfig, registry: Registry) -> tuple[Task, Model, str]:
    """The task, the model, and the kind of request by which the one is asked of the other.

    raises: UnknownNameError, PluginError, ModelError; MismatchError, InputError as `choose_kind`
    """
    task, model = registry.task(config.task, own_data=config.source.data is not None), registry.model(config.model)
    return task, model, choose_kind(task, model, config.ask, registry)


def choose_kind(task: Task, model: Model, wanted: str | None, registry: Registry) -> str:
    """The kind of request by which this model is asked this task.

    raises: MismatchError, InputError
    """
    if wanted is not None and wanted not in task.asks:
        raise InputError(f"task {task.name!r} cannot be asked by {wanted!r}", f"it can be asked by: {', '.join(task.asks)}")
    for kind in [wanted] if wanted else sorted(task.asks, key=lambda kind: not set(kind.split("+")).isdisjoint(model.on_request)):
        if set(kind.split("+")) <= set(model.answers):
            return kind
    fitting = registry.models_that_answer([wanted] if wanted else task.asks)
    raise MismatchError((task.name, task.asks), (model.name, model.answers), fitting, wanted)
