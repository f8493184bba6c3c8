"""The browser of the tests finds what it is there for: each kind of fault, on a small page."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from tests.tools import browser, console_scripts
from tests.tools.browser import Chromium, Visit, chromium, served
from tests.tools.local_stack import ROOT

pytestmark = pytest.mark.peer("chromium")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STYLE = """
html { color-scheme: light dark; background: Canvas; } body { font: 16px sans-serif; margin: 1rem; }
@media (prefers-color-scheme: dark) { a { color: #9cf; } } :focus-visible { outline: 3px solid; } .quiet:focus { outline: none; } .wide { width: 2000px; } .pale { color: #999; background: #aaa; }
"""
HEAD = '<!doctype html><html lang="en"><title>A page</title><link rel="stylesheet" href="/style.css"><meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
GOOD = (
    HEAD
    + '<main><h1>A page</h1><p><a href="#first">First</a> <label>Name <input name="name"></label> <button>Send</button></p></main>'
)
OTHER = "other.example"


class Site:
    """A site with one page, which each test writes."""

    def __init__(self) -> None:
        self.html, self.policy = GOOD, POLICY

    def application(self, _port: int) -> Starlette:
        def page(_request: Request) -> Response:
            return HTMLResponse(self.html, headers={"Content-Security-Policy": self.policy} if self.policy else {})

        def script(request: Request) -> Response:
            return FileResponse(
                ROOT / console_scripts.VENDOR / request.path_params["name"], media_type="text/javascript"
            )

        def text(text: str, kind: str) -> Callable[[Request], Response]:
            return lambda _request: Response(text, media_type=kind)

        return Starlette(
            routes=[
                Route("/", page),
                Route("/style.css", text(STYLE, "text/css")),
                Route("/log.js", text("console.error('wrong'); setTimeout(() => missing())", "text/javascript")),
                Route("/eval.js", text("try { eval('1') } catch { }", "text/javascript")),
                Route("/call.js", text(f"fetch('http://{OTHER}/').catch(() => 0)", "text/javascript")),
                Route("/vendor/{name}", script),
            ]
        )


@pytest.fixture(scope="module")
def running() -> Iterator[Chromium]:
    with chromium() as started:
        yield started


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Site, str]]:
    monkeypatch.setattr(browser, "SCREENSHOTS", tmp_path / "screenshots")
    made = Site()
    with served(made.application) as origin:
        yield made, origin


def open_page(
    running: Chromium, site: tuple[Site, str], html: str = GOOD, policy: str = POLICY, **options: Any
) -> list[str]:
    """Return the problems of a visit to a page with this content."""
    site[0].html, site[0].policy = html, policy
    try:
        with running.visit(site[1], **options) as visit:
            visit.page.goto(site[1])
            visit.page.wait_for_load_state("networkidle")
    except AssertionError as error:
        return str(error).splitlines()
    return []


def test_visit_of_a_good_page_finds_nothing(running: Chromium, site: tuple[Site, str]) -> None:
    assert open_page(running, site) == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("<script>1</script>", "content security policy: script-src-elem: inline"),
        ('<p style="color: red">x', "content security policy: style-src-attr: inline"),
        ('<button onclick="1">x</button>', "content security policy: script-src-attr: inline"),
        ('<script src="/eval.js"></script>', "content security policy: script-src: eval"),
        (f'<img alt="" src="http://{OTHER}/x.png">', f"content security policy: img-src: http://{OTHER}/x.png"),
        (
            f'<script src="https://{OTHER}/x.js"></script>',
            f"content security policy: script-src-elem: https://{OTHER}/x.js",
        ),
        ('<script src="/call.js"></script>', f"content security policy: connect-src: http://{OTHER}/"),
        ('<script src="/log.js"></script>', "console error: wrong"),
        ('<script src="/log.js"></script>', "uncaught: missing is not defined"),
        ('<script src="/missing.js"></script>', "console error: Failed to load resource: "),
    ],
    ids=["inline script", "inline style", "handler", "eval", "image", "script", "call", "log", "exception", "missing"],
)
def test_visit_finds_faults_of_scripts(running: Chromium, site: tuple[Site, str], fault: str, expected: str) -> None:
    found = open_page(running, site, GOOD + fault)
    assert [one for one in found if one.startswith(expected)], found


@pytest.mark.parametrize(
    ("fault", "first_line"),
    [
        (f'<script src="http://{OTHER}/x.js"></script>', f"GET http://{OTHER}/x.js HTTP/1.1"),
        (f'<img alt="" src="https://{OTHER}/x.png">', f"CONNECT {OTHER}:443 HTTP/1.1"),
        ('<script src="/call.js"></script>', f"GET http://{OTHER}/ HTTP/1.1"),
        ('<img alt="" src="http://169.254.169.254/latest">', "GET http://169.254.169.254/latest HTTP/1.1"),
    ],
    ids=["script", "image", "call", "link-local"],
)
def test_visit_finds_requests_beyond_the_loopback(
    running: Chromium, site: tuple[Site, str], fault: str, first_line: str
) -> None:
    assert f"left the loopback: {first_line}" in open_page(running, site, GOOD + fault, policy="")


def test_visit_finds_requests_to_another_port(running: Chromium, site: tuple[Site, str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/x.png"
        found = open_page(running, site, f'{GOOD}<img alt="" src="{address}">', policy="")
    assert f"request to another origin: {address}" in found


def test_visit_ignores_only_allowed_problems(running: Chromium, site: tuple[Site, str]) -> None:
    site[0].html = GOOD + '<script src="/log.js"></script>'
    with running.visit(site[1]) as visit:
        visit.page.goto(site[1])
        visit.allow("^console error: wrong$")
        assert visit.found() == ["uncaught: missing is not defined"]
        visit.allow("^uncaught: missing is not defined$")


@pytest.fixture
def visit(running: Chromium, site: tuple[Site, str]) -> Iterator[Callable[[str], Visit]]:
    """Return a function that opens a page with this content."""
    with running.visit(site[1]) as opened:

        def show(html: str) -> Visit:
            site[0].html = html
            opened.page.goto(site[1])
            return opened

        yield show


def test_look_takes_screenshots_of_each_theme_and_size(visit: Callable[[str], Visit]) -> None:
    made = visit(GOOD).look("page")
    assert [path.name for path in made] == [
        f"page-{theme}-{width}.png" for theme in ("light", "dark") for width in (360, 1280, 3840)
    ]
    assert len({path.read_bytes() for path in made}) == 6
    assert all(
        int.from_bytes(path.read_bytes()[16:20], "big") == width
        for path, width in zip(made, (360, 1280, 3840) * 2, strict=True)
    )


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ('<img src="data:,">', "image-alt"),
        ('<input name="unnamed">', "label"),
        ('<p class="pale">pale</p>', "color-contrast"),
        ("<h4>x</h4>", "heading-order"),
        ('<button aria-label=""></button>', "button-name"),
    ],
    ids=["image", "field", "contrast", "heading", "button"],
)
def test_look_finds_violations_of_axe(visit: Callable[[str], Visit], fault: str, expected: str) -> None:
    with pytest.raises(AssertionError, match=rf"^page, light, 360 px: {expected}: "):
        visit(GOOD.replace("</main>", f"{fault}</main>")).look("page")


def test_look_finds_parts_beyond_the_right_edge(visit: Callable[[str], Visit]) -> None:
    with pytest.raises(
        AssertionError, match=r"^page, 360 px, too wide: p\.wide wide\n.*1280 px, too wide: p\.wide wide$"
    ):
        visit(GOOD.replace("</main>", '<p class="wide">wide</p></main>')).look("page")


def test_tab_reaches_elements_by_their_text(visit: Callable[[str], Visit]) -> None:
    opened = visit(GOOD)
    assert opened.tab_to("First")["href"] == "#first"
    assert opened.tab_to("Name")["tag"] == "input"
    assert opened.tab_to("Send")["tag"] == "button"
    with pytest.raises(AssertionError, match="Tab does not reach 'Other'"):
        opened.tab_to("Other", most=5)


def test_tab_finds_a_focus_that_cannot_be_seen(visit: Callable[[str], Visit]) -> None:
    with pytest.raises(AssertionError, match="no visible focus"):
        visit(GOOD.replace("<button>", '<button class="quiet">')).tab_to("Send")


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_keys_are_made_under_the_policy(visit: Callable[[str], Visit]) -> None:
    opened = visit(GOOD)
    for algorithm in ("EC_prime256v1", "RSA_2048"):
        made = opened.page.evaluate(
            """async (algorithm) => (await import("/vendor/keys.js")).makeRequest(
              {algorithm, names: {dns: ["app.example.com"], ip: ["2001:db8::1"]}, commonName: "app.example.com"})""",
            algorithm,
        )
        request = x509.load_pem_x509_csr(made["csrPem"].encode())
        key = serialization.load_pem_private_key(made["privateKeyPem"].encode(), None)
        assert request.is_signature_valid and request.public_key() == key.public_key()


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_htmx_needs_no_inline_style_or_eval(visit: Callable[[str], Visit]) -> None:
    settings = """<meta name="htmx-config" content='{"includeIndicatorStyles": false, "allowEval": false}'>"""
    part = '<button hx-get="/style.css" hx-target="#part">Load</button><div id="part"></div><script src="/vendor/htmx.js"></script>'
    opened = visit(GOOD.replace(HEAD, HEAD + settings) + part)
    opened.page.get_by_role("button", name="Load").click()
    opened.page.get_by_text("color-scheme").wait_for()
