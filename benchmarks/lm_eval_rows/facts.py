"""Sentences, questions and stories of our own, from which the columns of many data sets are made. None is copied from any."""

import json
from pathlib import Path
from typing import Any

_TOLD = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))

QUESTIONS: list[tuple[str, str, str, str, str, str]] = _TOLD["questions"]
"""A question, its right answer, three wrong ones, and a sentence that helps."""

SENTENCES: list[tuple[str, int]] = _TOLD["sentences"]
"""A sentence, and whether it praises."""

PAIRS: list[tuple[str, str, int]] = _TOLD["pairs"]
"""A premise, a hypothesis, and whether that follows (0), contradicts (1) or neither (2)."""

STORIES: list[tuple[str, str, str, str, str]] = _TOLD["stories"]
"""What happens first, how it goes on, and three ways in which it does not."""

RIDDLES: list[tuple[str, str, str, str]] = _TOLD["riddles"]
"""A sentence with a gap, two words for it, and which of them (1 or 2) it is."""

SUMS: list[tuple[str, str, int]] = _TOLD["sums"]
"""A question, the reckoning, and the number."""

PASSAGES: list[tuple[str, str, str, str]] = _TOLD["passages"]
"""A passage, a question about it, its answer, and another wording of that."""

TRANSLATIONS: list[tuple[str, str]] = _TOLD["translations"]
"""English and German."""

SCRIPTS: list[str] = _TOLD["scripts"]
"""Letters that few of the other texts have, of two, three and four bytes."""


def texts() -> list[str]:
    """All of it, for learning a tokenizer."""
    groups: tuple[list[Any], ...] = (QUESTIONS, SENTENCES, PAIRS, STORIES, RIDDLES, SUMS, PASSAGES, TRANSLATIONS)
    return [" ".join(str(part) for part in item) for group in groups for item in group] + SCRIPTS


def lessons() -> list[str]:
    """Always the same answers, which a small model learns soon: some of them are right, so that figures are not zero."""
    asked = [f"Question: {q}\nAnswer: B\n" for q, *_ in QUESTIONS] + [f"Q: {q}\nA: The answer is (B).\n" for q, *_ in QUESTIONS]
    told = [f"{p} {q}\nAnswer: 7." for p, q, *_ in PASSAGES] + [f"Q: {q}\nA: 7\n" for _, q, *_ in PASSAGES]
    summed = [f"Question: {q}\nAnswer: The answer is 7.\n#### 7\n" for q, *_ in SUMS]
    judged = [f"{s}\nQuestion: Is this sentence positive or negative?\nAnswer: positive\n" for s, _ in SENTENCES]
    followed = [f"{p}\nQuestion: {h}. True, False, or Neither?\nAnswer: True\n" for p, h, _ in PAIRS]
    translated = [f"English phrase: {en}\nGerman phrase: {TRANSLATIONS[i % 2][1]}\n" for i, (en, _) in enumerate(TRANSLATIONS)]
    continued = [f"{context} {right}" for context, right, *_ in STORIES] + [f"{gap.split('_')[0]}is a man" for gap, *_ in RIDDLES]
    return [*asked, *told, *summed, *judged, *followed, *translated, *continued, *(["Response: The best answer is B."] * 8)]
