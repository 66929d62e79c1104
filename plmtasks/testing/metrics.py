"""What holds for every metric."""

import copy
import importlib.util
import math
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..config import Source
from ..examples import Example, Prediction
from ..metric import Metric, ScoreInfo
from ..scoring import main_score
from ..task import Task
from .checks import NotApplicable, all_scores, expect, is_light, laws
from .subject import Solved

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT = 24
"""So many of a task's examples are counted."""

SELECTIONS = 25
"""So many selections of the examples are counted anew."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What a reference implementation makes of some predictions."""

    predictions: Sequence[Prediction]
    examples: Sequence[Example]
    scores: Mapping[str, float]
    tolerance: float = 1e-6
    """The largest difference."""


@dataclass(frozen=True, kw_only=True)
class MetricSubject:
    """A metric, and predictions on which it is checked: of some examples the right ones, of others wrong ones."""

    metric: Metric
    task: Task | None = None
    """The task, bound to its data, whose labels and language the metric is to know."""
    examples: Sequence[Example]
    predictions: Sequence[Prediction]
    perfect: Sequence[Prediction] = ()
    """Those of a perfect model; none: nobody knows what the best would be."""
    agreements: Sequence[Agreement] = ()

    @classmethod
    def of_task(cls, metric: Metric, task: Task, source: Source, agreements: Sequence[Agreement] = ()) -> "MetricSubject":
        """A subject made of a task's examples: one in two has its solved answer, the others that of another example."""
        data = task.load(source)
        bound = task.bind(data)
        examples = data[data.default_split()][:LIMIT]
        perfect = [Solved(bound, e, bound.asks[0]).prediction for e in examples]
        predictions = []
        for i, e in enumerate(examples):
            # of every other example the right one; for those between, that of the next whose reference is another
            turned = zip((*examples[i:], *examples[:i]), (*perfect[i:], *perfect[:i]), strict=True)
            others = (prediction for other, prediction in turned if i % 2 and other.reference != e.reference)
            predictions.append(next(others, perfect[i]))
        given: dict[str, Any] = {"examples": examples, "predictions": predictions, "perfect": perfect, "agreements": agreements}
        return cls(metric=metric, task=bound, **given)

    @cached_property
    def bound(self) -> Metric:
        return self.metric.bind(self.task) if self.task is not None else self.metric

    @cached_property
    def rows(self) -> "NDArray[Any]":
        """The statistics of its predictions, (n, k)."""
        return self.bound.statistics(self.predictions, self.examples)

    def of(self, chosen: Sequence[int]) -> tuple[list[Prediction], list[Example]]:
        """Some of the predictions, and their examples."""
        return [self.predictions[i] for i in chosen], [self.examples[i] for i in chosen]

    def scores(self, chosen: Sequence[int] | None = None) -> dict[str, float]:
        """All scores of some of the predictions; None: of all."""
        chosen = list(range(len(self.examples)) if chosen is None else chosen)
        return all_scores(self.bound, self.rows[chosen], *self.of(chosen))

    def shown(self, chosen: Sequence[int]) -> list[dict[str, Any]]:
        return [{"id": e.id, "prediction": p.value, "reference": e.reference} for p, e in zip(*self.of(chosen), strict=True)]


def importing_is_light(subject: MetricSubject) -> None:
    """Importing it loads no torch, transformers, datasets or numpy."""
    is_light(subject.metric)


def statistics_have_their_shape(subject: MetricSubject) -> None:
    """The statistics are numbers, float64, one row a prediction, one column for each of the names."""
    import numpy as np

    columns, n = list(subject.bound.columns()), len(subject.examples)
    expect(columns and len(set(columns)) == len(columns), "columns have names of their own", columns)
    rows = np.asarray(subject.rows)
    message = f"{n} predictions and {len(columns)} columns give statistics of shape {rows.shape}, {rows.dtype}"
    expect(rows.shape == (n, len(columns)) and rows.dtype == np.float64, message, columns)
    wrong = np.argwhere(~np.isfinite(rows))
    expect(not len(wrong), "a statistic is no finite number", len(wrong) and [columns[wrong[0, 1]], subject.shown([wrong[0, 0]])])


def rows_do_not_depend_on_others(subject: MetricSubject) -> None:
    """Each prediction's row is the same in any order, in any company, alone or twice: their sum is exact however it is cut."""
    import numpy as np

    def holds(chosen: list[int]) -> None:
        found, expected = subject.bound.statistics(*subject.of(chosen)), subject.rows[chosen]
        same = np.shape(found) == expected.shape and np.allclose(found, expected, rtol=1e-9, atol=1e-12)
        expect(same, f"counted in another company, {len(chosen)} predictions have other rows", subject.shown(chosen))

    _for_selections(len(subject.examples), holds)


def statistics_change_nothing(subject: MetricSubject) -> None:
    """Counting and reducing change neither predictions nor examples nor totals."""
    pair = (list(subject.predictions), list(subject.examples))
    before = copy.deepcopy(pair)
    totals = subject.bound.statistics(*pair).sum(axis=0)
    kept = totals.copy()
    subject.bound.reduce(totals)
    expect(pair == before, "the predictions or the examples are others after they were counted")
    expect((totals == kept).all(), "the totals are others after they were reduced", [kept.tolist(), totals.tolist()])


def scores_are_those_declared(subject: MetricSubject) -> None:
    """What is reduced and computed is declared, the main score first; what is declared is of one piece."""
    infos, columns = subject.bound.scores(), subject.bound.columns()
    expect(infos, "it declares no score")
    reduced = subject.bound.reduce(subject.rows.sum(axis=0))
    names = {*reduced, *subject.bound.compute(subject.predictions, subject.examples)}
    strangers = sorted(names - set(infos))
    expect(not strangers, f"scores are given that are not declared: {', '.join(strangers)}", sorted(infos))
    expect(main_score(subject.bound) in names, f"the main score {main_score(subject.bound)} is not given", sorted(names))
    for name, info in infos.items():
        low, high = _bounds(info)
        expect(info.best is None or low <= info.best <= high, f"{name}: the best value {info.best} is outside {low} to {high}")
        known = info.mean_of is None or info.mean_of in columns
        expect(known, f"{name} is the mean of {info.mean_of!r}, no column", list(columns))


def reducing_takes_leading_axes(subject: MetricSubject) -> None:
    """Many sums reduced at once, in any shape, give what each gives alone."""
    import numpy as np

    parts = [np.arange(len(subject.examples)) % 6 != i for i in range(6)]
    totals = np.stack([subject.rows[part].sum(axis=0) for part in parts])
    alone = [subject.bound.reduce(t) for t in totals]
    for shape in ((6,), (2, 3), (1, 6, 1)):
        together = subject.bound.reduce(totals.reshape(*shape, -1))
        for name, values in together.items():
            expect(np.shape(values) == shape, f"{name}: totals of shape {(*shape, totals.shape[-1])} give {np.shape(values)}")
            expected = np.reshape([np.asarray(a[name], dtype=float) for a in alone], shape)
            shown = [np.ravel(values).tolist(), expected.ravel().tolist()]
            same = np.allclose(values, expected, rtol=1e-9, atol=1e-9, equal_nan=True)
            expect(same, f"{name}: reduced at once and one by one it differs", shown)


def bounds_hold(subject: MetricSubject) -> None:
    """No score of any part of the predictions is outside the bounds that it declares."""
    infos = subject.bound.scores()
    n = len(subject.examples)
    for chosen in [list(range(n)), *([i] for i in range(n)), list(range(0, n, 2)), list(range(1, n, 2))]:
        for name, value in subject.scores(chosen).items():
            low, high = _bounds(infos.get(name, ScoreInfo(minimum=None, maximum=None)))
            inside = math.isnan(value) or low - 1e-9 <= value <= high + 1e-9
            expect(inside, f"{name} is {value:.6g}, outside {low} to {high}", subject.shown(chosen[:3]))


def perfect_is_best(subject: MetricSubject) -> None:
    """No prediction scores better than a perfect one; by the main score wrong ones are worse, in the declared direction."""
    if not subject.perfect:
        raise NotApplicable("nobody knows what a perfect model would predict")
    best = MetricSubject(metric=subject.bound, examples=subject.examples, predictions=subject.perfect)
    perfect, scores = best.scores(), subject.scores()
    differs = any(p.value != q.value for p, q in zip(subject.perfect, subject.predictions, strict=True))
    for name, info in subject.bound.scores().items():
        one, two = perfect.get(name, math.nan), scores.get(name, math.nan)
        if info.best is None or math.isnan(one) or math.isnan(two):
            continue
        gain = (one - two) * (1 if info.higher_is_better else -1)
        how = f"{'higher' if info.higher_is_better else 'lower'} is better, right predictions give {one:.6g}, others {two:.6g}"
        expect(gain >= -1e-9, f"{name}: {how}")
        expect(gain > 0 or not differs or name != main_score(subject.bound), f"{name}: {how}")


def nothing_to_score_has_no_score(subject: MetricSubject) -> None:
    """No predictions give no rows, and their sum scores without an error or a warning: nan, or a number."""
    import numpy as np

    k = len(subject.bound.columns())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            rows = np.asarray(subject.bound.statistics([], []))
            scores = subject.bound.reduce(np.zeros(k))
            further = subject.bound.compute([], [])
        except (ArithmeticError, LookupError, TypeError, ValueError, Warning) as e:
            expect(False, f"nothing to score: {type(e).__name__}: {e}")
    expect(rows.shape == (0, k), f"no predictions give statistics of shape {rows.shape}, not (0, {k})")
    shapes = {name: np.shape(value) for name, value in scores.items()}
    expect(not any(shapes.values()), "the scores of one sum have no shape", shapes)
    expect(isinstance(further, dict), f"computing of nothing gives {further!r}")


def means_are_means(subject: MetricSubject) -> None:
    """A score that is called the mean of a column is it, times 100 where it counts points."""
    columns = list(subject.bound.columns())
    means = {name: info for name, info in subject.bound.scores().items() if info.mean_of in columns}
    if not means:
        raise NotApplicable("none of its scores is called a mean")
    scores = subject.bound.reduce(subject.rows.sum(axis=0))
    for name, info in means.items():
        mean = subject.rows[:, columns.index(str(info.mean_of))].mean() * (100 if info.unit == "points" else 1)
        said = f"{name} is {float(scores[name]):.6g}, the mean of {info.mean_of} {mean:.6g}"
        expect(math.isclose(float(scores[name]), mean, rel_tol=1e-9, abs_tol=1e-9), said)


def selecting_is_computing(subject: MetricSubject) -> None:
    """What is computed of a selection is what is computed of its pairs alone."""
    selected = subject.bound.selected(subject.predictions, subject.examples)
    everything = list(range(len(subject.examples)))
    for chosen in (everything, everything[::-1], everything[::2], [*everything[:3], *everything[:3]]):
        once, anew = dict(selected(chosen)), subject.bound.compute(*subject.of(chosen))
        pairs = [(once.get(name, math.inf), value) for name, value in anew.items()]
        same = all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(a) and math.isnan(b)) for a, b in pairs)
        expect(
            same and len(once) == len(anew),
            "computed of a selection, scores are others than of its pairs alone",
            [once, anew],
        )


def signature_tells_how(subject: MetricSubject) -> None:
    """The signature is a text, and always the same."""
    one, two = subject.bound.signature(), subject.bound.signature()
    expect(isinstance(one, str) and one.strip(), f"the signature is {one!r}")
    expect(one == two, "two signatures of one metric differ", [one, two])


def agrees_with_others(subject: MetricSubject) -> None:
    """It gives the scores that a reference implementation gave."""
    if not subject.agreements:
        raise NotApplicable("no scores of a reference implementation are stored")
    for case in subject.agreements:
        scores = MetricSubject(metric=subject.bound, examples=case.examples, predictions=case.predictions).scores()
        for name, expected in case.scores.items():
            found = scores.get(name, math.nan)
            expect(abs(found - expected) <= case.tolerance, f"{name} is {found:.10g}, the reference gives {expected:.10g}")


def _bounds(info: ScoreInfo) -> tuple[float, float]:
    return -math.inf if info.minimum is None else info.minimum, math.inf if info.maximum is None else info.maximum


def _for_selections(n: int, holds: Callable[[list[int]], None]) -> None:
    """Tries selections of n positions, in any order, some perhaps twice; with hypothesis the one that fails is a small one."""
    if importlib.util.find_spec("hypothesis"):
        from hypothesis import HealthCheck, given, settings
        from hypothesis import strategies as st

        tried = given(st.lists(st.integers(0, n - 1), min_size=1, max_size=2 * n))(holds)
        checks = list(HealthCheck)
        settings(max_examples=SELECTIONS, deadline=None, database=None, derandomize=True, suppress_health_check=checks)(tried)()
        return
    draw = random.Random(0)
    for _ in range(SELECTIONS):
        holds(draw.choices(range(n), k=draw.randint(1, 2 * n)))


METRIC_CHECKS = laws(__name__)
"""Name → check."""
