"""The names of an order, and the subproblems of refused ones."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.authority.acme import ordered_names
from evercert.authority.acme.problems import Refused
from evercert.authority.policy.policy import Policy
from evercert.pki.identifiers import Identifier

POLICY = Policy.model_validate(
    {
        "sans": [
            {"type": "dns_name", "allowed": ["*.example.com", "example.com"], "denied": ["*.secret.example.com"]},
            {"type": "ip_address", "allowed": ["192.0.2.*"]},
        ]
    }
)


def dns(*values: str) -> list[dict[str, str]]:
    return [{"type": "dns", "value": value} for value in values]


def refusal(found: object) -> Refused:
    with pytest.raises(Refused) as caught:
        ordered_names.read(found)
    assert caught.value.status == 400
    return caught.value


def forbidden(*names: Identifier, patterns: tuple[str, ...] = ()) -> Refused:
    with pytest.raises(Refused) as caught:
        ordered_names.require_allowed(names, POLICY, patterns)
    return caught.value


def test_names_are_canonical_and_unique() -> None:
    found = [*dns("WWW.Example.com", "www.example.com", "*.example.com"), {"type": "ip", "value": "2001:DB8:0::1"}]
    assert ordered_names.read(found) == (
        Identifier("dns", "www.example.com"),
        Identifier("dns", "*.example.com"),
        Identifier("ip", "2001:db8::1"),
    )


@pytest.mark.parametrize(
    "found",
    [None, {}, [], dns("a.example.com") * 101, ["www.example.com"], [{"type": "dns"}], [{"type": "dns", "value": 7}]],
    ids=["none", "object", "empty", "many", "texts", "no-value", "number"],
)
def test_other_lists_are_malformed(found: Any) -> None:
    error = refusal(found)
    assert (error.kind, "subproblems" in error.body) == ("malformed", False)


@pytest.mark.parametrize(
    "value",
    [
        "", "192.0.2.1", "127.0.0.1", "[2001:db8::1]", "a b.example.com", "www.example.com.", "www..example.com", "-a.example.com",
        "w*.example.com", "*.*.example.com", "*", "www.example.com:443", "https://www.example.com", "ops@example.com",
        "bücher.example", "a" * 64 + ".example.com", "x\x1b[2J.example.com", "${DOMAIN}",
    ],
    ids=repr,
)  # fmt: skip
def test_value_that_is_no_name_is_a_subproblem(value: str) -> None:
    error = refusal(dns("www.example.com", value))
    (sub,) = error.body["subproblems"]
    assert (error.kind, sub["type"]) == ("malformed", "urn:ietf:params:acme:error:malformed")
    assert sub["identifier"]["type"] == "dns" and sub["identifier"]["value"].isprintable()


@pytest.mark.parametrize("value", ["www.example.com", "192.0.2.1/24", "192.0.2.001", "fe80::1%eth0", ""])
def test_value_that_is_no_address_is_a_subproblem(value: str) -> None:
    (sub,) = refusal([{"type": "ip", "value": value}]).body["subproblems"]
    assert sub["type"].endswith("malformed")


@pytest.mark.parametrize("kind", ["email", "uri", "DNS", ""])
def test_other_types_are_unsupported(kind: str) -> None:
    error = refusal([{"type": kind, "value": "www.example.com"}])
    assert error.kind == "unsupportedIdentifier"
    assert len(error.body["subproblems"]) == 1


def test_names_of_the_policy_are_allowed() -> None:
    names = [Identifier("dns", "www.example.com"), Identifier("dns", "*.example.com"), Identifier("ip", "192.0.2.7")]
    ordered_names.require_allowed(names, POLICY, ())


def test_each_forbidden_name_is_a_subproblem() -> None:
    names = [Identifier("dns", name) for name in ("www.example.com", "www.example.net", "a.secret.example.com")]
    error = forbidden(*names, Identifier("ip", "198.51.100.1"))
    assert error.kind == "rejectedIdentifier"
    assert [sub["identifier"]["value"] for sub in error.body["subproblems"]] == [
        "www.example.net",
        "a.secret.example.com",
        "198.51.100.1",
    ]


def test_type_without_a_rule_is_forbidden() -> None:
    with pytest.raises(Refused, match="ip_address SAN is not allowed"):
        ordered_names.require_allowed([Identifier("ip", "192.0.2.7")], Policy(), ())


def test_credential_limits_names_further() -> None:
    names = [Identifier("dns", "api.team.example.com"), Identifier("dns", "www.example.com")]
    error = forbidden(*names, patterns=("*.team.example.com",))
    (sub,) = error.body["subproblems"]
    assert (sub["identifier"]["value"], sub["detail"]) == ("www.example.com", "the account may not order this name")


def test_wildcard_is_authorized_by_its_base_name() -> None:
    assert ordered_names.base_of(Identifier("dns", "*.example.com")) == (Identifier("dns", "example.com"), True)
    assert ordered_names.base_of(Identifier("dns", "example.com")) == (Identifier("dns", "example.com"), False)
    assert ordered_names.base_of(Identifier("ip", "192.0.2.1")) == (Identifier("ip", "192.0.2.1"), False)
