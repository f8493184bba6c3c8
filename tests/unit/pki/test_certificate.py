"""Tests of certificates: facts, chain, and differences from the request."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from evercert.documents.spec import Attributes
from evercert.pki.certificate import Chain, load, mismatches, to_pem
from evercert.pki.identifiers import parse
from evercert.pki.keys import public_bytes

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
ASKED = Attributes.model_validate({"common-name": "www.example.com", "alt-names": ["ip:192.0.2.10"], "ttl": "90d"})
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


@cache
def key(whose):
    return ec.generate_private_key(ec.SECP256R1())


def usage(**wanted):
    bits = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    bits += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{bit: wanted.get(bit, False) for bit in bits})


def name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def certificate(subject, issuer, *extensions, begins=NOW, ends=NOW + timedelta(days=90), serial=0x0ABC, signer=None):
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key(subject).public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key(signer or issuer), hashes.SHA256())


def authority(subject, issuer):
    return certificate(subject, issuer, x509.BasicConstraints(ca=True, path_length=None), usage(key_cert_sign=True))


def leaf(*others, names=("dns:www.example.com", "ip:192.0.2.10"), plain=False, **dates):
    """Build the requested leaf with the test's changes."""
    found = x509.SubjectAlternativeName([parse(text).general_name() for text in names])
    usual = [] if plain else [x509.BasicConstraints(ca=False, path_length=None), usage(digital_signature=True), SERVER]
    kinds = {type(other) for other in others}
    return certificate(
        "www.example.com", "Issuing", *[e for e in (*usual, found) if type(e) not in kinds], *others, **dates
    )


ROOT, ISSUING = authority("Root", "Root"), authority("Issuing", "Root")
PUBLIC_KEY = public_bytes(key("www.example.com").public_key())


def fit(*certificates, asked=ASKED, public_key=PUBLIC_KEY):
    return mismatches(Chain(certificates), asked, public_key)


@pytest.mark.parametrize(
    "certificates",
    [
        pytest.param((leaf(),), id="leaf alone"),
        pytest.param((leaf(), ISSUING), id="with its issuer"),
        pytest.param((leaf(), ISSUING, ROOT), id="with its root"),
        pytest.param((leaf(plain=True), ISSUING), id="no usage said"),
        pytest.param(
            (leaf(names=("ip:192.0.2.10", "dns:WWW.example.com")), ISSUING), id="names in another order and case"
        ),
        pytest.param(
            (leaf(names=("dns:www.example.com", "ip:192.0.2.10", "dns:www.example.com")),), id="a repeated name"
        ),
        pytest.param((leaf(ends=NOW + timedelta(days=7)), ISSUING), id="a shorter life than was asked for"),
    ],
)
def test_mismatches_accept_the_requested_certificate(certificates):
    assert fit(*certificates) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param(leaf(usage(key_encipherment=True)), "its key usage lacks digitalSignature", id="key usage"),
        pytest.param(
            leaf(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])),
            "its extended key usage lacks serverAuth",
            id="extended key usage",
        ),
        pytest.param(
            leaf(names=("dns:www.example.com",)),
            "its names are dns:www.example.com; requested were dns:www.example.com, ip:192.0.2.10",
            id="a name short",
        ),
        pytest.param(
            leaf(names=("dns:www.example.com", "ip:192.0.2.10", "dns:evil.example")),
            "its names are dns:evil.example, dns:www.example.com, ip:192.0.2.10; "
            "requested were dns:www.example.com, ip:192.0.2.10",
            id="a name too many",
        ),
    ],
)
def test_mismatches_report_each_difference(wrong, told):
    assert fit(wrong, ISSUING) == [told]


def asking(**more):
    return Attributes.model_validate({"common-name": "www.example.com", "alt-names": ["ip:192.0.2.10"], **more})


@pytest.mark.parametrize(
    ("asked", "answered", "told"),
    [
        pytest.param(
            {"key-usages": ["key_agreement", "digital_signature"]},
            leaf(usage(digital_signature=True)),
            "its key usage lacks keyAgreement",
            id="a key usage short",
        ),
        pytest.param(
            {"key-usages": ["digital_signature", "non_repudiation"]},
            leaf(plain=True),
            "its key usage lacks digitalSignature, nonRepudiation",
            id="no key usage at all",
        ),
        pytest.param(
            {"extended-key-usages": ["client_auth", "ocsp_signing"]},
            leaf(),
            "its extended key usage lacks clientAuth, OCSPSigning",
            id="other purposes",
        ),
        pytest.param(
            {"extended-key-usages": ["code_signing"]},
            leaf(plain=True),
            "its extended key usage lacks codeSigning",
            id="no purpose at all",
        ),
    ],
)
def test_mismatches_report_missing_usages(asked, answered, told):
    assert fit(answered, ISSUING, asked=asking(**asked)) == [told]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        pytest.param(
            {"key-usages": ["key_agreement"]}, leaf(usage(key_agreement=True)), id="no digitalSignature wanted"
        ),
        pytest.param(
            {"key-usages": ["digital_signature"]},
            leaf(usage(digital_signature=True, key_encipherment=True)),
            id="more usages than wanted",
        ),
        pytest.param(
            {"extended-key-usages": ["client_auth"]},
            leaf(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])),
            id="no server wanted",
        ),
        pytest.param(
            {"extended-key-usages": ["client_auth"]},
            leaf(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])),
            id="more purposes than wanted",
        ),
        pytest.param(
            {"key-usages": ["digital_signature", "key_encipherment"]},
            leaf(usage(digital_signature=True)),
            id="a usage that the key cannot have",
        ),
    ],
)
def test_mismatches_accept_requested_usages(asked, answered):
    assert fit(answered, ISSUING, asked=asking(**asked)) == []


@pytest.mark.parametrize("asked", ["ECDSA-SHA256", "ECDSA-SHA512", "RSA-SHA256"])
def test_mismatches_leave_the_signature_to_the_key_of_the_ca(asked):
    assert fit(leaf(), ISSUING, asked=asking(**{"signature-algorithm": asked})) == []


def time_stamping(*purposes, critical):
    oids = [ExtendedKeyUsageOID.TIME_STAMPING, *purposes]
    extensions = [(extension.value, False) for extension in leaf(plain=True).extensions]
    extensions += [(usage(digital_signature=True), True), (x509.ExtendedKeyUsage(oids), critical)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name("www.example.com"))
        .issuer_name(name("Issuing"))
        .public_key(key("www.example.com").public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=90))
    )
    for extension, flag in extensions:
        builder = builder.add_extension(extension, flag)
    return builder.sign(key("Issuing"), hashes.SHA256())


@pytest.mark.parametrize(
    ("purposes", "critical", "told"),
    [
        ((), True, []),
        ((), False, []),  # self-signed profiles of Infisical issue no other
        (
            (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
            True,
            ["its extended key usage has clientAuth, serverAuth: timeStamping must be alone (RFC 3161, section 2.3)"],
        ),
    ],
    ids=["fit", "not critical", "not alone"],
)
def test_mismatches_hold_time_stamping_to_rfc_3161(purposes, critical, told):
    asked = asking(**{"extended-key-usages": ["time_stamping"], "key-usages": ["digital_signature"]})
    assert fit(time_stamping(*purposes, critical=critical), ISSUING, asked=asked) == told


def test_mismatches_leave_unrequested_time_stamping_alone():
    found = fit(time_stamping(ExtendedKeyUsageOID.SERVER_AUTH, critical=False), ISSUING)
    assert found == []


SUBJECT = {"organization": "Muster GmbH", "organizational-unit": "Web", "domain-components": ["example", "com"]}


def named(*parts):
    """Build the requested leaf with another subject."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in parts]))
        .issuer_name(name("Issuing"))
        .public_key(key("www.example.com").public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(leaf().extensions.get_extension_for_class(x509.SubjectAlternativeName).value, critical=False)
    )
    return builder.sign(key("Issuing"), hashes.SHA256())


DC, ORG, OU, CN = (
    NameOID.DOMAIN_COMPONENT, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME,
)  # fmt: skip
MUSTER = ((DC, "com"), (DC, "example"), (ORG, "Muster GmbH"), (OU, "Web"))


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((*MUSTER, (CN, "www.example.com")), id="as asked"),
        pytest.param(MUSTER, id="without its common name"),
        pytest.param((*reversed(MUSTER[2:]), *MUSTER[:2]), id="in another order"),
        pytest.param((*MUSTER[:2], (ORG, "MUSTER  gmbh"), (OU, "Web")), id="in another case"),
        pytest.param((*MUSTER, (NameOID.COUNTRY_NAME, "DE")), id="with more than was asked for"),
    ],
)
def test_mismatches_accept_the_requested_subject(parts):
    assert fit(named(*parts), ISSUING, asked=asking(**SUBJECT)) == []


@pytest.mark.parametrize(
    ("parts", "wrong"),
    [
        pytest.param((), "domain-components, organization, organizational-unit", id="nothing"),
        pytest.param((*MUSTER[:2], MUSTER[3]), "organization", id="a part short"),
        pytest.param((*MUSTER[:3], (OU, "Mail")), "organizational-unit", id="another value"),
        pytest.param((*MUSTER, (ORG, "Other")), "organization", id="a second value"),
        pytest.param((MUSTER[1], MUSTER[0], *MUSTER[2:]), "domain-components", id="the wrong way round"),
    ],
)
def test_mismatches_report_a_different_subject(parts, wrong):
    told = f"its subject does not have the requested {wrong}"
    assert fit(named(*parts), ISSUING, asked=asking(**SUBJECT)) == [told]


def test_mismatches_report_another_key():
    assert fit(leaf(), ISSUING, public_key=public_bytes(key("Root").public_key())) == ["it is for another public key"]


def test_mismatches_report_missing_alternative_names():
    bare = certificate("www.example.com", "Issuing", usage(digital_signature=True))
    assert fit(bare) == ["its names are none; requested were dns:www.example.com, ip:192.0.2.10"]


def test_mismatches_report_unsupported_name_kinds():
    names = [parse(text).general_name() for text in ("dns:www.example.com", "ip:192.0.2.10")]
    strange = leaf(x509.SubjectAlternativeName([*names, x509.DirectoryName(name("Admin"))]))
    assert [problem for problem in fit(strange) if "names" in problem] == fit(strange) != []


def test_mismatches_report_names_that_cryptography_cannot_parse():
    x400 = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("3004a3023000"))
    assert "its names are none and a name of another kind; requested were" in "; ".join(
        fit(certificate("www.example.com", "Issuing", x400), ISSUING)
    )


def test_mismatches_ignore_case_of_email_hosts():
    """RFC 5280 §7.5."""
    asked = Attributes.model_validate({"alt-names": ["ops@example.com", "www.example.com"]})
    answered = leaf(x509.SubjectAlternativeName([x509.RFC822Name("ops@EXAMPLE.com"), x509.DNSName("www.example.com")]))
    assert fit(answered, ISSUING, asked=asked) == []


def test_load_refuses_unparsable_names():
    garbage = certificate(
        "www.example.com", "Issuing", x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x03abc")
    )
    with pytest.raises(ValueError, match="malformed certificate"):
        load(to_pem([garbage]))


def test_mismatches_report_all_differences():
    wrong = certificate("www.example.com", "Issuing", usage(), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))
    assert len(fit(wrong, ROOT, public_key=b"another")) == 4


def test_mismatches_show_no_control_characters():
    hostile = leaf(x509.SubjectAlternativeName([x509.DNSName("a\x1b[2J\nb")]))
    assert all(problem.isprintable() for problem in fit(hostile, ISSUING))


def test_chain_facts_match_openssl():
    chain = Chain((leaf(), ISSUING))
    assert chain.serial_number == "0ABC"
    assert chain.common_name == "www.example.com"
    assert chain.identifiers == (parse("www.example.com"), parse("192.0.2.10"))
    assert chain.fingerprint_sha256 == leaf_fingerprint(chain)
    assert Chain((leaf(serial=0x1ABCD),)).serial_number == "01ABCD"


def leaf_fingerprint(chain):
    return chain.leaf.fingerprint(hashes.SHA256()).hex()


def test_chain_works_without_a_common_name():
    assert Chain((certificate("", "Issuing"),)).common_name is None
    assert Chain((certificate("", "Issuing"),)).identifiers == ()


def test_fullchain_has_no_root():
    chain = Chain((found := leaf(), ISSUING, ROOT))
    assert chain.leaf_pem == to_pem([found])
    assert chain.issuers_pem == to_pem([ISSUING])
    assert chain.fullchain_pem == to_pem([found, ISSUING])
    assert chain.top_pem == to_pem([ROOT])
    assert chain.pem == to_pem([found, ISSUING, ROOT])


def test_issuers_keep_a_self_issued_link_certificate():
    """Only the root is left out: a link certificate of its key change has the same names (RFC 5280 §3.2)."""
    link = certificate("Root", "Root", x509.BasicConstraints(ca=True, path_length=None), signer="Old Root")
    chain = Chain((found := leaf(), ISSUING, link, ROOT))
    assert chain.issuers_pem == to_pem([ISSUING, link])
    assert Chain((found,)).issuers_pem == ""


def test_chain_ends_with_the_first_certificate_that_expires():
    short = certificate("Issuing", "Root", ends=NOW + timedelta(days=1), begins=NOW - timedelta(days=1))
    chain = Chain((leaf(), short, ROOT))
    assert (chain.begins, chain.ends) == (NOW, NOW + timedelta(days=1))


def test_chain_parses_pem_with_text_around_it():
    chain = Chain((leaf(), ISSUING, ROOT))
    assert Chain.from_pem(chain.pem) == chain
    assert Chain.from_pem(f"subject=CN = www\r\n{chain.pem}") == chain


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "\ud800",
    ],
    ids=["empty", "words", "garbage", "no text"],
)
def test_chain_refuses_other_text(pem):
    with pytest.raises(ValueError):
        Chain.from_pem(pem)


def test_chain_leaves_out_duplicates():
    assert Chain.from_pem(to_pem([ROOT] * 60)) == Chain((ROOT,))


def test_chain_reads_a_bounded_number_of_certificates():
    answer = [leaf(), *(certificate(f"CA {number}", "Root") for number in range(60)), ROOT]
    chain = Chain.from_pem(to_pem(answer))
    assert chain.certificates == tuple(answer[:50])
    assert chain.unreadable == ("the answer has 62 certificates; only the first 50 are read",)


def test_chain_names_certificates_that_cannot_be_parsed():
    garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    chain = Chain.from_pem(to_pem([leaf()]) + garbage + to_pem([ROOT]))
    assert chain.certificates[1:] == (ROOT,)
    assert "malformed certificate" in chain.unreadable[0]


@pytest.mark.parametrize("version", [1, 3])  # encoded: version 2, and one that does not exist
def test_load_refuses_other_versions_by_name(version):
    encoded = ROOT.public_bytes(serialization.Encoding.DER).replace(
        b"\xa0\x03\x02\x01\x02", bytes([160, 3, 2, 1, version])
    )
    body = base64.encodebytes(encoded).decode()
    with pytest.raises(ValueError, match="malformed certificate"):
        load(f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")


def test_mismatches_name_another_common_name():
    asked = Attributes.model_validate({"alt-names": ["www.example.com", "ip:192.0.2.10"], "common-name": "192.0.2.10"})
    assert fit(leaf(), ISSUING, asked=asked) == ["its common name is 'www.example.com'; requested was 192.0.2.10"]


def test_mismatches_need_the_common_name_as_a_server_name_only():
    asked = Attributes.model_validate({"common-name": "www.example.com", "extended-key-usages": ["client_auth"]})
    client = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.2")])
    bare = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17.9"), b"\5\0")
    answer = certificate("www.example.com", "Issuing", client, bare)
    assert fit(answer, ISSUING, asked=asked) == []
    assert "its names are none" in fit(certificate("www.example.com", "Issuing", bare), ISSUING, asked=asked)[0]
