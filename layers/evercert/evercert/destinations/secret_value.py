"""Value of a certificate's secret, and the estimate of its size before the certificate is issued."""

from __future__ import annotations

from evercert.documents.spec import Spec
from evercert.pki.certificate import Bundle, to_pem
from evercert.pki.keys import subject

MAX_SECRET_BYTES = 65_536
_CHAIN_ALLOWANCE = 8_192  # for the issuers' certificates, which are not known before issuance
_OTHER_FIELDS = 1_500  # field names, facts, and the PEM of an EC key; an RSA key has fewer bytes in PEM than bits


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


def estimate(spec: Spec) -> int:
    """Return an upper bound of the secret's size in bytes.

    The secret contains the leaf up to three times, in base64 with a line break every 64 characters. A self-signed leaf
    contains the subject twice. An RSA key counts in the leaf and in the private key.
    """
    attributes = spec.attributes
    names = sum(len(str(name)) + 4 for name in attributes.identifiers) + 2 * len(subject(attributes).public_bytes())
    algorithm = spec.private_key.known or "RSA_4096"  # the largest one if the issuer decides
    bits = int(algorithm.removeprefix("RSA_")) if algorithm.startswith("RSA") else 0
    leaf = (1_200 + names + bits // 4) * 66 // 48
    return 3 * leaf + 2 * _CHAIN_ALLOWANCE + _OTHER_FIELDS + bits
