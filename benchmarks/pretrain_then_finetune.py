"""A recipe: a small encoder learns from unlabelled English text, then sst2; beside it the same encoder learns sst2 alone.

    python benchmarks/pretrain_then_finetune.py [--epochs 3] [--seeds 3] [--dtype bfloat16]

The text is all the English at hand without labels and without sst2's dev and test sentences. Both encoders have the same
shape, tokenizer and fine-tuning; each keeps its best epoch by sst2's dev split. Prints the difference in test accuracy with the
95 % interval of a paired bootstrap over the test sentences (of means over the seeds), and writes it to
benchmarks/results/pretrain_then_finetune.json.
"""

import csv
import gzip
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PLMTASKS_DATA") or HERE.parents[1] / "shared" / "data")
SHAPE = {
    "model_type": "bert", "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024,
    "max_position_embeddings": 256, "vocab_size": 8000,
}  # fmt: skip
RESAMPLES = 10_000


@click.command()
@click.option("--epochs", default=3.0, help="Of pretraining.")
@click.option("--learning-rate", default=1e-3, help="Of pretraining.")
@click.option("--batch-size", default=128, help="Of pretraining.")
@click.option("--tune-epochs", default=5.0)
@click.option("--tune-rate", default=2e-4)
@click.option("--seeds", default=3, help="Of fine-tuning.")
@click.option("--limit", type=int, help="At most so many texts and labelled sentences: a trial.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="bfloat16")
@click.option("--threads", default=2)
@click.option("--output", default=str(HERE / "results" / "pretrain_then_finetune.json"))
def main(**options: Any) -> None:
    import plmtasks

    common = {"threads": options["threads"], "yes": True}
    pretraining = plmtasks.TrainSettings(
        num_train_epochs=options["epochs"], learning_rate=options["learning_rate"], train_batch_size=options["batch_size"],
        whole_word_mask=True, dtype=options["dtype"], max_train_samples=options["limit"], select_split="none",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = folder / "train.jsonl"
        bytes_ = write_corpus(corpus)
        (folder / "shape.json").write_text(json.dumps(SHAPE))
        start = time.monotonic()
        pretrained = plmtasks.train(
            "language_modeling/text", f"scratch:{folder / 'shape.json'}", f"{folder}/pretrained", training=pretraining,
            train_data=str(corpus), **common,
        )  # fmt: skip
        seconds = time.monotonic() - start
        history = json.loads((pretrained / "plmtasks.json").read_text())["history"]
        models = {"pretrained": str(pretrained), "plain": f"scratch:{without_weights(pretrained, folder / 'plain')}"}
        right = {
            side: [tuned(model, folder, seed, options) for seed in range(options["seeds"])] for side, model in models.items()
        }
    result = {
        **{k: v for k, v in options.items() if k != "output"}, "corpus_bytes": bytes_, "pretrain_seconds": round(seconds, 1),
        "losses": [round(entry["loss"], 3) for entry in history], **compared(right),
    }  # fmt: skip
    Path(options["output"]).write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


def tuned(model: str, folder: Path, seed: int, options: dict[str, Any]) -> list[bool]:
    """Which of sst2's test sentences the model has right after fine-tuning."""
    import plmtasks

    settings = plmtasks.TrainSettings(
        num_train_epochs=options["tune_epochs"], learning_rate=options["tune_rate"], train_batch_size=32, seed=seed,
        dtype=options["dtype"], max_train_samples=options["limit"],
    )  # fmt: skip
    result = plmtasks.run(
        "classification/sst2", model, data=str(DATA / "sst2"), split="test", train="always", training=settings, seed=seed,
        output=f"{folder}/results", checkpoints=f"{folder}/checkpoints", threads=options["threads"], yes=True,
    )  # fmt: skip
    lines = (result.folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [row["prediction"] == row["reference"] for row in map(json.loads, lines)]


def compared(right: dict[str, list[list[bool]]]) -> dict[str, Any]:
    """Accuracies of every seed, and the difference of their means with its interval.

    right: side → (seeds, sentences)
    """
    import numpy as np

    sides = {side: np.array(rows, dtype=float) for side, rows in right.items()}
    difference = 100 * (sides["pretrained"].mean(axis=0) - sides["plain"].mean(axis=0))
    draws = np.random.default_rng(0).integers(0, len(difference), (RESAMPLES, len(difference)))
    low, high = np.percentile(difference[draws].mean(axis=1), [2.5, 97.5])
    accuracies = {side: [round(100 * float(a), 2) for a in rows.mean(axis=1)] for side, rows in sides.items()}
    return {"accuracy": accuracies, "difference": float(difference.mean()), "low": float(low), "high": float(high)}


def without_weights(pretrained: Path, folder: Path) -> Path:
    """The configuration and tokenizer of the pretrained encoder alone."""
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(pretrained / name, folder)
    return folder


def write_corpus(path: Path) -> int:
    """Writes each different text once; returns their bytes."""
    texts = [t for t in dict.fromkeys(" ".join(t.split()) for t in corpus()) if t]
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")
    return sum(len(t.encode()) for t in texts)


def corpus() -> Iterator[str]:
    """All English text at hand, without labels, and without what sst2 is evaluated on."""
    yield from (row[0] for row in _table("sst2/train.tsv"))
    yield from (row[0] for row in _table("goemotions/train.tsv"))
    for name in ("valid", "test"):
        yield from _lines(f"wikitext2/{name}.txt")
    yield from _lines("multi30k_en_de/train.en.gz")
    for split in ("dev", "test"):
        yield from (json.loads(line)["dialogue"] for line in _lines(f"dialogsum/dialogsum.{split}.jsonl"))
        yield from (article["article"] for article in json.loads(_text(f"race_middle/{split}.json")))
    for name in ("squad_v2_half_dev/dev-v2.0.json", "xquad/xquad.en.json"):
        yield from (p["context"] for article in json.loads(_text(name))["data"] for p in article["paragraphs"])
    for split in ("train", "test"):
        yield from (text for row in _table(f"mrpc/msr_paraphrase_{split}.txt") for text in row[3:5])
    sentences = _text("propbank_ewt/train.bio.tsv.gz").split("\n\n")
    yield from (" ".join(r.split("\t")[1] for r in s.splitlines() if r and not r.startswith("#")) for s in sentences)


def _text(name: str) -> str:
    raw = (DATA / name).read_bytes()
    return (gzip.decompress(raw) if name.endswith(".gz") else raw).decode("utf-8-sig")


def _lines(name: str) -> list[str]:
    return _text(name).split("\n")[:-1]


def _table(name: str) -> Iterator[list[str]]:
    return csv.reader(_lines(name), delimiter="\t", quoting=csv.QUOTE_NONE)


def table(r: dict[str, Any]) -> str:
    rows = [f"| {side} | {', '.join(f'{a:.2f}' for a in r['accuracy'][side])} |" for side in ("pretrained", "plain")]
    return "\n".join(
        [
            f"pretrained on {r['corpus_bytes'] / 1e6:.1f} MB for {r['epochs']:g} epochs in {r['pretrain_seconds']:.0f} s; "
            f"loss {r['losses'][0]:.2f} to {r['losses'][-1]:.2f}",
            "", "| | test accuracy, a seed each |", "| --- | --- |", *rows, "",
            f"difference {r['difference']:+.2f} points, 95 % interval [{r['low']:+.2f}, {r['high']:+.2f}]",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
