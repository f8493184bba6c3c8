"""Connect to a deployed stack: its tables, queue, outputs and parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoRegionError, ProfileNotFound
from botocore.exceptions import ConnectionError as NoConnectionError

from evercert.aws.clients import Clients, code, translated
from evercert.aws.credential_writer import CredentialSecrets
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.aws.regions import UNKNOWN_CREDENTIALS
from evercert.aws.session import botocore_session
from evercert.aws.sqs import SQSQueue
from evercert.aws.tags import Owner
from evercert.errors import Misconfigured
from evercert.schema import printable


@dataclass(frozen=True)
class DescribedStack:
    """Stack as CloudFormation describes it, perhaps deleted or not finished; `id` is its ARN."""

    name: str
    id: str
    status: str
    clients: Clients
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]

    @property
    def owner(self) -> Owner:
        """Return the stack as the owner of secrets and certificates."""
        return Owner.of(self.id)

    @property
    def data_name(self) -> str:
        """Return the name of the stack that created the data; ids and tags of credentials and CA keys depend on it."""
        return self.parameters.get("RestoredStack") or self.name

    @property
    def regions(self) -> list[str]:
        """Return the regions in which the stack may store certificates, its own first."""
        return list(dict.fromkeys([self.owner.region, *self.listed("DestinationRegions")]))

    def listed(self, parameter: str) -> list[str]:
        """Return the entries of a parameter of the stack that is a list."""
        return [entry.strip() for entry in self.parameters.get(parameter, "").split(",") if entry.strip()]

    def output(self, key: str) -> str:
        """Return a stack output; raise Misconfigured if it is missing."""
        if key not in self.outputs:
            raise _incomplete(self.name, key)
        return self.outputs[key]


@dataclass(frozen=True)
class Connection(DescribedStack):
    """Deployed stack, accessed with the operator's own permissions."""

    specs: DynamoDBSpecs
    queue: SQSQueue

    @property
    def credential_secrets(self) -> CredentialSecrets:
        """Store for the credentials of agent documents."""
        return CredentialSecrets(self.clients, self.data_name)


def connect(stack: str, region: str | None) -> Connection:
    """Find the stack's resources by its outputs; raise Misconfigured with the command that helps."""
    return connection_of(describe(stack, region))


def describe(stack: str, region: str | None) -> DescribedStack:
    """Find a stack by its name or id, in any state; raise Misconfigured with the command that helps."""
    if not stack:
        raise Misconfigured("no stack name: pass --stack or set EVERCERT_STACK")
    try:
        clients = Clients(session=boto3.Session(region_name=region, botocore_session=botocore_session()))
        found = _stack(clients, stack)
    except NoRegionError as error:
        raise Misconfigured("no AWS region: pass --region or set AWS_REGION") from error
    except ProfileNotFound as error:
        raise Misconfigured(f"{error}; set AWS_PROFILE to one of `aws configure list-profiles`") from error
    except (BotoCoreError, ValueError) as error:
        raise Misconfigured(f"invalid AWS settings on this machine: {printable(str(error))}") from error
    return described(stack, clients, found)


def described(stack: str, clients: Clients, found: Mapping[str, Any]) -> DescribedStack:
    """Return the stack of an answer of CloudFormation."""
    return DescribedStack(
        name=str(found.get("StackName", stack)),  # `stack` may be an id
        id=str(found["StackId"]),
        status=str(found["StackStatus"]),
        clients=clients,
        outputs={output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])},
        parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in found.get("Parameters", [])},
    )


def connection_of(stack: DescribedStack) -> Connection:
    """Return the connection of a described stack; raise Misconfigured if an output is missing."""
    certificates, issuers, queue = (stack.output(key) for key in ("CertificatesTable", "IssuersTable", "Queue"))
    return Connection(
        **vars(stack),
        specs=DynamoDBSpecs(stack.clients.dynamodb, certificates, issuers),
        queue=SQSQueue(stack.clients.sqs, queue),
    )


def _incomplete(stack: str, key: str) -> Misconfigured:
    return Misconfigured(
        f"stack {stack} has no output {key!r}: it is not an evercert stack, or its deployment is not finished"
    )


def _stack(clients: Clients, stack: str) -> Mapping[str, Any]:
    where = clients.cloudformation.meta.region_name
    with translated(f"find stack {stack} in {where}"):
        try:
            found = clients.cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if code(error) == "ValidationError":
                raise _no_stack(stack, where) from error
            if code(error) in UNKNOWN_CREDENTIALS:
                raise Misconfigured(
                    f"cannot find stack {stack} in {where}: the AWS credentials are expired or wrong, or the account "
                    f"has not enabled region {where}: sign in again, name another region, or enable it ({code(error)})"
                ) from error
            raise
        except (NoConnectionError, HTTPClientError) as error:
            address = os.environ.get("AWS_ENDPOINT_URL")
            problem = (
                f"no response from {address} (AWS_ENDPOINT_URL): start the local stack with `make local`, or unset it"
            )
            if address is None:
                problem = f"no response from AWS in {where}: check the network and the region"
            raise Misconfigured(problem) from error
    if not found:
        raise _no_stack(stack, where)
    return found[0]


def _no_stack(stack: str, where: str) -> Misconfigured:
    return Misconfigured(
        f"there is no stack {stack} in {where}: deploy it with `sam deploy --guided`, "
        "or name another with --stack (EVERCERT_STACK) or --region (AWS_REGION)"
    )
