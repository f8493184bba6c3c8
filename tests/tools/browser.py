"""Debian's Chromium, driven by Playwright, for tests of pages.

A visit fails at its end if the page broke its content security policy, wrote an error to the console, or made a
request to another origin. The browser has a proxy of ours as its only way out, which refuses everything and records
what is no service of the browser itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.tools import console_scripts
from tests.tools.local_stack import ROOT

SCREENSHOTS = ROOT / ".local" / "screenshots"
# With WRITE_SCREENSHOTS=1, these become the pictures of docs/tutorial/console.md.
IMAGES = ROOT / "docs" / "tutorial" / "images"
DOCUMENTED = {(name, "light", 1280) for name in ("overview", "certificate", "plan")}
THEMES = ("light", "dark")
SIZES = {360: 740, 1280: 800, 3840: 2160}  # a phone, a laptop, a large screen
SECONDS = 15
# Chromium asks these by itself: updates, accounts, and the kinds of form fields. Playwright disables most, not all.
# A request of a page to them is still a problem, because it has another origin.
_OF_THE_BROWSER = re.compile(r"[A-Z]+ (?:https?://)?(?:[a-z0-9-]+\.)*(?:google|googleapis|gvt1|gstatic)\.com[:/]")
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  window.reportViolation(`${event.effectiveDirective}: ${event.blockedURI} ${event.sample} (${event.documentURI})`);
});
"""
# Media queries apply with the next frame.
_LAID_OUT = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
_OVERFLOW = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const scrolls = (element) => element && (getComputedStyle(element).overflowX !== "visible" || scrolls(element.parentElement));
  return [...document.body.querySelectorAll("*")]
    .filter((element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element.parentElement))
    .map((element) => `${element.tagName.toLowerCase()}.${element.className} ${element.textContent.trim().slice(0, 40)}`)
    .slice(0, 5);
}"""


class _Refusal(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline(2_000).decode("latin-1").strip()
        if line and not _OF_THE_BROWSER.match(line):
            self.server.asked.append(line)  # type: ignore[attr-defined]
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


class _Exit(socketserver.ThreadingTCPServer):
    """A proxy that refuses every request and records its first line, if it is not the browser's own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Refusal)
        self.asked: list[str] = []


@dataclass
class Visit:
    """One browser profile with one page, and what went wrong in it."""

    page: Page
    problems: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def allow(self, pattern: str) -> None:
        """Ignore problems that match, such as the status of an expected refusal."""
        self.allowed.append(pattern)

    def found(self) -> list[str]:
        """Return the problems so far, without those allowed; wait for what the page has still to report."""
        self.page.wait_for_timeout(50)
        return [one for one in self.problems if not any(re.search(pattern, one) for pattern in self.allowed)]

    def check(self) -> None:
        """Fail with the problems so far."""
        if found := self.found():
            raise AssertionError("\n".join(found))

    def look(self, name: str) -> list[Path]:
        """Take screenshots in both themes and all sizes; fail for parts beyond the right edge, and for violations of axe."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        before, made, problems = self.page.viewport_size, [], []
        for theme in THEMES:
            self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            for width, height in SIZES.items():
                self.page.set_viewport_size({"width": width, "height": height})
                self.page.evaluate(_LAID_OUT)
                problems += [f"{name}, {width} px, too wide: {one}" for one in self.page.evaluate(_OVERFLOW)]
                problems += [f"{name}, {theme}, {width} px: {one}" for one in self.violations()]
                made.append(SCREENSHOTS / f"{name}-{theme}-{width}.png")
                self.page.screenshot(path=made[-1], full_page=True, animations="disabled")
                if os.environ.get("WRITE_SCREENSHOTS") and (name, theme, width) in DOCUMENTED:
                    shutil.copy(made[-1], IMAGES / f"console-{name}.png")
        self.page.emulate_media(color_scheme="light")
        if before is not None:
            self.page.set_viewport_size(before)
        if problems:
            raise AssertionError("\n".join(dict.fromkeys(problems)))
        return made

    def violations(self) -> list[str]:
        """Return the violations of WCAG that axe finds in the page."""
        # By the debugger, to which the page's content security policy does not apply.
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(f"() => {{ {_axe()} }}")
        options = {"runOnly": _TAGS, "resultTypes": ["violations"], "preload": False}
        found = self.page.evaluate(f"() => axe.run(document, {json.dumps(options)})")["violations"]
        return [
            f"{rule['id']}: {rule['help']}: {', '.join(str(node['target'][-1]) for node in rule['nodes'][:5])}"
            for rule in found
        ]

    def focused(self) -> dict[str, Any]:
        """Return the focused element: its tag, text or label, address, and whether its focus can be seen."""
        return dict(
            self.page.evaluate("""() => {
              const element = document.activeElement, style = getComputedStyle(element);
              const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
              return {
                tag: element.tagName.toLowerCase(),
                text: (element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent).trim(),
                href: element.getAttribute("href"),
                visible: outlined || style.boxShadow !== "none",
              };
            }""")
        )

    def tab_to(self, text: str, most: int = 80) -> dict[str, Any]:
        """Press Tab until an element with this text has the focus; fail if the focus cannot be seen on the way."""
        seen = []
        for _ in range(most):
            self.page.keyboard.press("Tab")
            seen.append(self.focused())
            assert seen[-1]["visible"] or seen[-1]["tag"] == "body", f"no visible focus: {seen[-1]}"
            if seen[-1]["text"] == text:
                return seen[-1]
        raise AssertionError(f"Tab does not reach {text!r}; it reaches {[one['text'] for one in seen]}")


@dataclass(frozen=True)
class Chromium:
    """A running browser."""

    browser: Browser
    exit: _Exit

    @contextmanager
    def visit(self, origin: str, **options: Any) -> Iterator[Visit]:
        """Open a new profile; check the visit at its end. Requests to other origins are problems."""
        context = self.browser.new_context(
            viewport={"width": 1280, "height": SIZES[1280]}, reduced_motion="reduce", service_workers="block", **options
        )
        context.set_default_timeout(SECONDS * 1_000)
        before = len(self.exit.asked)
        try:
            visit = Visit(context.new_page())
            _watch(context, origin, visit.problems)
            yield visit
            found = visit.found()
        finally:
            context.close()
        if found := [*found, *(f"left the loopback: {line}" for line in self.exit.asked[before:])]:
            raise AssertionError("\n".join(found))


def _watch(context: BrowserContext, origin: str, problems: list[str]) -> None:
    def requested(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and f"{parts.scheme}://{parts.netloc}" != origin:
            problems.append(f"request to another origin: {request.url}")

    def written(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            problems.append(f"console {message.type}: {message.text}")

    context.expose_binding("reportViolation", lambda _, text: problems.append(f"content security policy: {text}"))
    context.add_init_script(_REPORT_VIOLATIONS)
    context.on("request", requested)
    context.on("console", written)
    context.on("weberror", lambda error: problems.append(f"uncaught: {error.error}"))


def _axe() -> str:
    return (console_scripts.install() / "node_modules" / "axe-core" / "axe.min.js").read_text()


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Run Chromium, whose only way out of the loopback is a proxy that refuses."""
    with _Exit() as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                f"--proxy-server=http://127.0.0.1:{server.server_address[1]}",
                # Without <-loopback>, link-local addresses would not go through the proxy either.
                "--proxy-bypass-list=<-loopback>;127.0.0.1;localhost;*.localhost;[::1]",
                "--webrtc-ip-handling-policy=disable_non_proxied_udp",
            ],
        )
        try:
            yield Chromium(browser, server)
        finally:
            browser.close()
            server.shutdown()


@contextmanager
def served(application: Callable[[int], Any]) -> Iterator[str]:
    """Serve the ASGI application that this function makes for a port of the loopback; yield the origin."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = int(listener.getsockname()[1])
        config = uvicorn.Config(application(port), log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        deadline = time.monotonic() + SECONDS
        while not server.started:
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(SECONDS)
