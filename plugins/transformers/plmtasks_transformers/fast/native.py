"""Kernels of our own for processors with AVX-512, which a C compiler makes once a machine: see native.c."""

import ctypes
import hashlib
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

from plmtasks.errors import ModelError

SOURCE = Path(__file__).with_name("native.c")
PARTS = SOURCE, *(SOURCE.with_name(f"native_{part}.h") for part in ("vectors", "attention", "learning", "learning_attention"))
FLAGS = (
    "-O2", "-std=gnu11", "-fPIC", "-fopenmp", "-ffp-contract=off", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl",
)  # fmt: skip
VARIANTS = {
    "float32": ("AVX-512", ("-DFLOAT32",)),
    "bfloat16": ("AVX-512 and its products of bfloat16", ("-mavx512bf16",)),
    "tiles": ("AMX", ("-mavx512bf16", "-mamx-tile", "-mamx-bf16")),
}
"""For which numbers, by what of a processor → what it is called, and the compiler's options besides `FLAGS`."""
OPENMP = re.compile(r"/\S*/lib(?:gomp|iomp5|omp)\b[^/\s]*\.so[.\d]*$", re.MULTILINE)

DTYPES = torch.float32, torch.bfloat16
PART = 32
"""Numbers of a head, or a multiple of them: columns of a block."""
WIDEST = 8192
"""Numbers of a row whose norm is taken."""


class _Attention(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("q", "k", "v", "out")),
        *((f"{side}_{what}", ctypes.c_int64) for side in ("q", "k", "v", "out") for what in ("token", "head")),
        ("mask", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("mask_row", "heads", "shared", "size", "causal")),
        ("scale", ctypes.c_float),
    )


@cache
def library(dtype: torch.dtype) -> ctypes.CDLL:
    """The kernels for numbers of this type, compiled if they were not before.

    raises: ModelError
    """
    variant = "float32" if dtype == torch.float32 else "tiles" if has_tiles() else "bfloat16"
    needed, options = VARIANTS[variant]
    try:
        # with torch's own threads: two such libraries would each have some
        ctypes.CDLL(OPENMP.findall(Path("/proc/self/maps").read_text())[0], mode=ctypes.RTLD_GLOBAL)
        kernels = _loaded([*FLAGS, *options])
    except (OSError, subprocess.CalledProcessError, IndexError) as e:
        said = getattr(e, "stderr", "") or str(e)
        raise ModelError(
            f"kernels=compiled: the C compiler made nothing that can be used: {said.strip()[:300]}",
            "CC names another compiler (gcc is known to do)", "--config kernels=onednn does without",
        ) from e  # fmt: skip
    if not kernels.usable():
        raise ModelError(f"kernels=compiled needs a processor with {needed}", "--config kernels=onednn does without")
    return kernels


@cache
def there(dtype: torch.dtype) -> bool:
    """Whether there are kernels for such numbers here."""
    with suppress(ModelError):
        return bool(library(dtype))
    return False


def has_tiles() -> bool:
    """Whether the processor has AMX."""
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def compiles(module: Any) -> bool:
    """Whether a model can be given them. raises: ModelError if there are none"""
    return module.dtype in DTYPES and module.device.type == "cpu" and bool(library(module.dtype))


def _loaded(flags: Sequence[str]) -> ctypes.CDLL:
    """raises: OSError, CalledProcessError"""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    name = hashlib.sha256(repr(([part.read_bytes() for part in PARTS], compiler, flags)).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plmtasks" / "kernels"
    place = folder / f"{name}.so"
    if place.exists():
        return ctypes.CDLL(str(place))
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = os.access(folder, os.W_OK)  # where nothing can be kept, each process makes its own
    with tempfile.TemporaryDirectory(dir=folder if kept else None) as aside:
        parts, whole = Path(aside, "native.o"), Path(aside, "native.so")
        # linked without OpenMP's own library: what is called of it is looked for in torch's
        for command in ([*flags, "-c", SOURCE, "-o", parts], ["-shared", parts, "-o", whole, "-lm"]):
            subprocess.run([*compiler, *map(str, command)], check=True, capture_output=True, text=True)
        kernels = ctypes.CDLL(str(whole))
        if kept:
            whole.replace(place)  # others may be at it too: the last one stays, and all are alike
    return kernels


def attend(  # noqa: PLR0913  what attention is made of
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: torch.Tensor, scale: float,
    mask: torch.Tensor | None = None, *, causal: bool = False,
) -> torch.Tensor:  # fmt: skip
    """Attention of rows, each of which sees itself alone. Tokens of no row are zero.

    query: (heads, tokens, d), float32 or bfloat16, d a multiple of `PART`, with any strides but the last
    key, value: the same, or fewer heads, of which some of the queries' share one
    rows: where its queries and its keys begin, and how many there are, (rows, 4), int64
    mask: added to the scores of the only row, (queries, keys); causal: the last query sees all keys, each before one less

    returns: (tokens, heads, d)
    """
    heads, tokens, size = query.shape
    out = query.new_empty(tokens, heads, size)
    end = int(rows[-1, 0] + rows[-1, 2])
    out[end:] = 0
    strides = [step for x in (query, key, value, out.transpose(0, 1)) for step in (x.stride(1), x.stride(0))]
    masked = (0, 0) if mask is None else (mask.data_ptr(), mask.stride(0))
    asked = _Attention(
        *(x.data_ptr() for x in (query, key, value, out)), *strides, *masked, heads, heads // key.shape[0], size, causal, scale
    )
    if not library(query.dtype).attend(ctypes.byref(asked), at(rows), ctypes.c_int64(len(rows))):
        raise MemoryError("attention found no memory")
    return out


def layer_norm(x: torch.Tensor, more: torch.Tensor | None, norm: torch.nn.LayerNorm) -> torch.Tensor:
    """Of x, or of the sum of both: (…, size), contiguous."""
    out, size = torch.empty_like(x), x.shape[-1]
    sides = [at(one) for one in (x, more, norm.weight, norm.bias, out)]
    library(x.dtype).layer_norm(*sides, ctypes.c_int64(x.numel() // size), ctypes.c_int64(size), ctypes.c_float(norm.eps))
    return out


def gelu(x: torch.Tensor) -> torch.Tensor:
    """By tanh, in the place of x, which is contiguous."""
    library(x.dtype).gelu(at(x), ctypes.c_int64(x.numel()))
    return x


def read_off(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each row the logarithm of the sum of all likelihoods, float32, and the first place of the greatest logit, (rows,).

    logits: (rows, vocabulary), contiguous
    """
    rows, width = logits.shape
    tops, sums = torch.empty(2, rows, dtype=torch.float32)
    firsts = torch.empty(rows, dtype=torch.int64)
    library(logits.dtype).read_off(at(logits), ctypes.c_int64(rows), ctypes.c_int64(width), at(tops), at(firsts), at(sums))
    return sums.log_().add_(tops), firsts


def at(x: torch.Tensor | None) -> ctypes.c_void_p:
    """Where its numbers lie."""
    return ctypes.c_void_p(None if x is None else x.data_ptr())


# ── a model's modules ─────────────────────────────────────────────────────────────────────────────────────────────

NAME = "plmtasks_compiled"
"""Of the attention, as transformers knows it."""
FEW = 16
"""Queries below which torch's kernel attends: a tile of AMX has so many."""


def make_compiled(module: Any, otherwise: Any) -> None:
    """Norms, sums before them and attention of a model that only answers, in place, by the kernels.

    otherwise: the attention for what they do not do, as transformers calls it
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    def attention(
        part: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: torch.Tensor | None, **kwargs: Any
    ) -> Any:
        found = _attended(part, (query, key, value), attention_mask, kwargs)
        return otherwise(part, query, key, value, attention_mask, **kwargs) if found is None else (found, None)

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    module.set_attn_implementation(NAME)
    for parent in module.modules():
        norm = getattr(parent, "LayerNorm", None)
        if _is_plain(parent):
            parent.forward = _normed(parent)
        elif _is_plain(norm) and set(dict(parent.named_children())) == {"dense", "LayerNorm", "dropout"}:
            # what ends half a layer of an encoder like BERT's: a product, and the norm of its sum with what came in
            parent.forward = _joined(parent)


def _is_plain(part: Any) -> bool:
    """Whether it is a norm that the kernel takes."""
    plain = type(part) is torch.nn.LayerNorm and part.bias is not None and len(part.normalized_shape) == 1
    return plain and part.weight.dtype in DTYPES and part.normalized_shape[0] <= WIDEST


def _normed(norm: torch.nn.LayerNorm) -> Any:
    before = norm.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        return layer_norm(x.contiguous(), None, norm) if x.dtype == norm.weight.dtype else before(x)

    return forward


def _joined(part: Any) -> Any:
    def forward(hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> torch.Tensor:
        return layer_norm(part.dense(hidden_states), input_tensor.contiguous(), part.LayerNorm)

    return forward


class Gelu(torch.nn.Module):
    """By tanh, of what a product has just made."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return gelu(x)


def _attended(part: Any, sides: Sequence[torch.Tensor], mask: torch.Tensor | None, how: dict[str, Any]) -> torch.Tensor | None:
    """sides: query, key and value, (batch, heads, tokens, d)

    returns: (batch, tokens, heads, d); None for what the kernels do not do
    """
    query, key, value = sides
    batch, _, queries, size = query.shape
    layout, keys = how.get("layout"), key.shape[2]
    fit = query.dtype in DTYPES and size % PART == 0 and all(x.stride(3) == 1 and x.shape[3] == size for x in sides)
    if not fit or torch.is_grad_enabled() or how.get("position_bias") is not None or how.get("softcap") is not None:
        return None
    scaling = how.get("scaling")
    scale = size**-0.5 if scaling is None else scaling
    if layout is not None:
        return attend(query[0], key[0], value[0], layout.rows, scale)[None]
    said = how.get("is_causal")
    causal = mask is None and bool(getattr(part, "is_causal", True) if said is None else said)
    of_one = mask is not None and mask.dtype == query.dtype and mask.shape == (1, 1, queries, keys) and mask.stride(3) == 1
    shared = mask is None or (batch == 1 and of_one)
    apart = [x.stride(0) % x.stride(2) == 0 for x in sides]
    if queries < FEW or not shared or (causal and queries != keys) or not all(apart):
        return None
    firsts = [torch.arange(batch) * (x.stride(0) // x.stride(2)) for x in sides]
    if not torch.equal(firsts[1], firsts[2]) or (batch > 1 and not torch.equal(firsts[0], torch.arange(batch) * queries)):
        return None
    rows = torch.stack([*firsts[:2], torch.full_like(firsts[0], queries), torch.full_like(firsts[0], keys)], 1)
    # the tokens of all rows are one behind another
    flat = query[0].as_strided((query.shape[1], batch * queries, size), (query.stride(1), query.stride(2), 1))
    hidden = None if mask is None else mask[0, 0]
    made = attend(flat, key[0], value[0], rows, scale, hidden, causal=causal)
    return made.view(batch, queries, *made.shape[1:])
