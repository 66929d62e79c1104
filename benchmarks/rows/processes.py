"""What further processes bring: two of one thread beside one, and four devices of unequal speed beside an equal split."""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from frame import DATA, Comparison, Figures, Options, Ours, apart, say

from .classify import fine_tuned

DEVICES = (1.0, 1.0, 1.0, 3.0)
"""How many times as long each takes for a batch."""
BATCH_TOKENS = 1024
SECONDS_A_TOKEN = 1e-4
"""Of the fast ones: a wait, so that four devices fit on a machine that has none."""


def two(options: Options) -> Comparison:
    """The whole answering stage, from texts to collected answers; the processes are started, and the model loaded, before."""
    fine_tuned()
    found = apart("rows.processes", "two", str(options.pairs), str(options.count(1200, 300)), processes=2)
    same = {"same_answers": found["same"]}
    assert found["same"]
    facts = {"peer": "one process of one thread", "work": found["work"]}
    return Comparison(ours=found["ours"], peer=found["peer"], agreement=same, facts=facts)


def devices(options: Options) -> Figures:
    """Four processes that wait as long as a device would compute, one of them three times as long; the deal is the real one."""
    count = 300 if options.quick else 1200  # they wait: no processor is slow at that
    found = apart("rows.processes", "devices", str(options.pairs), str(count), processes=len(DEVICES))
    over = {side: [seconds / found["ideal"] - 1 for seconds in found[side]] for side in ("ours", "peer")}
    reached = ", ".join(f"{100 * x:.1f} %" for x in over["ours"])
    beside = ", ".join(f"{100 * x:.0f} %" for x in over["peer"])
    facts = {"ours_seconds": found["ours"], "peer_seconds": found["peer"], "ideal_seconds": found["ideal"], "over": over}
    return Figures(reached=f"{reached} over the ideal", peer=f"an equal split: {beside}", facts={**facts, "work": found["work"]})


def lines(count: int) -> list[Any]:
    """`Classify` of WikiText-2's lines, from headings of some words to paragraphs of hundreds."""
    from plmtasks.requests import Classify

    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted((DATA / "wikitext2").glob("*test*")))
    found = dict.fromkeys(line.strip() for line in text.splitlines() if line.strip())
    return [Classify(text=line, labels=("negative", "positive")) for line in list(found)[:: len(found) // count]]


# ── in each of the processes ──────────────────────────────────────────────────────────────────────────────────────


def _two(processes: Any, pairs: int, count: int) -> dict[str, Any]:
    asked = lines(count)
    engine = Ours(fine_tuned(), asked, Options(threads=1), dtype="float32")
    found = _measured(processes, pairs, engine.over, lambda: engine() if processes.main else None)
    return found | {"work": f"{len(asked)} lines"}


def _devices(processes: Any, pairs: int, count: int) -> dict[str, Any]:
    from plmtasks.execution import answering

    asked = lines(count)
    engine = Ours(fine_tuned(), asked, Options(threads=1), batch_tokens=BATCH_TOKENS)
    engine.loaded = _device(DEVICES[processes.rank])
    work = answering.plan(engine.loaded, asked, engine.settings)

    def own_share() -> None:
        for batch in range(len(work.batches))[processes.rank :: processes.count]:
            engine.loaded.answer([work.requests[i] for i in work.batches[batch]])

    ideal = sum(work.tokens) * SECONDS_A_TOKEN / sum(1 / slow for slow in DEVICES)
    return _measured(processes, pairs, engine.over, own_share) | {"ideal": ideal, "work": f"{len(work.batches)} batches"}


def _measured(processes: Any, pairs: int, ours: Callable[[Any, Path], Any], peer: Callable[[], Any]) -> dict[str, Any]:
    """Seconds until every process is done, alternating after a warm-up; and whether both sides gave the same, where both give."""
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    given: dict[str, Any] = {}
    for turn in range(pairs + 1):
        for side in ("ours", "peer") if turn % 2 else ("peer", "ours"):
            mine = processes.within(f"{side}-{turn}")
            with tempfile.TemporaryDirectory() as own:
                folder = Path(mine.share("folder", lambda own=own: own))
                mine.barrier("begun")
                start = time.perf_counter()
                given[side] = ours(mine, folder) if side == "ours" else peer()
                mine.barrier("done")
                seconds[side] += [time.perf_counter() - start] if turn else []
        if processes.main and turn:
            say(f"pair {turn}: {seconds['ours'][-1]:.2f} s, {seconds['peer'][-1]:.2f} s")
    return {**seconds, "same": given["ours"] == given["peer"]}


def _device(slow: float) -> Any:
    """A model that waits for its batches' padded tokens."""
    from plmtasks.execution import padded_tokens
    from plmtasks.model import Cost, LoadedModel
    from plmtasks.requests import ClassifyAnswer

    class Device(LoadedModel):
        def costs(self, requests: Sequence[Any]) -> list[Cost]:
            return [Cost(width=len(request.text.split())) for request in requests]

        def answer(self, requests: Sequence[Any]) -> list[Any]:
            time.sleep(slow * SECONDS_A_TOKEN * padded_tokens(self.costs(requests)))
            return [ClassifyAnswer(scores=(0.5, 0.5)) for _ in requests]

    return Device()


def main(row: str, pairs: str, size: str) -> None:
    from plmtasks.execution import joined

    with joined() as processes:
        found = (_two if row == "two" else _devices)(processes, int(pairs), int(size))
        if processes.main:
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
