"""`plmtasks bundle`: what a suite needs, for machines without a network."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..files import terminal
from . import options
from .texts import say, say_json

if TYPE_CHECKING:
    from ..files import Bundle


@options.command("bundle", example="plmtasks bundle glue --model bert-base --output glue.tar")
@click.argument("suite", metavar="SUITE")
@options.item("model", "--model", "models", lists=True, help="In place of the suite's.")
@click.option(
    "--output", metavar="FILE.tar", type=click.Path(path_type=Path), help="The archive; another of that name is replaced."
)
@click.option("--list", "listing", is_flag=True, help="Tell what is in SUITE, which is such an archive.")
@options.TRUST
@click.option("--quiet", is_flag=True, help="Print what is in it only.")
@options.choice("format", "table", "json")
def command(suite: str, output: Path | None, listing: bool, form: str, **values: Any) -> None:
    """Put what a suite's runs need into one archive: data at their revisions, what metrics need, models.

    SUITE is one of `plmtasks list suites`, the path of a TOML file, or a run's folder. What is not on this machine is downloaded.
    Where there is no network, any command takes it: plmtasks run … --bundle FILE.tar; the results have the same bytes.

    It holds no code: weights are safetensors. Files of your own that a suite names are told, and not taken.
    """
    from ..errors import OutputError
    from ..evaluation import bundle, read_suite
    from ..execution import Progress, from_environment
    from ..files import read_bundle
    from ..hooks import load_registry

    if listing:
        _say(read_bundle(Path(suite)), form)
        return
    if output is None:
        raise click.UsageError("--output FILE.tar says where the archive is written (--list tells what is in one)")
    if not output.absolute().parent.is_dir():
        raise OutputError(f"{output}: there is no such folder")
    registry = load_registry(trusting=values["trust_remote_code"])
    quiet = values["quiet"] or bool(from_environment().get("quiet"))
    told = read_suite(registry.suite(suite)).on_line({"quiet": quiet, "yes": True}, models=values["models"] or ())
    asked = told.expanded(registry)
    asked.check(registry)
    configs = [asked.configs(*pair)[0] for pair in asked.pairs() if not asked.excludes(*pair)]
    _say(bundle(configs, registry, output, Progress(quiet=quiet)), form)


def _say(found: "Bundle", form: str) -> None:
    """What is in a bundle, a line for each repository and each set."""
    from ..execution import size

    rows: dict[tuple[str, ...], list[int]] = {}
    for name, file in found.files.items():
        if "/refs/" not in name:  # what a revision is called
            rows.setdefault(_whose(name), []).append(file.bytes)
    if form == "json":
        files = {name: {"sha256": file.sha256, "bytes": file.bytes} for name, file in found.files.items()}
        say_json({"tasks": found.tasks, "models": found.models, "files": files})
        return
    say(terminal.fields([("tasks", ", ".join(found.tasks)), ("models", ", ".join(found.models))]))
    header = ("what", "name", "revision", "files", "size")
    lines = [(*whose, f"{len(sizes):,}", size(sum(sizes))) for whose, sizes in rows.items()]
    say(terminal.table(header, lines, ("files", "size"), firm=("what",)), nl=False)
    say(f"{found.path}: {len(found.files):,} files, {size(found.bytes)}")


def _whose(name: str) -> tuple[str, str, str]:
    """To what a file belongs: what it is, its name, its revision."""
    cache, first, *rest = name.split("/")
    kind, *named = first.split("--")
    if cache == "hub" and named:
        return kind.removesuffix("s").replace("dataset", "data set"), "/".join(named), rest[1]
    return ("data set", first.replace("___", "/"), "") if cache == "datasets" else (f"of {cache}", first, "")
