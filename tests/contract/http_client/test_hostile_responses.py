"""Responses that no API sends: each ends in a response or in one typed error, which names the request."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from datetime import timedelta

import httpcore
import pytest

from evercert.deadline import Deadline
from evercert.errors import EvercertError, Misconfigured, Unavailable
from evercert.http_client.client import HTTPClient, ServerClient
from evercert.http_client.response import Response, TransportFailure
from evercert.http_client.retry import Retry, retry_after
from evercert.http_client.transport import Backend, Connection
from evercert.origins import Hosts, Origin
from tests.doubles.fakes import START, HandClock
from tests.doubles.raw_server import Deed, RawServer, bundle, reply

LOCATIONS = (
    "javascript:alert(1)", "data:,x", "http://xn--a", "https://xn--a.xn--a/", "http://[::1", "http://[x]/", "http://a:99999/",
    "http://a:b/", "//", "///", "?", "http://\u00e9\u00fc", "https://a b/", "https://%zz/", "ftp://a", "mailto:a@b", "http://" + "a" * 300,
    "https://user:canary@x.test/", "http://\u2488", "HTTPS://X.TEST", "https://-a-/", "https://0x7f.1/", "\\\\a\\b", "x" * 60_000,
)  # fmt: skip
WAITS = (
    "1 Jan 2020 1:1:1 999999999999999999999", "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359", "-1", "1.5", "1e9",
    "9" * 5_000, "3, 5", "inf", "NaN", "0x10", "Mon, 32 Jan 2001 00:00:00 GMT", "Mon, 01 Jan 2001 25:61:61 GMT", ",", ":", "1 2 3 4 5 6",
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "\u0661", "(", '"',
)  # fmt: skip
HEADS = (
    b"", b"\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 000 OK\r\n\r\n",
    b"HTTP/1.1 -20 OK\r\n\r\n", b"HTTP/1.1 999 \xff\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-x\r\n", b"\x16\x03\x01\x00\x02",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n", b"HTTP/1.1 200 OK\r\nX\x00: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\x1bb\r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\n: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 30_000 + b"\r\n", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.1 304 Not\r\n\r\n", b"HTTP/1.1 100 Go\r\n\r\n" * 20,
)  # fmt: skip
ENCODINGS = ("gzip", "br", "", "identity, gzip", "\xff", "x" * 1_000)
COOKIES = (
    "=",
    ";;;",
    "a=b; Expires=x; Max-Age=9e99",
    "a=b; Domain=xn--a",
    "\xff=\xff; Path=\xff",
    "a=b; Version=x; Port=x",
)


@pytest.fixture
def clients() -> Iterator[list[HTTPClient]]:
    opened: list[HTTPClient] = []
    yield opened
    for client in opened:
        client.close()


def connect(raw: RawServer, clients: list[HTTPClient]) -> ServerClient:
    clock = HandClock()
    limit = timedelta(seconds=2)
    clients.append(HTTPClient(Hosts([]), Deadline(clock), clock, lambda _: None, local=True, attempt_limit=limit))
    # The bundle of one CA: the public CAs take a fifth of a second to load.
    return clients[-1].server(f"http://127.0.0.1:{raw.port}", retry=Retry(max_retries=0), ca_bundle=bundle())


def sent(head: bytes) -> Deed:
    def act(_server: RawServer, connection: socket.socket) -> bool:
        connection.sendall(head)
        return False

    return act


def error_of(deed: Deed, clients: list[HTTPClient]) -> EvercertError | None:
    """Return the error of one call, or None for a response."""
    with RawServer(deed) as raw:
        server = connect(raw, clients)
        try:
            server.call("GET", "/v1/things")
        except EvercertError as error:
            assert f"GET http://127.0.0.1:{raw.port}/v1/things" in str(error)
            assert str(error).isprintable()
            assert "canary" not in str(error)
            return error
        return None


@pytest.mark.parametrize("location", LOCATIONS, ids=lambda text: ascii(text)[:30])
@pytest.mark.parametrize("status", [301, 308])
def test_call_reports_any_location_as_a_redirect(location: str, status: int, clients: list[HTTPClient]) -> None:
    error = error_of(reply(status, Location=location), clients)
    assert isinstance(error, Misconfigured)
    assert "a redirect, which is not followed" in str(error)


@pytest.mark.parametrize("status", [200, 201, 404])
def test_call_ignores_a_location_without_a_redirect(status: int, clients: list[HTTPClient]) -> None:
    assert error_of(reply(status, Location="javascript:alert(1)"), clients) is None


@pytest.mark.parametrize("value", WAITS, ids=lambda text: ascii(text)[:30])
def test_call_survives_any_retry_after(value: str, clients: list[HTTPClient]) -> None:
    error = error_of(reply(503, Retry_After=value), clients)
    assert isinstance(error, Unavailable)
    assert error.retry_after is None or timedelta(0) <= error.retry_after <= timedelta(days=1)


def test_retry_after_reads_any_text() -> None:
    chance = random.Random(13)
    for _ in range(20_000):
        text = list(chance.choice((*WAITS[:3], "Mon, 01 Jan 2001 00:00:00 GMT", "Mon Jan  1 00:00:00 2001")))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(text) + 1)
            text[at : at + chance.randint(0, 3)] = chance.choice(
                [":", "-", "+", "9" * 20, " ", "(", '"', "\xff", "", "GMT"]
            )
        wait = retry_after("".join(text), START)
        assert wait is None or timedelta(0) <= wait <= timedelta(days=1)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: ascii(head)[2:40])
def test_call_classifies_any_head(head: bytes, clients: list[HTTPClient]) -> None:
    error = error_of(sent(head), clients)
    assert error is None or isinstance(error, Misconfigured | Unavailable)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda text: ascii(text)[:20])
def test_call_refuses_any_content_encoding(encoding: str, clients: list[HTTPClient]) -> None:
    assert isinstance(error_of(reply(200, b"\x1f\x8b", Content_Encoding=encoding), clients), Misconfigured)


@pytest.mark.parametrize("cookie", COOKIES, ids=ascii)
def test_call_ignores_any_cookie_and_charset(cookie: str, clients: list[HTTPClient]) -> None:
    assert error_of(reply(200, Set_Cookie=cookie, Content_Type="application/json; charset=\xff"), clients) is None


def test_connection_classifies_mutated_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutate whole responses byte by byte, without a socket."""
    chance = random.Random(13)
    whole = (
        b"HTTP/1.1 302 Found\r\nLocation: https://x.test/\r\nSet-Cookie: a=b; Path=/\r\nRetry-After: 5\r\n"
        b"Content-Type: application/json; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    for _ in range(1_000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 2)] = chance.choice(
                [b"", b"\x00", b"\r\n", b":", chance.randbytes(2), b"99"]
            )
        backend = Backend(lambda _host, _port: ["127.0.0.1"], timedelta(seconds=5), local=True)
        stream = httpcore.MockStream([bytes(data)])
        monkeypatch.setattr(backend, "connect_tcp", lambda *_, stream=stream, **__: stream)
        connection = Connection(Origin.of("http://127.0.0.1:9"), bundle(), backend)
        try:
            outcome = connection.send("GET", "/", None, None, "GET /")
        except Misconfigured:
            continue
        assert isinstance(outcome, Response | TransportFailure)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 40 + b"]" * 40, b'{"a":' * 900 + b"1" + b"}" * 900, b"[" * 100_000, b"\xff", b'"\\ud800', b"1" * 5_000,
        b"\x00", b"{\x00}", b'{"a":\xff}', b"nul", b"[1e999", b"{'a':1}", "{}".encode("utf-16")[:-1],
    ],
    ids=lambda body: ascii(body)[2:20],
)  # fmt: skip
def test_response_refuses_json_that_no_api_sends(body: bytes) -> None:
    with pytest.raises(Unavailable, match=r"GET x answered 200 with a body that is not JSON"):
        Response(200, {}, body, "GET x").json()
