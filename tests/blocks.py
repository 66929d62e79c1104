"""The code blocks of the documentation's pages, run as a reader would; `python tests/blocks.py PAGE…` writes what they print.

Blocks of a page run in order in one folder, in which lies what a reader has in a clone: `examples`. `python` runs in one
namespace a page. `console` has commands after `$ `, and the lines below are their output, in which `...` stands for anything. A
block with a title writes that file. `text` is not run, nor is `sh`: how the environment is made that the other blocks need.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import hub
import warm

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r'^```(?P<language>[\w-]*)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^```$', re.MULTILINE | re.DOTALL)
SHOWN = {"text", "yaml", "sh"}
WIDTH = "120"
PLAIN = re.compile(
    r"(?:(?P<before>(?:echo|head|tail) [^|<>&;$`(]+) \| )?(?P<own>(?:\w+=[\w.,]+ )*)plmtasks (?P<words>[^|<>&;$`(]+?)"
    r"(?P<after> [|>] [^&;]+)?"
)
"""A command that needs no shell, but for what it is given, and for what is made of its output."""
STARTS = ("README.md", "docs/index.md", "docs/index.zh.md")
"""Where a reader starts. They train the same model, which is done once for all: what is trained is not trained again."""


class Block(NamedTuple):
    language: str
    title: str | None
    body: str
    line: int
    """Of its first line in the page."""


class Command(NamedTuple):
    text: str
    output: str


def blocks(page: str) -> Iterator[Block]:
    for found in FENCE.finditer(page):
        yield Block(found["language"], found["title"], found["body"], page.count("\n", 0, found.start()) + 2)


def commands(body: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        text, _, output = part.partition("\n")
        while text.endswith("\\"):
            more, _, output = output.partition("\n")
            text = f"{text}\n{more}"
        yield Command(text, output)


def alike(expected: str, found: str) -> bool:
    """Whether the output is what stands there; `...` stands for anything.

    Fractions and hashes may be others: another processor rounds in another way. With them, the widths of columns may.
    """
    parts = re.split(r" ?(?<!\.)\.\.\.(?!\.) ?", _rounded(expected))  # more dots than three are pytest's
    pattern = ".*?".join(map(re.escape, parts))
    return re.fullmatch(pattern, _rounded(found), re.DOTALL) is not None


def _rounded(text: str) -> str:
    text = re.sub(r"\b[0-9a-f]{32}\b|(?<=\()[0-9a-f]{6}(?=\))", "HASH", text)  # whole, and as a footnote shortens it
    text = re.sub(r"[-+]?\b\d+(\.\d+(e-?\d+)?|e-?\d+)\b", "0.0", text)
    text = re.sub(r"[=_]{5,}", "", text.replace("─", ""))  # rules are as wide as the terminal
    return " ".join(text.split())


def run_page(page: Path, folder: Path, check: Callable[[Block, Command, str], None], trained: Path) -> None:
    """Runs all blocks of a page in a folder.

    check: gets each command of a console with what it printed
    trained: the checkpoints that the pages of STARTS share
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {
        **ours, "COLUMNS": WIDTH, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1",
        "HF_HUB_CACHE": str(hub.filled()), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    (folder / "examples").symlink_to(ROOT / "examples")
    if page.relative_to(ROOT).as_posix() in STARTS:
        (folder / "checkpoints").symlink_to(trained)
    with _importable(folder):
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.title is not None:
                path = folder / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.body, encoding="utf-8")
            elif block.language == "python":
                exec(compile("\n" * (block.line - 1) + block.body, str(page), "exec"), namespace)  # noqa: S102  our own pages
            elif block.language == "console":
                for command in commands(block.body):
                    check(block, command, _printed(command.text, folder, environment))
            elif block.language not in SHOWN:
                raise ValueError(f"{page}:{block.line}: a block of {block.language or 'no language'} is neither run nor text")


def _printed(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """What a command writes, to the terminal's one screen."""
    if plain := PLAIN.fullmatch(command):
        own = dict(setting.split("=") for setting in plain["own"].split())
        words = _expanded(shlex.split(plain["words"].replace("\\\n", "")), folder)
        given = _shell(plain["before"], "", folder, environment) if plain["before"] else ""
        done = warm.plmtasks(words, folder, {**environment, **own}, together=not plain["after"], given=given.encode())
        return done.stderr + _shell(f"cat {plain['after']}", done.stdout, folder, environment) if plain["after"] else done.stdout
    return _shell(command, "", folder, environment)


def _shell(command: str, given: str, folder: Path, environment: Mapping[str, str]) -> str:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, text=True, timeout=250, check=False, input=given,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ).stdout  # fmt: skip


def _expanded(words: Sequence[str], folder: Path) -> list[str]:
    """What a shell makes of the words: a pattern that fits nothing stays."""
    found = ([str(path.relative_to(folder)) for path in sorted(folder.glob(word))] if "*" in word else [] for word in words)
    return [name for word, names in zip(words, found, strict=True) for name in names or [word]]


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """The modules that a page writes, as for whoever types them in; another page's may have their names."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name, module in list(sys.modules.items()):
            if folder in Path(getattr(module, "__file__", None) or "/").parents:
                del sys.modules[name]


def _write(page: Path, trained: Path) -> None:
    text = page.read_text(encoding="utf-8")

    def put(block: Block, command: Command, found: str) -> None:
        nonlocal text
        if not alike(command.output, found):
            text = text.replace(
                f"$ {command.text}\n{command.output}", f"$ {command.text}\n{found.rstrip()}\n".replace("\n\n```", "\n```"), 1
            )

    with tempfile.TemporaryDirectory() as folder:
        here = Path.cwd()
        os.chdir(folder)
        try:
            run_page(page, Path(folder), put, trained)
        finally:
            os.chdir(here)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as shared:
        for name in sys.argv[1:]:
            _write(Path(name).resolve(), Path(shared))
