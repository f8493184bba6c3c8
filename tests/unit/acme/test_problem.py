"""Problem documents: members, subproblems, text of a CA made printable, and bodies that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evercert.acme.problem import LONGEST_DETAIL, MOST_SUBPROBLEMS, Problem
from tests.samples import acme
from tests.samples.acme import URN


def parsed(body: Any, status: int = 400) -> Problem | None:
    return Problem.parse(json.dumps(body).encode(), status)


def problem(**body: Any) -> Problem:
    found = parsed(body)
    assert found is not None
    return found


def test_parse_reads_the_example_of_the_rfc() -> None:
    found = parsed(acme.problem(), 403)
    assert found == Problem(
        kind="malformed",
        detail="Some of the identifiers requested were rejected",
        status=403,
        instance="https://acme.example/why",
        algorithms=("RS256", "ES256"),
        subproblems=(
            Problem("malformed", 'Invalid underscore in DNS name "_example.org"', identifier="_example.org"),
            Problem("rejectedIdentifier", 'This CA will not issue for "example.net"', identifier="example.net"),
        ),
    )


def test_kinds_are_those_of_subproblems_too() -> None:
    assert problem(**acme.problem()).kinds == {"malformed", "rejectedIdentifier"}
    assert problem(type=f"{URN}badNonce").kinds == {"badNonce"}


def test_text_names_each_identifier_and_its_problem() -> None:
    found = problem(
        type=f"{URN}compound",
        detail="two names",
        subproblems=[
            {"type": f"{URN}caa", "detail": "forbidden", "identifier": {"type": "dns", "value": "a.example"}},
            {"type": f"{URN}dns", "identifier": {"type": "dns", "value": "b.example"}},
        ],
    )
    assert str(found) == "compound: two names (a.example: caa: forbidden; b.example: dns)"


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        pytest.param({"type": f"{URN}badNonce", "detail": "old"}, "badNonce", "badNonce: old", id="known"),
        pytest.param({"type": f"{URN}newKind", "detail": "x"}, "newKind", "newKind: x", id="unknown"),
        pytest.param({"type": "https://ca.example/e", "detail": "x"}, "https://ca.example/e", "https://ca.example/e: x", id="URL"),
        pytest.param({"detail": "x"}, "about:blank", "about:blank: x", id="no type"),
        pytest.param({"type": 5, "detail": "x"}, "about:blank", "about:blank: x", id="type as number"),
        pytest.param({"type": "", "detail": "x"}, "about:blank", "about:blank: x", id="empty type"),
        pytest.param({"type": f"{URN}caa"}, "caa", "caa", id="no detail"),
        pytest.param({"type": f"{URN}caa", "detail": ["x"]}, "caa", "caa", id="detail as list"),
        pytest.param({"type": f"{URN}urn:caa", "more": {"a": 1}}, "urn:caa", "urn:caa", id="unknown members"),
    ],
)  # fmt: skip
def test_parse_accepts_any_type(body: dict[str, Any], kind: str, text: str) -> None:
    found = problem(**body)
    assert found.kind == kind
    assert str(found) == text


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html><h1>502 Bad Gateway</h1></html>", id="HTML"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'"type"', id="text"),
        pytest.param(b"{}", id="empty object"),
        pytest.param(b'{"status": 500, "title": "x"}', id="other members"),
        pytest.param(b'{"type": null, "detail": 5}', id="members of other types"),
        pytest.param(b'{"type": NaN}', id="NaN"),
        pytest.param(b'{"type": "x", "a": ' + b"[" * 5_000, id="deep"),
    ],
)
def test_parse_returns_none_for_other_bodies(body: bytes) -> None:
    assert Problem.parse(body, 502) is None


@pytest.mark.parametrize("body", [None, [], "x", 5, {}, {"message": "x"}])
def test_problem_is_none_for_other_json(body: object) -> None:
    assert Problem.of(body) is None


def test_status_is_that_of_the_response() -> None:
    """A member `status` could contradict it (RFC 7807 §3.1)."""
    found = parsed({"type": f"{URN}caa", "status": 200}, 403)
    assert found is not None
    assert found.status == 403


@pytest.mark.parametrize(
    ("value", "count"),
    [
        pytest.param([{}], 1, id="one without members"),
        pytest.param([{"type": f"{URN}dns"}, 5, None, "x", [], {"type": f"{URN}dns"}], 2, id="other values between"),
        pytest.param({"type": f"{URN}dns"}, 0, id="object"),
        pytest.param("dns", 0, id="text"),
        pytest.param(None, 0, id="null"),
        pytest.param([{"type": f"{URN}dns"}] * 5_000, MOST_SUBPROBLEMS, id="huge list"),
    ],
)
def test_subproblems_are_objects_of_a_bounded_list(value: object, count: int) -> None:
    found = problem(type=f"{URN}compound", subproblems=value)
    assert len(found.subproblems) == count
    assert len(str(found)) <= 2_000


def test_subproblems_of_subproblems_are_ignored() -> None:
    inner = {"type": f"{URN}dns", "subproblems": [{"type": f"{URN}caa"}]}
    found = problem(type=f"{URN}compound", subproblems=[inner])
    assert found.subproblems == (Problem("dns"),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"type": "dns", "value": "a.example"}, "a.example", id="name"),
        pytest.param({"type": "dns", "value": "a\x1b[2J\r\nb"}, "a [2J b", id="control characters"),
        pytest.param({"type": "dns"}, None, id="no value"),
        pytest.param({"value": 5}, None, id="number"),
        pytest.param("a.example", None, id="text"),
        pytest.param(None, None, id="null"),
    ],
)
def test_identifier_of_a_subproblem(value: object, expected: str | None) -> None:
    assert problem(type=f"{URN}compound", subproblems=[{"identifier": value}]).subproblems[0].identifier == expected


@pytest.mark.parametrize("text", ["\x1b[2J", "\r\nX: y", "\u202etxt", "\ud800", "\x00", "a\tb"])
def test_text_of_a_ca_becomes_printable(text: str) -> None:
    found = problem(
        type=f"{URN}{text}x",
        detail=text,
        instance=f"https://a.example/{text}",
        algorithms=[f"RS256{text}"],
        subproblems=[{"type": text, "detail": text, "identifier": {"value": text}}],
    )
    parts = [found.kind, found.detail, str(found.instance), *found.algorithms, *found.subproblems[0].kinds]
    parts += [found.subproblems[0].detail, str(found.subproblems[0].identifier), str(found)]
    assert all(part.isprintable() for part in parts)
    assert "a.example" in str(found.instance)


def test_long_text_of_a_ca_is_cut_off() -> None:
    found = problem(
        type="t" * 10_000,
        detail="d" * 10_000,
        instance="i" * 10_000,
        algorithms=["a" * 10_000] * 1_000,
        subproblems=[{"detail": "d" * 10_000, "identifier": {"value": "n" * 10_000}}] * 1_000,
    )
    assert len(found.kind) == 60
    assert len(found.detail) == LONGEST_DETAIL
    assert len(found.instance or "") == LONGEST_DETAIL
    assert [len(name) for name in found.algorithms] == [20] * MOST_SUBPROBLEMS
    assert len(found.subproblems[0].identifier or "") == 260
    assert len(str(found)) == 2_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(["RS256", "ES256"], ("RS256", "ES256"), id="list"),
        pytest.param(["RS256", 5, None], ("RS256",), id="other values between"),
        pytest.param("RS256", (), id="text"),
        pytest.param(None, (), id="missing"),
    ],
)
def test_algorithms_are_texts_of_a_list(value: object, expected: tuple[str, ...]) -> None:
    assert problem(type=f"{URN}badSignatureAlgorithm", algorithms=value).algorithms == expected
