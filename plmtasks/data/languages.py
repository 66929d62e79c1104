"""What languages are called, by their codes, and where their words begin and end, by Unicode's properties of characters."""

from functools import cache
from typing import Any

LANGUAGES = {
    "af": ("Afrikaans", "afr_Latn"), "am": ("Amharic", "amh_Ethi"), "an": ("Aragonese", "arg_Latn"),
    "ar": ("Arabic", "arb_Arab"), "as": ("Assamese", "asm_Beng"), "az": ("Azerbaijani", "azj_Latn"),
    "be": ("Belarusian", "bel_Cyrl"), "bg": ("Bulgarian", "bul_Cyrl"), "bn": ("Bengali", "ben_Beng"),
    "bo": ("Tibetan", "bod_Tibt"), "br": ("Breton", "bre_Latn"), "bs": ("Bosnian", "bos_Latn"), "ca": ("Catalan", "cat_Latn"),
    "cs": ("Czech", "ces_Latn"), "cy": ("Welsh", "cym_Latn"), "da": ("Danish", "dan_Latn"), "de": ("German", "deu_Latn"),
    "dz": ("Dzongkha", "dzo_Tibt"), "el": ("Greek", "ell_Grek"), "en": ("English", "eng_Latn"), "eo": ("Esperanto", "epo_Latn"),
    "es": ("Spanish", "spa_Latn"), "et": ("Estonian", "est_Latn"), "eu": ("Basque", "eus_Latn"), "fa": ("Persian", "pes_Arab"),
    "fi": ("Finnish", "fin_Latn"), "fr": ("French", "fra_Latn"), "fy": ("West Frisian", "fry_Latn"), "ga": ("Irish", "gle_Latn"),
    "gd": ("Scottish Gaelic", "gla_Latn"), "gl": ("Galician", "glg_Latn"), "gu": ("Gujarati", "guj_Gujr"),
    "ha": ("Hausa", "hau_Latn"), "he": ("Hebrew", "heb_Hebr"), "hi": ("Hindi", "hin_Deva"), "hr": ("Croatian", "hrv_Latn"),
    "ht": ("Haitian Creole", "hat_Latn"), "hu": ("Hungarian", "hun_Latn"), "hy": ("Armenian", "hye_Armn"),
    "id": ("Indonesian", "ind_Latn"), "ig": ("Igbo", "ibo_Latn"), "is": ("Icelandic", "isl_Latn"), "it": ("Italian", "ita_Latn"),
    "iu": ("Inuktitut", "iku_Cans"), "ja": ("Japanese", "jpn_Jpan"), "jv": ("Javanese", "jav_Latn"),
    "ka": ("Georgian", "kat_Geor"), "kk": ("Kazakh", "kaz_Cyrl"), "km": ("Khmer", "khm_Khmr"), "kn": ("Kannada", "kan_Knda"),
    "ko": ("Korean", "kor_Hang"), "ku": ("Kurdish", "kmr_Latn"), "ky": ("Kyrgyz", "kir_Cyrl"), "li": ("Limburgish", "lim_Latn"),
    "liv": ("Livonian", "liv_Latn"), "lo": ("Lao", "lao_Laoo"), "lt": ("Lithuanian", "lit_Latn"), "lv": ("Latvian", "lvs_Latn"),
    "mg": ("Malagasy", "plt_Latn"), "mk": ("Macedonian", "mkd_Cyrl"), "ml": ("Malayalam", "mal_Mlym"),
    "mn": ("Mongolian", "khk_Cyrl"), "mr": ("Marathi", "mar_Deva"), "ms": ("Malay", "zsm_Latn"), "mt": ("Maltese", "mlt_Latn"),
    "my": ("Burmese", "mya_Mymr"), "nb": ("Norwegian Bokmål", "nob_Latn"), "ne": ("Nepali", "npi_Deva"),
    "nl": ("Dutch", "nld_Latn"), "nn": ("Norwegian Nynorsk", "nno_Latn"), "no": ("Norwegian", "nob_Latn"),
    "oc": ("Occitan", "oci_Latn"), "or": ("Odia", "ory_Orya"), "pa": ("Punjabi", "pan_Guru"), "pl": ("Polish", "pol_Latn"),
    "ps": ("Pashto", "pbt_Arab"), "pt": ("Portuguese", "por_Latn"), "qu": ("Quechua", "quy_Latn"),
    "ro": ("Romanian", "ron_Latn"), "ru": ("Russian", "rus_Cyrl"), "rw": ("Kinyarwanda", "kin_Latn"),
    "sah": ("Yakut", "sah_Cyrl"), "se": ("Northern Sami", "sme_Latn"), "sh": ("Serbo-Croatian", "hbs_Latn"),
    "si": ("Sinhala", "sin_Sinh"), "sk": ("Slovak", "slk_Latn"), "sl": ("Slovenian", "slv_Latn"), "sq": ("Albanian", "als_Latn"),
    "sr": ("Serbian", "srp_Cyrl"), "sv": ("Swedish", "swe_Latn"), "sw": ("Swahili", "swh_Latn"), "ta": ("Tamil", "tam_Taml"),
    "te": ("Telugu", "tel_Telu"), "tg": ("Tajik", "tgk_Cyrl"), "th": ("Thai", "tha_Thai"), "tk": ("Turkmen", "tuk_Latn"),
    "tl": ("Tagalog", "tgl_Latn"), "tr": ("Turkish", "tur_Latn"), "tt": ("Tatar", "tat_Cyrl"), "ug": ("Uyghur", "uig_Arab"),
    "uk": ("Ukrainian", "ukr_Cyrl"), "ur": ("Urdu", "urd_Arab"), "uz": ("Uzbek", "uzn_Latn"), "vi": ("Vietnamese", "vie_Latn"),
    "wa": ("Walloon", "wln_Latn"), "wo": ("Wolof", "wol_Latn"), "xh": ("Xhosa", "xho_Latn"), "yi": ("Yiddish", "ydd_Hebr"),
    "yo": ("Yoruba", "yor_Latn"), "zh": ("Chinese", "zho_Hans"), "zu": ("Zulu", "zul_Latn"),
}  # fmt: skip
"""ISO 639-1, or 639-3 where that has none → the English name, and the code of FLORES and NLLB (or one formed like it)"""

_TWO_LETTERS = {"cmn": "zh", "yue": "zh"} | {code[:3]: short for short, (_, code) in LANGUAGES.items() if short != "no"}
"""ISO 639-3 → the code in LANGUAGES"""


def base_language(code: str) -> str:
    """A code without script or region, as short as there is: zh for zho_Hans, pt for pt_BR."""
    first = code.split("_")[0]
    return _TWO_LETTERS.get(first, first)


def language_name(code: str) -> str:
    """The English name; the code itself where none is known."""
    known = LANGUAGES.get(base_language(code))
    return known[0] if known else code


UNSPACED = frozenset({"bo", "dz", "ja", "km", "lo", "my", "th", "zh"})
"""Languages that put no spaces between words."""

UNSPACED_LETTER = r"[[\p{Han}\p{Hiragana}\p{Katakana}ーｰ\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]&&[\p{L}\p{N}]]"
"""A letter or digit of a script that puts no spaces between words, as a set of the package regex (its version 1).

The long vowel mark ー belongs to both kana, and so by Unicode's property Script to neither.
source: Unicode Standard Annex 24, the property Script
"""

_WORD = rf"{UNSPACED_LETTER}\p{{M}}*|[[\p{{L}}\p{{N}}]--{UNSPACED_LETTER}][[\p{{L}}\p{{N}}\p{{M}}]--{UNSPACED_LETTER}]*"
_SYMBOL = r"[^\s\p{L}\p{N}]\p{M}*"


def is_spaced(code: str) -> bool:
    """Whether words are set apart by spaces."""
    return _is_spaced(code)


@cache
def _is_spaced(code: str) -> bool:
    """Asked of a million texts in one language."""
    return base_language(code) not in UNSPACED


def words(text: str) -> list[str]:
    """The words of a text in any script: runs of letters and digits, and each letter of a script without spaces by itself.

    Combining marks belong to the letter before them. Punctuation, symbols and the underscore are no words, and part words.
    """
    found: list[str] = _compiled(_WORD).findall(text)
    return found


def tokens(text: str) -> list[tuple[int, str]]:
    """The words of a text, as `words` has them, and between them each other character but white space; with their offsets."""
    return [(match.start(), match[0]) for match in _compiled(f"{_WORD}|{_SYMBOL}").finditer(text)]


def has_script(text: str, *scripts: str) -> bool:
    """Whether a character of a text is of one of these scripts, by Unicode's names: "Han", "Hiragana", "Thai"."""
    return _compiled("[" + "".join(rf"\p{{{script}}}" for script in scripts) + "]").search(text) is not None


@cache
def _compiled(pattern: str) -> Any:
    import regex

    return regex.compile(pattern, regex.VERSION1)
