"""Chinese data goes through every task, by every family of models that fits it."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from plmtasks import TrainSettings, run_config
from plmtasks.config import RunConfig
from plmtasks.evaluation import run
from plmtasks.evaluation.job import prepare
from plmtasks.execution.environment import resolve
from plmtasks.hooks import Registry, load_registry

FEW = TrainSettings(max_train_samples=4, num_train_epochs=1, train_batch_size=4)
BERT, GPT, T5 = "tiny-bert", "tiny-gpt", "tiny-t5"

TEXTS = {
    "articles.jsonl": [
        {"text": "昨天下午，城里下了一场大雨。许多街道被水淹没，公共汽车停开。", "summary": "大雨淹了街道，公共汽车停运。"},
        {"text": "图书馆从下个月起晚上十点才关门。学生们说，这样他们下课以后还能看书。", "summary": "图书馆将延长开放时间。"},
        {"text": "王医生在山村工作了三十年。今年她退休了，村民们为她办了一场晚会。", "summary": "村民们欢送退休的王医生。"},
        {"text": "研究人员发现，这种鸟每年飞行一万公里。它们在北方过夏天，在南方过冬。", "summary": "一种鸟每年飞行一万公里。"},
    ],
    "names.conll": (
        "李 B-PER\n明 I-PER\n昨天 O\n到 O\n了 O\n上海 B-LOC\n。 O\n\n"
        "华为 B-ORG\n在 O\n深圳 B-LOC\n招聘 O\n工程师 O\n。 O\n\n"
        "张 B-PER\n华 I-PER\n喜欢 O\n北京 B-LOC\n的 O\n秋天 O\n。 O\n\n"
        "会议 O\n在 O\n南京 B-LOC\n大学 I-LOC\n举行 O\n。 O\n"
    ),
    "plain.txt": "春天来了，河边的柳树发了芽。\n孩子们在院子里放风筝。\n老人坐在门口喝茶。\n晚上起了风，月亮躲进了云里。\n",
}  # fmt: skip
"""Files that are written for the test; the others are real data."""


@dataclass(frozen=True)
class Case:
    task: str
    models: tuple[str, ...]
    data: str | None = None
    """One of TEXTS or of the real data; None: the built-in samples."""
    train: bool = False
    """Whether the data has no train split, and is learned itself."""
    options: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("classification/chnsenticorp", (BERT, GPT, T5), "chnsenticorp"),
    Case("classification/tnews", (BERT, GPT, T5), "fewclue_tnews"),
    Case("qa/cmrc2018", (BERT, GPT, T5), "cmrc2018/cmrc2018_dev.json", train=True),
    Case("qa/xquad.zh", (BERT, GPT, T5), "xquad/xquad.zh.json", train=True),
    Case("translation/wmt22-zh-en", (GPT, T5), "wmt22_zh_en", train=True, options={"max_new_tokens": 8}),
    Case("translation/sample", (GPT, T5)),
    Case("translation/sample-zh-en", (GPT, T5)),
    Case("summarization/text-zh", (GPT, T5), "articles.jsonl", train=True, options={"max_new_tokens": 8}),
    Case("summarization/sample-zh", (GPT, T5)),
    Case("srl/sample-zh", (BERT, GPT, T5), options={"max_new_tokens": 8}),
    Case("srl/predicates-sample-zh", (BERT, GPT, T5)),
    Case("tagging/text", (BERT, GPT, T5), "names.conll", train=True),
    Case("language_modeling/text", (BERT, GPT, T5), "plain.txt", train=True),
]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture
def config(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[Case, str], RunConfig]:
    """A short run of a case on a model."""

    def config(case: Case, model: str) -> RunConfig:
        where = None
        if case.data in TEXTS:
            where, text = tmp_path / case.data, TEXTS[case.data]
            rows = text if isinstance(text, str) else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in text)
            where.write_text(rows, encoding="utf-8")
        elif case.data:
            where = request.getfixturevalue("real_data") / case.data
        source = {"data": str(where)} if where else {}
        folders = {"output": str(tmp_path / "results"), "checkpoints": str(tmp_path / "checkpoints")}
        return run_config(
            case.task, model, **source, **({"train_data": str(where)} if case.train else {}), **folders, **case.options,
            limit=4, threads=1, quiet=True, training=FEW,
        )  # fmt: skip

    return config


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.task)
def test_every_family_learns_and_answers(case: Case, config: Callable[[Case, str], RunConfig], registry: Registry) -> None:
    for model in case.models:
        result = run([resolve(config(case, model), 1)], registry)[0]
        assert result.record["data"]["examples"] == 4
        assert result.record["data"]["skipped"] == 0
        answered = [json.loads(line) for line in (result.folder / "predictions.jsonl").read_text("utf-8").splitlines()]
        assert len({row["id"] for row in answered}) == 4
        assert all(row["prediction"] is not None for row in answered)
        assert math.isfinite(result.score)
        assert result.record["protocol"]["newly_initialized"] == []


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.task)
def test_solved_answers_are_the_best(case: Case, config: Callable[[Case, str], RunConfig], registry: Registry) -> None:
    for model in case.models:
        job = prepare(config(case, model), registry)
        solved = [job.task.solve(e, r) for e, r in zip(job.examples, job.asked.requests, strict=True)]
        made = [job.task.read(e.hidden(), r, a) for e, r, a in zip(job.examples, job.asked.requests, solved, strict=True)]
        main = job.metrics[0], next(iter(job.metrics[0].scores()))
        for metric in job.metrics:
            reduced = metric.reduce(metric.statistics(made, job.examples).sum(0))
            found = {name: float(v) for name, v in (reduced | metric.compute(made, job.examples)).items()}
            wrong = {
                name: value for name, value in found.items()
                if (best := metric.scores()[name].best) is not None and value != pytest.approx(best)
                # four examples have not every label, and not every kind of request gives every score
                and not (math.isnan(value) and (metric, name) != main)
            }  # fmt: skip
            assert not wrong, (model, metric.name)


@pytest.mark.slow
def test_the_vocabulary_of_bert_base_chinese(
    config: Callable[[Case, str], RunConfig], tmp_path: Path, real_data: Path, registry: Registry
) -> None:
    folder = tmp_path / "chinese"
    folder.mkdir()
    shutil.copy(real_data / "tokenizers" / "bert-base-chinese" / "vocab.txt", folder)
    shape = json.loads((real_data / "tokenizers" / "bert-base-chinese" / "bert_config.json").read_text())
    small = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    (folder / "config.json").write_text(json.dumps(shape | small))
    case = Case("classification/chnsenticorp", (f"scratch:{folder}",), "chnsenticorp")
    test_every_family_learns_and_answers(case, config, registry)
    [tokenizer] = (tmp_path / "checkpoints").rglob("tokenizer.json")
    assert len(json.loads(tokenizer.read_text("utf-8"))["model"]["vocab"]) == shape["vocab_size"]
