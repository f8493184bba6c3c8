"""The judge of chains in the format of x509-limbo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.doubles.fakes import START
from tests.samples.chains import Entity, issue, leaf
from tests.tools.judge_chains import main, verdict
from tests.tools.judge_differences import DIFFERENCES

ROOT = issue("Root")
ISSUING = issue("Issuing", ROOT)


def pem(entity: Entity) -> str:
    return entity.certificate.public_bytes(Encoding.PEM).decode()


def case(name: str = "own::case", expected: str = "SUCCESS", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "expected_result": expected,
        "peer_certificate": pem(leaf(ISSUING)),
        "untrusted_intermediates": [pem(ISSUING)],
        "trusted_certs": [pem(ROOT)],
        "validation_time": START.isoformat(),
        "validation_kind": "SERVER",
        "expected_peer_name": {"kind": "DNS", "value": "www.example.com"},
    } | changes


def test_verdict_accepts_a_valid_chain() -> None:
    assert verdict(case()) is None


@pytest.mark.parametrize(
    ("names", "kind", "peer", "matches"),
    [
        (["dns:www.example.com"], "DNS", "WWW.example.com", True),
        (["dns:*.example.com"], "DNS", "www.example.com", True),
        (["dns:*.example.com"], "DNS", "a.www.example.com", False),
        (["dns:*.example.com"], "DNS", "example.com", False),
        (["ip:192.0.2.1"], "IP", "192.0.2.1", True),
        (["ip:192.0.2.1"], "DNS", "192.0.2.1", False),
        (["email:a@example.com"], "RFC822", "a@example.com", True),
    ],
)
def test_verdict_compares_the_peer_name(names: list[str], kind: str, peer: str, matches: bool) -> None:
    peer_name = {"kind": kind, "value": peer}
    found = verdict(case(peer_certificate=pem(leaf(ISSUING, names)), expected_peer_name=peer_name))
    assert (found is None) is matches


def test_verdict_refuses_a_certificate_that_does_not_parse() -> None:
    assert "malformed" in str(
        verdict(case(peer_certificate="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"))
    )


def test_verdict_ignores_an_intermediate_that_does_not_parse() -> None:
    assert verdict(case(untrusted_intermediates=["nonsense", pem(ISSUING)])) is None


def test_main_fails_for_a_difference_without_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cases.json"
    file.write_text(json.dumps({"testcases": [case(), case("own::other", "FAILURE")]}))
    assert main(str(file)) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["own::case accepted", "own::other accepted"]
    assert "own::other: expected FAILURE" in err


def test_main_prints_the_reason_of_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, reason = next(iter(DIFFERENCES.items()))
    file = tmp_path / "cases.json"
    file.write_text(json.dumps({"testcases": [case(name, "FAILURE")]}))
    assert main(str(file)) == 0
    assert capsys.readouterr().out == f"{name} accepted {reason}\n"
