import pytest
from plmtasks_translation.data import Form
from plmtasks_translation.sets import SETS
from sacrebleu.dataset import DATASETS

from plmtasks.config import Source
from plmtasks.errors import DataError, DataWarning, InputError

EN, DE = "The kite is red.\nIt flies.\n", "Der Drachen ist rot.\nEr fliegt.\n"


def pairs(examples):
    return [(e.inputs["source"], *e.reference) for e in examples]


BOTH = [("The kite is red.", "Der Drachen ist rot."), ("It flies.", "Er fliegt.")]

# ── files side by side ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("test_en", "test_de"),
        ("test_en_gz", "test_de_gz"),
        ("test_en", "test_de_gz"),
        ("test_en_txt", "test_de_txt"),
        ("europarl_de__en_en", "europarl_de__en_de"),
        ("newstest2019__ende__src_en", "newstest2019__ende__ref_de"),
        ("generaltest2022_en__de_src_en", "generaltest2022_en__de_ref_A_de"),
        ("test_en", "test_de0"),
    ],
)
def test_a_text_finds_its_translation_beside_it(source, target, read, write):
    path = write(**{target: DE, source: EN})
    assert pairs(read(path)) == pairs(read(path.parent)) == BOTH
    assert [e.id.rpartition("-")[2] for e in read(path)] == ["0", "1"]


def test_the_other_direction_is_another_task(read, write):
    path = write(test_en=EN, test_de=DE)
    assert pairs(read(path.parent, "translation/text-de-en")) == [(de, en) for en, de in BOTH]


def test_several_references_lie_beside_a_text_or_are_chosen(read, write):
    path = write(t_ref_A_de="eins\n", t_ref_B_de="zwei\n", t_hyp_X_de="drei\n", t_src_en="one\n")
    assert pairs(read(path)) == pairs(read(path.parent)) == [("one", "eins", "zwei")]
    assert pairs(read(path.parent, reference="B")) == [("one", "zwei")]
    assert pairs(read(path.parent, reference="B+A")) == [("one", "zwei", "eins")]
    assert pairs(read(path.parent, reference="A+t.hyp.X.de")) == [("one", "eins", "drei")]


def test_references_named_by_numbers(read, write):
    path = write(nist_de0="eins\n", nist_de1="zwei\n", nist_en="one\n")
    assert pairs(read(path)) == [("one", "eins", "zwei")]


def test_any_file_can_be_named_as_the_translation(read, write):
    path = write(deutsch="eins\n", english="one\n")
    assert pairs(read(path, reference="deutsch")) == [("one", "eins")]


def test_documents_are_clusters(read, write):
    path = write(names="d1\nd2\n", test_de=DE, test_en=EN)
    assert [e.cluster for e in read(path, document="names")] == ["d1", "d2"]
    assert [e.cluster for e in read(path)] == [None, None]


def test_splits_by_the_names_of_their_files(registry, write):
    names = ("train", "val", "test_2016", "test_2017", "extra")
    path = write(**{f"{n.replace('_', '')}_{language}": f"{n}\n" for n in names for language in ("en", "de")}, notes_fr="x\n")
    data = registry.task("translation/text-en-de").load(Source(data=str(path.parent)))
    assert data.splits == ["train", "validation", "test", "extra", "test2016", "test2017"]
    assert pairs(data["test"]) == pairs(data["test2016"]) == [("test_2016", "test_2016")]


def test_a_test_split_of_that_very_name_goes_before_others(registry, write):
    path = write(**{f"{n}_{language}": f"{n}\n" for n in ("test", "newtest") for language in ("en", "de")})
    data = registry.task("translation/text-en-de").load(Source(data=str(path.parent)))
    assert {split: pairs(data[split])[0][0] for split in data.splits} == {"test": "test", "newtest": "newtest"}


def test_one_unnamed_pair_of_files_is_the_test_split(registry, write):
    path = write(ours_en="a\n", ours_de="b\n")
    assert registry.task("translation/text-en-de").load(Source(data=str(path.parent))).splits == ["test"]


def test_training_data_may_lie_elsewhere_and_in_another_form(registry, write, tmp_path):
    write(test_en=EN, test_de=DE)
    (tmp_path / "more").mkdir()
    for language, text in (("en", "one\n"), ("de", "eins\n")):
        (tmp_path / "more" / f"train.{language}").write_text(text)
    rows = write(train_jsonl=[{"en": "two", "de": "zwei"}])
    task = registry.task("translation/text-en-de")
    for where, expected in ((tmp_path / "more", [("one", "eins")]), (rows, [("two", "zwei")])):
        data = task.load(Source(data=str(tmp_path / "test.en"), train_data=str(where)))
        assert pairs(data["train"]) == expected
        assert pairs(data["test"]) == BOTH
    data = registry.task("translation/sample-zh-en").load(Source(train_data=str(rows)))
    assert data.splits == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"test_de": "eins\n", "test_en": "one\ntwo\n"}, r"test\.de: expected 2 lines, as test\.en has, found 1"),
        ({"test_de": "eins\nzwei\n", "test_en": "one\n \n"}, r"test\.en:2: expected a text to translate, found an empty one"),
        ({"test_de": "eins\n\n", "test_en": "one\ntwo\n"}, r"test\.de:2: expected a translation, found an empty one"),
        (
            {"t_ref_A_de": "eins\nzwei\n", "t_ref_B_de": "eins\n \n", "t_src_en": "one\ntwo\n"},
            r"t\.ref\.B\.de:2: expected a translation, found an empty one",
        ),
        ({"test_de": "", "test_en": ""}, "split test: expected at least one example, found none"),
    ],
)
def test_bad_lines_are_named_exactly(files, message, read, write):
    with pytest.raises(DataError, match=message):
        read(write(**files))


def test_documents_of_another_length_are_refused(read, write):
    path = write(names="d1\n", test_de=DE, test_en=EN)
    with pytest.raises(DataError, match=r"names: expected 2 lines, as test\.en has, found 1"):
        read(path, document="names")


@pytest.mark.parametrize(
    ("files", "columns", "message"),
    [
        ({"test_en": EN}, {}, r"test\.en: no translation beside it\n  looked for: test\.de and the like"),
        ({"english": EN}, {}, "english: no translation beside it"),
        (
            {"t_ref_A_de": DE, "t_ref_B_de": DE, "t_src_en": EN}, {"reference": "A+C"},
            r"no reference 'C' beside it\n  there are: A, B",
        ),
        ({"test_en": EN}, {"reference": "nothing.de"}, r"no reference 'nothing\.de' beside it\n  there are: none"),
        ({"test_de": DE, "test_de_gz": DE, "test_en": EN}, {}, r"test\.de and test\.de\.gz could both be its translation"),
        ({"test_de": DE, "test_en": EN}, {"source": "english"}, "a file of lines has no column for 'source'"),
        ({"test_de": DE, "test_en": EN}, {"target": "german"}, "has no field 'target'\n  --columns takes id, source, reference"),
    ],
)  # fmt: skip
def test_translations_that_cannot_be_found_are_told(files, columns, message, read, write):
    with pytest.raises(InputError, match=message):
        read(write(**files), **columns)


def test_without_data_of_its_own_a_task_says_how_to_name_some(registry):
    with pytest.raises(InputError, match=r"translation/text-en-de has no data of its own here\n  .*--data PATH"):
        registry.task("translation/text-en-de").load(Source())


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("row", "columns", "expected"),
    [
        ({"source": "one", "reference": "eins"}, {}, ("one", "eins")),
        ({"source": "one", "references": ["eins", "einer"]}, {}, ("one", "eins", "einer")),
        ({"src": "one", "tgt": "eins"}, {}, ("one", "eins")),
        ({"en": "one", "de": "eins", "fr": "un"}, {}, ("one", "eins")),
        ({"translation": {"de": "eins", "en": "one"}}, {}, ("one", "eins")),
        ({"text": "one", "a": "eins", "b": ["einer"]}, {"source": "text", "reference": "a+b"}, ("one", "eins", "einer")),
    ],
)  # fmt: skip
def test_rows_in_every_shape(row, columns, expected, read, write):
    assert pairs(read(write(test_jsonl=[row]), **columns)) == [expected]


def test_rows_of_a_table_and_of_parquet(read, write, tmp_path):
    import pyarrow
    import pyarrow.parquet

    assert pairs(read(write(test_tsv="en\tde\none\teins\n"))) == [("one", "eins")]
    pyarrow.parquet.write_table(pyarrow.table({"translation": [{"en": "one", "de": "eins"}]}), tmp_path / "test.parquet")
    assert pairs(read(tmp_path / "test.parquet")) == [("one", "eins")]


def test_rows_may_have_ids_and_documents(read, write):
    rows = [{"id": 7, "doc_id": "d1", "en": "one", "de": "eins"}, {"id": 8, "doc_id": "d2", "en": "two", "de": "zwei"}]
    path = write(test_jsonl=rows)
    assert [(e.id, e.cluster) for e in read(path)] == [("7", "d1"), ("8", "d2")]
    assert [(e.id, e.cluster) for e in read(path, id="en", document="de")] == [("one", "eins"), ("two", "zwei")]
    assert [e.id for e in read(write(test_jsonl=[{"en": "one", "de": "eins"}]))] == ["test-0"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"source": "one"},
            r"test\.jsonl:2: expected a column with the reference \(reference or .* or de\), found the columns 'source'",
        ),
        ({"source": "one", "reference": ""}, r"test\.jsonl:2: expected a translation, found an empty one"),
        ({"source": "one", "reference": []}, r"test\.jsonl:2: expected a translation, found none"),
        ({"source": "one", "reference": ["eins", " "]}, r"test\.jsonl:2: expected a translation, found an empty one"),
        ({"source": "one", "reference": 3}, r"test\.jsonl:2: expected a translation, found 3"),
        ({"source": None, "reference": "eins"}, r"test\.jsonl:2: expected a text to translate, found none"),
        ({"translation": {"en": "one", "fr": "un"}}, r"test\.jsonl:2: expected a translation with 'de', found en, fr"),
    ],
)
def test_bad_rows_are_named_exactly(row, message, read, write):
    with pytest.raises(DataError, match=message):
        read(write(test_jsonl=[{"source": "one", "reference": "eins"}, row]))


def test_published_data_with_empty_sides_is_read_without_them_and_counted():
    rows = [("1", {"en": "one", "de": "eins"}), ("2", {"en": " ", "de": "x"}), ("3", {"en": "x", "de": None})]
    with pytest.warns(DataWarning, match="en-de: 2 examples have no text on one side"):
        assert pairs(Form(source="en", target="de", flawed=True).rows(rows, "x")) == [("one", "eins")]


@pytest.mark.parametrize(
    ("source", "text", "slice_"),
    [
        ("en", "a " * 10, "words=0-10"), ("en", "a " * 11, "words=11-20"), ("en", "a " * 41, "words=41-"),
        ("zh", "红" * 20, "characters=0-20"), ("zh", "红" * 40, "characters=21-40"),
        ("zh", "红" * 81, "characters=81-"),
    ],
)  # fmt: skip
def test_slices_by_the_length_of_the_source(source, text, slice_):
    [example] = Form(source=source, target="de").rows([("here", {"source": text, "target": "b"})], "t")
    assert example.slices == (slice_,)


# ── sacrebleu's sets ──────────────────────────────────────────────────────────────────────────────────────────────

XML = """<dataset id="t"><doc id="d1" origlang="zh">
<src lang="zh"><p><seg id="1">红色的风筝。</seg><seg id="2">它飞。</seg></p></src>
<ref lang="en" translator="A"><p><seg id="1">A red kite.</seg><seg id="2">It flies.</seg></p></ref>
<ref lang="en" translator="B"><p><seg id="1">The kite, red.</seg><seg id="2">It flew.</seg></p></ref>
</doc></dataset>"""


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """sacrebleu's folder, with a small wmt22 in it as if it had been downloaded."""
    known = DATASETS["wmt22"]
    monkeypatch.setattr(known, "_outdir", str(tmp_path / "wmt22"))
    monkeypatch.setattr(known, "_rawdir", str(tmp_path / "wmt22" / "raw"))
    [url] = known.data
    [path] = known.langpairs["zh-en"]
    raw = tmp_path / "wmt22" / "raw"
    (raw / path).parent.mkdir(parents=True)
    (raw / path).write_text(XML, encoding="utf-8")
    (raw / known._get_tarball_filename(url)).write_bytes(b"unpacked already")


@pytest.mark.usefixtures("cached")
def test_a_set_of_sacrebleu_s_is_read_with_its_documents(registry):
    task = registry.task("translation/wmt22-zh-en")
    data = task.load(Source())
    assert (data.splits, data.published) == (["test"], True)
    assert pairs(data["test"]) == [("红色的风筝。", "A red kite."), ("它飞。", "It flies.")]
    assert {(e.cluster, e.slices) for e in data["test"]} == {("d1", ("characters=0-20", "origlang=zh"))}


@pytest.mark.parametrize(
    ("name", "split"), [("wmt19/dev-lt-en", "validation"), ("mtnt1.1/train-en-fr", "train"), ("mtedx/test-el-en", "test")]
)
def test_a_set_is_the_split_that_its_name_says(name, split, registry):
    assert registry.task(f"translation/{name}").load(Source()).splits == [split]


def test_a_set_that_cannot_be_downloaded_is_told(registry, monkeypatch, tmp_path):
    known = DATASETS["wmt19"]
    monkeypatch.setattr(known, "_outdir", str(tmp_path))
    monkeypatch.setattr(known, "_rawdir", str(tmp_path / "raw"))
    monkeypatch.setattr("urllib.request.urlopen", _refuse)
    with pytest.raises(
        InputError, match=r"could not fetch its test set wmt19 for de-en: OSError: no network\n(.|\n)*--data PATH"
    ):
        registry.task("translation/wmt19-de-en").load(Source())["test"]


def _refuse(*_, **__):
    raise OSError("no network")


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "split", "size"),
    [
        ("multi30k", "test", 1000), ("multi30k", "validation", 1014), ("opus100-en-fr", "test", 2000),
        ("wmt22-zh-en", "test", 1875), ("wmt14/full-en-de", "test", 3003),
    ],
)  # fmt: skip
def test_published_data_has_its_published_size(name, split, size, registry):
    assert name.split("-")[0] in {"multi30k", "opus100", *SETS}
    assert len(registry.task(f"translation/{name}").load(Source())[split]) == size
