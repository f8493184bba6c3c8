"""Issuance: policy check, approval where required, signature."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.doubles.infisical import ca as authority
from tests.doubles.infisical import csr as csrs
from tests.doubles.infisical import durations, policy
from tests.doubles.infisical.configuration import Application, Estate, Identity, Profile
from tests.doubles.infisical.errors import Refusal, denied
from tests.doubles.infisical.store import Certificate, Request, Store
from tests.doubles.infisical.switches import Switches

HELD = {"approval": "pending_approval", "pending": "pending", "validation": "pending_validation", "fail": "failed"}


def may(identity: Identity | None, permission: str) -> bool:
    return identity is None or permission in identity.permissions


def need(identity: Identity | None, permission: str) -> None:
    if not may(identity, permission):
        raise denied(*permission.split(" "))


class Issuing:
    """The issuance endpoints."""

    def __init__(self, estate: Estate, store: Store, switches: Switches, clock: Callable[[], datetime]) -> None:
        self.estate = estate
        self.store = store
        self.switches = switches
        self.clock = clock

    def issue(self, identity: Identity, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("csr") and body["attributes"].get("customExtensions"):
            raise Refusal(400, "customExtensions cannot be used together with a CSR")
        profile, application = self._profile(identity, body)
        wanted = self.wanted(profile, body["attributes"], body.get("csr"))
        self.examine(profile, wanted, "Certificate request validation failed")
        request = self.open(profile, application, identity, wanted, body["metadata"], csr=body.get("csr"))
        return self.answer(request, identity, remove_roots=body["removeRootsFromChain"])

    def _profile(self, identity: Identity, body: dict[str, Any]) -> tuple[Profile, Application | None]:
        profile = self.estate.profiles.get(body["profileId"])
        if profile is None:
            raise Refusal(404, "Certificate profile not found")
        need(identity, "issue-cert certificate-profiles")
        if profile.enrollment != "api":
            raise Refusal(403, "Profile is not configured for api enrollment")
        applications = {one.id: one for one in self.estate.applications.values()}
        if "applicationId" not in body:
            if self.switches.requires_application and any(profile.id in one.attached for one in applications.values()):
                raise Refusal(400, "applicationId is required, as this profile is attached to Applications")
            return profile, None
        application = applications.get(body["applicationId"])
        if application is None or profile.id not in application.attached:
            raise Refusal(400, "This profile is not attached to the specified Application.")
        if not application.attached[profile.id]:
            raise Refusal(400, "API enrollment is not configured for this profile on the Application.")
        return profile, application

    def wanted(self, profile: Profile, asked: dict[str, Any], csr: str | None) -> dict[str, Any]:
        """Merge CSR over request over profile defaults; None clears a default."""
        defaults = {key: value for key, value in profile.defaults.items() if key != "ttlDays"}
        if csr is None:
            wanted = defaults | asked
        else:
            if profile.authority is None:
                raise Refusal(400, "Self-signed certificates are not supported for CSR signing")
            kept = ("ttl", "notBefore", "notAfter", "keyUsages", "extendedKeyUsages", "signatureAlgorithm")
            wanted = defaults | {key: asked[key] for key in kept if key in asked} | csrs.read(csr)
        wanted = {key: value for key, value in wanted.items() if value not in (None, [], "")}
        if not wanted.keys() & {"ttl", "notAfter"}:
            if "ttlDays" not in profile.defaults:
                raise Refusal(400, "Certificate issuance requires a valid TTL")
            wanted["ttl"] = f"{profile.defaults['ttlDays']}d"
        return wanted

    def examine(self, profile: Profile, wanted: dict[str, Any], refused: str) -> None:
        """Check the policy, then the limits of the CA."""
        if profile.policy.rules is not None:
            told = policy.errors(profile.policy.rules, wanted, self.clock())
            if told:
                raise Refusal(400, f"{refused}: {', '.join(told)}")
        if profile.external:
            return
        ca, asked = profile.authority, wanted.get("signatureAlgorithm")
        if ca is None:
            return
        if not ca.active:
            raise Refusal(400, "CA is not active")
        if asked and not asked.startswith(ca.family):
            raise Refusal(400, f"Signature algorithm {asked} does not fit the key of the CA ({ca.family})")
        if self.span(wanted)[1] > ca.not_after:
            raise Refusal(400, "notAfter date is after CA certificate's notAfter date")

    def span(self, wanted: dict[str, Any]) -> tuple[datetime, datetime]:
        """Return the validity: without backdating, from the time of signing."""
        begins = wanted.get("notBefore") or self.clock()
        if "notAfter" in wanted:
            return begins, wanted["notAfter"]
        return begins, begins + (durations.ttl(wanted["ttl"]) or timedelta(0))

    def open(
        self,
        profile: Profile,
        application: Application | None,
        identity: Identity | None,
        wanted: dict[str, Any],
        metadata: list[dict[str, str]],
        **more: Any,
    ) -> Request:
        """Create the request; sign at once unless it needs an approval or a validation."""
        outcome, now = self.switches.next_outcome(), self.clock()
        if outcome == "issue" and profile.approval:
            outcome = "approval"
        if outcome == "issue" and profile.external:
            outcome = "pending"
        request = Request(
            HELD.get(outcome, "issued"), outcome, profile, application, identity, wanted, metadata, now, now, **more
        )
        self.store.requests[request.id] = request
        match request.status:
            case "issued":
                self.sign(request, outcome)
            case "failed":
                request.error = "the CA could not sign"
            case "pending_validation":
                request.pending = "waiting for the validation of domains"
        return request

    def sign(self, request: Request, outcome: str = "issue") -> Certificate:
        """Sign the requested certificate, or the outcome that a test configured."""
        wanted, profile = dict(request.wanted), request.profile
        key = None if request.csr else request.key or authority.new_key(wanted.get("keyAlgorithm", "RSA_2048"))
        public_key = csrs.public_key(request.csr) if request.csr else key.public_key()
        begins, ends = self.span(wanted)
        match outcome:
            case "wrong-key":
                public_key = authority.new_key("EC_prime256v1").public_key()
            case "wrong-name":
                wanted |= {"commonName": "evil.example", "altNames": [{"type": "dns_name", "value": "evil.example"}]}
            case "expired":
                begins, ends = begins - timedelta(days=60), begins - timedelta(days=1)
            case "ca":
                wanted["basicConstraints"] = {"isCA": True}
        if profile.authority is None:
            signed = authority.self_signed(key, wanted, begins, ends)
            chain = [authority.pem(signed)]
        else:
            signed = profile.authority.sign(public_key, wanted, begins, ends)
            chain = profile.authority.chain()
        made = Certificate(
            signed,
            [] if outcome == "no-chain" else chain,
            profile,
            request.application,
            request.wanted,
            request.metadata,
            self.clock(),
            key=None if outcome == "no-key" else key,
            csr=request.csr,
            renews=request.renews.id if request.renews else None,
            request_id=request.id,
        )
        self.store.certificates[made.id] = made
        request.certificate, request.status, request.updated, request.pending = made, "issued", self.clock(), None
        if request.renews:
            request.renews.renewed_by = made.id
        return made

    def answer(self, request: Request, identity: Identity, *, remove_roots: bool) -> dict[str, Any]:
        """Return the response body of an issuance."""
        said: dict[str, Any] = {"certificate": None, "certificateRequestId": request.id, "status": request.status}
        if request.certificate:
            said["certificate"] = parts(request.certificate, remove_roots=remove_roots)
            key = request.certificate.private_key
            if key and may(identity, "read-private-key certificates"):
                said["certificate"]["privateKey"] = key
        else:
            said["message"] = request.error or "Certificate request submitted"
        return said


def joined(chain: list[str], *, remove_roots: bool = False) -> str:
    """Drop the last certificate of the chain, root or not."""
    return "\n".join(one.strip() for one in (chain[:-1] if remove_roots else chain))


def parts(certificate: Certificate, *, remove_roots: bool) -> dict[str, Any]:
    chain = certificate.chain
    issuing = "" if certificate.profile.authority is None or not chain else chain[0].strip()
    return {
        "certificate": certificate.pem.strip(),
        "issuingCaCertificate": issuing,
        "certificateChain": joined(chain, remove_roots=remove_roots),
        "serialNumber": certificate.serial_number,
        "certificateId": certificate.id,
    }
