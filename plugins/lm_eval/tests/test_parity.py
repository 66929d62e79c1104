"""lm-eval's own task files give the same in plmtasks as in lm-eval: a part of `benchmarks/lm_eval_parity.py`."""

import importlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"

pytestmark = pytest.mark.slow


def test_a_part_agrees() -> None:
    command = [sys.executable, str(BENCHMARKS / "lm_eval_parity.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    agreeing, _, chosen, *_ = last.split()
    assert agreeing == chosen
    assert int(agreeing) >= 15, last


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Mapping[str, Any]]:
    """What the files of all tasks that are held together say."""
    from plmtasks_lm_eval.definition import read

    monkeypatch.syspath_prepend(str(BENCHMARKS))
    parity = importlib.import_module("lm_eval_parity")
    found = {}
    for case in parity.CASES:
        entry = parity.manager().task_index[case.task.removesuffix(".yaml")]
        names = [m for m in entry.cfg["task"] if isinstance(m, str)] if entry.kind.name == "GROUP" else [entry.name]
        for one in map(parity.manager().task_index.__getitem__, names):
            found[one.name] = {**read(one.yaml_path).config, **case.changed}
    return found


def test_all_kinds_are_held_together(configs: Mapping[str, Mapping[str, Any]]) -> None:
    """Of what a task file can say, each kind is in one of those that the whole script compares."""
    own = {path.stem for path in (BENCHMARKS / "lm_eval_rows" / "own").glob("*.yaml")}
    assert len(configs.keys() - own) >= 40
    told = list(configs.values())
    types = {one.get("output_type", "class") for one in told}
    assert types == {"multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until", "class"}
    filters = {named(one["function"]) for config in told for f in config.get("filter_list", ()) for one in f["filter"]}
    assert filters >= {
        "regex", "take_first", "remove_whitespace", "lowercase", "uppercase", "map", "majority_vote", "take_first_k",
        "multi_choice_regex", "custom", "Function",
    }  # fmt: skip
    metrics = [one for config in told for one in config.get("metric_list", ())]
    assert {named(one["metric"]) for one in metrics} >= {
        "acc", "acc_norm", "acc_bytes", "acc_mutual_info", "perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte",
        "exact_match", "f1", "mcc", "brier_score", "bleu", "chrf", "ter", "likelihood", "rougeL_max", "Function",
    }  # fmt: skip
    assert {named(one.get("aggregation")) for one in metrics} >= {"mean", "median", "nanmean", "perplexity", "Function"}
    assert {named(type(one.get("doc_to_choice")).__name__) for one in told} >= {"list", "str", "dict", "Function"}
    for key in ("process_docs", "process_results", "gen_prefix", "description", "fewshot_config", "fewshot_delimiter"):
        assert any(one.get(key) for one in told), key
    assert any(one.get("target_delimiter") == "" for one in told)


def named(value: Any) -> str:
    """A name, or the word Function for one of a task's own."""
    return value if isinstance(value, str) else type(value).__name__
