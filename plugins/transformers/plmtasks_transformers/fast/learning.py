"""Layers of an encoder that learn by kernels of our own between their products, and on the way back: see native_learning.h."""

import ctypes
from collections.abc import Iterator, Sequence
from types import MethodType
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from . import native, unpadding
from .dropping import Dropout

TOGETHER = 32
"""Rows whose columns are summed by one thread."""

FIRST_ALONE = "plmtasks_first_alone"
"""Attribute of a part that attends: whether first tokens alone ask, since nobody reads what others would get."""


class _Norm(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("before", "weight", "bias")),
        *((name, ctypes.c_int64) for name in ("rows", "size")),
        ("epsilon", ctypes.c_float), ("dropout", Dropout),
    )  # fmt: skip


class _Learned(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("q", "k", "v", "bias", "seen", "q_back", "k_back", "v_back")),
        *((name, ctypes.c_int64) for name in ("q_token", "k_token", "v_token")),
        ("sums", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("heads", "size", "width")),
        ("scale", ctypes.c_float), ("dropout", Dropout),
    )  # fmt: skip


class Rows(NamedTuple):
    """Rows that see themselves alone, and how."""

    at: torch.Tensor
    """Where queries and keys of each begin, and how many there are, (rows, 4), int64."""
    width: int
    """Keys of the longest."""
    heads: int
    scale: float
    dropout: Dropout


class Joint(NamedTuple):
    """How a sum is made whose norm is taken."""

    epsilon: float
    dropout: Dropout


# ── kernels ───────────────────────────────────────────────────────────────────────────────────────────────────────


Sides = Sequence[torch.Tensor]
"""Query, key and value, each (tokens, heads * d), d a multiple of `native.PART`, with any strides but the last."""


def attend(sides: Sides, bias: torch.Tensor, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """bias: what is added to all tokens' query, key and value, (3 * heads * d,), float32

    returns: what is made of them, (queries, heads * d), and what the way back needs besides
    """
    seen = sides[0].new_empty(sides[0].shape)
    sums = torch.empty(len(seen), rows.heads, dtype=torch.float32)
    _attend(sides, (bias, seen, sums), (None, None, None), rows)
    return seen, sums


def attend_back(seen_back: torch.Tensor, sides: Sides, bias: torch.Tensor, sums: torch.Tensor, rows: Rows, into: Sides) -> None:
    """Writes the gradients of the sides into tensors that lie alike."""
    _attend(sides, (bias, seen_back, sums), into, rows)


def _attend(sides: Sides, tables: Sequence[torch.Tensor], into: Sequence[Any], rows: Rows) -> None:
    """tables: the bias, what is made of the sides or its gradient, and sums"""
    bias, seen, sums = tables
    queries, keys = (int((rows.at[:, side] + rows.at[:, side + 2]).max()) for side in (0, 1))
    for side, end in ((seen, queries),) if into[0] is None else ((into[0], queries), (into[1], keys), (into[2], keys)):
        side[end:] = 0  # tokens of no row
    asked = _Learned(
        *map(native.at, (*sides, bias, seen, *into)), *(side.stride(0) for side in sides), native.at(sums), rows.heads,
        seen.shape[1] // rows.heads, rows.width, rows.scale, rows.dropout,
    )  # fmt: skip
    kernels, count = native.library(seen.dtype), ctypes.c_int64(len(rows.at))
    if not kernels.attention_learned(ctypes.byref(asked), native.at(rows.at), count, ctypes.c_int(into[0] is not None)):
        raise MemoryError("attention found no memory")


def norm(
    x: torch.Tensor, before: torch.Tensor, more: torch.Tensor, affine: Sequence[torch.Tensor], how: Joint
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of the sum of x and what is added to all its rows before, of which some is dropped, and more: (rows, size), contiguous.

    before: (size,), float32; affine: weight and bias of the norm, the same

    returns: it, and what the way back needs
    """
    out, apart, by = torch.empty_like(x), torch.empty_like(x), torch.empty(len(x), dtype=torch.float32)
    asked = _Norm(*map(native.at, (before, *affine)), *x.shape, how.epsilon, how.dropout)
    native.library(x.dtype).norm_learned(ctypes.byref(asked), *map(native.at, (x, more, out, apart, by)))
    return out, apart, by


def norm_back(
    back: torch.Tensor, apart: torch.Tensor, by: torch.Tensor, weight: torch.Tensor, how: Joint
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """returns: the gradients of x and of more, which may be one; of the norm's weight and bias and what was before, (3, size)"""
    rows, size = back.shape
    more = torch.empty_like(back)
    x = torch.empty_like(back) if how.dropout.below else None
    sums = torch.zeros(3, -(-rows // TOGETHER), size)
    asked = _Norm(None, native.at(weight), None, rows, size, how.epsilon, how.dropout)
    native.library(back.dtype).norm_back(ctypes.byref(asked), *map(native.at, (back, apart, by, more, x, sums)))
    return more if x is None else x, more, sums[:, 0]


def gelu(x: torch.Tensor, bias: torch.Tensor, by_tanh: bool) -> torch.Tensor:
    """Of x and what is added to all its rows, float32. x becomes the slope there, which the way back needs."""
    out = torch.empty_like(x)
    sizes = [ctypes.c_int64(n) for n in x.shape]
    native.library(x.dtype).gelu_learned(native.at(x), native.at(bias), native.at(out), *sizes, ctypes.c_int(by_tanh))
    return out


def gelu_back(back: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """The gradient becomes that of x, in its place. Returns the sums of its columns."""
    rows, size = back.shape
    sums = torch.zeros(-(-rows // TOGETHER), size)
    sizes = ctypes.c_int64(rows), ctypes.c_int64(size)
    native.library(back.dtype).gelu_back(native.at(back), native.at(slope), *sizes, native.at(sums))
    return sums[0]


def columns(x: torch.Tensor) -> torch.Tensor:
    """Their sums, float32, (size,)."""
    rows, size = x.shape
    sums = torch.zeros(-(-rows // TOGETHER), size)
    native.library(x.dtype).columns_summed(native.at(x), ctypes.c_int64(rows), ctypes.c_int64(size), native.at(sums))
    return sums[0]


# ── parts of a layer ──────────────────────────────────────────────────────────────────────────────────────────────


class Attended(torch.autograd.Function):
    """Query, key and value, and what attention makes of them."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, asking: torch.Tensor | None, rows: Rows, *sides: torch.Tensor) -> torch.Tensor:
        """x: (tokens, size); asking: the tokens whose queries are wanted, each another, or all; sides: weights and biases"""
        weights = [side.detach() for side in sides[::2]]
        size = len(weights[0])
        weight, bias = x.new_empty(3 * size, x.shape[1]), torch.cat([side.detach() for side in sides[1::2]])
        for part, one in zip(weight.split(size), weights, strict=True):
            part.copy_(one)
        own = x if asking is None else x.index_select(0, asking)
        made = (x @ weight.t(),) if asking is None else (own @ weight[:size].t(), x @ weight[size:].t())
        seen, sums = attend(_split(made, size), bias, rows)
        ctx.save_for_backward(x, own, asking, weight, bias, sums, *made)
        ctx.rows = rows
        return seen

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, seen_back: torch.Tensor) -> tuple[Any, ...]:
        x, own, asking, weight, bias, sums, *made = ctx.saved_tensors
        needed, size = ctx.needs_input_grad, len(weight) // 3
        backs = [torch.empty_like(one) for one in made]
        parts = _split(backs, size)
        attend_back(seen_back.contiguous(), _split(made, size), bias, sums, ctx.rows, parts)
        found: list[Any] = []
        biases = torch.cat(list(map(columns, backs))).split(size)
        for part, one, given, wanted in zip(
            parts, biases, (own, x, x), zip(needed[3::2], needed[4::2], strict=True), strict=True
        ):
            found += [_weight_back(part, given) if wanted[0] else None, one.clone() if wanted[1] else None]
        x_back = backs[-1] @ weight[-backs[-1].shape[1] :] if needed[0] else None
        if x_back is not None and asking is not None:
            x_back.index_add_(0, asking, backs[0] @ weight[:size])
        return x_back, None, None, *found


def _split(tables: Sequence[torch.Tensor], size: int) -> Sides:
    return [part for table in tables for part in table.split(size, 1)]


class Joined(torch.autograd.Function):
    """The norm of the sum of a product, of which some is dropped, and what went around it."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, more: torch.Tensor, how: Joint, *weights: torch.Tensor) -> torch.Tensor:
        """weights: of the product and of the norm, a bias after each"""
        matrix, bias, scale, shift = (weight.detach() for weight in weights)
        matrix = matrix.to(x.dtype)
        made, apart, by = norm(x @ matrix.t(), bias, more, (scale, shift), how)
        ctx.save_for_backward(x, matrix, scale, apart, by)
        ctx.how = how
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back: torch.Tensor) -> tuple[Any, ...]:
        x, matrix, scale, apart, by = ctx.saved_tensors
        own, more, sums = norm_back(back.contiguous(), apart, by, scale, ctx.how)
        x_needed, _, _, *needed = ctx.needs_input_grad
        found = _weight_back(own, x) if needed[0] else None, *_some(sums, needed[1:])
        return own @ matrix if x_needed else None, more, None, *found


class Network(torch.autograd.Function):
    """Two products with GELU between them, and the norm of the sum with what went in."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, how: Joint, by_tanh: bool, *weights: torch.Tensor) -> torch.Tensor:
        """weights: of both products and of the norm, a bias after each"""
        first, first_bias, second, second_bias, scale, shift = (weight.detach() for weight in weights)
        first, second = first.to(x.dtype), second.to(x.dtype)
        slope = x @ first.t()
        active = gelu(slope, first_bias, by_tanh)
        made, apart, by = norm(active @ second.t(), second_bias, x, (scale, shift), how)
        ctx.save_for_backward(x, first, slope, active, second, scale, apart, by)
        ctx.how = how
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back: torch.Tensor) -> tuple[Any, ...]:
        x, first, slope, active, second, scale, apart, by = ctx.saved_tensors
        own, more, sums = norm_back(back.contiguous(), apart, by, scale, ctx.how)
        x_needed, _, _, *needed = ctx.needs_input_grad
        found = _weight_back(own, active) if needed[2] else None, *_some(sums, needed[3:])
        wide_back = own @ second
        bias_back = gelu_back(wide_back, slope)
        x_back = torch.addmm(more, wide_back, first) if x_needed else None
        matrix_back = _weight_back(wide_back, x) if needed[0] else None
        return x_back, None, None, matrix_back, bias_back if needed[1] else None, *found


def _weight_back(back: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return (back.t() @ x).float()


def _some(sums: torch.Tensor, needed: Any) -> list[torch.Tensor | None]:
    """Of the bias before a norm, and of weight and bias of the norm."""
    return [one.clone() if wanted else None for one, wanted in zip((sums[2], sums[0], sums[1]), needed, strict=True)]


# ── a model's modules ─────────────────────────────────────────────────────────────────────────────────────────────


def make_learning(module: Any) -> None:
    """The layers of an encoder learn by the kernels from now on, where they can; what they save stays the same."""
    for part, name, own in _places(module):
        setattr(part, name, MethodType(own, part))


def undo(module: Any) -> None:
    """The model is as it was."""
    for part, name, _ in _places(module):
        vars(part).pop(name, None)


def learns(module: Any) -> bool:
    """Whether its layers are such as the kernels take: BERT's, on a processor that has what they need."""
    layers = getattr(getattr(module.base_model, "encoder", None), "layer", ())
    shaped = bool(layers) and all(
        hasattr(layer, "feed_forward_chunk") and not hasattr(layer.attention, "LayerNorm")
        and not getattr(layer, "add_cross_attention", False) and not getattr(layer, "is_decoder", False) for layer in layers
    )  # fmt: skip
    return shaped and module.device.type == "cpu" and module.dtype == torch.float32 and native.there(torch.float32)


def _places(module: Any) -> Iterator[tuple[Any, str, Any]]:
    """Parts of the layers, the name of what is called of them, and what is called instead."""
    for layer in module.base_model.encoder.layer:
        yield layer.attention.self, "forward", _attended
        yield layer.attention.output, "forward", _joined
        yield layer, "feed_forward_chunk", _network


def _attended(part: Any, hidden_states: torch.Tensor, attention_mask: Any = None, cache: Any = None, **kwargs: Any) -> Any:
    layout, dtype, linears = kwargs.get("layout"), _dtype(hidden_states), (part.query, part.key, part.value)
    fit = part.attention_head_size % native.PART == 0 and all(map(_is_plain, linears))
    if layout is None or dtype is None or cache is not None or not fit:
        return type(part).forward(part, hidden_states, attention_mask, cache=cache, **kwargs)
    dropout = Dropout.drawn(part.dropout.p if part.training else 0.0)
    # a row's only query where nobody reads what others of it ask, in the order of the batch
    asking = layout.firsts if getattr(part, FIRST_ALONE, False) else None
    at = layout.rows if asking is None else unpadding.first_rows(layout)
    rows = Rows(at, layout.width, part.num_attention_heads, part.scaling, dropout)
    weights = [one for linear in linears for one in _weights(linear)]
    return Attended.apply(_flat(hidden_states, dtype), asking, rows, *weights)[None], None


def _joined(part: Any, hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> torch.Tensor:
    dtype = _dtype(hidden_states)
    if dtype is None or not (_is_plain(part.dense) and _is_plain(part.LayerNorm)):
        plain: torch.Tensor = type(part).forward(part, hidden_states, input_tensor)
        return plain
    sides = _flat(hidden_states, dtype), _flat(input_tensor, dtype)
    made: torch.Tensor = Joined.apply(*sides, _joint(part), *_weights(part.dense), *_weights(part.LayerNorm))
    return made.view(input_tensor.shape)


def _network(layer: Any, attention_output: torch.Tensor) -> torch.Tensor:
    dtype, first, part = _dtype(attention_output), layer.intermediate.dense, layer.output
    by_tanh = _gelu(layer.intermediate.intermediate_act_fn)
    if dtype is None or by_tanh is None or not all(map(_is_plain, (first, part.dense, part.LayerNorm))):
        plain: torch.Tensor = type(layer).feed_forward_chunk(layer, attention_output)
        return plain
    weights = *_weights(first), *_weights(part.dense), *_weights(part.LayerNorm)
    made: torch.Tensor = Network.apply(_flat(attention_output, dtype), _joint(part), by_tanh, *weights)
    return made.view(attention_output.shape)


def _flat(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return x.reshape(-1, x.shape[-1]).to(dtype).contiguous()


def _weights(part: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return part.weight, part.bias


def _joint(part: Any) -> Joint:
    return Joint(part.LayerNorm.eps, Dropout.drawn(part.dropout.p if part.dropout.training else 0.0))


def _dtype(x: torch.Tensor) -> torch.dtype | None:
    """The numbers by which is learned now; None if not by the kernels."""
    if not torch.is_grad_enabled() or x.device.type != "cpu":
        return None
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    return dtype if dtype in native.DTYPES and native.there(dtype) else None


def _is_plain(part: Any) -> bool:
    """Whether it is what it seems, with weights of its own in float32, and nobody waits for it to be called."""
    simple = type(part) is torch.nn.Linear or (type(part) is torch.nn.LayerNorm and len(part.normalized_shape) == 1)
    return (
        simple and part.bias is not None and part.weight.dtype == torch.float32 and part.weight.shape[-1] <= native.WIDEST
        and type(part.weight.data) is torch.Tensor
        and not (part._forward_pre_hooks or part._forward_hooks or part._backward_hooks or part._backward_pre_hooks)
    )  # fmt: skip


def _gelu(part: Any) -> bool | None:
    """Whether an activation is GELU by tanh, or the exact one; None for others."""
    from transformers import activations

    if isinstance(part, activations.GELUActivation):
        return False if part.act is torch.nn.functional.gelu else None
    if isinstance(part, (activations.NewGELUActivation, activations.GELUTanh)):
        return True
    if type(part) is torch.nn.GELU:
        return bool(part.approximate == "tanh")
    return None
