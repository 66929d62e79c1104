"""Fine-tune, evaluate and compare language models on NLP tasks.

Light to import: what needs torch or numpy is loaded when it is called.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

import pluggy

from .calls import ScoreSettings, Settings, checked, is_frame, one_by_one, questions, rows, taken
from .config import Generation, ModelSettings, RunConfig, Source, TrainSettings, run_config

if TYPE_CHECKING:
    from .results import Result
    from .tables import Compared, Leaderboard, Mistaken, Results, Scores

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("plmtasks")
"""Marks what a plugin gives for a hook of `plmtasks.hooks.hookspecs`."""

__all__ = [
    "Generation", "ModelSettings", "RunConfig", "ScoreSettings", "Settings", "Source", "TrainSettings", "compare", "hookimpl",
    "leaderboard", "load_results", "mistakes", "predict", "run", "run_config", "score", "train",
]  # fmt: skip


def __dir__() -> list[str]:
    """What completes after the package's name."""
    return [*__all__, "__version__"]


_Text = str | os.PathLike[str]
"""A name, or a path."""


@overload
def run(  # type: ignore[overload-overlap]  # a text is a sequence of texts
    task: _Text, model: _Text, *, seed: int = 0, output: _Text = "results", **settings: Unpack[Settings]
) -> "Result": ...
@overload
def run(
    task: _Text | Sequence[str],
    model: _Text | Sequence[str],
    *,
    seed: int | Sequence[int] = 0,
    output: _Text = "results",
    **settings: Unpack[Settings],
) -> "Results": ...
@checked
def run(
    task: _Text | Sequence[str],
    model: _Text | Sequence[str],
    *,
    seed: int | Sequence[int] = 0,
    output: _Text = "results",
    **settings: Unpack[Settings],
) -> "Result | Results":
    """Runs a task on a model; the same as `plmtasks run`. The same run is never computed twice.

    task, model, seed: of each one or several; one of each gives a `Result`, else every pair that fits is run for every seed, and
        `Results` come back; in a list of tasks, a name that stands for several is those
    settings: the fields of `RunConfig`, `Source`, `ModelSettings`, `Generation` and `TrainSettings`, where each has its meaning

    raises: PlmtasksError
    """
    from .config import of_seeds
    from .errors import InputError
    from .evaluation import run
    from .hooks import load_registry
    from .tables import Results

    tasks, models = _several(task), _several(model)
    for kind, names in (("task", tasks), ("model", models), ("seed", [seed] if isinstance(seed, int) else seed)):
        if not names:
            raise InputError(f"no {kind} is named", "plmtasks.run(task, model)")
    told = {**settings, "output": output} | ({"seed": seed} if isinstance(seed, int) else {})
    if not isinstance(task, str):
        registry = load_registry()
        tasks = list(dict.fromkeys(member for name in tasks for member in registry.members("task", name)))
    configs = [run_config(t, m, **told) for t in tasks for m in models]
    if not isinstance(seed, int):
        configs = [one for config in configs for one in of_seeds(config, seed)]
    results = run(configs)
    single = isinstance(task, str) and isinstance(model, str) and isinstance(seed, int)
    return results[0] if single else Results(results)


@checked
def train(
    task: _Text | Sequence[str] | Mapping[str, Mapping[str, Any]],
    model: _Text,
    output: _Text,
    *,
    seed: int = 0,
    **settings: Unpack[Settings],
) -> Path:
    """Trains a model on a task; the same as `plmtasks train`. Returns the checkpoint's folder.

    task: its name; or several tasks, learned together, perhaps each with the fields of its `Source`:
        {"classification/sst2": {"data": "sst2"}, "srl/propbank": {"data": "propbank"}}
    settings: as of `run`

    raises: PlmtasksError
    """
    from .evaluation import train

    tasks = task if isinstance(task, Mapping) else {name: {} for name in _several(task)}
    for name, source in tasks.items():
        taken(f"what task {name!r} is given", Mapping[str, Any], source)
    told = [{**settings, "seed": seed, **source} for source in tasks.values()]
    configs = [run_config(name, str(model), **one) for name, one in zip(tasks, told, strict=True)]
    return train(configs, str(output))


@checked
def predict(
    task: _Text,
    model: _Text,
    # in quotes, as a path and a text are not the same here
    inputs: "str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]] | os.PathLike[str]",
    output: _Text | None = None,
    followed_model: _Text | None = None,
    *,
    seed: int = 0,
    **settings: Unpack[Settings],
) -> Iterator[dict[str, Any]]:
    """Answers new questions, as they are asked for; the same as `plmtasks predict --format json`.

    inputs: texts, or the task's fields by name and perhaps "id"; one text, or one question's fields, gives one answer; or a
        `Path`, a file of such lines; of a table, in a file or as a frame of pandas, the columns are found as
        `plmtasks predict` finds them, and others may stand beside them
    output: a file of JSON lines that keeps the answers; all are computed at once, and, interrupted, the same call goes on
    followed_model: answers the task that this one follows; None: the same model
    settings: as of `run`

    raises: PlmtasksError
    """
    from .evaluation import PredictConfig, answers

    config = PredictConfig(
        run=run_config(str(task), str(model), seed=seed, **settings), rows=is_frame(inputs),
        followed_model=None if followed_model is None else str(followed_model), output=None if output is None else str(output),
    )  # fmt: skip
    return one_by_one(answers(config, questions(inputs)))


@checked
def score(
    task: _Text,
    predictions: _Text | Mapping[str, Any] | Iterable[Any],
    *,
    na_prob: _Text | None = None,
    **settings: Unpack[ScoreSettings],
) -> "Scores":
    """Scores predictions that somebody else made; the same as `plmtasks score`.

    predictions: a file in a format of the task's field; id → prediction; rows with "id" and "prediction", as `predict` gives
        them, or a frame of pandas with such columns; or a list of texts, one for each example in their order
    na_prob: a file of no-answer probabilities, {id: probability} as JSON, where a task knows them
    settings: `data` are the references, the task's own by default; the others mean what they mean for `run`

    raises: PlmtasksError
    """
    from .hooks import load_registry
    from .scoring import Submission, score_file, score_given
    from .tables import Scores

    config = run_config(str(task), "", **settings)
    registry = load_registry(trusting=config.settings.trust_remote_code)
    file = isinstance(predictions, (str, os.PathLike))
    given = Submission(
        path=Path(predictions) if isinstance(predictions, (str, os.PathLike)) else Path(),
        split=config.split, na_prob=None if na_prob is None else str(na_prob), metrics=config.metrics,
    )  # fmt: skip
    if file:
        return Scores(**vars(score_file(registry, config.task, config.source, given)))
    return Scores(**vars(score_given(registry, config.task, config.source, given, rows(predictions))))


@checked
def load_results(*folders: "_Text | Iterable[_Text]", task: str | None = None, model: str | None = None) -> "Results":
    """The results at or below folders, their own or elsewhere (s3://, hf://, …); of none that is named, those in `results`.

    task, model: of these alone; `*` stands for anything, and "qa" means all tasks that begin with "qa/"

    raises: PlmtasksError
    """
    from .tables import load_results

    return load_results(folders or ["results"], task, model)


@checked
def leaderboard(
    *results: "Result | Iterable[Result] | _Text",
    score: str | None = None,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    trust_remote_code: bool = False,
) -> "Leaderboard":
    """Results, or all at or below folders, as ranked tables; the same as `plmtasks leaderboard`.

    score: what ranks, as "accuracy" or "f1/f1_macro"; None: each task's main score
    columns: scores, and the costs "parameters", "speed" and "memory", beside it; None: the first scores
    sort: a score, a cost, "model", "family" or "protocol"; None: by rank

    raises: PlmtasksError
    """
    from .hooks import load_registry
    from .tables import Leaderboard, Selection, collected

    chosen = Selection(score=score, columns=(columns,) if isinstance(columns, str) else columns, sort=sort)
    made = Leaderboard(collected(results or ["results"]), load_registry(trusting=trust_remote_code), chosen)
    len(made.boards)  # a name that is not there is told now
    return made


@checked
def compare(run_a: "Result | _Text", run_b: "Result | _Text", *, trust_remote_code: bool = False) -> "Compared":
    """What sets run B apart from run A, on the same examples; the same as `plmtasks compare`.

    run_a, run_b: results, or their folders

    raises: PlmtasksError, also if the two cannot be compared
    """
    from .hooks import load_registry
    from .store import compare
    from .tables import Compared, collected_one

    first, second = collected_one(run_a), collected_one(run_b)
    return Compared(**vars(compare(first, second, load_registry(trusting=trust_remote_code))))


@checked
def mistakes(run: "Result | _Text", label: str | None = None, *, trust_remote_code: bool = False) -> "Mistaken":
    """What one run got wrong, and by `confusion()` what it took for what; the same as `plmtasks results errors`.

    run: a result, or its folder
    label: those examples alone in which this label was missed, or predicted in place of what is right

    raises: PlmtasksError
    """
    from .hooks import load_registry
    from .store import mistakes
    from .tables import Mistaken, collected_one

    result = collected_one(run)
    result.check_files()
    made = Mistaken(mistakes(result, load_registry(trusting=trust_remote_code)), label)
    len(made)  # a label that is not there is told now
    return made


def _several(given: Any) -> Any:
    return (given,) if isinstance(given, str) else tuple(given)
