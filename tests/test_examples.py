from dataclasses import fields, replace

import pytest

from plmtasks.examples import Example, fingerprint

EXAMPLE = Example(id="1", inputs={"text": "a", "n": 1}, reference=["x"], cluster="p", slices=("long",))


def test_a_hidden_example_tells_nothing_of_its_reference():
    hidden = EXAMPLE.hidden()
    assert hidden.reference is None
    # a slice may be named after the label
    assert hidden.slices == ()
    assert (hidden.id, hidden.inputs, hidden.cluster) == ("1", EXAMPLE.inputs, "p")
    assert EXAMPLE.reference == ["x"]
    # whatever fields it has
    marked = replace(EXAMPLE, prompted=True, undisclosed=True)
    assert marked.hidden() == replace(marked, reference=None, slices=())
    assert {f.name for f in fields(Example)} == {"id", "inputs", "reference", "cluster", "slices", "prompted", "undisclosed"}


@pytest.mark.parametrize(
    "change",
    [
        {"id": "2"}, {"inputs": {"text": "b", "n": 1}}, {"inputs": {"text": "a"}}, {"reference": ["y"]}, {"cluster": None},
    ],
    ids=str,
)  # fmt: skip
def test_every_part_of_an_example_is_in_the_fingerprint(change):
    assert fingerprint([replace(EXAMPLE, **change)]) != fingerprint([EXAMPLE])


def test_order_and_number_are_in_the_fingerprint():
    other = replace(EXAMPLE, id="2")
    prints = {fingerprint(e) for e in ([EXAMPLE, other], [other, EXAMPLE], [EXAMPLE], [EXAMPLE, EXAMPLE], [])}
    assert len(prints) == 5
    assert all(len(p) == 64 for p in prints)


def test_the_order_of_input_names_is_not():
    assert fingerprint([replace(EXAMPLE, inputs={"n": 1, "text": "a"})]) == fingerprint([EXAMPLE])


def test_slices_are_no_part_of_the_data():
    assert fingerprint([EXAMPLE]) == fingerprint([replace(EXAMPLE, slices=())])
