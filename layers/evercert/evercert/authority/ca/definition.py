"""A certificate authority of ours: a key in KMS, its certificates, and the ceiling that nothing it signs may pass."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Literal

from cryptography import x509
from pydantic import AfterValidator

from evercert.durations import Duration
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.identifiers import parse
from evercert.pki.keys import public_bytes
from evercert.pki.usages import ExtendedKeyUsages, KeyUsages
from evercert.schema import Model, printable

Status = Literal["active", "disabled", "pending"]  # pending: it has no certificate yet

# A host ends where a slash says so: `spiffe://example.com` would have room for `spiffe://example.com.evil.net/`.
_BEGINNING = re.compile(r"[a-z][a-z0-9+.-]*:(?://(?:[^/*\s]+/[^*\s]*)?|[^/*\s][^*\s]*)")


def _hosts(text: str) -> str:
    """Raises ValueError for what no name could ever be below, such as a star in the middle."""
    bare = text.removeprefix("*.")
    try:
        sound = text == "*" or ("*" not in bare and parse(f"dns:{bare}").value == bare)
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"{printable(text, 60)!r}: write a name in lower case, *.example.com for all below it, or *")
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"write a network, such as 10.0.0.0/8: {printable(str(error), 120)}") from error
    return text


def _beginning(text: str) -> str:
    if not _BEGINNING.fullmatch(text):
        raise ValueError(f"{printable(text, 60)!r}: write how URIs begin, up to a slash, such as spiffe://example.com/")
    return text


_Hosts = Annotated[str, AfterValidator(_hosts)]
_Network = Annotated[str, AfterValidator(_network)]
_Beginning = Annotated[str, AfterValidator(_beginning)]


class Ceiling(Model):
    """What an issuing key may sign at most. No function may write it; profiles live inside it.

    `dns`: names, or `*.example.com` for all below it, or `*`; `ip`: networks; `email`: domains, in the same notation;
    `uri`: beginnings. A common name that could be a DNS name has to be inside `dns` too. The path length is 0: what
    it signs are leaves. What is none of these is told as it is read, and not when something is to be signed.
    """

    dns: tuple[_Hosts, ...] = ("*",)
    ip: tuple[_Network, ...] = ("0.0.0.0/0", "::/0")
    email: tuple[_Hosts, ...] = ()
    uri: tuple[_Beginning, ...] = ("spiffe://",)
    key_algorithms: tuple[KeyAlgorithm, ...] = (
        "EC_prime256v1",
        "EC_secp384r1",
        "EC_secp521r1",
        "RSA_2048",
        "RSA_3072",
        "RSA_4096",
    )
    key_usages: KeyUsages = (
        "digital_signature",
        "non_repudiation",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
    )
    extended_key_usages: ExtendedKeyUsages = ("server_auth", "client_auth")
    any_purpose: bool = False  # whether a leaf may name none of them, which verifiers take for all
    longest: Duration = timedelta(days=398)


class Installed(Model):
    """One certificate of a CA; `chain` is what is above it, its root last, empty for a root."""

    id: str
    certificate: str
    chain: str = ""

    @cached_property
    def x509(self) -> x509.Certificate:
        """Read once."""
        return x509.load_pem_x509_certificate(self.certificate.encode())

    @cached_property
    def public_key(self) -> bytes:
        """DER SubjectPublicKeyInfo; raises ValueError as `x509` does."""
        return public_bytes(self.x509.public_key())


class CA(Model):
    """`key` is the ARN of its KMS key, empty until it is made; `installed` has its certificates, the newest last.

    They are all of the same key.
    """

    id: str
    name: str
    kind: Literal["root", "issuing"]
    status: Status
    key: str
    algorithm: KeyAlgorithm
    parent: str | None = None  # the id of the CA above it; None: itself, or somebody outside
    ceiling: Ceiling | None = None  # None for a root: no function signs with it
    installed: tuple[Installed, ...] = ()

    @property
    def current(self) -> Installed:
        """What signs now; only for a CA that is not pending."""
        return self.installed[-1]
