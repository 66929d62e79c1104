"""Files of every kind that plmtasks reads, and the commands that read them."""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLASSES = [
    {"text": f"a {mood} film no {i}", "label": label} for i, (mood, label) in enumerate([("good", "pos"), ("bad", "neg")] * 4)
]
TEXTS = [{"text": f"It rained in town {i}. People stayed at home. Nobody minded.", "summary": f"Rain {i}."} for i in range(5)]
CHOICES = [{"id": f"q{i}", "question": f"{i}+1?", "choices": ["a", "b", "c"], "answer": "b"} for i in range(4)]
SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "t",
            "paragraphs": [
                {
                    "context": "He is in Paris. She is in Rome.",
                    "qas": [
                        {"id": f"q{i}", "question": "Where?", "answers": [{"text": text, "answer_start": at}]}
                        for i, (text, at) in enumerate([("Paris", 9), ("Rome", 26)])
                    ],
                }
            ],
        }
    ],
}
COQA = {
    "version": "1.0",
    "data": [
        {
            "id": "s1", "story": "Ann has a cat. It is red.", "source": "x",
            "questions": [{"turn_id": 1, "input_text": "Who?"}, {"turn_id": 2, "input_text": "Red?"}],
            "answers": [
                {"turn_id": 1, "input_text": "Ann", "span_text": "Ann", "span_start": 0, "span_end": 3},
                {"turn_id": 2, "input_text": "yes", "span_text": "It is red", "span_start": 15, "span_end": 24},
            ],
        }
    ],
}  # fmt: skip
RACE = {
    "id": "high1.txt",
    "article": "Ann ran.",
    "questions": ["Who _ ?"],
    "options": [["Ann", "Bob", "Cy", "Di"]],
    "answers": ["A"],
}
ARC = {"id": "1", "question": "Hot?", "choices": {"text": ["ice", "sun"], "label": ["A", "B"]}, "answerKey": "B"}
SWAG = {
    "sent1": "He runs.",
    "sent2": "He",
    "ending0": "stops.",
    "ending1": "flies.",
    "ending2": "is.",
    "ending3": "ran.",
    "label": 0,
}
EWT = (
    "# sent_id = a-1\ndoc\t0\t0\tWe\tPRP\t(S*\t-\t-\t(ARG0*)\t*\ndoc\t0\t1\tsaw\tVBD\t*\tsee\tsee.01\t(V*)\t*\n"
    "doc\t0\t2\tit\tPRP\t*\t-\t-\t(ARG1*\t(ARG0*)\ndoc\t0\t3\tfall\tVB\t*)\tfall\tfall.02\t*)\t(V*)\n\n"
    "# sent_id = a-2\ndoc\t1\t0\tYes\tUH\t(S*)\t-\t-\n"
)
BIO = (
    "# sent_id = a-1\n0\tWe\tPRP\t-\tB-ARG0\tO\n1\tsaw\tVBD\tsee.01\tB-V\tO\n2\tit\tPRP\t-\tB-ARG1\tB-ARG0\n"
    "3\tfall\tVB\tfall.02\tI-ARG1\tB-V\n\n# sent_id = a-2\n0\tYes\tUH\t-\n"
)
PROPS = "We -    (A0*)  *\nsaw see  (V*)   *\nit -    (A1*   (A0*)\nfall fall *)     (V*)\n\nYes -\n"
UNIVERSAL = (
    "# global.columns = ID FORM UP:PRED UP:ARGHEADS UP:ARGSPANS\n# sent_id = a-1\n1\tWe\t_\t_\t_\n"
    "2\tsaw\tsee.01\tA0:1|A1:4\tA0:1-1|A1:3-4\n3\tit\t_\t_\t_\n4\tfall\tfall.02\tA0:3\tA0:3-3\n\n# sent_id = a-2\n1\tYes\t_\t_\t_\n"
)
CONLL = "-DOCSTART- -X- O O\n\nAnn NNP B-NP B-PER\nSmith NNP I-NP I-PER\nsaw VBD O O\nRome NNP B-NP B-LOC\n\nIt PRP O O\nrained VBD O O\n"
TOML = """
name = "hotels/mood"
description = "Is a review good or bad?"
metrics = ["accuracy", "f1"]
labels = {neg = "bad", pos = "good"}

[data]
test = "rows.csv"

[columns]
reference = "label"
slices = ["city"]

[Classify]
text = "{text}"

[Generate]
instruction = "Is the review {labels}?"
text = "{text}\\nIt is"
max_new_tokens = 4
"""
SUITE = """
output = "results"
epochs = 1
seeds = [0, 1]
[[tasks]]
name = "classification/sample"
limit = 20
[[models]]
name = "majority"
[[models]]
name = "tfidf-linear"
train_limit = 10
[[exclude]]
model = "tfidf*"
task = "qa/*"
"""
GROUPS = '[gender]\nfemale = ["she", "her", "Ann"]\nmale = ["he", "his", "Tom"]\n'
CHAT = "{% for m in messages %}<{{ m['role'] }}> {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
LM_EVAL = {
    "results": {"arc": {"alias": "arc", "acc,none": 0.75, "acc_stderr,none": 0.25}},
    "group_subtasks": {"arc": []},
    "configs": {"arc": {"dataset_path": "allenai/ai2_arc", "test_split": "test", "output_type": "multiple_choice"}},
    "versions": {"arc": 2.0}, "n-shot": {"arc": 0}, "higher_is_better": {"arc": {"acc": True}},
    "n-samples": {"arc": {"original": 4, "effective": 4}},
    "config": {"model": "hf", "model_args": "pretrained=owner/model,dtype=bfloat16", "random_seed": 0, "limit": None},
    "lm_eval_version": "0.4.13", "model_source": "hf", "model_name": "owner/model", "chat_template": None,
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A folder of files, those of them that are damaged, and the commands of which one then reads them."""

    folder: str
    files: str
    """A pattern within the folder."""
    commands: Sequence[str]
    heavy: bool = False
    """It needs torch."""


def _show(folder: str, task: str, *names: str, columns: str = "") -> list[Target]:
    return [Target(folder, name, [f"show {task} --data {name}{columns}", f"show {task} --data .{columns}"]) for name in names]


def _scored(task: str, *names: str) -> list[Target]:
    return [Target("predictions", name, [f"score --task {task} --predictions {name}"]) for name in names]


DATA = [
    *_show("classes", "classification/custom", "dev.csv", "dev.tsv", "dev.jsonl", "dev.json", "dev.parquet", "dev.csv.gz"),
    Target("labelled", "*", ["show classification/custom --data .", "show classification/custom --data dev.tsv"]),
    *_show("squad", "qa/squad", "dev.json", "dev.jsonl", "dev.parquet"),
    *_show("coqa", "qa/coqa", "dev.json"), *_show("race", "qa/race", "dev.jsonl"), *_show("arc", "qa/arc", "dev.jsonl"),
    *_show("swag", "qa/swag", "dev.csv"), *_show("choices", "qa/multiple-choice", "dev.jsonl", "dev.csv", "dev.parquet"),
    *_show("roles", "srl/propbank", "dev.gold_conll"), *_show("bio", "srl/predicates", "dev.bio.tsv"),
    *_show("props", "srl/propbank", "dev.props"), *_show("universal", "srl/propbank", "dev.conllup"),
    *_show("columns", "tagging/conll2003", "dev.conll"), *_show("tags", "tagging/text", "dev.jsonl", "dev.conll"),
    *_show("summaries", "summarization/text", "dev.jsonl", "dev.csv"),
    Target("stories", "*.story", ["show summarization/cnn_dailymail --data ."]),
    Target("lines", "dev.*", ["show translation/text-en-de --data .", "show translation/text-en-de --data dev.en"]),
    *_show("pairs", "translation/text-en-de", "dev.tsv", "dev.jsonl"),
    *_show("texts", "language_modeling/text", "dev.txt", "dev.jsonl"), *_show("lambada", "language_modeling/lambada", "dev.jsonl"),
    Target("declared", "*", ["show task.toml", "score --task task.toml --predictions p.txt", "check task.toml"]),
    Target("suite", "suite.toml", ["sweep suite.toml --dry-run"]),
]  # fmt: skip

PREDICTIONS = [
    *_scored("classification/sample", "classification-sample.jsonl", "classes.txt"),
    *_scored("qa/sample", "qa-sample.jsonl", "qa.json"), *_scored("srl/sample", "srl-sample.jsonl"),
    *_scored("srl/predicates-sample", "srl-predicates-sample.jsonl"), *_scored("translation/sample", "translation-sample.jsonl", "lines.txt"),
    *_scored("summarization/sample", "summarization-sample.jsonl", "lines.txt"),
    Target("roles", "dev.gold_conll", ["score --task srl/propbank --predictions dev.gold_conll --references ../roles-again/dev.gold_conll"]),
    Target("columns", "dev.conll", ["score --task tagging/conll2003 --predictions dev.conll --references ../columns-again/dev.conll"]),
]  # fmt: skip

TABLES = (
    "leaderboard store", "leaderboard store --format csv", "leaderboard store --format markdown", "leaderboard store --format latex",
    "leaderboard store --format json", "leaderboard store --site site", "leaderboard store --site made", "results list store",
    "results list store --format json", "results show {run}", "results errors {run}", "results verify store", "results verify store --deep",
    "results verify {run} --deep", "results merge store other", "results prune store", "compare {run} {other}", "compare {other} {run}",
    "recommend store --task classification/sample", "reproduce {run} --check", "convert {run} --to lm-eval --output lm",
    "convert {run} --to evaluate --output ev", "convert store --to model-card --output card.md", "convert {run} --to predictions --output p",
    "run --task classification/sample --model majority --limit 30 --output store --threads 1",
)  # fmt: skip
RUNS = [Target("runs", f"store/**/{name}", TABLES) for name in (
    "result.json", "result.json", "result.json", "config.json", "config.json", "predictions.jsonl", "statistics.npy", "statistics.npy",
    "environment.json", "journal/*.jsonl",
)]  # fmt: skip
OTHERS = [
    Target("lm", "*.json*", ["convert . --from lm-eval --output out", "convert results_2026-01-02T03-04-05.678901.json --from lm-eval --output out"]),
    Target("site", "site/**/*.json", ["leaderboard store --site site"]),
    Target("answering", "out.txt.state/**/*.json*", ["predict --task classification/sample --model ./model --input in.txt --output out.txt --threads 1"]),
    Target("answering", "model/*", ["predict --task classification/sample --model ./model --input in.txt", "show ./model"]),
    Target("groups", "*.toml", ["run --task classification/sample --model majority --limit 30 --config groups=groups.toml --threads 1 --output out"]),
]  # fmt: skip

CLASSIFY = "--task classification/sample --threads 1 --quiet"
CHECKPOINTS = [
    Target("bert", "*", [
        "show ./", f"run {CLASSIFY} --model ./ --limit 4 --output out --train never", f"predict {CLASSIFY} --model ./ --input ../classes/in.txt",
        f"train {CLASSIFY} --model ./ --dry-run --output out", "export --task classification/sample --model ./ --output out",
        "show classification/sample --model ./",
    ], heavy=True),
    Target("gpt", "*", [
        "show classification/sample --model ./ --chat", "show qa/sample --model ./ --prompt chat", "show ./",
        "run --task classification/sample --model ./ --limit 3 --ask Choose --chat --output out --threads 1 --quiet",
        "run --task qa/sample --model ./ --limit 2 --output out --threads 1 --generation max_new_tokens=3 --quiet",
        "predict --task classification/sample --ask Choose --model ./ --chat --threads 1 --input ../classes/in.txt",
    ], heavy=True),
    Target("gpt", "chat_template.jinja", [
        "show classification/sample --model ./ --chat",
        "run --task classification/sample --model ./ --limit 3 --ask Choose --chat --output out --threads 1 --quiet",
    ], heavy=True),
    Target("lora", "*", [
        "show ./", f"run {CLASSIFY} --model ./ --limit 4 --output out --train never", "export --task classification/sample --model ./ --output out",
    ], heavy=True),
    Target("heads", "**/*", ["show ./", f"run {CLASSIFY} --model ./ --limit 4 --output out --train never"], heavy=True),
    Target("onnx", "*", ["show onnx:./", f"run {CLASSIFY} --model onnx:./ --limit 4 --output out --train never"], heavy=True),
    Target("scratch", "*.json", ["train --task language_modeling/sample --from-scratch config.json --dry-run --output out --threads 1"], heavy=True),
]  # fmt: skip

TARGETS = [*DATA, *PREDICTIONS, *RUNS, *RUNS, *OTHERS, *OTHERS, *CHECKPOINTS]

Do = Callable[[str, Path], None]
"""Runs a command in a folder."""


def make(root: Path, do: Do, *, heavy: bool) -> None:
    """Writes all the files that the targets name.

    heavy: those that need torch too
    """
    _data(root)
    _predictions(root / "predictions")
    _runs(root, do)
    if heavy:
        _checkpoints(root, do)


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, list) and path.suffix in (".csv", ".tsv", ".jsonl"):
        mark = {".csv": ",", ".tsv": "\t"}.get(path.suffix)
        rows = (
            [mark.join(content[0]), *(mark.join(map(str, row.values())) for row in content)] if mark else map(json.dumps, content)
        )
        content = "\n".join(rows) + "\n"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def _parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def _data(root: Path) -> None:
    asked = [
        {"id": q["id"], "context": p["context"], "question": q["question"],
         "answers": {"text": [a["text"] for a in q["answers"]], "answer_start": [a["answer_start"] for a in q["answers"]]}}
        for p in SQUAD["data"][0]["paragraphs"] for q in p["qas"]
    ]  # fmt: skip
    tagged = [
        {"tokens": ["Ann", "saw", "Rome"], "tags": ["B-PER", "O", "B-LOC"]},
        {"tokens": ["It", "rained"], "tags": ["O", "O"]},
    ]
    for name, content in {
        **{f"classes/dev.{ending}": CLASSES for ending in ("csv", "tsv", "jsonl", "json")}, "classes/in.txt": "a good film\na bad film\n",
        "labelled/dev.tsv": "a good film\t1\na bad film\t0\n", "labelled/labels.txt": "neg\npos\n", "squad/dev.json": SQUAD,
        "squad/dev.jsonl": asked, "coqa/dev.json": COQA, "race/dev.jsonl": [RACE], "arc/dev.jsonl": [ARC], "swag/dev.csv": [SWAG],
        "choices/dev.jsonl": CHOICES, "choices/dev.csv": "id,question,A,B,answer\n1,2?,x,y,A\n2,3?,x,y,B\n", "roles/dev.gold_conll": EWT,
        "roles-again/dev.gold_conll": EWT, "bio/dev.bio.tsv": BIO, "props/dev.props": PROPS, "universal/dev.conllup": UNIVERSAL,
        "columns/dev.conll": CONLL, "columns-again/dev.conll": CONLL, "tags/dev.jsonl": tagged, "tags/dev.conll": "Ann\tB-PER\nran\tO\n",
        "summaries/dev.jsonl": TEXTS, "summaries/dev.csv": TEXTS, "stories/a.story": "It rained.\n\n@highlight\n\nRain\n",
        "lines/dev.en": "a cat\na dog\n", "lines/dev.de": "eine Katze\nein Hund\n", "pairs/dev.tsv": "en\tde\na cat\teine Katze\n",
        "pairs/dev.jsonl": [{"translation": {"en": "a cat", "de": "eine Katze"}}], "texts/dev.txt": "It rained.\n\n = Title = \n\nAnn ran.\n",
        "texts/dev.jsonl": [{"text": "It rained."}, {"text": "Ann ran."}], "lambada/dev.jsonl": [{"text": "Ann ran and Tom saw Ann"}],
        "declared/task.toml": TOML, "declared/rows.csv": [{**row, "city": "Rome"} for row in CLASSES], "declared/p.txt": "pos\nneg\n" * 4,
        "suite/suite.toml": SUITE, "groups/groups.toml": GROUPS, "lm/results_2026-01-02T03-04-05.678901.json": LM_EVAL,
        "lm/samples_arc_2026-01-02T03-04-05.678901.jsonl": [_sample(i) for i in range(4)],
    }.items():  # fmt: skip
        _write(root / name, content)
    _parquet(root / "classes/dev.parquet", CLASSES)
    _parquet(root / "squad/dev.parquet", asked)
    _parquet(root / "choices/dev.parquet", CHOICES)
    (root / "classes/dev.csv.gz").write_bytes(gzip.compress((root / "classes/dev.csv").read_bytes()))


def _sample(i: int) -> dict[str, Any]:
    return {
        "doc_id": i, "doc": {"question": f"Which {i}?"}, "target": "0", "resps": [[["-1.5", "False"]], [["-2.0", "True"]]],
        "filtered_resps": [["-1.5", "False"], ["-2.0", "True"]], "filter": "none", "metrics": ["acc"], "doc_hash": f"{i:064x}",
        "arguments": {"gen_args_0": {"arg_0": "Which?", "arg_1": " this"}, "gen_args_1": {"arg_0": "Which?", "arg_1": " that"}},
        "prompt_hash": "b" * 64, "target_hash": "c" * 64, "acc": float(i < 3),
    }  # fmt: skip


def _predictions(folder: Path) -> None:
    """Solved answers of every sample, in JSON lines; and formats of some fields."""
    from plmtasks.config import Source
    from plmtasks.hooks import load_registry

    registry = load_registry()
    solved: dict[str, list[dict[str, Any]]] = {}
    for name in [t.commands[0].split()[2] for t in PREDICTIONS if "sample" in t.commands[0]]:
        task = registry.task(name)
        data = task.load(Source())
        task, kind = task.bind(data), task.asks[0]
        rows = []
        for e in data[data.default_split()]:
            request = task.ask(e.hidden(), kind)
            p = task.read(e.hidden(), request, task.solve(e, request))
            rows.append({"id": e.id, "prediction": p.value, "scores": dict(p.scores)})
        solved[name] = rows
        _write(folder / f"{name.replace('/', '-')}.jsonl", rows)
    _write(folder / "classes.txt", "".join(f"{row['prediction']}\n" for row in solved["classification/sample"]))
    _write(folder / "qa.json", {row["id"]: row["prediction"] for row in solved["qa/sample"]})
    _write(folder / "lines.txt", "".join(f"{row['prediction']}\n" for row in solved["translation/sample"]))


def _runs(root: Path, do: Do) -> None:
    folder = root / "runs"
    folder.mkdir()
    common = "run --task classification/sample --threads 1 --quiet --limit 30"
    do(f"{common} --model majority --output store", folder)
    do(f"{common} --model tfidf-linear --output store", folder)
    do("leaderboard store --site made", folder)
    do(f"{common} --model majority --output store", root / "suite")
    (root / "site").mkdir()
    do(f"{common} --model majority --output store", root / "site")
    do("leaderboard store --site site", root / "site")
    (root / "answering").mkdir()
    (root / "answering/in.txt").write_text("a good film\na bad film\n" * 3)
    do("train --task classification/sample --model majority --quiet --output model", root / "answering")
    do("predict --task classification/sample --model ./model --input in.txt --output out.txt --threads 1", root / "answering")
    (root / "answering/in.txt").write_text("a good film\na bad film\n" * 4)


def _checkpoints(root: Path, do: Do) -> None:
    import transformers

    common = "--threads 1 --quiet --training num_train_epochs=1,max_train_samples=16,select_split=none"
    do(f"train --task classification/sample --model tiny-bert {common} --output bert", root)
    do(f"train --task language_modeling/sample --model tiny-gpt {common} --output gpt", root)
    do(f"train --task classification/sample --model ./bert {common},peft=lora --output lora", root)
    do(f"train --task classification/sample,qa/sample --model tiny-bert {common} --output heads", root)
    (root / "gpt/chat_template.jinja").write_text(CHAT, encoding="utf-8")
    tokenizer = transformers.AutoTokenizer.from_pretrained(root / "gpt")
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(root / "gpt")
    (root / "scratch").mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (root / "scratch" / name).write_bytes((root / "gpt" / name).read_bytes())
    do("convert ./bert --to onnx --output onnx", root) if False else _onnx(root)


def _onnx(root: Path) -> None:
    """onnxruntime makes its own file in the hub's cache: what is damaged is the folder that it is made of."""
    import shutil

    shutil.copytree(root / "bert", root / "onnx")


def record() -> dict[str, Any]:
    """The least that a result.json may hold."""
    return {
        "schema_version": 1, "identity": "0" * 32, "task": {"name": "t", "version": 1, "language": "en", "labels": []},
        "model": {"name": "m", "family": "f", "ask": "Classify"}, "files": {}, "primary_metric": ["accuracy", "accuracy"],
        "protocol": {"how": "zero-shot", "shots": 0, "newly_initialized": [], "trained_on": []},
        "data": {
            "name": "d", "split": "test", "fingerprint": "0" * 64, "examples": 1, "total": 1, "limit": None, "skipped": 0,
            "truncated": 0,
        },
        "settings": {
            "dtype": "float32", "batch_tokens": 1, "threads": 1, "truncation": "auto", "prompt": "plain", "seed": 0,
            "generation": {"num_beams": 1, "temperature": 0, "top_p": 1, "length_penalty": 1, "max_new_tokens": None},
            "model_args": {}, "trust_remote_code": False,
        },
        "scores": {"accuracy": {"accuracy": {
            "value": 50.0, "low": 40.0, "high": 60.0, "interval": "wilson", "unit": "points", "higher_is_better": True, "best": 100.0,
        }}},
        "signatures": {"accuracy": "accuracy v1"},
    }  # fmt: skip
