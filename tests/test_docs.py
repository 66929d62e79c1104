"""The documentation: every block runs, the site builds with no broken link, and nothing is left out."""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from blocks import Block, Command, alike, run_page

from plmtasks.cli import cli
from plmtasks.hooks import hookspecs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in DOCS.rglob("*.md") if "interface" not in path.parts)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(block: Block, command: Command, found: str) -> None:
        assert alike(command.output, found), f"{page}:{block.line}: $ {command.text}\n{found}"

    monkeypatch.chdir(tmp_path)
    run_page(ROOT / page, tmp_path, check, trained)


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\nc\n", False),
        ("a ... c\n", "a b c\n", True),
        ("...\nc\n", "a\nb\nc\n", True),
        ("a\n...\nd\n", "a\nb\nc\n", False),
        ("n  80.12 [79.1, 81.3]\n───\n", "n   80.34 [79.2, 81.0]\n────\n", True),
        ("n  80.12\n", "n  80\n", False),
        (f"{'0a' * 16}\n", f"{'1b' * 16}\n", True),
        ("", "a\n", False),
        ("", "", True),
    ],
)
def test_what_is_printed_is_compared(expected: str, found: str, same: bool) -> None:
    assert alike(expected, found) is same


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def text_of(site: Path, page: str) -> str:
    html = (site / page / "index.html").read_text(encoding="utf-8")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


def leaves(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for sub in group.list_commands(context):
        command = group.get_command(context, sub)
        assert command is not None
        yield f"{name} {sub}", command
        if isinstance(command, click.Group):
            yield from leaves(command, f"{name} {sub}")


@pytest.mark.slow
def test_every_command_and_option_is_documented(site: Path) -> None:
    text = text_of(site, "reference/commands")
    for name, command in leaves(cli, "plmtasks"):
        assert name in text
        options = [option for p in command.params if isinstance(p, click.Option) and not p.hidden for option in p.opts]
        assert [option for option in options if option not in text] == [], name


@pytest.mark.slow
def test_every_hook_and_its_arguments_are_documented(site: Path) -> None:
    text = text_of(site, "reference/hooks")
    for name, hook in vars(hookspecs).items():
        if hasattr(hook, "plmtasks_spec"):
            assert re.search(rf"{name} ?\( ?{', '.join(inspect.signature(hook).parameters)}", text), name
            assert str(hook.__doc__).split("\n")[0].replace("`", "") in text


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="?(https?://[^">\s]+)', page.read_text(encoding="utf-8"))
        assert [address for address in loaded if "canonical" not in address] == []


SCORES = {"docs/results.md": None, "plugins/summarization/README.md": "dialogsum", "plugins/translation/README.md": "."}
"""Page → the folder of the real data in which its reader stands; None: the project's."""


@pytest.mark.slow
@pytest.mark.parametrize("page", SCORES)
def test_scores_are_what_is_printed_to_the_last_digit(page: str, real_data: Path, tmp_path: Path) -> None:
    """Blocks that show `plmtasks score` on real data; … stands for the rest."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "data").symlink_to(real_data)
    (tmp_path / "project").mkdir()
    folder = SCORES[page]
    place = tmp_path / "project" if folder is None else real_data / folder
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    shown = re.findall(r"^( *)\$ (plmtasks score .+)\n((?:\1(?!\$ |```).+\n)+)", (ROOT / page).read_text(encoding="utf-8"), re.M)
    assert shown
    for indent, command, output in shown:
        wanted = output.replace(f"\n{indent}", "\n").removeprefix(indent).split("…")[0]
        done = subprocess.run(["bash", "-c", command], cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout.startswith(wanted), f"{page}: $ {command}\n{done.stdout}{done.stderr}"
        assert "…" in output or done.stdout == wanted
