"""How long `plmtasks --help` and `plmtasks list tasks` take, as whole processes, beside an empty Python.

    python benchmarks/startup.py [--rounds 20]

Writes benchmarks/results/startup.json and prints its table.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "plmtasks --help": [str(Path(sys.executable).with_name("plmtasks")), "--help"],
    "plmtasks list tasks": [str(Path(sys.executable).with_name("plmtasks")), "list", "tasks"],
}


@click.command()
@click.option("--rounds", default=20)
def main(rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - start)
    rows = {name: {"median_ms": statistics.median(t) * 1e3, "fastest_ms": min(t) * 1e3} for name, t in times.items()}
    (Path(__file__).parent / "results" / "startup.json").write_text(json.dumps(rows, indent=1) + "\n")
    print("| command | median ms | fastest ms |\n| --- | --- | --- |")
    for name, row in rows.items():
        print(f"| {name} | {row['median_ms']:.0f} | {row['fastest_ms']:.0f} |")


if __name__ == "__main__":
    main()
