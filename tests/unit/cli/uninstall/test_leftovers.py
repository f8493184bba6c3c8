"""Find what remains after `sam delete`: by the resources of the stack, its tag, and the CAs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from evercert.cli.uninstall import leftovers
from evercert.errors import Misconfigured
from tests.doubles.strict_aws import ACCOUNT, REGION, refuse
from tests.doubles.world import load_template

OURS = [{"Key": "evercert:stack", "Value": f"{ACCOUNT}/{REGION}/evercert"}]
OLD = [{"Key": "evercert:stack", "Value": "evercert"}]
THEIRS = [{"Key": "evercert:stack", "Value": "another"}]


class Client:
    """AWS client with answers per operation; a list is the pages of a paginator."""

    def __init__(self, region: str, answers: dict[str, Any]) -> None:
        self.meta = SimpleNamespace(region_name=region)
        self._answers = answers

    def get_paginator(self, operation: str) -> Any:
        answer = self._answers.get(operation, [])
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(paginate=lambda **_: iter(answer))

    def describe_table(self, *, TableName: str) -> dict[str, Any]:
        if TableName not in self._answers["tables"]:
            raise refuse("ResourceNotFoundException", "DescribeTable", f"Table: {TableName} not found")
        return {"Table": self._answers["tables"][TableName]}

    def list_tags_for_certificate(self, *, CertificateArn: str) -> dict[str, Any]:
        return {"Tags": self._answers["tags"][CertificateArn]}


def connection(regions: str = "", **answers: dict[str, Any]) -> Any:
    """Return a connection; the keywords are `<service>` in the home region, or `<service>_<region>` elsewhere."""

    def client(region: str, service: str) -> Client:
        key = service if region == REGION else f"{service}_{region.replace('-', '_')}"
        return Client(region, answers.get(key, {}))

    return SimpleNamespace(
        name="evercert",
        id=f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/evercert/1",
        status="UPDATE_COMPLETE",
        outputs={},
        parameters={"DestinationRegions": regions},
        clients=SimpleNamespace(
            client_in=client,
            cloudformation=client(REGION, "cloudformation"),
            dynamodb=client(REGION, "dynamodb"),
        ),
    )


def resource(logical: str, kind: str, physical: str = "", status: str = "DELETE_SKIPPED") -> dict[str, str]:
    return {
        "LogicalResourceId": logical,
        "ResourceType": kind,
        "PhysicalResourceId": physical,
        "ResourceStatus": status,
    }


# The tables by which a stack is known as ours, already deleted.
GONE = [
    resource(name, "AWS::DynamoDB::Table", name, "DELETE_COMPLETE") for name in ("CertificatesTable", "IssuersTable")
]


def test_leftovers_are_what_the_template_retains() -> None:
    retained = {
        (name, each["Type"])
        for name, each in load_template()["Resources"].items()
        if each.get("DeletionPolicy") == "RetainExceptOnCreate"
        and each["Type"] not in {"AWS::SNS::TopicPolicy", "AWS::S3::BucketPolicy"}
    }
    resources = [resource(name, each["Type"], name.lower()) for name, each in load_template()["Resources"].items()]
    tables = {name.lower(): {} for name, kind in retained if kind == "AWS::DynamoDB::Table"}
    found = leftovers.of_template(
        connection(
            cloudformation={"list_stack_resources": [{"StackResourceSummaries": resources}]},
            dynamodb={"tables": tables},
        )
    )
    assert {(each.name, each.type) for each in found} == retained


def test_leftovers_of_the_template_skip_what_was_not_created() -> None:
    resources = [*GONE, resource("DataKey", "AWS::KMS::Key"), resource("Topic", "AWS::SNS::Topic", "arn:t")]
    found = leftovers.of_template(
        connection(cloudformation={"list_stack_resources": [{"StackResourceSummaries": resources}]})
    )
    assert [each.id for each in found] == ["arn:t"]


def test_plan_can_be_repeated_after_a_part_of_it() -> None:
    table, key = "AWS::DynamoDB::Table", "AWS::KMS::Key"
    listed = [
        resource("CertificatesTable", table, "deleted-by-hand"),
        resource("IssuersTable", table, "kept"),
        resource("LedgerTable", table, "deleted", status="DELETE_COMPLETE"),
        resource("DataKey", key, "deleted", status="DELETE_COMPLETE"),
    ]
    found = leftovers.of_template(
        connection(
            cloudformation={"list_stack_resources": [{"StackResourceSummaries": listed}]},
            dynamodb={"tables": {"kept": {}, "deleted": {}}},
        )
    )
    assert [each.id for each in found] == ["kept"]


@pytest.mark.parametrize("names", [[], ["Topic"], ["CertificatesTable", "Topic"]])
def test_resources_of_another_stack_are_not_listed(names: list[str]) -> None:
    listed = [resource(name, "AWS::SNS::Topic", name) for name in names]
    with pytest.raises(Misconfigured, match="it is not an evercert stack"):
        leftovers.of_template(connection(cloudformation={"list_stack_resources": [{"StackResourceSummaries": listed}]}))


def test_leftovers_report_deletion_protection() -> None:
    pages = [{"StackResourceSummaries": [*GONE, resource("CertificatesTable", "AWS::DynamoDB::Table", "t")]}]
    tables = {"t": {"DeletionProtectionEnabled": True}}
    found = leftovers.of_template(
        connection(cloudformation={"list_stack_resources": pages}, dynamodb={"tables": tables})
    )
    assert [each.protected for each in found] == [True]


def test_deliveries_are_found_by_tag_in_every_region() -> None:
    secrets = [
        {"SecretList": [{"Name": "evercert/certificates/a", "Tags": OURS}, {"Name": "b", "Tags": THEIRS}]},
        {"SecretList": [{"Name": "team/c", "Tags": OURS}, {"Name": "d"}]},
    ]
    elsewhere = [{"SecretList": [{"Name": "evercert/certificates/a", "Tags": OURS}]}]
    found = leftovers.deliveries(
        connection(
            "us-east-1, ",
            secretsmanager={"list_secrets": secrets},
            secretsmanager_us_east_1={"list_secrets": elsewhere},
        )
    )
    assert [(each.id, each.region) for each in found] == [
        ("evercert/certificates/a", REGION),
        ("team/c", REGION),
        ("evercert/certificates/a", "us-east-1"),
    ]


def test_old_tags_count_in_the_region_of_the_stack_only() -> None:
    pages = [{"SecretList": [{"Name": "evercert/certificates/a", "Tags": OLD}]}]
    found = leftovers.deliveries(
        connection(
            "us-east-1",
            secretsmanager={"list_secrets": pages},
            secretsmanager_us_east_1={"list_secrets": pages},
        )
    )
    assert [each.region for each in found] == [REGION]


def test_deliveries_in_acm_are_imported_and_tagged() -> None:
    summaries = [
        {"CertificateArn": "arn:1", "Type": "IMPORTED", "DomainName": "a.example"},
        {"CertificateArn": "arn:2", "Type": "IMPORTED"},
        {"CertificateArn": "arn:3", "Type": "AMAZON_ISSUED"},
    ]
    acm = {
        "list_certificates": [{"CertificateSummaryList": summaries}],
        "tags": {"arn:1": OURS, "arn:2": THEIRS, "arn:3": OURS},
    }
    assert [each.id for each in leftovers.deliveries(connection(acm=acm))] == ["arn:1"]


def test_credentials_are_no_deliveries() -> None:
    pages = [{"SecretList": [{"Name": "evercert/credentials/ca", "Tags": OLD}]}]
    found = connection(secretsmanager={"list_secrets": pages})
    assert leftovers.deliveries(found) == []
    assert [each.id for each in leftovers.credentials(found)] == ["evercert/credentials/ca"]


def test_leftovers_name_a_missing_permission() -> None:
    denied = refuse("AccessDeniedException", "ListSecrets", "no")
    with pytest.raises(Misconfigured, match=f"cannot list the secrets in {REGION}"):
        leftovers.deliveries(connection(secretsmanager={"list_secrets": denied}))


def test_deliveries_include_parameters_of_every_region() -> None:
    pages = [{"Parameters": []}, {"Parameters": [{"Name": "/evercert/certificates/web"}]}]
    stack = connection("us-east-1", ssm={"describe_parameters": pages}, ssm_us_east_1={"describe_parameters": pages})
    found = [(each.type, each.id, each.region) for each in leftovers.deliveries(stack)]
    assert found == [("AWS::SSM::Parameter", "/evercert/certificates/web", region) for region in (REGION, "us-east-1")]
