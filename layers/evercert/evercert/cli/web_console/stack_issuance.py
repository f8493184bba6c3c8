"""Requests of the console to the authority's API, by evercert's own issuer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from evercert.cli import terminal
from evercert.cli.issuer_context import issuer_context
from evercert.console.authority_service import IssuanceChoices, IssuanceRequest, IssuedFiles, PendingRequest
from evercert.console.document_service import InvalidInput
from evercert.contracts.issuer import Issued, Issuer, PendingAnswer, Request
from evercert.documents.document import problem_of
from evercert.documents.spec import Spec
from evercert.errors import Mismatch, Rejected
from evercert.issuers.infisical.issuer import Infisical
from evercert.issuers.infisical.settings import InfisicalSettings
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from evercert.schema import Model, printable

if TYPE_CHECKING:
    from evercert.authority.configuration.identity import Identity
    from evercert.cli.authority.connection import AuthorityConnection

NAME = "console"  # of the spec, which is not stored
REVISION = 1
ATTEMPT = timedelta(seconds=30)
IssuerFactory = Callable[[InfisicalSettings], AbstractContextManager[Issuer]]
_Model = TypeVar("_Model", bound=Model)


@dataclass(frozen=True)
class StackIssuance:
    """Issues certificates of one authority. `ca_bundle` verifies its server; None stands for the public CAs."""

    authority: AuthorityConnection
    ca_bundle: str | None = None
    open_issuer: IssuerFactory | None = None

    def choices(self) -> IssuanceChoices:
        """Return the profiles for API clients, and the identities that log in by AWS IAM and may request from one."""
        profiles = sorted(one.key for one in self.authority.configuration.profiles() if one.enrollment != "acme")
        named = {
            one.id: one.name for one in self._identities() if any(one.may("request", profile) for profile in profiles)
        }
        return IssuanceChoices(profiles, named)

    def issue(self, request: IssuanceRequest) -> IssuedFiles | PendingRequest:
        """Request the certificate, or fetch that of a pending request; raise InvalidInput for fields with mistakes."""
        spec = _spec(request)
        settings = self._settings(request, makes_key=spec.csr is None)
        handle = request.request_id or None
        wanted = Request(NAME, spec, spec.csr, REVISION, request.token, terminal.now(), handle)
        with (self.open_issuer or self._open)(settings) as issuer:
            answer = issuer.issue(wanted)
        if isinstance(answer, PendingAnswer):
            return PendingRequest(answer.handle, answer.waits_for is not None)
        return _files(spec, answer)

    def _identities(self) -> list[Identity]:
        found = [one for one in self.authority.configuration.identities() if one.aws is not None]
        return sorted(found, key=lambda one: one.name)

    def _settings(self, request: IssuanceRequest, *, makes_key: bool) -> InfisicalSettings:
        """Return the settings of the issuer; refuse a login or a request that the authority would refuse."""
        identity = next((one for one in self._identities() if one.id == request.identity), None)
        if identity is None:
            raise Rejected("unknown identity: choose one of the list")
        for permission in ("request", "read-key") if makes_key else ("request",):
            if not identity.may(permission, request.profile):
                grant = f"{identity.name} --profile {printable(request.profile, 200)} --permission {permission}"
                raise Rejected(
                    f"identity {identity.name} lacks the permission {permission} on {printable(request.profile, 200)}: "
                    f"choose another identity, or run: evercert authority identity grant {grant}"
                )
        project, _, slug = request.profile.partition("/")
        values = {
            "address": self.authority.address,
            "project": project,
            "profile": slug,
            "auth": {"type": "aws-iam", "identity-id": request.identity},
            "ca-bundle": self.ca_bundle,
        }
        return _valid(InfisicalSettings, values)

    @contextmanager
    def _open(self, settings: InfisicalSettings) -> Iterator[Issuer]:
        context = issuer_context(self.authority.connection, ATTEMPT)
        try:
            yield Infisical(settings, lambda: context)
        finally:
            context.http.close()


def _spec(request: IssuanceRequest) -> Spec:
    attributes: dict[str, Any] = {"ttl": request.ttl} if request.ttl else {}
    values: dict[str, Any] = {"name": NAME, "issuer": NAME, "destinations": [{"type": "secrets-manager"}]}
    if request.csr:
        values["csr"] = request.csr
    else:
        if request.common_name:
            attributes["common-name"] = request.common_name
        attributes["alt-names"] = list(request.names)
        values["private-key"] = {"algorithm": request.algorithm, "source": "issuer"}
    return _valid(Spec, {**values, **({"attributes": attributes} if attributes else {})})


def _files(spec: Spec, answer: Issued) -> IssuedFiles:
    """Return the files; raise Mismatch if the certificate is for another key."""
    expected = None if spec.csr is None else public_bytes(public_key_of(spec.csr))
    if answer.private_key is not None:
        expected = answer.private_key.public_bytes()
    serial_number = f"{answer.chain.leaf.serial_number:x}"
    if expected is None or public_bytes(answer.chain.public_key) != expected:
        raise Mismatch(f"certificate {serial_number} is for another key than that of the request: revoke it")
    key = "" if answer.private_key is None else answer.private_key.pem()
    return IssuedFiles(answer.chain.pem, serial_number, key)


def _valid(model: type[_Model], values: Mapping[str, Any]) -> _Model:
    """Return the model; raise InvalidInput with a line for each mistake."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise InvalidInput([problem_of(detail, (), model).message for detail in details]) from None
