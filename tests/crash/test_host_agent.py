"""The agent on a host ends by SIGKILL before each call that writes; the next start completes what was begun."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography import x509

from evercert.host.hooks import Hook, Hooks
from evercert.pki.keys import PrivateKey, public_bytes
from tests.crash.sampling import sample
from tests.doubles.host import FakeHost, secret_value

WRITES = {"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.chown", "subprocess.Popen"}
KINDS = ("certificate", "private-key", "chain")


class Killer:
    """Kills this process before its n-th call that writes; 0 only counts."""

    def __init__(self, at: int) -> None:
        self.at, self.count = at, 0

    def install(self) -> None:
        """Watch the calls of this process, for its whole life."""
        fsync = os.fsync

        def watched(descriptor: int) -> None:
            self.tick()
            fsync(descriptor)

        os.fsync = watched  # no audit event
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in WRITES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT):
            self.tick()

    def tick(self) -> None:
        """Count a call; die before it if it is the one."""
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], None], kill_at: int) -> int:
    """Run `work` in a process of its own; return the number of calls that write, or 0 if it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        killer, code = Killer(kill_at), 1
        try:
            killer.install()
            work()
            code = 0
            os.write(writing, str(killer.count).encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return int(text or 0)


def host_with_real_hooks(folder: Path, *, rollback: bool = False) -> FakeHost:
    """Return a host whose hooks append a line each; the one of a rollback fails for the second revision."""
    for revision in (1, 2, 3):
        secret_value(revision)  # issued here, so that every process reads the same one
    host = FakeHost(folder)
    folder.mkdir(exist_ok=True)
    line = f'echo "$0 $CERT_REVISION" >> {folder}/ran'
    for event in ("on-issuance", "on-renewal", "on-failure"):
        host.commands[event] = Hook(line.replace("$0", event))
    if rollback:
        failing = f'{line.replace("$0", "on-renewal")}; test "$CERT_REVISION" != 2'
        host.commands["on-renewal"] = Hook(failing, rollback=True)
    host.hooks = Hooks()  # type: ignore[assignment]
    return host


def check(host: FakeHost, revision: int) -> Callable[[], None]:
    """Return the work of one process of the agent."""

    def work() -> None:
        host.stack.deliver(revision)
        host.restart().check()
        (host.folder.parent / "log").write_text("\n".join(host.log.errors))

    return work


def pair(host: FakeHost) -> int:
    """Return the revision at the paths, whose certificate and key belong together."""
    certificate = x509.load_pem_x509_certificate(host.path("certificate").read_bytes())
    key = PrivateKey.from_pem(host.path("private-key").read_text())
    assert public_bytes(certificate.public_key()) == key.public_bytes()
    return certificate.serial_number - 1_000


def ran(host: FakeHost) -> list[str]:
    """Return the hooks that ran."""
    file = host.folder.parent / "ran"
    return file.read_text().splitlines() if file.exists() else []


def test_killed_renewal_is_completed(tmp_path: Path, every: int) -> None:
    def prepared(folder: Path) -> FakeHost:
        host = host_with_real_hooks(folder)
        in_child(check(host, 1), 0)
        return host

    for at, host in killed(tmp_path, prepared, 2, every):
        assert pair(host) in {1, 2}, at
        in_child(check(host, 2), 0)
        assert pair(host) == 2, at
        again = ran(host).count("on-renewal 2")
        assert again == 1 or (again == 2 and "the agent ended while on-renewal ran" in log_of(host)), at
        assert [line for line in ran(host) if line != "on-renewal 2"] == ["on-issuance 1"], at


def test_killed_first_installation_is_completed(tmp_path: Path, every: int) -> None:
    """Beside files of another program, which stay a pair until ours replace them."""

    def prepared(folder: Path) -> FakeHost:
        host, other = host_with_real_hooks(folder), FakeHost(folder / "other")
        other.stack.deliver(7)
        other.follower.check()
        host.folder.mkdir()
        for kind in KINDS:
            host.path(kind).write_bytes(other.path(kind).read_bytes())
        return host

    for at, host in killed(tmp_path, prepared, 1, every):
        assert pair(host) in {7, 1}, at
        in_child(check(host, 1), 0)
        assert pair(host) == 1, at
        assert 1 <= len(ran(host)) <= 2, at


def test_killed_rollback_is_completed(tmp_path: Path, every: int) -> None:
    def prepared(folder: Path) -> FakeHost:
        host = host_with_real_hooks(folder, rollback=True)
        in_child(check(host, 1), 0)
        return host

    for at, host in killed(tmp_path, prepared, 2, every):
        assert pair(host) in {1, 2}, at
        in_child(check(host, 2), 0)
        assert pair(host) == 1, at
        assert len([line for line in ran(host) if line.startswith("on-failure")]) in {1, 2}, at
        assert ran(host).count("on-renewal 2") in {1, 2}, at
        in_child(check(host, 3), 0)
        assert pair(host) == 3, at


def killed(
    folder: Path, prepared: Callable[[Path], FakeHost], revision: int, every: int
) -> Iterator[tuple[int, FakeHost]]:
    """Yield a host for each call that writes, on which the agent was killed before this call."""
    total = in_child(check(prepared(folder / "0"), revision), 0)
    assert total > 20
    for at in sample(range(1, total + 1), max(every // 2, 1)):
        host = prepared(folder / str(at))
        assert in_child(check(host, revision), at) == 0, at
        yield at, host


def log_of(host: FakeHost) -> str:
    """Return the errors that the last process logged."""
    return (host.folder.parent / "log").read_text()
