"""Result folders of runs that never were, for measurements of what reads them: `python benchmarks/made_runs.py DIR`.

Valid results of as many tasks and models as are wanted, scored by accuracy on examples of uneven difficulty.
"""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import click

FAMILIES = ("encoder", "decoder", "sequence-to-sequence")
GENERATION = {"beams": 1, "temperature": 0.0, "top_p": 1.0, "length_penalty": 1.0, "max_new_tokens": None}


def make(folder: Path, *, tasks: int, models: int, examples: int, predictions: bool = True) -> int:
    """The number of runs; predictions: with the files of predictions too, which tables do not read."""
    import numpy as np

    from plmtasks.examples import Example, Prediction
    from plmtasks.registry import load_registry
    from plmtasks.results import dump, identity_hash, prediction_lines, run_folder, statistics_bytes
    from plmtasks.scoring import bound_metrics, score

    registry = load_registry()
    names = [n for n in registry.items["task"] if n.startswith("classification/")]
    for number in range(tasks):
        task = registry.task(names[0])
        metrics = bound_metrics(task, (), registry)[:1]
        draws = np.random.default_rng(number)
        labels = task.labels or ("negative", "positive")
        split = [
            Example(
                id=f"{i}", inputs={"text": f"text {i} of task {number}"}, reference=labels[int(draws.integers(len(labels)))],
                slices=(f"length={'short' if i % 3 else 'long'}",),
            )
            for i in range(examples)
        ]  # fmt: skip
        easy = draws.beta(4, 1, examples)
        for model in range(models):
            skill = 0.7 + 0.3 * model / models
            right = draws.random(examples) < easy * skill
            said = {
                e.id: Prediction(value=e.reference if ok else labels[(labels.index(e.reference) + 1) % len(labels)])
                for e, ok in zip(split, right, strict=True)
            }
            scored = score(metrics, split, said, resamples=0)
            value: dict[str, Any] = dict(scored.scores[metrics[0].name]["accuracy"])
            half = 1.96 * (value["value"] * (100 - value["value"]) / examples) ** 0.5
            value |= {"low": value["value"] - half, "high": value["value"] + half, "interval": "percentile bootstrap"}
            name, made_task = f"model-{model:03}", f"{task.name.split('/')[0]}/made-{number:02}"
            parts = {"task": made_task, "model": name, "seed": number}
            target = run_folder(str(folder), made_task, name, identity_hash(parts))
            target.mkdir(parents=True)
            files = {"statistics.npy": statistics_bytes(scored.columns, scored.rows, split)}
            if predictions:
                files["predictions.jsonl"] = prediction_lines(split, said).encode()
            for file, content in files.items():
                (target / file).write_bytes(content)
            record = {
                "schema_version": 1, "identity": target.name, "task": {**task.facts(), "name": made_task, "labels": list(labels)},
                "model": {"name": name, "family": FAMILIES[model % 3], "ask": "Classify"},
                "protocol": {"how": "trained elsewhere", "shots": 0, "fresh_weights": [], "trained_on": []},
                "data": {
                    "name": f"made {number}", "split": "test", "fingerprint": f"{number:064x}", "examples": examples, "of": examples,
                    "limit": None, "skipped": 0, "truncated": 0,
                },
                "settings": {
                    "dtype": "float32", "batch_tokens": 1024, "threads": 1, "truncation": "auto", "prompt": "plain", "seed": 0,
                    "kernels": "plain", "stride": 0, "generation": GENERATION, "model_args": {}, "trust_remote_code": False,
                },
                "scores": {metrics[0].name: {"accuracy": value}}, "main": [metrics[0].name, "accuracy"],
                "signatures": {metrics[0].name: metrics[0].signature()},
                "files": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
            }  # fmt: skip
            environment = {
                "device": "cpu", "processor": "made", "cpu_capability": "none", "seconds": 10 + 100 * random.Random(model).random(),
                "examples": examples, "parameters": 10**6 * (1 + model), "peak_memory_bytes": 10**8 * (2 + model % 7), "processes": 1,
                "padded_tokens": 64 * examples, "versions": {},
            }  # fmt: skip
            (target / "result.json").write_text(dump(record), encoding="utf-8")
            (target / "environment.json").write_text(dump(environment), encoding="utf-8")
            (target / "config.json").write_text(json.dumps({"config": {}, "identity": parts}), encoding="utf-8")
    return tasks * models


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
