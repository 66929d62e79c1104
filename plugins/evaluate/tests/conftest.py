"""Metrics of the evaluate library, as scripts in folders: the hub cannot be reached in tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = """
import datasets
import evaluate


class {cls}(evaluate.Metric):
    def _info(self):
        V = datasets.Value
        S = datasets.Sequence
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features={features})

    def _compute(self, {arguments}):
        {body}
"""

LABELS = 'datasets.Features({"predictions": V("int32"), "references": V("int32")})'
SEVERAL = 'datasets.Features({"predictions": S(V("int32")), "references": S(V("int32"))})'
TEXTS = """[
    datasets.Features({"predictions": V("string"), "references": S(V("string"))}),
    datasets.Features({"predictions": V("string"), "references": V("string")}),
]"""
ONE_TEXT = 'datasets.Features({"predictions": V("string"), "references": V("string")})'
TAGS = 'datasets.Features({"predictions": S(V("string")), "references": S(V("string"))})'
ANSWERS = """datasets.Features({
    "predictions": {"id": V("string"), "prediction_text": V("string")},
    "references": {"id": V("string"), "answers": S({"text": V("string"), "answer_start": V("int32")})},
})"""
CHANCES = 'datasets.Features({"prediction_scores": V("float"), "references": V("int32")})'

BOTH = "predictions, references"
METRICS = {
    "hits": (LABELS, BOTH, "from sklearn.metrics import accuracy_score as a; return {'hits': a(references, predictions)}"),
    "macro": (
        LABELS,
        f"{BOTH}, average='binary', beta=1",
        "from sklearn.metrics import fbeta_score as f; return {'f': f(references, predictions, average=average, beta=beta)}",
    ),
    "subset": (SEVERAL, BOTH, "from sklearn.metrics import accuracy_score as a; return {'hits': a(references, predictions)}"),
    "auc": (
        CHANCES,
        "prediction_scores, references",
        "from sklearn.metrics import roc_auc_score as a; return {'roc_auc': a(references, prediction_scores)}",
    ),
    "chrf_script": (
        TEXTS,
        BOTH,
        "import sacrebleu; refs = [list(r) for r in zip(*references)]; "
        "return {'score': sacrebleu.corpus_chrf(predictions, refs).score, 'signature': 'a text', 'all': [1, 2]}",
    ),
    "wer": (
        ONE_TEXT, BOTH, "return {'wer': sum(p != r for p, r in zip(predictions, references)) / len(references)}",
    ),
    "tags": (
        TAGS,
        BOTH,
        "from seqeval.metrics import f1_score, precision_score as p; "
        "return {'f1': f1_score(references, predictions), 'precision': p(references, predictions)}",
    ),
    "answers": (
        ANSWERS,
        BOTH,
        "by = {p['id']: p['prediction_text'] for p in predictions}; "
        "return {'exact': 100 * sum(by[r['id']] in r['answers']['text'] for r in references) / len(references)}",
    ),
    "failing": (LABELS, BOTH, "return {'one': 1} if len(references) == 2 else 1 / 0"),
    "partial": (LABELS, BOTH, "return {'one': 1, 'two': 2} if len(references) == 2 else {'one': 1}"),
    "wordless": (LABELS, BOTH, "return {'said': 'nothing'}"),
}  # fmt: skip
"""name → features, arguments of its `_compute`, body"""


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Name → `evaluate:FOLDER` of a metric that is written there."""
    import evaluate

    place = tmp_path_factory.mktemp("metrics")

    def written(name: str) -> str:
        features, arguments, body = METRICS[name]
        file = place / name / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(SCRIPT.format(cls=name.title(), features=features, arguments=arguments, body=body), encoding="utf-8")
        return f"evaluate:{file.parent}"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", str(place / "modules"))
        patch.setattr(evaluate.config, "HF_METRICS_CACHE", str(place / "cache"))
        yield written


@pytest.fixture(scope="session")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose predictions are not all right."""
    import plmtasks

    folder = tmp_path_factory.mktemp("moods")
    options = {"max_train_samples": 6, "limit": 40, "quiet": True, "checkpoints": str(folder / "checkpoints")}
    return plmtasks.run("classification/sample", "tfidf-linear", output=str(folder / "results"), **options).folder
