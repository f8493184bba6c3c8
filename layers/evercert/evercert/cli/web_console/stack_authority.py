"""The stack's authority for the console, by the functions of `evercert authority`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from evercert.cli import terminal
from evercert.cli.authority import by_serial, inventory, requests, show, status
from evercert.cli.authority.arguments import parse_issuing
from evercert.cli.authority.ceremony import ROOT, InitOptions
from evercert.cli.authority.init_checks import check_existing
from evercert.cli.authority.issuances import Labels
from evercert.cli.files import BadInput
from evercert.cli.web_console.authority_documents import AuthorityDocuments
from evercert.cli.web_console.policy_words import words_of
from evercert.cli.web_console.stack_issuance import StackIssuance
from evercert.console.authority_service import AuthorityRow, AuthorityTables, CAPlan, WaitingRequest
from evercert.errors import Rejected
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.authority.configuration.identity import Identity
    from evercert.authority.configuration.profiles import Profile
    from evercert.cli.authority.connection import AuthorityConnection
    from evercert.cli.connection import Connection


def of(connection: Connection, ca_bundle: str | None = None) -> StackAuthority | None:
    """Return the authority of a connected stack, or None if it has none."""
    if "AuthorityConfiguration" not in connection.outputs:
        return None
    from evercert.cli.authority.connection import from_connection  # noqa: PLC0415 (slow to load)

    return StackAuthority(from_connection(connection), ca_bundle)


@dataclass(frozen=True)
class StackAuthority:
    """The authority of one stack."""

    authority: AuthorityConnection
    ca_bundle: str | None = None  # verifies its server

    def tables(self) -> AuthorityTables:
        """Return the configuration."""
        configuration = self.authority.configuration
        profiles = configuration.profiles()
        policies = {(one.project, one.policy_name): one for one in profiles}
        return AuthorityTables(
            self.authority.address,
            [_ca(ca) for ca in configuration.cas()],
            [_profile(one) for one in profiles],
            [AuthorityRow("/".join(key), list(words_of(one.policy))) for key, one in sorted(policies.items())],
            [_identity(one) for one in configuration.identities()],
        )

    @property
    def documents(self) -> AuthorityDocuments:
        """The authority's documents."""
        return AuthorityDocuments(self.authority)

    @property
    def issuance(self) -> StackIssuance:
        """The requests for certificates."""
        return StackIssuance(self.authority, self.ca_bundle)

    def waiting(self) -> Sequence[WaitingRequest]:
        """Return the requests that wait for an approval, oldest first."""
        return [self._waiting(requests.values_of(self.authority, one)) for one in requests.waiting(self.authority)]

    def decide(self, request: str, reason: str, *, approved: bool) -> str:
        """Approve or reject a request; return its state."""
        try:
            return requests.state_of(requests.decide(self.authority, request, reason, approved=approved))
        except BadInput as error:
            raise Rejected(str(error)) from error

    def plan_ca(self, name: str, algorithm: str) -> CAPlan:
        """Check a new issuing CA as `evercert authority init` does, and return the command."""
        existing = {ca.name: ca for ca in self.authority.configuration.cas()}
        try:
            issuing = parse_issuing([f"{name}={algorithm}"])
            options = InitOptions(self.authority.stack, None, timedelta(0), timedelta(0), issuing=issuing)
            options.check()
            check_existing(self.authority, options, existing, issuing)
        except BadInput as error:
            raise Rejected(str(error)) from error
        if name in existing:
            raise Rejected(f"CA {name} exists already: choose another name")
        root = existing.get(ROOT)
        signer = "the new root" if root is None or not root.installed else f"{root.name}, until {_end(root)}"
        lines = (
            f"+ KMS key of CA {name} ({algorithm}), about 1 USD a month",
            f"+ certificate of CA {name}, signed by {signer}",
            "profiles use it after their documents name it under `cas`",
        )
        where = f"--stack {self.authority.connection.name} --region {self.authority.clients.dynamodb.meta.region_name}"
        return CAPlan(lines, f"evercert authority init --issuing {name}={algorithm} {where}")

    def issued(self, search: str, most: int) -> Sequence[Mapping[str, Any]]:
        """Return certificates that have not expired, soonest expiry first, or those with this name or serial number."""
        from evercert.authority.ca.revocation_reasons import LEAF_REASONS  # noqa: PLC0415 (slow to load)
        from evercert.authority.contracts.inventory import (  # noqa: PLC0415
            SERIAL_NUMBER,
            Criteria,
            plain_hexadecimal,
            with_name,
        )

        now, labels = terminal.now(), Labels.of(self.authority)
        criteria = Criteria(now, expires_after=now)
        if search:
            serial = plain_hexadecimal(search, SERIAL_NUMBER)
            criteria = Criteria(now, serial_number=serial) if serial is not None else with_name(Criteria(now), search)
        records = self.authority.certificates.search(criteria, most).records
        values = [inventory.values_of(one, criteria, labels) for one in records]
        return [{**one, "profile": _named(one["profile"]), "reasons": LEAF_REASONS} for one in values]

    def chain(self, certificate: str) -> str:
        """Return an issued certificate with its issuers as PEM."""
        record = self.authority.certificates.certificate(certificate)
        if record is None:
            raise Rejected(f"unknown certificate {printable(certificate, 60)}: search again")
        return f"{record.certificate.strip()}\n{record.chain.strip()}\n"

    def revoke(self, certificate: str, reason: str) -> bool:
        """Revoke a certificate; return whether the published CRL lists it."""
        self.authority.connection.output("AuthorityAudit")  # a stack of an older template cannot record it
        try:
            match = by_serial.find_certificate(self.authority, certificate)
            if match is None:
                raise Rejected(f"unknown certificate {certificate}: search again")
            status.require_own(match.record)
            return status.revoke_match(self.authority, match, status.reason_of(reason))[1]
        except BadInput as error:
            raise Rejected(str(error)) from error

    @staticmethod
    def _waiting(values: Mapping[str, Any]) -> WaitingRequest:
        return WaitingRequest(
            values["id"],
            values["names"] or [values["common_name"]],
            values["profile"],
            values["requester"],
            values["created_at"],
            values["until"] or "",
            f"{values['approved']} of {values['needed']}",
        )


def _end(ca: CA) -> str:
    return f"{ca.current.x509.not_valid_after_utc:%Y-%m-%d} at the latest"


def _named(profile: Mapping[str, Any]) -> str:
    return str(profile["name"] or profile["id"])


def _ca(ca: CA) -> AuthorityRow:
    values = show.ca_values(ca)
    latest = values["certificates"][-1] if values["certificates"] else {}
    facts = [("Kind", values["kind"]), ("Key", values["algorithm"]), ("Parent", values["parent"] or "none")]
    facts += [("Subject", latest["subject"]), ("Ends", latest["not_after"])] if latest else []
    return AuthorityRow(ca.name, facts, ca.status)


def _profile(profile: Profile) -> AuthorityRow:
    clients = profile.enrollment or ("api and acme" if profile.acme is not None else "api")
    renewal = f"{profile.api.renew_before_days} days before" if profile.api and profile.api.auto_renew else "none"
    approval = "not needed"
    if profile.approval is not None:
        terms = profile.approval.model_dump(mode="json", by_alias=True, exclude_none=True)
        approval = "; ".join(f"{key} {show.listed(value)}" for key, value in terms.items())
    facts = [
        ("Issuer", profile.issuer or profile.issuer_type),
        ("CAs", show.listed(profile.cas)),
        ("Policy", profile.policy_name),
        ("Clients", clients),
        ("Automatic renewal", renewal),
        ("Approval", approval),
    ]
    return AuthorityRow(profile.key, facts)


def _identity(identity: Identity) -> AuthorityRow:
    grants = [(grant.profile, ", ".join(grant.permissions)) for grant in identity.grants]
    return AuthorityRow(identity.name, [("ID", identity.id), *(grants or [("Permissions", "none")])])
