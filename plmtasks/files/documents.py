"""JSON files: those that somebody else wrote, whose mistakes are told with file, line and column, and our own, sealed."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from ..errors import DataError

DEPTH = 100
"""Lists and objects within one another; what walks through a document has to come to an end."""

DIGITS = 300
"""Of a whole number: more than a floating-point number can hold."""

BYTES = 2**28
"""Of a document: more than any that is written here, and less than would fill a machine's memory."""


def parse(where: str, text: str, *, line: str = "", finite: bool = False) -> Any:
    """What a text of JSON says.

    where: the file; or "file:line", where the text is one line of many
    line: what such a line is expected to be
    finite: no NaN and no infinity, which JSON does not know and some writers write

    raises: DataError for what is no JSON, lies too deep, has too many digits or half a character
    """
    try:
        value = _decode(text)
        if finite or ("\\u" in text and "\\ud" in text.lower()):  # an escape may be half a character: JSON, but no text
            json.dumps(value, ensure_ascii=False, allow_nan=not finite).encode()
    except json.JSONDecodeError as e:
        place = f"{where}:{e.colno}" if line else f"{where}:{e.lineno}:{e.colno}"
        raise DataError(place, line or "JSON", e.msg) from e
    except UnicodeEncodeError as e:
        raise DataError(where, "whole characters", f"the half character {e.object[e.start]!a}") from e
    except RecursionError as e:
        raise _too_deep(where) from e
    except ValueError as e:
        raise DataError(where, "numbers that are finite" if "JSON compliant" in str(e) else "JSON", str(e)) from e
    if text.count("[") + text.count("{") > DEPTH:
        _check_depth(where, value)
    return value


def read_document(path: Path, *, finite: bool = True) -> Any:
    """The JSON document in a file.

    raises: FileNotFoundError; DataError, also for what is no file
    """
    return parse(str(path), read_text(path), finite=finite)


def read_text(path: Path) -> str:
    """The text of a file, with its line ends as they are.

    raises: FileNotFoundError; DataError, also for what is no file
    """
    check_file(path)
    try:
        if path.stat().st_size > BYTES:
            raise DataError(str(path), f"a document of at most {BYTES >> 20} MiB", f"{path.stat().st_size:,} bytes")
        return decoded(path, path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as e:
        raise DataError(str(path), "a file that can be read", e.strerror or str(e)) from e


def decoded(path: Path, content: bytes) -> str:
    """The text of a file whose bytes are read.

    raises: DataError
    """
    try:
        return content.decode()
    except UnicodeDecodeError as e:
        raise DataError(str(path), "UTF-8 text", f"byte 0x{e.object[e.start]:02x} at position {e.start}") from e


def check_file(path: Path) -> None:
    """raises: DataError if there is something else than a file: a pipe would be waited for, and a device has no end"""
    if isinstance(path, Path) and path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(str(path), "a file", "a device, pipe or socket")


def read_object(path: Path, shape: "Shape" = dict) -> dict[str, Any]:
    """The JSON object in a file.

    raises: FileNotFoundError; DataError, also if it has not that shape
    """
    return as_object(path, read_text(path), shape)


def as_object(path: Path, text: str, shape: "Shape" = dict) -> dict[str, Any]:
    """The JSON object in a file whose text is read.

    raises: DataError, also if it has not that shape
    """
    found: dict[str, Any] = parse(str(path), text, finite=True)
    if not isinstance(found, dict):
        raise DataError(str(path), "a JSON object", type(found).__name__)
    check(str(path), found, shape)
    return found


def dump(value: Any) -> str:
    """JSON with sorted keys; the same value gives the same bytes.

    raises: ValueError for nan and infinity, which JSON does not know
    """
    try:
        return "".join(_pieces(value, "\n")) + "\n"
    except _Other:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False) + "\n"


TOGETHER = 65_536
"""Items of a list that are written at a time."""


def _pieces(value: Any, line: str) -> Iterator[str]:
    """The pieces of `_indented`, none of which is as long as a list of a million items; raises as that."""
    kind, inner = type(value), line + " "
    if kind is dict and value and all(type(name) is str for name in value):
        for place, name in enumerate(sorted(value)):
            yield f"{',' if place else '{'}{inner}{_quoted(name)}: "
            yield from _pieces(value[name], inner)
        yield f"{line}}}"
    elif kind in (list, tuple) and len(value) > TOGETHER:
        for start in range(0, len(value), TOGETHER):
            some = _indented(value[start : start + TOGETHER], line)
            yield ("," if start else "[") + some[1 : -len(line) - 1]
        yield f"{line}]"
    else:
        yield _indented(value, line)


class _Other(Exception):
    """A value that is none of JSON's own types."""


_atom = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_quoted = encode_basestring


def _indented(value: Any, line: str) -> str:
    """As json.dumps, which writes a million texts with indents fifteen times as slowly.

    line: the end of a line and the indent

    raises: _Other for what json.dumps may know how to write
    """
    kind, inner = type(value), line + " "
    if kind is str:
        return _quoted(value)
    if kind is list or kind is tuple:
        parts = [_quoted(v) if type(v) is str else _indented(v, inner) for v in value]
        return f"[{inner}{f',{inner}'.join(parts)}{line}]" if parts else "[]"
    if kind is dict:
        if not all(type(name) is str for name in value):
            raise _Other
        parts = [f"{_quoted(name)}: {_indented(value[name], inner)}" for name in sorted(value)]
        return f"{{{inner}{f',{inner}'.join(parts)}{line}}}" if parts else "{}"
    if kind not in (int, float, bool, type(None)):
        raise _Other
    return _atom(value)


def value_hash(value: Any) -> str:
    """The SHA-256 of a value's JSON, as 32 hexadecimal digits: half of it.

    raises: ValueError for nan and infinity
    """
    digest = hashlib.sha256()
    try:
        for piece in _pieces(value, "\n"):
            digest.update(piece.encode("utf-8", "surrogatepass"))
    except _Other:
        return _digest(dump(value))[:32]
    digest.update(b"\n")
    return digest.hexdigest()[:32]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def as_text(value: Any) -> str:
    """A text as it is, and any other value as JSON on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


CHECKSUM = "checksum"
"""Under which a record holds the hash of all else that stands in it."""


def sealed(record: Mapping[str, Any]) -> str:
    """The text of a record with the SHA-256 of its text without that line."""
    bare = {key: value for key, value in record.items() if key != CHECKSUM}
    return dump({**bare, CHECKSUM: _digest(dump(bare))})


def is_sealed(text: str, record: Mapping[str, Any]) -> bool:
    """Whether a record's text is, byte for byte, the one that was sealed; it is not parsed and written again for that."""
    line = f' "{CHECKSUM}": "{record.get(CHECKSUM)}",\n'
    return line in text and _digest(text.replace(line, "", 1)) == record[CHECKSUM]


def file_hash(path: Path) -> str:
    """The SHA-256 of a file's bytes, read once a process."""
    state = path.stat()
    return _file_hash(path.resolve(), state.st_size, state.st_mtime_ns)


@cache
def _file_hash(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _integer(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits, more than {DIGITS}")
    return int(text)


_decoder = json.JSONDecoder(parse_int=_integer)  # `json.loads` would make another for each of a million lines


def _decode(text: str) -> Any:
    if text.startswith("{"):  # as most do: nobody need look for white space around it
        value, end = _decoder.raw_decode(text)
        if end == len(text):
            return value
    return _decoder.decode(text)


def _check_depth(where: str, value: Any) -> None:
    level = [value]
    for _ in range(DEPTH + 1):
        holders = [holder for holder in level if isinstance(holder, (dict, list))]
        level = [inner for holder in holders for inner in (holder.values() if isinstance(holder, dict) else holder)]
        if not holders:
            return
    raise _too_deep(where)


def _too_deep(where: str) -> DataError:
    return DataError(where, f"lists and objects at most {DEPTH} deep", "deeper ones")


Shape = Any
"""What a value should be: a type or several, `[shape]` for a list of such, either of these or None in a tuple,
`{"name": shape, "perhaps?": shape}` for an object, in which `...` stands for every other name."""

NUMBER = (int, float)
NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dict: "an object", list: "a list"}


def check(where: str, value: Any, shape: Shape) -> None:
    """raises: DataError, with the path within the document, for a value that has another shape"""
    if shape is Any or (value is None and isinstance(shape, tuple) and type(None) in shape):
        return
    if isinstance(shape, tuple) and isinstance(shape[0], (list, dict)):
        shape = shape[0]
    kinds: Any = type(shape) if isinstance(shape, (dict, list)) else shape
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds in (int, NUMBER)):
        several = kinds if isinstance(kinds, tuple) else (kinds,)
        words = ["null" if kind is type(None) else NAMES.get(kind, kind.__name__) for kind in several]
        said = " or ".join(words).replace("a whole number or a number", "a number")
        raise DataError(where, said, f"{value!r:.80}")
    if isinstance(shape, list):
        for number, one in enumerate(value):
            check(f"{where}[{number}]", one, shape[0])
    elif isinstance(shape, dict):
        inside = where if where.endswith(": ") else f"{where}." if ": " in where else f"{where}: "
        for name, inner in shape.items():
            if name is ...:
                for other in value.keys() - {str(n).rstrip("?") for n in shape}:
                    check(f"{inside}{other}"[:200], value[other], inner)
            elif name.rstrip("?") in value:
                check(f"{inside}{name.rstrip('?')}", value[name.rstrip("?")], inner)
            elif not name.endswith("?"):
                raise DataError(where, f"a key {name!r}", ", ".join(map(str, value))[:200] or "none")


def unlike_schema(schema: Path, document: Any) -> tuple[str, str, str] | None:
    """Where a document is not what a JSON Schema describes, what should be there and what is; None: it is.

    Fields that a later version adds are no fault.
    """
    from fastjsonschema import JsonSchemaValueException

    try:
        _checking(schema)(document)
    except JsonSchemaValueException as e:
        keys, told = list(map(str, e.path or [])), e.message.removeprefix(str(e.name)).strip()
        return ".".join(keys[1:])[:100] or "the whole", told[:200], f"{e.value!r:.80}"
    return None


@cache
def _checking(schema: Path) -> Callable[[Any], Any]:
    import fastjsonschema

    def open_to_more(part: Any) -> Any:
        if isinstance(part, list):
            return [open_to_more(one) for one in part]
        if not isinstance(part, dict):
            return part
        return {key: open_to_more(value) for key, value in part.items() if (key, value) != ("additionalProperties", False)}

    checking: Callable[[Any], Any] = fastjsonschema.compile(open_to_more(json.loads(schema.read_text(encoding="utf-8"))))
    return checking
