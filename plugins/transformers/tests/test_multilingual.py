"""mBART, mBART-50, NLLB and M2M100: what their own tokenizers make of two languages, and what is learned and written."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from plmtasks_transformers.models import Hub
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M100_CODES
from transformers.models.mbart.modeling_mbart import shift_tokens_right
from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES

from plmtasks.config import ModelSettings
from plmtasks.requests import Choose, Generate, GenerateAnswer

TEXTS = ["the nurse", "the lamp"]
REQUESTS = [Generate(text=text, source_language="en", target_language="zh", max_new_tokens=8) for text in TEXTS]
ANSWERS = [GenerateAnswer(text=text) for text in ("lamp", "nurse")]
"""Not really Chinese, of which M2M100's tokenizer has no pieces here."""
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
CHARACTERS = sorted(set("".join(TEXTS)) - {" "})
SHAPE = {f"{side}_{k}": v for side in ("encoder", "decoder") for k, v in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))}


def mbart(_: Path, __: Path) -> transformers.PreTrainedTokenizerBase:
    vocabulary = [*SPECIAL, "▁", *CHARACTERS, *FAIRSEQ_LANGUAGE_CODES, "<mask>"]
    return transformers.MBartTokenizer(vocab=[(piece, -float(piece in CHARACTERS)) for piece in vocabulary])


def mbart50(_: Path, __: Path) -> transformers.PreTrainedTokenizerBase:
    return transformers.MBart50Tokenizer(vocab=[(piece, -1.0) for piece in ["<unk>", "<s>", "</s>", "▁", *CHARACTERS]])


def nllb(_: Path, __: Path) -> transformers.PreTrainedTokenizerBase:
    return transformers.NllbTokenizer(vocab={piece: i for i, piece in enumerate([*SPECIAL, "▁", *CHARACTERS])}, merges=[])


def m2m100(folder: Path, real_data: Path) -> transformers.PreTrainedTokenizerBase:
    shutil.copy(real_data / "tokenizers" / "t5" / "spiece.model", folder / "spiece.model")
    pieces = [*SPECIAL, "▁the", "▁nurse", "▁lamp"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    # as its published files name them
    languages = [f"__{code}__" for code in M2M100_CODES["m2m100"]]
    files = str(folder / "vocab.json"), str(folder / "spiece.model")
    return transformers.M2M100Tokenizer(*files, additional_special_tokens=languages)


KINDS = {
    "mbart": (mbart, "MBart", "en_XX", "zh_CN"), "mbart-50": (mbart50, "MBart", "en_XX", "zh_CN"),
    "nllb": (nllb, "M2M100", "eng_Latn", "zho_Hans"), "m2m100": (m2m100, "M2M100", "en", "zh"),
}  # fmt: skip


@pytest.fixture(params=list(KINDS))
def made(request, tmp_path, real_data):
    """A model with the tokenizer of its kind, the names of the two languages, and whether its decoder starts from the second."""
    make, kind, *names = KINDS[request.param]
    tokenizer = make(tmp_path, real_data)
    start = {} if request.param == "mbart" else {"decoder_start_token_id": 2}
    config = getattr(transformers, f"{kind}Config")(d_model=32, vocab_size=len(tokenizer) + 120, init_std=0.1, **start, **SHAPE)
    torch.manual_seed(0)
    getattr(transformers, f"{kind}ForConditionalGeneration")(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return Hub().make(str(tmp_path)), names, not start


def load(model, example_request):
    return model.load(example_request, ModelSettings(dtype="float32"), "cpu")


def test_the_loss_is_the_library_s_own(made):
    model, (source, target), from_language = made
    loaded = load(model, REQUESTS[0])
    loaded.module.eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model.source, src_lang=source, tgt_lang=target)
    for request, answer in zip(REQUESTS, ANSWERS, strict=True):
        inputs = tokenizer(request.text, text_target=answer.text, return_tensors="pt")
        labels = inputs["labels"]
        if from_language:
            inputs["decoder_input_ids"] = shift_tokens_right(labels, tokenizer.pad_token_id)
            labels[0, -1] = -100  # the library learns the language after the end too, which is never written
        with torch.inference_mode():
            loss, count = loaded.loss([request], [answer])
            assert float(loss) / count == pytest.approx(float(loaded.module(**inputs).loss), rel=1e-5)


@pytest.mark.slow
def test_what_was_learned_is_written_in_the_language(made):
    model, *_ = made
    loaded = load(model, REQUESTS[0])
    optimizer = torch.optim.AdamW(loaded.module.parameters(), lr=1e-2)
    for _ in range(80):
        loss, count = loaded.loss(REQUESTS, ANSWERS)
        (loss / count).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loaded.answer(REQUESTS) == ANSWERS


def test_a_request_without_languages_is_read_as_the_tokenizer_came(made):
    model, (source, target), _ = made
    loaded, beside = load(model, REQUESTS[0]), Generate(text=TEXTS[0])
    alone = loaded.encodings([beside])[0].ids.tolist()
    again = load(model, REQUESTS[0])
    mixed = again.encodings([REQUESTS[0], beside])
    assert mixed[1].ids.tolist() == alone
    assert (again.tokenizer.src_lang, again.tokenizer.tgt_lang) != (source, target)
    loss, _ = again.loss([REQUESTS[0], beside], ANSWERS)
    assert torch.isfinite(loss)


def test_a_choice_is_scored_without_language_and_end(made):
    model, *_ = made
    request = Choose(text=TEXTS[0], choices=("the", "the lamp"))
    loaded = load(model, request)
    [encoding] = loaded.encodings([request])
    special = set(loaded.tokenizer.all_special_ids) - {loaded.tokenizer.unk_token_id}
    assert all(special.isdisjoint(ids.tolist()) for _, ids in encoding.wants)
