import gzip
import json
import re
import socket

import pytest
from plmtasks_qa.data import hub

from plmtasks.config import Source
from plmtasks.data import Dataset
from plmtasks.errors import DataError, InputError
from plmtasks.requests import ChooseAnswer, Likelihood

CONTEXT = "Anna sang. Bert danced."


def squad(*qas, context=CONTEXT):
    return {"version": "1.1", "data": [{"title": "Two", "paragraphs": [{"context": context, "qas": list(qas)}]}]}


def qa(id_="q1", question="Who sang?", answers=({"text": "Anna", "answer_start": 0},), **more):
    return {"id": id_, "question": question, "answers": list(answers), **more}


def without(key):
    return {k: v for k, v in qa().items() if k != key}


def row(**changes):
    return {"id": "q1", "question": "Who sang?", "context": CONTEXT, "answers": {"text": ["Anna"], "answer_start": [0]}} | changes


BAD = [
    ("qa/squad", ['{"data": [\n  {"title": }\n]}'], r"bad\.json:2:13: expected JSON"),
    ("qa/squad", [""], r"bad\.json:1:1: expected JSON"),
    ("qa/squad", [{"data": []}], r"bad\.json, split test: expected at least one example, found none"),
    ("qa/squad", [{"version": "1.1"}], r"bad\.json: data: expected a list, found nothing; the keys there: version"),
    ("qa/squad", [{"data": {}}], r"bad\.json: data: expected a list, found \{\}"),
    ("qa/squad", [{"data": ["x"]}], r"bad\.json: data\[0\]: expected an object, found 'x'"),
    ("qa/squad", [{"data": [{"title": "x"}]}], r"bad\.json: data\[0\]\.paragraphs: expected a list, found nothing; .*title"),
    ("qa/squad", [squad(context=None)], r"data\[0\]\.paragraphs\[0\]\.context: expected a text, found None"),
    (
        "qa/squad",
        [squad(qa(), without("answers"))],
        r"data\[0\]\.paragraphs\[0\]\.qas\[1\]\.answers: expected a list, found noth",
    ),
    (
        "qa/squad",
        [squad(without("question"))],
        r"qas\[0\]\.question: expected a text, found nothing; the keys there: id, answers",
    ),
    ("qa/squad", [squad(without("id"))], r"qas\[0\]\.id: expected a text, found nothing"),
    ("qa/squad", [squad(qa(question=" "))], r"qas\[0\]\.question: expected a text that is not empty, found ' '"),
    ("qa/squad", [squad(qa(answers=["Anna", 3]))], r"qas\[0\]\.answers\[1\]: expected an object, found 3"),
    ("qa/squad", [squad(qa(answers=[{"answer_start": 0}]))], r"qas\[0\]\.answers\[0\]\.text: expected a text, found nothing"),
    (
        "qa/squad",
        [squad(qa(answers=[{"text": "Anna", "answer_start": "0"}]))],
        r"answers\[0\]\.answer_start: expected a whole number",
    ),
    (
        "qa/squad",
        [squad(qa(), qa())],
        r"bad\.json, split test: expected a different id for each example, found 'q1' more than once",
    ),
    (
        "qa/squad",
        [squad(qa(answers=[{"text": "Carl"}]))],
        r"question 'q1': expected an answer that stands in its context, found 'Ca",
    ),
    (
        "qa/squad",
        [squad(qa(answers=[{"text": "Bert", "answer_start": 3}]))],
        r"'Bert' at character 3 .*\n.*stands at character 11",
    ),
    ("qa/squad", [squad(qa(answers=[]))], r"question 'q1': expected at least one answer, found none\n.*qa/squad_v2"),
    ("qa/squad_v2", [squad(qa(is_impossible=True))], r"expected answers exactly where is_impossible is false, found True and"),
    ("qa/squad", ["[1, 2]"], r"bad\.json: \[0\]: expected an object, found int"),
    ("qa/squad", [row(), {"id": 2}], r"bad\.json:2: expected a column 'question', found id\n.*--columns"),
    (
        "qa/squad",
        [row(), row(answers={"text": ["Anna"], "answer_start": [0, 1]})],
        r":2: answers\.answer_start: expected 1 offsets",
    ),
    ("qa/quac", [squad(qa(answers=[]))], r"qas\[0\]\.answers: expected at least one answer, 'CANNOTANSWER' if there is none"),
    (
        "qa/coqa",
        [{"data": [{"id": "a", "story": "b", "questions": [1], "answers": []}]}],
        r"lists of one length: questions, answers",
    ),
    (
        "qa/race",
        [{"question": "?", "choices": ["a", "b"], "answer": "C"}],
        r"the right choice as A to B, or 0 to 1, or its text, found 'C'",
    ),
    ("qa/race", [{"question": "?", "choices": list("abcde"), "answer": 0}], r"2 to 4 choices, found 5\n.*qa/multiple-choice"),
    ("qa/race", [{"question": "?", "choices": ["a", ""], "answer": 0}], r"choices that are texts and not empty, found ''"),
    ("qa/race", [{"question": "?", "choices": "a, b", "answer": 0}], r"choices: expected a list of choices, found 'a, b'"),
    (
        "qa/race",
        [{"question": "?", "choices": ["a", "b"]}],
        r"a column 'answer', 'answerKey' or 'label', found question, choices",
    ),
    (
        "qa/race",
        [{"question": "?", "text": "a"}],
        r"a question with choices, found question, text\n.*ARC.*\n.*RACE.*\n.*HellaSwag",
    ),
]
"""task, what stands in the file, what the message says of it"""


def test_squad_json_and_rows_give_the_same_examples(read, write, real_data, tmp_path):
    import pyarrow
    import pyarrow.parquet

    path = real_data / "xquad" / "xquad.en.json"
    rows = [
        {
            "id": q["id"], "title": article["title"], "context": p["context"], "question": q["question"],
            "answers": {"text": [a["text"] for a in q["answers"]], "answer_start": [a["answer_start"] for a in q["answers"]]},
        }
        for article in json.loads(path.read_text())["data"]
        for p in article["paragraphs"]
        for q in p["qas"]
    ]  # fmt: skip
    expected = read("qa/squad", path)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert read("qa/squad", tmp_path / "rows.parquet") == expected
    assert read("qa/squad", write("rows.jsonl", *rows)) == expected
    assert read("qa/squad", write("lines.json", *rows)) == expected
    assert read("qa/squad", write("list.json", rows)) == expected
    (tmp_path / "xquad.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read("qa/squad", tmp_path / "xquad.json.gz") == expected


def test_a_document_on_one_line_is_known_whatever_its_name(read, write):
    assert read("qa/squad", write("one.json", squad(qa()))) == read("qa/squad", write("one.jsonl", squad(qa())))


def test_columns_may_have_other_names_and_answers_other_shapes(read, write):
    expected = read("qa/squad", write("a.jsonl", row()))
    named = {"key": "q1", "q": "Who sang?", "text": CONTEXT, "a": [{"text": "Anna", "answer_start": 0}]}
    columns = {"id": "key", "question": "q", "context": "text", "answers": "a"}
    assert read("qa/squad", write("b.jsonl", named), **columns) == expected
    table = write("c.tsv", f"question\tcontext\tanswers\nWho sang?\t{CONTEXT}\tAnna\n")
    (no_offset,) = read("qa/squad", table)
    assert (no_offset.id, no_offset.reference) == ("0", {"text": ["Anna"], "answer_start": [None]})


@pytest.mark.parametrize("answer", ["Anna", ["Anna"], [{"text": "Anna"}], {"text": ["Anna"]}, {"text": "Anna"}])
def test_an_answer_is_told_in_many_shapes_and_in_the_singular(read, write, answer):
    rows = [{key: value for key, value in row(answer=answer).items() if key != "answers"}]
    (found,) = read("qa/squad", write("a.jsonl", *rows))
    assert found.reference == {"text": ["Anna"], "answer_start": [None]}
    (year,) = read("qa/squad", write("b.jsonl", {"question": "When?", "context": "In 1969.", "answer": 1969}))
    assert year.reference["text"] == ["1969"]


SUM = {"question": "2+1?", "choices": ["1", "2", "3", "4"], "answer": "3"}
SKY = {"question": "sky?", "choices": ["red", "blue", "grey"], "answer": "1"}


def test_a_text_that_is_a_choice_is_that_choice(read, write):
    (one,) = read("qa/multiple-choice", write("a.jsonl", SUM))
    assert one.reference == "C"
    far = {"question": "?", "choices": ["2300", "2400"], "answer": "2300"}
    assert [e.reference for e in read("qa/multiple-choice", write("b.jsonl", SUM, far))] == ["C", "A"]


def test_answers_that_can_be_read_in_two_ways_are_refused_and_columns_settle_them(read, write):
    path = write("a.jsonl", SUM, SKY)
    with pytest.raises(DataError, match=r"a\.jsonl:1: expected answers that can be read in one way alone, found '3'") as error:
        read("qa/multiple-choice", path)
    assert "--columns answer_is=text (texts) or answer_is=index (numbers from 0) or answer_is=number" in str(error.value)
    found = {way: [e.reference for e in read("qa/multiple-choice", path, answer_is=way)] for way in ("text", "index", "number")}
    assert found == {"text": ["C", "B"], "index": ["D", "B"], "number": ["C", "A"]}


@pytest.mark.parametrize(("task", "values", "message"), BAD)
def test_bad_input_is_named_exactly(task, values, message, read, write):
    # a document alone is one; rows come at least two, so that the file is read line by line
    if task == "qa/race":
        values = [{"question": "?", "choices": ["a", "b"], "answer": 0}, *values]
    with pytest.raises(DataError) as caught:
        read(task, write("bad.json", *values))
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "bad.json" in str(caught.value)


def test_a_broken_line_is_named_with_its_column(read, write):
    path = write("bad.jsonl", json.dumps(row()) + '\n{"id": "q2",, }\n')
    with pytest.raises(DataError, match=r"bad\.jsonl:2:13: expected a JSON object a line"):
        read("qa/squad", path)


def test_a_wrong_encoding_is_named_with_its_line(read, tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes('{"data": [\n"é"]}'.encode("latin-1"))
    with pytest.raises(DataError, match=r"bad\.json:2: expected UTF-8 text, found byte 0xe9"):
        read("qa/squad", path)


def test_an_unknown_field_is_refused(read, write):
    with pytest.raises(InputError, match=r"qa/squad has no field 'contxt'\n  --columns takes id, question, context, answers"):
        read("qa/squad", write("a.jsonl", row()), contxt="text")


def test_a_column_that_is_not_there_is_refused(read, write):
    with pytest.raises(DataError, match=r"a\.jsonl:1: expected a column 'key', found id, question, context, answers"):
        read("qa/squad", write("a.jsonl", row()), id="key")


def test_an_unknown_file_name_says_which_are_known(read, write):
    with pytest.raises(InputError, match=r"known: \.jsonl"):
        read("qa/squad", write("a.xml", "<a/>"))


def test_the_users_own_flaws_are_refused_where_published_ones_are_counted(read, real_data):
    with pytest.raises(DataError, match=r"cmrc2018_dev\.json: data\[\d+\]\.paragraphs\[0\]\.qas\[\d\], question 'DEV_"):
        read("qa/squad", real_data / "cmrc2018")


def test_a_known_duplicate_is_found(read, real_data):
    with pytest.raises(DataError, match="'5733be284776f41900661182' more than once"):
        read("qa/squad_v2", real_data / "allennlp_fixtures" / "rc" / "squad2.json")


def test_multiple_choice_needs_data(registry):
    with pytest.raises(InputError, match="--data PATH"):
        registry.task("qa/multiple-choice").load(Source())


HUB = {
    "qa/squad": 10570, "qa/squad_v2": 11873, "qa/cmrc2018": 3219, "qa/drcd": 3524, "qa/c3": 3816,
    "qa/coqa": 7983, "qa/quac": 7354, "qa/race": 4887, "qa/arc": 299, "qa/hellaswag": 10042, "qa/swag": 20006, "qa/mmlu": 1531,
    "qa/commonsenseqa": 1221,
    "qa/xquad": 11 * 1190, **{f"qa/xquad.{language}": 1190 for language in hub.XQUAD.tried},
    "qa/mlqa": 42205, "qa/mlqa.en": 11590, "qa/mlqa.ar": 5335, "qa/mlqa.de": 4517, "qa/mlqa.es": 5253, "qa/mlqa.hi": 4918,
    "qa/mlqa.vi": 5495, "qa/mlqa.zh": 5137,
    "qa/tydiqa": 5077, **{f"qa/tydiqa.{language}": None for language in hub.TYDIQA.tried},
}  # fmt: skip
"""task → questions of the split that is evaluated, as published; None: the languages' are told together"""


def test_every_task_with_data_of_its_own_is_proven_on_the_hub(registry):
    own = {t.name for t in registry.items["task"].values() if getattr(t, "hub", None) is not None}
    assert own == {*HUB} - {"qa/c3"}
    for name in own:
        data = registry.task(name).load(Source())
        assert data.published
        assert data.default_split() == ("test" if name.startswith(("qa/xquad", "qa/mlqa", "qa/tydiqa")) else "validation")


@pytest.mark.network
@pytest.mark.parametrize("name", HUB)
def test_hub_data_is_as_pinned(name, registry):
    try:
        socket.create_connection(("huggingface.co", 443), timeout=3).close()
    except OSError as e:
        pytest.skip(f"no hub: {e}")
    data: Dataset = registry.task(name).load(Source())
    assert len(data[data.default_split()]) == (HUB[name] or len(data["test"]))


# ── bad rows, and rows inside one another ─────────────────────────────────────────────────────────────────────────

CMRC = [
    {
        "context_id": "T", "context_text": CONTEXT,
        "qas": [
            {"query_text": "Who sang?", "query_id": "T_0", "answers": ["Anna", "Anna"]},
            {"query_text": "", "query_id": "T_1", "answers": ["Bert"]},
            {"query_text": "Who danced?", "query_id": "T_2", "answers": []},
            {"query_text": "Who danced?", "query_id": "T_3", "answers": ["Bert"]},
        ],
    }
]  # fmt: skip
CMRC_COLUMNS = {"rows": "[].qas[]", "question": "query_text", "context": "context_text", "id": "query_id"}


def test_empty_questions_and_answers_are_rows_that_can_be_left_out(registry, write):
    """As two questions of CMRC 2018's trial file are: the rest of it can be used."""
    file = squad(
        qa("q1"), qa("q2", question=""), qa("q3", answers=()), qa("q4", answers=({"text": "", "answer_start": 0},)), qa("q5")
    )
    path = write("trial.json", file)
    task = registry.task("qa/squad")
    with pytest.raises(DataError) as caught:
        task.load(Source(data=str(path)))["test"]
    first, *hints = str(caught.value).split("\n")
    assert first.endswith("data[0].paragraphs[0].qas[1].question: expected a text that is not empty, found ''")
    assert hints[0] == "  3 rows of 5 cannot be used; the others:"
    assert hints[-1] == "  --skip-bad-rows leaves them out, and says how many"
    data = task.load(Source(data=str(path), skip_bad_rows=True))
    assert [e.id for e in data["test"]] == ["q1", "q5"]
    assert data.left_out("test") == 3


def test_the_old_form_of_cmrc_is_read_by_a_path(registry, write):
    task = registry.task("qa/squad")
    data = task.load(Source(data=str(write("trial.json", CMRC)), columns=CMRC_COLUMNS, skip_bad_rows=True))
    assert [(e.id, e.inputs["question"], e.inputs["context"], e.reference["text"]) for e in data["test"]] == [
        ("T_0", "Who sang?", CONTEXT, ["Anna", "Anna"]), ("T_3", "Who danced?", CONTEXT, ["Bert"]),
    ]  # fmt: skip
    assert len({e.cluster for e in data["test"]}) == 1


def test_c3_is_read_by_a_path(read, write):
    c3 = [
        [["男：好。", "女：走吧。"], [
            {"question": "去哪？", "choice": ["家", "学校"], "answer": "学校"},
            {"question": "谁？", "choice": ["男", "女", "都"], "answer": "都"},
        ], "1-1"],
        [["女：吃了？"], [{"question": "问什么？", "choice": ["吃", "喝"], "answer": "吃"}], "1-2"],
    ]  # fmt: skip
    columns = {"rows": "[][1][]", "choices": "choice", "context": 'join(`"\\n"`, "0")'}
    found = read("qa/multiple-choice", write("c3.json", c3), **columns)
    assert [(e.inputs["context"], e.inputs["question"], e.inputs["choices"], e.reference) for e in found] == [
        ("男：好。\n女：走吧。", "去哪？", ["家", "学校"], "B"), ("男：好。\n女：走吧。", "谁？", ["男", "女", "都"], "C"),
        ("女：吃了？", "问什么？", ["吃", "喝"], "A"),
    ]  # fmt: skip


def test_a_scorer_of_pairs_reads_what_the_field_has_it_read(registry, read, tmp_path):
    def asked(name, row):
        task, path = registry.task(name), tmp_path / "rows.jsonl"
        path.write_text(json.dumps(row))
        [example] = read(name, path)
        return task.ask(example.hidden(), "Choose")

    two = {"options": ["Rome", "Oslo"], "answer": "A"}
    race = asked("qa/race", {"article": "She is in Rome.", "question": "Where is she?", **two})
    assert race.pairs() == [("She is in Rome.", "Where is she? Rome"), ("She is in Rome.", "Where is she? Oslo")]
    gap = asked("qa/race", {"article": "She is in Rome.", "question": "She is in _ .", **two})
    assert [second for _, second in gap.pairs()] == ["She is in Rome .", "She is in Oslo ."]
    alone = asked("qa/mmlu", {"question": "Where is the Forum?", "subject": "history", **two})
    assert alone.pairs() == [("Where is the Forum?", "Rome"), ("Where is the Forum?", "Oslo")]
    assert alone.choices == ("A", "B")  # a decoder is shown letters as before
    swag = asked("qa/swag", {"sent1": "A man sits.", "sent2": "He", "ending0": "stands up.", "ending1": "eats.", "label": 0})
    assert swag.pairs() == [("A man sits.", "He stands up."), ("A man sits.", "He eats.")]
    told = {"activity_label": "Baking", "ctx_a": "A bowl is shown.", "ctx_b": "a cook", "ctx": "A bowl is shown. a cook"}
    swag = asked("qa/hellaswag", {**told, "endings": ["stirs it.", "flies."], "label": "0"})
    assert swag.pairs() == [("Baking: A bowl is shown.", "A cook stirs it."), ("Baking: A bowl is shown.", "A cook flies.")]
    whole = asked("qa/hellaswag", {"ctx": "A bowl is shown.", "endings": ["It is full.", "It flies."], "label": "0"})
    assert whole.pairs() == [("A bowl is shown.", "It is full."), ("A bowl is shown.", "It flies.")]


@pytest.mark.parametrize(("name", "file"), [("qa/swag", "swag.csv"), ("qa/commonsenseqa", "commonsenseqa.jsonl")])
def test_pairs_of_the_published_formats(read, registry, real_data, name, file):
    task = registry.task(name)
    for example in read(name, real_data / "allennlp_fixtures" / "mc" / file):
        request = task.ask(example.hidden(), "Choose")
        own = example.inputs["choices"]
        assert [second for _, second in request.pairs()] == [f"{example.inputs.get('begun', '')} {c}".strip() for c in own]
        first = request.pairs()[0][0]
        assert first == example.inputs["question"] or example.inputs["context"].startswith(first)


def test_scores_of_choices_are_divided_by_no_length(registry):
    """The longest choice would be picked by any length."""
    task = registry.task("qa/race")
    example = task.pose({"question": "who?", "choices": ["a", "a long answer indeed"]}, "1")
    request = task.ask(example, "Choose")
    values = (Likelihood(log_likelihood=-1.0, tokens=1, bytes=1), Likelihood(log_likelihood=-1.1, tokens=9, bytes=20))
    by_text = task.read(example, request, ChooseAnswer(choices=values))
    assert (by_text.value, by_text.scores["pick_bytes"], by_text.scores["pick_tokens"]) == ("A", 1, 1)
    scored = task.read(example, request, ChooseAnswer(choices=values, scored=True))
    assert scored.value == "A"
    assert scored.scores.keys() == {"confidence"}
