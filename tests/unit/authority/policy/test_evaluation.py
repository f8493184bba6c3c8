"""Tests of policy evaluation, rule by rule, with the exact messages of Infisical."""

from datetime import UTC, datetime, timedelta

import pytest

from evercert.authority.policy.evaluation import find_violations, refuse
from evercert.authority.policy.policy import Policy
from evercert.authority.requests.effective_request import EffectiveRequest
from evercert.authority.requests.requested_fields import BasicConstraints, RequestedFields
from evercert.pki.identifiers import parse

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)


def found(policy, **requested):
    if "names" in requested:
        requested["names"] = tuple(map(parse, requested["names"]))
    return find_violations(EffectiveRequest.of(RequestedFields(**requested)), Policy.model_validate(policy), NOW)


def subject(kind="common_name", **lists):
    return {"subject": [{"type": kind, **lists}]}


def sans(kind="dns_name", **lists):
    return {"sans": [{"type": kind, **lists}]}


CN = "common_name"
KU = ("digital_signature",)


@pytest.mark.parametrize(
    ("policy", "requested", "violations"),
    [
        # subject
        (subject(required=["a", "b*"]), {}, ["Missing required common_name attribute"]),
        (subject(required=["a", "b*"]), {CN: "bc"}, []),
        (subject(required=["a", "b*"]), {CN: "c"}, ["common_name value 'c' does not match any required patterns: a, b*"]),
        (subject(denied=["a*"]), {CN: "ab"}, ["common_name value 'ab' is denied by template policy"]),
        (subject(allowed=["*"], denied=["a*"]), {CN: "ab"}, ["common_name value 'ab' is denied by template policy"]),
        (subject(required=["*"], denied=["a*"]), {CN: "ab"}, ["common_name value 'ab' is denied by template policy"]),
        (subject(allowed=["*.example.com"]), {CN: "www.example.com"}, []),
        (subject(allowed=["*.example.com"]), {CN: "a"}, ["common_name value 'a' does not match allowed patterns: *.example.com"]),
        (subject(allowed=["b"]), {CN: "a"}, ["common_name value 'a' is not in allowed values list"]),
        (subject(allowed=["b"], required=["a"]), {CN: "a"}, []),
        (subject(allowed=["b"]), {}, []),
        (subject(allowed=["*"]), {"organization": "X"}, ["organization is not allowed by template policy (not defined in template)"]),
        ({}, {CN: "a"}, ["common_name is not allowed by template policy (no subject policies defined)"]),
        ({}, {"organizational_unit": "a", "state": "b"}, [
            "organizational_unit is not allowed by template policy (no subject policies defined)",
            "state is not allowed by template policy (no subject policies defined)"]),
        (subject("country", allowed=["DE"]), {"country": "DE"}, []),
        (subject("locality", denied=["x"]), {"locality": "X"}, ["locality value 'X' is denied by template policy"]),
        (subject("domain_component", allowed=["example,com"]), {"domain_components": ("example", "com")}, []),
        (subject("domain_component", allowed=["example,com"]), {"domain_components": ("com", "example")},
            ["domain_component value 'com,example' is not in allowed values list"]),
        (subject("domain_component", denied=["com"]), {"domain_components": ("example", "com")},
            ["domain_component value 'example,com' is denied by template policy"]),
        # alternative names
        (sans(required=["a.*", "b.example"], allowed=["*"]), {"names": ["a.example"]}, ["Required dns_name SAN matching pattern 'b.example' not found in request"]),
        (sans(required=["a.*", "*.example"]), {"names": ["a.example"]}, []),
        (sans(required=["*"]), {}, ["Required dns_name SAN matching pattern '*' not found in request"]),
        (sans(denied=["*.example"]), {"names": ["a.example"]}, ["dns_name SAN matching denied pattern 'a.example' found in request"]),
        (sans(allowed=["*"], denied=["admin.x.example"]), {"names": ["*.x.example"]}, ["dns_name SAN matching denied pattern '*.x.example' found in request"]),
        (sans(allowed=["*.example"]), {"names": ["a.example", "a.test"]}, ["dns_name value 'a.test' does not match allowed patterns: *.example"]),
        (sans(allowed=["b.test"], required=["a.test"]), {"names": ["a.test", "c.test"]}, ["dns_name value 'c.test' is not in allowed values list"]),
        (sans(required=["a.test"]), {"names": ["a.test", "c.test"]}, ["dns_name value 'c.test' is not in allowed values list"]),
        (sans(allowed=["*"]), {"names": ["10.0.0.1"]}, ["ip_address SAN is not allowed by template policy (not defined in template)"]),
        ({}, {"names": ["uri:spiffe://a/b", "a@b.example"]}, [
            "uri SAN is not allowed by template policy (no SAN policies defined)",
            "email SAN is not allowed by template policy (no SAN policies defined)"]),
        (sans("ip_address", allowed=["10.*"]), {"names": ["10.0.0.1"]}, []),
        # usages
        ({"key-usages": {"required": ["digital_signature", "key_agreement"]}}, {"key_usages": KU}, ["Missing required key usages: key_agreement"]),
        ({"key-usages": {"allowed": [*KU], "denied": ["crl_sign"]}}, {"key_usages": ("crl_sign",)},
            ["Denied key usages found in request: crl_sign", "Invalid key usages: crl_sign"]),
        ({"key-usages": {"allowed": ["crl_sign"], "denied": ["crl_sign"]}}, {"key_usages": ("crl_sign",)}, ["Denied key usages found in request: crl_sign"]),
        ({"key-usages": {"allowed": [*KU]}}, {"key_usages": (*KU, "key_agreement")}, ["Invalid key usages: key_agreement"]),
        ({"key-usages": {"allowed": [*KU]}}, {}, []),
        ({"key-usages": {"required": [*KU], "allowed": ["key_agreement"]}}, {"key_usages": (*KU, "key_agreement")}, []),
        ({}, {"key_usages": KU}, ["Invalid key usages: digital_signature"]),
        ({"extended-key-usages": {"required": ["server_auth"]}}, {"extended_key_usages": ("client_auth",)},
            ["Missing required extended key usages: server_auth", "Invalid extended key usages: client_auth"]),
        ({"extended-key-usages": {"allowed": ["server_auth"], "denied": ["any_purpose"]}}, {"extended_key_usages": ("any_purpose",)},
            ["Denied extended key usages found in request: any_purpose", "Invalid extended key usages: any_purpose"]),
        ({}, {"extended_key_usages": ("server_auth",)}, ["Invalid extended key usages: server_auth"]),
        # algorithms
        ({"algorithms": {"key-algorithm": ["RSA-2048"]}}, {"key_algorithm": "RSA_2048"}, []),
        ({"algorithms": {"key-algorithm": ["RSA-2048"]}}, {"key_algorithm": "RSA_3072"}, ["Key algorithm 'RSA_3072' is not allowed by template policy"]),
        ({"algorithms": {"key-algorithm": ["RSA-2048"]}}, {}, ["Key algorithm is required by this policy but not provided"]),
        ({"algorithms": {"key-algorithm": ["any"]}}, {}, []),
        ({"algorithms": {"key-algorithm": ["any"]}}, {"key_algorithm": "RSA_3072"}, []),
        ({"algorithms": {}}, {"key_algorithm": "RSA_3072"}, ["Key algorithm 'RSA_3072' is not allowed by template policy"]),
        ({"algorithms": {"signature": ["SHA256-RSA"]}}, {"signature_algorithm": "RSA-SHA256"}, []),
        ({"algorithms": {"signature": ["SHA256-RSA"]}}, {"signature_algorithm": "RSA-SHA512"}, ["Signature algorithm 'RSA-SHA512' is not allowed by template policy"]),
        ({"algorithms": {"signature": ["SHA256-RSA"]}}, {}, ["Signature algorithm is required by this policy but not provided"]),
        ({}, {"signature_algorithm": "RSA-SHA256"}, ["Signature algorithm 'RSA-SHA256' is not allowed by template policy"]),
        # CA
        ({}, {"basic_constraints": BasicConstraints(True)}, ["CA certificates are not allowed by template policy (basicConstraints.isCA)"]),
        ({"key-usages": {"allowed": ["key_cert_sign"]}}, {"key_usages": ("key_cert_sign",)}, ["CA certificates are not allowed by template policy (basicConstraints.isCA)"]),
        ({"basicConstraints": {"isCA": "allowed"}}, {"basic_constraints": BasicConstraints(True, 200)}, []),
        ({"basicConstraints": {"isCA": "allowed", "maxPathLength": 1}}, {"basic_constraints": BasicConstraints(True, 1)}, []),
        ({"basicConstraints": {"isCA": "allowed", "maxPathLength": 1}}, {"basic_constraints": BasicConstraints(True, 2)},
            ["basicConstraints.pathLength 2 exceeds the maximum of 1 of template policy"]),
        ({"basicConstraints": {"isCA": "allowed", "maxPathLength": 1}}, {"basic_constraints": BasicConstraints(True)},
            ["basicConstraints.pathLength is required by template policy, of at most 1"]),
        ({}, {"basic_constraints": BasicConstraints(False)}, []),
    ],
)  # fmt: skip
def test_find_violations_of_each_rule(policy, requested, violations):
    assert found(policy, **requested) == violations


TOO_LONG = "Requested validity period exceeds maximum allowed duration"
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("requested", "violations"),
    [
        ({"ttl": 90 * DAY}, []),
        ({"ttl": 90 * DAY + timedelta(seconds=1)}, [TOO_LONG]),
        ({"ttl": timedelta(seconds=90)}, []),  # policies of Infisical have no such unit
        ({"not_after": NOW + 90 * DAY}, []),
        ({"not_after": NOW + 91 * DAY}, [TOO_LONG]),
        ({"not_before": NOW + 10 * DAY, "not_after": NOW + 100 * DAY}, []),
        ({"not_before": NOW, "not_after": NOW + 91 * DAY}, [TOO_LONG]),
        ({"not_before": NOW + DAY, "not_after": NOW}, ["notBefore must be earlier than notAfter"]),
        ({"ttl": DAY, "not_after": NOW + DAY}, ["ttl and notBefore or notAfter cannot be given together"]),
    ],
)
def test_find_violations_of_validity(requested, violations):
    assert found({"validity": {"max": "90d"}}, **requested) == violations


@pytest.mark.parametrize(
    ("policy", "requested", "violations"),
    [
        pytest.param(subject(denied=["a"]), {CN: "anything else"}, 0, id="only denied in a subject rule: the rest passes"),
        pytest.param(sans(denied=["a.test"]), {"names": ["b.test"]}, 0, id="only denied in a SAN rule: the rest passes"),
        pytest.param({"key-usages": {"denied": ["crl_sign"]}}, {"key_usages": KU}, 1, id="only denied in key usages: none passes"),
        pytest.param({"extended-key-usages": {"denied": ["any_purpose"]}}, {"extended_key_usages": ("server_auth",)}, 1, id="the same, extended"),
        pytest.param(subject(required=["a", "b"]), {CN: "b"}, 0, id="several required in a subject rule: any of them"),
        pytest.param(sans(required=["a.test", "b.test"]), {"names": ["b.test"]}, 1, id="several required in a SAN rule: all of them"),
        pytest.param(sans(required=["a.*", "*.test"]), {"names": ["a.test"]}, 0, id="one SAN for two required patterns"),
        pytest.param({}, {"key_algorithm": "RSA_2048"}, 1, id="algorithm requested, no list"),
        pytest.param({"algorithms": {"signature": ["any"]}}, {}, 0, id="any signature algorithm is allowed"),
        pytest.param({"validity": {"max": "1d"}}, {"not_after": NOW + DAY}, 0, id="notAfter alone counts from now"),
        pytest.param({"validity": {"max": "1d"}}, {"ttl": timedelta(hours=24, minutes=1)}, 1, id="a compound ttl is computed"),
    ],
)  # fmt: skip
def test_find_violations_in_special_cases(policy, requested, violations):
    assert len(found(policy, **requested)) == violations


def test_find_violations_reports_all():
    violations = found(
        sans(required=["x.test"]), common_name="a", names=["b.test"], key_usages=KU, key_algorithm="RSA_2048"
    )
    assert len(violations) == 5
    refusal = refuse(violations)
    assert (refusal.status, refusal.error) == (400, "BadRequest")
    assert refusal.message == f"Certificate request validation failed: {', '.join(violations)}"


def test_violation_escapes_client_values():
    (violations,) = found(subject(denied=["*"]), common_name="a\u202eb")
    assert "\u202e" not in violations


@pytest.mark.parametrize(
    ("algorithm", "requested", "violations"),
    [
        ("EC_prime256v1", KU, []),
        ("EC_prime256v1", (*KU, "key_encipherment"), []),
        ("RSA_2048", KU, ["Missing required key usages: key_encipherment"]),
        (None, KU, ["Missing required key usages: key_encipherment"]),
        ("EC_prime256v1", ("key_agreement",), ["Missing required key usages: digital_signature", "Invalid key usages: key_agreement"]),
    ],
)  # fmt: skip
def test_required_usages_are_those_that_the_key_can_have(algorithm, requested, violations):
    policy = Policy.model_validate({"key-usages": {"required": [*KU, "key_encipherment"]}})
    request = EffectiveRequest.of(RequestedFields(key_usages=requested))
    assert find_violations(request, policy, NOW, algorithm) == violations
