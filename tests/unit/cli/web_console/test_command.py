"""Command `console`: packages, port, address, and the end."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.cli.web_console import command as module
from evercert.cli.web_console import event_feed
from evercert.console import server
from tests.doubles.command import Command


def test_missing_packages_are_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "uvicorn" else object())
    ended = command("console")
    assert ended.code == 1
    assert "install evercert[console]" in ended.err


@pytest.fixture(autouse=True)
def clients(command: Command) -> None:
    """Clients that the console makes no request with before a page needs them."""
    command.clients = SimpleNamespace(sns=None, sqs=None)


def test_taken_port_is_refused(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = command("console", "--port", str(port), "--no-browser")
    assert ended.code == 1
    assert f"cannot listen on port {port} of 127.0.0.1: Address already in use; pass another --port" in ended.err


class FakeServer:
    """Uvicorn that ends at once; it remembers the socket."""

    sockets: list[Any] = []

    def __init__(self, config: Any) -> None:
        self.config = config

    def handle_exit(self, *_: Any) -> None:
        raise AssertionError("no signal")

    def run(self, sockets: list[Any]) -> None:
        FakeServer.sockets = [one.getsockname() for one in sockets]
        assert not self.config.access_log  # addresses have the token


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(server.uvicorn, "Server", FakeServer)
    monkeypatch.setattr(server.webbrowser, "open", found.append)
    return found


def test_console_listens_on_loopback_only(command: Command, opened: list[str]) -> None:
    ended = command("console", "--no-browser")
    assert ended.code == 0
    hosts = {address[0] for address in FakeServer.sockets}
    (port,) = {address[1] for address in FakeServer.sockets}
    assert "127.0.0.1" in hosts
    assert hosts <= {"127.0.0.1", "::1"}
    assert re.fullmatch(rf"http://[0-9a-f]{{16}}\.localhost:{port}/\?token=[\w-]{{43}}\n", ended.out)
    assert opened == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot read {file}: No such file or directory"),
        ("-----BEGIN PRIVATE KEY-----", "{file}: it contains a private key"),
        ("no certificates", "{file}: must be PEM with the certificates of a CA"),
        ("-" * 65_537, "{file}: exceeds 64 KiB"),
    ],
)
def test_unusable_ca_bundle_is_refused(
    command: Command, opened: list[str], tmp_path: Path, text: str | None, problem: str
) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    ended = command("console", "--no-browser", "--ca-bundle", str(file))
    assert (ended.code, ended.out) == (2, "")
    assert problem.format(file=file) in ended.err


def test_numeric_address_for_other_browsers(command: Command, opened: list[str]) -> None:
    assert command("console", "--no-browser", "--numeric").out.startswith("http://127.0.0.1:")


def test_other_servers_at_the_port_are_found_on_ipv6_too(command: Command, opened: list[str]) -> None:
    """A browser tries ::1 first: another user's server there would get the token."""
    if not server._has_ipv6():
        pytest.skip("no IPv6 on this machine")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        ended = command("console", "--port", str(port), "--no-browser")
    assert f"cannot listen on port {port} of ::1: Address already in use" in ended.err


@pytest.mark.timeout(30)
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signal_deletes_the_queue(command: Command, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    closed: list[str] = []
    monkeypatch.setattr(event_feed.QueueFeed, "close", lambda _: closed.append("closed") or [])
    run = server.uvicorn.Server.run

    def signalled(self: Any, sockets: list[Any]) -> None:
        """Run the server, which a signal reaches: by now the handlers are there."""
        threading.Timer(0.5, lambda: signal.pthread_kill(threading.main_thread().ident or 0, number)).start()
        run(self, sockets)

    monkeypatch.setattr(server.uvicorn.Server, "run", signalled)
    ended = command("console", "--no-browser")
    assert closed == ["closed"]
    assert ended.code in (0, 128 + number)


def test_browser_gets_a_file_without_the_token_in_its_name(command: Command, opened: list[str]) -> None:
    ended = command("console")
    for _ in range(1_000):
        if opened:
            break
        time.sleep(0.001)
    (address,) = opened
    assert address.startswith("file:///")
    assert ended.out.strip().partition("token=")[2] not in address
