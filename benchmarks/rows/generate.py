"""Greedy texts after prompts of mixed length with mixed stop texts, beside lm-eval's `generate_until` and `model.generate`."""

from collections.abc import Sequence
from typing import Any

import models
from frame import DATA, DEVICE, DRY, Comparison, Options, Ours, Side, best_setting, compare, same_predictions

from .choose import HarnessModel

PROMPTS = 200
WORDS = (8, 160)
"""The shortest prompt and the longest."""
NEW = 8 if DRY else 64
STOPS = ((), ("\n",), ("er",), ("ag", "ct"))
"""Random weights say words from all over the vocabulary: some rows end at letters, others go on for all their tokens."""
TIES = 0.02
"""The share of texts that may differ: of two tokens that are as likely as float32 can tell, either may come."""


def beside_lm_eval(options: Options) -> Comparison:
    requests, half = prompts(options)
    peer = HarnessModel(models.decoder())
    batch = best_setting("generate", "lm-eval hf", [1, 4, 16, 64], lambda size: _until(peer, half[:48], size))
    return _compare(requests, half, Side(name="lm-eval hf", run=lambda: _until(peer, half, batch)), options, peer_batch=batch)


def beside_the_library(options: Options) -> Comparison:
    """Batches sorted by length. With `stop_strings` only prompts with the same stop texts share one, without it all rows go on
    to the end; the better is taken."""
    requests, half = prompts(options)
    peer = LibraryModel(models.decoder())
    settings = [f"{size} {how}" for how in ("rows", "rows, stop_strings") for size in (16, 32, 64)]
    best = best_setting("generate", "model.generate", settings, lambda setting: peer(half[:64], setting))
    return _compare(requests, half, Side(name="model.generate", run=lambda: peer(half, best)), options, peer_batch=best)


def _compare(requests: Sequence[Any], half: Sequence[Any], peer: Side, options: Options, **facts: Any) -> Comparison:
    engine = Ours(models.decoder(), requests, options, prompt="raw")

    def agree(ours: Any, theirs: Sequence[str]) -> dict[str, Any]:
        found = dict(zip((r.key() for r in requests), ours, strict=True))
        return same_predictions([found[r.key()].text for r in half], [text.strip() for text in theirs], TIES)

    work = f"{len(requests)} prompts, {NEW} new tokens"
    share = len(half) / len(requests)
    return compare(Side(name="plmtasks", run=engine), peer, options, agree, share, work=work, **facts)


def prompts(options: Options) -> tuple[list[Any], list[Any]]:
    """Requests to go on with the beginnings of WikiText-2's articles; their lengths and stop texts go round. And half of them,
    of all lengths and stop texts, for the peer."""
    from plmtasks.config import Source
    from plmtasks.hooks import load_registry
    from plmtasks.requests import Generate

    data = load_registry().task("language_modeling/wikitext2").load(Source(data=str(DATA / "wikitext2")))
    words = [word for example in data["test"] for word in example.inputs["text"].split(" ")]
    count = options.count(PROMPTS, 40)
    shortest, longest = WORDS
    made = []
    for i in range(count):
        length = shortest + (i * 61) % (longest - shortest)
        text = " ".join(words[i * longest : i * longest + length]).strip()
        made.append(Generate(text=text, max_new_tokens=NEW, stop=STOPS[i % len(STOPS)]))
    return made, [r for i, r in enumerate(made) if i // len(STOPS) % 2 == 0]


def _until(peer: HarnessModel, requests: Sequence[Any], size: int) -> list[str]:
    from lm_eval.api.instance import Instance

    peer.set_batch(size)
    asked = [
        Instance("generate_until", {}, (r.text, {"until": list(r.stop), "max_gen_toks": NEW, "do_sample": False}), i)
        for i, r in enumerate(requests)
    ]
    return list(peer.lm.generate_until(asked, disable_tqdm=True))


class LibraryModel:
    """`model.generate` in this process, over batches sorted by length."""

    def __init__(self, model: str) -> None:
        import transformers

        self.tokenizer = transformers.AutoTokenizer.from_pretrained(model, padding_side="left")
        self.tokenizer.pad_token = self.tokenizer.eos_token
        self.module = transformers.AutoModelForCausalLM.from_pretrained(model, dtype="float32").to(DEVICE).eval()

    def __call__(self, requests: Sequence[Any], setting: str) -> list[str]:
        """setting: the rows of a batch, and perhaps "stop_strings" """
        size, stops = int(setting.split()[0]), "stop_strings" in setting
        texts = [""] * len(requests)
        order = sorted(range(len(requests)), key=lambda i: (requests[i].stop if stops else (), -len(requests[i].text)))
        batches: list[list[int]] = []
        for i in order:
            if batches and len(batches[-1]) < size and (not stops or requests[batches[-1][0]].stop == requests[i].stop):
                batches[-1].append(i)
            else:
                batches.append([i])
        for batch in batches:
            made = self._made([requests[i] for i in batch], stops)
            for i, text in zip(batch, made, strict=True):
                for stop in requests[i].stop:
                    text = text.partition(stop)[0]
                texts[i] = text
        return texts

    def _made(self, requests: Sequence[Any], stops: bool) -> list[str]:
        import torch

        inputs = self.tokenizer([r.text for r in requests], return_tensors="pt", padding=True).to(DEVICE)
        until = {"stop_strings": list(requests[0].stop), "tokenizer": self.tokenizer} if stops and requests[0].stop else {}
        with torch.inference_mode():
            made = self.module.generate(
                **inputs, max_new_tokens=NEW, do_sample=False, pad_token_id=self.tokenizer.pad_token_id, **until
            )
        return list(self.tokenizer.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
