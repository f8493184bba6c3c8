"""nginx and HAProxy serve a renewed certificate after the script's reload, without a failed connection."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from evercert.destinations.secret_value import value
from tests.tools.host import (
    Host,
    Visitors,
    bundle,
    eventually,
    haproxy_configuration,
    nginx_configuration,
    served,
    server,
)
from tests.tools.ports import free_port

pytestmark = [pytest.mark.peer("flock"), pytest.mark.peer("timeout"), pytest.mark.timeout(120)]
RENEWALS = 5


@dataclass
class Service:
    """A running server, and the commands with which the script checks and reloads it."""

    host: Host
    name: str
    port: int
    process: int
    check: str
    reload: str

    def install(self) -> int:
        return self.host.install(service=self.name, check=self.check, reload=self.reload).returncode

    def workers(self) -> set[str]:
        """Return the worker processes."""
        found = set()
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # the process has ended
                if path.read_text().rpartition(")")[2].split()[1] == str(self.process):
                    found.add(path.parent.name)
        return found

    def reload_unchanged(self) -> bool:
        """Check and reload as another program would; wait for the new workers, because a reload takes time."""
        before = self.workers()
        assert subprocess.run(["sh", "-c", f"{self.check} && {self.reload}"], timeout=60, check=False).returncode == 0
        return eventually(lambda: bool(self.workers()) and not self.workers() & before, 30)

    def serves(self, serial: int) -> bool:
        return eventually(lambda: served(self.port) == serial, 30)


@contextmanager
def nginx(host: Host) -> Iterator[Service]:
    port, folder, current = free_port(), host.folder, host.directory / "current"
    (folder / "nginx.conf").write_text(
        nginx_configuration(folder, port, current / "fullchain.pem", current / "private-key.pem")
    )
    command = f"nginx -p {folder} -e {folder}/error.log -c {folder}/nginx.conf"
    assert host.install(check=f"{command} -t -q").returncode == 0
    with server(command.split(), port) as process:
        yield Service(host, "nginx", port, process.pid, f"{command} -t -q", f"{command} -s reload")


@contextmanager
def haproxy(host: Host) -> Iterator[Service]:
    port, folder, current = free_port(), host.folder, host.directory / "current"
    file = folder / "haproxy.cfg"
    file.write_text(haproxy_configuration(port, current / "combined.pem"))
    check = f"haproxy -c -q -f {file}"
    assert host.install(service="haproxy", check=check).returncode == 0
    with server(["haproxy", "-W", "-db", "-f", str(file)], port) as process:
        yield Service(host, "haproxy", port, process.pid, check, f"kill -USR2 {process.pid}")


@pytest.fixture(
    params=[
        pytest.param(nginx, marks=pytest.mark.peer("nginx"), id="nginx"),
        pytest.param(haproxy, marks=pytest.mark.peer("haproxy"), id="haproxy"),
    ]
)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    host = Host(tmp_path)
    host.offer()
    with request.param(host) as running:
        yield running


def test_service_renews_without_a_failed_connection(service: Service) -> None:
    serials = [served(service.port)]
    with Visitors(service.port) as visitors:
        for _ in range(RENEWALS):
            serials.append(service.host.offer())
            assert service.install() == 0
            assert service.serves(serials[-1])
            enough = len(visitors.seen) + 20
            assert eventually(lambda enough=enough: len(visitors.seen) >= enough)
    assert visitors.failed == []
    assert set(visitors.seen) == set(serials)


def test_service_keeps_running_if_the_secret_is_broken(service: Service) -> None:
    serial = served(service.port)
    good = value(bundle())
    broken = ["", '{"fullchain": "', {**good, "private_key": value(bundle())["private_key"]}]
    with Visitors(service.port) as visitors:
        for secret in broken:
            service.host.offer(secret)
            assert service.install() == 1
    assert (visitors.failed, set(visitors.seen)) == ([], {serial})
    os.kill(service.process, 0)
    renewed = service.host.offer()
    assert service.install() == 0
    assert service.serves(renewed)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_service_reloads_a_pair_after_an_interruption(service: Service, number: int) -> None:
    """Another reload right after the interruption finds the old pair."""
    serial = served(service.port)
    service.host.offer()
    done = service.host.install(service=service.name, **service.host.die_at_fsync(number))
    assert done.returncode == -signal.SIGKILL
    assert service.reload_unchanged()
    assert service.serves(serial)
    renewed = service.host.offer()
    assert service.install() == 0
    assert service.serves(renewed)
