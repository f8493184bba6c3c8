"""Renewal information and replacements (RFC 9773)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from cryptography import x509

from evercert.acme.renewal_info import certificate_id
from evercert.timestamps import to_text
from tests.doubles.acme_server.answers import Refusal, reply
from tests.doubles.acme_server.state import Account, Order
from tests.doubles.infisical.http_server import Answer

PATH = "/draft-ietf/ari"


class Renewals:
    """Windows of issued certificates, and the orders that replace them.

    `windows` are those that a test has set, by certificate id; others are the last third of the lifetime. With `stuck`, a
    failed order keeps the place of its predecessor, as some CAs did.
    """

    def __init__(self, issued: Callable[[], list[x509.Certificate]]) -> None:
        self.windows: dict[str, tuple[datetime, datetime]] = {}
        self.owners: dict[str, Account] = {}
        self.retry_after = "21600"
        self.stuck = False
        self._issued = issued
        self._replaced: dict[str, Order] = {}

    def answer(self, target: str) -> Answer:
        """Answer a GET without a signature (§4.1)."""
        wanted = target.removeprefix(f"{PATH}/")
        certificate = self._known(wanted)
        if certificate is None:
            raise Refusal("malformed", "no such certificate", 404)
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        first, last = self.windows.get(wanted, (end - (end - begin) / 3, end - (end - begin) / 4))
        body: dict[str, Any] = {"suggestedWindow": {"start": to_text(first), "end": to_text(last)}}
        if wanted in self.windows:
            body["explanationURL"] = "https://ca.example.com/incident"
        return reply(body, headers={"Retry-After": self.retry_after})

    def require_replaceable(self, wanted: str | None, account: Account) -> None:
        """Raise Refusal unless this account may replace this certificate now (§5)."""
        if wanted is None:
            return
        if self._known(wanted) is None:
            raise Refusal(
                "malformed", "path contained an Authority Key Identifier that did not match a known issuer", 404
            )
        if self.owners[wanted] is not account:
            raise Refusal("unauthorized", "requester account did not request the certificate being replaced", 403)
        holder = self._replaced.get(wanted)
        if holder is not None and (self.stuck or holder.status != "invalid"):
            raise Refusal("alreadyReplaced", "certificate has already been replaced by another order", 409)

    def replace(self, wanted: str | None, order: Order) -> None:
        """Note that this order replaces the certificate."""
        if wanted is not None:
            self._replaced[wanted] = order

    def issue(self, certificate: x509.Certificate, account: Account) -> None:
        """Note whose certificate this is."""
        self.owners[str(certificate_id(certificate))] = account

    def _known(self, wanted: str) -> x509.Certificate | None:
        return next((one for one in self._issued() if certificate_id(one) == wanted), None)
