"""Revocation by ACME (RFC 8555 §7.6): by an account that ordered it, or controls its names, or by its own key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.acme import base64url
from evercert.acme.jwk import PublicKey
from evercert.authority.acme.ports import EabCredentials, Orders
from evercert.authority.acme.problems import Refused, malformed
from evercert.authority.acme.records import Account, is_proven
from evercert.authority.ca.revocation_reasons import LEAF_REASONS
from evercert.authority.configuration.profiles import Profile
from evercert.authority.contracts.issuance_trail import Actor
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.registration.revocation import Revoking
from evercert.deadline import Clock
from evercert.pki.identifiers import Identifier
from evercert.pki.keys import public_bytes

# Codes of RFC 5280 §5.3.1.
_REASONS = {
    0: "UNSPECIFIED",
    1: "KEY_COMPROMISE",
    3: "AFFILIATION_CHANGED",
    4: "SUPERSEDED",
    5: "CESSATION_OF_OPERATION",
    9: "PRIVILEGE_WITHDRAWN",
}
LARGEST_CERTIFICATE = 40_000  # characters of base64url


@dataclass(frozen=True)
class AcmeRevocation:
    """Revokes certificates of the profile; raises Refused."""

    certificates: Certificates
    orders: Orders
    credentials: EabCredentials
    revoking: Revoking
    clock: Clock

    def revoke(
        self, profile: Profile, members: Mapping[str, Any], account: Account | None, key: PublicKey | None
    ) -> None:
        """Revoke the certificate of the request, which `account`, or the key of the certificate, signed."""
        reason = _reason(members.get("reason"))
        record = self._certificate(members.get("certificate"), profile)
        by_key = key is not None and public_bytes(key) == public_bytes(record.signed.public_key())
        if not by_key and (account is None or not self._may_revoke(account, record)):
            raise Refused(
                "unauthorized",
                "only its key, the account that ordered it, or an account that is authorized for all its names now may"
                " revoke a certificate",
            )
        if record.external:  # a record of a revocation that its issuer does not make would deceive
            raise malformed(f"issuer {record.external} signed the certificate: revoke it there")
        if record.imported:
            raise malformed("the certificate was imported: revoke it at its issuer")
        revoked = self.revoking.revoke(record, reason, Actor("" if account is None else account.id, "acme"))
        if revoked is None:
            raise Refused("alreadyRevoked", "the certificate is revoked already")
        self.revoking.publish_crl(revoked)

    def _may_revoke(self, account: Account, record: CertificateRecord) -> bool:
        if record.identity == account.id:
            return True
        credential = None if account.credential is None else self.credentials.of_id(account.credential)
        usable = account.credential is None or (credential is not None and not credential.revoked)
        names = set(record.leaf.names)
        return usable and bool(names) and self._proven(account) >= names

    def _proven(self, account: Account) -> set[Identifier]:
        """Return the names that challenges of the account's newest orders have proven, and still prove."""
        found, _ = self.orders.of_account(account.id, None)
        orders = [order for order in map(self.orders.of_id, found) if order is not None]
        return {
            name
            for order in orders
            for name, one in zip(order.names, order.authorizations, strict=True)
            if one.status_at(self.clock(), order.expires_at) == "valid" and is_proven(one)
        }

    def _certificate(self, found: object, profile: Profile) -> CertificateRecord:
        if not isinstance(found, str) or len(found) > LARGEST_CERTIFICATE:
            raise malformed("certificate must be the base64url of a certificate in DER")
        try:
            der = x509.load_der_x509_certificate(base64url.decode(found)).public_bytes(serialization.Encoding.DER)
        except (ValueError, x509.InvalidVersion):
            raise malformed("certificate does not parse") from None
        record = self.certificates.certificate(hashlib.sha256(der).hexdigest())
        if record is None or record.profile != profile.id:
            raise malformed("this directory has issued no such certificate", 404)
        return record


def _reason(found: object) -> str:
    if found is None:
        return "UNSPECIFIED"
    reason = _REASONS.get(found) if isinstance(found, int) and not isinstance(found, bool) else None
    if reason is None or reason not in LEAF_REASONS:
        raise Refused("badRevocationReason", f"reason must be one of {', '.join(map(str, _REASONS))}")
    return reason
