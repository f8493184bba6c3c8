"""Secrets that another account reads: the three policies of docs/how-to/read-a-certificate.md, judged together."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.iam.deployment import Deployment
from tests.iam.evaluator import Request, evaluate
from tests.iam.policies import statements
from tests.tools.local_stack import ROOT

PAGE = (ROOT / "docs" / "how-to" / "read-a-certificate.md").read_text()
OWNER, REGION = "111111111111", "eu-central-1"
READER, OTHER = ("arn:aws:iam::222222222222:role/web", "arn:aws:iam::222222222222:role/other")
KEY = f"arn:aws:kms:{REGION}:{OWNER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = KEY.replace("1234abcd", "5678abcd")


def secret(name: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{OWNER}:secret:evercert/certificates/{name}-AbCdEf"


def document(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found if "Statement" in found else {"Version": "2012-10-17", "Statement": [found]}


def part(begin: str, end: str) -> dict[str, Any]:
    """Return the JSON of the page between two lines."""
    section = PAGE[PAGE.index("## From another account") :]
    match = re.search(rf"{begin}\n(.*?)\n *{end}", section, re.DOTALL)
    assert match is not None
    return document(match[1])


RESOURCE_POLICY = part("<<'JSON'", "JSON")
KEY_POLICY = part("```json", "```")
IDENTITY = document(
    (ROOT / "docs" / "policies" / "reader.json")
    .read_text()
    .replace("ACCOUNT", OWNER)
    .replace("REGION", REGION)
    .replace("NAME", "web")
    .replace("KEY", "1234abcd-12ab-34cd-56ef-1234567890ab")
)


def allowed(action: str, resource: str, who: str, resource_policy: dict[str, Any], **context: str) -> bool:
    """Across accounts, both the caller's policy and that of the resource must allow the request."""
    request = Request(who, action, resource, {"aws:RequestedRegion": REGION, **context})
    # A role without the reader's policy has none.
    identity = statements(IDENTITY, "reader") if who == READER else []
    by_resource = evaluate(request, [], statements(resource_policy, "resource")).allowed
    return by_resource and evaluate(request, identity).allowed


def decrypts(who: str, key: str = KEY, name: str = "web", service: str = "secretsmanager") -> bool:
    context = {
        "kms:ViaService": f"{service}.{REGION}.amazonaws.com",
        "kms:EncryptionContext:SecretARN": secret(name),
    }
    return allowed("kms:Decrypt", key, who, KEY_POLICY, **context)


def test_reader_of_another_account_reads_its_secret() -> None:
    assert allowed("secretsmanager:GetSecretValue", secret("web"), READER, RESOURCE_POLICY)
    assert decrypts(READER)


@pytest.mark.parametrize(
    ("action", "name", "who"),
    [("GetSecretValue", "web", OTHER), ("GetSecretValue", "web-2", READER), ("PutSecretValue", "web", READER)],
    ids=["another role", "another secret", "a write"],
)
def test_others_do_not_read_it(action: str, name: str, who: str) -> None:
    assert not allowed(f"secretsmanager:{action}", secret(name), who, RESOURCE_POLICY)


@pytest.mark.parametrize(
    "changes",
    [{"who": OTHER}, {"key": OTHER_KEY}, {"name": "web-2"}, {"service": "s3"}],
    ids=["another role", "another key", "another secret", "another service"],
)
def test_key_opens_nothing_else(changes: dict[str, str]) -> None:
    assert not decrypts(**{"who": READER, **changes})


@pytest.mark.parametrize(("listed", "expected"), [(KEY, True), ("", False)])
def test_issuer_seals_with_the_key_if_it_is_listed(listed: str, expected: bool) -> None:
    deployment = Deployment({"SecretKeys": listed}, account=OWNER)
    via = {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com", "aws:RequestedRegion": REGION}
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        request = Request(deployment.arn("IssuerRole"), action, KEY, via)
        assert evaluate(request, deployment.roles["IssuerRole"]).allowed is expected
