"""What languages are called, by their codes."""

LANGUAGES = {
    "af": ("Afrikaans", "afr_Latn"), "am": ("Amharic", "amh_Ethi"), "an": ("Aragonese", "arg_Latn"),
    "ar": ("Arabic", "arb_Arab"), "as": ("Assamese", "asm_Beng"), "az": ("Azerbaijani", "azj_Latn"),
    "be": ("Belarusian", "bel_Cyrl"), "bg": ("Bulgarian", "bul_Cyrl"), "bn": ("Bengali", "ben_Beng"),
    "bo": ("Tibetan", "bod_Tibt"), "br": ("Breton", "bre_Latn"), "bs": ("Bosnian", "bos_Latn"), "ca": ("Catalan", "cat_Latn"),
    "cs": ("Czech", "ces_Latn"), "cy": ("Welsh", "cym_Latn"), "da": ("Danish", "dan_Latn"), "de": ("German", "deu_Latn"),
    "dz": ("Dzongkha", "dzo_Tibt"), "el": ("Greek", "ell_Grek"), "en": ("English", "eng_Latn"),
    "eo": ("Esperanto", "epo_Latn"), "es": ("Spanish", "spa_Latn"), "et": ("Estonian", "est_Latn"),
    "eu": ("Basque", "eus_Latn"), "fa": ("Persian", "pes_Arab"), "fi": ("Finnish", "fin_Latn"), "fr": ("French", "fra_Latn"),
    "fy": ("West Frisian", "fry_Latn"), "ga": ("Irish", "gle_Latn"), "gd": ("Scottish Gaelic", "gla_Latn"),
    "gl": ("Galician", "glg_Latn"), "gu": ("Gujarati", "guj_Gujr"), "ha": ("Hausa", "hau_Latn"), "he": ("Hebrew", "heb_Hebr"),
    "hi": ("Hindi", "hin_Deva"), "hr": ("Croatian", "hrv_Latn"), "hu": ("Hungarian", "hun_Latn"),
    "hy": ("Armenian", "hye_Armn"), "id": ("Indonesian", "ind_Latn"), "ig": ("Igbo", "ibo_Latn"),
    "is": ("Icelandic", "isl_Latn"), "it": ("Italian", "ita_Latn"), "iu": ("Inuktitut", "iku_Cans"),
    "ja": ("Japanese", "jpn_Jpan"), "ka": ("Georgian", "kat_Geor"), "kk": ("Kazakh", "kaz_Cyrl"), "km": ("Khmer", "khm_Khmr"),
    "kn": ("Kannada", "kan_Knda"), "ko": ("Korean", "kor_Hang"), "ku": ("Kurdish", "kmr_Latn"), "ky": ("Kyrgyz", "kir_Cyrl"),
    "li": ("Limburgish", "lim_Latn"), "liv": ("Livonian", "liv_Latn"), "lo": ("Lao", "lao_Laoo"),
    "lt": ("Lithuanian", "lit_Latn"), "lv": ("Latvian", "lvs_Latn"), "mg": ("Malagasy", "plt_Latn"),
    "mk": ("Macedonian", "mkd_Cyrl"), "ml": ("Malayalam", "mal_Mlym"), "mn": ("Mongolian", "khk_Cyrl"),
    "mr": ("Marathi", "mar_Deva"), "ms": ("Malay", "zsm_Latn"), "mt": ("Maltese", "mlt_Latn"), "my": ("Burmese", "mya_Mymr"),
    "nb": ("Norwegian Bokmål", "nob_Latn"), "ne": ("Nepali", "npi_Deva"), "nl": ("Dutch", "nld_Latn"),
    "nn": ("Norwegian Nynorsk", "nno_Latn"), "no": ("Norwegian", "nob_Latn"), "oc": ("Occitan", "oci_Latn"),
    "or": ("Odia", "ory_Orya"), "pa": ("Punjabi", "pan_Guru"), "pl": ("Polish", "pol_Latn"), "ps": ("Pashto", "pbt_Arab"),
    "pt": ("Portuguese", "por_Latn"), "ro": ("Romanian", "ron_Latn"), "ru": ("Russian", "rus_Cyrl"),
    "rw": ("Kinyarwanda", "kin_Latn"), "sah": ("Yakut", "sah_Cyrl"), "se": ("Northern Sami", "sme_Latn"),
    "sh": ("Serbo-Croatian", "hbs_Latn"), "si": ("Sinhala", "sin_Sinh"), "sk": ("Slovak", "slk_Latn"),
    "sl": ("Slovenian", "slv_Latn"), "sq": ("Albanian", "als_Latn"), "sr": ("Serbian", "srp_Cyrl"),
    "sv": ("Swedish", "swe_Latn"), "sw": ("Swahili", "swh_Latn"), "ta": ("Tamil", "tam_Taml"), "te": ("Telugu", "tel_Telu"),
    "tg": ("Tajik", "tgk_Cyrl"), "th": ("Thai", "tha_Thai"), "tk": ("Turkmen", "tuk_Latn"), "tr": ("Turkish", "tur_Latn"),
    "tt": ("Tatar", "tat_Cyrl"), "ug": ("Uyghur", "uig_Arab"), "uk": ("Ukrainian", "ukr_Cyrl"), "ur": ("Urdu", "urd_Arab"),
    "uz": ("Uzbek", "uzn_Latn"), "vi": ("Vietnamese", "vie_Latn"), "wa": ("Walloon", "wln_Latn"), "xh": ("Xhosa", "xho_Latn"),
    "yi": ("Yiddish", "ydd_Hebr"), "yo": ("Yoruba", "yor_Latn"), "zh": ("Chinese", "zho_Hans"), "zu": ("Zulu", "zul_Latn"),
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


def is_spaced(code: str) -> bool:
    """Whether words are set apart by spaces."""
    return base_language(code) not in UNSPACED
