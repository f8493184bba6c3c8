"""A region that the account has not enabled refuses credentials that are valid elsewhere."""

from __future__ import annotations

import pytest

from evercert.aws.clients import Clients
from evercert.aws.session import Session
from evercert.contracts.record import Delivery
from evercert.destinations.acm import ACM
from evercert.destinations.context import DestinationContext
from evercert.errors import Misconfigured
from tests.doubles.raw_server import RawServer, reply
from tests.doubles.world import STACK_ID

REFUSALS = ["UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"]
MESSAGE = "The security token included in the request is invalid."


def inspect(monkeypatch: pytest.MonkeyPatch, code: str, region: str | None) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with RawServer(reply(400, {"__type": code, "message": MESSAGE})) as raw:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{raw.port}")
        context = DestinationContext(STACK_ID, Clients(session=Session("eu-central-1")))
        with pytest.raises(Misconfigured) as caught:
            ACM(ACM.Settings(region=region), "web", context).inspect(Delivery())
    return str(caught.value)


@pytest.mark.parametrize("code", REFUSALS)
def test_disabled_region_is_named(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    message = inspect(monkeypatch, code, "eu-south-1")
    assert message == (
        "cannot list the certificates in ACM: RegionNotEnabled: the account has probably not enabled region eu-south-1: "
        f"enable it, or name another region ({code})"
    )


def test_invalid_credentials_at_home_keep_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspect(monkeypatch, "UnrecognizedClientException", None).endswith("sign in again")


def test_other_errors_elsewhere_keep_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "lacks a permission" in inspect(monkeypatch, "AccessDeniedException", "eu-south-1")
