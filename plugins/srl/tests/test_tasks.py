import json
import sys
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_srl.brackets import read_text, write_text
from plmtasks_srl.spans import plain, read_brackets, spans_of, write_brackets
from plmtasks_srl.words import split_words

from plmtasks.config import Source
from plmtasks.data import refuse_unknown
from plmtasks.errors import DataError, DataWarning, InputError
from plmtasks.examples import Example, Prediction
from plmtasks.reading import WordSpan, spans_to_tags, tags_to_spans
from plmtasks.requests import Generate, GenerateAnswer, Tag, TagAnswer
from plmtasks.task import Follower, Listed
from plmtasks.testing import TaskSubject
from plmtasks.testing.tasks import solved_answers_are_best

# task, path under the real data, split → examples
FIXTURES = "allennlp_fixtures/structured_prediction/srl/conll_2012"
DATA = [
    ("srl/propbank", "propbank_ewt/dev.gold_conll", {"validation": 4956}),
    ("srl/propbank", "propbank_ewt/test.gold_conll", {"test": 4791}),
    ("srl/propbank", "propbank_ewt/test.bio.tsv", {"test": 4791}),
    ("srl/predicates", "propbank_ewt/dev.bio.tsv", {"validation": 1957}),
    ("srl/predicates", "propbank_ewt/test.gold_conll", {"test": 2049}),
    ("srl/propbank", FIXTURES, {"test": 8}),
    ("srl/predicates", FIXTURES, {"test": 5}),
    ("tagging/wnut17", "wnut17", {"train": 3394, "validation": 1009, "test": 1287}),
    ("tagging/text", "wnut17", {"train": 3394, "validation": 1009, "test": 1287}),
]
TRAIN = [
    ("srl/propbank", "propbank_ewt/train.gold_conll.gz", {"train": 40384}),
    ("srl/predicates", "propbank_ewt/train.bio.tsv.gz", {"train": 12480}),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "path", "sizes"), [*DATA, *(pytest.param(*row, marks=pytest.mark.slow) for row in TRAIN)])
def test_solved_answers_give_every_metric_its_best_value(name, path, sizes, registry, real_data):
    source = Source(data=str(real_data / path))
    subject = TaskSubject(task=registry.task(name), source=source, registry=registry, limit=6_000)
    assert {split: len(examples) for split, examples in subject.whole.items()} == sizes
    solved_answers_are_best(subject)
    if name == "srl/propbank" and "train" in sizes:
        roles_come_back(subject.whole["train"])


def roles_come_back(examples):
    for e in examples:
        spans, words = list(spans_of(e.reference)), e.inputs["words"]
        assert tags_to_spans(spans_to_tags(spans, len(words))) == spans
        assert read_brackets(write_brackets(spans, len(words)), str) == spans
        assert read_text(write_text(spans, words), words) == spans


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dev.gold_conll", "test.gold_conll", "test.bio.tsv"])
def test_roles_of_propbank_ewt_come_back_from_all_writings(name, read, real_data):
    roles_come_back(read("srl/propbank", real_data / "propbank_ewt" / name))


def test_answers_have_room(read, real_data, registry):
    from tokenizers import ByteLevelBPETokenizer

    folder = real_data / "tokenizers" / "gpt2"
    tokenizer = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    task = registry.task("srl")
    examples = read("srl/propbank", real_data / "propbank_ewt/test.bio.tsv")
    asked = [task.ask(e, "Generate") for e in examples]
    lengths = [len(tokenizer.encode(task.solve(e, a).text).ids) for e, a in zip(examples, asked, strict=True)]
    cut = [length for length, a in zip(lengths, asked, strict=True) if length > a.max_new_tokens]
    assert not cut


def test_plain_names(registry):
    assert registry.task("srl").name == "srl/propbank"
    assert registry.task("tagging").name == "tagging/wnut17"


def test_every_task_names_metrics_and_tasks_that_there_are(registry):
    for task in registry.items["task"].values():
        assert [registry.metric(m).name for m in task.metrics] == list(task.metrics)
        assert task.description
        assert isinstance(task, Listed) or task.version == 1
        assert not isinstance(task, Follower) or registry.task(task.follows).name == task.follows


# ── asking and reading ────────────────────────────────────────────────────────────────────────────────────────────

WORDS = ["the", "nurse", "was", "seen", "by", "us"]


def example(**changes):
    inputs = {"words": WORDS, "predicate": 3, "number": 0}
    reference = [["ARG1", 0, 2], ["V", 3, 4], ["ARG0", 4, 6]]
    return Example(**({"id": "s.3", "inputs": inputs, "reference": reference, "cluster": "s"} | changes))


@pytest.fixture(scope="module")
def srl(registry):
    return registry.task("srl").labelled(["ARG0", "ARG1", "C-V", "V"])


def test_the_predicate_is_marked(srl):
    task = srl
    asked = task.ask(example().hidden(), "Tag")
    assert (asked.words, asked.marked) == (tuple(WORDS), (3,))
    assert asked.labels[:5] == ("O", "B-ARG0", "I-ARG0", "B-ARG1", "I-ARG1")
    written = task.ask(example().hidden(), "Generate")
    assert written.text == "the nurse was * seen * by us\nRoles:"
    assert written.stop == ("\n",)
    assert task.solve(example(), written) == GenerateAnswer(text="[ARG1 the nurse] [ARG0 by us]")


@pytest.mark.parametrize(
    ("tags", "value"),
    [
        ("B-ARG1 I-ARG1 O B-V B-ARG0 I-ARG0", [["ARG1", 0, 2], ["V", 3, 4], ["ARG0", 4, 6]]),
        ("B-ARG1 I-ARG1 O O O O", [["ARG1", 0, 2], ["V", 3, 4]]),
        ("B-ARG1 I-ARG1 I-ARG1 I-ARG1 I-ARG1 O", [["ARG1", 0, 3], ["V", 3, 4], ["ARG1", 4, 5]]),
        ("O O B-V I-V O O", [["V", 2, 4]]),
        ("O B-V O B-C-V O O", [["V", 1, 2], ["C-V", 3, 4]]),
        ("I-ARG1 I-ARG1 O B-V O O", [["ARG1", 0, 2], ["V", 3, 4]]),
    ],
)
def test_v_is_at_the_predicate_whatever_is_said(tags, value, registry):
    task = registry.task("srl")
    asked = task.ask(example().hidden(), "Tag")
    assert task.read(example().hidden(), asked, TagAnswer(labels=tuple(tags.split()))).value == value


def test_written_roles_are_read(registry):
    task = registry.task("srl")
    asked = task.ask(example().hidden(), "Generate")
    assert task.read(example().hidden(), asked, GenerateAnswer(text="[ARG0 by us] [ARG1 seen")).value == [
        ["V", 3, 4], ["ARG0", 4, 6]
    ]  # fmt: skip
    assert task.read(example().hidden(), asked, GenerateAnswer(text="none")).value == [["V", 3, 4]]


def test_a_person_reads_brackets(registry):
    shown = registry.task("srl").show(example().hidden(), Prediction(value=example().reference))
    assert shown == "[ARG1: the nurse] was [V: seen] [ARG0: by us]"


def test_predicates_are_words_with_senses(registry):
    task = registry.task("srl/predicates").labelled(["01", "V"])
    sentence = example(inputs={"words": WORDS, "number": 0}, reference=[["01", 3, 4]])
    asked = task.ask(sentence.hidden(), "Tag")
    assert asked.labels == ("O", "01", "V")
    assert task.solve(sentence, asked).labels == ("O", "O", "O", "01", "O", "O")
    written = task.ask(sentence.hidden(), "Generate")
    assert task.solve(sentence, written).text == "[01 seen]"
    assert task.read(sentence, written, GenerateAnswer(text="[01 seen by] [02 nurse]")).value == [["02", 1, 2], ["01", 3, 4]]


def test_labels_are_those_of_the_training_data_if_there_are_any(registry, write):
    rows = "0\tWe\tPRP\t-\tB-{0}\n1\tsaw\tVBD\tsee.{1}\tB-V\n"
    write("train.bio.tsv", rows.format("ARG0", "01"))
    folder = write("test.bio.tsv", rows.format("ARG1", "02")).parent

    def labels(name, path):
        task = registry.task(name)
        return task.bind(task.load(Source(data=str(path)))).labels

    assert labels("srl/propbank", folder) == ("ARG0", "V")
    assert labels("srl/propbank", folder / "test.bio.tsv") == ("ARG1", "V")
    assert labels("srl/predicates", folder) == ("01",)
    write("tags/train.conll", "a\tB-X\nb\tB-person\n")
    assert labels("tagging/text", folder / "tags") == ("X", "person")
    wnut = registry.task("tagging/wnut17").labels
    assert labels("tagging/wnut17", folder / "tags") == (*wnut, "X")


def test_roles_that_only_a_test_split_has_are_counted(registry, write, score):
    rows = "0\tWe\tPRP\t-\tB-{0}\n1\tsaw\tVBD\tsee.01\tB-V\n2\tit\tPRP\t-\tB-ARG1\n"
    task = registry.task("srl/propbank")
    write("train.bio.tsv", rows.format("ARG1").replace("We\tPRP\t-\tB-ARG1", "We\tPRP\t-\tO"))
    data = task.load(Source(data=str(write("test.bio.tsv", rows.format("ARGM-QQQ")).parent)))
    bound, (only,) = task.bind(data), data["test"]
    asked = bound.ask(only.hidden(), "Tag")
    solved = bound.solve(only, asked)
    assert solved.labels == ("O", "B-V", "B-ARG1")
    with pytest.warns(
        DataWarning, match="1 of 1 sentences have labels that are not learned: 'ARGM-QQQ' in 1; they count as missed"
    ):
        refuse_unknown(data, "test", bound.labels)
    scores = score(bound, "srl_eval", [bound.read(only.hidden(), asked, solved)], [only])
    assert (scores["precision"], scores["recall"], scores["missed[unseen]"]) == (100, 50, 1)
    assert scores["recall[unseen]"] == 0
    written = bound.ask(only.hidden(), "Generate")
    told = bound.read(only.hidden(), written, bound.solve(only, written))
    assert score(bound, "srl_eval", [told], [only])["f1[unseen]"] == 100


def test_samples_differ_in_shape_and_between_splits(registry):
    for language in ("", "-zh"):
        data = registry.task(f"srl/sample{language}").load(Source())
        texts = {split: {" ".join(e.inputs["words"]) for e in data[split]} for split in data.splits}
        assert not texts["train"] & (texts["test"] | texts["validation"])
        shapes = Counter(tuple(role for role, _, _ in e.reference) for e in data["test"])
        assert len(shapes) >= 8
        passives = sum(count for shape, count in shapes.items() if shape.index("ARG1") < shape.index("V"))
        assert 40 <= passives <= 80


# ── new questions ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("row", "predicate"),
    [
        ({"text": "She didn't know it.", "predicate": "know"}, 3),
        ({"text": "It is what it is.", "predicate": "4"}, 4),
        ({"words": ["is", "it"], "predicate": 0}, 0),
    ],
)
def test_a_predicate_is_posed_by_word_or_place(row, predicate, registry):
    task = registry.task("srl")
    posed = task.pose(row, "1")
    assert posed.inputs["predicate"] == predicate
    for kind in task.asks:
        asked = task.ask(posed, kind)
        said = TagAnswer(labels=("O",) * len(posed.inputs["words"])) if kind == "Tag" else GenerateAnswer(text="")
        assert task.read(posed, asked, said).value == [["V", predicate, predicate + 1]]


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        ("srl", {"text": "It is what it is", "predicate": "is"}, "its position from 0 where the word comes more than once"),
        ("srl", {"text": "It is"}, "the question has None"),
        ("srl", {"text": "It is", "predicate": "2"}, "the question has '2'"),
        ("srl", {"text": " ", "predicate": "2"}, "asked with a sentence as 'text', or as 'words'"),
        ("srl/predicates", {"words": ["a", ""]}, "asked with a sentence as 'text', or as 'words'"),
        ("srl/predicates", {"text": "It is", "predicate": "is"}, "asked with text, words; the question has a field 'predicate'"),
        ("tagging/wnut17", {"txt": "It is"}, "the question has neither"),
    ],
)
def test_what_is_no_question(task, row, message, registry):
    with pytest.raises(InputError, match=message):
        registry.task(task).pose(row, "1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("She didn't see Ann's cat.", "She did n't see Ann 's cat ."),
        ("“We’ll pay $3.50,” he said…", "“ We ’ll pay $ 3.50 , ” he said …"),
        ("a well-known e-mail: a.b@c.org (really!)", "a well-known e-mail : a.b@c.org ( really ! )"),
        ("护士在花园找到了信。", "护士 在 花园 找到 了 信 。"),
    ],
)
def test_words_of_a_text(text, words):
    assert split_words(text) == words.split()


@given(st.text())
def test_words_hold_all_that_is_no_space(text):
    words = split_words(text)
    assert "".join("".join(words).split()) == "".join(text.split())
    assert all(word and not any(c.isspace() for c in word) for word in words)


# ── one task after the other ──────────────────────────────────────────────────────────────────────────────────────


def test_roles_follow_the_predicates_that_were_found(registry, srl, score):
    predicates, roles = registry.task("srl/predicates"), srl
    assert roles.follows == predicates.name
    sentence = predicates.pose({"words": WORDS}, "s")
    inputs = {"words": WORDS, "predicate": 5, "number": 0}
    missed = example(id="s.5", inputs=inputs, reference=[["ARG1", 0, 2], ["V", 5, 6]], slices=("x",))
    derived = roles.derive(sentence, Prediction(value=[["01", 2, 3], ["01", 3, 4]]))
    assert [(e.id, e.inputs["predicate"], e.cluster, e.reference) for e in derived] == [
        ("s.2", 2, "s", None),
        ("s.3", 3, "s", None),
    ]
    examples = roles.match([example(slices=("x",)), missed], derived)
    assert [(e.id, e.inputs["predicate"]) for e in examples] == [("s.2", 2), ("s.3", 3), ("s.5", None)]
    assert [e.reference for e in examples] == [[], example().reference, missed.reference]
    # what is wrongly found counts in the slices of its sentence
    assert [e.slices for e in examples] == [("x",)] * 3
    asked = [roles.ask(e.hidden(), "Tag") for e in examples]
    assert [a.marked for a in asked] == [(2,), (3,), ()]
    tags = TagAnswer(labels=("B-ARG1", "I-ARG1", "O", "B-V", "B-ARG0", "I-ARG0"))
    read = [roles.read(e.hidden(), a, tags) for e, a in zip(examples, asked, strict=True)]
    assert read[2].value == []
    scores = score(roles, "srl_eval", read, examples)
    # the excess predicate has two roles that nobody asked for, the missed one a role that nobody found
    assert [sum(scores[f"{c}[ARG{n}]"] for n in (0, 1)) for c in ("correct", "excess", "missed")] == [2, 2, 1]
    assert (scores["perfect"], scores["propositions"]) == (1, 2)


@pytest.mark.slow
def test_found_predicates_of_the_data_have_the_data_s_ids(read, registry, real_data):
    path = real_data / "propbank_ewt/test.bio.tsv"
    roles = registry.task("srl/propbank")
    examples = read("srl/propbank", path)
    derived = [d for e in read("srl/predicates", path) for d in roles.derive(e.hidden(), Prediction(value=e.reference))]
    assert {d.inputs["sense"] for d in derived} >= {"01", "02", "LV"}
    found = [replace(e, inputs={k: v for k, v in e.inputs.items() if k != "sense"}) for e in roles.match(examples, derived)]
    assert found == list(examples)


# ── somebody else's predictions ───────────────────────────────────────────────────────────────────────────────────

BIO = """\
0\tYes\tUH\t-

0\tWe\tPRP\t-\tB-ARG0\tO
1\tsaw\tVBD\tsee.01\tB-V\tO
2\tit\tPRP\t-\tO\tB-ARG0
3\tfall\tVB\tfall.02\tO\tB-V
"""


def test_predictions_in_columns_go_by_sentence_and_predicate(registry, read, write):
    task, examples = registry.task("srl/propbank"), read("srl/propbank", write("test.bio.tsv", BIO))
    props = "-\n\n- (A1*)\nsee (V*)\n- *\n- *\n"
    first, second = (task.read_predictions(write("x.props", props), examples)[e.id].value for e in examples)
    assert (first, second) == ([["ARG1", 0, 1], ["V", 1, 2]], [])
    # only the sentences that have predicates
    assert len(task.read_predictions(write("y.bio.tsv", BIO.split("\n\n")[1]), examples)) == 2
    senses = registry.task("srl/predicates")
    sentences = read("srl/predicates", write("test.bio.tsv", BIO))
    found = senses.read_predictions(write("x.props", props), sentences)
    assert [found[e.id].value for e in sentences] == [[], [["V", 1, 2]]]


def test_predicates_that_nobody_asked_for_do_not_count(registry, read, write):
    task, examples = registry.task("srl/propbank"), read("srl/propbank", write("test.bio.tsv", BIO))
    props = "yes (V*)\n\n-    *\nsee (V*)\n- *\n- *\n"
    with pytest.warns(DataWarning, match="1 predicate is none of the references'"):
        task.read_predictions(write("x.props", props), examples)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.props", "-\n\n- \nsee (V*)\n- *\n", r"x\.props:4: expected 1 columns"),
        ("x.props", "-\n\n- *\nsee (V*)\n- *\n", r"x\.props:3: expected the 4 words of sentence 1 'We saw it fall', found 3"),
        ("x.jsonl", {"id": "1.1", "prediction": [["ARG0", 0]]}, r"1\.1: expected a list of \[label, start, end\]"),
        ("x.jsonl", {"id": "1.1", "prediction": "ARG0"}, r"expected a list of \[label, start, end\]"),
        (
            "x.jsonl",
            {"id": "1.1", "prediction": [["A", 0, 2], ["B", 1, 3]]},
            r"disjoint spans .* found \['B', 1, 3\], which overlaps",
        ),
        ("x.jsonl", {"id": "1.1", "prediction": [["A", 0, 9]]}, "in a sentence of 4 words"),
        ("x.jsonl", {"id": "1.1", "prediction": ["O", "O"]}, "expected 4 tags: O, B-… or I-…, found 2"),
        ("x.jsonl", {"id": "1.1", "prediction": ["O", "O", "O", "X"]}, "found 'X'"),
    ],
)
def test_bad_predictions(name, text, message, registry, read, write):
    examples = read("srl/propbank", write("test.bio.tsv", BIO))
    with pytest.raises(DataError, match=message):
        registry.task("srl/propbank").read_predictions(write(name, text if isinstance(text, str) else json.dumps(text)), examples)


def test_too_few_sentences_of_predictions(registry, read, write):
    sentences = read("srl/predicates", write("test.bio.tsv", BIO))
    with pytest.raises(DataError, match=r"expected 2 sentences, as in the references, found 1"):
        registry.task("srl/predicates").read_predictions(write("x.props", "-\n"), sentences)


def test_predictions_in_json(registry, read, write):
    task, examples = registry.task("srl/propbank"), read("srl/propbank", write("test.bio.tsv", BIO))
    rows = [{"id": "1.1", "prediction": [["V", 1, 2], ["ARG0", 0, 1]]}, {"id": "1.3", "prediction": ["O", "O", "I-ARG1", "B-V"]}]
    found = task.read_predictions(write("x.jsonl", "\n".join(map(json.dumps, rows))), examples)
    assert found["1.1"].value == [["ARG0", 0, 1], ["V", 1, 2]]
    assert found["1.3"].value == plain([WordSpan("ARG1", 2, 3), WordSpan("V", 3, 4)])


def test_requests_are_of_the_core(registry):
    task = registry.task("tagging/wnut17")
    posed = task.pose({"text": "Ann sang in Rome"}, "1")
    asked = [task.ask(posed, kind) for kind in task.asks]
    assert [type(a) for a in asked] == [Tag, Generate]
    assert "person" in asked[1].instruction
    assert task.read(posed, asked[1], GenerateAnswer(text="[person Ann] [location Rome]")).value == [
        ["person", 0, 1], ["location", 3, 4]
    ]  # fmt: skip


def test_chinese_needs_jieba(monkeypatch, registry):
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(InputError, match="Chinese is cut into words by jieba") as e:
        registry.task("srl/predicates").pose({"text": "护士找到了信。"}, "1")
    assert "plmtasks-srl[zh]" in e.value.hints[0]
    assert registry.task("srl/predicates").pose({"words": ["护士", "找到"]}, "1").inputs == {"words": ["护士", "找到"]}


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("tagging/wnut17", {"train": 3394, "validation": 1009, "test": 1287}),
        ("tagging/conll2003", {"train": 14041, "validation": 3250, "test": 3453}),
    ],
)
def test_data_on_the_hub(name, sizes, registry):
    data = registry.task(name).load(Source())
    assert {split: len(data[split]) for split in data.splits} == sizes
    assert {span[0] for e in data["test"] for span in e.reference} <= set(registry.task(name).labels)
