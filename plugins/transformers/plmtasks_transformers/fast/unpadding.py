"""Rows of unlike length through an encoder's layers without their padding."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from . import masks
from .device import device_of, sent
from .dropping import dropped
from .kernels import rounded

UNPADDED_TYPES = frozenset((
    "bert", "camembert", "data2vec-text", "distilbert", "electra", "ernie", "roberta", "roberta-prelayernorm", "xlm-roberta",
    "xlm-roberta-xl",
))  # fmt: skip
"""Encoders whose layers know a token's place by its embedding alone, and see others by attention alone; a test holds each to
what it gives with padding."""

NAME = "plmtasks_rows"
"""Of the attention, as transformers knows it."""

HOOKS = "plmtasks_hooks"
"""Attribute of the first layer: what drops the padding there and puts it back behind the last."""

LEARNING, ANSWERING = 0.5, 1.0
"""Rows narrower than this share of the widest have an attention of their own. That costs what their padding would while a model
learns, and next to nothing while it answers."""


SHORT = 64
"""Tokens of a row up to which plain products attend faster than torch's kernel: 0.9 ms beside 1.8 for 25 tokens, 1.3 beside 1.7
for 50, 9 beside 7 for 320 (1,024 tokens, an AMD EPYC with AVX-512). In bfloat16 they would round the scores, and gain little."""


class Group(NamedTuple):
    """Rows of like length, padded to the widest for the attention alone."""

    tokens: int
    rows: int
    width: int
    at: torch.Tensor
    """Each token's place in the padded rows, (tokens,)."""
    mask: torch.Tensor | None
    """Added to the scores, (rows, 1, width); None where nothing is padded."""


class Layout(NamedTuple):
    """Where padded rows' tokens stand once the padding is gone: the longest rows first."""

    tokens: torch.Tensor
    """Each token's place in the padded batch, row * width + column, (tokens,); some more at the end, which nobody reads, where a
    model answers or learns in bfloat16: see `kernels.rounded`."""
    firsts: torch.Tensor
    """Where each row of the batch begins among the tokens, (rows,)."""
    groups: Sequence[Group]
    """On a CPU."""
    rows: torch.Tensor
    """For each row, the longest first, where its queries and keys begin, and how many there are, (rows, 4); on the host."""
    bounds: torch.Tensor
    """Where each begins, and where the last ends, (rows + 1,), int32."""

    @property
    def width(self) -> int:
        """Tokens of the longest row."""
        return int(self.rows[0, 2])

    @property
    def real(self) -> int:
        """Tokens without those at the end."""
        return int(self.rows[-1, 0] + self.rows[-1, 2])


def unpads(module: Any) -> bool:
    """Whether this can be done: on a CPU, and where a GPU has an attention of bare rows, which is one of half precision."""
    config = module.config
    there = module.device.type == "cpu" or (module.device.type == "cuda" and module.dtype in (torch.bfloat16, torch.float16))
    return config.model_type in UNPADDED_TYPES and config._attn_implementation == "sdpa" and there


def make_unpadded(module: Any) -> None:
    """From now on the model also takes `layout`, beside the padded batch that it describes."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, masks.mask if device_of(module.device).apart else sdpa_mask)
    module.set_attn_implementation(NAME)
    layers = _layers(module)
    if not getattr(layers[0], HOOKS, ()):  # modules with several heads share their layers
        drop = layers[0].register_forward_pre_hook(_drop_padding, with_kwargs=True)
        setattr(layers[0], HOOKS, (drop, layers[-1].register_forward_hook(_put_back, with_kwargs=True)))


def undo(module: Any) -> None:
    """The model is as it was."""
    module.set_attn_implementation("sdpa")
    first = _layers(module)[0]
    for hook in getattr(first, HOOKS, ()):
        hook.remove()
    setattr(first, HOOKS, ())


def _layers(module: Any) -> Any:
    return module.base_model.get_submodule("transformer" if module.config.model_type == "distilbert" else "encoder").layer


def layout_of(lengths: Sequence[int], device: torch.device, alike: float = LEARNING) -> Layout:
    """lengths: of the rows of a batch that is padded to the longest"""
    width = max(lengths)
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    tokens = np.concatenate([np.arange(i * width, i * width + lengths[i]) for i in order])
    groups: list[list[int]] = []
    for i in order:
        if not groups or lengths[i] < alike * lengths[groups[-1][0]]:
            groups.append([])
        groups[-1].append(i)
    sizes = np.array([lengths[i] for i in order])
    firsts = np.empty(len(order), np.int64)
    firsts[order] = sizes.cumsum() - sizes
    if alike == ANSWERING or torch.is_autocast_enabled("cpu"):
        tokens = np.pad(tokens, (0, rounded(len(tokens)) - len(tokens)))
    bounds = np.concatenate([[0], sizes.cumsum()])
    rows = torch.from_numpy(np.stack([bounds[:-1], bounds[:-1], sizes, sizes], 1))
    alike_rows = [] if device_of(device).apart else [_group([lengths[i] for i in g]) for g in groups]
    places, begins, ends = (sent(x, device) for x in (tokens, firsts, bounds.astype(np.int32)))
    return Layout(places, begins, alike_rows, rows, ends)


def _group(lengths: Sequence[int]) -> Group:
    width = lengths[0]
    real = torch.arange(width) < torch.tensor(lengths)[:, None]
    mask = None if real.all() else torch.zeros(real.shape).masked_fill(~real, -torch.inf)[:, None]
    return Group(sum(lengths), len(lengths), width, real.flatten().nonzero()[:, 0], mask)


def _drop_padding(_layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    layout: Layout | None = kwargs.get("layout")
    if layout is None:
        return None
    return (_picked(args[0].flatten(0, 1), layout.tokens, layout.real)[None], *args[1:]), kwargs


def _put_back(_layer: Any, _args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
    layout: Layout | None = kwargs.get("layout")
    if layout is None or output.shape[1] != len(layout.tokens):  # a classifier goes on with first tokens, which are in rows
        return None
    rows, width = len(layout.rows), layout.width
    return _spread(output[0, : layout.real], layout.tokens[: layout.real], rows * width).unflatten(0, (rows, width))


def first_tokens(states: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(1, tokens, d) → (rows, 1, d), in the order of the batch; what is of first tokens alone already is as it is"""
    if states.shape[1] == len(layout.rows):
        return states[0][:, None]
    return _picked(states[0], layout.firsts)[:, None]


def first_rows(layout: Layout) -> torch.Tensor:
    """As `Layout.rows`, where the only query of a row is its first token, the batch's first row's the first."""
    rows = layout.rows.clone()
    rows[:, 0], rows[:, 2] = layout.firsts.argsort(), 1
    return rows


def attention(  # noqa: PLR0913  as transformers calls it
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: torch.Tensor | None,
    dropout: float = 0.0, scaling: float | None = None, **kwargs: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """Each row of a layout sees itself alone.

    query, key, value: (1, heads, tokens, d), or padded rows where there is no layout
    returns: (1, tokens, heads, d)
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    layout: Layout | None = kwargs.pop("layout", None)
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if device_of(query.device).apart:
        return _by_bounds(layout, [x[0].transpose(0, 1) for x in (query, key, value)], scale)[None], None
    if not torch.is_grad_enabled() and all(g.mask is None for g in layout.groups):
        return _answering(layout, [x[0].transpose(0, 1) for x in (query, key, value)], scale)[None], None
    sides, rest = torch.stack([x[0].transpose(0, 1) for x in (query, key, value)], 1), len(layout.tokens) - layout.real
    parts = sides[: layout.real].split([g.tokens for g in layout.groups])
    made = [_within(group, part, scale, dropout) for group, part in zip(layout.groups, parts, strict=True)]
    return torch.cat([*made, sides.new_zeros(rest, *sides.shape[2:])])[None], None


def _answering(layout: Layout, sides: Sequence[torch.Tensor], scale: float) -> torch.Tensor:
    """sides: query, key and value, each (tokens, heads, d), where no row is padded; returns: (tokens, heads, d)"""
    made, first = [], 0
    for group in layout.groups:
        q, k, v = (x[first : first + group.tokens].unflatten(0, (group.rows, group.width)).transpose(1, 2) for x in sides)
        if group.width <= SHORT and q.dtype == torch.float32:
            seen = (q @ k.transpose(2, 3)).mul_(scale).softmax(-1) @ v
        else:
            seen = scaled_dot_product_attention(q, k, v, scale=scale)
        made.append(seen.transpose(1, 2).flatten(0, 1))
        first += group.tokens
    made.append(sides[0].new_zeros(len(layout.tokens) - first, *sides[0].shape[1:]))
    return torch.cat(made)


def _by_bounds(layout: Layout, sides: Sequence[torch.Tensor], scale: float) -> torch.Tensor:
    """By the GPU's own attention of bare rows. sides: query, key and value, each (tokens, heads, d); returns: the same"""
    from torch.nn.attention.varlen import varlen_attn

    query, key, value = (x[: layout.real].contiguous() for x in sides)
    bounds, width = layout.bounds, layout.width
    seen: Any = varlen_attn(query, key, value, bounds, bounds, width, width, scale=scale)
    whole: torch.Tensor = torch.cat([seen, seen.new_zeros(len(layout.tokens) - layout.real, *seen.shape[1:])])
    return whole


def _within(group: Group, part: torch.Tensor, scale: float, dropout: float) -> torch.Tensor:
    """part: query, key and value of a group's tokens, (tokens, 3, heads, d); returns: (tokens, heads, d)"""
    _, _, heads, d = part.shape
    padded = part if group.mask is None else _spread(part, group.at, group.rows * group.width)
    # the heads before the places, so that each head of each row is one product
    sides = padded.view(group.rows, group.width, 3, heads, d).permute(2, 0, 3, 1, 4).reshape(3, -1, group.width, d)
    q, k, v = sides.unbind()
    if group.mask is None:
        scores = torch.bmm(q, k.transpose(1, 2)) * scale
    else:
        scores = torch.baddbmm(group.mask.to(q.dtype).repeat_interleave(heads, 0), q, k.transpose(1, 2), alpha=scale)
    seen = torch.bmm(dropped(scores.softmax(-1), dropout), v)
    rows = seen.view(group.rows, heads, group.width, d).transpose(1, 2).reshape(-1, heads, d)
    return rows if group.mask is None else _picked(rows, group.at)


def _spread(x: torch.Tensor, at: torch.Tensor, places: int) -> torch.Tensor:
    """Rows of x at these places of so many, zeros elsewhere."""
    return x.new_zeros(places, *x.shape[1:]).index_copy(0, at, x)


def _picked(x: torch.Tensor, at: torch.Tensor, real: int | None = None) -> torch.Tensor:
    """The rows of x at these places, each another; behind so many, those that nobody reads."""

    class Picked(torch.autograd.Function):
        """torch's own adds gradients up row by row, since places could come twice."""

        @staticmethod
        def forward(ctx: Any, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(at)
            ctx.places = len(x)
            return x.index_select(0, at)

        @staticmethod
        def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
            [at] = ctx.saved_tensors
            return _spread(gradients[0][:real], at[:real], ctx.places), None

    picked: torch.Tensor = Picked.apply(x, at)
    return picked
