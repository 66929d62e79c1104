"""What a model learns before a run, or instead of one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import results, scoring, training
from ..config import TrainSettings
from ..data import draw, refuse_unknown
from ..errors import InputError
from ..examples import Example, fingerprint
from ..execution import MemoryJournal, Processes, Progress, answering
from ..files import open_folder
from ..model import LoadedModel, Model
from ..requests import Answer, Request, to_json
from ..training import Lesson, Teacher, sharding
from .job import Job, data_name, read


def must_learn(job: Job) -> bool:
    """Whether the model has to be trained before this run: its head would be newly initialized, or the user wants it.

    raises: InputError if it may not be trained, or there is nothing to train on
    """
    c, name = job.config, job.model.name
    newly_initialized = job.model.from_scratch or job.model.newly_initialized(job.example_request)
    if c.train == "always" or (newly_initialized and c.train == "auto"):
        _check_train_split(job)
        return True
    if job.model.from_scratch:
        raise InputError(f"{name!r} is made and trained on the spot, and --train never forbids it", "leave --train out")
    if newly_initialized and not c.allow_untrained:
        raise InputError(
            f"{name!r} has no weights that answer such a {job.kind} request, and --train never forbids training",
            *_labels_beside(job),
            "leave --train out, or pass --allow-untrained: the result and every table will say so",
        )
    return False


def _labels_beside(job: Job) -> list[str]:
    """What the model has weights for, beside what is asked of it."""
    labels = job.example_request.label_set()
    has = [f"it has weights for {head}" for head in job.model.heads()]
    return [*has, f"{job.task.name} asks {job.kind}" + (f" with the labels {', '.join(labels)}" if labels else "")] if has else []


def ensure_trained(job: Job, processes: Processes, progress: Progress, device: str) -> Job:
    """The job with a model that can answer; trained first if it must.

    raises: InputError, OutputError
    """
    if not must_learn(job):
        return job
    if processes.main:
        for folder in (job.config.output, job.config.checkpoints):
            open_folder(Path(folder))  # before hours of training
    why = "--train always" if job.config.train == "always" else f"{job.model.name!r} has no weights yet that answer {job.kind}"
    progress.say(f"{why}: it learns first from the train split of {job.data.train_name or job.data.name}")
    return replace(job, model=train([job], processes, progress, device, None), learned=True)


def trained_before(job: Job, processes: Processes, device: str) -> Job | None:
    """The job with a model that can answer, if nothing has to be trained for it now; else None.

    raises: InputError, OutputError, as `ensure_trained`
    """
    if not must_learn(job):
        return job
    model, lessons, teacher = plan([job], processes, Progress(quiet=True), device, free=False)
    folder = _own_folder(job, training.recipe(model, lessons, teacher))
    return replace(job, model=model.saved(folder), learned=True) if training.finished(folder, folder.name) else None


def _own_folder(job: Job, recipe: Mapping[str, Any]) -> Path:
    """Where a model that is trained for a run is kept, by its recipe."""
    return results.run_folder(job.config.checkpoints, job.task.name, job.model.name, results.identity_hash(recipe))


def train(jobs: Sequence[Job], processes: Processes, progress: Progress, device: str, folder: Path | None) -> Model:
    """The jobs' model after learning from the train split of each; its folder is named by its recipe if none is given."""
    model, lessons, teacher = plan(jobs, processes, progress, device, free=folder is not None)
    if idle := training.passed_over(jobs[0].config.training, model):
        said = ", ".join(idle)
        progress.say(f"{model.name} learns from all examples at once, and does not go by {said}")
    if folder is None:
        folder = _own_folder(jobs[0], training.recipe(model, lessons, teacher))
    model = training.train(model, lessons, teacher, folder)
    progress.say(f"trained model: {folder}")
    return model


def plan(
    jobs: Sequence[Job], processes: Processes, progress: Progress, device: str, *, free: bool
) -> tuple[Model, list[Lesson], Teacher]:
    """Who learns what, and how. All jobs have the model and the settings of the first.

    free: no split is reported after this training, so the one that is evaluated by default may choose the epoch

    raises: InputError
    """
    c, model = jobs[0].config, jobs[0].model
    settings = training.resolve(c.training, model, c.settings, device)
    twice = [job.task.name for job in jobs[1:] if job.task.name == jobs[0].task.name]
    if twice:
        raise InputError(f"task {twice[0]!r} is to be learned twice", "name each task once")
    lessons = [_lesson(job, settings, processes, free) for job in jobs]
    if settings.class_weights == "balanced":
        settings = replace(settings, class_weights=_balanced(lessons))
    # a job whose requests have no prompt has forgotten how the user wants it
    prompt = next((job for job in jobs if job.config.settings.prompt != "plain"), jobs[0]).config.settings.prompt
    teacher = Teacher(
        settings=replace(c.settings, prompt=prompt), training=settings, processes=processes, progress=progress, device=device,
        yes=c.yes,
    )  # fmt: skip
    return model, lessons, teacher


def _balanced(lessons: Sequence[Lesson]) -> str:
    """label=weight,…: a label weighs the more, the rarer it is among the solved answers.

    raises: InputError
    """
    labels: Sequence[str] = lessons[0].requests[0].label_set() or ()
    if len(lessons) > 1 or not labels or any("," in label for label in labels):
        raise InputError("class_weights=balanced is for one task, learned by Classify or Tag, with no comma in its labels")
    counts = Counter(label for r, a in zip(lessons[0].requests, lessons[0].answers, strict=True) for label in r.labels_in(a))
    weights = {label: sum(counts.values()) / len(labels) / counts[label] for label in labels if counts[label]}
    return ",".join(f"{label}={weight:.6g}" for label, weight in weights.items())


def _check_train_split(job: Job) -> None:
    if "train" not in job.data.splits:
        raise InputError(
            f"{job.data.name} has no train split, and {job.model.name!r} must learn first",
            "name one with --train-data PATH, or a model that is trained already",
        )


def _lesson(job: Job, settings: TrainSettings, processes: Processes, free: bool) -> Lesson:
    _check_train_split(job)
    examples = draw(job.data["train"], settings.max_train_samples)
    if not examples:
        raise InputError(f"{job.task.name}: max_train_samples of {settings.max_train_samples} leaves nothing to learn from")
    requests = [job.task.ask(e.hidden(), job.kind) for e in examples]
    answers = [job.task.solve(e, r) for e, r in zip(examples, requests, strict=True)]
    chosen = settings.select_split
    if chosen is None and "validation" in job.data.splits and (free or job.split != "validation"):
        chosen = "validation"
    if sharding.wanted():  # no process holds all weights, so none can answer alone
        if settings.select_split not in (None, "none"):
            raise InputError("where weights are split over processes, no split can choose the epoch", "leave select_split out")
        chosen = None
    chosen = None if chosen == "none" else chosen
    facts = {
        "name": data_name(job.data, "train", job.config.source),
        "split": "train",
        "examples": len(examples),
        "fingerprint": fingerprint(examples),
        "selected_on": chosen,
    }
    if left_out := job.data.left_out("train"):
        facts["left_out"] = left_out
    evaluate = selecting = None
    if chosen is not None:
        refuse_unknown(job.data, chosen, job.task.labels)
        asked = job.data[chosen]
        facts["selecting"] = fingerprint(asked)
        evaluate = _Evaluation(
            job=job, examples=asked, requests=[job.task.ask(e.hidden(), job.kind) for e in asked], processes=processes
        )
        selecting = {
            "data": fingerprint(asked), "task": job.task.config(), "metrics": {m.name: m.signature() for m in job.metrics},
            "settings": to_json(job.config.settings),
        }  # fmt: skip
    score = scoring.main_score(job.metrics[0])
    return Lesson(
        task=job.task.name, requests=requests, answers=answers, facts=facts, labels=job.task.labels, selecting=selecting,
        evaluate=evaluate, score=score, info=job.metrics[0].scores()[score], columns=job.config.source.all_columns(),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Evaluation:
    """The main score on the split that chooses the epoch."""

    job: Job
    examples: Sequence[Example]
    requests: Sequence[Request]
    processes: Processes

    def __call__(self, loaded: LoadedModel, name: str) -> float:
        processes = self.processes.within(f"evaluation-{name}")
        work = answering.plan(loaded, self.requests, self.job.config.settings)
        answers = answering.answer_all(loaded, work, processes, MemoryJournal(work.hash), Progress(quiet=True))
        score = processes.share("score", lambda: self._score(answers, work))
        return float(score)

    def _score(self, answers: Mapping[str, Answer], work: answering.Plan) -> float:
        predictions = read(self.job.task, self.examples, self.requests, answers, work.skipped)
        return scoring.main_value(scoring.score(self.job.metrics, self.examples, predictions, resamples=0), self.job.metrics)
