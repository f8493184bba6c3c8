"""Clients for AWS: time limits, error translation and the end of the claim."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from evercert.aws.clients import CALL_LIMIT, CONFIG, Clients, translated
from evercert.aws.session import Session
from evercert.aws.timeouts import SIGNER, USUAL, WAITED_FOR, Limits
from evercert.deadline import Deadline
from evercert.errors import Misconfigured, OutOfTime, Rejected, Unavailable
from tests.doubles.fakes import HandClock
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EndpointConnectionError(endpoint_url="http://x"), Unavailable),
        (ReadTimeoutError(endpoint_url="http://x"), Unavailable),
        (NoCredentialsError(), Misconfigured),
    ],
    ids=["no connection", "no answer", "no credentials"],
)
def test_translated_maps_connection_errors(error: Exception, kind: type) -> None:
    with pytest.raises(kind, match="cannot do it"), translated("do it"):
        raise error


def test_translated_passes_programming_errors() -> None:
    with pytest.raises(KeyError), translated("do it"):
        raise KeyError


def test_translated_cleans_foreign_text() -> None:
    with pytest.raises(Rejected) as raised, translated("do it"):
        raise refuse("ValidationException", "Operation", "a\r\nb\x1b[2J" + "c" * 5_000)
    assert raised.value.args[0].isprintable()
    assert len(str(raised.value)) < 600


def test_clients_limit_covers_every_attempt() -> None:
    for limits in (USUAL, WAITED_FOR, SIGNER):
        config = limits.config
        assert (config.connect_timeout, config.read_timeout) == (limits.connect, limits.read)
        assert config.retries == {"total_max_attempts": limits.attempts, "mode": "standard"}
        # botocore waits up to 1, 2, 4… seconds between attempts
        waits = sum(2**n for n in range(limits.attempts - 1))
        assert timedelta(seconds=limits.attempts * (limits.connect + limits.read) + waits) <= limits.call
    assert (CONFIG.read_timeout, CALL_LIMIT) == (USUAL.read, USUAL.call)


@pytest.mark.parametrize(
    ("limits", "service", "limit"),
    [(USUAL, "kms", USUAL), (WAITED_FOR, "kms", WAITED_FOR), (WAITED_FOR, "lambda", SIGNER)],
)
def test_deadline_uses_the_limit_of_each_client(world: World, limits: Limits, service: str, limit: Limits) -> None:
    """The limits differ: a response of the signer takes longer than one of a table."""
    clock = HandClock()
    deadline = Deadline(clock)
    client = Clients(deadline, Session("eu-central-1"), limits).client(service)
    config = client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (limit.connect, limit.read)
    assert config.retries["total_max_attempts"] == limit.attempts
    deadline.begin(clock() + limit.call - timedelta(milliseconds=1))
    with pytest.raises(OutOfTime, match=f"{service}:List"):
        client.list_keys() if service == "kms" else client.list_functions()


def test_deadline_blocks_calls_that_could_outlive_the_claim(world: World) -> None:
    world.switch.arm(None)
    world.deadline.begin(world.clock() + CALL_LIMIT)
    world.clients.dynamodb.describe_table(TableName=world.table)
    world.clock.now += timedelta(milliseconds=1)
    with pytest.raises(OutOfTime, match="dynamodb:DescribeTable could end after the claim ends"):
        world.clients.dynamodb.describe_table(TableName=world.table)
    assert len(world.switch.calls) == 1
    world.deadline.end()
    world.clients.dynamodb.describe_table(TableName=world.table)
