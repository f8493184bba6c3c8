"""Objects of the ACME server as JSON (RFC 8555 §7.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from evercert.authority.acme.paths import Urls
from evercert.authority.acme.records import Account, Authorization, Challenge, Order
from evercert.authority.configuration.profiles import AcmeOptions, Profile
from evercert.timestamps import to_text


def directory(urls: Urls, profile: Profile, options: AcmeOptions) -> dict[str, Any]:
    """Return the directory (§7.1.1) of a profile."""
    meta: dict[str, Any] = {
        "externalAccountRequired": options.eab == "required",
        "profiles": {profile.slug: profile.description or f"the profile {profile.key}"},
    }
    if options.terms_of_service is not None:
        meta["termsOfService"] = options.terms_of_service
    return {
        "newNonce": urls.of("new-nonce"),
        "newAccount": urls.of("new-account"),
        "newOrder": urls.of("new-order"),
        "revokeCert": urls.of("revoke-cert"),
        "keyChange": urls.of("key-change"),
        "renewalInfo": urls.of("renewal-info"),
        "meta": meta,
    }


def account(found: Account, urls: Urls) -> dict[str, Any]:
    """Return an account (§7.1.2)."""
    body: dict[str, Any] = {"status": found.status, "orders": f"{urls.account(found.id)}/orders"}
    if found.contact:
        body["contact"] = list(found.contact)
    if found.binding is not None:
        body["externalAccountBinding"] = found.binding
    return body


def order(found: Order, urls: Urls, now: datetime) -> dict[str, Any]:
    """Return an order (§7.1.3)."""
    body: dict[str, Any] = {
        "status": found.status_at(now),
        "identifiers": [{"type": name.kind, "value": name.value} for name in found.names],
        "authorizations": [urls.authorization(found.id, place) for place in range(len(found.authorizations))],
        "finalize": f"{urls.order(found.id)}/finalize",
    }
    waits = found.closed == "processing" and found.expires_at <= now  # longer than it would have lived unfinalized
    expires = None if waits else found.expires_at
    moments = {"expires": expires, "notBefore": found.not_before, "notAfter": found.not_after}
    body |= {name: to_text(moment) for name, moment in moments.items() if moment is not None}
    more = {"profile": found.named_profile, "replaces": found.replaces, "error": _order_error(found)}
    body |= {name: value for name, value in more.items() if value is not None}
    if found.certificate is not None:
        body["certificate"] = f"{urls.order(found.id)}/certificate"
    return body


def authorization(found: Order, place: int, urls: Urls, now: datetime) -> dict[str, Any]:
    """Return an authorization (§7.1.4); a decided one shows the challenge that decided it only."""
    one = found.authorizations[place]
    shown = [own for own in one.challenges if own.status in {"valid", "invalid"}] or one.challenges
    body: dict[str, Any] = {
        "status": one.status_at(now, found.expires_at),
        "expires": to_text(found.expires_at),
        "identifier": {"type": one.kind, "value": one.name},
        "challenges": [challenge(own, found, place, urls) for own in shown],
    }
    return body | ({"wildcard": True} if one.wildcard else {})


def challenge(found: Challenge, of: Order, place: int, urls: Urls) -> dict[str, Any]:
    """Return a challenge (§7.1.5)."""
    body: dict[str, Any] = {
        "type": found.type,
        "url": urls.challenge(of.id, place, found.type),
        "status": found.status,
        "token": found.token,
    }
    if found.validated_at is not None:
        body["validated"] = to_text(found.validated_at)
    return body | ({"error": found.error} if found.error is not None else {})


def _order_error(found: Order) -> dict[str, Any] | None:
    """Return the error of an order that failed, or of its first failed challenge."""
    if found.error is not None:
        return found.error
    failed = (one for one in found.authorizations if one.status == "invalid")
    return next((own.error for one in failed for own in _decided(one) if own.error is not None), None)


def _decided(found: Authorization) -> list[Challenge]:
    return [own for own in found.challenges if own.status == "invalid"]
