"""BLEU, chrF and TER as sacrebleu counts them."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.data import UNSPACED, base_language, language_name, warn_flaws
from plmtasks.errors import InputError, UnknownNameError
from plmtasks.examples import Example, Prediction
from plmtasks.files import asked_of_cache
from plmtasks.metric import Metric, ScoreInfo, ratio
from plmtasks.model import Provider
from plmtasks.reading import compared_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.task import Task

TOKENIZERS = ("13a", "zh", "ja-mecab", "ko-mecab", "flores101", "flores200", "spBLEU-1K", "intl", "char", "none")

OF_LANGUAGE = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
"""Language → sacrebleu's tokenizer for it alone."""

MARKUP = re.compile(r"</?[A-Za-z][\w-]{0,11} ?/?>|\[(?:UNK|PAD|SEP|CLS|MASK)\]")
"""Sentences' ends, padding and unknown words, as systems leave them in what they write."""

SUBWORDS = "flores200"
"""What cuts a language into words for which there is nothing else; BLEU over it is known as spBLEU."""

ORDERS = 4
"""The longest n-gram of words that BLEU counts."""


def tokenizer(code: str) -> str | None:
    """What of sacrebleu's cuts a language into words; None if nothing that it has without a download."""
    base = base_language(code)
    return OF_LANGUAGE.get(base) or (None if base in UNSPACED else "13a")


class Sacrebleu(Metric):
    """A metric of sacrebleu's, from its own counts.

    source: Post (2018), arXiv 1804.08771
    """

    language: str
    references: int
    """How many each example has; 0: not the same number everywhere. For the signature alone."""

    @abstractmethod
    def scorer(self) -> Any:
        """sacrebleu's own.

        raises: InputError if what it needs is not here
        """

    def bind(self, task: "Task") -> "Sacrebleu":
        bound = replace(self, language=task.language, references=getattr(task, "references", 0))  # type: ignore[type-var]
        bound.scorer()  # what is missing is told before anything is computed
        return bound

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        """sacrebleu's counts. Private there, but what its bootstrap rests on: a test holds the sums to its `corpus_score`."""
        import numpy as np

        references = [compared_texts(p, e, "bleu, chrf and ter are")[1] for p, e in zip(predictions, examples, strict=True)]
        _warn_markup([p.value for p in predictions], references)
        # None stands for a reference that an example has not
        streams = list(zip_longest(*references))
        rows = self.scorer()._extract_corpus_statistics([p.value for p in predictions], streams) if examples else []
        return np.array(rows, dtype=float).reshape(-1, len(self.columns()))

    def signature(self) -> str:
        """sacrebleu's own."""
        scorer = self.scorer()
        scorer.num_refs = self.references or -1
        return str(scorer.get_signature())


@dataclass(frozen=True)
class Bleu(Sacrebleu):
    """BLEU with the tokenizer that fits the language."""

    name: str = "bleu"
    description: str = "BLEU by sacrebleu, with the target language's tokenizer"
    language: str = "en"
    references: int = 1
    tokenizer: str | None = None
    """None: the language's."""

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"bleu": ScoreInfo()}

    def columns(self) -> Sequence[str]:
        orders = range(1, ORDERS + 1)
        return ["length", "reference_length", *(f"matches_{n}" for n in orders), *(f"ngrams_{n}" for n in orders)]

    def scorer(self) -> Any:
        from sacrebleu.metrics.bleu import BLEU

        wanted = self.tokenizer or tokenizer(self.language) or SUBWORDS
        try:
            made = BLEU(tokenize=wanted, force=True)
        except (ImportError, RuntimeError, OSError, SystemExit) as e:
            raise InputError(
                f"BLEU in {language_name(self.language)}: the tokenizer {wanted} is not to be had here",
                f"{type(e).__name__}: {' '.join(str(e).split())}", _remedy(wanted),
            ) from e  # fmt: skip
        _tell_model(wanted)
        return made

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        """BLEU over four orders, smoothed as mteval does: the n-th order without a match counts 1 / 2^n of one.

        totals: (..., 10)
        returns: points, (...); nan if there is no reference
        source: sacrebleu 2.6's `BLEU.compute_bleu` with smoothing "exp" and without effective order
        """
        import numpy as np

        length, expected = totals[..., 0], totals[..., 1]
        matches, ngrams = totals[..., 2 : 2 + ORDERS], totals[..., 2 + ORDERS :]
        with np.errstate(divide="ignore", invalid="ignore"):
            smoothed = np.where(matches > 0, matches, 0.5 ** np.cumsum(matches == 0, axis=-1))
            logs = np.where(ngrams > 0, np.log(smoothed / ngrams), -np.inf)
            brevity = np.where(length < expected, np.exp(1 - expected / length), 1.0)
        points = np.where(matches.any(axis=-1), 100 * brevity * np.exp(logs.mean(axis=-1)), 0.0)
        return {"bleu": np.where(expected > 0, points, np.nan)}


class BleuByTokenizer(Provider):
    """`bleu:flores200`: BLEU over the words of any tokenizer of sacrebleu's."""

    scheme, inert = "bleu", True
    description = f"BLEU with a tokenizer: {', '.join(TOKENIZERS)}"

    def make(self, name: str) -> Bleu:
        if name not in TOKENIZERS:
            raise UnknownNameError("metric", f"bleu:{name}", [f"bleu:{t}" for t in TOKENIZERS])
        return Bleu(name=f"bleu:{name}", description=f"BLEU by sacrebleu, with its tokenizer {name}", tokenizer=name)


@dataclass(frozen=True)
class Chrf(Sacrebleu):
    """chrF, and with words of up to two chrF++; of several references the best counts."""

    name: str
    description: str
    words: int = 0
    """The longest n-gram of words beside those of up to six characters."""
    language: str = "en"
    references: int = 1

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {self.name: ScoreInfo()}

    def columns(self) -> Sequence[str]:
        orders = [*(f"characters_{n}" for n in range(1, 7)), *(f"words_{n}" for n in range(1, self.words + 1))]
        return [f"{what}_{order}" for order in orders for what in ("ngrams", "reference_ngrams", "matches")]

    def scorer(self) -> Any:
        from sacrebleu.metrics.chrf import CHRF

        return CHRF(word_order=self.words)

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        """F2 of the mean precision and the mean recall, over the orders of which both sides have n-grams.

        totals: (..., 3 * orders)
        returns: points, (...); nan if there is no reference
        source: Popović (2015), W15-3049; sacrebleu 2.6's `CHRF._compute_f_score` without epsilon smoothing
        """
        import numpy as np

        ngrams, expected, matches = (totals[..., i::3] for i in range(3))
        both = (ngrams > 0) & (expected > 0)
        orders = np.maximum(both.sum(axis=-1), 1)
        precision, recall = (
            np.divide(matches, n, out=np.zeros(both.shape), where=both).sum(axis=-1) / orders for n in (ngrams, expected)
        )
        points = np.divide(500 * precision * recall, 4 * precision + recall, out=np.zeros(orders.shape), where=precision > 0)
        return {self.name: np.where(expected.any(axis=-1), points, np.nan)}


@dataclass(frozen=True)
class Ter(Sacrebleu):
    """Translation edit rate: edits and shifts a reference's word, of several references the fewest. In Chinese and
    Japanese, characters are words.
    """

    name: str = "ter"
    description: str = "translation edit rate by sacrebleu; a minute for a thousand long sentences"
    language: str = "en"
    references: int = 1

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"ter": ScoreInfo(best=0.0, higher_is_better=False, maximum=None)}

    def columns(self) -> Sequence[str]:
        return ["edits", "reference_length"]

    def scorer(self) -> Any:
        from sacrebleu.metrics.ter import TER

        asian = base_language(self.language) in ("zh", "ja")
        return TER(normalized=asian, asian_support=asian)

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        """totals: (..., 2); returns: points, (...); nan if there is no reference"""
        return {"ter": 100 * ratio(totals[..., 0], totals[..., 1])}


METRICS = (
    Bleu(),
    BleuByTokenizer(),
    Chrf(name="chrf", description="chrF2 by sacrebleu"),
    Chrf(name="chrf++", description="chrF2++ by sacrebleu: with n-grams of words", words=2),
    Ter(),
)


def _warn_markup(written: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Says how many translations have markup that no reference of theirs has; sacrebleu counts it."""
    found = [
        set(MARKUP.findall(text)).difference(MARKUP.findall(" ".join(r))) for text, r in zip(written, references, strict=True)
    ]
    kinds = ", ".join(sorted(set().union(*found))[:4])
    what = f"translations have markup that their references have not ({kinds}), which counts as words; take it out if it is none"
    warn_flaws("the texts", sum(map(bool, found)), what)


def _tell_model(wanted: str) -> None:
    """Says that a tokenizer's model is needed, if it has one: sacrebleu keeps it under the last part of its address."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    if wanted in SPM_MODELS:
        asked_of_cache("sacrebleu", SACREBLEU_DIR, [Path(SACREBLEU_DIR, "models", Path(SPM_MODELS[wanted]["url"]).name)])


def _remedy(missing: str) -> str:
    if missing.endswith("-mecab"):
        return f"pip install 'sacrebleu[{missing[:2]}]'"
    return (
        "sacrebleu downloads it once, and needs the package sentencepiece; with no network, copy ~/.sacrebleu/models from "
        "another machine, or do without: chrF needs no tokenizer"
    )
