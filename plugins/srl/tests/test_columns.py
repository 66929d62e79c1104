"""Files of columns as people publish them: held against each other, with flaws, comments, words like comments, nothing found."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_srl.catalog import PROPOSITIONS, TAGGING
from plmtasks_srl.metrics import ConllEval
from plmtasks_srl.predictions import Written

from plmtasks.config import Source
from plmtasks.errors import DataError, DataWarning

ROLES, PREDICATES, ENTITIES = (
    next(task for task in (*PROPOSITIONS, *TAGGING) if task.name == name)
    for name in ("srl/propbank", "srl/predicates", "tagging/text")
)


def columns(sentences, separator="\t"):
    return "\n".join("".join(f"{separator.join(row)}\n" for row in sentence) for sentence in sentences)


# ── predictions lie beside the references' words ──────────────────────────────────────────────────────────────────

MET = [("We", "O"), ("met", "O"), ("Ann", "B-PER"), ("Lee", "I-PER")]
ROME = [("Rome", "B-LOC"), ("is", "O"), ("not", "O"), ("far", "O")]
WIN = [("#win=yes", "B-ORG"), ("in", "O"), ("Bonn", "B-LOC")]
NAMES = [MET, ROME, WIN]
SPANS = [[["PER", 2, 4]], [["LOC", 0, 1]], [["ORG", 0, 1], ["LOC", 2, 3]]]


@pytest.fixture
def names(read, write):
    return read("tagging/text", write("test.conll", columns(NAMES)))


def values(found, examples):
    return [found[e.id].value for e in examples]


@pytest.mark.parametrize("separator", ["\t", " "])
@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows,
        lambda rows: [(word, "NN", "B-NP", tag) for word, tag in rows],  # as in CoNLL-2003
        lambda rows: [(word, tag, tag) for word, tag in rows],  # as for conlleval
        lambda rows: [(str(i), word, tag) for i, (word, tag) in enumerate(rows, 1)],
        lambda rows: [("_", tag) for _, tag in rows],
        lambda rows: [(tag,) for _, tag in rows],
    ],
)
def test_tags_are_the_last_column_and_the_words_where_the_references_are(change, separator, names, write, recwarn):
    path = write("x.conll", columns(map(change, NAMES), separator))
    assert values(ENTITIES.read_predictions(path, names), names) == SPANS
    assert not recwarn.list


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        (
            [ROME, MET, WIN],
            r"x\.conll:1: expected sentence 0 'We met Ann Lee', found 'Rome is not far', which is sentence 1 .*in another order",
        ),
        ([ROME, [("we", "O"), *MET[1:]], WIN], r"x\.conll:1: .*in another order"),
        ([*NAMES, MET], "expected 3 sentences, as in the references, found 4"),
        ([MET, ROME[:3], WIN], r"x\.conll:6: expected the 4 words of sentence 1 'Rome is not far', found 3"),
        ([[("a", "O")] * 4] * 2 + [WIN], r"x\.conll:1: expected 'We', a word of sentence 0 .*, found 'a'"),
        ([[(tag, tag) for _, tag in rows] for rows in NAMES], "expected 'We', a word of sentence 0 .*, found 'O'"),
    ],
)
def test_files_that_do_not_belong_together(sentences, message, names, write):
    with pytest.raises(DataError, match=message):
        ENTITIES.read_predictions(write("x.conll", columns(sentences)), names)


def test_sentences_that_differ_in_one_word_are_in_another_order(read, write):
    one, two = ([("the", "O"), (word, "B-X"), ("was", "O"), ("painted", "O")] for word in ("mirror", "table"))
    examples = read("tagging/text", write("test.conll", columns([one, MET, two])))
    with pytest.raises(DataError, match=r"x\.conll:1: expected sentence 0 'the mirror was painted', .*in another order"):
        ENTITIES.read_predictions(write("x.conll", columns([two, MET, one])), examples)
    # a sentence twice is in its place
    ENTITIES.read_predictions(write("x.conll", columns([two, MET, two])), examples)


def test_words_that_a_system_spells_otherwise_are_counted(names, write):
    path = write("x.conll", columns([[*MET[:3], ("LEE", "I-PER")], ROME, [("#", "B-ORG"), *WIN[1:]]]))
    with pytest.warns(DataWarning, match=r"x\.conll: 2 of 11 words are not the references'; the first: .*:4, 'LEE' for 'Lee'"):
        assert values(ENTITIES.read_predictions(path, names), names) == SPANS


def test_another_reference_beside_the_predictions_is_counted(names, write):
    rows = [[(word, "B-LOC" if word == "far" else tag, tag) for word, tag in sentence] for sentence in NAMES]
    with pytest.warns(DataWarning, match=r"x\.conll: 1 sentences have other tags than the references .*:6, sentence 1"):
        assert values(ENTITIES.read_predictions(write("x.conll", columns(rows)), names), names) == SPANS


@pytest.mark.slow
@pytest.mark.parametrize("system", ["uh_ritual", "flytxt"])
def test_sentences_of_a_published_system_in_another_order(system, read, real_data, tmp_path):
    folder = real_data / "wnut17"
    examples = read("tagging/wnut17", folder / "emerging.test.annotated")
    blocks = (folder / "submissions" / system).read_text().split("\n\n")
    lengths = [block.count("\n") for block in blocks]
    first = next(i for i, n in enumerate(lengths) if n > 5 and n in lengths[i + 1 :])
    second = lengths.index(lengths[first], first + 1)
    blocks[first], blocks[second] = blocks[second], blocks[first]
    (tmp_path / system).write_text("\n\n".join(blocks))
    with pytest.raises(DataError, match="in another order"):
        ENTITIES.read_predictions(tmp_path / system, examples)


PROPS = "-\n\n-    (A0*)\nsee  (V*)\n-    (A1*)\n\n-    (A0*)\ngo   (V*)\n-    *\n"
BIO = """0\tYes\tUH\t-

0\tWe\tPRP\t-\tB-ARG0
1\tsaw\tVBD\tsee.01\tB-V
2\tit\tPRP\t-\tB-ARG1

0\tThey\tPRP\t-\tB-ARG0
1\twent\tVBD\tgo.02\tB-V
2\t.\t.\t-\tO
"""


def swapped(text):
    first, *rest = text.rstrip("\n").split("\n\n")
    return "\n\n".join([first, *reversed(rest)]) + "\n"


@pytest.mark.parametrize("task", [ROLES, PREDICATES])
def test_roles_and_predicates_lie_beside_words_or_lemmas(task, read, write, recwarn):
    for references in (write("test.bio.tsv", BIO), write("test.gold.props", PROPS)):
        examples = read(task.name, references)
        for name, text in (("x.props", PROPS), ("x.bio.tsv", BIO)):
            task.read_predictions(write(name, text), examples)
        # words stand for lemmas where there are words
        if references.name == "test.bio.tsv":
            task.read_predictions(write("y.props", PROPS.replace("see", "saw")), examples)
    assert [str(w.message) for w in recwarn if "not the references'" in str(w.message)] == []
    examples = read(task.name, write("test.bio.tsv", BIO))
    with pytest.raises(
        DataError, match=r"x\.bio\.tsv:3: expected sentence 1 'We saw it', found 'They went \.', which .* another order"
    ):
        task.read_predictions(write("x.bio.tsv", swapped(BIO)), examples)
    with pytest.warns(DataWarning, match=r"2 of 2 words are not the references'; the first: .*:4, 'go' for 'see'; are the"):
        task.read_predictions(write("x.props", swapped(PROPS)), examples)


def test_predicates_that_are_not_in_the_file_are_counted(read, write):
    examples = read("srl/propbank", write("test.bio.tsv", BIO))
    with pytest.warns(DataWarning, match="1 of the references' 2 predicates are not in it, all of their roles missed"):
        ROLES.read_predictions(write("x.props", "-\n\n-    (A0*)\nsee  (V*)\n-    (A1*)\n\n-\n-\n-\n"), examples)


# ── conlleval, from its published rules ───────────────────────────────────────────────────────────────────────────


def conlleval(sentences):
    """Scores of (reference tags, predicted tags), as its documentation and rules say: letters and types of neighbours alone.

    source: https://www.clips.uantwerpen.be/conll2000/chunking/output.html, for B-, I- and O
    """

    def ends(before, tag):
        kind, last = before[0] + tag[0], before[2:]
        return before != "O" and (kind in ("BB", "BO", "IB", "IO") or last != tag[2:])

    def begins(before, tag):
        return tag != "O" and (before[0] + tag[0] in ("BB", "IB", "OB", "OI") or before[2:] != tag[2:])

    correct, right, words = {}, 0, 0
    counts = ({}, {})
    for pair in sentences:
        open_type, before = None, ("O", "O")
        for tags in [*zip(*pair, strict=True), ("O", "O")]:
            if open_type is not None:
                closed = [ends(b, t) for b, t in zip(before, tags, strict=True)]
                if all(closed):
                    correct[open_type] = correct.get(open_type, 0) + 1
                if any(closed) or tags[0][2:] != tags[1][2:]:
                    open_type = None
            new = [begins(b, t) for b, t in zip(before, tags, strict=True)]
            if all(new) and tags[0][2:] == tags[1][2:]:
                open_type = tags[0][2:]
            for side in (0, 1):
                if new[side]:
                    counts[side][tags[side][2:]] = counts[side].get(tags[side][2:], 0) + 1
            before = tags
        right += sum(a == b for a, b in zip(*pair, strict=True))
        words += len(pair[0])
    return correct, *counts, 100 * right / words


TAGS = st.sampled_from(["O", "O", *(f"{p}-{label}" for label in ("PER", "LOC") for p in "BI")])
PAIRS = st.lists(
    st.integers(1, 8).flatmap(lambda n: st.tuples(*[st.lists(TAGS, min_size=n, max_size=n)] * 2)), min_size=1, max_size=6
)


def scored(folder, pairs):
    for name, side in (("test.conll", 0), ("x.conll", 1)):
        rows = [[(f"w{i}", tag) for i, tag in enumerate(pair[side])] for pair in pairs]
        (folder / name).write_text(columns(rows))
    data = ENTITIES.load(Source(data=str(folder / "test.conll")))
    task = ENTITIES.bind(data)
    found = task.read_predictions(folder / "x.conll", data["test"])
    metric = ConllEval().bind(task)
    rows = metric.statistics([found[e.id] for e in data["test"]], data["test"])
    return metric.reduce(rows.sum(0))


@given(PAIRS)
def test_scores_of_any_two_files_are_conlleval_s(tmp_path_factory, pairs):
    correct, wanted, found, accuracy = conlleval(pairs)
    scores = scored(tmp_path_factory.mktemp("c"), pairs)
    assert scores["accuracy"] == pytest.approx(accuracy)
    for name, kinds in (("", {*wanted, *found}), ("[PER]", {"PER"} & {*wanted}), ("[LOC]", {"LOC"} & {*wanted})):
        if not kinds:
            continue
        right, total, given = (sum(counts.get(kind, 0) for kind in kinds) for counts in (correct, wanted, found))
        precision, recall = 100 * right / given if given else 0, 100 * right / total if total else 0
        f1 = 2 * precision * recall / (precision + recall) if right else 0
        assert [scores[f"{m}{name}"] for m in ("precision", "recall", "f1")] == pytest.approx([precision, recall, f1])


@given(PAIRS)
def test_spans_of_any_tags_are_seqeval_s(tmp_path_factory, pairs):
    from seqeval.metrics import accuracy_score, f1_score

    scores = scored(tmp_path_factory.mktemp("c"), pairs)
    wanted, found = ([list(pair[side]) for pair in pairs] for side in (0, 1))
    assert scores["accuracy"] / 100 == pytest.approx(accuracy_score(wanted, found))
    if scores["f1"] == scores["f1"]:
        assert scores["f1"] / 100 == pytest.approx(f1_score(wanted, found, zero_division=0))


@pytest.mark.slow
@pytest.mark.parametrize(("system", "accuracy"), [("uh_ritual", "94.18"), ("flytxt", "93.77")])
def test_accuracy_of_published_systems_counts_the_tags_as_they_are(system, accuracy, registry, score, read, real_data):
    folder = real_data / "wnut17"
    task, examples = registry.task("tagging/wnut17"), read("tagging/wnut17", folder / "emerging.test.annotated")
    found = task.read_predictions(folder / "submissions" / system, examples)
    files = [folder / "emerging.test.annotated", folder / "submissions" / system]
    tags = [[line.split("\t")[1] for line in file.read_text().split("\n") if line.strip()] for file in files]
    plain = 100 * sum(a == b for a, b in zip(*tags, strict=True)) / len(tags[0])
    value = score(task, "conlleval", [found[e.id] for e in examples], examples)["accuracy"]
    assert value == pytest.approx(plain)
    assert f"{value:.2f}" == accuracy


def test_predictions_of_a_model_have_no_scheme(read, write, registry, score):
    """Spans are right under whatever scheme the references are written in; a list of tags is held letter for letter."""
    examples = read("tagging/text", write("test.conll", columns([[("Ann", "I-PER"), ("Lee", "I-PER"), ("ran", "O")]])))
    task = registry.task("tagging/text").labelled(["PER"])
    (example,) = examples
    assert score(task, "conlleval", [[["PER", 0, 2]]], examples)["accuracy"] == 100
    for tags, accuracy in ((["I-PER", "I-PER", "O"], 100), (["B-PER", "I-PER", "O"], 200 / 3)):
        found = task.read_predictions(write("x.jsonl", json.dumps({"id": example.id, "prediction": tags})), examples)
        assert found[example.id].value == [["PER", 0, 2]]
        assert score(task, "conlleval", [found[example.id]], examples)["accuracy"] == pytest.approx(accuracy)


def test_tags_and_lemmas_are_part_of_what_is_hidden(read, write):
    (example, *_) = read("tagging/text", write("test.conll", columns(NAMES)))
    assert isinstance(example, Written)
    assert example.tags == ("O", "O", "B-PER", "I-PER")
    assert not isinstance(example.hidden(), Written)
    assert not isinstance(read("srl/propbank", write("test.bio.tsv", BIO))[0].hidden(), Written)


# ── flaws of published files ──────────────────────────────────────────────────────────────────────────────────────

ENG_TRAIN = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
call NN I-NP O

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER
in IN I-PP O
Bonn NNP I-NP B-LOC
, , O O
Rome NNP I-NP B-LOC

-DOCSTART- -X- -X- O

Paris NNP I-NP I-LOC
Lyon NNP B-NP B-LOC
"""


def test_files_with_a_few_flaws_are_read_as_conlleval_reads_them(read, write):
    path = write("eng.train", ENG_TRAIN)
    warning = r"eng\.train: 2 tags do not fit IOB1, and are read as conlleval reads them; the first: .*:11, 'B-LOC' after 'O'"
    with pytest.warns(DataWarning, match=warning):
        examples = read("tagging/conll2003", path)
    assert [e.reference for e in examples] == [
        [["ORG", 0, 1], ["MISC", 2, 3]], [["PER", 0, 2], ["LOC", 3, 4], ["LOC", 5, 6]], [["LOC", 0, 1], ["LOC", 1, 2]],
    ]  # fmt: skip
    # who names a scheme wants it kept, and is told the way out
    with pytest.raises(DataError, match=r"eng\.train:11: expected a tag of the scheme IOB1, found 'B-LOC' after 'O'") as e:
        read("tagging/conll2003", path, scheme="IOB1")
    assert "leave out scheme=…" in e.value.hints[0]


@pytest.mark.parametrize(
    ("tags", "scheme", "first"),
    [
        (["B-X", "O", "I-X", "O", "B-X"], "IOB2", "'I-X' after 'O'"),
        (["S-X", "O", "B-X", "E-X", "I-X"], "IOBES", "'I-X' after 'E-X'"),
        (["S-X", "S-X", "S-X", "O", "B-X"], "IOBES", "the sentence's end within a span after 'B-X'"),
    ],
)
def test_the_scheme_is_the_one_that_the_fewest_tags_are_outside_of(tags, scheme, first, read, write):
    path = write("x.conll", columns([[(f"w{i}", tag) for i, tag in enumerate(tags)]]))
    with pytest.warns(DataWarning, match=f"tags do not fit {scheme}, .*{first}"):
        read("tagging/text", path)


@pytest.mark.parametrize("tags", ["BIES", "BILU", "BMES", "BMEW"])
def test_letters_of_other_schemes(tags, read, write):
    rows = [("w", f"{letter}-X") for letter in tags]
    (example,) = read("tagging/text", write("x.conll", columns([rows])))
    assert example.reference == [["X", 0, 3], ["X", 3, 4]]
    row = {"tokens": ["w"] * 4, "ner_tags": [tag for _, tag in rows]}
    assert read("tagging/text", write("x.jsonl", json.dumps(row)))[0].reference == example.reference


def test_roles_that_continue_nothing_open_a_span(read, write):
    text = BIO.replace("it\tPRP\t-\tB-ARG1", "it\tPRP\t-\tI-ARG1")
    with pytest.warns(DataWarning, match=r"x\.bio\.tsv: 1 tags do not fit IOB2, .*:5, 'I-ARG1' after 'B-V'"):
        examples = read("srl/propbank", write("x.bio.tsv", text))
    assert examples[0].reference == [["ARG0", 0, 1], ["V", 1, 2], ["ARG1", 2, 3]]
    found = ROLES.read_predictions(write("y.bio.tsv", text), examples)
    assert values(found, examples) == [e.reference for e in examples]


# ── what is no comment ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", ["#win=yes", "#", "##", "#a = b", "# text", "#sent_id"])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_line_with_all_columns_is_a_word(word, place, read, write):
    rows = [*MET[:place], (word, "S-X"), *MET[place:]]
    text = f"# sent_id = a-1\n# text = We {word}\n{columns([rows])}\n# newdoc\n{columns([[(word, 'S-X')]])}"
    first, second = read("tagging/text", write("x.conll", text))
    assert (first.id, first.inputs["words"]) == ("a-1", [w for w, _ in rows])
    assert second.inputs["words"] == [word]
    roles = [(w, "-", "*") for w, _ in MET[:place]] + [(word, "go", "(V*)")] + [(w, "-", "*") for w, _ in MET[place:]]
    (example,) = read("srl/propbank", write("x.props", f"# sent_id = a-1\n{columns([roles])}"))
    assert example.inputs["words"] == [w for w, *_ in roles]


def test_a_file_of_words_has_no_comments(read, write):
    write("x.words", "#win=yes\nran\n")
    (example,) = read("srl/propbank", write("x.props", "-\t(A0*)\nrun\t(V*)\n"))
    assert example.inputs["words"] == ["#win=yes", "ran"]


def test_comments_are_comments(read, write):
    text = f"#\thttp://a.b/c\t[2009-10-17]\n{columns([[('1', *row) for row in MET]])}\n# sent_id = B-1\n{columns([MET], ' ')}"
    first, second = read("tagging/text", write("x.tsv", text), words="-2")
    assert (first.inputs["words"], second.inputs["words"]) == ([w for w, _ in MET],) * 2
    assert (first.id, second.id) == ("0", "B-1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tO\nb\nc\tO\n", ":2: expected a word and its tag in columns, found 1 column"),
        ("#b\nc\tO\n", ":1: expected a word and its tag in columns, found 1 column"),
        ("a O\n#b NN\nc O\n", ":2: expected 2 columns, or a comment before the sentence, found '#b NN'"),
        ("a O\n#b NN O\nc O\n", ":2: expected 2 columns, or a comment before the sentence, found '#b NN O'"),
    ],
)
def test_a_word_without_its_tag_is_no_comment(text, message, read, write):
    with pytest.raises(DataError, match=message):
        read("tagging/text", write("x.conll", text))


# ── nothing found ─────────────────────────────────────────────────────────────────────────────────────────────────

NOTHING = {
    "x.props": "-\n\n-\n-\n-\n\n-\n-\n-\n",
    "y.props": "-\n\n-\t*\n-\t*\n-\t*\n\n-\t*\n-\t*\n-\t*\n",
    "z.props": "-\n\n-\t*\nsee\t*\n-\t*\n\n-\t*\ngo\t*\n-\t*\n",
    "w.props": "Yes\t-\n\nWe\t-\t*\nsaw\t-\t*\nit\t-\t*\n\nThey\t-\t*\nwent\t-\t*\n.\t-\t*\n",
    "x.bio.tsv": BIO.replace("B-V", "O").replace("B-ARG0", "O").replace("B-ARG1", "O"),
    "y.bio.tsv": "\n".join(line if line.endswith("-") else line.rpartition("\t")[0] for line in BIO.split("\n"))
    .replace("see.01", "-").replace("go.02", "-"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_a_system_that_finds_no_roles_has_a_score(name, registry, read, write, score):
    task, examples = registry.task("srl/propbank"), read("srl/propbank", write("test.bio.tsv", BIO))
    task = task.labelled(["ARG0", "ARG1", "V"])
    found = task.read_predictions(write(name, NOTHING[name]), examples)
    scores = score(task, "srl_eval", [found[e.id] for e in examples], examples)
    assert [scores[m] for m in ("precision", "recall", "f1", "missed[ARG0]")] == [0, 0, 0, 2]
    assert score(task, "seqeval", [found[e.id] for e in examples], examples)["f1"] == 0


def test_a_system_that_finds_no_predicates_or_names_has_a_score(registry, read, write, score, names):
    task, examples = registry.task("srl/predicates"), read("srl/predicates", write("test.bio.tsv", BIO))
    found = task.read_predictions(write("x.props", NOTHING["x.props"]), examples)
    scores = score(task, "predicates", [found[e.id] for e in examples], examples)
    assert [scores[m] for m in ("precision", "recall", "f1", "sense_f1")] == [0, 0, 0, 0]
    task = registry.task("tagging/text").labelled(["LOC", "ORG", "PER"])
    nothing = [
        ("z.jsonl", "".join(json.dumps({"id": e.id, "prediction": ""}) + "\n" for e in names)),
        ("x.conll", columns([[(word, "O") for word, _ in rows] for rows in NAMES])),
        ("x.jsonl", "".join(json.dumps({"id": e.id, "prediction": []}) + "\n" for e in names)),
        ("y.jsonl", "".join(json.dumps({"id": e.id, "prediction": None}) + "\n" for e in names)),
    ]
    for name, text in nothing:
        found = task.read_predictions(write(name, text), names)
        scores = score(task, "conlleval", [found[e.id] for e in names], names)
        assert [scores[m] for m in ("precision", "recall", "f1")] == [0, 0, 0]


# ── CoNLL-U ───────────────────────────────────────────────────────────────────────────────────────────────────────

HEAD = "_\t_\t_\t2\tx"
ENGLISH = f"""# newdoc id = a
# sent_id = a-1
# text = We saw it fall
1\tWe\twe\t{HEAD}\t2:x\t_\t_\tARG0\t_
2\tsaw\tsee\t{HEAD}\t0:x\t_\tsee.01\tV\t_
2.1\tsaw\tsee\t{HEAD}\t0:x\tCopyOf=2\t\t
3\tit\tit\t{HEAD}\t4:x\t_\t_\t_\tARG0
4\tfall\tfall\t{HEAD}\t2:x\tSpaceAfter=No\tfall.02\tARG1\tV

# sent_id = a-2
# text = Yes
1\tYes\tyes\t{HEAD}\t0:x\t_\t_\t

1\tNo\tno\t{HEAD}\t0:x\t_\t\t
"""
GERMAN = f"""# sent_id a-1
1\tWe\twe\t{HEAD}\t_\t_\tA0\t_
2-3\tsaw it\t_\t_\t_\t_\t_\t_\t_\t_\t_\t_\t_\t_
2\tsaw\tsee\t{HEAD}\tY\tsee.01\t_\t_
3\tit\tit\t{HEAD}\t_\t_\t_\tA0
4\tfall\tfall\t{HEAD}\tY\tfall.02\tA1\t_

# sent_id a-2
1\tYes\tyes\t{HEAD}\t_\t_
"""


@pytest.mark.parametrize(("name", "text"), [("en-up-test.conllu", ENGLISH), ("de-up-test.conllu", GERMAN), ("x.txt", ENGLISH)])
def test_the_first_release_of_universal_propositions(name, text, read, write):
    see, fall = read("srl/propbank", write(name, text))
    assert (see.inputs["words"], see.inputs["predicate"], fall.inputs["predicate"]) == (["We", "saw", "it", "fall"], 1, 3)
    assert see.reference == [["ARG0", 0, 1], ["V", 1, 2], ["ARG1", 3, 4]]
    assert fall.reference == [["ARG0", 2, 3], ["V", 3, 4]]
    both, none, *_ = read("srl/predicates", write(name, text))
    assert both.reference == [["01", 1, 2], ["02", 3, 4]]
    assert (none.inputs["words"], none.reference) == (["Yes"], [])
    if name.startswith("en"):
        assert (see.id, none.id) == ("a-1.1", "a-2")


def test_columns_of_conll_2009(read, write):
    rows = ["1 We we we P P _ _ 2 2 S S _ _ A0", "2 saw see see V V _ _ 0 0 R R Y see.01 _", "3 it it it P P _ _ 2 2 O O _ _ A1"]
    (example,) = read("srl/propbank", write("x.txt", "\n".join(row.replace(" ", "\t") for row in rows)))
    assert example.reference == [["ARG0", 0, 1], ["V", 1, 2], ["ARG1", 2, 3]]


PLUS = """# global.columns = ID FORM UP:PRED UP:ARGHEADS
# sent_id = a-1
1\tWe\t_\t_
2\tsaw\tsee.01\tA0:1

# sent_id = a-2
1\tYou\t_\t_
2\truns\trun.01\tA0:1
"""
LACKS = "expected an empty line between two sentences, found '# sent_id"
NUMBER = "expected the word's number in column"
GOLD = "d 0 0 a X * go go.01 (V*)\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.conllup", PLUS.replace("\n\n", "\n"), rf"x\.conllup:5: {LACKS}"),
        ("x.conllup", PLUS.replace("\n\n# sent_id = a-2\n", "\n"), rf"x\.conllup:5: {NUMBER} 1: 3, found '1'"),
        ("x.conllup", PLUS.replace("2\truns", "3\truns"), rf"x\.conllup:8: {NUMBER} 1: 2, found '3'"),
        ("x.conllup", PLUS.replace("2\truns", "x\truns"), rf"x\.conllup:8: {NUMBER} 1: 2, found 'x'"),
        ("x.conllu", ENGLISH.replace("\n\n", "\n"), rf"x\.conllu:9: {LACKS}"),
        ("x.bio.tsv", BIO.replace("\n\n", "\n"), r"x\.bio\.tsv:2: expected 4 columns as in the sentence's first line"),
        ("x.bio.tsv", BIO.partition("\n\n")[2].replace("\n\n", "\n"), rf"x\.bio\.tsv:4: {NUMBER} 1: 3, found '0'"),
        ("x.gold_conll", GOLD + GOLD, rf":2: {NUMBER} 3: 1"),
        ("x.props", f"# sent_id = 1\n{PROPS[3:].strip()}\n# sent_id = 2\n{PROPS[3:]}", LACKS),
    ],
)  # fmt: skip
def test_sentences_without_an_empty_line_between_them(name, text, message, read, write):
    with pytest.raises(DataError, match=message):
        read("srl/propbank", write(name, text))


def test_a_sentence_s_name_behind_a_word_tells_of_a_missing_empty_line(read, write):
    with pytest.raises(
        DataError, match=r"x\.conll:3: expected an empty line between two sentences, found '# sent_id = 2' behind"
    ):
        read("tagging/text", write("x.conll", "# sent_id = 1\na\tO\n# sent_id = 2\nb\tO\n"))


def test_words_left_out_of_published_sentences_are_counted(read, write):
    text = "d 0 0 a X * - - (A0*)\nd 0 4 b X * go go.01 (V*)\n"
    with pytest.warns(DataWarning, match=r"x\.gold_conll: 3 words are left out"):
        (example,) = read("srl/propbank", write("x.gold_conll", text))
    assert example.inputs["words"] == ["a", "b"]


def test_the_treebank_beside_has_the_same_sentences(read, write):
    text = PLUS.replace("ID FORM", "ID").replace("\tWe", "").replace("\tsaw", "").replace("\tYou", "").replace("\truns", "")
    path = write("en-up-test.conllup", text)
    words = "# sent_id = a-1\n1\tWe\n2\tsaw\n\n# sent_id = a-2\n1\tYou\n2\truns\n"
    write("en-ud-test.conllu", words)
    assert [e.inputs["words"] for e in read("srl/propbank", path)] == [["We", "saw"], ["You", "runs"]]
    write("en-ud-test.conllu", "\n\n".join(reversed(words.strip().split("\n\n"))))
    with pytest.raises(DataError, match=r"en-up-test\.conllup:3: expected sentence a-2, as in en-ud-test\.conllu, found a-1"):
        read("srl/propbank", path)
