"""What multilingual models call a language: by its two letters, by NLLB's code, by a language and a region."""

import re
from typing import Any

from plmtasks.data import LANGUAGES, base_language
from plmtasks.errors import ModelError


def language_token(tokenizer: Any, code: str) -> tuple[str, int]:
    """The name that a multilingual tokenizer has for a language, and the token id that starts a text in it.

    code: ISO 639-1; a script or region that the model does not tell apart is left away
    raises: ModelError
    """
    vocabulary = tokenizer.get_vocab()
    own = getattr(tokenizer, "lang_token_to_id", {})  # M2M100 keeps its languages beside the vocabulary
    for wanted in dict.fromkeys((code, base_language(code))):
        if f"__{wanted}__" in own:
            return wanted, int(own[f"__{wanted}__"])
        regional = sorted(token for token in vocabulary if re.fullmatch(f"{wanted}_[A-Z]{{2}}", token))  # mBART: de_DE, en_XX
        for name in (LANGUAGES[wanted][1] if wanted in LANGUAGES else wanted, *regional):
            if "_" in name and name in vocabulary:  # without it, a piece of a word
                return name, int(vocabulary[name])
    raise ModelError(f"the model's tokenizer knows no language {code!r}")
