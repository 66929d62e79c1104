"""What can be asked of a model, and what it answers; as JSON values, and in words.

Text and numbers, never tensors. The set is open: a plugin registers further pairs with `register_requests`.
"""

from .base import Answer, Prompted, Request, Shot, Turn
from .forms import LATER, from_json, strings, to_json
from .generation import Generation
from .kinds import (
    BUILT_IN,
    Choose,
    ChooseAnswer,
    Classify,
    ClassifyAnswer,
    ExtractSpan,
    ExtractSpanAnswer,
    Generate,
    GenerateAnswer,
    Likelihood,
    LogLikelihood,
    LogLikelihoodAnswer,
    Regress,
    RegressAnswer,
    Several,
    SeveralAnswer,
    Span,
    Tag,
    TagAnswer,
    one_of_each_kind,
)
from .prompts import CUE, CUES, before_stop, plain_prompt, raw_prompt, turns
from .thinking import Thinking

__all__ = [
    "BUILT_IN", "CUE", "CUES", "LATER", "Answer", "Choose", "ChooseAnswer", "Classify", "ClassifyAnswer",
    "ExtractSpan", "ExtractSpanAnswer", "Generate", "GenerateAnswer", "Generation", "Likelihood", "LogLikelihood",
    "LogLikelihoodAnswer", "Prompted", "Regress", "RegressAnswer", "Request", "Several", "SeveralAnswer", "Shot", "Span", "Tag",
    "TagAnswer", "Thinking", "Turn", "before_stop", "from_json", "one_of_each_kind", "plain_prompt", "raw_prompt", "strings",
    "to_json", "turns",
]  # fmt: skip
