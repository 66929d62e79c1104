"""Fine-tuning of all-MiniLM-L6-v2 by plmtasks, beside transformers' `Trainer`: the same examples, updates and settings."""

import gzip
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import models
from frame import DATA, DEVICE, DRY, Comparison, Options, Side, best_setting, compare, needs_bfloat16, seconds_of

BATCH, RATE, WARMUP, DECAY = 32, 2e-4, 0.1, 0.01
SAMPLERS = ["random", "group_by_length"]
UPDATES = 2 if DRY else 40
"""After fewer, chance says how good a model is."""
POINTS = 5.0
"""By how much the scores on dev may differ: so few updates leave that much to chance."""


def sst2_float32(options: Options) -> Comparison:
    return _compare("classification/sst2", "float32", options)


def sst2_bfloat16(options: Options) -> Comparison:
    needs_bfloat16()
    return _compare("classification/sst2", "bfloat16", options)


def srl_float32(options: Options) -> Comparison:
    return _compare("srl/propbank", "float32", options)


def srl_bfloat16(options: Options) -> Comparison:
    needs_bfloat16()
    return _compare("srl/propbank", "bfloat16", options)


def _compare(task: str, dtype: str, options: Options) -> Comparison:
    """plmtasks in `dtype` and Trainer in float32, with the sampler that is faster; from the data to the saved checkpoint.

    Beside it, once each: Trainer with its other sampler and, where that is another one, with the same data type.
    """
    with _part(task, UPDATES) as part:
        peer = Learner(part)
        few = replace(part, examples=part.examples[: 6 * BATCH])
        best = best_setting(f"finetune {task}", "Trainer", SAMPLERS, lambda sampler: Learner(few)("float32", sampler))

        def agree(ours: Path, theirs: Path) -> dict[str, Any]:
            found = {"dev": part.score(ours, options), "peer_dev": part.score(theirs, options)}
            assert abs(found["dev"] - found["peer_dev"]) <= POINTS, found
            return found

        ours = Side(name="plmtasks", run=lambda: _learn(part, dtype, options))
        found = compare(
            ours, Side(name="Trainer", run=lambda: peer("float32", best)), options, agree, peer_sampler=best,
            work=f"{len(part.examples)} examples, {len(part.examples) // BATCH} updates",
        )  # fmt: skip
        others = [("float32", sampler) for sampler in SAMPLERS if sampler != best]
        others += [("bfloat16", sampler) for sampler in SAMPLERS] if dtype == "bfloat16" else []
        beside = {
            f"Trainer, {kind}, {sampler}": seconds_of(lambda k=kind, s=sampler: peer(k, s)) / median(found.ours)
            for kind, sampler in others
        }
        rate = len(part.examples) / median(found.ours)
        return replace(found, beside=beside, facts={**found.facts, "examples_per_second": rate})


@dataclass(frozen=True, kw_only=True)
class Part:
    """The beginning of a task's train split, in a folder of its own, with its dev split."""

    task: str
    folder: Path
    examples: Sequence[tuple[Any, Any]]
    """Requests and their solved answers."""

    def new(self) -> Path:
        """A folder for a checkpoint."""
        return Path(tempfile.mkdtemp(dir=self.folder.parent)) / "model"

    def score(self, model: Path, options: Options) -> float:
        """The main score on dev."""
        import plmtasks

        found = plmtasks.run(
            self.task, str(model), split="validation", limit=200 if options.quick else 872, data=str(self.folder),
            output=str(model.parent / "results"), threads=options.threads, quiet=True, yes=True, train="never",
        )  # fmt: skip
        return float(found.score or 0.0)


@contextmanager
def _part(task: str, updates: int) -> Iterator[Part]:
    from plmtasks.config import Source
    from plmtasks.hooks import load_registry

    count = updates * BATCH
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "data")
        folder.mkdir()
        (_write_sst2 if task == "classification/sst2" else _write_srl)(folder, count)
        unbound = load_registry().task(task)
        data = unbound.load(Source(data=str(folder)))
        bound = unbound.bind(data)
        examples = []
        for example in data["train"]:
            request = bound.ask(example.hidden(), bound.asks[0])
            examples.append((request, bound.solve(example, request)))
        yield Part(task=task, folder=folder, examples=examples)


def _write_sst2(folder: Path, count: int) -> None:
    with (DATA / "sst2" / "train.tsv").open(encoding="utf-8") as lines:
        (folder / "train.tsv").write_text("".join(itertools.islice(lines, count)), encoding="utf-8")
    shutil.copy(DATA / "sst2" / "dev.tsv", folder)


def _write_srl(folder: Path, count: int) -> None:
    """Whole sentences, until they have as many predicates or a few more."""
    with gzip.open(DATA / "propbank_ewt" / "train.bio.tsv.gz", "rt", encoding="utf-8") as lines:
        kept: list[str] = []
        predicates = 0
        for line in lines:
            kept.append(line)
            predicates += "\t" in line and line.split("\t")[3] != "-"
            if not line.strip() and predicates >= count:
                break
    (folder / "train.bio.tsv").write_text("".join(kept), encoding="utf-8")
    shutil.copy(DATA / "propbank_ewt" / "dev.bio.tsv", folder)


def _learn(part: Part, dtype: str, options: Options) -> Path:
    import plmtasks

    training = plmtasks.TrainSettings(
        num_train_epochs=1,
        train_batch_size=BATCH,
        learning_rate=RATE,
        warmup_steps=WARMUP,
        weight_decay=DECAY,
        dtype=dtype,
        select_split="none",
    )
    settings = {"data": str(part.folder), "threads": options.threads, "quiet": True, "yes": True}
    return plmtasks.train(part.task, models.minilm(), str(part.new()), training=training, **settings)


class Learner:
    """`Trainer` on a task's examples: an epoch, from texts to a saved checkpoint."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.labels = part.examples[0][0].labels

    def __call__(self, dtype: str, sampler: str) -> Path:
        """sampler: how transformers calls the order of the training data"""
        import transformers

        transformers.logging.set_verbosity_error()
        whole = self.part.task == "classification/sst2"
        tokenizer = transformers.AutoTokenizer.from_pretrained(models.minilm())
        form = transformers.AutoModelForSequenceClassification if whole else transformers.AutoModelForTokenClassification
        names = {"id2label": dict(enumerate(self.labels)), "label2id": {label: i for i, label in enumerate(self.labels)}}
        transformers.set_seed(0)
        model = form.from_pretrained(models.minilm(), **names)
        collator = transformers.DataCollatorWithPadding if whole else transformers.DataCollatorForTokenClassification
        folder = self.part.new()
        arguments = transformers.TrainingArguments(
            str(folder), num_train_epochs=1, per_device_train_batch_size=BATCH, learning_rate=RATE, warmup_steps=WARMUP,
            weight_decay=DECAY, train_sampling_strategy=sampler, bf16=dtype == "bfloat16", save_strategy="no",
            use_cpu=DEVICE == "cpu", report_to=[], disable_tqdm=True, logging_strategy="no",
        )  # fmt: skip
        rows = list((self._sentences if whole else self._words)(tokenizer, names["label2id"]))
        trainer = transformers.Trainer(
            model, arguments, train_dataset=rows, data_collator=collator(tokenizer), processing_class=tokenizer
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        trainer.save_model(str(folder))
        return folder

    def _sentences(self, tokenizer: Any, number: Mapping[str, int]) -> Iterator[dict[str, Any]]:
        encoded = tokenizer([request.text for request, _ in self.part.examples], truncation=True)
        for i, (request, answer) in enumerate(self.part.examples):
            label = request.labels[answer.scores.index(max(answer.scores))]
            yield {**{name: column[i] for name, column in encoded.items()}, "labels": number[label]}

    def _words(self, tokenizer: Any, number: Mapping[str, int]) -> Iterator[dict[str, Any]]:
        """The label of a word at its first piece; the predicate's pieces have token type 1."""
        words = [list(request.words) for request, _ in self.part.examples]
        encoded = tokenizer(words, is_split_into_words=True, truncation=True)
        for i, (request, answer) in enumerate(self.part.examples):
            owners = encoded.word_ids(i)
            first = [owner is not None and owner != before for before, owner in zip([None, *owners], owners, strict=False)]
            yield {
                "input_ids": encoded["input_ids"][i], "attention_mask": encoded["attention_mask"][i],
                "token_type_ids": [int(owner in request.marked) for owner in owners],
                "labels": [number[answer.labels[w]] if own else -100 for own, w in zip(first, owners, strict=True)],
            }  # fmt: skip
