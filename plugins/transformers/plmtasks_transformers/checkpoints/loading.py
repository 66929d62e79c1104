"""Weights and tokenizer from a folder into memory."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from plmtasks.config import ModelSettings
from plmtasks.errors import ModelError
from plmtasks.model import reading
from plmtasks.requests import Classify, Regress, Request, Tag

from . import adapters
from .architectures import names_of, own_head, same_labels
from .checkpoint import Checkpoint
from .limits import UNCUT, Limit, limits_of, lm_eval_limit, stated_limits
from .saving import read_head


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A checkpoint in memory, and how it is to be used."""

    name: str
    family: str
    module: Any
    """A transformers model with the head for one kind of request."""
    tokenizer: Any
    settings: ModelSettings
    limit: Limit = UNCUT
    """Of what it reads."""
    written: Limit = UNCUT
    """Of what a decoder behind an encoder writes; of other models the same."""
    newly_initialized: tuple[str, ...] = ()
    parameters: int | None = None
    adapters: Any = None
    """The peft model around the module, if it has adapters."""


def load_parts(
    checkpoint: Checkpoint, library_class: str, example_request: Request, settings: ModelSettings, device: str
) -> Parts:
    """A checkpoint in memory with the head for requests like `example_request`.

    A head that the checkpoint does not have is initialized from `settings.seed` alone: every process makes the same.

    library_class: the library's class that loads the weights with such a head
    raises: ModelError
    """
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folder, head = checkpoint.folder(settings), checkpoint.head(example_request)
    dtype = "float32" if settings.dtype == "auto" else settings.dtype
    args = {"use_safetensors": True, "dtype": getattr(torch, dtype), **settings.model_args}
    args["trust_remote_code"] = settings.trust_remote_code
    with reading(checkpoint.name, folder):
        tokenizer, config = _tokenizer(folder, settings), _config(folder / (head or ""), settings)
        if isinstance(example_request, (Classify, Regress, Tag)):
            _relabel(config, example_request)
        base = _base_of(checkpoint, folder, example_request) if adapters.has_adapters(folder) else folder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            module, info = _loader(library_class, config).from_pretrained(
                base, config=config, output_loading_info=True, ignore_mismatched_sizes=True, **args
            )
            shapes = {name: (tuple(found), tuple(wanted)) for name, found, wanted in info["mismatched_keys"]}
            fresh = {*info["missing_keys"], *shapes}
            if own_head(checkpoint.family, example_request) and head is None:
                fresh |= _renew_head(module)
        if head:
            fresh -= read_head(module, folder / head)
        _place_rows(module)
        adapted = adapters.load(module, folder) if base != folder else None
        fresh -= adapters.restored(folder) if adapted is not None else set()
        tokenizer("a text")  # a damaged one fails here, and not at some example
    if head is not None and (wrong := sorted(fresh.intersection(shapes))):
        found, wanted = shapes[wrong[0]]
        raise ModelError(f"the weights {wrong[0]} of {checkpoint.name!r} are {found}, its config.json says {wanted}")
    if "device_map" not in args:
        module.to(device)
    limit, written = limits_of(module, tokenizer)
    return Parts(
        name=checkpoint.name, family=checkpoint.family, module=module, tokenizer=tokenizer, settings=settings,
        limit=limit, written=written, newly_initialized=tuple(sorted(fresh)), adapters=adapted,
        parameters=sum(p.numel() for p in module.parameters()),
    )  # fmt: skip


def parts_without_weights(checkpoint: Checkpoint, settings: ModelSettings) -> Parts:
    """Configuration and tokenizer alone: what prompts are made of.

    raises: ModelError
    """
    folder = checkpoint.folder(settings)
    with reading(checkpoint.name, folder):
        module, tokenizer = SimpleNamespace(config=_config(folder, settings)), _tokenizer(folder, settings)
    return Parts(name=checkpoint.name, family=checkpoint.family, module=module, tokenizer=tokenizer, settings=settings)


def parts_without_numbers(checkpoint: Checkpoint, library_class: str, example_request: Request, settings: ModelSettings) -> Parts:
    """As `load_parts`, but that the weights have a shape and no numbers: enough to make tokens.

    raises: ModelError
    """
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    folder = checkpoint.folder(settings)
    with reading(checkpoint.name, folder):
        tokenizer = _tokenizer(folder, settings)
        config = _config(folder / (checkpoint.head(example_request) or ""), settings)
        if isinstance(example_request, (Classify, Regress, Tag)):
            _relabel(config, example_request)
        with torch.device("meta"):
            module = _loader(library_class, config).from_config(config, trust_remote_code=settings.trust_remote_code)
    limit, written = stated_limits(config, tokenizer)
    return Parts(
        name=checkpoint.name, family=checkpoint.family, module=module, tokenizer=tokenizer, settings=settings, limit=limit,
        written=written,
    )  # fmt: skip


def exact_limits(parts: Parts) -> tuple[Limit, Limit]:
    """Those of exact prompts, as lm-eval has them: what is read, and what a decoder behind an encoder writes."""
    config, tokenizer = parts.module.config, parts.tokenizer
    return lm_eval_limit(config, tokenizer, parts.limit), lm_eval_limit(config, tokenizer, parts.written)


def _config(folder: Path, settings: ModelSettings) -> Any:
    import transformers

    return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)


def _tokenizer(folder: Path, settings: ModelSettings) -> Any:
    import transformers

    return transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)


def _loader(name: str, config: Any) -> Any:
    """The library's class of that name; of models that read images too, and are no other's, the one that has them whole."""
    import transformers
    from transformers.models.auto import modeling_auto as known

    images = known.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.keys() - known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.keys()
    whole = name == "AutoModelForCausalLM" and config.model_type in images
    return transformers.AutoModelForImageTextToText if whole else getattr(transformers, name)


def _base_of(checkpoint: Checkpoint, folder: Path, example_request: Request) -> Path:
    if checkpoint.newly_initialized(example_request):
        raise ModelError(
            f"the adapters in {folder} have no head for such a {example_request.kind()} request",
            *checkpoint.instead(example_request),
        )
    return adapters.base_of(folder)


def _relabel(config: Any, example_request: Classify | Regress | Tag) -> None:
    """Names the head's columns: as the checkpoint does, or as the request does where it has no head for what is asked."""
    labels = names_of(config.id2label)
    if not same_labels({"id2label": config.id2label, "problem_type": config.problem_type}, example_request):
        # a number's one column has the name that the library gives to what nobody named
        labels = ["LABEL_0"] if isinstance(example_request, Regress) else list(example_request.labels)
        if isinstance(example_request, Regress):
            config.problem_type = "regression"
        elif isinstance(example_request, Classify):
            config.problem_type = "multi_label_classification" if example_request.multi_label else "single_label_classification"
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: i for i, label in enumerate(labels)}  # a checkpoint's own may say something else, or nothing


def _place_rows(module: Any) -> None:
    """Weights of one row move to where torch would put them, as they lie in a model that has learned.

    MKL sums a product with one row in an order that depends on where it begins, and a file's tensors begin anywhere.
    """
    for p in module.parameters():
        if p.shape[:1] == (1,) and p.data_ptr() % 64:
            p.data = p.data.clone()


def _renew_head(module: Any) -> set[str]:
    """Initializes all that is not the base model, though the checkpoint had weights of that shape: they meant other labels."""
    import torch

    base = {id(p) for p in module.base_model.parameters()}
    with torch.no_grad():
        for part in module.modules():
            own = [p for p in part.parameters(recurse=False) if id(p) not in base]
            for p in own:
                p._is_hf_initialized = False  # the mark of a weight that was read
            if own:
                module._init_weights(part)
    return {name for name, p in module.named_parameters() if id(p) not in base}
