"""Tests of the CSR parser: parsed attributes, refused CSRs."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.attributes import Attributes
from evercert.pki.csr_parser import LARGEST, read
from evercert.pki.identifiers import parse
from evercert.pki.keys import PrivateKey
from evercert.pki.usages import key_usage

EC_KEY = ec.generate_private_key(ec.SECP256R1())
NAMES = x509.SubjectAlternativeName([x509.DNSName("WWW.Example.com"), x509.RFC822Name("Ops@Example.com")])


def csr(*extensions, subject=(), key=EC_KEY, hash_=hashes.SHA256(), critical=False):  # noqa: B008
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    )
    for extension in extensions or (NAMES,):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hash_).public_bytes(serialization.Encoding.PEM).decode()


def refusal(text):
    with pytest.raises(ValueError) as caught:
        read(text)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 300
    return message


def test_csr_names_are_canonical():
    assert read(csr()).attributes.identifiers == (parse("dns:www.example.com"), parse("email:Ops@example.com"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_csr_key_algorithm(algorithm):
    asked = Attributes.model_validate({"common-name": "a.example"})
    assert read(PrivateKey.generate(algorithm).sign_csr(asked)).algorithm == algorithm


def test_csr_accepts_the_old_pem_label():
    old = csr().replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
    assert read(f"made by hand on Monday\r\n{old}\r\nbye").pem == csr_again(old)
    assert "Monday" not in read(f"made by hand on Monday\r\n{old}\r\nbye").pem


def csr_again(old):
    return x509.load_pem_x509_csr(old.encode()).public_bytes(serialization.Encoding.PEM).decode()


def test_csr_needs_only_a_common_name():
    asked = read(csr(x509.BasicConstraints(ca=False, path_length=None), subject=[(NameOID.COMMON_NAME, "a.example")]))
    assert asked.attributes == Attributes.model_validate({"common-name": "a.example"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "has 0 PEM blocks", id="empty"),
        pytest.param("request.pem", "has 0 PEM blocks", id="a path"),
        pytest.param(csr() * 2, "has 2 PEM blocks", id="two"),
        pytest.param("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is not a certificate request", id="a certificate"),
        pytest.param(csr().replace("\n", "\nAAAA", 2), "is not a certificate request", id="garbage"),
        pytest.param(csr() + "\ud800", "is not a certificate request", id="no text"),
        pytest.param(csr() + " " * LARGEST, "the limit is 16384", id="long"),
    ],
)  # fmt: skip
def test_csr_refuses_other_text(text, told):
    assert told in refusal(text)


def test_csr_error_never_quotes_a_private_key():
    pem = PrivateKey.generate("EC_prime256v1").pem()
    for text in (pem, csr() + pem, pem + csr()):
        message = refusal(text)
        assert "contains a private key" in message
        assert not [line for line in pem.splitlines() if line in message]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda: ec.generate_private_key(ec.SECP256K1()), id="curve"),
        pytest.param(lambda: rsa.generate_private_key(public_exponent=65_537, key_size=1024), id="RSA 1024"),
        pytest.param(lambda: rsa.generate_private_key(public_exponent=65_537, key_size=2056), id="RSA 2056"),
    ],
)
def test_csr_refuses_unsupported_keys(key):
    assert "unsupported key: use RSA 2048, 3072 or 4096, EC P-256" in refusal(csr(key=key()))


def test_csr_refuses_ed448_keys():
    assert "unsupported key" in refusal(csr(key=ed448.Ed448PrivateKey.generate(), hash_=None))


EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")  # OIDs as they stand in DER
ECDSA_WITH_SHA256 = bytes.fromhex("06082a8648ce3d040302")


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        pytest.param(b"WWW.Example", b"WWW.Exomple", "invalid signature", id="name"),
        pytest.param(EC_PUBLIC_KEY, EC_PUBLIC_KEY[:-1] + b"\x7f", "unsupported key", id="kind of key"),
        pytest.param(
            ECDSA_WITH_SHA256, ECDSA_WITH_SHA256[:-1] + b"\x7f", "unsupported signature", id="kind of signature"
        ),
    ],
)
def test_csr_refuses_changes_after_signing(right, wrong, told):
    der = x509.load_pem_x509_csr(csr().encode()).public_bytes(serialization.Encoding.DER)
    assert right in der
    forged = base64.encodebytes(der.replace(right, wrong)).decode()
    text = f"-----BEGIN CERTIFICATE REQUEST-----\n{forged}-----END CERTIFICATE REQUEST-----\n"
    assert told in refusal(text)


def test_csr_refuses_weak_signatures():
    weak = csr(hash_=hashes.SHA224())
    assert "unsupported signature: use SHA-256, SHA-384 or SHA-512" in refusal(weak)


OTHER_NAME = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")


@pytest.mark.parametrize(
    ("extensions", "told"),
    [
        pytest.param([NAMES, x509.BasicConstraints(ca=True, path_length=0)], "it requests a CA certificate", id="CA"),
        pytest.param([NAMES, x509.KeyUsage(True, *[False] * 4, True, *[False] * 3)], "which evercert does not issue", id="key_cert_sign"),
        pytest.param([NAMES, x509.KeyUsage(True, *[False] * 5, True, *[False] * 2)], "which evercert does not issue", id="crl_sign"),
        pytest.param([NAMES, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])], "the purpose anyExtendedKeyUsage", id="any purpose"),
        pytest.param([NAMES, x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3")])], "the purpose 1.2.3,", id="unknown purpose"),
        pytest.param([x509.SubjectAlternativeName([OTHER_NAME])], "unsupported name type otherName", id="kind of name"),
        pytest.param([x509.SubjectAlternativeName([x509.DNSName("*.com")])], "'*.com' is not a DNS name", id="name"),
        pytest.param([x509.SubjectAlternativeName([x509.DNSName("a\x1b[2J.example")])], "only printable ASCII", id="control character"),
        pytest.param([x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x03abc")], "invalid extensions: malformed DER", id="broken names"),
        pytest.param([x509.KeyUsage(True, *[False] * 8)], "give at least one name", id="no name"),
    ],
)  # fmt: skip
def test_csr_refuses_unsupported_extensions(extensions, told):
    assert told in refusal(csr(*extensions))


def test_csr_refuses_unknown_extensions_if_critical():
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    assert read(csr(NAMES, strange)).attributes == read(csr()).attributes
    assert "unsupported critical extension 1.2.3; remove it from the CSR" in refusal(csr(NAMES, strange, critical=True))


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        pytest.param([(NameOID.COMMON_NAME, "a"), (NameOID.COMMON_NAME, "b")], "has 2 values of common-name", id="twice"),
        pytest.param([(NameOID.ORGANIZATION_NAME, "a" * 65)], "organization: 1 to 64 printable characters", id="long"),
        pytest.param([(NameOID.LOCALITY_NAME, "a\x1b[2J")], "locality: 1 to 128 printable characters", id="control character"),
    ],
)  # fmt: skip
def test_csr_refuses_unsupported_subjects(subject, told):
    assert told in refusal(csr(subject=subject))


def test_csr_usages():
    asked = read(csr(NAMES, key_usage(["key_agreement"]), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])))
    assert asked.attributes.key_usages == ("key_agreement",)
    assert asked.attributes.extended_key_usages == ("client_auth",)
