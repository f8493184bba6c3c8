"""Contract of the inventory: the emulator's table and the double."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.contracts.inventory import Criteria, InvalidSearch, with_name
from evercert.authority.contracts.issuance_trail import OPERATOR
from evercert.aws.authority.inventory_index import InventoryIndex
from evercert.pki.identifiers import parse
from tests.doubles.authority.certificates import FakeCertificates, fingerprint
from tests.doubles.authority.stored import stored_certificates
from tests.doubles.fakes import START
from tests.doubles.read_meter import ReadMeter
from tests.doubles.world import World
from tests.samples.authority import CA, PROFILE, kept, leaf, requested

ALL = Criteria(START)


@pytest.fixture(params=["fake", "table"])
def certificates(request: pytest.FixtureRequest):
    return FakeCertificates() if request.param == "fake" else stored_certificates(request.getfixturevalue("world"))


def issue(certificates, *names: str, days: int = 90, **changes: Any):
    subject = {"common_name": (changes.pop("common_name", names[0]),)}
    found = leaf(subject=subject, names=tuple(parse(name) for name in names))
    request = certificates.open(requested(leaf=found, **changes), None)
    return certificates.finish(request, kept(request, not_after=START + timedelta(days=days)))


def search(certificates, criteria: Criteria, limit: int = 100) -> list[str]:
    """Return the ids on all pages."""
    found, cursor = [], None
    while True:
        page = certificates.search(criteria, limit, cursor)
        assert len(page.records) <= limit
        found += [one.id for one in page.records]
        if (cursor := page.cursor) is None:
            return found


def named(name: str, **changes: Any) -> Criteria:
    return with_name(replace(ALL, **changes), name)


def test_search_finds_a_name(certificates) -> None:
    first = issue(certificates, "www.example.com", "api.example.com")
    second = issue(certificates, "www.example.com", days=30)
    other = issue(certificates, "www.example.net", "10.0.0.7", common_name="Shop Floor")
    assert search(certificates, named("WWW.example.com")) == [second.id, first.id]
    assert search(certificates, named("api.example.com")) == [first.id]
    assert search(certificates, named("10.0.0.7")) == [other.id]
    assert search(certificates, named("shop floor")) == [other.id]
    assert search(certificates, named("example.com")) == []
    assert search(certificates, named("ww.example.com")) == []


def test_search_finds_a_zone_once_per_certificate(certificates) -> None:
    several = issue(certificates, "b.shop.example.com", "a.shop.example.com", "shop.example.com", "*.shop.example.com")
    other = issue(certificates, "www.example.com")
    issue(certificates, "www.notshop.example.net")
    assert search(certificates, named("*.shop.example.com")) == [several.id]
    assert search(certificates, named("*.a.shop.example.com")) == []
    for limit in (1, 2, 100):
        assert sorted(search(certificates, named("*.example.com"), limit)) == sorted([several.id, other.id])
    with pytest.raises(InvalidSearch, match="too wide"):
        search(certificates, named("*.com"))


def test_search_finds_a_fragment(certificates) -> None:
    found = issue(certificates, "www.Shop.example.com".lower())
    issue(certificates, "www.example.com")
    assert search(certificates, named("*shop*")) == [found.id]
    assert search(certificates, replace(ALL, fragment="shop.ex")) == [found.id]


def test_search_finds_serial_number_and_fingerprint(certificates) -> None:
    found, _ = issue(certificates, "www.example.com"), issue(certificates, "www.example.com")
    assert search(certificates, replace(ALL, serial_number=found.serial_number.lstrip("0"))) == [found.id]
    assert search(certificates, replace(ALL, fingerprint=fingerprint(found))) == [found.id]
    assert search(certificates, replace(ALL, fingerprint=fingerprint(found), profiles=(CA,))) == []
    assert search(certificates, replace(ALL, serial_number="7" * 39)) == []


def test_search_by_expiry_is_sorted(certificates) -> None:
    days = [40, 10, 30, 20, 50, 60, 70]
    found = {day: issue(certificates, "www.example.com", days=day).id for day in days}
    assert search(certificates, ALL, 2) == [found[day] for day in sorted(days)]
    between = replace(ALL, expires_after=START + timedelta(days=20), expires_before=START + timedelta(days=50))
    assert search(certificates, between, 3) == [found[day] for day in (20, 30, 40, 50)]
    assert search(certificates, named("www.example.com", expires_before=START + timedelta(days=15))) == [found[10]]
    assert search(certificates, replace(between, expires_before=START)) == []


def test_search_finds_profile_requester_and_status(certificates) -> None:
    identity = str(uuid.uuid4())
    own = issue(certificates, "www.example.com", identity=identity)
    other = issue(certificates, "api.example.com", profile=CA, days=10)
    ended = issue(certificates, "old.example.com", days=-1)
    certificates.revoke(own.id, START, "SUPERSEDED", OPERATOR)
    assert search(certificates, replace(ALL, identity=identity)) == [own.id]
    assert search(certificates, replace(ALL, identity=identity, profiles=(CA,))) == []
    assert search(certificates, replace(ALL, profiles=(CA,))) == [other.id]
    assert search(certificates, replace(ALL, profiles=(PROFILE, CA))) == [ended.id, other.id, own.id]
    assert search(certificates, replace(ALL, profiles=())) == []
    assert search(certificates, replace(ALL, status="revoked")) == [own.id]
    assert search(certificates, replace(ALL, status="expired")) == [ended.id]
    assert search(certificates, replace(ALL, status="active")) == [other.id]
    assert search(certificates, named("*.example.com", status="active", common_name="api.example.com")) == [other.id]


def test_pages_of_every_search_contain_each_certificate_once(certificates) -> None:
    chance = random.Random(7)
    identities = [str(uuid.uuid4()) for _ in range(2)]
    records = [
        issue(
            certificates, *[f"{chance.choice('abc')}{n}.{chance.choice(['x', 'y'])}.example.com" for n in range(2)],
            days=chance.randint(-3, 6), profile=chance.choice((PROFILE, CA)), identity=chance.choice(identities),
        )
        for _ in range(40)
    ]  # fmt: skip
    for one in records[::5]:
        certificates.revoke(one.id, START, "SUPERSEDED", OPERATOR)
    records = [certificates.certificate(one.id) for one in records]
    choices: list[list[dict[str, Any]]] = [
        [{}, {"zone": "example.com"}, {"zone": "x.example.com"}, {"name": "a0.x.example.com"}, {"fragment": "b1"}],
        [{}, {"profiles": (CA,)}, {"profiles": (CA, PROFILE, "third")}],
        [{}, {"identity": identities[0]}],
        [{}, {"status": "active"}, {"status": "expired"}, {"status": "revoked"}],
        [{}, {"expires_after": START, "expires_before": START + timedelta(days=4)}],
    ]
    for _ in range(40):
        criteria = replace(ALL, **{k: v for choice in choices for k, v in chance.choice(choice).items()})
        found = Counter(search(certificates, criteria, chance.choice((1, 3, 7, 100))))
        assert found == Counter(one.id for one in records if criteria.matches(one)), criteria


def test_cursor_is_for_the_same_search(certificates) -> None:
    for _ in range(3):
        issue(certificates, "www.example.com")
    cursor = certificates.search(ALL, 1).cursor
    assert len(certificates.search(replace(ALL, now=START + timedelta(hours=1)), 5, cursor).records) == 2
    for bad in (cursor, "x", "W10", "IiI", ""):
        with pytest.raises(InvalidSearch, match="the cursor belongs to another search"):
            certificates.search(replace(ALL, profiles=(PROFILE,)), 5, bad)


def test_certificate_with_most_names_is_found_by_each(certificates) -> None:
    """Its entries do not fit into one transaction."""
    names = [f"host-{number}.example.com" for number in range(100)]
    found = issue(certificates, *names, common_name="host")
    for name in (names[0], names[50], names[99], "host"):
        assert search(certificates, named(name)) == [found.id]
    assert search(certificates, named("*.example.com"), 2) == [found.id]
    assert search(certificates, named("*host-77*")) == [found.id]


# -- DynamoDB only ---------------------------------------------------------------------------------------------------------
def test_page_costs_three_reads(world: World) -> None:
    certificates = stored_certificates(world)
    identity = str(uuid.uuid4())
    for number in range(12):
        issue(
            certificates,
            f"w{number % 3}.example.com",
            days=number,
            identity=identity,
            profile=(PROFILE, CA)[number % 2],
        )
    searches = [
        ALL, named("w1.example.com"), named("*.example.com"), named("*w1*"), replace(ALL, identity=identity, profiles=(CA,)),
        replace(ALL, profiles=(CA, PROFILE)), replace(ALL, status="revoked"), replace(ALL, fingerprint="0" * 64),
        replace(ALL, serial_number="1"), replace(ALL, profiles=(CA, PROFILE, "x"), status="active"),
    ]  # fmt: skip
    for criteria in searches:
        with ReadMeter(world.operator.dynamodb) as meter:
            certificates.search(criteria, 4)
        assert meter.calls.total() <= 3, (criteria, meter.calls)


def test_reindex_adds_certificates_without_entries(world: World) -> None:
    table = world.authority_table("AuthorityTable")
    certificates, client = stored_certificates(world, table), world.operator.dynamodb
    found = [issue(certificates, f"w{number}.example.com", days=number) for number in range(1, 5)]
    certificates.revoke(found[0].id, START, "SUPERSEDED", OPERATOR)
    for item in client.scan(TableName=table)["Items"]:
        if item["pk"]["S"].startswith("inventory#"):
            client.delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})
    spoiled = {"pk": {"S": "certificate#x"}, "sk": {"S": "certificate"}}
    client.put_item(TableName=table, Item=spoiled)
    assert search(certificates, ALL) == []
    index = InventoryIndex(client, table)
    for _ in range(2):  # idempotent
        assert list(index.add_all())[-1] == 5
    assert index.unreadable == ["certificate#x"] * 2
    assert search(certificates, ALL) == [one.id for one in found]
    assert search(certificates, named("w2.example.com")) == [found[1].id]
    assert search(certificates, replace(ALL, status="revoked")) == [found[0].id]


def test_entry_without_its_certificate_is_ignored(world: World) -> None:
    """Such an entry remains after a crash between the two transactions of a certificate with many names."""
    table = world.authority_table("AuthorityTable")
    certificates = stored_certificates(world, table)
    lost, found = issue(certificates, "www.example.com", days=1), issue(certificates, "www.example.com")
    key = {"pk": {"S": f"certificate#{lost.id}"}, "sk": {"S": "certificate"}}
    world.operator.dynamodb.delete_item(TableName=table, Key=key)
    assert search(certificates, named("www.example.com"), 1) == [found.id]
