"""A new board: its file, a page for those who submit, and a workflow for a public code host."""

import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from string import Template

from plmtasks.errors import InputError
from plmtasks.files import open_folder, safe_name, write_text
from plmtasks.hooks import Registry

from .board import FILE, Board, Entry, read_board
from .submissions import REQUIRED

BARE = re.compile("[A-Za-z0-9_-]+")
"""A key that TOML takes without quotes."""

HERE = Path(__file__).parent / "templates"

FILES = {
    "README.md": "README.md", ".gitignore": "gitignore", ".gitattributes": "gitattributes",
    ".github/workflows/board.yml": "board.yml",
}  # fmt: skip
"""Where each lies in a board → its template."""


def start(root: Path, new: Entry | None, registry: Registry, title: str = "") -> tuple[Board, list[Path]]:
    """Makes a board, or writes what one lacks and brings its questions up to date. Returns it, and what was written.

    new: the first task of a new board, whose data are copied into `hidden/`, unless they are on the hub; None: the board is there

    raises: InputError if the board is there, or there is none; DataError; OutputError
    """
    path, written = root / FILE, []
    if new is not None:
        if path.exists():
            raise InputError(f"{path} is there", "write further tasks into it, and then: plmtasks board init " + str(root))
        text = _file(new, title, registry)
        open_folder(root)
        _copy(root, new)
        write_text(path, text)
        written.append(path)
    board = read_board(root, registry)
    for key in board.entries:
        if board.has_references(key) and board.write_questions(key, registry):
            written.append(root / "questions" / f"{key}.jsonl")
    values = _values(board, registry)
    for name, template in FILES.items():
        if not (root / name).exists():
            open_folder((root / name).parent)
            write_text(root / name, Template((HERE / template).read_text(encoding="utf-8")).substitute(values))
            written.append(root / name)
    return board, written


def _file(new: Entry, title: str, registry: Registry) -> str:
    """The text of `board.toml`, once the task and its data are found to be there."""
    from plmtasks.config import Source

    task = registry.task(new.task, own_data=new.data is not None)
    data = task.load(Source(data=new.data, columns=new.columns))
    split = new.split or data.default_split()
    _ = data[split]
    where = _where(new)
    lines = {
        "task": new.task if new.task.endswith(".toml") else task.name,
        **({} if where is None else {"data": where}),
        "split": split,
    }
    said = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in lines.items()]
    if new.columns:
        pairs = (f"{json.dumps(k, ensure_ascii=False)} = {json.dumps(v, ensure_ascii=False)}" for k, v in new.columns.items())
        said.append(f"columns = {{ {', '.join(pairs)} }}")
    key = safe_name(task.name.rpartition("/")[2] or task.name)
    title = json.dumps(title or f"Leaderboard of {task.name}", ensure_ascii=False)
    text = (HERE / FILE).read_text(encoding="utf-8")
    return Template(text).substitute(
        title=title, key=key if BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False), task="\n".join(said)
    )


def _where(new: Entry) -> str | None:
    """The data's path within the board."""
    return new.data if new.data is None or new.data.startswith("hf://") else f"hidden/{Path(new.data).name}"


def _copy(root: Path, new: Entry) -> None:
    where = _where(new)
    if new.data is None or where is None or where.startswith("hf://"):
        return
    open_folder(root / "hidden")
    if Path(new.data).is_dir():
        shutil.copytree(new.data, root / where, dirs_exist_ok=True)
    else:
        shutil.copy(new.data, root / where)


def _values(board: Board, registry: Registry) -> dict[str, str]:
    """What the templates name."""
    tasks = {key: board.task(key, registry) for key in board.entries}
    owners = [registry.owners.get(("task", task.name)) for task in tasks.values()]
    rules = board.rules
    limit = f"At most {rules.submissions} submissions of one submitter to a task within {rules.days} days."
    first = next(iter(board.entries))
    listed = (f"- `{key}`: {task.name}, {task.description}; questions in `questions/{key}.jsonl`" for key, task in tasks.items())
    needed = [f"plmtasks-board {version('plmtasks-board')}", *(owner.distribution for owner in owners if owner)]
    return {
        "title": board.title,
        "first": first,
        "task": tasks[first].name,
        "tasks": "\n".join(listed),
        "fields": "\n".join(f"    {name}: …" for name in dict.fromkeys((REQUIRED, *rules.fields))),
        "limit": limit if rules.submissions else "As many submissions as you like.",
        "install": " ".join(name.replace(" ", "==") for name in dict.fromkeys(needed)),
    }
