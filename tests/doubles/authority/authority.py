"""An in-memory authority: EC and RSA CAs in a strict KMS, the signer behind its JSON format, and configuration."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from datetime import datetime
from functools import cached_property
from typing import Any

from evercert.authority.acme.host_credentials import HostCredentials
from evercert.authority.acme.requesters import AccountRequesters
from evercert.authority.acme.server import AcmeServer
from evercert.authority.acme.services import AcmePorts, SharedServices, acme_server
from evercert.authority.administration.services import AdministrationPorts, AdministrationServices
from evercert.authority.ca.definition import CA, Ceiling
from evercert.authority.ca.signing_orders import CrlOrder, LeafOrder
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Application, Profile, id_of
from evercert.authority.infisical_api.services import ServicePorts, Services
from evercert.authority.policy.policy import Policy
from evercert.authority.registration.approvals import ApprovalDecisions
from evercert.authority.signer.signer import SigningService
from evercert.authority.signer.wire_format import decode, decode_answer, encode_answer, encode_crl, encode_leaf
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.aws.authority.mac_keys import ConfiguredCredentials, KMSMacKeys
from evercert.aws.authority.private_key_seal import KMSKeySeal
from evercert.errors import EvercertError
from tests.doubles.acme_storage import FakeAcmeAccounts, FakeAcmeOrders, FakeBuckets, FakeUsedNonces, FakeValidations
from tests.doubles.authority.access_tokens import FakeTokens
from tests.doubles.authority.ceremony import ADDRESS, Ceremony, ceiling
from tests.doubles.authority.certificates import FakeCertificates
from tests.doubles.authority.configuration import STACK, FakeConfiguration, FakeManagedConfiguration, FakeReads
from tests.doubles.authority.external import FakeExternalRequests
from tests.doubles.authority.kms import StrictSigningKMS
from tests.doubles.authority.ledger import MemoryLedger
from tests.doubles.authority.public_store import FakePublicStore
from tests.doubles.authority.sts import FakeSts
from tests.doubles.authority.token_issuers import TokenIssuers
from tests.doubles.fakes import HandClock
from tests.doubles.infisical.sts import Sts
from tests.doubles.strict_aws import StrictKMS

SUBJECT = ("common_name", "organization", "organizational_unit", "country", "state", "locality", "domain_component")
USAGES = ("digital_signature", "non_repudiation", "key_encipherment", "data_encipherment", "key_agreement")
ANYTHING = {
    "subject": [
        {"type": kind, "allowed": ["*", "*,*", "*,*,*"]} for kind in SUBJECT
    ],  # one pattern for each number of components
    "sans": [{"type": kind, "allowed": ["*"]} for kind in ("dns_name", "ip_address", "email", "uri")],
    "keyUsages": {"allowed": list(USAGES)},
    "extendedKeyUsages": {"allowed": ["server_auth", "client_auth"]},
    "algorithms": {"signature": ["any"], "keyAlgorithm": ["any"]},
}
WIDE = ceiling(email=("*",), any_purpose=True)


class WiredSigner:
    """The signer behind its JSON format, as invoked by the front; each exception in `trouble` is raised once instead."""

    def __init__(self, signing: SigningService) -> None:
        self.signing = signing
        self.trouble: list[Exception] = []
        self.orders: list[LeafOrder | CrlOrder] = []

    def leaf(self, order: LeafOrder) -> bytes:
        return self._sign(order, encode_leaf(order))

    def crl(self, order: CrlOrder) -> bytes:
        return self._sign(order, encode_crl(order))

    def _sign(self, order: LeafOrder | CrlOrder, event: dict[str, Any]) -> bytes:
        self.orders.append(order)
        if self.trouble:
            raise self.trouble.pop(0)
        found = decode(json.loads(json.dumps(event)))
        outcome: bytes | EvercertError
        try:
            outcome = self.signing.leaf(found) if isinstance(found, LeafOrder) else self.signing.crl(found)
        except EvercertError as error:
            outcome = error
        return decode_answer(json.loads(json.dumps(encode_answer(outcome))))


class Setting:
    """An authority with its doubles; `front` serves requests, and tests may change everything else at any time."""

    def __init__(
        self,
        clock: Any = None,
        address: str = ADDRESS,
        allowed: Ceiling = WIDE,
        *,
        ec: str = "EC_prime256v1",
        rsa: str = "RSA_2048",
    ) -> None:
        self.clock = clock or HandClock()
        self.address = address
        self.kms = StrictSigningKMS()
        self.cas: dict[str, CA] = {}
        for algorithm in (ec, rsa):
            made = Ceremony(algorithm, self.clock(), allowed, self.kms, address)
            self.cas |= {ca.name: ca for ca in (made.root, made.issuing)}
        self.configuration = FakeConfiguration(*self.cas.values())
        self.certificates = FakeCertificates()
        self.tokens = FakeTokens()
        self.ledger = MemoryLedger()
        self.seal = KMSKeySeal(StrictKMS(), "key", STACK)  # type: ignore[arg-type]
        self.sts = FakeSts(Sts())
        self.external = FakeExternalRequests()
        self.public_store = FakePublicStore()
        keys = KMSKeys(self.kms)  # type: ignore[arg-type]
        self.signing = SigningService(self.configuration, self.ledger, keys, address, self.clock)
        self.signer = WiredSigner(self.signing)
        self.mac_keys = KMSMacKeys(StrictKMS(), "key", STACK)  # type: ignore[arg-type]
        configured = ConfiguredCredentials(self.configuration, self.mac_keys)
        self.credentials = HostCredentials(configured, self.configuration, lambda: bytes(32), self.clock)
        self.front = Services(self.ports())
        self.administration = AdministrationServices(
            AdministrationPorts(
                self.configuration,
                lambda: FakeManagedConfiguration(self.configuration),  # type: ignore[return-value]
                self.tokens,
                self.clock,
                STACK,
                self.address,
            )
        )
        self.acme_accounts, self.acme_orders, self.validations = FakeAcmeAccounts(), FakeAcmeOrders(), FakeValidations()
        self.buckets = FakeBuckets()
        self.acme = self._acme()

    @cached_property
    def token_issuers(self) -> TokenIssuers:
        """The issuers of tokens, whose keys take time."""
        return TokenIssuers(self.clock)

    def _acme(self) -> AcmeServer:
        ports = AcmePorts(
            self.acme_accounts,
            self.credentials,
            self.acme_orders,
            FakeUsedNonces(),
            lambda: bytes(32),
            self.validations,
            self.buckets,
        )
        front = self.front
        shared = SharedServices(
            self.configuration,
            self.certificates,
            front.builder,
            front.fulfillment,
            front.revoking,
            self.clock,
            STACK,
            self.address,
        )
        return acme_server(ports, shared)

    def ports(self, **changes: Any) -> ServicePorts:
        values = {
            "configuration": self.configuration,
            "certificates": self.certificates,
            "tokens": self.tokens,
            "signer": self.signer,
            "seal": self.seal,
            "sts": self.sts,
            "documents": lambda: self.token_issuers,
            "external": self.external,
            "public_store": self.public_store,
            "issue_credential": self.credentials.issue,
            "acme_requesters": self.acme_requesters,
            "clock": self.clock,
            "reads": FakeReads(),
            "stack": STACK,
            "address": self.address,
            "sts_regions": ("eu-central-1",),
        }
        return ServicePorts(**(values | changes))

    def acme_requesters(self) -> AccountRequesters:
        return AccountRequesters(self.acme_accounts, self.credentials.of_id)

    def decisions(self) -> ApprovalDecisions:
        """Return the decisions of operators."""
        return ApprovalDecisions(self.configuration, self.certificates, self.clock, self.acme_requesters)

    # Operator actions.

    def profile(self, slug: str = "tls-server", project: str = "shop", **changes: Any) -> Profile:
        self_signed = changes.get("issuer_type") == "self-signed"
        values = {
            "id": id_of(STACK, "profile", f"{project}/{slug}"),
            "project": project,
            "slug": slug,
            "cas": () if self_signed else ("EC-issuing", "RSA-issuing"),
            "policy_name": "anything",
            "policy": Policy.model_validate(ANYTHING),
            **changes,
        }
        made = Profile.model_validate({name.replace("_", "-"): value for name, value in values.items()})
        self.configuration.put(made)
        return made

    def application(self, name: str, project: str, *profiles: str) -> Application:
        made = Application(id=id_of(STACK, "application", name), name=name, project=project, profiles=profiles)
        self.configuration.put(made)
        return made

    def identity(self, *permissions: str, profile: str = "*", **changes: Any) -> tuple[Identity, str]:
        """Create an identity; return it with its client secret."""
        secret = secrets.token_urlsafe(24)
        stored = {
            "id": str(uuid.uuid4()),
            "digest": hashlib.sha256(secret.encode()).hexdigest(),
            "created-at": self.clock(),
        }
        values: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "name": "machine",
            "grants": [{"profile": profile, "permissions": permissions or ("request", "read-key")}],
            "universal": {"client-id": str(uuid.uuid4()), "secrets": [stored]},
            **changes,
        }
        made = Identity.model_validate(values)
        self.configuration.put(made)
        return made, secret

    def token(self, identity: Identity) -> str:
        return str(self.front.access_tokens.issue(identity)["accessToken"])

    def now(self) -> datetime:
        return self.clock()  # type: ignore[no-any-return]
