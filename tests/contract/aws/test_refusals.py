"""Throttles and a wrong clock as each service words them: one line, of the right kind, through evercert's own calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from evercert.authority.ca.public_files import PublicFile
from evercert.aws.authority.public_bucket import S3PublicStore
from evercert.aws.authority.signer_client import SignerFunction
from evercert.aws.clients import Clients
from evercert.aws.credential_reader import Credentials
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.kms import KMSSeal
from evercert.aws.private_ca import PrivateCA, PrivateCAClients
from evercert.aws.session import Session
from evercert.aws.sns import SNSAnnouncer
from evercert.aws.sqs import SQSQueue
from evercert.cli import connection
from evercert.contracts.queue import Nudge
from evercert.contracts.record import Claim, Delivery
from evercert.destinations.acm import ACM
from evercert.destinations.context import DestinationContext
from evercert.destinations.secrets_manager import SecretsManager
from evercert.documents.secret_reference import Reference
from evercert.errors import ClockWrong, EvercertError, Throttled
from evercert.pki.keys import PrivateKey
from tests.contract.destinations.test_acm import bundle
from tests.doubles.authority.ceremony import Ceremony, order
from tests.doubles.fakes import START
from tests.doubles.raw_server import Deed, RawServer, reply
from tests.doubles.world import STACK_ID
from tests.samples.outcomes import outcome

HOME, ROLE = "eu-central-1", "arn:aws:iam::444455556666:role/r"
NOW = datetime.now(UTC)
CLAIM = Claim(id="o", until=NOW + timedelta(minutes=5))
EXPIRED = "Signature expired: 20261127T000000Z is now earlier than 20261127T001000Z (20261127T001500Z - 5 min.)"


@dataclass(frozen=True)
class Service:
    """A call of evercert, the protocol of its service, and the service's codes."""

    call: Callable[[Clients], object]
    protocol: str
    throttle: str
    status: int = 400
    skew: str = "InvalidSignatureException"


def json(code: str, message: str, status: int) -> Deed:
    return reply(status, {"__type": code, "message": message}, Date=earlier())


def query(code: str, message: str, status: int) -> Deed:
    body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return reply(status, body.encode(), Date=earlier())


def query_in_json(code: str, message: str, status: int) -> Deed:
    """SQS: the code of its earlier protocol is in a header."""
    headers = {"x_amzn_query_error": f"{code};Sender", "Date": earlier()}
    return reply(status, {"__type": f"com.amazonaws.sqs#{code}", "message": message}, **headers)


def rest(code: str, message: str, status: int) -> Deed:
    return reply(status, {"message": message}, x_amzn_ErrorType=code, Date=earlier())


def xml(code: str, message: str, status: int) -> Deed:
    return reply(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode(), Date=earlier())


def earlier() -> str:
    return format_datetime(datetime.now(UTC) - timedelta(minutes=12), usegmt=True)


PROTOCOLS = {"json": json, "query": query, "query in json": query_in_json, "rest": rest, "xml": xml}
FILE = PublicFile("/api/v1/cert-manager/crl/x/der", b"list 5", "application/pkix-crl", 300, START, 5)


def signed(clients: Clients) -> object:
    return SignerFunction(clients.lambda_, "signer").leaf(order(Ceremony(now=NOW).issuing, NOW))


def assumed(clients: Clients) -> object:
    return ACM(ACM.Settings(role=ROLE), "web", DestinationContext(STACK_ID, clients)).inspect(Delivery())


def stored(clients: Clients) -> object:
    settings = SecretsManager.Settings(secret="evercert/certificates/web")
    return SecretsManager(settings, "web", DestinationContext(STACK_ID, clients)).deliver(bundle(), Delivery())


SERVICES = {
    "dynamodb": Service(
        lambda clients: DynamoDBRecordStore(clients.dynamodb, "t").claim("web", CLAIM, NOW), "json", "ThrottlingException"
    ),
    "secretsmanager": Service(stored, "json", "ThrottlingException"),
    "acm": Service(
        lambda clients: ACM(ACM.Settings(), "web", DestinationContext(STACK_ID, clients)).inspect(Delivery()),
        "json", "ThrottlingException",
    ),
    "acm-pca": Service(
        lambda clients: PrivateCA(PrivateCAClients(clients).of(HOME), "arn:ca").describe(), "json", "ThrottlingException"
    ),
    "sqs": Service(
        lambda clients: SQSQueue(clients.sqs, "https://sqs/q").send([Nudge("web")]), "query in json", "RequestThrottled",
        skew="SignatureDoesNotMatch",
    ),
    "sns": Service(
        lambda clients: SNSAnnouncer(clients.sns, "arn:aws:sns:eu-central-1:1:t", "s").announce(outcome()), "query", "Throttled",
        skew="SignatureDoesNotMatch",
    ),
    "kms": Service(
        lambda clients: KMSSeal(clients.kms, "key", "evercert").close(PrivateKey.generate("EC_prime256v1"), "uid", 1),
        "json", "ThrottlingException",
    ),
    "sts": Service(assumed, "query", "Throttling", skew="SignatureDoesNotMatch"),
    "lambda": Service(signed, "rest", "TooManyRequestsException", 429),
    "ssm": Service(
        lambda clients: Credentials(clients).read(Reference.model_validate({"aws-parameter": "/evercert/credentials/x"}), "https://ca"),
        "json", "ThrottlingException",
    ),
    "s3": Service(lambda clients: S3PublicStore(clients.s3, "bucket").put(FILE), "xml", "SlowDown", 503, "RequestTimeTooSkewed"),
    "cloudformation": Service(
        lambda _: connection.connect("evercert", HOME), "query", "Throttling", skew="SignatureDoesNotMatch"
    ),
}  # fmt: skip


def refused(monkeypatch: pytest.MonkeyPatch, service: Service, *deeds: Deed) -> EvercertError:
    for name, value in {"ID": "AKIDEXAMPLE", "KEY": "secret"}.items():
        monkeypatch.setenv(f"AWS_{'SECRET_ACCESS' if name == 'KEY' else 'ACCESS_KEY'}_{name}", value)
    with RawServer(*deeds) as raw:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{raw.port}")
        with pytest.raises(EvercertError) as caught:
            service.call(Clients(session=Session(HOME)))
    assert str(caught.value).isprintable()
    return caught.value


@pytest.mark.parametrize("name", SERVICES)
def test_throttle_of_each_service_is_no_outage(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    service = SERVICES[name]
    answer = PROTOCOLS[service.protocol](service.throttle, "Rate exceeded", service.status)
    # The store reads first, by a HEAD, whose answer has no body; without s3:ListBucket that is a 403.
    error = refused(monkeypatch, service, *([reply(403, b"")] if name == "s3" else []), answer)
    assert type(error) is Throttled, error
    assert f"{service.throttle}: Rate exceeded; too many requests: try again later" in str(error)


@pytest.mark.parametrize("name", SERVICES)
def test_wrong_clock_is_named_by_the_call_of_each_service(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    service = SERVICES[name]
    error = refused(
        monkeypatch, service, *([reply(403, b"")] if name == "s3" else []),
        PROTOCOLS[service.protocol](service.skew, EXPIRED, 403),
    )  # fmt: skip
    assert type(error) is ClockWrong, error
    assert "the clock of this machine is 12 minutes ahead of that of AWS: synchronize it" in str(error)
