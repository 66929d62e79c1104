"""ROUGE, and how a summary goes about its text: length, compression, novel words, repetition."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plmtasks.data import warn_flaws
from plmtasks.errors import MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric, ScoreInfo, ratio
from plmtasks.reading import compared_texts

from .sentences import MARKUP, TAG, sentences, unmarked
from .words import RougeWords, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


class Ratios(Metric):
    """A metric whose scores are ratios of sums: each one column's sum over another's."""

    @abstractmethod
    def ratios(self) -> Mapping[str, tuple[str, str]]:
        """score → the columns above and below the line"""

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {
            score: ScoreInfo(mean_of=above if below == "examples" else None) for score, (above, below) in self.ratios().items()
        }

    def columns(self) -> Sequence[str]:
        pairs = self.ratios().values()
        return list(dict.fromkeys([*(above for above, _ in pairs), *(below for _, below in pairs)]))

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        columns = list(self.columns())
        found = {}
        for score, (above, below) in self.ratios().items():
            value = ratio(totals[..., columns.index(above)], totals[..., columns.index(below)])
            found[score] = 100 * value if self.scores()[score].unit == "points" else value
        return found

    def rows(self, rows: Sequence[Mapping[str, float]]) -> "NDArray[Any]":
        """Named statistics as an array; each row counts as one example."""
        import numpy as np

        columns = self.columns()
        return np.array([[row.get(c, 1.0) for c in columns] for row in rows], dtype=float).reshape(-1, len(columns))


@dataclass(frozen=True)
class Rouge(Ratios):
    """The mean F of ROUGE-1, 2, L and Lsum by rouge-score.

    Of several references each of the four takes the one with the largest F, as rouge-score's `score_multi` does. For Lsum a
    text of one line is cut into sentences first, on both sides. Markup of sentences (<t>, <s>, <q>) cuts, too, and is no word.

    source: Lin (2004), ROUGE: a package for automatic evaluation of summaries
    """

    name = "rouge"
    version = 2
    description = "ROUGE-1, 2, L and Lsum (F) by rouge-score; words of any language, English ones stemmed"
    language: str = "en"

    def ratios(self) -> Mapping[str, tuple[str, str]]:
        return {score: (score, "examples") for score in ROUGES}

    def bind(self, task: "Task") -> "Rouge":
        return Rouge(task.language)

    @cached_property
    def _scorer(self) -> Any:
        from rouge_score.rouge_scorer import RougeScorer

        return RougeScorer(ROUGES, tokenizer=RougeWords(self.language))

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        warn_markup(predictions, examples)
        rows = []
        for prediction, example in zip(predictions, examples, strict=True):
            summary, references = texts(prediction, example)
            best = self._scorer.score_multi(["\n".join(sentences(r)) for r in references], "\n".join(sentences(summary)))
            rows.append({score: best[score].fmeasure for score in ROUGES})
        return self.rows(rows)

    def signature(self) -> str:
        from importlib.metadata import version

        words_by, cut = RougeWords(self.language).signature(), "Lsum:lines or markup, else sentences"
        return f"rouge-score {version('rouge-score')}|score:F|references:best of each|{words_by}|{cut}"


class SummaryStyle(Ratios):
    """What a summary is like, beside how good it is. No score has a best value.

    Words are the language's own, unstemmed; n-grams are counted once a summary.

    source: novel n-grams: See et al. (2017), arXiv 1704.04368; Narayan et al. (2018), arXiv 1808.08745
    """

    name = "summary_style"
    version = 2
    description = "words, length against reference and text, n-grams that the text does not have, trigrams said again"

    def ratios(self) -> Mapping[str, tuple[str, str]]:
        novel = {f"novel_{n}": (f"new_{n}grams", f"distinct_{n}grams") for n in (1, 2, 3)}
        return {
            "length_ratio": ("words", "reference_words"), "words": ("words", "examples"), "compression": ("text_words", "words"),
            **novel, "repetition": ("repeated_3grams", "3grams"),
        }  # fmt: skip

    def scores(self) -> Mapping[str, ScoreInfo]:
        ratio = ScoreInfo(best=None, unit="ratio", maximum=None)
        plain = {"length_ratio": ratio, "words": ScoreInfo(best=None, unit="words", maximum=None), "compression": ratio}
        return {score: plain.get(score, ScoreInfo(best=None, higher_is_better=score != "repetition")) for score in self.ratios()}

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        warn_markup(predictions, examples)
        return self.rows([_style(p, e) for p, e in zip(predictions, examples, strict=True)])


def _style(prediction: Prediction, example: Example) -> dict[str, float]:
    summary, references = texts(prediction, example)
    if "text" not in example.inputs:
        raise MetricError(f"summary_style needs the text; example {example.id!r} has {', '.join(example.inputs)}")
    said, text = words(summary), words(unmarked(example.inputs["text"]))
    row: dict[str, float] = {
        "words": len(said), "text_words": len(text),
        "reference_words": sum(len(words(r)) for r in references) / len(references),
    }  # fmt: skip
    for n in (1, 2, 3):
        distinct = set(ngrams(said, n))
        row |= {f"new_{n}grams": len(distinct.difference(ngrams(text, n))), f"distinct_{n}grams": len(distinct)}
    trigrams = len(ngrams(said, 3))
    return row | {"3grams": trigrams, "repeated_3grams": trigrams - row["distinct_3grams"]}


def ngrams(items: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Runs of n items."""
    return list(zip(*(items[i:] for i in range(n)), strict=False))
