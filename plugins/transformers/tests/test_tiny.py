"""The models that are made on the spot."""

import subprocess
import sys

import pytest
import transformers
from plmtasks_transformers.checkpoints import files
from plmtasks_transformers.models.scratch import TINY

from plmtasks.config import ModelSettings
from plmtasks.data import events
from plmtasks.errors import ModelError
from plmtasks.requests import LogLikelihood

MAKE = """
import sys, pathlib
from plmtasks.data import events
from plmtasks_transformers.models.scratch import TINY
texts = [t for e in events("train") for t in (e.english(), e.chinese())]
for tiny in TINY:
    tiny.make(iter(texts), 5, pathlib.Path(sys.argv[1]) / tiny.name)
"""


@pytest.mark.slow
def test_the_same_texts_and_seed_give_the_same_bytes_in_every_process(tmp_path):
    subprocess.run([sys.executable, "-c", MAKE, str(tmp_path / "there")], check=True)
    texts = [t for e in events("train") for t in (e.english(), e.chinese())]
    for tiny in TINY:
        tiny.make(texts, 5, tmp_path / tiny.name)
        hashes = files.hashes(tmp_path / tiny.name)
        assert hashes == files.hashes(tmp_path / "there" / tiny.name)
        assert "model.safetensors" in hashes


@pytest.mark.parametrize("tiny", TINY, ids=lambda t: t.name)
def test_the_library_loads_them_as_they_are(tiny, tmp_path):
    texts = [e.english() for e in events("train", 50)]
    model = tiny.make(texts, 1, tmp_path)
    assert (model.name, model.family, model.recommended) == (tiny.name, tiny.family, tiny.recommended)
    module = transformers.AutoModel.from_pretrained(tmp_path)
    assert (module.config.model_type, module.config.vocab_size) == (
        tiny.model_type,
        len(transformers.AutoTokenizer.from_pretrained(tmp_path)),
    )
    assert not any("head" in name for name in module.state_dict())
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    back = tokenizer.decode(tokenizer(texts[0])["input_ids"], skip_special_tokens=True).strip()
    assert back == (texts[0].lower().replace(" .", ".") if tiny.family == "encoder" else texts[0])
    assert tokenizer.pad_token_id is not None
    other = tiny.make(texts, 2, tmp_path / "other")
    assert files.hashes(tmp_path)["model.safetensors"] != files.hashes(tmp_path / "other")["model.safetensors"]
    assert other.newly_initialized(LogLikelihood(text=""))


@pytest.mark.parametrize("tiny", TINY, ids=lambda t: t.name)
def test_han_is_read_character_by_character(tiny, tmp_path):
    tiny.make([e.chinese() for e in events("train")], 0, tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = events("test", 1)[0].chinese()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(text) <= len(ids) <= len(text) + 2
    assert tokenizer.decode(ids).replace(" ", "") == text


def test_without_weights_nothing_is_answered():
    with pytest.raises(ModelError, match="no weights until it is made"):
        TINY[0].load(LogLikelihood(text=""), ModelSettings(), "cpu")
    assert TINY[0].newly_initialized(LogLikelihood(text=""))
    assert TINY[0].from_scratch
