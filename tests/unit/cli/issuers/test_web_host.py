"""Request of a challenge's path, as a CA makes it: redirects, limits, and what counts as the responder's answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from evercert.acme.challenges import HTTP_PATH, is_token
from evercert.cli.doctor.stack_checks import Check
from evercert.cli.issuers import web_host

HOST = "127.0.0.1"
Answer = tuple[int, dict[str, str], bytes]


class Host:
    """A web host; `answer` returns status, headers and body for a path."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.answer: Callable[[str], Answer] = lambda path: (404, {}, b"not found")
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.paths.append(self.path)
                status, headers, body = host.answer(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.port = self.server.server_address[1]

    def check(self) -> Check:
        return web_host.check(HOST, self.port)


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_check_accepts_the_answer_of_the_responder(host: Host) -> None:
    assert host.check() == Check(f"web host {HOST}", "ok", "the responder answers")
    (path,) = host.paths
    assert path.startswith(HTTP_PATH) and is_token(path.removeprefix(HTTP_PATH))


def test_check_requests_another_token_each_time(host: Host) -> None:
    host.check()
    host.check()
    assert len(set(host.paths)) == 2


def test_check_follows_redirects(host: Host) -> None:
    def answer(path: str) -> Answer:
        hop = int(path.partition("?")[2] or 0)
        return (302, {"Location": f"/r?{hop + 1}"}, b"") if hop < 5 else (404, {}, b"not found")

    host.answer = answer
    assert host.check().status == "ok"
    assert len(host.paths) == 6


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (404, {}, b"<html>Not Found</html>", "the host itself answers 404 with another page, not the responder"),
        (404, {}, b'{"message":"Not Found"}', "answers 404 with another page"),
        (200, {}, b"not found", "answers 200 with another page"),
        (200, {}, b"x" * 5_000_000, "answers 200 with another page"),
        (404, {"Content-Encoding": "gzip"}, b"junk", "answers 404 with another page"),
        (302, {"Location": "/again"}, b"", "no answer at this machine (TooManyRedirects)"),
        (302, {"Location": "ftp://example.com/"}, b"", "no answer at this machine (UnsupportedProtocol)"),
        (302, {"Location": "http://[::1"}, b"", "no answer at this machine (RemoteProtocolError)"),
    ],
    ids=["page", "gateway", "status", "large", "encoded", "loop", "scheme", "location"],
)
def test_check_warns_of_other_answers(
    status: int, headers: dict[str, str], body: bytes, words: str, host: Host
) -> None:
    host.answer = lambda path: (status, headers, body)
    found = host.check()
    assert (found.status, "docs/how-to/acme-http-01.md" in found.remedy) == ("warning", True)
    assert words in found.found and found.found.isprintable()
    assert len(host.paths) <= 6


def test_check_warns_of_a_host_that_does_not_answer(host: Host) -> None:
    host.server.server_close()
    found = web_host.check(HOST, 1)
    assert (found.status, found.found) == ("warning", "no answer at this machine (ConnectError)")
    assert "the CA may reach it from another network" in found.remedy


def test_check_stops_at_its_time_limit(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_host, "SECONDS", 0.2)
    waits = threading.Event()

    def answer(path: str) -> Answer:
        waits.wait(5)
        return 404, {}, b"not found"

    host.answer = answer
    assert host.check().found == "no answer at this machine (ReadTimeout)"
    waits.set()
