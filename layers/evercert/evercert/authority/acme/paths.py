"""Paths and URLs of the ACME server: one directory for each profile, under each path that Infisical has used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Name = Literal[
    "directory",
    "new-nonce",
    "new-account",
    "new-order",
    "revoke-cert",
    "key-change",
    "renewal-info",
    "account",
    "orders",
    "order",
    "finalize",
    "certificate",
    "authorization",
    "challenge",
]
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ROOT = re.compile(
    "(?P<prefix>/api/v1/(?:pki/acme|cert-manager/acme"
    f"(?:/applications/(?P<application>{_UUID}))?)/profiles/(?P<profile>{_UUID}))/(?P<rest>.*)"
)
_ID = r"([A-Za-z0-9_-]{1,64})"
_PATTERNS: dict[Name, str] = {
    "directory": "directory",
    "new-nonce": "new-nonce",
    "new-account": "new-account",
    "new-order": "new-order",
    "revoke-cert": "revoke-cert",
    "key-change": "key-change",
    "renewal-info": r"renewal-info/([A-Za-z0-9_.-]{1,200})",
    "account": f"accounts/{_ID}",
    "orders": f"accounts/{_ID}/orders",
    "order": f"orders/{_ID}",
    "finalize": f"orders/{_ID}/finalize",
    "certificate": f"orders/{_ID}/certificate(?:/alternates/([1-9]))?",
    "authorization": f"authorizations/{_ID}",
    "challenge": f"authorizations/{_ID}/challenges/{_ID}",
}
_RESOURCES = tuple((name, re.compile(pattern)) for name, pattern in _PATTERNS.items())


def directory_url(address: str, profile_id: str) -> str:
    """Return the URL of the directory of a profile."""
    return f"{address}/api/v1/cert-manager/acme/profiles/{profile_id}/directory"


@dataclass(frozen=True)
class Urls:
    """The URLs of one directory; `base` has no slash at the end."""

    base: str

    def of(self, resource: str) -> str:
        """Return the URL of a resource, such as `new-order`."""
        return f"{self.base}/{resource}"

    def account(self, account_id: str) -> str:
        """Return the URL of an account, which is its `kid`."""
        return f"{self.base}/accounts/{account_id}"

    def order(self, order_id: str) -> str:
        """Return the URL of an order."""
        return f"{self.base}/orders/{order_id}"

    def authorization(self, order_id: str, place: int) -> str:
        """Return the URL of an authorization; its id names its order and its place there."""
        return f"{self.base}/authorizations/{order_id}_{place}"

    def challenge(self, order_id: str, place: int, kind: str) -> str:
        """Return the URL of a challenge; its id is its type."""
        return f"{self.authorization(order_id, place)}/challenges/{kind}"


@dataclass(frozen=True)
class Resource:
    """The resource of a path; `name` is None if the directory has no such resource."""

    prefix: str
    profile: str
    application: str | None
    name: Name | None
    ids: tuple[str, ...] = ()
    rest: str = ""  # the path after the prefix, without its slash

    def urls(self, address: str) -> Urls:
        """Return the URLs of the directory that the path belongs to."""
        return Urls(f"{address}{self.prefix}")


def parse(path: str) -> Resource | None:
    """Return the resource of a path, or None if no directory has such a path."""
    root = _ROOT.fullmatch(path)
    if root is None:
        return None
    found: tuple[Name | None, tuple[str, ...]] = (None, ())
    for name, pattern in _RESOURCES:
        if (match := pattern.fullmatch(root["rest"])) is not None:
            found = name, match.groups(default="")
            break
    return Resource(root["prefix"], root["profile"], root["application"], *found, rest=root["rest"])


def authorization_of(authorization_id: str) -> tuple[str, int] | None:
    """Return the order of an authorization and its place there, or None for an id that no authorization has."""
    order_id, _, place = authorization_id.rpartition("_")
    return (order_id, int(place)) if order_id and place.isdecimal() and len(place) <= 3 else None  # noqa: PLR2004
