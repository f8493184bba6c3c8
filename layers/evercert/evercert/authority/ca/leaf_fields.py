"""The fields of an end-entity certificate, as the front sends them to the signer."""

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
    """A leaf without its public key, which the CSR contains, and without the extensions that the CA adds.

    `subject` has its values in the order of the distinguished name (domain components: top-level first, RFC 2247).
    """

    subject: dict[SubjectField, tuple[str, ...]] = {}
    names: tuple[Name, ...] = ()
    key_usages: KeyUsages = ()
    extended_key_usages: ExtendedKeyUsages = ()
    not_before: Instant
    not_after: Instant
    hash: Hash | None = None  # None: the default of the CA's key
