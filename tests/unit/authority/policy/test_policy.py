"""Tests of the policy model: both spellings, and every reason for a refusal."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from evercert.authority.policy.policy import Policy, kebab

FULL = {
    "subject": [{"type": "common_name", "allowed": ["*.example.com"], "denied": ["admin.example.com"]}],
    "sans": [{"type": "dns_name", "allowed": ["*.example.com"], "required": ["*"]}],
    "keyUsages": {"required": ["digital_signature"], "allowed": ["key_cert_sign"], "denied": ["crl_sign"]},
    "extendedKeyUsages": {"allowed": ["server_auth", "any_purpose"]},
    "algorithms": {"signature": ["SHA256-RSA", "SHA384-ECDSA"], "keyAlgorithm": ["RSA-2048", "ECDSA-P256"]},
    "validity": {"max": "3m"},
    "basicConstraints": {"isCA": "allowed", "maxPathLength": 2},
}


def problems(**parts):
    with pytest.raises(ValidationError) as caught:
        Policy.model_validate(parts)
    return {detail["loc"]: detail["msg"] for detail in caught.value.errors()}


def test_policy_accepts_api_and_document_spelling():
    kebab_case = {
        "subject": FULL["subject"],
        "sans": [{**FULL["sans"][0], "type": "dns-name"}],
        "key-usages": {"required": ["digital-signature"], "allowed": ["key-cert-sign"], "denied": ["crl-sign"]},
        "extended-key-usages": {"allowed": ["server-auth", "any-purpose"]},
        "algorithms": {"signature": ["RSA-SHA256", "ECDSA-SHA384"], "key-algorithm": ["RSA_2048", "EC_prime256v1"]},
        "validity": {"max": "90d"},
        "basic-constraints": {"is-ca": "allowed", "max-path-length": 2},
    }
    read, again = Policy.model_validate(FULL), Policy.model_validate(kebab_case)
    assert read.model_copy(update={"validity": again.validity}) == again
    assert read.validity.span == again.validity.span == timedelta(days=90)
    assert read.algorithms.signature == ("RSA-SHA256", "ECDSA-SHA384")
    assert read.algorithms.key_algorithm == ("RSA_2048", "EC_prime256v1")


def test_policy_survives_serialization():
    policy = Policy.model_validate(FULL)
    assert Policy.model_validate(policy.model_dump(mode="json", by_alias=True)) == policy
    assert Policy.model_validate_json(policy.model_dump_json(by_alias=True)) == policy


def test_empty_policy_has_no_rules():
    policy = Policy()
    assert (policy.subject, policy.sans, policy.key_usages, policy.algorithms) == ((), (), None, None)
    assert policy.validity.span is None
    assert policy.basic_constraints.is_ca == "denied"
    assert policy.basic_constraints.max_path_length == -1


@pytest.mark.parametrize(("text", "span"), [("12h", 12), ("1d", 24), ("2m", 60 * 24), ("1y", 365 * 24)])
def test_validity_units_are_those_of_infisical(text, span):
    assert Policy.model_validate({"validity": {"max": text}}).validity.span == timedelta(hours=span)


RULE = {"type": "dns_name", "allowed": ["*"]}


@pytest.mark.parametrize(
    ("parts", "place", "message"),
    [
        ({"sans": [{"type": "dns_name"}]}, ("sans", 0), "at least one of allowed, required and denied"),
        ({"key-usages": {}}, ("key-usages",), "at least one of"),
        ({"extended-key-usages": {}}, ("extended-key-usages",), "at least one of"),
        ({"sans": [RULE, RULE]}, ("sans", 1, "type"), "duplicate rule for dns_name"),
        ({"subject": [{"type": "country", "denied": ["DE"]}, {"type": "country", "allowed": ["FR"]}]}, ("subject", 1, "type"), "duplicate rule for country"),
        ({"sans": [{"type": "dns_name", "allowed": ["a", "a"]}]}, ("sans", 0, "allowed"), "duplicate value 'a'"),
        ({"key-usages": {"allowed": ["key_agreement", "key-agreement"]}}, ("key-usages", "allowed"), "duplicate value"),
        ({"sans": [{"type": "dns_name", "allowed": []}]}, ("sans", 0, "allowed"), "must have 1 to 100 values"),
        ({"sans": [{"type": "dns_name", "allowed": [f"{n}.example" for n in range(101)]}]}, ("sans", 0, "allowed"), "must have 1 to 100 values"),
        ({"sans": [{"type": "upn", "allowed": ["*"]}]}, ("sans", 0, "type"), "Input should be"),
        ({"subject": [{"type": "street", "allowed": ["*"]}]}, ("subject", 0, "type"), "Input should be"),
        ({"sans": [{"type": "dns_name", "denied": ["bücher.example"]}]}, ("sans", 0, "denied", 0), "A-labels"),
        ({"subject": [{"type": "domain_component", "denied": ["a", "b,,c"]}]}, ("subject", 0, "denied", 1), "must be a comma-separated list"),
        ({"algorithms": {"signature": []}}, ("algorithms", "signature"), "must have 1 to 100 values"),
        ({"algorithms": {"key-algorithm": []}}, ("algorithms", "key-algorithm"), "must have 1 to 100 values"),
        ({"algorithms": {"key-algorithm": ["DSA-1024"]}}, ("algorithms", "key-algorithm", 0), "Input should be"),
        ({"algorithms": {"signature": ["SHA1-RSA"]}}, ("algorithms", "signature", 0), "Input should be"),
        ({"algorithms": {"signature": ["any", "SHA256-RSA"]}}, ("algorithms", "signature"), "any with other values"),
        ({"validity": {"max": "90"}}, ("validity", "max"), "must be a number and h, d, m"),
        ({"validity": {"max": "90d\n"}}, ("validity", "max"), "must be a number and h, d, m"),
        ({"validity": {"max": "0d"}}, ("validity", "max"), "must be longer than zero"),
        ({"validity": {"max": "101y"}}, ("validity", "max"), "longer than zero, and at most 100y"),
        ({"basic-constraints": {"max-path-length": -2}}, ("basic-constraints", "max-path-length"), "greater than or equal"),
        ({"basic-constraints": {"is-ca": "required"}}, ("basic-constraints", "is-ca"), "issues no CA certificates"),
        ({"key-usages": {"required": ["key_cert_sign"]}}, ("key-usages", "required"), "cannot be satisfied"),
        ({"extended-key-usages": {"required": ["any_purpose"]}}, ("extended-key-usages", "required"), "cannot be satisfied"),
        ({"extended-key-usages": {"required": ["time_stamping", "client_auth"]}}, ("extended-key-usages", "required"),
            "cannot be satisfied: time_stamping with client_auth"),
        ({"keyusages": {}}, ("keyusages",), "Extra inputs"),
        ({"key-usages": {"denied": ["crl_sign"]}, "keyUsages": {"allowed": ["key_agreement"]}}, (), "duplicate key"),
    ],
)  # fmt: skip
def test_policy_reports_problem_at_its_path(parts, place, message):
    assert message in problems(**parts)[place]


@pytest.mark.parametrize("key", ["isCA", "is-ca", "is_ca"])
def test_policy_accepts_every_spelling_of_is_ca(key):
    assert kebab(key) == "is-ca"
    assert Policy.model_validate({"basicConstraints": {key: "allowed"}}).basic_constraints.is_ca == "allowed"
