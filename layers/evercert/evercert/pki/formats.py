"""File formats of a certificate with its private key: combined PEM, DER and PKCS #12 (RFC 7292)."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12 as pkcs12_files

from evercert.errors import Rejected
from evercert.pki.certificate import Bundle, to_pem
from evercert.pki.keys import PrivateKey
from evercert.pki.path.builder import is_self_signed

# keytool writes no store with a shorter passphrase; other characters are encoded differently by OpenSSL and Java.
_PASSPHRASE = re.compile(r"[ -~]{6,128}")
PASSPHRASE_RULE = "a passphrase has 6 to 128 ASCII characters"  # noqa: S105 (a message)
_KDF_ROUNDS = 20_000  # Java writes 10,000; `cryptography` always uses 2,048 for the MAC


def combined_pem(bundle: Bundle, *, omit_root: bool = True) -> str:
    """Return leaf, issuers and key in one PEM file, in the order of HAProxy's `crt`.

    The key is missing if the user supplied the CSR.
    """
    certificates = to_pem([bundle.chain.leaf, *issuers(bundle, omit_root=omit_root)])
    return certificates if bundle.private_key is None else certificates + bundle.private_key.pem()


def certificate_der(bundle: Bundle) -> bytes:
    """Return the leaf as DER."""
    return bundle.chain.leaf.public_bytes(serialization.Encoding.DER)


def key_der(bundle: Bundle) -> bytes:
    """Return the private key as unencrypted PKCS #8 DER; raise Rejected if the user holds it."""
    return _private_key(bundle, "DER of the private key").der()


def pkcs12(bundle: Bundle, passphrase: str, name: str, *, omit_root: bool = True) -> bytes:
    """Return key, leaf and issuers as PKCS #12, encrypted for OpenSSL 1.1, Java 8u301, Windows Server 2019 and newer.

    `name` is the friendly name, which Java calls the alias. Salts make every output different. Raises Rejected if the
    user holds the key, and ValueError for an unsuitable passphrase, which no message quotes.
    """
    if not _PASSPHRASE.fullmatch(passphrase):
        raise ValueError(PASSPHRASE_RULE)
    key = serialization.load_der_private_key(
        _private_key(bundle, "PKCS #12").der(), None, unsafe_skip_rsa_key_validation=True
    )
    encryption = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_KDF_ROUNDS)
        .key_cert_algorithm(pkcs12_files.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase.encode())
    )
    return pkcs12_files.serialize_key_and_certificates(
        name.encode(),
        key,  # type: ignore[arg-type]
        bundle.chain.leaf,
        issuers(bundle, omit_root=omit_root),
        encryption,
    )


def issuers(bundle: Bundle, *, omit_root: bool = True) -> list[x509.Certificate]:
    """Return the certificates above the leaf, without the root by default: a peer must have it already."""
    return [each for each in bundle.chain.certificates[1:] if not (omit_root and is_self_signed(each))]


def _private_key(bundle: Bundle, what: str) -> PrivateKey:
    if bundle.private_key is None:
        raise Rejected(f"{what} requires the private key, which a certificate from a csr does not have")
    return bundle.private_key
