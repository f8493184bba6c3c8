"""Tests of CSRs as devices write them: content that is passed on with a note, and content that is refused by name."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.pki import der
from evercert.pki.certification_request import CertificationRequest
from evercert.pki.csr_parser import read
from evercert.pki.identifiers import parse
from tests.samples import requests as raw
from tests.samples.certificates import private_key
from tests.samples.chains import tlv

WWW = (raw.CN, raw.UTF8, b"www.example.com")


def csr_of(*values, **more):
    return raw.request(raw.name(*([value] for value in (*values, WWW))), **more)


def refusal(text):
    with pytest.raises(ValueError) as caught:
        read(text)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 300
    return message


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        pytest.param(raw.UTF8, "Müller GmbH".encode(), id="UTF8String"),
        pytest.param(raw.T61, "Müller GmbH".encode("latin-1"), id="T61String, Latin-1"),
        pytest.param(raw.T61, "Müller GmbH".encode(), id="T61String, UTF-8"),
        pytest.param(raw.BMP, "Müller GmbH".encode("utf-16-be"), id="BMPString"),
        pytest.param(raw.UNIVERSAL, "Müller GmbH".encode("utf-32-be"), id="UniversalString"),
    ],
)
def test_csr_accepts_every_string_type(tag, text):
    found = read(csr_of((raw.O, tag, text)))
    assert found.attributes.organization == "Müller GmbH"
    assert found.notes == ()


def test_csr_accepts_a_host_as_ia5_string():
    assert read(raw.request(raw.name([(raw.CN, raw.IA5, b"www.example.com")]))).attributes.common_name


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        pytest.param(raw.UTF8, b"M\xfcller", id="bad UTF-8"),
        pytest.param(raw.PRINTABLE, b"M\xfcller", id="bad PrintableString"),
        pytest.param(raw.BMP, b"odd", id="odd BMPString"),
        pytest.param(0x02, b"\x01", id="an INTEGER"),
    ],
)
def test_csr_names_the_field_with_invalid_text(tag, text):
    assert "invalid organization in the subject: its text does not fit its string type" in refusal(
        csr_of((raw.O, tag, text))
    )


@pytest.mark.parametrize(
    ("value", "note"),
    [
        pytest.param((raw.EMAIL, raw.IA5, b"ops@example.com"), "emailAddress (1.2.840.113549.1.9.1)", id="e-mail"),
        pytest.param((raw.SERIAL, raw.PRINTABLE, b"SN-0815"), "serialNumber (2.5.4.5)", id="serial number"),
        pytest.param(("2.5.4.65", raw.UTF8, b"p"), "2.5.4.65", id="by its number"),
        pytest.param(("1.3.6.1.4.1.99999.1", raw.UTF8, b"\xff"), "1.3.6.1.4.1.99999.1", id="not even text"),
        pytest.param((raw.O, raw.UTF8, b""), "an empty organization: ignored", id="empty"),
        pytest.param((raw.C, raw.PRINTABLE, b""), "an empty country: ignored", id="empty country"),
    ],
)
def test_csr_notes_fields_that_the_issuer_judges(value, note):
    found = read(csr_of(value))
    assert found.attributes.identifiers == (parse("www.example.com"),)
    assert found.attributes.organization is None
    assert len(found.notes) == 1 and note in found.notes[0]


def test_csr_notes_several_values_of_a_field():
    found = read(csr_of((raw.OU, raw.UTF8, b"Web"), (raw.OU, raw.UTF8, b"Ops")))
    assert found.attributes.organizational_unit is None
    assert "its subject has 2 values of organizational-unit: sent to the issuer" in found.notes[0]


@pytest.mark.parametrize("ordered", [True, False])
def test_csr_notes_multi_valued_rdns(ordered):
    name = raw.name([WWW, (raw.O, raw.UTF8, b"Example")], ordered=ordered)
    found = read(raw.request(name))
    assert found.attributes.organization == "Example"
    assert "a multi-valued RDN (RFC 5280 §4.1.2.4)" in found.notes[0]


def test_csr_ignores_a_challenge_password_and_never_quotes_it():
    secret = raw.attribute(raw.CHALLENGE_PASSWORD, raw.tlv(raw.PRINTABLE, b"very-secret"))
    other = raw.attribute(raw.UNSTRUCTURED_NAME, raw.tlv(raw.IA5, b"router-7"))
    found = read(raw.request(attributes=[raw.extensions(raw.dns_names("www.example.com")), secret, other]))
    assert "challenge password (RFC 2985 §5.4.1) is ignored" in found.notes[0]
    assert "very-secret" not in repr(found.notes)


def test_csr_notes_must_staple():
    asked = [raw.dns_names("www.example.com"), raw.extension(raw.TLS_FEATURE, bytes.fromhex("3003020105"))]
    assert "TLS feature (must-staple)" in read(raw.request(attributes=[raw.extensions(*asked)])).notes[0]


def test_csr_accepts_extensions_under_the_type_of_microsoft():
    asked = raw.extensions(raw.dns_names("b.example.com"), kind=raw.MICROSOFT)
    assert parse("b.example.com") in read(raw.request(attributes=[asked])).attributes.identifiers


@pytest.mark.parametrize("kind", [raw.EXTENSION_REQUEST, raw.MICROSOFT])
def test_csr_refuses_two_attributes_with_extensions(kind):
    shown, hidden = raw.dns_names("www.example.com"), raw.dns_names("evil.example.com")
    attributes = [raw.extensions(shown), raw.extensions(hidden, kind=kind)]
    assert "two attributes with extensions" in refusal(raw.request(attributes=attributes))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(raw.request(version=1), "unsupported version: must be 1 (value 0", id="version 2"),
        pytest.param(raw.request(version=-1), "unsupported version", id="version 0"),
        pytest.param(
            raw.request(attributes=[raw.extensions(raw.dns_names("a.example"), raw.dns_names("b.example"))]),
            "extension 2.5.29.17 occurs twice", id="extension twice",
        ),
        pytest.param(
            raw.request(
                attributes=[raw.extensions(raw.dns_names("a.example")), raw.attribute("1.2.3", b"\5\0")], ordered=False
            ),
            "attributes not in DER order", id="unsorted attributes",
        ),
        pytest.param(
            raw.request(attributes=[raw.attribute(raw.EXTENSION_REQUEST, raw.sequence(), raw.sequence())]),
            "the attribute 1.2.840.113549.1.9.14 has 2 values: must have one (RFC 2985 §5.4.2)", id="two values",
        ),
        pytest.param(
            raw.request(attributes=[raw.attribute(raw.MICROSOFT)]),
            "the attribute 1.3.6.1.4.1.311.2.1.14 has 0 values: must have one", id="no value",
        ),
        pytest.param(raw.request(attributes=[raw.attribute(raw.EXTENSION_REQUEST, raw.integer(5))]),
            "invalid extensions: malformed", id="no list of extensions"),
        pytest.param(csr_of((raw.CN, raw.UTF8, b"other.example.com")), "2 values of common-name", id="two names"),
    ],
)  # fmt: skip
def test_csr_is_refused_by_name(text, told):
    assert told in refusal(text)


# -- keys -------------------------------------------------------------------------------------------------------------
MODULUS = private_key("RSA_2048").public_key().public_numbers().n


def test_csr_refuses_pss_keys():
    key_info = raw.rsa_key_info(MODULUS, algorithm="1.2.840.113549.1.1.10")
    assert "unsupported key: RSASSA-PSS" in refusal(raw.request(key=private_key("RSA_2048"), key_info=key_info))


@pytest.mark.parametrize("exponent", [-3, 0, 1, 2, 65_536, 2**31 + 1])
def test_csr_refuses_invalid_exponents(exponent):
    key_info = raw.rsa_key_info(MODULUS, exponent)
    assert "exponent must be odd, from 3 to 2^31-1" in refusal(raw.request(key_info=key_info))


@pytest.mark.parametrize("modulus", [-5, 0, 1, MODULUS * 3], ids=["negative", "zero", "one", "small factor"])
def test_csr_refuses_weak_moduli(modulus):
    assert "key" in refusal(raw.request(key_info=raw.rsa_key_info(modulus)))


def test_csr_refuses_explicit_curve_parameters():
    """The parameters are those of P-256, written out."""
    key = private_key("EC_prime256v1")
    info = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    (_, point) = der.read(info).children(der.SEQUENCE)
    algorithm = tlv(0x30, bytes.fromhex("06072a8648ce3d0201") + tlv(0x30, bytes.fromhex("020101")))
    assert "explicit curve parameters" in refusal(raw.request(key=key, key_info=tlv(0x30, algorithm + point.encoded)))


def test_csr_without_the_attributes_field_is_read():
    full = der.read(x509.load_pem_x509_csr(csr_of().encode()).public_bytes(serialization.Encoding.DER))
    information, *rest = full.children(der.SEQUENCE)
    fields = information.children(der.SEQUENCE)[:3]
    short = tlv(0x30, tlv(0x30, b"".join(field.encoded for field in fields)) + b"".join(part.encoded for part in rest))
    request = CertificationRequest(short)
    assert (request.attributes, request.subject_der) == ((), fields[1].encoded)
