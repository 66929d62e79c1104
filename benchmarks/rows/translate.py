"""Translation of Multi30k by a model of T5-small's shape, beside `model.generate` over fixed batches in the order of the data."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import models
from frame import DATA, DEVICE, DRY, Comparison, Options, Ours, Side, best_setting, compare, same_predictions

NEW = 16 if DRY else 128
TIES = 0.02
"""The share of translations that may differ: of two tokens that are as likely as float32 can tell, either may come."""


def greedy(options: Options) -> Comparison:
    return _compare("translate-greedy", 1, options)


def beams(options: Options) -> Comparison:
    return _compare("translate-beams", 4, options)


def _compare(row: str, count: int, options: Options) -> Comparison:
    """count: of beams"""
    from plmtasks_transformers.answering.prompts import Prompts

    requests = sentences(options)
    engine = Ours(taught(), requests, options, num_beams=count)
    prompts = Prompts(engine.loaded.parts)
    texts = [prompts.render(r, r.shots, r.text) for r in requests]
    peer = LibraryModel(taught(), count)
    batch = best_setting(row, "model.generate", [8, 16, 32, 64, 128], lambda size: peer(texts[:128], size))

    def agree(ours: Any, theirs: Sequence[str]) -> dict[str, Any]:
        return same_predictions([answer.text for answer in ours], [text.strip() for text in theirs], TIES)

    return compare(
        Side(name="plmtasks", run=engine), Side(name="model.generate", run=lambda: peer(texts, batch)), options, agree,
        peer_batch=batch, beams=count, work=f"{len(requests)} sentences",
    )  # fmt: skip


def sentences(options: Options) -> list[Any]:
    """The requests of the test of 2016, in the order of the data, each with the same room for its translation."""
    from plmtasks.config import Source
    from plmtasks.hooks import load_registry

    task = load_registry().task("translation/multi30k")
    data = task.load(Source(data=str(DATA / "multi30k_en_de")))
    asked = [replace(task.ask(e.hidden(), "Generate"), max_new_tokens=NEW) for e in data["test_2016_flickr"]]
    return asked[:: len(asked) // options.count(len(asked), len(asked) // 5)]


def taught() -> str:
    """A model of T5-small's shape after 200 updates: 64 different translations of 125 sentences. (After 100 updates of half as
    many sentences there were 4.) It would say one word for ever; its configuration makes words that were said less likely."""
    settings = {
        "max_train_samples": 12800,
        "train_batch_size": 64,
        "batch_tokens": 4096,
        "learning_rate": 1e-3,
        "save_minutes": 1,
    }
    data = str(DATA / "multi30k_en_de")
    folder = models.learned("t5-small-multi30k-200", "translation/multi30k", models.sequence_to_sequence(), data, **settings)
    file = Path(folder, "generation_config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "repetition_penalty": 1.2}, indent=1))
    return folder


class LibraryModel:
    """`model.generate` in this process."""

    def __init__(self, model: str, beams: int) -> None:
        import transformers

        self.beams = beams
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        self.module = transformers.AutoModelForSeq2SeqLM.from_pretrained(model, dtype="float32").to(DEVICE).eval()

    def __call__(self, texts: Sequence[str], size: int) -> list[str]:
        import torch

        found: list[str] = []
        for start in range(0, len(texts), size):
            inputs = self.tokenizer(list(texts[start : start + size]), return_tensors="pt", padding=True).to(DEVICE)
            with torch.inference_mode():
                made = self.module.generate(**inputs, num_beams=self.beams, do_sample=False, max_new_tokens=NEW)
            found += self.tokenizer.batch_decode(made, skip_special_tokens=True)
        return found
