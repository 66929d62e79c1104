"""Requests cut into batches, each taken by a free process, answered, journalled and collected."""

import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from operator import methodcaller
from typing import Any

from ..config import ModelSettings
from ..errors import JournalError, OutOfMemoryError, PlmtasksError, counted
from ..model import LoadedModel
from ..requests import Answer, Request
from .batching import cut_batches, padded_tokens
from .journal import Journal, plan_hash
from .processes import Processes
from .progress import Progress

Begun = Callable[[], dict[str, Answer]]
"""What waits for the answers to a batch, by key."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which requests are computed together; the same in all processes."""

    requests: Sequence[Request]
    """that are computed; what is asked twice is computed once"""
    keys: Sequence[str]
    """of these"""
    batches: Sequence[Sequence[int]]
    """positions in both"""
    tokens: Sequence[int]
    """of each batch, padding and all"""
    skipped: frozenset[str]
    """keys of requests over the model's limit, left out by policy"""
    cut: frozenset[str]
    """keys of requests that truncation shortens"""

    @cached_property
    def hash(self) -> str:
        return plan_hash(self.keys, self.batches)

    def batch_keys(self, batch: int) -> list[str]:
        return [self.keys[i] for i in self.batches[batch]]

    def told(self) -> dict[str, Any]:
        """As JSON, what `confirmed` makes the plan of, given the same requests."""
        return {
            "hash": self.hash, "batches": [list(batch) for batch in self.batches], "tokens": list(self.tokens),
            "skipped": sorted(self.skipped), "cut": sorted(self.cut),
        }  # fmt: skip


def plan(loaded: LoadedModel, requests: Sequence[Request], settings: ModelSettings, beside: Sequence[Request] = ()) -> Plan:
    """Cuts the requests into batches.

    beside: asked too, in batches of their own, so that those of the others are what they would be without

    raises: InputError if a text is over the model's limit and the policy is `error`
    """
    asked, keys, batches, tokens = list[Request](), list[str](), list[Sequence[int]](), list[int]()
    over, skip = set[str](), settings.truncation == "skip"
    for order, new in _unique(requests, beside):
        found = loaded.costs(new)
        shortened = {key for key, cost in zip(order, found, strict=True) if cost.cut}
        if skip and shortened:
            left = [i for i, cost in enumerate(found) if not cost.cut]
            order, new, found = [order[i] for i in left], [new[i] for i in left], [found[i] for i in left]
        for batch in cut_batches(order, found, settings.batch_tokens):
            batches.append(array("I", [len(keys) + i for i in batch.tolist()]))
            tokens.append(padded_tokens([found[i] for i in batch.tolist()]))
        over |= shortened
        keys += order
        asked += new
    skipped, cut = (frozenset(over), frozenset[str]()) if skip else (frozenset[str](), frozenset(over))
    return Plan(requests=asked, keys=keys, batches=batches, tokens=tokens, skipped=skipped, cut=cut)


def _unique(*parts: Sequence[Request]) -> Iterator[tuple[list[str], list[Request]]]:
    """Of each part that asks anything the keys that none before it has, sorted, and their requests."""
    known = set[str]()
    asked = [part for part in parts if part]
    for part in asked:
        new, keys = list[Request](), list[str]()
        for request in sorted(part, key=methodcaller("key")):  # no dictionary, which a million would fill
            if (key := request.key()) not in known and key != (keys[-1] if keys else ""):
                keys.append(key)
                new.append(request)
        yield keys, new
        if part is not asked[-1]:
            known.update(keys)


def confirmed(told: Mapping[str, Any], requests: Sequence[Request], beside: Sequence[Request] = ()) -> Plan:
    """The plan that another process made of the same requests.

    told: as `Plan.told`
    requests, beside: as of `plan`

    raises: PlmtasksError if they are not the same
    """
    skipped = frozenset(told["skipped"])
    asked, keys = list[Request](), list[str]()
    for order, new in _unique(requests, beside):
        asked += [request for key, request in zip(order, new, strict=True) if key not in skipped]
        keys += [key for key in order if key not in skipped]
    count = sum(map(len, told["batches"]))
    if count != len(keys) or plan_hash(keys, told["batches"]) != told["hash"]:
        raise other_batches()
    return Plan(
        requests=asked, keys=keys, batches=told["batches"], tokens=told["tokens"], skipped=skipped, cut=frozenset(told["cut"])
    )


def other_batches() -> PlmtasksError:
    """What is raised where two processes of a run planned differently."""
    return PlmtasksError("the processes planned different batches", "they do not see the same data, weights or versions")


def answer_all(
    loaded: LoadedModel, work: Plan, processes: Processes, journal: Journal, progress: Progress
) -> Mapping[str, Answer]:
    """Every planned request's answer by its key, in the main process; nothing in the others.

    Batches that the journal holds are not computed again; the others are dealt one at a time to whoever is free.

    raises: JournalError; PlmtasksError if a model does not answer what it was asked
    """
    if len({str(h) for h in processes.gather("plan", work.hash)}) > 1:
        raise other_batches()
    have = set[int]().union(*processes.gather("have", sorted(journal.read())))
    left = [batch for batch in range(len(work.batches)) if batch not in have]
    counted = sum(len(work.batches[batch]) for batch in have)
    with progress.bar("answering", len(work.keys), "examples") as bar:
        bar.begin_at(counted)
        for batch, answers in _answered(loaded, work, _dealt(processes, left)):
            journal.write(batch, answers)
            done = processes.add("done", len(work.batches[batch]))
            tokens = processes.add("tokens", work.tokens[batch])
            bar.update(counted + done, f"{bar.per_second(tokens):,.0f} tokens/s")
        journal.flush()
        while processes.main and (done := processes.add("done", 0)) < len(work.keys) - counted:
            time.sleep(0.05)
            bar.update(counted + done, f"{bar.per_second(processes.add('tokens', 0)):,.0f} tokens/s")
    processes.barrier("answered")
    return _collect(work, processes, journal)


def _dealt(processes: Processes, batches: Sequence[int]) -> Iterator[int]:
    """Those of these batches that this process is to answer, each taken when it is asked for."""
    while (turn := processes.add("turn") - 1) < len(batches):
        yield batches[turn]


def _answered(loaded: LoadedModel, work: Plan, batches: Iterable[int]) -> Iterator[tuple[int, dict[str, Answer]]]:
    """Each batch with its answers, in turn; meanwhile as many are begun as the model likes."""
    waiting = deque[tuple[int, Begun]]()
    for batch in batches:
        waiting.append((batch, begin(loaded, work, batch)))
        if len(waiting) > loaded.ahead:
            first, answers = waiting.popleft()
            yield first, answers()
    for batch, answers in waiting:
        yield batch, answers()


def take_all(
    deal: Callable[[Sequence[int]], Iterator[tuple[int, bytes]]], work: Plan, processes: Processes, journal: Journal,
    progress: Progress,
) -> Mapping[str, Answer]:  # fmt: skip
    """Every planned request's answer by its key, where others answer.

    deal: gives the sealed line of each of these batches as it is answered

    raises: JournalError for a line that is damaged, or of another batch
    """
    have = journal.read()
    left = [batch for batch in range(len(work.batches)) if batch not in have]
    done, tokens = sum(len(work.batches[batch]) for batch in have), 0
    with progress.bar("answering", len(work.keys), "examples") as bar:
        bar.begin_at(done)
        for batch, line in deal(left):
            journal.adopt(line, batch)
            done, tokens = done + len(work.batches[batch]), tokens + work.tokens[batch]
            bar.update(done, f"{bar.per_second(tokens):,.0f} tokens/s")
    journal.flush()
    return _collect(work, processes, journal)


def answer(loaded: LoadedModel, work: Plan, batch: int) -> dict[str, Answer]:
    """The answers to the requests of a batch, by key.

    raises: OutOfMemoryError; PlmtasksError if the model does not answer what it was asked
    """
    return begin(loaded, work, batch)()


def begin(loaded: LoadedModel, work: Plan, batch: int) -> Begun:
    """Begins with a batch; what it returns waits for its answers, by key. Both raise what `answer` does."""
    keys = work.batch_keys(batch)
    requests = [work.requests[i] for i in work.batches[batch]]
    with _told_of_memory(len(requests), work.tokens[batch]):
        begun = loaded.begin(requests)

    def answers() -> dict[str, Answer]:
        with _told_of_memory(len(requests), work.tokens[batch]):
            made = begun()
        return dict(zip(keys, _checked(requests, made), strict=True))

    return answers


@contextmanager
def _told_of_memory(count: int, tokens: int) -> Iterator[None]:
    """Inside, a batch is computed. raises: OutOfMemoryError"""
    try:
        yield
    except (RuntimeError, MemoryError) as e:
        # on a CPU torch says in words alone that it could not get memory
        phrases = ("can't allocate memory", "not enough memory", "out of memory")
        if not isinstance(e, MemoryError) and not any(words in str(e).lower() for words in phrases):
            raise
        raise OutOfMemoryError(
            f"a batch of {count} requests, {tokens} padded tokens, does not fit into memory",
            "a smaller --batch-tokens makes smaller batches, in another run; --config retry_oom=true halves it until they fit",
        ) from e


def _checked(requests: Sequence[Request], answers: Sequence[Answer]) -> Sequence[Answer]:
    """raises: PlmtasksError if these do not answer those"""
    wrong = [a for r, a in zip(requests, answers, strict=False) if not isinstance(a, r.answer_type)]
    if len(answers) != len(requests) or wrong:
        found = counted(len(answers), "answer") if not wrong else repr(wrong[0])
        raise PlmtasksError(f"a model was asked {len(requests)} requests of kind {requests[0].kind()}, and gave {found}")
    for request, answer in zip(requests, answers, strict=True):
        for text, tokens in request.likelihoods(answer):
            if text and not tokens:
                raise PlmtasksError(f"a model gave {text[:80]!r} a likelihood, and has no token for it")
    return answers


def _collect(work: Plan, processes: Processes, journal: Journal) -> Mapping[str, Answer]:
    """Brings the batches that stand in other nodes' folders to the main process; all the answers, there."""
    if processes.main and processes.count > 1:
        journal.read()  # what others wrote into the same folder
    held = processes.gather("held", sorted(journal.entries))
    missing = sorted(set(range(len(work.batches))) - set(held[0]))
    for batch in missing:
        holder = next((rank for rank, batches in enumerate(held) if batch in batches), None)
        if holder is None:
            raise JournalError(f"{journal.folder}: batch {batch} was answered and is gone")
        if holder == processes.rank:
            processes.send(f"batch/{batch}", journal.raw(batch))
    if not processes.main:
        return {}
    for batch in missing:
        journal.adopt(processes.receive(f"batch/{batch}"), batch)
        processes.forget(f"batch/{batch}")
    return Answers(work, journal)


class Answers(Mapping[str, Answer]):
    """The answers to planned requests, by key, batch by batch as they were planned.

    They stand in the journal, and here those of one batch at a time: there may be millions. Whoever looks them up in another
    order makes a dictionary of them first.
    """

    def __init__(self, work: Plan, journal: Journal) -> None:
        self.work, self.journal = work, journal
        self._held: Mapping[str, Answer] = {}

    def __len__(self) -> int:
        return len(self.work.keys)

    def __iter__(self) -> Iterator[str]:
        for batch in range(len(self.work.batches)):
            self._held = self._read(batch)
            yield from self._held

    def __getitem__(self, key: str) -> Answer:
        """raises: JournalError"""
        if key not in self._held and key in self._batches:
            self._held = self._read(self._batches[key])
        return self._held[key]

    @cached_property
    def _batches(self) -> Mapping[str, int]:
        return {key: batch for batch in range(len(self.work.batches)) for key in self.work.batch_keys(batch)}

    def _read(self, batch: int) -> Mapping[str, Answer]:
        """raises: JournalError"""
        keys = self.work.batch_keys(batch)
        answers = self.journal.answers(batch, self.work.requests[self.work.batches[batch][0]].answer_type)
        if list(answers) != keys:
            raise JournalError(
                f"{self.journal.folder}: batch {batch} holds answers to other requests", "delete the folder and run again"
            )
        return answers
