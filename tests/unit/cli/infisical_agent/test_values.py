"""Values of agent documents that the agent's program reads otherwise than YAML 1.1."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from evercert.cli.infisical_agent.values import NoEffectError, convert, scalar
from tests.samples.agent_documents import document, entry, notes, refused


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1e3", 1_000), ("1.5E+1", 15), ("10e-1", 1), ("0e0", 0), (7, 7), (2.0, 2)],
    ids=str,
)
def test_counts_with_an_exponent_are_numbers(value: object, expected: int) -> None:
    assert convert(scalar(value), "count") == expected


@pytest.mark.parametrize("value", ["1e-3", "1.5e0", "1e99", "e3", "3", "1e", float("inf"), 1e300, True])
def test_counts_that_the_agent_refuses_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="write a whole number"):
        convert(scalar(value), "count")


def test_a_negative_count_has_no_effect() -> None:
    with pytest.raises(NoEffectError):
        convert("-1e3", "count")


@pytest.mark.parametrize("value", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00"])
def test_moments_outside_the_years_of_utc_are_named(value: str) -> None:
    for written in (value, scalar(datetime.fromisoformat(value))):
        with pytest.raises(ValueError, match="is outside the years 1 to 9999 of UTC"):
            convert(written, "moment")
    assert convert(scalar(datetime(9999, 12, 31, tzinfo=UTC)), "moment").startswith("9999-12-31")


@pytest.mark.parametrize("key", ["client-secret:s3cret", None, 7, "A B", "x" * 41], ids=str)
def test_notes_quote_no_key_that_may_hold_a_value(key: object) -> None:
    assert "certificate 1: an unknown key is left out" in notes(document(entry() | {key: 1}))


@pytest.mark.parametrize("text", ["{x} corp", "[[x]]", "Example {eu} [[1]]"])
def test_common_names_in_brackets_are_left_out(text: str) -> None:
    found = notes(document(entry(attributes={"common-name": text, "alt-names": ["a.example"]})))
    assert any("common-name is left out: common name" in note for note in found)


@pytest.mark.parametrize("text", ["{{x}} corp", "${x} corp", "{% x %}", "$HOST corp", "((x))", "{{ x }} {y}"])
def test_common_names_with_placeholders_are_refused(text: str) -> None:
    found = refused(document(entry(attributes={"common-name": text, "alt-names": ["a.example"]})))
    assert any("has a placeholder" in message for _, message in found)
