"""A job in, a result out; its model is trained first where it must be."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from .. import results, training
from ..data import contents, warn_of_labels
from ..errors import DataError, InputError, PlmtasksError, counted, listed
from ..execution import Processes, Progress, answering, environment, journal_at
from ..files import claim, holder, open_folder, reached, read_object, sealed, write_text
from ..model import Model
from ..requests import Request, to_json
from ..results import Result
from ..training import Job
from .account import Account
from .job import EvaluationJob
from .record import Outcome, write

Answering = Callable[[EvaluationJob, Path, Progress], None]
"""Has all requests of a run answered, and writes its files into the folder."""


def run(
    job: EvaluationJob, processes: Processes, *, any_threads: bool = False, said: set[str] | None = None,
    by: Answering | None = None,
) -> Result:  # fmt: skip
    """The result of one task on one model: computed, or found where the same was computed before.

    Called in every process of the run with the same job, whose automatic choices have been made.

    any_threads: nobody chose the number of threads, so a run begun with another number is gone on with as it is
    said: what earlier runs of the command have said of their data
    by: who answers; None: these processes
    """
    progress = Progress(quiet=job.config.quiet or not processes.main, said=set() if said is None else said)
    device = processes.device()
    job = learn(job, processes, progress)
    if len(set(processes.gather("identity", job.identity))) > 1:
        raise other_files()
    # threads that nobody chose follow from the number of processes; on another number, those of the first hold
    begun = processes.share("begun", partial(_begun_with, job)) if any_threads else None
    if begun is not None:
        job = _with_threads(job, begun)
        environment.set_threads(begun)
        progress.say(f"the same run was begun with --threads {begun}: it goes on with as many")
    folder = _folder(job)
    processes = processes.within(folder.name)
    if processes.share("stored", lambda: results.stored(folder) is not None):
        progress.say(f"the same was run before: {folder}")
    else:
        open_folder(folder)
        with claim(folder, "run", tell=progress.say) if processes.main else nullcontext():
            # who was at it until now may have finished it
            if processes.share("there", lambda: results.stored(folder) is not None):
                pass
            elif by is None:
                _answer(job, folder, processes, progress, device)
            else:
                by(job, folder, progress)
            processes.barrier("written")
    # a node of its own may not see the main process's folder
    return Result(record=processes.share("record", lambda: results.read_result(folder).record), folder=folder)


def other_files() -> PlmtasksError:
    """What is raised where the runs of two processes have not the same identity."""
    return PlmtasksError(
        "the processes see different data, weights or versions", "on several nodes, all of them need the same files"
    )


def learn(job: EvaluationJob, processes: Processes, progress: Progress) -> EvaluationJob:
    """The job up to where its model can answer: it is trained here if it must be and was not before.

    Called in every process of the run, as `run`.
    """
    environment.set_threads(job.config.settings.threads)
    of = f"{counted(len(job.examples), 'example')} of {job.data.name}, split {job.split}"
    progress.say(f"{job.task.name} on {job.model.name}: {of}, asked by {job.kind}")
    _tell_data(job, processes, progress)
    if hint := environment.slow(job.config.settings.dtype, processes.device()):
        progress.say(hint)
    if job.must_learn:
        job = job.trained(_train(job, processes, progress))
    return _compared_with_train(job)


def _tell_data(job: EvaluationJob, processes: Processes, progress: Progress) -> None:
    """What was read of the data, and what in it is probably a slip."""
    learns = job.must_learn and job.config.folds is None
    wanted = {"train": learns or job.shots_drawn or job.config.overlap, job.split: True}
    splits = [split for split, read in wanted.items() if read and split in job.data.splits]
    tell_data(job, splits, processes, progress, learned=job.split if job.config.folds else "train" if learns else None)


def tell_data(job: Job, splits: Sequence[str], processes: Processes, progress: Progress, *, learned: str | None) -> None:
    """What these splits hold, and what of their labels is probably a slip.

    learned: the split that a model learns from
    """
    for split in splits if not progress.quiet else ():
        progress.say_once(contents(job.data, split, job.task.labels), f"{job.task.name} {job.data.name}")
    if processes.main and job.task.labels:
        warn_of_labels(job.data, splits, learned=learned)


def _train(job: EvaluationJob, processes: Processes, progress: Progress) -> list[Model]:
    """What each of its trainings makes."""
    models = []
    for number, plan in enumerate(plans(job, processes, progress), 1):
        if job.config.folds is not None:
            progress.say(f"fold {number} of {job.config.folds}: asked of what learns from the others")
        models.append(training.ensure_trained(job.trainings[number - 1], plan))
    return models


def plans(job: EvaluationJob, processes: Processes, progress: Progress) -> Iterator[training.Training]:
    """The trainings of a job that must learn, each with its processes' names to itself."""
    for number, one in enumerate(job.trainings):
        yield training.plan([one], processes.within(f"fold-{number}") if number else processes, progress)


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a run would find if it began now."""

    result: Result | None
    """Of the same run before."""
    learns: bool
    """Whether its model has to be trained first."""
    asked: str = ""
    """A hash of all that is asked and learned, without the choices that each machine makes for itself."""
    busy: str = ""
    """Who seems to be at it, or at its training."""


def outlook(job: EvaluationJob, processes: Processes, *, any_threads: bool = False) -> Outlook:
    """What such a run in such processes would find; files are hashed, no model is loaded. As `session.outlook`."""
    if job.must_learn:
        planned = list(zip(job.trainings, plans(job, processes, Progress(quiet=True)), strict=True))
        models = [model for one, plan in planned if (model := training.trained_before(one, plan)) is not None]
        if len(models) < len(job.trainings):
            return Outlook(result=None, learns=True, busy=_held(training.own_folder(*pair) for pair in planned))
        job = job.trained(models)
    job = _compared_with_train(job)
    begun = _begun_with(job) if any_threads else None
    folder = _folder(job if begun is None else _with_threads(job, begun))
    result = results.stored(folder)
    return Outlook(result=result, learns=False, busy=_held([folder] if result is None else []))


def _held(folders: Iterable[Path]) -> str:
    """Who claimed one of the folders and has not let go."""
    return next((str(who) for folder in folders if (who := holder(folder)) is not None), "")


def _folder(job: EvaluationJob) -> Path:
    return results.run_folder(job.config.output, job.task.name, job.model.name, job.identity)


def _with_threads(job: EvaluationJob, threads: int) -> EvaluationJob:
    return replace(job, config=replace(job.config, settings=replace(job.config.settings, threads=threads)))


def _begun_with(job: EvaluationJob) -> int | None:
    """The threads of the same run begun with another number of them; None if there is none, or this one is there."""
    folder = _folder(job)
    with reached(folder):
        others = [] if folder.exists() else sorted(folder.parent.glob("*/config.json"))
    for path in others:
        try:
            other = read_object(results.part(path.parent, path.name), results.CONFIG)["identity"]
            _ = other["settings"]["threads"]
        except (FileNotFoundError, DataError, KeyError):
            continue  # whatever it is, this run did not begin it
        twin = {**other, "settings": {**other["settings"], "threads": job.parts["settings"]["threads"]}}
        if results.identity_hash(twin) == job.identity:
            return int(other["settings"]["threads"])
    return None


def _compared_with_train(job: EvaluationJob) -> EvaluationJob:
    """The job, which looks for its examples in the train split where that is read for its shots or its training anyway.

    raises: InputError if the user wants it and there is no train split
    """
    if job.config.overlap and "train" not in job.data.splits:
        raise InputError(f"{job.data.name} has no train split to look for its examples in", "name one with --train-data FILE")
    wanted = job.config.overlap or bool(job.shots_drawn) or (job.learned and job.config.folds is None)
    return job if wanted == job.config.overlap else replace(job, config=replace(job.config, overlap=wanted))


def begin(job: EvaluationJob, folder: Path) -> bool:
    """Writes down what is asked; returns whether some of it was answered before."""
    write_text(folder / "config.json", sealed({"config": to_json(job.config), "identity": job.parts}))
    with reached(folder):
        return any((folder / "journal").glob("*.jsonl"))


def check_trained(job: EvaluationJob, newly_initialized: Sequence[str]) -> None:
    """raises: InputError if the model lacks weights, and nobody said that it may"""
    if newly_initialized and not job.config.allow_untrained:
        raise InputError(
            f"the checkpoint of {job.model.name!r} lacks weights that {job.kind} needs: {listed(newly_initialized, 3)}",
            "train it first (--train always), or pass --allow-untrained: the result and every table will say so",
        )


def beside(job: EvaluationJob) -> list[Request]:
    """What is asked besides the examples' own requests."""
    return [request for p in job.perturbed for request in p.asked.each]


def finish(job: EvaluationJob, folder: Path, outcome: Outcome, progress: Progress) -> None:
    """Writes the run's files, and says what the user should know of the answers."""
    write(job, folder, outcome)
    _tell_cut(job, outcome.plan, outcome.account.limited, progress)
    if unfinished := job.asked.unfinished(outcome.answers):
        of = f"{unfinished:,} of {counted(len(job.examples), 'example')}"
        hint = "a higher --generation max_new_tokens leaves it more room"
        texts = " in one text at least" if job.asked.once else ""
        progress.say(f"{of} had thinking that did not end{texts}, which is no answer and counts as wrong: {hint}")


def _answer(job: EvaluationJob, folder: Path, processes: Processes, progress: Progress, device: str) -> None:
    """Loads the model, has all requests answered, and writes the run's files."""
    began = time.monotonic()
    resumed = processes.main and begin(job, folder)
    worked, environment.worked = environment.worked, True
    loaded = job.model.load(job.example_request, job.config.settings, device)
    account = Account.of(loaded, device, time.monotonic() - began)
    check_trained(job, account.newly_initialized)
    plan = answering.plan(loaded, job.asked.each, job.config.settings, beside(job))
    # answers of another class of machine, or of other versions, are never mixed with these
    machine = processes.share("machine", lambda: account.machine)
    with journal_at(folder / "journal", f"{plan.hash}-{machine}", processes.rank) as journal:
        answers = answering.answer_all(loaded, plan, processes, journal, progress)
    if processes.main:
        measured = {
            "seconds": time.monotonic() - began, "loading_seconds": account.loading_seconds, "resumed": resumed,
            "parameters": account.parameters, "processes": processes.count, "worked_before": worked,
        }  # fmt: skip
        described = environment.describe(device)
        finish(
            job, folder, Outcome(plan=plan, answers=answers, account=account, described=described, measured=measured), progress
        )


def _tell_cut(job: EvaluationJob, plan: answering.Plan, limited: str, progress: Progress) -> None:
    """How many of the examples were longer than the model takes, and what became of them."""
    limit = f" ({limited})" if limited else ""
    for keys, became in ((plan.cut, "cut"), (plan.skipped, "skipped, and no score counts them")):
        if count := job.asked.among(keys):
            of = f"{count:,} of {counted(len(job.examples), 'example')}"
            progress.say(f"{of} were longer than the model takes{limit}, and were {became}")
