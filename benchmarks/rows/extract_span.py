"""Extractive question answering over windows of 384 tokens, beside the usual recipe with `Trainer.predict`."""

import collections
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import models
from frame import DATA, DEVICE, Comparison, Options, Ours, Side, apart, best_setting, compare, growth, same_predictions

WINDOW, OVERLAP, ANSWER, BEST = 384, 128, 30, 20
QUESTIONS = 1200
LEARNED = 4
"""Articles that the model learns from; it is asked about the others."""


def float32(options: Options) -> Comparison:
    """From questions and contexts to one answer each, both in float32; of many questions the peer is given a fourth.

    The peer looks for a span among its 20 likeliest starts and ends alone, and ends of equal score come in any order, so one
    answer in 200 may differ. The memory is what a process of its own grows by at most for the peer's questions.
    """
    asked = questions(options.count(QUESTIONS, 200))
    some = asked[:: 1 if len(asked) < 400 else 4]
    engine = Ours(model(), asked, options, dtype="float32")
    peer = Recipe(model())
    batch = best_setting("extract-span", "Trainer.predict", [4, 8, 16, 32], lambda size: peer(some[::8], size))
    counted = [str(len(some)), str(batch), str(options.threads)]
    memory = {side: apart("rows.extract_span", side, *counted) for side in ("ours", "peer")}

    def agree(ours: Any, theirs: Any) -> dict[str, Any]:
        found = {request.key(): best(request, answer) for request, answer in zip(asked, ours, strict=True)}
        return same_predictions([found[request.key()] for request in some], theirs, most=0.005)

    found = compare(
        Side(name="plmtasks", run=engine), Side(name="map and Trainer.predict", run=lambda: peer(some, batch)), options, agree,
        share=sum(len(r.context) for r in some) / sum(len(r.context) for r in asked), peer_batch=batch, memory=memory,
        work=f"{len(asked)} questions",
    )  # fmt: skip
    return replace(found, beside={"its growth in memory": memory["peer"] / memory["ours"]})


def questions(count: int) -> list[Any]:
    """So many of the questions that the model does not learn from, evenly chosen."""
    from plmtasks.config import Source
    from plmtasks.hooks import load_registry

    task = load_registry().task("qa/squad_v2")
    with tempfile.TemporaryDirectory() as place:
        file = _write(Path(place, "test.json"), slice(None, -LEARNED))
        examples = list(task.load(Source(data=str(file)))["test"])
    return [task.ask(examples[i * len(examples) // count].hidden(), "ExtractSpan") for i in range(count)]


def best(request: Any, answer: Any) -> str:
    first = answer.spans[0]
    return "" if answer.no_answer > first.score else request.context[first.start : first.end]


def model() -> str:
    """all-MiniLM-L6-v2 after 400 questions of the last articles."""
    with tempfile.TemporaryDirectory() as place:
        file = _write(Path(place, "train.json"), slice(-LEARNED, None))
        settings = {"learning_rate": 2e-4, "train_batch_size": 16, "max_train_samples": 400}
        return models.learned("squad-minilm", "qa/squad_v2", models.minilm(), str(file.parent), **settings)


def _write(file: Path, articles: slice) -> Path:
    """Some articles of the data, in a file of their own."""
    whole = json.loads((DATA / "squad_v2_half_dev" / "dev-v2.0.json").read_text(encoding="utf-8"))
    file.write_text(json.dumps({**whole, "data": whole["data"][articles]}), encoding="utf-8")
    return file


class Recipe:
    """What transformers' example for SQuAD does: windows by `map`, Trainer.predict, spans from all logits on the host.

    Windows are padded to the longest of their batch, not all to 384 as in the example: that is faster.
    source: huggingface/transformers, examples/pytorch/question-answering, run_qa.py and utils_qa.py
    """

    def __init__(self, folder: str) -> None:
        import datasets
        import transformers

        datasets.disable_progress_bars()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder)

    def __call__(self, requests: Sequence[Any], size: int) -> list[str]:
        """The best answer of each, "" for none."""
        import datasets
        import transformers

        columns = {"question": [r.question.lstrip() for r in requests], "context": [r.context for r in requests]}
        examples = datasets.Dataset.from_dict({**columns, "number": list(range(len(requests)))})
        windows = examples.map(self._windows, batched=True, remove_columns=examples.column_names)
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                folder, per_device_eval_batch_size=size, use_cpu=DEVICE == "cpu", report_to=[], disable_tqdm=True
            )
            collator = transformers.DataCollatorWithPadding(self.tokenizer)
            trainer = transformers.Trainer(self.model, arguments, data_collator=collator)
            starts, ends = trainer.predict(windows.remove_columns(["number", "offset_mapping"])).predictions
        return self._answers(requests, windows, starts, ends)

    def _windows(self, examples: Any) -> Any:
        made = self.tokenizer(
            examples["question"], examples["context"], truncation="only_second", max_length=WINDOW, stride=OVERLAP,
            return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        places = made.pop("overflow_to_sample_mapping")
        made["number"] = [examples["number"][i] for i in places]
        made["offset_mapping"] = [
            [place if side == 1 else None for place, side in zip(offsets, made.sequence_ids(i), strict=True)]
            for i, offsets in enumerate(made["offset_mapping"])
        ]
        return made

    def _answers(self, requests: Sequence[Any], windows: Any, starts: Any, ends: Any) -> list[str]:
        own = collections.defaultdict(list)
        for row, number in enumerate(windows["number"]):
            own[number].append(row)
        offsets = windows["offset_mapping"]
        answers = []
        for number, request in enumerate(requests):
            null = min(float(starts[row][0] + ends[row][0]) for row in own[number])
            spans = [span for row in own[number] for span in self._spans(starts[row], ends[row], offsets[row])]
            score, first, last = max(spans, default=(null, 0, 0))
            answers.append(request.context[first:last] if score >= null else "")
        return answers

    def _spans(self, start: Any, end: Any, offsets: Any) -> Iterator[tuple[float, int, int]]:
        """Score and characters of each span from one of the likeliest starts to one of the likeliest ends."""
        import numpy as np

        for a in np.argsort(start)[-1 : -BEST - 1 : -1].tolist():
            for b in np.argsort(end)[-1 : -BEST - 1 : -1].tolist():
                inside = a < len(offsets) and b < len(offsets) and offsets[a] and offsets[b]
                if inside and a <= b < a + ANSWER:
                    yield float(start[a] + end[b]), offsets[a][0], offsets[b][1]


def _peak(side: str, count: int, batch: int, threads: int) -> int:
    """Bytes by which this process grows at most, once warm, while one side answers so many questions.

    batch: the peer's
    """
    asked = questions(count)
    if side == "ours":
        engine = Ours(model(), asked[:2], Options(threads=threads), dtype="float32")
        engine()
        engine.requests = asked
        return growth(engine)
    peer = Recipe(model())
    peer(asked[:2], batch)
    return growth(lambda: peer(asked, batch))


if __name__ == "__main__":
    print(_peak(sys.argv[1], *map(int, sys.argv[2:])))
