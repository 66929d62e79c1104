"""A task's documents, and the requests that lm-eval makes of them."""

import datetime
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from plmtasks.config import Source
from plmtasks.data import Dataset, content_name
from plmtasks.errors import InputError, counted
from plmtasks.examples import Example
from plmtasks.files import asked_of_datasets
from plmtasks.task import Prompting

from .asking import Chats, as_inputs, requests_of
from .definition import Definition, loaded
from .measures import Measure, measures, too_few
from .refusals import quiet, refused
from .source import given_in_place

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance


PACKAGED = ("json", "csv", "parquet", "text", "arrow", "pandas", "xml")
"""What a dataset_path is that names no data set, but how datasets reads files."""


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
    repeats: int
    """Texts for each document, by the task's own file."""
    drawn: bool
    """Whether another seed would draw other shots."""
    measures: Sequence[Measure]
    """What its scores are."""

    def total(self, split: str) -> int:
        return self.documents

    def public_name(self, split: str, source: Source) -> str:
        """A name of their content too where a task's own file names files, or a function makes them."""
        named = super().public_name(split, source)
        return content_name(self.fingerprint(split)) if named == self.name and not named.startswith("hf://") else named


@contextmanager
def seeded() -> Iterator[None]:
    """The global seeds as lm-eval sets them before it makes tasks, and as they were afterwards."""
    import numpy as np
    import torch

    before, numpys, torchs = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(0)
    np.random.seed(1234)
    torch.manual_seed(1234)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpys)
        torch.set_rng_state(torchs)


@contextmanager
def compiled_once() -> Iterator[None]:
    """Each of a task's templates is compiled once: lm-eval does it for every document and every shot, nine tenths of its time."""
    from lm_eval.utils import env

    env.from_string = cache(env.from_string)
    try:
        yield
    finally:
        del env.from_string  # what the class has


def build(task: Definition, source: Source, how: Prompting) -> Documents:
    """The documents of a task and what is asked about them, as lm-eval makes it in one process.

    raises: InputError, whatever cannot be asked
    """
    given = given_in_place(task, source, shots=_wants_shots(task, how))
    with quiet(), seeded(), compiled_once():
        columns = list(next(iter(given.values())).column_names) if given else []
        with refused(f"lm-eval:{task.name} cannot be made", columns=columns, dataset=_hub_name(task)):
            made = _made(task, given)
            if not given and _is_of_hub(task):
                asked_of_datasets(made.dataset)
            own = _repeats(made)
            _set(made, how)
            undrawn = _generators(made)
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
            examples = tuple(
                _example(made, id, as_inputs(requests_of(several, chats, apart=_repeats(made) > 1 < how.repeats)), several[0].doc)
                for id, several in instances.items()
            )
        first = next(iter(instances.values()))
        if (reason := too_few(made, first, own)) is not None:
            said = f"lm-eval:{task.name} makes no answer of {counted(_repeats(made), 'text')}: {reason}"
            raise InputError(said, f"its own file wants {own}: leave --repeats out, or ask for more")
        with refused(f"lm-eval:{task.name} cannot be scored"):
            found = measures(made, first, runs_code=bool(getattr(made, "UNSAFE_CODE", False)))
    split, named = _asked_split(made), f"hf://{_hub_name(task)}" if _is_of_hub(task) else f"the data of {task.name}"
    return Documents(
        name=source.data or named, readers={split: lambda: examples}, published=source.data is None,
        made=made, instances=instances, documents=count, shots=_shots(made), repeats=_repeats(made), measures=found,
        drawn=_shots(made) > 0 and _generators(made) != undrawn,
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

    A task whose file wants one text would score the first of several alone: the core asks it again, and scores each.

    raises: InputError for what is neither text nor allowed
    """
    own = made.get_config("num_fewshot")
    if own is None or (how.shots is not None and own != 0):
        made.set_config("num_fewshot", how.shots or 0)
    made.set_fewshot_seed(how.seed)
    _check_shots(made)
    if how.repeats > 1 < _repeats(made):
        made.set_config("repeats", how.repeats)
    if getattr(made, "MULTIMODAL", False):
        raise InputError("it asks about images or audio, which no request carries")


def _repeats(made: Any) -> int:
    return int(made.get_config("repeats") or 1)


def _check_shots(made: Any) -> None:
    """raises: InputError if there are too few documents to draw from"""
    shots, sampler = int(made.config.num_fewshot or 0), getattr(made, "sampler", None)
    if not shots or sampler is None:
        return
    own = made.fewshot_cfg.split == made.config.test_split  # drawn from what is asked, which is left out itself
    there = len(sampler.fewshot_docs()) - own
    if shots > there:
        raise InputError(f"{counted(shots, 'shot')} before each document, and {counted(there, 'document')} to take them from")


def _shots(made: Any) -> int:
    """How many solved documents stand before each: none before a text of which every word is scored, whatever is wanted."""
    return 0 if made.OUTPUT_TYPE == "loglikelihood_rolling" else int(made.config.num_fewshot or 0)


def _generators(made: Any) -> list[Any]:
    """The states of what shots are drawn by: others, once one was drawn."""
    found = getattr(made, "fewshot_rnd", None), getattr(getattr(made, "sampler", None), "rnd", None)
    return [one.getstate() for one in found if one is not None]


def _example(made: Any, id: str, inputs: Mapping[str, Any], doc: Any) -> Example:
    reference = {"doc": _plain(doc), "target": _plain(made.doc_to_target(doc)), **_gold(made, doc)}
    return Example(id=id, inputs=inputs, reference=reference, prompted=True)


def _gold(made: Any, doc: Any) -> dict[str, Any]:
    """Which of the choices are right, of a task that has choices."""
    if made.OUTPUT_TYPE != "multiple_choice" or not hasattr(made, "multiple_input"):
        return {}
    right = made.doc_to_text(doc) if made.multiple_input else made.doc_to_target(doc)
    choices = made.doc_to_choice(doc)
    places = [choices.index(one) if one in choices else one for one in (right if isinstance(right, list) else [right])]
    return {"gold": [one for one in places if isinstance(one, int) and 0 <= one < len(choices)]}


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


def _is_of_hub(task: Definition) -> bool:
    path = task.config.get("dataset_path")
    return "custom_dataset" not in task.config and (path is None or str(path) not in PACKAGED)


def _wants_shots(task: Definition, how: Prompting) -> bool:
    own = task.config.get("num_fewshot")
    return bool(own if how.shots is None or own == 0 else how.shots)
