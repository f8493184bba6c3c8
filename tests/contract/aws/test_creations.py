"""Calls that create something at each attempt: one request, even if its answer is late or lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from socket import socket

import pytest

from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.clients import Clients
from evercert.aws.session import Session
from evercert.aws.timeouts import USUAL, Limits
from evercert.contracts.record import Delivery
from evercert.destinations.acm import ACM
from evercert.destinations.context import DestinationContext
from evercert.errors import Unavailable
from evercert.pki.certificate import Bundle, Chain
from evercert.pki.keys import PrivateKey
from tests.doubles.raw_server import RawServer, drop, reply
from tests.doubles.world import STACK_ID
from tests.samples.certificates import certificate, private_key

EC = "EC_prime256v1"
ARN = "arn:aws:acm:eu-central-1:000000000000:certificate/a"
KEY = "arn:aws:kms:eu-central-1:000000000000:key/a"
QUICK = Limits(connect=1, read=1, attempts=2, backoff=0)


def late(server: RawServer, connection: socket) -> bool:
    """Answer after the time limit of one attempt, within that of all."""
    time.sleep(QUICK.read + 0.3)
    return reply(200, {"CertificateArn": ARN, "KeyMetadata": {"KeyId": KEY, "Arn": KEY}})(server, connection)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with RawServer(drop) as raw:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{raw.port}")
        yield raw


def clients() -> Clients:
    return Clients(session=Session("eu-central-1"), limits=QUICK)


def import_first() -> str:
    bundle = Bundle(Chain((certificate(EC, ("dns:www.example.com",)),)), PrivateKey(private_key(EC)))
    destination = ACM(ACM.Settings(), "web", DestinationContext(STACK_ID, clients()))
    return destination.deliver(bundle, Delivery()).location


def create_key() -> str:
    made = clients()
    return CAKeyMaking(made.kms, made.client("kms", once=True), "evercert").make("root", "id", EC, {})


CREATIONS: dict[str, tuple[Callable[[], str], str, str]] = {
    "first import": (import_first, "ImportCertificate", ARN),
    "CA key": (create_key, "CreateKey", KEY),
}


@pytest.mark.parametrize(("create", "operation", "arn"), CREATIONS.values(), ids=CREATIONS)
def test_creation_is_sent_once(server: RawServer, create: Callable[[], str], operation: str, arn: str) -> None:
    with pytest.raises(Unavailable, match="AWS did not answer"):
        create()
    server.deeds = [late]
    assert create() == arn
    assert [heard.headers["x-amz-target"].rpartition(".")[2] for heard in server.heard] == [operation] * 2


def test_other_calls_are_repeated(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    destination = ACM(ACM.Settings(arn=ARN), "web", DestinationContext(STACK_ID, clients()))
    with pytest.raises(Unavailable):
        destination.inspect(Delivery())
    assert len(server.heard) == QUICK.attempts


def test_one_attempt_takes_no_longer_than_all() -> None:
    """The deadline of a claim counts with the time of all attempts."""
    assert USUAL.once.attempts == 1
    assert USUAL.read < USUAL.once.read
    assert USUAL.once.call <= USUAL.call
