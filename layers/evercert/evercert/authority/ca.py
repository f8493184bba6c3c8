"""A certificate authority of ours: a key in KMS, its certificates, and the ceiling that nothing it signs may pass."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import Literal

from cryptography import x509

from evercert.algorithms import KeyAlgorithm
from evercert.durations import Duration
from evercert.model import Model
from evercert.usages import ExtendedKeyUsages, KeyUsages

Status = Literal["active", "disabled", "pending"]  # pending: it has a key, and no certificate yet


class Ceiling(Model):
    """What an issuing key may sign at most. No function may write it; profiles live inside it.

    `dns`: names, or `*.example.com` for all below it, or `*`; `ip`: networks; `email`: domains, in the same notation;
    `uri`: beginnings. A common name that could be a DNS name has to be inside `dns` too. The path length is 0: what
    it signs are leaves.
    """

    dns: tuple[str, ...] = ("*",)
    ip: tuple[str, ...] = ("0.0.0.0/0", "::/0")
    email: tuple[str, ...] = ()
    uri: tuple[str, ...] = ("spiffe://",)
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


class CA(Model):
    """`key` is the ARN of its KMS key; `installed` has its certificates, the newest last, all of the same key."""

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
