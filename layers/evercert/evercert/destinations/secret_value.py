"""Value of a certificate in a destination, and its size before the certificate is issued."""

from __future__ import annotations

from typing import Literal

from evercert.documents.spec import Spec
from evercert.pki.certificate import Bundle, to_pem
from evercert.pki.keys import subject

Format = Literal["json", "pem", "pkcs12"]
MAX_SECRET_BYTES = 65_536
_CHAIN_ALLOWANCE = 8_192  # for the issuers' certificates, which are not known before issuance
_OTHER_FIELDS = 1_500  # field names, facts, and the PEM of an EC key; an RSA key has fewer bytes in PEM than bits
_LEAST_LEAF, _LEAST_KEY = 300, 100  # bytes of DER and PEM, without names and RSA numbers


def value(bundle: Bundle, *, omit_root: bool = True) -> dict[str, str]:
    """Return the JSON of the secret, with the field names of Infisical's own sync and a few more."""
    chain = bundle.chain
    issuers = chain.issuers_pem if omit_root else to_pem(chain.certificates[1:])
    return {
        "certificate": chain.leaf_pem,
        **({} if bundle.private_key is None else {"private_key": bundle.private_key.pem()}),
        "certificate_chain": issuers,
        "ca_certificate": chain.top_pem,
        "fullchain": chain.leaf_pem + issuers,
        "serial_number": chain.serial_number,
        "not_after": chain.ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fingerprint_sha256": chain.fingerprint_sha256,
    }


def estimate(spec: Spec, form: Format = "json") -> int:
    """Return an upper bound of the value's size in bytes.

    JSON contains the leaf up to three times and the issuers twice, the other formats contain them once. PEM is base64
    with a line break every 64 characters; PKCS #12 is smaller. A self-signed leaf contains the subject twice. An RSA
    key counts in the leaf and in the private key.
    """
    names = sum(len(str(name)) + 4 for name in spec.attributes.identifiers)
    names += 2 * len(subject(spec.attributes).public_bytes())
    bits = _rsa_bits(spec, "RSA_4096")  # the largest one if the issuer decides
    leaf = (1_200 + names + bits // 4) * 66 // 48
    leaves, chains = (3, 2) if form == "json" else (1, 1)
    return leaves * leaf + chains * _CHAIN_ALLOWANCE + _OTHER_FIELDS + bits


def least(spec: Spec, form: Format = "json") -> int:
    """Return a lower bound of the value's size in bytes, with an issuer that sends no chain."""
    names = sum(len(name.value) + 2 for name in spec.attributes.identifiers if name.kind in {"dns", "email", "uri"})
    bits = _rsa_bits(spec, "EC")
    leaf = (_LEAST_LEAF + names + bits // 8) * (3 if form == "pkcs12" else 4) // 3
    return (2 if form == "json" else 1) * leaf + _LEAST_KEY + bits // 2


def _rsa_bits(spec: Spec, default: str) -> int:
    algorithm = spec.private_key.known or default
    return int(algorithm.removeprefix("RSA_")) if algorithm.startswith("RSA") else 0
