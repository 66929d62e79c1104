import gzip
import re
import socket
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_language_modeling.data import articles, blocks, cut, document, split_last_word

from plmtasks.config import Source
from plmtasks.errors import DataError, InputError

ARTICLES = ["", " = A = ", "", " One . ", "", " = = B = = ", "", " Two . ", " = 3 = ", " = C = ", "", " = D = ", "", " Three . "]


def test_an_article_goes_from_its_title_to_the_next():
    found = [e.inputs["text"] for e in articles(ARTICLES)]
    # no title without blank lines around it
    assert found == ["= A = \n\n One . \n\n = = B = = \n\n Two . \n = 3 = \n = C =", "= D = \n\n Three ."]


def test_wikitext_has_sixty_articles_a_split(load, real_data):
    data = load("wikitext2", real_data / "wikitext2")
    assert data.splits == ["validation", "test"]
    for split, file in (("validation", "valid.txt"), ("test", "test.txt")):
        examples = data[split]
        assert 60 <= len(examples) <= 62
        whole = (real_data / "wikitext2" / file).read_text(encoding="utf-8")
        assert sum(len(e.inputs["text"].split()) for e in examples) == len(whole.split())
        assert all(re.match("= [^=]", e.inputs["text"]) for e in examples)


def test_the_hub_s_lines_give_the_same_articles(load, write):
    rows = [{"text": f"{line}\n" if line else ""} for line in ARTICLES]
    assert load("wikitext2", write("a.jsonl", *rows))["test"] == load("wikitext2", write("a.txt", "\n".join(ARTICLES)))["test"]


def test_a_train_split_is_learned_in_blocks(load, real_data, tmp_path):
    source = real_data / "wikitext2" / "valid.txt"
    (tmp_path / "train.txt").write_bytes(source.read_bytes())
    (tmp_path / "test.txt").write_bytes(source.read_bytes())
    data = load("wikitext2", tmp_path)
    whole, pieces = data["test"], data["train"]
    assert len(pieces) > 10 * len(whole)
    assert max(len(e.inputs["text"].encode()) for e in pieces) <= 1500
    joined = {}
    for e in pieces:
        joined[e.cluster] = joined.get(e.cluster, "") + e.inputs["text"]
    assert joined == {e.id: e.inputs["text"] for e in whole}


def test_a_train_split_of_its_own_is_cut_too(registry, write):
    task = registry.task("language_modeling/text")
    path = write("mine.txt", "word " * 1000)
    assert len(task.load(Source(data=str(path)))["test"]) == 1
    assert len(task.load(Source(train_data=str(path)))["train"]) == 4


@given(text=st.text(st.sampled_from("ab \n护ü😀"), min_size=1, max_size=80), size=st.integers(4, 20))
def test_pieces_are_the_text(text, size):
    pieces = list(cut(text, size))
    assert "".join(pieces) == text
    assert all(pieces)
    assert all(len(p.encode()) <= size for p in pieces)
    cuts = list(accumulate(len(p) for p in pieces))[:-1]
    for word in re.finditer(r"\s*\S+", text):
        # a word is cut only if it alone is too long
        assert len(word.group().encode()) > size or not any(word.start() < c < word.end() for c in cuts)


def test_a_short_document_stays_as_it_is():
    assert blocks(document("1", "a b")) == [document("1", "a b")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("one\ntwo\n", ["one", "two"]), ("one\ntwo\n\n\nthree\n", ["one\ntwo", "three"]), ("\none\n", ["one"]), ("one", ["one"])],
)
def test_blank_lines_or_else_lines_set_documents_apart(load, write, text, expected):
    assert [e.inputs["text"] for e in load("text", write("a.txt", text))["test"]] == expected


def test_records_and_gzip_are_read(load, write, tmp_path):
    path = write("a.jsonl", {"id": "x", "text": "one two"}, {"text": "three"})
    assert [(e.id, e.inputs["text"]) for e in load("text", path)["test"]] == [("x", "one two"), ("1", "three")]
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert load("text", tmp_path / "b.jsonl.gz")["test"] == load("text", path)["test"]
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"one two\nthree\n"))
    assert len(load("text", tmp_path / "c.txt.gz")["test"]) == 2
    named = write("d.csv", "body,n\none,1\n")
    assert load("text", named, text="body", id="n")["test"][0].id == "1"


@pytest.mark.parametrize(
    ("text", "before", "word"),
    [
        ("the red kite", "the red", " kite"), ("kite", "", "kite"), ("a\nkite \n", "a", "\nkite"),
        ("红色的风筝", "红色的风", "筝"), ("赤い凧だ", "赤い凧", "だ"), ("𠀀𠀁", "𠀀", "𠀁"),
        ("the 风筝 is red.", "the 风筝 is", " red."), (" ", " ", ""),
    ],
)  # fmt: skip
def test_last_words(text, before, word):
    assert split_last_word(text) == (before, word)


def test_a_dialogue_asks_for_every_turn_but_the_first(load, write, real_data):
    [first, second] = load("dialogue", write("a.jsonl", {"fname": "d", "dialogue": "A: Hi!\nB: Hello.\n\nA: Bye."}))["test"]
    assert (first.id, first.inputs, first.reference, first.cluster) == ("d.1", {"text": "A: Hi!"}, ["B: Hello."], "d")
    assert (second.id, second.inputs["text"], second.reference) == ("d.2", "A: Hi!\nB: Hello.", ["A: Bye."])
    of_list = load("dialogue", write("b.jsonl", {"dialog": ["A: Hi!", " B: Hello.", "A: Bye. "]}))["test"]
    assert [(e.inputs, e.reference) for e in of_list] == [(e.inputs, e.reference) for e in (first, second)]
    [given_] = load("dialogue", write("c.jsonl", {"history": ["Hi!", "Hello."], "response": "Bye."}))["test"]
    assert (given_.inputs["text"], given_.reference) == ("Hi!; Hello.", ["Bye."])
    real = load("dialogue", real_data / "dialogsum" / "dialogsum.dev.jsonl")["validation"]
    # two of the 500 dialogues are there twice
    assert len({e.cluster for e in real}) == 498


def test_what_asks_the_same_is_one_example_with_all_references(load, write, tmp_path):
    rows = [{"mr": "name[X]", "ref": "X is."}, {"mr": "name[Y]", "ref": "Y is."}, {"mr": "name[X]", "ref": "There is X."}]
    test = load("data-to-text", write("test.jsonl", *rows))["test"]
    assert [(e.id, e.reference) for e in test] == [("0", ["X is.", "There is X."]), ("1", ["Y is."])]
    write("train.jsonl", *rows)
    assert [e.reference for e in load("data-to-text", tmp_path)["train"]] == [["X is."], ["Y is."], ["There is X."]]


def test_shapes_of_prompts_and_references(load, write):
    web = {"gem_id": "w1", "input": ["A | b | C", "A | d | E"], "target": "x", "references": ["one", "two"]}
    [e] = load("data-to-text", write("a.jsonl", web))["test"]
    assert (e.id, e.inputs["text"], e.reference) == ("w1", "A | b | C; A | d | E", ["one", "two"])
    [e] = load("data-to-text", write("b.jsonl", {**web, "references": []}))["test"]
    assert e.reference == ["x"]
    roc = {f"sentence{i}": f"S{i}." for i in range(1, 6)}
    [e] = load("story", write("c.jsonl", roc))["test"]
    assert (e.inputs["text"], e.reference) == ("S1.", ["S2. S3. S4. S5."])
    [e] = load("headline", write("d.jsonl", {"title": "T", "text": "body", "url": ""}))["test"]
    assert (e.inputs["text"], e.reference) == ("T", ["body"])
    [e] = load("headline", write("e.jsonl", {"h": "T", "b": "body"}), text="h", references="b")["test"]
    assert (e.inputs["text"], e.reference) == ("T", ["body"])


BAD = [
    ("text", [{"text": "a"}, {"txt": "b"}], r"bad\.jsonl:2: expected a column 'text', found txt\n.*--columns"),
    ("text", [{"text": " "}], r"bad\.jsonl:1: expected a text that is not empty, found ' '"),
    ("text", ['{"text": "a"}\n{"text": }'], r"bad\.jsonl:2:10: expected a JSON object a line"),
    ("wikitext2", [{"line": "a"}], r"bad\.jsonl:1: expected a column 'text'"),
    ("lambada", [{"text": "a b"}, {"text": "word"}], r"bad\.jsonl:2: expected at least two words, found 'word'"),
    ("headline", [{"title": "T"}], r"jsonl:1: expected a column with the references \(article or .*--columns references=COL"),
    ("headline", [{"title": "T", "text": ""}], r"bad\.jsonl:1: expected references that are texts and not empty, found ''"),
    ("headline", [{"title": "", "text": "a"}], r"bad\.jsonl:1: expected a text that is not empty, found ''"),
    ("data-to-text", [{"mr": "a", "references": ["x", 3]}], r"references that are texts and not empty, found \['x', 3\]"),
    ("dialogue", [{"dialogue": "A: Hi!"}], r"bad\.jsonl:1: expected a dialogue of at least two turns, found 'A: Hi!'"),
    ("story", [{"sentence1": "a"}], r"bad\.jsonl:1: expected a column 'sentence2', found sentence1"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "values", "message"), BAD)
def test_bad_input_is_named_exactly(load, write, task, values, message):
    with pytest.raises(DataError) as caught:
        _ = load(task, write("bad.jsonl", *values))["test"]
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)


def test_an_empty_file_and_an_unknown_field_are_refused(load, write, registry):
    with pytest.raises(DataError, match="expected at least one example, found none"):
        _ = load("text", write("empty.txt", ""))["test"]
    with pytest.raises(InputError, match=r"language_modeling/text has no field 'body'\n  --columns takes id, text"):
        load("text", write("a.txt", "a"), body="x")
    with pytest.raises(InputError, match="--data PATH"):
        registry.task("language_modeling/text").load(Source())


HUB = {
    "wikitext2": 62, "lambada": 5153, "headline": 11535, "story": 15138, "data-to-text": 1779, "dialogue": 6740,
}  # fmt: skip
"""task → examples of its test split as published (of WikiText-2 the articles, of DailyDialog the turns that are asked)"""


def test_every_task_with_data_of_its_own_is_proven_on_the_hub(registry):
    own = {t.name.split("/")[1] for t in registry.items["task"].values() if t.hub is not None}
    assert own == set(HUB)
    for name in own:
        assert "test" in registry.task(f"language_modeling/{name}").load(Source()).splits


@pytest.mark.network
@pytest.mark.parametrize("name", HUB)
def test_hub_data_is_as_pinned(name, registry):
    try:
        socket.create_connection(("huggingface.co", 443), timeout=3).close()
    except OSError as e:
        pytest.skip(f"no hub: {e}")
    assert len(registry.task(f"language_modeling/{name}").load(Source())["test"]) == HUB[name]
