"""Requests of the console to the authority: identities, profiles, fields, and what evercert's issuer answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.cli.authority.lazy import open_authority
from evercert.cli.web_console.authority_issuance import StackIssuance
from evercert.console.authority_desk import IssuanceRequest, IssuedFiles, OpenRequest
from evercert.console.document_desk import BadDocument
from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.errors import Rejected
from evercert.issuers.infisical.settings import InfisicalSettings
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.keys import PrivateKey
from tests.contract.cli.authority.command_line import EXAMPLE, ROLE, Command, fine
from tests.contract.cli.authority.conftest import cas, command, configuration, function, outputs

__all__ = ["cas", "command", "configuration", "function", "outputs"]

PROFILE = "my-project/tls-server"


@dataclass
class FakeIssuer:
    """Self-signed issuer that remembers settings and requests; with `pending`, each request waits."""

    pending: bool = False
    opened: list[InfisicalSettings] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    @contextmanager
    def open(self, settings: InfisicalSettings) -> Iterator[FakeIssuer]:
        self.opened.append(settings)
        yield self

    def issue(self, request: Request) -> Issued | PendingAnswer:
        self.requests.append(request)
        if self.pending and request.handle is None:
            later: datetime = request.now + timedelta(days=1)
            return PendingAnswer("r-7", later, later, "an approval in Infisical (request r-7)")
        key = PrivateKey.generate("EC_prime256v1")
        issued = SelfSigned(SelfSigned.Settings(), lambda: None).issue_with(request, key)
        return replace(issued, private_key=None if request.csr else key)


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
def identity(command: Command, cas: list[dict[str, Any]]) -> str:
    """Create the example's profiles, and identities with each login; return the ID of the one with AWS IAM."""
    assert command("apply", str(EXAMPLE))[0] == 0
    assert command("identity", "create", "ci", "--universal", "--profile", PROFILE)[0] == 0
    made = fine(
        command("identity", "create", "operators", "--aws-role", f"{ROLE}operators", "--profile", PROFILE, "--json")
    )
    return str(made["id"])


@pytest.fixture
def desk(command: Command, issuer: FakeIssuer) -> StackIssuance:
    return StackIssuance(open_authority("evercert", None), None, issuer.open)


@pytest.fixture
def request_(identity: str) -> IssuanceRequest:
    return IssuanceRequest(PROFILE, identity, "t-1", names=["www.example.com"], algorithm="EC_prime256v1")


def test_choices_have_identities_of_aws_iam(desk: StackIssuance, identity: str) -> None:
    found = desk.choices()
    assert PROFILE in found.profiles
    assert found.identities == {identity: "operators"}


def test_authority_makes_the_key(desk: StackIssuance, issuer: FakeIssuer, request_: IssuanceRequest) -> None:
    answer = desk.issue(replace(request_, common_name="www.example.com", ttl="30d"))
    assert isinstance(answer, IssuedFiles)
    assert answer.private_key.startswith("-----BEGIN PRIVATE KEY-----")
    assert answer.chain.startswith("-----BEGIN CERTIFICATE-----")
    assert answer.private_key not in repr(answer)
    (settings,), (request,) = issuer.opened, issuer.requests
    assert (settings.address, settings.project, settings.profile) == (
        "https://ca.example.com",
        "my-project",
        "tls-server",
    )
    assert (settings.auth.type, settings.auth.settings["identity-id"]) == ("aws-iam", request_.identity)
    assert (request.csr, request.token, request.spec.private_key.source) == (None, "t-1", "issuer")
    assert request.spec.attributes.ttl == timedelta(days=30)
    assert [str(one) for one in request.spec.attributes.identifiers] == ["dns:www.example.com"]


def test_repetition_looks_for_the_first_request(
    desk: StackIssuance, issuer: FakeIssuer, request_: IssuanceRequest
) -> None:
    desk.issue(request_)
    assert issuer.requests[0].asked_before


def test_open_request_is_read_by_its_id(desk: StackIssuance, issuer: FakeIssuer, request_: IssuanceRequest) -> None:
    issuer.pending = True
    answer = desk.issue(request_)
    assert answer == OpenRequest("r-7", "an approval in Infisical (request r-7)")
    assert isinstance(desk.issue(replace(request_, request="r-7")), IssuedFiles)
    assert [one.handle for one in issuer.requests] == [None, "r-7"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ttl": "ninety days"}, "attributes.ttl"),
        ({"names": ["a b"]}, "attributes.alt-names"),
        ({"algorithm": "DSA"}, "private-key.algorithm"),
        ({"csr": "x"}, "csr"),
        ({"names": []}, "attributes"),
        ({"profile": "my project"}, "profile"),
    ],
)
def test_mistakes_name_their_field(
    desk: StackIssuance, issuer: FakeIssuer, request_: IssuanceRequest, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(BadDocument) as raised:
        desk.issue(replace(request_, **changes))
    assert raised.value.lines[0].startswith(problem), raised.value.lines
    assert issuer.requests == []


def test_unknown_identity_is_refused(desk: StackIssuance, issuer: FakeIssuer, request_: IssuanceRequest) -> None:
    with pytest.raises(Rejected, match="unknown identity"):
        desk.issue(replace(request_, identity="00000000-0000-4000-8000-000000000000"))
    assert issuer.opened == []
