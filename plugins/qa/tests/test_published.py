"""Every task of the catalogue, and some in Python, on a few rows of our own, in the columns of the data sets on the hub."""

import json
from pathlib import Path

import hub
import plmtasks_qa
import pytest

from plmtasks import declared
from plmtasks.config import Source
from plmtasks.data import refuse_undisclosed
from plmtasks.errors import DataError
from plmtasks.scoring import bound_metrics, main_score

ROWS = Path(__file__).with_name("published")
TASKS = Path(plmtasks_qa.__file__).with_name("tasks")
IN_PYTHON = {"qa/record": "superglue/record", "qa/chid": "clue/chid", "qa/drcd": "clue/drcd"}
FILES = {name: (ROWS / file).with_suffix(".json") for name, file in IN_PYTHON.items()} | {
    listed.name: ROWS / path.relative_to(TASKS).with_suffix(".json")
    for path in sorted(TASKS.rglob("*.toml")) for listed in declared.tasks(path)
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_it_holds_the_laws_on_the_hubs_columns(name, registry, tmp_path) -> None:
    assert hub.checked(registry, name, tmp_path, FILES[name]) == {}


def test_each_blank_is_asked_for_in_its_own_text(registry, tmp_path) -> None:
    rows = json.loads(FILES["qa/chid"].read_text(encoding="utf-8"))
    chid = registry.task("qa/chid")
    with hub.holding(tmp_path, chid, FILES["qa/chid"]):
        examples = chid.load(Source())["train"]
    assert [e.id for e in examples] == ["#idiom000001#", "#idiom000002#", "#idiom000003#"]
    assert [e.reference for e in examples] == rows["rows"]["train"][0]["answers"]["text"]
    assert len({e.cluster for e in examples}) == 1
    assert examples[1].inputs["text"] == "计划做到一半就停了，这样____真可惜；现在（　）还来得及。"
    hub.write_files(tmp_path / "files", rows["files"])
    published = chid.load(Source(data=str(tmp_path / "files")))
    assert [e.reference for e in published["train"]] == ["如鱼得水", "半途而废", "亡羊补牢", "滴水穿石"]
    assert [(e.id, e.reference) for e in published["test"]] == [("5", "守株待兔"), ("6", "井底之蛙")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"content": 7, "answer": 0}, r"test\.jsonl:1: content: expected a text, or a list of them, found 7"),
        ({"content": "两个#idiom1#和#idiom2#。", "answer": 0}, r"test\.jsonl:1: expected 2 answers, one for each blank, found 1"),
        (
            {"content": "一个#idiom1#。"},
            r"test\.jsonl, split test: expected references, found none in all 1 rows: they are not public",
        ),
        ({"content": "一个#idiom#。", "answer": 2}, r"test\.jsonl:1, #idiom#: expected the right choice as A to B, or 0 to 1"),
    ],
)
def test_blanks_without_an_answer(registry, tmp_path, row, said) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps({**row, "candidates": ["一帆风顺", "雪中送炭"]}), encoding="utf-8")
    with pytest.raises(DataError, match=said):
        refuse_undisclosed(registry.task("qa/chid").load(Source(data=str(tmp_path / "test.jsonl"))), "test")


def test_drcd_is_asked_in_traditional_chinese(registry, tmp_path) -> None:
    drcd = registry.task("qa/drcd")
    with hub.holding(tmp_path, drcd, FILES["qa/drcd"]):
        examples = drcd.load(Source())["validation"]
    assert [e.slices[0] for e in examples] == ["question=what", "question=when"]
    assert drcd.ask(examples[0].hidden(), "Generate").instruction == "請用文中的詞句簡短地回答問題。"
    assert main_score(bound_metrics(drcd, (), registry)[0]) == "exact_match"
