"""Where the time of answering goes, by kind of operation, beside what its products need alone: `python benchmarks/where.py`.

The works of the rows `limit-float32` and `limit-bfloat16`. Each is done once under Python's profiler, which tells what library
calls take; then its products are done again alone, with the same weights in the same order: no engine that computes them one by
one takes less. Prints a table in Markdown.
"""

import cProfile
import pstats
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from frame import DEVICE, Options, Ours, say, seconds_of  # the folder is no package
from rows.limit import WORKS

KINDS = {
    "products": ("_linear_pointwise", "linear"),
    "attention": ("scaled_dot_product_attention", "native.py:attend", "softmax", "unpadding.py:_answering"),
    "norms and sums": ("layer_norm", "native.py:layer_norm", "modeling_bert.py:forward", "modeling_gpt2.py:forward"),
    "activations": ("gelu", "native.py:gelu"),
    "reading off logits": ("readout.py:found", "native.py:read_off", "amax", "exp_", "sub_", "copy_", "log_", "argmax"),
    "tokens": ("encode_batch", "encode"),
}
"""Kind → the functions of a library, or of a module, whose own time counts for it: operators count for who writes them."""


def shares(work: Any) -> dict[str, float]:
    """Seconds of each kind in one go, all else as "rest"."""
    profiler = cProfile.Profile()
    profiler.runcall(work)
    found = dict.fromkeys([*KINDS, "rest"], 0.0)
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    for (file, _, name), (_, _, own, _, _) in stats.items():
        plain = name.removesuffix(">").rpartition(".")[2] if file == "~" else f"{Path(file).name}:{name}"
        plain = name.split("'")[1] if file == "~" and "'" in name else plain
        found[next((kind for kind, names in KINDS.items() if plain in names), "rest")] += own
    return found


def alone(engine: Ours) -> float:
    """Seconds that the products of one go need, done again in the same order with made-up inputs; the median of three."""
    import torch

    done: list[tuple[Any, torch.Size]] = []

    def noted(part: Any, args: Sequence[Any], _made: Any) -> None:
        done.append((part, args[0].shape))

    parts = [part for part in engine.loaded.module.modules() if type(part).__name__ in ("Laid", "Linear", "Conv1D")]
    hooks = [part.register_forward_hook(noted) for part in parts]
    engine()
    for hook in hooks:
        hook.remove()
    dtype = engine.loaded.module.dtype
    inputs = {shape: torch.randn(shape, dtype=dtype, device=DEVICE) for _, shape in done}

    def again() -> None:
        with torch.inference_mode():
            for part, shape in done:
                activation, part.activation = getattr(part, "activation", None), ("none", "")
                part(inputs[shape])
                part.activation = activation

    again()
    return statistics.median(seconds_of(again) for _ in range(3))


@click.command()
@click.option("--threads", default=2)
def main(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    options = Options(threads=threads, quick=True)
    print(f"| work | {' | '.join(KINDS)} | rest | seconds | products alone, of that |")
    print(f"| --- |{' --- |' * (len(KINDS) + 3)}")
    for dtype in ("float32", "bfloat16"):
        for name, make in WORKS.items():
            requests, model, _, settings = make(options)
            engine = Ours(model, requests, options, dtype=dtype, **settings)
            engine()
            seconds = statistics.median(seconds_of(engine) for _ in range(5))
            found = shares(engine)
            whole = sum(found.values())
            cells = [f"{100 * one / whole:.0f} %" for one in found.values()]
            print(f"| {name}, {dtype} | {' | '.join(cells)} | {seconds:.2f} | {alone(engine) / seconds:.2f} |", flush=True)
            say(f"{name}, {dtype}: kernels={engine.settings.kernels}, {engine.settings.batch_tokens} tokens a batch")


if __name__ == "__main__":
    main()
