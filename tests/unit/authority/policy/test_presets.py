"""Tests of the presets: what each allows and refuses."""

from datetime import UTC, datetime, timedelta

import pytest

from evercert.authority.policy.evaluation import find_violations
from evercert.authority.policy.presets import PRESETS
from evercert.authority.requests.defaults import resolve_request
from evercert.authority.requests.requested_fields import BasicConstraints, RequestedFields
from evercert.pki.identifiers import parse

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
KEYS = ["EC_prime256v1", "EC_secp384r1", "RSA_2048", "RSA_3072", "RSA_4096"]


def found(name, **requested):
    if "names" in requested:
        requested["names"] = tuple(map(parse, requested["names"]))
    preset = PRESETS[name]
    request = resolve_request(RequestedFields(**requested), None, preset.defaults)
    return find_violations(request, preset.policy, NOW), request.leaf(NOW)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("key", [None, *KEYS])
def test_preset_accepts_request_with_a_host(name, key):
    requested = {} if key is None else {"key_algorithm": key}
    violations, leaf = found(name, common_name="www.example.com", names=["www.example.com", "*.a.example"], **requested)
    assert violations == []
    assert leaf.not_after == NOW + timedelta(days=90)
    assert leaf.key_usages == ("digital_signature",)


def test_preset_allows_its_purposes_only():
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


def test_tls_client_accepts_common_name_only():
    assert found("tls-client", common_name="Payroll service")[0] == []


@pytest.mark.parametrize(
    ("name", "requested"),
    [
        ("tls-server", {"names": ["a@b.example"]}),
        ("tls-server", {"names": ["spiffe://a.example/b"]}),
        ("tls-client", {"names": ["10.0.0.1"]}),
        ("tls-client", {"names": ["https://a.example/"]}),
        ("mtls", {"names": ["a@b.example"]}),
        *[(name, {"names": ["a.example"], **requested}) for name in PRESETS for requested in (
            {"organization": "system:masters"}, {"organizational_unit": "x"}, {"domain_components": ("a", "b")},
            {"ttl": timedelta(days=398)}, {"key_usages": ("digital_signature", "data_encipherment"), "key_algorithm": "RSA_2048"}, {"key_usages": None},
            {"extended_key_usages": None}, {"key_algorithm": "EC_secp521r1"},
        )],
    ],
)  # fmt: skip
def test_preset_refuses_other_fields(name, requested):
    assert len(found(name, **requested)[0]) == 1


@pytest.mark.parametrize("name", PRESETS)
def test_preset_refuses_ca_request(name):
    preset = PRESETS[name]
    request = resolve_request(
        RequestedFields(names=(parse("a.example"),), basic_constraints=BasicConstraints(True)), None, preset.defaults
    )
    assert find_violations(request, preset.policy, NOW) == [
        "CA certificates are not allowed by template policy (basicConstraints.isCA)"
    ]
