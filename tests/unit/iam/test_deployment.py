"""The resolved template: functions of CloudFormation, physical names, and policies for several sets of parameters."""

from __future__ import annotations

from typing import Any

import pytest

from tests.iam.deployment import Deployment
from tests.iam.intrinsics import Intrinsics, Unresolved

SETS: dict[str, dict[str, str]] = {
    "defaults": {},
    "authority": {"Authority": "yes", "AuthorityAddress": "https://ca.example.com"},
    "everything": {
        "Authority": "yes",
        "DestinationRegions": "us-east-1,eu-west-1",
        "SecretArns": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:shop-AbCdEf",
        "DestinationRoles": "arn:aws:iam::111122223333:role/certificates",
        "RestoredTable": "restored",
    },
}


def intrinsics(**parameters: Any) -> Intrinsics:
    template = {"Conditions": {"Yes": {"Fn::Equals": ["a", "a"]}, "No": {"Not": [{"Condition": "Yes"}]}}}
    template["Mappings"] = {"M": {"a": {"b": 7}}}
    return Intrinsics(template, parameters, lambda name: f"ref-{name}", lambda name, which: f"{name}.{which}!")


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "P"}, "p"), ({"Ref": "R"}, "ref-R"), ({"GetAtt": "R.Arn"}, "R.Arn!"),
        ({"Fn::GetAtt": ["R", "Arn"]}, "R.Arn!"), ({"Sub": "${P}-${R.Arn}-${!x}"}, "p-R.Arn!-${x}"),
        ({"Sub": ["${X}${P}", {"X": {"Ref": "R"}}]}, "ref-Rp"), ({"If": ["Yes", 1, 2]}, 1), ({"If": ["No", 1, 2]}, 2),
        ([{"If": ["No", 1, {"Ref": "AWS::NoValue"}]}, 3], [3]), ({"a": {"Ref": "AWS::NoValue"}}, {}),
        ({"Join": ["-", ["a", {"Ref": "P"}]]}, "a-p"), ({"Select": [1, {"Split": [",", "a,b"]}]}, "b"),
        ({"FindInMap": ["M", "a", "b"]}, 7), ({"And": [{"Condition": "Yes"}, {"Condition": "No"}]}, False),
        ({"Or": [{"Condition": "Yes"}, {"Condition": "No"}]}, True), ({"Condition": {"Bool": {"a": "b"}}}, {"Condition": {"Bool": {"a": "b"}}}),
    ],
)  # fmt: skip
def test_intrinsics_resolve(value: Any, resolved: Any) -> None:
    assert intrinsics(P="p").resolve(value) == resolved


def test_intrinsics_refuse_unknown_functions() -> None:
    with pytest.raises(Unresolved, match="Fn::Cidr"):
        intrinsics().resolve({"Fn::Cidr": []})


@pytest.mark.parametrize("name", SETS)
def test_deployment_resolves_every_policy(name: str) -> None:
    found = Deployment(SETS[name])
    functions = ("Checker", "Issuer", "Signer", "Authority", "Administration", "Renewal", "Validator")
    assert set(found.roles) == {f"{one}Role" for one in functions} or name == "defaults"
    assert all(found.roles.values())
    assert set(found.key_policies) == {found.arn(key) for key in found.of("AWS::KMS::Key")}
    assert "{" not in str([*found.roles.values(), *found.key_policies.values()]).replace("${", "")


def test_deployment_uses_physical_names() -> None:
    found = Deployment(physical={"IssuersTable": "issuers-1", "IssuerRole": "r", "DataKey": "arn:aws:kms:x:1:key/k"})
    assert found.arn("IssuersTable") == "arn:aws:dynamodb:eu-central-1:000000000000:table/issuers-1"
    assert found.arn("IssuerRole") == "arn:aws:iam::000000000000:role/r"
    assert found.key_of(f"{found.arn('IssuersTable')}/index/x") == "arn:aws:kms:eu-central-1:000000000000:key/k"
    with pytest.raises(Unresolved, match="unknown parameters"):
        _ = Deployment({"Typo": "x"}).roles


def test_deployment_knows_the_key_of_restored_tables() -> None:
    table, key = "arn:aws:dynamodb:eu-central-1:000000000000:table/restored", "arn:aws:kms:x:1:key/old"
    own = Deployment({"RestoredTable": "restored"})
    assert own.key_of(f"{table}/index/due") == own.arn("DataKey")
    taken_over = Deployment({"RestoredTable": "restored", "RestoredDataKey": key})
    assert taken_over.key_of(table) == key
    assert taken_over.key_of(taken_over.arn("CertificatesTable")) == own.arn("DataKey")


def test_deployment_limits_destination_regions() -> None:
    regions = {
        name: next(one for one in Deployment(SETS[name]).roles["IssuerRole"] if one.label.endswith("NoOtherRegions"))
        for name in ("defaults", "everything")
    }
    assert regions["defaults"].conditions[0][2] == ("eu-central-1",)
    assert regions["everything"].conditions[0][2] == ("eu-central-1", "us-east-1", "eu-west-1")
