"""What a row has under a name, a position or a path; rows that lie inside one another."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import DataError, InputError, did_you_mean, summary_of
from .layout import current_layout

Row = dict[str, Any]

EXPRESSION = re.compile(r"[.\[\](){}|@*&'\"`]")
"""What no plain name of a column has, and every JMESPath beyond one does."""


def column(where: str, row: Mapping[str, Any], name: str) -> Any:
    """A row's value.

    name: of a column; a position from 0, or from -1 back, in a row without names; or a JMESPath (https://jmespath.org) into
        lists and objects

    raises: DataError that names the columns that there are
    """
    if name in row:
        return row[name]
    if re.fullmatch(r"-\d+", name) and (at := str(len(row) + int(name))) in row:
        return row[at]
    hints = did_you_mean(name, map(str, row)) or by_position(where, ["field"])
    if EXPRESSION.search(name):
        try:
            if (found := search(name, row)) is not None:
                return found
        except InputError as e:
            hints.append(e.message)
    raise DataError(where, f"a column {name!r}", f"{', '.join(map(str, row))}", "say which with --columns field=column,…", *hints)


def no_column(
    where: str, row: Mapping[str, Any], field: str, known: Sequence[str], needed: Mapping[str, Sequence[str]] | None = None
) -> DataError:
    """The error of a row that has a field under none of its known names.

    needed: all fields that a row must have, each with its known names: those that this one lacks too are told with it
    """
    lacking = {name: names for name, names in (needed or {}).items() if not any(one in row for one in names)} | {field: known}
    names = [name for name in needed or lacking if name in lacking] if field in (needed or lacking) else [*lacking]
    wanted = " and ".join(f"a column with the {name} ({' or '.join(lacking[name])})" for name in names)
    say = f"say which {'it is' if len(names) == 1 else 'they are'} with --columns {','.join(f'{name}=COLUMN' for name in names)}"
    return DataError(where, wanted, f"the columns {', '.join(map(repr, row))}", say, *by_position(where, names))


def by_position(where: str, fields: Sequence[str]) -> list[str]:
    """What to do where those are no names, but the first row of a table without a header."""
    is_table = re.search(r"\.(csv|tsv|txt|xlsx)\b", where, re.IGNORECASE)
    named = ",".join(f"{field}={place}" for place, field in enumerate(fields)) + ",…" * (len(fields) == 1)
    return [f"if that is the first row and no header, by position from 0: --columns {named}"] if is_table else []


def search(path: str, value: Any) -> Any:
    """What a JMESPath leads to; None: nothing.

    raises: InputError if it is none
    """
    import jmespath

    try:
        return jmespath.search(path, value)
    except jmespath.exceptions.JMESPathError as e:
        raise InputError(f"{path!r} is no JMESPath (https://jmespath.org): {summary_of(e).rstrip(':')}") from e


def position_names(values: Sequence[Any]) -> Row:
    """A row without names: each value under its position."""
    return {str(i): value for i, value in enumerate(values)}


def as_row(where: str, value: Any, what: str = "an object") -> Row:
    """An object, or, where columns are named by position, a list as a row.

    raises: DataError
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and not current_layout().header:
        return position_names(value)
    ways = ("name its items by position from 0: --columns text=0,…", "or say where rows lie in it: --columns rows=…[]")
    raise DataError(where, what, type(value).__name__, *(ways if isinstance(value, list) else ()))


def nested(where: str, value: Any, path: str) -> Iterator[tuple[str, Row]]:
    """The rows to which a path leads, each with what stands around it.

    path: each `[]` goes into every item of the list before it: "data[].paragraphs[].qas[]"; what stands between is a JMESPath.
        A row has the columns of its own item and of all items around it; where two have one name, the inner counts, and the
        outer is reached through the name of its list: "paragraphs.id". An item that is a list has positions for columns.

    raises: DataError where something else stands; InputError for a path that is none
    """
    *steps, rest = (step.strip().removeprefix(".") for step in path.split("[]"))
    if rest or not steps:
        raise InputError(f"rows={path}: a path to rows ends in []", "such as data[].paragraphs[].qas[]")
    yield from _inside(where, value, {}, steps)


def _inside(where: str, value: Any, around: Row, steps: Sequence[str]) -> Iterator[tuple[str, Row]]:
    step, *further = steps
    items = search(step, value) if step else value
    at = where if not step else f"{where}{'' if step.startswith('[') or where.endswith(' ') else '.'}{step}"
    if not isinstance(items, list):
        raise DataError(at, "a list of rows", "nothing" if items is None else type(items).__name__)
    for i, item in enumerate(items):
        here = f"{at}[{i}]"
        own = position_names(item) if isinstance(item, list) else item if isinstance(item, dict) else {"value": item}
        name = step.removeprefix("[").removesuffix("]")
        row = {**around, **({name: item} if name else {}), **own}
        if further:
            yield from _inside(here, item, row, further)
        else:
            yield here, row
