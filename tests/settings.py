"""The settings of a run as a class for editors and type checkers; `python tests/settings.py` writes it anew.

A type checker reads sources alone, so that what stands in the classes of `config` has to stand there once more.
"""

import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from plmtasks.cli.options import PLACES
from plmtasks.config import GROUPS, PARTS
from plmtasks.config import types as types_of

PATH = Path(__file__).parents[1] / "plmtasks" / "calls.py"

BEGIN = "# Written by `python tests/settings.py` from the classes of `config`, where each has its meaning and its default.\n"

HEAD = '''class Settings(TypedDict, total=False):
    """The settings of a run: all but `seed` and `output`, which are parameters of their own."""
'''

SCORE_HEAD = '''class ScoreSettings(TypedDict, total=False):
    """Those of them that `plmtasks.score` takes."""
'''
SCORED = ("data", "columns", "rows", "separator", "skip_bad_rows", "split", "metrics", "trust_remote_code")


def text() -> str:
    """The classes."""
    found = {"seed", "output"}
    blocks = []
    for form in (*PARTS.values(), *GROUPS.values()):
        own = {name: hint for name, hint in types_of(form).items() if name not in found}
        found.update(own)
        blocks.append(f"    # {form.__name__}\n" + "".join(f"    {name}: {written(name, hint)}\n" for name, hint in own.items()))
    scored = [line for line in "".join(blocks).splitlines() if line.strip().partition(":")[0] in SCORED]
    return f"{HEAD}\n" + "\n".join(blocks) + f"\n\n{SCORE_HEAD}\n" + "".join(f"{line}\n" for line in scored)


def stands() -> str:
    """What stands there today."""
    return PATH.read_text(encoding="utf-8").partition(BEGIN)[2].lstrip("\n")


def written(name: str, hint: Any) -> str:
    """A setting's type as a caller may give it: a path may be a Path, and a list any sequence; one text is a list of one."""
    return " | ".join(dict.fromkeys(_alternatives(name, hint)))


def _alternatives(name: str, hint: Any) -> Iterator[str]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if name in GROUPS:
        yield from (hint.__name__, "Mapping[str, Any]")
    elif origin in (typing.Union, types.UnionType):
        for one in inner:
            yield from _alternatives(name, one)
    elif origin is tuple:
        yield "Sequence[str]"
    elif origin is Literal:
        quoted = ", ".join(f'"{one}"' for one in inner)
        yield f"Literal[{quoted}]"
    elif origin is Mapping:
        yield f"Mapping[{', '.join(_alternative(one) for one in inner)}]"
    else:
        yield _alternative(hint)
        if hint is str and PLACES.get(name) in ("PATH", "DIR", "RUN", "FILE"):
            yield "os.PathLike[str]"


def _alternative(hint: Any) -> str:
    return "None" if hint is types.NoneType else "Any" if hint is Any else str(hint.__name__)


if __name__ == "__main__":
    PATH.write_text(PATH.read_text(encoding="utf-8").replace(stands(), text()), encoding="utf-8")
