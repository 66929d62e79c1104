"""Whether lm-eval's own tasks give the same prompts, likelihoods, texts and figures in plmtasks as in lm-eval's `hf` model.

python benchmarks/lm_eval_parity.py [WORD…] [--quick]
"""

import argparse
import io
import json
import logging
import math
import os
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np  # noqa: TID253  this is no part of what starts
from frame import DATA, HERE
from lm_eval_rows import columns, models
from lm_eval_rows.cases import CASES, Case

OWN = HERE / "lm_eval_rows" / "own"
SEED = 7
"""Draws the shots on both sides."""
UPDATES, FEW = 120, 40
"""How long each model learns, so that its texts have words and numbers in them; and for a short round."""
COUNTED, LIKELY = 1e-6, 1e-4
"""How far figures may be apart: those that count, and those that are made of log-likelihoods."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as a model was asked, and what it answered."""

    doc: int
    prompt: str
    continuation: str | None
    """None: a text was generated, or the prompt itself was scored."""
    answer: Any
    """A log-likelihood, a pair of that and whether it is greedy, or a text."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one side gave."""

    figures: Mapping[str, float | None]
    """Metric and filter, as lm-eval writes them: acc,none; of a group's members behind their names."""
    asked: Sequence[Asked]


class Work:
    """A folder with the rows, the models and the files of tasks that change something."""

    def __init__(self, folder: Path, updates: int) -> None:
        self.folder, self.updates = folder, updates

    @cache  # noqa: B019  # one for a run of this script
    def model(self, family: str) -> str:
        return models.make(family, self.folder / "models" / family, self.updates)

    @cache  # noqa: B019
    def rows(self, name: str) -> dict[str, str]:
        return columns.write(self.folder / "rows", name, DATA)

    def data(self, name: str) -> str:
        """The folder with a file a split."""
        return str(Path(next(iter(self.rows(name).values()))).parent)

    def task(self, case: Case) -> str:
        """The task's name, or the path of the file that stands for it."""
        if case.task.endswith(".yaml"):
            return str(OWN / case.task)
        if not case.changed:
            return case.task
        file = self.folder / "tasks" / f"{case.task}_changed.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        # JSON is YAML
        said = {"include": str(manager().task_index[case.task].yaml_path), "task": file.stem, **case.changed}
        file.write_text(json.dumps(said))
        return str(file)


@cache
def manager() -> Any:
    """lm-eval's tasks: of those that are held together, the files of their folders, since all take ten seconds to be read."""
    from lm_eval import tasks

    place = Path(tasks.__file__).parent
    words = "|".join(re.escape(case.task) for case in CASES)
    named = re.compile(rf"""^['"]?(task|group)['"]?: *['"]?({words})['"]?\s*$""", re.MULTILINE)
    folders = {path.parent for path in place.glob("*/**/*.yaml") if named.search(path.read_text())}
    return tasks.TaskManager(include_path=[*sorted(map(str, folders)), str(OWN)], include_defaults=False)


@cache
def peer_model(folder: str) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=1)


@contextmanager
def in_place_of_the_hub(files: Mapping[str, str]) -> Iterator[None]:
    """The only data set that there is: a task in Python takes no other path."""
    import datasets

    theirs, place = datasets.load_dataset, tempfile.mkdtemp()
    datasets.load_dataset = lambda *_, **__: theirs("json", data_files=dict(files), cache_dir=place)
    try:
        yield
    finally:
        datasets.load_dataset = theirs


def by_peer(case: Case, work: Work) -> Side:
    """lm-eval's own evaluation with its `hf` model, one request a batch, in float32."""
    import lm_eval
    from lm_eval.tasks._index import TaskIndex

    named = work.task(case)
    entry = manager().task_index.get(Path(named).stem) or TaskIndex.entry_from_path(Path(named))
    random.seed(0)  # as lm-eval does before it loads a task
    np.random.seed(1234)
    with in_place_of_the_hub(work.rows(case.rows)):
        loaded = manager().load([manager()._factory.build(entry, registry=manager().task_index)])
    asked = list(loaded["groups"].values())[:1] or list(loaded["tasks"].values())
    with redirect_stderr(io.StringIO()):  # its bars
        found = lm_eval.simple_evaluate(
            model=peer_model(work.model(case.model)), tasks=asked, num_fewshot=case.shots, bootstrap_iters=0,
            fewshot_random_seed=SEED, task_manager=manager(),
            apply_chat_template=case.chat, fewshot_as_multiturn=case.chat, system_instruction=case.system or None,
        )  # fmt: skip
    return Side(
        figures={
            f"{'' if name == entry.name else f'{name} '}{figure}": value
            for name, figures in found["results"].items() for figure, value in figures.items()
            if "," in figure and "_stderr," not in figure
        },
        asked=[
            Asked(doc=i.doc_id, prompt=i.args[0], continuation=_continuation(i), answer=answer)
            for task in loaded["tasks"].values() for i in task.instances for answer in i.resps
        ],
    )  # fmt: skip


def _continuation(instance: Any) -> str | None:
    return instance.args[1] if instance.request_type == "loglikelihood" else None


def by_us(case: Case, work: Work) -> Side:
    """`plmtasks run`."""
    from plmtasks_transformers.answering.prompts import Prompts
    from plmtasks_transformers.checkpoints import parts_without_weights

    import plmtasks
    from plmtasks.config import ModelSettings
    from plmtasks.hooks import load_registry

    registry, name = load_registry(), work.task(case)
    name = name if name.endswith(".yaml") else f"lm-eval:{name}"
    prompts = Prompts(parts_without_weights(registry.model(work.model(case.model)), ModelSettings()))
    figures, asked, results = dict[str, float | None](), list[Asked](), {}
    for member in registry.members("task", name):
        result = results[member] = plmtasks.run(
            member, work.model(case.model), data=work.data(case.rows), shots=case.shots, seed=SEED,
            prompt="chat" if case.chat else "plain", system=case.system, dtype="float32", output=str(work.folder / "results"),
            quiet=True,
        )  # fmt: skip
        figures |= _figures("" if member == name else f"{re.split('[:/]', member)[-1]} ", result.record["scores"]["lm-eval"])
        for line in result.predictions():
            asked += _flat(line, lambda request: prompts.render(request, (), request.text))
    for one in registry.aggregate("task", name, results)[:1]:
        figures |= _figures("", one.scores)
    return Side(figures=figures, asked=asked)


def _figures(of: str, scores: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    return {f"{of}{name}{'' if ',' in name else ',none'}": score["value"] for name, score in scores.items()}


def _flat(line: Mapping[str, Any], rendered: Callable[[Any], str]) -> Iterator[Asked]:
    """What was asked about one document. `line`: of predictions.jsonl"""
    from plmtasks_lm_eval.asking import as_request

    several, doc = line["inputs"].get("requests"), int(line["id"])
    for inputs, value in zip(several or [line["inputs"]], line["prediction"] if several else [line["prediction"]], strict=True):
        prompt = inputs["text"] if inputs["ask"] == "LogLikelihood" else rendered(as_request(inputs))
        if inputs["ask"] == "Choose":
            for choice, told in zip(inputs["choices"], value, strict=True):
                yield Asked(doc=doc, prompt=prompt, continuation=choice, answer=tuple(told))
        else:
            yield Asked(doc=doc, prompt=prompt, continuation=None, answer=value)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What is the same and what is not."""

    figures: int
    telling: int
    """Figures that are not zero."""
    requests: int
    apart: float
    """The greatest difference of a figure, relative where it is over 1."""
    likelihoods: float
    """The greatest difference of a request's log-likelihood."""
    faults: Sequence[str]
    """What differs by more than it may; empty: they agree."""


def compare(case: Case, work: Work) -> Compared:
    theirs, ours = by_peer(case, work), by_us(case, work)
    faults = list(_unlike_requests(theirs.asked, ours.asked))
    if lacking := set(theirs.figures) ^ set(ours.figures):
        faults.append(f"only one side has {', '.join(sorted(lacking))}")
    differences = {k: _apart(ours.figures[k], v) for k, v in theirs.figures.items() if k in ours.figures}
    faults += [f"{k}: {ours.figures[k]} and there {theirs.figures[k]}" for k, d in differences.items() if d > _allowed(case, k)]
    pairs = [(a.answer, b.answer) for a, b in zip(ours.asked, theirs.asked, strict=False)]
    likelihoods = [abs(_likelihood(a) - _likelihood(b)) for a, b in pairs if not isinstance(a, str)]
    return Compared(
        figures=len(theirs.figures), telling=sum(map(bool, theirs.figures.values())), requests=len(theirs.asked),
        apart=max(differences.values(), default=math.nan),
        likelihoods=max(likelihoods, default=0.0), faults=faults,
    )  # fmt: skip


def _unlike_requests(theirs: Sequence[Asked], ours: Sequence[Asked]) -> Iterator[str]:
    if len(theirs) != len(ours):
        yield f"{len(ours)} requests, and there {len(theirs)}"
    for a, b in zip(ours, theirs, strict=False):
        for what in ("doc", "prompt", "continuation"):
            if (mine := getattr(a, what)) != (other := getattr(b, what)):
                yield f"{what} {mine!r}\n      there {other!r}"
        if isinstance(b.answer, str):
            if a.answer != b.answer:
                yield f"text of document {a.doc}: {a.answer!r}\n      there {b.answer!r}"
        elif abs(_likelihood(a.answer) - _likelihood(b.answer)) > _close(_likelihood(b.answer)):
            yield f"log-likelihood of document {a.doc}: {a.answer}, there {b.answer}"
        elif isinstance(b.answer, tuple) and a.answer[1] != b.answer[1]:
            yield f"greedy in document {a.doc}: {a.answer}, there {b.answer}"


def _close(likelihood: float) -> float:
    """How far a log-likelihood may be away: lm-eval adds up in float32, whose last digit is worth 1e-4 above 1024."""
    return max(LIKELY, 4 * float(np.spacing(np.float32(abs(likelihood)))))


def _likelihood(answer: Any) -> float:
    return float(answer[0] if isinstance(answer, tuple) else answer)


def _apart(a: float | None, b: float) -> float:
    """0 where neither is a number."""
    if a is None or math.isnan(a) or math.isnan(b):
        return 0.0 if (a is None or math.isnan(a)) and math.isnan(b) else math.inf
    return abs(a - b) / max(1.0, abs(b))


def _allowed(case: Case, figure: str) -> float:
    likely = ("perplexity", "bits_per_byte", "brier_score", "likelihood")
    return LIKELY if case.task == "truthfulqa_mc2" or any(word in figure for word in likely) else COUNTED


def main(words: Sequence[str], *, quick: bool = False) -> int:
    """Prints the table. Returns how many do not agree."""
    chosen = [c for c in CASES if (c.quick or not quick) and (not words or any(w in f"{c.task} {c.model}" for w in words))]
    print(f"{'task':38} {'model':6} {'shots':>5} {'requests':>8} {'figures':>7} {'apart by':>9} {'likelihoods by':>14}")
    failed, figures, telling = 0, 0, 0
    with tempfile.TemporaryDirectory() as place, chdir(OWN):  # where a metric lies that a task takes from the hub
        work = Work(Path(place), FEW if quick else UPDATES)
        for case in chosen:
            try:
                found = compare(case, work)
            except Exception as e:  # noqa: BLE001  the others are compared all the same
                said = [f"{type(e).__name__}: {e}"]
                found = Compared(figures=0, telling=0, requests=0, apart=math.nan, likelihoods=math.nan, faults=said)
            shots = "" if case.shots is None else str(case.shots)
            asked = f"{case.task[:38]:38} {case.model:6} {shots + ' chat' * case.chat:>7}"[:53]
            print(f"{asked:53} {found.requests:>6} {found.figures:>7} {found.apart:>9.1e} {found.likelihoods:>14.1e}", flush=True)
            for fault in found.faults[:3]:
                print(f"    {fault}")
            failed, figures, telling = failed + bool(found.faults), figures + found.figures, telling + found.telling
    tasks, agree = len({case.task for case in chosen}), len(chosen) - failed
    print(f"{agree} of {len(chosen)} runs agree: {tasks} tasks and groups, {figures} figures, {telling} of them not 0")
    return failed


def quietly() -> None:
    """Nothing is fetched, and nobody says what they do."""
    logging.disable(logging.WARNING)
    os.environ |= {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    import datasets
    import transformers
    from torch.utils import collect_env

    collect_env.get_pretty_env_info = cache(collect_env.get_pretty_env_info)  # lm-eval asks pip for it in each run
    datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("words", nargs="*", help="parts of names of tasks or models; all of them, if none is given")
    parser.add_argument("--quick", action="store_true", help="a part, which takes less than a minute")
    options = parser.parse_args()
    quietly()
    sys.exit(main(options.words, quick=options.quick) > 0)
