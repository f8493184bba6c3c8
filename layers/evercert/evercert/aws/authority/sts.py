"""Forward a client's signed GetCallerIdentity request to the STS of a region."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from evercert.authority.api_errors import unauthorized
from evercert.authority.contracts.ports import Caller
from evercert.errors import Misconfigured, Unavailable
from evercert.http_client.trust import ssl_context
from evercert.partitions import sts_host
from evercert.schema import printable

if TYPE_CHECKING:
    import ssl

    import httpx

    from evercert.http_client.transport import Resolve

LIMIT = timedelta(seconds=5)  # limit of the whole call
LARGEST_ANSWER = 64 * 1_024
_OK, _WRONG, _FORBIDDEN = 200, 400, 403
_REGION = re.compile(r"[a-z0-9-]{1,20}")
_ARN = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::([0-9]{12}):[\x21-\x7e]{1,1900}")
# Errors of 400 that say the same as 403: another try with this question is worth nothing.
_UNAUTHENTICATED = {
    "IncompleteSignature",
    "RequestExpired",
    "ExpiredToken",
    "ExpiredTokenException",
    "MissingAuthenticationToken",
}


class STSOverHTTP:
    """Port Sts over HTTPS; `endpoint` replaces AWS's own for development and keeps the signed host name."""

    def __init__(self, endpoint: str | None = None, *, resolve: Resolve | None = None) -> None:
        self._endpoint = endpoint
        self._resolve = resolve

    def caller(self, region: str, headers: dict[str, str], body: bytes) -> Caller:
        """Return the caller; send exactly these headers, which were all checked.

        Raises Refusal (401) if STS rejects the signature, Unavailable if it gives no valid answer.
        """
        if not _REGION.fullmatch(region):
            raise Unavailable("cannot call STS: invalid region")
        what = f"STS in {region}"
        status, answer = self._answer(region, headers, body, what)
        if status == _OK:
            return _caller(answer, what)
        error = _error(answer)
        if status == _FORBIDDEN or (status == _WRONG and error in _UNAUTHENTICATED):
            said = f" ({printable(error, 60)})" if error else ""
            raise unauthorized(f"Access denied: STS did not accept the signature{said}.")
        raise Unavailable(f"{what} answered {status}")

    def _url(self, region: str) -> str:
        return self._endpoint or f"https://{sts_host(region)}/"

    def _answer(self, region: str, headers: dict[str, str], body: bytes, what: str) -> tuple[int, bytes]:
        """Return the response; each call has its own connection, so that two calls do not share a time limit."""
        import httpx  # noqa: PLC0415 (a tenth of a cold start, and most calls are no logins)

        from evercert.http_client.transport import Backend, Transport, system_resolve  # noqa: PLC0415

        backend = Backend(self._resolve or system_resolve, LIMIT, local=self._endpoint is not None)
        backend.limit.begin()
        # The transport alone: a client adds headers, of which `Accept` would change the response format, and reads
        # cookies and redirects. Neither redirects nor proxies: both would disclose the login to a third party.
        timeout = httpx.Timeout(LIMIT.total_seconds()).as_dict()
        request = httpx.Request(
            "POST", self._url(region), headers=headers, content=body, extensions={"timeout": timeout}
        )
        transport = Transport(self._trusted, backend)
        try:
            response = transport.handle_request(request)
            return response.status_code, _read(response, what)
        except httpx.HTTPError as error:
            late = isinstance(error, httpx.TimeoutException)
            raise Unavailable(f"{what} {'did not answer in time' if late else 'cannot be reached'}") from error
        except Misconfigured as error:  # its name resolves to a forbidden address; the client cannot fix that
            raise Unavailable(f"{what} cannot be reached: {error}") from error
        finally:
            transport.close()

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return ssl_context(None)


def _read(response: httpx.Response, what: str) -> bytes:
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise Unavailable(f"{what} answered with more than {LARGEST_ANSWER} bytes")
    return bytes(body)


def _parsed(answer: bytes) -> ET.Element | None:
    """Return the parsed XML, or None if it is invalid or contains `<!` (DOCTYPE, entities)."""
    with suppress(ValueError, ET.ParseError):
        text = answer.decode("utf-8")  # another encoding could hide `<!`
        return None if "<!" in text else ET.fromstring(text)  # noqa: S314 (no entity is ever defined)
    return None


def _caller(answer: bytes, what: str) -> Caller:
    """Return the caller from `GetCallerIdentityResult`, in any namespace; all three parts must occur once."""
    root = _parsed(answer)
    found = {}
    if root is not None and _name(root) == "GetCallerIdentityResponse":
        for part in ("Account", "Arn", "UserId"):
            texts = [one.text or "" for one in root.findall(f"{{*}}GetCallerIdentityResult/{{*}}{part}")]
            found[part] = texts[0] if len(texts) == 1 else ""
    match = _ARN.fullmatch(found.get("Arn", ""))
    if match is None or match[1] != found["Account"] or not found["UserId"]:
        raise Unavailable(f"{what} answered {_OK} without a valid caller identity")
    return Caller(found["Account"], found["Arn"], found["UserId"])


def _error(answer: bytes) -> str:
    """Return the error code, or an empty text."""
    root = _parsed(answer)
    return "" if root is None else (root.findtext("{*}Error/{*}Code") or "").strip()


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
