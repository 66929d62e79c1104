"""Stands where a task asks the hub for the metric of that name: the same on both sides, and no more than the comparison needs."""

from collections.abc import Mapping, Sequence
from typing import Any

import datasets  # noqa: TID253  evaluate runs this file alone
import evaluate  # noqa: TID253


class SquadV2(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    def _info(self) -> Any:
        answers = datasets.Sequence({"text": datasets.Value("string"), "answer_start": datasets.Value("int32")})
        said = {"id": datasets.Value("string"), "prediction_text": datasets.Value("string")}
        features = {
            "predictions": {**said, "no_answer_probability": datasets.Value("float32")},
            "references": {"id": datasets.Value("string"), "answers": answers},
        }
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=datasets.Features(features))

    def _compute(self, predictions: Sequence[Mapping[str, Any]], references: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        pairs = list(zip(predictions, references, strict=True))
        exact = [p["prediction_text"].strip() in r["answers"]["text"] for p, r in pairs]
        within = [any(p["prediction_text"].strip(" .\n") in text for text in r["answers"]["text"]) for p, r in pairs]
        sure = [100 * p["no_answer_probability"] for p, r in pairs if not r["answers"]["text"]]
        n = len(pairs)
        return {"exact": 100 * sum(exact) / n, "f1": 100 * sum(within) / n, "NoAns_f1": sum(sure) / max(len(sure), 1)}
