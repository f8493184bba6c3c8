"""What `apply` would change, and how it changes it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.applying import Plan, Wanted, carry_out, plan
from evercert.destinations import DESTINATIONS
from evercert.errors import Rejected
from evercert.ports import Unreadable
from evercert.record import Record
from evercert.spec import Component, Spec
from tests.fakes import START, FakeQueue, FakeTable

ISSUERS = {"main": Component(type="self-signed")}


def web(name: str = "web", secret: str | None = None, **attributes: object) -> Spec:
    return Spec.model_validate(
        {
            "name": name,
            "issuer": "main",
            "attributes": {"common-name": f"{name}.example.com", **attributes},
            "destinations": [{"type": "secrets-manager", "secret": secret or f"evercert/certificates/{name}"}],
            "labels": {"team": "web"},
        }
    )


def planned(table: FakeTable, *specs: Spec, prune: dict[str, str] | None = None, issuers=ISSUERS) -> Plan:
    return plan(Wanted(issuers, list(specs), prune), table, DESTINATIONS)


def applied(
    table: FakeTable, *specs: Spec, prune: dict[str, str] | None = None, issuers=ISSUERS, at_once=False
) -> FakeQueue:
    queue = FakeQueue()
    carry_out(planned(table, *specs, prune=prune, issuers=issuers), table, queue, START, at_once=at_once)
    return queue


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


def test_new_certificates_are_created_due_and_nudged(table: FakeTable) -> None:
    queue = applied(table, web("a"), web("b"))
    assert [nudge.certificate for nudge in queue.sent] == ["a", "b"]
    record = table.record("a")
    assert isinstance(record, Record)
    assert (record.generation, record.state, record.due_at) == (1, "new", START)


def test_applying_the_same_again_changes_nothing(table: FakeTable) -> None:
    applied(table, web())
    again = planned(table, web())
    assert again.empty
    assert again.unchanged == ["web"]


def test_a_change_is_shown_key_by_key_and_raises_the_generation(table: FakeTable) -> None:
    applied(table, web())
    result = planned(table, web(ttl="30d"))
    (step,) = result.steps
    assert (step.verb, step.differences) == ("change", [("attributes.ttl", None, "30d")])
    applied(table, web(ttl="30d"))
    assert table.record("web").generation == 2


def test_a_change_keeps_what_the_issuer_wrote(table: FakeTable) -> None:
    applied(table, web())
    table.items["certificate#web", "record"]["revision"] = {"N": "7"}
    applied(table, web(ttl="30d"))
    assert table.record("web").revision == 7


def test_what_the_files_do_not_name_stays(table: FakeTable) -> None:
    applied(table, web("a"))
    applied(table, web("b"))
    assert table.record("a") is not None


def test_prune_deletes_only_what_has_the_label_and_no_file_names(table: FakeTable) -> None:
    applied(table, web("a"), web("b"))
    result = planned(table, web("b"), prune={"team": "web"})
    assert [(step.verb, step.name) for step in result.steps] == [("delete", "a")]
    assert planned(table, web("b"), prune={"team": "other"}).empty
    applied(table, web("b"), prune={"team": "web"})
    assert table.record("a") is None


def test_two_certificates_in_one_secret_conflict_across_applies(table: FakeTable) -> None:
    applied(table, web("a", secret="shared"))
    result = planned(table, web("b", secret="shared"))
    assert result.conflicts == ["b: secret shared is already written by certificate a of this stack"]


def test_a_secret_may_move_from_a_pruned_certificate_to_a_new_one(table: FakeTable) -> None:
    applied(table, web("a", secret="shared"))
    assert planned(table, web("b", secret="shared"), prune={"team": "web"}).conflicts == []


def test_an_undefined_issuer_is_a_conflict(table: FakeTable) -> None:
    assert planned(table, web(), issuers={}).conflicts == [
        "web: issuer 'main' is defined neither in the files nor in the stack"
    ]


def test_a_record_that_does_not_parse_is_repaired(table: FakeTable) -> None:
    applied(table, web())
    table.items["certificate#web", "record"]["spec"] = {"S": "{}"}
    assert isinstance(table.record("web"), Unreadable)
    (step,) = planned(table, web()).steps
    assert step.verb == "repair"
    applied(table, web())
    assert isinstance(table.record("web"), Record)


def test_a_changed_issuer_wakes_its_certificates_spread_over_an_hour(table: FakeTable) -> None:
    applied(table, *(web(f"c{n}") for n in range(4)))
    for n in range(4):
        table.wake(f"c{n}", START)
        table._set(f"c{n}", {"due_at": START + timedelta(days=9)})
    queue = applied(table, issuers={"main": Component.model_validate({"type": "self-signed", "x": 1})})
    dues = sorted(table.record(f"c{n}").due_at - START for n in range(4))
    assert dues == [timedelta(minutes=15 * n) for n in range(4)]
    assert queue.sent == []


def test_with_now_a_changed_issuer_wakes_them_at_once(table: FakeTable) -> None:
    applied(table, web("a"), web("b"))
    for name in ("a", "b"):
        table._set(name, {"due_at": START + timedelta(days=9)})
    queue = applied(table, issuers={"main": Component.model_validate({"type": "self-signed", "x": 1})}, at_once=True)
    assert {table.record(name).due_at for name in ("a", "b")} == {START}
    assert sorted(nudge.certificate for nudge in queue.sent) == ["a", "b"]


def test_a_change_by_somebody_else_meanwhile_is_refused(table: FakeTable) -> None:
    applied(table, web())
    mine = planned(table, web(ttl="30d"))
    applied(table, web(ttl="60d"))
    with pytest.raises(Rejected, match="web was changed by somebody else"):
        carry_out(mine, table, FakeQueue(), START)
    assert table.record("web").spec == web(ttl="60d")


def test_an_interrupted_apply_is_finished_by_repeating_it(table: FakeTable) -> None:
    specs = [web(f"c{n:03d}") for n in range(150)]

    class Dying(FakeTable):
        writes = 0

        def write(self, changes, due_at):
            self.writes += 1
            if self.writes == 2:
                raise KeyboardInterrupt
            super().write(changes, due_at)

    dying = Dying()
    with pytest.raises(KeyboardInterrupt):
        applied(dying, *specs)
    assert len(dying.records()) == 100
    applied(dying, *specs)
    assert len(dying.records()) == 150
