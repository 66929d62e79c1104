"""Whether lm-eval's own tasks give the same prompts, log-likelihoods, texts and figures in plmtasks as in lm-eval with its `hf` model.

    python benchmarks/lm_eval_parity.py [WORD…] [--quick]
"""

import argparse
import json
import logging
import math
import random
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from frame import DATA, HERE
from lm_eval_rows import columns, facts, models
from lm_eval_rows.cases import CASES, Case

SEED = 7
"""Draws the shots on both sides."""
UPDATES = 100
"""How long each model learns, so that its texts have words and numbers in them."""
COUNTED, LIKELY = 1e-6, 1e-4
"""How far figures may be apart: those that count, and those that are made of log-likelihoods."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as a model was asked, and what it answered."""

    doc: int
    prompt: str
    continuation: str | None
    """None: a text was generated, or the prompt itself was scored."""
    answer: Any
    """A log-likelihood, a pair of that and whether it is greedy, or a text."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one side gave."""

    figures: Mapping[str, float]
    """Metric and filter, as lm-eval writes them: acc,none."""
    asked: Sequence[Asked] = field(default_factory=list)


class Work:
    """A folder with the rows, the models and the files of tasks that change something."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cache  # noqa: B019  # one for a run of this script
    def model(self, family: str) -> str:
        return models.make(family, self.folder / "models" / family, facts.texts(), UPDATES)

    @cache  # noqa: B019
    def rows(self, name: str) -> dict[str, str]:
        return columns.write(self.folder / "rows", name, DATA)

    def data(self, name: str) -> str:
        """The folder with a file a split."""
        return str(Path(next(iter(self.rows(name).values()))).parent)

    def task(self, case: Case) -> str:
        """The task's name, or the path of the file that stands for it."""
        if case.task.endswith(".yaml"):
            return str(HERE / "lm_eval_rows" / "own" / case.task)
        if not case.changed:
            return case.task
        file = self.folder / "tasks" / f"{case.task}_changed.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        # JSON is YAML
        said = {"include": str(manager().task_index[case.task].yaml_path), "task": file.stem, **case.changed}
        file.write_text(json.dumps(said))
        return str(file)


@cache
def manager() -> Any:
    import lm_eval.evaluator
    from lm_eval.tasks import TaskManager

    # ten seconds a task, for a note on the machine
    lm_eval.evaluator.add_env_info = lambda _: None
    return TaskManager()


@cache
def peer_model(folder: str) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=1)


@contextmanager
def in_place_of_the_hub(files: Mapping[str, str]) -> Iterator[None]:
    """The only data set that there is: a task in Python takes no other path."""
    import datasets

    theirs, place = datasets.load_dataset, tempfile.mkdtemp()
    datasets.load_dataset = lambda *_, **__: theirs("json", data_files=dict(files), cache_dir=place)
    try:
        yield
    finally:
        datasets.load_dataset = theirs


def by_peer(case: Case, work: Work) -> Side:
    """lm-eval's own evaluation with its `hf` model, one request a batch, in float32."""
    import lm_eval
    from lm_eval.tasks._index import TaskIndex

    named = work.task(case)
    entry = TaskIndex.entry_from_path(Path(named)) if named.endswith(".yaml") else manager().task_index[named]
    random.seed(0)  # as lm-eval does before it loads a task
    np.random.seed(1234)
    with in_place_of_the_hub(work.rows(case.rows)):
        task = manager()._factory.build(entry, registry=manager().task_index)
    found = lm_eval.simple_evaluate(
        model=peer_model(work.model(case.model)), tasks=[task], num_fewshot=case.shots, bootstrap_iters=0,
        fewshot_random_seed=SEED, apply_chat_template=case.chat, fewshot_as_multiturn=case.chat,
        system_instruction=case.system or None,
    )  # fmt: skip
    [(_, figures)] = found["results"].items()
    return Side(
        figures={k: v for k, v in figures.items() if "," in k and "_stderr," not in k},
        asked=[
            Asked(doc=i.doc_id, prompt=i.args[0], continuation=_continuation(i), answer=answer)
            for i in task.instances for answer in i.resps
        ],
    )  # fmt: skip


def _continuation(instance: Any) -> str | None:
    return instance.args[1] if instance.request_type == "loglikelihood" else None
