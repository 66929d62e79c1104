"""Token sequences as a tree: what several of them begin with is computed once, and nothing is padded."""

import hashlib
import inspect
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch

from .device import sent
from .kernels import rounded

PACKED_TYPES = frozenset((
    "apertus", "arcee", "biogpt", "codegen", "cohere", "diffllama", "ernie4_5", "gemma", "glm", "glm4", "gpt2", "gpt_bigcode",
    "gpt_neox", "gptj", "granite", "granitemoe", "helium", "hunyuan_v1_dense", "llama", "mistral", "mixtral", "nemotron", "olmo",
    "olmo2", "olmoe", "opt", "persimmon", "phi", "phi3", "phimoe", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "seed_oss",
    "smollm3", "stablelm", "starcoder2",
))  # fmt: skip
"""Decoders that heed positions and a mask of one's own; a test holds each to what it answers row by row."""

ROW = 320
"""Tokens of a tree at most, or beside a row that has more: its mask grows with their square, and so does the attention."""
WIDE = 1024
"""The same for kernels that leave out what a mask hides: more tokens read the weights once, and share more beginnings."""
BLOCK = 128
"""Queries and keys of a block, all of which are left out together."""


def packs(config: Any) -> bool:
    """Whether such a model can be given trees: every layer sees as far back as the mask says, and takes any mask."""
    if config.model_type not in PACKED_TYPES or config._attn_implementation != "sdpa":
        return False
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    return layers == {"full_attention"} and not getattr(config, "sliding_window", None)


class Tree(NamedTuple):
    """Rows of tokens that were merged where they begin alike."""

    ids: np.ndarray
    """(tokens,)"""
    positions: np.ndarray
    """How many tokens each has before it, (tokens,)."""
    ends: np.ndarray
    """The place behind the last token that comes after each, (tokens,): it sees itself, and those before that end behind it."""
    places: Sequence[np.ndarray]
    """For each row the tree's tokens that are its own, in turn, (length of the row,)."""


def tree_of(rows: Sequence[np.ndarray], given: int = 0) -> Tree:
    """rows: token ids, each (length,)

    given: tokens that stand before all of them
    """
    # in the order of their tokens, so that those that begin alike are neighbours
    order = sorted(range(len(rows)), key=lambda i: rows[i].astype(">i4").tobytes())
    places: dict[int, np.ndarray] = {}
    pieces, positions = [], []
    ends = np.zeros(sum(map(len, rows)), np.int64)
    count, last = 0, None
    for i in order:
        same = 0 if last is None else common(rows[last], rows[i])
        before = places[last][:same] if last is not None else np.zeros(0, np.int64)
        own = rows[i][same:]
        if last is not None:
            ends[places[last][same:]] = count
        pieces.append(own)
        positions.append(np.arange(given + same, given + same + len(own)))
        places[i] = np.concatenate([before, np.arange(count, count + len(own))])
        count, last = count + len(own), i
    if last is not None:
        ends[places[last]] = count
    ids, depths = (np.concatenate(x) if x else np.zeros(0, np.int64) for x in (pieces, positions))
    return Tree(ids, depths, ends[:count], [places[i] for i in range(len(rows))])


def groups_of(rows: Sequence[np.ndarray], most: int) -> Iterator[list[int]]:
    """Neighbouring rows whose tree has no more tokens than that; or a longer row, with others that begin with most of it."""
    group: list[int] = []
    room = most
    for i, row in enumerate(rows):
        own = len(row) - (common(rows[i - 1], row) if group else 0)
        alone = bool(group) and len(rows[group[0]]) >= most and own > len(row) // 4
        if group and (own > room or alone):
            yield group
            group, room, own = [], most, len(row)
        room = most if not group and len(row) >= most else room - own
        group.append(i)
    if group:
        yield group


def micro_batches(lengths: Sequence[int], tokens: int) -> list[slice]:
    """Neighbours that are at most so many tokens when they are padded to the longest of them; 0: all."""
    bounds, widest = [0], 0
    for i, length in enumerate(lengths):
        widest = max(widest, length)
        if tokens and i > bounds[-1] and (i + 1 - bounds[-1]) * widest > tokens:
            bounds.append(i)
            widest = length
    return [slice(*ends) for ends in pairwise([*bounds, len(lengths)])]


def groups(keys: Iterable[Hashable]) -> list[list[int]]:
    """The positions of equal keys; the groups in the order in which they begin."""
    found: dict[Hashable, list[int]] = {}
    for i, key in enumerate(keys):
        found.setdefault(key, []).append(i)
    return list(found.values())


def padded(rows: Sequence[Sequence[int] | np.ndarray], fill: int, *, left: bool = False) -> np.ndarray:
    """Rows of integers padded to the widest, (rows, width), int64."""
    width = max(len(r) for r in rows)
    table = np.full((len(rows), width), fill, dtype=np.int64)
    for line, row in zip(table, rows, strict=True):
        line[slice(width - len(row), None) if left else slice(len(row))] = row
    return table


def common(a: np.ndarray, b: np.ndarray) -> int:
    """How many tokens both begin with."""
    n = min(len(a), len(b))
    differ = (a[:n] != b[:n]).nonzero()[0]
    return int(differ[0]) if len(differ) else n


class Prefix:
    """Tokens that many requests begin with, and what the model made of them: computed once."""

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = ids
        self.name = hashlib.sha256(ids.astype(">i4").tobytes()).hexdigest()[:16]
        self._states: list[tuple[torch.Tensor, torch.Tensor]] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def cache(self, module: Any, rows: int) -> Any:
        """A cache that begins with the prefix, for so many rows."""
        from transformers import DynamicCache

        if self._states is None:
            ids = sent(self.ids[None].astype("int64"), module.device)
            made = module.base_model(input_ids=ids, use_cache=True)
            held = made["cache"] if "cache" in made else made["past_key_values"]
            self._states = [(layer.keys, layer.values) for layer in held.layers]
        return DynamicCache([(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in self._states])


def shared_prefixes(rows: Sequence[Sequence[np.ndarray]], firsts: Sequence[int], names: Sequence[Any]) -> list[Prefix | None]:
    """The prefix that each request shares with the others of its name.

    rows: of each request; firsts: the token of its rows before which the prefix must end
    names: what tells which may share, None where none may

    A function of all these together; requests that have no prefix worth it get None.
    """
    found: list[Prefix | None] = [None] * len(rows)
    for members in groups(names):
        if names[members[0]] is None:
            continue
        first = rows[members[0]][0]
        length = min(firsts[i] for i in members)
        for i in members:
            for row in rows[i]:
                length = min(length, common(first[:length], row[:length]))
        if len(members) >= 2 and length >= WORTH:
            prefix = Prefix(first[:length].copy())
            for i in members:
                found[i] = prefix
    return found


def alike(rows: Sequence[Sequence[np.ndarray]], firsts: Sequence[int]) -> list[int | None]:
    """Who shares a prefix with whom, where nothing but the tokens tells: a number for each request, None where it shares none.

    rows: of each request; firsts: the token of its rows before which a prefix must end

    Of all ways to divide them, sorted, into neighbours that begin alike, the one that saves the most tokens.
    """
    heads = [
        r[0][: min(first, *(common(r[0], other) for other in r[1:]), len(r[0]))] for r, first in zip(rows, firsts, strict=True)
    ]
    order = sorted(range(len(heads)), key=lambda i: heads[i].astype(">i4").tobytes())
    found: list[int | None] = [None] * len(heads)
    for number, (begin, end) in enumerate(_families([heads[i] for i in order])):
        for i in order[begin:end]:
            found[i] = number
    return found


class _Family(NamedTuple):
    """Neighbours that begin alike."""

    length: int
    """With so many tokens."""
    begin: int
    saved: int
    """By the best division of those that were seen,"""
    parts: list[tuple[int, int]]
    """which is this."""


def _families(heads: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """(begin, end) of the neighbours that are to share a prefix. heads: sorted"""
    open_ = [_Family(0, 0, 0, [])]
    for i in range(1, len(heads) + 1):
        length, begin = common(heads[i - 1], heads[i]) if i < len(heads) else 0, i - 1
        saved, parts = 0, list[tuple[int, int]]()
        while open_[-1].length > length:
            last = open_.pop()
            saved, parts, begin = last.saved + saved, [*last.parts, *parts], last.begin
            together = (i - begin - 1) * last.length - PREFIX_COSTS
            if last.length >= WORTH and together > saved:
                saved, parts = together, [(begin, i)]
        if open_[-1].length < length:
            open_.append(_Family(length, begin, saved, parts))
        else:
            open_[-1].parts.extend(parts)
            open_[-1] = open_[-1]._replace(saved=open_[-1].saved + saved)
    return open_[0].parts


WORTH = 8
"""Tokens from which a prefix is kept."""
PREFIX_COSTS = 256
"""Tokens that are worth as much as one prefix more: its own forward pass, and batches that hold fewer requests."""


def inputs_of(trees: Sequence[Tree], prefix: Prefix | None, module: Any, fill: int, dense: int | None = None) -> dict[str, Any]:
    """What `forward` takes for trees side by side, each padded to the largest (see `kernels.rounded`); each sees the prefix.

    dense: tokens up to which a tree has its whole mask; of a longer one, blocks that the mask hides are left out. None: any
    """
    given, width = len(prefix) if prefix is not None else 0, rounded(max(len(t.ids) for t in trees))
    sparse = dense is not None and width > dense
    width = -(-width // BLOCK) * BLOCK if sparse else width  # few shapes, each of which has a kernel of its own
    ids = np.full((len(trees), width), fill, np.int64)
    positions = np.zeros((len(trees), width), np.int64)
    # padding sees itself, since a token that sees nothing is no number
    ends = np.tile(np.arange(1, width + 1), (len(trees), 1))
    for i, t in enumerate(trees):
        n = len(t.ids)
        ids[i, :n], positions[i, :n], ends[i, :n] = t.ids, t.positions, t.ends
    made: dict[str, Any] = {
        name: sent(x, module.device) for name, x in (("input_ids", ids), ("position_ids", positions), ("ends", ends))
    }
    seen = _blocks if sparse else _hidden
    made["attention_mask"] = seen(made.pop("ends"), given, module.dtype)
    if prefix is None:
        return made | {"use_cache": False}
    accepted = inspect.signature(type(module).forward).parameters
    name = "cache" if "cache" in accepted else "past_key_values"  # its name until transformers 5.23
    return made | {name: prefix.cache(module, len(trees)), "use_cache": True}


def _hidden(ends: torch.Tensor, given: int, dtype: torch.dtype) -> torch.Tensor:
    """A mask as numbers that are added, which each layer would make of it anew, (trees, 1, width, given + width).

    ends: of each token, (trees, width); given: tokens before them that all see
    """
    width = ends.shape[1]
    places = torch.arange(width, device=ends.device)
    sees = (places <= places[:, None]) & (places[:, None] < ends[:, None, :])
    hidden = torch.zeros(len(ends), 1, width, given + width, dtype=dtype, device=ends.device)
    hidden[..., given:].masked_fill_(~sees[:, None], torch.finfo(dtype).min)
    return hidden


def _blocks(ends: torch.Tensor, given: int, dtype: torch.dtype) -> Any:
    """The same mask for `masks.attention`: which blocks of keys each block of queries sees, in part or whole."""
    from torch.nn.attention.flex_attention import BlockMask

    (trees, width), keys = ends.shape, given + ends.shape[1]
    # by the places of keys, with as many at the end as fill a block, which nobody sees
    until = torch.cat([ends.new_full((trees, given), keys), ends + given, ends.new_zeros(trees, -keys % BLOCK)], 1)
    key = torch.arange(until.shape[1], device=ends.device).view(-1, BLOCK)
    first = given + torch.arange(0, width, BLOCK, device=ends.device)[:, None, None]
    last = (first + BLOCK - 1).clamp(max=keys - 1)
    over = until.view(trees, 1, -1, BLOCK)
    some, whole = ((key <= last) & (over > first)).any(-1), ((key <= first) & (over > last)).all(-1)

    def sees(tree: torch.Tensor, _head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return (key <= query + given) & (query + given < until[tree, key])

    tables = []
    for blocks in (some & ~whole, whole):
        there = blocks[:, None].int()
        tables += [there.sum(-1, dtype=torch.int32), there.argsort(dim=-1, descending=True, stable=True).int()]
    of_tables: Any = BlockMask.from_kv_blocks
    made = of_tables(*tables, BLOCK, sees, (width, keys), compute_q_blocks=False)
    made.ndim = 4  # as some models ask of any mask
    return made
