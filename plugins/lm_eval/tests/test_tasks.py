"""lm-eval's tasks as tasks of ours: what is asked, what is read, and what cannot be."""

import json
import os
import random
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import warm
from plmtasks_lm_eval import LmEvalTask

from plmtasks.config import ModelSettings, Source
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Prediction, fingerprint
from plmtasks.hooks import load_registry
from plmtasks.requests import Choose, Generate, LogLikelihood, Several, Turn
from plmtasks.scoring import bound_metrics, over_repeats, score
from plmtasks.scoring.repeats import majority
from plmtasks.task import Prompting

ASKS = {
    "choices": "Choose", "contexts": "Choose", "last_word": "Choose", "page": "LogLikelihood", "writing": "Generate",
    "both": "Generate+Choose",
}  # fmt: skip

Loaded = Callable[..., LmEvalTask]


@pytest.fixture
def loaded(tasks: Path) -> Loaded:
    """A task of the folder, bound to its documents."""

    def load(name: str, train: bool = False, **how: Any) -> LmEvalTask:
        task = load_registry().task(str(tasks / f"{name}.yaml")).prompted(Prompting(**how))  # type: ignore[attr-defined]
        source = Source(data=str(tasks / f"{name}.jsonl"), train_data=str(tasks / "train.jsonl") if train else None)
        bound: LmEvalTask = task.bind(task.load(source))
        return bound

    return load


def examples(task: LmEvalTask) -> Sequence[Any]:
    assert task.documents is not None
    return task.documents[task.documents.default_split()]


@pytest.mark.parametrize(("name", "kinds"), ASKS.items())
def test_what_is_asked(name: str, kinds: str, loaded: Loaded) -> None:
    """The kinds are told without data; a request is made of what an example shows, and knows no reference."""
    task = loaded(name)
    assert (task.name, list(task.asks)) == (f"lm-eval:{name}", [kinds])
    for example in examples(task):
        request = task.ask(example.hidden(), kinds)
        assert {one.kind() for one in request.each()} == set(kinds.split("+"))
        assert json.loads(json.dumps(example.inputs)) == example.inputs
        assert example.reference["doc"]["thing"] in " ".join(request.texts()) + example.reference["doc"]["page"]


def test_requests_are_lm_evals(loaded: Loaded) -> None:
    first = {name: loaded(name).ask(examples(loaded(name))[0].hidden(), kinds) for name, kinds in ASKS.items()}
    prompt = "Of apple.\nQuestion: is apple a fruit?\nAnswer:"
    assert first["choices"] == Several(requests=tuple(Choose(exact=True, text=t, choices=(" yes", " no")) for t in (prompt, "")))
    contexts = ("An apple", "A apple")
    assert first["contexts"] == Several(
        requests=tuple(Choose(exact=True, text=t, choices=(" fell from the tree",)) for t in contexts)
    )
    assert first["last_word"] == Choose(exact=True, text="The apple is", choices=(" red",))
    assert first["page"] == LogLikelihood(text="The apple is here. ", disjoint=True)
    assert first["writing"] == Generate(exact=True, text="The apple is", stop=(".",), max_new_tokens=6)
    assert len(examples(loaded("contexts"))) == 11, "its own function leaves a document out"


def test_shots_are_drawn_by_the_seed(loaded: Loaded) -> None:
    """One sequence of draws over the documents, from the seed: the very ones of `random.Random`, which lm-eval's sampler is."""
    task = loaded("choices", train=True, shots=2, seed=7)
    assert task.documents is not None
    train = [json.loads(line) for line in Path(task.documents.name).with_name("train.jsonl").read_text().splitlines()]
    draws = random.Random(7)
    for example in examples(task):
        drawn = draws.sample(train, 2)
        wanted = "".join(f"Question: is {d['thing']} a fruit?\nAnswer: {['yes', 'no'][d['label']]}\n\n" for d in drawn)
        thing = example.reference["doc"]["thing"]
        assert example.inputs["requests"][0]["text"] == f"Of {thing}.\n{wanted}Question: is {thing} a fruit?\nAnswer:"
    assert task.shots == 2
    others = loaded("choices", train=True, shots=2, seed=8)
    assert [e.inputs for e in examples(others)] != [e.inputs for e in examples(task)]
    assert fingerprint(examples(others)) == fingerprint(examples(task)), "the data are the same however they are asked"


def test_lm_evals_own_prompts_differ_between_processes(loaded: Loaded) -> None:
    """What one of two ranks of lm-eval is asked is not what one alone is, and we always ask as that one does."""
    task = loaded("choices", train=True, shots=2, seed=7)
    assert task.documents is not None
    made, alone = task.documents.made, {i.doc_id: i.args[0] for i in task.documents.made.instances if i.args[0]}
    of_two: dict[int, str] = {}
    for rank in range(2):
        made.set_fewshot_seed(7)
        made.build_all_requests(rank=rank, world_size=2)
        of_two |= {i.doc_id: i.args[0] for i in made.instances if i.args[0]}
    assert alone.keys() == of_two.keys()
    assert sum(alone[number] != of_two[number] for number in alone) > len(alone) / 2
    assert [example.inputs["requests"][0]["text"] for example in examples(task)] == list(alone.values())


def test_a_chat_keeps_its_turns(loaded: Loaded) -> None:
    [first, _] = loaded("choices", train=True, shots=1, chat=True, system="Be brief.", limit=2).documents["test"]  # type: ignore[index]
    request = first.inputs["requests"][0]
    assert [turn["role"] for turn in request["turns"]] == ["system", "user", "assistant", "user"]
    assert request["turns"][0]["content"] == "Be brief.\n\nOf apple.\n"
    task = loaded("choices", train=True, shots=1, chat=True)
    asked = task.ask(examples(task)[0].hidden(), "Choose").each()[0]
    assert isinstance(asked, Choose)
    assert asked.turns[-1] == Turn(role="user", content="Question: is apple a fruit?\nAnswer:")
    assert (asked.text, asked.choices) == ("", ("yes", "no"))


@pytest.mark.parametrize(("name", "shots", "drawn"), [("choices", 2, True), ("choices", 0, False), ("page", 2, False)])
def test_whether_the_seed_draws(name: str, shots: int, drawn: bool, loaded: Loaded) -> None:
    """A text of which every word is scored has nothing before it, whatever is wanted."""
    task = loaded(name, train=True, shots=shots)
    assert (task.drawn, task.shots) == (drawn, shots if drawn else 0)


def test_shots_that_are_the_first_rest_on_no_seed(tasks: Path, tmp_path: Path) -> None:
    text = (tasks / "choices.yaml").read_text() + "fewshot_config: {sampler: first_n, split: train}\n"
    (tmp_path / "first.yaml").write_text(text)
    for split, name in (("test", "choices"), ("train", "train")):
        (tmp_path / f"{split}.jsonl").write_bytes((tasks / f"{name}.jsonl").read_bytes())
    task = load_registry().task(str(tmp_path / "first.yaml")).prompted(Prompting(shots=2))  # type: ignore[attr-defined]
    bound = task.bind(task.load(Source(data=str(tmp_path))))
    assert (bound.drawn, bound.shots) == (False, 2)


@pytest.mark.slow
@pytest.mark.parametrize("shots", [0, 3])
def test_a_prefix_of_the_answer_in_a_chat(shots: int, tasks: Path, model: Path, tmp_path: Path) -> None:
    """Rendered, it is what lm-eval's own model class makes of it, also where the data lie beside the task's file."""
    from lm_eval.models.huggingface import HFLM

    chat = tmp_path / "chat"
    shutil.copytree(model, chat)
    (chat / "chat_template.jinja").write_text(
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    (tmp_path / "test.yaml").write_text((tasks / "choices.yaml").read_text() + 'gen_prefix: "I say"\n')
    for split, name in (("test", "choices"), ("train", "train")):
        (tmp_path / f"{split}.jsonl").write_bytes((tasks / f"{name}.jsonl").read_bytes())
    how = Prompting(shots=shots, seed=5, chat=True, system="Be terse.")
    task = load_registry().task(str(tmp_path / "test.yaml")).prompted(how)  # type: ignore[attr-defined]
    bound = task.bind(task.load(Source(data=str(tmp_path))))
    asked = {e.id: next(iter(bound.ask(e.hidden(), "Choose").each())) for e in examples(bound)}
    ours = {id: load_registry().model(str(chat)).rendered(one, ModelSettings()) for id, one in asked.items()}
    theirs, lm = bound.documents.made, HFLM(pretrained=str(chat), device="cpu", dtype="float32")
    theirs.set_fewshot_seed(5)
    theirs.build_all_requests(
        rank=0, world_size=1, system_instruction="Be terse.", apply_chat_template=True, fewshot_as_multiturn=True,
        chat_template=lm.apply_chat_template,
    )  # fmt: skip
    assert ours == {str(i.doc_id): i.args[0] for i in reversed(theirs.instances) if i.args[0]}
    assert all(text.startswith("<system>") and text.endswith("<assistant>I say") for text in ours.values())


def test_unfinished_thinking_is_no_answer(tasks: Path, tmp_path: Path) -> None:
    """Though an empty text is right by the metric's rules."""
    text = (
        (tasks / "writing.yaml").read_text().replace("metric: exact_match", "metric: exact_match\n    regexes_to_ignore: ['.*']")
    )
    (tmp_path / "any.yaml").write_text(text)
    task = load_registry().task(str(tmp_path / "any.yaml")).prompted(Prompting())  # type: ignore[attr-defined]
    bound = task.bind(task.load(Source(data=str(tasks / "writing.jsonl"))))
    [metric] = bound_metrics(bound, (), load_registry())
    given = {e.id: Prediction(value="", unfinished=e.id == "0") for e in examples(bound)}
    scores = score([metric], examples(bound), given, resamples=100).scores["lm-eval"]
    assert scores["exact_match"]["value"] == pytest.approx(11 / 12)


def test_a_limit_takes_the_first_and_tells_of_all(loaded: Loaded) -> None:
    task = loaded("last_word", limit=3)
    assert task.documents is not None
    assert [e.id for e in examples(task)] == ["0", "1", "2"]
    assert task.documents.total("test") == 12


def test_repeats_of_a_tasks_own_are_read_together(tasks: Path, tmp_path: Path) -> None:
    """Its filters make one answer of all of them; the user says how many."""
    text = (tasks / "writing.yaml").read_text().replace("max_gen_toks: 6", "do_sample: true\n  temperature: 0.5\nrepeats: 2")
    (tmp_path / "voted.yaml").write_text(text.replace("function: take_first", "function: majority_vote", 1))
    for own, repeats in ((2, 1), (5, 5)):
        task = load_registry().task(str(tmp_path / "voted.yaml")).prompted(Prompting(repeats=repeats))  # type: ignore[attr-defined]
        task = task.bind(task.load(Source(data=str(tasks / "writing.jsonl"))))
        request = task.ask(examples(task)[0].hidden(), "Generate")
        assert [one.repeat for one in request.each()] == list(range(own)) == list(range(task.repeats))
        assert task.as_run(json.loads(json.dumps(task.config()))).config() == task.config()


def test_too_few_texts_for_a_tasks_filters_are_refused_before_anything_is_asked(tasks: Path, tmp_path: Path) -> None:
    text = (tasks / "writing.yaml").read_text().replace("generation_kwargs:", "repeats: 8\ngeneration_kwargs:")
    first_six = "function: take_first_k\n        k: 6\n      - function: take_first"
    (tmp_path / "six.yaml").write_text(text.replace("function: take_first", first_six, 1))
    task = load_registry().task(str(tmp_path / "six.yaml"))
    source = Source(data=str(tasks / "writing.jsonl"))
    assert task.prompted(Prompting(repeats=6)).load(source)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="makes no answer of 4 texts: Need at least 6 responses") as error:
        task.prompted(Prompting(repeats=4)).load(source)  # type: ignore[attr-defined]
    assert error.value.hints == ("its own file wants 8: leave --repeats out, or ask for more",)


def drawn(colour: str, seed: int) -> list[Prediction]:
    """Four texts, of which some are right behind a filter alone, and some are not finished."""
    r = random.Random(seed)
    texts = r.choices([colour, f"{colour} it is", f"{colour}, or not", "mauve", "mauve or pink", "?"], k=4)
    ends = [r.random() < 0.2 for _ in texts]
    return [Prediction(value="" if end else text, unfinished=end) for text, end in zip(texts, ends, strict=True)]


def test_any_other_is_asked_again_and_each_text_goes_through_its_filters(loaded: Loaded) -> None:
    """Scores and votes behind each filter are those counted by hand."""
    task = loaded("writing", repeats=4)
    assert (task.repeats, task.ask(examples(task)[0].hidden(), "Generate").kind()) == (1, "Generate")
    texts = {e.id: drawn(e.reference["target"], int(e.id)) for e in examples(task)}
    [metric] = over_repeats(bound_metrics(task, (), load_registry()), 4)
    found = score([metric], examples(task), {id: majority(each) for id, each in texts.items()}, resamples=0).scores["lm-eval"]
    for name, through in ((",first", lambda text: (re.findall(r"\w+", text) or ["[invalid]"])[0]), ("", str)):
        of: dict[str, list[float]] = {"avg@4": [], "pass@1": [], "pass@2": [], "pass@4": [], "maj@4": []}
        for e in examples(task):
            said = [None if one.unfinished else through(one.value) for one in texts[e.id]]
            right = [one == e.reference["target"] for one in said]
            counts = [said.count(one) if one is not None else 0 for one in said]
            of["avg@4"].append(sum(right) / 4)
            of["maj@4"].append(right[counts.index(max(counts))])
            for k in (1, 2, 4):
                chosen = list(combinations(right, k))
                of[f"pass@{k}"].append(sum(map(any, chosen)) / len(chosen))
        told = {how: found[f"exact_match{name}_{how}"]["value"] for how in of}
        assert told == {how: pytest.approx(sum(values) / len(values)) for how, values in of.items()}
    assert found["exact_match,first_maj@4"]["value"] != found["exact_match_maj@4"]["value"]
    assert "bleu_pass@2" not in found


@pytest.mark.parametrize(
    ("name", "best"),
    {
        "choices": {"acc": 1, "acc_norm": 1, "acc_mutual_info": 1, "brier_score": 0, "mcc": 1}, "contexts": {"acc": 1},
        "last_word": {"perplexity": 1, "acc": 1}, "page": {"word_perplexity": 1, "bits_per_byte": 0},
        "writing": {"exact_match,first": 1, "bleu,first": 0, "exact_match": 1, "bleu": 0},
    }.items(),
)  # fmt: skip
def test_solved_answers_get_the_best_figures(name: str, best: Mapping[str, float], loaded: Loaded) -> None:
    task = loaded(name)
    requests = [task.ask(e.hidden(), task.asks[0]) for e in examples(task)]
    predictions = {
        e.id: task.read(e.hidden(), request, task.solve(e, request)) for e, request in zip(examples(task), requests, strict=True)
    }
    predictions = {id: Prediction(value=json.loads(json.dumps(p.value))) for id, p in predictions.items()}
    [metric] = bound_metrics(task, (), load_registry())
    scores = score([metric], examples(task), predictions, resamples=100).scores["lm-eval"]
    # one word has no four-grams, so no BLEU
    assert {name: pytest.approx(one["value"], abs=1e-6) for name, one in scores.items()} == best
    assert all(one["low"] is not None for one in scores.values() if one["interval"] != "none")


def test_scores_are_known_without_documents(loaded: Loaded) -> None:
    """A stored run is compared by what it tells of its task."""
    task = loaded("writing", train=True, shots=2)
    bare = replace(task, documents=None, measures=(), shots=0).as_run(json.loads(json.dumps(task.config())))
    of, again = (bound_metrics(one, (), load_registry())[0] for one in (task, bare))
    assert (list(of.scores().items()), of.columns()) == (list(again.scores().items()), again.columns())
    assert bare.config() == task.config()
    assert list(of.scores()) == ["exact_match,first", "bleu,first", "exact_match", "bleu"]


def test_the_identity_knows_the_files(tasks: Path, tmp_path: Path) -> None:
    def digest(folder: Path) -> str:
        made = load_registry().task(str(folder / "contexts.yaml")).config()["lm_eval"]["files"]
        assert isinstance(made, str)
        return made

    for name in ("contexts.yaml", "functions.py"):
        (tmp_path / name).write_bytes((tasks / name).read_bytes())
    assert digest(tmp_path) == digest(tasks), "where they lie is nobody's affair"
    (tmp_path / "functions.py").write_text((tasks / "functions.py").read_text() + "\n# other\n")
    assert digest(tmp_path) != digest(tasks)


BASE = "task: bad\ndataset_path: nobody/bad\noutput_type: loglikelihood\ntest_split: test\n"
TEXTS = 'doc_to_text: "{{thing}}"\ndoc_to_target: "{{colour}}"\n'

REFUSED: Mapping[str, tuple[str, Sequence[str]]] = {
    BASE + "doc_to_txt: x\n": ("a task has no key 'doc_to_txt'", ["did you mean 'doc_to_text'"]),
    BASE.replace("loglikelihood", "choice"): ("there is no output_type 'choice'", ["loglikelihood, multiple_choice"]),
    BASE + TEXTS + "metric_list: [{metric: accc}]\n": ("lm-eval knows no metric 'accc'", ["did you mean 'acc'?"]),
    BASE + TEXTS + "filter_list: [{name: a, filter: [{function: regx}]}]\n": ("lm-eval knows no filter 'regx'", ["'regex'"]),
    BASE + TEXTS + "process_docs: !function nofile.go\n": ("Cannot import module 'nofile'", []),
    BASE + TEXTS + "process_docs: !function beside.nothing\n": ("has no function 'nothing'", []),
    BASE + TEXTS + "process_docs: !function broken.go\n": ("a package 'no_such_package' is not", ["pip install no_such_package"]),
    BASE + TEXTS + "process_docs: !function extra.go\n": ("a package 'langdetect' is not", ["pip install 'lm_eval[ifeval]'"]),
    BASE + 'doc_to_text: "{{thin}}"\ndoc_to_target: colour\n': ("'thin' is undefined", ["a column 'thin'; the data have: thing"]),
    BASE + TEXTS + "process_docs: !function beside.key\n": (
        "KeyError: 'nope'",
        ["it reads a column 'nope'; the data have: thing"],
    ),
    BASE + TEXTS + "doc_to_image: thing\n": ("asks about images", []),
    BASE + TEXTS + "unsafe_code: true\n": ("wants to run code that the model writes", ["--trust-remote-code"]),
    "task: [a\n b: c": ("expected YAML", []),
    "dataset_path: a/b\n": ("names no task", ["task: NAME"]),
    "include: nothing.yaml\ntask: bad\n": ("no such file, and a task includes it", []),
    "include: bad.yaml\ntask: bad\n": ("includes itself", []),
}


@pytest.mark.parametrize(("content", "message", "hints"), [(c, m, h) for c, (m, h) in REFUSED.items()])
def test_bad_files(content: str, message: str, hints: Sequence[str], tmp_path: Path, tasks: Path) -> None:
    for name, code in {
        "broken": "import no_such_package", "extra": "import langdetect",
        "beside": "def key(docs):\n    return docs.map(lambda doc: {'x': doc['nope']})",
    }.items():  # fmt: skip
        (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "bad.yaml").write_text(content)

    def load() -> None:
        task = load_registry().task(str(tmp_path / "bad.yaml")).prompted(Prompting())  # type: ignore[attr-defined]
        task.load(Source(data=str(tasks / "last_word.jsonl")))

    with pytest.raises(InputError) as caught:
        load()
    assert message in caught.value.message
    for hint in hints:
        assert hint in "\n".join(caught.value.hints)


@pytest.mark.parametrize(
    ("source", "how", "message", "hint"),
    [
        (Source(), {}, "Couldn't reach 'nobody/choices' on the Hub", "name files in its columns with --data PATH"),
        (Source(data="no.jsonl"), {}, "no.jsonl: no such file", ""),
        (Source(data="choices.jsonl"), {"shots": 1}, "takes its shots from a split 'train'", "--train-data FILE"),
        (Source(data="choices.jsonl", train_data="train.jsonl"), {"shots": 50}, "50 shots before each document, and 12", ""),
        (Source(data="choices.jsonl", columns={"label": "x"}), {}, "--columns cannot name others", "rename them"),
        (Source(data="choices.jsonl", holdout=0.5), {}, "takes its data whole, without --holdout", ""),
        (Source(train_data="train.jsonl"), {}, "name both", ""),
        (Source(data="broken.jsonl"), {}, "broken.jsonl: expected rows", ""),
        (Source(data="functions.py"), {}, "reads files that end in .jsonl", ""),
        (Source(data="empty"), {}, "no file of any split", "looked for: test.jsonl, train.jsonl"),
    ],
)
def test_bad_data(
    source: Source, how: Mapping[str, Any], message: str, hint: str, tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tasks)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    Path("broken.jsonl").write_text('{"thing": "a"}\n{"thing"')
    Path("empty").mkdir(exist_ok=True)
    with pytest.raises((InputError, DataError)) as caught:
        load_registry().task("choices.yaml").prompted(Prompting(**how)).load(source)  # type: ignore[attr-defined]
    assert message in caught.value.message
    assert hint in "\n".join(caught.value.hints)


def test_a_folder_has_a_file_a_split(tasks: Path, tmp_path: Path, loaded: Loaded) -> None:
    for split, name in (("test", "choices"), ("train", "train")):
        (tmp_path / f"{split}.jsonl").write_bytes((tasks / f"{name}.jsonl").read_bytes())
    task = load_registry().task(str(tasks / "choices.yaml")).prompted(Prompting(shots=2, seed=7))  # type: ignore[attr-defined]
    asked = task.load(Source(data=str(tmp_path)))["test"]
    assert [e.inputs for e in asked] == [e.inputs for e in examples(loaded("choices", train=True, shots=2, seed=7))]


@pytest.mark.slow
def test_show_prints_a_real_request(tasks: Path, model: Path) -> None:
    done = warm.plmtasks(["show", "contexts.yaml", "--data", "contexts.jsonl", "--model", str(model)], tasks, os.environ)
    assert done.returncode == 0, done.stderr
    for part in ("lm-eval:contexts: multiple_choice", "validation: 11 examples", '"An apple"', '" fell from the tree"'):
        assert part in done.stdout
