"""Multiple choice by a decoder, beside lm-eval's `hf` model: RACE's exams on short texts, with and without shots."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import models
from frame import DATA, DEVICE, DRY, Comparison, Options, Ours, Side, best_setting, compare, same_numbers

QUESTIONS = 400
SHOTS = 5


def zero_shot(options: Options) -> Comparison:
    return _compare("choose-zero-shot", questions(options.count(QUESTIONS, 60, least=20)), options, part=1.0)


def five_shot(options: Options) -> Comparison:
    asked = questions(options.count(QUESTIONS, 60, least=20) + SHOTS)
    return _compare("choose-five-shot", with_shots(asked), options, part=0.1)


def one_token(options: Options) -> Comparison:
    """The choices are named in the text, and their letters are what is chosen from: MMLU's shape."""
    asked = questions(options.count(QUESTIONS, 60, least=20) + SHOTS)
    return _compare("choose-one-token", with_shots([_by_letter(r) for r in asked]), options, part=0.2)


def questions(count: int) -> list[Any]:
    """The requests of RACE's dev and test questions whose texts are shortest, in the order of their ids."""
    from plmtasks.config import Source
    from plmtasks.hooks import load_registry

    task = load_registry().task("qa/race")
    data = task.load(Source(data=str(DATA / "race_middle")))
    examples = [e for split in ("validation", "test") for e in data[split]]
    asked = [task.ask(example.hidden(), "Choose") for example in sorted(examples, key=lambda e: e.id)]
    short = sorted(range(len(asked)), key=lambda i: len(asked[i].text))[:count]
    return [asked[i] for i in sorted(short)]


def with_shots(asked: Sequence[Any]) -> list[Any]:
    """The first questions become shots before all others. Their answers are the first choices: nothing hangs on them here."""
    from plmtasks.requests import Shot

    shots = tuple(Shot(text=r.text, answer=r.choices[0]) for r in asked[:SHOTS])
    return [replace(r, shots=shots) for r in asked[SHOTS:]]


def _by_letter(request: Any) -> Any:
    letters = "ABCD"[: len(request.choices)]
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip(letters, request.choices, strict=True))
    return replace(request, text=f"{request.text}\n{listed}\nAnswer:", choices=tuple(letters))


def _compare(row: str, requests: Sequence[Any], options: Options, part: float) -> Comparison:
    """part: of the questions, what the peer is given."""
    from plmtasks_transformers.answering.prompts import Prompts

    model = models.decoder()
    engine = Ours(model, requests, options)
    prompts = Prompts(engine.loaded.parts)
    count = max(4, round(len(requests) * part))
    some = requests[:: len(requests) // count][:count]
    pairs = [(prompts.render(r, r.shots, r.text), " " + choice) for r in some for choice in r.choices]
    peer = HarnessModel(model)
    trial = pairs[: max(len(pairs) // 10, 64)]
    # to find its size, "auto" computes 64 of the longest prompts: minutes, where they have shots
    sizes = [1, 4, 16, 64] if some[0].shots or DRY else [1, 4, 16, 64, "auto"]
    batch = best_setting(row, "lm-eval hf", sizes, lambda size: peer.log_likelihoods(trial, size))

    def agree(ours: Any, theirs: Any) -> dict[str, Any]:
        found = dict(zip((r.key() for r in requests), ours, strict=True))
        own = [choice.log_likelihood for r in some for choice in found[r.key()].choices]
        return same_numbers(own, theirs)

    return compare(
        Side(name="plmtasks", run=engine), Side(name="lm-eval hf", run=lambda: peer.log_likelihoods(pairs, batch)), options,
        agree, share=count / len(requests), peer_batch=batch, work=f"{len(requests)} questions",
    )  # fmt: skip


class HarnessModel:
    """lm-eval's `hf` model in this process."""

    def __init__(self, model: str) -> None:
        import logging

        logging.disable(logging.WARNING)
        from lm_eval.models.huggingface import HFLM

        self.lm = HFLM(pretrained=model, device=DEVICE, dtype="float32", batch_size=1)

    def set_batch(self, size: int | str) -> None:
        self.lm.batch_size_per_gpu = size
        self.lm.max_batch_size = 64
        self.lm.batch_sizes = {}

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]], size: int | str) -> list[float]:
        """pairs: (context, continuation)"""
        from lm_eval.api.instance import Instance

        self.set_batch(size)
        asked = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
        return [value for value, _ in self.lm.loglikelihood(asked, disable_tqdm=True)]

    def rolling(self, texts: Sequence[str], size: int | str) -> list[float]:
        from lm_eval.api.instance import Instance

        self.set_batch(size)
        asked = [Instance("loglikelihood_rolling", {}, (text,), i) for i, text in enumerate(texts)]
        return list(self.lm.loglikelihood_rolling(asked, disable_tqdm=True))
