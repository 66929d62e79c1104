"""Where something stands in a TOML file, and whether it is what it should be."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from plmtasks.errors import DataError, InputError
from plmtasks.files import read_toml
from plmtasks.files.toml import line_of

TEXT = '''# a comment
name = "x"

text = """
[no.header]
key = 1
"""
several = [
  "a",
  # between
  "b",
]
inline = {one = 1, two = [2,
  3]}
dotted.key = 1

[[rows]]
text = "first"

[[rows]]
  text = "second"
[rows.inner]
deep = true
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("name",), 2),
        (("text",), 4),
        (("several",), 8),
        (("several", 0), 9),
        (("several", 1), 11),
        (("inline",), 13),
        (("inline", "two"), 13),
        (("dotted", "key"), 15),
        (("rows", 0), 17),
        (("rows", 0, "text"), 18),
        (("rows", 1), 20),
        (("rows", 1, "text"), 21),
        (("rows", 1, "inner"), 22),
        (("rows", 1, "inner", "deep"), 23),
    ],
)
def test_the_line_of_what_the_keys_lead_to(keys, line):
    assert line_of(TEXT, keys) == line


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    inner: Inner | None = None
    rest: Any = None
    more: dict[str, str] = field(default_factory=dict, init=False)


def read(folder: Path, text: str) -> Outer:
    (folder / "x.toml").write_text(text, encoding="utf-8")
    file = read_toml(folder / "x.toml", "a hint")
    return file.table(Outer, dict(file.content))


def test_tables_become_values(tmp_path):
    found = read(tmp_path, 'name = "x"\nrest = 1.5\n[inner]\nsize = 2\nwords = ["a"]\n')
    assert found == Outer(name="x", rest=1.5, inner=Inner(size=2, words=("a",)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 1\n", "x.toml:1: expected a text for 'name', found 1"),
        ("rest = 1\n", "x.toml: expected name = … at the top: a text, found none"),
        ('name = "x"\n[iner]\n', "x.toml:2: expected a key at the top: name, inner, rest, found 'iner'\n  did you mean 'inner'?"),
        ('name = "x"\ninner = 1\n', "x.toml:2: expected a table [inner], found 1"),
        ('name = "x"\n\n[inner]\n', "x.toml:3: expected size = … in [inner]: a whole number, found none"),
        ('name = "x"\n[inner]\nsize = true\n', "x.toml:3: expected a whole number for 'size', found True"),
        ('name = "x"\n[inner]\nsize = 1\nwords = [1]\n', "x.toml:4: expected a list of texts for 'words', found [1]"),
        ("name = \n", "x.toml:1: expected TOML, found Invalid value (at line 1, column 8)"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, text, said):
    with pytest.raises(DataError) as error:
        read(tmp_path, text)
    assert str(error.value) == f"{tmp_path}/{said}"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file or directory\n  a hint"):
        read_toml(tmp_path / "none.toml", "a hint")
