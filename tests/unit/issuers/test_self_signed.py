"""Test that the self-signed issuer produces end-entity certificates that TLS peers accept."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from evercert.contracts.issuer import Request, Revoker, SelfIssuer
from evercert.documents.spec import Spec
from evercert.issuers import ISSUERS
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.certificate import mismatches
from evercert.pki.keys import PrivateKey
from evercert.pki.usages import OIDS, key_usages_of

NOW = datetime(2026, 1, 15, 12, 0, 0, 123_456, tzinfo=UTC)


@cache
def key_of(algorithm):
    """Return one cached key per algorithm, because RSA key generation is slow."""
    return PrivateKey.generate(algorithm)


def issue(now=NOW, *, name="web", algorithm="EC_prime256v1", **attributes):
    """Issue a certificate; return its spec, its key and its chain."""
    spec = Spec.model_validate(
        {
            "name": name,
            "issuer": "development",
            "attributes": attributes or {"common-name": "www.example.com"},
            "private-key": {"algorithm": algorithm},
            "destinations": [{"type": "secrets-manager"}],
        }
    )
    private_key = key_of(algorithm)
    request = Request(
        certificate=name, spec=spec, csr=private_key.sign_csr(spec.attributes), revision=1, token="t", now=now
    )
    return spec, private_key, SelfSigned(SelfSigned.Settings()).issue_with(request, private_key).chain


def assert_is_leaf(certificate: x509.Certificate, names: list[x509.GeneralName], lifetime: timedelta) -> None:
    """Assert the rules of RFC 5280 for end-entity certificates, and of TLS for servers."""
    assert certificate.version == x509.Version.v3  # RFC 5280 §4.1.2.1
    assert 0 < certificate.serial_number < 1 << 159  # §4.1.2.2: positive, at most 20 octets
    assert list(certificate.issuer)  # §4.1.2.4: not empty
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    assert (begins.microsecond, ends.microsecond) == (0, 0)  # §4.1.2.5: no fractions of a second
    assert ends - begins == lifetime
    oids = [extension.oid for extension in certificate.extensions]
    assert len(oids) == len(set(oids))  # §4.2: each extension once

    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)  # §4.2.1.9
    assert (constraints.value.ca, constraints.value.path_length) == (False, None)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)  # §4.2.1.3
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.key_encipherment == isinstance(certificate.public_key(), rsa.RSAPublicKey)  # RFC 5480 §3
    others = (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.key_agreement)
    assert not any((*others, usage.value.content_commitment, usage.value.data_encipherment))
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)  # §4.2.1.12
    assert ExtendedKeyUsageOID.SERVER_AUTH in extended.value
    assert ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in extended.value

    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)  # §4.2.1.6
    assert set(found.value) == set(names)
    assert len(list(found.value)) == len(names)
    assert found.critical == (not list(certificate.subject))
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)  # §4.2.1.2
    assert identifier.value == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    assert not identifier.critical
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)  # §4.2.1.1
    assert issuer.value.key_identifier == identifier.value.digest
    assert not issuer.critical


def handshake(chain, private_key, folder, *, hostname, trusted):
    """Perform a TLS handshake in memory; return the DER certificate that the client received."""
    (folder / "chain.pem").write_text(chain.fullchain_pem)
    (folder / "key.pem").write_text(private_key.pem())
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    client_context = ssl.create_default_context(cadata=trusted)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=hostname)
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
        if not waiting:
            return client.getpeercert(binary_form=True)
    raise AssertionError("the TLS handshake did not finish after 10 rounds")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_certificate_is_for_end_entities(algorithm):
    alternatives = ["example.com", "*.example.com", "ip:192.0.2.10", "uri:spiffe://example.org/web", "ops@example.com"]
    spec, _, chain = issue(
        algorithm=algorithm, **{"common-name": "www.example.com", "alt-names": alternatives, "ttl": "30d"}
    )
    assert_is_leaf(chain.leaf, [name.general_name() for name in spec.attributes.identifiers], timedelta(days=30))
    assert len(spec.attributes.identifiers) == 6
    assert chain.leaf.subject.rfc4514_string() == "CN=www.example.com"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_certificate_is_signed_by_its_own_key(algorithm):
    _, _, chain = issue(algorithm=algorithm)
    assert len(chain.certificates) == 1
    chain.leaf.verify_directly_issued_by(chain.leaf)
    signature = {
        "EC_prime256v1": SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        "EC_secp384r1": SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        "EC_secp521r1": SignatureAlgorithmOID.ECDSA_WITH_SHA512,
        "RSA_2048": SignatureAlgorithmOID.RSA_WITH_SHA256,
        "RSA_3072": SignatureAlgorithmOID.RSA_WITH_SHA256,
        "RSA_4096": SignatureAlgorithmOID.RSA_WITH_SHA256,
        "Ed25519": SignatureAlgorithmOID.ED25519,
    }
    assert chain.leaf.signature_algorithm_oid == signature[algorithm]
    assert chain.fullchain_pem == chain.leaf_pem == chain.top_pem


@pytest.mark.parametrize(
    "attributes",
    [
        {"common-name": "www.example.com"},
        {"alt-names": ["ip:2001:db8::1"]},
        {"common-name": "Payroll service", "alt-names": ["a.example"], "ttl": "1m"},
        {"common-name": "www.example.com", "ttl": "65s"},
        {"common-name": "www.example.com", "ttl": "50y"},
    ],
    ids=["plain", "address only", "common name is not a host name", "odd short ttl", "beyond 2050"],
)
def test_certificate_matches_the_request(attributes):
    spec, private_key, chain = issue(**attributes)
    assert mismatches(chain, spec.attributes, private_key.public_bytes()) == []
    ttl = spec.attributes.ttl or timedelta(days=90)
    assert_is_leaf(chain.leaf, [name.general_name() for name in spec.attributes.identifiers], ttl)


@pytest.mark.parametrize(
    ("ttl", "backdated"),
    [("90d", timedelta(minutes=5)), ("50m", timedelta(minutes=5)), ("1m", timedelta(seconds=6))],
)
def test_validity_starts_early_for_slow_clocks(ttl, backdated):
    _, _, chain = issue(**{"common-name": "www.example.com", "ttl": ttl})
    assert chain.leaf.not_valid_before_utc == NOW.replace(microsecond=0) - backdated


def test_missing_subject_becomes_certificate_name():
    _, _, chain = issue(name="x" * 200, **{"alt-names": ["a.example"]})
    assert chain.leaf.issuer == chain.leaf.subject
    assert chain.leaf.subject.rfc4514_string() == f"O={'x' * 64}"


def test_serial_numbers_are_unique():
    assert issue()[2].serial_number != issue()[2].serial_number


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("hostname", ["www.example.com", "a.wild.example.com", "192.0.2.10"])
def test_client_accepts_pinned_certificate(algorithm, hostname, tmp_path):
    names = ["*.wild.example.com", "ip:192.0.2.10"]
    attributes = {"common-name": "www.example.com", "alt-names": names, "ttl": "1h"}
    _, private_key, chain = issue(datetime.now(UTC), algorithm=algorithm, **attributes)
    received = handshake(chain, private_key, tmp_path, hostname=hostname, trusted=chain.pem)
    assert x509.load_der_x509_certificate(received) == chain.leaf


@pytest.mark.parametrize(
    ("hostname", "late"),
    [
        ("mail.example.com", timedelta(0)),
        ("www.example.com", timedelta(hours=2)),
        ("www.example.com", timedelta(hours=-2)),
    ],
    ids=["another host", "expired", "not yet valid"],
)
def test_client_refuses_wrong_name_or_time(hostname, late, tmp_path):
    _, private_key, chain = issue(datetime.now(UTC) - late, **{"common-name": "www.example.com", "ttl": "1h"})
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(chain, private_key, tmp_path, hostname=hostname, trusted=chain.pem)


def test_client_refuses_certificate_it_does_not_pin(tmp_path):
    _, private_key, chain = issue(datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(chain, private_key, tmp_path, hostname="www.example.com", trusted=issue(datetime.now(UTC))[2].pem)


def test_self_signed_issuer_cannot_revoke():
    issuer = ISSUERS.load("self-signed")(SelfSigned.Settings())
    assert isinstance(issuer, SelfIssuer)
    assert not isinstance(issuer, Revoker)
    assert issuer.identity(issuer.settings) == {"type": "self-signed"}


WHOLE = {
    "common-name": "www.example.com",
    "organization": "Muster & Söhne, Inc.",
    "organizational-unit": "Web",
    "country": "DE",
    "state": "Hessen",
    "locality": "Frankfurt",
    "street-address": "Mainkai 1",
    "postal-code": "60311",
    "domain-components": ["example", "com"],
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_subject_fields_are_ordered_widest_first(algorithm):
    spec, private_key, chain = issue(algorithm=algorithm, **WHOLE)
    assert mismatches(chain, spec.attributes, private_key.public_bytes()) == []
    assert chain.leaf.issuer == chain.leaf.subject
    assert [attribute.rfc4514_string() for attribute in chain.leaf.subject] == [
        "DC=com", "DC=example", "C=DE", "ST=Hessen", "L=Frankfurt", "2.5.4.17=60311", "STREET=Mainkai 1",
        "O=Muster & Söhne\\, Inc.", "OU=Web", "CN=www.example.com",
    ]  # fmt: skip


def test_subject_without_common_name_is_also_the_issuer():
    _, _, chain = issue(**{"organization": "Muster", "alt-names": ["a.example"]})
    assert chain.leaf.issuer.rfc4514_string() == chain.leaf.subject.rfc4514_string() == "O=Muster"


@pytest.mark.parametrize(
    ("algorithm", "usages", "purposes"),
    [
        ("EC_prime256v1", ["key_agreement", "encipher_only"], ["client_auth"]),
        ("EC_secp384r1", ["digital-signature", "key-agreement"], ["server-auth"]),
        ("RSA_2048", ["key_encipherment", "data_encipherment"], ["email_protection"]),
        ("Ed25519", ["non_repudiation"], ["code_signing", "email_protection"]),
    ],
)
def test_certificate_has_only_requested_usages(algorithm, usages, purposes):
    wanted = {"common-name": "a.example", "key-usages": usages, "extended-key-usages": purposes}
    spec, private_key, chain = issue(algorithm=algorithm, **wanted)
    assert mismatches(chain, spec.attributes, private_key.public_bytes()) == []
    usage = chain.leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert set(key_usages_of(usage.value)) == {word.replace("-", "_") for word in usages}
    extended = chain.leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert not extended.critical
    assert set(extended.value) == {OIDS[word.replace("-", "_")] for word in purposes}


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_openssl_accepts_time_stamping(algorithm, tmp_path):
    wanted = {"common-name": "a.example", "extended-key-usages": ["time-stamping"]}
    _, _, chain = issue(datetime.now(UTC), algorithm=algorithm, **wanted)
    assert chain.leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).critical
    file = tmp_path / "leaf.pem"
    file.write_text(chain.leaf_pem)
    command = ["openssl", "verify", "-purpose", "timestampsign", "-partial_chain", "-trusted", str(file), str(file)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith(": OK\n")


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_openssl_reads_certificate(algorithm):
    _, _, chain = issue(datetime.now(UTC), algorithm=algorithm, **WHOLE)
    command = ["openssl", "x509", "-noout", "-text", "-nameopt", "RFC2253,-esc_msb"]
    done = subprocess.run(command, input=chain.leaf_pem, capture_output=True, text=True, check=True)
    assert "O=Muster & Söhne\\, Inc." in done.stdout
    assert "X509v3 Key Usage: critical" in done.stdout
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in done.stdout
