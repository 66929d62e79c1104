"""Data sets of the hub, on a few rows of our own as it has them."""

import hub
import pytest
from plmtasks_translation.catalog import IWSLT2017, PAIRS
from plmtasks_translation.flores import CODES, REPO, REVISION, SPLITS

from plmtasks.config import Source
from plmtasks.errors import DataError, UnknownNameError
from plmtasks.hooks import load_registry
from plmtasks.testing import TaskSubject

TEXTS = {
    "en": ["The ferry leaves at noon.", "Nobody lives on the island."],
    "de": ["Die Fähre legt mittags ab.", "Auf der Insel wohnt niemand."],
    "zh": ["渡船中午出发。", "岛上没有人居住。"],
}


def flores_rows(language, split):
    return [
        {"id": n, "text": f"{text} ({split})", "url": "https://example.org/island", "domain": "wikivoyage", "topic": "travel"}
        for n, text in enumerate(TEXTS[language])
    ]


def lay_out(made, *languages):
    """The files of both sets in a cache, for these languages."""
    for split in SPLITS.values():
        for language in languages:
            hub.write(hub.place(made, REPO, REVISION, f"{split}/{CODES[language]}.jsonl"), flores_rows(language, split), {})
    for split in ("train", "validation", "test"):
        pairs = zip(*([f"{text} ({split})" for text in TEXTS[language]] for language in languages), strict=True)
        rows = [{"translation": dict(zip(languages, pair, strict=True))} for pair in pairs]
        path = f"iwslt2017-{'-'.join(languages)}/{split}/0000.parquet"
        hub.write(hub.place(made, IWSLT2017, "refs/convert/parquet", path), rows, {})


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.mark.parametrize("languages", [("en", "de"), ("en", "zh")])
@pytest.mark.parametrize("name", ["flores", "iwslt2017"])
def test_it_holds_the_laws_on_the_hubs_columns(name, languages, registry, tmp_path):
    lay_out(tmp_path, *languages)
    task = registry.task(f"translation/{name}-{'-'.join(languages)}")
    with hub.cached_in(tmp_path):
        assert hub.wrong_with(TaskSubject(task=task, source=Source(), registry=registry)) == {}


def test_flores_pairs_sentences_by_their_ids(registry, tmp_path):
    lay_out(tmp_path, "zh", "de")
    with hub.cached_in(tmp_path):
        data = registry.task("translation/flores-zh-de").load(Source())
        assert data.splits == ["validation", "test"]
        first = data["test"][0]
    assert (first.id, first.inputs, first.reference) == (
        "0",
        {"source": "渡船中午出发。 (devtest)"},
        ["Die Fähre legt mittags ab. (devtest)"],
    )
    assert first.cluster == "https://example.org/island"
    assert {"domain=wikivoyage", "topic=travel"} <= set(first.slices)


def test_flores_with_other_sentences_in_one_language_is_refused(registry, tmp_path):
    lay_out(tmp_path, "en", "de")
    hub.write(hub.place(tmp_path, REPO, REVISION, "devtest/deu_Latn.jsonl"), flores_rows("de", "devtest")[:1], {})
    with (
        hub.cached_in(tmp_path),
        pytest.raises(DataError, match="devtest: expected the same sentences in en and de, found others"),
    ):
        registry.task("translation/flores-en-de").load(Source())["test"]


def test_a_language_that_flores_has_not_is_refused(registry):
    with pytest.raises(UnknownNameError, match="its languages: af, am, ar,"):
        registry.task("translation/flores-en-br")


def test_iwslt_2017_has_the_pairs_of_its_script():
    assert len(PAIRS["iwslt2017"]) == 24
    assert {"it-ro", "nl-it", "en-zh", "ko-en"} < set(PAIRS["iwslt2017"])


@pytest.mark.network
def test_the_hub_has_iwslt_2017(registry, tmp_path):
    path = "iwslt2017-en-de/{}/0000.parquet".format
    for split in ("train", "validation", "test"):
        hub.fetch_first(
            IWSLT2017, "refs/convert/parquet", path(split), hub.place(tmp_path, IWSLT2017, "refs/convert/parquet", path(split))
        )
    with hub.cached_in(tmp_path):
        data = registry.task("translation/iwslt2017-en-de").load(Source())
        assert all(data[split] for split in data.splits)


@pytest.mark.network
@pytest.mark.parametrize("language", CODES)
def test_the_hub_has_each_file_of_flores(language):
    """Asked of the listing, which is open, unlike the files."""
    from huggingface_hub import HfApi

    paths = [f"{split}/{CODES[language]}.jsonl" for split in SPLITS.values()]
    assert {p.path for p in HfApi().get_paths_info(REPO, paths, repo_type="dataset", revision=REVISION)} == set(paths)
