"""The faster ways through a model, behind one door.

`enter` decides which of them a model takes; what it does not take goes through the library's own forward and generate. All that
leans on private names of transformers or torch is in here, and is looked at before it is relied on. Entered when a model is
loaded: it imports torch.
"""

from .device import Fetched, device_of, sent
from .door import PLAIN, STILL, Ways, enter, fixed_steps, own_loop
from .drawing import Draws
from .dropping import make_quick
from .readout import Found, Places, Tally, first_token_alone, found, logits_at, tallies, token_log_likelihoods
from .trees import (
    ROW,
    WIDE,
    Prefix,
    alike,
    common,
    groups,
    groups_of,
    inputs_of,
    micro_batches,
    padded,
    shared_prefixes,
    tree_of,
)
from .unpadding import ANSWERING, LEARNING, layout_of

__all__ = [
    "ANSWERING", "LEARNING", "PLAIN", "ROW", "STILL", "WIDE", "Draws", "Fetched", "Found", "Places", "Prefix", "Tally", "Ways",
    "alike", "common", "device_of", "enter", "first_token_alone", "fixed_steps", "found", "groups", "groups_of", "inputs_of",
    "layout_of", "logits_at", "make_quick", "micro_batches", "own_loop", "padded", "sent", "shared_prefixes", "tallies",
    "token_log_likelihoods", "tree_of",
]  # fmt: skip
