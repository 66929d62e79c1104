"""What the two files beside it name."""

from collections.abc import Sequence


def likelihood_of_the_right_one(items: Sequence[tuple[int, Sequence[float]]]) -> float:
    """The mean log-likelihood of the right choices."""
    return sum(likelihoods[gold] for gold, likelihoods in items) / len(items)


def first_words(responses: Sequence[Sequence[str]], docs: Sequence[object]) -> list[list[str]]:
    """The first two words of each text."""
    return [[" ".join(text.split()[:2]) for text in of_one] for of_one in responses]


def length(references: Sequence[str], predictions: Sequence[str]) -> int:
    """Of a text, in characters."""
    return len(predictions[0])


def share_of_letters(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Not a number where the text has less than five characters."""
    text = predictions[0]
    return sum(c.isalpha() for c in text) / len(text) if len(text) > 4 else float("nan")
