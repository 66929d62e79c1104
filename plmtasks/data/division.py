"""A split divided in parts: whole clusters, no text on two sides, every reference in proportion."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..config import Source
from ..errors import InputError, counted
from ..examples import Example
from .dataset import Dataset
from .languages import words
from .references import labels_of
from .slices import texts

KEY = "plmtasks division 1"
"""Hashed with each example's content, and changed only if examples are to be divided otherwise."""


def divide(examples: Sequence[Example], shares: Sequence[float]) -> list[int]:
    """The part of each example, numbered from 0.

    Examples of one cluster, or with the same words, are in one part, and each reference that recurs is divided in proportion. The
    parts follow from what the examples ask, whatever their order, their ids and any seed.

    shares: of the parts; their sum is 1
    """
    references = [json.dumps(e.reference, ensure_ascii=False, sort_keys=True, default=str) for e in examples]
    often = Counter(references)
    digests = [hashlib.sha256(f"{KEY} {_asked(e)}".encode("utf-8", "surrogatepass")).digest() for e in examples]
    alike: dict[str, list[tuple[int, bytes, list[int]]]] = {}
    for group in _together(examples, digests):
        likeliest = min(Counter(references[i] for i in group).items(), key=lambda item: (-item[1], item[0]))[0]
        # what stands there once alone is in proportion together
        same = alike.setdefault(likeliest if often[likeliest] > 1 else "", [])
        same.append((-len(group), min(digests[i] for i in group), group))
    parts, dealer = [0] * len(examples), _Dealer(shares, len(examples))
    for _, same in sorted(alike.items()):
        dealer.owed = [max(-1.0, min(1.0, owed)) for owed in dealer.owed]
        for *_, group in sorted(same, key=lambda one: one[:2]):
            part = dealer.deal(len(group))
            for i in group:
                parts[i] = part
    return parts


class _Dealer:
    """Deals groups of examples to parts, larger groups first."""

    def __init__(self, shares: Sequence[float], total: int) -> None:
        self.shares, self.room = shares, [share * total for share in shares]
        self.owed = [0.0] * len(shares)
        """How many examples more a part should have."""
        self._turns = [0.0] * len(shares)

    def deal(self, size: int) -> int:
        """The part of a group of so many examples.

        Groups of several are dealt in turn, or a large one would never come into a small part; what that leaves out of balance,
        single examples put right.
        """
        due = self.owed
        if size > 1:
            due = self._turns = [turn + share for turn, share in zip(self._turns, self.shares, strict=True)]
        roomy = [p for p, room in enumerate(self.room) if room >= size] or [self.room.index(max(self.room))]
        more = 0.0 if size > 1 else 1.0
        part = max(roomy, key=lambda p: (round(due[p] + more * self.shares[p], 9), -p))
        self._turns[part] -= size > 1
        self.owed = [owed + share * size for owed, share in zip(self.owed, self.shares, strict=True)]
        self.owed[part] -= size
        return part


def _asked(example: Example) -> str:
    """The words of an example's texts, whatever their case and the marks between them; all its inputs where there are none."""
    found = [words(text.lower()) for text in texts(example)]
    return json.dumps(found if any(found) else example.inputs, ensure_ascii=False, sort_keys=True, default=str)


def _together(examples: Sequence[Example], digests: Sequence[bytes]) -> Iterator[list[int]]:
    """Positions of the examples that share a cluster or ask the same, each once."""
    above = list(range(len(examples)))

    def top(i: int) -> int:
        while above[i] != i:
            above[i] = above[above[i]]
            i = above[i]
        return i

    first: dict[str | bytes, int] = {}
    for i, (example, digest) in enumerate(zip(examples, digests, strict=True)):
        for key in (digest, example.cluster):
            if key is not None:
                above[top(i)] = top(first.setdefault(key, i))
    groups: dict[int, list[int]] = {}
    for i in range(len(examples)):
        groups.setdefault(top(i), []).append(i)
    yield from groups.values()


@dataclass(frozen=True, kw_only=True)
class Divided(Dataset):
    """A data set of which one split was divided into train and test."""

    whole: Dataset
    of: str
    """The split of `whole` that was divided."""

    def __getitem__(self, split: str) -> tuple[Example, ...]:
        if split in self.readers and split not in self._read:  # what is wrong with them was told when the whole was read
            self._read[split] = tuple(self.readers[split]())
        return super().__getitem__(split)

    def left_out(self, split: str) -> int:
        return self.whole.left_out(self.of if split in ("train", "test") else split)

    def part_of(self, split: str) -> str | None:
        return self.whole.fingerprint(self.of) if split in ("train", "test") else None

    def public_name(self, split: str, source: Source) -> str:
        return super().public_name(
            split, source if self.of != "train" else replace(source, data=source.train_data or source.data)
        )


def held_out(data: Dataset, source: Source) -> Dataset:
    """The data with the share `source.holdout` of its one split as test, and the rest as train; as it is where that is None.

    raises: InputError if it has the splits already, or there is nothing to divide; what reading raises
    """
    if source.holdout is None:
        return data
    splits = data.splits
    of = splits[0] if len(splits) == 1 else "train"
    if of not in splits or (len(splits) > 1 and {"validation", "test"} & {*splits}):
        way = "leave --holdout out" if "train" in splits else "name the file of one split with --data FILE"
        raise InputError(f"--holdout divides the one split that there is, and {data.name} has {', '.join(splits)}", way)
    return _divided(data, of, _parts(data, of, [source.holdout, 1 - source.holdout]), 0)


def one_split(data: Dataset) -> str:
    """The split that folds are made of.

    raises: InputError if there are several
    """
    if len(data.splits) > 1:
        raise InputError(
            f"--folds divides the one split that there is, and {data.name} has {', '.join(data.splits)}",
            "leave --folds out, or name the file of one split with --data FILE",
        )
    return data.splits[0]


def folds(data: Dataset, split: str, count: int) -> list[Dataset]:
    """The data with each of some equal parts of its split as test, and the others as train.

    raises: InputError if there is nothing to divide
    """
    parts = _parts(data, split, [1 / count] * count)
    return [_divided(data, split, parts, number) for number in range(count)]


def _parts(data: Dataset, of: str, shares: Sequence[float]) -> list[int]:
    """The part of each example of a split.

    raises: InputError if one would be empty
    """
    examples = data[of]
    parts = divide(examples, shares)
    if len({*parts}) < len(shares):
        groups = sum(1 for _ in _together(examples, [_asked(e).encode("utf-8", "surrogatepass") for e in examples]))
        many = counted(len(examples), "example")
        if groups < len(examples):
            many += f" in {counted(groups, 'group')}: those that share a cluster or their words stay together"
        asked = f"{len(shares)} parts" if len(shares) > 2 else f"a part of {shares[0]:g} and the rest"
        way = "ask for fewer parts" if len(shares) > 2 else "ask for a larger part, or add examples"
        raise InputError(f"{data.name} cannot be divided into {asked}: {many}", way)
    return parts


def _divided(data: Dataset, of: str, parts: Sequence[int], number: int) -> Dataset:
    """The data with one of the parts of a split as test, and the others as train."""
    examples = data[of]
    test = tuple(e for e, part in zip(examples, parts, strict=True) if part == number)
    train = tuple(e for e, part in zip(examples, parts, strict=True) if part != number)
    others = {split: reader for split, reader in data.readers.items() if split not in ("train", "test", of)}

    def labels() -> list[str]:  # one that stands in one of the parts alone is known in all of them
        return list(dict.fromkeys([*data.labels(), *(label for e in examples for label in labels_of(e))]))

    return Divided(
        name=data.name, readers={"train": lambda: train, **others, "test": lambda: test}, published=data.published,
        train_name=data.train_name, labels=labels, skip_bad_rows=data.skip_bad_rows, whole=data, of=of,
    )  # fmt: skip
