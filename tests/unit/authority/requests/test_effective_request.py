"""Tests of the effective request: defaults, CSRs with attributes, and fields that no leaf can have."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from evercert.authority.api_errors import Refusal
from evercert.authority.requests.csr import ParsedCsr, read
from evercert.authority.requests.defaults import find_repeated_attributes, resolve_request
from evercert.authority.requests.effective_request import EffectiveRequest
from evercert.authority.requests.requested_fields import BasicConstraints, RequestedFields, fields_of_leaf
from evercert.errors import Misconfigured
from evercert.pki.attributes import Attributes
from evercert.pki.identifiers import parse
from evercert.pki.keys import PrivateKey

NOW = datetime(2027, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
WHOLE = NOW.replace(microsecond=0)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
WWW = (parse("www.example.com"),)
DEFAULTS = {
    "ttlDays": 30, "commonName": "default.example.com", "organization": "Muster", "keyAlgorithm": "EC_prime256v1",
    "signatureAlgorithm": "ECDSA-SHA256", "keyUsages": ["digital_signature", "key_encipherment"], "extendedKeyUsages": ["server_auth"],
}  # fmt: skip


def leaf(**requested):
    return EffectiveRequest.of(RequestedFields(**{"names": WWW, "ttl": DAY, **requested})).leaf(NOW)


def refused(**requested):
    with pytest.raises(Refusal) as caught:
        leaf(**requested)
    assert caught.value.status == 400
    return caught.value.message


def parsed_csr(algorithm="EC_prime256v1", **attributes) -> ParsedCsr:
    requested = Attributes.model_validate({key.replace("_", "-"): value for key, value in attributes.items()})
    return read(PrivateKey.generate(algorithm).sign_csr(requested))


def test_leaf_is_backdated_and_counts_ttl_from_now():
    made = leaf()
    assert (made.not_before, made.not_after) == (WHOLE - 5 * MINUTE, WHOLE + DAY)


def test_leaf_has_requested_dates():
    made = leaf(ttl=None, not_before=WHOLE + DAY, not_after=WHOLE + 3 * DAY)
    assert (made.not_before, made.not_after) == (WHOLE + DAY, WHOLE + 3 * DAY)
    assert leaf(ttl=None, not_before=WHOLE - 5 * MINUTE, not_after=WHOLE + DAY).not_before == WHOLE - 5 * MINUTE
    assert leaf(ttl=None, not_after=WHOLE + DAY).not_before == WHOLE - 5 * MINUTE


@pytest.mark.parametrize("purposes", [(), ("client_auth",)], ids=["any purpose", "clients"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("www.example.com.", "ends with a dot; write www.example.com"),
        ("https://www.example.com", "is a URL, not a host; write www.example.com"),
        ("www.example.com:8443", "has a port (8443); write www.example.com"),
    ],
)
def test_common_name_that_is_almost_a_host_cannot_stand_alone(text, why, purposes):
    message = refused(names=(), common_name=text, extended_key_usages=purposes)
    assert message == f"Certificate request validation failed: commonName: common name {text!r} {why}"
    assert leaf(common_name=text, extended_key_usages=purposes).names == WWW
    assert leaf(names=(), common_name="Payroll service", extended_key_usages=purposes).names == ()


def test_start_date_and_default_ttl_make_an_end():
    requested = RequestedFields(names=WWW, not_before=WHOLE + DAY)
    assert EffectiveRequest.of(requested).leaf(NOW, 2 * DAY).not_after == WHOLE + 3 * DAY
    resolved = resolve_request(requested, None, {"ttlDays": 2})
    assert (resolved.ttl, resolved.not_after) == (None, WHOLE + 3 * DAY)


def test_leaf_orders_subject_as_in_certificates():
    made = leaf(common_name="a", domain_components=("example", "com"), country="DE", signature_algorithm="RSA-SHA384")
    assert dict(made.subject) == {"domain_components": ("com", "example"), "country": ("DE",), "common_name": ("a",)}
    assert (made.names, made.hash) == (WWW, "SHA384")


def test_fields_of_leaf_request_the_same_leaf():
    requested = RequestedFields(
        names=WWW, common_name="a", domain_components=("example", "com"), key_usages=("digital_signature",),
        extended_key_usages=("server_auth",), key_algorithm="RSA_2048", signature_algorithm="RSA-SHA384",
    )  # fmt: skip
    assert fields_of_leaf(EffectiveRequest.of({**requested, "ttl": DAY}).leaf(NOW), "RSA_2048") == requested


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ({"basic_constraints": BasicConstraints(True)}, "basicConstraints: this authority issues no CA certificates"),
        ({"key_usages": ("key_cert_sign",)}, "keyUsages: key_cert_sign: allowed for CAs only"),
        ({"key_usages": ("crl_sign",)}, "keyUsages: crl_sign: allowed for CAs only"),
        ({"extended_key_usages": ("any_purpose",)}, "extendedKeyUsages: any_purpose"),
        (
            {"extended_key_usages": ("time_stamping", "code_signing")},
            "extendedKeyUsages: time_stamping with code_signing: must be the only purpose (RFC 3161 §2.3)",
        ),
        ({"key_algorithm": "Ed25519"}, "keyAlgorithm: unsupported Ed25519"),
        ({"names": ()}, "altNames: give at least one name"),
        ({"ttl": None}, "requires a valid TTL"),
        ({"ttl": None, "not_before": WHOLE}, "requires a valid TTL"),
        ({"ttl": None, "not_after": WHOLE}, "notAfter: must be in the future"),
        ({"ttl": None, "not_after": WHOLE + 200 * 365 * DAY}, "notAfter: must be at most 100 years"),
        ({"ttl": None, "not_before": WHOLE + DAY, "not_after": WHOLE + DAY}, "notAfter: must be in the future"),
        (
            {"ttl": None, "not_before": WHOLE - 6 * MINUTE, "not_after": WHOLE + DAY},
            "notBefore: must be at most 5 minutes ago",
        ),
    ],
)
def test_leaf_refuses_impossible_fields(requested, message):
    refusal = refused(**requested)
    assert refusal.startswith("Certificate request validation failed: ")
    assert message in refusal


def test_for_key_leaves_out_impossible_usages():
    usages = ("digital_signature", "key_encipherment", "key_cert_sign")
    request = EffectiveRequest.of(RequestedFields(key_usages=usages))
    assert request.for_key("EC_prime256v1").key_usages == ("digital_signature", "key_cert_sign")
    assert request.for_key("RSA_2048") == request.for_key(None) == request


def test_leaf_reports_all_problems():
    refusal = refused(names=(), ttl=None, extended_key_usages=("any_purpose",))
    assert all(field in refusal for field in ("altNames", "ttl", "extendedKeyUsages"))


def test_defaults_fill_missing_fields():
    found = resolve_request(RequestedFields(names=WWW), None, DEFAULTS)
    assert found.subject == {"common_name": ("default.example.com",), "organization": ("Muster",)}
    assert (found.ttl, found.key_algorithm, found.signature_algorithm) == (30 * DAY, "EC_prime256v1", "ECDSA-SHA256")
    assert (found.key_usages, found.extended_key_usages) == (("digital_signature",), ("server_auth",))


def test_request_overrides_defaults():
    requested = RequestedFields(
        common_name="a",
        ttl=DAY,
        key_algorithm="RSA_2048",
        extended_key_usages=("client_auth",),
        key_usages=("key_agreement",),
    )
    found = resolve_request(requested, None, DEFAULTS)
    assert found.subject["common_name"] == ("a",)
    assert (found.ttl, found.key_usages, found.extended_key_usages) == (DAY, ("key_agreement",), ("client_auth",))


def test_null_clears_a_default():
    found = resolve_request(
        RequestedFields(names=WWW, common_name=None, ttl=None, key_usages=None, signature_algorithm=None),
        None,
        DEFAULTS,
    )
    assert found.subject == {"organization": ("Muster",)}
    assert (found.ttl, found.key_usages, found.signature_algorithm) == (None, (), None)


def test_incompatible_default_is_dropped():
    found = resolve_request(RequestedFields(names=WWW, key_algorithm="RSA_2048", not_after=NOW + DAY), None, DEFAULTS)
    assert (found.signature_algorithm, found.ttl) == (None, None)
    assert found.key_usages == ("digital_signature", "key_encipherment")
    assert (
        resolve_request(
            RequestedFields(signature_algorithm="ECDSA-SHA256", key_algorithm="RSA_2048"), None, {}
        ).signature_algorithm
        == "ECDSA-SHA256"
    )


def test_invalid_defaults_raise_misconfigured():
    with pytest.raises(Misconfigured, match="ttlDayz"):
        resolve_request(RequestedFields(), None, {"ttlDayz": 3})


def test_csr_fields_win_and_attributes_add():
    csr = parsed_csr(common_name="www.example.com", key_usages=["digital_signature"])
    found = resolve_request(
        RequestedFields(ttl=DAY, key_usages=("key_agreement",), organization="Muster AG"), csr, DEFAULTS
    )
    assert found.subject == {"common_name": ("www.example.com",), "organization": ("Muster AG",)}
    assert (found.names, found.key_algorithm, found.key_usages) == (WWW, "EC_prime256v1", ("key_agreement",))
    assert (found.extended_key_usages, found.ttl) == (("server_auth",), DAY)


def test_attributes_may_repeat_but_not_contradict_csr():
    csr = parsed_csr(common_name="www.example.com")
    same = RequestedFields(common_name="www.example.com", names=WWW, key_algorithm="EC_prime256v1")
    assert resolve_request(same, csr, {}).subject == {"common_name": ("www.example.com",)}
    assert find_repeated_attributes(csr, same) == ["commonName", "altNames", "keyAlgorithm"]
    assert find_repeated_attributes(csr, RequestedFields(ttl=DAY, organization="x", common_name=None)) == []
    assert resolve_request(RequestedFields(common_name=None, key_algorithm=None), csr, {}).subject == {
        "common_name": ("www.example.com",)
    }
    with pytest.raises(
        Refusal,
        match=r"attributes\.commonName, attributes\.altNames, attributes\.keyAlgorithm: the CSR has another value",
    ):
        resolve_request(RequestedFields(common_name="a", names=(), key_algorithm="RSA_2048"), csr, {})


def test_attributes_cannot_hide_a_ca_request():
    csr = parsed_csr(common_name="www.example.com")
    ca_csr = replace(csr, requested={**csr.requested, "basic_constraints": BasicConstraints(True)})
    assert resolve_request(RequestedFields(basic_constraints=BasicConstraints(False)), ca_csr, {}).ca
