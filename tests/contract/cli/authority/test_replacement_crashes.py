"""Replace a CA on the emulator: a run that dies at any step is resumed, with one new key and no gap for a profile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evercert.authority.ca.definition import CA
from evercert.authority.configuration.profiles import Profile
from evercert.authority.policy.policy import Policy
from evercert.cli.authority import ceremony, replacement
from evercert.cli.authority.replacement import ReplaceOptions
from evercert.errors import Rejected
from tests.contract.cli.authority.test_ceremony import EC_ONLY, NOW, Ceremony
from tests.doubles.world import Killed, World
from tests.tools.openssl import verify

PROFILES = ("shop/a", "shop/b", "shop/c")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacement, "BATCH", 2)  # so that the profiles need two transactions


def profile(key: str) -> Profile:
    project, _, slug = key.partition("/")
    fields: dict[str, Any] = {"id": slug, "project": project, "slug": slug, "cas": ("issuing-ec",)}
    return Profile.model_validate({**fields, "policy-name": "p", "policy": Policy()})


def begun(world: World) -> Ceremony:
    of = Ceremony(world)
    ceremony.establish(of.context(), EC_ONLY)
    of.context().configuration.write(*map(profile, PROFILES))
    return of


def run(of: Ceremony, **options: Any) -> CA:
    context, chosen = of.context(), ReplaceOptions(**options)
    old = context.configuration.ca_named("issuing-ec")
    assert old is not None
    return replacement.run(context, replacement.plan(context.configuration, old, chosen), chosen, lambda new: None)


def check_no_gap(of: Ceremony) -> None:
    """Assert that every profile has a CA that issues."""
    configuration = of.context().configuration
    active = {ca.name for ca in configuration.cas() if ca.status == "active"}
    for one in configuration.profiles():
        assert set(one.cas) <= active, one


def check_done(of: Ceremony) -> None:
    configuration = of.context().configuration
    assert {name: len(keys) for name, keys in of.keys().items()} == {"root": 1, "issuing-ec": 1, "issuing-ec-2": 1}
    root, old, new = (configuration.ca_named(name) for name in ("root", "issuing-ec", "issuing-ec-2"))
    assert root is not None
    assert old is not None
    assert new is not None
    assert len(configuration.cas()) == 3
    assert (old.status, old.replaced_by, new.status, len(new.installed)) == ("retired", new.id, "active", 1)
    assert [one.cas for one in configuration.profiles()] == [("issuing-ec-2",)] * len(PROFILES)
    assert verify(new.current.certificate, trusted=root.current.certificate, chain=new.current.chain) == "OK"


def test_replace_resumes_after_a_crash_at_each_call(small: None, world: World) -> None:
    of = begun(world)
    world.switch.arm(None)
    run(of)
    calls = len(world.switch.calls)
    check_done(of)
    assert calls > 15
    for when in ("before", "after"):
        for at in range(1, calls + 1):
            world.switch.listening = False
            of = begun(world)
            world.switch.arm(at, when)
            with pytest.raises(Killed):
                run(of)
            world.switch.listening = False
            check_no_gap(of)
            run(of)
            check_done(of)
    world.switch.listening = False


def test_replace_refuses_a_ca_that_changed_meanwhile(world: World) -> None:
    of = begun(world)
    context, options = of.context(), ReplaceOptions()
    old = context.configuration.ca_named("issuing-ec")
    assert old is not None
    plan = replacement.plan(context.configuration, old, options)

    def disable(new: CA) -> None:
        other = of.context().configuration
        seen = other.ca_named("issuing-ec")
        assert seen is not None
        other.write(seen.model_copy(update={"status": "disabled"}))
        context.configuration.cas()  # the command reads all CAs before it moves the profiles

    with pytest.raises(Rejected, match="CA issuing-ec was changed meanwhile by another operator"):
        replacement.run(context, plan, options, disable)
    found = of.context().configuration
    assert found.ca_named("issuing-ec").status == "disabled"  # type: ignore[union-attr]
    assert {one.cas for one in found.profiles()} == {("issuing-ec",)}


def test_replace_moves_no_profile_to_a_disabled_ca(world: World) -> None:
    of = begun(world)
    context, options = of.context(), ReplaceOptions()
    old = context.configuration.ca_named("issuing-ec")
    assert old is not None
    plan = replacement.plan(context.configuration, old, options)

    def disable(new: CA) -> None:
        other = of.context().configuration
        seen = other.ca(new.id)
        assert seen is not None
        other.write(seen.model_copy(update={"status": "disabled"}))

    with pytest.raises(Rejected, match="CA issuing-ec-2 was changed meanwhile"):
        replacement.run(context, plan, options, disable)
    check_no_gap(of)


def test_two_operators_create_one_replacement(world: World) -> None:
    of = begun(world)
    first, second = of.context(), of.context()
    plans = []
    for context in (first, second):
        old = context.configuration.ca_named("issuing-ec")
        assert old is not None
        plans.append(replacement.plan(context.configuration, old, ReplaceOptions()))
    replacement.run(first, plans[0], ReplaceOptions(), lambda new: None)
    with pytest.raises(Rejected, match="CA issuing-ec was changed meanwhile"):
        replacement.run(second, plans[1], ReplaceOptions(), lambda new: None)
    check_done(of)


def test_replace_moves_profiles_of_concurrent_changes(world: World) -> None:
    """A call of the API may give a profile to the old CA while the profiles move."""
    of = begun(world)
    run(of, profiles=frozenset(PROFILES[:1]))
    check_no_gap(of)
    run(of)
    check_done(of)
    late = of.context().configuration
    late.write(profile("shop/late"))
    found = run(of)
    assert found.name == "issuing-ec-2"
    assert {one.cas for one in of.context().configuration.profiles()} == {("issuing-ec-2",)}


def test_replacement_begins_before_its_first_requests(world: World) -> None:
    """A function whose clock is late would refuse certificates that begin before their CA."""
    of = begun(world)
    context, options = of.context(NOW + timedelta(days=10)), ReplaceOptions()
    old = context.configuration.ca_named("issuing-ec")
    assert old is not None
    plan = replacement.plan(context.configuration, old, options)
    new = replacement.run(context, plan, options, lambda new: None)
    assert new.current.x509.not_valid_before_utc == NOW + timedelta(days=9)
    assert new.current.x509.not_valid_after_utc == NOW + timedelta(days=10 + 1825)


def test_replaced_ca_completes_requests_for_an_hour() -> None:
    now = datetime.now(UTC)
    ca = CA(id="1", name="a", kind="issuing", status="retired", key="", algorithm="EC_prime256v1",
            **{"retired-at": now})  # fmt: skip
    hour = timedelta(hours=1)
    assert ca.may_sign(now + hour - timedelta(seconds=1))
    assert not ca.may_sign(now + hour)
    assert not ca.model_copy(update={"retired_at": None}).may_sign(now)
    assert not ca.model_copy(update={"status": "disabled"}).may_sign(now)
    assert ca.model_copy(update={"status": "active"}).may_sign(now + hour)
