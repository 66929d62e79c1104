"""What holds for every model."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..config import Generation, ModelSettings, TrainSettings
from ..data import events
from ..errors import InputError
from ..model import LoadedModel, Model
from ..requests import Answer, Generate, Request, to_json
from ..training import resolve
from .checks import CheckFailed, NotApplicable, elsewhere, expect, is_light, laws, survives_json
from .solved import close, solved, wrong_with

STEPS = 12
"""Updates in which the loss is to fall."""


@dataclass(frozen=True, kw_only=True)
class ModelSubject:
    """A model, and what it is asked and trained on."""

    model: Model
    settings: ModelSettings = field(default_factory=lambda: ModelSettings(dtype="float32", threads=1, batch_tokens=4096))
    device: str = "cpu"
    solved: Mapping[str, Sequence[tuple[Request, Answer]]] = field(default_factory=dict)
    """kind → some ten requests with the answers of a perfect model; built-in kinds have theirs."""
    tolerance: float = 1e-4
    """The largest difference between numbers of an answer given alone and among others, relative to 1 or to the number."""
    _loaded: dict[str, LoadedModel] = field(default_factory=dict, init=False, repr=False, compare=False)
    _trained: dict[str, "Trained"] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def questions(self) -> Mapping[str, Sequence[tuple[Request, Answer]]]:
        """kind → requests and their answers, of the kinds that the model promises and that there is something to ask of"""
        found = {kind: self.solved[kind] if kind in self.solved else solved(kind) for kind in self.model.answers}
        return {kind: pairs for kind, pairs in found.items() if pairs}

    def requests(self, kind: str) -> list[Request]:
        return [request for request, _ in self.questions[kind]]

    def example_request(self, kind: str) -> Request:
        return self.questions[kind][0][0]

    @cached_property
    def ready(self) -> Model:
        """The model with weights: made first, if it has none."""
        if not self.model.from_scratch:
            return self.model
        asked = [text for kind in self.questions for request in self.requests(kind) for text in request.texts()]
        return self.model.make([*asked, *(e.english() for e in events("train"))], 0, self.folder / "made")

    @cached_property
    def folder(self) -> Path:
        """Where checkpoints are kept; it goes with the subject."""
        return Path(self._kept.name)

    @cached_property
    def _kept(self) -> "TemporaryDirectory[str]":
        return TemporaryDirectory(prefix="plmtasks-")

    def load(self, kind: str, **changes: Any) -> LoadedModel:
        """The model in memory once more, with other settings."""
        return self.ready.load(self.example_request(kind), replace(self.settings, **changes), self.device)

    def loaded(self, kind: str) -> LoadedModel:
        """The model in memory, loaded once."""
        if kind not in self._loaded:
            self._loaded[kind] = self.load(kind)
        return self._loaded[kind]

    @cached_property
    def answers(self) -> Mapping[str, list[Answer]]:
        """kind → what the model answers to all requests at once"""
        return {kind: self.loaded(kind).answer(self.requests(kind)) for kind in self.questions}

    def each(self) -> Iterator[tuple[str, Request, Answer]]:
        for kind, answers in self.answers.items():
            for request, answer in zip(self.requests(kind), answers, strict=True):
                yield kind, request, answer

    def trained(self, kind: str) -> "Trained":
        """The model after it learned ten requests of this kind.

        raises: NotApplicable if it cannot be trained
        """
        if kind not in self._trained:
            self._trained[kind] = _train(self, kind)
        return self._trained[kind]

    @cached_property
    def place(self) -> tuple[Model, Sequence[Request], ModelSettings]:
        """What its identities follow from."""
        return self.ready, [self.example_request(kind) for kind in self.questions], self.settings

    @cached_property
    def elsewhere(self) -> dict[str, Any]:
        return elsewhere(self.place, identities)


@dataclass(frozen=True)
class Trained:
    """A model that learned ten requests by heart."""

    losses: Sequence[float]
    """The mean loss of each update; none where all was learned at once."""
    sums: Sequence[float]
    """Summed losses before it learned: of all twice, and of both halves."""
    answers: Sequence[Answer]
    """Afterwards, in memory; of a model that learns at once, loaded."""
    saved: Model
    """From its checkpoint."""


def _train(subject: ModelSubject, kind: str) -> Trained:
    import torch

    requests, answers = subject.requests(kind), [answer for _, answer in subject.questions[kind]]
    training = resolve(TrainSettings(), subject.ready, subject.settings, subject.device)
    folder = subject.folder / kind
    if subject.ready.learns_by is not None:
        for place in (folder, again := subject.folder / f"{kind} again"):
            subject.ready.learn(requests, answers, training, place)
        saved = subject.ready.saved(folder)
        one, two = (model.identity(requests[0], subject.settings) for model in (saved, subject.ready.saved(again)))
        expect(one == two, f"{kind}: it learned the same twice, and has another identity", {"first": one, "then": two})
        return Trained((), (), saved.load(requests[0], subject.settings, subject.device).answer(requests), saved)
    try:
        [view] = subject.ready.learner(requests[:1], subject.settings, training, subject.device)
    except InputError as e:
        raise NotApplicable(e.message) from e
    torch.manual_seed(0)
    half = len(requests) // 2
    view.module.eval()
    parts = [(requests, answers), (requests, answers), (requests[:half], answers[:half]), (requests[half:], answers[half:])]
    sums = [float(view.loss(asked, right)[0].detach()) for asked, right in parts]
    optimizer = torch.optim.AdamW((p for p in view.module.parameters() if p.requires_grad), lr=training.learning_rate or 1e-3)
    losses = []
    view.module.train()
    for _ in range(STEPS):
        loss, count = view.loss(requests, answers)
        expect(loss.shape == () and loss.requires_grad and count > 0, f"{kind}: a loss is a scalar with gradient and a count")
        torch.autograd.backward(loss / count)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()) / count)
    folder.mkdir()
    view.save(folder)
    return Trained(losses, sums, view.answer(requests), subject.ready.saved(folder))


def identities(place: tuple[Model, Sequence[Request], ModelSettings]) -> Any:
    """The model's identity for each form, as JSON."""
    model, example_requests, settings = place
    return json.loads(json.dumps([model.identity(example_request, settings) for example_request in example_requests]))


def importing_is_light(subject: ModelSubject) -> None:
    """Importing it and taking its identity loads no torch, transformers, datasets or numpy."""
    is_light(subject.ready)
    heavy = subject.elsewhere["heavy"]
    expect(not heavy, f"identity() loads {', '.join(heavy)}")


def identity_is_the_same_everywhere(subject: ModelSubject) -> None:
    """Its identity is JSON, and the same in another process."""
    try:
        here = identities(subject.place)
    except TypeError as e:
        raise CheckFailed(f"identity() is no JSON: {e}") from e
    there = subject.elsewhere["seen"]
    expect(here == there, "identity() is another in another process", {"here": here, "there": there})


def identity_holds_the_seed(subject: ModelSubject) -> None:
    """Where another seed gives other answers, newly initialized weights' or drawn tokens', it gives another identity."""
    for kind in subject.questions:
        drawn = [Generation(), Generation(temperature=1.0)] if kind == Generate.kind() else [Generation()]
        for generation in drawn:
            changes: list[dict[str, Any]] = [{"generation": generation, "seed": seed} for seed in (1, 2)]
            one, two = (subject.ready.identity(subject.example_request(kind), replace(subject.settings, **c)) for c in changes)
            if one == two:
                first, second = (subject.load(kind, **change).answer(subject.requests(kind)) for change in changes)
                expect(first == second, f"{kind}: seeds 1 and 2 give other answers and the same identity", one)


def newly_initialized_weights_are_told(subject: ModelSubject) -> None:
    """Where weights are newly initialized, `newly_initialized` says so before anything is loaded."""
    for kind in subject.questions:
        foretold = subject.ready.newly_initialized(subject.example_request(kind))
        names = subject.loaded(kind).newly_initialized
        expect(foretold or not names, f"{kind}: fresh() says no, and these weights are newly initialized: {', '.join(names)}")


# ── answering ─────────────────────────────────────────────────────────────────────────────────────────────────────


def every_promised_kind_is_answered(subject: ModelSubject) -> None:
    """It answers every kind of request that it promises, each with its type of answer."""
    expect(subject.model.answers, "it promises to answer no kind of request")
    missing = [kind for kind in subject.model.answers if kind not in subject.questions]
    expect(not missing, f"there is nothing to ask it by {', '.join(missing)}: give requests with their answers")
    for kind in subject.model.answers:
        requests, answers = subject.requests(kind), subject.loaded(kind).answer(subject.requests(kind))
        expect(len(answers) == len(requests), f"{kind}: {len(requests)} requests get {len(answers)} answers")
        for r, a in zip(requests, answers, strict=True):
            found, wanted = type(a), r.answer_type
            expect(found is wanted, f"{kind}: the answer is a {found.__name__}, not {wanted.__name__}", to_json(r))


def answers_are_well_formed(subject: ModelSubject) -> None:
    """Every answer is what its type says: probabilities that sum to 1, legal tags, spans in the context, likelihoods below 1."""
    for kind, request, answer in subject.each():
        complaint = wrong_with(request, answer)
        expect(not complaint, f"{kind}: {complaint}", {"request": to_json(request), "answer": to_json(answer)})


def answers_survive_json(subject: ModelSubject) -> None:
    """Every answer comes back from the journal as it was."""
    for kind, _, answer in subject.each():
        survives_json(answer, f"{kind}: an answer", repr(answer))


def neighbours_change_nothing(subject: ModelSubject) -> None:
    """An answer is the same alone and among others in the batch, within the tolerance."""
    for kind, answers in subject.answers.items():
        alone = [a for request in subject.requests(kind) for a in subject.loaded(kind).answer([request])]
        said = "neighbours in the batch change an answer"
        _compare(subject, kind, said, {"alone": alone, "among others": answers}, subject.tolerance)


def order_changes_nothing(subject: ModelSubject) -> None:
    """An answer is the same wherever in the batch its request stands, and comes in its place, within the tolerance."""
    for kind, answers in subject.answers.items():
        turned = subject.loaded(kind).answer(subject.requests(kind)[::-1])[::-1]
        said = "the order in the batch changes an answer"
        _compare(subject, kind, said, {"in order": answers, "turned around": turned}, subject.tolerance)


def the_same_batch_gives_the_same_bytes(subject: ModelSubject) -> None:
    """Asked again, and loaded again, it answers the same batch with the very same values."""
    for kind, answers in subject.answers.items():
        for what, loaded in (("asked", subject.loaded(kind)), ("loaded", subject.load(kind))):
            again = loaded.answer(subject.requests(kind))
            _compare(subject, kind, f"{what} again, it gives another answer", {"first": answers, "then": again})


def generated_texts_end_in_time(subject: ModelSubject) -> None:
    """A generated text ends before the stops of its request, and has no more words than tokens were allowed."""
    if Generate.kind() not in subject.questions:
        raise NotApplicable("it generates no texts")
    requests: list[Any] = subject.requests(Generate.kind())
    texts = [_text(a) for a in subject.answers[Generate.kind()]]
    short = [replace(r, max_new_tokens=1) for r in requests]
    stopped = [replace(r, stop=(t[len(t) // 2],)) for r, t in zip(requests, texts, strict=True) if t]
    for r, text in _written(subject, short):
        expect(len(text.split()) <= 1, f"one token was allowed, {len(text.split())} words came", {"request": r, "answer": text})
    for r, text in _written(subject, stopped):
        [stop] = r["stop"]
        expect(stop not in text, f"a text goes on behind {stop!r}", {"request": r, "answer": text})


# ── costs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def costs_depend_on_the_requests_alone(subject: ModelSubject) -> None:
    """Costs are positive, one a request, and the same in any order, asked again, before and after answering."""
    for kind in subject.questions:
        loaded, requests = subject.load(kind), subject.requests(kind)
        first = loaded.costs(requests)
        expect(len(first) == len(requests), f"{kind}: {len(requests)} requests have {len(first)} costs")
        for r, cost in zip(requests, first, strict=True):
            expect(cost.rows > 0 and cost.width > 0 and cost.cut >= 0, f"{kind}: a cost of {cost}", to_json(r))
        loaded.answer(requests)
        for how, again in (("asked again", loaded.costs(requests)), ("turned around", loaded.costs(requests[::-1])[::-1])):
            for r, one, two in zip(requests, first, again, strict=True):
                expect(one == two, f"{kind}: {how}, a request costs {two} instead of {one}", to_json(r))


def longer_texts_cost_more(subject: ModelSubject) -> None:
    """A request whose text is four times as long costs more tokens, or tells that it is cut."""
    for kind in subject.questions:
        short = subject.requests(kind)
        long = [_longer(request) for request in short]
        # asked for at once: what requests share may cost but one of them
        costs = subject.loaded(kind).costs([*short, *long])
        for request, one, two in zip(long, costs, costs[len(short) :], strict=False):
            more = two.tokens > one.tokens or two.cut > one.cut
            said = f"{kind}: a text four times as long costs {two.tokens} tokens, and not more than {one.tokens}"
            expect(more, said, to_json(request))


# ── learning ──────────────────────────────────────────────────────────────────────────────────────────────────────


def loss_falls(subject: ModelSubject) -> None:
    """Learning ten examples by heart, the loss falls."""
    for kind in subject.questions:
        losses = subject.trained(kind).losses
        if not losses:
            raise NotApplicable("it learns from all examples at once")
        first, last = losses[0], sum(losses[-3:]) / 3
        expect(all(map(math.isfinite, losses)), f"{kind}: a loss is no number", list(losses))
        said = f"{kind}: the loss went from {first:.4f} to {last:.4f} in {len(losses)} updates"
        expect(last < 0.95 * first, said, list(losses))


def losses_add_up(subject: ModelSubject) -> None:
    """The loss of a batch is the sum of its examples' losses, so that a batch may be computed in micro-batches."""
    for kind in subject.questions:
        if not subject.trained(kind).sums:
            raise NotApplicable("it learns from all examples at once")
        whole, again, *halves = subject.trained(kind).sums
        if whole == again:  # what is masked at random cannot be compared
            same = math.isclose(whole, sum(halves), rel_tol=1e-3, abs_tol=1e-4)
            expect(same, f"{kind}: the loss of all examples is {whole:.6g}, that of both halves {sum(halves):.6g}")


def saved_and_loaded_it_answers_the_same(subject: ModelSubject) -> None:
    """Saved and loaded, it answers as in memory, by its name, with another identity and no newly initialized weight."""
    for kind in subject.questions:
        trained, example_request = subject.trained(kind), subject.example_request(kind)
        expect(trained.saved.name == subject.ready.name, f"{kind}: saved, it is called {trained.saved.name!r}")
        expect(not trained.saved.newly_initialized(example_request), f"{kind}: saved, its weights are newly initialized")
        loaded = trained.saved.load(example_request, subject.settings, subject.device)
        names = list(loaded.newly_initialized)
        expect(not names, f"{kind}: saved and loaded, weights are newly initialized", names)
        answers = {"in memory": trained.answers, "loaded": loaded.answer(subject.requests(kind))}
        _compare(subject, kind, "saved and loaded, it gives another answer", answers)
        before, after = (model.identity(example_request, subject.settings) for model in (subject.ready, trained.saved))
        expect(before != after, f"{kind}: it has learned, and its identity is the same as before")


def _compare(
    subject: ModelSubject, kind: str, said: str, answers: Mapping[str, Sequence[Answer]], tolerance: float = 0.0
) -> None:
    """raises: CheckFailed if a request has two answers that differ; what they are, as it shows them"""
    for request, *both in zip(subject.requests(kind), *answers.values(), strict=True):
        shown = {"request": to_json(request), **dict(zip(answers, map(to_json, both), strict=True))}
        expect(close(both[0], both[1], tolerance), f"{kind}: {said}", shown)


def _written(subject: ModelSubject, requests: Sequence[Request]) -> Iterator[tuple[Any, str]]:
    """Requests for texts as JSON, each with what is written."""
    answers = subject.loaded(Generate.kind()).answer(requests) if requests else []
    return ((to_json(r), _text(a)) for r, a in zip(requests, answers, strict=True))


def _text(answer: Answer) -> str:
    return "".join(answer.texts())


def _longer(request: Request) -> Request:
    """The same request with its text four times."""
    own = {f.name: v for f in fields(request) if isinstance(v := getattr(request, f.name), (str, tuple)) and v}
    name: str = next((n for n in ("text", "context", "words") if n in own), max(own, key=lambda n: len(own[n])))
    value = own[name]
    return replace(request, **{name: " ".join([value] * 4) if isinstance(value, str) else value * 4})


MODEL_CHECKS = laws(__name__)
"""Name → check."""
