"""nginx and HAProxy under load, while the agent installs 50 renewals and reloads them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509

from evercert.host.hooks import Hook, Hooks
from evercert.pki.keys import PrivateKey, public_bytes
from tests.doubles.host import FakeHost
from tests.tools.host import Visitors, eventually, haproxy_configuration, nginx_configuration, served, server
from tests.tools.ports import free_port

pytestmark = pytest.mark.timeout(300)
RENEWALS = 50


@contextmanager
def nginx(folder: Path) -> Iterator[tuple[FakeHost, int]]:
    port, host = free_port(), FakeHost(folder, outputs=("fullchain", "private-key"))
    (folder / "nginx.conf").write_text(
        nginx_configuration(folder, port, host.path("fullchain"), host.path("private-key"))
    )
    command = f"nginx -p {folder} -e {folder}/error.log -c {folder}/nginx.conf"
    with_hook(host, f"{command} -t -q && {command} -s reload")
    with server(command.split(), port):
        yield host, port


@contextmanager
def haproxy(folder: Path) -> Iterator[tuple[FakeHost, int]]:
    port, host = free_port(), FakeHost(folder, outputs=("combined",))
    file = folder / "haproxy.cfg"
    file.write_text(haproxy_configuration(port, host.path("combined")))
    with_hook(host, f"haproxy -c -q -f {file} && kill -USR2 $(cat {folder}/pid)")
    with server(["haproxy", "-W", "-db", "-p", f"{folder}/pid", "-f", str(file)], port) as process:
        (folder / "pid").write_text(str(process.pid))
        yield host, port


def with_hook(host: FakeHost, command: str) -> None:
    """Install the first certificate, before the server starts; later ones run the command."""
    host.commands.clear()
    host.commands["on-renewal"] = Hook(command, rollback=True)
    host.hooks = Hooks()  # type: ignore[assignment]
    host.stack.deliver(1)
    host.restart().check()


@pytest.fixture(
    params=[
        pytest.param(nginx, marks=pytest.mark.peer("nginx"), id="nginx"),
        pytest.param(haproxy, marks=pytest.mark.peer("haproxy"), id="haproxy"),
    ]
)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[FakeHost, int]]:
    with request.param(tmp_path) as found:
        yield found


def test_renewals_fail_no_handshake_and_mix_no_pair(running: tuple[FakeHost, int]) -> None:
    host, port = running
    with Visitors(port) as visitors, Reader(host) as reader:
        for revision in range(2, RENEWALS + 2):
            host.stack.deliver(revision)
            host.follower.check()
            assert host.log.errors == []
            assert eventually(lambda revision=revision: served(port) == 1_000 + revision, 30)
    assert visitors.failed == []
    assert set(visitors.seen) <= {1_000 + revision for revision in range(1, RENEWALS + 2)}
    assert len(visitors.seen) > RENEWALS
    assert reader.mixed == 0
    assert reader.read > RENEWALS


class Reader:
    """Opens the folder of the set once and reads its files, again and again."""

    def __init__(self, host: FakeHost) -> None:
        self._current = host.folder / ".evercert" / "web" / "current"
        self.read = self.mixed = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            folder = self._current.resolve()
            try:
                parts = [file.read_bytes() for file in sorted(folder.iterdir())]
            except FileNotFoundError:
                continue  # two renewals later the set is gone
            certificate = x509.load_pem_x509_certificate(parts[0])
            key = PrivateKey.from_pem(parts[-1][parts[-1].index(b"-----BEGIN PRIVATE") :].decode())
            self.read += 1
            self.mixed += public_bytes(certificate.public_key()) != key.public_bytes()
