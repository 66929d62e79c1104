"""Every task of the catalogue, and those that are made in Python, on a few rows of our own, in the columns that the hub has."""

from pathlib import Path

import hub
import plmtasks_srl
import pytest
from plmtasks_srl.catalog import CONLL_2012, MULTICONER

from plmtasks import declared
from plmtasks.reading import WordSpan

ROWS = Path(__file__).with_name("published")
TASKS = Path(plmtasks_srl.__file__).with_name("tasks")
SOME = ("mul", "en", "ar", "he", "ja", "th", "zh")
"""Of the languages of a file these are tried, for one is as another."""
DECLARED = {
    listed.name: ROWS / path.relative_to(TASKS).with_suffix(".json")
    for path in sorted(TASKS.rglob("*.toml")) for listed in declared.tasks(path) if listed.language in SOME
}  # fmt: skip
ENDINGS = ["" if language == "en" else f"-{language}" for language in CONLL_2012]
MADE = {
    **{f"srl/{which}conll2012{ending}": ROWS / "conll2012.json" for ending in ENDINGS for which in ("", "predicates-")},
    "tagging/ontonotes5": ROWS / "ontonotes5.json", "tagging/few_nerd": ROWS / "few_nerd.json",
    "tagging/few_nerd-fine": ROWS / "few_nerd.json",
    **{f"tagging/multiconer.{language}": ROWS / "multiconer.json" for language in MULTICONER},
}  # fmt: skip
"""Those that are made in Python."""
FILES = {**DECLARED, **MADE}


@pytest.mark.parametrize("name", FILES)
def test_it_holds_the_laws_on_the_hubs_columns(name, registry, tmp_path) -> None:
    assert hub.checked(registry, name, tmp_path, FILES[name]) == {}


@pytest.mark.network
@pytest.mark.parametrize("name", MADE)
def test_the_hub_has_these_columns_and_labels(name, registry, tmp_path) -> None:
    assert hub.faults_on_the_hub(registry, name, tmp_path, MADE[name]) == []


def first(registry, name, tmp_path):
    """The first test example of a task on our rows."""
    with hub.holding(tmp_path, registry.task(name), FILES[name]):
        return registry.task(name).load(hub.Source())["test"][0]


def test_words_with_the_same_tag_are_one_name(registry, tmp_path) -> None:
    assert first(registry, "tagging/few_nerd", tmp_path).reference == [["organization", 0, 2], ["organization", 4, 6]]


def test_documents_are_sentences_with_predicates(registry, tmp_path) -> None:
    example = first(registry, "srl/conll2012", tmp_path)
    assert (example.id, example.inputs["predicate"]) == ("nw/own/00/own_0004-0.5", 5)
    predicates = first(registry, "srl/predicates-conll2012", tmp_path)
    assert predicates.reference == [list(WordSpan(sense, at, at + 1)) for sense, at in (("01", 5), ("03", 6), ("03", 9))]


def test_fine_types_are_in_the_order_of_the_hub(registry, tmp_path) -> None:
    assert first(registry, "tagging/few_nerd-fine", tmp_path).reference == [
        ["organization-company", 0, 2], ["organization-media/newspaper", 4, 6],
    ]  # fmt: skip
    assert first(registry, "tagging/ontonotes5", tmp_path).reference == [["CARDINAL", 0, 1], ["NORP", 3, 4]]
