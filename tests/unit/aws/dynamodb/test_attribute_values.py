"""DynamoDB's notation: what is written is read, and what hands have left fits nowhere."""

from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from evercert.aws.dynamodb import attribute_values as notation

NUMBERS = st.integers(-(10**37), 10**37) | st.decimals(-(10**6), 10**6, places=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=20) | NUMBERS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=5), parts, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read(value):
    assert notation.read(notation.written(value)) == value


@given(VALUES)
def test_it_is_the_notation_of_boto3(value):
    assert TypeDeserializer().deserialize(notation.written(value)) == value
    assert notation.read(TypeSerializer().serialize(value)) == value


def test_a_truth_value_is_no_number():
    assert notation.written(True) == {"BOOL": True}
    assert notation.written(1) == {"N": "1"}


def test_a_tuple_is_a_list():
    assert notation.written(("a", Decimal(1))) == {"L": [{"S": "a"}, {"N": "1"}]}


@pytest.mark.parametrize("value", [1.5, b"bytes", {"a"}, object()], ids=["float", "bytes", "set", "object"])
def test_what_no_record_holds_is_refused(value):
    with pytest.raises(TypeError, match="is ever stored"):
        notation.written({"deep": [value]})


@pytest.mark.parametrize("value", [{"B": b"bytes"}, {"SS": ["a"]}, {"NS": ["1"]}], ids=str)
def test_what_only_hands_can_have_left_stays_as_it_is(value):
    assert notation.read(value) == value
