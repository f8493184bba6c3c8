"""Certificates from Pebble, which looks the TXT records of the emulator's Route 53 up at a name server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.aws.dynamodb.leases import DynamoDBLeases
from evercert.aws.route53 import Route53Clients
from evercert.errors import NotProven
from evercert.issuers.acme.issuer import Acme
from evercert.issuers.context import AcmeContext, IssuerContext
from evercert.solvers.cname_records import DNSRecords
from evercert.solvers.context import RegisteredSolvers, Route53Context, SolverContext
from tests.doubles.acme import AcmeBench, clock, no_kms
from tests.doubles.name_server import NameServer
from tests.doubles.world import STACK_ID, World
from tests.tools.pebble import pebble

pytestmark = pytest.mark.peer("go")


class Zones:
    """Zones of the emulator, and what a name server answers for them."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.zones: list[str] = []

    def create(self, name: str) -> None:
        made = self.client.create_hosted_zone(Name=name, CallerReference=str(uuid.uuid4()))
        self.zones.append(made["HostedZone"]["Id"])

    def records(self) -> list[tuple[str, str]]:
        sets = [
            one
            for zone in self.zones
            for one in self.client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        ]
        return [
            (one["Name"].rstrip("."), value["Value"])
            for one in sets
            if one["Type"] == "TXT"
            for value in one["ResourceRecords"]
        ]

    def texts(self, name: str) -> list[str]:
        return [value for owner, value in self.records() if owner == name]


class DNSBench(AcmeBench):
    """An issuer whose solver writes into the emulator, and looks CNAMEs up at the name server."""

    def __init__(self, world: World, server: NameServer, **settings: Any) -> None:
        leases = DynamoDBLeases(world.operator.dynamodb, world.table)
        cnames = DNSRecords(None, ["127.0.0.1"], server.port)
        self._route53 = Route53Context(Route53Clients(world.operator, STACK_ID).of, leases, cnames, clock, self.sleep)
        super().__init__(**settings)

    def process(self) -> Acme:
        super().process()
        old = self.context
        solvers = RegisteredSolvers(SolverContext(route53=self._route53))
        acme = AcmeContext(self.accounts, self.seal, solvers, self.buckets, no_kms)
        self.context = IssuerContext(old.http, old.credentials, None, self.clock, acme)  # type: ignore[arg-type]
        return self.open()


@pytest.fixture
def zones(world: World) -> Zones:
    return Zones(world.operator.client("route53"))


@pytest.fixture
def server(zones: Zones) -> Iterator[NameServer]:
    with NameServer({}, zones.texts) as started:
        yield started


@pytest.fixture
def bench(world: World, server: NameServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[DNSBench]:
    monkeypatch.setattr("evercert.solvers.route53.LOOK_AGAIN", timedelta(milliseconds=200))
    with pebble(nonce_reject=15, dns_server=f"127.0.0.1:{server.port}") as running:
        more = {"directory": running.directory, "ca-bundle": running.ca_bundle, "solvers": [{"type": "route53"}]}
        with closing(DNSBench(world, server, **more)) as made:
            yield made


def test_domain_and_wildcard_are_issued(bench: DNSBench, zones: Zones) -> None:
    domain = f"d{uuid.uuid4().hex[:10]}.example.com"
    zones.create(domain)
    issued = bench.finish(bench.request(domain, f"*.{domain}", f"shop.{domain}"), restart=True)
    names = issued.chain.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(names.get_values_for_type(x509.DNSName)) == sorted([domain, f"*.{domain}", f"shop.{domain}"])
    assert zones.records() == []


def test_challenge_in_another_zone_is_issued(bench: DNSBench, zones: Zones, server: NameServer) -> None:
    domain, target = f"d{uuid.uuid4().hex[:10]}.example.com", f"d{uuid.uuid4().hex[:10]}.example.net"
    zones.create(domain)
    zones.create(target)
    server.answers[f"_acme-challenge.{domain}."] = f"_acme-challenge.{target}."
    bench.finish(bench.request(f"*.{domain}"))
    assert f"_acme-challenge.{domain}. CNAME" in server.asked
    assert zones.records() == []


def test_missing_record_is_not_proven(bench: DNSBench, zones: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = f"d{uuid.uuid4().hex[:10]}.example.com"
    zones.create(domain)
    monkeypatch.setattr("evercert.solvers.route53.dns_value", lambda _: "wrong")
    with pytest.raises(NotProven, match=f"{domain}: unauthorized"):
        bench.finish(bench.request(domain))
    assert zones.records() == []
