"""How long the site of many runs takes to build, and to build again.

    python benchmarks/leaderboard_site.py [--tasks 20] [--models 50] [--examples 500]

Makes results of models that do not exist, valid to the last file, of invented reviews; then builds their site in three
processes: anew, after one run was replaced, and with nothing changed. Writes benchmarks/results/leaderboard_site.json.
"""

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from plmtasks import results
from plmtasks.examples import Example, Prediction, fingerprint
from plmtasks.registry import Registry, load_registry
from plmtasks.scoring import score

HERE = Path(__file__).parent

FAMILIES = ("encoder", "decoder", "sequence-to-sequence")
WORDS = ["a", "bright", "but", "dull", "film", "funny", "long", "never", "quite", "scene", "story", "the", "was", "with"]


def registry(tasks: int) -> Registry:
    """The installed plugins, with as many copies of a classification task as are wanted."""
    found = load_registry()
    sst2 = found.task("classification/sst2")
    copies = {f"reviews/{i:02}": replace(sst2, name=f"reviews/{i:02}", metrics=("accuracy",)) for i in range(tasks)}  # type: ignore[type-var]
    return replace(found, items={**found.items, "task": copies})


def make_examples(task: int, count: int) -> list[Example]:
    import numpy as np

    random = np.random.Generator(np.random.PCG64(task))
    texts = [" ".join(random.choice(WORDS, int(random.integers(8, 40)))) for _ in range(count)]
    return [
        Example(
            id=f"{i}", inputs={"text": text}, reference=("negative", "positive")[int(random.integers(2))],
            slices=("short" if len(text) < 120 else "long",),
        )
        for i, text in enumerate(texts)
    ]  # fmt: skip


def make_run(root: Path, name: str, model: int, examples: Sequence[Example], found: Registry, *, seed: int = 0) -> None:
    """One model's run on one task: the more parameters, the better and the slower."""
    import numpy as np

    random = np.random.Generator(np.random.PCG64([model, seed, int(name[-2:])]))
    skill = 0.6 + 0.35 * model / (model + 12)
    right = random.random(len(examples)) < skill
    other = {"negative": "positive", "positive": "negative"}
    predictions = {
        e.id: Prediction(value=e.reference if ok else other[e.reference]) for e, ok in zip(examples, right.tolist(), strict=True)
    }
    scored = score([found.metric("accuracy")], examples, predictions, resamples=200)
    task = found.task(name)
    identity = results.identity_hash({"task": name, "model": model, "seed": seed})
    folder = results.run_folder(str(root), name, f"invented/model-{model:02}", identity)
    folder.mkdir(parents=True)
    files = {
        "predictions.jsonl": results.prediction_lines(examples, predictions).encode(),
        "statistics.npy": results.statistics_bytes(scored.columns, scored.rows, examples),
    }
    for file, content in files.items():
        (folder / file).write_bytes(content)
    parameters = int(5e6 * 1.12**model)
    record: dict[str, Any] = {
        "schema_version": results.SCHEMA_VERSION, "identity": identity,
        "task": {"name": name, "version": task.version, "language": "en", "labels": list(task.labels)},
        "model": {"name": f"invented/model-{model:02}", "family": FAMILIES[model % 3], "ask": "Classify"},
        "protocol": {"how": "trained elsewhere", "shots": 0, "fresh_weights": [], "trained_on": []},
        "data": {
            "name": "invented reviews", "split": "test", "fingerprint": fingerprint(examples), "examples": len(examples),
            "of": len(examples), "limit": None, "skipped": 0, "truncated": 0,
        },
        "settings": {
            "dtype": "float32", "batch_tokens": 1024, "threads": 1, "truncation": "auto", "prompt": "plain", "seed": seed,
            "generation": {"beams": 1, "temperature": 0.0, "top_p": 1.0, "length_penalty": 1.0, "max_new_tokens": None},
            "model_args": {}, "trust_remote_code": False,
        },
        "scores": scored.scores, "main": ["accuracy", "accuracy"],
        "signatures": {"accuracy": found.metric("accuracy").signature()},
        "files": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
    }  # fmt: skip
    measured = {
        "device": "cpu", "processor": "invented", "cpu_capability": "AVX2", "parameters": parameters, "processes": 1,
        "seconds": len(examples) * parameters / 1e9 * float(random.uniform(0.7, 1.4)), "examples": len(examples),
        "peak_memory_bytes": 400_000_000 + 5 * parameters,
    }  # fmt: skip
    results.write_text(folder / "environment.json", results.dump(measured))
    results.write_text(
        folder / "config.json", results.dump({"config": {"task": name}, "identity": {"model": model, "seed": seed}})
    )
    results.write_text(folder / "result.json", results.dump(record))


def build(root: Path, site: Path, tasks: int) -> dict[str, Any]:
    """One build in a process of its own."""
    command = [sys.executable, __file__, "--tasks", str(tasks), "--only-build", str(root), str(site)]
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    seconds, done = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = done.ru_utime + done.ru_stime - used.ru_utime - used.ru_stime
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), **json.loads((site / "built.json").read_text())}


def only_build(root: Path, site: Path, tasks: int) -> None:
    from plmtasks.site import build

    built = build(results.read_results(root), site, registry(tasks))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    (site / "built.json").write_text(json.dumps({"written": built.written, "kept": built.kept, "memory_MB": memory}))


@click.command()
@click.option("--tasks", default=20)
@click.option("--models", default=50)
@click.option("--examples", default=500)
@click.option("--only-build", "folders", type=(Path, Path), hidden=True)
def main(tasks: int, models: int, examples: int, folders: tuple[Path, Path] | None) -> None:
    if folders is not None:
        only_build(*folders, tasks)
        return
    with tempfile.TemporaryDirectory() as folder:
        root, site = Path(folder, "results"), Path(folder, "site")
        found = registry(tasks)
        for number, name in enumerate(found.items["task"]):
            asked = make_examples(number, examples)
            for model in range(models):
                make_run(root, name, model, asked, found)
        figures = {"tasks": tasks, "models": models, "examples": examples, "anew": build(root, site, tasks)}
        make_run(root, "reviews/00", 0, make_examples(0, examples), found, seed=1)
        figures["one run more"] = build(root, site, tasks)
        figures["nothing changed"] = build(root, site, tasks)
        largest = max((path for path in site.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        figures["largest file"] = {"name": str(largest.relative_to(site)), "bytes": largest.stat().st_size}
        figures["bytes"] = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    text = json.dumps(figures, indent=1)
    (HERE / "results" / "leaderboard_site.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
