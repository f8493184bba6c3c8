"""`evercert console` in a process of its own, and profiles of the browser that are signed in to it."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.tools.browser import Chromium, Visit

SECONDS = 30
ADDRESS = re.compile(r"http://[0-9a-f]{16}\.localhost:[0-9]+/\?token=[\w-]{43}")


@dataclass
class WebConsole:
    """A running console: the address that it printed, whose token works once, and its output after the end."""

    address: str
    browser: Chromium
    state: Any = None  # of the profile that used the token
    start: str = ""  # address of the overview
    said: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def token(self) -> str:
        return urlsplit(self.address).query.partition("=")[2]

    def sign_in(self) -> None:
        """Use the token."""
        with self.browser.visit(self.origin) as visit:
            visit.page.goto(self.address)
            visit.page.get_by_role("heading", name="Overview").wait_for()
            self.start, self.state = visit.page.url, visit.page.context.storage_state()

    @contextmanager
    def visit(self, path: str = "/", **options: Any) -> Iterator[Visit]:
        """Open a page in a new profile that is signed in."""
        if self.state is None:
            self.sign_in()
        with self.browser.visit(self.origin, storage_state=self.state, **options) as visit:
            visit.page.goto(self.url(path))
            yield visit

    def url(self, path: str) -> str:
        """Return the address of a page of the console."""
        return self.start.rstrip("/") + path


@contextmanager
def web_console(start: Callable[..., subprocess.Popen[str]], browser: Chromium, *options: str) -> Iterator[WebConsole]:
    """Run the command until the block ends; fail if it does not stop, or prints its token a second time."""
    process = start("console", "--no-browser", *options)
    limit = threading.Timer(SECONDS, process.kill)
    limit.start()
    try:
        address = process.stdout.readline().strip() if process.stdout else ""
        limit.cancel()
        assert ADDRESS.fullmatch(address), address + str(process.communicate(timeout=SECONDS))
        console = WebConsole(address, browser)
        yield console
        assert process.poll() is None, f"the console ended: {process.communicate(timeout=SECONDS)}"
    finally:
        limit.cancel()
        process.send_signal(signal.SIGINT)
        try:
            out, error = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    console.said += [out, error]
    assert process.returncode in (0, 130), (process.returncode, out, error)
    assert console.token not in out + error
    assert "Traceback" not in error, error
