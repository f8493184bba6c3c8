"""Rules for single certificates of a path, by role."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from evercert.pki import der
from evercert.pki.path.fields import Fields
from evercert.pki.path.rules import anchor_faults, ca_faults, common_faults, leaf_faults
from evercert.pki.path.validation import validate
from tests.doubles.fakes import START
from tests.samples.certificates import private_key
from tests.samples.chains import SERVER, Entity, dn, issue, leaf, patched, resigned, tlv, version_1
from tests.samples.requests import integer

ROOT = issue("Root")
CONSTRAINTS = x509.NameConstraints([x509.DNSName("example.com")], None)
SHA1_WITH_ECDSA = "300906072a8648ce3d0401"
POLICY = x509.PolicyConstraints(0, None)


def found(rules: Any, entity: Entity, **settings: Any) -> dict[str, bool]:
    """Return the texts of the faults, and whether only strict peers refuse them."""
    return {fault.text: fault.strict for fault in rules(Fields(entity.certificate), **settings)}


def common(entity: Entity, *, anchor: bool = False) -> dict[str, bool]:
    return found(common_faults, entity, now=START, anchor=anchor)


def has(texts: dict[str, bool], part: str, *, strict: bool = False) -> bool:
    return any(part in text and is_strict is strict for text, is_strict in texts.items())


def test_rules_find_nothing_in_usual_certificates() -> None:
    assert found(leaf_faults, leaf(ROOT)) == found(ca_faults, ROOT) == found(anchor_faults, ROOT) == {}
    assert common(leaf(ROOT)) == common(ROOT, anchor=True) == {}


def test_leaf_faults_name_a_ca() -> None:
    assert has(found(leaf_faults, leaf(ROOT, ca=True)), "it is a CA certificate")
    assert has(found(leaf_faults, leaf(ROOT, usages=("key_cert_sign",))), "keyCertSign")


@pytest.mark.parametrize("usages", [("content_commitment",), ("key_agreement", "encipher_only"), ("crl_sign",)])
def test_leaf_faults_name_a_key_usage_without_use_for_tls(usages: tuple[str, ...]) -> None:
    expected = "key_agreement" not in usages
    assert has(found(leaf_faults, leaf(ROOT, usages=usages)), "nothing that TLS needs") is expected
    assert has(found(leaf_faults, leaf(ROOT, usages=usages, extended=None)), "nothing that TLS needs") is expected
    assert not has(found(leaf_faults, leaf(ROOT, usages=usages, extended=["1.3.6.1.5.5.7.3.4"])), "TLS")
    assert not has(found(leaf_faults, leaf(ROOT, ["email:a@example.com"], usages=usages, extended=None)), "TLS")


def test_key_for_pss_alone_makes_no_other_signature() -> None:
    key = private_key("RSA_2048")
    usual = bytes.fromhex("06092a864886f70d0101010500")  # rsaEncryption
    alone = bytes.fromhex("06092a864886f70d01010a3000")  # id-RSASSA-PSS
    ca = patched(issue("PSS", ROOT, key=key), ROOT, usual, alone)
    (fault, *_) = validate(leaf(Entity(ca.certificate, key)).certificate, [ca.certificate], START).faults
    assert "no certificate of the chain issued it" in fault.text


def test_leaf_faults_name_another_version() -> None:
    assert has(found(leaf_faults, version_1(leaf(ROOT), ROOT)), "it has version 1")


def test_leaf_faults_name_constraints() -> None:
    assert has(found(leaf_faults, leaf(ROOT, more=[(CONSTRAINTS, True)])), "name constraints", strict=True)


def test_leaf_faults_name_an_empty_subject_and_uncritical_names() -> None:
    assert has(found(leaf_faults, leaf(ROOT, subject="")), "its subject is empty", strict=True)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (b"\x82\x0fwww.example.com", b"\x82\x0fw*w.example.com", "malformed DNS name"),
        (b"\x82\x0fwww.example.com", b"\x82\x0f.ww.example.com", "malformed DNS name"),
        (b"\x82\x0fwww.example.com", b"\x82\x0f*.*.example.com", "malformed DNS name"),
        (b"\x82\x0fwww.example.com", b"\x82\x0f192.168.100.100", "an IP address as a DNS name"),
        (b"\x82\x0fwww.example.com", b"\x82\x0fww\xfc.example.com", "malformed DNS name"),
        (b"\x82\x0fwww.example.com", b"\x87\x0fwww.example.com", "malformed IP address"),
        (b"\x82\x0fwww.example.com", b"\x81\x0fw@w@example.com", "malformed e-mail address"),
        (b"\x82\x0fwww.example.com", b"\x86\x0fww\xfc:example.com", "malformed URI"),
    ],
)
def test_leaf_faults_name_alternative_names(old: bytes, new: bytes, text: str) -> None:
    assert has(found(leaf_faults, patched(leaf(ROOT), ROOT, old, new)), text)


def test_leaf_faults_accept_names_of_private_cas() -> None:
    changed = patched(leaf(ROOT), ROOT, b"\x82\x0fwww.example.com", b"\x82\x0f_ww.example.com")
    assert found(leaf_faults, changed) == {}


@pytest.mark.parametrize(
    ("changes", "text", "strict"),
    [
        ({"ca": None}, "no basic constraints", False),
        ({"ca": False}, "lack CA:TRUE", False),
        ({"critical": False}, "basic constraints are not critical", True),
        ({"usages": ("digital_signature",)}, "keyCertSign", False),
        ({"subject_key": False}, "no subject key identifier", True),
        ({"extensions": [(CONSTRAINTS, False)]}, "name constraints are not critical", True),
        ({"extensions": [(POLICY, False)]}, "policy constraints are not critical", True),
        ({"usages": ("crl_sign",), "path_length": 1}, "it has a path length", True),
        ({"subject": dn("")}, "CA with an empty subject", False),
    ],
)
def test_ca_faults_name_each_fault(changes: dict[str, Any], text: str, strict: bool) -> None:
    ca = issue(changes.pop("subject", "Issuing"), ROOT, **changes)
    assert has(found(ca_faults, ca), text, strict=strict)


def test_ca_faults_name_empty_name_constraints() -> None:
    empty = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.30"), tlv(0x30, b""))
    assert has(found(ca_faults, issue("Issuing", ROOT, extensions=[(empty, True)])), "are empty", strict=True)


def test_anchor_faults_ignore_the_form() -> None:
    plain = issue("Root", critical=False, subject_key=False, authority_key=False)
    assert found(anchor_faults, plain) == common(plain, anchor=True) == {}
    assert found(anchor_faults, version_1(plain)) == common(version_1(plain), anchor=True) == {}


def test_anchor_faults_name_an_anchor_that_is_no_ca() -> None:
    assert has(found(anchor_faults, issue("Root", ca=False, usages=())), "lack CA:TRUE")
    assert has(found(anchor_faults, issue("Root", usages=("crl_sign",))), "keyCertSign")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (private_key("RSA_1024"), "1024 bits"),
        (ec.generate_private_key(ec.SECP192R1()), "weak curve secp192r1"),
        (dsa.generate_private_key(2048), "neither RSA, EC nor Ed25519"),
    ],
    ids=["rsa", "curve", "dsa"],
)
@pytest.mark.parametrize("anchor", [False, True])
def test_common_faults_name_weak_keys(key: Any, text: str, anchor: bool) -> None:
    assert has(common(issue("CA", ROOT, key=key), anchor=anchor), text)


def test_common_faults_name_an_invalid_exponent() -> None:
    numbers = private_key("RSA_2048").public_key().public_numbers()
    for exponent, has_fault in ((3, False), (2**31 - 1, False), (2**31 + 1, True)):
        key = SimpleNamespace(public_key=rsa.RSAPublicNumbers(exponent, numbers.n).public_key)
        assert has(common(leaf(ROOT, key=key)), "its RSA key has an invalid exponent") is has_fault


def test_common_faults_accept_strong_keys() -> None:
    for key in (private_key("RSA_2048"), private_key("Ed25519"), ed448.Ed448PrivateKey.generate()):
        assert common(leaf(ROOT, key=key)) == {}


def test_common_faults_name_explicit_curve_parameters() -> None:
    """The parameters are those of P-256 itself, written out (RFC 5480 §2.1.1 allows only its name)."""
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    a, b = p - 3, 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    x = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
    y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    field, curve = (tlv(0x30, part) for part in (
        bytes.fromhex("06072a8648ce3d0101") + integer(p), tlv(4, a.to_bytes(32)) + tlv(4, b.to_bytes(32)),
    ))  # fmt: skip
    base = tlv(4, b"\4" + x.to_bytes(32) + y.to_bytes(32))
    parameters = tlv(0x30, integer(1) + field + curve + base + integer(order) + integer(1))
    certificate = leaf(ROOT).certificate
    parts = [part.encoded for part in der.read(certificate.tbs_certificate_bytes).children()]
    point = certificate.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    algorithm = tlv(0x30, bytes.fromhex("06072a8648ce3d0201") + parameters)
    parts[6] = tlv(0x30, algorithm + tlv(3, b"\0" + point))
    written = resigned(ROOT, tlv(0x30, b"".join(parts)))
    assert has(common(Entity(written, None)), "explicit curve parameters")


def test_common_faults_name_a_broken_digest() -> None:
    signed = resigned(ROOT, leaf(ROOT).certificate.tbs_certificate_bytes, SHA1_WITH_ECDSA)
    assert has(common(Entity(signed, None)), "broken digest sha1")


def test_common_faults_name_unknown_critical_extensions() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert has(common(issue("CA", extensions=[(unknown, True)]), anchor=True), "critical extension 1.2.3.4")
    assert common(issue("CA", extensions=[(unknown, False)]), anchor=True) == {}


def test_common_faults_name_a_serial_out_of_range() -> None:
    serial = bytes.fromhex("0201") + b"\x07"
    odd = leaf(ROOT, serial=7)
    assert has(common(patched(odd, ROOT, serial, bytes.fromhex("020100"))), "its serial number is zero")
    assert has(common(patched(odd, ROOT, serial, bytes.fromhex("0201ff"))), "its serial number is negative")
    assert common(leaf(ROOT, serial=2**158)) == {}
    version, number, *fields = der.read(odd.certificate.tbs_certificate_bytes).children()
    parts = (version.encoded, tlv(number.tag, b"\1" + bytes(20)), *(field.encoded for field in fields))
    long = Entity(resigned(ROOT, tlv(0x30, b"".join(parts))), None)
    assert has(common(long), "its serial number has 21 bytes: at most 20 are allowed")


def test_common_faults_name_an_empty_issuer() -> None:
    assert has(common(issue("CA", ROOT, issuer_name=dn(""))), "issuer name is empty")


def test_common_faults_name_a_missing_authority_key() -> None:
    assert has(common(leaf(ROOT, authority_key=False)), "no authority key identifier", strict=True)


def test_common_faults_name_differing_algorithms() -> None:
    odd = patched(leaf(ROOT), ROOT, bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040303"))
    assert has(common(odd), "algorithm fields differ")


def test_fields_refuse_a_repeated_extension() -> None:
    odd = patched(leaf(ROOT), ROOT, bytes.fromhex("0603551d0e"), bytes.fromhex("0603551d0f"))
    with pytest.raises(ValueError, match="occurs twice"):
        Fields(odd.certificate)


@pytest.mark.parametrize(
    "oid",
    [*(f"2.5.29.{number}" for number in (15, 17, 19, 31, 32, 35, 37)), "1.3.6.1.5.5.7.1.1"],
)
def test_fields_refuse_malformed_extensions(oid: str) -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x30\x05\x00")
    certificate = issue("Odd", ROOT, ca=None, usages=None, authority_key=False, extensions=[(odd, False)]).certificate
    with pytest.raises(ValueError, match="malformed"):
        Fields(certificate)


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        ("2.5.29.31", tlv(0x30, tlv(0x30, tlv(0x30, b"")))),
        ("2.5.29.32", tlv(0x30, tlv(0x30, bytes.fromhex("06022a03")) * 2)),
    ],
)
def test_fields_refuse_odd_points_and_repeated_policies(oid: str, value: bytes) -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
    with pytest.raises(ValueError, match=r"malformed CRL distribution point|policy occurs twice"):
        Fields(issue("Odd", ROOT, extensions=[(odd, False)]).certificate)


def test_fields_refuse_empty_purposes() -> None:
    empty = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.37"), tlv(0x30, b""))
    with pytest.raises(ValueError, match="empty extended key usage"):
        Fields(issue("Odd", ROOT, extensions=[(empty, False)]).certificate)
    assert Fields(leaf(ROOT).certificate).extended_key_usage == {SERVER}
