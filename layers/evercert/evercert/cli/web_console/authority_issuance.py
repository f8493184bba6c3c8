"""Requests of the console to the authority's API, by evercert's own issuer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from evercert.cli import terminal
from evercert.cli.issuer_context import issuer_context
from evercert.console.authority_desk import IssuanceChoices, IssuanceRequest, IssuedFiles, OpenRequest
from evercert.console.document_desk import BadDocument
from evercert.contracts.issuer import Issued, Issuer, Request
from evercert.documents.spec import Spec
from evercert.errors import Rejected
from evercert.issuers.infisical.issuer import Infisical
from evercert.issuers.infisical.settings import InfisicalSettings
from evercert.schema import Model, printable

if TYPE_CHECKING:
    from evercert.cli.authority.connection import AuthorityConnection

NAME = "console"  # of the spec, which is not stored
REVISION = 1
ATTEMPT = timedelta(seconds=30)
_Model = TypeVar("_Model", bound=Model)
Opened = Callable[[InfisicalSettings], Any]  # a context manager of an Issuer


@dataclass(frozen=True)
class StackIssuance:
    """Issues certificates of one authority. `ca_bundle` verifies its server; None stands for the public CAs."""

    authority: AuthorityConnection
    ca_bundle: str | None = None
    opened: Opened | None = None

    def choices(self) -> IssuanceChoices:
        """Return the profiles for API clients, and the identities that log in by AWS IAM and may request."""
        configuration = self.authority.configuration
        profiles = sorted(one.key for one in configuration.profiles() if one.enrollment != "acme")
        identities = sorted(configuration.identities(), key=lambda one: one.name)
        named = {one.id: one.name for one in identities if one.aws is not None and one.grants}
        return IssuanceChoices(profiles, named)

    def issue(self, request: IssuanceRequest) -> IssuedFiles | OpenRequest:
        """Request the certificate, or read an earlier request; raise BadDocument for fields with mistakes."""
        spec, settings = self._spec(request), self._settings(request)
        wanted = Request(
            NAME, spec, spec.csr, REVISION, request.token, terminal.now(), request.request or None, asked_before=True
        )
        with (self.opened or self._open)(settings) as issuer:
            answer = issuer.issue(wanted)
        if not isinstance(answer, Issued):
            return OpenRequest(answer.handle, answer.waits_for or "the signer")
        key = "" if answer.private_key is None else answer.private_key.pem()
        return IssuedFiles(answer.chain.pem, f"{answer.chain.leaf.serial_number:x}", key)

    def _settings(self, request: IssuanceRequest) -> InfisicalSettings:
        project, _, slug = request.profile.partition("/")
        if request.identity not in self.choices().identities:
            raise Rejected(f"unknown identity {printable(request.identity, 60)!r}: choose one of the list")
        values = {
            "address": self.authority.address,
            "project": project,
            "profile": slug,
            "auth": {"type": "aws-iam", "identity-id": request.identity},
            "ca-bundle": self.ca_bundle,
        }
        return _valid(InfisicalSettings, values)

    @staticmethod
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

    @contextmanager
    def _open(self, settings: InfisicalSettings) -> Iterator[Issuer]:
        context = issuer_context(self.authority.connection, ATTEMPT)
        try:
            yield Infisical(settings, lambda: context)
        finally:
            context.http.close()


def _valid(model: type[_Model], values: Mapping[str, Any]) -> _Model:
    """Return the model; raise BadDocument with a line for each mistake."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False):
            place = ".".join(str(part) for part in problem["loc"])
            text = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{place}: {text}" if place else text)
        raise BadDocument(lines) from None
