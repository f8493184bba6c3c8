"""The solver for Route 53 on the strict double, and on the emulator with the issuer's own wiring."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from evercert.aws.dynamodb.leases import DynamoDBLeases
from evercert.aws.route53 import Route53Clients
from evercert.contracts.solver import LONGEST_LEASE, Lease, LeasedValue, Presented
from evercert.errors import Misconfigured, NotYet, Rejected, Unavailable
from evercert.solvers.context import RegisteredSolvers, Route53Context, SolverContext
from evercert.solvers.route53 import LEASE_BUSY, LOOK_AGAIN, Route53
from tests.doubles.fakes import START, HandClock
from tests.doubles.route53 import NAME, RECORD, Bench, FakeCNAMEs, challenge, value
from tests.doubles.world import STACK_ID, World

ROLE = "arn:aws:iam::111122223333:role/dns"
SOON = LOOK_AGAIN
OTHERS = frozenset({LeasedValue(value(9), START)})


@pytest.fixture
def bench() -> Bench:
    return Bench()


def looks(bench: Bench, presented: Presented, number: int = 0) -> list[bool]:
    """Look until the CA may look; return the answers."""
    found = []
    while presented.look_at is not None and len(found) < 9:
        assert presented.look_at == bench.clock() + SOON
        bench.clock.now = presented.look_at
        presented = bench.solver().look(challenge(number), presented.notes)
        found.append(presented.look_at is None)
    return found


# -- one challenge ----------------------------------------------------------------------------------------------------
def test_answer_is_published_and_removed(bench: Bench) -> None:
    presented = bench.solver().present(challenge())
    assert presented.look_at == START + LOOK_AGAIN
    assert bench.texts() == [value()]
    bench.solver().clean_up(challenge(), presented.notes)
    assert bench.aws.zones[bench.zone].records == []
    assert bench.leases.held == {}


def test_look_waits_until_all_name_servers_have_it(bench: Bench) -> None:
    presented = bench.solver().present(challenge())
    assert looks(bench, presented) == [False, False, True]
    assert bench.aws.calls.count("ChangeResourceRecordSets") == 1


def test_look_keeps_the_notes_and_changes_nothing(bench: Bench) -> None:
    notes = bench.solver().present(challenge()).notes
    bench.leases.held.clear()
    assert bench.solver().look(challenge(), notes).notes == notes
    assert bench.aws.calls[-1] == "GetChange"


def test_unknown_change_is_in_sync_if_the_value_is_there(bench: Bench) -> None:
    notes = bench.solver().present(challenge()).notes
    bench.aws.changes.clear()
    assert bench.solver().look(challenge(), notes) == Presented(notes)


def test_unknown_change_without_the_value_is_unavailable(bench: Bench) -> None:
    notes = bench.solver().present(challenge()).notes
    bench.aws.changes.clear()
    bench.aws.put(bench.zone, RECORD, value(1))
    with pytest.raises(Unavailable, match=r"lost its value; check which other program writes it$"):
        bench.solver().look(challenge(), notes)
    assert bench.texts() == [value(1)]


BROKEN = ["", "{}", "[]", "1", "no", '{"zone":"Z1","name":"a"}', '{"zone":"Z1","name":"a","change":1}',
          '{"zone":"Z1","name":"","change":"C1"}', '{"zone":null,"name":"a","change":"C1"}']  # fmt: skip


@pytest.mark.parametrize("notes", BROKEN)
def test_edited_notes_are_reported(bench: Bench, notes: str) -> None:
    bench.solver().present(challenge())
    with pytest.raises(Misconfigured, match=r"the stored notes for shop.example.com do not parse; run: evercert renew"):
        bench.solver().look(challenge(), notes)
    bench.solver().clean_up(challenge(), notes)
    assert bench.texts() == []


def test_clean_up_uses_the_zone_of_the_notes(bench: Bench) -> None:
    notes = bench.solver().present(challenge()).notes
    bench.aws.create_zone(NAME)
    bench.cnames.targets[RECORD] = None
    bench.solver().clean_up(challenge(), notes)
    assert bench.texts() == []


# -- several challenges -----------------------------------------------------------------------------------------------
def test_apex_and_wildcard_share_one_set(bench: Bench) -> None:
    notes = [bench.solver().present(challenge(n, wildcard=n == 1)).notes for n in range(2)]
    assert bench.texts() == sorted([value(0), value(1)])
    bench.solver().clean_up(challenge(0), notes[0])
    assert bench.texts() == [value(1)]
    bench.solver().clean_up(challenge(1, wildcard=True), notes[1])
    assert bench.aws.zones[bench.zone].records == []


def test_values_of_other_programs_remain(bench: Bench) -> None:
    bench.aws.put(bench.zone, RECORD, "theirs")
    notes = bench.solver().present(challenge()).notes
    assert bench.texts() == sorted([value(), "theirs"])
    bench.solver().clean_up(challenge(), notes)
    assert bench.texts() == ["theirs"]


# -- leases -----------------------------------------------------------------------------------------------------------
def test_busy_lease_is_not_yet(bench: Bench) -> None:
    resource = f"{bench.zone}#{RECORD}"
    bench.leases.take(Lease(resource, "other", START + LONGEST_LEASE, OTHERS), START)
    for call in (lambda: bench.solver().present(challenge()), lambda: bench.solver().clean_up(challenge(), "")):
        with pytest.raises(NotYet, match=f"another run changes the record {RECORD}") as raised:
            call()
        assert raised.value.until == bench.clock() + LEASE_BUSY
    assert bench.texts() == []
    assert set(bench.aws.calls) == {"ListHostedZonesByName"}
    assert bench.leases.held[resource][0] == "other"


def test_lease_that_ends_soon_is_waited_for(bench: Bench) -> None:
    bench.leases.take(Lease(f"{bench.zone}#{RECORD}", "other", START + timedelta(seconds=2), OTHERS), START)
    bench.solver().present(challenge())
    assert bench.texts() == [value()]
    assert bench.clock() == START + timedelta(seconds=2)


def test_slow_run_does_not_write_after_its_lease(bench: Bench) -> None:
    """A run that stops after its read must not overwrite what another run has written meanwhile."""

    def stop() -> None:
        bench.clock.advance(seconds=61)
        bench.present(1)

    bench.switch.arm(bench_calls(bench)["ListResourceRecordSets"], "after", stop)
    with pytest.raises(NotYet, match=r"reading _acme-challenge.shop.example.com took too long to write it safely"):
        bench.solver().present(challenge())
    assert bench.texts() == [value(1)]
    assert bench.leases.held == {}


def bench_calls(bench: Bench) -> dict[str, int]:
    """Return the number of each call of `present`."""
    other = Bench()
    other.switch.arm(None)
    other.solver().present(challenge())
    return {name: number for number, name in enumerate(other.switch.calls, 1)}


@pytest.mark.parametrize("code", ["Throttling", "AccessDenied", "PriorRequestNotComplete"])
def test_lease_is_released_after_an_error(bench: Bench, code: str) -> None:
    for operation in ("ListResourceRecordSets", "ChangeResourceRecordSets"):
        bench.aws.refusals[operation] = [code]
        with pytest.raises((Unavailable, Misconfigured)):
            bench.solver().present(challenge())
        assert bench.leases.held == {}
    bench.solver().present(challenge())
    assert bench.texts() == [value()]


def test_lease_that_cannot_be_released_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise Unavailable("lost")

    with monkeypatch.context() as patched:
        patched.setattr(bench.leases, "release", lost)
        notes = bench.solver().present(challenge()).notes
    bench.clean_up(0, notes)
    assert bench.texts() == []
    assert bench.clock() >= START + LONGEST_LEASE


# -- places -----------------------------------------------------------------------------------------------------------
def test_cname_leads_to_another_zone(bench: Bench) -> None:
    target = "_acme-challenge.shop.dns.example.net"
    bench.cnames.targets = {RECORD: "_acme-challenge.hop.example.org", "_acme-challenge.hop.example.org": target}
    zone = bench.aws.create_zone("dns.example.net")
    presented = bench.solver().present(challenge())
    assert (bench.aws.texts(target, zone), bench.texts()) == ([value()], [])
    assert bench.cnames.asked == [RECORD, "_acme-challenge.hop.example.org", target]
    assert looks(bench, presented)[-1]
    bench.solver().clean_up(challenge(), presented.notes)
    assert bench.aws.zones[zone].records == []


def test_failed_lookup_is_unavailable(bench: Bench) -> None:
    bench.cnames.targets[RECORD] = None
    for call in (lambda: bench.solver().present(challenge()), lambda: bench.solver().check(NAME)):
        with pytest.raises(Unavailable, match="cannot look up the CNAME"):
            call()
    assert bench.aws.calls == []


@pytest.mark.parametrize("target", ["a b.example.com", "a*.example.com", "a\\032b.example.com", "x" * 255])
def test_cname_to_an_invalid_name_is_refused(bench: Bench, target: str) -> None:
    bench.cnames.targets[RECORD] = target
    with pytest.raises(Misconfigured, match=r"to which the CNAME of .* leads: not a host name; correct the CNAME$"):
        bench.solver().present(challenge())


@pytest.mark.parametrize(
    ("settings", "account"),
    [({}, "the stack's account"), ({"role": ROLE}, "account 111122223333")],
    ids=["here", "role"],
)
def test_missing_zone_is_misconfigured(bench: Bench, settings: dict[str, str], account: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        bench.solver(**settings).present(challenge(name="shop.example.net"))
    assert str(raised.value) == (
        f"cannot solve dns-01 for shop.example.net: no public hosted zone in {account} contains "
        "_acme-challenge.shop.example.net; create the zone, or set role of the solver to a role in the account that has it"
    )
    bench.cnames.targets[RECORD] = "_acme-challenge.example.net"
    with pytest.raises(
        Misconfigured, match=f"_acme-challenge.example.net, to which the CNAME of {RECORD} leads; create"
    ):
        bench.solver(**settings).check(NAME)


def test_zone_id_chooses_among_equal_zones(bench: Bench) -> None:
    second = bench.aws.create_zone("example.com")
    with pytest.raises(Misconfigured, match="set zone-id"):
        bench.solver().present(challenge())
    bench.solver(**{"zone-id": second}).present(challenge())
    assert bench.aws.texts(RECORD, second) == [value()]
    assert bench.aws.texts(RECORD, bench.zone) == []


def test_zone_id_of_another_domain_is_refused(bench: Bench) -> None:
    other = bench.aws.create_zone("example.net")
    with pytest.raises(Misconfigured, match="is not permitted in zone"):
        bench.solver(**{"zone-id": other}).present(challenge())


def test_role_has_its_own_client(bench: Bench) -> None:
    bench.solver(role=ROLE).present(challenge())
    assert bench.roles == [ROLE]


# -- check ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [NAME, f"*.{NAME}"])
def test_check_changes_nothing(bench: Bench, name: str) -> None:
    bench.solver().check(name)
    assert set(bench.aws.calls) == {"ListHostedZonesByName", "ListResourceRecordSets"}
    assert bench.leases.held == {}
    assert bench.cnames.asked == [RECORD]


@pytest.mark.parametrize("name", ["192.0.2.1", "2001:db8::1"])
def test_check_rejects_addresses(bench: Bench, name: str) -> None:
    with pytest.raises(
        Rejected, match=f"^dns-01 cannot prove control of the IP address {name}: choose http-01 for it$"
    ):
        bench.solver().check(name)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"zone-id": "z1"}, "must be the id of a hosted zone"), ({"zone-id": "Z1/../Z2"}, "must be the id"),
        ({"zone-id": ""}, "must be the id"), ({"zone-id": "/hostedzone/Z1"}, "must be the id"),
        ({"role": "dns"}, "must be the ARN of a role"), ({"role": "arn:aws:iam::1:role/x"}, "must be the ARN of a role"),
        ({"zone": "Z1"}, "Extra inputs"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_are_validated(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Route53.Settings.model_validate(settings)


def test_solver_needs_the_issuers_resources() -> None:
    with pytest.raises(Misconfigured, match="only the issuer function has access to Route 53"):
        RegisteredSolvers(SolverContext()).open("route53", {})


# -- emulator ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def open_solver(world: World) -> Callable[..., Any]:
    clients, clock = Route53Clients(world.clients, STACK_ID), HandClock()
    leases = DynamoDBLeases(world.clients.dynamodb, world.table)
    context = Route53Context(clients.of, leases, FakeCNAMEs(), clock, lambda span: None)
    return lambda **settings: RegisteredSolvers(SolverContext(route53=context)).open("route53", settings)


def test_order_for_apex_and_wildcard_on_the_emulator(world: World, open_solver: Callable[..., Any]) -> None:
    domain = f"d{uuid.uuid4().hex[:10]}.example"
    client = world.operator.client("route53")
    zone = client.create_hosted_zone(Name=domain, CallerReference=domain)["HostedZone"]["Id"]
    challenges = [challenge(number, domain, wildcard=number == 1) for number in range(2)]
    open_solver().check(f"*.{domain}")
    presented = [open_solver().present(one) for one in challenges]
    while any(one.look_at for one in presented):
        presented = [open_solver().look(one, was.notes) for one, was in zip(challenges, presented, strict=True)]

    def texts() -> list[str]:
        sets = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        return sorted(value["Value"] for one in sets if one["Type"] == "TXT" for value in one["ResourceRecords"])

    assert texts() == sorted(f'"{value(number)}"' for number in range(2))
    for one, was in zip(challenges, presented, strict=True):
        open_solver().clean_up(one, was.notes)
        assert f'"{value(int(one.token))}"' not in texts()
    assert texts() == []
    assert not any("owner" in item for item in world.items())
