"""Values and their places, beside what a dictionary says."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plmtasks.data import Places


class Alike(int):
    """Numbers, all of whose hashes collide."""

    def __hash__(self) -> int:
        return 7


@pytest.mark.parametrize("kind", [int, str, Alike])
@given(numbers=st.lists(st.integers(0, 12)), wanted=st.lists(st.integers(0, 15)))
def test_places_are_those_that_a_dictionary_finds(kind, numbers, wanted):
    values = [kind(number) for number in numbers]
    places = Places(len(values), values.__getitem__)
    times = Counter(numbers)
    assert places.again() == [place for place, number in enumerate(numbers) if times[number] > 1]
    found = list(places.of((kind(number), number) for number in wanted))
    assert found == [(place, number) for number in wanted for place, one in enumerate(numbers) if one == number]
