import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plmtasks.data import has_script, tokens, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The kite's RED_box, 3.5 Ü", ["The", "kite", "s", "RED", "box", "3", "5", "Ü"]),
        ("红风筝2只", ["红", "风", "筝", "2", "只"]),
        ("二〇二一年々", ["二", "〇", "二", "一", "年", "々"]),
        ("𠀀𠀁", ["𠀀", "𠀁"]),  # beyond the first plane
        ("ラーメンを食べた。", ["ラ", "ー", "メ", "ン", "を", "食", "べ", "た"]),
        ("ｶﾒﾗ", ["ｶ", "ﾒ", "ﾗ"]),
        ("한국어 문장입니다.", ["한국어", "문장입니다"]),
        ("กินข้าว", ["กิ", "น", "ข้", "า", "ว"]),
        ("ພາສາ", ["ພ", "າ", "ສ", "າ"]),
        ("ខ្មែរ។", ["ខ្", "មែ", "រ"]),
        ("မြန်မာ။", ["မြ", "န်", "မာ"]),
        ("བོད་སྐད།", ["བོ", "ད", "སྐ", "ད"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("cafe\u0301 \u0301x", ["cafe\u0301", "x"]),  # a mark that stands on nothing is no word
        ("❤️ \ud800 … \u0e31", []),
        ("", []),
    ],
)
def test_words_of_every_script(text, expected):
    assert words(text) == expected


# characters that Python's own, older table of Unicode has
ASSIGNED = st.characters(exclude_categories=["Cn"])


@given(st.text(ASSIGNED, max_size=30) | st.text(alphabet="a1_'. \u0301中がｶー한ก\u0e31𠀀", max_size=30))
def test_tokens_are_the_words_and_all_between_them_but_white_space(text):
    found = tokens(text)
    assert all(text.startswith(token, start) for start, token in found)
    assert [token for _, token in found if unicodedata.category(token[0])[0] in "LN"] == words(text)
    covered = {i for start, token in found for i in range(start, start + len(token))}
    assert sum(len(token) for _, token in found) == len(covered)
    assert not "".join(c for i, c in enumerate(text) if i not in covered).strip()


def test_every_ideograph_and_syllable_that_unicode_names_is_a_word_of_its_own():
    named = ("CJK UNIFIED IDEOGRAPH-", "CJK COMPATIBILITY IDEOGRAPH-", "HIRAGANA LETTER", "KATAKANA LETTER")
    letters = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.name(c, "").startswith(named)]
    assert len(letters) > 90_000
    assert words("".join(letters)) == letters


def test_a_text_has_a_script():
    assert has_script("a 中", "Han")
    assert not has_script("がカ한a。", "Han")
    assert has_script("カ", "Han", "Katakana")
    assert not has_script("", "Han")
