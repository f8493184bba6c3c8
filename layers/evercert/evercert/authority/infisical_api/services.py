"""Services of the API, built from their ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from evercert.authority.contracts.external import ExternalRequests
from evercert.authority.contracts.ports import CallScope, Configuration, KeySeal, PublicStore, Signer, Sts, Tokens
from evercert.authority.infisical_api.acme_credentials import AcmeCredentials, IssueCredential
from evercert.authority.infisical_api.approvals import ApprovalCalls
from evercert.authority.infisical_api.ca_lookup import CaLookup
from evercert.authority.infisical_api.certificate_import import CertificateImport
from evercert.authority.infisical_api.certificate_metadata import CertificateMetadata
from evercert.authority.infisical_api.deprecated_forms import DeprecatedForms
from evercert.authority.infisical_api.enrollment import Enrollment
from evercert.authority.infisical_api.inventory_search import InventorySearch
from evercert.authority.infisical_api.listings import Listings
from evercert.authority.infisical_api.lookup import Lookup
from evercert.authority.infisical_api.public_downloads import PublicDownloads
from evercert.authority.infisical_api.renewal import Renewals
from evercert.authority.infisical_api.renewal_settings import RenewalSettings
from evercert.authority.infisical_api.retrieval import Retrieval
from evercert.authority.infisical_api.revocation import Revocation
from evercert.authority.logins.access_tokens import AccessTokens
from evercert.authority.logins.aws_iam import AWSAuth
from evercert.authority.logins.login import LoginService
from evercert.authority.logins.sts_request import Rules
from evercert.authority.logins.universal_auth import UniversalAuth
from evercert.authority.registration.access import Access
from evercert.authority.registration.approvals import AcmeRequesters, ApprovalDecisions, ApprovalStore
from evercert.authority.registration.crl_publisher import CrlPublisher
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.authority.registration.public_copies import PublicCopies
from evercert.authority.registration.request_builder import RequestBuilder
from evercert.authority.registration.revocation import Revoking

if TYPE_CHECKING:
    from evercert.authority.logins.key_sets import WebDocuments
    from evercert.authority.logins.token_auth import TokenAuth


@dataclass(frozen=True)
class ServicePorts:
    """Dependencies of the services; `address` is the origin that clients use."""

    configuration: Configuration
    certificates: ApprovalStore
    tokens: Tokens
    signer: Signer
    seal: KeySeal
    sts: Sts
    documents: Callable[[], WebDocuments]
    external: ExternalRequests
    public_store: PublicStore
    issue_credential: IssueCredential
    acme_requesters: Callable[[], AcmeRequesters]
    clock: Callable[[], datetime]
    reads: CallScope
    stack: str
    address: str
    sts_regions: tuple[str, ...]


def _token_auth(ports: ServicePorts) -> TokenAuth:
    from evercert.authority.logins.token_auth import TokenAuth  # noqa: PLC0415 (most calls are no logins)

    return TokenAuth(ports.configuration, ports.documents(), ports.clock)


class Services:
    """Services that the routes call."""

    def __init__(self, ports: ServicePorts) -> None:
        configuration, certificates, clock = ports.configuration, ports.certificates, ports.clock
        access = Access(configuration, certificates)
        self.builder = builder = RequestBuilder(configuration, ports.seal, clock)
        self.fulfillment = fulfillment = Fulfillment(
            configuration, certificates, ports.signer, ports.seal, clock, external=ports.external
        )
        rules = Rules.of(ports.sts_regions, ports.address)
        self.ports = ports
        self.address = ports.address
        self.clock = clock
        self.access_tokens = AccessTokens(ports.tokens, configuration, clock)
        self.logins = LoginService(
            self.access_tokens,
            UniversalAuth(configuration, ports.tokens, clock),
            AWSAuth(configuration, ports.tokens, ports.sts, rules, clock),
            cache(lambda: _token_auth(ports)),
        )
        self.lookup = Lookup(configuration, access, ports.stack, ports.address)
        self.enrollment = Enrollment(
            configuration, certificates, access, self.lookup, builder, fulfillment, ports.seal, clock
        )
        self.deprecated = DeprecatedForms(configuration, access, self.enrollment, ports.address)
        self.renewals = Renewals(configuration, certificates, access, builder, fulfillment, ports.seal, clock)
        self.renewal_settings = RenewalSettings(certificates, access, clock)
        self.imports = CertificateImport(configuration, certificates, access, self.lookup, ports.seal, clock)
        self.metadata = CertificateMetadata(certificates, access, clock)
        self.retrieval = Retrieval(configuration, certificates, access, fulfillment, ports.seal, clock, ports.external)
        decisions = ApprovalDecisions(configuration, certificates, clock, ports.acme_requesters)
        self.approvals = ApprovalCalls(access, decisions, fulfillment)
        self.listings = Listings(certificates, access, ports.stack, clock)
        self.inventory = InventorySearch(certificates, access, clock)
        self.copies = PublicCopies(configuration, certificates, ports.public_store, clock)
        self.crl_publisher = CrlPublisher(configuration, certificates, ports.signer, self.copies, clock)
        self.revoking = Revoking(certificates, self.crl_publisher, clock)
        self.revocation = Revocation(certificates, access, self.revoking)
        self.acme_credentials = AcmeCredentials(access, ports.issue_credential, ports.address)
        self.cas = CaLookup(configuration, certificates)
        self.downloads = PublicDownloads(configuration, certificates, clock)
