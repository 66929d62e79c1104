"""How languages are cut into words."""

from plmtasks.data import UNSPACED, base_language

TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
"""Language → sacrebleu's tokenizer for it alone."""


def tokenizer(code: str) -> str | None:
    """What of sacrebleu's cuts a language into words; None if nothing that it has without a download."""
    base = base_language(code)
    return TOKENIZERS.get(base) or (None if base in UNSPACED else "13a")
