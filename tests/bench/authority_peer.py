"""One certificate with its AWS calls, beside step-ca in the same run."""

from __future__ import annotations

import gc
import json
import ssl
from collections import Counter
from contextlib import ExitStack
from http.client import HTTPSConnection
from pathlib import Path
from statistics import median

import pytest

from tests.bench.authority_calls import Calls, RunningAuthority, running_authority
from tests.bench.figures import Figure, Part, table
from tests.doubles.authority.ceremony import csr
from tests.doubles.world import World
from tests.samples.certificates import private_key
from tests.tools.local_stack import emulator
from tests.tools.step_ca import StepCA, step_ca

ROUNDS, EACH = 9, 40
MOST_CALLS, RATIO = 8, 4.0
NEEDED_FOR = {
    ("authority", "BatchGetItem"): "token, identity, profile, CAs: read for each request, consistently",
    ("authority", "GetItem"): "idempotency key: a repeated request gets its certificate, whatever the policy is by now",
    (
        "authority",
        "TransactWriteItems",
    ): "first the request, with its idempotency key and the check of its key, before the "
    "signer is asked; then the certificate, with fingerprint, inventory and trail",
    ("authority", "Invoke"): "the signer, whose role alone may use the CA's key",
    ("signer", "Query"): "all CAs: status, ceiling, and the keys that no certificate may have",
    ("signer", "TransactWriteItems"): "intent and serial number, before the signature",
    ("signer", "Sign"): "the signature",
    ("signer", "PutItem"): "the result, so that a repeated order gets the same certificate",
}


def measure(part: Part) -> None:
    """Add the figures to the part."""
    request = csr(private_key("EC_prime256v1"))
    with ExitStack() as stack:
        running = stack.enter_context(emulator())
        authority = stack.enter_context(running_authority(World(running), running))
        peer = _peer(stack, request)
        first = authority.traced(request)
        authority.issue(request)
        warm, keyed = authority.traced(request), authority.traced(request, "key")
        authority.replay()
        ours, theirs = _rounds(authority, peer, request)
    _report(part, {"first request of a function": first, "later request": warm, "with an idempotency key": keyed})
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True)) if theirs else None
    what = "processor time of one EC_prime256v1 certificate with its AWS calls, both functions ÷ that of step-ca"
    part.figures.append(
        Figure(
            what,
            "not measured: step-ca cannot be built here" if ratio is None else f"{ratio:.1f}",
            f"≤ {RATIO:g}",
            None if ratio is None else ratio <= RATIO,
        )
    )
    seen = [("both functions", ours), *([("step-ca, with HTTPS and its database", theirs)] if theirs else [])]
    part.lines += [
        "",
        *table(
            ("one certificate, EC_prime256v1", "processor time"), [(k, f"{1000 * median(v):.2f} ms") for k, v in seen]
        ),
    ]


def _rounds(authority: RunningAuthority, peer: StepCAClient | None, request: str) -> tuple[list[float], list[float]]:
    """Return the seconds for a certificate, round by round; both take turns, and the first round does not count."""
    ours, theirs = [], []
    for turn in range(ROUNDS + 1):
        gc.collect()
        gc.freeze()
        one = sum(authority.issue(request) for _ in range(EACH)) / EACH
        other = peer.seconds_each(EACH) if peer is not None else None
        if turn:
            ours.append(one)
            theirs += [] if other is None else [other]
    return ours, theirs


def _report(part: Part, traces: dict[str, Calls]) -> None:
    for name, calls in traces.items():
        most = MOST_CALLS if name == "later request" else None
        part.figures.append(
            Figure(
                f"AWS calls of one certificate, {name}",
                str(len(calls)),
                "none" if most is None else f"≤ {most}",
                None if most is None else len(calls) <= most,
            )
        )
    counted = Counter((function, operation) for function, operation, _ in traces["with an idempotency key"])
    rows = [(*key, number, NEEDED_FOR[key]) for key, number in counted.items()]
    part.lines += ["", *table(("function", "call", "number", "needed for"), rows)]


def _peer(stack: ExitStack, request: str) -> StepCAClient | None:
    """Start step-ca if it is at hand or can be built."""
    try:
        return StepCAClient(stack.enter_context(step_ca()), request)
    except pytest.skip.Exception:
        return None


class StepCAClient:
    """Has step-ca sign certificates over one connection for each round; its processor time is read from /proc."""

    def __init__(self, server: StepCA, request: str) -> None:
        self._server, self._request = server, request
        context = ssl.create_default_context(cadata=server.ca_bundle)
        self._connection = HTTPSConnection(server.address.removeprefix("https://"), context=context)

    def seconds_each(self, count: int) -> float:
        """Return the processor time of step-ca for a certificate."""
        tokens = [self._server.one_time_token("www.example.com") for _ in range(count)]
        self._connection.close()  # step-ca ends idle connections; the next request opens another
        before = self._seconds()
        for token in tokens:
            body = json.dumps({"csr": self._request, "ott": token, "notAfter": "24h"})
            self._connection.request("POST", "/1.0/sign", body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            text = answer.read()
            if answer.status != 201:
                raise RuntimeError(text.decode())
        return (self._seconds() - before) / count

    def _seconds(self) -> float:
        """Return the processor time of all threads; the file counts nanoseconds."""
        tasks = Path(f"/proc/{self._server.process}/task").glob("*/schedstat")
        return sum(int(file.read_text().split()[0]) for file in tasks) / 1e9
