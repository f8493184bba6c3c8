"""CRLs (RFC 5280 §5): numbered, signed, kept; built at each revocation and every day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509

from evercert.authority.ca.definition import CA
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.contracts.ports import Certificates, Configuration, Signer
from evercert.errors import EvercertError, Misconfigured, Unavailable

LASTS = timedelta(days=7)
# A certificate that was revoked stays in one more list than it lives (RFC 5280 §3.3).
LINGERS = LASTS + timedelta(days=1)
TRIES = 3  # of two that publish at once, one may come too late
LAGS = timedelta(hours=1)  # an index is behind by less


@dataclass(frozen=True)
class Refreshed:
    """How one CA's list came out: `age` of the one that stands, `left` until the CA's certificate ends.

    Of a CA that cannot be read nobody knows the name or the end.
    """

    ca: str
    name: str
    problem: str | None
    age: timedelta
    left: timedelta | None


class CrlPublisher:
    """Raises what the signer raises; repeatable."""

    def __init__(
        self,
        configuration: Configuration,
        certificates: Certificates,
        signer: Signer,
        clock: Callable[[], datetime],
    ) -> None:
        self._configuration = configuration
        self._certificates = certificates
        self._signer = signer
        self._clock = clock

    def publish(self, ca_id: str, just_revoked: Mapping[int, Revoked] | None = None) -> None:
        """A new list; `just_revoked` (by serial number) is what the index may not show yet.

        One that somebody else published meanwhile may lack it: then there is another one.
        """
        for _ in range(TRIES):
            self._published(ca_id, just_revoked or {})
            der = self._certificates.published(ca_id)
            found = x509.load_der_x509_crl(der) if der else None
            if found is not None and all(
                found.get_revoked_certificate_by_serial_number(one) for one in just_revoked or {}
            ):
                return
        raise Unavailable(f"cannot publish a CRL of CA {ca_id}: others do so again and again")

    def lists(self, ca_id: str, serial_number: int) -> bool:
        """Whether the list that stands has it."""
        der = self._standing(ca_id)
        found = x509.load_der_x509_crl(der) if der else None
        return found is not None and found.get_revoked_certificate_by_serial_number(serial_number) is not None

    def _published(self, ca_id: str, just_revoked: Mapping[int, Revoked]) -> None:
        since = self._clock()
        # Of the time, so that a restored table takes no number again: the signer answers a known one with the old list.
        number = self._certificates.next_crl_number(ca_id, at_least=int(since.timestamp()))
        found = {one.serial_number: one for one in self._certificates.revoked(ca_id, since - LINGERS)}
        found = {**self._lately(ca_id, since), **just_revoked, **found}
        now = self._clock().replace(microsecond=0)  # after the last entry, but for clocks that go wrong
        entries = sorted(
            (replace(one, at=min(one.at, now)) for one in found.values()), key=lambda one: (one.at, one.serial_number)
        )
        der = self._signer.crl(CrlOrder(ca_id, number, now, now + LASTS, tuple(entries)))
        self._certificates.publish(ca_id, number, der)

    def _lately(self, ca_id: str, now: datetime) -> dict[int, Revoked]:
        """What the list that stands has of the last hour: the index may not show it yet."""
        if (der := self._standing(ca_id)) is None:
            return {}
        listed = [_revoked(one) for one in x509.load_der_x509_crl(der) if one.revocation_date_utc > now - LAGS]
        return {one.serial_number: one for one in listed}

    def refresh(self) -> list[Refreshed]:
        """A new list for each CA; one that cannot sign, or cannot be read, keeps nobody else from it."""
        done = self._unreadable()
        for ca in self.issuing():
            try:
                self.publish(ca.id)
                problem = None
            except EvercertError as error:
                problem = str(error)
            now = self._clock()
            left = ca.current.x509.not_valid_after_utc - now
            done.append(Refreshed(ca.id, ca.name, problem, now - self._since(ca), left))
        return done

    def _unreadable(self) -> list[Refreshed]:
        every, now = self._configuration.every_ca(), self._clock()
        return [
            Refreshed(key, key, str(why), now - (self._standing_since(key) or now - LASTS), None)
            for key, why in every.items()
            if isinstance(why, Misconfigured)
        ]

    def _since(self, ca: CA) -> datetime:
        """From when the list is that stands; without one, from when the CA could have had one."""
        return self._standing_since(ca.id) or ca.current.x509.not_valid_before_utc

    def _standing_since(self, ca_id: str) -> datetime | None:
        der = self._standing(ca_id)
        return None if der is None else x509.load_der_x509_crl(der).last_update_utc

    def _standing(self, ca_id: str) -> bytes | None:
        """One that cannot be read any more is in nobody's way: a new one takes its place."""
        try:
            return self._certificates.published(ca_id)
        except Misconfigured:
            return None

    def issuing(self) -> list[CA]:
        """Every CA that signs a list now, disabled ones too: their certificates go on being revoked."""
        now = self._clock()
        every = self._configuration.every_ca().values()
        return [ca for ca in every if isinstance(ca, CA) and _lists(ca, now)]


def _lists(ca: CA, now: datetime) -> bool:
    usable = ca.kind == "issuing" and ca.status != "pending" and ca.installed
    return bool(usable) and ca.current.x509.not_valid_after_utc > now


def _revoked(entry: x509.RevokedCertificate) -> Revoked:
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except x509.ExtensionNotFound:
        reason = None
    return Revoked(entry.serial_number, entry.revocation_date_utc, reason)
