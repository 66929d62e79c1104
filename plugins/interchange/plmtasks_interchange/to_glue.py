"""Predictions of the test splits of GLUE and SuperGLUE in the files that their servers take."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.config import Source
from plmtasks.errors import DataError, InputError, OutputError, counted
from plmtasks.examples import Example
from plmtasks.files import open_folder, read_json_lines, write_text
from plmtasks.formats import Written
from plmtasks.task import Task

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

Told = Callable[[Task, Example, Any], Any]
"""What a server is told of a prediction."""


def _word(task: Task, example: Example, value: Any) -> Any:
    return value


def _number(task: Task, example: Example, value: Any) -> int:
    return task.labels.index(value)


def _truth(task: Task, example: Example, value: Any) -> str:
    return str(value).lower()


def _score(task: Task, example: Example, value: Any) -> str:
    return f"{value:.3f}"


def _choice(task: Task, example: Example, value: Any) -> int:
    return [example.inputs["choice1"], example.inputs["choice2"]].index(value)


GLUE: Mapping[str, tuple[Mapping[str, str], Told]] = {
    "classification/cola": ({"": "CoLA.tsv"}, _number), "classification/sst2": ({"": "SST-2.tsv"}, _number),
    "classification/mrpc": ({"": "MRPC.tsv"}, _number), "regression/stsb": ({"": "STS-B.tsv"}, _score),
    "classification/qqp": ({"": "QQP.tsv"}, _number),
    "classification/mnli": ({"matched": "MNLI-m.tsv", "mismatched": "MNLI-mm.tsv"}, _word),
    "classification/qnli": ({"": "QNLI.tsv"}, _word), "classification/rte": ({"": "RTE.tsv"}, _word),
    "classification/wnli": ({"": "WNLI.tsv"}, _number), "classification/ax": ({"": "AX.tsv"}, _word),
}  # fmt: skip
"""Task → the file of each part of its test split, and what stands in it.

source: `GlueBenchmark` and the tasks' `get_glue_preds` in nyu-mll/jiant 2.2, whose files https://gluebenchmark.com takes
"""

SUPERGLUE: Mapping[str, tuple[str, Told]] = {
    "qa/boolq": ("BoolQ.jsonl", _truth), "classification/cb": ("CB.jsonl", _word), "qa/copa": ("COPA.jsonl", _choice),
    "qa/multirc": ("MultiRC.jsonl", _number), "qa/record": ("ReCoRD.jsonl", _word),
    "classification/superglue_rte": ("RTE.jsonl", _word), "classification/wic": ("WiC.jsonl", _truth),
    "classification/wsc": ("WSC.jsonl", _word), "classification/axb": ("AX-b.jsonl", _word),
    "classification/axg": ("AX-g.jsonl", _word),
}  # fmt: skip
"""Task → its file, and what stands in it.

source: `SuperglueBenchmark` and the tasks' `super_glue_format_preds` in nyu-mll/jiant 2.2, whose files
    https://super.gluebenchmark.com takes
"""


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What a file of `plmtasks predict --split` holds."""

    task: Task
    examples: Sequence[Example]
    """Those of the split."""
    values: Mapping[str, Any]
    """By id."""

    def told(self, how: Told) -> Iterator[tuple[Example, Any]]:
        return ((e, how(self.task, e, self.values[e.id])) for e in self.examples)


def glue(files: Sequence[Path], output: Path, registry: "Registry") -> Written:
    """Tables of `index` and `prediction`, one for each part of a test split.

    raises: as `_read`; OutputError
    """
    made: dict[str, str] = {}
    for found in _read(files, GLUE, registry):
        parts, how = GLUE[found.task.name]
        for part, name in parts.items():
            rows = [value for e, value in found.told(how) if not part or f"part={part}" in e.slices]
            made[name] = "index\tprediction\n" + "".join(f"{index}\t{value}\n" for index, value in enumerate(rows))
    return _written(made, [name for parts, _ in GLUE.values() for name in parts.values()], output)


def superglue(files: Sequence[Path], output: Path, registry: "Registry") -> Written:
    """JSON lines of `idx` and `label`; of MultiRC a line for each paragraph, with its questions and their answers.

    raises: as `_read`; OutputError
    """
    made = {}
    for found in _read(files, SUPERGLUE, registry):
        name, how = SUPERGLUE[found.task.name]
        labelled = [([int(number) for number in e.id.split("-")], value) for e, value in found.told(how)]
        lines = _paragraphs(labelled) if name == "MultiRC.jsonl" else [{"idx": at[-1], "label": value} for at, value in labelled]
        made[name] = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return _written(made, [name for name, _ in SUPERGLUE.values()], output)


def _paragraphs(labelled: Sequence[tuple[Sequence[int], Any]]) -> list[dict[str, Any]]:
    """labelled: the numbers of a paragraph, a question and an answer, and the answer's label"""
    found: dict[int, dict[int, list[dict[str, Any]]]] = {}
    for (paragraph, question, answer), label in labelled:
        found.setdefault(paragraph, {}).setdefault(question, []).append({"idx": answer, "label": label})
    return [
        {"idx": at, "passage": {"questions": [{"idx": q, "answers": answers} for q, answers in questions.items()]}}
        for at, questions in found.items()
    ]  # fmt: skip


def _read(files: Sequence[Path], known: Mapping[str, Any], registry: "Registry") -> Iterator[Predicted]:
    """What each file holds, of a task each.

    raises: InputError for what is no such file; DataError for one that lacks predictions; OutputError for a prediction that
        no server takes
    """
    seen: dict[str, Path] = {}
    for path in files:
        if not path.is_file():
            hint = "plmtasks predict --task T --model M --split test --output FILE.jsonl makes one"
            raise InputError(f"{path}: a submission is made of files of predictions, and this is none", hint)
        lines = list(read_json_lines(path))
        named = {(row.get("task"), row.get("split")) for _, row in lines}
        if len(named) != 1 or None in (one := next(iter(named))):
            raise DataError(str(path), 'lines with "task" and "split", the same in all of them', f"{sorted(map(str, named))[:3]}")
        name, split = map(str, one)
        if name not in known:
            raise InputError(f"{path}: the server has no task {name!r}", f"it has: {', '.join(known)}")
        if name in seen:
            raise InputError(f"{path}: {name} is in {seen[name]} already", "name one of them")
        seen[name] = path
        yield _predicted(path, {str(row["id"]): row.get("prediction") for _, row in lines}, registry.task(name), split)


def _predicted(path: Path, values: Mapping[str, Any], task: Task, split: str) -> Predicted:
    examples = task.load(Source())[split]
    if lacking := [e.id for e in examples if e.id not in values]:
        all_of, some = f"a prediction of each of the {len(examples):,} examples of {split}", f"{len(lacking):,} without one"
        raise DataError(str(path), all_of, f"{some}, {lacking[0]!r} first", "the same predict command goes on where it ended")
    without = [e.id for e in examples if values[e.id] is None or (task.labels and values[e.id] not in task.labels)]
    if without:
        raise OutputError(
            f"{path}: {counted(len(without), 'prediction')} of {len(examples):,} named no answer, {without[0]!r} first,"
            " and the server takes an answer to each",
            "a prediction by Classify or Choose always names one: plmtasks predict --ask Choose",
        )  # fmt: skip
    return Predicted(task=task, examples=examples, values=values)


def _written(made: Mapping[str, str], wanted: Sequence[str], output: Path) -> Written:
    open_folder(output)
    for name, text in made.items():
        write_text(output / name, text)
    files = [output / name for name in made]
    lacking = [name for name in wanted if name not in made]
    more = f"\nthe server takes these, too: {', '.join(lacking)}" if lacking else ""
    return Written(files=files, said="\n".join(map(str, files)) + more)
