"""Numbers and choices are learned as by transformers' Trainer: the same first weights, order and settings, the same weights."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

import plmtasks
from plmtasks.config import Source
from plmtasks.data import events
from plmtasks.hooks import load_registry

EPOCHS, BATCH, RATE, DECAY, COUNT = 5, 16, 1e-3, 0.01, 32
"""10 updates, of which a tenth is the warm-up."""


def numbers(folder: Path) -> str:
    """Pairs of sentences, and how many of two parts they have in common."""
    made = events("train", 2 * COUNT)
    pairs = zip(made[:COUNT], made[COUNT:], strict=True)
    rows = [(a.english(), b.english(), float((a.when == b.when) + (a.how == b.how))) for a, b in pairs]
    lines = [json.dumps(dict(zip(("text", "text_pair", "label"), row, strict=True))) for row in rows]
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return "regression/custom"


def choices(folder: Path) -> str:
    """Which of four sentences the text is."""
    draw, rows = random.Random(0), []
    made = [event.english() for event in events("train", COUNT)]
    for number, text in enumerate(made):
        options = [text, *draw.sample([other for other in made if other != text], 3)]
        draw.shuffle(options)
        told = {"questions": ["Which is true?"], "options": [options], "answers": ["ABCD"[options.index(text)]]}
        rows.append({"id": f"{number}", "article": text, **told})
    for split in ("train", "test"):
        (folder / f"{split}.json").write_text(json.dumps(rows))
    return "qa/race"


@pytest.mark.parametrize(("make", "kind"), [(numbers, "Regress"), (choices, "Choose")])
def test_learning_is_trainers(make, kind, tmp_path):
    from safetensors.torch import load_file

    (data := tmp_path / "data").mkdir()
    task = make(data)
    options = {"data": str(data), "ask": kind, "quiet": True, "yes": True}
    first = plmtasks.TrainSettings(num_train_epochs=1, select_split="none")
    begun = plmtasks.train(task, "tiny-bert", str(tmp_path / "begun"), training=first, **options)
    settings = plmtasks.TrainSettings(
        num_train_epochs=EPOCHS, train_batch_size=BATCH, learning_rate=RATE, warmup_steps=0.1, weight_decay=DECAY,
        dtype="float32", select_split="none",
    )  # fmt: skip
    ours = plmtasks.train(task, str(begun), str(tmp_path / "ours"), training=settings, **options)
    at_first, found = (load_file(Path(folder, "model.safetensors")) for folder in (begun, ours))
    wanted = by_trainer(Path(begun), learned(task, data, kind), tmp_path / "theirs")
    assert found.keys() == wanted.keys()
    # one bias for all choices changes no softmax: its gradient is noise, of which Adam makes steps
    names = found.keys() - ({"classifier.bias"} if kind == "Choose" else set())
    assert max(float((found[name] - at_first[name]).abs().max()) for name in names) > 1e-3
    assert max(float((found[name] - wanted[name]).abs().max()) for name in names) < 1e-4


def learned(task: str, data: Path, kind: str) -> list[tuple[Any, Any]]:
    """Requests with their solved answers, in the order in which plmtasks learns from them in all epochs."""
    of = load_registry().task(task)
    examples = list(of.load(Source(data=str(data)))["train"])
    pairs = [(request := of.ask(example.hidden(), kind), of.solve(example, request)) for example in examples]
    taken = []
    for epoch in range(EPOCHS):
        random.Random(f"{plmtasks.TrainSettings().seed} {epoch}").shuffle(order := list(range(COUNT)))
        taken += [pairs[i] for i in order]
    return taken


def by_trainer(begun: Path, pairs: list[tuple[Any, Any]], folder: Path) -> Any:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(begun)
    if hasattr(pairs[0][0], "choices"):
        form, collator = transformers.AutoModelForMultipleChoice, transformers.DataCollatorForMultipleChoice(tokenizer)
        best = [max(range(4), key=lambda i, a=answer: a.choices[i].log_likelihood) for _, answer in pairs]
        rows = [
            {**tokenizer(*map(list, zip(*r.pairs(), strict=True))), "label": i} for (r, _), i in zip(pairs, best, strict=True)
        ]
    else:
        form, collator = transformers.AutoModelForSequenceClassification, transformers.DataCollatorWithPadding(tokenizer)
        rows = [{**tokenizer(request.text, request.text_pair), "label": answer.value} for request, answer in pairs]
    settings = transformers.TrainingArguments(
        str(folder), num_train_epochs=1, per_device_train_batch_size=BATCH, learning_rate=RATE, warmup_steps=0.1,
        weight_decay=DECAY, use_cpu=True, save_strategy="no", report_to=[], disable_tqdm=True, logging_strategy="no",
        train_sampling_strategy="sequential",
    )  # fmt: skip
    model = form.from_pretrained(begun)
    transformers.Trainer(model, settings, train_dataset=rows, data_collator=collator).train()
    return model.state_dict()
