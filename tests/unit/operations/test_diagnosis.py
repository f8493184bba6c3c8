"""Diagnosis by the issuer function."""

from dataclasses import replace

from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.operations.diagnosis import examine
from tests.doubles.fakes import Bench, spec

TOKEN = "st.00000000.11111111"


class Clients:
    """The settings are invalid, so no service is called."""

    secretsmanager = None


def test_invalid_settings_are_hidden() -> None:
    bench = Bench()
    stack_id = "arn:aws:cloudformation:eu-central-1:111122223333:stack/evercert/1"
    real = RegisteredDestinations(DestinationContext(stack_id, Clients()))  # type: ignore[arg-type]
    bench.ports = replace(bench.ports, destinations=real)
    wanted = spec().model_dump(mode="json", by_alias=True)
    wanted["destinations"] = [{"type": "secrets-manager", "token": TOKEN}, {"type": "acm", "region": TOKEN}]
    bench.want(type(spec()).model_validate(wanted))
    first, second = examine(["web"], bench.ports)["certificates"]["web"]
    assert first.startswith("secrets-manager: ")
    assert "token" in first
    assert second.startswith("acm: ")
    assert TOKEN not in first


def test_valid_destination_is_shown_with_settings() -> None:
    bench = Bench()
    bench.want(spec(to=("there",)))
    bench.destinations.open(spec(to=("there",)).destinations[0], "web").check = refuse  # type: ignore[method-assign]
    assert examine(["web"], bench.ports)["certificates"]["web"] == ["fake to=there: too large"]


def refuse(*_: object) -> None:
    from evercert.errors import Rejected

    raise Rejected("too large")
