"""Columns that are written: read back they are what was there, and official scorers find what they look for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_srl.catalog import PROPOSITIONS, TAGGING
from plmtasks_srl.spans import plain

from plmtasks.config import Source
from plmtasks.examples import Example, Prediction
from plmtasks.reading import WordSpan, spans_to_tags, tags_to_spans

ROLES, PREDICATES, ENTITIES = (
    next(task for task in (*PROPOSITIONS, *TAGGING) if task.name == name)
    for name in ("srl/propbank", "srl/predicates", "tagging/text")
)

WORDS = st.sampled_from(["the", "-", "#", "#a=b", "*", "(", ")", "a b", "\t", "O", "0", "1", "书", "\u3000", "-DOCSTART-"])
LABELS = ("ARG0", "C-ARG1", "R-ARGM-TMP")


def saved(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / next(iter(files))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.props", "x.bio.tsv", "x.jsonl"])
def test_a_system_on_propbank_ewt_keeps_its_official_figures(name, registry, read, score, real_data, tmp_path):
    folder = real_data / "propbank_ewt"
    examples = read("srl/propbank", folder / "test.bio.tsv")
    task = registry.task("srl/propbank")
    task = task.bind(task.load(Source(data=str(folder / "test.bio.tsv"))))
    system = task.read_predictions(folder / "baseline.test.props", examples)
    files = task.write_predictions(name, examples, system)
    found = task.read_predictions(saved(tmp_path, files), examples)
    assert {id_: p.value for id_, p in found.items()} == {id_: p.value for id_, p in system.items()}
    scores = score(task, "srl_eval", [found[e.id] for e in examples], examples)
    assert [f"{scores[m]:.2f}" for m in ("precision", "recall", "f1")] == ["67.61", "75.99", "71.56"]
    for other in [path for path in files if ".gold." in path]:
        assert [e.reference for e in read("srl/propbank", tmp_path / other)] == [e.reference for e in examples]


@pytest.mark.slow
def test_the_columns_are_those_of_the_official_files(registry, read, real_data, tmp_path):
    """But for the lemmas, in whose place stand the words."""
    folder = real_data / "propbank_ewt"
    examples = read("srl/propbank", folder / "test.bio.tsv")
    task = registry.task("srl/propbank")
    files = task.write_predictions("x.props", examples, task.read_predictions(folder / "baseline.test.props", examples))
    for text, official in zip(files.values(), ("baseline.test.props", "baseline.test.gold.props"), strict=True):
        wanted = [b for b in (folder / official).read_text().split("\n\n") if any(line[:1] != "-" for line in b.splitlines())]
        cells = [[line.split("\t")[1:] for line in block.splitlines()] for block in wanted]
        assert [[line.split("\t")[1:] for line in block.splitlines()] for block in text.split("\n\n")][: len(cells)] == cells


@pytest.mark.slow
@pytest.mark.parametrize(("system", "f1"), [("uh_ritual", "41.86"), ("flytxt", "38.35")])
def test_systems_on_wnut17_keep_their_official_figures(system, f1, registry, read, score, real_data, tmp_path):
    folder = real_data / "wnut17"
    task, examples = registry.task("tagging/wnut17"), read("tagging/wnut17", folder / "emerging.test.annotated")
    found = task.read_predictions(folder / "submissions" / system, examples)
    path = saved(tmp_path, task.write_predictions("x.conll", examples, found))
    again = task.read_predictions(path, examples)
    assert f"{score(task, 'conlleval', [again[e.id] for e in examples], examples)['f1']:.2f}" == f1
    # what conlleval reads: the word, the reference's tag and the system's
    rows = [line.split(" ") for line in path.read_text().split("\n") if line]
    assert [row[1] for row in rows] == [
        tag for e in examples for tag in spans_to_tags((WordSpan(*s) for s in e.reference), len(e.inputs["words"]))
    ]
    assert {len(row) for row in rows} == {3}


@st.composite
def sentences(draw):
    """Examples of a few sentences, with the predictions for their predicates."""
    examples, predictions = [], {}
    for number in range(draw(st.integers(1, 4))):
        words = draw(st.lists(WORDS, min_size=1, max_size=6))
        for predicate in sorted(draw(st.sets(st.integers(0, len(words) - 1), min_size=1))):
            tags = [draw(st.sampled_from(["O", *(f"{p}-{label}" for label in LABELS for p in "BI")])) for _ in words]
            tags[predicate] = "B-V"
            e = Example(
                id=f"{number}.{predicate}", inputs={"words": words, "predicate": predicate, "number": number},
                reference=[["V", predicate, predicate + 1]], cluster=str(number),
            )  # fmt: skip
            examples.append(e)
            predictions[e.id] = Prediction(value=plain(tags_to_spans(tags)))
    return examples, predictions


@given(sentences(), st.sampled_from(["x.props", "x.bio.tsv"]))
def test_any_words_and_roles_come_back(tmp_path_factory, drawn, name):
    examples, predictions = drawn
    path = saved(tmp_path_factory.mktemp("w"), ROLES.write_predictions(name, examples, predictions))
    assert dict(ROLES.read_predictions(path, examples)) == predictions


@given(sentences())
def test_any_words_and_names_come_back(tmp_path_factory, drawn):
    first = {e.cluster: e for e in drawn[0]}
    examples = list(first.values())
    predictions = {e.id: drawn[1][e.id] for e in examples}
    path = saved(tmp_path_factory.mktemp("w"), ENTITIES.write_predictions("x.conll", examples, predictions))
    found = ENTITIES.read_predictions(path, examples)
    assert {id_: p.value for id_, p in found.items()} == {id_: p.value for id_, p in predictions.items()}


@given(sentences(), st.sampled_from(["01", "V", "LV"]))
def test_any_senses_come_back(tmp_path_factory, drawn, sense):
    predicates = {}
    for e in drawn[0]:
        predicates.setdefault(e.cluster, []).append([sense, e.inputs["predicate"], e.inputs["predicate"] + 1])
    first = {e.cluster: e for e in drawn[0]}
    examples = [Example(id=key, inputs=e.inputs, reference=[], cluster=key) for key, e in first.items()]
    predictions = {key: Prediction(value=plain(WordSpan(*s) for s in spans)) for key, spans in predicates.items()}
    path = saved(tmp_path_factory.mktemp("w"), PREDICATES.write_predictions("x.props", examples, predictions))
    assert dict(PREDICATES.read_predictions(path, examples)) == predictions


def test_a_predicate_that_was_not_found_is_in_the_references_alone():
    words = ["he", "runs"]
    found = Example(id="s.0", inputs={"words": words, "predicate": 0, "number": 0}, reference=[], cluster="s")
    missed = Example(id="s.1", inputs={"words": words, "predicate": None, "number": 0}, reference=[["V", 1, 2]], cluster="s")
    predictions = {"s.0": Prediction(value=[["V", 0, 1]]), "s.1": Prediction(value=[])}
    files = ROLES.write_predictions("x.props", [found, missed], predictions)
    assert files == {"x.props": "he\t(V*)\n-\t*\n\n", "x.gold.props": "-\t*\nruns\t(V*)\n\n"}
