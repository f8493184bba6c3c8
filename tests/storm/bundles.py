"""A certificate as a destination holds it: key, leaf and chain, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class Bundle:
    """A value of a secret, or the certificate and chain of ACM, which never shows the key."""

    def __init__(self, value: dict[str, str]) -> None:
        self._value = value

    @cached_property
    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self._value["certificate"].encode())

    @property
    def serial_number(self) -> str:
        return f"{self.leaf.serial_number:X}"

    @property
    def validity(self) -> str:
        try:
            return f"{self.serial_number} ({self.leaf.not_valid_before_utc} to {self.leaf.not_valid_after_utc})"
        except (KeyError, ValueError):
            return "an unreadable value"

    def valid_at(self, moment: datetime) -> bool:
        """Return whether the leaf can be read and is valid at this time."""
        try:
            return self.leaf.not_valid_before_utc <= moment <= self.leaf.not_valid_after_utc
        except (KeyError, ValueError):
            return False

    def problems(self, host: str, anchors: Sequence[str], *, with_key: bool) -> Iterator[str]:
        """Return what is wrong; without anchors the certificate must have signed itself."""
        try:
            yield from self._problems(host, anchors, with_key=with_key)
        except (KeyError, ValueError, TypeError, x509.ExtensionNotFound) as error:
            yield f"unreadable: {type(error).__name__}: {error}"

    def _problems(self, host: str, anchors: Sequence[str], *, with_key: bool) -> Iterator[str]:
        names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if host not in names.get_values_for_type(x509.DNSName):
            yield f"the certificate {self.serial_number} is for {list(names)}"
        if with_key:
            yield from self._pair()
        chain = [self.leaf, *self._chain()]
        if not anchors and len(chain) > 1:
            yield "a self-signed certificate with a chain"
        roots = list(map(_certificate, anchors)) or [self.leaf]
        for lower, upper in pairwise(chain):
            if not _issued(lower, upper):
                yield f"broken chain: {upper.subject.rfc4514_string()} did not issue {lower.subject.rfc4514_string()}"
        if not any(chain[-1] == root or _issued(chain[-1], root) for root in roots):
            yield f"no root issued {chain[-1].subject.rfc4514_string()}"

    def _pair(self) -> Iterator[str]:
        key = serialization.load_pem_private_key(self._value["private_key"].encode(), password=None)
        if key.public_key().public_bytes(*_SPKI) != self.leaf.public_key().public_bytes(*_SPKI):
            yield f"mismatched pair: the key is not that of {self.serial_number}"
        if self._value["serial_number"].lstrip("0").upper() != self.serial_number:
            yield f"serial_number is {self._value['serial_number']}, the certificate has {self.serial_number}"
        whole = self._value["certificate"] + self._value["certificate_chain"]
        if x509.load_pem_x509_certificates(self._value["fullchain"].encode()) != (
            x509.load_pem_x509_certificates(whole.encode())
        ):
            yield "fullchain is not certificate and certificate_chain"

    def _chain(self) -> list[x509.Certificate]:
        text = self._value.get("certificate_chain") or ""
        return x509.load_pem_x509_certificates(text.encode()) if text.strip() else []


def _certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def _issued(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
