"""CRLs (RFC 5280 §5): build, sign and publish them after each revocation and daily."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509

from evercert.authority.ca.crl import BACKDATED, parse, parse_entry, signed_at
from evercert.authority.ca.definition import CA
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.contracts.ports import Certificates, Configuration, Signer
from evercert.authority.registration.public_copies import PublicCopies
from evercert.errors import EvercertError, Misconfigured, Unavailable

VALIDITY = timedelta(days=7)
# A revoked certificate stays on one more CRL after it expired (RFC 5280 §3.3).
RETENTION = VALIDITY + timedelta(days=1)
ATTEMPTS = 3  # of two concurrent publishers, one may lose
INDEX_LAG = timedelta(hours=1)  # upper bound
LEASE = timedelta(seconds=20)  # of a publisher; longer than a list takes
POLL_SECONDS, POLLS = 0.5, 24  # for another publisher; the call has 29 seconds


@dataclass(frozen=True)
class RefreshResult:
    """Result for one CA: `age` of the current CRL, and time `left` until the CA certificate expires.

    For an unreadable CA, `name` is the id and `left` is None. A retired CA needs no renewal: `left` is None, too.
    """

    ca: str
    name: str
    problem: str | None
    age: timedelta
    left: timedelta | None


class CrlPublisher:
    """Publish CRLs; idempotent, raises the errors of the signer."""

    def __init__(
        self,
        configuration: Configuration,
        certificates: Certificates,
        signer: Signer,
        copies: PublicCopies,
        clock: Callable[[], datetime],
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._configuration = configuration
        self._certificates = certificates
        self._signer = signer
        self._copies = copies
        self._clock = clock
        self._pause = pause

    def publish_revoked(self, ca_id: str, just_revoked: Mapping[int, Revoked]) -> None:
        """Publish a CRL with these entries, unless the current one has them, and copy it in both cases."""
        self._list_revoked(ca_id, just_revoked)
        self.copy(ca_id)

    def copy(self, ca_id: str) -> None:
        """Copy the current CRL for clients that load it over http, unless the copy is current."""
        self._copies.copy_crl(ca_id)

    def _list_revoked(self, ca_id: str, just_revoked: Mapping[int, Revoked]) -> None:
        """Store a CRL with these entries, unless the current one has them.

        In a burst of revocations one publisher builds the CRL. The others wait, and most find their entries in it.
        """
        for _ in range(POLLS):
            now = self._clock()
            leased = self._certificates.lease_crl(ca_id, now, now + LEASE)
            try:
                # Read after the lease: the previous holder published first.
                if all(self.has_entry(ca_id, one) for one in just_revoked):
                    return
                if leased:
                    self.publish(ca_id, just_revoked)
                    return
            finally:
                if leased:
                    with suppress(Unavailable):  # it expires
                        self._certificates.release_crl(ca_id, now + LEASE)
            self._pause(POLL_SECONDS)
        self.publish(ca_id, just_revoked)  # concurrent publishers waste work, but lose no entry

    def publish(self, ca_id: str, just_revoked: Mapping[int, Revoked] | None = None) -> None:
        """Sign and store a new CRL; `just_revoked` holds entries by serial number that the index may lack.

        Tries again if a concurrent publisher stored a CRL without these entries. Does not copy it.
        """
        for _ in range(ATTEMPTS):
            self._sign_and_store(ca_id, just_revoked or {})
            found = self._current_crl(ca_id)
            if found is not None and all(
                found.get_revoked_certificate_by_serial_number(one) for one in just_revoked or {}
            ):
                return
        raise Unavailable(
            f"cannot publish a CRL of CA {ca_id}: {ATTEMPTS} attempts lost to concurrent publishers; try again"
        )

    def has_entry(self, ca_id: str, serial_number: int) -> bool:
        """Return whether the current CRL contains the serial number."""
        found = self._current_crl(ca_id)
        return found is not None and found.get_revoked_certificate_by_serial_number(serial_number) is not None

    def _sign_and_store(self, ca_id: str, just_revoked: Mapping[int, Revoked]) -> None:
        since = self._clock()
        # Based on the time: a restored table must not reuse a number, because the signer would return the old CRL.
        number = self._certificates.next_crl_number(ca_id, at_least=int(since.timestamp()))
        found = {one.serial_number: one for one in self._certificates.revoked(ca_id, since - RETENTION)}
        found = {**self._recent_entries(ca_id, since), **just_revoked, **found}
        now = self._clock().replace(microsecond=0)
        begins = now - BACKDATED  # no entry may be later
        entries = sorted(
            (replace(one, at=min(one.at, begins)) for one in found.values()),
            key=lambda one: (one.at, one.serial_number),
        )
        der = self._signer.crl(CrlOrder(ca_id, number, begins, now + VALIDITY, tuple(entries)))
        self._certificates.publish(ca_id, number, der)

    def _recent_entries(self, ca_id: str, now: datetime) -> dict[int, Revoked]:
        """Return entries of the current CRL from the last hour, which the index may lack."""
        if (crl := self._current_crl(ca_id)) is None:
            return {}
        listed = [parse_entry(one) for one in crl if one.revocation_date_utc > now - INDEX_LAG]
        return {one.serial_number: one for one in listed}

    def refresh(self) -> list[RefreshResult]:
        """Publish a new CRL for each CA; a failing or unreadable CA does not affect the others."""
        done = self._unreadable()
        for ca in self.issuing_cas():
            try:
                self.publish(ca.id)
                problem = None
            except EvercertError as error:
                problem = str(error)
            now = self._clock()
            left = None if ca.status == "retired" else ca.current.x509.not_valid_after_utc - now
            done.append(RefreshResult(ca.id, ca.name, problem, now - self._outdated_since(ca), left))
        return done

    def _unreadable(self) -> list[RefreshResult]:
        every, now = self._configuration.every_ca(), self._clock()
        return [
            RefreshResult(key, key, str(why), now - (self._current_crl_time(key) or now - VALIDITY), None)
            for key, why in every.items()
            if isinstance(why, Misconfigured)
        ]

    def _outdated_since(self, ca: CA) -> datetime:
        """Return the time of the current CRL, or the start of the CA certificate's validity."""
        return self._current_crl_time(ca.id) or ca.current.x509.not_valid_before_utc

    def _current_crl_time(self, ca_id: str) -> datetime | None:
        crl = self._current_crl(ca_id)
        return None if crl is None else signed_at(crl)

    def _current_crl(self, ca_id: str) -> x509.CertificateRevocationList | None:
        """Return the current CRL; None also if it is unreadable, so that a new one replaces it."""
        try:
            der = self._certificates.published(ca_id)
            return None if der is None else parse(der)
        except Misconfigured:
            return None

    def root_crls(self) -> dict[str, timedelta]:
        """Return how long the list of each root is still valid, by CA name; zero without a list."""
        now, left = self._clock(), {}
        for ca in self._configuration.every_ca().values():
            if isinstance(ca, CA) and ca.kind == "root" and ca.installed:
                crl = self._current_crl(ca.id)
                ends = crl.next_update_utc if crl is not None else None
                left[ca.name] = max((ends or now) - now, timedelta())
        return left

    def issuing_cas(self) -> list[CA]:
        """Return every CA that signs CRLs, including disabled ones: their certificates can still be revoked."""
        now = self._clock()
        every = self._configuration.every_ca().values()
        return [ca for ca in every if isinstance(ca, CA) and _signs_crls(ca, now)]


def _signs_crls(ca: CA, now: datetime) -> bool:
    usable = ca.kind == "issuing" and ca.status != "pending" and ca.installed
    return bool(usable) and ca.current.x509.not_valid_after_utc > now
