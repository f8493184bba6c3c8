"""Orders: placed, read, finalized, and their certificate (RFC 8555 §7.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.acme import base64url
from evercert.acme.links import links
from evercert.acme.resources import Order
from evercert.errors import Misconfigured, Unavailable
from evercert.http_client.retry import retry_after
from evercert.issuers.acme.errors import PASSING, REFUSED, ProblemAnswer, explained
from evercert.issuers.acme.renewal import predecessor
from evercert.pki.certificate import Chain
from evercert.pki.distinguished_names import COMMON_NAME, values
from evercert.pki.path.fields import Fields
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.contracts.issuer import Request
    from evercert.deadline import Clock
    from evercert.http_client.response import Response
    from evercert.issuers.acme.account import Account
    from evercert.issuers.acme.connection import Connection
    from evercert.issuers.acme.order_tokens import OrderTokens
    from evercert.issuers.acme.settings import AcmeSettings

CHAIN = "application/pem-certificate-chain"
MOST_ALTERNATES = 10
_OTHER_BLOCK = re.compile(r"-----BEGIN (?!CERTIFICATE-----[^-]{1,100000}-----END CERTIFICATE-----)")
_LOST = frozenset(
    {"malformed", "unauthorized", "orderDoesNotExist"}
)  # what servers answer for an order that they deleted
NOT_FOUND = 404


@dataclass(frozen=True)
class ReadOrder:
    """An order, and the delay before the next poll that the CA asks for, if any."""

    order: Order
    wait: timedelta | None = None


class Orders:
    """The orders of one account."""

    def __init__(
        self, connection: Connection, account: Account, tokens: OrderTokens, settings: AcmeSettings, clock: Clock
    ) -> None:
        self._connection = connection
        self._account = account
        self._tokens = tokens
        self._settings = settings
        self._clock = clock

    def place(self, request: Request) -> str:
        """Place a new order and return its URL. Not idempotent: the CA may return an open order for the same names.

        Raises NotYet if the account has no token for it. A replacement needs none: the CA does not count it.
        """
        attributes = request.spec.attributes
        payload: dict[str, Any] = {
            "identifiers": [{"type": name.kind, "value": name.value} for name in attributes.identifiers]
        }
        directory = self._connection.directory()
        if self._settings.profile is not None:
            self._require_profile(self._settings.profile, directory.profiles)
            payload["profile"] = self._settings.profile
        if attributes.not_before is not None:
            payload["notBefore"] = to_text(attributes.not_before)
        if attributes.not_after is not None:
            payload["notAfter"] = to_text(attributes.not_after)
        replaced = predecessor(request.previous) if directory.renewal_info is not None else None
        with explained(f"order certificate {request.certificate}"):
            answer = self._post_order(directory.new_order, payload, replaced)
        self._parsed(answer)
        if not (location := answer.headers.get("location")):
            raise Unavailable(f"{answer.operation} answered without the URL of the order")
        return location

    def _post_order(self, url: str, payload: dict[str, Any], replaced: str | None) -> Response:
        """Send the order as a replacement (RFC 9773 §5); if the CA refuses it, send it once more without `replaces`.

        The CA refuses it if an order of a run that died replaces the predecessor, or if another account ordered that.
        """
        if replaced is not None:
            try:
                return self._account.post(url, {**payload, "replaces": replaced})
            except ProblemAnswer as answer:
                if answer.problem.kinds & (REFUSED | PASSING):
                    raise
        self._tokens.take()
        return self._account.post(url, payload)

    def read(self, url: str) -> ReadOrder | None:
        """Return the order; None if the CA no longer has it, or another account placed it."""
        try:
            return self._parsed(self._account.post(url, None))
        except ProblemAnswer as answer:
            problem = answer.problem
            if problem.status == NOT_FOUND or (problem.kind in _LOST and problem.status < 500):  # noqa: PLR2004
                return None
            with explained("read an order"):
                raise

    def finalize(self, order: Order, csr: str) -> ReadOrder | None:
        """Send the CSR; return the order, or None if the CA does not know yet that it is ready (§7.4)."""
        der = x509.load_pem_x509_csr(csr.encode()).public_bytes(serialization.Encoding.DER)
        with explained("finalize an order"):
            try:
                return self._parsed(self._account.post(order.finalize, {"csr": base64url.encode(der)}))
            except ProblemAnswer as answer:
                if answer.problem.kind != "orderNotReady":
                    raise
                return None

    def certificate(self, order: Order) -> Chain:
        """Return the chain with the preferred top, or else the one that the CA prefers (§7.4.2)."""
        if order.certificate is None:
            raise Unavailable("the order is valid, but has no certificate URL")
        with explained("read a certificate"):
            answer = self._account.post(order.certificate, None, CHAIN)
            first = _chain(answer)
            preferred = self._settings.preferred_chain
            if preferred is None or preferred in _tops(first):
                return first
            for url in links(answer.headers.get("link"), "alternate")[:MOST_ALTERNATES]:
                chain = _chain(self._account.post(url, None, CHAIN))
                if preferred in _tops(chain) and chain.leaf == first.leaf:
                    return chain
        return first

    def revoke(self, chain: Chain, reason: int) -> None:
        """Revoke the leaf (§7.6); succeeds if it is revoked already."""
        url = self._connection.directory().revoke_certificate
        if url is None:
            raise Misconfigured(f"{self._settings.directory} has no revokeCert: the CA cannot revoke by ACME")
        der = chain.leaf.public_bytes(serialization.Encoding.DER)
        with explained("revoke a certificate"):
            try:
                self._account.post(url, {"certificate": base64url.encode(der), "reason": reason})
            except ProblemAnswer as answer:
                if answer.problem.kind != "alreadyRevoked":
                    raise

    def _parsed(self, answer: Response) -> ReadOrder:
        try:
            order = Order.of(answer.json())
        except ValueError as error:
            raise Unavailable(f"{answer.operation} answered without a valid order: {error}") from None
        return ReadOrder(order, retry_after(answer.headers.get("retry-after"), self._clock()))

    def _require_profile(self, profile: str, known: object) -> None:
        """Raise Misconfigured before anything is ordered if the directory lists profiles, and not this one."""
        if isinstance(known, dict) and known and profile not in known:
            raise Misconfigured(
                f"{self._settings.directory} has no profile {profile!r} (known: {', '.join(sorted(known))}); "
                "correct `profile` of the issuer"
            )


def _chain(answer: Response) -> Chain:
    """Parse a chain; raise Misconfigured if the body has other or truncated PEM blocks (§11.4), or no certificate."""
    text = answer.body.decode("ascii", "replace")
    try:
        if _OTHER_BLOCK.search(text):
            raise ValueError("it has PEM blocks that are not complete certificates")  # noqa: TRY301
        return Chain.from_pem(text)
    except ValueError as error:
        raise Misconfigured(
            f"{answer.operation} did not answer with a certificate chain: {error}; ask the CA"
        ) from None


def _tops(chain: Chain) -> list[str]:
    """Return the common names of the subject and issuer of the last certificate."""
    fields = Fields(chain.certificates[-1])
    return list(_names(fields))


def _names(fields: Fields) -> Iterator[str]:
    yield from values(fields.issuer_der, COMMON_NAME)
    yield from values(fields.subject_der, COMMON_NAME)
