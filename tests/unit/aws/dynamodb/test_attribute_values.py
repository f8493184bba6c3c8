"""DynamoDB attribute values: round trips, and values that evercert never writes."""

import zlib
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
def test_value_round_trip(value):
    assert notation.read(notation.written(value)) == value


@given(VALUES)
def test_value_matches_the_notation_of_boto3(value):
    assert TypeDeserializer().deserialize(notation.written(value)) == value
    assert notation.read(TypeSerializer().serialize(value)) == value


def test_boolean_is_not_a_number():
    assert notation.written(True) == {"BOOL": True}
    assert notation.written(1) == {"N": "1"}


def test_tuple_becomes_a_list():
    assert notation.written(("a", Decimal(1))) == {"L": [{"S": "a"}, {"N": "1"}]}


@pytest.mark.parametrize("value", [1.5, b"bytes", {"a"}, object()], ids=["float", "bytes", "set", "object"])
def test_unsupported_value_is_refused(value):
    with pytest.raises(TypeError, match="can be stored"):
        notation.written({"deep": [value]})


FOREIGN = [{"B": b"bytes"}, {"SS": ["a"]}, {"NS": ["1"]}, {"BS": [b"a"]}]


@pytest.mark.parametrize("value", FOREIGN, ids=str)
def test_foreign_attribute_type_is_written_as_it_was_read(value):
    assert notation.read(value) == notation.Foreign(value)
    assert notation.written(notation.read({"L": [value]})) == {"L": [value]}


@given(st.text())
def test_compressed_text_round_trip(text):
    stored = notation.written(notation.compressed(text))
    assert set(stored) == {"B"}
    assert notation.text_of(notation.read(stored)) == text
    assert notation.text_of(text) == text


def test_longest_compressed_text_is_read():
    text = "x" * notation.LARGEST_TEXT
    assert notation.text_of(notation.read(notation.written(notation.compressed(text)))) == text


SHORT, LONG = (zlib.compress(b"x" * size) for size in (100, notation.LARGEST_TEXT + 1))


@pytest.mark.parametrize(
    "value",
    [{"B": b""}, {"B": b"?"}, {"B": SHORT[:-1]}, {"B": SHORT + b"x"}, {"B": LONG}, {"B": zlib.compress(b"\xff")}, *FOREIGN, {"NULL": True}, {"L": []}, {"N": "1"}],
    ids=["empty", "binary", "cut", "longer", "bomb", "no-utf8", *map(str, FOREIGN), "null", "list", "number"],
)  # fmt: skip
def test_other_value_is_no_text(value):
    with pytest.raises(ValueError, match=r"text|utf-8"):
        notation.text_of(notation.read(value))
