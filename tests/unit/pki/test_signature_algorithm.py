"""Tests of the signature algorithm of a certificate against the requested one."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from evercert.pki.signature_algorithm import mismatch, signature_algorithm

KEYS = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "RSA": rsa.generate_private_key(65537, 2048),
}
HASHES = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}


def signed(key, hashed):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, KEYS["P-256"].public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, hashed)


@pytest.mark.parametrize(
    ("key", "used", "wanted", "fine"),
    [
        ("P-256", "SHA256", "ECDSA-SHA384", True),
        ("P-384", "SHA384", "ECDSA-SHA256", True),
        ("P-521", "SHA512", "ECDSA-SHA256", True),
        ("P-384", "SHA256", "ECDSA-SHA384", False),
        ("P-256", "SHA512", "ECDSA-SHA384", False),
        ("P-521", "SHA384", "ECDSA-SHA512", False),
        ("P-384", "SHA256", "ECDSA-SHA256", True),
        ("P-384", "SHA256", "RSA-SHA256", True),
        ("RSA", "SHA256", "ECDSA-SHA384", True),
        ("RSA", "SHA256", "RSA-SHA384", False),
        ("RSA", "SHA256", None, True),
    ],
)
def test_mismatch_leaves_to_the_key_what_it_decides(key, used, wanted, fine):
    found = signed(KEYS[key], HASHES[used])
    name = f"{'RSA' if key == 'RSA' else 'ECDSA'}-{used}"
    assert signature_algorithm(found) == name
    assert mismatch(found, wanted) == (None if fine else f"it is signed with {name}; requested was {wanted}")


def test_mismatch_names_another_algorithm():
    found = signed(ed25519.Ed25519PrivateKey.generate(), None)
    assert signature_algorithm(found) is None
    assert mismatch(found, None) is None
    assert mismatch(found, "RSA-SHA256") == "it is signed with another algorithm; requested was RSA-SHA256"
