"""JSON of foreign origin: a value within the limits, or ValueError."""

import pytest

from evercert import json_parser
from evercert.json_parser import MAX_DEPTH

DEEP = [
    b"[" * 40 + b"]" * 40,
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b'{"a":[' * 20_000,
]
NOT_JSON = [b"", b"\xff", b'"\\ud800', b"1" * 5_000, b"\x00", b"{\x00}", b'{"a":\xff}', b"nul", b"{'a':1}", b"{} {}"]
NUMBERS = [b"NaN", b'{"a":[Infinity]}', b"[-Infinity]", b"1e999", b'{"a":-1.0e400}', b"9" * 5_000]


@pytest.mark.parametrize("text", [*DEEP, *NOT_JSON, *NUMBERS], ids=lambda text: ascii(text)[2:14])
def test_parse_refuses_what_no_api_sends(text: bytes) -> None:
    with pytest.raises(ValueError):
        json_parser.parse(text)
    with pytest.raises(ValueError):
        json_parser.parse(text.decode("latin-1"))


def test_parse_accepts_depth_up_to_the_limit() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert json_parser.parse(deepest) == eval(deepest)
    with pytest.raises(ValueError, match="too deeply nested"):
        json_parser.parse(b"[" + deepest + b"]")


def test_parse_returns_values() -> None:
    assert json_parser.parse(b'{"a":1,"a":[2]}') == {"a": [2]}
    assert json_parser.parse('{"a": [1.5, -2e3, true, null, "\\ud83d\\ude00"]}') == {
        "a": [1.5, -2000.0, True, None, "😀"]
    }
