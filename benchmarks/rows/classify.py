"""Classification of SST-2 by a fine-tuned all-MiniLM-L6-v2, beside transformers' `Trainer.predict` and its pipeline."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import models
from frame import (
    DATA,
    DEVICE,
    Comparison,
    Options,
    Ours,
    Side,
    best_setting,
    compare,
    needs_bfloat16,
    same_predictions,
    seconds_of,
)

BATCHES = [4, 8, 16, 32, 64]
TRIAL = 250
"""Sentences on which a batch size is tried."""


def float32(options: Options) -> Comparison:
    """Both in float32, from texts to labels, tokens and all. The pipeline, and data sorted by hand, are timed once beside."""
    requests = sentences(options)
    folder = fine_tuned()
    peer = Predictor(folder)
    found = _compare("float32", requests, peer, options, most=0.0)
    texts = [request.text for request in requests]
    trial = texts[:: max(1, len(texts) // TRIAL)]
    pipe, ours = Pipeline(folder), median(found.ours)
    size = best_setting("classify", "pipeline", BATCHES, lambda size: pipe(trial, size))
    ordered = sorted(texts, key=len)
    beside = {
        f"the pipeline, batches of {size}": seconds_of(lambda: pipe(texts, size)) / ours,
        "Trainer.predict on data sorted by hand": seconds_of(lambda: peer(ordered, 32)) / ours,
    }
    return replace(found, beside=beside)


def bfloat16(options: Options) -> Comparison:
    """plmtasks in bfloat16, Trainer.predict in float32: one label in 200 may differ. In bfloat16 it is timed once beside."""
    needs_bfloat16()
    requests = sentences(options)
    folder = fine_tuned()
    found = _compare("bfloat16", requests, Predictor(folder), options, most=0.005)
    texts, peer = [request.text for request in requests], Predictor(folder, "bfloat16")
    trial = texts[:: max(1, len(texts) // TRIAL)]
    size = best_setting("classify", "Trainer.predict, bfloat16", BATCHES, lambda size: peer(trial, size))
    return replace(
        found,
        beside={f"Trainer.predict, bfloat16, batches of {size}": seconds_of(lambda: peer(texts, size)) / median(found.ours)},
    )


def _compare(dtype: str, requests: Sequence[Any], peer: "Predictor", options: Options, most: float) -> Comparison:
    engine = Ours(fine_tuned(), requests, options, dtype=dtype)
    texts = [request.text for request in requests]
    trial = texts[:: max(1, len(texts) // TRIAL)]
    batch = best_setting("classify", "Trainer.predict", BATCHES, lambda size: peer(trial, size))

    def agree(ours: Any, theirs: Any) -> dict[str, Any]:
        labels = requests[0].labels
        own = [labels[max(range(len(labels)), key=answer.scores.__getitem__)] for answer in ours]
        return same_predictions(own, theirs, most)

    return compare(
        Side(name="plmtasks", run=engine), Side(name="Trainer.predict", run=lambda: peer(texts, batch)), options, agree,
        peer_batch=batch, work=f"{len(requests)} sentences",
    )  # fmt: skip


def sentences(options: Options) -> list[Any]:
    """The requests of SST-2's dev and test sentences, in the order of the data."""
    from plmtasks.config import Source
    from plmtasks.hooks import load_registry

    task = load_registry().task("classification/sst2")
    data = task.load(Source(data=str(DATA / "sst2")))
    asked = [task.ask(example.hidden(), "Classify") for split in ("validation", "test") for example in data[split]]
    return asked[:: len(asked) // options.count(len(asked), 540)]


def fine_tuned() -> str:
    """all-MiniLM-L6-v2 after 2,000 sentences of SST-2."""
    return models.learned(
        "sst2-minilm", "classification/sst2", models.minilm(), str(DATA / "sst2"), learning_rate=2e-4, max_train_samples=2000
    )


class Predictor:
    """`Trainer.predict` over texts, its tokens made in one call of the tokenizer; batches padded to their longest text."""

    def __init__(self, folder: str, dtype: str = "float32") -> None:
        import transformers

        self.dtype = dtype
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)

    def __call__(self, texts: Sequence[str], size: int) -> list[str]:
        """Their labels."""
        import tempfile

        import transformers

        encoded = self.tokenizer(list(texts), truncation=True)
        rows = [{name: column[i] for name, column in encoded.items()} for i in range(len(texts))]
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                folder, per_device_eval_batch_size=size, use_cpu=DEVICE == "cpu", report_to=[], disable_tqdm=True,
                bf16_full_eval=self.dtype == "bfloat16",
            )  # fmt: skip
            collator = transformers.DataCollatorWithPadding(self.tokenizer)
            logits = transformers.Trainer(self.model, arguments, data_collator=collator).predict(rows).predictions
        return [self.model.config.id2label[i] for i in logits.argmax(-1).tolist()]


class Pipeline:
    """transformers' text classification."""

    def __init__(self, folder: str) -> None:
        import transformers

        self.pipe = transformers.pipeline("text-classification", model=folder, device=DEVICE)

    def __call__(self, texts: Sequence[str], size: int) -> list[str]:
        """Their labels."""
        return [found["label"] for found in self.pipe(list(texts), batch_size=size)]
