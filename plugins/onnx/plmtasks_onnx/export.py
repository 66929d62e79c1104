"""Weights as a graph of onnxruntime, made once and kept.

The graph is held against torch before it is kept: an exporter that takes a number of its sample for a constant says nothing.
"""

import hashlib
import inspect
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plmtasks.errors import ModelError, summary_of

from .files import WEIGHTS, Checkpoint

GRAPH = "model.onnx"
PLACES = "places.json"
"""Beside the graph: how many tokens the model has embeddings of places for; null: its places are relative."""
TOLERANCE = 1e-4
"""By which a logit may differ from torch's, beside as much of its own size."""
PROBE = ("this one is as short as that", "this is another one , and it is a good deal longer than the first one was", "no")
"""Texts of uneven length, in another number than the two that are exported with."""


def graph_of(checkpoint: Checkpoint, answers: int, *, int8: bool) -> Path:
    """The file of the graph: exported now, or found where the same weights were exported by the same versions.

    answers: the version of the model's answers
    raises: ModelError
    """
    from importlib.metadata import version

    from filelock import FileLock

    made_by = {name: version(name) for name in ("torch", "transformers", "onnxscript", "onnxruntime")}
    text = json.dumps([checkpoint.hashes(WEIGHTS), made_by, answers], sort_keys=True)
    place = cache_folder() / (hashlib.sha256(text.encode()).hexdigest()[:32] + "-int8" * int8)
    place.parent.mkdir(parents=True, exist_ok=True)
    source = graph_of(checkpoint, answers, int8=False) if int8 else None
    with FileLock(f"{place}.lock"):
        if not place.is_dir():
            with tempfile.TemporaryDirectory(dir=place.parent) as new, quiet():
                graph = Path(new, "whole", GRAPH)
                graph.parent.mkdir()
                if source is None:
                    export(checkpoint, graph)
                else:
                    round_weights(source, graph)
                    shutil.copy(source.parent / PLACES, graph.parent)
                graph.parent.rename(place)  # whole, or not at all
    return place / GRAPH


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plmtasks" / "onnx"


def export(checkpoint: Checkpoint, graph: Path) -> None:
    """raises: ModelError if the library cannot export such a model, or its graph computes something else"""
    import torch
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.folder, trust_remote_code=False)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            checkpoint.folder, use_safetensors=True, dtype=torch.float32
        ).eval()
        encoder_alone(model)
        sample, probe = inputs_of(model, tokenizer, PROBE[:2]), inputs_of(model, tokenizer, PROBE)
        free = torch.export.Dim.DYNAMIC
        torch.onnx.export(
            model, kwargs=sample, f=graph, input_names=list(sample), output_names=["logits"], dynamo=True, verbose=False,
            dynamic_shapes={name: {0: free, 1: free} for name in sample},
        )  # fmt: skip
    except Exception as e:  # exporting runs the library's code for any architecture: it may fail in any way
        raise ModelError(f"{checkpoint.name!r} cannot be exported: {summary_of(e.__cause__ or e)}") from e
    hold_together(checkpoint.name, graph, model, probe)
    (graph.parent / PLACES).write_text(json.dumps(places_of(model)), encoding="utf-8")


def encoder_alone(model: Any) -> None:
    """Decoders look for the padding among a text's tokens, to find the last one that is none.

    What token that is would be fixed in the graph, and of a text that ends in it another place would be read.

    raises: ValueError if it is no encoder
    """
    import torch

    config, ids = model.config.get_text_config(), torch.tensor([[1, 2, 3]])
    found, before = [], getattr(config, "pad_token_id", None)
    with torch.inference_mode():
        for pad in (2, 3):
            config.pad_token_id = pad
            found.append(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits)
    config.pad_token_id = before
    if model.config.is_encoder_decoder or not torch.equal(*found):
        raise ValueError(f"{type(model).__name__} is no encoder, and may take the end of a text for padding; torch computes it")


def places_of(model: Any) -> int | None:
    """The most tokens that the model has embeddings of places for, whatever it calls them and from where it counts.

    It is shown a text: the table of which it looks up one row after another, a token each, is that of places.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    found: list[int] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.nn.functional.embedding:
                rows, weight = args[0].reshape(-1, args[0].shape[-1]), args[1]
                own = rows[:, : ids.shape[1]]
                if own.shape[1] == ids.shape[1] and bool((own == own[0, 0] + torch.arange(ids.shape[1])).all()):
                    found.append(weight.shape[0] - int(own[0, 0]))
            return func(*args, **(kwargs or {}))

    ids = torch.full((1, 6), next(i for i in range(2) if i != model.config.pad_token_id))
    with torch.inference_mode(), Watch():
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return min(found, default=None)


def hold_together(name: str, graph: Path, model: Any, probe: Mapping[str, Any]) -> None:
    """raises: ModelError if the graph's logits are not the model's"""
    import torch

    with torch.inference_mode():
        wanted = model(**probe).logits.numpy()
    [found] = session_of(graph, 1, "cpu").run(["logits"], {name: value.numpy() for name, value in probe.items()})
    differ = float(abs(found - wanted).max())
    if not differ <= TOLERANCE * (1 + float(abs(wanted).max())):
        raise ModelError(f"{name!r} cannot be exported: the graph's logits differ from torch's by {differ:.2g}")


def inputs_of(model: Any, tokenizer: Any, texts: Sequence[str]) -> dict[str, Any]:
    """What the model's `forward` takes, padded."""
    accepted = inspect.signature(model.forward).parameters
    typed = "token_type_ids" in accepted and getattr(model.config, "type_vocab_size", 0) > 1
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    batch = tokenizer(list(texts), padding=True, return_tensors="pt", return_attention_mask=True, return_token_type_ids=typed)
    return {name: value for name, value in batch.items() if name in accepted}


def round_weights(source: Path, graph: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, graph, weight_type=QuantType.QInt8)


def session_of(graph: Path, threads: int, device: str) -> Any:
    """raises: ModelError if this onnxruntime does not compute on the device"""
    import onnxruntime

    provider = "CUDAExecutionProvider" if device.startswith("cuda") else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise ModelError(
            f"this onnxruntime has no {provider}",
            "pip install onnxruntime-gpu, or hide the GPU: CUDA_VISIBLE_DEVICES= plmtasks …",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    number = int(device.partition(":")[2] or 0)
    chosen: Any = (provider, {"device_id": number}) if device.startswith("cuda") else provider
    return onnxruntime.InferenceSession(graph, options, providers=[chosen])


@contextmanager
def quiet() -> Iterator[None]:
    """Exporters tell of their inside."""
    import warnings

    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
