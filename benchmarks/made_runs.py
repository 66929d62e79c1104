"""Result folders of runs that never were, for measurements of what reads them: `python benchmarks/made_runs.py DIR`.

Valid results of as many tasks and models as are wanted, scored by accuracy on examples of uneven difficulty.
"""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

LABELS = ("negative", "positive")
FAMILIES = ("encoder", "decoder", "sequence-to-sequence")
WORDS = ("a", "bright", "but", "dull", "film", "funny", "long", "never", "quite", "scene", "story", "the", "was", "with")
GENERATION = {"num_beams": 1, "temperature": 0.0, "top_p": 1.0, "length_penalty": 1.0, "max_new_tokens": None}


def make(folder: Path, *, tasks: int, models: int, examples: int, predictions: bool = True, seed: int = 0) -> int:
    """The number of runs; predictions: with the files of predictions too, which tables do not read; seed: of the answers."""
    import numpy as np

    from plmtasks.examples import Prediction
    from plmtasks.files import dump
    from plmtasks.hooks import load_registry
    from plmtasks.results import identity_hash, prediction_lines, run_folder, statistics_bytes
    from plmtasks.scoring import score

    registry = load_registry()
    for number in range(tasks):
        name, draws = f"classification/made-{number:02}", np.random.default_rng(number)
        split, easy = _split(examples, draws), draws.beta(4, 1, examples)
        answers = np.random.default_rng([number, seed])
        metric = registry.metric("accuracy").bind(SimpleNamespace(labels=LABELS, language="en"))
        for model in range(models):
            right = answers.random(examples) < easy * (0.7 + 0.3 * model / models)
            said = {e.id: Prediction(value=_answer(e.reference, ok)) for e, ok in zip(split, right, strict=True)}
            scored = score([metric], split, said, resamples=100)
            called = f"model-{model:03}"
            parts = {"task": {"name": name}, "model": {"name": called}, "seed": seed}
            target = run_folder(str(folder), name, called, identity_hash(parts))
            target.mkdir(parents=True)
            files = {"statistics.npy": statistics_bytes(scored.columns, scored.rows, split)}
            if predictions:
                files["predictions.jsonl"] = "".join(prediction_lines(split, said)).encode()
            for file, content in files.items():
                (target / file).write_bytes(content)
            record = _record(name, model, target.name, scored.scores, metric.signature(), examples)
            record["settings"]["seed"] = seed
            record["data"] |= {"name": f"made {number}", "fingerprint": f"{number:064x}"}
            record["files"] = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
            (target / "result.json").write_text(dump(record), encoding="utf-8")
            (target / "environment.json").write_text(dump(_environment(model, examples)), encoding="utf-8")
            (target / "config.json").write_text(dump({"config": {}, "identity": parts}), encoding="utf-8")
    return tasks * models


def _split(examples: int, draws: Any) -> list[Any]:
    from plmtasks.examples import Example

    texts = [" ".join(draws.choice(WORDS, int(draws.integers(8, 40)))) for _ in range(examples)]
    return [
        Example(
            id=str(i), inputs={"text": text}, reference=LABELS[int(draws.integers(2))],
            slices=(f"length={'short' if len(text) < 120 else 'long'}",),
        )
        for i, text in enumerate(texts)
    ]  # fmt: skip


def _answer(reference: str, ok: bool) -> str:
    return reference if ok else LABELS[1 - LABELS.index(reference)]


def _record(task: str, model: int, identity: str, scores: Any, signature: str, examples: int) -> dict[str, Any]:
    return {
        "schema_version": 1, "identity": identity, "task": {"name": task, "version": 1, "language": "en", "labels": list(LABELS)},
        "model": {"name": f"model-{model:03}", "family": FAMILIES[model % 3], "ask": "Classify"},
        "protocol": {"how": "trained elsewhere", "shots": 0, "newly_initialized": [], "trained_on": []},
        "data": {"split": "test", "examples": examples, "total": examples, "limit": None, "skipped": 0, "truncated": 0},
        "settings": {
            "dtype": "float32", "batch_tokens": 1024, "threads": 1, "truncation": "auto", "prompt": "plain", "seed": 0,
            "kernels": "plain", "stride": 0, "generation": GENERATION, "model_args": {}, "trust_remote_code": False,
        },
        "scores": scores, "primary_metric": ["accuracy", "accuracy"], "signatures": {"accuracy": signature},
    }  # fmt: skip


def _environment(model: int, examples: int) -> dict[str, Any]:
    return {
        "device": "cpu", "processor": "made", "cpu_capability": "none", "seconds": 10 + (37 * model) % 100, "examples": examples,
        "parameters": 10**6 * (1 + model), "peak_memory_bytes": 10**8 * (2 + model % 7), "processes": 1,
        "padded_tokens": 64 * examples, "versions": {},
    }  # fmt: skip


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--tasks", default=20)
@click.option("--models", default=50)
@click.option("--examples", default=500)
@click.option("--predictions/--no-predictions", default=True)
def main(folder: Path, **counts: Any) -> None:
    print(f"{make(folder, **counts)} runs in {folder}")


if __name__ == "__main__":
    main()
