"""Parameters for the tables and keys of another stack: what functions receive, and what their roles gain."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.iam.deployment import Deployment
from tests.tools.template import TEMPLATE

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1"
KEYS = ("RestoredDataKey", "RestoredSealKey", "RestoredAuthoritySealKey")
EMPTY = {"Authority": "yes"}
GIVEN = {
    **EMPTY,
    "RestoredStack": "old",
    "RestoredBucket": "old-bucket",
    **{name: f"{KEY}{number}" for number, name in enumerate(KEYS)},
}
ROLES = ("CheckerRole", "IssuerRole", "SignerRole", "AuthorityRole")


def variables(parameters: dict[str, str], function: str) -> dict[str, Any]:
    found = Deployment(parameters, stack="new").properties(function)["Environment"]["Variables"]
    return dict(found)


def test_functions_receive_the_keys_and_the_name_of_the_data() -> None:
    issuer, front = (variables(GIVEN, f"{name}Function") for name in ("Issuer", "Authority"))
    assert (issuer["SEAL_KEY"], front["AUTHORITY_SEAL_KEY"]) == (GIVEN[KEYS[1]], GIVEN[KEYS[2]])
    assert {(one["STACK_NAME"], one["DATA_STACK_NAME"]) for one in (issuer, front)} == {("new", "old")}
    own = variables(EMPTY, "IssuerFunction")
    assert own["SEAL_KEY"].endswith(":key/SealKey")
    assert own["DATA_STACK_NAME"] == "new"


@pytest.mark.parametrize("role", ROLES)
def test_roles_use_a_restored_data_key_through_dynamodb_only(role: str) -> None:
    before, after = (Deployment(parameters, stack="new").roles[role] for parameters in (EMPTY, GIVEN))
    assert all(one.label != f"{role} RestoredTables" for one in before)
    (added,) = [one for one in after if one.label == f"{role} RestoredTables"]
    assert added.resources == (GIVEN["RestoredDataKey"],)
    assert added.conditions == (("StringEquals", "kms:ViaService", ("dynamodb.eu-central-1.amazonaws.com",)),)
    assert len(after) == len(before) + 1


def test_front_writes_the_files_of_a_restored_bucket_only() -> None:
    found = Deployment({**GIVEN, "PublishedBy": "bucket-policy"}, stack="new")
    (files,) = [one for one in found.roles["AuthorityRole"] if "s3:PutObject" in one.actions]
    paths = ("crl/*", "ca/internal/*")
    assert files.resources == tuple(f"arn:aws:s3:::old-bucket/api/v1/cert-manager/{path}" for path in paths)
    assert variables(GIVEN, "AuthorityFunction")["AUTHORITY_BUCKET"] == "old-bucket"
    address = found.properties("SignerFunction")["Environment"]["Variables"]["AUTHORITY_ADDRESS"]
    assert address == "http://old-bucket.s3.eu-central-1.amazonaws.com"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("arn", "valid"),
    [("", True), (KEY, True), ("arn:aws:kms:eu-central-1:111122223333:key/*", False), ("1", False), ("*", False)],
    ids=["none", "key", "all", "id", "star"],
)
def test_restored_key_is_the_arn_of_one_key(key: str, arn: str, valid: bool) -> None:
    assert bool(re.fullmatch(TEMPLATE["Parameters"][key]["AllowedPattern"], arn)) is valid
