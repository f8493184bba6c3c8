"""Requests of the console to the authority: identities, profiles, fields, and what evercert's issuer answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.cli import terminal
from evercert.cli.authority.lazy import open_authority
from evercert.cli.web_console.stack_issuance import StackIssuance
from evercert.console.authority_service import IssuanceChoices, IssuanceRequest, IssuedFiles, PendingRequest
from evercert.console.document_service import InvalidInput
from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.errors import EvercertError, Mismatch, Rejected
from evercert.issuers.infisical.settings import InfisicalSettings
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.attributes import Attributes
from evercert.pki.keys import PrivateKey
from tests.contract.cli.authority.command_line import EXAMPLE, ROLE, Command, fine
from tests.contract.cli.authority.conftest import cas, command, configuration, function, outputs
from tests.contract.issuers.infisical.test_issuer import ISSUE
from tests.doubles.authority.enrolled import AuthorityEnrollment, enrolled

__all__ = ["cas", "command", "configuration", "function", "outputs"]

PROFILE = "my-project/tls-server"
NAMES = Attributes.model_validate({"alt-names": ["www.example.com"]})


@dataclass
class FakeIssuer:
    """Self-signed issuer that remembers settings and requests; with `pending`, each request waits."""

    pending: bool = False
    key: PrivateKey | None = None
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
        key = self.key or PrivateKey.generate("EC_prime256v1")
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
    return created(command, "operators", "--permission", "request", "--permission", "read-key")


def created(command: Command, name: str, *permissions: str) -> str:
    """Create an identity with a login by AWS IAM; return its ID."""
    create = ("identity", "create", name, "--aws-role", f"{ROLE}{name}", "--profile", PROFILE)
    return str(fine(command(*create, *permissions, "--json"))["id"])


@pytest.fixture
def desk(command: Command, issuer: FakeIssuer) -> StackIssuance:
    return StackIssuance(open_authority("evercert", None), None, issuer.open)


@pytest.fixture
def request_(identity: str) -> IssuanceRequest:
    return IssuanceRequest(PROFILE, identity, "t-1", names=["www.example.com"], algorithm="EC_prime256v1")


def test_choices_list_identities_with_aws_login(desk: StackIssuance, identity: str, command: Command) -> None:
    created(command, "approvers", "--permission", "approve")
    found = desk.choices()
    assert PROFILE in found.profiles
    assert found.identities == {identity: "operators"}


def test_choices_leave_out_profiles_of_acme_clients(
    desk: StackIssuance, identity: str, configuration: ConfigurationWriter
) -> None:
    (profile,) = configuration.profiles()
    configuration.write(profile.model_copy(update={"enrollment": "acme"}))
    assert desk.choices() == IssuanceChoices([], {})


def test_authority_generates_the_key(desk: StackIssuance, issuer: FakeIssuer, request_: IssuanceRequest) -> None:
    answer = desk.issue(replace(request_, common_name="www.example.com", ttl="30d"))
    assert isinstance(answer, IssuedFiles)
    assert answer.private_key.startswith("-----BEGIN PRIVATE KEY-----")
    assert answer.chain.startswith("-----BEGIN CERTIFICATE-----")
    assert answer.private_key.splitlines()[1] not in repr(answer)
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


def test_pending_request_is_fetched_by_its_id(
    desk: StackIssuance, issuer: FakeIssuer, request_: IssuanceRequest
) -> None:
    issuer.pending = True
    assert desk.issue(request_) == PendingRequest("r-7", needs_approval=True)
    assert isinstance(desk.issue(replace(request_, request_id="r-7")), IssuedFiles)
    assert [one.handle for one in issuer.requests] == [None, "r-7"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ttl": "ninety days"}, "ttl"),
        ({"names": ["a b"]}, "alt-names"),
        ({"algorithm": "DSA"}, "algorithm"),
        ({"csr": "x"}, "csr"),
        ({"names": []}, "attributes"),
    ],
)
def test_mistakes_name_their_field(
    desk: StackIssuance, issuer: FakeIssuer, request_: IssuanceRequest, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        desk.issue(replace(request_, **changes))
    assert raised.value.lines[0].startswith(problem), raised.value.lines
    assert issuer.requests == []


def test_identity_without_permission_does_not_log_in(
    desk: StackIssuance, issuer: FakeIssuer, request_: IssuanceRequest, command: Command
) -> None:
    requester = created(command, "requesters", "--permission", "request")
    for changes, problem in (
        ({"identity": "00000000-0000-4000-8000-000000000000"}, "unknown identity"),
        ({"profile": "my-project/other"}, "lacks the permission request on my-project/other"),
        ({"identity": requester}, "lacks the permission read-key .* --permission read-key"),
    ):
        with pytest.raises(Rejected, match=problem):
            desk.issue(replace(request_, **changes))
    assert issuer.opened == []
    issuer.key = PrivateKey.generate("EC_prime256v1")
    answer = desk.issue(replace(request_, identity=requester, csr=issuer.key.sign_csr(NAMES)))
    assert isinstance(answer, IssuedFiles)
    assert answer.private_key == ""


def test_certificate_of_another_key_is_refused(
    desk: StackIssuance, issuer: FakeIssuer, request_: IssuanceRequest
) -> None:
    csr = PrivateKey.generate("EC_prime256v1").sign_csr(NAMES)
    issuer.key = PrivateKey.generate("EC_prime256v1")
    with pytest.raises(Mismatch, match="is for another key"):
        desk.issue(replace(request_, csr=csr))


@pytest.fixture
def served(
    request_: IssuanceRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[AuthorityEnrollment, StackIssuance]]:
    """Yield the authority itself, and a service that calls it with a login of the test."""
    with enrolled() as bench:

        @contextmanager
        def opened(_: InfisicalSettings) -> Iterator[Any]:
            yield bench.define(project=None)

        monkeypatch.setattr(terminal, "now", bench.bench.clock)
        yield bench, StackIssuance(open_authority("evercert", None), None, opened)


def test_same_form_issues_one_certificate(
    served: tuple[AuthorityEnrollment, StackIssuance], request_: IssuanceRequest
) -> None:
    """The answer to the first request is lost; the same form gets the same certificate, and another one none."""
    bench, service = served
    asked = replace(request_, ttl="30d")
    bench.server.switches.fault("drop-after", ISSUE, times=1)
    with suppress(EvercertError):
        service.issue(asked)
    found = service.issue(asked)
    assert isinstance(found, IssuedFiles)
    assert service.issue(asked) == found
    with pytest.raises(Rejected, match="Idempotency-Key"):
        service.issue(replace(asked, names=["shop.example.com"]))
    assert len(bench.server.issued) == 1
