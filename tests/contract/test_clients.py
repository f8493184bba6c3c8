"""The border to AWS: time limits, translation of errors, and the end of the claim."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from evercert.aws.clients import ATTEMPTS, CALL_LIMIT, CONFIG, CONNECT_SECONDS, READ_SECONDS, translated
from evercert.errors import Misconfigured, OutOfTime, Rejected, Unavailable
from tests.strict import refuse
from tests.world import World


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 400, Unavailable),
        ("ProvisionedThroughputExceededException", 400, Unavailable),
        ("RequestLimitExceeded", 400, Unavailable),
        ("InternalServerError", 500, Unavailable),
        ("SomethingNew", 503, Unavailable),
        ("AccessDeniedException", 400, Misconfigured),
        ("AuthorizationError", 403, Misconfigured),
        ("ExpiredTokenException", 400, Misconfigured),
        ("ResourceNotFoundException", 400, Misconfigured),
        ("DisabledException", 400, Misconfigured),
        ("ValidationException", 400, Rejected),
    ],
)
def test_errors_of_aws_are_sorted_by_what_to_do_next(code: str, status: int, kind: type) -> None:
    with pytest.raises(kind, match=f"cannot do it: {code}: no"), translated("do it"):
        raise refuse(code, "Operation", "no\x1b[31m", status)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EndpointConnectionError(endpoint_url="http://x"), Unavailable),
        (ReadTimeoutError(endpoint_url="http://x"), Unavailable),
        (NoCredentialsError(), Misconfigured),
    ],
    ids=["no connection", "no answer", "no credentials"],
)
def test_no_answer_is_translated_too(error: Exception, kind: type) -> None:
    with pytest.raises(kind, match="cannot do it"), translated("do it"):
        raise error


def test_a_bug_of_ours_is_not_translated() -> None:
    with pytest.raises(KeyError), translated("do it"):
        raise KeyError


def test_foreign_text_is_cleaned() -> None:
    with pytest.raises(Rejected) as raised, translated("do it"):
        raise refuse("ValidationException", "Operation", "a\r\nb\x1b[2J" + "c" * 5_000)
    assert raised.value.args[0].isprintable()
    assert len(str(raised.value)) < 600


def test_the_limit_of_a_call_covers_every_attempt() -> None:
    assert CONFIG.connect_timeout == CONNECT_SECONDS
    assert CONFIG.read_timeout == READ_SECONDS
    assert CONFIG.retries == {"total_max_attempts": ATTEMPTS, "mode": "standard"}
    assert timedelta(seconds=ATTEMPTS * (CONNECT_SECONDS + READ_SECONDS)) < CALL_LIMIT


def test_no_call_leaves_that_could_outlive_the_claim(world: World) -> None:
    world.switch.arm(None)
    world.deadline.begin(world.clock() + CALL_LIMIT)
    world.clients.dynamodb.describe_table(TableName=world.table)
    world.clock.now += timedelta(milliseconds=1)
    with pytest.raises(OutOfTime, match="dynamodb:DescribeTable could end after the claim ends"):
        world.clients.dynamodb.describe_table(TableName=world.table)
    assert len(world.switch.calls) == 1
    world.deadline.end()
    world.clients.dynamodb.describe_table(TableName=world.table)
