"""The page in Chromium: one request, no violation of its policy, the style applied, nothing wider than the window."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.tools.browser import chromium
from tests.tools.browser import served as served_application
from tests.unit.operations.report.test_page import HOSTILE, html
from tests.unit.operations.test_overview import row

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.timeout(300)]
VIOLATION = re.compile(r"Content Security Policy", re.IGNORECASE)
ROWS = [
    *(row(text, "failing", timedelta(days=n), error=text, next_steps=[text], issuer=text) for n, text in enumerate(HOSTILE)),
    *(row(f"web-{n}", ends=timedelta(days=n)) for n in range(100)),
]  # fmt: skip


class Visit(NamedTuple):
    """The requests that a browser sent, the violations that it reported, and the tree that it built."""

    requests: list[str]
    violations: list[str]
    tree: str


@contextmanager
def served(page: str, requests: list[str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")  # without a charset, as some web servers do
            self.end_headers()
            self.wfile.write(page.encode() if self.path == "/page" else b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/page"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def visit(page: str, folder: Path) -> Visit:
    requests: list[str] = []
    with served(page, requests) as address:
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr",
             f"--user-data-dir={folder}", "--window-size=1280,900", "--dump-dom", address],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
    return Visit(requests, [line for line in done.stderr.splitlines() if VIOLATION.search(line)], done.stdout)


def test_browser_asks_for_the_page_alone(tmp_path: Path) -> None:
    found = visit(html(ROWS, pauses=HOSTILE), tmp_path)
    assert found.requests == ["/page"]
    assert found.violations == []
    assert found.tree.count("<tr>") == html(ROWS).count("<tr>")
    assert not re.search(r"<(?!meta|bdi|/)[^>]*\son\w+=", found.tree)


def test_page_is_accessible_in_each_size_and_theme() -> None:
    page = html(ROWS, pauses=HOSTILE)
    site = Starlette(routes=[Route("/", lambda _: HTMLResponse(page))])
    with chromium() as browser, served_application(lambda _port: site) as origin, browser.visit(origin) as found:
        found.page.goto(origin)
        found.look("report")


@pytest.mark.parametrize(
    ("marker", "added"),
    [
        ("</body>", '<img src="/image">'), ("</body>", "<script>document.title = 1</script>"), ("</body>", '<iframe src="/frame"></iframe>'),
        ("</head>", '<link rel="stylesheet" href="/style">'), ("</head>", "<style>body{color:red}</style>"), ("</body>", '<p style="color:red">'),
    ],
    ids=["image", "script", "frame", "style-sheet", "style", "style-attribute"],
)  # fmt: skip
def test_policy_refuses_what_the_page_does_not_have(tmp_path: Path, marker: str, added: str) -> None:
    """This also proves that the test above can fail."""
    found = visit(html(ROWS[-1:]).replace(marker, added + marker), tmp_path)
    assert found.violations
    assert found.requests == ["/page"]
