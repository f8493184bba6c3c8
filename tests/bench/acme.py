"""Cost of an ACME certificate beside other clients, and 200 orders at once; the CA is Pebble on loopback.

Each client starts as a new process without an account, answers the http-01 challenge itself, and ends with the certificate.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from typing import Any, NamedTuple, Protocol

import pytest

from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.errors import Unavailable
from evercert.issuers.acme.issuer import Acme
from tests.bench.figures import Figure, Part, table
from tests.doubles.acme import AcmeBench, clock, web_host
from tests.tools.acme_clients.python_packages import environment_with_clients
from tests.tools.local_stack import ROOT
from tests.tools.pebble import Pebble, pebble

ROUNDS = 9
ORDERS, AT_ONCE = 200, 5  # the stack's default concurrency
LONGEST = 120  # seconds
LATE_ANSWERS = 5
# The layer has no click, without which httpx does not load its command.
OURS = """
import sys
sys.modules["click"] = None
from tests.bench.acme_client import issue
print(issue(*sys.argv[1:]))
"""


class Taken(NamedTuple):
    """Seconds of one process: of its processors, and of the clock."""

    processor: float
    elapsed: float


class Server(Protocol):
    """A server's directory, and the port on loopback at which it validates http-01."""

    @property
    def directory(self) -> str: ...
    @property
    def http_port(self) -> int: ...


def measure() -> Part:
    part = Part()
    with pebble(nonce_reject=0) as server, tempfile.TemporaryDirectory(prefix="evercert-bench-") as folder:
        ca_bundle = Path(folder) / "ca.pem"
        ca_bundle.write_text(server.ca_bundle)
        _compare(part, commands(server, ca_bundle, Path(folder)))
    with pebble(nonce_reject=0) as server:
        _burst(part, server)
    return part


# -- one certificate ---------------------------------------------------------------------------------------------------
Command = Callable[[str], list[str]]


def commands(server: Server, ca_bundle: Path, folder: Path) -> dict[str, Command]:
    """Return the commands of the clients at hand, for a name; each has a new folder, and so no account."""
    port = str(server.http_port)
    ours = [sys.executable, "-c", OURS, server.directory, str(ca_bundle), port]
    clients: dict[str, Command] = {"evercert's issuer": lambda name: [*ours, name]}
    if (python := _certbot()) is not None:
        start = [str(python), "-c", "import sys; from certbot.main import main; sys.exit(main())", "certonly"]
        start += [
            "--standalone",
            "--http-01-address",
            "127.0.0.1",
            "--http-01-port",
            port,
            "--server",
            server.directory,
        ]
        start += ["--non-interactive", "--agree-tos", "--email", "ops@example.com", "--no-eff-email"]

        def certbot(name: str) -> list[str]:
            where = [f"--{kind}-dir={folder / name / kind}" for kind in ("config", "work", "logs")]
            return [*start, *where, "-d", name]

        clients["certbot 5.8.0"] = certbot
    if (program := shutil.which("lego")) is not None:

        def lego(name: str) -> list[str]:
            where = ["--server", server.directory, "--path", str(folder / name), "--http.port", f"127.0.0.1:{port}"]
            return [program, *where, "--accept-tos", "--email", "ops@example.com", "--http", "-d", name, "run"]

        clients["lego 4.9.1 (Debian)"] = lego
    return {name: _trusting(command, ca_bundle) for name, command in clients.items()}


def _trusting(command: Command, ca_bundle: Path) -> Command:
    """Return the command with the CA bundle of the server's API."""
    return lambda name: [
        "env", f"REQUESTS_CA_BUNDLE={ca_bundle}", f"LEGO_CA_CERTIFICATES={ca_bundle}", *command(name),
    ]  # fmt: skip


def _certbot() -> Path | None:
    """Return a Python with certbot; None if the registry does not answer."""
    try:
        return environment_with_clients() / "bin" / "python"
    except pytest.skip.Exception:
        return None


def _compare(part: Part, clients: dict[str, Command]) -> None:
    """Run all clients in turn; the first round writes bytecode and is not counted."""
    taken: dict[str, list[Taken]] = {name: [] for name in clients}
    for turn in range(ROUNDS + 1):
        for place, (name, command) in enumerate(clients.items()):
            taken[name].append(run(command(f"r{turn}-{place}.example.com")))
    ours, *others = [(name, all_taken[1:]) for name, all_taken in taken.items()]
    for name, theirs in others:
        pairs = list(zip(ours[1], theirs, strict=True))
        processor = median(mine.processor / other.processor for mine, other in pairs)
        elapsed = median(mine.elapsed / other.elapsed for mine, other in pairs)
        part.figures += [
            Figure(f"processor time of one http-01 certificate ÷ that of {name}", f"{processor:.2f}"),
            Figure(f"the same, elapsed time, from start to certificate ÷ that of {name}", f"{elapsed:.2f}"),
        ]
    rows = [
        (name, *(f"{1000 * median(values):.0f} ms" for values in zip(*seen, strict=True)))
        for name, seen in (ours, *others)
    ]
    part.lines += table(("one http-01 certificate, a new process and account", "processor time", "elapsed"), rows)


def run(command: list[str]) -> Taken:
    """Run a client to its end."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, began = getrusage(RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    after, elapsed = getrusage(RUSAGE_CHILDREN), time.monotonic() - began
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2_000:]}")
    return Taken(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, elapsed)


# -- many at once ------------------------------------------------------------------------------------------------------
class Counted:
    """Counts the requests that a connection sends."""

    def __init__(self, server: Any, counts: Counter[str]) -> None:
        self._server, self._counts = server, counts

    def exchange(self, method: str, *arguments: Any, **more: Any) -> Any:
        self._counts[method] += 1
        return self._server.exchange(method, *arguments, **more)


class Burst(NamedTuple):
    """Many orders at once: seconds of the clock and of this process, and the requests to the CA by method."""

    elapsed: float
    processor: float
    requests: Counter[str]


def burst(server: Server, ca_bundle: str, orders: int, at_once: int) -> Burst:
    """Take orders of one account by several issuers at a time, as concurrent functions do."""
    settings: dict[str, Any] = {"directory": server.directory, "ca-bundle": ca_bundle}
    bench, counts = AcmeBench(**settings), Counter[str]()
    with web_host(bench.answers, server.http_port), closing(bench), ThreadPoolExecutor(at_once) as pool:
        bench.finish(bench.request("first.example.com"))  # registers the account
        requests = [bench.request(f"n{number}.example.com") for number in range(orders)]
        issuers = [bench.process() for _ in range(at_once)]
        for issuer in issuers:
            issuer._connection._server = Counted(issuer._connection._server, counts)  # type: ignore[assignment]
        began, used = time.monotonic(), time.process_time()
        shares = [(issuer, requests[place::at_once]) for place, issuer in enumerate(issuers)]
        list(pool.map(lambda share: _finish(*share), shares))
        return Burst(time.monotonic() - began, time.process_time() - used, counts)


def _burst(part: Part, server: Pebble) -> None:
    elapsed, used, counts = burst(server, server.ca_bundle, ORDERS, AT_ONCE)
    part.figures += [
        Figure(
            f"{ORDERS} orders due at once, {AT_ONCE} at a time: certificates a minute", f"{60 * ORDERS / elapsed:,.0f}"
        ),
        Figure("requests to the CA for each of them", f"{counts.total() / ORDERS:.2f}"),
        Figure("of these without a signature (directory, nonces)", f"{(counts['GET'] + counts['HEAD']) / ORDERS:.2f}"),
    ]
    part.lines += [
        "",
        f"Processor time of each of the {ORDERS} orders, the web host's included: {1000 * used / ORDERS:.0f} ms.",
    ]


def _finish(issuer: Acme, requests: list[Any]) -> None:
    """Take orders to their end, one after the other; sleep between two polls."""
    for request in requests:
        answer = _step(issuer, request)
        while not isinstance(answer, Issued):
            time.sleep(max((answer.retry_at - clock()).total_seconds(), 0))
            answer = _step(issuer, replace(request, handle=answer.handle))


def _step(issuer: Acme, request: Request) -> Issued | PendingAnswer:
    """Take the order one step further; try again if the CA answers too late, as while its functions start."""
    for _ in range(LATE_ANSWERS):
        with suppress(Unavailable):
            return issuer.issue(replace(request, now=clock()))
    return issuer.issue(replace(request, now=clock()))
