"""Files of the user's in place of a task's data set."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from plmtasks.config import Source
from plmtasks.data import split_files
from plmtasks.errors import DataError, InputError, summary_of
from plmtasks.files import asked_of_datasets

from .definition import Definition
from .refusals import quiet, refused

FILES: Mapping[str, str] = {
    ".jsonl": "json", ".json": "json", ".ndjson": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
}  # fmt: skip
"""What a file's name ends with → the builder of `datasets` that reads it."""


def given_in_place(task: Definition, source: Source, *, shots: bool) -> Mapping[str, Any]:
    """The documents that the user names in place of the task's own, by split; none if the user names none.

    They have the columns that the task's own data set has. A folder has a file a split; one file is the split that is asked.

    shots: whether solved documents are wanted

    raises: InputError, DataError
    """
    _refuse(task, source)
    if source.data is None:
        return {}
    wanted, drawn = _splits(task)
    files = _files(own_place(source.data, task.name), wanted)
    if source.train_data is not None and drawn:
        files |= {split: next(iter(_files(own_place(source.train_data, task.name), [split]).values())) for split in drawn}
    there = f"{source.data} has: {', '.join(files)}"
    if shots and (lacking := [split for split in drawn if split not in files]):
        said = f"lm-eval:{task.name} takes its shots from a split {lacking[0]!r}, and {there}"
        raise InputError(said, "name it with --train-data FILE, or ask without shots: --shots 0")
    if wanted[0] not in files and not task.in_python:
        raise InputError(
            f"lm-eval:{task.name} asks a split {wanted[0]!r}, and {there}", f"a file {wanted[0]}.jsonl is that split"
        )
    first = files.get(wanted[0]) or next(iter(files.values()))
    # lm-eval wants a split to be there that nothing is taken from
    return _opened({split: files.get(split, first) for split in wanted})


def _refuse(task: Definition, source: Source) -> None:
    """raises: InputError for what is said of the data, and cannot be done"""
    if source.columns or source.rows or source.separator:
        said = f"lm-eval:{task.name} reads the columns that its own data set has: --columns cannot name others"
        raise InputError(said, "rename them in the file")
    if source.holdout or source.skip_bad_rows:
        option = "--holdout" if source.holdout else "--skip-bad-rows"
        raise InputError(f"lm-eval:{task.name} takes its data whole, without {option}")
    if source.data is None and source.train_data is not None:
        raise InputError(f"--train-data gives lm-eval:{task.name} shots, and --data what is asked: name both")


def _splits(task: Definition) -> tuple[Sequence[str], Sequence[str]]:
    """All splits that are read, the one that is asked first; and the one that shots come from, where that is another."""
    config = task.config
    if task.in_python:  # it does not say, and all of them in lm-eval have these
        return ("validation", "test", "train"), ("train",)
    train, validation, test = (config.get(f"{name}_split") for name in ("training", "validation", "test"))
    shots = config.get("fewshot_config") or {}
    drawn = shots.get("split") or config.get("fewshot_split")
    asked = test or validation
    if drawn is None and shots.get("samples") is None:
        drawn = train or validation or test
    read = tuple(dict.fromkeys(str(one) for one in (asked, drawn, test, validation, train) if one))
    if not asked:
        raise InputError(f"lm-eval:{task.name} names no test_split or validation_split to be asked")
    return read, [str(drawn)] if drawn and drawn != asked else []


def own_place(where: str, task: str) -> str:
    """What a folder of several tasks has under the task's own name: a folder or a file; else the folder itself."""
    if where.startswith("hf://") or not Path(where).is_dir():
        return where
    found = sorted(
        one for one in Path(where).iterdir() if one.name == task or (_builder(one) and one.name.startswith(f"{task}."))
    )
    return str(found[0]) if found else where


def _files(where: str, wanted: Sequence[str]) -> dict[str, str]:
    """The file of each split; one file alone is the first that is wanted; or hub files as they are called there."""
    if where.startswith("hf://"):
        return dict.fromkeys(wanted, where)
    path = Path(where)
    if not path.is_dir():
        if not path.is_file():
            raise InputError(f"{path}: no such file or folder")
        return {wanted[0]: where}
    named = {file.name.partition(".")[0]: str(file) for file in sorted(path.iterdir()) if _builder(file)}
    found = {split: named[split] for split in wanted if split in named}
    if len(found) < len(wanted):
        with suppress(InputError):
            found = {split: str(file) for split, file in split_files(path).items() if split in wanted} | found
    if not found:
        looked = ", ".join(f"{split}.jsonl" for split in wanted)
        raise InputError(f"{path}: no file of any split", f"looked for: {looked}", f"found: {', '.join(named) or 'none'}")
    return found


def _builder(path: Path) -> str | None:
    name = path.name.removesuffix(".gz")
    return next((builder for end, builder in FILES.items() if name.endswith(end)), None)


def _opened(files: Mapping[str, str]) -> Mapping[str, Any]:
    """raises: DataError for a file that cannot be read; InputError for data of the hub that cannot be had"""
    import datasets

    opened: dict[str, Any] = {}
    with quiet():
        for where in dict.fromkeys(files.values()):
            opened[where] = _of_hub(where) if where.startswith("hf://") else _rows(where)
    found: Mapping[str, Any] = datasets.DatasetDict({
        split: opened[where][split] if isinstance(opened[where], dict) else opened[where] for split, where in files.items()
        if not isinstance(opened[where], dict) or split in opened[where]
    })  # fmt: skip
    return found


def _rows(where: str) -> Any:
    import datasets

    builder = _builder(Path(where))
    if builder is None:
        raise InputError(f"{where}: a task of lm-eval reads files that end in {', '.join(FILES)}")
    more: dict[str, Any] = {"sep": "\t"} if ".tsv" in Path(where).name else {}
    try:
        return datasets.load_dataset(builder, data_files=[where], split="train", **more)
    except Exception as e:  # whatever its readers raise
        raise DataError(where, f"rows that {builder} files have", summary_of(e.__cause__ or e)) from e


def _of_hub(where: str) -> Any:
    import datasets

    name, _, config = where.removeprefix("hf://").partition("#")
    name, _, revision = name.partition("@")
    with refused(f"data set {where} cannot be read", dataset=name):
        found = datasets.load_dataset(name, config or None, revision=revision or None)
    asked_of_datasets(found)
    return found
