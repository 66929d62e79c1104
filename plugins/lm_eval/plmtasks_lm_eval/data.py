"""A task's documents, and the requests that lm-eval makes of them."""

import contextlib
import datetime
import io
import logging
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.config import Source
from plmtasks.data import Dataset, split_files
from plmtasks.errors import DataError, InputError, summary_of
from plmtasks.examples import Example
from plmtasks.task import Prompting

from .asking import Chats, as_inputs, requests_of
from .definition import Definition, loaded
from .measures import Measure, measures
from .refusals import refused

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

FILES: Mapping[str, str] = {
    ".jsonl": "json", ".json": "json", ".ndjson": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".txt": "text",
}  # fmt: skip
"""What a file's name ends with → the builder of `datasets` that reads it."""

USUAL = ("train", "validation", "test")
"""Splits of a task in Python, which names none."""


@dataclass(frozen=True, kw_only=True)
class Documents(Dataset):
    """The documents that are asked, in lm-eval's order, and lm-eval's own task."""

    made: Any
    """The task: `lm_eval.api.task.Task`."""
    instances: Mapping[str, Sequence["Instance"]]
    """What is asked about a document, by its example's id."""
    documents: int
    """How many there are without a limit."""
    shots: int
    """Solved documents before each."""
    measures: Sequence[Measure]
    """What its scores are."""

    def total(self, split: str) -> int:
        return self.documents


@contextmanager
def seeded() -> Iterator[None]:
    """The global seeds as lm-eval sets them before it makes tasks, and as they were afterwards."""
    import numpy as np
    import torch

    before, numpys, torchs = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002  it is what tasks read
    random.seed(0)
    np.random.seed(1234)  # noqa: NPY002
    torch.manual_seed(1234)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpys)  # noqa: NPY002
        torch.set_rng_state(torchs)


@contextmanager
def quiet() -> Iterator[None]:
    """lm-eval's and datasets' bars and advice are kept from the terminal: each process would tell them."""
    import datasets

    logger, shown = logging.getLogger("lm_eval"), datasets.utils.logging.is_progress_bar_enabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    datasets.utils.logging.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
        if shown:
            datasets.utils.logging.enable_progress_bar()


def build(task: Definition, source: Source, how: Prompting) -> Documents:
    """The documents of a task and what is asked about them, as lm-eval makes it in one process.

    raises: InputError, whatever cannot be asked
    """
    given = _given(task, source, _wants_shots(task, how))
    with quiet(), seeded():
        columns = list(next(iter(given.values())).column_names) if given else []
        with refused(f"lm-eval:{task.name} cannot be made", columns=columns, dataset=_hub_name(task)):
            made = _made(task, given)
            _set(made, how)
        with refused(f"lm-eval:{task.name} cannot make its prompts", columns=columns or _columns(made)):
            chats, count = Chats(), len(made.eval_docs)
            made.build_all_requests(
                limit=how.limit, rank=0, world_size=1, system_instruction=how.system or None, apply_chat_template=how.chat,
                fewshot_as_multiturn=how.chat, chat_template=chats if how.chat else None,
            )  # fmt: skip
            instances: dict[str, list[Instance]] = {}
            for instance in made.instances:
                instances.setdefault(str(instance.doc_id), []).append(instance)
            for several in instances.values():
                several.sort(key=lambda instance: instance.idx)
            examples = tuple(_example(made, id, several, chats) for id, several in instances.items())
            found = measures(made, next(iter(instances.values())), runs_code=bool(getattr(made, "UNSAFE_CODE", False)))
    split = _asked_split(made)
    return Documents(
        name=source.data or f"hf://{_hub_name(task)}", readers={split: lambda: examples}, published=source.data is None,
        made=made, instances=instances, documents=count, shots=int(made.config.num_fewshot or 0), measures=found,
    )  # fmt: skip


def _made(task: Definition, given: Mapping[str, Any]) -> Any:
    """lm-eval's task; of these documents, where there are any, in place of its own."""
    from lm_eval.tasks._factory import TaskFactory
    from lm_eval.tasks._index import TaskIndex

    overrides = dict(task.overrides)
    if given and task.in_python:
        theirs = loaded(task.path)["class"]
        own = {"download": lambda self, *_, **__: setattr(self, "dataset", given), "__module__": theirs.__module__}
        overrides |= {"class": type(theirs.__name__, (theirs,), own)}
    elif given:
        overrides |= {"custom_dataset": lambda **_: given}
    entry = TaskIndex.entry_from_path(task.path) if task.own else TaskIndex.entry_from_config(overrides)
    return TaskFactory().build(entry, overrides=overrides, registry={})


def _set(made: Any, how: Prompting) -> None:
    """Shots, their seed and repeats, by the rules of lm-eval's `simple_evaluate`.

    raises: InputError for what is neither text nor allowed
    """
    own = made.get_config("num_fewshot")
    if own is None or (how.shots is not None and own != 0):
        made.set_config("num_fewshot", how.shots or 0)
    made.set_fewshot_seed(how.seed)
    if how.repeats > 1:
        made.set_config("repeats", how.repeats)
    if getattr(made, "MULTIMODAL", False):
        raise InputError("it asks about images or audio, which no request carries")


def _example(made: Any, id: str, instances: Sequence["Instance"], chats: Chats) -> Example:
    doc = instances[0].doc
    reference = {"doc": _plain(doc), "target": _plain(made.doc_to_target(doc)), **_gold(made, doc)}
    return Example(id=id, inputs=as_inputs(requests_of(instances, chats)), reference=reference)


def _gold(made: Any, doc: Any) -> dict[str, Any]:
    """Which of the choices are right, of a task that has choices."""
    if made.OUTPUT_TYPE != "multiple_choice" or not hasattr(made, "multiple_input"):
        return {}
    right = made.doc_to_text(doc) if made.multiple_input else made.doc_to_target(doc)
    choices = made.doc_to_choice(doc)
    rights = right if isinstance(right, list) else [choices.index(right) if right in choices else -1] if isinstance(right, str) else [right]
    return {"gold": [one for one in rights if isinstance(one, int) and 0 <= one < len(choices)]}


def _plain(value: Any) -> Any:
    """A document as JSON values.

    raises: InputError for images and sounds
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in (sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise InputError(f"its documents hold a {type(value).__name__}, which is neither text nor number")


def _asked_split(made: Any) -> str:
    test = made.has_test_docs()
    return str((made.config.test_split if test else made.config.validation_split) or ("test" if test else "validation"))


def _columns(made: Any) -> list[str]:
    return list(getattr(made.eval_docs, "column_names", None) or ())


def _hub_name(task: Definition) -> str:
    config = task.config
    path, name = config.get("dataset_path"), config.get("dataset_name")
    if path is None and task.in_python:
        path, name = task.task_class().DATASET_PATH, task.task_class().DATASET_NAME
    return f"{path or task.name}{f'#{name}' if name else ''}"


def _wants_shots(task: Definition, how: Prompting) -> bool:
    own = task.config.get("num_fewshot")
    return bool(own if how.shots is None or own == 0 else how.shots)


def _splits(task: Definition) -> tuple[Sequence[str], Sequence[str]]:
    """The splits that are asked or read at all, the one that is asked first; and those that shots come from."""
    config = task.config
    if task.in_python:
        return ("validation", "test", "train"), ("train",)
    train, validation, test = (config.get(f"{name}_split") for name in ("training", "validation", "test"))
    shots = config.get("fewshot_config") or {}
    drawn = shots.get("split") or config.get("fewshot_split")
    asked = test or validation
    if drawn is None and shots.get("samples") is None:
        drawn = train or validation or test
    wanted = (asked, drawn, test, validation, train)
    return tuple(dict.fromkeys(str(one) for one in wanted if one)), tuple([str(drawn)] if drawn and drawn != asked else [])


def _given(task: Definition, source: Source, shots: bool) -> Mapping[str, Any]:
    """The documents that the user names in place of the hub's, by split; none if the user names none.

    raises: InputError, DataError
    """
    for said, option in ((source.columns, "columns"), (source.rows, "columns rows="), (source.separator, "columns separator=")):
        if said:
            raise InputError(f"lm-eval:{task.name} reads the columns that its own data set has, without --{option}", "rename them in the file")
    for said, option in ((source.holdout, "holdout"), (source.skip_bad_rows, "skip-bad-rows")):
        if said:
            raise InputError(f"lm-eval:{task.name} takes its data whole, without --{option}")
    if source.data is None:
        if source.train_data is not None:
            raise InputError(f"--train-data gives lm-eval:{task.name} shots, and --data what is asked: name both")
        return {}
    wanted, drawn = _splits(task)
    files = _files(_own_place(source.data, task.name), wanted)
    files |= dict.fromkeys(drawn, next(iter(_files(source.train_data, drawn).values()))) if source.train_data and drawn else {}
    lacking = [split for split in drawn if split not in files]
    if shots and lacking:
        raise InputError(
            f"lm-eval:{task.name} takes its shots from a split {lacking[0]!r}, and {source.data} has: {', '.join(files)}",
            "name it with --train-data FILE, or ask without shots: --shots 0",
        )  # fmt: skip
    if not files.keys() & set(wanted):
        raise InputError(f"{source.data}: lm-eval:{task.name} reads the splits {', '.join(wanted)}", f"found: {', '.join(files)}")
    if wanted[0] not in files and not task.in_python:
        raise InputError(f"{source.data}: no file of the split {wanted[0]!r}, which lm-eval:{task.name} asks", f"found: {', '.join(files)}")
    first = files.get(wanted[0]) or next(iter(files.values()))
    # a split that nothing is taken from has to be there all the same
    return _opened({split: files.get(split, first) for split in wanted})


def _own_place(where: str, task: str) -> str:
    """What a folder has under the task's own name: its folder or its file, where the folder is of several tasks; else the folder."""
    if where.startswith("hf://") or not Path(where).is_dir():
        return where
    found = sorted(one for one in Path(where).iterdir() if one.name == task or (_builder(one) and one.name.startswith(f"{task}.")))
    return str(found[0]) if found else where


def _files(where: str, wanted: Sequence[str]) -> dict[str, str]:
    """The file of each split; one file alone is the first that is wanted, or hub files as they are called there."""
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
        with contextlib.suppress(InputError):
            found = {split: str(file) for split, file in split_files(path).items() if split in wanted} | found
    if not found:
        raise InputError(f"{path}: no file of any split", f"looked for: {', '.join(f'{one}.jsonl' for one in wanted)}", f"found: {', '.join(named) or 'no such file'}")
    return found


def _builder(path: Path) -> str | None:
    name = path.name.removesuffix(".gz")
    return next((builder for end, builder in FILES.items() if name.endswith(end)), None)


def _opened(files: Mapping[str, str]) -> Mapping[str, Any]:
    """raises: DataError for a file that cannot be read"""
    import datasets

    opened: dict[str, Any] = {}
    for where in dict.fromkeys(files.values()):
        with quiet():
            opened[where] = _rows(where) if not where.startswith("hf://") else _of_hub(where)
    return datasets.DatasetDict({split: rows[split] if isinstance(rows := opened[where], dict) else rows for split, where in files.items()})


def _rows(where: str) -> Any:
    import datasets

    builder = _builder(Path(where))
    if builder is None:
        raise InputError(f"{where}: lm-eval's tasks read {', '.join(FILES)}")
    more: dict[str, Any] = {"sep": "\t"} if ".tsv" in Path(where).name else {}
    try:
        return datasets.load_dataset(builder, data_files=[where], split="train", **more)
    except Exception as e:  # noqa: BLE001  whatever its readers raise
        cause: BaseException = e.__cause__ or e
        raise DataError(where, f"rows that datasets' {builder!r} reads", summary_of(cause)) from e


def _of_hub(where: str) -> Any:
    import datasets

    name, _, config = where.removeprefix("hf://").partition("#")
    name, _, revision = name.partition("@")
    with refused(f"data set {where} cannot be read", dataset=name):
        return datasets.load_dataset(name, config or None, revision=revision or None)
