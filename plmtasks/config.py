"""The settings of a run, made once and passed on whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Truncation = Literal["auto", "error", "left", "right", "window", "skip"]
DType = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where examples come from, if not from the task's own data set."""

    data: str | None = None
    """A file, a folder with one file a split, or `hf://owner/name` with an optional `@revision` and `#config`."""
    train_data: str | None = None
    """The same, for the train split alone."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The task's field → the file's column."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """How `Generate` picks tokens. The defaults are greedy."""

    beams: int = 1
    temperature: float = 0.0
    """0 takes the likeliest token; above it, tokens are drawn."""
    top_p: float = 1.0
    length_penalty: float = 1.0
    max_new_tokens: int | None = None
    """None: what the request says."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What a model needs to know to answer; all of it can change an answer, so all of it is in the identity."""

    dtype: DType = "auto"
    batch_tokens: int = 0
    """The most padded tokens computed together; 0: chosen by the launcher."""
    threads: int = 0
    """CPU threads a process; 0: chosen by the launcher."""
    truncation: Truncation = "auto"
    """What happens to a text over the model's limit; auto: windows for spans, tags and scores, right for
    classification, and for prompts shots go first, then the left of the text."""
    prompt: Literal["plain", "raw", "chat"] = "plain"
    """How instruction, shots and text become one prompt; raw puts nothing between but what the task gives."""
    generation: Generation = field(default_factory=Generation)
    seed: int = 0
    model_args: Mapping[str, Any] = field(default_factory=dict)
    """Handed to the library that loads the weights."""
    trust_remote_code: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a model learns. None: what the model recommends for itself."""

    epochs: float | None = None
    learning_rate: float | None = None
    warmup: float = 0.1
    """Fraction of the steps in which the learning rate climbs."""
    weight_decay: float = 0.01
    """Not on biases and normalization weights."""
    batch_size: int | None = None
    """Examples an update, over all processes."""
    batch_tokens: int = 0
    """The most padded tokens a process computes at once; a larger batch is computed in pieces. 0: chosen."""
    accumulation: int = 1
    """Batches an update."""
    clip: float = 1.0
    """The gradient's largest norm; 0: any."""
    seed: int = 0
    dtype: DType = "auto"
    """bfloat16 and float16 mean autocast over float32 weights."""
    select_split: str | None = None
    """The split that picks the best epoch, "none" for the last epoch; None: validation, unless it is the one reported."""
    limit: int | None = None
    """At most so many training examples, drawn by the hash of their ids."""
    save_minutes: float = 5.0
    """At least this often the state is kept, so that an interrupted training goes on."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run of one task on one model: what `plmtasks run` and `plmtasks.run` are given."""

    task: str
    model: str
    source: Source = field(default_factory=Source)
    split: str | None = None
    limit: int | None = None
    shots: int = 0
    shots_from: Literal["fixed", "per-example"] = "fixed"
    ask: str | None = None
    train: Literal["auto", "never", "always"] = "auto"
    allow_untrained: bool = False
    settings: ModelSettings = field(default_factory=ModelSettings)
    training: TrainSettings = field(default_factory=TrainSettings)
    processes: int = 0
    """On this machine; 0: as many as a launcher started, else one."""
    seed: int = 0
    """Draws the shots."""
    output: str = "results"
    checkpoints: str = "checkpoints"
    yes: bool = False
    """Ask nothing at the terminal."""
    quiet: bool = False


def run_config(task: str, model: str, **options: Any) -> RunConfig:
    """A RunConfig from one flat set of options: each goes to the part that has a field of that name.

    `seed` draws the shots, the sampled tokens and, unless `training` says otherwise, the training's order.

    raises: TypeError for a name that no part has
    """
    seed = options.get("seed", 0)
    parts: dict[str, dict[str, Any]] = {}
    homes = {
        home: {f.name for f in fields(form)} - {"source", "generation", "settings"}
        for home, form in (("source", Source), ("generation", Generation), ("settings", ModelSettings), ("run", RunConfig))
    }
    for name, value in options.items():
        home = next((h for h, names in homes.items() if name in names), None)
        if home is None:
            raise TypeError(f"no setting of a run is called {name!r}")
        parts.setdefault(home, {})[name] = value
    run = parts.get("run", {})
    training = run.pop("training", None) or TrainSettings(seed=seed)
    settings = ModelSettings(**{**parts.get("settings", {}), "seed": seed}, generation=Generation(**parts.get("generation", {})))
    return RunConfig(
        task=task,
        model=model,
        source=Source(**parts.get("source", {})),
        settings=settings,
        training=training,
        **{**run, "seed": seed},
    )
