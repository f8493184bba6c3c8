"""Error codes of AWS: the kind of each one, and what an operator can do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from evercert.aws.lambda_clock import now
from evercert.errors import Busy, ClockWrong, EvercertError, Misconfigured, Rejected, Throttled, Unavailable

DENIED = {
    "403",  # the answer of S3 to HEAD has no other code
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "NotAuthorized",
    "UnauthorizedOperation",
}
CANCELLED = "TransactionCanceledException"
CONDITION, CONFLICT, INVALID = "ConditionalCheckFailed", "TransactionConflict", "ValidationError"
_OUTAGE = {
    "InternalServerError",
    "InternalServiceError",
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
    "KMSInternalException",
    "DependencyTimeoutException",
    "TransactionInProgressException",
}
_CONTENDED = {CONFLICT, f"{CONFLICT}Exception", CONDITION, f"{CONDITION}Exception", "PriorRequestNotComplete"}
_CONTENDED |= {"TooManyUpdates"}  # of Parameter Store
# "Throttl" is in ThrottlingException, Throttled, RequestThrottled, KmsThrottled, EC2ThrottledException and others.
_THROTTLED = ("Throttl", "ThroughputExceeded", "RequestLimitExceeded", "SlowDown", "TooManyRequests", "BandwidthLimit")
_TOO_MANY_REQUESTS = 429  # HTTP
_QUOTA = ("LimitExceeded", "QuotaExceeded", "LimitReached", "OverLimit")  # a pause does not help
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
_CLOCK_CODES = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
# Messages about the time of a signature; their error code is that of a wrong key.
_CLOCK_MESSAGE = re.compile(r"signature (?:expired|not yet current)", re.IGNORECASE)
# A key that is disabled, pending deletion or otherwise unusable: codes of KMS, and of services that call KMS.
_KEY_CODE = re.compile(
    r"(?i)^disabled(exception)?$|kms.*(disabled|invalid_?state|not_?found|key_?usage|access_?denied)|inaccessibleencryption"
    r"|^(en|de)cryptionfailure$|^invalidkeyid$"
)
_LIST_KEY = "list the secret's key in the stack's parameter SecretKeys, and allow the issuer in the key's policy"
_KEY_WORDS = re.compile(r"(?i)kms key access denied|\bkey/\S+ is (disabled|pending)")
# Errors in the request's content, which a retry cannot fix. Unknown codes are misconfigured: an operator must look.
_CONTENT = {
    "ValidationException",
    INVALID,
    "InvalidParameterException",
    "InvalidParameter",
    "InvalidParameterValue",
}


def code(error: ClientError) -> str:
    """Return the error code, the only part of an error that callers may compare."""
    return str(error.response.get("Error", {}).get("Code", ""))


def cancellation_reasons(error: ClientError) -> Sequence[Mapping[str, Any]]:
    """Return why DynamoDB cancelled a transaction, one reason for each write; empty for other errors."""
    reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons", ())
    return reasons if code(error) == CANCELLED else ()


def translate(error: ClientError, doing: str) -> EvercertError:
    """Return the EvercertError of an error of AWS; `doing` completes "cannot …"."""
    from evercert.schema import printable  # noqa: PLC0415 (pydantic is a fifth of the checker's cold start)

    metadata = error.response.get("ResponseMetadata", {})
    name, text = _decisive(error)
    said, status = printable(text, 300), metadata.get("HTTPStatusCode", 0)
    is_skewed = name in _CLOCK_CODES or (name in _CREDENTIALS and bool(_CLOCK_MESSAGE.search(said)))
    kinds: tuple[tuple[bool, type[EvercertError], str], ...] = (  # the first one that fits
        (
            _is_throttle(name) or status == _TOO_MANY_REQUESTS,
            Throttled,
            "too many requests: try again later",
        ),
        (name in _CONTENDED, Busy, "another write interfered: try again"),
        (
            bool(_KEY_CODE.search(name) or _KEY_WORDS.search(said)),
            Misconfigured,
            f"{_key_role(error.operation_name)} cannot be used: enable it, cancel its deletion, or correct its policy",
        ),
        (name in DENIED and "access to kms" in said.lower(), Misconfigured, _LIST_KEY),
        (name in DENIED, Misconfigured, "the role lacks a permission, or a key policy refuses it"),
        (is_skewed, ClockWrong, _skew(metadata.get("HTTPHeaders", {})) if is_skewed else ""),
        (name in _CREDENTIALS, Misconfigured, "the AWS credentials are expired or wrong: sign in again"),
        (name in _OUTAGE, Unavailable, ""),
        (
            any(word in name for word in _QUOTA),
            Misconfigured,
            "an AWS quota is used up: request a higher one, or delete unused resources",
        ),
        (status >= 500, Unavailable, ""),  # noqa: PLR2004
        (name in _CONTENT, Rejected, ""),
        (True, Misconfigured, ""),
    )
    kind, remedy = next((kind, remedy) for fits, kind, remedy in kinds if fits)
    return kind(f"cannot {doing}: {printable(name, 100)}: {said}{remedy and f'; {remedy}'}")


def _decisive(error: ClientError) -> tuple[str, str]:
    """Return code and message; of a cancelled transaction, preferably those of a permanent reason."""
    reasons = [
        (str(reason["Code"]), str(reason.get("Message", "")))
        for reason in cancellation_reasons(error)
        if reason.get("Code") not in (None, "None")
    ]
    if not reasons:
        return code(error), str(error.response.get("Error", {}).get("Message", ""))
    return min(reasons, key=lambda reason: is_transient(reason[0]))


def is_transient(name: str) -> bool:
    """Whether the same write may succeed a moment later: after a conflict or a throttle."""
    return _is_throttle(name) or name in {CONFLICT, f"{CONFLICT}Exception"}


def _is_throttle(name: str) -> bool:
    return any(word in name for word in _THROTTLED)


def _key_role(operation: str) -> str:
    """Return what the KMS key of an operation is for."""
    roles = {"Encrypt": "the seal key", "Decrypt": "the seal key", "Sign": "the key of the CA"}
    roles |= {"GetPublicKey": "the key of the CA", "Publish": "the KMS key of the topic"}
    parts = {"Message": "queue", "Secret": "secret", "Item": "table", "Query": "table", "Scan": "table"}
    parts |= {"Parameter": "parameter", "Object": "object"}
    return roles.get(operation) or next(
        (f"the KMS key of the {thing}" for part, thing in parts.items() if part in operation), "the KMS key"
    )


def _skew(headers: Mapping[str, str]) -> str:
    """Return the remedy for a wrong clock, with the difference if the answer has a date."""
    remedy = "synchronize it, for example with NTP"
    try:
        ahead = now() - parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError, OverflowError, IndexError):
        ahead = timedelta(0)
    if (minutes := round(abs(ahead) / timedelta(minutes=1))) == 0:
        return f"the clock of this machine is wrong: {remedy}"
    side = "ahead of" if ahead > timedelta(0) else "behind"
    return f"the clock of this machine is {minutes} minute{'' if minutes == 1 else 's'} {side} that of AWS: {remedy}"
