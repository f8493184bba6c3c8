"""Resources of ACME as a client reads them (RFC 8555 §7.1); unknown members are ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from evercert.acme import times
from evercert.acme.problem import Problem
from evercert.schema import printable

MOST_ENTRIES = 200  # identifiers of an order, challenges of an authorization
LONGEST_URL = 2_000
MOST_DOMAINS = 20  # CAA identities of the CA
_DOMAIN = re.compile(r"[A-Za-z0-9._-]{1,253}")


@dataclass(frozen=True)
class Directory:
    """The URLs of a server (§7.1.1); absent ones are None."""

    new_nonce: str
    new_account: str
    new_order: str
    revoke_certificate: str | None = None
    key_change: str | None = None
    renewal_info: str | None = None
    terms_of_service: str | None = None
    needs_external_account: bool = False
    profiles: Mapping[str, str] = field(default_factory=dict)
    caa_identities: tuple[str, ...] = ()  # domains that CAA records may name

    @classmethod
    def of(cls, body: Any) -> Self:  # noqa: ANN401 (parsed JSON)
        """Parse a directory; raise ValueError if it lacks newNonce, newAccount or newOrder."""
        if not isinstance(body, dict):
            raise ValueError("a directory is a JSON object")
        meta = body.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        profiles = meta.get("profiles")
        entries = list(profiles.items())[:MOST_ENTRIES] if isinstance(profiles, dict) else []
        return cls(
            new_nonce=_url(body, "newNonce"),
            new_account=_url(body, "newAccount"),
            new_order=_url(body, "newOrder"),
            revoke_certificate=_optional_url(body, "revokeCert"),
            key_change=_optional_url(body, "keyChange"),
            renewal_info=_optional_url(body, "renewalInfo"),
            terms_of_service=_optional_url(meta, "termsOfService"),
            needs_external_account=meta.get("externalAccountRequired") is True,
            profiles={printable(name, 100): printable(str(text), 300) for name, text in entries},
            caa_identities=_domains(meta.get("caaIdentities")),
        )


@dataclass(frozen=True)
class Order:
    """An order (§7.1.3); its own URL is in the Location header of its creation."""

    status: str
    finalize: str
    authorizations: tuple[str, ...]
    certificate: str | None = None
    error: Problem | None = None
    expires: datetime | None = None

    @classmethod
    def of(cls, body: Any) -> Self:  # noqa: ANN401 (parsed JSON)
        """Parse an order; raise ValueError if it lacks status, finalize or authorizations."""
        if not isinstance(body, dict):
            raise ValueError("an order is a JSON object")
        authorizations = body.get("authorizations")
        if not isinstance(authorizations, list) or len(authorizations) > MOST_ENTRIES:
            raise ValueError(f"an order has a list of up to {MOST_ENTRIES} authorizations")
        return cls(
            status=_status(body),
            finalize=_url(body, "finalize"),
            authorizations=tuple(_as_url(entry, "authorizations") for entry in authorizations),
            certificate=_optional_url(body, "certificate"),
            error=Problem.of(body.get("error")),
            expires=_expiry(body),
        )


@dataclass(frozen=True)
class Challenge:
    """A challenge (§7.1.5); `fields` are all its members, for types that this module does not know."""

    type: str
    url: str
    status: str
    token: str | None = None
    error: Problem | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, body: Any) -> Self:  # noqa: ANN401 (parsed JSON)
        """Parse a challenge; raise ValueError if it lacks type, url or status."""
        if not isinstance(body, dict) or not isinstance(body.get("type"), str):
            raise ValueError("a challenge is a JSON object with a type")
        token = body.get("token")
        return cls(
            type=printable(body["type"], 60),
            url=_url(body, "url"),
            status=_status(body),
            token=token if isinstance(token, str) else None,
            error=Problem.of(body.get("error")),
            fields=body,
        )


@dataclass(frozen=True)
class Authorization:
    """An authorization for one identifier (§7.1.4); for a wildcard, `name` is its base name and `wildcard` is true."""

    kind: str
    name: str
    status: str
    challenges: tuple[Challenge, ...]
    wildcard: bool = False
    expires: datetime | None = None

    @classmethod
    def of(cls, body: Any) -> Self:  # noqa: ANN401 (parsed JSON)
        """Parse an authorization; raise ValueError if it lacks identifier or status; `challenges` may be missing."""
        identifier = body.get("identifier") if isinstance(body, dict) else None
        if not isinstance(identifier, dict) or not isinstance(identifier.get("value"), str):
            raise ValueError("an authorization is a JSON object with an identifier")
        challenges = body.get("challenges", [])
        if not isinstance(challenges, list) or len(challenges) > MOST_ENTRIES:
            raise ValueError("an authorization has a list of challenges")
        return cls(
            kind=printable(str(identifier.get("type")), 20),
            name=printable(identifier["value"], 260),
            status=_status(body),
            challenges=tuple(map(Challenge.of, challenges)),
            wildcard=body.get("wildcard") is True,
            expires=_expiry(body),
        )

    @property
    def full_name(self) -> str:
        """The name as it is ordered: `*.` and the base name for a wildcard."""
        return f"*.{self.name}" if self.wildcard else self.name

    @property
    def problem(self) -> Problem | None:
        """The error of its failed challenge, or None."""
        return next((challenge.error for challenge in self.challenges if challenge.error is not None), None)


def _url(body: Mapping[str, Any], name: str) -> str:
    return _as_url(body.get(name), name)


def _as_url(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_URL or not value.isprintable():
        raise ValueError(f"{name} is missing or not a URL")
    return value


def _optional_url(body: Mapping[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else _url(body, name)


def _status(body: Mapping[str, Any]) -> str:
    status = body.get("status")
    if not isinstance(status, str):
        raise ValueError("status is missing")
    return printable(status, 40)


def _expiry(body: Mapping[str, Any]) -> datetime | None:
    """Return the time, or None if it is missing or invalid: it only shortens waits."""
    try:
        return times.parse(body.get("expires"))
    except ValueError:
        return None


def _domains(value: object) -> tuple[str, ...]:
    """Return the domains of a list; others are ignored: they only serve a check before an order."""
    found = value[:MOST_DOMAINS] if isinstance(value, list) else []
    return tuple(one for one in found if isinstance(one, str) and _DOMAIN.fullmatch(one))
