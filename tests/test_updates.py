"""Which examples each update takes, with one task and with several."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plmtasks import TrainSettings
from plmtasks.errors import InputError
from plmtasks.execution import padded_tokens
from plmtasks.model import Cost
from plmtasks.training.updates import epoch_updates, micro_batches

SIZES = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 60), min_size=1, max_size=4)


@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 4), st.integers(0, 3))
def test_an_epoch_sees_every_example_once(examples: int, size: int, accumulation: int, epoch: int) -> None:
    settings = TrainSettings(train_batch_size=size, gradient_accumulation_steps=accumulation)
    updates = epoch_updates({"a": examples}, settings, epoch)
    assert sorted(i for update in updates for i in update.examples) == list(range(examples))
    assert updates == epoch_updates({"a": examples}, settings, epoch)
    assert all(len(update.examples) <= size * accumulation for update in updates)


@given(SIZES, st.integers(1, 10), st.integers(0, 3))
def test_mixed_by_size_every_task_is_seen_once_an_epoch(tasks: dict[str, int], size: int, epoch: int) -> None:
    updates = epoch_updates(tasks, TrainSettings(train_batch_size=size), epoch)
    for number, examples in enumerate(tasks.values()):
        assert sorted(i for u in updates if u.task == number for i in u.examples) == list(range(examples))


@given(SIZES, st.integers(1, 10), st.floats(0.5, 20))
def test_a_task_goes_through_all_its_examples_before_any_comes_again(tasks: dict[str, int], size: int, t: float) -> None:
    settings = TrainSettings(train_batch_size=size, mixing=f"temperature:{t}")
    seen: dict[int, list[int]] = {number: [] for number in range(len(tasks))}
    for epoch in range(3):
        for update in epoch_updates(tasks, settings, epoch):
            seen[update.task] += update.examples
    for number, examples in enumerate(tasks.values()):
        counts = Counter(seen[number])
        assert max(counts.values()) - min(counts[i] for i in range(examples)) <= 1


def share(tasks: dict[str, int], mixing: str) -> list[float]:
    updates = epoch_updates(tasks, TrainSettings(train_batch_size=4, mixing=mixing), 0)
    counts = Counter(u.task for u in updates)
    return [counts[number] / len(updates) for number in range(len(tasks))]


def test_mixing_gives_each_task_its_share() -> None:
    tasks = {"large": 3600, "small": 400}
    assert share(tasks, "size") == pytest.approx([0.9, 0.1])
    assert share(tasks, "temperature:1") == pytest.approx([0.9, 0.1])
    assert share(tasks, "temperature:2") == pytest.approx([0.75, 0.25], abs=0.01)
    assert share(tasks, "large=1, small=3") == pytest.approx([0.25, 0.75], abs=0.01)


@pytest.mark.parametrize(
    ("mixing", "said"),
    [
        ("equal", "takes size, temperature:T, or task=weight"),
        ("temperature:-2", "takes size, temperature:T, or task=weight"),
        ("temperature:0", "takes size, temperature:T, or task=weight"),
        ("a=1,b=-1", "takes size, temperature:T, or task=weight"),
        ("a=1", "no weight for 'b'"),
        ("a=1,b=1,c=1", "'c' is not learned here"),
    ],
)
def test_mixing_that_is_none(mixing: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        epoch_updates({"a": 8, "b": 8}, TrainSettings(train_batch_size=4, mixing=mixing), 0)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.sampled_from("ab")), min_size=1, max_size=40),
    st.integers(1, 200),
    st.none() | st.integers(0, 40),
)
def test_micro_batches_cover_the_batch_within_the_budget(items: list[tuple[int, str]], budget: int, padding: int | None) -> None:
    costs = [Cost(width=width, group=group) for width, group in items]
    made = list(micro_batches(range(len(items)), costs, budget, padding))
    assert sorted(i for micro_batch in made for i in micro_batch) == list(range(len(items)))
    for micro_batch in made:
        assert len({costs[i].group for i in micro_batch}) == 1
        tokens = padded_tokens([costs[i] for i in micro_batch])
        assert len(micro_batch) == 1 or tokens <= budget
        assert padding is None or tokens - sum(costs[i].width for i in micro_batch) <= padding
