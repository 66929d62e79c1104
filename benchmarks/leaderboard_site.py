"""How long the site of many runs takes to build, and to build again.

    python benchmarks/leaderboard_site.py [--tasks 20] [--models 50] [--examples 500]

Builds the site of runs that never were (made_runs.py) by the command, each time in a process of its own: anew, after one run
more, and with nothing changed. Writes leaderboard_site.json under results/.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from frame import place  # the folder is no package
from made_runs import make


def build(runs: Path, site: Path) -> dict[str, float]:
    """One build in a process of its own."""
    command = [sys.executable, "-m", "plmtasks", "leaderboard", str(runs), "--site", str(site)]
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds, done = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = done.ru_utime + done.ru_stime - used.ru_utime - used.ru_stime
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_bytes": 1024 * done.ru_maxrss}


@click.command()
@click.option("--tasks", default=20)
@click.option("--models", default=50)
@click.option("--examples", default=500)
def main(tasks: int, models: int, examples: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs, site = Path(folder, "results"), Path(folder, "site")
        figures: dict[str, Any] = {"runs": make(runs, tasks=tasks, models=models, examples=examples), "examples": examples}
        figures["anew"] = build(runs, site)
        make(runs, tasks=1, models=1, examples=examples, seed=1)
        figures["one run more"] = build(runs, site)
        figures["nothing changed"] = build(runs, site)
        sizes = {str(path.relative_to(site)): path.stat().st_size for path in site.rglob("*") if path.is_file()}
    largest = max(sizes, key=lambda name: sizes[name])
    figures |= {"largest file": {"name": largest, "bytes": sizes[largest]}, "bytes": sum(sizes.values())}
    text = json.dumps(figures, indent=1)
    (place() / "leaderboard_site.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
