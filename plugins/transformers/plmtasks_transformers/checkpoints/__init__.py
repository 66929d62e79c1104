"""A checkpoint's files: where they are, what they say, and how they become a model in memory.

Light to import: torch and transformers are imported when something is loaded.
"""

from .adapters import ADAPTER_BASE, ADAPTER_CONFIG, base_of, has_adapters, name_of, peft_library, weight_hashes
from .architectures import (
    ANSWERS,
    DECODER,
    ENCODER,
    HEADS,
    PREFIXED,
    SEQUENCE_TO_SEQUENCE,
    answers_of,
    family_of,
    is_regression,
    is_taught,
    memory_of,
    own_head,
)
from .checkpoint import Checkpoint
from .files import ADAPTERS, TOKENIZER, folder_name, sha256, template_of
from .files import CONFIG as CONFIG_FIELDS
from .loading import Parts, exact_limits, load_parts, parts_without_numbers, parts_without_weights
from .saving import Heads, State, save_checkpoint, save_tokenizer, share_base, view_state, writing

__all__ = [
    "ADAPTERS", "ADAPTER_BASE", "ADAPTER_CONFIG", "ANSWERS", "CONFIG_FIELDS", "DECODER", "ENCODER", "HEADS", "PREFIXED",
    "SEQUENCE_TO_SEQUENCE", "TOKENIZER", "Checkpoint", "Heads", "Parts", "State", "answers_of", "base_of", "exact_limits",
    "family_of", "folder_name", "has_adapters", "is_regression", "is_taught", "load_parts", "memory_of", "name_of", "own_head",
    "parts_without_numbers", "parts_without_weights", "peft_library", "save_checkpoint", "save_tokenizer", "sha256", "share_base",
    "template_of", "view_state", "weight_hashes", "writing",
]  # fmt: skip
