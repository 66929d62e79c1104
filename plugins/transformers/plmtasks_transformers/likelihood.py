"""How likely a language model finds given tokens; the vocabulary is projected only where a token is scored."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from plmtasks.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from plmtasks.config import ModelSettings

    from .loaded import Loaded


class Sequences(NamedTuple):
    """What one request asks of a language model."""

    rows: "Sequence[np.ndarray]"
    """Token ids that a decoder reads."""
    wants: "Sequence[tuple[int, np.ndarray]]"
    """(row, token ids): the tokens to be predicted at the last places of that row."""
    source: "np.ndarray | None" = None
    """What the encoder before it reads, once for all rows."""
    cut: int = 0

    @property
    def width(self) -> int:
        return max(len(r) for r in self.rows)


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
    return token_log_likelihoods(*wanted_logits(loaded, batch), smoothing)


class Tally(NamedTuple):
    """What was found of a text's tokens."""

    log_likelihood: float
    tokens: int
    likeliest: int


def tallies(logits: "torch.Tensor", targets: "torch.Tensor", owners: "np.ndarray", count: int) -> list[Tally]:
    """The sums over the tokens of each of `count` owners.

    logits: (n, vocabulary), targets: (n,), owners: (n,), whose token it is
    """
    import numpy as np

    values, hits = (x.cpu().numpy() for x in (token_log_likelihoods(logits, targets), logits.argmax(-1) == targets))
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


def wanted_logits(loaded: "Loaded", batch: Sequence[Sequences]) -> "tuple[torch.Tensor, torch.Tensor]":
    """The logits in the place of every wanted token in turn, (tokens, vocabulary), and these tokens, (tokens,)."""
    import numpy as np
    import torch

    rows = [row for s in batch for row in s.rows]
    width = max(len(r) for r in rows)
    places, tokens = [], []
    first = 0
    for s in batch:
        for row, ids in s.wants:
            end = (first + row) * width + len(s.rows[row])
            places.append(np.arange(end - len(ids), end))
            tokens.append(ids)
        first += len(s.rows)
    at, targets = (torch.from_numpy(np.concatenate(x).astype(np.int64)).to(loaded.device) for x in (places, tokens))
    return logits_at(loaded.module, _inputs(loaded, batch, rows), at), targets


def token_log_likelihoods(logits: "torch.Tensor", targets: "torch.Tensor", smoothing: float = 0.0) -> "torch.Tensor":
    """logits: (n, vocabulary), targets: (n,); returns (n,), float32

    smoothing: the share of the target that is spread over the vocabulary
    """
    import torch

    pieces = []
    # a float32 copy of all logits at once would be the largest thing in memory
    for some, wanted in zip(logits.split(1024), targets.split(1024), strict=True):
        some = some.float()
        right = some.gather(1, wanted[:, None])[:, 0]
        if smoothing:
            right = right + smoothing * (some.mean(-1) - right)
        pieces.append(right - some.logsumexp(-1))
    return torch.cat(pieces)


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
