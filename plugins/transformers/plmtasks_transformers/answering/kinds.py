"""What is known of each kind of request before anything is loaded: who answers it, with which head, what the identity says."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from plmtasks.config import ModelSettings
from plmtasks.errors import InputError, ModelError
from plmtasks.model import TrainableModel
from plmtasks.requests import Request, to_json

from ..checkpoints import DECODER, ENCODER, SEQUENCE_TO_SEQUENCE, Parts

if TYPE_CHECKING:
    from ..fast import Ways

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

    def of(self, ways: "Ways") -> "Ways":
        """Those of the ways that it has a use for: the others are of another kind on the same weights."""
        return ways._replace(**{way: False for way in ways._fields if way not in (*self.ways, "compiled")})

    def opened(self, parts: Parts, example_request: Request, ways: "Ways") -> TrainableModel:
        """The parts as a model that answers such requests."""
        module = importlib.import_module(f".{self.module}", __package__)
        loaded: TrainableModel = getattr(module, self.answers)(self, parts, example_request, ways)
        return loaded


def kind_of(example_request: Request, family: str) -> Kind:
    """Who answers such requests with a model of that family.

    raises: ModelError
    """
    found = KINDS.get((example_request.kind(), family))
    if found is None:
        kinds = ", ".join(kind for kind, of in KINDS if of == family)
        raise ModelError(f"{family} models of the transformers library answer {kinds}, not {example_request.kind()}")
    return found


def identity_of(example_request: Request, family: str, settings: ModelSettings) -> dict[str, Any]:
    """What else of the settings can change an answer to such requests.

    raises: ModelError
    """
    made: dict[str, Any] = {}
    for one in example_request.each():
        made |= kind_of(one, family).identity(settings.of(one))
    return made


@cache
def weights_by_label(text: str) -> Mapping[str, float]:
    """What an example of each label counts for in the loss: label=weight,…; a label may hold "=", not ",". Empty for no text.

    raises: InputError
    """
    weights = {}
    for pair in text.split(",") if text else ():
        label, equals, weight = pair.rpartition("=")
        try:
            weights[label.strip()] = float(weight)
        except ValueError:
            equals = ""
        if not equals or not weights[label.strip()] >= 0:
            raise InputError(f"class_weights: expected label=weight, found {pair!r}")
    return weights


def _generation(settings: ModelSettings) -> dict[str, Any]:
    generation = settings.generation
    seed = settings.seed if generation.draws else None
    by = {"drawn": "each text by a seed of its own" if generation.num_beams == 1 else "beams"} if generation.draws else {}
    return {**_prompt(settings), "generation": to_json(generation), "generation_seed": seed, **by}


def _prompt(settings: ModelSettings) -> dict[str, Any]:
    return {"prompt": settings.prompt, **({"system": settings.system} if settings.system else {})}


def _stride(settings: ModelSettings) -> dict[str, Any]:
    return {"stride": settings.stride or "half of the model's limit"}


def _hiding(settings: ModelSettings) -> dict[str, Any]:
    return {**_stride(settings), "micro_batch": settings.batch_tokens or MICRO_BATCH}


KINDS = {
    **{
        (kind, family): Kind(module, name, "AutoModelForSequenceClassification", CUT, ("unpadded", "first_token"))
        for kind, module, name in (("Classify", "classify", "Classifier"), ("Regress", "regress", "Regressor"))
        for family in (ENCODER, DECODER, SEQUENCE_TO_SEQUENCE)
    },
    ("Tag", ENCODER): Kind(
        "tag", "Tagger", "AutoModelForTokenClassification", WINDOWS, ("unpadded",),
        lambda settings: {"mark": MARK, "overlap": "a quarter of the window"},
    ),
    ("ExtractSpan", ENCODER): Kind(
        "extract_span", "SpanExtractor", "AutoModelForQuestionAnswering", WINDOWS, ("unpadded",), lambda settings: dict(SPANS)
    ),
    ("Choose", ENCODER): Kind("pairs", "PairScorer", "AutoModelForMultipleChoice", CUT, ("unpadded", "first_token")),
    ("LogLikelihood", ENCODER): Kind("hiding", "PseudoScorer", "AutoModelForMaskedLM", WHOLE, ("unpadded", "places"), _hiding),
    **{
        (kind, family): Kind(module, name, head, policies, ways, identity)
        for kind, module, name, policies, ways, identity in (
            ("Choose", "choose", "Chooser", CUT, ("trees", "sparse", "places"), _prompt),
            ("LogLikelihood", "log_likelihood", "Scorer", WHOLE, ("trees", "sparse", "places"), _stride),
            ("Generate", "generate", "Generator", CUT, ("places", "decoding", "fixed"), _generation),
        )
        for family, head in ((DECODER, "AutoModelForCausalLM"), (SEQUENCE_TO_SEQUENCE, "AutoModelForSeq2SeqLM"))
    },
    ("LogLikelihood", SEQUENCE_TO_SEQUENCE): Kind(
        "hiding", "SpanRestorer", "AutoModelForSeq2SeqLM", WHOLE, ("places",), _hiding
    ),
}  # fmt: skip
