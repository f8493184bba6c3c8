"""From a stack's name to its tables and queue."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoRegionError, ProfileNotFound
from botocore.exceptions import ConnectionError as NoConnectionError

from evercert.aws.clients import Clients, code, translated
from evercert.aws.queue import SQSQueue
from evercert.aws.specs import DynamoDBSpecs
from evercert.errors import Misconfigured, foreign


@dataclass(frozen=True)
class Connection:
    """One deployed stack, with the operator's own rights."""

    specs: DynamoDBSpecs
    queue: SQSQueue


def now() -> datetime:
    """The clock of the command line."""
    return datetime.now(UTC)


def connect(stack: str, region: str | None) -> Connection:
    """Finds the resources by the stack's outputs; raises Misconfigured with what to run."""
    if not stack:
        raise Misconfigured("the stack has no name: give --stack, or set EVERCERT_STACK")
    try:
        clients = Clients(session=boto3.Session(region_name=region))
        outputs = _outputs(clients, stack)
    except NoRegionError as error:
        raise Misconfigured("no AWS region: give --region, or set AWS_REGION") from error
    except ProfileNotFound as error:
        raise Misconfigured(f"{error}; set AWS_PROFILE to one of `aws configure list-profiles`") from error
    except (BotoCoreError, ValueError) as error:
        raise Misconfigured(f"the AWS settings of this machine are wrong: {foreign(str(error))}") from error
    try:
        specs = DynamoDBSpecs(clients.dynamodb, outputs["CertificatesTable"], outputs["IssuersTable"])
        return Connection(specs, SQSQueue(clients.sqs, outputs["Queue"]))
    except KeyError as error:
        raise Misconfigured(
            f"stack {stack} has no output {error}: it is no evercert stack, or is still being deployed"
        ) from error


def _outputs(clients: Clients, stack: str) -> dict[str, str]:
    where = clients.cloudformation.meta.region_name
    with translated(f"find stack {stack} in {where}"):
        try:
            stacks = clients.cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if code(error) == "ValidationError":
                raise Misconfigured(
                    f"there is no stack {stack} in {where}: deploy it with `sam deploy --guided`, "
                    "or name another with --stack (EVERCERT_STACK) or --region (AWS_REGION)"
                ) from error
            raise
        except (NoConnectionError, HTTPClientError) as error:
            address = os.environ.get("AWS_ENDPOINT_URL")
            mend = (
                f"nothing answers at {address} (AWS_ENDPOINT_URL): start the local stack with `make local`, or unset it"
            )
            if address is None:
                mend = f"AWS does not answer in {where}: check the network and the region"
            raise Misconfigured(mend) from error
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
