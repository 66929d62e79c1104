import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plmtasks.execution import padded_tokens
from plmtasks.execution.batching import cut_batches
from plmtasks.model import Cost

COST = st.builds(
    Cost,
    group=st.sampled_from(["", "a", "b"]),
    rows=st.integers(1, 4),
    width=st.integers(1, 50),
    bare=st.none() | st.integers(1, 50),
    near=st.sampled_from([b"", b"a"]),
    cut=st.integers(0, 9),
)
WORK = st.dictionaries(st.text("abcdef0123456789", min_size=1, max_size=6), COST, max_size=30)
BUDGET = st.integers(1, 200)


def cut(work, budget):
    keys, costs = list(work), list(work.values())
    return [[keys[i] for i in batch] for batch in cut_batches(keys, costs, budget)]


@given(WORK, BUDGET)
def test_every_request_is_in_exactly_one_batch(work, budget):
    assert sorted(key for batch in cut(work, budget) for key in batch) == sorted(work)


@given(WORK, BUDGET, st.randoms(use_true_random=False))
def test_the_order_of_the_requests_changes_no_batch(work, budget, shuffler: random.Random):
    items = list(work.items())
    shuffler.shuffle(items)
    assert cut(dict(items), budget) == cut(work, budget)


@given(WORK, BUDGET)
def test_a_batch_keeps_to_the_budget_and_to_one_group(work, budget):
    for batch in cut(work, budget):
        costs = [work[key] for key in batch]
        assert len({c.group for c in costs}) == 1
        assert len(batch) == 1 or padded_tokens(costs) <= budget


@given(WORK, BUDGET)
def test_the_costliest_batch_comes_first(work, budget):
    sizes = [padded_tokens([work[key] for key in batch]) for batch in cut(work, budget)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.slow
@given(WORK, BUDGET)
def test_no_batch_could_have_taken_the_next_request(work, budget):
    """Batches are as full as the order by width allows: else tokens of time are lost."""
    batches = sorted(cut(work, budget), key=lambda b: (work[b[0]].group, work[b[0]].near, -work[b[0]].width, b[0]))
    for batch, following in pairwise(batches):
        costs = [work[key] for key in [*batch, following[0]]]
        assert costs[0].group != costs[-1].group or padded_tokens(costs) > budget


def test_requests_of_like_width_share_a_batch():
    work = {"a": Cost(width=10), "b": Cost(width=2), "c": Cost(width=9), "d": Cost(width=2), "e": Cost(width=99)}
    assert cut(work, 20) == [["e"], ["a", "c"], ["b", "d"]]


def test_rows_count_as_sequences():
    assert cut({"a": Cost(width=10, rows=2), "b": Cost(width=10)}, 29) == [["a"], ["b"]]
    assert cut({"a": Cost(width=10, rows=2), "b": Cost(width=10)}, 30) == [["a", "b"]]


def test_where_nothing_is_padded_tokens_alone_count():
    work = {"a": Cost(width=10, bare=10), "b": Cost(width=2, bare=2), "c": Cost(width=3, bare=3)}
    assert cut(work, 15) == [["a", "c", "b"]]
    assert cut(work, 14) == [["a", "c"], ["b"]]


def test_those_that_are_near_each_other_stay_together():
    work = {"a": Cost(width=9, near=b"x"), "b": Cost(width=5, near=b"y"), "c": Cost(width=5, near=b"x")}
    assert cut(work, 18) == [["a", "c"], ["b"]]


def test_nothing_to_do_is_no_batch():
    assert cut({}, 10) == []
    assert padded_tokens([]) == 0
