"""Tests of the wire format: round trips, and refusal of everything else."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.api_errors import Refusal, bad_request
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.signer.wire_format import decode, decode_answer, encode_answer, encode_crl, encode_leaf
from evercert.errors import Misconfigured, Rejected, Unavailable, Unexpected
from evercert.pki.identifiers import parse
from tests.doubles.authority.ceremony import Ceremony, order
from tests.doubles.fakes import START

NAMES = tuple(
    map(parse, ("dns:*.example.com", "ip:2001:db8::1", "uri:spiffe://example.com/web", "email:me@example.com"))
)
LEAF = order(
    Ceremony().issuing,
    names=NAMES,
    subject={"domain_components": ("com", "example"), "common_name": ("Jürgen",)},
    hash="SHA256",
)
CRL = CrlOrder(
    "ca-1", 7, START, START + timedelta(days=7), (Revoked(2**158, START, "keyCompromise"), Revoked(5, START))
)


def sent(value: object) -> Any:
    return json.loads(json.dumps(value))


def test_orders_survive_round_trip() -> None:
    assert decode(sent(encode_leaf(LEAF))) == LEAF
    assert decode(sent(encode_crl(CRL))) == CRL


def leaf_with(**changes: Any) -> dict[str, Any]:
    return {**sent(encode_leaf(LEAF)), **changes}


def in_leaf(**changes: Any) -> dict[str, Any]:
    event = leaf_with()
    return {**event, "leaf": {**event["leaf"], **changes}}


def crl_with(**changes: Any) -> dict[str, Any]:
    return {**sent(encode_crl(CRL)), **changes}


ODD: list[tuple[object, str]] = [
    (None, "an object"), ([], "an object"), ("leaf", "an object"), (b"\x30\x82", "an object"),
    ({}, "leaf or crl"), ({"verb": "sign"}, "leaf or crl"), ({"verb": ["leaf"]}, "leaf or crl"),
    ({"verb": "leaf", "tbs": "MIIB"}, "exactly the fields"),
    (leaf_with(digest="00"), "exactly the fields"),
    (leaf_with(verb="crl"), "exactly the fields"),
    ({"verb": "crl"}, "exactly the fields"),
    (leaf_with(id=""), "id:"), (leaf_with(id="a" * 129), "id:"), (leaf_with(id="crl:ca:1"), "id:"),
    (leaf_with(id=7), "id:"), (leaf_with(id="a\n"), "id:"), (leaf_with(ca="a/b"), "ca:"), (leaf_with(ca=None), "ca:"),
    (leaf_with(profile="a\0b"), "profile:"), (leaf_with(profile={}), "profile:"),
    (leaf_with(csr=None), "csr:"), (leaf_with(csr="x" * 16_385), "csr:"), (leaf_with(csr=["x"]), "csr:"),
    (leaf_with(leaf="MIIB"), "leaf:"), (leaf_with(leaf=None), "leaf:"), (leaf_with(leaf=[]), "leaf:"),
    (in_leaf(ca=True), "leaf: ca"), (in_leaf(extensions=[]), "leaf: extensions"),
    (in_leaf(**{"basic-constraints": {"ca": True}}), "leaf: basic-constraints"),
    (in_leaf(**{"key-usages": ["key_cert_sign"]}), "leaf: key-usages"),
    (in_leaf(**{"key-usages": ["crl_sign"]}), "leaf: key-usages"),
    (in_leaf(**{"extended-key-usages": ["any_purpose"]}), "leaf: extended-key-usages"),
    (in_leaf(**{"extended-key-usages": ["2.5.29.37.0"]}), "leaf: extended-key-usages"),
    (in_leaf(names=["dns:a b"]), "leaf: names"), (in_leaf(names=["dns:192.0.2.1"]), "leaf: names"),
    (in_leaf(names=["dns:evil.net\0.example.com"]), "leaf: names"), (in_leaf(names=[{"dns": "x"}]), "leaf: names"),
    (in_leaf(names=["dns:w*.example.com"]), "leaf: names"), (in_leaf(names=["dirname:x"]), "leaf: names"),
    (in_leaf(subject={"email": ["me@example.com"]}), "leaf: subject"),
    (in_leaf(subject={"common_name": "x"}), "leaf: subject"), (in_leaf(hash="SHA1"), "leaf: hash"),
    (in_leaf(**{"not-before": "now"}), "leaf: not-before"), (in_leaf(**{"not-after": 5}), "leaf: not-after"),
    (crl_with(number=0), "number:"), (crl_with(number=True), "number:"), (crl_with(number="7"), "number:"),
    (crl_with(number=2**63), "number:"), (crl_with(number=7.0), "number:"),
    (crl_with(this_update="x"), "this_update:"), (crl_with(next_update=None), "next_update:"),
    (crl_with(revoked={}), "revoked:"), (crl_with(revoked=[[]] * 50_001), "at most 50000"),
    (crl_with(revoked=[["5"]]), "revoked:"), (crl_with(revoked=[[5, "x", None]]), "revoked:"),
    (crl_with(revoked=[["-5", "2026-01-15T12:00:00.000Z", None]]), "revoked:"),
    (crl_with(revoked=[["5", "x", None]]), "revoked:"),
    (crl_with(revoked=[["5", "2026-01-15T12:00:00.000Z", 1]]), "revoked:"),
    (crl_with(revoked=[["5" * 41, "2026-01-15T12:00:00.000Z", None]]), "revoked:"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "message"), ODD, ids=[str(number) for number in range(len(ODD))])
def test_decode_refuses_invalid_order_with_its_field(event: object, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        decode(event)


def test_answers_survive_round_trip() -> None:
    assert decode_answer(sent(encode_answer(b"\x30\x82"))) == b"\x30\x82"
    with pytest.raises(Refusal, match="beyond the ceiling") as refused:
        decode_answer(sent(encode_answer(bad_request("beyond the ceiling"))))
    assert (refused.value.status, refused.value.error) == (400, "BadRequest")
    with pytest.raises(Misconfigured, match="disabled"):
        decode_answer(sent(encode_answer(Misconfigured("disabled"))))
    for error in (Unavailable("later"), Rejected("later"), Unexpected("later")):
        with pytest.raises(Unavailable, match="later"):
            decode_answer(sent(encode_answer(error)))


@pytest.mark.parametrize(
    "answer",
    [None, {}, [], "der", {"der": 5}, {"der": "no base64!"}, {"der": "AAAA", "refused": "x"}, {"refused": 5},
     {"errorMessage": "Task timed out", "errorType": "Sandbox.Timedout"}],
)  # fmt: skip
def test_invalid_answer_is_unavailable(answer: object) -> None:
    with pytest.raises(Unavailable, match="invalid answer of the signer"):
        decode_answer(answer)
