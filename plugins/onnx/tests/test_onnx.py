"""Encoders through onnxruntime: the answers of torch, from a graph that is made once."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plmtasks_onnx import export
from plmtasks_onnx.classify import limit_of

import plmtasks
from plmtasks.config import ModelSettings
from plmtasks.errors import InputError, ModelError
from plmtasks.hooks import load_registry
from plmtasks.requests import Classify

pytestmark = pytest.mark.slow

TASK = {"task": "classification/sample", "limit": 40, "threads": 1, "quiet": True}


def answers(model: str, requests: Sequence[Classify], **settings: Any) -> tuple[list[Any], list[Any]]:
    """Scores, and what was cut."""
    made = ModelSettings(**{"dtype": "float32", "threads": 1, "kernels": "plain", **settings})
    loaded = load_registry().model(model).load(requests[0], made, "cpu")
    cut = [cost.cut for cost in loaded.costs(requests)]
    return [a.scores for a in loaded.answer(requests)], cut  # type: ignore[attr-defined]


def asked(folder: Path, **other: Any) -> list[Classify]:
    labels = tuple(reversed(json.loads((folder / "config.json").read_text())["label2id"]))
    texts = ["ann sadly broke the lamp .", "no", "bob gladly found the old key in the garden today . " * 30]
    pairs = [None, "ann gladly sang .", "ben sadly lost the key . " * 60]
    return [Classify(**{"text": text, "text_pair": pair, "labels": labels, **other}) for text in texts for pair in pairs]


@pytest.mark.parametrize("truncation", ["auto", "left"])
def test_the_answers_and_the_cuts_are_those_of_torch(folder: Path, truncation: str) -> None:
    requests = asked(folder)
    found, cut = answers(f"onnx:{folder}", requests, truncation=truncation)
    wanted, cut_there = answers(str(folder), requests, truncation=truncation)
    assert cut == cut_there
    assert any(cut)
    assert found == [pytest.approx(w, abs=1e-4) for w in wanted]
    alone = [answers(f"onnx:{folder}", [r], truncation=truncation)[0][0] for r in requests[:2]]
    assert alone == [pytest.approx(f, abs=1e-4) for f in found[:2]]


def test_a_run_tells_how_the_model_came_to_the_task_and_exports_once(folder: Path, tmp_path: Path) -> None:
    model = f"onnx:{folder}"
    result = plmtasks.run(model=model, output=str(tmp_path / "a"), **TASK)
    torch = plmtasks.run(model=str(folder), output=str(tmp_path / "b"), **TASK)
    assert result.record["protocol"]["how"] == torch.record["protocol"]["how"] == "fine-tuned"
    assert result.score == torch.score
    assert result.record["model"]["name"] == "onnx:moods"
    assert [p["prediction"] for p in result.predictions()] == [p["prediction"] for p in torch.predictions()]
    graphs = [p.stat().st_mtime_ns for p in export.cache_folder().rglob(export.GRAPH)]
    again = plmtasks.run(model=model, output=str(tmp_path / "c"), **TASK)
    assert (again.folder / "result.json").read_bytes() == (result.folder / "result.json").read_bytes()
    assert [p.stat().st_mtime_ns for p in export.cache_folder().rglob(export.GRAPH)] == graphs


def test_8_bits_are_a_model_of_their_own(folder: Path) -> None:
    requests = [replace(r, text=f"{r.text} {i}") for i, r in enumerate(asked(folder))]
    rounded, whole = (answers(f"{scheme}:{folder}", requests)[0] for scheme in ("onnx-int8", "onnx"))
    assert rounded != whole
    assert rounded == [pytest.approx(w, abs=0.1) for w in whole]
    places = {place.name.endswith("-int8"): place for place in export.cache_folder().iterdir() if place.is_dir()}
    size = {int8: sum(f.stat().st_size for f in place.iterdir()) for int8, place in places.items()}
    assert size[True] < size[False]
    identities = [load_registry().model(f"{s}:{folder}").identity(requests[0], ModelSettings()) for s in ("onnx-int8", "onnx")]
    assert identities[0] != identities[1]


def test_several_labels_may_hold(folder: Path, tmp_path: Path) -> None:
    several = Path(shutil.copytree(folder, tmp_path / "several"))
    config = json.loads((several / "config.json").read_text())
    (several / "config.json").write_text(json.dumps({**config, "problem_type": "multi_label_classification"}))
    requests = asked(several, multi_label=True)[:3]
    found, _ = answers(f"onnx:{several}", requests)
    assert found == [pytest.approx(w, abs=1e-4) for w in answers(str(several), requests)[0]]
    assert found != answers(f"onnx:{folder}", asked(folder)[:3])[0]
    assert load_registry().model(f"onnx:{several}").newly_initialized(asked(several)[0])


def test_another_graph_than_the_models_is_not_kept(folder: Path) -> None:
    import torch
    import transformers

    checkpoint = load_registry().model(f"onnx:{folder}")
    graph = export.graph_of(checkpoint, 1, int8=False)  # type: ignore[arg-type]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    probe = export.inputs_of(model, tokenizer, export.PROBE)
    export.hold_together("m", graph, model, probe)
    with torch.no_grad():
        model.classifier.bias += 0.01
    with pytest.raises(ModelError, match=r"differ from torch's by 0\.01"):
        export.hold_together("m", graph, model, probe)


def test_what_cannot_be_exported_says_why_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    (other / "model.safetensors").write_bytes(b"no weights")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="'onnx:other' cannot be exported: "):
        answers(f"onnx:{other}", asked(folder)[:1])
    assert not [p for p in export.cache_folder().iterdir() if p.is_dir()]


@pytest.mark.parametrize("pad", [None, 0, 5])
@pytest.mark.parametrize("kind", ["gpt2", "qwen3", "bart"])
def test_encoders_alone_are_exported(folder: Path, tmp_path: Path, kind: str, pad: int | None) -> None:
    """A decoder's graph would read another place of a text that ends in the padding, and each text answers for itself here."""
    import transformers

    shape = {"n_embd": 16, "n_layer": 1, "n_head": 2, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 999}
    shape |= {"hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 16, "use_cache": False}
    labels = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
    config = transformers.CONFIG_MAPPING[kind](**shape, **labels, eos_token_id=3, bos_token_id=2)
    config.pad_token_id = pad
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "it")
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "it")
    with pytest.raises(ModelError, match=f"(?i)'onnx:it' cannot be exported: {kind}ForSequenceClassification is no encoder"):
        answers(f"onnx:{tmp_path}/it", [Classify(text="a", labels=("no", "yes"))])


def test_what_cannot_be_asked_for(folder: Path, tmp_path: Path) -> None:
    registry = load_registry()
    with pytest.raises(ModelError, match=r"there is no folder '\./nowhere'"):
        _ = registry.model("onnx:./nowhere").folder  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match=r"it has no config\.json"):
        _ = registry.model(f"onnx:{tmp_path}").folder  # type: ignore[attr-defined]
    shutil.copy(folder / "config.json", tmp_path)
    with pytest.raises(ModelError, match="plmtasks export"):
        _ = registry.model(f"onnx:{tmp_path}").folder  # type: ignore[attr-defined]
    model, [request, *_] = registry.model(f"onnx:{folder}"), asked(folder)
    with pytest.raises(ModelError, match="onnxruntime trains nothing"):
        model.load(replace(request, labels=("no", "yes")), ModelSettings(), "cpu")
    with pytest.raises(InputError, match="--dtype float32"):
        model.load(request, ModelSettings(dtype="bfloat16"), "cpu")
    with pytest.raises(InputError, match="--truncation window"):
        model.load(request, ModelSettings(truncation="window"), "cpu")
    with pytest.raises(InputError, match="'onnx:moods' takes 256: 'bob gladly"):
        answers(f"onnx:{folder}", asked(folder)[-3:], truncation="error")
    with pytest.raises(ModelError, match="no CUDAExecutionProvider"):
        export.session_of(Path("m"), 1, "cuda:0")


@pytest.mark.parametrize("label2id", [None, {"LABEL_0": 0, "LABEL_1": 1}, {"positive": 0, "negative": 1}])
def test_id2label_alone_names_the_columns(folder: Path, tmp_path: Path, label2id: dict[str, int] | None) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"label2id": label2id}))
    requests = asked(folder)[:2]
    assert answers(f"onnx:{copy}", requests) == answers(f"onnx:{folder}", requests)
    for found, said in (
        ({"0": "a", "2": "b"}, "numbers no labels from 0"),
        (["a", "b"], "id2label: expected an object or null"),
    ):
        (copy / "config.json").write_text(json.dumps(config | {"id2label": found}))
        with pytest.raises(ModelError, match=said):
            answers(f"onnx:{copy}", requests)


@pytest.mark.parametrize(
    ("kind", "places"),
    [("bert", 40), ("roberta", 38), ("ibert", 38), ("roberta-prelayernorm", 38), ("xlm-roberta-xl", 38), ("esm", 38)],
)
def test_a_model_is_asked_how_many_places_it_has(kind: str, places: int) -> None:
    import torch
    import transformers

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 9}
    config = transformers.CONFIG_MAPPING[kind](**shape, max_position_embeddings=40, pad_token_id=1)
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    assert export.places_of(model) == places
    with torch.no_grad():
        model(torch.full((1, places), 5))
        with pytest.raises((IndexError, RuntimeError)):
            model(torch.full((1, places + 1), 5))


def test_the_limit_of_a_text() -> None:
    from types import SimpleNamespace

    def limit(length: float, places: int | None, **config: Any) -> tuple[int, str]:
        return limit_of(config, SimpleNamespace(model_max_length=length), places)

    assert limit(1e30, 512, max_position_embeddings=512) == (512, "as many places as the model has embeddings for")
    assert limit(1e30, None, max_position_embeddings=300) == (300, "max_position_embeddings of its configuration")
    assert limit(128, 512, max_position_embeddings=512) == (128, "model_max_length of its tokenizer")
    assert limit(1e30, None) == (10**9, "neither the model nor its tokenizer has a limit")
