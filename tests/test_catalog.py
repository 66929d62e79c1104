"""A catalogue of tasks' files: each in several languages, all of these together, and what the data calls them."""

from collections import Counter
from pathlib import Path

import hub
import pytest

from plmtasks import declared
from plmtasks.config import Source
from plmtasks.errors import DataError
from plmtasks.requests import TagAnswer
from plmtasks.task import Listed, Task

WEATHER = """
name = "weather/talk.<language>"
description = "What do <Language> people say of the weather?"
language = "<language>"
languages = { mul = "all", en = "English", th = "Thai", zh = "Chinese" }
metrics = ["accuracy"]
labels = ["wet", "dry"]

[columns]
reference = "said"

[Classify]
text = "{text}"

[data]
hub = "us/weather"
revision = "0123456789012345678901234567890123456789"
parallel = true
evaluate = "test"
train = "English/train.parquet"
validation = "English/validation.parquet"
test = ["<code>/one.parquet", "<code>/two.parquet"]
"""

ROWS = """
{
  "rows": {
    "train": [{"text": "It rains.", "said": "wet"}, {"text": "The sun shines.", "said": "dry"}],
    "validation": [{"text": "It pours.", "said": "wet"}],
    "test": {
      "en": [{"text": "Snow falls on the hills.", "said": "wet"}],
      "th": [{"text": "หิมะตกบนเนินเขาตลอดทั้งวันตลอดทั้งคืน", "said": "wet"}],
      "zh": [{"text": "山上下雪。", "said": "wet"}]
    }
  }
}
"""


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Listed]:
    """The tasks of a catalogue of one file, which lies in the folder of a collection."""
    (tmp_path / "tasks" / "talks").mkdir(parents=True)
    (tmp_path / "tasks" / "talks" / "talk.toml").write_text(WEATHER, encoding="utf-8")
    (tmp_path / "rows.json").write_text(ROWS, encoding="utf-8")
    return {listed.name: listed for listed in declared.tasks(tmp_path / "tasks")}


def loaded(task: Task, tmp_path: Path, split: str = "test"):
    with hub.holding(tmp_path / "cache", task, tmp_path / "rows.json"):
        return task.load(Source())[split]


def test_a_file_is_a_task_for_each_language_and_one_for_all(made) -> None:
    assert list(made) == ["weather/talk", "weather/talk.en", "weather/talk.th", "weather/talk.zh"]
    assert [listed.language for listed in made.values()] == ["mul", "en", "th", "zh"]
    assert [listed.description for listed in made.values()][:3] == [
        "What do people say of the weather?", "What do English people say of the weather?",
        "What do Thai people say of the weather?",
    ]  # fmt: skip
    for listed in made.values():
        task = listed.make()
        assert (task.name, task.language, listed.collection) == (listed.name, listed.language, "talks")


def test_each_learns_from_the_same_rows_and_is_evaluated_in_its_own_language(made, tmp_path) -> None:
    thai = made["weather/talk.th"].make()
    assert thai.declared.data.test == ("Thai/one.parquet", "Thai/two.parquet")
    assert thai.load(Source()).default_split() == "test"
    assert [e.reference for e in loaded(thai, tmp_path, "train")] == ["wet", "dry"]
    first, second = loaded(thai, tmp_path)
    assert first.inputs == second.inputs == {"text": "หิมะตกบนเนินเขาตลอดทั้งวันตลอดทั้งคืน"}
    assert (first.id, first.cluster, first.slices) == ("test-0", None, ("characters=21-40", "label=wet"))


def test_all_together_are_parts_whose_translations_are_one_cluster(made, tmp_path) -> None:
    task = made["weather/talk"].make()
    assert task.declared.data.parts == "language"
    assert task.declared.data.test["zh"] == ["Chinese/one.parquet", "Chinese/two.parquet"]
    assert task.declared.data.train == "English/train.parquet"
    examples = loaded(task, tmp_path)
    assert [e.id for e in examples] == [f"{language}-test-{n}" for language in ("en", "th", "zh") for n in (0, 1)]
    assert Counter(e.cluster for e in examples) == {"test-0": 3, "test-1": 3}
    # a length is told as each language tells it
    assert [e.slices for e in examples[::2]] == [
        ("words=0-10", "language=en", "label=wet"), ("characters=21-40", "language=th", "label=wet"),
        ("characters=0-20", "language=zh", "label=wet"),
    ]  # fmt: skip


def test_parts_that_are_no_translations_are_independent(made, tmp_path) -> None:
    path = tmp_path / "tasks" / "talks" / "talk.toml"
    path.write_text(WEATHER.replace("parallel = true\n", ""), encoding="utf-8")
    task = declared.tasks(path)[0].make()
    assert {e.cluster for e in loaded(task, tmp_path)} == {None}


PARTS_OF_SPEECH = """
name = "words/kinds"
metrics = ["conlleval"]
main = "accuracy"
LABELS
[columns]
reference = "kinds"

[Tag]
words = "words"
scheme = "none"

[[data.train]]
words = ["Ships", "sail", "."]
kinds = ["NOUN", "VERB", "PUNCT"]

[[data.test]]
words = "Sail ships"
kinds = FOUND
"""


def tagging(tmp_path: Path, labels: str, kinds: str):
    path = tmp_path / "kinds.toml"
    path.write_text(PARTS_OF_SPEECH.replace("LABELS", labels).replace("FOUND", kinds), encoding="utf-8")
    return declared.task(path)


@pytest.mark.parametrize("kinds", ['["VERB", "NOUN"]', "[2, 0]", '"VERB NOUN"'])
def test_a_word_may_have_a_label_of_its_own(tmp_path, kinds) -> None:
    task = tagging(tmp_path, 'labels = ["NOUN", "PUNCT", "VERB"]', kinds)
    [example] = task.load(Source())["test"]
    assert example.reference == [["VERB", 0, 1], ["NOUN", 1, 2]]
    request = task.ask(example.hidden(), "Tag")
    assert request.labels == ("NOUN", "PUNCT", "VERB")
    assert task.solve(example, request) == TagAnswer(labels=("VERB", "NOUN"))
    assert task.read(example, request, TagAnswer(labels=("NOUN", "NOUN"))).value == [["NOUN", 0, 1], ["NOUN", 1, 2]]


def test_its_labels_may_come_from_the_training_data(tmp_path) -> None:
    task = tagging(tmp_path, "", '["VERB", "NOUN"]')
    assert task.bind(task.load(Source())).tags() == ("NOUN", "PUNCT", "VERB")


def test_a_label_that_is_none_is_told(tmp_path) -> None:
    task = tagging(tmp_path, 'labels = ["NOUN", "PUNCT", "VERB"]', '["VERB", "B-NOUN"]')
    with pytest.raises(DataError, match=r"kinds.toml:17: expected one of the labels NOUN, PUNCT, VERB, found 'B-NOUN'"):
        task.load(Source())["test"]
