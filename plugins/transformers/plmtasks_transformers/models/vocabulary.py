"""Tokenizers learned from texts: the same texts give the same tokens in every process."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..checkpoints import ENCODER, SEQUENCE_TO_SEQUENCE

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def words_of(texts: Iterable[str], size: int) -> "Tokenizer":
    """Lower-cased words by frequency, each Han character a word, and all characters to spell the others with.

    size: words at most
    """
    words = _count_words(texts)
    characters = sorted({character for word in words for character in word})
    frequent = sorted((w for w, n in words.items() if n > 1), key=lambda w: (-words[w], w))
    return _word_piece([*SPECIAL, *characters, *("##" + c for c in characters), *frequent[:size]])


def word_pieces(texts: Iterable[str], size: int) -> "Tokenizer":
    """Lower-cased words cut into frequent pieces, each Han character a word.

    size: pieces at most, special ones and characters included; the characters that are rare take at most half of them
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    words = _count_words(texts)
    letters: Counter[str] = Counter()
    for word, n in words.items():
        for place, character in enumerate(word):
            letters["##" * (place > 0) + character] += n
    alphabet = sorted(sorted(letters, key=lambda c: (-letters[c], c))[: size // 2])
    known = set(alphabet)
    spelt = {w: n for w, n in words.items() if all("##" * (i > 0) + c in known for i, c in enumerate(w))}
    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix="##"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, continuing_subword_prefix="##", show_progress=False,
        # their numbers decide between equals; the library would give them in any order, and so other pieces in every process
        special_tokens=[*SPECIAL, *alphabet],
    )  # fmt: skip
    tokenizer.train_from_iterator((" ".join([word] * n) for word, n in sorted(spelt.items())), trainer)
    learned = json.loads(tokenizer.to_str())["model"]["vocab"]
    return _word_piece(sorted(learned, key=learned.__getitem__))


def _count_words(texts: Iterable[str]) -> Counter[str]:
    from tokenizers import normalizers, pre_tokenizers

    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    return Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))


def _word_piece(pieces: Sequence[str]) -> "Tokenizer":
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    return tokenizer


def byte_pairs(texts: Iterable[str], size: int, *, ends: bool = False, sentinels: int = 0) -> "Tokenizer":
    """Byte-pair encoding over UTF-8 bytes, so that every text comes back as it was; no merge goes beyond a Han character.

    size: tokens at most
    ends: a text starts with a space and ends with </s>, as a model with an encoder reads it
    sentinels: tokens <extra_id_0>, … for spans that are to be restored
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    special = ["<pad>", "</s>", "<s>", *(f"<extra_id_{i}>" for i in range(sentinels))]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\p{Han}"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=sorted(alphabet), show_progress=False)
    # a word is spelt alike at the start and within a text: an answer comes after a prompt, or is all that is written
    tokenizer.train_from_iterator((start + text for text in texts for start in ("", " ")), trainer)
    if ends:
        end = ("</s>", tokenizer.token_to_id("</s>"))
        tokenizer.normalizer = normalizers.Prepend(" ")
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[end])
    return tokenizer


def learned(
    texts: Iterable[str], family: str, size: int, sentinels: int, *, whole_words: bool = False, limit: int | None = None
) -> Any:
    """A tokenizer as the transformers library has it: words or their pieces for encoders, byte pairs for the others.

    size: words or tokens at most; sentinels: as `byte_pairs` has them
    limit: the most tokens of a text; None: what the model says
    """
    from transformers import PreTrainedTokenizerFast

    if family == ENCODER:
        tokenizer = words_of(texts, size) if whole_words else word_pieces(texts, size)
        names = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
        inputs = ["input_ids", "token_type_ids", "attention_mask"]
    else:
        tokenizer = byte_pairs(texts, size, ends=family == SEQUENCE_TO_SEQUENCE, sentinels=sentinels)
        names = {"eos_token": "</s>", "bos_token": "<s>", "pad_token": "<pad>"}
        inputs = ["input_ids", "attention_mask"]
    length = {} if limit is None else {"model_max_length": limit}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, **length, **names)
