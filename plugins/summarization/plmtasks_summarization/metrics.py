"""ROUGE, and how a summary goes about its text: length, compression, novel words, repetition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plmtasks.data import warn_flaws
from plmtasks.errors import MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Means, ScoreInfo, Value
from plmtasks.reading import compared_texts

from .sentences import MARKUP, TAG, sentences, unmarked
from .words import RougeWords, words

if TYPE_CHECKING:
    from plmtasks.task import Task


SHOWN = 4
"""Kinds of markup in a warning."""

ROUGES = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def texts(prediction: Prediction, example: Example) -> tuple[str, Sequence[str]]:
    """What was written, and the texts that it is compared with; markup of sentences is line feeds.

    raises: MetricError if the task does not compare texts
    """
    written, references = _raw(prediction, example)
    return unmarked(written), list(map(unmarked, references))


def _raw(prediction: Prediction, example: Example) -> tuple[str, Sequence[str]]:
    return compared_texts(prediction, example, "rouge, summary_style and bertscore are")


def warn_markup(predictions: Sequence[Prediction], examples: Sequence[Example]) -> None:
    """Says how many examples have markup of sentences, which counts as no word, and other, which may count."""
    pairs = (_raw(p, e) for p, e in zip(predictions, examples, strict=True))
    raw = [" ".join([written, *references]) for written, references in pairs]
    for pattern, what in (
        (MARKUP, "is taken for the end of a line and counts as no word"),
        (TAG, "may count as words; take it out if it is none"),
    ):
        tags = [pattern.findall(text if pattern is MARKUP else unmarked(text)) for text in raw]
        kinds = ", ".join(sorted({tag.strip() for found in tags for tag in found})[:SHOWN])
        warn_flaws("the texts", sum(map(bool, tags)), f"examples have markup ({kinds}), which {what}")


@dataclass(frozen=True)
class Rouge(Means):
    """The mean F of ROUGE-1, 2, L and Lsum by rouge-score.

    Of several references each of the four takes the one with the largest F, as rouge-score's `score_multi` does. For Lsum a
    text of one line is cut into sentences first, on both sides. Markup of sentences (<t>, <s>, <q>) cuts, too, and is no word.

    source: Lin (2004), ROUGE: a package for automatic evaluation of summaries
    """

    name = "rouge"
    version = 2
    description = "ROUGE-1, 2, L and Lsum (F) by rouge-score; words of any language, English ones stemmed"
    language: str = "en"

    def means(self) -> Mapping[str, ScoreInfo]:
        return {score: ScoreInfo(mean_of=score) for score in ROUGES}

    def bind(self, task: "Task") -> "Rouge":
        return Rouge(task.language)

    @cached_property
    def _scorer(self) -> Any:
        from rouge_score.rouge_scorer import RougeScorer

        return RougeScorer(ROUGES, tokenizer=RougeWords(self.language))

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        warn_markup(predictions, examples)
        rows = []
        for prediction, example in zip(predictions, examples, strict=True):
            summary, references = texts(prediction, example)
            best = self._scorer.score_multi(["\n".join(sentences(r)) for r in references], "\n".join(sentences(summary)))
            rows.append({score: best[score].fmeasure for score in ROUGES})
        return rows

    def signature(self) -> str:
        from importlib.metadata import version

        words_by, cut = RougeWords(self.language).signature(), "Lsum:lines or markup, else sentences"
        return f"rouge-score {version('rouge-score')}|score:F|references:best of each|{words_by}|{cut}"


RATIO = ScoreInfo(best=None, unit="ratio", maximum=None)

STYLE: Mapping[str, ScoreInfo] = {
    "length_ratio": RATIO, "words": ScoreInfo(best=None, unit="words", maximum=None), "compression": RATIO,
    **{f"novel_{n}": ScoreInfo(best=None) for n in (1, 2, 3)}, "repetition": ScoreInfo(best=None, higher_is_better=False),
}  # fmt: skip


class SummaryStyle(Means):
    """What a summary is like, beside how good it is. No score has a best value.

    Words are the language's own, unstemmed; n-grams are counted once a summary.

    source: novel n-grams: See et al. (2017), arXiv 1704.04368; Narayan et al. (2018), arXiv 1808.08745
    """

    name = "summary_style"
    version = 2
    description = "words, length against reference and text, n-grams that the text does not have, trigrams said again"

    def means(self) -> Mapping[str, ScoreInfo]:
        return {score: replace(info, mean_of=score if score == "words" else None) for score, info in STYLE.items()}

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        warn_markup(predictions, examples)
        return [_style(p, e) for p, e in zip(predictions, examples, strict=True)]


def _style(prediction: Prediction, example: Example) -> dict[str, Value]:
    summary, references = texts(prediction, example)
    if "text" not in example.inputs:
        raise MetricError(f"summary_style needs the text; example {example.id!r} has {', '.join(example.inputs)}")
    said, text = words(summary), words(unmarked(example.inputs["text"]))
    length, expected = float(len(said)), sum(len(words(r)) for r in references) / len(references)
    row: dict[str, Value] = {"length_ratio": (length, expected), "words": length, "compression": (len(text), length)}
    for n in (1, 2, 3):
        distinct = set(ngrams(said, n))
        row[f"novel_{n}"] = len(distinct.difference(ngrams(text, n))), len(distinct)
    trigrams = ngrams(said, 3)
    return row | {"repetition": (len(trigrams) - len(set(trigrams)), len(trigrams))}


def ngrams(items: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Runs of n items."""
    return list(zip(*(items[i:] for i in range(n)), strict=False))
