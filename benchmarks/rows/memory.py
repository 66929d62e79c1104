"""Whether the memory that answering takes grows with the number of requests."""

import itertools
import sys
from typing import Any

import models
from frame import DATA, Figures, Options, Ours, apart, growth, say

COUNTS = (10_000, 30_000, 100_000)


def requests(options: Options) -> Figures:
    """`Classify` by an encoder of 2 × 128: what a process of its own, which holds the requests already, grows by at most."""
    counts = COUNTS[:2] if options.quick else COUNTS
    peaks = {}
    for count in counts:
        peaks[count] = apart("rows.memory", str(count), str(options.threads))
        say(f"{count} requests: {peaks[count] / 1e6:.0f} MB")
    slope = (peaks[counts[-1]] - peaks[counts[0]]) / (counts[-1] - counts[0])
    logged = ", ".join(f"{peak / 1e6:.0f} MB" for peak in peaks.values())
    return Figures(reached=f"{slope:.0f} bytes a request ({logged})", facts={"peaks": peaks, "bytes_a_request": slope})


def _asked(count: int) -> list[Any]:
    """Sentences of SST-2 with numbers before them, so that each is asked once."""
    from plmtasks.requests import Classify

    texts = [line.rpartition("\t")[0] for line in (DATA / "sst2" / "train.tsv").read_text(encoding="utf-8").splitlines()]
    some = itertools.islice(itertools.cycle(texts), count)
    return [Classify(text=f"{number} {text}", labels=("LABEL_0", "LABEL_1")) for number, text in enumerate(some)]


def _peak(count: int, threads: int) -> int:
    """Bytes by which this process, once warm, grows at most while it answers so many requests."""
    asked = _asked(count)
    for request in asked:
        request.key()  # kept with the request
    engine = Ours(models.encoder("bert-2x128"), _asked(100), Options(threads=threads), dtype="float32")
    engine()
    engine.requests = asked
    return growth(engine)


if __name__ == "__main__":
    print(_peak(*map(int, sys.argv[1:])))
