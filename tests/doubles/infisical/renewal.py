"""Renewal of certificates."""

from __future__ import annotations

from typing import Any

from tests.doubles.infisical import csr as csrs
from tests.doubles.infisical import durations
from tests.doubles.infisical.certificates import Reading
from tests.doubles.infisical.configuration import Identity
from tests.doubles.infisical.errors import Refusal, denied
from tests.doubles.infisical.issuance import Issuing, need, parts
from tests.doubles.infisical.store import Certificate, Request

EMPTY = dict.fromkeys(("certificate", "issuingCaCertificate", "certificateChain", "serialNumber", "certificateId"), "")


class Renewing:
    """The renewal endpoint, and renewals in the user interface."""

    def __init__(self, issuing: Issuing, reading: Reading) -> None:
        self._issuing = issuing
        self._reading = reading

    def renew(self, identity: Identity, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Renew; an internal CA's response has no private key, an external CA's has empty strings."""
        found = self._issuing.store.certificate(name)
        if self._issuing.switches.refuses_renewals:
            raise denied("issue-cert", "certificate-profiles")
        need(identity, "issue-cert certificate-profiles")
        if self._issuing.switches.renew_ignores_csr:
            body = body | {"csr": None, "renewalKeySource": "new"}
        if body["attributes"] is not None:
            need(identity, "edit certificates")
        request = self._renewed(found, identity, body)
        made = request.certificate
        said = parts(made, remove_roots=body["removeRootsFromChain"]) if made else dict(EMPTY)
        return said | {"certificateRequestId": request.id}

    def elsewhere(self, name: str) -> Certificate:
        """Renew as in the user interface, with a key that the server generates."""
        found = self._issuing.store.certificate(name)
        body = {"csr": None, "renewalKeySource": "new", "attributes": None}
        made = self._renewed(found, None, body).certificate
        if made is None:
            raise ValueError("this renewal is held back")
        return made

    def _renewed(self, found: Certificate, identity: Identity | None, body: dict[str, Any]) -> Request:
        self._eligible(found)
        source, csr = body["renewalKeySource"], body["csr"]
        self._source(found, source, csr)
        if csr is None and source == "reuse":
            csr = found.csr
        wanted = self._wanted(found, body["attributes"] or {}, csr, source)
        try:
            self._issuing.examine(found.profile, wanted, "Certificate request validation failed")
        except Refusal as refusal:
            found.renewal_error = str(refusal.message)
            raise
        return self._issuing.open(
            found.profile,
            found.application,
            identity,
            wanted,
            found.metadata,
            csr=csr,
            key=found.key if source == "reuse" and csr is None else None,
            renews=found,
        )

    def _eligible(self, found: Certificate) -> None:
        if found.profile.enrollment != "api":
            raise Refusal(403, f"{found.profile.enrollment.upper()} certificates cannot be renewed")
        status = self._reading.status(found)
        reasons = []
        if found.renewed_by:
            reasons.append("certificate has already been renewed")
        elif status != "active":
            reasons.append(f"certificate is {status}")
        if found.profile.authority and not found.profile.authority.active:
            reasons.append("CA is not active")
        if reasons:
            raise Refusal(400, f"Certificate is not eligible for renewal: {', '.join(reasons)}")

    @staticmethod
    def _source(found: Certificate, source: str, csr: str | None) -> None:
        """Check the key source. Private CA: reuse, new, csr. External CA: new, csr. Self-signed: reuse, new."""
        if source == "csr" and not csr:
            raise Refusal(400, "A CSR is required for this renewal key source")
        if csr and source != "csr":
            raise Refusal(400, "A CSR can only be sent with the renewal key source csr")
        if source == "reuse" and found.profile.external:
            raise Refusal(400, "Certificates of external CAs cannot keep their key")
        if source == "csr" and found.profile.authority is None:
            raise Refusal(400, "Self-signed certificates are not supported for CSR signing")
        if source == "reuse" and found.key is None and found.csr is None:
            raise Refusal(400, "Certificate has no private key to keep")

    def _wanted(self, found: Certificate, asked: dict[str, Any], csr: str | None, source: str) -> dict[str, Any]:
        """Merge attributes over the old ones: None removes, lists replace, defaults do not apply again."""
        carried = csrs.read(csr) if csr else {}
        twice = sorted(asked.keys() & carried.keys())
        if twice and source == "csr":
            raise Refusal(400, f"Attributes that the CSR carries cannot be sent with it: {', '.join(twice)}")
        if source == "reuse" and asked.get("keyAlgorithm", found.key_algorithm) != found.key_algorithm:
            raise Refusal(400, "The key algorithm cannot change while the key is kept")
        old = {key: value for key, value in found.wanted.items() if key not in ("ttl", "notBefore", "notAfter")}
        if not asked.keys() & {"ttl", "notAfter"}:
            signed = found.signed
            span = durations.written(signed.not_valid_after_utc - signed.not_valid_before_utc)
            old["notAfter"] = (asked.get("notBefore") or self._issuing.clock()) + span
        wanted = {"keyAlgorithm": found.key_algorithm} | old | asked | carried
        return {key: value for key, value in wanted.items() if value not in (None, [], "")}
