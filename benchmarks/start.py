"""How long help and the list of tasks take among 400 more distributions, as whole processes; of one environment or more in turn.

python benchmarks/start.py                        # this environment
python benchmarks/start.py ../before/.venv .venv  # two trees, beside one another
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

COMMANDS = {"--help": ["--help"], "list tasks": ["list", "tasks"]}
DISTRIBUTIONS = 400
WITH_ENTRIES = 3
"""One of so many distributions has entry points."""


def install_many(site: Path) -> None:
    """Metadata as pip leaves them behind; the modules are not needed."""
    for number in range(DISTRIBUTIONS):
        info = site / f"made_up_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: made-up-{number}\nVersion: 1.0\n" + "Requires-Dist: other\n" * 10
        )
        (info / "RECORD").write_text(f"made_up_{number}/__init__.py,,\n")
        if number % WITH_ENTRIES == 0:
            (info / "entry_points.txt").write_text(f"[console_scripts]\nmade-up-{number} = made_up_{number}:main\n")


def milliseconds(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """From start to end by the clock, and of the processor alone, which other work on the machine disturbs less."""
    clock, processor = time.perf_counter(), _of_children()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - clock), 1000 * (_of_children() - processor)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@click.command()
@click.argument("environments", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--times", default=15, help="That each command is measured, after a first time that does not count.")
def main(environments: tuple[Path, ...], times: int) -> None:
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site")
        site.mkdir()
        install_many(site)
        environment = {**os.environ, "PYTHONPATH": str(site)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or every module would be compiled each time
        for turn in range(times + 1):
            for place in environments or (Path(sys.prefix),):
                for name, arguments in COMMANDS.items():
                    taken = milliseconds([str(place / "bin" / "plmtasks"), *arguments], environment)
                    if turn:
                        found.setdefault((name, str(place)), []).append(taken)
    for (name, place), taken in sorted(found.items()):
        clock, processor = (f"best {min(kind):.0f}, median {statistics.median(kind):.0f}" for kind in zip(*taken, strict=True))
        print(f"{place}: plmtasks {name}: {clock} ms; processor {processor} ms; {len(taken)} times")


if __name__ == "__main__":
    main()
