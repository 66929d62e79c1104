"""The words people use for tasks lead to ours."""

import re

import pytest

from plmtasks.errors import InputError, UnknownNameError
from plmtasks.hooks import load_registry

WORDS = {
    "ner": ("tagging/wnut17", "tagging/text"), "named entity recognition": ("tagging/wnut17", "tagging/text"),
    "pos": ("tagging/pos",), "part-of-speech tagging": ("tagging/pos",), "chunking": ("tagging/text",),
    "srl": ("srl/propbank",), "semantic role labeling": ("srl/propbank",),
    "sentiment": ("classification/sst2", "classification/custom"), "nli": ("classification/custom",),
    "paraphrase": ("classification/mrpc", "classification/custom"), "classify": ("classification/custom",),
    "classification": ("classification/sst2", "classification/custom"),
    "summarize": ("summarization/cnn_dailymail", "summarization/text"),
    "summarization": ("summarization/cnn_dailymail", "summarization/text"),
    "translate": ("translation/multi30k",), "translation": ("translation/multi30k",), "mt": ("translation/multi30k",),
    "question answering": ("qa/squad",), "qa": ("qa/squad",), "squad": ("qa/squad",),
    "lm": ("language_modeling/wikitext2", "language_modeling/text"),
    "perplexity": ("language_modeling/wikitext2", "language_modeling/text"),
    "cola": ("classification/cola",), "mnli": ("classification/mnli",), "stsb": ("regression/stsb",),
    "acceptability": ("classification/cola",), "xlsum": ("summarization/xlsum.zh",),
    "language modeling": ("language_modeling/wikitext2", "language_modeling/text"),
}  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_a_word_leads_to_a_task_without_data_and_with(word: str) -> None:
    registry = load_registry()
    assert registry.task(word).name == WORDS[word][0]
    assert registry.task(word, own_data=True).name == WORDS[word][-1]


def test_a_last_part_that_several_tasks_have_says_which() -> None:
    registry = load_registry()
    with pytest.raises(InputError) as error:
        registry.task("amazon_reviews")
    lines = str(error.value).splitlines()
    assert re.fullmatch(r"'amazon_reviews' may mean any of \d+ tasks: name the one", lines[0])
    assert lines[1].startswith("  classification/amazon_reviews.de  ")
    assert registry.task("xnli.zh").name == "classification/xnli.zh"
    assert registry.task("xnli").name == "classification/xnli"  # all languages at once


def test_a_benchmark_s_name_says_its_tasks_and_its_suite() -> None:
    with pytest.raises(InputError) as error:
        load_registry().task("glue")
    assert error.value.message == "'glue' may mean any of 10 tasks: name the one"
    assert error.value.hints[-2:] == ("plmtasks list tasks glue shows all", "plmtasks sweep glue runs the suite")


@pytest.mark.parametrize(("word", "meant"), [("mnil", "classification/mnli"), ("colla", "classification/cola")])
def test_a_last_part_that_is_nearly_right_is_asked_for(word: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean .*'{meant}'"):
        load_registry().task(word)


def test_every_alias_means_one_task() -> None:
    registry = load_registry()
    for task in registry.items["task"].values():
        for alias in task.aliases:
            meant = {registry.task(alias).name, registry.task(alias, own_data=True).name}
            assert task.name in meant, f"{alias!r} never leads to {task.name}"


def test_what_needs_data_has_none() -> None:
    from plmtasks.config import Source
    from plmtasks.errors import InputError

    registry = load_registry()
    for name, listed in registry.items["task"].items():
        if listed.needs_data:
            with pytest.raises(InputError, match="no data of its own"):
                registry.task(name).load(Source())
