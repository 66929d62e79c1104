import gzip
import json

import pytest
from plmtasks_srl.data.sentences import role_name
from plmtasks_srl.spans import spans_of

from plmtasks.config import Source
from plmtasks.errors import DataError, DataWarning, InputError
from plmtasks.reading import spans_to_tags

EWT = """# sent_id = a-1
doc\t0\t0\tWe\tPRP\t(S*\t-\t-\t(ARG0*)\t*
doc\t0\t1\tsaw\tVBD\t*\tsee\tsee.01\t(V*)\t*
doc\t0\t2\tit\tPRP\t*\t-\t-\t(ARG1*\t(ARG0*)
doc\t0\t3\tfall\tVB\t*)\tfall\tfall.02\t*)\t(V*)

# sent_id = a-2
doc\t1\t0\tYes\tUH\t(S*)\t-\t-
"""
BIO = """# sent_id = a-1
0\tWe\tPRP\t-\tB-ARG0\tO
1\tsaw\tVBD\tsee.01\tB-V\tO
2\tit\tPRP\t-\tB-ARG1\tB-ARG0
3\tfall\tVB\tfall.02\tI-ARG1\tB-V

# sent_id = a-2
0\tYes\tUH\t-
"""
PROPS = "-    (A0*)  *\nsee  (V*)   *\n-    (A1*   (A0*)\nfall *)     (V*)\n\n-\n"
UNIVERSAL = """# global.columns = ID FORM UP:PRED UP:ARGHEADS UP:ARGSPANS
# sent_id = a-1
1\tWe\t_\t_\t_
2-3\tsaw it\t_\t_\t_
2\tsaw\tsee.01\tA0:1|A1:4\tA0:1-1|A0:1-1|A1:3-4
3\tit\t_\t_\t_
4\tfall\tfall.02\tA0:3\tA0:3-3

# sent_id = a-2
1\tYes\t_\t_\t_
"""
SEE = [["ARG0", 0, 1], ["V", 1, 2], ["ARG1", 2, 4]]
FALL = [["ARG0", 2, 3], ["V", 3, 4]]


@pytest.mark.parametrize(
    ("name", "text"),
    [("x.gold_conll", EWT), ("x.bio.tsv", BIO), ("x.tsv", BIO), ("x.conllup", UNIVERSAL), ("x.txt", EWT.replace("\t", "   "))],
)
def test_one_example_a_predicate_from_every_format(name, text, read, write):
    first, second = read("srl/propbank", write(name, text))
    assert (first.id, second.id) == ("a-1.1", "a-1.3")
    assert first.cluster == second.cluster == "a-1"
    assert first.inputs == {"words": ["We", "saw", "it", "fall"], "predicate": 1, "number": 0}
    assert (first.reference, second.reference) == (SEE, FALL)
    assert first.slices == ("words=0-10", "predicates=2-3", "frequency=1", "roles=2")
    both, none = read("srl/predicates", write(name, text))
    assert (both.id, both.reference) == ("a-1", [["01", 1, 2], ["02", 3, 4]])
    assert (none.id, none.reference, none.inputs["words"]) == ("a-2", [], ["Yes"])


@pytest.mark.parametrize("place", ["x.words", "../words/x.words", "x.words.gz"])
def test_props_take_their_words_from_beside(place, read, write):
    path = write("props/x.props", PROPS)
    words = write(f"props/{place.removesuffix('.gz')}", "We\nsaw\nit\nfall\n\nYes\n")
    if place.endswith(".gz"):
        words.with_name("x.words.gz").write_bytes(gzip.compress(words.read_bytes()))
        words.unlink()
    first, second = read("srl/propbank", path)
    assert first.inputs["words"] == ["We", "saw", "it", "fall"]
    assert (first.reference, second.reference) == (SEE, FALL)
    assert (first.id, second.id) == ("0.1", "0.3")
    # the file does not tell senses
    assert read("srl/predicates", path)[0].reference == [["V", 1, 2], ["V", 3, 4]]


def test_props_may_have_the_words_in_front(read, write):
    rows = ["We PRP - (A0*) *", "saw VBD see (V*) *", "it PRP - (A1* (A0*)", "fall VB fall *) (V*)"]
    first, second = read("srl/propbank", write("x.props", "\n".join(rows) + "\n\nYes UH -\n"))
    assert first.inputs["words"] == ["We", "saw", "it", "fall"]
    assert (first.reference, second.reference) == (SEE, FALL)


def test_words_that_look_like_comments_or_numbers(read, write):
    rows = ["It PRP - (A0*)", "cost VBD cost (V*)", "# # - (A1*", "5 CD - *)"]
    (only,) = read("srl/propbank", write("x.props", "\n".join(rows)))
    assert only.inputs["words"] == ["It", "cost", "#", "5"]
    assert only.reference == [["ARG0", 0, 1], ["V", 1, 2], ["ARG1", 2, 4]]
    # the first sentence is a number
    (only,) = read("srl/propbank", write("y.props", "1 CD (S* -\n\n1 CD (S* - (A1*)\nfell VBD *) fall (V*)\n"))
    assert (only.inputs["words"], only.reference) == (["1", "fell"], [["ARG1", 0, 1], ["V", 1, 2]])


def test_props_without_words_are_scored_not_asked(registry, read, write):
    path = write("x.props", PROPS)
    with pytest.warns(DataWarning, match="2 sentences have no words"):
        first, _ = read("srl/propbank", path)
    with pytest.raises(InputError, match="sentences without words cannot be asked"):
        registry.task("srl/propbank").ask(first.hidden(), "Tag")


def test_universal_propositions_take_words_from_the_treebank_and_heads_for_spans(read, write):
    form = "\n".join("\t".join(c for i, c in enumerate(line.split("\t")) if i != 1) for line in UNIVERSAL.split("\n"))
    path = write("en-up-test.conllup", form.replace("ID FORM", "ID").replace(" UP:ARGSPANS", ""))
    lines = [line.rpartition("\t")[0] if "\t" in line else line for line in path.read_text().split("\n")]
    path.write_text("\n".join(lines))
    write("en-ud-test.conllu", "1\tWe\tx\n2-3\tsaw it\tx\n2\tsaw\tx\n3\tit\tx\n4\tfall\tx\n\n1\tYes\tx\n")
    first, _ = read("srl/propbank", path)
    assert first.inputs["words"] == ["We", "saw", "it", "fall"]
    assert first.reference == [["ARG0", 0, 1], ["V", 1, 2], ["ARG1", 3, 4]]


def test_overlapping_arguments_are_counted(read, write):
    text = UNIVERSAL.replace("A0:3-3", "A0:2-4|A1:3-3")
    with pytest.warns(DataWarning, match=r"x\.conllup: 1 argument overlaps"):
        _, second = read("srl/propbank", write("x.conllup", text))
    assert second.reference == [["ARG0", 1, 3], ["V", 3, 4]]


def test_folders_of_ontonotes(registry, real_data, read):
    folder = real_data / "allennlp_fixtures/structured_prediction/srl/conll_2012"
    examples = read("srl/propbank", folder)
    assert len(examples) == 8
    assert len({e.id for e in examples}) == 8
    first = examples[0]
    assert first.id == "test/test/01/test_001/0/0.3"
    assert first.inputs["words"][:4] == ["Mali", "government", "officials", "say"]
    assert first.reference == [["ARG0", 0, 3], ["V", 3, 4], ["ARG1", 4, 10]]
    sentences = read("srl/predicates", folder)
    assert len(sentences) == 5
    # a sentence in two files
    assert [e.id for e in sentences][3:] == ["test/test/04/test_004/0/0", "test/test/04/test_004/0/1"]
    assert sentences[1].reference == [["01", 2, 3], ["01", 11, 12]]


@pytest.mark.parametrize(("folder", "split"), [("", "test"), ("train", "train"), ("development", "validation")])
def test_a_folder_of_files_of_one_split(folder, split, registry, write):
    for name in ("a", "b"):
        root = write(f"v4/{folder}/{name}.gold_conll", EWT.replace("a-", f"{name}-")).parent
    data = registry.task("srl/propbank").load(Source(data=str(root)))
    assert [e.id for e in data[split]] == ["a-1.1", "a-1.3", "b-1.1", "b-1.3"]
    if folder:
        data = registry.task("srl/propbank").load(Source(data=str(root.parent)))
        assert [len(data[s]) for s in data.splits] == [4]


@pytest.mark.parametrize("between", ["", "data/"])
def test_a_folder_of_files_a_split(between, registry, write):
    for split in ("train", "development", "test"):
        write(f"v4/{between}{split}/data/english/{split}.v4_gold_conll", EWT.replace("a-", f"{split}-"))
        file = write(f"v4/{between}{split}/data/english/b/more.gold_conll", EWT.replace("a-", f"{split}-b-"))
    folders = file.parents[4]
    root = folders.parent if between else folders
    data = registry.task("srl/propbank").load(Source(data=str(root)))
    assert data.splits == ["train", "validation", "test"]
    assert [e.id for e in data["validation"]] == [f"development-{i}" for i in ("b-1.1", "b-1.3", "1.1", "1.3")]
    alone = registry.task("srl/propbank").load(Source(data=str(folders / "test"), train_data=str(root)))
    assert sorted(alone.splits) == ["test", "train"]
    assert alone["train"][0].id == "train-b-1.1"


def test_a_folder_with_several_formats_of_a_split(registry, real_data):
    data = registry.task("srl").load(Source(data=str(real_data / "propbank_ewt")))
    assert data.splits == ["train", "validation", "test"]
    assert data["validation"][0].id == "answers-20070404104007AAY1Chs_ans-0001.3"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.gold_conll", EWT.replace("\t*)\t(V*)", "\t*\t(V*)"), r"x\.gold_conll:4: expected brackets that are closed"),
        ("x.gold_conll", EWT.replace("see.01", "-"), r":2: expected a role column for each .* 1 predicates, found 2"),
        ("x.gold_conll", EWT.replace("(V*)\t*\n", "*\t*\n"), r":3: expected the role V at the predicate 'saw' .*, found no"),
        ("x.gold_conll", EWT.replace("(V*)\t*\n", "(V*)\n"), r":3: expected 10 columns as in .* first line \(2\), found 9"),
        ("x.bio.tsv", BIO.replace("I-ARG1", "ARG1"), r":5: expected a tag: O, B-ROLE or I-ROLE, found 'ARG1'"),
        ("x.bio.tsv", BIO.replace("B-V\tO", "B-ARG2\tO"), r":3: expected the role V at the predicate 'saw' .*, found ARG2"),
        ("x.bio.tsv", BIO.replace("fall.02", "-"), r":2: expected a role column for each .* 1 predicates, found 2"),
        ("x.props", PROPS.replace("*)     (V*)", "*      (V*)"), r":3: expected brackets that are closed"),
        ("x.props", "see (V*)\n-  *\n\n- (A0*)\n", r":4: expected a role column for each .* 0 predicates, found 1"),
        ("x.conllup", UNIVERSAL.replace("A0:3-3", "A0:3-9"), r"expected arguments as LABEL:first-last .*, found 'A0:3-9'"),
        ("x.gold_conll", "doc 0 0 We PRP (S* -\n", r"x\.gold_conll:1: expected at least 8 columns, found 7"),
        ("x.conllup", UNIVERSAL.replace("ID FORM", "FORM"), r"x\.conllup:1: expected # global\.columns = "),
        ("x.conllup", UNIVERSAL.replace("1\tYes", "x\tYes"), r":10: expected a word's number .*, from 1, found 'x'"),
        ("x.bio.tsv", "\n\n", "expected sentences in columns, found no line with text"),
        ("x.bio.tsv", "0\tYes\tUH\t-\n", "expected at least one example, found none"),
        ("x.bio.tsv", f"{BIO}\n{BIO}", r"expected a different id for each example, found 'a-1\.1' more than once"),
    ],
)  # fmt: skip
def test_bad_files_of_propositions(name, text, message, read, write):
    with pytest.raises(DataError, match=message):
        read("srl/propbank", write(name, text))


@pytest.mark.parametrize(("words", "message"), [("We\n", "expected 2 sentences"), ("We\n\nYes", ":1: expected 1 lines")])
def test_words_that_are_not_those_of_the_props(words, message, read, write):
    write("x.words", words)
    with pytest.raises(DataError, match=message):
        read("srl/propbank", write("x.props", PROPS))


def test_propositions_have_no_columns_to_name(read, write):
    with pytest.raises(InputError, match="takes no --columns"):
        read("srl/propbank", write("x.bio.tsv", BIO), words="1")


def test_without_data_the_way_to_some_is_told(registry):
    with pytest.raises(InputError, match="srl/propbank has no data of its own") as e:
        registry.task("srl").load(Source())
    assert "--data" in e.value.hints[0]


@pytest.mark.parametrize(
    ("short", "name"),
    [("A0", "ARG0"), ("AA", "ARGA"), ("AM-TMP", "ARGM-TMP"), ("C-A1", "C-ARG1"), ("R-AM-LOC", "R-ARGM-LOC"), ("AM", "ARGM"),
     ("V", "V"), ("C-V", "C-V"), ("ARG0", "ARG0"), ("A", "A"), ("ADV", "ADV")],
)  # fmt: skip
def test_short_names_of_roles(short, name):
    assert role_name(short) == name


# ── tagging ───────────────────────────────────────────────────────────────────────────────────────────────────────

CONLL = (
    "-DOCSTART- -X- O O\n\n# NN B-NP O\nU.N. NNP I-NP I-ORG\nEkeus NNP I-NP I-PER\n\nBonn NNP I-NP I-LOC\nParis NNP I-NP B-LOC\n"
)


def test_conll_2003_columns(read, write):
    first, second = read("tagging/conll2003", write("eng.testb", CONLL))
    assert first.inputs == {"words": ["#", "U.N.", "Ekeus"], "number": 0}
    assert first.reference == [["ORG", 1, 2], ["PER", 2, 3]]
    assert second.reference == [["LOC", 0, 1], ["LOC", 1, 2]]


def test_no_sentence_is_lost_behind_a_document_s_start(read, write):
    first, _ = read("tagging/conll2003", write("x.conll", CONLL.replace("O O\n\n", "O O\n")))
    assert first.inputs["words"] == ["#", "U.N.", "Ekeus"]


def test_other_columns_of_the_same_file(read, write):
    first, _ = read("tagging/text", write("x.txt", CONLL.replace("B-NP", "I-NP")), tags="2", scheme="IOB1")
    assert first.reference == [["NP", 0, 3]]


@pytest.mark.parametrize("names", [("tokens", "ner_tags"), ("words", "tags"), ("w", "t")])
def test_rows_with_lists(names, read, write):
    row = {names[0]: ["Ann", "Lee", "sang"], names[1]: ["B-person", "I-person", "O"]}
    columns = {"words": "w", "tags": "t"} if names[0] == "w" else {}
    (example,) = read("tagging/wnut17", write("x.jsonl", json.dumps(row)), **columns)
    assert example.reference == [["person", 0, 2]]
    coded = {"tokens": ["Ann", "Lee", "sang"], "ner_tags": [9, 10, 0]}
    (example,) = read("tagging/wnut17", write("x.jsonl", json.dumps(coded)))
    assert example.reference == [["person", 0, 2]]


def test_the_schema_of_a_parquet_file_names_the_tags(read, tmp_path):
    import datasets

    features = datasets.Features(
        {"tokens": datasets.List(datasets.Value("string")), "tags": datasets.List(datasets.ClassLabel(names=["O", "B-X", "I-X"]))}
    )
    rows = datasets.Dataset.from_dict({"tokens": [["a", "b"]], "tags": [[1, 2]]}, features=features)
    rows.to_parquet(str(tmp_path / "test.parquet"))
    (example,) = read("tagging/text", tmp_path / "test.parquet")
    assert example.reference == [["X", 0, 2]]


@pytest.mark.parametrize(
    ("name", "text", "columns", "message"),
    [
        ("x.conll", "a\tO\nb\tI-X\n", {"scheme": "IOB2"}, r":2: expected a tag of the scheme IOB2, found 'I-X' after 'O'"),
        ("x.conll", "a\tB-X\n", {"scheme": "IOBES"}, r":1: expected a tag of the scheme IOBES, found the sentence's end within"),
        ("x.conll", "a\tB-X\nb\tI-X\n", {"scheme": "IOB1"}, r":1: expected a tag of the scheme IOB1, found 'B-X'"),
        ("x.conll", "a\tO\nb\tPER\n", {}, r":2: expected a tag: O, or B-, I-, E- or S- and a label, found 'PER'"),
        ("x.conll", "a\tO\nb\n", {}, r":2: expected a word and its tag in columns, found 1 column"),
        ("x.conll", "a\tO\n", {"tags": "4"}, r":1: expected a word and its tag in columns, found 2 columns"),
        ("x.conll", "\n", {}, "expected sentences with tags, found none"),
        ("x.jsonl", '{"tokens": ["a"], "ner_tags": []}', {}, r"x\.jsonl:1: expected 1 tag, one for each word, found 0"),
        ("x.jsonl", '{"tokens": ["a"], "ner_tags": [7]}', {}, "expected tags as texts, found 7"),
        ("x.jsonl", '{"text": "a"}', {}, "expected a list 'tokens' or 'words', found text"),
    ],
)  # fmt: skip
def test_bad_files_of_tags(name, text, columns, message, read, write):
    with pytest.raises(DataError, match=message):
        read("tagging/text", write(name, text), **columns)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"scheme": "BILOU"}, "scheme is one of IOB1, IOB2, IOBES, not 'BILOU'"),
        ({"text": "0"}, "'text' is none of them"),
        ({"words": "first"}, "this is a position, from 0"),
    ],
)
def test_bad_columns_of_tags(columns, message, read, write):
    with pytest.raises(InputError, match=message):
        read("tagging/text", write("x.conll", "a\tO\n"), **columns)


# ── spans of characters ───────────────────────────────────────────────────────────────────────────────────────────

TEXT = "Anna Lee flew to New York, then home."
SPANS = [(0, 8, "PER"), (17, 25, "LOC")]
TAGS = ["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O", "O", "O", "O"]


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "label": [list(s) for s in SPANS]},
        {"text": TEXT, "labels": [list(s) for s in SPANS], "id": "x"},
        {"text": TEXT, "entities": [{"id": 1, "label": label, "start_offset": a, "end_offset": b} for a, b, label in SPANS]},
        {"text": TEXT, "spans": [{"start": a, "end": b, "label": label, "token_start": 0} for a, b, label in SPANS]},
    ],
    ids=["doccano's label", "doccano's labels", "doccano's entities", "Prodigy's spans"],
)  # fmt: skip
def test_spans_of_characters_are_tags_of_words(row, read, write):
    [example] = read("tagging/text", write("test.jsonl", json.dumps(row) + "\n"))
    assert example.inputs["words"] == ["Anna", "Lee", "flew", "to", "New", "York", ",", "then", "home", "."]
    assert spans_to_tags(spans_of(example.reference), 10) == TAGS


def test_spans_of_chinese_are_tags_of_characters(read, write):
    row = {"content": "李雷在北京2024年", "mentions": [[0, 2, "PER"], [3, 5, "LOC"]]}
    [example] = read("tagging/text", write("test.jsonl", json.dumps(row)), words="content", tags="mentions")
    assert example.inputs["words"] == ["李", "雷", "在", "北", "京", "2024", "年"]
    assert spans_to_tags(spans_of(example.reference), 7) == ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O", "O"]


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([[0, 3, "PER"]], "spans that begin and end with a word, found 'Ann' within 'Anna'"),
        ([[0, 8, "PER"], [5, 8, "X"]], "spans that do not overlap, found 'Lee' as X over another"),
        ([[30, 99, "X"]], r"a span within the 37 characters of its text, found \[30, 99\]"),
        ([[0, 4]], r"spans of characters: \[start, end, label\], found \[0, 4\]"),
        ([[0, 4, ""]], "spans of characters"),
        ([["0", 4, "X"]], "spans of characters"),
        ([[8, 9, "X"]], "spans that begin and end with a word"),
    ],
)
def test_spans_that_are_no_words_are_told(spans, said, read, write):
    with pytest.raises(DataError, match=r"test\.jsonl:1: expected " + said):
        read("tagging/text", write("test.jsonl", json.dumps({"text": TEXT, "label": spans})))


def test_white_space_around_a_span_is_none_of_it(read, write):
    [example] = read("tagging/text", write("test.jsonl", json.dumps({"text": TEXT, "label": [[0, 9, "PER"]]})))
    assert spans_to_tags(spans_of(example.reference), 10)[:3] == ["B-PER", "I-PER", "O"]
