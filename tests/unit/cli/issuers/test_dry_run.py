"""Checks in the response of the issuer function, and names whose web host is checked from this machine."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.acme.caa import Applicant
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
    ("answer", "expected"),
    [
        ({"checks": []}, []),
        ({"caa_identities": ["letsencrypt.org", 7, "a\x1bb"]}, ["letsencrypt.org", "a b"]),
        ({"caa_identities": "letsencrypt.org"}, []),
        ({"caa_identities": None}, []),
        ([], []),
        (b"", []),
    ],
    ids=["absent", "domains", "text", "null", "list", "empty"],
)
def test_parse_identities_ignores_malformed_responses(answer: Any, expected: list[str]) -> None:
    payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    assert dry_run.parse_identities(payload) == expected


def test_caa_is_looked_up_for_dns_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Applicant]] = []

    def look(name: str, applicant: Applicant) -> Check:
        asked.append((name, applicant))
        return Check(f"CAA {name}", "ok", "")

    checks = [{"check": "definition", "found": "valid", "problem": None}]
    payload = json.dumps({"checks": checks, "caa_identities": ["ca.example"]}).encode()
    monkeypatch.setattr(dry_run, "ask_issuer", lambda *_: (payload, False))
    monkeypatch.setattr(dry_run.caa, "check", look)
    solvers = [{"type": "none"}, {"type": "route53", "zones": ["example.org"]}]
    settings = AcmeSettings.model_validate({"directory": "https://acme.example/dir", "solvers": solvers})
    issuer: Any = SimpleNamespace(name="main", settings=settings)
    names = ["a.example.com", "*.example.org", "192.0.2.1", "2001:db8::1"]
    found = dry_run.run(None, issuer, names, "https://acme.example/1")  # type: ignore[arg-type]
    assert [check.name for check in found] == ["definition", "CAA a.example.com", "CAA *.example.org"]
    account = "https://acme.example/1"
    assert asked == [
        ("a.example.com", Applicant(["ca.example"], account, None)),
        ("*.example.org", Applicant(["ca.example"], account, "dns-01")),
    ]


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
