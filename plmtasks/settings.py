"""The settings of a run by name, as `plmtasks.run` and its like take them, for editors and type checkers.

Written by `python tests/settings.py` from the classes of `config`, where each has its meaning and its default.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from .config import Generation, TrainSettings


class Settings(TypedDict, total=False):
    """All but `seed` and `output`, which are parameters of their own."""

    # Source
    data: str | os.PathLike[str] | None
    train_data: str | os.PathLike[str] | None
    columns: Mapping[str, str]
    rows: str
    separator: str
    skip_bad_rows: bool

    # ModelSettings
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    batch_tokens: int
    threads: int
    kernels: Literal["auto", "plain", "torch", "onednn"]
    truncation: Literal["auto", "error", "left", "right", "window", "skip"]
    prompt: Literal["plain", "raw", "chat"]
    generation: Generation | Mapping[str, Any]
    stride: int
    model_args: Mapping[str, Any]
    trust_remote_code: bool

    # RunConfig
    split: str | None
    limit: int | None
    shots: int
    shots_from: Literal["fixed", "per-example"]
    metrics: Sequence[str]
    perturb: Sequence[str]
    overlap: bool
    groups: str | os.PathLike[str] | None
    predictions_of: str | os.PathLike[str] | None
    ask: str | None
    train: Literal["auto", "never", "always"]
    allow_untrained: bool
    training: TrainSettings | Mapping[str, Any]
    processes: int
    checkpoints: str | os.PathLike[str]
    retry_oom: bool
    yes: bool
    quiet: bool

    # Generation
    num_beams: int
    temperature: float
    top_p: float | None
    length_penalty: float | None
    max_new_tokens: int | None

    # TrainSettings
    num_train_epochs: float | None
    learning_rate: float | None
    warmup_steps: float
    weight_decay: float
    train_batch_size: int | None
    gradient_accumulation_steps: int
    max_grad_norm: float
    optim: str
    optim_args: Mapping[str, Any]
    lr_scheduler_type: str
    lr_scheduler_kwargs: Mapping[str, Any]
    label_smoothing_factor: float
    class_weights: str
    freeze: Sequence[str]
    gradient_checkpointing: bool
    peft: str
    peft_args: Mapping[str, Any]
    mlm_probability: float
    whole_word_mask: bool
    mean_noise_span_length: float
    mixing: str
    early_stopping_patience: int | None
    report_to: Sequence[str]
    select_split: str | None
    max_train_samples: int | None
    save_minutes: float


class ScoreSettings(TypedDict, total=False):
    """Those of them that `plmtasks.score` takes."""

    data: str | os.PathLike[str] | None
    columns: Mapping[str, str]
    rows: str
    separator: str
    skip_bad_rows: bool
    trust_remote_code: bool
    split: str | None
    metrics: Sequence[str]
