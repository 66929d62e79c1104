"""Classification of SST-2 by onnxruntime, beside torch: the same weights, batches, threads and engine."""

from dataclasses import replace
from typing import Any

from frame import Comparison, Options, Ours, Side, compare, same_numbers, seconds_of
from rows.classify import fine_tuned, sentences


def classify(options: Options) -> Comparison:
    """Probabilities to 1e-4. Torch lays its weights out for oneDNN where it can; weights of 8 bits are timed once beside."""
    requests, folder = sentences(options), fine_tuned()
    ours, peer, rounded = (Ours(f"{scheme}{folder}", requests, options) for scheme in ("onnx:", "", "onnx-int8:"))

    def agree(found: Any, wanted: Any) -> dict[str, Any]:
        return same_numbers(positive(found), positive(wanted), tolerance=1e-4)

    best = [labels(answers) for answers in (ours(), rounded())]
    found = compare(
        Side(name="onnxruntime", run=ours), Side(name="torch", run=peer), options, agree, work=f"{len(requests)} sentences",
        labels_that_8_bits_change=sum(a != b for a, b in zip(*best, strict=True)),
    )  # fmt: skip
    median = sorted(found.ours)[len(found.ours) // 2]
    return replace(found, beside={"weights of 8 bits": seconds_of(rounded) / median})


def positive(answers: Any) -> list[float]:
    """The probability of the last label."""
    return [answer.scores[-1] for answer in answers]


def labels(answers: Any) -> list[int]:
    """The likeliest of each."""
    return [max(range(len(a.scores)), key=a.scores.__getitem__) for a in answers]
