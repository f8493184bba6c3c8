"""Rules for single certificates of a path, by their role: leaf, CA or trust anchor (RFC 5280 §4 and §6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from evercert.pki.path import general_names
from evercert.pki.path.fields import (
    ALTERNATIVE_NAME,
    AUTHORITY_KEY,
    BASIC_CONSTRAINTS,
    DISTRIBUTION_POINTS,
    EXTENDED_KEY_USAGE,
    KEY_CERT_SIGN,
    KEY_USAGE,
    NAME_CONSTRAINTS,
    POLICIES,
    POLICY_CONSTRAINTS,
    SUBJECT_KEY,
    Fields,
)
from evercert.pki.path.policies import INHIBIT_ANY, MAPPINGS
from evercert.pki.path.signatures import digest_fault, key_fault
from evercert.timestamps import to_text

SERVER_AUTH, CLIENT_AUTH, ANY_PURPOSE = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"
MAX_SERIAL_BYTES = 20
_VERSION = 3
_TLS_BITS = frozenset((0, 2, 4))  # digitalSignature, keyEncipherment, keyAgreement
# The critical extensions that are processed in this package, or that restrict nothing which TLS peers evaluate.
_PROCESSED = frozenset(
    [
        BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, NAME_CONSTRAINTS, ALTERNATIVE_NAME,
        POLICY_CONSTRAINTS, DISTRIBUTION_POINTS, POLICIES, MAPPINGS, INHIBIT_ANY,
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """A broken rule.

    `strict`: common TLS peers tolerate it, strict ones and linters do not. `of_chain`: the chain breaks at this
    certificate, which may be valid under another chain.
    """

    certificate: Fields
    text: str
    strict: bool = False
    of_chain: bool = False

    def __str__(self) -> str:
        return f"certificate {self.certificate.label!r}: {self.text}"


def leaf_faults(leaf: Fields) -> Iterator[Fault]:
    """Yield the faults of a leaf on its own, but for names and usages that were requested."""
    if leaf.ca:
        yield Fault(leaf, "it is a CA certificate")
    if leaf.key_usage is not None and KEY_CERT_SIGN in leaf.key_usage:
        yield Fault(leaf, "its key usage allows signing certificates (keyCertSign), which only a CA may")
    if _is_for_tls(leaf) and leaf.key_usage is not None and not _TLS_BITS & leaf.key_usage:
        yield Fault(leaf, "its key usage allows nothing that TLS needs, such as digitalSignature")
    if NAME_CONSTRAINTS in leaf.extensions:
        yield Fault(leaf, "it has name constraints, which only a CA may have", strict=True)
    if leaf.version != _VERSION:
        yield Fault(leaf, f"it has version {leaf.version}: TLS peers need version {_VERSION}")
    for name in leaf.alternative_names:
        if (why := general_names.fault(name.tag, name.content)) is not None:
            yield Fault(leaf, why)
    if not leaf.subject and ALTERNATIVE_NAME in leaf.extensions and ALTERNATIVE_NAME not in leaf.critical:
        yield Fault(leaf, "its subject is empty, and its alternative names are not critical", strict=True)


def _is_for_tls(leaf: Fields) -> bool:
    if leaf.extended_key_usage is None:
        return any(name.tag in (general_names.DNS, general_names.IP) for name in leaf.alternative_names)
    return bool({SERVER_AUTH, CLIENT_AUTH} & leaf.extended_key_usage)


def ca_faults(ca: Fields) -> Iterator[Fault]:
    """Yield the faults of a CA certificate that is not the trust anchor."""
    if ca.basic_constraints is None:
        yield Fault(ca, "it has no basic constraints, so it is not a CA (RFC 5280, section 4.2.1.9)")
    elif not ca.ca:
        yield Fault(ca, "it is not a CA: its basic constraints lack CA:TRUE")
    elif BASIC_CONSTRAINTS not in ca.critical:
        yield Fault(ca, "its basic constraints are not critical", strict=True)
    if ca.key_usage is None:
        yield Fault(ca, "it has no key usage", strict=True)
    elif KEY_CERT_SIGN not in ca.key_usage:
        yield Fault(ca, "its key usage does not allow signing certificates (keyCertSign)")
    if SUBJECT_KEY not in ca.extensions:
        yield Fault(ca, "it has no subject key identifier", strict=True)
    yield from _constraint_form_faults(ca)


def anchor_faults(anchor: Fields) -> Iterator[Fault]:
    """Yield the faults of a trust anchor: what it says about its key counts, its form does not (RFC 5280 §6.1.1 d)."""
    if anchor.basic_constraints is not None and not anchor.ca:
        yield Fault(anchor, "it is not a CA: its basic constraints lack CA:TRUE")
    if anchor.key_usage is not None and KEY_CERT_SIGN not in anchor.key_usage:
        yield Fault(anchor, "its key usage does not allow signing certificates (keyCertSign)")


def common_faults(certificate: Fields, now: datetime, *, anchor: bool) -> Iterator[Fault]:
    """Yield the faults that any certificate may have; those of form only if it is not the anchor."""
    if now < certificate.not_before:
        yield Fault(certificate, f"it is not valid before {to_text(certificate.not_before)}")
    if now >= certificate.not_after:
        yield Fault(certificate, f"it is not valid after {to_text(certificate.not_after)}")
    if (why := key_fault(certificate.certificate)) is not None:
        yield Fault(certificate, why)
    if certificate.explicit_curve:
        yield Fault(certificate, "its key has explicit curve parameters (RFC 5480, section 2.1.1)")
    for extension in sorted(certificate.critical - _PROCESSED):
        yield Fault(certificate, f"it has the critical extension {extension}, which TLS peers do not process")
    if not anchor:
        yield from _form_faults(certificate)


def _form_faults(certificate: Fields) -> Iterator[Fault]:
    if (why := digest_fault(certificate.certificate)) is not None:
        yield Fault(certificate, why)
    if not certificate.algorithms_agree:
        yield Fault(certificate, "its two signature algorithm fields differ (RFC 5280, section 4.1.1.2)")
    if certificate.serial <= 0:
        sign = "negative" if certificate.serial else "zero"
        yield Fault(certificate, f"its serial number is {sign}: must be positive (RFC 5280, section 4.1.2.2)")
    if certificate.serial_length > MAX_SERIAL_BYTES:
        length = f"its serial number has {certificate.serial_length} bytes"
        yield Fault(certificate, f"{length}: at most {MAX_SERIAL_BYTES} are allowed (RFC 5280, section 4.1.2.2)")
    if not certificate.issuer:
        yield Fault(certificate, "its issuer name is empty")
    if AUTHORITY_KEY not in certificate.extensions and certificate.version == _VERSION:
        yield Fault(certificate, "it has no authority key identifier", strict=True)


def _constraint_form_faults(ca: Fields) -> Iterator[Fault]:
    """Yield faults in the form of constraints (RFC 5280 §4.2.1), which every verifier applies nevertheless."""
    length = ca.basic_constraints[1] if ca.basic_constraints is not None else None
    if length is not None and ca.key_usage is not None and KEY_CERT_SIGN not in ca.key_usage:
        yield Fault(ca, "it has a path length, but may not sign certificates", strict=True)
    for extension, name in ((NAME_CONSTRAINTS, "name"), (POLICY_CONSTRAINTS, "policy")):
        if extension in ca.extensions and extension not in ca.critical:
            yield Fault(ca, f"its {name} constraints are not critical", strict=True)
    if ca.extensions.get(NAME_CONSTRAINTS) in (b"\x30\x00", b"\x30\x02\xa0\x00", b"\x30\x04\xa0\x00\xa1\x00"):
        yield Fault(ca, "its name constraints are empty", strict=True)
    if ca.basic_constraints is not None and not ca.subject:
        yield Fault(ca, "it is a CA with an empty subject")
