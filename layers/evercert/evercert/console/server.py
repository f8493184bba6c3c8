"""Server of the console on loopback, until Ctrl-C."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

import uvicorn

from evercert.console.app import application
from evercert.console.services import Services
from evercert.console.session import Session
from evercert.errors import Misconfigured

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 2


def serve(services: Services, port: int, *, open_browser: bool, announce: Callable[[str], None]) -> None:
    """Serve until a signal; call `announce` with the address, whose token works once. Port 0: any free port."""
    with _listener(port) as listener:
        session, number = Session(), int(listener.getsockname()[1])
        config = uvicorn.Config(
            application(services, session, number),
            access_log=False,  # addresses would have the token
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            lifespan="off",
            ws="none",
        )
        address = f"http://{HOST}:{number}/?token={session.token}"
        announce(address)
        with _opened(address) if open_browser else _nothing():
            uvicorn.Server(config).run([listener])


@contextmanager
def _listener(port: int) -> Iterator[socket.socket]:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
        yield listener
    except OSError as error:
        raise Misconfigured(
            f"cannot listen on port {port}: {os.strerror(error.errno or 0)}; pass another --port"
        ) from error
    finally:
        listener.close()


@contextmanager
def _opened(address: str) -> Iterator[None]:
    """Open the browser by a private file, because other users see the arguments of its process."""
    folder = Path(tempfile.mkdtemp(prefix="evercert-console-"))
    try:
        file = folder / "open.html"
        file.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(address)}">')
        webbrowser.open(file.as_uri())
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
