"""A task, a model and a metric without a fault, and faults that the conformance kit is to find, each by its own check."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from plmtasks import hookimpl
from plmtasks.config import ModelSettings, Source
from plmtasks.data import Dataset
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric, ScoreInfo
from plmtasks.model import Cost, LoadedModel, Model, TrainableModel
from plmtasks.requests import (
    Answer,
    Classify,
    ClassifyAnswer,
    ExtractSpan,
    ExtractSpanAnswer,
    Generate,
    GenerateAnswer,
    Request,
    Span,
    Tag,
    TagAnswer,
)
from plmtasks.task import Rewritable

THINGS = ("letter", "basket", "lamp", "glass", "piano", "violin")
PEOPLE = ("nurse", "pilot", "farmer", "singer")
KINDS = ("food", "tool")


# ── a task ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Found(Rewritable):
    """What did somebody find, and does its name have an even number of letters?"""

    name: str = "planted/found"
    asks: Sequence[str] = ("ExtractSpan", "Classify")
    metrics: Sequence[str] = ("planted_right",)
    labels: tuple[str, ...] = KINDS
    fields: Sequence[str] = ("text", "thing")
    texts: Sequence[str] = ("text",)

    def load(self, source: Source) -> Dataset:
        readers = {"train": lambda: self.rows("train", 12), "validation": lambda: self.rows("validation", 24)}
        return Dataset(name="planted", readers=readers, published=True)

    def rows(self, split: str, size: int) -> list[Example]:
        return [self.row(split, i) for i in range(size)]

    def row(self, split: str, i: int) -> Example:
        thing, person = THINGS[i % len(THINGS)], PEOPLE[i // len(THINGS) % len(PEOPLE)]
        text = f"{split} {i} : the {person} found the {thing} today"
        start = text.index(thing)
        reference = {"start": start, "end": start + len(thing), "kind": KINDS[len(thing) % 2]}
        return Example(id=f"{split}-{i}", inputs={"text": text, "thing": "it"}, reference=reference)

    def ask(self, example: Example, kind: str) -> Request:
        text = example.inputs["text"]
        if kind == "Classify":
            return Classify(text=text, labels=self.labels)
        return ExtractSpan(question="what was found ?", context=text)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        if isinstance(answer, ClassifyAnswer):
            best = max(range(len(self.labels)), key=answer.scores.__getitem__)
            return Prediction(value=self.labels[best], scores={"confidence": answer.scores[best]})
        assert isinstance(answer, ExtractSpanAnswer)
        return Prediction(value=[answer.spans[0].start, answer.spans[0].end])

    def solve(self, example: Example, request: Request) -> Answer:
        r = example.reference
        if isinstance(request, Classify):
            return ClassifyAnswer(scores=tuple(float(label == r["kind"]) for label in request.labels))
        return ExtractSpanAnswer(spans=(Span(start=r["start"], end=r["end"], score=1.0),))


class OffByOne(Found):
    def read(self, example, request, answer):
        found = super().read(example, request, answer)
        return Prediction(value=[v + 1 for v in found.value]) if isinstance(found.value, list) else found


class LabelsTurned(Found):
    def solve(self, example, request):
        answer = super().solve(example, request)
        return ClassifyAnswer(scores=answer.scores[::-1]) if isinstance(answer, ClassifyAnswer) else answer


class DoubledIds(Found):
    def rows(self, split, size):
        return [replace(e, id=f"{split}-{i // 2}") for i, e in enumerate(super().rows(split, size))]


class CountedIds(Found):
    """Ids that go on from load to load."""

    read_so_far: ClassVar[list[int]] = [0]

    def row(self, split, i):
        self.read_so_far[0] += 1
        return replace(super().row(split, i), id=f"{split}-{i}-{self.read_so_far[0]}")


class SetOrder(Found):
    """Examples in the order of a set of texts, which is another in every process."""

    def rows(self, split, size):
        found = {e.id: e for e in super().rows(split, size)}
        return [found[id_] for id_ in set(found)]


@dataclass(frozen=True)
class TuplesInInputs(Found):
    fields: Sequence[str] = ("text",)

    def row(self, split, i):
        made = super().row(split, i)
        return replace(made, inputs={**made.inputs, "words": tuple(made.inputs["text"].split())})


class ReferenceAsked(Found):
    """Asks about the reference where it sees one."""

    def ask(self, example, kind):
        request = super().ask(example, kind)
        told = f" ({example.reference['kind']})" if example.reference else ""
        return replace(request, text=request.text + told) if isinstance(request, Classify) else request


@dataclass(frozen=True)
class ReferenceRemembered(Found):
    """Keeps the references that it loads, and asks with them."""

    fields: Sequence[str] = ()
    known: ClassVar[dict[str, str]] = {}

    def row(self, split, i):
        made = super().row(split, i)
        self.known[made.inputs["text"]] = made.reference["kind"]
        return made

    def ask(self, example, kind):
        request = super().ask(example, kind)
        if not isinstance(request, Classify):
            return request
        return replace(request, text_pair=f"surely {self.known[example.inputs['text']]}")


class ReferenceGiven(Found):
    """The loader puts the reference among the inputs."""

    def row(self, split, i):
        made = super().row(split, i)
        return replace(made, inputs={**made.inputs, "answer": made.reference})


class ReferencePeeked(Found):
    """Reads the reference where it sees one."""

    def read(self, example, request, answer):
        found = super().read(example, request, answer)
        return replace(found, scores={**found.scores, "seen": float(example.reference is not None)})


class AsksOfTheLast(Found):
    """Asks with what was asked before."""

    last: ClassVar[list[str]] = ["", ""]

    def ask(self, example, kind):
        request = super().ask(example, kind)
        if example.inputs["text"] != self.last[1]:
            self.last[:] = [self.last[1], example.inputs["text"]]
        return replace(request, text_pair=self.last[0]) if isinstance(request, Classify) else request


@dataclass(frozen=True)
class OtherKind(Found):
    asks: Sequence[str] = ("ExtractSpan", "Classify", "Generate")


class WordsAsList(Found):
    """Labels in a list, which JSON gives back as a tuple."""

    def ask(self, example, kind):
        request = super().ask(example, kind)
        return replace(request, labels=list(request.labels)) if isinstance(request, Classify) else request


class ScoresAsList(Found):
    def solve(self, example, request):
        answer = super().solve(example, request)
        return ClassifyAnswer(scores=list(answer.scores)) if isinstance(answer, ClassifyAnswer) else answer


class LabelsUntold(Found):
    def config(self):
        return {"name": self.name, "version": self.version, "language": self.language}


class FactsOfNoField(Found):
    """Knows a size from its data, and has no field for it."""

    size = 0

    def bind(self, data):
        bound = replace(self)
        object.__setattr__(bound, "size", len(data["train"]))
        return bound

    def config(self):
        return {**super().config(), "size": self.size}


class NamedByName(Dataset):
    def fingerprint(self, split):
        return self.name + split


class FingerprintOfTheName(Found):
    def load(self, source):
        return NamedByName(name="planted", readers=super().load(source).readers, published=True)


class SharedExample(Found):
    def rows(self, split, size):
        return [*super().rows(split, size), super().row("shared", 0)]


@dataclass(frozen=True)
class UnknownMetric(Found):
    metrics: Sequence[str] = ("planted_right", "planted_wrong")


@dataclass(frozen=True)
class UnknownTexts(Found):
    texts: Sequence[str] = ("sentence",)


class PosedOtherwise(Found):
    def pose(self, row, id):
        return Example(id=id, inputs={**super().pose(row, id).inputs, "text": row["text"].upper()})


class AnythingPosed(Found):
    def pose(self, row, id):
        return Example(id=id, inputs={"text": "", **row})


class ScoresLost(Found):
    def read_predictions(self, path, examples):
        return {id_: Prediction(value=p.value) for id_, p in super().read_predictions(path, examples).items()}


@dataclass(frozen=True)
class NeedsAWord(Found):
    """Reads the first word of a text, as if there always were one."""

    asks: Sequence[str] = ("Generate", "ExtractSpan", "Classify")

    def ask(self, example, kind):
        return Generate(text=example.inputs["text"]) if kind == "Generate" else super().ask(example, kind)

    def read(self, example, request, answer):
        if isinstance(answer, GenerateAnswer):
            return Prediction(value=answer.text.split()[0])
        return super().read(example, request, answer)

    def solve(self, example, request):
        if isinstance(request, Generate):
            return GenerateAnswer(text=example.reference["kind"])
        return super().solve(example, request)


TASKS: Sequence[tuple[type[Found], str]] = (
    (OffByOne, "solved_answers_are_best"),
    (LabelsTurned, "solved_answers_are_best"),
    (DoubledIds, "ids_are_unique"),
    (CountedIds, "loading_twice_gives_the_same"),
    (SetOrder, "another_process_sees_the_same"),
    (TuplesInInputs, "examples_survive_json"),
    (ReferenceAsked, "asking_sees_no_reference"),
    (ReferenceRemembered, "requests_hold_no_reference"),
    (ReferenceGiven, "inputs_hold_no_reference"),
    (ReferencePeeked, "reading_sees_no_reference"),
    (AsksOfTheLast, "order_and_limit_change_no_request"),
    (OtherKind, "requests_survive_json"),
    (WordsAsList, "requests_survive_json"),
    (ScoresAsList, "answers_survive_json"),
    (LabelsUntold, "facts_tell_what_it_is"),
    (FactsOfNoField, "facts_give_the_task_back"),
    (FingerprintOfTheName, "fingerprint_changes_with_the_data"),
    (SharedExample, "splits_share_no_example"),
    (UnknownMetric, "names_are_known"),
    (UnknownTexts, "perturbed_fields_are_inputs"),
    (PosedOtherwise, "new_questions_are_asked"),
    (AnythingPosed, "new_questions_are_asked"),
    (NeedsAWord, "unfinished_thinking_is_no_answer"),
    (ScoresLost, "predictions_come_back_from_a_file"),
)
"""A faulty task, and the check that is to find its fault."""


# ── models ────────────────────────────────────────────────────────────────────────────────────────────────────────

BUCKETS = 256
"""Words that have a weight of their own, by a hash of theirs."""


@dataclass(frozen=True)
class Bag(Model):
    """Words without their order, and a weight for each of them and each label."""

    name: str = "planted-bag"
    answers: Sequence[str] = ("Classify", "Tag")
    folder: Path | None = None
    recommended = {"learning_rate": 0.1}

    def saved(self, folder: Path) -> Model:
        return replace(self, folder=folder)

    def newly_initialized(self, example_request: Request) -> bool:
        return self.folder is None

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"seed": settings.seed} if self.folder is None else {"weights": zlib.crc32(self.file().read_bytes())}

    def file(self) -> Path:
        assert self.folder is not None
        return self.folder / "weights.safetensors"

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        return LoadedBag(self, example_request, self.weights(example_request, settings))

    def weights(self, example_request: Request, settings: ModelSettings) -> Any:
        import torch
        from safetensors.torch import load_file

        if self.folder is not None:
            return load_file(self.file())["weight"]
        return torch.randn(BUCKETS, len(example_request.labels), generator=torch.Generator().manual_seed(settings.seed))

    # what faults change

    def scores(self, logits: Any) -> list[tuple[float, ...]]:
        return [tuple(row) for row in logits.double().softmax(-1).tolist()]

    def legal(self, labels: Sequence[str]) -> tuple[str, ...]:
        stray = [
            label.startswith("I-") and before[1:] != label[1:] for before, label in zip(("O", *labels), labels, strict=False)
        ]
        return tuple(f"B{label[1:]}" if alone else label for alone, label in zip(stray, labels, strict=True))

    def ordered(self, requests: Sequence[Request], answers: list[Answer]) -> list[Answer]:
        return answers

    def together(self, bags: list[Any]) -> list[Any]:
        return bags

    def widths(self, requests: Sequence[Request]) -> list[int]:
        return [len(words(r)) for r in requests]

    def loss(self, losses: Any) -> Any:
        return losses.sum()

    def kept(self, weight: Any) -> Any:
        return weight


def words(request: Request) -> Sequence[str]:
    return request.words if isinstance(request, Tag) else request.text.split()


class LoadedBag(TrainableModel):
    def __init__(self, model: Bag, example_request: Request, weight: Any) -> None:
        import torch

        self.model, self.labels = model, example_request.labels
        self.module = torch.nn.Linear(BUCKETS, len(self.labels), bias=False)
        self.module.weight.data = weight.T.contiguous()
        self.newly_initialized = ("weight",) if model.folder is None else ()

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [Cost(width=width) for width in self.model.widths(requests)]

    def bags(self, request: Request) -> Any:
        """Which words there are: (1, BUCKETS) in a text, (words, BUCKETS) one by one."""
        import torch

        places = torch.tensor([zlib.crc32(word.encode()) % BUCKETS for word in words(request)])
        each = torch.nn.functional.one_hot(places, BUCKETS).float()
        return each if isinstance(request, Tag) else each.mean(0, keepdim=True)

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        import torch

        with torch.no_grad():
            found = [self.module(bags) for bags in self.model.together([self.bags(r) for r in requests])]
        return self.model.ordered(requests, [self.answered(r, logits) for r, logits in zip(requests, found, strict=True)])

    def answered(self, request: Request, logits: Any) -> Answer:
        if isinstance(request, Tag):
            return TagAnswer(labels=self.model.legal([self.labels[i] for i in logits.argmax(-1).tolist()]))
        return ClassifyAnswer(scores=self.model.scores(logits)[0])

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[Any, float]:
        import torch

        rows = torch.cat([self.module(self.bags(r)) for r in requests])
        right = [
            self.labels.index(label) for a in answers
            for label in (a.labels if isinstance(a, TagAnswer) else [self.labels[a.scores.index(1.0)]])
        ]  # fmt: skip
        losses = torch.nn.functional.cross_entropy(rows, torch.tensor(right), reduction="none")
        return self.model.loss(losses), len(right)

    def save(self, folder: Path, state: Any = None) -> None:
        from safetensors.torch import save_file

        save_file({"weight": self.model.kept(self.module.weight.detach().T.contiguous())}, folder / "weights.safetensors")


class ScoresOfAnySum(Bag):
    def scores(self, logits):
        return [tuple(row) for row in logits.double().sigmoid().tolist()]


class IllegalTags(Bag):
    def legal(self, labels):
        return ("I-ARG1", *labels[1:])


class SeesTheBatch(Bag):
    """Takes the batch's mean away, as some normalizations do."""

    def together(self, bags):
        import torch

        mean = torch.cat(bags).mean(0)
        return [bag - mean for bag in bags]


class OutOfPlace(Bag):
    """Sorts a batch, and gives its answers as they were sorted."""

    def ordered(self, requests, answers):
        return answers if requests[0].key() <= requests[-1].key() else answers[::-1]


class ListsInAnswers(Bag):
    def scores(self, logits):
        return [list(row) for row in super().scores(logits)]


class Unseeded(Bag):
    drawn: ClassVar[list[int]] = [0]

    def weights(self, example_request, settings):
        self.drawn[0] += self.folder is None
        return super().weights(example_request, replace(settings, seed=self.drawn[0]))


class SeedUntold(Bag):
    def identity(self, example_request, settings):
        return super().identity(example_request, replace(settings, seed=0))


class IdentityByHash(Bag):
    def identity(self, example_request, settings):
        return {**super().identity(example_request, settings), "name": hash(self.name)}


class HeavyIdentity(Bag):
    def identity(self, example_request, settings):
        import torch

        return {**super().identity(example_request, settings), "threads": torch.__version__}


class FreshUntold(Bag):
    def newly_initialized(self, example_request):
        return False


@dataclass(frozen=True)
class PromisesMore(Bag):
    answers: Sequence[str] = ("Classify", "Tag", "Draw")


class AnyLengthCosts(Bag):
    def widths(self, requests):
        return [64 for _ in requests]


class FirstPays(Bag):
    """Who comes first pays for what all have in common."""

    def widths(self, requests):
        return [len(words(r)) + 5 * (i == 0) for i, r in enumerate(requests)]


class LearnsNothing(Bag):
    def loss(self, losses):
        return losses.sum().detach() + 0 * losses.sum()


class MeanLoss(Bag):
    def loss(self, losses):
        return losses.mean()


class SavesOther(Bag):
    def kept(self, weight):
        return weight.flip(1).contiguous()


@dataclass(frozen=True)
class Echo(Model):
    """Says the text once more, as far as it may."""

    name: str = "planted-echo"
    answers: Sequence[str] = ("Generate",)

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"version": self.version}

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        return LoadedEcho(self)

    def cut(self, request: Generate, text: str) -> str:
        text = " ".join(text.split()[: request.max_new_tokens])
        for stop in request.stop:
            text = text.partition(stop)[0]
        return text


class LoadedEcho(LoadedModel):
    def __init__(self, model: Echo) -> None:
        self.model = model

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [Cost(width=len(words(r))) for r in requests]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        return [GenerateAnswer(text=self.model.cut(r, r.text)) for r in requests]


class NeverStops(Echo):
    def cut(self, request, text):
        return super().cut(replace(request, stop=()), text)


class NeverEnds(Echo):
    def cut(self, request, text):
        return super().cut(replace(request, max_new_tokens=10**6), text)


MODELS: Sequence[tuple[type[Model], str]] = (
    (ScoresOfAnySum, "answers_are_well_formed"),
    (IllegalTags, "answers_are_well_formed"),
    (SeesTheBatch, "neighbours_change_nothing"),
    (OutOfPlace, "order_changes_nothing"),
    (ListsInAnswers, "answers_survive_json"),
    (Unseeded, "the_same_batch_gives_the_same_bytes"),
    (SeedUntold, "identity_holds_the_seed"),
    (IdentityByHash, "identity_is_the_same_everywhere"),
    (HeavyIdentity, "importing_is_light"),
    (FreshUntold, "newly_initialized_weights_are_told"),
    (PromisesMore, "every_promised_kind_is_answered"),
    (AnyLengthCosts, "longer_texts_cost_more"),
    (FirstPays, "costs_depend_on_the_requests_alone"),
    (LearnsNothing, "loss_falls"),
    (MeanLoss, "losses_add_up"),
    (SavesOther, "saved_and_loaded_it_answers_the_same"),
    (NeverStops, "generated_texts_end_in_time"),
    (NeverEnds, "generated_texts_end_in_time"),
)
"""A faulty model, and the check that is to find its fault."""


# ── a metric ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Right(Metric):
    """How many predictions are right, and how many are not."""

    name = "planted_right"
    infos = {
        "accuracy": ScoreInfo(mean_of="right"), "wrong": ScoreInfo(best=0.0, higher_is_better=False),
        "repeated": ScoreInfo(best=None),
    }  # fmt: skip

    def scores(self):
        return self.infos

    def columns(self):
        return ("right", "repeated", "n")

    def statistics(self, predictions, examples):
        import numpy as np

        rows = [self.row(p.value, e.reference) for p, e in zip(predictions, examples, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(-1, 3)

    def row(self, value, reference):
        return [value in (reference["kind"], [reference["start"], reference["end"]]), 0, 1]

    def reduce(self, totals):
        import numpy as np

        with np.errstate(invalid="ignore"):
            right, repeated = totals[..., 0] / totals[..., 2], totals[..., 1] / totals[..., 2]
        return {"accuracy": 100 * right, "wrong": 100 * (1 - right), "repeated": 100 * repeated}


class CountsNeighbours(Right):
    """Counts what was predicted just before, too."""

    def statistics(self, predictions, examples):
        rows = super().statistics(predictions, examples)
        rows[1:, 1] = [p.value == q.value for p, q in pairwise(predictions)]
        return rows


class Whole(Right):
    def statistics(self, predictions, examples):
        return super().statistics(predictions, examples).astype(int)


class Marks(Right):
    """Leaves its marks on the predictions."""

    def statistics(self, predictions, examples):
        for p in predictions:
            p.scores["counted"] = p.scores.get("counted", 0) + 1
        return super().statistics(predictions, examples)


class Undeclared(Right):
    def reduce(self, totals):
        return {**super().reduce(totals), "examples": totals[..., 2]}


class OneAtATime(Right):
    def reduce(self, totals):
        import numpy as np

        return {name: np.float64(np.ravel(values)[0]) for name, values in super().reduce(totals).items()}


class Bounded(Right):
    infos = {**Right.infos, "accuracy": ScoreInfo(best=1.0, maximum=1.0, mean_of="right")}


class Turned(Right):
    infos = {**Right.infos, "accuracy": ScoreInfo(higher_is_better=False, mean_of="right")}


class NoRows(Right):
    def statistics(self, predictions, examples):
        import numpy as np

        return super().statistics(predictions, examples) if predictions else np.array([])


class WarnsOfNothing(Right):
    def reduce(self, totals):
        right = totals[..., 0] / totals[..., 2]
        return {"accuracy": 100 * right, "wrong": 100 * (1 - right), "repeated": 0 * right}


class AnotherMean(Right):
    infos = {**Right.infos, "accuracy": ScoreInfo(mean_of="n")}


class SignedByTheCall(Right):
    calls: ClassVar[list[int]] = [0]

    def signature(self):
        self.calls[0] += 1
        return f"call {self.calls[0]}"


class Weighs(Right):
    """Values that depend on all that is there: of a selection they are others than of its pairs alone."""

    infos = {**Right.infos, "share": ScoreInfo(best=None, maximum=None)}

    def compute(self, predictions, examples):
        return {"share": 100 / len(examples)} if examples else {}

    def selected(self, predictions, examples):
        found = self.compute(predictions, examples)
        return lambda positions: found


class Generous(Right):
    """A beginning is enough."""

    def row(self, value, reference):
        right, *others = super().row(value, reference)
        return [right or (isinstance(value, str) and reference["kind"].startswith(value)), *others]


METRICS: Sequence[tuple[type[Metric], str]] = (
    (CountsNeighbours, "rows_do_not_depend_on_others"),
    (Whole, "statistics_have_their_shape"),
    (Marks, "statistics_change_nothing"),
    (Undeclared, "scores_are_those_declared"),
    (OneAtATime, "reducing_takes_leading_axes"),
    (Bounded, "bounds_hold"),
    (Turned, "perfect_is_best"),
    (NoRows, "nothing_to_score_has_no_score"),
    (WarnsOfNothing, "nothing_to_score_has_no_score"),
    (AnotherMean, "means_are_means"),
    (SignedByTheCall, "signature_tells_how"),
    (Weighs, "selecting_is_computing"),
    (Generous, "agrees_with_others"),
)
"""A faulty metric, and the check that is to find its fault."""


@hookimpl
def register_tasks():
    return [Found()]


@hookimpl
def register_models():
    return [Bag(), Echo()]


@hookimpl
def register_metrics():
    return [Right()]
