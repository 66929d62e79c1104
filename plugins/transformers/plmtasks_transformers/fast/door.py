"""Which faster ways a model takes, and a look at each before it is taken."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from plmtasks.errors import ModelError, ModelWarning, summary_of

from . import kernels, learning, masks, native, readout, trees, unpadding
from .device import device_of

SHOWN = (0, 1, 2), (0, 1, 4, 6, 8)
"""The two made-up rows that a model is shown: which of the tokens that mean nothing to it. They begin alike."""
LENGTHS = tuple(map(len, SHOWN))
NEW = 3
"""Tokens that it makes of each."""


class Ways(NamedTuple):
    """The faster ways that a model in memory takes. What it does not take goes through the library's own forward and generate."""

    unpadded: bool = False
    """Rows are computed without their padding."""
    trees: bool = False
    """What rows begin with is computed once."""
    sparse: bool = False
    """In it, blocks that a tree's mask hides are left out."""
    places: bool = False
    """Logits are computed where they are read alone."""
    first_token: bool = False
    """The last layer goes over a classifier's first token alone."""
    decoding: bool = False
    """Tokens are made by a loop of ours."""
    fixed: bool = False
    """In it, steps have few fixed shapes, so that the device replays them."""
    compiled: bool = False
    """What stands between products goes by kernels of our own."""
    learned: bool = False
    """So it does while the model learns, and on the way back."""


PLAIN = Ways()
"""None of them."""
LAST = "learned", "compiled", "fixed"
"""Ways that are looked at behind the others, on which they rest."""
STILL = "sparse", "fixed"
"""Ways for a model that learns no more: what is recorded or compiled for them is worth it over many batches alone."""


def enter(module: Any, named: str, wanted: Sequence[str]) -> Ways:
    """Makes a model ready for the faster ways, in place.

    named: what the settings say: "plain" none of them, "torch" by torch's products, "onednn" by oneDNN's on a CPU, "compiled" by
        these and by kernels of our own between them
    wanted: the fields of `Ways` that its kind of request has a use for

    What is decided follows from the model's files, the settings and the library's version, and so from the identity and the class
    of machine: every process decides the same. Where a way is open to such a model and yet fails, because a library no longer has
    what it needs, the plain one is taken, with a warning.
    """
    if named == "plain":
        return PLAIN
    ways = Ways(**{name: name in wanted and name not in LAST and _holds(name, module) for name in Ways._fields})
    if ways.unpadded:
        unpadding.make_unpadded(module)
        if "learned" in wanted and _holds("learned", module):
            learning.make_learning(module)
            ways = ways._replace(learned=True)
    ways = ways._replace(compiled=named == "compiled" and _holds("compiled", module))
    if named in ("onednn", "compiled") and module.device.type == "cpu" and _holds("onednn", module):
        kernels.lay_out(module, ways.compiled)
    if ways.compiled:
        native.make_compiled(module, unpadding.attention)
    if ways.sparse or (device_of(module.device).apart and _holds("masks", module)):
        masks.make_unasked(module)
    # a step can be recorded if nobody asks about its masks
    return ways._replace(fixed="fixed" in wanted and ways.decoding and _holds("fixed", module))


def own_loop(beams: Sequence[Any] | None, ends: Sequence[tuple[int, Any]], fixed: Any, *how: Any) -> Any:
    """What `generate` is given as `custom_generate`.

    beams: (beams, length penalty, early stopping), None for one text at a time
    ends: for each row the most tokens and what stops it
    fixed: what `fixed_steps` makes of the model, None for steps that grow
    how: what `Decoding` takes besides
    """
    # here, and not above: without a private name that they need, the plain way is taken
    from .beams import BeamDecoding, Search
    from .decoding import Decoding, End

    rows = [End(*end) for end in ends]
    loop = Decoding(rows, *how) if beams is None else BeamDecoding(Search(*beams), rows, *how)
    loop.fixed = fixed
    return loop


def fixed_steps(module: Any) -> Any:
    """For `own_loop`, batch after batch."""
    from .steps import FixedSteps

    return FixedSteps(module)


_SEEN: dict[tuple[Any, ...], bool] = {}
"""What was found, for each way and shape of model: its weights change nothing about it."""


def _holds(name: str, module: Any) -> bool:
    """Whether such a model takes a way; False without a word if the way is not open to it."""
    is_open, look = LOOKS[name]
    why, found = "it gives other numbers", False
    seen = name, type(module), module.config.to_json_string(), module.dtype, module.device.type
    try:
        if not is_open(module):
            return False
        if seen not in _SEEN:
            with torch.inference_mode(), torch.random.fork_rng(devices=[]), _answering(module):
                found = look(module)
    except (MemoryError, torch.OutOfMemoryError, ModelError):
        raise  # the run ends: other processes may have had enough, or a compiler
    except Exception as e:  # noqa: BLE001  a library may do without a private name in any way
        why = f"{type(e).__name__}: {summary_of(e)}"[:200]
    if seen not in _SEEN:
        _SEEN[seen] = found
        if not found:
            warnings.warn(_told(name, module, why), ModelWarning, stacklevel=3)
    return _SEEN[seen]


def _told(name: str, module: Any, why: str) -> str:
    import transformers

    return (
        f"the faster way {name!r} is not taken for {module.config.model_type}: {why} (transformers {transformers.__version__}, "
        f"torch {torch.__version__}); answers take longer. --config kernels=plain does without all of them, and says nothing"
    )


def _rows(module: Any) -> list[np.ndarray]:
    config = module.config.get_text_config()
    named = [getattr(config, f"{name}_token_id", None) for name in ("pad", "bos", "eos")]
    special = {i for one in named for i in (one if isinstance(one, list) else [one])}
    ids = np.array([i for i in range(min(config.vocab_size, 40)) if i not in special], np.int64)
    return [ids[np.array(row) % len(ids)] for row in SHOWN]


def _padded(module: Any, rows: Sequence[np.ndarray], *, left: bool = False) -> dict[str, Any]:
    tables = trees.padded(rows, 0, left=left), trees.padded([np.ones(n, np.int64) for n in map(len, rows)], 0, left=left)
    ids, mask = (torch.from_numpy(table).to(module.device) for table in tables)
    return {"input_ids": ids, "attention_mask": mask}


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    within = 1e-3 if one.dtype in (torch.float32, torch.float64) else 0.1
    scale = max(1.0, float(one.float().abs().max()))
    return torch.allclose(one.float() / scale, other.float() / scale, rtol=within, atol=within, equal_nan=True)


def _unpadded(module: Any) -> bool:
    inputs = _padded(module, _rows(module))
    real, base = inputs["attention_mask"].bool(), module.base_model
    expected = base(**inputs)[0][real]
    same = False
    try:
        unpadding.make_unpadded(module)
        layout = unpadding.layout_of(LENGTHS, module.device, unpadding.ANSWERING)
        same = _same(expected, base(**inputs, layout=layout)[0][real])
    finally:
        if not same:
            unpadding.undo(module)
    return same


def _trees(module: Any) -> bool:
    rows = _rows(module)
    expected = module(**_padded(module, rows), use_cache=False).logits
    prefix = trees.Prefix(rows[0][:1])
    tree = trees.tree_of([row[1:] for row in rows], 1)
    logits = module(**trees.inputs_of([tree], prefix, module, 0)).logits[0]
    return all(
        _same(e[1 : len(row)], logits[torch.from_numpy(at)]) for e, row, at in zip(expected, rows, tree.places, strict=True)
    )


def _sparse(module: Any) -> bool:
    """Trees of a block and of some, side by side, both ways."""
    rows = _rows(module)
    sides = [trees.tree_of([*rows, *(np.roll(rows[1], n) for n in range(many))], 1) for many in (4, 1)]
    prefix = trees.Prefix(rows[0][:1])
    expected = module(**trees.inputs_of(sides, prefix, module, 0)).logits
    try:
        masks.make_unasked(module)
        logits = module(**trees.inputs_of(sides, prefix, module, 0, 0)).logits
    finally:
        masks.undo(module)
    return all(_same(e[: len(t.ids)], found[: len(t.ids)]) for e, found, t in zip(expected, logits, sides, strict=True))


def _places(module: Any) -> bool:
    inputs = _padded(module, _rows(module))
    if module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"]
    at = torch.tensor([1, LENGTHS[1] + 2], device=module.device)
    return _same(readout.logits_at(module, inputs, at, alone=False), readout.logits_at(module, inputs, at))


def _first_token(module: Any) -> bool:
    inputs = _padded(module, _rows(module))
    if type(module).__name__.endswith("ForMultipleChoice"):  # it counts choices by an axis of their own
        inputs = {name: rows[:, None] for name, rows in inputs.items()}
    plain = module(**inputs).logits
    with readout.first_token_alone(module, None):
        return _same(plain, module(**inputs).logits)


def _masks(module: Any) -> bool:
    inputs = _padded(module, _rows(module))
    if module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"]
    real, base = inputs["attention_mask"].bool(), module.base_model
    expected = base(**inputs)[0][real]
    try:
        masks.make_unasked(module)
        return _same(expected, base(**inputs)[0][real])
    finally:
        masks.undo(module)


def _covers(module: Any) -> bool:
    from .decoding import covers

    return covers(module)


def _decoding(module: Any) -> bool:
    """Each token made must be the likeliest by a forward pass over all that stands before it."""
    rows, apart = _rows(module), module.config.is_encoder_decoder
    inputs = _padded(module, rows, left=not apart)
    with _unruled(module):
        made = []
        for beams, prefix in ((None, None if apart else trees.Prefix(rows[0][:1])), ((2, 1.0, False), None)):
            own = own_loop(beams, [(NEW, ())] * len(rows), None, lambda made, stop: False, 0, prefix)
            made.append(module.generate(**inputs, max_new_tokens=NEW, do_sample=False, custom_generate=own))
        return all(_likeliest(module, row, new) for row, new in zip(rows, made[0], strict=True))


def _can_fix(module: Any) -> bool:
    from .steps import can

    return _covers(module) and can(module)


def _fixed(module: Any) -> bool:
    """As `_decoding`, over steps that are recorded, and then replayed for others."""
    rows, steps = _rows(module), fixed_steps(module)
    apart = module.config.is_encoder_decoder
    with _unruled(module):
        for some in (rows, rows[::-1], rows[:1]):
            own = own_loop(None, [(NEW, ())] * len(some), steps, lambda made, stop: False, 0)
            given = _padded(module, some, left=not apart)
            made = module.generate(**given, max_new_tokens=NEW, do_sample=False, custom_generate=own)
            if not all(_likeliest(module, row, new) for row, new in zip(some, made, strict=True)):
                return False
    return True


def _likeliest(module: Any, row: np.ndarray, made: Sequence[int]) -> bool:
    apart = module.config.is_encoder_decoder
    before = [module.generation_config.decoder_start_token_id] if apart else row.tolist()
    ids = torch.tensor([[*before, *made[:-1]]], device=module.device)
    read = {"input_ids": torch.from_numpy(row[None]).to(module.device), "decoder_input_ids": ids} if apart else {"input_ids": ids}
    logits = module(**read).logits[0, len(before) - 1 :].float()
    return _same(logits.amax(-1), logits.gather(1, torch.tensor(made, device=logits.device)[:, None])[:, 0])


@contextmanager
def _answering(module: Any) -> Iterator[None]:
    """Inside, nothing is dropped: adapters come in the mode of learning."""
    learning = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in learning:
            part.training = True


@contextmanager
def _unruled(module: Any) -> Iterator[None]:
    """Inside, nothing but its logits says what a model writes."""
    import transformers

    kept = module.generation_config
    start = getattr(kept, "decoder_start_token_id", None)
    start = next((i for i in (start, kept.bos_token_id, kept.pad_token_id) if i is not None), 0)
    module.generation_config = transformers.GenerationConfig(decoder_start_token_id=start, pad_token_id=0, bos_token_id=start)
    try:
        yield
    finally:
        module.generation_config = kept


def _products(module: Any) -> bool:
    torch.manual_seed(0)
    plain = torch.nn.Linear(64, 64, dtype=module.dtype)
    laid = torch.nn.Sequential(plain)
    x = torch.randn(10, 64, dtype=module.dtype)
    expected = plain(x)
    kernels.lay_out(laid)
    return _same(expected, laid(x))


def _compiled(module: Any) -> bool:
    """Numbers of the kernels beside torch's: rows, a causal row, one under a mask, a norm, an activation, logits."""
    from torch.nn import functional

    torch.manual_seed(0)
    dtype = module.dtype
    q, k, v = torch.randn(3, 2, 40, native.PART, dtype=dtype)
    mask = torch.zeros(17, 40, dtype=dtype).masked_fill_(torch.rand(17, 40) < 0.5, torch.finfo(dtype).min)
    attend, rows = functional.scaled_dot_product_attention, torch.tensor([[0, 0, 23, 23], [23, 23, 17, 17]])
    apart = [attend(q[:, part], k[:, part], v[:, part], scale=0.2) for part in (slice(23), slice(23, None))]
    pairs = [
        (native.attend(q, k, v, rows, 0.2), torch.cat(apart, 1)),
        (native.attend(q, k, v, torch.tensor([[0, 0, 40, 40]]), 0.2, causal=True), attend(q, k, v, scale=0.2, is_causal=True)),
        (native.attend(q[:, :17], k, v, torch.tensor([[0, 0, 17, 40]]), 0.2, mask), attend(q[:, :17], k, v, mask, scale=0.2)),
    ]  # fmt: skip
    norm, x = torch.nn.LayerNorm(40, dtype=dtype), torch.randn(5, 40, dtype=dtype)
    sums, firsts = native.read_off(x)
    return all(_same(expected, found.transpose(0, 1)) for found, expected in pairs) and (
        _same(norm(x + x.flip(0)), native.layer_norm(x, x.flip(0), norm))
        and _same(functional.gelu(x, approximate="tanh"), native.gelu(x.clone()))
        and _same(x.float().logsumexp(-1), sums)
        and torch.equal(x.argmax(-1), firsts)
    )


def _learned(module: Any) -> bool:
    """What the last layer makes of rows, and the gradients, beside autograd's own, by all numbers that a model learns by here."""
    config, layer = module.config, module.base_model.encoder.layer[-1]
    weights = [p for p in layer.parameters() if p.requires_grad]

    def found(dtype: torch.dtype) -> Sequence[torch.Tensor]:
        layout = unpadding.layout_of(LENGTHS, module.device)
        torch.manual_seed(0)
        x, far = torch.randn(2, 1, len(layout.tokens), config.hidden_size, dtype=torch.float32)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            made = layer.forward(x.requires_grad_(), layout=layout)  # bare rows, past the hooks
        return [made, *torch.autograd.grad((made * far).sum(), [x, *weights])]

    with torch.inference_mode(False), torch.enable_grad():
        dtypes = [dtype for dtype in native.DTYPES if native.there(dtype)]
        try:
            plain = [found(dtype) for dtype in dtypes]
            learning.make_learning(module)
            own = [found(dtype) for dtype in dtypes]
        finally:
            learning.undo(module)
    near = [[_same(a.to(dtype), b) for a, b in zip(*pair, strict=True)] for dtype, *pair in zip(dtypes, plain, own, strict=True)]
    return all(map(all, near))


LOOKS: dict[str, tuple[Callable[[Any], bool], Callable[[Any], bool]]] = {
    "unpadded": (unpadding.unpads, _unpadded),
    "trees": (lambda module: trees.packs(module.config), _trees),
    "sparse": (lambda module: device_of(module.device).sparse and trees.packs(module.config), _sparse),
    "places": (lambda module: True, _places),
    "first_token": (lambda module: module.config.model_type in readout.FIRST_TOKEN_TYPES, _first_token),
    "decoding": (_covers, _decoding),
    "fixed": (_can_fix, _fixed),
    "masks": (lambda module: module.config._attn_implementation == "sdpa", _masks),
    "onednn": (lambda module: module.dtype in (torch.float32, torch.bfloat16), _products),
    "compiled": (native.compiles, _compiled),
    "learned": (learning.learns, _learned),
}
"""Way → whether it is open to a model, and whether the model gives the same on it."""
