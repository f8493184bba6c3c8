"""Whether a challenge is fulfilled now (RFC 8555 §8.3, §8.4); raises NotValidated if not."""

from __future__ import annotations

import hmac
import ipaddress
import time
from datetime import timedelta
from urllib.parse import urljoin, urlsplit

from evercert.acme import challenges
from evercert.authority.acme.records import Authorization, Challenge
from evercert.authority.validation.ports import Names, NotValidated, Page, Web
from evercert.origins import LONGEST_DNS_NAME

MOST_REDIRECTS = 10
LONGEST_URL = 2_000
SPAN = timedelta(seconds=10)  # for a page with all its redirects
OK = 200
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PORTS = {"http": 80, "https": 443}


def validate(found: Authorization, challenge: Challenge, web: Web, names: Names) -> None:
    """Validate one challenge; raise NotValidated."""
    expected = challenges.key_authorization(challenge.token, challenge.thumbprint or "")
    if challenge.type == "http-01":
        _validate_http(found, challenge.token, expected, web)
    else:
        _validate_dns(found, expected, names)


def _validate_http(found: Authorization, token: str, expected: str, web: Web) -> None:
    host = f"[{found.name}]" if found.kind == "ip" and ":" in found.name else found.name
    page = _follow(f"http://{host}{challenges.HTTP_PATH}{token}", web)
    if page.status != OK:
        raise NotValidated("incorrectResponse", f"the server of {found.name} answered with HTTP {page.status}")
    if not hmac.compare_digest(page.content.rstrip(), expected.encode()):
        raise NotValidated("incorrectResponse", f"the page of {found.name} is not the key authorization")


def _follow(url: str, web: Web) -> Page:
    """Follow redirects; only the host of the challenge may be in a private network (§10.4)."""
    until, own = time.monotonic() + SPAN.total_seconds(), urlsplit(url).hostname
    for _ in range(MOST_REDIRECTS + 1):
        left = timedelta(seconds=until - time.monotonic())
        if left <= timedelta(0):
            break
        page = web.load(url, left, private=urlsplit(url).hostname == own)
        if page.status not in REDIRECTS:
            return page
        url = _redirected(url, page.location)
    raise NotValidated("connection", f"more than {MOST_REDIRECTS} redirects, or {SPAN.seconds} seconds of them")


def _redirected(url: str, location: str | None) -> str:
    """Return the target of a redirect; only names and addresses on the ordinary ports may be asked."""
    try:
        target = urljoin(url, location or "")
        parts = urlsplit(target)
        usual = parts.scheme in PORTS and parts.port in {None, PORTS[parts.scheme]}
        host = parts.hostname or ""
    except ValueError:
        usual, host, target = False, "", ""
    if location is None or not usual or "@" in target or len(target) > LONGEST_URL or not _is_host(host):
        raise NotValidated("connection", "a redirect to another place than a host's port 80 (http) or 443 (https)")
    return target


def _is_host(host: str) -> bool:
    if len(host) > LONGEST_DNS_NAME:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host and not host.rpartition(".")[2].isdigit()
    return "%" not in host  # no zone


def _validate_dns(found: Authorization, expected: str, names: Names) -> None:
    name, value = f"{challenges.DNS_LABEL}.{found.name}", challenges.dns_value(expected).encode()
    texts = names.texts(name)
    if not any(hmac.compare_digest(text, value) for text in texts):
        seen = "no TXT record" if not texts else f"{len(texts)} TXT record(s) with other values"
        raise NotValidated("dns" if not texts else "incorrectResponse", f"{seen} at {name}")
