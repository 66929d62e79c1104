"""The settings of a run, made once and passed on whole."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from .errors import InputError, did_you_mean, meant
from .requests import LATER, Generate, Generation, Prompted, Request

__all__ = [
    "DType", "Generation", "Kernels", "ModelSettings", "RunConfig", "Source", "TrainSettings", "Truncation", "run_config",
]  # fmt: skip

LAUNCHED = "PLMTASKS_LAUNCHED"
"""Environment variable: the number of our own launcher in the processes that it started; it prints what went wrong."""

Truncation = Literal["auto", "error", "left", "right", "window", "skip"]
DType = Literal["auto", "float32", "bfloat16", "float16"]
Kernels = Literal["auto", "plain", "torch", "onednn", "compiled"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where examples come from, if not from the task's own data set."""

    data: str | None = None
    """A file, a folder with a file a split, or `hf://owner/name` with an optional `@revision` and `#config`."""
    train_data: str | None = None
    """The same, for the train split alone."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The task's fields in the file's columns, by name, by JMESPath, or by position from 0 in a file without a header:
    text=review,label=stars. `rows` and `separator` may stand here too."""
    rows: str = ""
    """The path to the rows that lie inside a document: data[].paragraphs[].qas[]"""
    separator: str = ""
    """What stands between cells: comma, semicolon, tab or pipe; none: what the first line shows."""
    skip_bad_rows: bool = False
    """Leave out rows that cannot be used, and count them; else they are an error that tells all of them."""
    holdout: float | None = None
    """Put this share of the one split that there is aside as test, and learn from the rest: 0.2. Labels stay in proportion,
    examples of one cluster or text together; no seed changes it."""

    def __post_init__(self) -> None:
        own = {name: self.columns[name] for name in ("rows", "separator") if name in self.columns}
        for name, value in own.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "columns", {name: value for name, value in self.columns.items() if name not in own})
        _check(self)

    def all_columns(self) -> dict[str, str]:
        """All that was said of the columns, as it is given."""
        own = {"rows": self.rows, "separator": self.separator}
        return {**self.columns, **{name: value for name, value in own.items() if value}}


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What a model needs to know to answer; all of it can change an answer, so all of it is in the identity."""

    dtype: DType = "auto"
    """Of the weights; in training bfloat16 and float16 mean autocast over float32 weights."""
    batch_tokens: int = 0
    """The most padded tokens computed together; default: chosen by the memory that is there."""
    threads: int = 0
    """CPU threads a process; default: OMP_NUM_THREADS, else cores / processes."""
    kernels: Kernels = "auto"
    """plain: the model's library alone, its own forward and generate; torch: what prompts share computed once, nothing padded, by
    torch's products; onednn: the same by weights laid out for oneDNN once, on x86 processors; compiled: the same, and what stands
    between products by kernels of our own, which the machine's C compiler makes once, on processors with AVX-512, in bfloat16 on
    those that multiply such numbers; auto: chosen by the launcher. Training goes by `torch`."""
    truncation: Truncation = "auto"
    """What happens to a text over the model's limit; auto: windows for spans, tags and scores, right for
    classification, and for prompts shots go first, then the left of the text, or the right of one to be summarized."""
    prompt: Literal["plain", "raw", "chat"] = "plain"
    """How instruction, shots and text become one prompt; chat: by the tokenizer's template; raw puts nothing between but what the
    task gives, as other harnesses do."""
    system: str = field(default="", metadata=LATER)
    """Stands before all else: as the system's turn of a chat, else as a text of its own."""
    reasoning: str = field(default="auto", metadata=LATER)
    """What ends a model's thinking, which no task reads; auto: what the chat template says, none: it does not think."""
    generation: Generation = field(default_factory=Generation)
    """How texts are written."""
    stride: int = 0
    """Tokens by which the window over a long text that is scored moves on; 0: half of the model's limit."""
    seed: int = 0
    """Draws sampled tokens and newly initialized weights."""
    model_args: Mapping[str, Any] = field(default_factory=dict)
    """Handed to the library that loads the weights, as from_pretrained: device_map, attn_implementation, …"""
    trust_remote_code: bool = False
    """Run code that comes with a checkpoint, or that a file names: a metric's script."""

    def that_matter(self, form: Request) -> "ModelSettings":
        """These settings, with those at their defaults that no answer to such a request depends on."""
        generates = form.most_tokens() is not None
        asked = [one for one in form.each() if isinstance(one, Prompted)]
        # of a prompt that a task has made itself they say how it was to be made
        prompted = any(not one.exact or (self.prompt == "chat" and one.turns) for one in asked)
        return replace(
            self, generation=self.generation if generates else Generation(), reasoning=self.reasoning if generates else "auto",
            prompt=self.prompt if prompted else "plain", system=self.system if asked else "",
            stride=self.stride if form.strided else 0,
        )  # fmt: skip

    def of(self, request: Request) -> "ModelSettings":
        """These settings as a request is answered, or the first of several that generates: see `Generation.of`."""
        first = next((one for one in request.each() if isinstance(one, Generate)), None)
        return self if first is None else replace(self, generation=self.generation.of(first))

    def settled(self, requests: Iterable[Request]) -> "ModelSettings":
        """The same for all of these requests, as `Generation.settled` has it."""
        return replace(self, generation=self.generation.settled(requests))


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a model learns, in the words of `transformers.TrainingArguments` where it has one. None: what the model recommends."""

    num_train_epochs: float | None = None
    """Times that the training examples are gone through; none: the model's, else 3, or as many more as make 100 updates."""
    learning_rate: float | None = None
    """Of the optimizer, at its highest; none: the model's, else 5e-5."""
    warmup_steps: float = 0.1
    """Updates in which the learning rate climbs; below 1: this share of all."""
    weight_decay: float = 0.01
    """Not on biases and normalization weights."""
    train_batch_size: int | None = None
    """Examples a batch over all processes: `per_device_train_batch_size` times their number; none: the model's, else 32."""
    batch_tokens: int = 0
    """The most padded tokens a process computes at once; a larger batch is computed in pieces. 0: chosen."""
    gradient_accumulation_steps: int = 1
    """Batches an update."""
    max_grad_norm: float = 1.0
    """The gradient's largest norm; 0: any."""
    optim: str = "AdamW"
    """A class of `torch.optim`, by name."""
    optim_args: Mapping[str, Any] = field(default_factory=dict)
    """Handed to it, beside learning rate and weight decay: betas, momentum, …"""
    lr_scheduler_type: str = "linear"
    """linear, cosine or constant_with_warmup, or a class of `torch.optim.lr_scheduler`, stepped once an update."""
    lr_scheduler_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Handed to that class."""
    label_smoothing_factor: float = 0.0
    """The share of the target that is spread over all labels or tokens."""
    class_weights: str = ""
    """"balanced", or label=weight,…: what an example of each label counts for in `Classify` and `Tag`."""
    freeze: tuple[str, ...] = ()
    """What does not learn: embeddings, base (all but the head), layers:N (the lowest N), or a part of weights' names."""
    gradient_checkpointing: bool = False
    """Activations are computed again on the way back: less memory, more time."""
    peft: str = ""
    """A method of the peft library that learns few weights beside the frozen ones: lora, ia3, …"""
    peft_args: Mapping[str, Any] = field(default_factory=dict)
    """Handed to its configuration: r, lora_alpha, target_modules, …"""
    mlm_probability: float = 0.15
    """The share of tokens that an encoder or a sequence-to-sequence model has to restore when it learns from plain text."""
    whole_word_mask: bool = False
    """All tokens of a word are masked together."""
    mean_noise_span_length: float = 3.0
    """Mean tokens of a span that a sequence-to-sequence model has to restore."""
    mixing: str = "size"
    """How often each of several tasks comes: size, temperature:T, or task=weight,…"""
    early_stopping_patience: int | None = None
    """Epochs without a better score on the selecting split after which training ends; none: all epochs."""
    report_to: tuple[str, ...] = ()
    """Trackers of Accelerate that follow the training: tensorboard, wandb, mlflow, trackio, …"""
    seed: int = 0
    """Draws the order of the examples and what is dropped or masked."""
    dtype: DType = "auto"
    """bfloat16 and float16 mean autocast over float32 weights; auto: as the model answers."""
    select_split: str | None = None
    """The split that picks the best epoch; "none": the last epoch; not named: validation, unless it is the one reported."""
    max_train_samples: int | None = None
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
    """Whose examples are asked; none: validation, else test."""
    limit: int | None = None
    """At most so many examples, drawn by the hash of their ids."""
    folds: int | None = None
    """Cross-validate: so many trainings on all but a part of the one split that there is, each example asked of the model that
    has not learned from it; one result."""
    shots: int | None = None
    """Solved examples before a question, never it; none: no more than the task brings itself."""
    shots_from: Literal["fixed", "per-example"] = "fixed"
    """The same for all, or drawn for each."""
    repeats: int = 1
    """Texts that are drawn for each question, each with a seed of its own."""
    metrics: tuple[str, ...] = ()
    """Further ones, beside the task's own."""
    perturb: tuple[str, ...] = ()
    """Ask the examples again in another way: typos, case, …; see `plmtasks list perturbations`."""
    overlap: bool = False
    """Look for the examples in the train split, even where nothing else needs that."""
    groups: str | None = None
    """A TOML file of the words that put a text into a group's slice; none: women, men."""
    predictions_of: str | None = None
    """The folder of a run of the task that this one follows, whose predictions take the place of what the data gives (of
    predicates for srl); of a task that judges, the run that is judged, or two with a comma between."""
    ask: str | None = None
    """The kind of request; none: the first of the task's that the model answers."""
    train: Literal["auto", "never", "always"] = "auto"
    """Whether the model learns the task first; auto: where its head would be newly initialized."""
    allow_untrained: bool = False
    """Evaluate newly initialized weights; the result says so."""
    settings: ModelSettings = field(default_factory=ModelSettings)
    training: TrainSettings = field(default_factory=TrainSettings)
    """How the model learns."""
    processes: int = 0
    """Processes on this machine; default: as many as a launcher started, else one. Of an engine: its workers; default: as many
    as there is room for."""
    on: str = ""
    """The engine whose workers answer, as `ray`; none: this machine."""
    seed: int = 0
    """Draws shots, sampled tokens, newly initialized weights and the order of training."""
    output: str = "results"
    """The folder of results."""
    checkpoints: str = "checkpoints"
    """The folder of models that were trained on the way."""
    retry_oom: bool = False
    """Where a batch does not fit into memory, run again with half the token budget."""
    yes: bool = False
    """Ask nothing at the terminal."""
    quiet: bool = False
    """Print the result only."""


GROUPS: Mapping[str, type] = {"generation": Generation, "training": TrainSettings}
"""The settings that stand together under one name, on the command line and in a file."""

PARTS: Mapping[str, type] = {"source": Source, "settings": ModelSettings, "run": RunConfig}
"""Those that stand by themselves."""


def run_config(task: str, model: str, **settings: Any) -> RunConfig:
    """A RunConfig from its settings by their names, whichever part they belong to.

    `seed` draws the shots, the sampled tokens, newly initialized weights and the order of training; `dtype` and `batch_tokens`
    hold for answering and for training. Those of training and generation may also come together, as `training=` and
    `generation=`: a mapping, or a whole TrainSettings or Generation, which takes nothing from the others.

    raises: InputError for a name that no part has, or a value that its field does not take
    """
    told = grouped(settings)
    parts: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    for name, value in told.items():
        if name in GROUPS:
            continue
        home = next(part for part, form in PARTS.items() if name in types(form))
        parts[home][name] = value
    shared: dict[str, Any] = {name: told[name] for name in ("seed", "batch_tokens") if name in told}
    generation, training = told.get("generation", {}), told.get("training", {})
    generation = _made(Generation, generation) if isinstance(generation, Mapping) else generation
    training = _made(TrainSettings, {**shared, **training}) if isinstance(training, Mapping) else training
    config: RunConfig = _made(RunConfig, {
        **parts["run"], "task": task, "model": model, "source": _made(Source, parts["source"]), "training": training,
        "settings": _made(ModelSettings, {**parts["settings"], "generation": generation}), "seed": told.get("seed", 0),
    })  # fmt: skip
    for part in (config, config.settings, config.settings.generation, config.training):
        _check(part)
    return config


def _made(form: Any, told: Mapping[str, Any]) -> Any:
    """The part; one name for several is that name alone, and not its letters."""
    lists = {name for name, hint in types(form).items() if get_origin(hint) is tuple}
    several = {name: (told[name],) if isinstance(told[name], str) else tuple(told[name]) for name in lists & told.keys()}
    return form(**{**told, **several})


def grouped(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those of training and generation each together, as they stand on the command line and in a file.

    raises: InputError for a name that is no setting
    """
    own: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {name: {} for name in GROUPS}
    homes = {name: group for group, form in GROUPS.items() for name in types(form) if name not in setting_types()}
    for name, value in settings.items():
        if name in homes:
            groups[homes[name]][name] = value
        elif name in GROUPS and isinstance(value, Mapping):
            groups[name] |= known(value, types(GROUPS[name]), f"setting of {name}")
        else:
            own |= known({name: value}, [*setting_types(), *homes], "setting of a run")
    return own | {name: together for name, together in groups.items() if together and name not in own}


def merged(*told: Mapping[str, Any]) -> dict[str, Any]:
    """Settings from several places, of which the later go before the earlier."""
    made: dict[str, Any] = {}
    for settings in map(grouped, told):
        together = {name: {**made.get(name, {}), **settings[name]} for name in GROUPS if name in settings}
        made |= settings | together
    return made


def known(told: Mapping[str, Any], names: Iterable[str], what: str, *more: str) -> Mapping[str, Any]:
    """raises: InputError for a name that is not among those, with more hints"""
    names = list(names)
    for name in told:
        if name not in names:
            initials = [full for full in names if name == "".join(word[0] for word in full.split("_") if word)]
            hints = meant(initials) or did_you_mean(name, names) or meant([full for full in names if name in full])
            raise InputError(f"no {what} is called {name!r}", *hints, *more)
    return told


def all_settings(config: RunConfig) -> dict[str, Any]:
    """Every setting of a config, as `run_config` takes them."""
    parts = (config.source, config.settings, config)
    made = {name: value for part in parts for name, value in vars(part).items() if name in setting_types()}
    return made | {"generation": dict(vars(config.settings.generation)), "training": dict(vars(config.training))}


def of_seeds(config: RunConfig, seeds: Iterable[int]) -> list[RunConfig]:
    """The same run for each seed, which draws shots, sampled tokens, newly initialized weights and the order of training."""
    return [
        replace(config, seed=s, settings=replace(config.settings, seed=s), training=replace(config.training, seed=s))
        for s in seeds
    ]  # fmt: skip


@cache
def types(form: type) -> Mapping[str, Any]:
    """The settings of a part: name → type."""
    return {name: hint for name, hint in get_type_hints(form).items() if name not in ("source", "settings", "task", "model")}


@cache
def setting_types() -> Mapping[str, Any]:
    """What stands by itself on the command line and in a file: name → type; a group's type is its class."""
    return {name: hint for form in reversed(list(PARTS.values())) for name, hint in types(form).items()}


class Bounds(NamedTuple):
    """Between which numbers a setting lies."""

    least: float = 0
    most: float = math.inf
    above: bool = False
    """More than the least."""
    below: bool = False
    """Less than the most."""

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        over = value > self.least if self.above else value >= self.least
        return over and (value < self.most if self.below else value <= self.most)

    def __str__(self) -> str:
        most = "" if self.most == math.inf else f" and {'below' if self.below else 'at most'} {self.most:g}"
        return f"{'above' if self.above else 'of at least'} {self.least:g}{most}"


COUNT, AMOUNT, POSITIVE, SHARE = Bounds(1), Bounds(), Bounds(above=True), Bounds(0, 1, above=True)
BOUNDS: Mapping[str, Bounds] = {
    **dict.fromkeys(("limit", "shots", "processes", "threads", "batch_tokens", "stride", "max_train_samples"), AMOUNT),
    **dict.fromkeys(("num_beams", "max_new_tokens", "repeats", "train_batch_size", "gradient_accumulation_steps"), COUNT),
    **dict.fromkeys(("early_stopping_patience", "mean_noise_span_length"), COUNT),
    **dict.fromkeys(("temperature", "top_k", "warmup_steps", "weight_decay", "max_grad_norm", "save_minutes"), AMOUNT),
    **dict.fromkeys(("num_train_epochs", "learning_rate"), POSITIVE),
    **dict.fromkeys(("top_p", "mlm_probability"), SHARE), "label_smoothing_factor": Bounds(0, 1, below=True),
    "holdout": Bounds(0, 1, above=True, below=True), "folds": Bounds(2),
}  # fmt: skip
"""Setting → between which numbers it lies."""


def _check(part: Any) -> None:
    """raises: InputError if a field holds what it does not take"""
    for name, hint in get_type_hints(type(part)).items():
        value, bounds = getattr(part, name), BOUNDS.get(name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            raise InputError(f"{name} is one of {', '.join(get_args(hint))}, not {value!r}")
        if bounds is not None and value is not None and value not in bounds:
            percent = bounds.most == 1 and isinstance(value, (int, float)) and 2 <= value < 100
            raise InputError(
                f"{name} is a number {bounds}, not {value!r}", *([f"{value:g} % is {value / 100:g}"] if percent else [])
            )
