"""Adoption of existing ACM certificates and secrets: lookup, refusals, tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from evercert.aws.tags import Owner
from evercert.cli import adopted_values, adoption
from evercert.cli.files import BadInput
from evercert.contracts.record import Record
from evercert.documents.spec import Component
from evercert.errors import Misconfigured
from tests.doubles.fakes import spec
from tests.doubles.strict_aws import ACCOUNT, REGION, refuse

ARN = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/0f1e"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:team/tls-AbCdEf"
OWNER = Owner(ACCOUNT, REGION, "evercert")
OLD = {"evercert:stack": "evercert", "evercert:certificate": "web"}
OURS = {"evercert:stack": str(OWNER), "evercert:certificate": "web"}


@dataclass
class Account:
    """ACM and Secrets Manager with one resource; the answers have the shapes of the service models."""

    kind: str = "IMPORTED"
    tags: dict[str, str] = field(default_factory=dict)
    secret: dict[str, Any] = field(default_factory=dict)
    regions: list[str] = field(default_factory=list)

    def client_in(self, region: str, service: str) -> Account:
        assert service in {"acm", "secretsmanager"}
        self.regions.append(region)
        return self

    def describe_certificate(self, *, CertificateArn: str) -> dict[str, Any]:
        if CertificateArn != ARN:
            raise refuse("ResourceNotFoundException", "DescribeCertificate", "no such certificate")
        moment = datetime(2026, 5, 1, tzinfo=UTC)
        return {"Certificate": {"Type": self.kind, "DomainName": "a\x1b", "NotAfter": moment, "InUseBy": ["lb"]}}

    def list_tags_for_certificate(self, *, CertificateArn: str) -> dict[str, Any]:
        return {"Tags": self._tags()}

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:
        if SecretId not in {"team/tls", "evercert/credentials/ca", SECRET}:
            raise refuse("ResourceNotFoundException", "DescribeSecret", "no such secret")
        name = "team/tls" if SecretId == SECRET else SecretId
        return {"ARN": SECRET, "Name": name, "Tags": self._tags(), **self.secret}

    def add_tags_to_certificate(self, *, CertificateArn: str, Tags: list[dict[str, str]]) -> None:
        assert CertificateArn == ARN
        self.tags |= {tag["Key"]: tag["Value"] for tag in Tags}

    def tag_resource(self, *, SecretId: str, Tags: list[dict[str, str]]) -> None:
        assert SecretId == SECRET
        self.tags |= {tag["Key"]: tag["Value"] for tag in Tags}

    def _tags(self) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in self.tags.items()]


def connection(account: Account, region: str = REGION) -> Any:
    cloudformation = SimpleNamespace(meta=SimpleNamespace(region_name=region))
    clients = SimpleNamespace(client_in=account.client_in, cloudformation=cloudformation)
    return SimpleNamespace(name="evercert", owner=OWNER, clients=clients, listed=lambda _: ["listed"])


@pytest.mark.parametrize("resource", [ARN, SECRET, "team/tls"], ids=["certificate", "secret-arn", "secret-name"])
def test_tag_adds_both_tags_to_an_untagged_resource(resource: str) -> None:
    account = Account(tags={"team": "web"})
    found = adoption.find(connection(account), "web", resource)
    assert not found.ours
    assert account.tags == {"team": "web"}  # looking changes nothing
    adoption.tag(connection(account), found)
    assert account.tags == {"team": "web", **OURS}
    assert adoption.find(connection(account), "web", resource).ours


@pytest.mark.parametrize("resource", [ARN, "team/tls"])
def test_tag_replaces_the_tag_of_the_previous_release(resource: str) -> None:
    account = Account(tags=dict(OLD))
    found = adoption.find(connection(account), "web", resource)
    assert not found.ours
    adoption.tag(connection(account), found)
    assert account.tags == OURS


def test_find_encodes_a_wildcard_like_the_destinations() -> None:
    assert (
        adoption.find(connection(Account()), "*.a.example", ARN).tags["evercert:certificate"] == "_wildcard.a.example"
    )


@pytest.mark.parametrize(
    ("account", "resource", "words"),
    [
        (Account(kind="AMAZON_ISSUED"), ARN, "of type AMAZON_ISSUED: ACM replaces only imported certificates"),
        (Account(kind="PRIVATE"), ARN, "of type PRIVATE"),
        (Account(tags={"evercert:stack": "other"}), ARN, "belongs to stack 'other'"),
        (
            Account(tags={"evercert:stack": f"{ACCOUNT}/us-east-1/evercert"}),
            ARN,
            "us-east-1/evercert' (tag evercert:st",
        ),
        (Account(tags={**OURS, "evercert:certificate": "b"}), ARN, "belongs to certificate 'b'"),
        (Account(tags={**OLD, "evercert:certificate": "b"}), ARN, "belongs to certificate 'b'"),
        (Account(tags={"evercert:stack": "other"}), SECRET, "belongs to stack 'other'"),
        (Account(secret={"DeletedDate": 1}), "team/tls", "restore-secret --secret-id team/tls"),
        (Account(secret={"OwningService": "rds"}), "team/tls", "it is managed by rds"),
        (Account(), "evercert/credentials/ca", "hold credentials"),
        (Account(), f"arn:aws:iam::{ACCOUNT}:role/x", "must be the ARN"),
        (Account(), "a b\x1b[2J", "must be the ARN"),
        (Account(), f"{ARN}\n", "must be the ARN"),
    ],
)
def test_find_refuses_foreign_resources_in_one_line(account: Account, resource: str, words: str) -> None:
    before = dict(account.tags)
    with pytest.raises(BadInput) as caught:
        adoption.find(connection(account), "web", resource)
    assert len(caught.value.lines) == 1
    assert words in caught.value.lines[0]
    assert caught.value.lines[0].isprintable()
    assert account.tags == before


def test_find_names_a_missing_resource() -> None:
    with pytest.raises(Misconfigured, match="cannot look at secret missing: ResourceNotFoundException"):
        adoption.find(connection(Account()), "web", "missing")


@pytest.mark.parametrize("resource", [ARN, "team/tls"])
def test_found_yaml_is_a_valid_destination(resource: str) -> None:
    found = adoption.find(connection(Account()), "web", resource)
    document = yaml.safe_load(f"destinations:\n{found.yaml()}\n")
    assert document == {"destinations": [found.destination]}


def test_find_uses_the_region_of_the_secret() -> None:
    account = Account()
    found = adoption.find(connection(account, "us-east-1"), "web", SECRET)
    assert (account.regions, found.destination["region"]) == ([REGION], REGION)


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ({}, "parameter SecretArns"),
        ({"RotationEnabled": True}, "rotation is enabled"),
        ({"KmsKeyId": "k"}, "encrypted with k: add the key's ARN to the stack's parameter SecretKeys"),
    ],
)
def test_find_notes_obstacles_to_delivery(secret: dict[str, Any], words: str) -> None:
    notes = adoption.find(connection(Account(secret=secret)), "web", "team/tls").notes
    assert any(words in note for note in notes)
    assert any("replaces the secret's value" in note for note in notes)


def test_find_notes_no_key_that_the_stack_may_use() -> None:
    notes = adoption.find(connection(Account(secret={"KmsKeyId": "listed"})), "web", "team/tls").notes
    assert not any("encrypted" in note for note in notes)


def test_found_recognizes_a_record_with_this_destination() -> None:
    found = adoption.find(connection(Account()), "web", "team/tls")
    uid = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"
    for settings, expected in [
        ({"type": "secrets-manager", "secret": "team/tls"}, True),
        ({"type": "secrets-manager", "secret": "team/other"}, False),
        ({"type": "fake", "secret": "team/tls"}, False),
    ]:
        wanted = spec("web").model_copy(update={"destinations": (Component.model_validate(settings),)})
        assert found.is_destination_of(Record(name="web", uid=uid, spec=wanted, generation=1)) is expected


HOME, ELSEWHERE = REGION, "us-east-1"
ROLE = "arn:aws:iam::{}:role/r"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, True),
        ({"region": HOME}, True),
        ({"region": ELSEWHERE}, False),
        ({"role": ROLE.format(ACCOUNT)}, True),
        ({"role": ROLE.format("000000000042")}, False),
    ],
)
def test_secret_of_the_same_name_elsewhere_is_another(settings: dict[str, str], expected: bool) -> None:
    found = adoption.find(connection(Account()), "web", "team/tls")
    destination = Component.model_validate({"type": "secrets-manager", "secret": "team/tls", **settings})
    wanted = spec("web").model_copy(update={"destinations": (destination,)})
    record = Record(name="web", uid="11111111-2222-4333-8444-555555555555", spec=wanted, generation=1)
    assert found.is_destination_of(record) is expected


def test_secret_elsewhere_is_the_destination_with_its_region() -> None:
    found = adoption.find(connection(Account(), ELSEWHERE), "web", SECRET)
    for settings, expected in (({"region": HOME}, True), ({}, False)):
        destination = Component.model_validate({"type": "secrets-manager", "secret": "team/tls", **settings})
        wanted = spec("web").model_copy(update={"destinations": (destination,)})
        record = Record(name="web", uid="11111111-2222-4333-8444-555555555555", spec=wanted, generation=1)
        assert found.is_destination_of(record) is expected


def test_find_refuses_a_replica() -> None:
    with pytest.raises(BadInput, match="it is a replica, which cannot be written") as caught:
        adoption.find(connection(Account(secret={"PrimaryRegion": ELSEWHERE})), "web", "team/tls")
    assert f"evercert adopt web {SECRET.replace(REGION, ELSEWHERE)}" in str(caught.value)
    assert adoption.find(connection(Account(secret={"PrimaryRegion": REGION})), "web", "team/tls")


PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/evercert/certificates/web"
OBJECT = "arn:aws:s3:::certificates/evercert/certificates/web.json"


@dataclass
class Values:
    """Parameter Store and S3 with one value; the answers have the shapes of the service models."""

    tags: dict[str, str]
    type: str = "SecureString"
    status: str | None = "Enabled"

    def client_in(self, _region: str, service: str) -> Values:
        assert service in {"ssm", "s3"}
        return self

    def pairs(self) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in self.tags.items()]

    def get_paginator(self, operation: str) -> Any:
        assert operation == "describe_parameters"
        return SimpleNamespace(paginate=lambda **_: [{"Parameters": []}, {"Parameters": [{"Type": self.type}]}])

    def list_tags_for_resource(self, *, ResourceType: str, ResourceId: str) -> dict[str, Any]:
        assert (ResourceType, ResourceId) == ("Parameter", "/evercert/certificates/web")
        return {"TagList": self.pairs()}

    def add_tags_to_resource(self, *, ResourceType: str, ResourceId: str, Tags: list[dict[str, str]]) -> None:
        assert (ResourceType, ResourceId) == ("Parameter", "/evercert/certificates/web")
        self.tags |= {tag["Key"]: tag["Value"] for tag in Tags}

    def get_bucket_versioning(self, *, Bucket: str) -> dict[str, Any]:
        return {"Status": self.status} if self.status else {}

    def get_object_tagging(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        return {"TagSet": self.pairs()}

    def put_object_tagging(self, *, Bucket: str, Key: str, Tagging: dict[str, Any]) -> None:
        self.tags = {tag["Key"]: tag["Value"] for tag in Tagging["TagSet"]}


def values_connection(values: Values) -> Any:
    meta = SimpleNamespace(region_name=REGION)
    clients = SimpleNamespace(client_in=values.client_in, cloudformation=SimpleNamespace(meta=meta))
    return SimpleNamespace(clients=clients, owner=OWNER)


@pytest.mark.parametrize(
    ("arn", "destination"),
    [
        (PARAMETER, {"type": "ssm-parameter", "parameter": "/evercert/certificates/web"}),
        (
            OBJECT,
            {
                "type": "s3",
                "bucket": "certificates",
                "key": "evercert/certificates/web.json",
                "kms-key": adopted_values.A_KEY,
            },
        ),
    ],
    ids=["parameter", "object"],
)
def test_stored_values_are_adopted_by_their_tags(arn: str, destination: dict[str, str]) -> None:
    values = Values({"team": "web"})
    found = adoption.find(values_connection(values), "web", arn)
    assert (found.destination, found.ours) == (destination, False)
    assert found.notes == ["the next delivery replaces its value; check that its readers can parse the new one"]
    adoption.tag(values_connection(values), found)
    assert values.tags == {"team": "web", **OURS}
    again = adoption.find(values_connection(values), "web", arn)
    assert (again.ours, again.notes) == (True, [])
    component = Component.model_validate(destination)
    wanted = spec("web").model_copy(update={"destinations": (component,)})
    record = Record(name="web", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=wanted, generation=1)
    assert found.is_destination_of(record)
    assert not found.is_destination_of(record.model_copy(update={"spec": spec("web")}))


@pytest.mark.parametrize(
    ("arn", "values", "message"),
    [
        (PARAMETER, Values({"evercert:stack": "other"}), "belongs to stack 'other'"),
        (OBJECT, Values({"evercert:stack": "other"}), "belongs to stack 'other'"),
        (PARAMETER, Values({}, type="String"), "of type String: its type cannot be changed"),
        (PARAMETER.replace("certificates", "credentials"), Values({}), "only names below evercert/certificates/"),
        (OBJECT.replace("evercert/", "team/"), Values({}), "only names below evercert/certificates/"),
    ],
    ids=["parameter of another", "object of another", "text", "credentials", "other key"],
)
def test_values_that_the_issuer_cannot_write_are_refused(arn: str, values: Values, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        adoption.find(values_connection(values), "web", arn)


def test_object_without_versions_is_noted() -> None:
    found = adoption.find(values_connection(Values({}, status=None)), "web", OBJECT)
    assert found.notes[-1] == "bucket certificates has no versioning: enable it"
