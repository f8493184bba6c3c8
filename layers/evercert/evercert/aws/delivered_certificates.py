"""Read the state and the secrets of certificates with a host's role: one GetItem, limited to a few attributes.

docs/policies/host.json allows exactly these attributes, never the revision in progress.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from evercert.aws.clients import Clients, code, translated
from evercert.aws.dynamodb.items import key, moment, plain
from evercert.aws.session import botocore_session
from evercert.contracts.certificate_status import CertificateStatus, DeliveredSecret, StackFailure
from evercert.errors import Misconfigured
from evercert.schema import printable

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

ATTRIBUTES = ("pk", "uid", "state", "facts", "deliveries", "last_error", "finding")
LONGEST_MESSAGE = 1_000
_SECRET = re.compile(r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:]+")


class DeliveredCertificates:
    """Certificates of one stack; `account` is the stack's. Raises Unavailable or Misconfigured."""

    def __init__(self, clients: Clients, table: str, account: str) -> None:
        self._clients = clients
        self._table = table
        self._account = account
        self._secrets: dict[str, SecretsManagerClient] = {}

    def status(self, name: str) -> CertificateStatus | None:
        """Return the state of a certificate, or None if the table has no record of it."""
        names = {f"#{number}": attribute for number, attribute in enumerate(ATTRIBUTES)}
        with translated(f"read the state of certificate {name}"):
            answer = self._clients.dynamodb.get_item(
                TableName=self._table,
                Key=key(name),
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
            )
        item = plain(answer.get("Item", {}))
        return status_of(item, self._account) if item else None

    def secret(self, location: str, version: str) -> str:
        """Return the value of one version of a secret, in the secret's own region."""
        region = location.split(":")[3]
        if region not in self._secrets:
            session = boto3.Session(region_name=region, botocore_session=botocore_session())
            self._secrets[region] = Clients(session=session).secretsmanager
        with translated(f"read secret {location}"):
            try:
                answer = self._secrets[region].get_secret_value(SecretId=location, VersionId=version)
            except ClientError as error:
                if code(error) == "ResourceNotFoundException":
                    raise Misconfigured(f"secret {location} was deleted or replaced; the stack repairs it") from error
                raise
        value = answer.get("SecretString")
        if value is None:
            raise Misconfigured(
                f"secret {location} is binary: the agent needs a destination secrets-manager without `format`"
            )
        return value


def status_of(item: Mapping[str, Any], account: str) -> CertificateStatus:
    """Return the state that the attributes of a record show; parts of another form count as missing."""
    facts, error, finding = item.get("facts"), item.get("last_error"), item.get("finding")
    revision = _number(facts.get("revision")) if isinstance(facts, dict) else 0
    failure = None
    if isinstance(error, dict):
        kind, message = (printable(str(error.get(field)), LONGEST_MESSAGE) for field in ("kind", "message"))
        failure = StackFailure(kind, message, moment(error.get("at")))
    is_revoked = (
        isinstance(finding, dict)
        and finding.get("reason") == "revoked"
        and _number(finding.get("revision")) == revision
    )
    return CertificateStatus(
        uid=str(item.get("uid")),
        state=str(item.get("state")),
        revision=revision,
        secrets=tuple(_secrets(item.get("deliveries"), account)),
        failure=failure,
        revoked=is_revoked,
    )


def _secrets(deliveries: object, account: str) -> Iterator[DeliveredSecret]:
    """Yield the secrets of the stack's account that hold a revision."""
    for found in deliveries.values() if isinstance(deliveries, dict) else ():
        if not isinstance(found, dict):
            continue
        location, version, revision = str(found.get("location")), found.get("version"), _number(found.get("revision"))
        is_ours = _SECRET.fullmatch(location) is not None and location.split(":")[4] == account
        if is_ours and revision and isinstance(version, str):
            yield DeliveredSecret(location, version, revision)


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return 0
