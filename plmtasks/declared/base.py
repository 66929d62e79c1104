"""A task that a file declares: its data, and what its examples ask; the answers are read by its form."""

import glob
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from ..config import Source
from ..data import Cell, Dataset, by_length, hub_file, in_parts, open_dataset, split_files
from ..errors import DataError, InputError
from ..examples import Example, same_names, same_slices
from ..files import Layout, column, laid_out, read_records, row_aside
from ..requests import BUILT_IN, Prompted, Request
from ..task import HubTask, Rewritable
from .file import Declaration, declare, written_in_python
from .templates import ALL_WORDS, ONE_CHOICE, fill

REQUESTS = {form.kind(): form for form in BUILT_IN}

MODULES = tuple(f"{__package__}.{name}" for name in ("base", "forms", "numbers", "tags"))
"""The modules of the classes whose tasks a file can declare."""


class DeclaredTask(Rewritable, HubTask):
    """A task whose data, templates and columns are declared: by a TOML file, or by a plugin in Python."""

    told_by: ClassVar[Sequence[str]] = ("reference",)
    """The fields of `--columns` that the right answer takes."""

    def __init__(self, name: str, *, data: Path | Mapping[str, Any] | None = None, **said: Any) -> None:
        """A task that a plugin brings, as its TOML file would declare it.

        data: a folder with a table for each split, or what a file's table [data] says; None: the user names some
        said: `metrics`, `labels` and the other keys of such a file, tables as mappings; where a class has arguments of its own,
            they stand for its tables: templates have names of columns in braces

        raises: DataError for what declares no task, InputError for a folder without splits
        """
        self._declare(declare(written_in_python(name, data, said)))
        if type(self).__module__ in MODULES:  # a task that is no subclass is its maker's
            frame = sys._getframe()
            while frame.f_back is not None and frame.f_globals["__name__"] in MODULES:
                frame = frame.f_back
            self.__module__ = frame.f_globals["__name__"]

    @classmethod
    def of(cls, declared: Declaration) -> Self:
        """The task of a file; raises DataError for shots that are no examples."""
        task = cls.__new__(cls)
        task._declare(declared)
        return task

    def _declare(self, declared: Declaration, labels: Sequence[str] | None = None) -> None:
        self.declared = declared
        self.name, self.description, self.language = declared.name, declared.description, declared.language
        self.aliases, self.needs_data = declared.aliases, declared.data.hub is None and not declared.data.splits
        self.asks, self.metrics, self.main = declared.asks, declared.metrics, declared.main
        self.labels = tuple(declared.labels if labels is None else labels)
        more = (*declared.lists, *declared.columns.optional)
        self.fields = tuple(name for name in declared.inputs if name not in more)
        self.more_fields = tuple(name for name in declared.inputs if name in more)
        counted = declared.ExtractSpan.context if declared.ExtractSpan else None
        self.texts = tuple(name for name in declared.inputs if name not in (*declared.lists, counted))
        self.shots = tuple(self._own_shots()["shots"]) if declared.shots else ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeclaredTask) and (self.declared, self.labels) == (other.declared, other.labels)

    def __hash__(self) -> int:
        return hash((self.name, self.labels))

    def labelled(self, labels: Sequence[str]) -> Self:
        task = copy(self)
        task._declare(self.declared, labels)
        return task

    def config(self) -> dict[str, Any]:
        # a subclass may read and ask otherwise: what it declares does not tell all of it
        whole = type(self).__module__ in MODULES
        return {**super().config(), "declared" if whole else "declared_in_part": self.declared.config()}

    # ── data ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def load(self, source: Source) -> Dataset:
        """Its own data, or `source`, whose columns go by the names of the inputs, and reference, id and cluster."""
        known = (*self.declared.inputs, *self.told_by, "id", "cluster")
        for name in source.columns:
            if name not in known:
                raise InputError(f"--columns: there is no field {name!r}", f"the fields are: {', '.join(known)}")
        data, own = self.declared.data, None
        if source.data is None and data.splits:
            name = self.name if data.hub is None else f"hf://{data.hub}@{data.revision or 'main'}"
            readers = {split: partial(self._read_own, split, value) for split, value in data.splits.items()}
            own = Dataset(name=name, readers=readers, published=True, evaluated=data.evaluate or "")
        elif source.data is None and data.hub is not None:
            at = f"@{data.revision}" if data.revision else ""
            of = f"#{data.config}" if data.config else ""
            source = replace(source, data=f"hf://{data.hub}{at}{of}")

        def read(path: Path) -> Iterator[Example]:
            return self._read([path], next(iter(split_files(path))), source.columns)

        found = open_dataset(source, read, name=self.name, own=own, said=self._layout(source))
        return self.together(found, source.columns.get("reference_is", self.declared.columns.reference_is or ""))

    def together(self, data: Dataset, said: str) -> Dataset:
        """The data set with what its references mean in all rows together.

        said: how they tell it; "": that is found out
        """
        return data

    def _layout(self, source: Source) -> Layout:
        """How files are laid out: as the user says, else as the task's file does."""
        said = self.declared.columns
        told = said.reference if isinstance(said.reference, Mapping) else {"reference": said.reference}
        own = {name: own for name, own in self.declared.inputs.items() if not (source.columns and name in said.optional)}
        names = {**own, **told, "id": said.id, "cluster": said.cluster, **source.columns}
        columns = {field: name for field, name in names.items() if name}
        return Layout.of(columns, source.rows or said.rows, source.separator or said.separator)

    def _own_shots(self) -> Dataset:
        def read() -> Iterator[Example]:
            return self._written(self.declared.shots, lambda row, id_: self.solved("shots", row, id_), "shots")

        return self.together(Dataset(name=self.name, readers={"shots": read}), self.declared.columns.reference_is or "")

    def _read_own(self, split: str, said: Any) -> Iterator[Example]:
        data = self.declared.data
        if isinstance(said, Mapping):
            readers = {part: partial(self._speaking(part)._read_own, split, paths) for part, paths in said.items()}
            yield from in_parts(readers, data.parts, parallel=data.parallel)
            return
        if not isinstance(said, str) and isinstance(said[0], Mapping):
            yield from self._written(said, lambda row, id_: self.example(split, row, id_), "data", split)
            return
        paths = [said] if isinstance(said, str) else said
        if data.hub is not None:
            files = [hub_file(data.hub, path, data.revision or "main") for path in paths]
        else:
            files = [found for path in paths for found in self._found(path, split)]
        with laid_out(self._layout(Source())):
            yield from self._read(files, split, {})

    def _speaking(self, part: str) -> Self:
        """This task for a part of its data: where the parts are languages, in that one."""
        task = copy(self)
        if self.declared.data.parts == "language":
            task.language = part
        return task

    def _written(
        self, rows: Sequence[Mapping[str, Any]], make: Callable[[Mapping[str, Any], str], Example], *keys: str
    ) -> Iterator[Example]:
        """The examples of rows in the task's own file, to which the keys lead."""
        for number, row in enumerate(rows):
            line = partial(self.declared.file.where, *keys, number)  # looked for where somebody wants to know it
            try:
                example = make(row, f"{keys[-1]}-{number}")
            except DataError as e:
                raise DataError(line(), e.expected, e.found, *e.hints) from None
            cell = example.reference
            yield replace(example, reference=replace(cell, where=line)) if isinstance(cell, Cell) else example

    def _found(self, path: str, split: str) -> list[Path]:
        """The files of a path, or of a pattern, beside the task's file, in the order of their names.

        raises: InputError if there is none, or one leads out of the folder: a stranger may have written the task's file
        """
        file = self.declared.file
        beside = file.path.parent
        pattern = partial(glob.glob, root_dir=beside, recursive=True)  # a Path's own takes no absolute one
        inside = not Path(path).is_absolute() and ".." not in Path(path).parts
        found = [beside / name for name in ([path] if (beside / path).is_file() else sorted(pattern(path)))] if inside else []
        if not inside or not all(name.resolve().is_relative_to(beside.resolve()) for name in found):
            said = f"{file.where('data', split)}: {path!r} leads out of the folder of {file.path.name}"
            raise InputError(said, "--data PATH names data that lie elsewhere, or put them beside it")
        if not found:
            raise InputError(f"{file.where('data', split)}: there is no file {path!r} beside {file.path.name}")
        return found

    def _read(self, files: Sequence[Path], split: str, columns: Mapping[str, str]) -> Iterator[Example]:
        said = columns.get("reference", self.declared.columns.reference)
        task = self.naming(files[0], said) if isinstance(said, str) else self
        number = count()
        for path in files:
            for where, row in read_records(path):
                with row_aside():
                    for at, one in task.unfolded(path, where, row):
                        yield task.example(at, one, f"{split}-{next(number)}", columns)

    def unfolded(self, path: Path, where: str, row: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The rows, an example each, that a row of a file stands for, and where they stand: mostly itself alone.

        raises: DataError
        """
        yield where, row

    def naming(self, path: Path, column: str) -> "DeclaredTask":
        """This task, knowing what lies beside the data, or in its schema, of the column of the reference."""
        return self

    def example(self, where: str, row: Mapping[str, Any], id: str, columns: Mapping[str, str] | None = None) -> Example:
        """The example of a row.

        id: that it has if no column tells one
        columns: input, reference, id or cluster → another column than the file says

        raises: DataError with the place of the row if it is none
        """
        said, more = self.declared.columns, columns or {}
        inputs, reference, undisclosed = self._solved(where, row, more)
        ids, clusters = more.get("id", said.id), more.get("cluster", said.cluster)
        ids = "id" if ids is None and isinstance(row.get("id"), (str, int)) else ids
        shown = " ".join([value if isinstance(value, str) else " ".join(map(str, value)) for value in inputs.values()])
        slices = [f"{name}={column(where, row, name)}" for name in said.slices]
        return Example(
            id=str(column(where, row, ids)) if ids else id, inputs=inputs, reference=reference,
            cluster=None if clusters is None else str(column(where, row, clusters)),
            slices=same_slices((by_length(shown, self.language), *slices, *self.slices(reference))), undisclosed=undisclosed,
        )  # fmt: skip

    def solved(self, where: str, row: Mapping[str, Any], id: str, columns: Mapping[str, str] | None = None) -> Example:
        """What of a row is asked and answered, all that a shot needs; raises as `example`."""
        inputs, reference, undisclosed = self._solved(where, row, columns or {})
        return Example(id=id, inputs=inputs, reference=reference, undisclosed=undisclosed)

    def _solved(self, where: str, row: Mapping[str, Any], more: Mapping[str, str]) -> tuple[dict[str, Any], Any, bool]:
        """The inputs, the reference, and whether that is kept by whoever published the data."""
        inputs = self._inputs(where, row, more)
        if not self.declared.columns.reference:
            return inputs, None, False
        said = more.get("reference", self.declared.columns.reference)
        cell: Any
        if isinstance(said, Mapping):
            cell = {name: column(where, row, of) for name, of in said.items()}
        else:
            cell = column(where, row, said)
        if self._is_hidden(cell):
            return inputs, None, True
        return inputs, self.reference(where, cell, inputs), False

    def _is_hidden(self, cell: Any) -> bool:
        """Whether it has what stands for an answer that is not public."""
        hidden = self.declared.columns.hidden
        if hidden is None:
            return False
        cells = list(cell.values()) if isinstance(cell, Mapping) else [cell]
        plain = [tuple(one) if isinstance(one, list) else one for one in cells]
        return all(one == hidden or str(one).strip() == str(hidden) for one in plain)

    def _inputs(self, where: str, row: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, Any]:
        """What of a row is asked, without what it may lack and does."""
        found = {}
        for name, own in self.declared.inputs.items():
            optional = name in self.declared.columns.optional
            try:
                cell = column(where, row, more.get(name, own))
            except DataError:
                if not optional or name in more:  # what the user names is to be there
                    raise
                continue
            if not optional or cell not in (None, ""):
                found[name] = self.input(where, name, cell)
        return same_names(found)

    def input(self, where: str, name: str, value: Any) -> Any:
        """The text of a cell; of a list of texts, each on a line of its own.

        raises: DataError if a cell is not what the file takes it for
        """
        if name in self.declared.lists:
            return self.listed(where, name, value)
        if isinstance(value, str):
            return value
        if isinstance(value, (list, tuple)) and value and all(isinstance(line, str) for line in value):
            return "\n".join(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DataError(where, f"a text as {name!r}", f"{value!r:.60}")
        return str(value)

    def listed(self, where: str, name: str, value: Any) -> list[Any]:
        """An input that is a list."""
        if not isinstance(value, (list, tuple)) or not value or not all(isinstance(v, str) for v in value):
            raise DataError(where, f"a list of texts as {name!r}", f"{value!r:.60}")
        return list(value)

    @abstractmethod
    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> Any:
        """The right answer that a cell tells.

        cell: of the column of the reference; of several columns, by the names that the file gives them

        raises: DataError
        """

    def slices(self, reference: Any) -> Iterable[str]:
        """The slices of an example with such a reference."""
        return ()

    def pose(self, row: Mapping[str, Any], id: str) -> Example:
        """raises: InputError if the row is no question of this task"""
        names, optional = (*self.fields, *self.more_fields), self.declared.columns.optional
        given = {name: value.strip() if isinstance(value, str) else value for name, value in row.items()}
        wrong = [f"a field {name!r}" for name in row if name not in names]
        wrong += [f"no {name!r}" for name in names if name not in optional and not given.get(name)]
        if wrong:
            raise InputError(f"{self.name} is asked with {', '.join(names)}; the question has {wrong[0]}")
        return Example(id=id, inputs={name: self.input(self.name, name, row[name]) for name in names if given.get(name)})

    def column_names(self, field: str) -> Sequence[str]:
        column = self.declared.inputs.get(field, self.declared.columns.id if field == "id" else None)
        return (field,) if column in (None, field) else (column, field)

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, example: Example, kind: str) -> Request:
        """raises: InputError if it cannot be asked by this kind, or its labels are not known"""
        if kind not in self.asks:
            raise InputError(f"task {self.name!r} cannot be asked by {kind}", f"it can be by: {', '.join(self.asks)}")
        request = self.posed(example.inputs, kind)
        if not isinstance(request, Prompted) or not self.shots:
            return request
        shots = []
        for shot in self.shots:  # all but those that ask the same
            other = cast(Prompted, self.posed(shot.inputs, kind))
            if shot.inputs != example.inputs and other != request:
                shots.append(other.as_shot(self.solve(shot, other)))
        return request.with_shots(tuple(shots))

    def posed(self, inputs: Mapping[str, Any], kind: str) -> Request:
        """The request without shots.

        raises: InputError
        """
        values = {**dict.fromkeys(self.declared.columns.optional, ""), **inputs}
        if kind in self.declared.worded:
            values = {ALL_WORDS: self.all_words(), **values}
        made = dict(vars(getattr(self.declared, kind)))
        for key, text, is_column, may_be_empty in self.declared.asked[kind]:
            made[key] = inputs[text] if is_column else fill(text, values)
            if may_be_empty:
                made[key] = made[key].strip() or (None if key == "text_pair" else "")
        if kind == "Classify":
            made["labels"] = self.labels
        elif kind == "Choose":
            made["choices"] = tuple(word for _, word in self.candidates(inputs))
            if pair := made.pop("pair_choice"):
                made["pair_choices"] = tuple(fill(pair, {**values, ONE_CHOICE: choice}) for choice in made["choices"])
        elif kind == "Tag":
            made |= {"words": tuple(made["words"]), "labels": self.tags(), "marked": tuple(made["marked"] or ())}
            del made["scheme"]
        return REQUESTS[kind](**made)

    def all_words(self) -> str:
        """The words of all labels, for an instruction."""
        return ""

    def candidates(self, inputs: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """What can be predicted, each with the words that stand for it in a prompt."""
        return ()

    def tags(self) -> tuple[str, ...]:
        """What a word can be tagged with."""
        return ()
