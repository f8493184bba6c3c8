"""What an end-entity certificate says, as typed fields: all that the front can tell the signer."""

from __future__ import annotations

from typing import Literal, get_args

from evercert.pki.identifiers import Name
from evercert.pki.usages import ExtendedKeyUsages, KeyUsages
from evercert.schema import Instant, Model

SubjectField = Literal[
    "domain_components",
    "country",
    "state",
    "locality",
    "organization",
    "organizational_unit",
    "common_name",
]
SUBJECT_FIELDS: tuple[SubjectField, ...] = get_args(SubjectField)
Hash = Literal["SHA256", "SHA384", "SHA512"]


class Leaf(Model):
    """Everything but the public key, which a CSR brings, and what the CA adds; never a CA's certificate.

    `subject` has its values in the order of the name (domain components: the top-level one first, RFC 2247).
    """

    subject: dict[SubjectField, tuple[str, ...]] = {}
    names: tuple[Name, ...] = ()
    key_usages: KeyUsages = ()
    extended_key_usages: ExtendedKeyUsages = ()
    not_before: Instant
    not_after: Instant
    hash: Hash | None = None  # None: the one that belongs to the CA's key
