"""The presets: what each allows as it comes, and what it is there to refuse."""

from datetime import UTC, datetime, timedelta

import pytest

from evercert.authority.policy.evaluation import find_violations
from evercert.authority.policy.presets import PRESETS
from evercert.authority.requests.defaults import resolve_request
from evercert.authority.requests.requested_fields import BasicConstraints, RequestedFields
from evercert.pki.identifiers import parse

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
KEYS = ["EC_prime256v1", "EC_secp384r1", "RSA_2048", "RSA_3072", "RSA_4096"]


def found(name, **asked):
    if "names" in asked:
        asked["names"] = tuple(map(parse, asked["names"]))
    preset = PRESETS[name]
    wished = resolve_request(RequestedFields(**asked), None, preset.defaults)
    return find_violations(wished, preset.policy, NOW), wished.leaf(NOW)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("key", [None, *KEYS])
def test_a_request_that_names_a_host_is_enough(name, key):
    asked = {} if key is None else {"key_algorithm": key}
    told, leaf = found(name, common_name="www.example.com", names=["www.example.com", "*.a.example"], **asked)
    assert told == []
    assert leaf.not_after == NOW + timedelta(days=90)
    assert leaf.key_usages == ("digital_signature",)


def test_each_has_its_purposes_and_no_other():
    purposes = {name: found(name, names=["a.example"])[1].extended_key_usages for name in PRESETS}
    assert purposes == {
        "tls-server": ("server_auth",),
        "tls-client": ("client_auth",),
        "mtls": ("server_auth", "client_auth"),
    }
    for name, other in (("tls-server", "client_auth"), ("tls-client", "server_auth")):
        assert found(name, names=["a.example"], extended_key_usages=(*purposes[name], other))[0] == [
            f"Invalid extended key usages: {other}"
        ]


def test_a_client_may_have_a_common_name_alone():
    assert found("tls-client", common_name="Payroll service")[0] == []


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("tls-server", {"names": ["a@b.example"]}),
        ("tls-server", {"names": ["spiffe://a.example/b"]}),
        ("tls-client", {"names": ["10.0.0.1"]}),
        ("tls-client", {"names": ["https://a.example/"]}),
        ("mtls", {"names": ["a@b.example"]}),
        *[(name, {"names": ["a.example"], **asked}) for name in PRESETS for asked in (
            {"organization": "system:masters"}, {"organizational_unit": "x"}, {"domain_components": ("a", "b")},
            {"ttl": timedelta(days=398)}, {"key_usages": ("digital_signature", "data_encipherment"), "key_algorithm": "RSA_2048"}, {"key_usages": None},
            {"extended_key_usages": None}, {"key_algorithm": "EC_secp521r1"},
        )],
    ],
)  # fmt: skip
def test_refuses_the_rest(name, asked):
    assert len(found(name, **asked)[0]) == 1


@pytest.mark.parametrize("name", PRESETS)
def test_none_makes_a_ca(name):
    preset = PRESETS[name]
    wished = resolve_request(
        RequestedFields(names=(parse("a.example"),), basic_constraints=BasicConstraints(True)), None, preset.defaults
    )
    assert find_violations(wished, preset.policy, NOW) == [
        "CA certificates are not allowed by template policy (basicConstraints.isCA)"
    ]
