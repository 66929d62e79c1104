"""What is known of each kind of request before anything is loaded: who answers it, with which head, what the identity says."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from plmtasks.config import ModelSettings
from plmtasks.errors import InputError, ModelError
from plmtasks.requests import Request

from ..checkpoints import DECODER, ENCODER, SEQUENCE_TO_SEQUENCE

MARK = "*"
"""Stands on both sides of a marked word where the model has no token types to mark it with."""
MICRO_BATCH = 8192
"""Padded tokens computed at once where each token of a text is hidden in turn, if the settings do not say."""
SPANS = {"window": 384, "overlap": 128, "question": 64, "answer": 30, "best": 20}
"""Of `ExtractSpan`: tokens of question and context together, tokens that a window shares with the one before, tokens of a
question and of an answer at most, spans that are ranked."""

Facts = Callable[[ModelSettings], dict[str, Any]]
CUT = ("auto", "error", "left", "right", "skip")
WINDOWS = ("auto", "window", "error", "left", "right", "skip")
WHOLE = ("auto", "window", "error", "skip")


class Kind(NamedTuple):
    """A way to answer one kind of request."""

    module: str
    answers: str
    """Its class."""
    head: str
    """The library's class that loads the weights with the right head."""
    policies: Sequence[str]
    """What can be done with a text over the limit."""
    ways: Sequence[str]
    """The faster ways that it has a use for: see `fast.Ways`."""
    identity: Facts = lambda settings: {}
    """What else can change an answer of this kind: it goes into the identity."""

    def check(self, settings: ModelSettings, kind: str) -> None:
        """raises: InputError if it cannot truncate in the way that is wanted"""
        if settings.truncation not in self.policies:
            raise InputError(f"{kind} cannot use --truncation {settings.truncation}", f"it can use: {', '.join(self.policies)}")


def kind_of(example_request: Request, family: str) -> Kind:
    """Who answers such requests with a model of that family.

    raises: ModelError
    """
    found = KINDS.get((example_request.kind(), family))
    if found is None:
        kinds = ", ".join(kind for kind, of in KINDS if of == family)
        raise ModelError(f"{family} models of the transformers library answer {kinds}, not {example_request.kind()}")
    return found


def _generation(settings: ModelSettings) -> dict[str, Any]:
    seed = settings.seed if settings.generation.temperature > 0 else None
    return {"prompt": settings.prompt, "generation": asdict(settings.generation), "generation_seed": seed}


def _stride(settings: ModelSettings) -> dict[str, Any]:
    return {"stride": settings.stride or "half of the model's limit"}


def _hiding(settings: ModelSettings) -> dict[str, Any]:
    return {**_stride(settings), "micro_batch": settings.batch_tokens or MICRO_BATCH}


_classify = Kind("classify", "Classifier", "AutoModelForSequenceClassification", CUT, ("unpadded", "first_token"))
KINDS = {
    ("Classify", ENCODER): _classify,
    ("Classify", DECODER): _classify,
    ("Classify", SEQUENCE_TO_SEQUENCE): _classify,
    ("Tag", ENCODER): Kind(
        "tag", "Tagger", "AutoModelForTokenClassification", WINDOWS, ("unpadded",),
        lambda settings: {"mark": MARK, "overlap": "a quarter of the window"},
    ),
    ("ExtractSpan", ENCODER): Kind(
        "extract_span", "SpanExtractor", "AutoModelForQuestionAnswering", WINDOWS, ("unpadded",), lambda settings: dict(SPANS)
    ),
    ("LogLikelihood", ENCODER): Kind("pseudo", "PseudoScorer", "AutoModelForMaskedLM", WHOLE, ("unpadded", "places"), _hiding),
    **{
        (kind, family): Kind(module, name, head, policies, ways, identity)
        for kind, module, name, policies, ways, identity in (
            ("Choose", "choose", "Chooser", CUT, ("trees", "places"), lambda settings: {"prompt": settings.prompt}),
            ("LogLikelihood", "log_likelihood", "Scorer", WHOLE, ("trees", "places"), _stride),
            ("Generate", "generate", "Generator", CUT, ("places", "decoding"), _generation),
        )
        for family, head in ((DECODER, "AutoModelForCausalLM"), (SEQUENCE_TO_SEQUENCE, "AutoModelForSeq2SeqLM"))
    },
    ("LogLikelihood", SEQUENCE_TO_SEQUENCE): Kind(
        "corruption", "SpanRestorer", "AutoModelForSeq2SeqLM", WHOLE, ("places",), _hiding
    ),
}  # fmt: skip
