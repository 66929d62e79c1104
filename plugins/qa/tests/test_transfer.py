"""What is learned in English and tried in other languages, on rows of our own where the hub's files would lie."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

import hub as caches
import pytest
from plmtasks_qa.data import hub
from plmtasks_qa.data.transfer import Transfer

from plmtasks.config import Source
from plmtasks.requests import ExtractSpan, Generate
from plmtasks.testing import TASK_CHECKS, NotApplicable, TaskSubject

BRIDGE = {
    "en": ("The old bridge was built in 1902.", "When was the bridge built?", "1902"),
    "ar": ("بُني الجسر القديم عام 1902.", "متى بُني الجسر؟", "عام 1902"),
    "th": ("สะพานเก่าสร้างขึ้นในปี 1902", "สะพานสร้างขึ้นเมื่อใด", "ปี 1902"),
    "zh": ("旧桥建于1902年。", "桥建于何时？", "1902年"),
}


def row(id_: str, language: str, year: str) -> dict[str, object]:
    context, question, answer = (text.replace("1902", year) for text in BRIDGE.get(language, BRIDGE["en"]))
    start = context.index(answer)
    return {
        "id": id_, "title": "t", "context": context, "question": question, "answers": {"text": [answer], "answer_start": [start]},
    }  # fmt: skip


@pytest.fixture
def cached(tmp_path: Path):
    """Puts two questions into each file of a task; of one with several languages, two of each."""

    def lay_out(of: Transfer) -> None:
        for language, data in {"": of.learned, **of.tried}.items():
            for split, path in data.files.items():
                year = {"train": "1871", "validation": "1890", "test": "1902"}[split]
                rows = [row(f"q{n}", language, year) for n in (1, 2)]
                if of.begins:
                    rows = [row(f"{begins}{n}", code, year) for code, begins in of.begins.items() for n in (1, 2)]
                caches.write(caches.place(tmp_path, data.repo, data.revision, path), rows, {})

    with caches.cached_in(tmp_path):
        yield lay_out


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("qa/xquad", hub.XQUAD), ("qa/xquad.th", hub.XQUAD), ("qa/mlqa", hub.MLQA), ("qa/mlqa.zh", hub.MLQA),
        ("qa/tydiqa", hub.TYDIQA), ("qa/tydiqa.ar", hub.TYDIQA),
    ],
)  # fmt: skip
def test_they_hold_the_laws_on_the_hubs_columns(name, of, registry, cached) -> None:
    cached(of)
    subject = TaskSubject(task=registry.task(name), source=Source(), registry=registry)
    for check, holds in TASK_CHECKS.items():
        if check != "another_process_sees_the_same":
            with suppress(NotApplicable):
                holds(subject)


def test_all_languages_together_are_parts_and_translations_one_cluster(registry, cached) -> None:
    cached(hub.MLQA)
    data = registry.task("qa/mlqa").load(Source())
    assert data.splits == ["train", "validation", "test"]
    assert data.default_split() == "test"
    test = data["test"]
    assert Counter(e.id[3:] for e in test) == {"q1": 7, "q2": 7}
    assert {e.slices[-1] for e in test} == {f"language={language}" for language in hub.MLQA.tried}
    chinese = next(e for e in test if e.id == "zh-q1")
    assert chinese.slices == ("question=when", "characters=0-200", "language=zh")
    assert {e.cluster for e in test if e.id[3:] == "q1"} == {next(e for e in test if e.id == "en-q1").cluster}


def test_one_language_of_a_file_of_several(registry, cached) -> None:
    cached(hub.TYDIQA)
    data = registry.task("qa/tydiqa.ar").load(Source())
    assert [e.id for e in data["train"]] == ["english-1", "english-2"]
    assert [e.id for e in data["test"]] == ["arabic-1", "arabic-2"]
    assert data["test"][0].inputs["question"] == BRIDGE["ar"][1]
    assert Counter(e.slices[-1] for e in registry.task("qa/tydiqa").load(Source())["test"]) == {
        f"language={language}": 2 for language in hub.TYDIQA.tried
    }


def test_they_are_asked_in_their_own_words_where_there_are_some(registry) -> None:
    example = TaskSubject(task=registry.task("qa/sample"), source=Source(), registry=registry).data["test"][0].hidden()
    asked = {name: registry.task(f"qa/xquad.{name}").ask(example, "Generate") for name in ("de", "en", "ro", "th")}
    assert all(isinstance(request, Generate) for request in asked.values())
    assert asked["th"] == asked["ro"] == asked["en"] != asked["de"]
    assert isinstance(registry.task("qa/mlqa").ask(example, "ExtractSpan"), ExtractSpan)
