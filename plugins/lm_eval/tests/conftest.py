"""Tasks in the form that lm-eval gives them, one of each kind, with rows of our own; and a small model."""

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from plmtasks.hooks import load_registry

YAML: Mapping[str, str] = {
    "choices": """
        dataset_path: nobody/choices
        output_type: multiple_choice
        training_split: train
        test_split: test
        fewshot_split: train
        description: "Of {{thing}}.\\n"
        doc_to_text: "Question: is {{thing}} a fruit?\\nAnswer:"
        doc_to_choice: ["yes", "no"]
        doc_to_target: "{{label}}"
        metric_list:
          - metric: acc
          - metric: acc_norm
          - metric: acc_mutual_info
          - metric: brier_score
          - metric: mcc
        metadata:
          version: 2.0
    """,
    "contexts": """
        dataset_path: nobody/contexts
        output_type: multiple_choice
        validation_split: validation
        process_docs: !function functions.kept
        doc_to_text: !function functions.right_context
        doc_to_choice: "{{['An ' + thing, 'A ' + thing]}}"
        doc_to_target: "{{'fell from the tree'}}"
        metric_list:
          - metric: acc
    """,
    "last_word": """
        dataset_path: nobody/last_word
        output_type: loglikelihood
        test_split: test
        doc_to_text: "The {{thing}} is"
        doc_to_target: " {{colour}}"
        metric_list:
          - metric: perplexity
          - metric: acc
    """,
    "page": """
        dataset_path: nobody/page
        output_type: loglikelihood_rolling
        test_split: test
        doc_to_text: ""
        doc_to_target: "{{page}}"
        metric_list:
          - metric: word_perplexity
          - metric: bits_per_byte
    """,
    "writing": """
        dataset_path: nobody/writing
        output_type: generate_until
        test_split: test
        doc_to_text: "The {{thing}} is"
        doc_to_target: "{{colour}}"
        generation_kwargs:
          until: ["."]
          max_gen_toks: 6
        filter_list:
          - name: first
            filter:
              - function: regex
                regex_pattern: "(\\\\w+)"
              - function: take_first
          - name: none
            filter:
              - function: take_first
        metric_list:
          - metric: exact_match
          - metric: bleu
    """,
    "both": """
        class: !function functions.Both
    """,
}  # fmt: skip

FUNCTIONS = '''
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask


def kept(docs):
    return docs.filter(lambda doc: doc["thing"] != "stone")


def right_context(doc):
    return 0 if doc["thing"][0] in "aeiou" else 1


class Both(ConfigurableTask):
    """Asks by two kinds of request, of which one choice's likelihood decides whether there is an answer."""

    VERSION = 3
    DATASET_PATH = "nobody/both"

    def __init__(self, config=None):
        super().__init__(config={"metadata": {"version": self.VERSION}})

    def has_training_docs(self):
        return False

    def has_validation_docs(self):
        return True

    def has_test_docs(self):
        return False

    def validation_docs(self):
        return self.dataset["validation"]

    def doc_to_text(self, doc):
        return f"The {doc['thing']} is"

    def doc_to_target(self, doc):
        return " " + doc["colour"]

    def construct_requests(self, doc, ctx, chat_template=None, apply_chat_template=False, **kwargs):
        asked = {"until": ["."], "max_gen_toks": 4}
        return [
            Instance(request_type="generate_until", doc=doc, arguments=(ctx, asked), idx=0, **kwargs),
            Instance(request_type="loglikelihood", doc=doc, arguments=(ctx, " unknown"), idx=1, **kwargs),
        ]

    def process_results(self, doc, results):
        text, (likelihood, _) = results
        return {"exact": float(text.strip() == doc["colour"]), "unknown": (likelihood, len(doc["thing"]))}

    def aggregation(self):
        return {"exact": mean, "unknown": lambda pairs: sum(a for a, _ in pairs) / sum(b for _, b in pairs)}

    def higher_is_better(self):
        return {"exact": True, "unknown": False}
'''

THINGS = ("apple", "stone", "orange", "lemon", "table", "plum", "river", "cherry", "iron", "pear", "engine", "lime")
COLOURS = ("red", "grey", "orange", "yellow", "brown", "blue", "green")


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with NAME.yaml, NAME.jsonl and train.jsonl."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "functions.py").write_text(FUNCTIONS, encoding="utf-8")
    rows = [
        {"thing": thing, "label": number % 2, "colour": COLOURS[number % 7], "page": f"The {thing} is here. " * (1 + 9 * number)}
        for number, thing in enumerate(THINGS)
    ]
    for name, content in YAML.items():
        (folder / f"{name}.yaml").write_text(f"task: {name}\n{dedent(content)}", encoding="utf-8")
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder with weights from a seed, which knows the words of the tasks."""
    folder = tmp_path_factory.mktemp("models") / "gpt"
    texts = [f"Question: is {thing} a fruit? Answer: yes no. The {thing} is {c} here." for thing in THINGS for c in COLOURS]
    load_registry().model("tiny-gpt").make(texts, 0, folder)
    return folder
