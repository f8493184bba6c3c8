"""Resources that issuers receive besides their settings: HTTP client, credentials, AWS session and clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    from evercert.acme.jws import Signer
    from evercert.aws.credential_reader import Credentials
    from evercert.aws.private_ca import PrivateCAClient
    from evercert.aws.session import Session as AWSSession
    from evercert.contracts.accounts import AccountStore
    from evercert.contracts.order_buckets import OrderBuckets
    from evercert.contracts.ports import Seal
    from evercert.contracts.solver import Solvers
    from evercert.deadline import Clock
    from evercert.http_client.client import HTTPClient


@dataclass(frozen=True)
class AcmeContext:
    """Resources of ACME issuers: accounts, solvers, limits of orders, and signing keys in KMS by their ARNs."""

    accounts: AccountStore
    seal: Seal
    solvers: Solvers
    order_buckets: OrderBuckets
    kms_key: Callable[[str], Signer]


@dataclass(frozen=True)
class IssuerContext:
    """Resources shared by all issuers of one process; `acme` and `private_ca` are None outside the issuer function.

    `aws` signs logins by AWS IAM. `private_ca` returns the client of AWS Private CA in a region. `shared` holds what
    issuers of one type share, such as the sessions of a server.
    """

    http: HTTPClient
    credentials: Credentials
    aws: AWSSession | boto3.Session
    clock: Clock
    acme: AcmeContext | None = None
    private_ca: Callable[[str], PrivateCAClient] | None = None
    shared: dict[str, Any] = field(default_factory=dict, repr=False)
