"""Contract of TXT record sets in Route 53: the emulator and the strict double."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evercert.aws.route53 import TTL, RecordSet, Route53Clients, TXTRecords
from evercert.errors import Busy, Misconfigured, Throttled, Unavailable
from tests.doubles.strict_route53 import StrictRoute53
from tests.doubles.world import STACK_ID, World

LONG = "x" * 600


def nothing() -> None:
    pass


@dataclass
class Place:
    """A zone of its own, and record sets in it."""

    client: Any
    records: TXTRecords
    domain: str
    zone: str

    @property
    def set(self) -> RecordSet:
        return RecordSet(self.zone, f"_acme-challenge.{self.domain}")

    def write(self, *values: str, kind: str = "TXT", ttl: int = 300, name: str | None = None, **more: Any) -> None:
        """Write as another program does."""
        records = [{"Value": value} for value in values]
        made = {"Name": f"{name or self.set.name}.", "Type": kind, "TTL": ttl, "ResourceRecords": records, **more}
        if isinstance(self.client, StrictRoute53):
            self.client.zones[self.zone].records.append(made)
            return
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": made}]}
        self.client.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch=batch)

    def write_alias(self) -> None:
        target = {"HostedZoneId": self.zone, "DNSName": f"a.{self.domain}.", "EvaluateTargetHealth": False}
        made = {"Name": f"{self.set.name}.", "Type": "TXT", "AliasTarget": target}
        if isinstance(self.client, StrictRoute53):
            self.client.zones[self.zone].records.append(made)
            return
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": made}]}
        self.client.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch=batch)

    def stored(self) -> dict[str, Any] | None:
        answer = self.client.list_resource_record_sets(
            HostedZoneId=self.zone, StartRecordName=f"{self.set.name}.", StartRecordType="TXT", MaxItems="1"
        )
        found = [one for one in answer["ResourceRecordSets"] if one["Name"] == f"{self.set.name}."]
        return found[0] if found else None

    def create_zone(self, name: str, *, private: bool = False) -> str:
        if isinstance(self.client, StrictRoute53):
            return self.client.create_zone(name, private=private)
        vpc: dict[str, Any] = {}
        if private:
            vpc = {"VPC": {"VPCRegion": "eu-central-1", "VPCId": f"vpc-{uuid.uuid4().hex[:8]}"}}
            vpc["HostedZoneConfig"] = {"PrivateZone": True}
        made = self.client.create_hosted_zone(Name=name, CallerReference=str(uuid.uuid4()), **vpc)
        return str(made["HostedZone"]["Id"]).rpartition("/")[2]


@pytest.fixture(params=["strict", "emulator"])
def place(request: pytest.FixtureRequest) -> Place:
    domain = f"d{uuid.uuid4().hex[:10]}.example"
    client: Any = StrictRoute53()
    if request.param == "emulator":
        client = Route53Clients(request.getfixturevalue("world").operator, STACK_ID).of(None)
    made = Place(client, TXTRecords(client, None), domain, "")
    made.zone = made.create_zone(domain)
    return made


# -- zones ------------------------------------------------------------------------------------------------------------
def test_zone_has_the_longest_suffix(place: Place) -> None:
    inner = place.create_zone(f"eu.{place.domain}")
    record = place.create_zone(f"_acme-challenge.{place.domain}")
    found = {name: place.records.zone_of(f"{name}{place.domain}") for name in ("a.", "a.eu.", "eu.", "", "neu.")}
    assert found == {"a.": place.zone, "a.eu.": inner, "eu.": inner, "": place.zone, "neu.": place.zone}
    assert place.records.zone_of(place.set.name) == record


def test_zone_is_missing(place: Place) -> None:
    assert place.records.zone_of(f"other{place.domain}") is None
    assert place.records.zone_of("example") is None


def test_zone_choice_skips_private_zones(place: Place) -> None:
    for _ in range(2):
        place.create_zone(f"eu.{place.domain}", private=True)
    place.create_zone(place.domain, private=True)
    assert place.records.zone_of(f"a.eu.{place.domain}") == place.zone


def test_zone_choice_asks_for_the_zone_id(place: Place) -> None:
    both = sorted([place.zone, place.create_zone(place.domain)])
    with pytest.raises(Misconfigured) as raised:
        place.records.zone_of(place.set.name)
    assert str(raised.value) == (
        f"cannot choose the hosted zone of {place.set.name}: 2 public zones are named {place.domain} "
        f"({', '.join(both)}); set zone-id of the solver to the one that the parent zone delegates to"
    )


def test_zone_choice_reads_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evercert.aws.route53.PAGE", "1")
    aws = StrictRoute53()
    for _ in range(3):
        aws.create_zone("example.com", private=True)
    zone = aws.create_zone("example.com")
    aws.create_zone("z.example.com")
    assert TXTRecords(aws, None).zone_of("a.example.com") == zone  # type: ignore[arg-type]


# -- values -----------------------------------------------------------------------------------------------------------
def test_value_is_added_and_removed(place: Place) -> None:
    place.records.add(place.set, "value", nothing)
    stored = place.stored()
    assert stored is not None
    assert (stored["TTL"], stored["ResourceRecords"]) == (TTL, [{"Value": '"value"'}])
    assert place.records.values(place.set) == ["value"]
    place.records.remove(place.set, "value", nothing)
    assert place.stored() is None
    assert place.records.values(place.set) == []


def test_value_is_added_once(place: Place) -> None:
    changes = {place.records.add(place.set, "value", nothing) for _ in range(3)}
    assert place.records.values(place.set) == ["value"]
    assert len(changes) == 3


def test_value_is_removed_again(place: Place) -> None:
    for _ in range(2):
        place.records.remove(place.set, "value", nothing)
    assert place.stored() is None


def test_values_of_others_remain(place: Place) -> None:
    others = ['"v=spf1 \\"-all\\""', '"aaa" "bbb"', '"\\303\\274"']
    place.write(*others, ttl=300)
    place.records.add(place.set, "ours", nothing)
    stored = place.stored()
    assert stored is not None
    assert [one["Value"] for one in stored["ResourceRecords"]] == [*others, '"ours"']
    assert place.records.values(place.set) == ['v=spf1 "-all"', "aaabbb", "ü", "ours"]
    place.records.remove(place.set, "ours", nothing)
    stored = place.stored()
    assert stored is not None
    assert [one["Value"] for one in stored["ResourceRecords"]] == others


def test_value_of_another_is_not_removed(place: Place) -> None:
    place.write('"theirs"', ttl=86_400)
    place.records.remove(place.set, "ours", nothing)
    stored = place.stored()
    assert stored is not None
    assert (stored["TTL"], stored["ResourceRecords"]) == (86_400, [{"Value": '"theirs"'}])


def test_set_with_another_ttl_is_deleted(place: Place) -> None:
    """A deletion must have the current values, the TTL included."""
    place.write('"ours"', ttl=86_400)
    place.records.remove(place.set, "ours", nothing)
    assert place.stored() is None


def test_long_value_has_several_strings(place: Place) -> None:
    place.records.add(place.set, LONG, nothing)
    stored = place.stored()
    assert stored is not None
    assert [len(one) for one in stored["ResourceRecords"][0]["Value"].split(" ")] == [257, 257, 92]
    assert place.records.values(place.set) == [LONG]
    place.records.remove(place.set, LONG, nothing)
    assert place.stored() is None


def test_neighbors_of_the_set_are_ignored(place: Place) -> None:
    place.write('"other"', name=f"a.{place.set.name}")
    place.write('"other"', name=f"_bcme-challenge.{place.domain}")
    place.write("192.0.2.1", kind="A")
    assert place.records.values(place.set) == []
    place.records.add(place.set, "ours", nothing)
    assert place.records.values(place.set) == ["ours"]


@pytest.mark.parametrize("kind", ["routing policy", "alias"])
def test_set_that_is_not_simple_is_refused(place: Place, kind: str) -> None:
    if kind == "alias":
        place.write_alias()
    else:
        place.write('"one"', SetIdentifier="blue", Weight=1)
    for call in (place.records.add, place.records.remove):
        with pytest.raises(
            Misconfigured, match=r"it is an alias or has a routing policy; delete it, or make it a simple record$"
        ):
            call(place.set, "ours", nothing)


def test_missing_zone_is_named(place: Place) -> None:
    with pytest.raises(
        Misconfigured, match=r"^cannot read the TXT record _acme-challenge\.a in zone Z404 \(parameter Hosted.*NoSuch"
    ):
        place.records.add(RecordSet("Z404", "_acme-challenge.a"), "ours", nothing)


def test_write_is_refused_before_it_starts(place: Place) -> None:
    def refuse() -> None:
        raise Busy("too late")

    place.records.add(place.set, "old", nothing)
    with pytest.raises(Busy):
        place.records.add(place.set, "new", refuse)
    with pytest.raises(Busy):
        place.records.remove(place.set, "old", refuse)
    assert place.records.values(place.set) == ["old"]


# -- changes ----------------------------------------------------------------------------------------------------------
def test_change_is_in_sync_some_time_later(place: Place) -> None:
    change = place.records.add(place.set, "value", nothing)
    assert "/" not in change
    found = [place.records.is_in_sync(change) for _ in range(4)]
    assert (found[0], found[-1]) == (False, True)


def test_unknown_change_is_none(place: Place) -> None:
    assert place.records.is_in_sync("C404") is None


# -- strict double ----------------------------------------------------------------------------------------------------
@pytest.fixture
def aws() -> StrictRoute53:
    made = StrictRoute53()
    made.create_zone("example.com")
    return made


SET = RecordSet("Z0000000", "_acme-challenge.example.com")
OPERATIONS = {
    "ListHostedZonesByName": (lambda records: records.zone_of(SET.name), "list the hosted zones named"),
    "ListResourceRecordSets": (lambda records: records.values(SET), "read the TXT record"),
    "ChangeResourceRecordSets": (lambda records: records.add(SET, "ours", nothing), "write the TXT record"),
    "GetChange": (lambda records: records.is_in_sync("C1"), "read the change C1 of Route 53"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("Throttling", Throttled), ("ThrottlingException", Throttled), ("PriorRequestNotComplete", Busy),
        ("ServiceUnavailable", Unavailable), ("AccessDenied", Misconfigured), ("InvalidInput", Misconfigured),
        ("InvalidChangeBatch", Misconfigured),
    ],
)  # fmt: skip
def test_route53_errors_name_the_operation(
    aws: StrictRoute53, operation: str, code: str, kind: type[Exception]
) -> None:
    aws.refusals[operation] = [code]
    call, doing = OPERATIONS[operation]
    with pytest.raises(
        kind, match=rf"^cannot {doing} .*\(parameter HostedZones must list the zone, .*{code}: Rate"
    ) as raised:
        call(TXTRecords(aws, None))  # type: ignore[no-untyped-call,arg-type]
    assert type(raised.value) is kind


def test_route53_errors_name_the_role(aws: StrictRoute53) -> None:
    aws.refusals["ListResourceRecordSets"] = ["AccessDenied"]
    role = "arn:aws:iam::111122223333:role/dns"
    with pytest.raises(Misconfigured, match=rf"\({role} must allow it\): AccessDenied"):
        TXTRecords(aws, role).values(SET)  # type: ignore[arg-type]


def test_cname_at_the_record_is_refused(aws: StrictRoute53) -> None:
    aws.put(SET.zone, SET.name, "elsewhere.example.", kind="CNAME")
    with pytest.raises(Misconfigured, match="conflicts with other records"):
        TXTRecords(aws, None).add(SET, "ours", nothing)  # type: ignore[arg-type]


def test_deletion_of_a_missing_set_succeeds(aws: StrictRoute53) -> None:
    records = TXTRecords(aws, None)  # type: ignore[arg-type]
    records.add(SET, "ours", nothing)
    records.remove(SET, "ours", aws.zones[SET.zone].records.clear)
    assert aws.calls.count("ChangeResourceRecordSets") == 2
    assert aws.texts(SET.name) == []


def test_deletion_keeps_a_value_added_meanwhile(aws: StrictRoute53) -> None:
    records = TXTRecords(aws, None)  # type: ignore[arg-type]
    records.add(SET, "ours", nothing)
    records.remove(SET, "ours", lambda: aws.put(SET.zone, SET.name, "ours", "theirs"))
    assert aws.texts(SET.name) == ["theirs"]


def test_deletion_ends_if_the_set_always_changes(aws: StrictRoute53) -> None:
    records, ttl = TXTRecords(aws, None), iter(range(100, 200))  # type: ignore[arg-type]
    records.add(SET, "ours", nothing)
    with pytest.raises(Busy, match="another program changes it; try again"):
        records.remove(SET, "ours", lambda: aws.put(SET.zone, SET.name, "ours", ttl=next(ttl)))
    assert aws.texts(SET.name) == ["ours"]


def test_strict_double_refuses_what_route53_refuses(aws: StrictRoute53) -> None:
    valid = {"Name": f"{SET.name}.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"a"'}]}
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("UPSERT", {"ResourceRecords": [{"Value": "a"}]}), ("UPSERT", {"ResourceRecords": []}),
        ("UPSERT", {"ResourceRecords": [{"Value": f'"{"x" * 256}"'}]}), ("UPSERT", {"Name": "example.net."}),
        ("UPSERT", {"ResourceRecords": [{"Value": '"a"'}] * 2}), ("DELETE", {}), ("UPSERT", {"Name": "badexample.com."}),
    ]  # fmt: skip
    for action, change in wrong:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": {**valid, **change}}]}
        with pytest.raises(ClientError, match="Invalid"):
            aws.change_resource_record_sets(HostedZoneId=SET.zone, ChangeBatch=batch)


def test_clients_are_made_once(world: World) -> None:
    clients = Route53Clients(world.operator, STACK_ID)
    role = "arn:aws:iam::111122223333:role/dns"
    assert clients.of(None) is clients.of(None)
    assert clients.of(role) is clients.of(role) is not clients.of(None)
