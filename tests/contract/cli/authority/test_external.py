"""`evercert authority external`: external issuers, within ceilings."""

from __future__ import annotations

from evercert.aws.authority.external_ceilings import DynamoDBExternalCeilings
from evercert.registry import Component
from tests.contract.cli.authority.command_line import Command, fine, refused
from tests.doubles.world import World


def test_ceiling_of_an_issuer_is_set_and_removed(command: Command, world: World) -> None:
    world.specs.write_issuer("outside", Component.model_validate({"type": "acme", "directory": "https://ca.example"}))
    ceilings = DynamoDBExternalCeilings(world.operator.dynamodb, world.issuers_table)
    refused(command("external", "set", "outside"), "missing --dns")
    refused(command("external", "set", "outsid", "--dns", "*"), "unknown issuer 'outsid'")
    refused(command("external", "set", "outside", "--dns", "*..example"), "")
    made = fine(command("external", "set", "outside", "--dns", "*.example.com", "--longest", "90d", "--yes", "--json"))
    assert (made["changed"], made["ceiling"]["dns"], made["ceiling"]["longest"]) == (True, ["*.example.com"], "90d")
    found = ceilings.ceiling("outside")
    assert found is not None and found.dns == ("*.example.com",)
    assert fine(command("external", "set", "outside", "--dns", "*.example.com", "--yes", "--json"))["changed"] is False
    assert [one["issuer"] for one in fine(command("external", "list", "--json"))] == ["outside"]
    assert "*.example.com" in command("external", "list")[1]
    refused(command("external", "set", "outside", "--dns", "*", "--project", "sho"), "unknown project 'sho'")
    shop = fine(command("project", "create", "shop", "--json"))["id"]
    made = fine(command("external", "set", "outside", "--dns", "*", "--project", "shop", "--yes", "--json"))
    assert made["ceiling"]["projects"] == [shop] and "\tshop\t" in command("external", "list")[1]
    made = fine(command("external", "set", "outside", "--dns", "*", "--yes", "--json"))
    assert made["ceiling"]["projects"] == [shop] and made["changed"] is False
    made = fine(command("external", "set", "outside", "--dns", "*", "--project", "*", "--yes", "--json"))
    assert made["ceiling"]["projects"] == []
    assert fine(command("external", "remove", "outside", "--json")) == {"issuer": "outside", "changed": True}
    assert "nothing to change" in command("external", "remove", "outside")[1]
    assert ceilings.ceiling("outside") is None
