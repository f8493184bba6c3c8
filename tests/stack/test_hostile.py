"""P9 on the deployed stack: a principal that may write specs gains nothing else.

The specs are put into the table as items, bypassing the checks of `apply`. Each test then attempts the targeted call
directly at AWS with the issuer's credentials: IAM must refuse it too, not only the package.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evercert.canonical_json import canonical_json
from evercert.documents.spec import Component
from tests.stack.conftest import Stack, until
from tests.stack.manual_items import bundle, planted, wanted
from tests.tools.local_stack import ACCOUNT, OWNER, REGION, STACK

pytestmark = pytest.mark.timeout(300)

DENIED = {"AccessDeniedException", "AccessDenied", "AuthorizationError"}
ANOTHER_ACCOUNT = "111122223333"
OURS, THEIRS = {"Key": "evercert:stack", "Value": OWNER}, {"Key": "evercert:stack", "Value": "another"}
ANYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
Event = dict[str, Any]
Client = Callable[..., Any]  # by service


@dataclass
class Hostile:
    """One spec, the call that it targets, and a function that reads its victim."""

    spec: dict[str, Any] | str
    words: str
    call: Callable[[Client], object] | None = None
    look: Callable[[], object] = str
    type: str = "certificate.failed"
    name: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    before: object = None


class Victims:
    """Foreign resources, and resources of the stack that no spec may reach."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.mark = stack, uuid.uuid4().hex[:6]
        self.issuer_role = f"arn:aws:iam::{ACCOUNT}:role/{stack.resource('IssuerRole')}"

    def secret(self, name: str, *tags: dict[str, str], region: str = REGION) -> str:
        secrets = self.stack.client("secretsmanager", region_name=region)
        return secrets.create_secret(Name=name, SecretString="theirs", Tags=list(tags))["ARN"]

    def value(self, name: str, region: str = REGION) -> Callable[[], object]:
        """Return a function that reads the secret: value, versions and tags."""
        secrets = self.stack.client("secretsmanager", region_name=region)

        def look() -> object:
            found = secrets.describe_secret(SecretId=name)
            value = secrets.get_secret_value(SecretId=name)["SecretString"]
            return value, found["VersionIdsToStages"], found.get("Tags")

        return look

    def acm(self, *tags: dict[str, str], region: str = REGION, account: str | None = None) -> str:
        client = self._acm(region, account)
        return client.import_certificate(**bundle(), **({"Tags": list(tags)} if tags else {}))["CertificateArn"]

    def certificate(self, arn: str) -> Callable[[], object]:
        _, _, _, region, account, _ = arn.split(":")
        client = self._acm(region, None if account == ACCOUNT else account)
        return lambda: (
            client.get_certificate(CertificateArn=arn)["Certificate"],
            client.list_tags_for_certificate(CertificateArn=arn)["Tags"],
        )

    def role(self, name: str, account: str | None = None) -> str:
        """Create a role that trusts every principal and may do everything."""
        iam = self.stack.client("iam", **({"aws_access_key_id": account} if account else {}))
        trust = {"Version": "2012-10-17", "Statement": [ANYBODY]}
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
        return str(arn)

    def secrets(self) -> set[str]:
        """List every secret that this attack involves."""
        pages = self.stack.client("secretsmanager").get_paginator("list_secrets").paginate()
        return {each["Name"] for page in pages for each in page["SecretList"] if self.mark in each["Name"]}

    def issuers(self) -> list[dict[str, Any]]:
        return sorted(self.stack.items(table=self.stack.outputs["IssuersTable"]), key=str)

    def _acm(self, region: str, account: str | None) -> Any:
        return self.stack.client("acm", region_name=region, **({"aws_access_key_id": account} if account else {}))


def put(name: str) -> Callable[[Client], object]:
    return lambda role: role("secretsmanager").put_secret_value(SecretId=name, SecretString="mine")


def create(name: str, region: str = REGION) -> Callable[[Client], object]:
    return lambda role: role("secretsmanager", region_name=region).create_secret(
        Name=name, SecretString="mine", Tags=[OURS]
    )


def assume(arn: str, external_id: str) -> Callable[[Client], object]:
    return lambda role: role("sts").assume_role(RoleArn=arn, RoleSessionName="test", ExternalId=external_id)


def reimport(arn: str) -> Callable[[Client], object]:
    region = arn.split(":")[3]
    return lambda role: role("acm", region_name=region).import_certificate(CertificateArn=arn, **bundle())


def to(kind: str = "secrets-manager", **settings: str) -> dict[str, Any]:
    return {"destinations": [{"type": kind, **settings}]}


def of_secrets(v: Victims) -> dict[str, Hostile]:
    """Return attacks on secrets of other owners, and on secrets that hold no certificates."""
    mark, ours = v.mark, "evercert/certificates"
    untagged = v.secret(f"{ours}/untagged-{mark}")
    v.secret(f"{ours}/theirs-{mark}", THEIRS)
    v.secret(f"production/database-{mark}", OURS)
    v.secret(f"evercert/credentials/ca-{mark}", OURS)
    v.secret(f"/{ours}/slash-{mark}", OURS)
    v.secret(f"{ours}-x/near-{mark}", OURS)
    v.secret(f"{ours}/there-{mark}", OURS, region="us-west-2")
    credential = f"evercert/credentials/ca-{mark}"

    def case(secret: str, words: str, victim: str, **more: Any) -> Hostile:
        return Hostile(to(secret=secret), words, put(victim), v.value(victim), **more)

    return {
        "secret without a tag": case(
            f"{ours}/untagged-{mark}", "does not belong to this stack", f"{ours}/untagged-{mark}"
        ),
        "secret by its ARN": case(untagged, "must have 1 to 512 letters", untagged),
        "secret of another stack": case(
            f"{ours}/theirs-{mark}", "does not belong to this stack", f"{ours}/theirs-{mark}"
        ),
        "secret of another folder": case(
            f"production/database-{mark}", "lacks a permission", f"production/database-{mark}"
        ),
        "secret of a folder that begins alike": case(
            f"{ours}-x/near-{mark}", "lacks a permission", f"{ours}-x/near-{mark}"
        ),
        "secret with a leading slash": case(f"/{ours}/slash-{mark}", "lacks a permission", f"/{ours}/slash-{mark}"),
        "credential": case(credential, "is reserved for credentials", credential),
        "credential by a path": case(f"{ours}/../credentials/ca-{mark}", "between slashes", credential),
        "wildcard for a secret": case(f"{ours}/*", "must have 1 to 512 letters", f"{ours}/untagged-{mark}"),
        "new secret elsewhere": Hostile(
            to(secret=f"production/new-{mark}"), "lacks a permission", create(f"production/new-{mark}"), v.secrets
        ),
        "secret in another region": Hostile(
            to(secret=f"{ours}/there-{mark}", region="us-west-2"),
            "lacks a permission",
            create(f"{ours}/there-2-{mark}", "us-west-2"),
            v.value(f"{ours}/there-{mark}", "us-west-2"),
        ),
    }


def of_acm(v: Victims) -> dict[str, Hostile]:
    """Return attacks on ACM certificates of other owners."""
    untagged, theirs, west = v.acm(), v.acm(THEIRS), v.acm(region="us-west-2")
    abroad = v.acm(OURS, account=ANOTHER_ACCOUNT)

    def case(arn: str, words: str) -> Hostile:
        return Hostile(to("acm", arn=arn), words, reimport(arn), v.certificate(arn))

    acm = wanted("x", **to("acm"))["destinations"][0]
    location = {"deliveries": {Component.model_validate(acm).key: {"revision": 0, "location": untagged, "version": ""}}}
    return {
        "certificate without a tag": case(untagged, "does not belong to this stack"),
        "certificate of another stack": case(theirs, "does not belong to this stack"),
        "certificate of another account": case(abroad, "lacks a permission"),
        "certificate of another region": case(west, "lacks a permission"),
        "certificate by a wildcard": Hostile(
            to("acm", arn=f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/*"),
            "must be the ARN of a certificate in ACM",
            reimport(f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/*"),
            v.certificate(untagged),
        ),
        "certificate by a forged location": Hostile(
            to("acm"), "lacks a permission", reimport(untagged), v.certificate(untagged), attributes=location
        ),
    }


def of_roles(v: Victims) -> dict[str, Hostile]:
    """Return attacks on roles that the stack's parameter does not name."""
    stack_id = v.stack.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["StackId"]
    admin, abroad = v.role(f"admin-{v.mark}"), v.role(f"admin-{v.mark}", ANOTHER_ACCOUNT)
    every = f"arn:aws:iam::{ACCOUNT}:role/*"

    def case(arn: str, words: str) -> Hostile:
        return Hostile(to(role=arn, secret=f"production/{v.mark}"), words, assume(arn, stack_id), v.secrets)

    return {
        "role that trusts everybody": case(admin, "lacks a permission"),
        "role of another account": case(abroad, "lacks a permission"),
        "role of the issuer itself": case(v.issuer_role, "lacks a permission"),
        "role by a wildcard": case(every, "write the ARN of an IAM role"),
    }


def of_names(v: Victims) -> dict[str, Hostile]:
    """Return attacks that use keys of other items in place of a name."""
    table = v.stack.outputs["IssuersTable"]

    def write(key: str) -> Callable[[Client], object]:
        return lambda role: role("dynamodb").put_item(TableName=table, Item={"pk": {"S": key}})

    def issuer(name: str, key: str) -> Hostile:
        return Hostile({"issuer": name}, "an issuer's name has", write(key), v.issuers, "spec.rejected")

    def delete(name: str) -> Callable[[Client], object]:
        key = {"pk": {"S": f"certificate#{name}"}, "sk": {"S": "record"}}
        return lambda role: role("dynamodb").delete_item(TableName=v.stack.table, Key=key)

    def named(name: str) -> Hostile:
        return Hostile({}, "a name has 1 to 200 letters", delete(name), v.secrets, "spec.rejected", name=name)

    return {
        "issuer with a separator": issuer("issuer#development", "issuer#issuer#development"),
        "issuer that is a pause": issuer("pause#stack", "pause#stack"),
        "issuer by a path": issuer("../development", "issuer#../development"),
        "issuer with control characters": issuer("development\x1b[2J\n", "issuer#development"),
        "issuer with a key of the other table": issuer("certificate#web", "certificate#web"),
        "name with control characters": named(f"\x1b]0;x\x07\n{v.mark}"),
        "name that is an outcome": named(f"web-{v.mark}#outcome#1"),
        "name by a path": named(f"../credentials/{v.mark}"),
        "spec of another certificate": Hostile(
            canonical_json(wanted(f"victim-{v.mark}")), "its spec is for", None, lambda: v.stack.items(f"victim-{v.mark}"),
            "spec.rejected", f"thief-{v.mark}",
        ),
        "label with control characters": Hostile(
            {"labels": {"team": "a\nb"}}, "a label's value has", None, v.secrets, "spec.rejected"
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def issuer(stack: Stack) -> Client:
    credentials = stack.role(stack.resource("IssuerRole"))
    return lambda service, **more: stack.client(service, **credentials, **more)


@pytest.fixture(scope="module")
def writer(stack: Stack) -> Any:
    """Return a client that may write specs and has no other permission."""
    name = f"writer-{uuid.uuid4().hex[:6]}"
    iam, trust = stack.client("iam"), {"Version": "2012-10-17", "Statement": [ANYBODY]}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{stack.table}"
    statement = {"Effect": "Allow", "Action": ["dynamodb:PutItem", "dynamodb:UpdateItem"], "Resource": table}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_role_policy(RoleName=name, PolicyName="write", PolicyDocument=json.dumps(policy))
    return stack.client("dynamodb", **stack.role(name))


@pytest.fixture(scope="module")
def attacks(stack: Stack, writer: Any) -> dict[str, Hostile]:
    """Put all attacks into the table."""
    victims = Victims(stack)
    found = {**of_secrets(victims), **of_acm(victims), **of_roles(victims), **of_names(victims)}
    for what, hostile in found.items():
        hostile.name = hostile.name or f"{what.replace(' ', '-').replace(chr(39), '')}-{victims.mark}"
    for hostile in found.values():
        hostile.before = hostile.look()
    for hostile in found.values():
        spec = wanted(hostile.name, **hostile.spec) if isinstance(hostile.spec, dict) else hostile.spec
        writer.put_item(TableName=stack.table, Item=planted(hostile.name, spec, **hostile.attributes))
    return found


@pytest.fixture(scope="module")
def said(announced: Callable[[], list[Event]], attacks: dict[str, Hostile]) -> dict[str, list[Event]]:
    """Return the events by certificate name, once every attack has one."""
    names = {hostile.name for hostile in attacks.values()}
    assert until(lambda: {event["subject"] for event in announced()} >= names, 120), "not every attack was announced"
    return {name: [event for event in announced() if event["subject"] == name] for name in names}


WHAT = [
    "secret without a tag", "secret by its ARN", "secret of another stack", "secret of another folder",
    "secret of a folder that begins alike", "secret with a leading slash", "credential", "credential by a path",
    "wildcard for a secret", "new secret elsewhere", "secret in another region",
    "certificate without a tag", "certificate of another stack", "certificate of another account",
    "certificate of another region", "certificate by a wildcard", "certificate by a forged location",
    "role that trusts everybody", "role of another account", "role of the issuer itself", "role by a wildcard",
    "issuer with a separator", "issuer that is a pause", "issuer by a path", "issuer with control characters",
    "issuer with a key of the other table", "name with control characters", "name that is an outcome", "name by a path",
    "spec of another certificate", "label with control characters",
]  # fmt: skip
NO_CALL = {"spec of another certificate", "label with control characters"}  # these target no call of the issuer


def test_attack_list_is_complete(attacks: dict[str, Hostile]) -> None:
    assert list(attacks) == WHAT
    assert {what for what, hostile in attacks.items() if hostile.call is None} == NO_CALL


@pytest.mark.parametrize("what", WHAT)
def test_hostile_spec_ends_in_one_announced_failure(what: str, attacks: dict[str, Hostile], said) -> None:
    hostile = attacks[what]
    (event,) = said[hostile.name]
    assert event["type"] == hostile.type
    assert hostile.words in event["data"]["message"]
    assert event["data"]["message"].isprintable()


@pytest.mark.parametrize("what", WHAT)
def test_hostile_spec_leaves_its_victim_unchanged(what: str, attacks: dict[str, Hostile], said) -> None:
    assert attacks[what].look() == attacks[what].before


@pytest.mark.parametrize("what", [what for what in WHAT if what not in NO_CALL])
def test_iam_refuses_the_target_of_a_hostile_spec(what: str, attacks, said, issuer: Client) -> None:
    with pytest.raises(ClientError) as refused:
        attacks[what].call(issuer)
    assert refused.value.response["Error"]["Code"] in DENIED


def test_spec_writer_has_no_other_access(stack: Stack, writer: Any) -> None:
    for call in (
        lambda: writer.put_item(TableName=stack.outputs["IssuersTable"], Item={"pk": {"S": "issuer#mine"}}),
        lambda: writer.scan(TableName=stack.table),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] in DENIED


def test_hostile_name_emits_no_control_characters(stack: Stack, attacks, said) -> None:
    listed = stack.evercert("list")
    assert listed.returncode == 0, listed.stderr
    for text, own in ((listed.stdout, {"\n", "\t"}), (listed.stderr, {"\n"})):
        assert not {character for character in text if not character.isprintable()} - own
    assert len({line.count("\t") for line in listed.stdout.splitlines()}) == 1, "only the tabs between the cells"
    name = attacks["name with control characters"].name
    lines = [line["message"] for line in stack.logs("issuer") if isinstance(line.get("message"), dict)]
    assert "spec.rejected" in [line["outcome"] for line in lines if line.get("certificate") == name]
