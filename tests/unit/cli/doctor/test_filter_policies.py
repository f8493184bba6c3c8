"""Filter policies of subscriptions: those that match no event of evercert."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evercert.cli.doctor.filter_policies import problem

MATCHING = {
    "empty": {},
    "types": {"type": ["certificate.issued", "certificate.renewed"], "certificate": ["web"]},
    "prefix": {"type": [{"prefix": "certificate."}]},
    "suffix": {"type": [{"suffix": ".failed"}]},
    "anything-but": {"type": [{"anything-but": ["certificate.issued"]}]},
    "anything-but-one": {"severity": [{"anything-but": "info"}]},
    "ignoring-case": {"severity": [{"equals-ignore-case": "WARNING"}]},
    "exists": {"type": [{"exists": True}], "labels": ["team=web"]},
    "absent": {"region": [{"exists": False}]},
    "unknown-operator": {"type": [{"wildcard": "*.issued"}]},
    "nested-operator": {"type": [{"anything-but": {"prefix": "spec."}}]},
    "alternatives": {"$or": [{"type": ["certificate.issued"]}, {"severity": ["critical"]}]},
    "not-a-list": {"type": "certificate.issued"},
}
IMPOSSIBLE = {
    "unknown-type": ({"type": ["renewed"]}, "no type matches ['renewed']"),
    "prefix": ({"type": [{"prefix": "cert-"}]}, "no type matches"),
    "absent-type": ({"type": [{"exists": False}]}, "no type matches"),
    "every-severity-excluded": ({"severity": [{"anything-but": ["info", "warning", "critical"]}]}, "no severity"),
    "unknown-severity": ({"severity": ["error"]}, "no severity matches ['error']"),
    "no-conditions": ({"type": []}, "no type matches []"),
    "unknown-attribute": ({"event": ["issued"]}, "requires the attribute event, which no event has"),
    "control-characters": ({"a\x1bb": ["x"]}, "requires the attribute a b"),
}


@pytest.mark.parametrize("policy", MATCHING.values(), ids=MATCHING)
def test_problem_is_empty_for_matching_policies(policy: Any) -> None:
    assert problem(json.dumps(policy)) == ""


@pytest.mark.parametrize(("policy", "found"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_problem_names_the_condition_that_never_matches(policy: Any, found: str) -> None:
    assert found in problem(json.dumps(policy))


def test_problem_accepts_any_field_of_the_body() -> None:
    assert problem('{"data": {"revision": [1]}, "source": ["x"], "id": ["y"]}', "MessageBody") == ""
    assert problem('{"type": ["renewed"]}', "MessageBody") != ""


@pytest.mark.parametrize("policy", ["", "{", "[]", "7"], ids=["none", "broken", "list", "number"])
def test_problem_is_empty_for_malformed_policies(policy: str) -> None:
    assert problem(policy) == ""
