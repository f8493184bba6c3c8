"""Certificate revocation lists (RFC 5280 §5), of all that a CA has signed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509

from evercert.authority.ca.builder import Issuer, authority_key
from evercert.authority.ca.kms_key import hash_of
from evercert.authority.ca.signing_orders import CrlOrder, Revoked

MOST_ENTRIES = 50_000
LONGEST = timedelta(days=10)
SLACK = timedelta(hours=1)  # between the order and its signature
_FIRST = datetime(1950, 1, 1, tzinfo=UTC)  # of UTCTime (RFC 5280 §4.1.2.5.1)
_MOST_SERIAL = 2**160  # RFC 5280 §4.1.2.2
# Not `unspecified`, which is told by silence, and not `removeFromCRL`, which only delta lists have (§5.3.1).
REASONS: dict[str, x509.ReasonFlags] = {
    flag.value: flag
    for flag in x509.ReasonFlags
    if flag not in {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
}


def crl_problems(order: CrlOrder, now: datetime) -> list[str]:
    """All that keeps a CA from signing it, in words; empty: it may."""
    return [*_times(order, now), *_entries(order)]


def revocation_list(order: CrlOrder, issuer: Issuer) -> x509.CertificateRevocationList:
    """Version 2 with its number; without an issuing distribution point, because it covers all (§5.2.5)."""
    ca = issuer.certificate
    builder = (
        # All entries at once: to add them one by one copies the list each time, which takes seconds for 50,000.
        x509.CertificateRevocationListBuilder(revoked_certificates=[_entry(one) for one in order.revoked])
        .issuer_name(ca.subject)
        .last_update(order.this_update.replace(microsecond=0))
        .next_update(order.next_update.replace(microsecond=0))
        .add_extension(authority_key(ca), critical=False)
        .add_extension(x509.CRLNumber(order.number), critical=False)
    )
    return builder.sign(issuer.key, hash_of(issuer.key.public_key()))


def _entry(one: Revoked) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(one.at.replace(microsecond=0))
    )
    if one.reason is not None:
        builder = builder.add_extension(x509.CRLReason(REASONS[one.reason]), critical=False)
    return builder.build()


def _times(order: CrlOrder, now: datetime) -> Iterator[str]:
    if abs(order.this_update - now) > SLACK:
        yield "this_update is more than an hour away"
    if not timedelta(0) < order.next_update - order.this_update <= LONGEST:
        yield "next_update is not after this_update, or more than 10 days after it"


def _entries(order: CrlOrder) -> Iterator[str]:
    if len(order.revoked) > MOST_ENTRIES:
        yield f"it has {len(order.revoked)} entries; at most {MOST_ENTRIES} fit"
    if len({one.serial_number for one in order.revoked}) != len(order.revoked):
        yield "a serial number is listed twice"
    if any(not 0 < one.serial_number < _MOST_SERIAL for one in order.revoked):
        yield "a serial number is not one of RFC 5280"
    if any(one.at > order.this_update for one in order.revoked):
        yield "something was revoked after this_update"
    if any(one.at < _FIRST for one in order.revoked):
        yield "something was revoked before 1950, and no list can say so"
    if strange := {one.reason for one in order.revoked} - {None, *REASONS}:
        yield f"{len(strange)} reasons are none of RFC 5280 §5.3.1 that a full list has"
