"""`evercert authority request`: approvals by operators."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from evercert.authority.acme.records import Account
from evercert.authority.configuration.profiles import Profile
from evercert.authority.contracts.approval_terms import ApprovalTerms
from evercert.authority.contracts.records import RequestRecord
from evercert.aws.authority.acme_accounts import DynamoDBAcmeAccounts
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.cli import terminal
from evercert.cli.authority import requests
from evercert.pki.keys import PrivateKey
from evercert.timestamps import from_text, to_text
from tests.contract.cli.authority.command_line import Command, fine, refused
from tests.doubles.world import World
from tests.samples.authority import requested
from tests.tools.local_stack import ACCOUNT


def waiting(
    world: World, outputs: dict[str, str], configuration: ConfigurationWriter, needed: int = 1
) -> RequestRecord:
    """Store a profile, and a request of an ACME account for it."""
    profile = Profile.model_validate(
        {
            "id": str(uuid4()),
            "project": "shop",
            "slug": "payments",
            "issuer-type": "self-signed",
            "policy-name": "any",
            "policy": ANY,
            "acme": {"eab": "optional"},
        }
    )
    configuration.write(profile)
    now = terminal.now()
    terms = ApprovalTerms(needed, from_text(to_text(now + timedelta(days=7))), movable=True)
    request = requested(
        csr=PrivateKey.generate("EC_prime256v1").sign_proof(),
        profile=profile.id,
        ca="",
        approval=terms,
        status="pending_approval",
        created_at=now,
        origin="acme",
    )
    account = Account(id=request.identity, profile=profile.id, jwk={"kty": "EC"}, thumbprint="t", created_at=now)
    DynamoDBAcmeAccounts(world.operator.dynamodb, outputs["AuthorityTable"]).create(account, None)
    return DynamoDBCertificates(world.operator.dynamodb, outputs["AuthorityTable"], outputs["AuthorityAudit"]).open(
        request, None
    )


ANY = {
    "subject": [{"type": "common_name", "allowed": ["*"]}, {"type": "organization", "allowed": ["*"]}],
    "sans": [{"type": kind, "allowed": ["*"]} for kind in ("dns_name", "ip_address", "email", "uri")],
    "key-usages": {"allowed": ["digital_signature", "key_encipherment"]},
    "extended-key-usages": {"allowed": ["server_auth", "client_auth"]},
    "algorithms": {"signature": ["any"], "key-algorithm": ["any"]},
}


def test_request_is_approved_by_an_operator(
    command: Command, world: World, outputs: dict[str, str], configuration: ConfigurationWriter
) -> None:
    assert "no requests wait" in command("request", "list")[2]
    request = waiting(world, outputs, configuration)
    (listed,) = fine(command("request", "list", "--json"))
    assert (listed["id"], listed["profile"], listed["approved"], listed["needed"]) == (
        request.id,
        "shop/payments",
        0,
        1,
    )
    assert request.id in command("request", "list")[1]
    found = fine(command("request", "approve", request.id, "--reason", "release 42", "--json"))
    (decision,) = found["decisions"]
    assert (found["status"], decision["reason"]) == ("pending", "release 42")
    assert ACCOUNT in decision["by"]
    (entry,) = (one for one in fine(command("issuances", "--json")) if one["action"] == "approve")
    assert (entry["identity"]["id"], entry["origin"], entry["answer"]) == (decision["by"], "command", "approved")
    assert (entry["request"], entry["reason"]) == (request.id, "release 42")
    refused(command("request", "reject", request.id), f"request {request.id}: Certificate request does not wait")
    assert fine(command("request", "list", "--json")) == []


def test_sessions_of_one_role_count_once(
    command: Command,
    world: World,
    outputs: dict[str, str],
    configuration: ConfigurationWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = waiting(world, outputs, configuration, needed=2)
    role = f"arn:aws:sts::{ACCOUNT}:assumed-role/Ops"
    for session in ("a", "b"):
        monkeypatch.setattr(requests, "caller", lambda _, name=session: f"{role}/{name}")
        found = fine(command("request", "approve", request.id, "--json"))
        assert (found["status"], found["approved"], found["needed"]) == ("pending_approval", 1, 2)
        assert [one["by"] for one in found["decisions"]] == [f"{role}/a"]
    monkeypatch.setattr(requests, "caller", lambda _: f"arn:aws:sts::{ACCOUNT}:federated-user/ann")
    refused(command("request", "approve", request.id), f"request {request.id}: Federated users cannot decide")
    monkeypatch.setattr(requests, "caller", lambda _: f"arn:aws:iam::{ACCOUNT}:user/ann")
    assert fine(command("request", "approve", request.id, "--json"))["status"] == "pending"


def test_request_is_rejected_by_an_operator(
    command: Command, world: World, outputs: dict[str, str], configuration: ConfigurationWriter
) -> None:
    request = waiting(world, outputs, configuration)
    code, out, _ = command("request", "reject", request.id, "--reason", "wrong domain")
    assert code == 0 and out.strip() == f"{request.id}: rejected (0 of 1)"


def test_unknown_request_is_refused(command: Command) -> None:
    name = str(uuid4())
    refused(command("request", "approve", name), f"request {name}: Certificate request not found")
    refused(command("request", "approve", "x"), "invalid request 'x': run evercert authority request list")


def test_request_of_a_deactivated_account_is_not_approved(
    command: Command, world: World, outputs: dict[str, str], configuration: ConfigurationWriter
) -> None:
    request = waiting(world, outputs, configuration)
    accounts = DynamoDBAcmeAccounts(world.operator.dynamodb, outputs["AuthorityTable"])
    account = accounts.of_id(request.identity)
    assert account is not None
    accounts.replace(account.model_copy(update={"status": "deactivated", "version": 2}))
    why = "The ACME account of the request was deactivated: reject the request"
    refused(command("request", "approve", request.id), f"request {request.id}: {why}")
    assert fine(command("request", "reject", request.id, "--json"))["status"] == "rejected"
