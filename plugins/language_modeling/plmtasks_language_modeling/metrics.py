"""Perplexity, the accuracy of last words, and what can be told of open-ended texts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from plmtasks.data import has_script, words
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric, ScoreInfo, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

PERPLEXITY = ScoreInfo(best=1.0, higher_is_better=False, unit="perplexity", minimum=1.0, maximum=None)


class Perplexity(Metric):
    """The geometric mean of 1 / probability over tokens, words or bytes, and the mean bits that a byte takes.

    Tokens are the model's own, so that token perplexities of two tokenizers cannot be compared; the others can. Words
    are what white space sets apart. `pseudo` is the share of texts whose tokens were predicted from both sides.
    """

    name = "perplexity"
    description = "bits per byte, and perplexity of bytes, words and tokens"

    def scores(self) -> Mapping[str, ScoreInfo]:
        bits = ScoreInfo(best=0.0, higher_is_better=False, unit="bits", maximum=None)
        return {
            "bits_per_byte": bits, "word_perplexity": PERPLEXITY, "token_perplexity": PERPLEXITY, "byte_perplexity": PERPLEXITY,
            "token_accuracy": ScoreInfo(), "pseudo": ScoreInfo(best=0.0, higher_is_better=False, unit="kind", maximum=1.0),
        }  # fmt: skip

    def columns(self) -> Sequence[str]:
        return ("log_likelihood", "tokens", "words", "bytes", "likeliest", "counted_tokens", "pseudo", "texts")

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        rows = []
        for p in predictions:
            s = p.scores
            # somebody else's likelihoods may come without this count
            likeliest = (s["likeliest"], s["tokens"]) if "likeliest" in s else (0.0, 0.0)
            rows.append([p.value, s["tokens"], s["words"], s["bytes"], *likeliest, s["pseudo"], 1.0])
        return np.array(rows, dtype=float).reshape(-1, len(self.columns()))

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        value, tokens, words_, bytes_, likeliest, counted, pseudo, texts = np.moveaxis(totals, -1, 0)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return {
                "bits_per_byte": -value / np.log(2) / bytes_ + 0.0, "word_perplexity": np.exp(-value / words_),
                "token_perplexity": np.exp(-value / tokens), "byte_perplexity": np.exp(-value / bytes_),
                "token_accuracy": 100 * likeliest / counted, "pseudo": pseudo / texts,
            }  # fmt: skip


class LastWordAccuracy(Metric):
    """How often the last word is the likeliest, and its perplexity; pseudo-likelihoods have a perplexity of their own."""

    name = "last_word"
    description = "accuracy and perplexity of the last word"

    def scores(self) -> Mapping[str, ScoreInfo]:
        pseudo = ScoreInfo(best=None, higher_is_better=False, unit="perplexity", minimum=1.0, maximum=None)
        return {"accuracy": ScoreInfo(mean_of="right"), "perplexity": PERPLEXITY, "pseudo_perplexity": pseudo}

    def columns(self) -> Sequence[str]:
        return ("right", "log_likelihood", "scored", "pseudo_log_likelihood", "pseudo_scored", "examples")

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        rows = []
        for p, e in zip(predictions, examples, strict=True):
            known = "log_likelihood" in p.scores
            found = (p.scores.get("log_likelihood", 0.0), float(known))
            both = (0.0, 0.0, *found) if p.scores.get("pseudo") else (*found, 0.0, 0.0)
            rows.append([float(p.value.strip() == e.reference), *both, 1.0])
        return np.array(rows, dtype=float).reshape(-1, len(self.columns()))

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        right, value, scored, pseudo, pseudo_scored, examples = np.moveaxis(totals, -1, 0)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return {
                "accuracy": 100 * right / examples, "perplexity": np.exp(-value / scored),
                "pseudo_perplexity": np.exp(-pseudo / pseudo_scored),
            }  # fmt: skip


ORDER = 4
"""The longest n-grams of BLEU, and those whose repetition is counted."""


class OpenEnded(Metric):
    """Overlap with what people wrote, and, without comparing, how varied and how long the texts are.

    rouge_l, bleu: against the best reference, against all of them
    repetition: the mean share of a text's runs of four words that came before in it
    distinct_1, distinct_2: different words and pairs to all of them, over all texts (no sum: without an interval)
    length_ratio: words to those of the reference of the nearest length

    source: Lin (2004); Papineni et al. (2002); Welleck et al. (2019), arXiv 1908.04319; Li et al. (2015), arXiv 1510.03055
    """

    name = "open_ended"
    description = "ROUGE-L and BLEU with the references; repetition, different words and pairs, length"

    def scores(self) -> Mapping[str, ScoreInfo]:
        counted = ScoreInfo(best=None, resampled=False)
        return {
            "rouge_l": ScoreInfo(mean_of="rouge_l"), "bleu": ScoreInfo(),
            "repetition": ScoreInfo(best=None, higher_is_better=False), "distinct_1": counted, "distinct_2": counted,
            "length_ratio": ScoreInfo(best=None, unit="ratio", maximum=None),
        }  # fmt: skip

    def columns(self) -> Sequence[str]:
        grams = [f"{kind}{n}" for kind in ("matched", "ngrams") for n in range(1, ORDER + 1)]
        return ("rouge_l", "examples", "length", "reference_length", *grams, "repeated", "long_texts", "words", "reference_words")

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        rows = [self._row(p.value, e.reference) for p, e in zip(predictions, examples, strict=True)]
        return np.array(rows, dtype=float).reshape(-1, len(self.columns()))

    def _row(self, text: str, references: Sequence[str]) -> list[float]:
        own = words(text.lower())
        rouge = _rouge().score_multi(references, text)["rougeL"].fmeasure
        bleu = _bleu("zh" if any(has_script(r, "Han") for r in references) else "13a").corpus_score(
            [text], [[r] for r in references]
        )
        lengths = [len(words(r.lower())) for r in references]
        nearest = min(lengths, key=lambda n: (abs(n - len(own)), n))
        long_ = float(len(own) >= ORDER)
        return [
            rouge, 1.0, bleu.sys_len, bleu.ref_len, *bleu.counts, *bleu.totals, repetition(own) if long_ else 0.0, long_,
            len(own), nearest,
        ]  # fmt: skip

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        rouge, examples, length, reference_length = np.moveaxis(totals[..., :4], -1, 0)
        matched, ngrams = totals[..., 4 : 4 + ORDER], totals[..., 4 + ORDER : 4 + 2 * ORDER]
        repeated, long_texts, own, reference_words = np.moveaxis(totals[..., 4 + 2 * ORDER :], -1, 0)
        return {
            "rouge_l": 100 * ratio(rouge, examples), "bleu": bleu_from_sums(matched, ngrams, length, reference_length),
            "repetition": 100 * ratio(repeated, long_texts), "length_ratio": ratio(own, reference_words),
        }  # fmt: skip

    def compute(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        found = {}
        for n in (1, 2):
            grams = Counter(g for p in predictions for g in ngrams_of(words(p.value.lower()), n))
            found[f"distinct_{n}"] = 100 * len(grams) / grams.total() if grams else float("nan")
        return found

    def signature(self) -> str:
        from importlib.metadata import version

        libraries = f"rouge-score {version('rouge-score')}|sacrebleu {version('sacrebleu')}"
        own = "no stemming|Han by character|tok:13a, zh where a reference has Han|smooth:exp"
        return f"{self.name} v{self.version}|{libraries}|{own}"


def bleu_from_sums(
    matched: "NDArray[Any]", ngrams: "NDArray[Any]", length: "NDArray[Any]", reference_length: "NDArray[Any]"
) -> "NDArray[Any]":
    """BLEU in points with exponential smoothing.

    matched, ngrams: (..., ORDER) by length of n-gram; length, reference_length: (...)

    source: sacrebleu's `BLEU.compute_bleu`, one corpus at a time there
    """
    import numpy as np

    missed = np.cumsum(matched == 0, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precisions = np.where(matched > 0, matched, 0.5**missed) / ngrams
        brevity = np.where(length < reference_length, np.exp(1 - reference_length / length), 1.0)
        score = 100 * brevity * np.exp(np.log(precisions).mean(axis=-1))
    defined = (matched > 0).any(axis=-1) & (ngrams > 0).all(axis=-1)
    found: NDArray[Any] = np.where(defined, score, 0.0)
    return found


def repetition(own: Sequence[str]) -> float:
    """The share of the runs of four words that came before."""
    grams = list(ngrams_of(own, ORDER))
    return 1 - len(set(grams)) / len(grams)


def ngrams_of(own: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return (tuple(own[i : i + n]) for i in range(len(own) - n + 1))


class _Words:
    """The form in which rouge-score takes a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return words(text.lower())


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())


@cache
def _bleu(tokenizer: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenizer)
