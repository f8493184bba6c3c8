"""Check and sign full certificate revocation lists (RFC 5280 §5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509

from evercert.authority.ca.builder import Issuer, authority_key_identifier
from evercert.authority.ca.kms_key import hash_of
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.errors import Misconfigured
from evercert.schema import printable

MOST_ENTRIES = 50_000
LONGEST = timedelta(days=10)
SLACK = timedelta(hours=1)  # between this_update and the signature
BACKDATED = timedelta(minutes=10)  # for verifiers with slow clocks
_LATEST = 2**32  # seconds: the year 2106
_FIRST = datetime(1950, 1, 1, tzinfo=UTC)  # the first year of UTCTime (RFC 5280 §4.1.2.5.1)
_MALFORMED = (ValueError, OverflowError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion)
_MOST_SERIAL = 2**160  # RFC 5280 §4.1.2.2
# RFC 5280 §5.3.1: omit `unspecified`; `removeFromCRL` belongs to delta CRLs only.
REASONS: dict[str, x509.ReasonFlags] = {
    flag.value: flag
    for flag in x509.ReasonFlags
    if flag not in {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
}


def find_crl_problems(order: CrlOrder, now: datetime, longest: timedelta = LONGEST) -> list[str]:
    """Return every reason why a CA must not sign this CRL; empty if it may."""
    return [*_times(order, now, longest), *_entries(order)]


def sign_crl(order: CrlOrder, issuer: Issuer) -> x509.CertificateRevocationList:
    """Build and sign a version 2 CRL; a full CRL needs no issuing distribution point (RFC 5280 §5.2.5)."""
    ca = issuer.certificate
    builder = (
        # All entries at once: add_revoked_certificate copies the list each time, which takes seconds for 50,000.
        x509.CertificateRevocationListBuilder(revoked_certificates=[_entry(one) for one in order.revoked])
        .issuer_name(ca.subject)
        .last_update(order.this_update.replace(microsecond=0))
        .next_update(order.next_update.replace(microsecond=0))
        .add_extension(authority_key_identifier(ca), critical=False)
        .add_extension(x509.CRLNumber(order.number), critical=False)
    )
    return builder.sign(issuer.key, hash_of(issuer.key.public_key()))


def parse(der: bytes) -> x509.CertificateRevocationList:
    """Parse a stored list; raise Misconfigured if it is malformed (manual edit)."""
    try:
        crl = x509.load_der_x509_crl(der)
        _ = (signed_at(crl), crl.next_update_utc, len(crl))
    except _MALFORMED as error:
        raise Misconfigured(f"a stored CRL is malformed ({printable(str(error), 120)}): publish a new one") from None
    return crl


def signed_at(crl: x509.CertificateRevocationList) -> datetime:
    """Return when the list was made: its number is that time in seconds, while thisUpdate is backdated."""
    number = crl_number(crl)
    if number is None:
        return crl.last_update_utc
    return max(crl.last_update_utc, datetime.fromtimestamp(min(number, _LATEST), UTC))


def crl_number(crl: x509.CertificateRevocationList) -> int | None:
    """Return the number of the list, or None if it has none (RFC 5280 §5.2.3)."""
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return None


def parse_entry(entry: x509.RevokedCertificate) -> Revoked:
    """Return an entry of a list."""
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (x509.ExtensionNotFound, *_MALFORMED):
        reason = None
    return Revoked(entry.serial_number, entry.revocation_date_utc, reason)


def _entry(one: Revoked) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(one.at.replace(microsecond=0))
    )
    if one.reason is not None:
        builder = builder.add_extension(x509.CRLReason(REASONS[one.reason]), critical=False)
    return builder.build()


def _times(order: CrlOrder, now: datetime, longest: timedelta) -> Iterator[str]:
    if abs(order.this_update - now) > SLACK:
        yield "invalid this_update: more than an hour from now"
    if not timedelta(0) < order.next_update - order.this_update <= longest:
        yield f"invalid next_update: must be after this_update, by at most {longest.days} days"


def _entries(order: CrlOrder) -> Iterator[str]:
    if len(order.revoked) > MOST_ENTRIES:
        yield f"too many entries: {len(order.revoked)}, at most {MOST_ENTRIES} allowed"
    if len({one.serial_number for one in order.revoked}) != len(order.revoked):
        yield "duplicate serial number"
    if any(not 0 < one.serial_number < _MOST_SERIAL for one in order.revoked):
        yield "invalid serial number: must be positive, in at most 20 bytes (RFC 5280 §4.1.2.2)"
    if any(one.at > order.this_update for one in order.revoked):
        yield "invalid revocation date: after this_update"
    if any(one.at < _FIRST for one in order.revoked):
        yield "invalid revocation date: before 1950, which a CRL cannot express"
    if unknown := {one.reason for one in order.revoked} - {None, *REASONS}:
        yield f"{len(unknown)} invalid revocation reasons: must be those of a full CRL (RFC 5280 §5.3.1)"
