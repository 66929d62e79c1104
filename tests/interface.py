"""The public interface as a text, one line a name, and what changed in it since the last release.

`python tests/interface.py` writes the text of the version under way, if the change log names every change.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import griffe

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "plugins" / "stability.md"
CHANGELOG = ROOT / "CHANGELOG.md"
RECORDS = ROOT / "docs" / "interface"

MODULE = "module"
LABELS = ("abstractmethod", "cached", "classmethod", "property", "staticmethod")
LONGEST_VALUE = 100
"""Characters; a longer value is a table, and its rows are no interface."""


def public_modules() -> list[str]:
    """The modules that the page on stability lists, in its order."""
    return re.findall(r"^\| `(plmtasks[.\w]*)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)


@cache
def source() -> griffe.Module:
    return griffe.load("plmtasks", search_paths=[ROOT], allow_inspection=False)


def interface() -> dict[str, str]:
    """Every public name → what a caller can rely on. Read from the source: nothing is imported."""
    package, public = source(), public_modules()
    modules = [package, *(package[name.removeprefix("plmtasks.")] for name in public if name != "plmtasks")]
    return {name: said for module in modules for name, said in described(module, public)}


def described(module: griffe.Module, public: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """The names of a module; what it has from another public one is described there."""
    yield module.path, MODULE
    for name, member in module.members.items():
        path = f"{module.path}.{name}"
        if isinstance(member, griffe.Module) and name in (module.exports or ()) and name in member.members:
            member = member[name]  # exported from a submodule of its own name
        if name in (module.exports or ()) and member.is_module:
            yield path, MODULE
        if not member.is_public or member.is_module:
            continue
        target = member.final_target if member.is_alias else member
        if member.is_alias and target.module.path in public:
            yield path, f"is {target.path}"
        else:
            yield from _member(path, target)


def _member(path: str, item: griffe.Object) -> Iterator[tuple[str, str]]:
    labels = "".join(f" [{label}]" for label in LABELS if label in item.labels)
    if isinstance(item, griffe.Function):
        yield path, item.signature(return_type=True).removeprefix(item.name) + labels
    elif isinstance(item, griffe.Attribute):
        value = "…" if len(str(item.value)) > LONGEST_VALUE else item.value
        yield path, f": {item.annotation or '?'}" + ("" if value is None else f" = {value}") + labels
    elif isinstance(item, griffe.Class):
        decorators = "".join(f" @{d.value}" for d in item.decorators)
        yield path, f"({', '.join(map(str, item.bases))}){decorators}"
        for name, member in item.members.items():
            written = "dataclass" not in item.labels or name != "__init__"  # else its fields say the same
            if written and (member.is_public or member.is_special) and not member.is_alias:
                yield from _member(f"{path}.{name}", member)


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names that were added, removed or changed; of what came or went whole, its own name alone."""
    touched = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    whole = tuple(f"{name}." for name in touched if (name in before) != (name in now))
    return sorted(name for name in touched if not name.startswith(whole))


def unnamed(changed: Sequence[str], modules: Sequence[str], text: str) -> list[str]:
    """Those of the names that the text does not have in backticks: in full, or as their module has them (`Task.ask`)."""
    named = {code.partition("(")[0] for code in re.findall(r"`([^`]+)`", text)}

    def short(name: str) -> str:
        home = max((m for m in modules if name.startswith(f"{m}.")), key=len, default="")
        return name.removeprefix(f"{home}.") if name not in modules else name

    return [name for name in changed if not {name, short(name)} & named]


def news(text: str, version: str) -> str:
    """What a change log says of all that came after a version."""
    return re.split(rf"^## {re.escape(version)}\b", text, flags=re.MULTILINE)[0]


def last_record() -> Path | None:
    """The text of the newest version that has one."""

    def numbers(path: Path) -> list[int]:
        return [int(part) for part in path.stem.split(".")]

    return max(RECORDS.glob("*.txt"), key=numbers, default=None)


def read(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: said for name, _, said in (line.partition("  ") for line in lines)}


def unnamed_today() -> list[str]:
    """The changes since the last record that the change log does not name."""
    record, now = last_record(), interface()
    if record is None:
        return []
    return unnamed(changes(read(record), now), public_modules(), news(CHANGELOG.read_text(encoding="utf-8"), record.stem))


def main() -> None:
    if missing := unnamed_today():
        sys.exit("CHANGELOG.md does not name, in backticks:\n" + "\n".join(f"  {name}" for name in missing))
    version = ast.literal_eval(str(source()["__version__"].value))
    text = "".join(f"{name}  {said}\n" for name, said in interface().items())
    (RECORDS / f"{version}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
