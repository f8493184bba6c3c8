"""Scenarios of one certificate with the Infisical double and emulated AWS, and the promises at their end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from evercert.contracts.events import Outcome
from evercert.documents.spec import Spec
from evercert.timestamps import to_text
from tests.doubles.infisical.server import Infisical
from tests.doubles.world import When, World, assert_pair

FAILED, PENDING = "certificate.failed", "certificate.pending"
CREATING = ("/certificates", "/renew")  # path endings of calls that issue certificates
POLL = "GET /api/v1/cert-manager/certificates/certificate-requests/{id}"
CREDENTIALS = "evercert/credentials/infisical"
SLOW = 1.3  # seconds: longer than an attempt may take here
Source = Literal["local", "issuer"]


@dataclass(frozen=True)
class Scenario:
    """The request, what the server does with it, and the expected end."""

    name: str
    source: Source = "local"
    outcome: str = "issue"
    issued_before: bool = False
    search: Literal["yes", "none", "ignores-metadata"] = "yes"

    def __str__(self) -> str:
        return f"{self.name}, key of {'evercert' if self.source == 'local' else 'the server'}"

    @property
    def revisions(self) -> int:
        return 2 if self.issued_before else 1

    @property
    def types(self) -> list[str]:
        before = ["certificate.issued"] if self.issued_before else []
        waits = [PENDING] if self.outcome == "approval" else []
        return [*before, *waits, "certificate.renewed" if self.issued_before else "certificate.issued"]

    @property
    def extra(self) -> int:
        """Return how many unused certificates one crash may leave: 0 if the request can be found."""
        found = self.search != "none" or (self.issued_before and self.outcome == "issue")
        return 0 if found else 1


SCENARIOS = [
    Scenario(name, source, outcome, issued_before)
    for source in ("local", "issuer")
    for name, outcome, issued_before in (
        ("issuance", "issue", False),
        ("renewal", "issue", True),
        ("approval", "approval", False),
        ("approved renewal", "approval", True),
        ("external CA", "pending", False),
    )
]
OLDER = [
    Scenario("issuance without a search", search="none"),
    Scenario("issuance with an older search", search="ignores-metadata"),
    Scenario("renewal without a search", "issuer", issued_before=True, search="none"),
]


class InfisicalStage:
    """One server for all scenarios; `begin` empties it."""

    def __init__(self, world: World, server: Infisical) -> None:
        self.world, self.server = world, server
        self.late = False  # whether the server may still process an abandoned request
        self.identity = server.estate.identity()
        secret = self.identity.new_client_secret(server.now())
        self.kept = {"address": server.address, "client-id": self.identity.client_id, "client-secret": secret}
        self.profile = server.estate.profile("tls-server", "shop", server.authority)
        server.estate.application("shop-app", "shop", self.profile)
        self.definition = {
            "type": "infisical",
            "address": server.address,
            "application": "shop-app",
            "profile": "tls-server",
            "auth": {"type": "universal-auth", "credentials": {"aws-secret": CREDENTIALS}},
        }

    def spec(self, scenario: Scenario) -> Spec:
        return Spec.model_validate(
            {
                "name": "web",
                "issuer": "main",
                "attributes": {"common-name": "www.example.com", "ttl": "90d"},
                "private-key": {"source": scenario.source, "algorithm": "EC_prime256v1"},
                "destinations": [{"type": "secrets-manager", "secret": self.world.secret}],
            }
        )

    def begin(self, scenario: Scenario) -> None:
        world, server = self.world, self.server
        world.fresh()
        world.look_only_for("web")
        self.late = False
        server.switches.calm()
        server.switches.search = scenario.search
        server.store.certificates.clear()
        server.store.requests.clear()
        server.calls.clear()
        world.want(self.spec(scenario), self.definition)
        if scenario.issued_before:
            world.settle(world.settled)
            renewal = world.record().renew_at
            assert renewal is not None
            world.clock.now = renewal
            server.calls.clear()
        server.switches.outcome = scenario.outcome

    def run(
        self, scenario: Scenario, at: int | None, when: When = "before", act: Callable[[], None] | None = None
    ) -> list[str]:
        """Run the whole scenario with one fault; return its calls."""
        self.begin(scenario)
        self.world.switch.arm(at, when, act)
        self.world.settle(lambda: self.done(scenario.revisions))
        self.world.switch.listening = False
        return list(self.world.switch.calls)

    def done(self, revisions: int) -> bool:
        """Whether the scenario is settled; approvers act after evercert has polled in vain."""
        if self.late:  # the hand-set clock is faster than a server that is slow
            time.sleep(SLOW / 2)
            self.late = False
        if self.server.count(POLL) > 0:
            self.server.approve()
            self.server.finish()
        record = self.world.specs.record("web")
        return self.world.settled() and (record is None or getattr(record, "revision", 0) >= revisions)

    def wasted(self) -> list[str]:
        """Return the valid certificates that were not delivered."""
        announced = [outcome.data.get("serial_number") for outcome in self.world.specs.history("web")]
        delivered = {int(serial, 16) for serial in announced if serial}
        return [one.id for one in self.server.issued if not one.revoked and one.signed.serial_number not in delivered]


def assert_promises(stage: InfisicalStage, scenario: Scenario, *, extra: int = 0, failures: int = 0) -> None:
    world = stage.world
    record = world.record()
    assert world.switch.after_death == []  # a killed process makes no calls
    # P1: one delivered, recorded, announced certificate, and no claim left
    assert (record.state, record.claim, record.pending) == ("ready", None, None)
    assert record.facts is not None and record.delivered(record.revision)
    versions = world.versions()
    assert versions["AWSCURRENT"]["serial_number"] == record.facts.serial_number
    # P2: what the server signed was delivered; no request remains, no revision was used twice
    assert record.revision == record.facts.revision == scenario.revisions
    assert len(stage.server.issued) <= scenario.revisions + extra, [one.id for one in stage.server.issued]
    assert len(stage.wasted()) <= extra
    assert stage.server.store.open_requests() == []
    # P3: every version that a reader can see is whole
    for value in versions.values():
        assert_pair(value)
        assert value["certificate_chain"]
    # P4: every outcome was announced, under one id even if repeated
    outcomes: list[Outcome] = world.specs.history("web")
    types = [outcome.type for outcome in outcomes]
    quiet = (FAILED, PENDING)  # a killed run may lose them; a request approved in time never waited
    assert [kind for kind in types if kind not in quiet] == [kind for kind in scenario.types if kind not in quiet]
    assert types.count(PENDING) <= scenario.types.count(PENDING)
    assert types.count(FAILED) <= failures
    received = {event["id"]: event for event in world.events()}
    assert set(received) == {outcome.event_id for outcome in outcomes}
    assert all(received[outcome.event_id]["time"] == to_text(outcome.at) for outcome in outcomes)


@contextmanager
def staged(world: World) -> Iterator[InfisicalStage]:
    """Start the server and store its credential in the emulated Secrets Manager."""
    world.fresh()
    with Infisical(clock=world.clock, tls=False) as server:
        stage = InfisicalStage(world, server)
        secrets = world.operator.secretsmanager
        secrets.create_secret(Name=CREDENTIALS, SecretString=json.dumps(stage.kept))
        try:
            yield stage
        finally:
            world.fresh()
            secrets.delete_secret(SecretId=CREDENTIALS, ForceDeleteWithoutRecovery=True)


class Tally:
    """Counts of a matrix, for the line that it prints."""

    def __init__(self) -> None:
        self.runs = 0
        self.extra: Counter[int] = Counter()

    def add(self, stage: InfisicalStage, scenario: Scenario) -> None:
        self.runs += 1
        self.extra[len(stage.server.issued) - scenario.revisions] += 1

    def __str__(self) -> str:
        more = ", ".join(f"{times} with {extra} more" for extra, times in sorted(self.extra.items()) if extra)
        return f"{self.runs} runs, {more or 'no certificate too many'}"


def creating(calls: list[str]) -> set[int]:
    """Return the calls that issue certificates."""
    return {at for at, call in enumerate(calls, 1) if call.startswith("http POST") and call.endswith(CREATING)}
