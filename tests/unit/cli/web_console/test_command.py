"""Command `console`: packages, port, address, and the end."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.cli.web_console import command as module
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
    assert f"cannot listen on port {port}: Address already in use; pass another --port" in ended.err


class FakeServer:
    """Uvicorn that ends at once; it remembers the socket."""

    sockets: list[Any] = []

    def __init__(self, config: Any) -> None:
        self.config = config

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
    ((host, port),) = FakeServer.sockets
    assert host == "127.0.0.1"
    assert ended.out.startswith(f"http://127.0.0.1:{port}/?token=")
    assert opened == []


def test_browser_gets_a_file_without_the_token_in_its_name(command: Command, opened: list[str]) -> None:
    ended = command("console")
    (address,) = opened
    assert address.startswith("file:///")
    assert ended.out.strip().partition("token=")[2] not in address
