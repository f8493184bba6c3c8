"""Renewal information, and orders that replace a certificate (RFC 9773)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from evercert.authority.acme.ports import Orders
from evercert.authority.acme.problems import malformed
from evercert.authority.acme.records import Account
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import CertificateRecord
from evercert.deadline import Clock
from evercert.pki.identifiers import Identifier

RETRY_AFTER = timedelta(hours=6)
NOT_FOUND = 404
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}\.[A-Za-z0-9_-]{1,100}")
_BEGIN, _END = 2 / 3, 3 / 4  # of the lifetime: the suggested window


def is_renewal_id(found: object) -> bool:
    """Return whether certificates are found by this id; external issuers may issue longer ones."""
    return isinstance(found, str) and _ID.fullmatch(found) is not None


@dataclass(frozen=True)
class Replacements:
    """Which certificates an order may replace, and when."""

    orders: Orders
    certificates: Certificates
    clock: Clock

    def require_replaceable(self, account: Account, names: Iterable[Identifier], renewal_id: object) -> str | None:
        """Return the id that the order replaces, or None without one; raise Refused (§5).

        Whether another order replaces it already, the storage decides with the write of the order.
        """
        if renewal_id is None:
            return None
        found = self._certificate(renewal_id)
        if found is None or found.identity != account.id:
            raise malformed("the account has no certificate with the id in replaces")
        if not set(names) & set(found.leaf.names):
            raise malformed("the certificate in replaces has none of the ordered names")
        return str(renewal_id)

    def window(self, renewal_id: str) -> tuple[datetime, datetime]:
        """Return the suggested window of a certificate (§4.2): in the past once it is revoked; raise Refused (404)."""
        found = self._certificate(renewal_id)
        if found is None:
            raise malformed("no certificate has this id", NOT_FOUND)
        lifetime = found.not_after - found.not_before
        if found.revoked_at is not None:
            return found.not_before, max(min(found.revoked_at, self.clock()), found.not_before + timedelta(seconds=1))
        return found.not_before + lifetime * _BEGIN, found.not_before + lifetime * _END

    def _certificate(self, renewal_id: object) -> CertificateRecord | None:
        certificate_id = self.orders.certificate_of(str(renewal_id)) if is_renewal_id(renewal_id) else None
        return self.certificates.certificate(certificate_id) if certificate_id is not None else None
