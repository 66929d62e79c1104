"""How much of the machine is used: the time that the unpadded tokens need at its fastest matrix product, over the time taken."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import models
from frame import DATA, DEVICE, DRY, Figures, Options, Ours, needs_bfloat16, say, seconds_of

from .choose import questions
from .classify import fine_tuned, sentences

PRODUCTS = ((512, 768, 3072), (1024, 1024, 1024), (2048, 2048, 2048), (2048, 768, 3072), (4096, 768, 768), (4096, 4096, 4096))
"""(rows, inner, columns)"""


def float32(options: Options) -> Figures:
    return _fractions("float32", options)


def bfloat16(options: Options) -> Figures:
    needs_bfloat16()
    return _fractions("bfloat16", options)


def _fractions(dtype: str, options: Options) -> Figures:
    """Two encoders that classify SST-2; a decoder that chooses in RACE, and one that scores WikiText-2's articles.

    Each is measured some times after a warm-up, a look for the fastest product in between: the median time counts, and the best
    rate of all.
    """
    found = {}
    best = max(_rates(dtype))
    for name, make in WORKS.items():
        requests, model, operations, settings = make(options)
        engine = Ours(model, requests, options, dtype=dtype, **settings)
        needed = operations(engine.loaded, requests)
        engine()
        times = []
        for _ in range(options.pairs):
            times.append(seconds_of(engine))
            best = max(best, *_rates(dtype))
        found[name] = {"operations": needed, "seconds": times, "kernels": engine.settings.kernels}
        say(f"{name}: {needed / statistics.median(times) / 1e9:.0f} of {best / 1e9:.0f} GFLOP/s")
    for entry in found.values():
        entry["fraction"] = entry["operations"] / best / statistics.median(entry["seconds"])
    reached = ", ".join(f"{name} {entry['fraction']:.2f}" for name, entry in found.items())
    return Figures(reached=f"{reached} of {best / 1e9:.0f} GFLOP/s", facts={"best_flops": best, "works": found})


def _rates(dtype: str) -> Iterator[float]:
    """Operations a second of matrix products, by torch's own way and with weights that were laid out for oneDNN before."""
    import torch

    for rows, inner, columns in PRODUCTS[:1] if DRY else PRODUCTS:
        shapes = ((rows, inner), (columns, inner))
        a, b = (torch.randn(shape, dtype=getattr(torch, dtype), device=DEVICE) for shape in shapes)
        ways: list[Callable[[], Any]] = [lambda a=a, b=b: torch.nn.functional.linear(a, b)]
        if DEVICE == "cpu":
            laid = torch.ops.mkldnn._reorder_linear_weight(b, rows)
            ways.append(lambda a=a, laid=laid: torch.ops.mkldnn._linear_pointwise(a, laid, None, "none", [], ""))
        with torch.inference_mode():
            for way in ways:
                way()
                yield 2 * rows * inner * columns / min(seconds_of(way) for _ in range(3))


# ── what is computed, and the operations that it needs ────────────────────────────────────────────────────────────


def _classify_minilm(options: Options) -> Any:
    return sentences(options), fine_tuned(), _of_encoder, {}


def _classify_bert(options: Options) -> Any:
    from dataclasses import replace

    asked = [replace(request, labels=("LABEL_0", "LABEL_1")) for request in sentences(options)[::8]]
    return asked, models.encoder(), _of_encoder, {}


def _choose(options: Options) -> Any:
    return questions(options.count(80, 40)), models.decoder(), _of_decoder, {}


def _score(options: Options) -> Any:
    from plmtasks.config import Source
    from plmtasks.hooks import load_registry

    task = load_registry().task("language_modeling/wikitext2")
    examples = sorted(task.load(Source(data=str(DATA / "wikitext2")))["test"], key=lambda e: e.id)
    asked = [task.ask(example.hidden(), "LogLikelihood") for example in examples]
    return asked[:: len(asked) // options.count(4, 2)][: options.count(4, 2)], models.decoder(), _of_decoder, {"stride": 1024}


WORKS = {
    "Classify MiniLM": _classify_minilm,
    "Classify BERT-base": _classify_bert,
    "Choose GPT-2": _choose,
    "LogLikelihood GPT-2": _score,
}


def _of_encoder(loaded: Any, requests: Sequence[Any]) -> float:
    """Two operations a multiply-add: of the layers for each token, of attention for each pair of a text's tokens, of the head."""
    c = loaded.config
    size, layer = c.hidden_size, 4 * c.hidden_size**2 + 2 * c.hidden_size * c.intermediate_size
    lengths = [encoding.width for encoding in loaded.encode(requests)]
    return 2.0 * sum(c.num_hidden_layers * (n * layer + 2 * n * n * size) + size * size + size * c.num_labels for n in lengths)


def _of_decoder(loaded: Any, requests: Sequence[Any]) -> float:
    """The same where each token sees those before it, and the vocabulary is needed where tokens are scored.

    What several rows begin with counts once.
    """
    c = loaded.config
    tokens, pairs, scored = _distinct([(e.rows, e.wants) for e in loaded.encode(requests)])
    return 2.0 * (c.n_layer * (12 * c.n_embd**2 * tokens + 2 * c.n_embd * pairs) + c.n_embd * c.vocab_size * scored)


def _distinct(asked: Sequence[tuple[Sequence[Any], Sequence[tuple[int, Any]]]]) -> tuple[int, int, int]:
    """Tokens of the tree that all rows make; pairs of a token and one that it sees; tokens after which something is scored.

    asked: of each request its rows and, by the number of a row, what is predicted at its last places
    """
    rows: list[tuple[list[int], int]] = []
    for own, wants in asked:
        wanted = {row: max(len(ids) for r, ids in wants if r == row) for row, _ in wants}
        rows += [(row.tolist(), wanted.get(number, 0)) for number, row in enumerate(own)]
    tokens = pairs = 0
    scored: set[int] = set()
    before: list[int] = []
    nodes: list[int] = []
    for row, wanted in sorted(rows):
        same = next((i for i, (a, b) in enumerate(zip(before, row, strict=False)) if a != b), min(len(before), len(row)))
        nodes = nodes[:same] + list(range(tokens, tokens + len(row) - same))
        tokens += len(row) - same
        pairs += sum(range(same + 1, len(row) + 1))
        scored.update(nodes[len(row) - wanted :])
        before = row
    return tokens, pairs, len(scored)
