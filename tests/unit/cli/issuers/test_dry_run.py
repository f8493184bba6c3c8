"""Checks in the response of the issuer function, and names whose web host is checked from this machine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evercert.cli.doctor.stack_checks import Check
from evercert.cli.issuers import dry_run
from evercert.issuers.acme.settings import AcmeSettings


def parsed(answer: Any, *, failed: bool = False) -> list[Check]:
    payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return dry_run.parse_checks(payload, failed=failed)


def test_parse_checks_returns_one_result_per_check() -> None:
    answer = [
        {"check": "definition", "found": "valid", "problem": None},
        {"check": "name a\x1b", "found": "", "problem": "no zone;\x1b create it"},
    ]
    assert parsed({"checks": answer}) == [
        Check("definition", "ok", "valid"),
        Check("name a", "failed", "no zone; create it"),
    ]


@pytest.mark.parametrize(
    "answer",
    [b"", b"null", b"[" * 10_000, {}, {"checks": 7}, {"checks": []}, {"checks": "ab"}, {"checks": [{"check": "x"}]}],
    ids=["empty", "null", "deep", "object", "number", "none", "text", "incomplete"],
)
def test_parse_checks_fails_on_malformed_responses(answer: Any) -> None:
    (check,) = parsed(answer)
    assert (check.name, check.status) == ("issuer function", "failed")
    assert check.found.startswith("the test failed: ") and check.found.isprintable()


def test_parse_checks_shows_an_older_function() -> None:
    (check,) = parsed({"errorMessage": "'Records'", "errorType": "KeyError"}, failed=True)
    assert check.found == "the test failed: 'Records'"
    assert check.remedy == "deploy the stack again, and read the issuer's log"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("www.example.com", True), ("*.example.com", False), ("a.example.org", False), ("192.0.2.1", True)],
)
def test_web_host_is_checked_for_http_01_only(name: str, expected: bool) -> None:
    solvers = [{"type": "http-01"}, {"type": "route53", "zones": ["example.org"]}]
    settings = AcmeSettings.model_validate({"directory": "https://acme.example/dir", "solvers": solvers})
    assert dry_run._is_http(settings, name) is expected


def test_web_host_is_not_checked_without_settings() -> None:
    assert not dry_run._is_http(None, "www.example.com")
