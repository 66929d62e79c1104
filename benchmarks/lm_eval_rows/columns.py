"""Our facts in the columns that the data sets of lm-eval's tasks have."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .facts import PAIRS, PASSAGES, QUESTIONS, RIDDLES, SCRIPTS, SENTENCES, STORIES, SUMS, TRANSLATIONS

Row = dict[str, Any]
LETTERS = "ABCD"
NUMBERS = ["Zero", "One", "Two", "Three", "Four"]


def placed(options: Sequence[str], index: int) -> tuple[list[str], int]:
    """The options with the first of them moved, and where it stands now."""
    gold = index % len(options)
    rest = list(options[1:])
    return [*rest[:gold], options[0], *rest[gold:]], gold


def _questions() -> list[tuple[str, list[str], int, str]]:
    return [(q, *placed(options, 3 * i + 1), support) for i, (q, *options, support) in enumerate(QUESTIONS)]


def _stories() -> list[tuple[str, list[str], int]]:
    return [(context, *placed(endings, 7 * i + 2)) for i, (context, *endings) in enumerate(STORIES)]


def _arc(stem: str = "question") -> list[Row]:
    return [
        {stem: q, "choices": {"text": options, "label": list(LETTERS)}, "answerKey": LETTERS[gold]}
        for q, options, gold, _ in _questions()
    ]


def _mmlu() -> list[Row]:
    return [{"question": q, "choices": options, "answer": gold} for q, options, gold, _ in _questions()]


def _global_mmlu() -> list[Row]:
    """Categories of one row and of three, so that a mean with weights is another than one without."""
    categories = ("STEM", "Business", "STEM", "Humanities", "Medical", "STEM", "Other", "Social Sciences")
    return [
        {"question": q, **{f"option_{x}": o for x, o in zip("abcd", options, strict=True)}, "answer": LETTERS[gold],
         "subject_category": categories[i % 8]}
        for i, (q, options, gold, _) in enumerate(_questions())
    ]  # fmt: skip


def _medmcqa() -> list[Row]:
    return [
        {"question": q, **dict(zip(("opa", "opb", "opc", "opd"), options, strict=True)), "cop": gold}
        for q, options, gold, _ in _questions()
    ]


def _gpqa() -> list[Row]:
    wrong = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
    return [{"Question": q, "Correct Answer": right, **dict(zip(wrong, rest, strict=True))} for q, right, *rest, _ in QUESTIONS]


def _sciq() -> list[Row]:
    wrong = ("distractor1", "distractor2", "distractor3")
    return [
        {"question": q, "correct_answer": right, **dict(zip(wrong, rest, strict=True)), "support": support}
        for q, right, *rest, support in QUESTIONS
    ]


def _global_piqa() -> list[Row]:
    # letters of one, two, three and four bytes, so that a length in bytes is another than one in characters
    return [
        {"prompt": q, **{f"solution{k}": f"{o} {SCRIPTS[(i + k) % 5]}" for k, o in enumerate(options)}, "label": gold}
        for i, (q, options, gold, _) in enumerate(_questions())
    ]


def _truthfulqa_mc() -> list[Row]:
    made = []
    for i, (q, *options, _) in enumerate(QUESTIONS):
        mc2 = options[: 2 + i % 3]
        targets = {"choices": options, "labels": [1, 0, 0, 0]}
        made.append(
            {"question": q, "mc1_targets": targets, "mc2_targets": {"choices": mc2, "labels": [1, *[0] * (len(mc2) - 1)]}}
        )
    return made


def _truthfulqa_gen() -> list[Row]:
    return [
        {"question": q, "best_answer": right, "correct_answers": [right, support], "incorrect_answers": rest}
        for q, right, *rest, support in QUESTIONS
    ]


def _hellaswag() -> list[Row]:
    made = []
    for i, (context, endings, gold) in enumerate(_stories()):
        label, _, rest = context.partition(": ")
        first, _, second = rest.rpartition(". ")
        parts = {"activity_label": label, "ctx_a": first + ".", "ctx_b": second.lower(), "endings": endings, "label": str(gold)}
        made.append(parts | {"endings": [e.replace("the ", "the  ", 1) if i % 3 == 0 else e for e in endings]})
    return made


def _swag() -> list[Row]:
    return [
        {"startphrase": c, **{f"ending{k}": e for k, e in enumerate(endings)}, "label": gold} for c, endings, gold in _stories()
    ]


def _mutual() -> list[Row]:
    return [
        {
            "answers": LETTERS[gold],
            "options": [f"m : {e.replace('.', ' .')}" for e in endings],
            "article": f"f : {c} , you know ?",
        }
        for c, endings, gold in _stories()
    ]


def _piqa() -> list[Row]:
    return [{"goal": c, **dict(zip(("sol1", "sol2"), s[:2], strict=True)), "label": g} for c, s, g in _two()]


def _copa() -> list[Row]:
    kinds = ("cause", "effect")
    return [
        {"premise": c.replace(":", " -") + ".", "choice1": s[0].capitalize(), "choice2": s[1].capitalize(),
         "question": kinds[i % 2], "label": g}
        for i, (c, s, g) in enumerate(_two())
    ]  # fmt: skip


def _two() -> list[tuple[str, list[str], int]]:
    return [(context, *placed((right, wrong), i)) for i, (context, right, wrong, *_) in enumerate(STORIES)]


def _pairs(first: str, second: str, label: Callable[[int], Any]) -> list[Row]:
    return [{first: premise, second: hypothesis, "label": label(gold)} for premise, hypothesis, gold in PAIRS]


def _riddles() -> list[Row]:
    return [{"sentence": s, "option1": a, "option2": b, "answer": answer} for s, a, b, answer in RIDDLES]


def _crows() -> list[Row]:
    return [{"sent_more": s.replace("_", a), "sent_less": s.replace("_", b), "bias_type": "age"} for s, a, b, _ in RIDDLES]


def _blimp() -> list[Row]:
    return [
        {"sentence_good": s.replace("_", a), "sentence_bad": s.replace("_", b).replace(" the ", " a the ")}
        for s, a, b, _ in RIDDLES
    ]


def _gsm8k() -> list[Row]:
    return [{"question": q, "answer": f"{work}\n#### {n:,}"} for q, work, n in SUMS]


def _mgsm() -> list[Row]:
    return [
        {"question": f"Question: {q}", "answer": f"Step-by-Step Answer: {work} The answer is {n}.", "answer_number": n}
        for q, work, n in SUMS
    ]


def _mathqa() -> list[Row]:
    made = []
    for i, (q, _, n) in enumerate(SUMS):
        options, gold = placed([str(n + k) for k in range(5)], i)
        listed = " , ".join(f"{x} ) {o}" for x, o in zip("abcde", options, strict=True))
        made.append({"Problem": q, "options": listed, "correct": "abcde"[gold]})
    return made


def _hendrycks_math() -> list[Row]:
    return [{"problem": q, "solution": f"{work[:-1]}, so the answer is $\\boxed{{{n}}}$."} for q, work, n in SUMS]


def _arithmetic() -> list[Row]:
    return [{"context": f"\n\nQ: What is {n} minus {i}?\n\nA:", "completion": f" {n - i}"} for i, (_, _, n) in enumerate(SUMS)]


def _asdiv() -> list[Row]:
    parts = [(q.rsplit(". ", 1), n) for q, _, n in SUMS]
    return [{"body": p[0], "question": p[-1], "answer": f"{n} (pieces)", "formula": "x", "solution_type": "y"} for p, n in parts]


def _boolq() -> list[Row]:
    return [{"passage": p, "question": q.rstrip("?").lower(), "label": i % 2} for i, (p, q, *_) in enumerate(PASSAGES)]


def _triviaqa() -> list[Row]:
    return [{"question": q.rstrip("?"), "answer": {"aliases": [a, b], "value": a}} for _, q, a, b in PASSAGES]


def _nq_open() -> list[Row]:
    return [{"question": q.rstrip("?").lower(), "answer": [a, b][: 1 + i % 2]} for i, (_, q, a, b) in enumerate(PASSAGES)]


def _drop() -> list[Row]:
    none = {"day": "", "month": "", "year": ""}
    made = []
    for i, (p, q, a, b) in enumerate(PASSAGES):
        answer = {"number": "", "date": none, "spans": [a]}
        others = {"number": ["", ""], "date": [none, none], "spans": [[a], [b]]}
        made.append({"query_id": str(i), "passage": p, "question": q, "answer": answer, "validated_answers": others})
    return made


def _babi() -> list[Row]:
    return [{"passage": p.replace(". ", ".\n") + "\n", "question": q, "answer": a} for p, q, a, _ in PASSAGES]


def _squad_completion() -> list[Row]:
    return [
        {"title": "t", "text": f"{p} {q[:-1]}, one may ask: it is ", "value": a, "doc_id": str(i)}
        for i, (p, q, a, _) in enumerate(PASSAGES)
    ]


def _squad_v2() -> list[Row]:
    """Every third question has no answer."""
    return [
        {"id": str(i), "title": "t", "context": p, "question": q,
         "answers": {"text": [a] if i % 3 else [], "answer_start": [max(p.find(a), 0)] if i % 3 else []}}
        for i, (p, q, a, _) in enumerate(PASSAGES)
    ]  # fmt: skip


def _documents() -> list[Row]:
    text = [f"{p} {q} {a}." for p, q, a, _ in PASSAGES]
    return [
        {"page": " \n = {} = \n {}".format(i, " ".join(text[i : i + 5]) * (1 + i % 3)).replace(",", " ,").replace(".", " .")}
        for i in range(8)
    ]


def _lambada() -> list[Row]:
    return [{"text": f"{p} {p} And so , when they asked again , the answer was {a.split()[-1]}"} for p, _, a, _ in PASSAGES]


def _bbh() -> list[Row]:
    made = []
    for q, options, gold, _ in _questions():
        listed = "\n".join(f"({letter}) {o}" for letter, o in zip(LETTERS, options, strict=True))
        made.append({"input": f"{q}\nOptions:\n{listed}", "target": f"({LETTERS[gold]})"})
    return made


def _translation() -> list[Row]:
    return [{"translation": {"en": en, "de": de}} for en, de in TRANSLATIONS]


def _polemo() -> list[Row]:
    labels = ("__label__meta_zero", "__label__meta_minus_m", "__label__meta_plus_m", "__label__meta_amb")
    return [{"sentence": s, "target": labels[(good + 1) if i % 4 else 3]} for i, (s, good) in enumerate(SENTENCES)]


def _cooccurrence() -> list[Row]:
    return [{"sentence": f"{s.split(' _')[0].rsplit(' the', 1)[0]} is a", "id": i} for i, (s, *_) in enumerate(RIDDLES)]


COLUMNS: Mapping[str, Callable[[], list[Row]]] = {
    "arc": _arc, "openbookqa": lambda: _arc("question_stem"), "mmlu": _mmlu, "medmcqa": _medmcqa, "gpqa": _gpqa,
    "sciq": _sciq, "global_mmlu": _global_mmlu, "global_piqa": _global_piqa, "truthfulqa_mc": _truthfulqa_mc,
    "truthfulqa_gen": _truthfulqa_gen, "hellaswag": _hellaswag, "swag": _swag, "mutual": _mutual, "piqa": _piqa,
    "copa": _copa, "riddles": _riddles, "crows": _crows, "blimp": _blimp, "gsm8k": _gsm8k, "mgsm": _mgsm, "mathqa": _mathqa,
    "hendrycks_math": _hendrycks_math, "arithmetic": _arithmetic, "asdiv": _asdiv, "boolq": _boolq, "triviaqa": _triviaqa,
    "nq_open": _nq_open, "drop": _drop, "babi": _babi, "squad_completion": _squad_completion, "lambada": _lambada,
    "bbh": _bbh, "translation": _translation, "polemo": _polemo, "cooccurrence": _cooccurrence, "wikitext": _documents,
    "squad_v2": _squad_v2,
    "pile": lambda: [{"text": row["page"]} for row in _documents()],
    "sentences": lambda: [{"sentence": s, "label": good} for s, good in SENTENCES],
    "ethics": lambda: [{"input": s, "label": 1 - good} for s, good in SENTENCES],
    "cb": lambda: _pairs("premise", "hypothesis", lambda gold: (0, 1, 2)[gold]),
    "anli": lambda: _pairs("premise", "hypothesis", lambda gold: (0, 2, 1)[gold]),
    "same": lambda: _pairs("sentence1", "sentence2", lambda gold: int(gold == 0)),
}  # fmt: skip
"""Rows of our own, 8 to 16 of each."""


def _sst2(data: Path) -> dict[str, list[Row]]:
    def of(part: str, most: int) -> list[Row]:
        lines = (data / "sst2" / f"{part}.tsv").read_text().splitlines()[:most]
        return [{"sentence": line.rpartition("\t")[0], "label": int(line[-1])} for line in lines]

    return {"train": of("train", 200), "validation": of("dev", 40)}


def _mrpc(data: Path) -> dict[str, list[Row]]:
    def of(part: str, most: int) -> list[Row]:
        lines = (data / "mrpc" / f"msr_paraphrase_{part}.txt").read_text(encoding="utf-8-sig").splitlines()[1 : most + 1]
        cells = [line.split("\t") for line in lines]
        return [{"sentence1": c[3], "sentence2": c[4], "label": int(c[0])} for c in cells]

    return {"train": of("train", 200), "validation": of("test", 24)}


def _race(data: Path) -> dict[str, list[Row]]:
    made = []
    for of in json.loads((data / "race_middle" / "test.json").read_text())[:6]:
        problems = zip(of["questions"], of["answers"], of["options"], strict=True)
        made.append({
            "article": of["article"], "problems": repr([{"question": q, "answer": a, "options": o} for q, a, o in problems]),
        })  # fmt: skip
    return {"test": made}


def _wikitext(data: Path) -> dict[str, list[Row]]:
    lines = (data / "wikitext2" / "test.txt").read_text().split("\n")
    pages = [{"page": "\n".join(lines[at : at + 8])} for at in range(0, 48, 8)]
    return {"train": pages[:1], "validation": pages[:1], "test": pages}


def _multi30k(data: Path) -> dict[str, list[Row]]:
    def of(part: str, most: int) -> list[Row]:
        folder = data / "multi30k_en_de"
        sides = [gzip.open(folder / f"{part}.{x}.gz", "rt", encoding="utf-8").read().splitlines()[:most] for x in ("en", "de")]  # noqa: SIM115
        return [{"translation": {"en": en, "de": de}} for en, de in zip(*sides, strict=True)]

    return {"train": of("val", 40), "validation": of("val", 40), "test": of("test_2016_flickr", 12)}


REAL: Mapping[str, Callable[[Path], dict[str, list[Row]]]] = {
    "sst2": _sst2, "mrpc": _mrpc, "race": _race, "wikitext2": _wikitext, "multi30k": _multi30k,
}  # fmt: skip
"""Rows of real data sets, where they lie in the folder of real data."""


SPLITS = ("train", "validation", "test")
OWN_SPLITS = {"mmlu": ("dev",), "global_mmlu": ("dev",), "anli": ("train_r1", "dev_r1", "test_r1"), "babi": ("valid",)}
"""Of data sets that call them otherwise."""
LEARNED = ("train", "dev", "train_r1")
"""Where shots come from."""


def write(folder: Path, name: str, data: Path) -> dict[str, str]:
    """Writes the rows as a JSON Lines file a split. Returns split → file; every split that a task may ask for is there.

    Of our own rows one half is for training and the other to be asked.
    """
    if name in REAL:
        splits = REAL[name](data)
    else:
        rows = COLUMNS[name]()
        half = len(rows) // 2
        splits = {split: rows[half:] if split in LEARNED else rows[:half] for split in (*SPLITS, *OWN_SPLITS.get(name, ()))}
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    files = {}
    for split, held in splits.items():
        if held:
            files[split] = str(place / f"{split}.jsonl")
            Path(files[split]).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in held))
    return files
