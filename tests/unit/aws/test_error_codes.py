"""Error codes of AWS: the kind of each service's refusals, and the remedy in one line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from evercert.aws.clients import translated
from evercert.errors import Busy, ClockWrong, EvercertError, Misconfigured, Rejected, Throttled, Unavailable
from tests.doubles.strict_aws import refuse

KINDS: dict[type[EvercertError], tuple[str, ...]] = {
    Throttled: (
        "ThrottlingException",  # DynamoDB, KMS, Secrets Manager, ACM, SSM
        "Throttling",  # STS, CloudFormation
        "Throttled",  # SNS
        "RequestThrottled",  # SQS
        "KmsThrottled",  # SQS
        "KMS.ThrottlingException",  # SQS
        "KMSThrottling",  # SNS
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",  # DynamoDB, per account
        "TooManyRequestsException",  # Lambda
        "EC2ThrottledException",  # Lambda
        "SlowDown",  # S3
    ),
    Busy: ("TransactionConflictException", "ConditionalCheckFailedException", "PriorRequestNotComplete"),  # Route 53
    Unavailable: (
        "InternalServerError",
        "InternalServiceError",
        "KMSInternalException",
        "DependencyTimeoutException",
        "TransactionInProgressException",
    ),
    Misconfigured: (
        "AccessDeniedException",
        "AuthorizationError",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "ResourceNotFoundException",
        "LimitExceededException",  # Secrets Manager, KMS, ACM: a quota
        "ServiceQuotaExceededException",
        "SubscriptionLimitExceeded",
        "ItemCollectionSizeLimitExceededException",
        "DisabledException",
        "SomethingNew",
    ),
    Rejected: ("ValidationException", "InvalidParameterException", "InvalidParameterValue"),
}


def translation(code: str, message: str = "no", *, status: int = 400, of: str = "Operation", **headers: str) -> str:
    error = refuse(code, of, message, status)
    error.response["ResponseMetadata"]["HTTPHeaders"] = headers
    with pytest.raises(EvercertError) as raised, translated("do it"):
        raise error
    return f"{type(raised.value).__name__} {raised.value}"


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in KINDS.items() for code in codes])
def test_code_has_its_kind(kind: type[EvercertError], code: str) -> None:
    assert translation(code, "no\x1b[31m").startswith(f"{kind.__name__} cannot do it: {code}: no")


@pytest.mark.parametrize(("status", "kind"), [(429, "Throttled"), (503, "Unavailable"), (400, "Misconfigured")])
def test_unknown_code_has_the_kind_of_its_status(status: int, kind: str) -> None:
    assert translation("SomethingNew", status=status).startswith(kind)


def test_quota_is_named() -> None:
    assert "an AWS quota is used up: request a higher one" in translation("LimitExceededException")


# -- keys ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "operation", "role"),
    [
        ("DisabledException", "Encrypt", "the seal key"),
        ("KMSInvalidStateException", "Decrypt", "the seal key"),
        ("DisabledException", "Sign", "the key of the CA"),
        ("KMS.DisabledException", "SendMessageBatch", "the KMS key of the queue"),
        ("KmsInvalidState", "SendMessage", "the KMS key of the queue"),
        ("KMSDisabled", "Publish", "the KMS key of the topic"),
        ("KMSAccessDenied", "Publish", "the KMS key of the topic"),
        ("EncryptionFailure", "PutSecretValue", "the KMS key of the secret"),
        ("DecryptionFailure", "GetSecretValue", "the KMS key of the secret"),
        ("KMSDisabledException", "Invoke", "the KMS key"),
        ("InaccessibleEncryptionCredentialsException", "GetItem", "the KMS key of the table"),
    ],
)
def test_unusable_key_is_named_with_its_role(code: str, operation: str, role: str) -> None:
    assert translation(code, of=operation) == (
        f"Misconfigured cannot do it: {code}: no; {role} cannot be used: enable it, cancel its deletion, or correct "
        "its policy"
    )


@pytest.mark.parametrize("state", ["is disabled.", "is pending deletion."])
def test_unusable_key_of_a_table_is_recognized(state: str) -> None:
    """DynamoDB repeats the words of KMS under the code AccessDeniedException."""
    message = f"KMS key access denied error: arn:aws:kms:eu-central-1:111122223333:key/1234 {state}"
    found = translation("AccessDeniedException", message, of="UpdateItem")
    assert found.startswith("Misconfigured")
    assert "the KMS key of the table cannot be used: enable it" in found
    assert "lacks a permission" not in found


# -- the clock ----------------------------------------------------------------------------------------------------------
SKEWED = (
    ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    ("RequestExpired", "Request has expired."),
    ("InvalidSignatureException", "Signature expired: 20261127T000000Z is now earlier than 20261127T001000Z"),
    ("SignatureDoesNotMatch", "Signature not yet current: 20261127T001000Z is still later than 20261127T000000Z"),
)
skewed = pytest.mark.parametrize(("code", "message"), SKEWED, ids=[code for code, _ in SKEWED])


@skewed
def test_wrong_clock_is_named_and_retried(code: str, message: str) -> None:
    found = translation(code, message, status=403)
    assert found.startswith(ClockWrong.__name__)
    assert "the clock of this machine is wrong: synchronize it, for example with NTP" in found
    assert "sign in" not in found
    assert issubclass(ClockWrong, Unavailable)


@skewed
@pytest.mark.parametrize(
    ("minutes", "words"),
    [(12, "12 minutes ahead of"), (-90, "90 minutes behind"), (1, "1 minute ahead of")],
)
def test_wrong_clock_is_measured(code: str, message: str, minutes: int, words: str) -> None:
    there = datetime.now(UTC) - timedelta(minutes=minutes)
    found = translation(code, message, status=403, date=format_datetime(there, usegmt=True))
    assert f"the clock of this machine is {words} that of AWS: synchronize it" in found


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Jan 2020 00:00:00 GMT", "Thu, 1 Jan 2020 00:00:00 -0000"])
def test_wrong_clock_is_named_without_a_valid_date(date: str) -> None:
    assert "the clock of this machine is wrong" in translation("RequestExpired", "expired", date=date)


def test_wrong_key_is_no_wrong_clock() -> None:
    found = translation("SignatureDoesNotMatch", "The request signature we calculated does not match", status=403)
    assert found.startswith("Misconfigured")
    assert "sign in again" in found
