"""Damage to files, drawn at random: of any bytes, and of each format."""

import contextlib
import gzip
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STRINGS = (
    "", " ", "\x00", "\x1b[2J\x1b[31mred\x07", "\u202eright to left", "\ud800", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "CON",
    "aux.txt", "../../../x", "/dev/zero", "a/b\\c", "x" * 300, "é" * 200, "\ufeffx", "line\u2028separator", "line\nfeed", "tab\tbed",
    "\r", "NaN", "1e999", "9" * 5000, "👩‍👩‍👧‍👦", "<script>alert(1)</script>", "{{ 'a' * 10**10 }}", "%s%n", "O", "B-", "I-PER", "null",
)  # fmt: skip

TEMPLATES = (
    "{{ 'a' * 10**10 }}", "{% for i in range(10**10) %}a{% endfor %}", "{% for i in range(99999) %}{% for j in range(99999) %}a"
    "{% endfor %}{% endfor %}", "{{ x.y.z }}", "{% if %}", "{{ messages[0]['content'] }}\x1b[2J", "{{ ''.__class__.__mro__ }}",
    "{{ raise_exception('no') }}", "{{ 'a'.ljust(10**10) }}", "{{ '%10000000000d' % 1 }}", "{{ '{:10000000000}'.format(1) }}",
    "{{ [0] * 10**10 }}", "{{ 10 ** 10 ** 10 }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ (" * 2000, "{{ messages }}",
    "{{ 'a'.replace('', 'a' * 10**5).replace('a', 'a' * 10**5) }}", "{{ ('a' * 10**5) | list | map('upper') | join('a' * 10**5) }}",
    "", "{{ 1 / 0 }}", "{{ messages | tojson(indent=10**10) }}", "{{ 'a' | center(10**10) }}", "{{ ('a ' * 10**6) | wordwrap(1) }}",
)  # fmt: skip


def value(draw: random.Random) -> Any:
    """A value that JSON may hold where something else is expected."""
    return draw.choice(
        [
            None, True, False, [], {}, 0, -1, 1, 2**31, 2**63, 10**400, int("9" * 4000), 0.5, -0.0, 1e308, float("nan"), float("inf"),
            [None], [[]], [{}], ["x"], {"": None}, {"x": {"y": 1}}, [1] * 1000, *STRINGS, "x" * 10**6, _nested(50), _nested(900),
        ]
    )  # fmt: skip


def _nested(depth: int) -> Any:
    made: Any = []
    for _ in range(depth):
        made = [made]
    return made


# ── bytes and lines ───────────────────────────────────────────────────────────────────────────────────────────────


def flip(content: bytes, draw: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(draw.choice([1, 1, 3, 20])):
        if made:
            made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)


def cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def hole(content: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(content) + 1)
    return content[:start] + content[start + draw.randrange(64) :]


def insert(content: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(content) + 1)
    what = draw.choice(
        [b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\n\n", b"\r", b"\x1b[2J", b"\t", b'"', b",", b"'", b"[", b"{", b"]", b"}",
         b"#", b"(", b"*", b"=", b"\xe2\x80\xa8", b"9" * 5000, b"[" * 10000, b"x" * 10**6, b"-", b"NaN", b"1e999", b"\\ud800"]
    )  # fmt: skip
    return content[:start] + what + content[start:]


def empty(content: bytes, draw: random.Random) -> bytes:
    return draw.choice([b"", b"\n", b" ", b"\xef\xbb\xbf", b"\x00" * 100, b"null", b"[]", b"{}", b"[" * 10000, b"9" * 5000])


def lines(content: bytes, draw: random.Random) -> bytes:
    """A line twice, away, or in another's place; other ends."""
    made = content.split(b"\n")
    i, j = draw.randrange(len(made)), draw.randrange(len(made))
    what = draw.randrange(6)
    if what == 0:
        made.insert(i, made[j])
    elif what == 1:
        del made[i]
    elif what == 2:
        made[i], made[j] = made[j], made[i]
    elif what == 3:
        return b"\r\n".join(made)
    elif what == 4:
        return b"\r".join(made)
    else:
        made[i] = b"" if draw.random() < 0.5 else b"\t".join([made[i]] * 2)
    return b"\n".join(made)


def encoded(content: bytes, draw: random.Random) -> bytes:
    """In another encoding, or with a mark in front."""
    text = content.decode("utf-8", "replace")
    name = draw.choice(["utf-16", "utf-8-sig", "latin-1", "utf-32", "gb18030"])
    return text.encode(name, "replace")


def cell(content: bytes, draw: random.Random) -> bytes:
    """A cell of a line is something else, or away, or swapped with its neighbour."""
    made = content.split(b"\n")
    i = draw.randrange(len(made))
    mark = draw.choice([m for m in (b"\t", b",", b" ") if m in made[i]] or [b"\t"])
    cells = made[i].split(mark)
    j = draw.randrange(len(cells))
    what = draw.randrange(3)
    if what == 0:
        cells[j] = draw.choice(STRINGS).encode("utf-8", "surrogatepass")
    elif what == 1:
        del cells[j]
    else:
        cells[j], cells[j - 1] = cells[j - 1], cells[j]
    made[i] = mark.join(cells)
    return b"\n".join(made)


# ── formats ───────────────────────────────────────────────────────────────────────────────────────────────────────


def document(content: bytes, draw: random.Random) -> bytes:
    """JSON with another value somewhere."""
    found = json.loads(content)
    return json.dumps(_changed(found, draw), ensure_ascii=draw.random() < 0.3).encode("utf-8", "surrogatepass")


def document_line(content: bytes, draw: random.Random) -> bytes:
    """JSON lines, one of which has another value somewhere."""
    made = content.split(b"\n")
    i = draw.randrange(len(made))
    made[i] = document(made[i], draw)
    return b"\n".join(made)


def twice(content: bytes, draw: random.Random) -> bytes:
    """JSON with a key that comes again."""
    keys = list(re.finditer(rb'"([^"\\]*)": ?', content))
    if not keys:
        return content
    key = draw.choice(keys)
    again = json.dumps(value(draw), ensure_ascii=True).encode()
    return content[: key.start()] + key.group() + again + b", " + content[key.start() :]


def _changed(found: Any, draw: random.Random) -> Any:
    places = list(_places(found))
    if not places:
        return value(draw)
    for _ in range(draw.choice([1, 1, 1, 3])):
        holder, key = draw.choice(places)
        try:
            _change(holder, key, draw)
        except (KeyError, IndexError):
            continue  # an earlier change took it away
    return found


def _change(holder: Any, key: Any, draw: random.Random) -> None:
    what = draw.random()
    if what < 0.15:
        del holder[key]
    elif what < 0.25 and isinstance(holder, dict):
        holder[draw.choice(STRINGS)] = holder.pop(key)
    elif what < 0.35 and isinstance(holder, list):
        holder.append(holder[key])
    elif what < 0.45:
        holder[key] = [holder[key]]
    elif what < 0.55:
        holder[key] = str(holder[key])
    else:
        holder[key] = value(draw)


def _places(found: Any) -> Iterator[tuple[Any, Any]]:
    """Of all values in a document: what holds each, and its key there; those near the top as often as those below."""
    level = [found]
    while level:
        inner = []
        for holder in level:
            keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else []
            for key in keys:
                yield holder, key
                inner.append(holder[key])
        level = inner[:200]


def array(content: bytes, draw: random.Random) -> bytes:
    """numpy's file with another header."""
    start = 12 if content[6] > 1 else 10
    size = int.from_bytes(content[8:start], "little")
    header, rest = content[start : start + size], content[start + size :]
    what = draw.randrange(8)
    if what == 0:
        header = draw.choice(
            [b"not python", b"(" * 5000, b"__import__('os').system('x')", b"{}", b"[]", b"9" * 5000, b"'a'*10**9", b"{1"]
        )
    elif what == 1:
        header = re.sub(rb"'shape': \([^)]*\)", b"'shape': " + draw.choice(
            [b"(10000000000,)", b"(-1,)", b"()", b"(1, 2)", b"(0,)", b"5", b"('a',)", b"(10**400,)", b"None", b"(True,)"]), header)  # fmt: skip
    elif what == 2:
        header = header.replace(
            b"<f8", draw.choice([b"|O", b"<f4", b"|V8", b"<U9", b"xx", b"<f8,<f8", b"<M8[s]", b"<c16", b">f8"])
        )
    elif what == 3:
        header = header.replace(b"cluster", draw.choice([b"other", b"\xff", b"", b"clu\x00ter"]))
    elif what == 4:
        header = header.replace(b"'fortran_order': False", draw.choice([b"'fortran_order': True", b"'fortran_order': 3", b""]))
    elif what == 5:
        rest = rest[: draw.randrange(len(rest) + 1)]
    elif what == 6:
        rest = draw.choice([b"\xff", b"\x00", b"\x7f"]) * len(rest)
    else:
        return content[:6] + bytes([draw.randrange(256), draw.randrange(256)]) + content[8:]
    length = draw.choice([len(header)] * 9 + [2**32 - 1])
    return content[:8] + length.to_bytes(start - 8, "little", signed=False)[: start - 8] + header + rest


def tensors(content: bytes, draw: random.Random) -> bytes:
    """A file of safetensors with another header."""
    size = int.from_bytes(content[:8], "little")
    header = document(content[8 : 8 + size], draw)
    length = draw.choice([len(header)] * 9 + [draw.randrange(2**63)])
    return length.to_bytes(8, "little") + header + content[8 + size :]


def packed(content: bytes, draw: random.Random) -> bytes:
    """A file of gzip whose text is another."""
    return gzip.compress(draw.choice([flip, cut, lines, cell])(gzip.decompress(content), draw))


def template(content: bytes, draw: random.Random) -> bytes:
    return draw.choice(TEMPLATES).encode()


def templated(content: bytes, draw: random.Random) -> bytes:
    """A tokenizer's configuration with another chat template."""
    return json.dumps({**json.loads(content), "chat_template": draw.choice(TEMPLATES)}).encode()


def whole_number(content: bytes, draw: random.Random) -> bytes:
    """A value in TOML is another."""
    made = content.split(b"\n")
    i = draw.choice([i for i, line in enumerate(made) if b"=" in line] or [0])
    key = made[i].partition(b"=")[0]
    text = draw.choice(
        ["9" * 5000, "[" * 3000, "nan", "inf", "1979-05-27", "true", '""', "''", "[]", "{}", "-1", "[[1], 2]", "0x_", "x"]
    )
    text = draw.choice([text, json.dumps(draw.choice(STRINGS))])
    made[i] = key + b"= " + text.encode("utf-8", "surrogatepass")
    return b"\n".join(made)


Mutation = Callable[[bytes, random.Random], bytes]

ANY: list[Mutation] = [flip, cut, hole, insert, empty, lines, encoded]
OF: dict[str, list[Mutation]] = {
    ".json": [document] * 12 + [twice], ".jsonl": [document_line] * 10 + [twice], ".npy": [array] * 8, ".safetensors": [tensors] * 6,
    ".parquet": [flip, flip, flip, cut, hole], ".gz": [packed] * 4, ".csv": [cell] * 5, ".tsv": [cell] * 5, ".txt": [cell] * 3,
    ".toml": [whole_number] * 8, ".jinja": [template] * 20,
}  # fmt: skip


def mutate(path: Path, draw: random.Random) -> str:
    """Damages a file; returns how."""
    if draw.random() < 0.03:
        path.unlink()
        place = draw.choice(["folder", "pipe", "gone", "link"])
        if place == "folder":
            path.mkdir()
        elif place == "pipe":
            os.mkfifo(path)
        elif place == "link":
            path.symlink_to(path.name)
        return place
    content = path.read_bytes()
    kinds = ANY + OF.get(path.suffix, [cell] * 5)
    if path.name == "tokenizer_config.json":
        kinds = [*kinds, *[templated] * 8]
    for _ in range(20):
        kind = draw.choice(kinds)
        with contextlib.suppress(ValueError, IndexError, KeyError, EOFError, OSError, OverflowError):
            path.write_bytes(kind(content, draw))
            return kind.__name__
    return "nothing"
