"""Rolling perplexity of WikiText-2's test split by a decoder, beside lm-eval's `loglikelihood_rolling`."""

from typing import Any

import models
from frame import DATA, DRY, Comparison, Options, Ours, Side, best_setting, compare, same_numbers

from .choose import HarnessModel

ARTICLES = 24


def rolling(options: Options) -> Comparison:
    """Both predict each token once, in windows of 1,024 tokens that begin where the one before ended."""
    from plmtasks.config import Source
    from plmtasks.hooks import load_registry

    task = load_registry().task("language_modeling/wikitext2")
    examples = task.load(Source(data=str(DATA / "wikitext2")))["test"]
    asked = [task.ask(example.hidden(), "LogLikelihood") for example in sorted(examples, key=lambda e: e.id)]
    requests = [min(asked, key=lambda r: len(r.text))] if DRY else asked[:: len(asked) // options.count(ARTICLES, 3)]
    model = models.decoder()
    engine = Ours(model, requests, options, stride=1024)
    some = requests[:: 1 if len(requests) < 16 else 8]
    peer = HarnessModel(model)
    trial = [min(some, key=lambda r: abs(len(r.text) - 16000)).text]
    batch = best_setting("perplexity", "lm-eval hf", [1, 4, 16], lambda size: peer.rolling(trial, size))

    def agree(ours: Any, theirs: Any) -> dict[str, Any]:
        found = dict(zip((r.key() for r in requests), ours, strict=True))
        return same_numbers([found[r.key()].log_likelihood for r in some], theirs)

    return compare(
        Side(name="plmtasks", run=engine), Side(name="lm-eval hf", run=lambda: peer.rolling([r.text for r in some], batch)),
        options, agree, share=sum(len(r.text) for r in some) / sum(len(r.text) for r in requests), peer_batch=batch,
        work=f"{len(requests)} articles",
    )  # fmt: skip
