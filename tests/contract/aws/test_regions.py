"""A region that the account has not enabled refuses credentials that are valid elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import boto3
import pytest

from evercert.aws.clients import Clients
from evercert.aws.session import Session, botocore_session
from evercert.cli import adoption, connection, owner_tags
from evercert.cli.connection import Connection
from evercert.cli.uninstall import leftovers
from evercert.contracts.record import Delivery
from evercert.destinations.acm import ACM
from evercert.destinations.context import DestinationContext
from evercert.errors import Misconfigured
from tests.doubles.raw_server import Deed, RawServer, reply
from tests.doubles.strict_aws import ACCOUNT
from tests.doubles.world import STACK_ID

REFUSALS = ["UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"]
MESSAGE = "The security token included in the request is invalid."
HOME, SOUTH = "eu-central-1", "eu-south-1"


def refusal(code: str) -> Deed:
    return reply(400, {"__type": code, "message": MESSAGE})


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return the message of a call that AWS answers with these replies."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    def call(of: Callable[[], object], *replies: Deed) -> str:
        with RawServer(*replies) as raw:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{raw.port}")
            with pytest.raises(Misconfigured) as caught:
                of()
        return str(caught.value)

    return call


def inspect(region: str | None) -> None:
    context = DestinationContext(STACK_ID, Clients(session=Session(HOME)))
    ACM(ACM.Settings(region=region), "web", context).inspect(Delivery())


def command() -> Connection:
    """Return what a command knows of a stack that delivers to another region."""
    outputs = [{"OutputKey": key, "OutputValue": "x"} for key in ("CertificatesTable", "IssuersTable", "Queue")]
    parameters = [{"ParameterKey": "DestinationRegions", "ParameterValue": SOUTH}]
    found = {"StackId": STACK_ID, "StackStatus": "UPDATE_COMPLETE", "Outputs": outputs, "Parameters": parameters}
    session = boto3.Session(region_name=HOME, botocore_session=botocore_session())
    return connection.connection_of(connection.described("evercert", Clients(session=session), found))


@pytest.mark.parametrize("code", REFUSALS)
def test_disabled_region_is_named(answered: Callable[..., str], code: str) -> None:
    assert answered(lambda: inspect(SOUTH), refusal(code)) == (
        "cannot list the certificates in ACM: RegionNotEnabled: the account has probably not enabled region eu-south-1: "
        f"enable it, or name another region ({code})"
    )


def test_invalid_credentials_at_home_keep_their_remedy(answered: Callable[..., str]) -> None:
    assert answered(lambda: inspect(None), refusal("UnrecognizedClientException")).endswith("sign in again")


def test_other_errors_elsewhere_keep_their_remedy(answered: Callable[..., str]) -> None:
    assert "lacks a permission" in answered(lambda: inspect(SOUTH), refusal("AccessDeniedException"))


@pytest.mark.parametrize(
    ("use", "at_home"),
    [
        pytest.param(
            lambda: adoption.find(command(), "web", f"arn:aws:acm:{SOUTH}:{ACCOUNT}:certificate/1"), [], id="acm"
        ),
        pytest.param(
            lambda: adoption.find(command(), "web", f"arn:aws:secretsmanager:{SOUTH}:{ACCOUNT}:secret:x-AbCdEf"),
            [],
            id="secret",
        ),
        pytest.param(
            lambda: owner_tags.tagged(command(), "evercert"), [{"ResourceTagMappingList": []}], id="owner tags"
        ),
        pytest.param(
            lambda: leftovers.deliveries(command()),
            [{"SecretList": []}, {"CertificateSummaryList": []}, {"Parameters": []}],
            id="uninstall",
        ),
    ],
)
def test_command_names_a_disabled_region(
    answered: Callable[..., str], use: Callable[[], object], at_home: list[dict[str, list[str]]]
) -> None:
    message = answered(use, *(reply(200, body) for body in at_home), refusal("UnrecognizedClientException"))
    assert f"the account has probably not enabled region {SOUTH}: enable it" in message
    assert "sign in" not in message
    assert message.isprintable()


def test_command_does_not_blame_regions_for_invalid_credentials(answered: Callable[..., str]) -> None:
    arn = f"arn:aws:acm:{HOME}:{ACCOUNT}:certificate/1"
    message = answered(lambda: adoption.find(command(), "web", arn), refusal("UnrecognizedClientException"))
    assert message.endswith("sign in again")


def test_command_names_both_causes_for_the_region_of_the_stack(answered: Callable[..., str]) -> None:
    """Nothing is known of the credentials yet."""
    body = (
        f"<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>{MESSAGE}</Message></Error></ErrorResponse>"
    )
    message = answered(lambda: connection.connect("evercert", SOUTH), reply(403, body.encode()))
    assert message == (
        f"cannot find stack evercert in {SOUTH}: the AWS credentials are expired or wrong, or the account has not "
        f"enabled region {SOUTH}: sign in again, name another region, or enable it (InvalidClientTokenId)"
    )
