"""Request the path of a challenge at the web host of a name, as a CA does (RFC 8555 §8.3)."""

from __future__ import annotations

import secrets
import time

import httpx

from evercert import __version__
from evercert.acme.challenges import HTTP_PATH
from evercert.cli.doctor.stack_checks import Check
from evercert.schema import printable

MOST_REDIRECTS = 5
SECONDS = 10.0  # for all redirects of one name
LONGEST_BODY = 100  # bytes; that of the responder is shorter
NOT_FOUND, BODY = 404, b"not found"  # the responder's answer for a token that does not exist
_HEADERS = {"User-Agent": f"evercert/{__version__}", "Accept-Encoding": "identity"}
_GUIDE = "docs/how-to/acme-http-01.md"


def check(name: str, port: int = 80, transport: httpx.BaseTransport | None = None) -> Check:
    """Check whether the responder answers for the name; a failure is a warning: the CA may see another network."""
    title, host = f"web host {name}", f"[{name}]" if ":" in name else name
    url = f"http://{host}:{port}{HTTP_PATH}{secrets.token_urlsafe(24)}"
    try:
        status, last, body = _request(url, transport)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        remedy = f"check DNS, port 80 and the redirect ({_GUIDE}); the CA may reach it from another network"
        return Check(title, "warning", f"no answer at this machine ({type(error).__name__})", remedy)
    if status == NOT_FOUND and body.strip() == BODY:
        return Check(title, "ok", "the responder answers")
    where = "the host itself" if last == name else printable(last, 200)
    remedy = f"redirect {HTTP_PATH} to the responder ({_GUIDE})"
    return Check(title, "warning", f"{where} answers {status} with another page, not the responder", remedy)


def _request(url: str, transport: httpx.BaseTransport | None) -> tuple[int, str, bytes]:
    """Follow redirects; return status, host and the first bytes of the last response."""
    end = time.monotonic() + SECONDS
    # A CA checks no certificates of redirects. No proxies and no .netrc of this machine: they are not the CA's.
    with httpx.Client(headers=_HEADERS, verify=False, trust_env=False, transport=transport) as client:  # noqa: S501
        request = client.build_request("GET", url)
        for _ in range(MOST_REDIRECTS + 1):
            request.extensions["timeout"] = httpx.Timeout(_left(end)).as_dict()
            response = client.send(request, stream=True)
            try:
                if response.next_request is None:
                    return response.status_code, request.url.raw_host.decode(), _body(response, end)
            finally:
                response.close()
            request = response.next_request
    raise httpx.TooManyRedirects(f"more than {MOST_REDIRECTS} redirects")


def _body(response: httpx.Response, end: float) -> bytes:
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > LONGEST_BODY:
            break
        _left(end)
    return body[:LONGEST_BODY]


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise httpx.ReadTimeout(f"no answer within {SECONDS:.0f} seconds")
    return left
