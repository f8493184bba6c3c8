"""Bulk adoption: resources with one owner tag, compared with the deliveries of the stack's certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.aws.tags import Owner
from evercert.cli import owner_tags, stack, terminal
from evercert.cli.connection import Connection
from evercert.cli.doctor import owner_checks
from evercert.cli.files import BadInput
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Delivery, Record
from evercert.errors import Misconfigured
from tests.doubles.fakes import spec
from tests.doubles.strict_aws import ACCOUNT, REGION

US = "us-east-1"
OWNER = Owner(ACCOUNT, REGION, "evercert")
UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"
OLD = "evercert"


def secret(name: str, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf"


@dataclass
class Account:
    """Tagging API of one account, with the limits of its service model: 100 resources a page, 20 ARNs in a call."""

    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    page: int = 2
    calls: list[list[str]] = field(default_factory=list)

    def client_in(self, region: str, service: str) -> Region:
        assert service == "resourcegroupstaggingapi"
        return Region(self, region)


@dataclass
class Region:
    account: Account
    name: str

    def get_resources(
        self,
        *,
        TagFilters: list[dict[str, Any]],
        ResourceTypeFilters: list[str],
        ResourcesPerPage: int,
        PaginationToken: str = "",
    ) -> dict[str, Any]:
        assert 1 <= ResourcesPerPage <= 100
        (wanted,) = TagFilters
        found = [
            {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            for arn, tags in self.account.tags.items()
            if arn.split(":")[3:5] == [self.name, ACCOUNT] and tags.get(wanted["Key"]) in wanted["Values"]
        ]
        start = int(PaginationToken or 0)
        more = str(start + self.account.page) if start + self.account.page < len(found) else ""
        return {"ResourceTagMappingList": found[start : start + self.account.page], "PaginationToken": more}

    def tag_resources(self, *, ResourceARNList: list[str], Tags: dict[str, str]) -> dict[str, Any]:
        assert 1 <= len(ResourceARNList) <= 20
        self.account.calls.append(ResourceARNList)
        for arn in ResourceARNList:
            assert arn.split(":")[3] == self.name
            if arn not in self.account.refused:
                self.account.tags[arn] |= Tags
        failed = {arn: {"ErrorCode": "AccessDenied"} for arn in ResourceARNList if arn in self.account.refused}
        return {"FailedResourcesMap": failed}


def connection(account: Account, *records: Record | Unreadable) -> Any:
    specs = SimpleNamespace(records=lambda: iter(records))
    return SimpleNamespace(name="evercert", owner=OWNER, regions=[REGION, US], clients=account, specs=specs)


def record(name: str, *arns: str) -> Record:
    deliveries = {f"place-{number}": Delivery(revision=1, location=arn) for number, arn in enumerate(arns)}
    return Record(name=name, uid=UID, spec=spec(name), generation=1, deliveries=deliveries)


def tags(certificate: str, owner: str = OLD) -> dict[str, str]:
    return {"evercert:stack": owner, "evercert:certificate": certificate}


def adopt(monkeypatch: pytest.MonkeyPatch, made: Any, *, yes: bool = True) -> None:
    monkeypatch.setattr(terminal, "connect", lambda *_: made)
    stack.adopt(owner=OLD, yes=yes, stack="evercert", region=None, as_json=True)


def test_tagged_lists_every_page_and_region_without_credentials() -> None:
    arns = [secret(f"web-{number}") for number in range(5)] + [secret("web", US)]
    account = Account({arn: tags("web") for arn in arns})
    account.tags |= {secret("evercert/credentials/ca"): tags("x"), secret("foreign"): tags("web", "another")}
    assert set(owner_tags.tagged(connection(account), OLD)) == set(arns)


def test_tagged_ends_after_a_bounded_number_of_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_tags, "PAGES", 2)
    account = Account({secret(f"web-{number}"): tags("web") for number in range(5)})
    with pytest.raises(Misconfigured, match="too many to list"):
        owner_tags.tagged(connection(account), OLD)


def test_plan_contains_only_deliveries_of_the_stack() -> None:
    """A stack of the same name elsewhere left the same tag."""
    mine, theirs, other = secret("web"), secret("web", US), secret("shared")
    away = secret("web", account="444455556666")
    found = {mine: tags("web"), theirs: tags("web"), other: tags("api")}
    plan = owner_tags.plan(
        connection(Account()), found, [record("web", mine, other, away, "x"), Unreadable("broken", UID, 0, "no spec")]
    )
    assert (plan.mine, plan.left, plan.elsewhere) == ({mine: "web"}, sorted([theirs, other]), [away])


def test_adopt_replaces_the_old_tag_of_all_destinations(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    arns = [secret(f"web-{number:02}", region) for number in range(25) for region in (REGION, US)]
    account = Account({arn: tags("*.example.com") | {"team": "a"} for arn in arns})
    account.tags = {
        arn: {**held, "evercert:certificate": "_wildcard.example.com"} for arn, held in account.tags.items()
    }
    made = connection(account, record("*.example.com", *arns))
    adopt(monkeypatch, made)
    for held in account.tags.values():
        assert held == {**tags("_wildcard.example.com", str(OWNER)), "team": "a"}
    assert [len(call) for call in account.calls] == [20, 5, 20, 5]
    assert f'"owner": "{OWNER}"' in capsys.readouterr().out
    adopt(monkeypatch, made)
    assert len(account.calls) == 4


def test_adopt_leaves_resources_of_another_stack(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = secret("theirs", US)
    account = Account({theirs: tags("web")})
    adopt(monkeypatch, connection(account, record("web", secret("web"))))
    assert account.tags == {theirs: tags("web")}
    assert account.calls == []
    assert f"{theirs} was left alone" in capsys.readouterr().err.replace("\n", "")


def test_adopt_reports_resources_it_cannot_tag(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    good, bad = secret("good"), secret("bad")
    account = Account({good: tags("web"), bad: tags("web")}, refused={bad})
    with pytest.raises(typer.Exit) as caught:
        adopt(monkeypatch, connection(account, record("web", good, bad)))
    assert caught.value.exit_code == 1
    assert account.tags[good]["evercert:stack"] == str(OWNER)
    assert "AccessDenied" in capsys.readouterr().out


def test_adopt_asks_before_it_tags(monkeypatch) -> None:
    account = Account({secret("web"): tags("web")})
    with pytest.raises(BadInput, match="--yes"):
        adopt(monkeypatch, connection(account, record("web", secret("web"))), yes=False)
    assert account.calls == []


@pytest.mark.parametrize(
    "arguments", [(None, None, None), ("web", None, None), ("web", "secret", OLD), ("web", None, OLD)]
)
def test_adopt_needs_a_resource_or_an_owner(arguments: tuple[str | None, ...]) -> None:
    name, resource, owner = arguments
    with pytest.raises(BadInput, match="pass NAME and RESOURCE, or --from OWNER"):
        stack.adopt(name, resource, owner=owner)


def test_doctor_shows_tags_of_the_previous_release() -> None:
    account = Account({secret("web"): tags("web"), secret("new"): tags("new", str(OWNER))})
    (check,) = owner_checks.of_owner(connection(account))["owner tags"]()
    assert (check.status, check.remedy) == ("warning", "evercert adopt --from evercert")
    assert check.found == "1 resource with evercert:stack=evercert, which any stack with this name may write"
    account.tags.clear()
    (check,) = owner_checks.of_owner(connection(account))["owner tags"]()
    assert check.status == "ok"


@pytest.mark.parametrize(
    ("listed", "regions"), [("", [REGION]), (f"{US}, {REGION},eu-west-1", [REGION, US, "eu-west-1"])]
)
def test_connection_knows_the_stacks_regions(listed: str, regions: list[str]) -> None:
    stack_id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/evercert/1"
    rest: Any = (None, {}, {"DestinationRegions": listed}, None, None)
    assert Connection("evercert", stack_id, "", *rest).regions == regions
