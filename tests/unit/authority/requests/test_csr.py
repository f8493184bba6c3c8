"""Tests of the CSR parser: requested fields, and every reason for a refusal."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID

from evercert.authority.api_errors import Refusal
from evercert.authority.requests.csr import read
from evercert.authority.requests.requested_fields import BasicConstraints
from evercert.pki.identifiers import parse
from tests.samples import requests
from tests.samples.certificates import private_key
from tests.samples.mistaken_names import MISTAKEN_NAMES

EC_KEY = ec.generate_private_key(ec.SECP256R1())
NAMES = x509.SubjectAlternativeName([x509.DNSName("WWW.Example.com"), x509.RFC822Name("Ops@Example.com")])
CA = x509.BasicConstraints(ca=True, path_length=3)


def usage(**bits):
    known = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ]
    return x509.KeyUsage(**{bit: bits.get(bit, False) for bit in known})


def csr(*extensions, subject=(), key=EC_KEY, hash_=hashes.SHA256(), critical=False, password=None):  # noqa: B008
    name = (
        x509.Name([x509.NameAttribute(oid, value) for oid, value in subject]) if isinstance(subject, tuple) else subject
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=critical)
    if password:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, password)
    return builder.sign(key, hash_).public_bytes(serialization.Encoding.PEM).decode()


def refusal(text):
    with pytest.raises(Refusal) as caught:
        read(text)
    assert (caught.value.status, caught.value.error) == (400, "BadRequest")
    assert caught.value.message.startswith("csr: ")
    assert caught.value.message.isprintable() and len(caught.value.message) < 410
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("www.example.com.", "ends with a dot; write www.example.com"),
        ("https://www.example.com", "is a URL, not a host; write www.example.com"),
        ("www.example.com:8443", "has a port (8443); write www.example.com"),
    ],
)
@pytest.mark.parametrize(
    "extensions", [(), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),)], ids=["any", "client"]
)
def test_read_refuses_a_common_name_that_is_almost_a_host(text, why, extensions):
    message = refusal(csr(*extensions, subject=((NameOID.COMMON_NAME, text),)))
    assert message == f"csr: invalid commonName: common name {text!r} {why}"


def test_read_returns_every_field_of_a_csr():
    parsed = read(
        csr(
            NAMES, usage(digital_signature=True, key_cert_sign=True, crl_sign=True), CA,
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
            subject=(
                (NameOID.DOMAIN_COMPONENT, "com"), (NameOID.DOMAIN_COMPONENT, "example"), (NameOID.COUNTRY_NAME, "DE"),
                (NameOID.ORGANIZATION_NAME, "Muster"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "Web"), (NameOID.STATE_OR_PROVINCE_NAME, "Hessen"),
                (NameOID.LOCALITY_NAME, "Frankfurt"), (NameOID.COMMON_NAME, "bücher.example"),
            ),
        )
    )  # fmt: skip
    assert parsed.algorithm == "EC_prime256v1"
    assert parsed.requested == {
        "domain_components": ("example", "com"), "country": "DE", "organization": "Muster", "organizational_unit": "Web",
        "state": "Hessen", "locality": "Frankfurt", "common_name": "xn--bcher-kva.example",
        "names": (parse("www.example.com"), parse("Ops@example.com")), "key_algorithm": "EC_prime256v1",
        "key_usages": ("digital_signature", "key_cert_sign", "crl_sign"), "extended_key_usages": ("client_auth", "any_purpose"),
        "basic_constraints": BasicConstraints(True, 3),
    }  # fmt: skip


def test_read_accepts_common_name_only_or_no_names():
    assert read(csr(subject=((NameOID.COMMON_NAME, "Payroll service"),))).requested["common_name"] == "Payroll service"
    assert read(csr()).requested == {"key_algorithm": "EC_prime256v1"}


def test_read_drops_text_around_the_csr():
    assert "Monday" not in read(f"made on Monday\n{csr(NAMES)}\nbye").pem


def broken(text):
    """Change a name in a signed CSR."""
    der = bytearray(x509.load_pem_x509_csr(text.encode()).public_bytes(serialization.Encoding.DER))
    place = der.index(b"WWW.Example.com")
    der[place : place + 3] = b"XXX"
    return x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()


def doubled():
    """Return a CSR with two subjectAltName extensions, which the builder refuses."""
    oid = bytes.fromhex("0603551d11")
    text = csr(NAMES, x509.IssuerAlternativeName([x509.DNSName("b.example")]))
    der = x509.load_pem_x509_csr(text.encode()).public_bytes(serialization.Encoding.DER)
    twice = der.replace(bytes.fromhex("0603551d12"), oid)
    body = x509.load_der_x509_csr(twice).tbs_certrequest_bytes
    signed = EC_KEY.sign(body, ec.ECDSA(hashes.SHA256()))
    old = x509.load_der_x509_csr(der).signature
    head = twice[: twice.rindex(old)]
    # The DER length of ECDSA signatures varies: sign again until both have the same length.
    while len(signed) != len(old):
        signed = EC_KEY.sign(body, ec.ECDSA(hashes.SHA256()))
    return x509.load_der_x509_csr(head + signed).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 PEM blocks"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", "is not a certificate request"),
        ("\ud800-----BEGIN CERTIFICATE REQUEST-----", "is not a certificate request"),
        (csr(NAMES) * 2, "has 2 PEM blocks"),
        ("-----BEGIN PRIVATE KEY-----\ns3cret", "contains a private key"),
        (broken(csr(NAMES)), "invalid signature"),
        (csr(NAMES, key=rsa.generate_private_key(public_exponent=65_537, key_size=1024)), "unsupported key"),
        (csr(NAMES, key=ec.generate_private_key(ec.SECP256K1())), "unsupported key"),
        (csr(NAMES, key=dsa.generate_private_key(2048)), "unsupported key"),
        (csr(NAMES, key=ed25519.Ed25519PrivateKey.generate(), hash_=None), "unsupported key algorithm Ed25519"),
        (csr(NAMES, hash_=hashes.SHA3_256()), "unsupported signature: use SHA-256"),
        (doubled(), "invalid extensions"),
        (csr(x509.SubjectAlternativeName([x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))])), "registeredID"),
        (csr(x509.SubjectAlternativeName([x509.DirectoryName(x509.Name([]))])), "directoryName"),
        (csr(x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")])), "otherName"),
        (csr(x509.SubjectAlternativeName([x509.DNSName("10.0.0.1")])), "is not a DNS name"),
        (csr(x509.SubjectAlternativeName([x509.DNSName("a.*.example.com")])), "is not a DNS name"),
        (csr(x509.SubjectAlternativeName([x509.DNSName("a\x00.example.com")])), "printable ASCII"),
        (csr(x509.SubjectAlternativeName([x509.DNSName(".".join(["a" * 61] * 5))])), "is not a DNS name"),
        (csr(x509.SubjectAlternativeName([x509.DNSName(f"n{n}.example.com") for n in range(101)])), "at most 100"),
        (csr(NAMES, subject=((NameOID.LOCALITY_NAME, "a"), (NameOID.LOCALITY_NAME, "b"))), "2 values of locality"),
        (csr(NAMES, subject=((NameOID.COMMON_NAME, "a\x00b"),)), "invalid commonName: a common name has"),
        (csr(NAMES, subject=((NameOID.COMMON_NAME, "a.*.example.com"),)), "invalid commonName:"),
        (csr(NAMES, x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3.4")])), "extended key usage 1.2.3.4"),
        (csr(NAMES, x509.OCSPNoCheck(), critical=True), "unsupported critical extension"),
    ],
)  # fmt: skip
def test_read_refuses_unsupported_csr(text, message):
    refused = refusal(text)
    assert message in refused
    assert "s3cret" not in refused


@pytest.mark.parametrize(("text", "told"), MISTAKEN_NAMES, ids=[text for text, _ in MISTAKEN_NAMES])
def test_read_names_the_mistake_in_an_alternative_name(text, told):
    assert refusal(csr(x509.SubjectAlternativeName([x509.DNSName(text)]))).endswith(told)


MODULUS = private_key("RSA_2048").public_key().public_numbers().n
SHOWN, HIDDEN = requests.dns_names("www.example.com"), requests.dns_names("evil.example.com")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(requests.request(version=1), "unsupported version: must be 1", id="version 2"),
        pytest.param(
            requests.request(attributes=[requests.extensions(SHOWN), requests.extensions(HIDDEN, kind=requests.MICROSOFT)]),
            "two attributes with extensions", id="two attributes",
        ),
        pytest.param(
            requests.request(attributes=[requests.attribute(requests.EXTENSION_REQUEST, *map(requests.sequence, (SHOWN, HIDDEN)))]),
            "has 2 values: must have one (RFC 2985 §5.4.2)", id="two values",
        ),
        pytest.param(requests.request(attributes=[requests.extensions(SHOWN, HIDDEN)]), "occurs twice", id="two of a kind"),
        pytest.param(
            requests.request(attributes=[requests.extensions(SHOWN), requests.attribute("1.2.3", b"\5\0")], ordered=False),
            "attributes not in DER order", id="unsorted attributes",
        ),
        pytest.param(
            requests.request(key_info=requests.rsa_key_info(MODULUS, algorithm="1.2.840.113549.1.1.10")),
            "unsupported key: RSASSA-PSS", id="PSS key",
        ),
        pytest.param(requests.request(key_info=requests.rsa_key_info(MODULUS, 2**31 + 1)), "exponent must be", id="exponent"),
        pytest.param(requests.request(key_info=requests.rsa_key_info(MODULUS * 3)), "small factor", id="small factor"),
    ],
)  # fmt: skip
def test_read_refuses_misleading_csr(text, message):
    assert message in refusal(text)


@pytest.mark.parametrize(
    ("subject", "note"),
    [
        ([(NameOID.EMAIL_ADDRESS, "a@b.example")], "emailAddress (1.2.840.113549.1.9.1): left out"),
        ([(NameOID.STREET_ADDRESS, "Am Main 1")], "streetAddress (2.5.4.9): left out"),
        ([(NameOID.SERIAL_NUMBER, "SN-7")], "serialNumber (2.5.4.5): left out"),
    ],
)
def test_read_notes_fields_that_it_leaves_out(subject, note):
    found = read(csr(NAMES, subject=tuple(subject), password=b"s3cret"))
    assert found.requested.keys() == {"names", "key_algorithm"}
    assert note in found.notes[1]
    assert "challenge password" in found.notes[0] and "s3cret" not in repr(found.notes)


def test_read_keeps_several_organizational_units():
    units = tuple((NameOID.ORGANIZATIONAL_UNIT_NAME, value) for value in ("Web", "Ops"))
    assert read(csr(NAMES, subject=units)).requested["organizational_unit"] == ("Web", "Ops")


def test_read_splits_multi_valued_rdns():
    pair = [x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "b")]
    found = read(csr(NAMES, subject=x509.Name([x509.RelativeDistinguishedName(pair)])))
    assert (found.requested["common_name"], found.requested["organization"]) == ("a", "b")
    assert "multi-valued RDN" in found.notes[0]


def test_read_notes_must_staple():
    found = read(csr(NAMES, x509.TLSFeature([x509.TLSFeatureType.status_request])))
    assert "TLS feature (must-staple) (1.3.6.1.5.5.7.1.24): left out of the certificate" in found.notes[0]
