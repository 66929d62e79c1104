"""Bytes as text, text as JSON."""

import codecs
from collections.abc import Iterator, Mapping
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from ..errors import DataError, InputError
from .documents import check_file, parse

PACKED: Mapping[bytes, tuple[str, str]] = {
    b"\x1f\x8b": ("gzip", "gzip"),
    b"BZh": ("bzip2", "bz2"),
    b"\xfd7zXZ\x00": ("xz", "lzma"),
    b"PK\x03\x04": ("zip", "zipfile"),
}
"""What a packed file begins with → what it is called, and Python's module for it."""

PACKED_ENDINGS = (".gz", ".bz2", ".xz", ".zip")

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"), (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"), (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"), (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)  # fmt: skip
"""What a text may begin with, Python's name of its encoding and everybody's; UTF-32's begins with UTF-16's."""

OBJECT = "a JSON object a line"

ENCODING_HINTS = (
    "save it as UTF-8, or: iconv -f ITS-ENCODING -t UTF-8",
    "that is often GB18030 for Chinese and WINDOWS-1252 for European languages; Excel saves as 'CSV UTF-8'",
)


def read_lines(path: Path) -> list[str]:
    """The lines of a text, cut at line feeds alone: UTF-8, or what its byte order mark says; plain, gzip, bzip2, xz or zip.

    raises: InputError if it cannot be opened; DataError with the line if it is no such text
    """
    lines = _decoded(path, unpacked(path)).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def each_line(path: Path) -> Iterator[str]:
    """The lines of `read_lines`, of which a plain text without a mark is held one at a time.

    raises: as `read_lines`, where it comes to what is wrong
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(0)
            if b"\0" in head or head.startswith((*PACKED, *(mark for mark, _, _ in MARKS))):
                yield from read_lines(path)
                return
            for line in file:
                yield line.decode().removesuffix("\n").removesuffix("\r")
    except OSError as e:
        raise InputError(f"{path}: {e.strerror or e}") from e
    except UnicodeDecodeError:
        read_lines(path)  # which tells where in the file that is
        raise


def unpacked(path: Path) -> bytes:
    """raises: InputError if it cannot be opened; DataError if it is packed and damaged"""
    check_file(path)
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise InputError(f"{path}: {e.strerror or e}") from e
    for mark, (name, module) in PACKED.items():
        if raw.startswith(mark):
            try:
                return _only_member(raw) if name == "zip" else import_module(module).decompress(raw)
            except Exception as e:  # each has errors of its own for what is damaged
                raise DataError(str(path), f"a {name} file", f"a damaged one ({e})") from e
    return raw


def _only_member(raw: bytes) -> bytes:
    """raises: ValueError if there is not just one file in the archive"""
    from zipfile import ZipFile

    with ZipFile(BytesIO(raw)) as archive:
        # what macOS puts beside a file is none of the user's
        names = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX/")]
        if len(names) != 1:
            raise ValueError(f"{len(names)} files in it, where one is expected")
        return archive.read(names[0])


def _decoded(path: Path, raw: bytes) -> str:
    encoding, name = next(((code, name) for mark, code, name in MARKS if raw.startswith(mark)), ("utf-8", "UTF-8"))
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as e:
        line = raw[: e.start].count(b"\n") + 1
        found = f"byte 0x{raw[e.start]:02x} at position {e.start}"
        raise DataError(f"{path}:{line}", f"{name} text", found, *ENCODING_HINTS) from e
    if encoding == "utf-8" and "\0" in text[:2] and len(text) > 1:
        found = "byte 0x00 beside the first, as UTF-16 without its mark has it"
        raise DataError(f"{path}:1", "UTF-8 text", found, *ENCODING_HINTS)
    return text


def read_json(path: Path) -> Any:
    """A JSON document.

    raises: DataError with line and column
    """
    return parse(str(path), "\n".join(read_lines(path)))


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """("file:line", object) for each line that is not blank.

    raises: DataError with the line
    """
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            yield f"{path}:{number}", read_json_line(f"{path}:{number}", line)


def read_json_line(where: str, line: str) -> dict[str, Any]:
    """The JSON object that a line holds.

    raises: DataError
    """
    row = parse(where, line, line=OBJECT)
    if not isinstance(row, dict):
        raise DataError(where, OBJECT, type(row).__name__)
    return row
