"""The ACME server on the authority's tables, keys and queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.authority.acme.host_credentials import HostCredentials, find_credential
from evercert.authority.acme.requesters import AccountRequesters
from evercert.authority.acme.services import AcmePorts, SharedServices, acme_server
from evercert.aws.authority.access_tokens import DynamoDBTokens
from evercert.aws.authority.acme_accounts import DynamoDBAcmeAccounts, DynamoDBServerSecret, DynamoDBUsedNonces
from evercert.aws.authority.acme_orders import DynamoDBAcmeOrders
from evercert.aws.authority.mac_keys import ConfiguredCredentials, KMSMacKeys
from evercert.aws.authority.rate_limits import DynamoDBBuckets
from evercert.aws.authority.validation_queue import SQSValidations

if TYPE_CHECKING:
    from evercert.authority.acme.server import AcmeServer
    from evercert.authority.contracts.ports import Configuration
    from evercert.authority.infisical_api.services import Services
    from evercert.authority.infisical_api.settings import AuthoritySettings
    from evercert.aws.clients import Clients
    from evercert.deadline import Clock


def host_credentials(
    settings: AuthoritySettings, clients: Clients, configuration: Configuration, clock: Clock
) -> HostCredentials:
    """Return the credentials of operators and of machine identities."""
    mac_keys = KMSMacKeys(clients.kms, settings.seal_key, settings.data_stack)
    secret = mac_keys.server_key(DynamoDBServerSecret(clients.dynamodb, settings.table))
    return HostCredentials(ConfiguredCredentials(configuration, mac_keys), configuration, secret, clock)


def requesters(clients: Clients, table: str, configuration: Configuration) -> AccountRequesters:
    """Return the accounts as requesters; the MAC keys of their credentials are not needed."""
    accounts = DynamoDBAcmeAccounts(clients.dynamodb, table)
    return AccountRequesters(accounts, lambda name: find_credential(configuration, name))


def server(
    settings: AuthoritySettings, clients: Clients, services: Services, credentials: HostCredentials
) -> AcmeServer:
    """Return the server, which shares policy, signer and CRLs with the services of the Infisical API."""
    ports = AcmePorts(
        accounts=DynamoDBAcmeAccounts(clients.dynamodb, settings.table),
        credentials=credentials,
        orders=DynamoDBAcmeOrders(clients.dynamodb, settings.table),
        used_nonces=DynamoDBUsedNonces(DynamoDBTokens(clients.dynamodb, settings.table)),
        nonce_key=credentials.secret,
        validations=SQSValidations(clients.sqs, settings.validations),
        buckets=DynamoDBBuckets(clients.dynamodb, settings.table),
    )
    shared = SharedServices(
        services.ports.configuration,
        services.ports.certificates,
        services.builder,
        services.fulfillment,
        services.revoking,
        services.clock,
        settings.data_stack,
        settings.address,
    )
    return acme_server(ports, shared)
