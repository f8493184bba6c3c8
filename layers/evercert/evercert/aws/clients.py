"""AWS clients of one process: one session, one set of time limits, created on first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from evercert.aws.session import Session
from evercert.aws.timeouts import SIGNER, USUAL, Limits
from evercert.errors import EvercertError, Misconfigured, Rejected, Unavailable

if TYPE_CHECKING:
    import boto3
    from types_boto3_acm import ACMClient
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_kms import KMSClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient
    from types_boto3_ssm import SSMClient
    from types_boto3_sts import STSClient

    from evercert.deadline import Deadline


CALL_LIMIT, CONFIG = USUAL.call, USUAL.config
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "NotAuthorized", "UnauthorizedOperation"}
_BUSY = {
    "InternalServerError",
    "InternalServiceError",
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
    "KMSInternalException",
    "DependencyTimeoutException",
    "TransactionConflictException",
    "TransactionInProgressException",
}
_THROTTLED = ("Throttl", "LimitExceeded", "ThroughputExceeded", "SlowDown", "TooManyRequests")
_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "InvalidAccessKeyId",
}
# Errors that the same content always causes; an operator looks at all unknown ones.
_CONTENT = {"ValidationException", "InvalidParameterException", "InvalidParameter", "InvalidParameterValue"}
_MISSING = {
    "ResourceNotFoundException",
    "NotFound",
    "NotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "DisabledException",
    "KMSInvalidStateException",
    "InvalidKeyUsageException",
    "DecryptionFailure",
    "EncryptionFailure",
}


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

    def client(self, service: str) -> Any:  # noqa: ANN401 (typed where it is used)
        """Return a new client with the time limits of this process."""
        config = self._of(service).config
        return _Client(lambda: self.session.client(service, config=config))  # type: ignore[call-overload]

    def _of(self, service: str) -> Limits:
        return SIGNER if service == "lambda" else self._limits

    def elsewhere(self, region: str, refresh: Callable[[], dict[str, str]] | None = None) -> Clients:
        """Return clients of another region; `refresh`, if given, returns the credentials of another role."""
        return Clients(self._deadline, Session(region, refresh), self._limits)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """Return the client of the tables."""
        return self.client("dynamodb")  # type: ignore[no-any-return]

    @cached_property
    def sqs(self) -> SQSClient:
        """Return the client of the queue."""
        return self.client("sqs")  # type: ignore[no-any-return]

    @cached_property
    def sns(self) -> SNSClient:
        """Return the client of the topic."""
        return self.client("sns")  # type: ignore[no-any-return]

    @cached_property
    def kms(self) -> KMSClient:
        """Return the client of the keys."""
        return self.client("kms")  # type: ignore[no-any-return]

    @cached_property
    def secretsmanager(self) -> SecretsManagerClient:
        """Return the client of the secrets."""
        return self.client("secretsmanager")  # type: ignore[no-any-return]

    @cached_property
    def ssm(self) -> SSMClient:
        """Return the client of Parameter Store."""
        return self.client("ssm")  # type: ignore[no-any-return]

    @cached_property
    def acm(self) -> ACMClient:
        """Return the client of ACM."""
        return self.client("acm")  # type: ignore[no-any-return]

    @cached_property
    def sts(self) -> STSClient:
        """Return the client that assumes roles."""
        return self.client("sts")  # type: ignore[no-any-return]

    @cached_property
    def lambda_(self) -> LambdaClient:
        """Return the client that invokes functions."""
        return self.client("lambda")  # type: ignore[no-any-return]

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """Return the client of the stack's outputs."""
        return self.client("cloudformation")  # type: ignore[no-any-return]


class _Client:
    """Create a client at its first call: half of the messages need only the tables, and each client takes 10 ms."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Any:  # noqa: ANN401
        return self._make()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._made, name)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Translate errors of AWS into evercert's errors; `doing` completes "cannot …", such as "store secret x"."""
    try:
        yield
    except ClientError as error:
        raise _translate(error, doing) from error
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
    except BotoCoreError as error:
        raise Unavailable(f"cannot {doing}: AWS did not answer ({type(error).__name__})") from error


def code(error: ClientError) -> str:
    """Return the error code; callers distinguish errors by it only."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _translate(error: ClientError, doing: str) -> EvercertError:
    name = code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    from evercert.schema import printable  # noqa: PLC0415 (pydantic is a fifth of the checker's cold start)

    said = printable(str(error.response.get("Error", {}).get("Message", "")), 300)
    what = f"cannot {doing}: {name}: {said}"
    if name in _BUSY or any(word in name for word in _THROTTLED):
        return Unavailable(what)
    if name in _DENIED:
        return Misconfigured(f"{what}; the role lacks a permission, or a key policy refuses it")
    if name in _CREDENTIALS:
        return Misconfigured(f"{what}; the AWS credentials are expired or wrong: sign in again")
    if name in _MISSING:
        return Misconfigured(what)
    if status >= 500:  # noqa: PLR2004
        return Unavailable(what)
    return Rejected(what) if name in _CONTENT else Misconfigured(what)
