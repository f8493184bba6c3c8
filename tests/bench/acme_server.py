"""The authority's ACME server: certificates by clients of other people beside Pebble and step-ca, orders at once, costs.

The local stack runs the functions in an emulator of AWS behind an HTTPS endpoint, and Pebble and step-ca are one compiled
program each, so the times beside them are mostly the emulator's. `acme_server_counts` counts what a certificate needs on AWS.
"""

from __future__ import annotations

import gc
import json
import ssl
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import pytest

from tests.bench import acme, acme_server_counts
from tests.bench.acme import Taken
from tests.bench.authority import Timed, api_call
from tests.bench.burst import processor_time
from tests.bench.counted_authority import Client
from tests.bench.figures import Figure, Part, table
from tests.bench.logs import silence
from tests.doubles.authority.acme_client import AcmeAuthority
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.ceremony import csr
from tests.doubles.world import World
from tests.samples.certificates import private_key
from tests.tools.local_authority import DOCUMENT, PROFILE, LocalAuthority, serve_authority, set_up
from tests.tools.local_stack import ROOT, Emulator, build, deploy, emulator, operator_command
from tests.tools.pebble import pebble
from tests.tools.ports import free_port
from tests.tools.step_ca import step_ca

ROUNDS = 5  # and one before them, in which the functions start
TURNS, EACH = 9, 20  # of the processor time
ORDERS, AT_ONCE = 40, 6
OURS = "evercert on the local stack"


def measure() -> Part:
    with emulator() as running:
        part = acme_server_counts.measure(World(running), running)
    _processor(part)
    with tempfile.TemporaryDirectory(prefix="evercert-bench-") as folder, ExitStack() as stack:
        running, authority, server = stack.enter_context(_deployed(Path(folder)))
        servers = {OURS: server, **_others(stack, Path(folder))}
        _compare(part, servers, authority, Path(folder))
        _burst(part, servers, running, authority)
    return part


@dataclass(frozen=True)
class Server:
    """A server's directory, the CA bundle of its API, and the port on loopback at which it validates http-01."""

    directory: str
    ca_bundle: Path
    http_port: int


# -- the servers -------------------------------------------------------------------------------------------------------
@contextmanager
def _deployed(folder: Path) -> Iterator[tuple[Emulator, LocalAuthority, Server]]:
    """Deploy the local stack; set up its authority with a profile for clients without credentials, as the others have."""
    with emulator() as running:
        build()
        outputs = deploy(running, AuthorityAddress=f"https://127.0.0.1:{free_port()}")
        with serve_authority(running, outputs) as authority:
            evercert = operator_command(running)
            set_up(evercert, outputs["IssuerRole"])
            document = folder / "authority.yaml"
            document.write_text((ROOT / DOCUMENT).read_text().replace("acme: {}", "acme: { eab: optional }"))
            evercert("authority", "apply", str(document))
            made = json.loads(evercert("authority", "eab", "create", "--profile", PROFILE, "--json"))
            yield running, authority, _server(folder, "ours", made["directory"], authority.ca_bundle, running.hosts)


def _others(stack: ExitStack, folder: Path) -> dict[str, Server]:
    """Start the servers at hand."""
    found = stack.enter_context(pebble(nonce_reject=0))
    servers = {"Pebble": _server(folder, "pebble", found.directory, found.ca_bundle, found.http_port)}
    try:
        other = stack.enter_context(step_ca())
    except pytest.skip.Exception:  # it cannot be built here
        return servers
    return {**servers, "step-ca": _server(folder, "step-ca", other.directory, other.ca_bundle, other.http_port)}


def _server(folder: Path, name: str, directory: str, ca_bundle: str, port: int) -> Server:
    file = folder / name / "ca.pem"
    file.parent.mkdir()
    file.write_text(ca_bundle)
    return Server(directory, file, port)


# -- one certificate ---------------------------------------------------------------------------------------------------
def _compare(part: Part, servers: dict[str, Server], authority: LocalAuthority, folder: Path) -> None:
    """Have each client obtain a certificate of each server in turn; the first round is not counted."""
    commands = {
        name: acme.commands(server, server.ca_bundle, folder / f"clients-{place}")
        for place, (name, server) in enumerate(servers.items())
    }
    clients = list(commands[OURS])
    taken: dict[tuple[str, str], list[Taken]] = {(client, name): [] for client in clients for name in servers}
    answers: dict[str, list[list[float]]] = {client: [] for client in clients}  # seconds of each answer of ours
    for turn in range(ROUNDS + 1):
        for place, client in enumerate(clients):
            for name in servers:
                authority.seconds.clear()
                once = acme.run(commands[name][client](f"r{turn}-{place}.example.com"))
                if turn:
                    taken[client, name].append(once)
                if turn and name == OURS:
                    answers[client].append(list(authority.seconds))
    for client in clients:
        for name in list(servers)[1:]:
            pairs = zip(taken[client, OURS], taken[client, name], strict=True)
            ratio = median(ours.elapsed / theirs.elapsed for ours, theirs in pairs)
            part.figures.append(
                Figure(f"http-01 issuance by {client}, elapsed ÷ the same against {name}", f"{ratio:.2f}")
            )
    rows = [
        (
            client,
            *(f"{median(one.elapsed for one in taken[client, name]):.2f} s" for name in servers),
            f"{median(one.processor for one in taken[client, OURS]):.2f} s",
            f"{median(map(sum, answers[client])):.2f} s",
            f"{median(map(len, answers[client])):g}",
        )
        for client in clients
    ]
    head = "a new process and account, elapsed", *servers, "of the first: the client's processor time"
    part.lines += ["", *table((*head, "of the first: answers of the server", "number of these"), rows)]


# -- orders at once ----------------------------------------------------------------------------------------------------
def _burst(part: Part, servers: dict[str, Server], running: Emulator, authority: LocalAuthority) -> None:
    """Take orders of one account by concurrent issuers of evercert in this process."""
    rows = []
    for name, server in servers.items():
        _start(server)
        authority.seconds.clear()
        used = processor_time(running.process.pid)
        found = acme.burst(server, server.ca_bundle.read_text(), ORDERS, AT_ONCE)
        after = processor_time(running.process.pid)
        rate = f"{60 * ORDERS / found.elapsed:,.0f}"
        rows.append((name, rate, f"{found.requests.total() / ORDERS:.1f}", f"{1000 * found.processor / ORDERS:.0f} ms"))
        if name == OURS:
            emulated, functions = after[0] - used[0], after[1] - used[1]
            share = f"{100 * functions / (emulated + functions):.0f} %"
            per_order = f"{1000 * functions / ORDERS:.0f} and {1000 * emulated / ORDERS:.0f} ms"
            waited = f"{found.elapsed * AT_ONCE / ORDERS:.1f} s, {sum(authority.seconds) / (ORDERS + 1):.1f} s"  # one registers
            part.figures += [
                Figure(f"{ORDERS} orders of one account, {AT_ONCE} at a time: certificates a minute", rate),
                Figure("an order of these takes, of it answers of the server", waited),
                Figure("the functions' share of the stack's processor time", share),
                Figure("processor time of the functions and of the emulator, for each of them", per_order),
            ]
    head = f"{ORDERS} orders, {AT_ONCE} at a time", "certificates a minute", "requests for each"
    part.lines += ["", *table((*head, "processor time of the client for each"), rows)]


def _start(server: Server) -> None:
    """Start all workers of the functions; those of the front start more slowly than an issuer waits for an answer."""
    trusted = ssl.create_default_context(cafile=server.ca_bundle)

    def load(_number: int) -> bytes:
        with urllib.request.urlopen(server.directory, timeout=60, context=trusted) as answer:
            return bytes(answer.read())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(load, range(AT_ONCE)))
    acme.burst(server, server.ca_bundle.read_text(), 2 * AT_ONCE, AT_ONCE)


# -- processor time ----------------------------------------------------------------------------------------------------
@dataclass
class Measured:
    """A function that measures its processor time."""

    act: Callable[..., Any]
    seconds: float = field(default=0.0)

    def __call__(self, *given: Any) -> Any:
        began = time.process_time()
        try:
            return self.act(*given)
        finally:
            self.seconds += time.process_time() - began


def _processor(part: Part) -> None:
    """Compare the functions' processor time of a certificate with that of one call of the API; storage is in memory."""
    setting, other = Setting(), Setting()
    kms, other_kms = (_timed(one) for one in (setting, other))
    authority = AcmeAuthority(setting)
    front, validator = Measured(authority.module.handler), Measured(authority.validator.run)
    signer = Measured(setting.signing.leaf)
    authority.module, authority.validator = SimpleNamespace(handler=front), SimpleNamespace(run=validator)  # type: ignore[assignment]
    setting.signing.leaf = signer  # type: ignore[method-assign, assignment]
    silence()
    client, call = Client(authority), api_call(other, csr(private_key("EC_prime256v1")))
    client.register()
    rounds: list[tuple[float, ...]] = []
    for turn in range(TURNS + 1):
        gc.collect()
        gc.freeze()
        front.seconds = validator.seconds = signer.seconds = kms.seconds = other_kms.seconds = 0.0
        for number in range(EACH):
            client.restarted().issue_one(f"t{turn}-{number}.example.com")
        began = time.process_time()
        for _ in range(EACH):
            call()
        api = time.process_time() - began - other_kms.seconds
        seconds = front.seconds - signer.seconds, validator.seconds, signer.seconds - kms.seconds, api
        rounds += [tuple(value / EACH for value in seconds)] if turn else []
    ratio = median(sum(found[:3]) / found[3] for found in rounds)
    names = (
        "front, eight requests",
        "validator",
        "signer without KMS",
        "one call of the Infisical API for the same, without KMS",
    )
    part.figures.append(
        Figure(
            "processor time of the functions for a certificate, without KMS ÷ one call of the Infisical API",
            f"{ratio:.2f}",
        )
    )
    part.lines += ["", *table(
        ("processor time of one P-256 certificate", ""),
        [(name, f"{1000 * median(values):.2f} ms") for name, values in zip(names, zip(*rounds, strict=True), strict=True)],
    )]  # fmt: skip


def _timed(setting: Setting) -> Timed:
    """Measure the setting's KMS, whose time is subtracted."""
    timed = Timed(setting.kms)
    setting.signing._keys._client = timed  # type: ignore[attr-defined]
    return timed
