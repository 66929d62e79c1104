"""The settings of a run, made once and passed on whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .errors import InputError

__all__ = [
    "DType", "Generation", "Kernels", "ModelSettings", "RunConfig", "Source", "TrainSettings", "Truncation", "run_config",
]  # fmt: skip

LAUNCHED = "PLMTASKS_LAUNCHED"
"""Environment variable: the number of our own launcher in the processes that it started; it prints what went wrong."""

Truncation = Literal["auto", "error", "left", "right", "window", "skip"]
DType = Literal["auto", "float32", "bfloat16", "float16"]
Kernels = Literal["auto", "plain", "torch", "onednn"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where examples come from, if not from the task's own data set."""

    data: str | None = None
    """A file, a folder with one file a split, or `hf://owner/name` with an optional `@revision` and `#config`."""
    train_data: str | None = None
    """The same, for the train split alone."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The task's field → the file's column: its name, its position from 0 in a file without a header, or a JMESPath. What is
    given under the names `rows` and `separator` goes to these."""
    rows: str = ""
    """The path to the rows that lie inside a document: "data[].paragraphs[].qas[]"."""
    separator: str = ""
    """What stands between cells: comma, semicolon, tab or pipe; none: what the first line shows."""
    skip_bad_rows: bool = False
    """Rows that cannot be used are left out and counted; else they are an error that tells all of them."""

    def __post_init__(self) -> None:
        own = {name: self.columns[name] for name in ("rows", "separator") if name in self.columns}
        for name, value in own.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "columns", {name: value for name, value in self.columns.items() if name not in own})

    def all_columns(self) -> dict[str, str]:
        """All that was said of the columns, as it is given."""
        own = {"rows": self.rows, "separator": self.separator}
        return {**self.columns, **{name: value for name, value in own.items() if value}}


@dataclass(frozen=True, kw_only=True)
class Generation:
    """How `Generate` picks tokens: greedy unless beams or a temperature are named. All else that is not named here comes from the
    checkpoint's generation configuration, and what that does not name either is as the library that loads it has it."""

    beams: int = 1
    temperature: float = 0.0
    """0 takes the likeliest token; above it, tokens are drawn."""
    top_p: float | None = None
    """None: the checkpoint's."""
    length_penalty: float | None = None
    """None: the checkpoint's."""
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
    kernels: Kernels = "auto"
    """plain: the model's library alone, its own forward and generate; torch: what prompts share computed once, nothing padded, by
    torch's products; onednn: the same by weights laid out for oneDNN once, on x86 processors; auto: chosen by the launcher.
    Training goes by `torch`."""
    truncation: Truncation = "auto"
    """What happens to a text over the model's limit; auto: windows for spans, tags and scores, right for
    classification, and for prompts shots go first, then the left of the text, or the right of one to be summarized."""
    prompt: Literal["plain", "raw", "chat"] = "plain"
    """How instruction, shots and text become one prompt; raw puts nothing between but what the task gives."""
    generation: Generation = field(default_factory=Generation)
    stride: int = 0
    """Tokens by which the window over a long text that is scored moves on; 0: half of the model's limit."""
    seed: int = 0
    model_args: Mapping[str, Any] = field(default_factory=dict)
    """Handed to the library that loads the weights."""
    trust_remote_code: bool = False

    def that_matter(self, form: Any) -> "ModelSettings":
        """These settings, with those at their defaults that no answer to such a request depends on."""
        generates, prompted = hasattr(form, "max_new_tokens"), hasattr(form, "shots")
        return replace(
            self, generation=self.generation if generates else Generation(), prompt=self.prompt if prompted else "plain",
            stride=self.stride if form.kind() == "LogLikelihood" else 0,
        )  # fmt: skip


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
    """Examples a batch, over all processes."""
    batch_tokens: int = 0
    """The most padded tokens a process computes at once; a larger batch is computed in pieces. 0: chosen."""
    accumulation: int = 1
    """Batches an update."""
    clip: float = 1.0
    """The gradient's largest norm; 0: any."""
    optimizer: str = "AdamW"
    """A class of `torch.optim`, by name."""
    optimizer_args: Mapping[str, Any] = field(default_factory=dict)
    """Handed to it, beside learning rate and weight decay."""
    schedule: str = "linear"
    """linear, cosine or constant after the warm-up, or a class of `torch.optim.lr_scheduler`, stepped once an update."""
    schedule_args: Mapping[str, Any] = field(default_factory=dict)
    """Handed to that class."""
    label_smoothing: float = 0.0
    """The share of the target that is spread over all labels or tokens."""
    class_weights: str = ""
    """"balanced", or label=weight,…: what an example of each label counts for in `Classify` and `Tag`."""
    freeze: tuple[str, ...] = ()
    """What does not learn: "embeddings", "base" (all but the head), "layers:N" (the lowest N), or a part of weights' names."""
    gradient_checkpointing: bool = False
    """Activations are computed again on the way back: less memory, more time."""
    peft: str = ""
    """A method of the peft library that learns few weights beside the frozen ones: lora, ia3, …"""
    peft_args: Mapping[str, Any] = field(default_factory=dict)
    """Handed to its configuration: r, lora_alpha, target_modules, …"""
    mask_rate: float = 0.15
    """The share of tokens that an encoder or a sequence-to-sequence model has to restore when it learns from plain text."""
    whole_words: bool = False
    """All tokens of a word are masked together."""
    span_length: float = 3.0
    """Mean tokens of a span that a sequence-to-sequence model has to restore."""
    mixing: str = "size"
    """How often each of several tasks comes: "size", "temperature:T", or task=weight,…"""
    patience: int | None = None
    """Epochs without a better score on the selecting split after which training ends; None: all epochs."""
    track: tuple[str, ...] = ()
    """Trackers of Accelerate that follow the training: tensorboard, wandb, mlflow, trackio, …"""
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
    metrics: tuple[str, ...] = ()
    """Further ones beside the task's own."""
    perturb: tuple[str, ...] = ()
    """Perturbations after each of which the examples that it changes are asked again."""
    overlap: bool = False
    """The examples are looked for in the train split, even where nothing else needs that."""
    groups: str | None = None
    """A TOML file of the words that put a text into a group's slice."""
    given: str | None = None
    """The folder of a run of the task that this one follows, whose predictions take the place of what the data gives."""
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
    retry_oom: bool = False
    """A batch that does not fit into memory ends the run, and one with half the token budget begins."""
    yes: bool = False
    """Ask nothing at the terminal."""
    quiet: bool = False


def run_config(task: str, model: str, *, train_limit: int | None = None, **options: Any) -> RunConfig:
    """A RunConfig from one flat set of options: each goes to the part that has a field of that name.

    `seed` draws the shots, the sampled tokens, newly initialized weights and the order of training; `dtype` and
    `batch_tokens` hold for
    answering and for training. `training=TrainSettings(…)` overrides what training takes from the others.

    raises: InputError for a name that no part has, or a value that its field does not take
    """
    homes: dict[str, Any] = {
        "source": Source,
        "generation": Generation,
        "settings": ModelSettings,
        "run": RunConfig,
        "training": TrainSettings,
    }
    parts: dict[str, dict[str, Any]] = {home: {} for home in homes}
    for name, value in options.items():
        home = next((h for h, form in homes.items() if name not in homes and name in {f.name for f in fields(form)}), None)
        home = "run" if name == "training" else home
        if isinstance(value, str) and home is not None and get_origin(option_types().get(name)) is tuple:
            value = (value,)  # one name, and not its letters
        if home is None:
            raise InputError(f"no setting of a run is called {name!r}")
        parts[home][name] = value
    shared = {name: options[name] for name in ("seed", "batch_tokens") if name in options}
    training = parts["run"].pop("training", None) or TrainSettings(**shared, **parts["training"], limit=train_limit)
    config = RunConfig(
        task=task, model=model, source=Source(**parts["source"]), training=training, seed=options.get("seed", 0), **parts["run"],
        settings=ModelSettings(**parts["settings"], generation=Generation(**parts["generation"])),
    )  # fmt: skip
    for part in (config, config.settings, config.settings.generation, config.training):
        _check(part)
    return config


def of_seeds(config: RunConfig, seeds: Iterable[int]) -> list[RunConfig]:
    """The same run for each seed, which draws shots, sampled tokens, newly initialized weights and the order of training."""
    return [
        replace(config, seed=s, settings=replace(config.settings, seed=s), training=replace(config.training, seed=s))
        for s in seeds
    ]  # fmt: skip


def option_types() -> dict[str, Any]:
    """What `run_config` takes beside task and model: name → type."""
    parts = {"settings", "source", "generation", "training"}
    hints = {"train_limit": int | None}
    for part in (TrainSettings, RunConfig, ModelSettings, Generation, Source):
        hints |= {name: hint for name, hint in get_type_hints(part).items() if name not in {*parts, "task", "model"}}
    return hints


MINIMA: Mapping[str, float] = {
    "limit": 0, "shots": 0, "processes": 0, "threads": 0, "batch_tokens": 0, "beams": 1, "temperature": 0, "batch_size": 1,
    "accumulation": 1, "warmup": 0, "weight_decay": 0, "clip": 0, "max_new_tokens": 1, "top_p": 0, "epochs": 0,
    "learning_rate": 0, "patience": 1, "label_smoothing": 0, "mask_rate": 0, "span_length": 1, "stride": 0, "save_minutes": 0,
}  # fmt: skip
"""The least that a field takes."""


def _check(part: Any) -> None:
    """raises: InputError if a field holds what it does not take"""
    hints = get_type_hints(type(part))
    for f in fields(part):
        value, least = getattr(part, f.name), MINIMA.get(f.name)
        if get_origin(hints[f.name]) is Literal and value not in get_args(hints[f.name]):
            choices = ", ".join(get_args(hints[f.name]))
            raise InputError(f"{f.name} is one of {choices}, not {value!r}")
        if least is not None and value is not None and not (isinstance(value, (int, float)) and value >= least):
            raise InputError(f"{f.name} is a number of at least {least:g}, not {value!r}")
