import ast
import tomllib

import griffe
import interface
import pytest


@pytest.mark.slow
def test_the_changelog_names_every_change_of_the_interface_since_the_last_release():
    assert interface.last_record() is not None
    assert interface.unnamed_today() == [], "a line in CHANGELOG.md is to name these, in backticks"


def test_a_module_is_public_or_no_plugin_of_ours_may_use_it():
    """The page on stability and the linter's contract say the same."""
    settings = tomllib.loads((interface.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    contract = next(c for c in settings["contracts"] if c["name"].startswith("Plugins use what a stranger's"))
    modules = {
        path.stem for path in (interface.ROOT / "plmtasks").glob("*") if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    public = set(interface.public_modules())
    assert public <= {"plmtasks", *(f"plmtasks.{name}" for name in modules)}
    private = {f"plmtasks.{name}" for name in modules if not name.startswith("__")} - public
    assert set(contract["forbidden_modules"]) == private


def test_what_a_public_module_says_it_has_is_there():
    names = interface.interface()
    for module in interface.public_modules():
        path = interface.ROOT.joinpath(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        assigned = [n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.Assign)]
        exported = next((n.value for n in assigned if ast.unparse(n.targets[0]) == "__all__"), None)
        for name in ast.literal_eval(exported) if exported is not None else ():
            assert f"{module}.{name}" in names


BEFORE = """
from abc import ABC, abstractmethod
from dataclasses import dataclass

LIMIT = 10

@dataclass(frozen=True)
class Shot:
    text: str
    count: int = 1

class Task(ABC):
    name: str

    @property
    def short(self) -> str: ...

    @abstractmethod
    def ask(self, example: Shot, kind: str = "a") -> str: ...

    def _inner(self) -> None: ...

def run(task: Task, *, limit: int | None = None) -> None: ...
"""


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ('kind: str = "a"', 'kind: str = "b"', ["m.Task.ask"]),
        ("kind: str", "kind: bytes", ["m.Task.ask"]),
        ("kind: str", "sort: str", ["m.Task.ask"]),
        ('"a") -> str', '"a") -> bytes', ["m.Task.ask"]),
        ("    @abstractmethod\n", "", ["m.Task.ask"]),
        ("    @property\n", "", ["m.Task.short"]),
        ("*, limit", "limit", ["m.run"]),
        ("count: int = 1", "count: int = 2", ["m.Shot.count"]),
        ("    count: int = 1\n", "", ["m.Shot.count"]),
        ("    text: str\n", "    text: str\n    answer: str\n", ["m.Shot.answer"]),
        ("frozen=True", "frozen=False", ["m.Shot"]),
        ("class Task(ABC)", "class Task", ["m.Task"]),
        ("class Shot", "class Solved", ["m.Shot", "m.Solved"]),
        ("LIMIT = 10", "LIMIT = 11", ["m.LIMIT"]),
        ("def run(", "def _run(", ["m.run"]),
        ("_inner(self)", "_inner(self, more: int)", []),
        ("def run(task: Task,", 'def run(  # words\n    task: Task,', []),
    ],
)  # fmt: skip
def test_a_change_is_found_and_must_be_named(old, new, changed):
    def names(code):
        return dict(interface.described(griffe.visit("m", filepath="m.py", code=code)))

    assert BEFORE.count(old) == 1
    found = interface.changes(names(BEFORE), names(BEFORE.replace(old, new)))
    # where a name is another class, those who mention it change too
    assert [name for name in found if name != "m.Task.ask" or name in changed] == changed
    assert interface.unnamed(changed, ["m"], "- Something was made better, as `Task` and `ask` know.") == [
        name for name in changed if name != "m.Task"
    ]
    assert interface.unnamed(changed, ["m"], " ".join(f"`{name.removeprefix('m.')}(…)`" for name in changed)) == []


def test_only_what_came_after_the_release_counts():
    text = "# Changes\n\n## Unreleased\n\n- `new`\n\n## 0.1.0\n\n- `old`\n"
    assert interface.unnamed(["m.new", "m.old"], ["m"], interface.news(text, "0.1.0")) == ["m.old"]
    assert interface.unnamed(["m.new", "m.old"], ["m"], interface.news(text, "0.0.9")) == []


def test_a_module_that_came_or_went_is_one_change():
    before, now = {"p": "module", "p.m": "module", "p.m.f": "()"}, {"p": "module"}
    assert interface.changes(before, now) == ["p.m"] == interface.changes(now, before)
    assert interface.unnamed(["p.m"], ["p", "p.m"], "`m`") == ["p.m"]


def test_the_record_is_refused_while_a_change_is_not_named(tmp_path, monkeypatch):
    names = interface.interface()
    record = {name: said for name, said in names.items() if name != "plmtasks.task.Task.solve"}
    (tmp_path / "0.0.9.txt").write_text("".join(f"{name}  {said}\n" for name, said in record.items()), encoding="utf-8")
    monkeypatch.setattr(interface, "RECORDS", tmp_path)
    monkeypatch.setattr(interface, "CHANGELOG", tmp_path / "CHANGELOG.md")
    (tmp_path / "CHANGELOG.md").write_text("- Better.\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"plmtasks\.task\.Task\.solve"):
        interface.main()
    (tmp_path / "CHANGELOG.md").write_text("- `Task.solve` is new.\n", encoding="utf-8")
    interface.main()
    assert interface.last_record() == tmp_path / "0.1.0.txt"
    assert interface.read(tmp_path / "0.1.0.txt") == names
    assert interface.unnamed_today() == []
