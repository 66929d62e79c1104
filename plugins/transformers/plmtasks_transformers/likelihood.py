"""How likely a language model finds given tokens; the vocabulary is projected only where a token is scored."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from plmtasks.batching import Cost
from plmtasks.errors import InputError

from .packing import PACKED_TYPES, ROW, Prefix, common, inputs_of, shared_prefixes, tree_of

if TYPE_CHECKING:
    import numpy as np
    import torch

    from plmtasks.config import ModelSettings

    from .loaded import Loaded


NEAR = 64
"""Tokens by which requests that begin alike are brought together."""


class Sequences(NamedTuple):
    """What one request asks of a language model."""

    rows: "Sequence[np.ndarray]"
    """Token ids that a decoder reads."""
    wants: "Sequence[tuple[int, np.ndarray]]"
    """(row, token ids): the tokens to be predicted at the last places of that row."""
    source: "np.ndarray | None" = None
    """What the encoder before it reads, once for all rows."""
    cut: int = 0
    prefix: "Prefix | None" = None
    """What the rows begin with; they go on from there."""

    @property
    def width(self) -> int:
        return max(len(r) for r in self.rows)

    @property
    def trunk(self) -> int:
        """How many tokens all its rows begin with."""
        return min((common(self.rows[0], r) for r in self.rows[1:]), default=0)

    @property
    def first(self) -> int:
        """The first place that predicts a wanted token, counted in its row."""
        return min(len(self.rows[row]) - len(ids) for row, ids in self.wants)


def cost(loaded: "Loaded", asked: Sequences) -> Cost:
    """What it costs to answer: what its rows begin with is computed once, where the model can."""
    if asked.source is not None:
        return Cost(width=len(asked.source) + len(asked.rows) * asked.width, cut=asked.cut)
    if not loaded.packs:
        return Cost(rows=len(asked.rows), width=asked.width, cut=asked.cut)
    shared = asked.trunk
    tokens = shared + sum(len(r) - shared for r in asked.rows)
    near = asked.rows[0][:NEAR].astype(">i4").tobytes()
    return Cost(group=asked.prefix.name if asked.prefix else "", rows=tokens, width=1, near=near, cut=asked.cut)


def learning_cost(asked: Sequences) -> Cost:
    """Rows are learned from one by one."""
    if asked.source is not None:
        return Cost(width=len(asked.source) + len(asked.rows) * asked.width, cut=asked.cut)
    return Cost(rows=len(asked.rows), width=asked.width, cut=asked.cut)


def share_prefixes(requests: "Sequence[Any]", asked: Sequence[Sequences]) -> list[Sequences]:
    """The same, without the tokens that all requests with the same instruction and shots begin with."""
    named = [(r.instruction, r.shots) if s.source is None and not s.cut else None for r, s in zip(requests, asked, strict=True)]
    prefixes = shared_prefixes([s.rows for s in asked], [s.first for s in asked], named)
    return [
        s if prefix is None else s._replace(rows=[r[len(prefix) :] for r in s.rows], prefix=prefix)
        for s, prefix in zip(asked, prefixes, strict=True)
    ]


class Places(NamedTuple):
    """Where wanted tokens are predicted."""

    logits: "torch.Tensor"
    """(places, vocabulary)"""
    at: "torch.Tensor"
    """The place of each wanted token in turn, (tokens,)."""
    targets: "torch.Tensor"
    """These tokens, (tokens,)."""


def log_likelihoods(loaded: "Loaded", batch: Sequence[Sequences]) -> list[float]:
    """The summed log-likelihood of every want of every request in turn."""
    import numpy as np

    # added on the CPU, in order: sums by index on a GPU come in any order
    values = token_values(loaded, batch).cpu().numpy()
    owners = np.repeat(np.arange(sum(len(s.wants) for s in batch)), [len(ids) for s in batch for _, ids in s.wants])
    sums: list[float] = np.bincount(owners, values, sum(len(s.wants) for s in batch)).tolist()
    return sums


def token_values(loaded: "Loaded", batch: Sequence[Sequences], smoothing: float = 0.0) -> "torch.Tensor":
    """The log-likelihood of every wanted token in turn, (tokens,), float32, with gradient where there is one."""
    return token_log_likelihoods(wanted_logits(loaded, batch), smoothing)


class Tally(NamedTuple):
    """What was found of a text's tokens."""

    log_likelihood: float
    tokens: int
    likeliest: int


def tallies(places: Places, owners: "np.ndarray", count: int) -> list[Tally]:
    """The sums over the tokens of each of `count` owners.

    owners: (tokens,), whose token each is
    """
    import numpy as np

    values, hits = (x.cpu().numpy() for x in (token_log_likelihoods(places), _likeliest(places)))
    # added on the CPU, in order: sums by index on a GPU come in any order
    sums = (np.bincount(owners, weights, count) for weights in (values, None, hits))
    return [Tally(float(value), int(n), int(hit)) for value, n, hit in zip(*sums, strict=True)]


def step(settings: "ModelSettings", limit: int) -> int:
    """Tokens by which a window moves on.

    raises: InputError if it would leave tokens out
    """
    if settings.stride > limit:
        raise InputError(f"--stride {settings.stride} is more than the {limit} tokens that the model takes", "leave it out")
    return settings.stride or limit // 2


def wanted_logits(loaded: "Loaded", batch: Sequence[Sequences]) -> Places:
    """The logits where wanted tokens are predicted: where two tokens are predicted in one place, it is computed once."""
    import numpy as np
    import torch

    tree = loaded.packs and not torch.is_grad_enabled()
    places, inputs = (_in_trees if tree else _in_rows)(loaded, batch)
    unique, at = np.unique(places, return_inverse=True)
    tokens = np.concatenate([ids for s in batch for _, ids in s.wants])
    which, here, targets = (torch.from_numpy(x.astype(np.int64)).to(loaded.device) for x in (unique, at, tokens))
    return Places(logits_at(loaded.module, inputs, which), here, targets)


def _in_trees(loaded: "Loaded", batch: Sequence[Sequences]) -> "tuple[np.ndarray, dict[str, Any]]":
    """The place of every wanted token in turn, row * width + column, and what `forward` takes."""
    import numpy as np

    prefix = batch[0].prefix
    groups: list[list[Sequences]] = []
    room = 0
    for s in batch:
        own = sum(len(r) for r in s.rows)
        if not groups or own > room:
            groups.append([])
            room = ROW
        groups[-1].append(s)
        room -= own
    trees = [tree_of([r for s in group for r in s.rows], len(prefix) if prefix is not None else 0) for group in groups]
    width = max(len(t.ids) for t in trees)
    places = []
    for i, (tree, group) in enumerate(zip(trees, groups, strict=True)):
        first = 0
        for s in group:
            places += [i * width + tree.places[first + row][-len(ids) :] for row, ids in s.wants if len(ids)]
            first += len(s.rows)
    return np.concatenate(places), dict(inputs_of(trees, prefix, loaded.module, loaded.pad_id))


def _in_rows(loaded: "Loaded", batch: Sequence[Sequences]) -> "tuple[np.ndarray, dict[str, Any]]":
    """The same, each row by itself."""
    import numpy as np

    rows = [r if s.prefix is None else np.concatenate([s.prefix.ids, r]) for s in batch for r in s.rows]
    width = max(len(r) for r in rows)
    places = []
    first = 0
    for s in batch:
        for row, ids in s.wants:
            end = (first + row) * width + len(rows[first + row])
            places.append(np.arange(end - len(ids), end))
        first += len(s.rows)
    return np.concatenate(places), _inputs(loaded, batch, rows)


def token_log_likelihoods(places: Places, smoothing: float = 0.0) -> "torch.Tensor":
    """Of each wanted token, (tokens,), float32.

    smoothing: the share of the target that is spread over the vocabulary
    """
    import torch

    some = list(_pieces(places.logits))
    sums = torch.cat([piece.float().logsumexp(-1) for piece in some])[places.at]
    right = places.logits[places.at, places.targets].float()
    if smoothing:
        means = torch.cat([piece.float().mean(-1) for piece in some])[places.at]
        right = right + smoothing * (means - right)
    return right - sums


def _likeliest(places: Places) -> "torch.Tensor":
    """Whether each wanted token is the one that the model finds likeliest in its place, (tokens,), bool."""
    import torch

    best = torch.cat([piece.amax(-1) for piece in _pieces(places.logits)])
    hits = places.logits[places.at, places.targets] == best[places.at]
    # of several that are equal the first counts; looked for where it matters alone, since argmax takes ten times as long as amax
    among = hits.nonzero()[:, 0]
    hits[among] = places.logits[places.at[among]].argmax(-1) == places.targets[among]
    return hits


def _pieces(logits: "torch.Tensor") -> "Sequence[torch.Tensor]":
    """The logits a few places at a time: a CPU's cache holds them, and no float32 copy is made of all at once."""
    most = 2**19 // logits.shape[-1] if logits.device.type == "cpu" else 1024
    return logits.split(max(1, most))


def logits_at(module: Any, inputs: dict[str, Any], places: "torch.Tensor") -> "torch.Tensor":
    """Logits at chosen places of the padded batch, (places, vocabulary).

    places: row * width + column. Where the head stands apart from the base model, only these go through it.
    """
    base, kept = module.base_model, []

    def keep(_module: Any, _args: Any, output: Any) -> Any:
        hidden = output.last_hidden_state
        output.last_hidden_state = hidden.flatten(0, 1)[places.to(hidden.device)][None]
        kept.append(True)
        return output

    hook = base.register_forward_hook(keep) if base is not module else None
    try:
        logits: torch.Tensor = module(**inputs).logits
    finally:
        if hook is not None:
            hook.remove()
    # some models go around their base model's call
    return logits[0] if kept else logits.flatten(0, 1)[places]


def _inputs(loaded: "Loaded", batch: Sequence[Sequences], rows: "Sequence[np.ndarray]") -> dict[str, Any]:
    """Decoders read right-padded rows: what follows a token cannot change it."""
    import torch

    sources = [s.source for s in batch if s.source is not None]
    if not sources:
        return loaded.inputs(rows) | {"use_cache": False}
    inputs = loaded.inputs(sources)
    encoder = loaded.module.get_encoder()
    encoded = encoder(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], return_dict=True)
    repeats = torch.tensor([len(s.rows) for s in batch], device=loaded.device)
    encoded.last_hidden_state = encoded.last_hidden_state.repeat_interleave(repeats, 0)
    return {
        "encoder_outputs": encoded,
        "attention_mask": inputs["attention_mask"].repeat_interleave(repeats, 0),
        "decoder_input_ids": loaded.rows(rows, loaded.pad_id),
        "use_cache": False,
    }
