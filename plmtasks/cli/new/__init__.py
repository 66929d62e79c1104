"""`plmtasks new`: a new plugin's distribution, complete as it is written."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib import metadata, resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import click

from ...errors import InputError, OutputError, counted
from ..texts import say

if TYPE_CHECKING:
    from ...hooks import Registry

KINDS: Mapping[str, str] = {
    "task": "A task for plmtasks: what is a customer's message about?",
    "model": "A model for plmtasks: a bag of words that learns to classify.",
    "metric": "A metric for plmtasks: how sure a model is of the right label.",
}
"""kind → what the new distribution brings until its author changes it"""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "task": ("plmtasks", "plmtasks-classification"),
    "model": ("plmtasks[run]", "safetensors"),
    "metric": ("plmtasks",),
}
"""kind → what it requires to run; the metrics of a new task are those of plmtasks-classification"""

TESTS_NEED: Mapping[str, tuple[str, ...]] = {
    "task": ("plmtasks[testing]",), "model": ("plmtasks[testing]",), "metric": ("plmtasks[testing]", "plmtasks-classification"),
}  # fmt: skip
"""kind → what its tests require besides"""

LICENSES: Mapping[str, str] = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause", "none": ""}
"""What the command line takes → the SPDX identifier"""

PREFIX = "plmtasks-"


@dataclass(frozen=True, kw_only=True)
class New:
    """What is to be written."""

    kind: str
    name: str
    """Of the item: lower case, with hyphens."""
    license: str = "apache-2.0"

    @property
    def distribution(self) -> str:
        return PREFIX + self.name

    @property
    def package(self) -> str:
        return self.distribution.replace("-", "_")

    @property
    def item(self) -> str:
        """The name by which plmtasks lists what is new."""
        return {"task": f"{self.name}/first", "model": self.name, "metric": self.name.replace("-", "_")}[self.kind]

    def next_steps(self, folder: Path) -> list[str]:
        """Commands that work once it is written."""
        run = {
            "task": f"plmtasks run --task {self.item} --model tiny-bert --training num_train_epochs=20",
            "model": f"plmtasks run --task classification/sample --model {self.item}",
            "metric": f"plmtasks run --task classification/sample --model tiny-bert --metrics {self.item}",
        }
        return [f"cd {folder}", "pip install -e '.[test]'", "pytest", f"plmtasks list {self.kind}s", run[self.kind]]


def create(new: New, folder: Path, registry: "Registry") -> list[str]:
    """Writes the distribution; returns its files.

    folder: must not be there, or be empty

    raises: InputError for a name that cannot be used; OutputError if the folder cannot be written, and nothing is left then
    """
    check_name(new, registry)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is there already", "nothing is overwritten: name another folder with --output DIR")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".plmtasks-new-", dir=folder.parent) as temporary:
            made = Path(temporary, "made")
            for path, text in files(new):
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_text(text, encoding="utf-8")
            folder.mkdir(exist_ok=True)
            for part in made.iterdir():  # on one file system: they are there at once, or not at all
                shutil.move(part, folder / part.name)
    except OSError as e:
        raise OutputError(f"{folder} cannot be written: {e.strerror or e}", "name another folder with --output DIR") from e
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def check_name(new: New, registry: "Registry") -> None:
    """raises: InputError if the name is none for a distribution, or is taken"""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", new.name):
        plain = re.sub(r"[^a-z0-9]+", "-", new.name.lower()).strip("-0123456789")
        hints = [f"did you mean {plain!r}?"] if plain else []
        raise InputError(f"{new.name!r} is no name for a {new.kind}: small letters, digits and single hyphens", *hints)
    if new.name.startswith(PREFIX):
        raise InputError(f"{new.name!r}: {PREFIX} is put before the name", f"did you mean {new.name.removeprefix(PREFIX)!r}?")
    taken = [
        name for name in registry.items[new.kind] if name == new.item or (new.kind == "task" and name.split("/")[0] == new.name)
    ]
    taken += [p.beginning for p in registry.providers[new.kind] if p.beginning.strip(":/") == new.name]
    if taken:
        raise InputError(f"there is a {new.kind} {taken[0]!r} already", "choose another name")
    if new.name in [plugin.name for plugin in registry.plugins]:
        raise InputError(f"there is a plugin {new.name!r} already", "choose another name")
    try:
        version = metadata.version(new.distribution)
    except metadata.PackageNotFoundError:
        return
    raise InputError(f"there is a package {new.distribution} {version} already", "choose another name, or uninstall it")


def files(new: New) -> Iterator[tuple[str, str]]:
    """(path, text) of each file."""
    spdx = LICENSES[new.license]
    said = f'license = "{spdx}"\nlicense-files = ["LICENSE"]\n' if spdx else 'classifiers = ["Private :: Do Not Upload"]\n'
    values = {
        "name": new.name, "distribution": new.distribution, "package": new.package, "metric": new.name.replace("-", "_"),
        "description": KINDS[new.kind], "license": said, "year": str(date.today().year),
        "dependencies": _quoted(NEEDS[new.kind]), "test_dependencies": _quoted(TESTS_NEED[new.kind]),
    }  # fmt: skip
    found = {**_templates("all"), **_templates(new.kind)}
    if spdx:
        found["LICENSE"] = _templates("licenses")[new.license]
    for path, template in found.items():
        named = ".gitignore" if path == "gitignore" else path.replace("package/", f"{new.package}/", 1)
        yield named, Template(template).substitute(values)
    yield f"{new.package}/py.typed", ""


def _templates(name: str) -> dict[str, str]:
    """Path in the distribution → template.

    A file holds several, each behind a line `=== PATH`: twenty small ones weigh twice as much.
    """
    text = (resources.files(__name__) / "templates" / f"{name}.txt").read_text(encoding="utf-8")
    _, *parts = re.split(r"^=== (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)


@click.command("new")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name")
@click.option("--output", metavar="DIR", help="The new folder; default: plmtasks-NAME.")
@click.option(
    "--license", type=click.Choice(list(LICENSES)), default="apache-2.0",
    help="Default: apache-2.0, as plmtasks' own.",
)  # fmt: skip
def command(kind: str, name: str, output: str | None, license: str) -> None:
    """Write a new plugin: a small distribution that installs, passes its tests and is listed as it stands.

    plmtasks new task hotels
    """
    from ...files import local
    from ...hooks import load_registry

    new = New(kind=kind, name=name, license=license)
    folder = local(output or new.distribution)
    written = create(new, folder, load_registry())
    say(f"{folder}: {counted(len(written), 'file')}, for the {kind} {new.item}")
    for path in written:
        say(f"  {path}")
    say("next:")
    for step in new.next_steps(folder):
        say(f"  {step}")
