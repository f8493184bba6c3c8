"""`evercert authority acme status` on the tables of the emulator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evercert.acme.problem import URN
from evercert.authority.acme.records import Account, Challenge, Order, new_authorization
from evercert.aws.authority.acme_accounts import DynamoDBAcmeAccounts
from evercert.aws.authority.acme_orders import DynamoDBAcmeOrders
from evercert.pki.identifiers import Identifier
from tests.contract.cli.authority.command_line import EXAMPLE, Command, fine, refused
from tests.doubles.world import World

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


class Server:
    """Accounts and orders in the table, as the functions write them."""

    def __init__(self, world: World, table: str, profile: dict[str, Any]) -> None:
        self.profile = profile["id"]
        self.generation = profile["generation"]
        self.accounts = DynamoDBAcmeAccounts(world.operator.dynamodb, table)
        self.orders = DynamoDBAcmeOrders(world.operator.dynamodb, table)

    def account(self, name: str, **changes: Any) -> None:
        jwk = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "BB"}
        values = {
            "id": name, "profile": self.profile, "jwk": jwk, "thumbprint": name, "created_at": NOW,
            "generation": self.generation, **changes,
        }  # fmt: skip
        self.accounts.create(Account.model_validate(values), None)

    def order(self, name: str, account: str, age: timedelta = timedelta(hours=1), **changes: Any) -> Order:
        created, challenge = NOW - age, Challenge(type="http-01", token="t")
        values = {
            "id": name, "account": account, "profile": self.profile, "created_at": created, "expires_at": created + DAY,
            "authorizations": (new_authorization(Identifier("dns", f"{name}.example.com"), (challenge,)),),
        }  # fmt: skip
        order = Order.model_validate(values)
        self.orders.create(order)
        if changes:
            self.orders.replace(order.next(**changes))
        return order

    def failed(self, name: str, account: str, detail: str, age: timedelta = timedelta(hours=1)) -> None:
        order = self.order(name, account, age)
        (found,) = order.authorizations
        error = {"type": f"{URN}connection", "detail": detail}
        challenge = found.challenges[0].model_copy(update={"status": "invalid", "error": error})
        self.orders.replace(order.with_authorization(0, found.with_challenge(challenge)))


@pytest.fixture
def profile(command: Command, cas: list[Any]) -> str:
    assert command("apply", str(EXAMPLE))[0] == 0
    return "my-project/tls-server"


@pytest.fixture
def server(world: World, outputs: dict[str, str], command: Command, profile: str) -> Server:
    return Server(world, outputs["AuthorityTable"], fine(command("show", profile, "--json")))


def test_status_counts_accounts_orders_and_failures(command: Command, server: Server, profile: str) -> None:
    server.account("a1")
    server.account("a2", status="deactivated")
    server.account("a3", generation="")  # of a deleted profile
    server.order("one", "a1", closed="valid", certificate="c1")
    server.order("two", "a1")
    server.order("three", "a1", age=2 * DAY)
    server.failed("four", "a2", "the first one", timedelta(hours=3))
    server.failed("five", "a2", "the connection was refused")
    server.order("six", "a1", closed="invalid", error={"type": f"{URN}badCSR", "detail": "weak key"})
    (found,) = fine(command("acme", "status", "--json"))
    assert found == {
        "profile": profile,
        "accounts": {"valid": 1, "deactivated": 1},
        "orders": {"valid": 1, "pending": 1, "invalid": 4},
        "failures": {
            "badCSR": {"count": 1, "latest": "weak key"},
            "connection": {"count": 2, "latest": "five.example.com: the connection was refused"},
            "expired": {"count": 1, "latest": "three.example.com: not finalized within a day"},
        },
    }
    code, out, _ = command("acme", "status", "--profile", profile)
    assert code == 0
    assert out.splitlines()[1].split() == [profile, "1", "1", "1", "1", "4"]
    assert "five.example.com: the connection was refused" in out


def test_old_orders_are_left_out(command: Command, server: Server) -> None:
    server.account("a1")
    server.order("old", "a1", age=8 * DAY, closed="valid", certificate="c1")
    assert fine(command("acme", "status", "--json"))[0]["orders"] == {}
    assert fine(command("acme", "status", "--since", "9d", "--json"))[0]["orders"] == {"valid": 1}


def test_more_than_one_batch_is_read(command: Command, server: Server) -> None:
    for number in range(60):
        server.account(f"a{number}")
    server.order("last", "a59", closed="valid", certificate="c1")
    found = fine(command("acme", "status", "--json"))[0]
    assert (found["accounts"], found["orders"]) == ({"valid": 60}, {"valid": 1})


def test_mistakes_are_named(command: Command, server: Server) -> None:
    refused(command("acme", "status", "--profile", "my-project/none"), "unknown profile")
    refused(command("acme", "status", "--since", "91d"), "at most 90d")
    refused(command("acme", "status", "--since", "soon"), "--since")


def test_stack_without_acme_clients_says_what_to_do(command: Command, cas: list[Any]) -> None:
    code, out, err = command("acme", "status")
    assert (code, "no profile serves ACME clients" in err) == (0, True)
    assert "PROFILE" in out
