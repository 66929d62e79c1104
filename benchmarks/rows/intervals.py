"""Confidence intervals of BLEU over 2,000 sentences, beside lm-eval's bootstrap of a corpus metric."""

from typing import Any

from frame import DATA, Comparison, Options, Side, compare

SENTENCES, RESAMPLES = 2000, 10_000
PEER_RESAMPLES, MEASURED = 100, 50
"""As many as lm-eval takes of BLEU, and those of them that it is given: it is slow."""


def bleu(options: Options) -> Comparison:
    """10,000 resamples of plmtasks, from the texts on, beside the 100 of lm-eval: a hundred times as many."""
    import numpy as np
    from lm_eval.api.metrics import bleu as harness_bleu
    from lm_eval.api.metrics import bootstrap_stderr

    from plmtasks.examples import Example, Prediction
    from plmtasks.hooks import load_registry
    from plmtasks.statistics import bootstrap, resampled

    pairs = _pairs()
    metric = load_registry().metric("bleu")
    examples = [Example(id=str(i), inputs={}, reference=[right]) for i, (right, _) in enumerate(pairs)]
    predictions = [Prediction(value=said) for _, said in pairs]

    def ours() -> Any:
        return bootstrap(metric.statistics(predictions, examples), metric.reduce, resamples=RESAMPLES)

    def agree(own: Any, theirs: float) -> dict[str, Any]:
        """Their standard error, of 50 resamples, is known to about 10 %: ours is to be within three times that."""
        rows = metric.statistics(predictions, examples)
        point = float(metric.reduce(rows.sum(0))["bleu"])
        error = float(np.std(resampled(rows[:, None], metric.reduce, resamples=RESAMPLES)["bleu"]))
        assert abs(point - harness_bleu(pairs)) < 1e-9, (point, harness_bleu(pairs))
        assert abs(error / theirs - 1) < 0.3, (error, theirs)
        return {"bleu": point, "interval": [own["bleu"].low, own["bleu"].high], "error": error, "peer_error": theirs}

    return compare(
        Side(name="plmtasks", run=ours),
        Side(name="lm-eval, 100 resamples", run=lambda: bootstrap_stderr(harness_bleu, pairs, MEASURED)), options, agree,
        share=MEASURED / PEER_RESAMPLES, resamples=RESAMPLES, peer_resamples=PEER_RESAMPLES, work=f"{len(pairs)} sentences",
    )  # fmt: skip


def _pairs() -> list[tuple[str, str]]:
    """References of WMT 2022 from Chinese to English, and what systems said."""
    folder = DATA / "wmt22_zh_en"
    read = {file.name.split(".")[-2]: file.read_text(encoding="utf-8").splitlines() for file in sorted(folder.glob("*.en"))}
    found = [pair for system in ("Lan-Bridge", "HuaweiTSC") for pair in zip(read["A"], read[system], strict=True)]
    return found[:SENTENCES]
