"""Plans of `apply` name the secrets of credentials and never show their values."""

import io
import json
from uuid import uuid4

from rich.console import Console

from evercert.cli import plan_text
from evercert.cli.files import KINDS
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change
from evercert.documents.spec import Component
from evercert.operations import summaries
from evercert.operations.apply import ApplyInput, Plan, plan
from tests.doubles.fakes import START, FakeTable
from tests.doubles.fakes import spec as small
from tests.doubles.raw_server import bundle

NAMES = {"evercert/credentials/a": "create", "evercert/credentials/b": "change", "evercert/credentials/c": "unchanged"}


def shown(plan, **how):
    console = Console(file=io.StringIO(), width=200)
    plan_text.print_plan(console, plan, **how)
    return console.file.getvalue().splitlines()


def test_plan_names_the_secrets_of_credentials():
    assert shown(Plan(credentials=NAMES)) == [
        "+ credentials: stored in secret evercert/credentials/a (create)",
        "~ credentials: stored in secret evercert/credentials/b (change)",
        "  credentials: stored in secret evercert/credentials/c (unchanged)",
    ]


def test_plan_says_when_other_certificates_follow():
    follows = Plan(woken=["a", "b"])
    assert shown(follows) == [
        "2 more will be reissued or retried within an hour (with --now: now), because their issuer or its credentials changed"
    ]
    assert shown(follows, at_once=True) == [
        "2 more will be reissued or retried now, because their issuer or its credentials changed"
    ]


def test_plan_with_a_changed_credential_is_not_empty():
    assert not Plan(credentials={"a": "change"}).empty
    assert Plan(credentials={"a": "unchanged"}).empty
    assert shown(Plan(credentials={"a": "unchanged"}))[-1] == "no changes"


def test_plan_values_include_credentials():
    assert plan_text.values(Plan(credentials=NAMES)) == {
        "credentials": NAMES,
        "issuers": [],
        "redefined": {},
        "steps": [],
        "unchanged": [],
        "woken": [],
    }


def test_plan_shows_issuer_changes_key_by_key():
    table = FakeTable()
    before = {"type": "infisical", "auth": {"type": "aws-iam", "identity-id": "one"}, "ca-bundle": bundle()}
    after = {
        "type": "infisical",
        "auth": {"type": "aws-iam", "identity-id": "two"},
        "ca-bundle": f"# another\n{bundle()}",
    }
    table.write_issuer("shop", Component.model_validate(before))
    for definition, lines in (
        (after, ["~ issuer shop (change)", "    auth.identity-id: one → two", "    ca-bundle: changed"]),
        (before, ["no changes"]),
    ):
        wanted = ApplyInput({"shop": Component.model_validate(definition)}, [])
        assert shown(plan(wanted, table, KINDS, START)) == lines


def wanted(**changes):
    where = {"type": "secrets-manager", "secret": "evercert/certificates/web"}
    return small(destinations=[where], **changes)


def test_hook_commands_are_never_shown():
    hooks = {"post-hooks": {"on-renewal": {"command": "curl -H 'Authorization: Bearer s3cret' https://x.example"}}}
    record = Record(name="web", uid=str(uuid4()), spec=wanted(agent=hooks), generation=1)
    table = FakeTable()
    table.write([Change(record, None)], START)
    other = wanted(agent={"post-hooks": {"on-renewal": {"command": "s3cret"}}})
    planned = plan(ApplyInput({"main": Component(type="self-signed")}, [other]), table, KINDS, START)
    assert "    agent.post-hooks.on-renewal.command: changed" in shown(planned)
    assert "s3cret" not in json.dumps(plan_text.values(planned))
    assert summaries.detail(record)["spec"]["agent"] == ["post-hooks"]
    assert "s3cret" not in json.dumps(summaries.detail(record))
