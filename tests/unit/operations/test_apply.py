"""Plan and execution of `apply`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.cli.files import KINDS
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Claim, Delivery, Facts, Failure, Pending, Record
from evercert.contracts.record_schema import SCHEMA
from evercert.contracts.spec_store import Change
from evercert.documents.spec import Component, Spec
from evercert.errors import Misconfigured, Rejected
from evercert.issuers import ISSUERS as ISSUER_TYPES
from evercert.issuers.self_signed import SelfSigned
from evercert.operations.apply import ApplyInput, Plan, _step, carry_out, plan
from evercert.operations.reissue import reissue_reason
from tests.doubles.fakes import START, Bench, FakeDestination, FakeQueue, FakeTable
from tests.doubles.fakes import spec as small

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
    return plan(ApplyInput(issuers, list(specs), prune), table, KINDS, START)


class LaggingTable(FakeTable):
    """A table whose index lacks the last writes."""

    def records(self, after: str | None = None) -> list[Record | Unreadable]:
        return []


def test_second_apply_at_once_sees_the_first() -> None:
    table = LaggingTable()
    carry_out(planned(table, web()), table, FakeQueue(), START)
    again = planned(table, web(ttl="30d"), web("api"))
    assert [(step.verb, step.name) for step in again.steps] == [("change", "web"), ("create", "api")]
    assert carry_out(again, table, FakeQueue(), START) is None


def applied(
    table: FakeTable, *specs: Spec, prune: dict[str, str] | None = None, issuers=ISSUERS, at_once=False
) -> FakeQueue:
    queue = FakeQueue()
    carry_out(planned(table, *specs, prune=prune, issuers=issuers), table, queue, START, at_once=at_once)
    return queue


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


def test_new_certificates_are_due_and_nudged(table: FakeTable) -> None:
    queue = applied(table, web("a"), web("b"))
    assert [nudge.certificate for nudge in queue.sent] == ["a", "b"]
    record = table.record("a")
    assert isinstance(record, Record)
    assert (record.generation, record.state, record.due_at) == (1, "new", START)


def test_repeated_apply_changes_nothing(table: FakeTable) -> None:
    applied(table, web())
    again = planned(table, web())
    assert again.empty
    assert again.unchanged == ["web"]


def test_change_is_listed_by_key(table: FakeTable) -> None:
    applied(table, web())
    result = planned(table, web(ttl="30d"))
    (step,) = result.steps
    assert (step.verb, step.differences) == ("change", [("attributes.ttl", None, "30d")])
    applied(table, web(ttl="30d"))
    assert table.record("web").generation == 2


def test_change_keeps_issuer_attributes(table: FakeTable) -> None:
    applied(table, web())
    table.items["certificate#web", "record"]["revision"] = {"N": "7"}
    applied(table, web(ttl="30d"))
    assert table.record("web").revision == 7


def test_unnamed_certificates_remain(table: FakeTable) -> None:
    applied(table, web("a"))
    applied(table, web("b"))
    assert table.record("a") is not None


def test_prune_deletes_by_label(table: FakeTable) -> None:
    applied(table, web("a"), web("b"))
    result = planned(table, web("b"), prune={"team": "web"})
    assert [(step.verb, step.name) for step in result.steps] == [("delete", "a")]
    assert planned(table, web("b"), prune={"team": "other"}).empty
    applied(table, web("b"), prune={"team": "web"})
    assert table.record("a") is None


def test_shared_secret_is_a_conflict(table: FakeTable) -> None:
    applied(table, web("a", secret="shared"))
    result = planned(table, web("b", secret="shared"))
    assert result.conflicts == ["b: secret shared belongs to certificate a of this stack"]


def test_secret_of_pruned_certificate_is_a_conflict(table: FakeTable) -> None:
    """The secret is tagged with the old name; delivery would refuse it indefinitely."""
    applied(table, web("a", secret="shared"))
    result = planned(table, web("b", secret="shared"), prune={"team": "web"})
    assert result.conflicts == ["b: secret shared belongs to certificate a of this stack"]


def test_unknown_destination_type_is_a_note(table: FakeTable) -> None:
    strange = web("strange").model_copy(update={"destinations": (Component(type="future"),)})
    table.write(
        [Change(Record(name="strange", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=strange, generation=1), None)],
        START,
    )
    result = planned(table, web())
    assert [step.name for step in result.steps] == ["web"]
    assert "strange in the stack: there is no destination type 'future'" in result.notes[0]


def test_newer_record_is_a_conflict(table: FakeTable) -> None:
    applied(table, web())
    table.items["certificate#web", "record"]["schema"] = {"N": str(SCHEMA + 1)}
    result = planned(table, web(ttl="30d"))
    assert result.conflicts == [
        f"web: its record was written by a newer evercert (schema {SCHEMA + 1}); use that version"
    ]
    assert result.steps == []


def test_undefined_issuer_is_a_conflict(table: FakeTable) -> None:
    assert planned(table, web(), issuers={}).conflicts == [
        "web: unknown issuer 'main': define it in the files or in the stack"
    ]


def test_unreadable_record_is_repaired(table: FakeTable) -> None:
    applied(table, web())
    table.items["certificate#web", "record"]["spec"] = {"S": "{}"}
    assert isinstance(table.record("web"), Unreadable)
    (step,) = planned(table, web()).steps
    assert step.verb == "repair"
    applied(table, web())
    assert isinstance(table.record("web"), Record)


def issued(table: FakeTable, *names: str, issuer_hash: str = "another issuer's") -> None:
    """Store the state after a run: delivered by an issuer with this identity, due in nine days."""
    facts = Facts(
        revision=1, serial_number="01", not_before=START, not_after=START + timedelta(days=9), fingerprint_sha256="x",
        common_name=None, names=(),
    )  # fmt: skip
    for name in names:
        table._set(name, {"facts": facts, "issuer_hash": issuer_hash, "due_at": START + timedelta(days=9)})


def test_changed_issuer_wakes_over_an_hour(table: FakeTable) -> None:
    names = [f"c{n}" for n in range(4)]
    applied(table, *map(web, names))
    issued(table, *names)
    queue = applied(table)
    assert [table.record(name).due_at - START for name in names] == [timedelta(minutes=15 * n) for n in range(4)]
    assert queue.sent == []


def test_next_apply_completes_interrupted_wake(table: FakeTable) -> None:
    """The record decides whether a certificate is woken, not the change of the definition in this apply."""
    applied(table, web("a"))
    issued(table, "a")
    table.write_issuer("main", ISSUERS["main"])
    assert planned(table).woken == ["a"]


def test_current_certificates_are_not_woken(table: FakeTable) -> None:
    applied(table, web("a"))
    issued(table, "a", issuer_hash=KINDS.issuers.identity_hash(ISSUERS["main"]))
    assert planned(table).woken == []


def test_failures_without_issuer_are_woken_first(table: FakeTable) -> None:
    applied(table, web("a"), web("b"))
    issued(table, "a")
    failure = Failure(kind="misconfigured", message="issuer 'main' is not defined", at=START, generation=1)
    table._set("b", {"last_error": failure, "due_at": START + timedelta(hours=9)})
    applied(table)
    assert table.record("b").due_at == START


def test_pending_at_other_issuer_is_woken(table: FakeTable) -> None:
    applied(table, web("a"))
    under_way = Pending(
        revision=1, reason="missing", generation=1, issuer="main", request_hash="x", issuer_hash="another issuer's",
        sealed_key="x", csr="x", handle="h", retry_at=START + timedelta(days=20),
    )  # fmt: skip
    table._set("a", {"pending": under_way, "due_at": START + timedelta(days=20)})
    assert planned(table).woken == ["a"]


def test_failure_at_other_issuer_is_woken(table: FakeTable) -> None:
    applied(table, web("a"))
    issued(table, "a", issuer_hash=KINDS.issuers.identity_hash(ISSUERS["main"]))
    failure = Failure(kind="rejected", message="no", at=START, generation=1, issuer_hash="another issuer's")
    table._set("a", {"last_error": failure})
    assert planned(table).woken == ["a"]


def test_now_wakes_and_nudges_at_once(table: FakeTable) -> None:
    applied(table, web("a"), web("b"))
    issued(table, "a", "b")
    queue = applied(table, at_once=True)
    assert {table.record(name).due_at for name in ("a", "b")} == {START}
    assert sorted(nudge.certificate for nudge in queue.sent) == ["a", "b"]


def test_refusing_queue_is_reported(table: FakeTable) -> None:
    queue = FakeQueue(error=Misconfigured("no permission"))
    error = carry_out(planned(table, web()), table, queue, START)
    assert str(error) == "no permission"
    assert table.record("web").due_at == START


def test_concurrent_change_is_refused(table: FakeTable) -> None:
    applied(table, web())
    mine = planned(table, web(ttl="30d"))
    applied(table, web(ttl="60d"))
    with pytest.raises(Rejected, match="web was changed concurrently"):
        carry_out(mine, table, FakeQueue(), START)
    assert table.record("web").spec == web(ttl="60d")


class Dying(FakeTable):
    """Crashes before its n-th write."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None

    def _count_down(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt

    def write(self, changes, due_at):
        self._count_down()
        super().write(changes, due_at)

    def write_issuer(self, name, definition):
        self._count_down()
        super().write_issuer(name, definition)

    def wake(self, name, at, now):
        self._count_down()
        super().wake(name, at, now)

    def remove(self, record):
        self._count_down()
        super().remove(record)


@pytest.mark.parametrize("left", range(8))
def test_repeated_apply_completes_crashed_one(left: int) -> None:
    table = Dying()
    applied(table, web("old"), web("woken"), web("other"))
    issued(table, "woken", "other")
    new = [web(f"c{n:03d}") for n in range(150)]
    arguments = {"prune": {"team": "web"}}
    table.left = left
    try:
        applied(table, *new, web("woken"), web("other"), **arguments)
    except KeyboardInterrupt:
        table.left = None
        applied(table, *new, web("woken"), web("other"), **arguments)
    table.left = None
    assert {record.name for record in table.records()} == {"woken", "other", *(spec.name for spec in new)}
    assert {table.record(name).due_at - START for name in ("other", "woken")} <= {timedelta(0), timedelta(minutes=30)}
    again = planned(table, *new, web("woken"), web("other"), **arguments)
    assert again.steps == []


def delivered(*destinations: dict[str, str]) -> FakeTable:
    """Return a table with a certificate that is delivered to these destinations."""
    table = FakeTable()
    before = small(destinations=list(destinations))
    record = Record(name="web", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=before, generation=1)
    table.write([Change(record, None)], START)
    held, _ = table.claim("web", Claim(id="mine", until=START), START)
    deliveries = {c.key: Delivery(revision=1, location=f"arn:{c.settings['secret']}") for c in before.destinations}
    table.release(held, {"deliveries": deliveries}, START, START)
    table.write_issuer("main", Component(type="self-signed"))
    return table


def test_removed_destination_is_noted() -> None:
    kept, gone = ({"type": "secrets-manager", "secret": f"evercert/certificates/{name}"} for name in ("a", "b"))
    planned = plan(ApplyInput({}, [small(destinations=[kept])]), delivered(kept, gone), KINDS, START)
    (note,) = planned.notes
    assert note.startswith("web: secrets-manager secret=evercert/certificates/b is no longer a destination")
    assert note.endswith("it keeps its certificate (arn:evercert/certificates/b)")


def test_changed_format_is_delivered_and_removes_nothing() -> None:
    secret = {"type": "secrets-manager", "secret": "evercert/certificates/a"}
    changed = small(destinations=[{**secret, "format": "pem"}])
    planned = plan(ApplyInput({}, [changed]), delivered(secret), KINDS, START)
    (step,) = planned.steps
    assert planned.notes == []
    record = step.change.record
    assert changed.destinations[0].key not in record.deliveries  # so that the next run delivers it


def test_repair_keeps_deliveries() -> None:
    """Without the deliveries an ACM certificate would get another ARN, and the old one would expire."""
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    bench.want(small())
    bench.run()
    before = bench.record()
    bench.table.items["certificate#web", "record"]["spec"] = {"S": "[1,2"}
    step = _step(before.spec, bench.table.record("web"))
    assert step.verb == "repair"
    bench.table.write([step.change], bench.clock())
    after = bench.record()
    assert (after.uid, after.revision, after.deliveries) == (before.uid, 1, before.deliveries)
    assert bench.run() == "certificate.issued"
    assert bench.record().revision == 2


# -- several issuers --------------------------------------------------------------------------------------------------
ACME = {"type": "acme", "directory": "https://acme.example.com/directory", "solvers": [{"type": "http-01"}]}
TWO = {"main": Component.model_validate({**ACME, "profile": "own"}), "second": Component.model_validate(ACME)}


def listed(name: str = "web", *names: str) -> Spec:
    document = {key: value for key, value in web(name).document().items() if key != "issuer"}
    return Spec.model_validate({**document, "issuers": list(names or ("main", "second"))})


def test_each_issuer_of_a_list_must_be_defined(table: FakeTable) -> None:
    found = planned(table, listed("web", "main", "unknown"), issuers=TWO)
    assert found.conflicts == ["web: unknown issuer 'unknown': define it in the files or in the stack"]


def identity(name: str) -> str:
    return KINDS.issuers.identity_hash(TWO[name])


@pytest.mark.parametrize("name", ["main", "second"])
def test_certificate_of_any_listed_issuer_is_not_woken(table: FakeTable, name: str) -> None:
    applied(table, listed(), issuers=TWO)
    issued(table, "web", issuer_hash=identity(name))
    assert planned(table, issuers=TWO).woken == []


def test_certificate_of_an_issuer_outside_the_list_is_woken(table: FakeTable) -> None:
    applied(table, listed(), issuers=TWO)
    issued(table, "web")
    assert planned(table, issuers={"second": TWO["second"]}).woken == ["web"]
    assert planned(table, issuers={"other": TWO["second"]}).woken == []


def test_failure_is_woken_by_a_change_of_any_listed_issuer(table: FakeTable) -> None:
    applied(table, listed(), issuers=TWO)
    failure = Failure(kind="misconfigured", message="no", at=START, generation=1, issuer_hash=identity("main"))
    table._set("web", {"last_error": failure})
    assert planned(table, issuers=TWO).woken == []
    changed = {"second": Component.model_validate({**ACME, "email": "ops@example.com"})}
    assert planned(table, issuers=changed).woken == ["web"]


def test_issued_undelivered_certificate_is_not_reissued() -> None:
    bench = Bench()
    definition = Component(type="self-signed")
    bench.table.write_issuer("main", definition)
    identity = ISSUER_TYPES.identity_hash(definition)
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), identity)
    two = small(to=("here", "there"))
    bench.want(two)
    bench.destinations.known["there"] = FakeDestination("there", errors=[Misconfigured("no permission")])
    bench.run()
    assert bench.table.record("web").state == "undelivered"
    record = bench.table.record("web")
    definitions = {"main": definition}
    labelled = record.model_copy(update={"spec": two.model_copy(update={"labels": {"team": "web"}}), "generation": 2})
    assert reissue_reason(labelled, definitions, ISSUER_TYPES, bench.clock()) is None
    attributes = two.attributes.model_copy(update={"common_name": "b.example.com"})
    renamed = record.model_copy(update={"spec": two.model_copy(update={"attributes": attributes}), "generation": 2})
    assert reissue_reason(renamed, definitions, ISSUER_TYPES, bench.clock()) == "spec-changed"
