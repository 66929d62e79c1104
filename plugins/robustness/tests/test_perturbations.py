"""What each perturbation does to a text, and what it leaves alone."""

import difflib
import random
from dataclasses import replace
from typing import Any

import plmtasks_robustness
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_robustness.people import FIRST_NAMES
from plmtasks_robustness.spelling import mistyped
from plmtasks_robustness.synonyms import SynonymFiles, Synonyms
from plmtasks_robustness.words import core, like

from plmtasks.config import Source
from plmtasks.errors import DataError
from plmtasks.examples import Example
from plmtasks.hooks import load_registry
from plmtasks.task import Perturbation

INSTALLED = load_registry()
REGISTRY = load_registry([plmtasks_robustness], installed=False)
ALL: dict[str, Perturbation] = {
    **REGISTRY.items["perturbation"], "synonyms": Synonyms("synonyms:words", {"kite": ["dragon", "glider"], "red": ["scarlet"]}),
}  # fmt: skip


def changed(name: str, text: Any, id_: str = "1") -> Any:
    """The text, or the words, after a perturbation; None where it changes nothing."""

    task = replace(INSTALLED.task("classification/sst2"), texts=("text",), people=("text",))
    found = ALL[name].change(Example(id=id_, inputs={"text": text}), task)
    return found and found.inputs["text"]


PIECES = (
    "She", "he", "her", "him", "didn't", "do", "not", "They're", "John", "Mary's", "kite,", "red", "Kite", "(Susan)", "ca", "n't",
    "won't", "is", "...", "'", "-", "“John”", "HER", "风筝", "über",
)  # fmt: skip
SENTENCES = st.lists(st.one_of(st.sampled_from(PIECES), st.text(min_size=0, max_size=8)), max_size=12)


@pytest.mark.slow
@given(st.sampled_from(sorted(ALL)), SENTENCES, st.text(max_size=5))
def test_the_same_for_every_call_and_nothing_but_the_text(name: str, words: list[str], id_: str) -> None:
    text = " ".join(words)
    first = changed(name, text, id_)
    assert first == changed(name, text, id_)
    assert first != text
    assert text.strip() or first is None or name == "whitespace"


@given(st.sampled_from(sorted(ALL)), SENTENCES, st.text(max_size=5))
def test_the_words_of_a_sentence_keep_their_number(name: str, words: list[str], id_: str) -> None:
    found = changed(name, words, id_)
    assert found is None or (len(found) == len(words) and found != words)


@given(st.sampled_from(["typos", "case", "names", "pronouns", "synonyms"]), SENTENCES, st.text(max_size=5))
def test_the_white_space_of_a_text_stays(name: str, words: list[str], id_: str) -> None:
    text = " ".join(words)
    found = changed(name, text, id_)
    assert found is None or len(found.split()) == len(text.split())


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCXYZ", min_size=2, max_size=12), st.integers(0, 99))
def test_a_mistyped_word_is_one_slip_from_the_word(word: str, seed: int) -> None:
    found = mistyped(word, random.Random(seed))
    assert found != word
    assert found[:1] == word[:1]
    assert abs(len(found) - len(word)) <= 1
    kept = sum(block.size for block in difflib.SequenceMatcher(None, word, found).get_matching_blocks())
    assert kept >= len(word) - 1


def test_one_of_ten_words_is_mistyped_and_short_or_foreign_ones_never() -> None:
    words = ["writing"] * 40 + ["the", "风筝在花园", "über", "1234", "don't"]
    found = changed("typos", words)
    assert sum(a != b for a, b in zip(found, words, strict=True)) == 4
    assert found[40:] == words[40:]
    assert changed("typos", "the red hat is on") is None


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("case", "The KITE is red.", "the kite is red."),
        ("case", "the kite is red.", "THE KITE IS RED."),
        ("case", "风筝。", None),
        ("punctuation", "Who has it?", "Who has it"),
        ("punctuation", "who has it ? ", "who has it "),
        ("punctuation", "a red kite", "a red kite."),
        ("punctuation", "红色的风筝", "红色的风筝。"),
        ("punctuation", "红色的风筝！", "红色的风筝"),
        ("punctuation", "  ", None),
        ("contractions", "I don't think they're here, and we won't go.", "I do not think they are here, and we will not go."),
        ("contractions", "it ca n't be , it is n't", "it cannot be , it is not"),
        ("contractions", "Don’t go. I’ll stay", "Do not go. I will stay"),
        ("contractions", "DON'T GO", "DO NOT GO"),
        ("contractions", "Don't you know?", None),
        ("contractions", "It is not red and cannot fly. You will not see it.", "It isn't red and can't fly. You won't see it."),
        ("contractions", "It's John's. He'd go.", None),
        ("contractions", "the notary can notice", None),
        ("pronouns", "She saw him with her kite.", "He saw her with his kite."),
        ("pronouns", "He gave her a kite; it is his.", "She gave him a kite; it is her."),
        ("pronouns", "I saw her. HERSELF, she's hers", "I saw him. HIMSELF, he's his"),
        ("pronouns", "the hero heard", None),
        ("synonyms", "A RED Kite, red.", None),
    ],
)
def test_by_example(name: str, text: str, expected: str | None) -> None:
    if name == "synonyms":
        assert changed(name, text) in ("A SCARLET Dragon, scarlet.", "A SCARLET Glider, scarlet.")
    else:
        assert changed(name, text) == expected


def test_more_white_space_between_the_same_words() -> None:
    text = "a red kite in the green garden on Monday and Tuesday"
    found = changed("whitespace", text)
    assert found.split() == text.split()
    assert len(found) == len(text) + 4
    assert found[0] == found[-1] == " "


def test_a_name_becomes_the_same_other_name_everywhere() -> None:
    found = changed("names", "John saw Mary; Mary's kite, “John” and JOHN, james and Johnson").split()
    women, men = (set(names) for names in FIRST_NAMES)
    john, mary = found[0], found[2].rstrip(";")
    assert (john in men - {"John"}, mary in women - {"Mary"}) == (True, True)
    assert found[3:] == [f"{mary}'s", "kite,", f"“{john}”", "and", "JOHN,", "james", "and", "Johnson"]
    # two names never become one
    everybody = sorted(women)
    assert len(set(changed("names", everybody))) == len(everybody)


def test_a_name_in_two_fields_becomes_one_other() -> None:
    task = load_registry().task("classification/mrpc")
    example = Example(id="7", inputs={"text": "John flies.", "text_pair": "It is John who flies."})
    found = ALL["names"].change(example, task)
    assert found is not None
    assert found.inputs["text"].split()[0] == found.inputs["text_pair"].split()[2] != "John"


@pytest.mark.parametrize(
    ("word", "parts"),
    [("“kite,”", ("“", "kite", ",”")), ("don't", ("", "don't", "")), ("...", ("...", "", "")), ("", ("", "", ""))],
)
def test_marks_around_a_word(word: str, parts: tuple[str, str, str]) -> None:
    assert core(word) == parts


@pytest.mark.parametrize(("model", "expected"), [("RED", "KITE"), ("Red", "Kite"), ("red", "kite"), ("I", "Kite"), ("", "kite")])
def test_capitals_of_another_word(model: str, expected: str) -> None:
    assert like("kite", model) == expected


def test_synonyms_of_a_file(tmp_path: Any) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("Kite\tdragon\n\nred\tscarlet, crimson\n")
    made = SynonymFiles().make(str(path))
    assert made.known == {"kite": ["dragon"], "red": ["scarlet", "crimson"]}
    assert made.name == "synonyms:words.tsv"
    path.write_text("kite\tglider\n")
    assert SynonymFiles().make(str(path)).signature() != made.signature()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("kite dragon", ":1: expected a word, a tab, and words with commas between"), ("a\tb\nkite\t,", ":2: expected a word"),
        ("kite\tflying thing", ":1: expected a word"), ("\n", "expected lines of synonyms, found none"),
    ],
)  # fmt: skip
def test_a_file_without_synonyms(content: str, said: str, tmp_path: Any) -> None:
    path = tmp_path / "words.tsv"
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        SynonymFiles().make(str(path))


# ── every task that can be perturbed ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("task_name", [n for n in INSTALLED.items["task"] if n.split("/")[1].startswith("sample")])
@pytest.mark.parametrize("name", sorted(ALL))
def test_a_perturbed_example_is_solved_as_before(name: str, task_name: str) -> None:
    """Its reference still answers it: reading the solved answer gives what it gave before the change."""
    task = INSTALLED.task(task_name)
    data = task.load(Source())
    task = task.bind(data)
    for example in data["test"][:40]:
        found = ALL[name].change(example, task)
        if found is None:
            continue
        assert (found.id, found.reference, found.slices) == (example.id, example.reference, example.slices)
        for kind in task.asks:
            asked, before = task.ask(found.hidden(), kind), task.ask(example.hidden(), kind)
            read = task.read(found.hidden(), asked, task.solve(found, asked)).value
            assert read == task.read(example.hidden(), before, task.solve(example, before)).value
