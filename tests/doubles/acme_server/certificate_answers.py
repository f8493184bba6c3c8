"""Wrong answers to the request for a certificate: each returns a text for the PEM certificates of a chain."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.doubles.acme_server.ca import CA
from tests.doubles.infisical.ca import key_pem

SECRET = key_pem(ec.generate_private_key(ec.SECP256R1()))  # a private key that no message and no item may contain


def with_private_key(chain: list[str]) -> str:
    return "".join([*chain, SECRET])


def with_private_key_first(chain: list[str]) -> str:
    return "".join([SECRET, *chain])


def with_text(chain: list[str]) -> str:
    return "\n".join(f"subject={number}\n{block}" for number, block in enumerate(chain))


def truncated(chain: list[str]) -> str:
    return chain[0][:300]


def truncated_in_the_chain(chain: list[str]) -> str:
    return chain[0] + chain[1][:300]


def truncated_leaf(chain: list[str]) -> str:
    return chain[0][:300] + "\n" + chain[1]


def leaf_last(chain: list[str]) -> str:
    return "".join(reversed(chain))


def duplicated(chain: list[str]) -> str:
    return "".join(block * 2 for block in chain)


def empty(chain: list[str]) -> str:
    return ""


def for_another_key(chain: list[str]) -> str:
    """Return a chain of another CA for the names of the leaf, and another key."""
    return "".join(_other_chain(chain))


def other_leaf(chain: list[str]) -> str:
    """Return the leaf of that chain alone."""
    return _other_chain(chain)[0]


def _other_chain(chain: list[str]) -> list[str]:
    leaf = x509.load_pem_x509_certificate(chain[0].encode())
    names = list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    key, now = ec.generate_private_key(ec.SECP256R1()), leaf.not_valid_before_utc
    other = CA(now)
    return other.chain(other.sign(key.public_key(), names, now, None))
