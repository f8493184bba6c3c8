"""zlint and pkilint run over one of each kind that evercert issues."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from evercert.authority.policy.presets import PRESETS
from evercert.pki.usages import EXTENDED_KEY_USAGES
from tests.doubles.fakes import START
from tests.samples.certificates import private_key
from tests.samples.issued import USAGES, Linted, issued
from tests.tools import zlint
from tests.tools.pkilint import findings

# Lints of zlint that do not apply, by name, with the kinds that may have the finding. All are rules of the CA/Browser
# Forum for publicly trusted CAs; every rule of RFC 5280 holds.
EXPLAINED = {
    "e_sub_cert_certificate_policies_missing": (("ca ", "self-signed ", "issuer ", "form "), "policies of public CAs"),
    "e_sub_cert_cert_policy_empty": (("ca ", "self-signed ", "issuer ", "form "), "policies of public CAs"),
    "e_exactly_one_smime_policy": (("form ",), "policies of public CAs"),
    "e_ext_san_rfc822_name_present": (("form every field", "form names only"), "public CAs certify hosts of the web"),
    "e_ext_san_uniform_resource_identifier_present": (("form SPIFFE id",), "public CAs certify hosts of the web"),
    "e_organizational_unit_name_prohibited": (("form every field",), "public CAs cannot check it"),
    "e_sub_cert_eku_missing": (("form any purpose",), "allowed where the ceiling has --any-purpose"),
    "e_ocsp_cert_cdp_forbidden": (("form purpose ocsp_signing",), "responders of public CAs"),
    "e_ocsp_id_pkix_ocsp_nocheck_ext_not_included_server_auth": (
        ("form purpose ocsp_signing",),
        "their distribution point says whether they are revoked (RFC 6960 §4.2.2.2.1)",
    ),
    "e_sub_ca_certificate_policies_missing": (("issuing CA ",), "policies of public CAs"),
    "e_invalid_ca_certificate_policies": (("issuing CA ",), "policies of public CAs"),
    "e_sub_cert_aia_missing": (("self-signed ", "issuer "), "a self-signed certificate has no issuer to load"),
    "e_signature_algorithm_not_supported": (("issuer self-signed Ed25519",), "Ed25519 is for private use"),
    "e_algorithm_identifier_improper_encoding": (("issuer self-signed Ed25519",), "Ed25519 is for private use"),
    "e_cab_crl_has_valid_reason_code": (("list of root CA ",), "cACompromise is the reason for a CA (RFC 5280 §5.3.1)"),
    "e_crl_next_update_invalid": (
        ("list of root CA ", "empty list of root CA "),
        "zlint takes it for a list of leaves",
    ),
}


@pytest.fixture(scope="module")
def everything() -> dict[str, Linted]:
    return issued()


def test_samples_cover_presets_and_kinds(everything: dict[str, Linted]) -> None:
    assert PRESETS.keys() == USAGES.keys()
    for kind in (
        *PRESETS,
        *EXTENDED_KEY_USAGES[1:],
        "every field",
        "names only",
        "any purpose",
        "SPIFFE",
        "root CA",
        "issuing CA",
        "list of root CA",
        "list of issuing CA",
        "issuer self-signed",
    ):
        assert any(kind in name for name in everything), kind


@pytest.mark.peer("lint_pkix_cert")
def test_pkilint_finds_nothing(everything: dict[str, Linted]) -> None:
    assert {name: found for name, one in everything.items() if (found := findings(one))} == {}


@pytest.mark.peer("go")
@pytest.mark.timeout(1_000)  # the first run builds zlint
def test_zlint_finds_only_explained_errors(everything: dict[str, Linted]) -> None:
    unexplained: dict[str, list[str]] = {}
    for name, errors in zlint.lint(everything).items():
        for error in errors:
            kinds, _ = EXPLAINED.get(error, ((), ""))
            if not name.startswith(kinds):
                unexplained.setdefault(error, []).append(name)
    assert unexplained == {}


@pytest.mark.peer("go")
@pytest.mark.timeout(1_000)
def test_zlint_reports_findings() -> None:
    key, name = private_key("EC_prime256v1"), x509.Name.from_rfc4514_string("CN=Example")
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(START).not_valid_after(START + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=False)
    )  # fmt: skip
    found = zlint.lint({"bad": builder.sign(key, hashes.SHA256())})
    assert "e_basic_constraints_not_critical" in found["bad"]
