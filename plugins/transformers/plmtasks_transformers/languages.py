"""What models call a language: by name, by NLLB's code, by a token of their own."""

import re
from typing import Any

from plmtasks.errors import ModelError

LANGUAGES = {
    "ar": ("Arabic", "arb_Arab"), "bg": ("Bulgarian", "bul_Cyrl"), "bn": ("Bengali", "ben_Beng"),
    "cs": ("Czech", "ces_Latn"), "da": ("Danish", "dan_Latn"), "de": ("German", "deu_Latn"),
    "el": ("Greek", "ell_Grek"), "en": ("English", "eng_Latn"), "es": ("Spanish", "spa_Latn"),
    "et": ("Estonian", "est_Latn"), "fa": ("Persian", "pes_Arab"), "fi": ("Finnish", "fin_Latn"),
    "fr": ("French", "fra_Latn"), "ha": ("Hausa", "hau_Latn"), "he": ("Hebrew", "heb_Hebr"),
    "hi": ("Hindi", "hin_Deva"), "hr": ("Croatian", "hrv_Latn"), "hu": ("Hungarian", "hun_Latn"),
    "id": ("Indonesian", "ind_Latn"), "is": ("Icelandic", "isl_Latn"), "it": ("Italian", "ita_Latn"),
    "ja": ("Japanese", "jpn_Jpan"), "kk": ("Kazakh", "kaz_Cyrl"), "km": ("Khmer", "khm_Khmr"),
    "ko": ("Korean", "kor_Hang"), "lt": ("Lithuanian", "lit_Latn"), "lv": ("Latvian", "lvs_Latn"),
    "mk": ("Macedonian", "mkd_Cyrl"), "my": ("Burmese", "mya_Mymr"), "ne": ("Nepali", "npi_Deva"),
    "nl": ("Dutch", "nld_Latn"), "no": ("Norwegian", "nob_Latn"), "pl": ("Polish", "pol_Latn"),
    "ps": ("Pashto", "pbt_Arab"), "pt": ("Portuguese", "por_Latn"), "ro": ("Romanian", "ron_Latn"),
    "ru": ("Russian", "rus_Cyrl"), "sk": ("Slovak", "slk_Latn"), "sl": ("Slovenian", "slv_Latn"),
    "sr": ("Serbian", "srp_Cyrl"), "sv": ("Swedish", "swe_Latn"), "sw": ("Swahili", "swh_Latn"),
    "ta": ("Tamil", "tam_Taml"), "th": ("Thai", "tha_Thai"), "tr": ("Turkish", "tur_Latn"),
    "uk": ("Ukrainian", "ukr_Cyrl"), "ur": ("Urdu", "urd_Arab"), "vi": ("Vietnamese", "vie_Latn"),
    "zh": ("Chinese", "zho_Hans"),
}  # fmt: skip
"""ISO 639-1 → (English name, code of NLLB)"""


def language_name(code: str) -> str:
    return LANGUAGES[code][0] if code in LANGUAGES else code


def language_token(tokenizer: Any, code: str) -> tuple[str, int]:
    """The name that a multilingual tokenizer has for a language, and the token id that starts a text in it.

    code: ISO 639-1
    raises: ModelError
    """
    vocabulary = tokenizer.get_vocab()
    own = getattr(tokenizer, "lang_token_to_id", {})  # M2M100 keeps its languages beside the vocabulary
    if f"__{code}__" in own:
        return code, int(own[f"__{code}__"])
    wanted = LANGUAGES[code][1] if code in LANGUAGES else code
    if wanted in vocabulary:
        return wanted, int(vocabulary[wanted])
    regional = sorted(token for token in vocabulary if re.fullmatch(f"{code}_[A-Z]{{2}}", token))  # mBART: de_DE, en_XX
    if regional:
        return regional[0], int(vocabulary[regional[0]])
    raise ModelError(f"the model's tokenizer knows no language {code!r}")
