"""AWS clients with time limits, created on first use, and the translation of AWS errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from evercert.aws import regions
from evercert.aws.answers import InvalidAnswer
from evercert.aws.connections import EarlyRetry, ReconnectingClient
from evercert.aws.endpoints import keep_endpoint
from evercert.aws.error_codes import DENIED, code, translate
from evercert.aws.session import Session
from evercert.aws.timeouts import LEAN_SERVICES, SIGNER, USUAL, Limits
from evercert.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    import boto3
    from types_boto3_acm import ACMClient
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_kms import KMSClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient
    from types_boto3_ssm import SSMClient
    from types_boto3_sts import STSClient

    from evercert.deadline import Deadline


__all__ = ["CALL_LIMIT", "CONFIG", "DENIED", "Clients", "code", "translated"]

CALL_LIMIT, CONFIG = USUAL.call, USUAL.config


class Clients:
    """AWS clients of one process; with a deadline, no call starts that could outlast it."""

    def __init__(
        self,
        deadline: Deadline | None = None,
        session: Session | boto3.Session | None = None,
        limits: Limits = USUAL,
    ) -> None:
        self.session = session or Session()
        self._deadline = deadline
        self._limits = limits
        if deadline is not None:
            # Before the retry loop, so that the deadline covers every attempt.
            self.session.events.register(
                "before-call",
                lambda model, **_: deadline.require(
                    self._of(model.service_model.service_name).call, f"{model.service_model.service_name}:{model.name}"
                ),
            )

    def client(self, service: str, *, once: bool = False) -> Any:  # noqa: ANN401 (typed where it is used)
        """Return a new client with our time limits; `once`: it never repeats a call whose answer is late or lost."""
        limits = self._of(service).once if once else self._of(service)

        def make() -> Any:  # noqa: ANN401
            client = self.session.client(service, config=limits.config)  # type: ignore[call-overload]
            if limits.lean:
                keep_endpoint(client, service)
            if limits.early:
                EarlyRetry(limits.early).register(client.meta.events, client.meta.service_model.service_id.hyphenize())
            return client

        return ReconnectingClient(make)

    def client_in(self, region: str, service: str) -> Any:  # noqa: ANN401 (typed where it is used)
        """Return a new client for a region; the credentials must be known to work in that of the session."""
        client = self.session.client(service, region_name=region, config=self._of(service).config)  # type: ignore[call-overload]
        if region != self.session.region_name:
            regions.name_disabled(client.meta.events, region)
        return client

    def ready(self, *names: str) -> Self:
        """Create clients before their first call, which repeats what fails here, and reports it."""
        with suppress(BotoCoreError):
            for name in names:
                getattr(self, name).meta  # noqa: B018 (a client is created when it is used)
        return self

    def _of(self, service: str) -> Limits:
        limits = SIGNER if service == "lambda" else self._limits
        return replace(limits, lean=self._limits.lean and service in LEAN_SERVICES)

    def elsewhere(self, region: str, refresh: Callable[[], dict[str, str]] | None = None) -> Clients:
        """Return clients for another region. `refresh` supplies credentials of another role on demand."""
        return Clients(self._deadline, Session(region, refresh), self._limits)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """Return the client for the tables."""
        return self.client("dynamodb")  # type: ignore[no-any-return]

    @cached_property
    def sqs(self) -> SQSClient:
        """Return the client for the queue."""
        return self.client("sqs")  # type: ignore[no-any-return]

    @cached_property
    def sns(self) -> SNSClient:
        """Return the client for the topic."""
        return self.client("sns")  # type: ignore[no-any-return]

    @cached_property
    def kms(self) -> KMSClient:
        """Return the client for the KMS keys."""
        return self.client("kms")  # type: ignore[no-any-return]

    @cached_property
    def secretsmanager(self) -> SecretsManagerClient:
        """Return the client for secrets."""
        return self.client("secretsmanager")  # type: ignore[no-any-return]

    @cached_property
    def ssm(self) -> SSMClient:
        """Return the client for parameters."""
        return self.client("ssm")  # type: ignore[no-any-return]

    @cached_property
    def acm(self) -> ACMClient:
        """Return the client for imported certificates."""
        return self.client("acm")  # type: ignore[no-any-return]

    @cached_property
    def acm_once(self) -> ACMClient:
        """Return the client for first imports: each attempt creates another certificate."""
        return self.client("acm", once=True)  # type: ignore[no-any-return]

    @cached_property
    def sts(self) -> STSClient:
        """Return the client for roles."""
        return self.client("sts")  # type: ignore[no-any-return]

    @cached_property
    def lambda_(self) -> LambdaClient:
        """Return the client for functions, such as the authority's signer."""
        return self.client("lambda")  # type: ignore[no-any-return]

    @cached_property
    def s3(self) -> S3Client:
        """Return the client for the bucket of CRLs and CA certificates."""
        return self.client("s3")  # type: ignore[no-any-return]

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """Return the client for the stack's outputs."""
        return self.client("cloudformation")  # type: ignore[no-any-return]


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise errors of AWS as EvercertError; `doing` completes "cannot …" in the message: "store secret x"."""
    try:
        yield
    except ClientError as error:
        raise translate(error, doing) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Misconfigured(
            f"cannot {doing}: no AWS credentials found; run `aws configure` or `aws sso login`"
        ) from error
    except (
        CredentialRetrievalError,
        SSOTokenLoadError,
        TokenRetrievalError,
        UnauthorizedSSOTokenError,
    ) as error:
        raise Misconfigured(f"cannot {doing}: the AWS credentials are expired or missing; sign in again") from error
    except ResponseParserError as error:
        found = f" ({error})" if isinstance(error, InvalidAnswer) else ""
        raise Unavailable(
            f"cannot {doing}: the answer is not one of AWS{found}; check the network and the endpoint"
        ) from error
    except SSLError as error:
        raise Unavailable(
            f"cannot {doing}: the endpoint of AWS has no certificate of a trusted CA; if it has a CA of yours, set "
            "AWS_CA_BUNDLE"
        ) from error
    except BotoCoreError as error:
        raise Unavailable(f"cannot {doing}: AWS did not answer ({type(error).__name__})") from error
