"""Requests answered and learned: one module a kind of request, with encode, cost, compute and loss side by side.

The door is light: what a kind says to the identity is known without torch. Its modules import torch, and are imported by `load`.
"""

from .kinds import identity_of, kind_of, weights_by_label
from .opening import load, prompt_of, tokens_of

__all__ = ["identity_of", "kind_of", "load", "prompt_of", "tokens_of", "weights_by_label"]
