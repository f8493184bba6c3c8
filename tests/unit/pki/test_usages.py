"""Tests of usages: document words, certificate bits, limits of the key algorithms."""

from itertools import combinations

import pytest
from cryptography import x509
from pydantic import TypeAdapter, ValidationError

from evercert.pki.algorithms import ALGORITHMS, family
from evercert.pki.usages import (
    EXTENDED_KEY_USAGES,
    KEY_USAGES,
    ExtendedKeyUsages,
    KeyUsages,
    extended_key_usage,
    extended_key_usages_of,
    impossible,
    in_the_standard,
    key_usage,
    key_usages_of,
    purpose_conflict,
    usage_extensions,
    without_conflict,
    without_impossible,
)

KEY, EXTENDED = TypeAdapter(KeyUsages), TypeAdapter(ExtendedKeyUsages)


@pytest.mark.parametrize("words", [["key-agreement", "digital_signature"], ["digital_signature", "key_agreement"] * 2])
def test_usages_are_normalized(words):
    assert KEY.validate_python(words) == ("digital_signature", "key_agreement")


@pytest.mark.parametrize(
    ("kind", "word", "told"),
    [
        (KEY, "key_cert_sign", "evercert does not issue CA certificates"),
        (KEY, "crl-sign", "evercert does not issue CA certificates"),
        (EXTENDED, "any_purpose", "name the purposes"),
        (KEY, "digital-signatur", "did you mean 'digital_signature'?"),
        (EXTENDED, "serverAuth", "did you mean 'server_auth'?"),
        (EXTENDED, "digital_signature", "unsupported usage"),
        (KEY, "x\x1b[2J", "unsupported usage"),
        (KEY, 5, "Input should be"),
    ],
)  # fmt: skip
def test_usages_refuse_other_words_with_a_reason(kind, word, told):
    with pytest.raises(ValidationError) as caught:
        kind.validate_python([word])
    (problem,) = caught.value.errors()
    assert told in problem["msg"]
    assert problem["msg"].isprintable()
    assert problem["loc"][0] == 0


ALLOWED = {  # RFC 3279 §2.3.1; RFC 5480 §3 and RFC 8813 §3; RFC 8410 §5
    "RSA": {"digital_signature", "non_repudiation", "key_encipherment", "data_encipherment"},
    "EC": {"digital_signature", "non_repudiation", "key_agreement", "encipher_only", "decipher_only"},
    "Ed25519": {"digital_signature", "non_repudiation"},
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_impossible_follows_the_key_standards(algorithm):
    possible = {usage for usage in KEY_USAGES if impossible([usage, "digital_signature"], algorithm) is None}
    needs = {"encipher_only", "decipher_only"}
    assert possible == ALLOWED[family(algorithm)] - needs
    with_agreement = {usage for usage in needs if impossible([usage, "key_agreement"], algorithm) is None}
    assert with_agreement == ALLOWED[family(algorithm)] & needs


@pytest.mark.parametrize(
    ("usages", "algorithm", "told"),
    [
        (["key_encipherment"], "EC_prime256v1", "key_encipherment with EC_prime256v1: EC keys do not encrypt (RFC 5480 §3"),
        (["digital_signature", "key_agreement"], "RSA_2048", "key_agreement with RSA_2048: RSA keys"),
        (["key_agreement", "key_encipherment"], "Ed25519", "key_agreement, key_encipherment with Ed25519: Ed25519 keys only sign (RFC 8410 §5"),
        (["encipher_only"], "EC_secp384r1", "encipher_only: has no meaning without key_agreement (RFC 5280 §4.2.1.3)"),
        (["key_agreement", "decipher_only", "encipher_only"], "EC_prime256v1",
            "encipher_only, decipher_only: each excludes the other (RFC 5280 §4.2.1.3)"),
    ],
)  # fmt: skip
def test_impossible_cites_the_rule(usages, algorithm, told):
    assert impossible(usages, algorithm).startswith(told)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_without_impossible_leaves_possible_usages(algorithm):
    for count in range(len(KEY_USAGES) + 1):
        for usages in combinations(KEY_USAGES, count):
            left = without_impossible(usages, algorithm)
            assert impossible(left, algorithm) is None
            assert set(left) <= set(usages)
            if impossible(usages, algorithm) is None:
                assert left == list(usages)


@pytest.mark.parametrize(
    ("purposes", "conflict"),
    [
        ((), None),
        (("time_stamping",), None),
        (("server_auth", "client_auth"), None),
        (("server_auth", "time_stamping"), "time_stamping with server_auth: must be the only purpose (RFC 3161 §2.3)"),
        (("time_stamping", "any_purpose"), "time_stamping with any_purpose: must be the only purpose (RFC 3161 §2.3)"),
    ],
)
def test_purpose_conflict_names_the_other_purposes(purposes, conflict):
    assert purpose_conflict(purposes) == conflict
    assert purpose_conflict(without_conflict(purposes)) is None
    assert bool(without_conflict(purposes)) == bool(purposes)


@pytest.mark.parametrize("purpose", EXTENDED_KEY_USAGES)
def test_only_time_stamping_is_critical(purpose):
    (usage, critical_usage), (purposes, critical) = usage_extensions(("digital_signature",), (purpose,))
    assert (usage, critical_usage) == (key_usage(("digital_signature",)), True)
    assert (purposes, critical) == (extended_key_usage((purpose,)), purpose == "time_stamping")
    assert usage_extensions((), ()) == []


def test_impossible_names_every_usage():
    assert impossible(["key_encipherment", "decipher_only"], "EC_prime256v1") == (
        "key_encipherment with EC_prime256v1: EC keys do not encrypt (RFC 5480 §3, RFC 8813 §3); "
        "decipher_only: has no meaning without key_agreement (RFC 5280 §4.2.1.3)"
    )


@pytest.mark.parametrize("usage", [*KEY_USAGES])
def test_key_usages_round_trip(usage):
    asked = ("key_agreement", usage) if usage in ("encipher_only", "decipher_only") else (usage,)
    assert key_usages_of(key_usage(asked)) == asked


def test_key_usage_never_sets_ca_bits():
    extension = key_usage(KEY_USAGES)
    assert not extension.key_cert_sign
    assert not extension.crl_sign


def test_extended_key_usages_round_trip():
    assert extended_key_usages_of(extended_key_usage(EXTENDED_KEY_USAGES)) == EXTENDED_KEY_USAGES
    assert extended_key_usages_of(x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3")])) == ()


@pytest.mark.parametrize(
    ("usage", "word"),
    [
        ("digital_signature", "digitalSignature"), ("non_repudiation", "nonRepudiation"), ("server_auth", "serverAuth"),
        ("email_protection", "emailProtection"), ("ocsp_signing", "OCSPSigning"),
    ],
)  # fmt: skip
def test_usages_are_spelled_as_in_the_standard(usage, word):
    assert in_the_standard(usage) == word
