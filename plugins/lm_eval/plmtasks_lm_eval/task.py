"""A task of lm-evaluation-harness, by its name or its file."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.config import Source
from plmtasks.data import Dataset
from plmtasks.errors import InputError
from plmtasks.examples import Example, Prediction
from plmtasks.model import Aggregate, Provider
from plmtasks.requests import (
    Answer,
    Choose,
    ChooseAnswer,
    Generate,
    GenerateAnswer,
    Likelihood,
    LogLikelihoodAnswer,
    Request,
    Several,
    SeveralAnswer,
)
from plmtasks.task import Dependent, Prompting, SelfPrompted

from . import catalog, groups
from .asking import as_request, as_value
from .definition import Definition, read, read_member
from .measures import Measure

if TYPE_CHECKING:
    from plmtasks.results import Result

    from .data import Documents

METRIC = "lm-eval"
"""The name of the metric by which all of them are scored."""


class Tasks(Provider):
    """`lm-eval:NAME`, `lm-eval:FILE.yaml`, and a path that ends in .yaml."""

    scheme = "lm-eval"
    description = "a task of lm-evaluation-harness: lm-eval:hellaswag; or a YAML file of one, by its path"

    def owns(self, name: str) -> bool:
        return ".yaml" in (name[-5:], Path(name).parent.suffix)  # a group's file, or a task in it

    def names(self) -> Collection[str]:
        """Those of the index, once it is made."""
        return catalog.names_at_hand()

    def known(self) -> Sequence[Mapping[str, str]]:
        return [one.row() for one in catalog.entries()]

    def checked(self, word: str) -> Iterable[Mapping[str, str]]:
        from .checking import checked

        return checked(word)

    def members(self, name: str) -> Sequence[str] | None:
        found = groups.tree(name)
        return None if found is None else [one.name(name) for one in found.members]

    def aggregate(self, name: str, results: Mapping[str, "Result"]) -> Sequence[Aggregate]:
        return list(groups.aggregated(name, results))

    def make(self, name: str) -> "LmEvalTask":
        """raises: UnknownNameError; InputError, DataError for a file that defines no task"""
        if (found := groups.member(name)) is not None:
            member, files = found
            made = read_member(member.path, member.overrides, files, own=member.own)
            return replace(task_of(made), name=member.name(name.rpartition("/")[0]))
        if name.endswith(".yaml"):
            return task_of(read(Path(name).expanduser()))
        path = catalog.path_of(name)
        if path is None:
            raise catalog.unknown(name)
        return task_of(read(path))


def task_of(definition: Definition) -> "LmEvalTask":
    """The task that a YAML file defines. Loads no data.

    raises: InputError if it is a class that cannot be loaded
    """
    return LmEvalTask(
        name=f"lm-eval:{definition.name}", definition=definition, asks=(definition.asks,),
        description=f"{definition.config.get('output_type', 'generate_until')} of lm-evaluation-harness",
    )  # fmt: skip


@cache
def lm_eval_version() -> str:
    from importlib.metadata import version

    return version("lm_eval")


@dataclass(frozen=True, kw_only=True)
class LmEvalTask(SelfPrompted, Dependent):
    """A task as lm-eval's own object asks and scores it."""

    name: str
    definition: Definition
    asks: Sequence[str]
    description: str = ""
    metrics: Sequence[str] = (METRIC,)
    language: str = "und"
    """Undetermined: lm-eval does not say."""
    how: Prompting = field(default_factory=Prompting)
    shots: int = 0
    repeats: int = 1
    """Texts for each document, where its file wants several: its filters make one answer of them."""
    drawn: bool = False
    measures: Sequence[Measure] = ()
    """What its scores are, once its documents are known."""
    documents: "Documents | None" = field(default=None, compare=False, repr=False)

    def prompted(self, how: Prompting) -> "LmEvalTask":
        """raises: InputError for what no request carries, or what runs code that nobody trusts"""
        wrong = [need for need in self.definition.needs if not need.startswith("to run")]
        if wrong:
            raise InputError(f"{self.name} asks about {' and '.join(wrong)}, which no request carries")
        if self.definition.needs and not how.trust_remote_code:
            raise InputError(f"{self.name} wants {self.definition.needs[0]}", "whoever lets it says --trust-remote-code")
        return replace(self, how=how)

    def load(self, source: Source) -> Dataset:
        """Its documents, of the hub, or in the same columns in `source`; with lm-eval's own requests of them."""
        from .data import build
        from .source import own_place

        where = None if source.data is None else own_place(source.data, self.definition.name)
        return build(self.definition, replace(source, data=where), self.how)

    def bind(self, data: Dataset) -> "LmEvalTask":
        from .data import Documents

        if not isinstance(data, Documents):
            return self
        return replace(
            self, documents=data, measures=tuple(data.measures), shots=data.shots, repeats=data.repeats, drawn=data.drawn
        )  # fmt: skip

    def as_run(self, facts: Mapping[str, Any]) -> "LmEvalTask":
        """With the scores and shots of that run: it can be compared and verified without its documents."""
        own, how = facts.get("lm_eval", {}), Prompting(**facts.get("prompted", {}))
        measures = tuple(Measure(**one) for one in own.get("measures", ()))
        return replace(self, measures=measures, shots=own.get("num_fewshot", 0), how=how)

    def ask(self, example: Example, kind: str) -> Request:
        return as_request(example.inputs)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """scores: "scored", 1 where choices were scored against one another, so that there is no likelihood of a text"""
        scored = any(isinstance(one, ChooseAnswer) and one.scored for one in request.apart(answer))
        return Prediction(value=as_value(request, answer), scores={"scored": 1.0} if scored else {})

    def show(self, example: Example, prediction: Prediction) -> str:
        """The text, or the likeliest of the choices."""
        told = example.inputs.get("requests", [example.inputs])
        said = prediction.value if "requests" in example.inputs else [prediction.value]
        if all(one["ask"] == "Choose" for one in told):
            pairs = [
                (ll, choice)
                for one, found in zip(told, said, strict=True)
                for (ll, _), choice in zip(found, one["choices"], strict=True)
            ]
            if len(pairs) > 1:
                return str(max(pairs, key=lambda pair: pair[0])[1]).strip()
        return " | ".join(map(str, said))

    def solve(self, example: Example, request: Request) -> Answer:
        """raises: InputError where nobody can tell the right answer"""
        right = example.reference.get("gold")
        if right is None or not isinstance(request, Several):
            return _solved(request, example.reference, 0 if right is None else right[0] if right else -1)
        answers, before = [], 0
        for one in request.each():
            answers.append(_solved(one, example.reference, right[0] - before if right else -1))
            before += len(one.choices) if isinstance(one, Choose) else 0
        return SeveralAnswer(answers=tuple(answers))

    def config(self) -> dict[str, Any]:
        own = {
            "version": lm_eval_version(), "files": self.definition.digest, "task_version": self.definition.version,
            "num_fewshot": self.shots, "measures": [asdict(one) for one in self.measures],
        }  # fmt: skip
        return {**super().config(), "lm_eval": own}


def _solved(request: Request, reference: Mapping[str, Any], right: int) -> Answer:
    """right: the place of the choice that is right"""
    target = reference["target"]
    if isinstance(request, Choose):
        found = [
            Likelihood(
                log_likelihood=0.0 if place == right else -100.0, tokens=1, bytes=len(text.encode()), greedy=place == right
            )
            for place, text in enumerate(request.choices)
        ]
        return ChooseAnswer(choices=tuple(found))
    if isinstance(request, Generate):
        text = target[0] if isinstance(target, list) and target else target
        if not isinstance(text, str):
            raise InputError("what should be written is not told by its target, so that nothing can be learned")
        return GenerateAnswer(text=text)
    text = " ".join(request.texts())
    return LogLikelihoodAnswer(log_likelihood=0.0, tokens=1, words=len(text.split()), bytes=len(text.encode()))
