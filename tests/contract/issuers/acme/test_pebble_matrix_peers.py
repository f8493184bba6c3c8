"""The issuer against every combination of Pebble's settings: `make peers` runs a sample, `--every 1` all of them.

Each cell orders the same name twice, the second time in a new process. With authorizations reused, the second order is
ready at once.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import product
from typing import Any, NamedTuple

import pytest

from evercert.contracts.issuer import Issued
from evercert.pki.certificate import mismatches
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from tests.doubles.acme import AcmeBench, web_host
from tests.tools.pebble import EAB_HMAC_KEY, EAB_KEY_ID, Pebble, pebble

NAME, SECRET = "www.example.com", "evercert/credentials/eab"
EC_KEYS = {"keyAlgorithm": "ecdsa"}  # ten RSA keys take half a minute
# Pebble's DNS server drops a connection whose query it has not read within a second, as on a busy machine.
BUSY, TRIES = "error occurred while resolving", 3


class Cell(NamedTuple):
    """Settings of one Pebble; the first two are percentages."""

    nonce_reject: int
    authz_reuse: int
    alternate_roots: int
    chain_length: int
    eab: bool


CELLS = [Cell(*values) for values in product((0, 15, 60), (0, 100), (0, 2), (1, 3), (False, True))]


@pytest.mark.peer("go")
@pytest.mark.timeout(1_800)
def test_two_orders_of_a_name_are_issued(every: int, capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.SystemRandom().randrange(10**9)
    cells = random.Random(seed).sample(CELLS, max(len(CELLS) // every, 1))
    with capsys.disabled():
        print(f"\nPebble's settings: {len(cells)} of {len(CELLS)} combinations, seed {seed}")
    failures = [(cell, problem) for cell in cells if (problem := problem_of(cell))]
    assert not failures, "\n".join(f"{cell}: {problem}" for cell, problem in failures)


def problem_of(cell: Cell) -> str:
    """Return why a cell fails, or nothing; the other cells run too."""
    problem = ""
    for _ in range(TRIES):
        try:
            require_orders(cell)
        except Exception as error:  # noqa: BLE001
            problem = f"{type(error).__name__}: {error}"
            if BUSY not in problem:
                break
        else:
            return ""
    return problem


@contextmanager
def bench_of(cell: Cell, server: Pebble) -> Iterator[AcmeBench]:
    """Yield an issuer that prefers the last root of this Pebble, with the web host of every name."""
    settings: dict[str, Any] = {"directory": server.directory, "ca-bundle": server.ca_bundle}
    settings["preferred-chain"] = server.root(cell.alternate_roots).subject.rfc4514_string().removeprefix("CN=")
    if cell.eab:
        settings["external-account"] = {"key-id": EAB_KEY_ID, "hmac-key": {"aws-secret": SECRET}}
    bench = AcmeBench(**settings)
    bench.vault.store(SECRET, {"address": server.directory, "hmac-key": EAB_HMAC_KEY})
    with web_host(bench.answers, server.http_port), closing(bench):
        yield bench


def require_orders(cell: Cell) -> None:
    """Place two orders; check their certificates, and how often the CA validated."""
    with pebble(**cell._asdict(), config=EC_KEYS) as server, bench_of(cell, server) as bench:
        first = require_issued(cell, server, bench)
        validated = len(bench.answers.asked)
        assert validated > 0, "no validation of the first order"
        bench.process()
        second = require_issued(cell, server, bench)
    again = len(bench.answers.asked) - validated
    # At 0, Pebble still reuses one authorization in a hundred.
    assert again == 0 or cell.authz_reuse == 0, f"{again} validations of the second order"
    assert first.chain.leaf != second.chain.leaf, "the second order returned the first certificate"
    assert len(bench.accounts.accounts) == 1, bench.accounts.accounts


def require_issued(cell: Cell, server: Pebble, bench: AcmeBench) -> Issued:
    request = bench.request(NAME)
    issued = bench.finish(request)
    key = public_bytes(public_key_of(request.csr or ""))
    assert mismatches(issued.chain, request.spec.attributes, key, profiled=True) == []
    certificates = issued.chain.certificates
    assert len(certificates) == 1 + cell.chain_length, f"a chain of {len(certificates)} certificates"
    assert certificates[-1].issuer == server.root(cell.alternate_roots).subject, "not the preferred chain"
    assert bench.answers.left == [], "answers are left"
    return issued
