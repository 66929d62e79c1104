import pytest

from plmtasks.config import Source
from plmtasks.errors import DataError, DataWarning, InputError

STORY = "(CNN) A dog barked.\n\nIt ran.\n\n@highlight\n\nA dog  barked\n\n@highlight\n\nIt ran away\n"


def texts(examples):
    return [(e.id, e.inputs["text"], e.reference) for e in examples]


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("cnn_dailymail", {"article": "A long text.", "highlights": "Short.", "id": "7"}),
        ("xsum", {"document": "A long text.", "summary": "Short.", "id": "7"}),
        ("samsum", {"id": "7", "dialogue": "A long text.", "summary": "Short."}),
        ("dialogsum", {"fname": "7", "dialogue": "A long text.", "summary": "Short."}),
        ("text", {"id": 7, "text": " A long text. ", "abstract": "Short. "}),
        ("text", {"id": "7", "content": "A long text.", "summaries": ["Short."]}),
    ],
)
def test_published_column_names_are_known(task, row, read, write):
    assert texts(read(task, write("test.jsonl", row))) == [("7", "A long text.", ["Short."])]


def test_other_columns_can_be_named(read, write):
    path = write("mine.csv", 'key,body,gist\nx,"One, two.\nThree.",Short.\n')
    assert texts(read("text", path, id="key", text="body", summary="gist")) == [("x", "One, two.\nThree.", ["Short."])]


def test_parquet_and_rows_without_an_id(read, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"text": ["A", "B"], "summary": [["a", "aa"], ["b"]]})
    pq.write_table(table, tmp_path / "validation.parquet")
    assert texts(read("text", tmp_path)) == [("0", "A", ["a", "aa"]), ("1", "B", ["b"])]


def test_numbered_columns_are_several_references_and_one_can_be_chosen(read, write):
    path = write(
        "test.jsonl", {"dialogue": "A", "summary2": "b", "summary1": "a", "summary10": "c", "topic1": "x", "topic2": "x"}
    )
    [found] = read("dialogsum", path)
    assert (found.reference, found.slices) == (["a", "b", "c"], ("words=0-100", "topic=x"))
    assert read("dialogsum", path, summary="summary2")[0].reference == ["b"]


def test_dialogsum_s_rows_of_one_dialogue_are_one_example(read, write):
    rows = [("test_0_1", "A", "a", "x"), ("test_0_2", "A", "b", "y"), ("test_1_1", "A", "c", "x"), ("test_1_2", "B", "d", "x")]
    path = write("test.jsonl", *({"id": i, "dialogue": d, "summary": s, "topic": t} for i, d, s, t in rows))
    found = read("dialogsum", path)
    assert texts(found) == [("test_0_1", "A", ["a", "b"]), ("test_1_1", "A", ["c"]), ("test_1_2", "B", ["d"])]
    assert found[0].slices == ("words=0-100", "topic=x", "topic=y")
    assert len(read("samsum", path)) == 4


def test_stories(read, write, tmp_path):
    path = write("stories/b.story", STORY)
    expected = ("b", "(CNN) A dog barked.\nIt ran.", ["A dog barked\nIt ran away"])
    assert texts(read("cnn_dailymail", path)) == [expected]
    write("stories/a.story", STORY)
    assert [e.id for e in read("cnn_dailymail", tmp_path / "stories")] == ["a", "b"]


def test_folders_of_stories_are_splits(registry, write, tmp_path):
    for name in ("cnn/train/a", "cnn/train/b", "cnn/val/c", "cnn/more/d"):
        write(f"{name}.story", STORY)
    rows = write("rows.jsonl", {"id": "z", "text": "A", "summary": "a"})
    task = registry.task("summarization/text")

    def ids(**source):
        data = task.load(Source(**{k: str(v) for k, v in source.items()}))
        return {split: [e.id for e in data[split]] for split in data.splits}

    assert ids(data=tmp_path / "cnn") == {"train": ["a", "b"], "validation": ["c"]}
    assert ids(data=rows, train_data=tmp_path / "cnn") == {"test": ["z"], "train": ["a", "b"]}
    assert ids(data=tmp_path / "cnn/val", train_data=tmp_path / "cnn/more") == {"test": ["c"], "train": ["d"]}
    assert ids(data=tmp_path / "cnn/val", train_data=rows) == {"test": ["c"], "train": ["z"]}


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("t.jsonl", [{"text": "A", "summary": "a"}, {"text": "A", "summary": ""}], r"t\.jsonl:2: expected a summary with a word"),
        ("t.jsonl", [{"text": "A", "summary": None}], r"t\.jsonl:1: expected a summary with a word .* found None"),
        ("t.jsonl", [{"text": "A", "summary": []}], r"t\.jsonl:1: expected a summary with a word .* found \[\]"),
        ("t.jsonl", [{"text": "A", "summary": ["a", "…"]}], r"t\.jsonl:1: expected a summary with a word .* found '…'"),
        ("t.jsonl", [{"text": "A", "summary1": "a", "summary2": ""}], r"t\.jsonl:1: expected a summary with a word .* found ''"),
        ("t.jsonl", [{"text": "长文", "summary": "短"}], r"'短'\n  another language has another task: summarization/text-zh"),
        ("t.jsonl", [{"text": " ", "summary": "a"}], r"t\.jsonl:1: expected a text to summarize, found an empty one"),
        ("t.jsonl", [{"text": ["A"], "summary": "a"}], r"t\.jsonl:1: expected a text, found \['A'\]"),
        (
            "t.csv", ["body,summary\nA,a\n"],
            r"t\.csv:2: expected a column with the text \(article or .*, found the columns 'body', 'summary'\n  .* text=COLUMN",
        ),
        ("t.jsonl", [{"text": "A", "gist": "a"}], r"expected a column with the summary \(.*, found the columns 'text', 'gist'"),
        ("t.story", ["A dog barked.\n"], r"t\.story: expected @highlight with a line after it, found none"),
        ("t.story", ["A dog barked.\n\n@highlight\n\n"], r"t\.story: expected @highlight with a line after it, found none"),
        ("t.story", ["@highlight\n\nA dog barked"], r"t\.story: expected a text to summarize, found an empty one"),
    ],
)  # fmt: skip
def test_bad_rows_are_named_exactly(name, values, message, read, write):
    with pytest.raises(DataError, match=message):
        read("text", write(name, *values))


def test_unknown_fields_and_columns(read, write):
    path = write("t.jsonl", {"text": "A", "summary": "a"})
    with pytest.raises(InputError, match=r"no field 'label'\n  the fields are: id, text, summary"):
        read("text", path, label="x")
    with pytest.raises(DataError, match=r"t\.jsonl:1: expected a column 'gist', found text, summary"):
        read("text", path, summary="gist")


def test_a_task_without_data_of_its_own_asks_for_some(registry):
    with pytest.raises(InputError, match="--data PATH"):
        registry.task("summarization/text").load(Source())


def test_published_data_leaves_out_what_has_no_text_or_summary_and_says_so(registry):
    from plmtasks_summarization.data import Form

    rows = [("x", {"text": t, "summary": s}) for t, s in (("A", "a"), ("", "b"), (None, "c"), ("D", ""), ("E", ["", "e"]))]
    with pytest.warns(DataWarning, match="set: 3 rows have no text or no summary, and are left out"):
        found = list(Form(published=True).read_rows(rows, "set"))
    assert texts(found) == [("0", "A", ["a"]), ("4", "E", ["e"])]


def test_real_dialogues(read, real_data):
    dev, test = (read("dialogsum", real_data / f"dialogsum/dialogsum.{split}.jsonl") for split in ("dev", "test"))
    assert (len(dev), len(test)) == (500, 500)
    assert {len(e.reference) for e in dev} == {1}
    assert {len(e.reference) for e in test} == {3}
    assert dev[0].slices == ("words=101-200", "topic=see a doctor")
    assert test[0].id == "test_0"


def test_real_stories(read, real_data):
    folder = real_data / "allennlp_fixtures/cnn_stories"
    found = read("cnn_dailymail", folder)
    assert len(found) == 20
    for e in found:
        assert len(e.reference[0].split("\n")) == (folder / f"{e.id}.story").read_text().count("@highlight")
    assert not any("@highlight" in e.inputs["text"] for e in found)


@pytest.mark.network
@pytest.mark.parametrize(
    ("task", "split", "size"),
    [
        ("cnn_dailymail", "test", 11_490), ("xsum", "test", 11_334), ("dialogsum", "test", 500), ("samsum", "test", 819),
        ("xlsum.zh", "test", 4_670), ("lcsts", "validation", None),
    ],
)  # fmt: skip
def test_data_sets_on_the_hub_have_their_published_sizes(task, split, size, registry):
    found = registry.task(f"summarization/{task}").load(Source())[split]
    assert len(found) == (size or len(found))
