"""What the answers must be: plain loops over transformers, one text at a time, and small random models of many architectures.

Nothing of plmtasks is imported here.
"""

import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CONFIG_MAPPING

PLACES = 64
"""The most tokens of a text."""
CORPUS = [
    "the nurse found the old lamp in the garden", "it was a good film , and not a bad one at all", "who sold it yesterday ?",
    "Answer: yes no maybe great poor", "naïve café 12,500 dollars", "护士在花园里找到了灯", "谁找到了灯？好看的电影", "🙂 👩‍🚀 🇨🇳",  # noqa: E501  a table
]  # fmt: skip
SMALL = {
    "hidden_size": 16, "n_embd": 16, "d_model": 16, "dim": 16, "emb_dim": 16, "embedding_size": 16, "num_hidden_layers": 1,
    "n_layer": 1, "n_layers": 1, "num_layers": 1, "num_decoder_layers": 1, "encoder_layers": 1, "decoder_layers": 1,
    "num_encoder_layers": 1, "num_attention_heads": 2, "n_head": 2, "n_heads": 2, "num_heads": 2, "num_key_value_heads": 2,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_encoder_attention_heads": 2, "num_decoder_attention_heads": 2,  # noqa: E501  a table
    "intermediate_size": 16, "d_ff": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "ffn_dim": 16, "hidden_dim": 16,
    "word_embed_proj_dim": 16, "pooler_hidden_size": 16, "head_dim": 8, "d_kv": 8, "num_local_experts": 2, "rotary_dim": 8, "state_size": 4,  # noqa: E501  a table
    "max_position_embeddings": PLACES, "n_positions": PLACES, "max_seq_len": PLACES, "max_encoder_position_embeddings": PLACES,
    "max_decoder_position_embeddings": PLACES, "attention_window": [16], "initializer_range": 0.4, "initializer_factor": 8.0,
    "init_std": 0.4,
}  # fmt: skip


def config_of(model_type: str, **values: Any) -> Any:
    """One layer of 16 for a text and for all that is nested beside it.

    values: what else it says, wherever it says that
    """
    config = CONFIG_MAPPING[model_type]()
    for part in (config, *(v for v in vars(config).values() if isinstance(v, transformers.PreTrainedConfig))):
        for name, value in {**SMALL, **values}.items():
            if hasattr(part, name):
                with contextlib.suppress(AttributeError, NotImplementedError):  # a name for something else
                    setattr(part, name, value)
        if getattr(part, "layer_types", None):
            with contextlib.suppress(AttributeError):
                part.layer_types = part.layer_types[:1]
    return config


@dataclass(frozen=True)
class Case:
    """A model and its tokenizer."""

    model_type: str
    family: str
    tokens: str
    """How its tokenizer splits: bytes, pieces, unigram."""
    around: str = "$A"
    """What its tokenizer puts around a text."""
    padding: bool = True
    template: str = ""
    length: int | None = None
    """model_max_length of its tokenizer."""
    library: str = ""
    """Of the library's, for what is neither of the usual."""

    def loads(self, kind: str) -> Any:
        return getattr(transformers, LIBRARY.get(kind) or self.library or LANGUAGE[self.family])


SPACED = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
TURNED = "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant\n{% endif %}"  # noqa: E501  a table
E, D, S = "encoder", "decoder", "sequence-to-sequence"
PAIRED = "[CLS] $A [SEP]"
ROBERTA = "<s> $A </s>"
CASES = [
    Case("bert", E, "pieces", PAIRED), Case("distilbert", E, "pieces", PAIRED), Case("electra", E, "pieces", PAIRED),
    Case("roberta", E, "bytes", ROBERTA), Case("ibert", E, "bytes", ROBERTA), Case("xlm-roberta-xl", E, "unigram", ROBERTA),
    Case("deberta-v2", E, "unigram", PAIRED), Case("modernbert", E, "bytes", PAIRED),
    Case("gpt2", D, "bytes", padding=False), Case("llama", D, "bytes", "<s> $A", padding=False),
    Case("qwen3", D, "bytes", template=TURNED), Case("gemma3", D, "unigram", "<s> $A", template=SPACED),
    Case("opt", D, "bytes", "</s> $A"), Case("bloom", D, "bytes", length=PLACES, template=TURNED),
    Case("gpt_neox", D, "bytes", padding=False, template=SPACED), Case("mamba", D, "bytes", padding=False, length=PLACES),
    Case("mistral3", D, "unigram", "<s> $A </s>", library="AutoModelForImageTextToText"),
    Case("t5", S, "unigram", "$A </s>", length=PLACES), Case("bart", S, "bytes", ROBERTA), Case("marian", S, "unigram", "$A </s>"),  # noqa: E501  a table
    Case("led", S, "bytes", ROBERTA), Case("mt5", S, "unigram", "$A </s>", length=PLACES),
]  # fmt: skip
LABELS = {
    "Classify": ["poor", "great", "fine"],
    "Regress": ["LABEL_0"],
    "Tag": ["B-X", "O", "I-X"],
    "ExtractSpan": ["LABEL_0", "LABEL_1"],
}
LIBRARY = {
    "Classify": "AutoModelForSequenceClassification",
    "Regress": "AutoModelForSequenceClassification",
    "Choose": "AutoModelForMultipleChoice",
    "Tag": "AutoModelForTokenClassification",
    "ExtractSpan": "AutoModelForQuestionAnswering",
}
LANGUAGE = {E: "AutoModelForMaskedLM", D: "AutoModelForCausalLM", S: "AutoModelForSeq2SeqLM"}
SPECIAL = {"pieces": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], "other": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]}


def tokenizer_of(case: Case) -> Any:
    """Learned from a few sentences."""
    square = case.around == PAIRED
    special = SPECIAL["pieces" if square else "other"]
    if case.tokens == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=330,
            special_tokens=special,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
    elif case.tokens == "pieces":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    else:
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=160, special_tokens=special, unk_token=special[1 if square else 3], show_progress=False
        )
    made.train_from_iterator(CORPUS * 5, trainer)
    if case.around != "$A":
        used = [(t, made.token_to_id(t)) for t in special if t in case.around]
        second = case.around.replace("$A", "$B:1").replace("[CLS] ", "").replace("[SEP]", "[SEP]:1")
        pair = f"{case.around} {second if case.family == E else case.around.replace('$A', '$B')}"
        made.post_processor = processors.TemplateProcessing(single=case.around, pair=pair, special_tokens=used)
    names = (
        ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
        if square
        else ["bos_token", "pad_token", "eos_token", "unk_token", "mask_token"]
    )
    named = dict(zip(names, special, strict=True))
    if not square and case.family == E:
        named |= {"cls_token": "<s>", "sep_token": "</s>"}
    for name, wanted in (("pad_token", case.padding), ("bos_token", case.around != "$A"), ("mask_token", case.family == E)):
        if not wanted:
            named.pop(name, None)
    length = {} if case.length is None else {"model_max_length": case.length}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=made, **length, **named)
    if case.template:
        tokenizer.chat_template = case.template
    return tokenizer


def make(case: Case, kind: str, folder: Path) -> None:
    """Writes a random model with a head for such requests, and its tokenizer, as anybody would."""
    tokenizer = tokenizer_of(case)
    ids = {
        name: getattr(tokenizer, name)
        for name in ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    }
    ids["decoder_start_token_id"] = tokenizer.eos_token_id if case.model_type in ("bart", "led") else tokenizer.pad_token_id
    special = {name: i for name, i in ids.items() if i is not None or name == "pad_token_id"}
    config = config_of(case.model_type, vocab_size=len(tokenizer), **special)
    if case.family == S:
        config.decoder_start_token_id = ids["decoder_start_token_id"]
    if getattr(config, "forced_eos_token_id", None) is not None:
        config.forced_eos_token_id = tokenizer.eos_token_id
    if kind in LABELS:
        config.id2label = dict(enumerate(LABELS[kind]))
        config.label2id = {"stale": 0}
    torch.manual_seed(sum(map(ord, case.model_type)))
    module = case.loads(kind).from_config(config)
    with torch.no_grad():  # biases and norms that are all alike would hide faults
        for weight in module.parameters():
            if weight.dim() == 1:
                weight.add_(torch.randn_like(weight) * 0.1)
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Oracle:
    """Plain transformers from a folder, float32, a single text at a time."""

    def __init__(self, case: Case, kind: str, folder: Path) -> None:
        self.case = case
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.module = case.loads(kind).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        self.limit = PLACES - (2 if case.model_type in ("roberta", "ibert", "xlm-roberta-xl") else 0)

    def logits(
        self, ids: list[Any], types: list[Any] | None = None, source: list[int] | None = None, field: str = "logits"
    ) -> torch.Tensor:
        read = torch.tensor([source or ids])
        inputs = {"input_ids": read, "attention_mask": torch.ones_like(read)}
        if source is not None:
            inputs["decoder_input_ids"] = torch.tensor([ids])
        elif types is not None and getattr(self.module.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = torch.tensor([types])
        with torch.no_grad():
            return self.module(**inputs)[field][0].double()

    def classify(self, text: str, pair: str | None) -> dict[str, float]:
        chances = self.whole(text, pair).softmax(-1)
        return {self.module.config.id2label[i]: float(p) for i, p in enumerate(chances)}

    def regress(self, text: str, pair: str | None) -> float:
        [value] = self.whole(text, pair)
        return float(value)

    def whole(self, text: str, pair: str | None) -> torch.Tensor:
        """The output of a head for sequences. (columns)"""
        batch = self.tokenizer(text, pair, truncation="longest_first", max_length=self.limit, return_token_type_ids=True)
        if (
            self.case.family == D
        ):  # a single text is not padded; told of a padding, the library looks for it among the text's tokens
            self.module.config.get_text_config().pad_token_id = None
        return self.logits(batch["input_ids"], batch["token_type_ids"])

    def choose(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Log-softmax over the pairs' scores; what is too long loses the end of its first text."""
        scores = []
        for first, second in pairs:
            batch = self.tokenizer(first, second, truncation="only_first", max_length=self.limit, return_token_type_ids=True)
            scores.append(self.logits([batch["input_ids"]], [batch["token_type_ids"]])[0])
        return [float(value) for value in torch.stack(scores).log_softmax(-1)]

    def tag(self, words: tuple[str, ...]) -> list[str]:
        """The best sequence in which no I-X begins; each word in the window where most stands around its first piece."""
        spaced = [" " * (i > 0) + word for i, word in enumerate(words)]
        batch = self.tokenizer(
            [spaced], is_split_into_words=True, truncation=True, max_length=self.limit, stride=self.limit // 4,
            return_overflowing_tokens=True,
        )  # fmt: skip
        best: list[tuple[int, torch.Tensor]] = [(-1, torch.zeros(3, dtype=torch.double))] * len(words)
        for row, ids in enumerate(batch["input_ids"]):
            logits, owners = self.logits(ids).log_softmax(-1), batch.word_ids(row)
            own = [o for o in owners if o is not None]
            for word in dict.fromkeys(own):
                if row and word == own[0]:
                    continue  # it may have begun in the window before, which has it whole or its first piece
                at = owners.index(word)
                margin = min(at, len(ids) - 1 - at)
                if margin > best[word][0]:
                    best[word] = margin, logits[at]
        return self._legal([chances for _, chances in best])

    def _legal(self, chances: list[torch.Tensor]) -> list[str]:
        labels = [self.module.config.id2label[i] for i in range(3)]
        paths: dict[str, tuple[float, list[str]]] = {"": (0.0, [])}
        for some in chances:
            grown: dict[str, tuple[float, list[str]]] = {}
            for last, (score, path) in paths.items():
                for label, chance in zip(labels, some.tolist(), strict=True):
                    if label.startswith("I-") and last not in ("B-" + label[2:], label):
                        continue
                    if label not in grown or score + chance > grown[label][0]:
                        grown[label] = score + chance, [*path, label]
            paths = grown
        return max(paths.values(), key=lambda found: found[0])[1]

    def spans(self, question: str, context: str) -> tuple[dict[tuple[int, int], float], float]:
        """Score of every span of the context in characters, and of no answer."""
        room = self.limit - self.limit // 2 - self.tokenizer.num_special_tokens_to_add(pair=True)
        batch = self.tokenizer(
            question, context, truncation="only_second", max_length=self.limit, stride=min(128, room // 2),
            return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True,
        )  # fmt: skip
        found: dict[tuple[int, int], float] = {}
        nothing = []
        for row, ids in enumerate(batch["input_ids"]):
            types, offsets = batch["token_type_ids"][row], batch["offset_mapping"][row]
            start, end = (self.logits(ids, types, field=f) for f in ("start_logits", "end_logits"))
            null = ids.index(self.tokenizer.cls_token_id)
            nothing.append(float(start[null] + end[null]))
            own = [i for i, side in enumerate(batch.sequence_ids(row)) if side == 1]
            for i, j in itertools.combinations_with_replacement(own, 2):
                a, b = offsets[i][0], offsets[j][1]
                piece = context[a:b]
                a, b = a + len(piece) - len(piece.lstrip()), b - len(piece) + len(piece.rstrip())
                if j - i < 30 and a < b:
                    found[a, b] = max(found.get((a, b), -1e30), float(start[i] + end[j]))
        return found, min(nothing)

    def ids(self, text: str) -> list[int]:
        """What a decoder reads before it goes on: no end of a text."""
        return self._inner(self.tokenizer(text)["input_ids"])

    def _inner(self, ids: list[int]) -> list[int]:
        return ids[:-1] if self.case.around.endswith(" </s>") else ids

    def bare(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def split(self, context: str, text: str, chat: bool = False) -> tuple[list[int], list[int]]:
        """Context and continuation as `_encode_pair` of lm-evaluation-harness has them.

        Where a token holds the end of one and the beginning of the other, each is encoded by itself.
        """
        spaces = len(context) - len(context.rstrip())
        if spaces:
            text, context = context[-spaces:] + text, context[:-spaces]
        encode = self.bare if chat else self.ids
        start, whole = encode(context), encode(context + text)
        own = whole[len(start) :] if whole[: len(start)] == start and len(whole) > len(start) else self.bare(text)
        return start or [self.beginning], own

    @property
    def beginning(self) -> int:
        t = self.tokenizer
        return int(t.eos_token_id if t.bos_token_id is None else t.bos_token_id)

    def likelihood(self, start: list[int], own: list[int], source: list[int] | None = None) -> float:
        """Of tokens after others; over the limit in windows that move on by half of it."""
        row, total, done = [*start, *own], 0.0, len(start)
        end = max(done + self.limit // 2, self.limit + 1)
        while done < len(row):
            end = min(end, len(row))
            begin = max(0, end - 1 - self.limit)
            logits = self.logits(row[begin : end - 1], source=source).log_softmax(-1)
            total += sum(float(logits[i - 1 - begin, row[i]]) for i in range(done, end))
            done, end = end, end + self.limit // 2
        return total

    def pseudo(self, context: str, text: str) -> tuple[float, int]:
        """Each token hidden in turn, of a text within the limit."""
        sides = (context, text) if context.strip() else (text,)
        batch = self.tokenizer(*sides, return_token_type_ids=True)
        own = [i for i, side in enumerate(batch.sequence_ids(0)) if side == len(sides) - 1]
        total = 0.0
        for i in own:
            hidden = list(batch["input_ids"])
            hidden[i] = self.tokenizer.mask_token_id
            total += float(self.logits(hidden, batch["token_type_ids"])[i].log_softmax(-1)[batch["input_ids"][i]])
        return total, len(own)

    def target(self, text: str) -> tuple[list[int], list[int]]:
        """What stands before a text that a decoder behind an encoder writes, and the text."""
        front = [self.tokenizer.convert_tokens_to_ids(t) for t in self.case.around.split("$A")[0].split()]
        return [self.module.config.decoder_start_token_id, *front], self.bare(text)

    def written(self, prompt: list[int], new: int) -> str:
        ids = torch.tensor([prompt])
        with torch.no_grad():
            made = self.module.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False, num_beams=1, use_cache=False,  # noqa: E501  a table
                pad_token_id=self.tokenizer.pad_token_id or 0, max_length=None,
            )  # fmt: skip
        own = made[0, 1 if self.case.family == S else len(prompt) :]
        return str(self.tokenizer.decode(own, skip_special_tokens=True, clean_up_tokenization_spaces=False)).strip()
