"""What a checkpoint's record tells of its training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import file_hash, sealed, write_text
from ..model import RECORD


def learned(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a checkpoint with this record has learned, the last training first: task and data of each."""
    last = [
        {"task": task, **{k: v for k, v in facts.items() if k != "labels"}} for task, facts in record.get("tasks", {}).items()
    ]
    return [*last, *record.get("before", [])]


def without_seed(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the trainings of several seeds have in common, as a hash, and this one's seed."""
    return {"recipe": record.get("any_seed", record["recipe"]), "seed": record["parts"]["training"]["seed"]}


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Writes the record of a training beside the checkpoint, with the hash of each of its files."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [name for path in paths if (name := path.relative_to(folder).as_posix()) not in (RECORD, "README.md")]
    files = {name: file_hash(folder / name) for name in names if not name.startswith(("training/", "."))}
    write_text(folder / RECORD, sealed({**record, "files": files}))


def came_to(
    task: str, record: Mapping[str, Any] | None, shots: int, *, untrained: bool, zero_shot: bool
) -> dict[str, Any]:  # fmt: skip
    """How a model came to a task, and what it was trained on.

    record: of its training
    zero_shot: whether a model that learned nothing but language can answer what it was asked
    """
    if untrained:
        how = "untrained"
    elif record:
        how = _learned(task, record)
    elif zero_shot:
        how = f"{shots}-shot" if shots else "zero-shot"
    else:
        how = "trained elsewhere"
    how += f", {record['folds']}-fold" if record and "folds" in record else ""
    trained = {"trained_on": learned(record), "training": without_seed(record)} if record else {}
    return {"how": how, "trained_on": [], **trained}


def _learned(task: str, record: Mapping[str, Any]) -> str:
    """The last training in words; texts without a question are what a model is pretrained on."""
    plain = all(dataset.get("plain") for dataset in record["parts"]["learned"])
    what = "trained" if record.get("at_once") else "pretrained" if plain else "fine-tuned"
    others = [name for name in record["tasks"] if name != task]
    if not others:
        return what
    return f"{what} {'with' if task in record['tasks'] else 'on'} {', '.join(others)}"
