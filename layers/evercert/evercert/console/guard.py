"""Guard in front of all pages: host, session, origin and form token of each request; headers of each response."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evercert.console.session import Session

HTTP = 80  # browsers leave this port out
SAFE = ("GET", "HEAD")
MOST_BYTES, MOST_FIELDS = 1_000_000, 200  # of a form
CSRF_FIELD, CSRF_HEADER = "csrf", "X-CSRF-Token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send the origin `null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
SIGN_IN = "Open the address that `evercert console` printed. It works once; to get another one, restart the command."


@dataclass(frozen=True)
class Guard:
    """ASGI middleware that lets only requests of the session's browser pass.

    Another user of the machine has neither token nor cookie. A page of another site has neither the host, the origin
    nor the form token, also if its name resolves to loopback (DNS rebinding).
    """

    app: ASGIApp
    session: Session
    port: int

    @property
    def cookie_name(self) -> str:
        """The name of the cookie; several consoles may run at once."""
        return f"evercert-console-{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no WebSockets

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        request = Request(scope, receive)
        answer = self._refusal(request) or self._sign_in(request)
        if answer is None and request.method not in SAFE:
            body = await _body(request)
            answer = self._refused_form(request.headers, body)
            receive = _replay(body or b"", receive)
        await (self.app if answer is None else answer)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """Return the refusal of a foreign host or origin."""
        hosts = [f"{self.session.host}:{self.port}", *([self.session.host] if self.port == HTTP else [])]
        if request.headers.get("host", "").lower() not in hosts:
            return _refused(421, "unknown host: open the address that `evercert console` printed")
        origin = request.headers.get("origin")
        own = f"http://{request.headers['host'].lower()}"
        if (origin is not None and origin.lower() != own) or (origin is None and request.method not in SAFE):
            return _refused(403, "cross-site request refused: use the pages of the console")
        if request.headers.get("sec-fetch-site", "none") == "cross-site" and request.method not in SAFE:
            return _refused(403, "cross-site request refused: use the pages of the console")
        return None

    def _sign_in(self, request: Request) -> Response | None:
        """Return the answer to a request without the cookie: the exchange of the token, or a refusal."""
        if self.session.accepts_cookie(request.cookies.get(self.cookie_name, "")):
            return None
        token = request.query_params.get("token")
        if request.method == "GET" and token is not None and self.session.exchange(token):
            return self._signed_in()
        return _refused(403, SIGN_IN)

    def _signed_in(self) -> Response:
        """Set the cookie, and let the page load the start page.

        After a redirect from the terminal's link, a browser would not send a SameSite=Strict cookie if the link was
        clicked in a page of another site.
        """
        start, icon = f"{self.session.path}/", f"{self.session.path}/static/icon.svg"
        head = f'<!doctype html><html lang="en"><title>evercert</title><link rel="icon" href="{icon}">'
        page = f'{head}<p><a href="{start}">Open the console</a>'
        answer = HTMLResponse(page, headers={"Refresh": f"0; url={start}"})
        answer.set_cookie(
            self.cookie_name, self.session.cookie, path=self.session.path, httponly=True, samesite="strict"
        )
        return answer

    def _refused_form(self, headers: Headers, body: bytes | None) -> Response | None:
        if body is None:
            return _refused(413, "the form exceeds 1 MB: use `evercert apply FILE`")
        sent = headers.get(CSRF_HEADER)
        if sent is None and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            with suppress(ValueError):  # too many fields
                fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=MOST_FIELDS)
                sent = next(iter(fields.get(CSRF_FIELD, [])), None)
        if sent is None or not self.session.accepts_form(sent):
            return _refused(403, "invalid form token: reload the page and resubmit the form")
        return None


def _refused(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status)


async def _body(request: Request) -> bytes | None:
    """Return the body, or None if it is too large."""
    found = b""
    async for part in request.stream():
        found += part
        if len(found) > MOST_BYTES:
            return None
    return found


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a channel that has the body, which was read already."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return parts.pop() if parts else await receive()

    return replay
