"""What languages are called, and which put no spaces between their words."""

NAMED = (
    "af Afrikaans, am Amharic, an Aragonese, ar Arabic, as Assamese, az Azerbaijani, be Belarusian, bg Bulgarian, "
    "bn Bengali, bo Tibetan, br Breton, bs Bosnian, ca Catalan, cs Czech, cy Welsh, da Danish, de German, dz Dzongkha, "
    "el Greek, en English, eo Esperanto, es Spanish, et Estonian, eu Basque, fa Persian, fi Finnish, fr French, "
    "fy West Frisian, ga Irish, gd Scottish Gaelic, gl Galician, gu Gujarati, ha Hausa, he Hebrew, hi Hindi, hr Croatian, "
    "hu Hungarian, hy Armenian, id Indonesian, ig Igbo, is Icelandic, it Italian, iu Inuktitut, ja Japanese, ka Georgian, "
    "kk Kazakh, km Khmer, kn Kannada, ko Korean, ku Kurdish, ky Kyrgyz, li Limburgish, liv Livonian, lo Lao, lt Lithuanian, "
    "lv Latvian, mg Malagasy, mk Macedonian, ml Malayalam, mn Mongolian, mr Marathi, ms Malay, mt Maltese, my Burmese, "
    "nb Norwegian Bokmål, ne Nepali, nl Dutch, nn Norwegian Nynorsk, no Norwegian, oc Occitan, or Odia, pa Punjabi, "
    "pl Polish, ps Pashto, pt Portuguese, ro Romanian, ru Russian, rw Kinyarwanda, sah Yakut, se Northern Sami, "
    "sh Serbo-Croatian, si Sinhala, sk Slovak, sl Slovenian, sq Albanian, sr Serbian, sv Swedish, sw Swahili, ta Tamil, "
    "te Telugu, tg Tajik, th Thai, tk Turkmen, tr Turkish, tt Tatar, ug Uyghur, uk Ukrainian, ur Urdu, uz Uzbek, vi Vietnamese, "
    "wa Walloon, xh Xhosa, yi Yiddish, yo Yoruba, zh Chinese, zu Zulu"
)
NAMES = dict(pair.split(maxsplit=1) for pair in NAMED.split(", "))
"""ISO 639-1, or 639-3 where that has none → the English name"""

UNSPACED = frozenset({"bo", "dz", "ja", "km", "lo", "my", "th", "zh"})

TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
"""Language → sacrebleu's tokenizer for it alone."""

TWO_LETTERS = {
    "bod": "bo", "cmn": "zh", "dzo": "dz", "jpn": "ja", "khm": "km", "kor": "ko", "lao": "lo", "mya": "my", "tha": "th",
    "yue": "zh", "zho": "zh",
}  # fmt: skip
"""The codes by which NLLB has the languages whose words are not cut at spaces, or not well."""


def base(code: str) -> str:
    """A code without script or region: zh for zho_Hans, pt for pt_BR."""
    first = code.split("_")[0]
    return TWO_LETTERS.get(first, first)


def language_name(code: str) -> str:
    """The English name; the code itself where none is known."""
    return NAMES.get(base(code), code)


def tokenizer(code: str) -> str | None:
    """What of sacrebleu's cuts a language into words; None if nothing that it has without a download."""
    return TOKENIZERS.get(base(code)) or (None if base(code) in UNSPACED else "13a")
