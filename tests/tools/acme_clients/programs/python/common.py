"""Settings, files, and answers to challenges, which the programs share. Each program runs one operation.

The programs run in an environment of their own, with the working folder of the test: `account.pem` is the account's key.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DIRECTORY, CA_BUNDLE = os.environ["ACME_DIRECTORY"], os.environ["ACME_CA_BUNDLE"]
KEY_ID, HMAC_KEY = os.environ["ACME_KEY_ID"], os.environ["ACME_HMAC_KEY"]
RECORDS = Path(os.environ["ACME_RECORDS"])
PAGES = Path("challenges")
SUPERSEDED = 4
Key = ec.EllipticCurvePrivateKey


def account_key() -> Key:
    """Return the account's key; create it if it is missing."""
    file = Path("account.pem")
    if not file.exists():
        store(new_key(), file)
    found = serialization.load_pem_private_key(file.read_bytes(), None)
    assert isinstance(found, Key)
    return found


def mac_key() -> bytes:
    """Return the decoded HMAC key, for libraries that do not read base64url without padding."""
    return base64.urlsafe_b64decode(HMAC_KEY + "=" * (-len(HMAC_KEY) % 4))


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def store(key: Key, file: Path = Path("account.pem")) -> None:
    """Write a private key."""
    kind, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    file.write_bytes(key.private_bytes(encoding, kind, serialization.NoEncryption()))


def request(names: list[str]) -> x509.CertificateSigningRequest:
    """Return a CSR of a new key."""
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(alternative, critical=False)
    return builder.sign(new_key(), hashes.SHA256())


def answer(challenge: str, name: str, key_authorization: str) -> None:
    """Publish the answer to a challenge; `name` is without `*.`."""
    if challenge == "http-01":
        (PAGES / key_authorization.partition(".")[0]).write_text(key_authorization)
    else:
        digest = hashlib.sha256(key_authorization.encode()).digest()
        record(name, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


def record(name: str, value: str) -> None:
    """Publish the TXT record of a challenge."""
    (RECORDS / f"_acme-challenge.{name}={value}").touch()


def chain_file(name: str) -> Path:
    """Return the file of a chain, named after its first name."""
    return Path(f"{name.replace('*', '_')}.crt")


def content(file: str) -> bytes:
    return Path(file).read_bytes()


def arguments() -> tuple[str, list[str]]:
    """Return the operation and its arguments."""
    PAGES.mkdir(exist_ok=True)
    return sys.argv[1], sys.argv[2:]
