"""Changed requests of ACME clients to the deployed stack, over HTTPS; `make soak` sends 1,000."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from evercert.pki.keys import public_bytes
from tests.doubles.authority.acme_client import Answer
from tests.fuzz.server.campaign import run
from tests.fuzz.server.party import Party
from tests.fuzz.server.promises import check_certificate
from tests.fuzz.server.wire import Wire
from tests.stack.conftest import Stack
from tests.tools.deployed_acme import DeployedAcme, deployed_acme, operator

pytestmark = [pytest.mark.timeout(900)]

COUNT = 1_000  # divided by the option --every
SEED = random.SystemRandom().randrange(10**9)
Directory = tuple[DeployedAcme, tuple[str, bytes]]


@pytest.fixture(scope="module")
def directory(stack: Stack) -> Iterator[Directory]:
    with deployed_acme(stack.running, stack.outputs, operator(stack)) as found:
        yield found


def test_stack_answers_changed_requests_and_still_issues(directory: Directory, every: int) -> None:
    authority, mac = directory

    def make(_: random.Random) -> tuple[Party, object, object]:
        def send(wire: Wire) -> Answer:
            if wire.method == "OPTIONS":  # the gateway of the emulator answers it itself
                wire.method = "PATCH"
            return authority.send(wire.method, wire.url, wire.headers, wire.body)

        return Party(authority, mac, addresses=False), send, lambda: None

    print(f"seed {SEED}")
    figures = run(make, COUNT // every, SEED)  # type: ignore[arg-type]
    print(figures)
    assert figures.inputs == COUNT // every
    assert {status for _, status in figures.outcomes} == {2, 4}
    assert len(figures.problems) >= 3
    found = Party(authority, mac, addresses=False).issued
    check_certificate(found.certificate, found.order.names, public_bytes(found.key.public_key))
