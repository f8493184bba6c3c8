"""Network namespaces with web servers on private, public and forbidden addresses."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PUBLIC, LISTED, PRIVATE, PRIVATE_6 = "93.184.216.34", "10.77.0.2", "10.88.0.2", "fd12::2"
METADATA = ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "fd00:ec2::254")
LIMIT = 60  # seconds, of everything
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
HTTP, SYNC = 80, 79


def command(*arguments: str) -> list[str]:
    """Return the command that runs something in new namespaces; the kernel removes them with its last process."""
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    new = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return ["unshare", *own, *new, *arguments]


def obstacle() -> str | None:
    """Return why namespaces cannot be made here, or None."""
    if missing := [program for program in ("unshare", "ip", "mount") if shutil.which(program, path=PATH) is None]:
        return f"network namespaces need the programs {', '.join(missing)}"
    network = "mount -t tmpfs none /run && ip netns add probe && ip -6 address add fd77::9/64 dev lo"
    script = f'{network} && "$0" -c ""'
    probe = command("sh", "-c", script, sys.executable)
    environment = {**os.environ, "PATH": PATH}
    done = subprocess.run(probe, env=environment, capture_output=True, text=True, timeout=20, check=False)
    return f"network namespaces are not permitted: {done.stderr.strip()}" if done.returncode else None


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=10, capture_output=True)


def connect_namespaces() -> None:
    """Make the namespace `hosts`, in which all addresses are but loopback; this process has the other end."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True, timeout=10)
    ip("netns", "add", "hosts")
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", "hosts")
    inside = ("-n", "hosts")
    for address in (
        f"{LISTED}/24",
        "fd77::2/64",
        *(f"{one}/{_bits(one)}" for one in (PUBLIC, PRIVATE, PRIVATE_6, *METADATA)),
    ):
        ip(*inside, "address", "add", address, "dev", "v1", *(["nodad"] if ":" in address else []))
    ip("address", "add", "10.77.0.1/24", "dev", "v0")
    ip("address", "add", "fd77::1/64", "dev", "v0", "nodad")
    for own, device in (((), "lo"), ((), "v0"), (inside, "lo"), (inside, "v1")):
        ip(*own, "link", "set", device, "up")
    ip("route", "add", "default", "via", LISTED)
    ip("-6", "route", "add", "default", "via", "fd77::2")


def _bits(address: str) -> int:
    return ipaddress.ip_address(address).max_prefixlen


@contextmanager
def server(folder: Path, name: str, namespace: Sequence[str], *settings: str) -> Iterator[Path]:
    """Run a server in a namespace; yield its log."""
    log = folder / name
    log.touch()
    process = subprocess.Popen(
        [*namespace, sys.executable, "-m", "tests.tools.private_web_server", str(log), *settings]
    )
    try:
        yield log
    finally:
        process.kill()
        process.wait(10)


def synchronize() -> None:
    """Wait until both servers have logged all connections made so far."""
    for address in ("127.0.0.1", LISTED):
        until = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection((address, SYNC), timeout=5) as connection:
                    assert connection.recv(1) == b""
                break
            except ConnectionRefusedError:  # it is starting
                assert time.monotonic() < until, f"no server at {address}"
                time.sleep(0.05)
