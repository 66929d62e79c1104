import pytest

from plmtasks.config import Source
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example, Prediction
from plmtasks.requests import Generate, GenerateAnswer
from plmtasks.testing import TaskSubject
from plmtasks.testing.tasks import solved_answers_are_best

# task, path under the real data, split → examples
DATA = [
    ("dialogsum", "dialogsum", {"validation": 500, "test": 500}),
    ("samsum", "dialogsum", {"validation": 500, "test": 500}),
    ("text", "dialogsum", {"validation": 500, "test": 500}),
    ("text-any", "dialogsum", {"validation": 500, "test": 500}),
    ("cnn_dailymail", "allennlp_fixtures/cnn_stories", {"test": 20}),
    ("xsum", "allennlp_fixtures/cnn_stories", {"test": 20}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "path", "sizes"), DATA)
def test_solved_answers_give_every_metric_its_best_value(name, path, sizes, registry, real_data):
    subject = whole(registry, name, real_data / path)
    assert {split: len(examples) for split, examples in subject.whole.items()} == sizes
    solved_answers_are_best(subject)


def whole(registry, name, path):
    task = registry.task(f"summarization/{name}")
    return TaskSubject(task=task, source=Source(data=str(path)), registry=registry, limit=10**9)


@pytest.mark.parametrize("name", ["lcsts", "xlsum.zh", "text-zh", "text-any"])
def test_solved_answers_in_chinese(name, registry, write):
    rows = [
        {"text": "星期一，护士在花园里。", "summary": "护士在花园里。\n\n她很高兴。"},
        {"text": "ＡＢＣ 公司", "summary": ["abc公司", "公司"]},
    ]
    subject = whole(registry, name, write("test.jsonl", *rows))
    assert len(subject.whole["test"]) == 2
    solved_answers_are_best(subject)


def test_plain_summarization_is_cnn_dailymail(registry):
    assert registry.task("summarization").name == "summarization/cnn_dailymail"


def test_every_task_names_metrics_that_there_are(registry):
    for task in registry.items["task"].values():
        assert [registry.metric(m).name for m in task.metrics] == list(task.metrics)
        assert task.description
    assert next(iter(registry.metric("rouge").scores())) == "rouge1"


@pytest.mark.parametrize("name", ["sample", "sample-zh"])
def test_a_sample_s_summary_takes_something_of_two_sentences(name, registry):
    data = registry.task(f"summarization/{name}").load(Source())
    seen = {split: {e.inputs["text"] for e in data[split]} for split in data.splits}
    assert not seen["test"] & (seen["train"] | seen["validation"])
    for example in data["test"]:
        assert all(example.reference[0].rstrip(" .。") not in s for s in example.inputs["text"].replace("。", ".").split("."))


def test_a_text_is_asked_and_an_answer_read(registry):
    task = registry.task("summarization/dialogsum")
    example = task.pose({"text": "A: Hi!\nB: Bye!"}, "7")
    asked = task.ask(example, "Generate")
    assert asked == Generate(
        instruction="Summarize the dialogue in one or two sentences.", text="A: Hi!\nB: Bye!", max_new_tokens=96, stop=("\n\n",),
        purpose="summarize",
    )  # fmt: skip
    read = task.read(example, asked, GenerateAnswer(text=" They\npart. "))
    assert read == Prediction(value="They\npart.")
    assert task.show(example, read) == "They\npart."


def test_chinese_is_asked_in_chinese_and_samples_without_a_word(registry):
    tasks = {name: registry.task(f"summarization/{name}").pose({"text": "x"}, "1") for name in ("text-zh", "sample")}
    zh, sample = (registry.task(f"summarization/{name}").ask(example, "Generate") for name, example in tasks.items())
    assert zh.instruction == "请概括下面的文章。"
    assert (sample.instruction, sample.purpose) == ("", "")


@pytest.mark.parametrize("row", [{}, {"text": " "}, {"text": "a", "summary": "b"}])
def test_what_is_no_question(row, registry):
    with pytest.raises(InputError, match="is asked with text"):
        registry.task("summarization/text").pose(row, "1")


# ── others' predictions ───────────────────────────────────────────────────────────────────────────────────────────

EXAMPLES = [Example(id=id_, inputs={"text": "t"}, reference=["r"]) for id_ in ("a", "b")]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("lines.txt", ["#Person1# <unk>\n{x} y"], {"a": "#Person1# <unk>", "b": "{x} y"}),
        ("lines.txt", ["One. <q> Two.\nThree.<n>Four.\n"], {"a": "One.\nTwo.", "b": "Three.\nFour."}),
        ("rows.csv", ["id,prediction\nb,One <n>\na,Two\n"], {"a": "Two", "b": "One <n>"}),
        (
            "rows.jsonl",
            [{"id": "b", "prediction": "One.\nTwo <n>"}, {"id": "a", "prediction": ""}],
            {"a": "", "b": "One.\nTwo <n>"},
        ),
    ],
)
def test_predictions_are_read(name, values, expected, registry, write):
    found = registry.task("summarization/text").read_predictions(write(name, *values), EXAMPLES)
    assert {id_: p.value for id_, p in found.items()} == expected


def test_a_folder_of_predictions(registry, write):
    path = write("made/a.txt", "One.\nTwo.\n")
    write("made/b.summary", "Three.\n")
    found = registry.task("summarization/text").read_predictions(path.parent, EXAMPLES)
    assert {id_: p.value for id_, p in found.items()} == {"a": "One.\nTwo.", "b": "Three."}


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("lines.txt", ["one\n"], r"lines\.txt: expected 2 lines, one for each example, found 1"),
        ("rows.jsonl", [{"id": "a", "prediction": ["x"]}], r"rows\.jsonl: a: expected a summary as text, found \['x'\]"),
    ],
)
def test_bad_predictions_are_named(name, values, message, registry, write):
    with pytest.raises(DataError, match=message):
        registry.task("summarization/text").read_predictions(write(name, *values), EXAMPLES)


@pytest.mark.parametrize("name", ["lines.txt", "rows.jsonl", "rows.json"])
def test_predictions_are_written_with_their_line_feeds(name, registry, write):
    task, predictions = (
        registry.task("summarization/text"),
        {"a": Prediction(value="One. \n Two.\nThree."), "b": Prediction(value="")},
    )
    [(file, text)] = task.write_predictions(name, EXAMPLES, predictions).items()
    assert text.count("\n") == 2
    assert dict(task.read_predictions(write(file, text), EXAMPLES)) == predictions
