"""The engine as a model of lm-eval, held beside lm-eval's own `hf` on the same tasks and weights."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click.testing
import pytest
import torch
import transformers
import warm
from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from plmtasks_lm_eval import LM
from plmtasks_lm_eval.command import command
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from plmtasks.errors import PlmtasksError

SENTENCE = "the tailor sold a red basket to the baker in the garden on Monday and nobody knew who had found it"
WORDS = tuple(SENTENCE.split())
TASKS = {
    "own_choice": """
output_type: multiple_choice
doc_to_text: "{{text}}\\nQuestion: what follows?\\nAnswer:"
doc_to_choice: "{{options}}"
doc_to_target: answer
fewshot_config: {sampler: first_n}
metric_list: [{metric: acc}, {metric: acc_norm}]
""",
    "own_rolling": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: word_perplexity}, {metric: bits_per_byte}]
""",
    "own_writing": """
output_type: generate_until
doc_to_text: "{{text}}\\nAnswer:"
doc_to_target: "{{options[answer]}}"
generation_kwargs: {until: ["\\n", "er"], max_gen_toks: 12}
fewshot_config: {sampler: first_n}
metric_list: [{metric: exact_match}]
""",
}
CHAT = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"


def text(number: int, length: int) -> str:
    return " ".join(WORDS[(number * 7 + i * (1 + number % 3)) % len(WORDS)] for i in range(length))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random GPT-2 of 128 places, `model`, and three tasks with their rows, `tasks`; a text is over the limit."""
    folder = tmp_path_factory.mktemp("place")
    rows = [
        {"text": text(n, 140 if n == 3 else 5 + n), "options": [f"{text(n + i, 1 + i)}." for i in range(3)], "answer": n % 3}
        for n in range(8)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "shots.jsonl").write_text("".join(json.dumps({**row, "text": "a basket"}) + "\n" for row in rows[:2]))
    (folder / "tasks").mkdir()
    files = {"validation": str(folder / "rows.jsonl"), "train": str(folder / "shots.jsonl")}
    head = f"dataset_path: json\ndataset_kwargs: {{data_files: {json.dumps(files)}}}\nvalidation_split: validation\n"
    for name, body in TASKS.items():
        (folder / "tasks" / f"{name}.yaml").write_text(f"task: {name}\n{head}fewshot_split: train\n{body}")
    make_model(folder / "model", [row["text"] for row in rows])
    return folder


def make_model(folder: Path, texts: Sequence[str]) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=300, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False)
    )
    library = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<end>", eos_token="<end>")
    library.chat_template = CHAT
    library.save_pretrained(folder)
    shape: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128, "bos_token_id": 0, "eos_token_id": 0}
    torch.manual_seed(0)
    # larger weights than a new model has: it says more than one word
    config = transformers.GPT2Config(vocab_size=len(library), initializer_range=0.2, tie_word_embeddings=False, **shape)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)


@pytest.fixture(autouse=True)
def no_list_of_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """lm-eval asks pip for one in each evaluation, which takes a second."""
    monkeypatch.setattr("torch.utils.collect_env.get_pretty_env_info", lambda: "")


def evaluated(lm: Any, place: Path, *tasks: str, **settings: Any) -> Any:
    manager = TaskManager(include_path=str(place / "tasks"), include_defaults=False)
    return simple_evaluate(model=lm, tasks=list(tasks or TASKS), task_manager=manager, bootstrap_iters=0, **settings)


def alike(found: Any, expected: Any) -> bool:
    """Texts and greedy flags the same, numbers to 1e-4, and of large ones to what float32 can tell."""
    if isinstance(expected, tuple):
        return all(map(alike, found, expected))
    if isinstance(expected, float):
        return math.isclose(found, expected, abs_tol=1e-4, rel_tol=1e-6)
    return bool(found == expected)


def answers(result: Any) -> dict[str, list[Any]]:
    """What the model said for each request of each task, with the request."""
    return {
        name: [(x["arguments"], [r[0] for r in x["resps"]]) for x in sorted(samples, key=lambda x: x["doc_id"])]
        for name, samples in result["samples"].items()
    }


@pytest.mark.slow
def test_the_same_figures_as_hf(place: Path) -> None:
    model = str(place / "model")
    ours = LM(pretrained=model, threads=1)
    theirs = HFLM(pretrained=model, device="cpu", batch_size=1)
    for settings in ({"num_fewshot": 0}, {"num_fewshot": 2, "apply_chat_template": True, "system_instruction": "Be brief."}):
        found, expected = evaluated(ours, place, **settings), evaluated(theirs, place, **settings)
        for name, figures in expected["results"].items():
            assert found["results"][name].keys() == figures.keys()
            assert all(alike(found["results"][name][what], figures[what]) for what in figures), name
        for name, pairs in answers(expected).items():
            for (asked, said), (expected_asked, expected_said) in zip(answers(found)[name], pairs, strict=True):
                assert asked == expected_asked
                assert len(said) == len(expected_said)
                assert all(map(alike, said, expected_said)), (said, expected_said)
    texts = [said for _, saids in answers(found)["own_writing"] for said in saids]
    assert len(set(texts)) > len(texts) / 2  # or equal texts would say little
    assert found["config"]["model_num_parameters"] == expected["config"]["model_num_parameters"]
    assert (found["config"]["model_dtype"], found["max_length"], found["eot_token_id"]) == ("float32", 128, 0)


def asked(kind: str, arguments: Sequence[tuple[Any, ...]], repeats: int = 1) -> list[Instance]:
    """Instances as lm-eval gives them to a model: each as often as it is to be drawn."""
    made = [Instance(kind, {}, one, 0, metadata=("own", n, repeats)) for n, one in enumerate(arguments)]  # type: ignore[arg-type]
    return [instance for instance in made for _ in range(repeats)]


CHOICES = asked("loglikelihood", [(text(n // 2, 4), f" {text(n, 2)}") for n in range(8)])
PROMPTS = asked("generate_until", [(text(n, 4), {"until": ["er"], "max_gen_toks": 8}) for n in range(6)])


@pytest.mark.slow
def test_two_processes_stay_and_answer_as_one_does_and_a_list_is_gone_on_with(place: Path, tmp_path: Path) -> None:
    model = str(place / "model")
    one = LM(pretrained=model, threads=1)
    expected = [one.loglikelihood(CHOICES), one.generate_until([*PROMPTS, *DRAWN]), one.loglikelihood_rolling([])]
    two = LM(pretrained=model, threads=1, processes=2, cache=str(tmp_path))
    assert [two.loglikelihood(CHOICES), two.generate_until([*PROMPTS, *DRAWN]), two.loglikelihood_rolling([])] == expected
    two.answerer.close()
    written = sorted(tmp_path.glob("*/*.jsonl"))
    lines = {path: path.read_bytes() for path in written}
    torn = max(written, key=lambda path: path.stat().st_size)
    torn.write_bytes(lines[torn][:-5])  # as a crash leaves it
    again = LM(pretrained=model, threads=1, cache=str(tmp_path))
    assert [again.loglikelihood(CHOICES), again.generate_until([*PROMPTS, *DRAWN])] == expected[:2]
    new = [path for path in tmp_path.glob("*/*.jsonl") if path not in written]
    assert [len(path.read_bytes().splitlines()) for path in new] == [1]  # the batch that was torn, and no other


def test_a_list_is_answered_in_its_own_order(place: Path) -> None:
    lm = LM(pretrained=str(place / "model"), threads=1)
    turned = CHOICES[::-1]
    assert lm.loglikelihood(turned) == lm.loglikelihood(CHOICES)[::-1]


DRAWN = asked(
    "generate_until", [(text(n, 4), {"until": [], "max_gen_toks": 6, "do_sample": True, "temperature": 1.0}) for n in range(2)], 3
)


def test_each_repeat_is_a_text_of_its_own_that_the_seed_draws(place: Path) -> None:
    model = str(place / "model")
    one, same, other = (LM(pretrained=model, threads=1, seed=seed).generate_until(DRAWN) for seed in (1, 1, 2))
    assert one == same != other
    assert len(set(one)) == len(DRAWN)
    greedy = asked("generate_until", [(text(1, 4), {"until": [], "max_gen_toks": 6})], repeats=3)
    assert len(set(LM(pretrained=model, threads=1).generate_until(greedy))) == 1


def run(arguments: Sequence[str], folder: Path) -> Any:
    return warm.plmtasks(arguments, folder, {**os.environ, "HF_HUB_OFFLINE": "1"})


@pytest.mark.slow
def test_lm_evals_own_command_line(place: Path) -> None:
    """In its old form, without `run`: it puts that there by itself."""
    said = run(
        ["lm-eval", "--model", "plmtasks", "--model_args", "pretrained=model,threads=1", "--tasks", "own_choice",
         "--include_path", "tasks", "--limit", "2", "--output_path", "out"], place,
    )  # fmt: skip
    assert "|own_choice|" in said.stdout, said.stderr
    [written] = (place / "out").glob("*/results*.json")
    config = json.loads(written.read_text())["config"]
    assert config["model"] == "plmtasks"
    assert config["plmtasks"]["identity"]["settings"]["threads"] == 1
    written.unlink()


def test_its_help_is_lm_evals_with_a_line_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["plmtasks"])
    said = click.testing.CliRunner().invoke(command, ["--help"])
    assert said.output.startswith("plmtasks lm-eval is lm-eval's own command line")
    assert "usage: lm-eval" in said.output


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"batchsize": 8}, "takes no argument 'batchsize'\n  did you mean 'batch_size'"),
        ({"max_length": 512}, "a text over the model's own limit is cut at its left"),
        ({"peft": "adapters"}, "pretrained=FOLDER"),
        ({"add_bos_token": True}, "takes no argument 'add_bos_token'\n  it takes: pretrained, revision"),
        ({"dtype": "int8"}, "dtype is one of auto, float32"),
        ({"processes": "x"}, "processes is a number"),
        ({"enable_thinking": True}, "think_end_token=</think>"),
        ({"think_end_token": 7}, "name its text"),
        ({"pretrained": "./nowhere"}, "there is no folder './nowhere'"),
        ({"device": "npu:0"}, "device=npu:0"),
    ],
)
def test_what_it_does_not_take_is_said(told: dict[str, Any], message: str, place: Path) -> None:
    with pytest.raises(PlmtasksError) as raised:
        LM(**{"pretrained": str(place / "model"), **told})
    assert message in str(raised.value)


def test_what_hf_does_by_default_may_be_said(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "plmtasks_lm_eval")
    theirs = {"batch_size": "auto:4", "max_batch_size": 64, "device": "cuda:0", "backend": "default", "truncation": False}
    lm = LM(pretrained=str(place / "model"), revision="main", peft=None, parallelize=False, **theirs)
    assert (lm.rank, lm.world_size, lm.answerer.config.settings.dtype) == (0, 1, "float32")
    assert "batch_size=auto:4 is not needed" in caplog.text


def test_a_model_that_thinks_first_gives_no_log_likelihoods(place: Path) -> None:
    lm = LM(pretrained=str(place / "model"), enable_thinking=True, think_end_token="</think>")
    assert lm.answerer.config.settings.reasoning == "</think>"
    with pytest.raises(PlmtasksError, match="thinks first"):
        lm.loglikelihood(CHOICES)


def test_another_launcher_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(PlmtasksError, match="another launcher") as raised:
        LM(pretrained=str(place / "model"))
    assert "processes=N" in str(raised.value)
