"""The ACME server with its parts, beside the services that it shares with the Infisical API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evercert.authority.acme.account_service import AccountService
from evercert.authority.acme.authorization_service import AuthorizationService
from evercert.authority.acme.issuance import OrderIssuance
from evercert.authority.acme.limits import Buckets, RateLimits
from evercert.authority.acme.nonces import Nonces, UsedNonces
from evercert.authority.acme.order_service import OrderService
from evercert.authority.acme.ports import Accounts, EabCredentials, Orders, Validations
from evercert.authority.acme.replacements import Replacements
from evercert.authority.acme.resources import Resources
from evercert.authority.acme.revocation import AcmeRevocation
from evercert.authority.acme.server import AcmeServer
from evercert.authority.contracts.ports import Certificates, Configuration
from evercert.authority.registration.fulfillment import Fulfillment
from evercert.authority.registration.request_builder import RequestBuilder
from evercert.authority.registration.revocation import Revoking
from evercert.deadline import Clock


@dataclass(frozen=True)
class AcmePorts:
    """Storage and queue of the ACME server; `nonce_key` returns the MAC key of nonces when the first one needs it."""

    accounts: Accounts
    credentials: EabCredentials
    orders: Orders
    used_nonces: UsedNonces
    nonce_key: Callable[[], bytes]
    validations: Validations
    buckets: Buckets


@dataclass(frozen=True)
class SharedServices:
    """The services that both APIs of the authority share: policy, signer and CRLs are the same."""

    configuration: Configuration
    certificates: Certificates
    builder: RequestBuilder
    fulfillment: Fulfillment
    revoking: Revoking
    clock: Clock
    stack: str
    address: str


def acme_server(ports: AcmePorts, shared: SharedServices) -> AcmeServer:
    """Return the server."""
    clock = shared.clock
    limits = RateLimits(ports.buckets, clock)
    replacements = Replacements(ports.orders, shared.certificates, clock)
    issuance = OrderIssuance(
        ports.accounts,
        ports.orders,
        shared.configuration,
        shared.certificates,
        shared.builder,
        shared.fulfillment,
        clock,
        shared.stack,
    )
    resources = Resources(
        AccountService(ports.accounts, ports.credentials, limits, clock),
        ports.credentials,
        ports.orders,
        OrderService(ports.orders, replacements, limits, shared.builder.cas, issuance.proceed, clock),
        AuthorizationService(ports.orders, ports.validations, clock),
        issuance,
        AcmeRevocation(shared.certificates, ports.orders, ports.credentials, shared.revoking, clock),
        clock,
    )
    nonces = Nonces(ports.nonce_key, ports.used_nonces, clock)
    return AcmeServer(shared.configuration, resources, replacements, nonces, shared.address)
