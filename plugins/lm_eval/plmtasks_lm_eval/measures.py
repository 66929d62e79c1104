"""Which scores a task of lm-eval gives."""

import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

Responses = Sequence[Sequence[Any]]
"""What comes back of each instance, one for each of its repeats."""

Filtered = dict[str, list[Any]]
"""A filter → what comes out of it for each instance of a document."""

UNFILTERED = "none"
"""lm-eval's name of what goes through no filter of the task's own."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One of lm-eval's metrics of what comes out of one filter."""

    metric: str
    filter: str = UNFILTERED
    is_mean: bool = True
    """Whether it is the mean of its documents' values."""
    of_all: bool = False
    """Whether every document has a value."""
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        """As lm-eval prints it: "acc", "exact_match,flexible-extract"."""
        return self.metric if self.filter == UNFILTERED else f"{self.metric},{self.filter}"


def values(made: Any, instances: Sequence[Sequence["Instance"]], responses: Responses) -> list[dict[str, Any]]:
    """What lm-eval's filters and metrics make of each document's responses: a score's name → the value to aggregate.

    made: lm-eval's task
    instances: of each document, in their order
    responses: one list of repeats for each of a document's instances, documents after one another
    """
    return [_processed(made, several[0].doc, through) for several, through in _filtered(made, instances, responses)]


def values_of_most(
    made: Any, instances: Sequence[Sequence["Instance"]], drawn: Sequence[Responses], votes: Sequence[Collection[int]]
) -> list[dict[str, Any]]:
    """The same of documents that were asked several times: of what most of the texts say behind each filter, of equals the first.

    drawn: responses of each time, as of `values`
    votes: of each document, which times count
    """
    each = [[through for _, through in _filtered(made, instances, said)] for said in drawn]
    found = []
    for place, (several, counted) in enumerate(zip(instances, votes, strict=True)):
        most: Filtered = {}
        for name in each[0][place]:
            said = [each[time][place][name] for time in sorted(counted)]
            keys = [repr(one) for one in said]
            [(key, _)] = Counter(keys).most_common(1)
            most[name] = said[keys.index(key)]
        found.append(_processed(made, several[0].doc, most))
    return found


def _filtered(
    made: Any, instances: Sequence[Sequence["Instance"]], responses: Responses
) -> Iterator[tuple[Sequence["Instance"], Filtered]]:
    """Each document's instances, and what its task's filters make of the responses to them."""
    asked = [[copy(one) for one in several] for several in instances]
    flat = [one for several in asked for one in several]
    for one, said in zip(flat, responses, strict=True):
        one.resps, one.filtered_resps = list(said), {}
    before, made._instances = made._instances, flat
    try:
        made.apply_filters()
    finally:
        made._instances = before
    for several in asked:
        yield several, {name: [one.filtered_resps[name] for one in several] for name in several[0].filtered_resps}


def _processed(made: Any, doc: Any, filtered: Filtered) -> dict[str, Any]:
    told = {through: made.process_results(doc, said) for through, said in filtered.items()}
    return {Measure(metric=m, filter=through).name: value for through, found in told.items() for m, value in found.items()}


def too_few(made: Any, instances: Sequence["Instance"], own: int) -> Exception | None:
    """Why the task's filters take no such number of texts about a document; None if they do, or take none that are made up.

    own: the number that its file wants
    """

    def refusal(repeats: int) -> Exception | None:
        try:
            list(_filtered(made, [instances], [["1"] * repeats for _ in instances]))
        except Exception as e:  # noqa: BLE001  a task's own filters may raise anything
            return e
        return None

    wanted = int(made.get_config("repeats") or 1)
    return None if wanted == own or refusal(own) is not None else refusal(wanted)


def measures(made: Any, instances: Sequence["Instance"], *, runs_code: bool) -> tuple[Measure, ...]:
    """The scores that a task gives, the first of its `metric_list` first.

    What it declares is not all that it gives, so that its first document is scored with made-up responses.

    runs_code: it would run what a model writes, so it is taken at its word

    raises: ImportError, OSError where it cannot be scored here: better told before anything is asked
    """
    filters = [one.name for one in made._filters]
    declared = dict.fromkeys(Measure(metric=m, filter=f).name for f in filters for m in made.aggregation())
    tried = {} if runs_code else _tried(made, instances)
    config = made.config
    always = bool(tried) and getattr(config, "process_results", None) is None and hasattr(made, "_metric_fn_list")
    given = set(tried) if always else {*declared, *tried}
    order = [name for name in (*declared, *tried) if name in given]
    return tuple(_measure(made, name, filters, always) for name in dict.fromkeys(order))


def _measure(made: Any, name: str, filters: Sequence[str], of_all: bool) -> Measure:
    from lm_eval.api.metrics import mean

    through = next((f for f in filters if f != UNFILTERED and name.endswith(f",{f}")), UNFILTERED)
    metric = name if through == UNFILTERED else name.removesuffix(f",{through}")
    better: Mapping[str, Any] = made.higher_is_better()
    return Measure(
        metric=metric, filter=through, is_mean=made.aggregation().get(metric, mean) is mean, of_all=of_all,
        higher_is_better=bool(better.get(metric, True)),
    )  # fmt: skip


def _tried(made: Any, instances: Sequence["Instance"]) -> Mapping[str, Any]:
    """What the first document's made-up responses are scored; nothing where they cannot be.

    raises: ImportError, OSError
    """
    made_up: dict[str, Any] = {"loglikelihood_rolling": -1.0, "generate_until": "1"}
    said = [made_up.get(one.request_type, (-1.0 - place, False)) for place, one in enumerate(instances)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is odd about made-up responses helps nobody
        try:
            [found] = values(made, [instances], [[one] * (i.repeats or 1) for one, i in zip(said, instances, strict=True)])
            for name, value in found.items():
                with suppress(ArithmeticError, LookupError, TypeError, ValueError):  # it may be none for a single document
                    made.aggregation()[name.partition(",")[0]]([value])
        except (ImportError, OSError):
            raise
        except Exception:  # noqa: BLE001  a task's own code may raise anything at what no model says
            return {}
    return found
