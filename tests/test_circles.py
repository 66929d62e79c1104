"""No module of the core or of a plugin imports, by whatever way, one that imports it.

Imports within functions count, since they only put a circle off. Those for types alone count in plugins; the core's hook
specifications name the types of their callers.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(p.parent for p in (ROOT / "plmtasks" / "__init__.py", *ROOT.glob("plugins/*/plmtasks_*/__init__.py")))


def imports_of(node: ast.AST, types: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif types or not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from imports_of(child, types)


def graph_of(package: Path, types: bool) -> dict[str, set[str]]:
    """Module → the modules of the same package that it imports."""
    files = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        here = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        found = set()
        for node in imports_of(ast.parse(path.read_text(encoding="utf-8")), types):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
                continue
            start = ".".join([*(here[: len(here) - node.level + 1] if node.level else []), *filter(None, [node.module])])
            # a package offers names and modules
            found |= {whole if (whole := f"{start}.{alias.name}") in files else start for alias in node.names}
        graph[name] = found.intersection(files) - {name}
    return graph


def circle_of(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import one another in turn, the first again at the end; none if there are none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as e:
        return list(e.args[1])
    return []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_there_is_no_circle(package):
    assert circle_of(graph_of(package, types=package.name != "plmtasks")) == []


def test_a_circle_is_found_wherever_it_hides(tmp_path):
    package = tmp_path / "house"
    (package / "wing").mkdir(parents=True)
    (package / "__init__.py").write_text("from .hall import door\n")
    (package / "hall.py").write_text("def door():\n    from .wing import room\n")
    (package / "wing" / "__init__.py").write_text("from . import room\n")
    (package / "wing" / "room.py").write_text("if TYPE_CHECKING:\n    from ..hall import door\n")
    assert circle_of(graph_of(package, types=False)) == []
    assert set(circle_of(graph_of(package, types=True))) == {"house.hall", "house.wing.room"}
    (package / "wing" / "room.py").write_text("import house.hall\n")
    assert set(circle_of(graph_of(package, types=False))) == {"house.hall", "house.wing.room"}
