"""A certificate authority: its KMS key, its certificates, and the ceiling for everything that it signs."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from pydantic import AfterValidator, SerializerFunctionWrapHandler, model_serializer

from evercert.authority.ca.constraints import Constraints
from evercert.durations import Duration
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.certificate import load
from evercert.pki.identifiers import parse
from evercert.pki.keys import public_bytes
from evercert.pki.usages import ExtendedKeyUsages, KeyUsages
from evercert.schema import Instant, Model, printable

# pending: without a certificate yet. retired: another CA issues in its place; it still signs CRLs.
Status = Literal["active", "disabled", "pending", "retired"]
GRACE = timedelta(hours=1)  # in which a retired CA signs what was requested before

# A host must end with a slash: `spiffe://example.com` would also match `spiffe://example.com.evil.net/`.
_URI_PREFIX = re.compile(r"[a-z][a-z0-9+.-]*:(?://(?:[^/*\s]+/[^*\s]*)?|[^/*\s][^*\s]*)")


def _host_pattern(text: str) -> str:
    """Raise ValueError for a pattern that no name matches, such as a star in the middle."""
    bare = text.removeprefix("*.")
    try:
        valid = text == "*" or ("*" not in bare and parse(f"dns:{bare}").value == bare)
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"invalid host pattern {printable(text, 60)!r}: must be a lower-case name, *.example.com or *")
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"invalid network: {printable(str(error), 120)}; use a network such as 10.0.0.0/8") from error
    return text


def _uri_prefix(text: str) -> str:
    if not _URI_PREFIX.fullmatch(text):
        raise ValueError(
            f"invalid URI prefix {printable(text, 60)!r}: must end the host with a slash, such as spiffe://example.com/"
        )
    return text


_HostPattern = Annotated[str, AfterValidator(_host_pattern)]
_Network = Annotated[str, AfterValidator(_network)]
_URIPrefix = Annotated[str, AfterValidator(_uri_prefix)]


class Ceiling(Model):
    """The limits of what an issuing key may sign. Profiles cannot exceed it, and no Lambda function may write it.

    `dns`: names, `*.example.com` for all its subdomains, or `*`; `ip`: networks; `email`: domains, in the notation of
    `dns`; `uri`: prefixes. A common name that looks like a DNS name must match `dns` too. Invalid patterns raise
    ValueError when the ceiling is read, not when something is to be signed.
    """

    dns: tuple[_HostPattern, ...] = ("*",)
    ip: tuple[_Network, ...] = ("0.0.0.0/0", "::/0")
    email: tuple[_HostPattern, ...] = ()
    uri: tuple[_URIPrefix, ...] = ("spiffe://",)
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
    any_purpose: bool = False  # whether a leaf may have no extended key usage, which verifiers accept for every purpose
    longest: Duration = timedelta(days=398)


def _checked(pem: str) -> str:
    """Return a readable certificate unchanged; raise ValueError."""
    try:
        load(pem).public_key()
    except UnsupportedAlgorithm as error:
        raise ValueError(f"malformed certificate: {error}") from None
    return pem


class Installed(Model):
    """One certificate of a CA; `chain` has the CAs above it, the root last, and is empty for a root."""

    id: str
    certificate: Annotated[str, AfterValidator(_checked)]
    chain: str = ""

    @cached_property
    def x509(self) -> x509.Certificate:
        """Return the parsed certificate (cached)."""
        return x509.load_pem_x509_certificate(self.certificate.encode())

    @cached_property
    def public_key(self) -> bytes:
        """Return the DER SubjectPublicKeyInfo (cached)."""
        return public_bytes(self.x509.public_key())


_OMITTED_IF_NONE = ("constraints", "path-length", "replaced-by", "retired-at")


class CA(Model):
    """A root or an issuing CA. `key` is the ARN of its KMS key, empty until it exists.

    `installed` has its certificates, the newest last, all for the same key. `constraints` and `path_length` are written
    into each new one. `replaced_by` is the id of the CA with a new key that takes over the profiles.
    """

    id: str
    name: str
    kind: Literal["root", "issuing"]
    status: Status
    key: str
    algorithm: KeyAlgorithm
    parent: str | None = None  # the id of the CA above; None for a root, or below an external CA
    ceiling: Ceiling | None = None  # None for a root, with which no Lambda function signs
    installed: tuple[Installed, ...] = ()
    constraints: Constraints | None = None
    path_length: int | None = None  # of a root; that of issuing CAs is 0
    replaced_by: str | None = None
    retired_at: Instant | None = None

    @model_serializer(mode="wrap")
    def _without_absent_fields(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out later fields that are None: releases that do not know them refuse unknown keys."""
        found: dict[str, Any] = serialize(self)
        return {key: value for key, value in found.items() if key.replace("_", "-") not in _OMITTED_IF_NONE or value}

    def may_sign(self, now: datetime) -> bool:
        """Return whether the CA signs certificates; a retired one completes requests of the last hour."""
        retired = self.status == "retired" and self.retired_at is not None and now < self.retired_at + GRACE
        return self.status == "active" or retired

    @property
    def current(self) -> Installed:
        """Return the certificate that the CA signs with now; requires a CA that is not pending."""
        return self.installed[-1]
