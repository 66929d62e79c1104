"""The floor plan: what stands at the top is what an author imports, packages are entered by their doors, nothing is too long."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "plmtasks"
SOURCES = sorted([*CORE.rglob("*.py"), *(p for p in ROOT.glob("plugins/*/plmtasks_*/**/*.py") if "build" not in p.parts)])
PACKAGES = sorted(p.parent.name for p in CORE.glob("*/__init__.py"))
MODULES = sorted(p.stem for p in CORE.glob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module of the core) of each import, relative ones made whole."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            package = parts[: len(parts) - node.level] if node.level else ()
            yield node.lineno, ".".join([*package, *([node.module] if node.module else [])])


def test_the_top_shows_few_rooms() -> None:
    assert len(MODULES) <= 15, MODULES
    assert len(PACKAGES) <= 14, PACKAGES


def test_the_contract_names_few_rooms() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    floors = next(c["layers"] for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    names = [name.strip() for floor in floors for name in floor.split("|")]
    assert len(names) <= 26
    assert sorted(names) == sorted({*PACKAGES, *MODULES} - {"__init__", "__main__"})


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_its_role_and_names_its_door(package: str) -> None:
    found = tree(CORE / package / "__init__.py")
    assert ast.get_docstring(found)
    if package != "cli":  # a program, which nobody imports
        assert any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" for node in found.body)


@pytest.mark.slow
def test_packages_are_entered_by_their_doors() -> None:
    inside = []
    for path in SOURCES:
        room = path.relative_to(CORE).parts[0] if path.is_relative_to(CORE) else ""
        for line, name in imported(path):
            first, *rest = name.split(".")
            if first == "plmtasks" and len(rest) > 1 and rest[0] in PACKAGES and rest[0] not in (room, "cli"):
                inside.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not inside


def test_a_module_opens_with_its_role_and_is_short() -> None:
    lengths = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > 400} == {}
    assert [path for path, lines in lengths.items() if lines and not ast.get_docstring(tree(ROOT / path))] == []


def test_a_function_is_short() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert not found
