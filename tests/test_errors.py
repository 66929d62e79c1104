import hashlib
import json

import pytest

from plmtasks.errors import MetricError, ModelError, counted, did_you_mean, escaped, printable, summary_of
from plmtasks.examples import Example, Prediction
from plmtasks.files import as_text, value_hash
from plmtasks.model import hub_snapshot
from plmtasks.reading import compared_texts


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("no  such\tfile\nmore of it"), "no such file"),
        (ValueError("\n\n first"), "first"),
        (KeyError(), "KeyError"),
        (RuntimeError("x" * 999), "x" * 300),
    ],
)
def test_an_error_of_others_in_one_line(error: Exception, said: str) -> None:
    assert summary_of(error) == said


def test_names_that_are_alike_are_asked_for() -> None:
    assert did_you_mean("epoch", ["seed", "epochs"]) == ["did you mean 'epochs'?"]
    assert did_you_mean("colour", ["color", "colours", "x"]) == ["did you mean 'colours' or 'color'?"]
    assert did_you_mean("zebra", ["color"]) == []


def test_json_for_a_program_keeps_what_it_says_and_steers_no_terminal() -> None:
    value = "a\x1b[2J\u202e\ud800 é\n"
    text = json.dumps({"a": value}, ensure_ascii=False, indent=1) + "\n"
    assert json.loads(escaped(text)) == {"a": value}
    assert printable(escaped(text), lines=True) == escaped(text)


def test_a_value_has_one_hash_whatever_the_order_of_its_keys() -> None:
    assert value_hash({"a": 1, "b": ["é", None]}) == value_hash({"b": ["é", None], "a": 1})
    assert value_hash({"a": 1}) != value_hash({"a": "1"})
    assert len(value_hash("\ud800")) == 32
    with pytest.raises(ValueError, match="JSON"):
        value_hash(float("nan"))


def test_the_hash_of_a_long_list_is_that_of_its_json() -> None:
    value = {"a": [["é", i, {}] for i in range(70_000)], "b": {}, "c": [], "d": {"e": tuple(map(str, range(140_000)))}}
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
    assert value_hash(value) == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_texts_are_shown_as_they_are_and_the_rest_as_json() -> None:
    assert [as_text(value) for value in ("é", ["é", 1], None)] == ["é", '["é", 1]', "null"]
    assert [counted(n, "process", "processes") for n in (1, 2)] == ["1 process", "2 processes"]


def test_only_texts_are_compared_as_texts() -> None:
    def compared(value: object, reference: object) -> tuple[str, list[str]]:
        return compared_texts(Prediction(value=value), Example(id="1", inputs={}, reference=reference), "bleu is")

    assert compared("a", "b") == ("a", ["b"])
    assert compared("a", ("b", "c")) == ("a", ["b", "c"])
    for value, reference in ((3, "b"), ("a", []), ("a", ["b", 3]), ("a", {"b": 1}), ("a", None)):
        with pytest.raises(MetricError, match=r"example '1' cannot be compared as a text: predicted .*\n  bleu is for tasks"):
            compared(value, reference)


def test_a_checkpoint_in_the_hubs_cache_is_taken_as_it_is(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    revision = "a" * 40
    folder = tmp_path / "models--me--mine" / "snapshots" / revision
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    refs = tmp_path / "models--me--mine" / "refs"
    refs.mkdir()
    (refs / "main").write_text(revision)
    (folder / "model.safetensors").write_bytes(b"")
    for name in ("me/mine", f"me/mine@{revision}"):
        assert hub_snapshot(name, ["*.safetensors", "*.json"]) == folder
    for name in ("me//mine", "me/other", "me/mine@other"):
        with pytest.raises(ModelError, match=f"'{name}' is no folder, and the hub did not give it"):
            hub_snapshot(name, ["*.safetensors"])
