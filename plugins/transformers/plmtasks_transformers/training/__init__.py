"""A checkpoint that learns, and what becomes of it: frozen weights, adapters, several heads, one exported folder.

Entered when a training or an export begins: it imports torch.
"""

from .exporting import export
from .learner import learn

__all__ = ["export", "learn"]
