"""Server of the console on loopback, until Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from html import escape
from pathlib import Path

import uvicorn

from evercert.console.app import application
from evercert.console.services import Services
from evercert.console.session import Session
from evercert.errors import Misconfigured

IPV4, IPV6 = "127.0.0.1", "::1"
ATTEMPTS = 20
MOST_CONNECTIONS = 100
SHUTDOWN_SECONDS = 2


def serve(
    services: Services, port: int, *, open_browser: bool, announce: Callable[[str], None], numeric: bool = False
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; call `announce` with the address, whose token works once.

    Port 0: any free port. `numeric`: the address has 127.0.0.1, for browsers that do not know names below localhost.
    """
    listeners = _listeners(port)
    try:
        session, number = Session(host=IPV4) if numeric else Session(), int(listeners[0].getsockname()[1])
        config = uvicorn.Config(
            application(services, session, number),
            access_log=False,  # addresses would have the token
            log_level="warning",
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            lifespan="off",
            ws="none",
        )
        address = f"http://{session.host}:{number}/?token={session.token}"
        server = uvicorn.Server(config)
        announce(address)
        with _exit_on_signals(server), _opened(address) if open_browser else nullcontext():
            server.run(listeners)
    finally:
        for listener in listeners:
            listener.close()


def _listeners(port: int) -> list[socket.socket]:
    """Listen on both addresses of loopback: browsers try IPv6 first, where another user's server could be."""
    for _ in range(ATTEMPTS):
        first = _listener(socket.AF_INET, IPV4, port)
        if not _has_ipv6():
            return [first]
        try:
            return [first, _listener(socket.AF_INET6, IPV6, first.getsockname()[1])]
        except Misconfigured:
            first.close()
            if port:
                raise
    raise Misconfigured("cannot listen: no port is free on both 127.0.0.1 and ::1; pass another --port")


def _listener(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        why = os.strerror(error.errno or 0)
        raise Misconfigured(f"cannot listen on port {port} of {host}: {why}; pass another --port") from error
    return listener


def _has_ipv6() -> bool:
    """Whether this machine has the address ::1."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((IPV6, 0))
    except OSError:
        return False
    return True


@contextmanager
def _exit_on_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let SIGHUP and SIGTERM end the server, and then the caller's `finally`; uvicorn itself knows SIGINT."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, leave)}  # uvicorn raises SIGTERM again at its end
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, server.handle_exit)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _opened(address: str) -> Iterator[None]:
    """Open the browser by a private file, because other users see the arguments of its process."""
    folder = Path(tempfile.mkdtemp(prefix="evercert-console-"))
    try:
        file = folder / "open.html"
        file.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(address)}">')
        # A browser in the terminal would block.
        threading.Thread(target=webbrowser.open, args=(file.as_uri(),), daemon=True).start()
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
