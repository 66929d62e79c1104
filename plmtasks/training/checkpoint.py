"""A model that learns from solved answers."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..config import Generation, ModelSettings, TrainSettings
from ..errors import DataError, InputError, OutputError, counted
from ..execution import Processes, environment
from ..files import lock, open_folder, read_object, write_text
from ..model import RECORD, Model, TrainableModel
from ..requests import LogLikelihood, to_json
from ..results import identity_hash
from .record import learned, write_record
from .trainer import Learning, Lesson, Teacher

"""Beside the weights: how they were trained. Written last, so a folder that has it is complete."""

UNSAID = ("save_minutes", "select_split", "max_train_samples", "report_to")
"""Settings of a training that change nothing, or through the data alone."""

CPU_PIECE_TOKENS = 2048
"""As many as some dozen sentences have: more at once are no faster on a CPU, and take memory on the way back."""


def resolve(training: TrainSettings, model: Model, settings: ModelSettings, device: str) -> TrainSettings:
    """The settings with every open value filled in: by the user, else by the model, else by the BERT recipe.

    Of a model that learns from all examples at once, those that it does not go by are the defaults, whatever was said.
    """
    if model.learns_by is not None:
        own = {name: getattr(training, name) for name in (*model.learns_by, "max_train_samples")}
        return replace(TrainSettings(dtype="float32", select_split="none"), **own)
    defaults = {"num_train_epochs": 3.0, "learning_rate": 5e-5, "train_batch_size": 32, **model.recommended}
    filled = {name: value for name, value in defaults.items() if getattr(training, name, 0) is None}
    dtype = training.dtype if training.dtype != "auto" else settings.dtype
    piece = training.batch_tokens or (CPU_PIECE_TOKENS if device == "cpu" else settings.batch_tokens)
    return replace(training, **filled, dtype=dtype, batch_tokens=piece)


def passed_over(training: TrainSettings, model: Model) -> list[str]:
    """The settings of updates and epochs that were said to a model that has none."""
    if model.learns_by is None:
        return []
    shared = ("seed", "dtype", "batch_tokens", "save_minutes", "max_train_samples")
    plain = TrainSettings()
    names = (f.name for f in fields(TrainSettings) if f.name not in (*shared, *model.learns_by))
    return [name for name in names if getattr(training, name) != getattr(plain, name)]


def recipe(model: Model, lessons: Sequence[Lesson], teacher: Teacher) -> dict[str, Any]:
    """All that the trained weights depend on: the training's identity."""
    if model.learns_by is not None:  # its weights depend on the examples alone
        teacher = replace(teacher, settings=ModelSettings(threads=1), processes=replace(teacher.processes, count=1), device="cpu")
    t, s = teacher.training, teacher.settings
    if t.dtype == "float16" and teacher.device == "cpu":
        raise InputError("training in float16 needs a GPU", "--dtype bfloat16 or float32 trains on a CPU")
    # how texts are generated changes no weight, and the seed of a newly initialized head is the training's
    neutral = replace(s, generation=Generation(), stride=0, seed=t.seed)
    return {
        "start": [_start(model, lesson, neutral) for lesson in lessons], "learned": [_learned(lesson) for lesson in lessons],
        "training": {k: v for k, v in to_json(t).items() if k not in UNSAID}, "processes": teacher.processes.count,
        "threads": s.threads, "truncation": s.truncation, "prompt": s.prompt, "device": teacher.device.split(":")[0],
    }  # fmt: skip


def _start(model: Model, lesson: Lesson, settings: ModelSettings) -> dict[str, Any]:
    if model.from_scratch:
        return {"scratch": model.name, "version": model.version, **model.identity(lesson.requests[0], settings)}
    return model.identity(lesson.requests[0], settings)


def _learned(lesson: Lesson) -> dict[str, Any]:
    pairs = [[r.key(), to_json(a)] for r, a in zip(lesson.requests, lesson.answers, strict=True)]
    example_request = lesson.requests[0]
    return {
        "task": lesson.task, "kind": example_request.kind(),
        "plain": isinstance(example_request, LogLikelihood) and not example_request.context,
        "data": lesson.facts,
        "selecting": lesson.selecting, "pairs": identity_hash({"pairs": pairs}),
    }  # fmt: skip


def train(model: Model, lessons: Sequence[Lesson], teacher: Teacher, folder: Path) -> Model:
    """The model after the lessons, from its folder; nothing is done if the folder holds this very training.

    raises: OutputError if the folder holds another training or cannot be written
    """
    parts = recipe(model, lessons, teacher)
    identity = identity_hash(parts)
    processes = teacher.processes.within(f"train-{identity}")
    if processes.share("done", lambda: finished(folder, identity)):
        return model.saved(folder)
    if processes.main:
        open_folder(folder / "training")
    with lock(folder, "training") if processes.main else nullcontext():
        _check_shared(folder / "training", processes)
        _learn(model, lessons, replace(teacher, processes=processes), folder, parts)
        processes.barrier("finished")
    return model.saved(folder)


def ready(model: Model, lessons: Sequence[Lesson], teacher: Teacher, scratch: Path) -> Sequence[TrainableModel]:
    """The model in memory as each lesson sees it; one without weights is made in the folder `scratch` first."""
    if model.from_scratch and teacher.training.peft:
        raise InputError(
            f"{model.name!r} has no weights yet for adapters to stand on",
            "train it without peft first, then the checkpoint with it",
        )
    if model.from_scratch:
        teacher.processes.share("made", lambda: _make(model, lessons, teacher, scratch))
        model = model.saved(scratch)
    example_requests = [lesson.requests[0] for lesson in lessons]
    settings = replace(teacher.settings, dtype="float32", seed=teacher.training.seed)
    return model.learner(example_requests, settings, teacher.training, teacher.device)


def _make(model: Model, lessons: Sequence[Lesson], teacher: Teacher, folder: Path) -> bool:
    if not folder.exists():
        pairs = ((r, a) for lesson in lessons for r, a in zip(lesson.requests, lesson.answers, strict=True))
        texts = (text for r, a in pairs for text in (*r.texts(), *a.texts()))
        temporary = folder.with_name("making")
        shutil.rmtree(temporary, ignore_errors=True)
        model.make(texts, teacher.training.seed, temporary)
        temporary.replace(folder)
    return True


def _check_shared(folder: Path, processes: Processes) -> None:
    """raises: InputError if not every process sees the main process's folder"""
    token = processes.share("token", lambda: _write_token(folder))
    if not all(processes.gather("sees it", (folder / "token").is_file() and (folder / "token").read_text() == token)):
        raise InputError(
            f"{folder}: not every node sees this folder", "training over several nodes needs a folder that they share"
        )


def _write_token(folder: Path) -> str:
    import secrets

    token = secrets.token_hex(8)
    write_text(folder / "token", token)
    return token


def _learn(model: Model, lessons: Sequence[Lesson], teacher: Teacher, folder: Path, parts: dict[str, Any]) -> None:
    environment.worked = True
    if model.learns_by is not None:
        _learn_at_once(model, lessons, teacher, folder, parts)
        return
    views = ready(model, lessons, teacher, folder / "training" / "scratch")
    run = Learning(views=views, lessons=lessons, teacher=teacher, folder=folder, identity=identity_hash(parts))
    history = run.learn()
    if teacher.processes.main:
        if run.state.best_folder is not None:
            for path in (run.state_folder / run.state.best_folder).iterdir():
                path.replace(folder / path.name)
        else:
            run.views[0].save(folder, run.whole)
        _finish(model, lessons, teacher, folder, _Taught(parts=parts, history=history))


def _learn_at_once(model: Model, lessons: Sequence[Lesson], teacher: Teacher, folder: Path, parts: dict[str, Any]) -> None:
    """raises: InputError for several tasks, and for what the model cannot learn"""
    if len(lessons) > 1:
        raise InputError(f"model {model.name!r} learns one task at a time")
    if teacher.processes.main:
        [lesson] = lessons
        teacher.progress.say(f"training on {counted(len(lesson.requests), 'example')} of {lesson.task}, all at once")
        model.learn(lesson.requests, lesson.answers, teacher.training, folder)
        _finish(model, lessons, teacher, folder, _Taught(parts=parts, history=[]))


def finished(folder: Path, identity: str) -> bool:
    try:
        record = read_object(folder / RECORD)
    except FileNotFoundError:
        others = sorted(p.name for p in folder.iterdir() if p.name != "training") if folder.is_dir() else []
        if others and not (folder / "training").exists():
            raise OutputError(
                f"{folder} holds something else: {', '.join(others[:3])}", "choose a new or empty folder with --output DIR"
            ) from None
        return False
    except (OSError, DataError) as e:
        raise OutputError(
            f"{folder} cannot be written, or holds what is no training: {e}", "choose another folder with --output DIR"
        ) from e
    if record.get("recipe") != identity:
        raise OutputError(f"{folder} holds another training", "choose another folder with --output DIR, or delete this one")
    return True


def _of_seed_zero(model: Model, lessons: Sequence[Lesson], teacher: Teacher) -> dict[str, Any]:
    """The recipe with seed 0 wherever it holds a seed: order, newly initialized weights, and how an epoch is chosen."""
    asked = [
        lesson if lesson.selecting is None
        else replace(lesson, selecting={**lesson.selecting, "settings": {**lesson.selecting["settings"], "seed": 0}})
        for lesson in lessons
    ]  # fmt: skip
    return recipe(model, asked, replace(teacher, training=replace(teacher.training, seed=0)))


@dataclass(frozen=True, kw_only=True)
class _Taught:
    """What the record of a training tells of it."""

    parts: Mapping[str, Any]
    """Its recipe."""
    history: Sequence[Mapping[str, Any]]
    """One entry an epoch; none where all was learned at once."""


def _finish(model: Model, lessons: Sequence[Lesson], teacher: Teacher, folder: Path, taught: _Taught) -> None:
    """Writes the record, after the weights: from now on the checkpoint is whole."""
    tasks = {lesson.task: {**lesson.facts, "labels": list(lesson.labels)} for lesson in lessons}
    anew = model.learns_by is not None  # whatever it had learned before is gone
    record = {
        "recipe": identity_hash(taught.parts), "any_seed": identity_hash(_of_seed_zero(model, lessons, teacher)),
        "parts": taught.parts, "model": model.name, "tasks": tasks, "history": taught.history,
        "columns": {lesson.task: dict(lesson.columns) for lesson in lessons if lesson.columns},
        "before": [] if anew else learned(model.training_record() or {}), **({"at_once": True} if anew else {}),
    }  # fmt: skip
    write_record(folder, record)
    shutil.rmtree(folder / "training")
