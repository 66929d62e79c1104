"""CLUE's Winograd schemas, whose rows have to be made ready before they are read: the words in question are marked."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plmtasks.declared import Labels
from plmtasks.errors import DataError


class ChineseWinograd(Labels):
    """Does a pronoun stand for a noun? It stands between brackets, and the noun between underscores.

    source: the data set's card, https://huggingface.co/datasets/clue/clue (configuration cluewsc2020: text, target with
        span1_text, the noun, and span2_text, the pronoun, and where each begins from 0; label 0 true, 1 false; the test split's
        label is -1), and github.com/CLUEbenchmark/CLUE, README.md, which ranks by accuracy; the marks are those of `WscProcessor`
        in its classifier_pytorch/processors/clue.py. The files of CLUE and FewCLUE have the same columns, and "true" and "false"
        for labels. Second source: datasets/clue/clue.py in datasets 2.5, where label_classes begins with false, and is not used:
        the feature that numbers them begins with true
    """

    collection = "clue"

    def unfolded(self, path: Path, where: str, row: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield where, {**row, "text": _marked(where, row)} if isinstance(row.get("target"), dict) else row


def _marked(where: str, row: Mapping[str, Any]) -> str:
    """raises: DataError if the words do not stand where they should"""
    text, target, marks = str(row.get("text")), row["target"], list[tuple[int, str]]()
    for span, before, behind in (("span1", "_", "_"), ("span2", "[", "]")):
        word, start = str(target.get(f"{span}_text")), target.get(f"{span}_index")
        if not isinstance(start, int) or not text.startswith(word, start):
            raise DataError(where, f"{word!r} at character {start} of the text, as target says", f"{text!r:.60}")
        marks += [(start, before), (start + len(word), behind)]
    for place, mark in sorted(marks, key=lambda mark: -mark[0]):
        text = text[:place] + mark + text[place:]
    return text


CLUEWSC = ChineseWinograd(
    "classification/cluewsc",
    description="Does a pronoun in a Chinese text stand for a noun? (CLUEWSC2020, CLUE and FewCLUE)", language="zh",
    metrics=("accuracy", "f1"), labels={"true": "是", "false": "否"}, reference="label",
    columns={
        "reference_is": "index", "hidden": -1,
        "inputs": {"text": "text", "noun": "target.span1_text", "pronoun": "target.span2_text"},
    },
    text="{text}",
    Choose={
        "instruction": "方括号里的代词指的是所给的名词吗？从下列词语中选择一个回答：{labels}。",
        "text": "{text}\n“{pronoun}”指的是“{noun}”吗？\n答案：",
    },
    Generate={
        "instruction": "方括号里的代词指的是所给的名词吗？从下列词语中选择一个回答：{labels}。",
        "text": "{text}\n“{pronoun}”指的是“{noun}”吗？\n答案：", "max_new_tokens": 16,
    },
    data={
        "hub": "clue/clue", "revision": "28178267a609dd08bdc703dd6c931dfc2c2f4431",
        **{split: f"cluewsc2020/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")},
    },
)  # fmt: skip
