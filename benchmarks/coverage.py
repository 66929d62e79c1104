"""Whether intervals hold the truth as often as they say, and tests fire as seldom: `python benchmarks/coverage.py`.

Examples are drawn from a population whose score is known; each simulation makes its intervals and its tests anew.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np  # noqa: TID253  a benchmark

sys.path.insert(0, str(Path(__file__).parent))

from frame import RESULTS, say  # the folder is no package

from plmtasks.hooks import load_registry
from plmtasks.statistics import bootstrap, compare, rank

LABELS = ("negative", "neutral", "positive")


class Population(NamedTuple):
    """Where examples come from: each draw gives two systems' statistics, equally good, on the same examples."""

    reduce: Callable[[Any], Any]
    score: str
    proportions: dict[str, int]
    draw: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    """→ (n, k) twice"""


def accuracy(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    easy = random.beta(4, 1, n)
    return tuple(np.column_stack([random.random(n) < easy, np.ones(n)]).astype(float) for _ in range(2))  # type: ignore[return-value]


def macro_f1(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """For each label: true positives, predicted, expected."""
    truth = random.choice(3, n, p=(0.6, 0.1, 0.3))
    easy = random.beta(4, 1, n)

    def system() -> np.ndarray:
        guess = np.where(random.random(n) < easy, truth, random.integers(0, 3, n))
        return np.stack(
            [(guess == c) * 1.0 * v for c in range(3) for v in ((truth == c), np.ones(n))] + [truth == c for c in range(3)], 1
        )

    return system(), system()


def reduce_macro_f1(totals: np.ndarray) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore"):
        each = [200 * totals[..., 2 * c] / (totals[..., 2 * c + 1] + totals[..., 6 + c]) for c in range(3)]
    return {"f1": np.mean(each, axis=0)}


def spans(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Correct, predicted and expected spans of a sentence, as srl-eval counts them."""
    expected, easy = random.poisson(2.5, n) + 1, random.beta(3, 1, n)

    def system() -> np.ndarray:
        correct = random.binomial(expected, easy)
        return np.column_stack([correct, correct + random.poisson(0.25 * expected), expected]).astype(float)

    return system(), system()


def reduce_spans(totals: np.ndarray) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore"):
        return {"f1": 200 * totals[..., 0] / (totals[..., 1] + totals[..., 2])}


def bleu(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Matched and possible n-grams for n from 1 to 4, and the two lengths, in the columns of the metric `bleu`."""
    length, easy = random.poisson(18, n) + 5, random.beta(5, 3, n)

    def system() -> np.ndarray:
        mine = np.maximum(4, length + random.integers(-2, 3, n))
        possible = np.stack([mine - order for order in range(4)], 1)
        matched = [random.binomial(possible[:, 0], easy)]
        for order in range(1, 4):
            matched.append(random.binomial(np.minimum(matched[-1], possible[:, order]), 0.55 + 0.3 * easy))
        return np.column_stack([mine, length, np.stack(matched, 1), possible]).astype(float)

    return system(), system()


def populations() -> dict[str, Population]:
    def right(totals: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore"):
            return {"accuracy": 100 * totals[..., 0] / totals[..., 1]}

    return {
        "accuracy": Population(right, "accuracy", {"accuracy": 0}, accuracy),
        "macro F1": Population(reduce_macro_f1, "f1", {}, macro_f1),
        "span F1": Population(reduce_spans, "f1", {}, spans),
        "BLEU": Population(load_registry().metric("bleu").reduce, "bleu", {}, bleu),
    }


POOL = 400_000
"""Examples that are taken for the whole population."""


def coverage(population: Population, n: int, simulations: int, resamples: int) -> dict[str, float]:
    """The share of simulations, in points, in which each method's interval holds the population's score."""
    truth = float(population.reduce(population.draw(np.random.default_rng(0), POOL)[0].sum(axis=0))[population.score])
    held = {"percentile bootstrap": 0, "as reported": 0}
    for seed in range(simulations):
        rows, _ = population.draw(np.random.default_rng(1 + seed), n)
        for method in held:
            interval = bootstrap(
                rows, population.reduce, resamples=resamples, seed=seed,
                proportions=population.proportions if method == "as reported" else {},
            )[population.score]  # fmt: skip
            held[method] += interval.low is not None and interval.high is not None and interval.low <= truth <= interval.high
    return {method: 100 * count / simulations for method, count in held.items()}


def false_positives(population: Population, n: int, simulations: int, resamples: int) -> dict[str, float]:
    """The share of simulations, in points, in which each test at 5 % finds a difference between two equally good systems."""
    found = {"paired bootstrap": 0, "randomization": 0, "McNemar, exact": 0, "ranks": 0}
    for seed in range(simulations):
        first, second = population.draw(np.random.default_rng(1 + seed), n)
        tested = compare(
            first, second, population.reduce, proportions=population.proportions, resamples=resamples, seed=seed
        )[population.score]  # fmt: skip
        found["paired bootstrap"] += tested.p_bootstrap < 0.05
        found["randomization"] += tested.p_randomization < 0.05
        found["McNemar, exact"] += tested.p_mcnemar is not None and tested.p_mcnemar < 0.05
        found["ranks"] += int(rank(np.stack([first, second], axis=1), population.reduce, population.score).tier.max()) > 1
    if not population.proportions:
        del found["McNemar, exact"]
    return {test: 100 * count / simulations for test, count in found.items()}


@click.command()
@click.option("--simulations", default=2000)
@click.option("--examples", default=500)
@click.option("--resamples", default=2000, help="A tenth of a result's 10,000 and more take as long as there is patience.")
@click.option("--only", type=click.Choice(["accuracy", "macro F1", "span F1", "BLEU"]), multiple=True)
def main(simulations: int, examples: int, resamples: int, only: tuple[str, ...]) -> None:
    figures: dict[str, Any] = {}
    for name, population in populations().items():
        if only and name not in only:
            continue
        start = time.perf_counter()
        figures[name] = {
            "coverage": coverage(population, examples, simulations, resamples),
            "false_positives": false_positives(population, examples, simulations, resamples),
        }
        say(f"{name}: {figures[name]}, {time.perf_counter() - start:.0f} s")
    record = {"simulations": simulations, "examples": examples, "resamples": resamples, "figures": figures}
    (RESULTS / "coverage.json").write_text(json.dumps(record, indent=1) + "\n")
    print("| score | interval | holds the truth, % | test | fires at 5 %, % |\n| --- | --- | --- | --- | --- |")
    for name, found in figures.items():
        for kind, values in found.items():
            for method, value in values.items():
                cells = (method, f"{value:.1f}", "", "") if kind == "coverage" else ("", "", method, f"{value:.1f}")
                print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
