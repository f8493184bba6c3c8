"""The report: off by default, one object of one bucket, and attributes without secrets."""

from __future__ import annotations

import re

import pytest

from evercert.aws.dynamodb.report_reader import PAUSE_ATTRIBUTES, RECORD_ATTRIBUTES
from evercert.contracts.record import Record
from tests.iam.deployment import Deployment
from tests.tools.template import RESOURCES, TEMPLATE, actions, allowed

# The rest of a record: sealed keys, tokens of requests, claims, and what the page does not show.
SEALED = {"pending", "kept_key"}


def test_report_is_off_by_default() -> None:
    assert TEMPLATE["Parameters"]["ReportBucket"]["Default"] == ""
    assert TEMPLATE["Conditions"]["HasReport"] == {"Not": [{"Equals": [{"Ref": "ReportBucket"}, ""]}]}
    ours = {name for name in RESOURCES if name.startswith("Report")}
    assert ours == {"ReportLogs", "ReportRole", "ReportFunction", "ReportMissingAlarm"}
    assert {RESOURCES[name].get("Condition") for name in ours} == {"HasReport"}
    outputs = {name: one for name, one in TEMPLATE["Outputs"].items() if name.startswith("Report")}
    assert {one["Condition"] for one in outputs.values()} == {"HasReport"} and len(outputs) == 2


@pytest.mark.parametrize(
    ("name", "valid"),
    [("", True), ("reports", True), ("a.b-c", True), ("Reports", False), ("a/b", False), ("*", False), ("arn:aws:s3:::a", False), ("ab", False)],
)  # fmt: skip
def test_bucket_is_a_name(name: str, valid: bool) -> None:
    assert bool(re.fullmatch(TEMPLATE["Parameters"]["ReportBucket"]["AllowedPattern"], name)) is valid


def test_role_writes_one_object_of_this_account() -> None:
    role = Deployment({"ReportBucket": "reports"}).properties("ReportRole")
    (write,) = [one for one in role["Policies"][0]["PolicyDocument"]["Statement"] if "s3:" in str(one["Action"])]
    assert actions(write) == ["s3:PutObject"]
    assert write["Resource"] == "arn:aws:s3:::reports/evercert/reports/eu-central-1/evercert.html"
    assert write["Condition"] == {"StringEquals": {"aws:ResourceAccount": "000000000000"}}
    variables = RESOURCES["ReportFunction"]["Properties"]["Environment"]["Variables"]
    assert f"arn:${{AWS::Partition}}:s3:::${{ReportBucket}}/{variables['REPORT_KEY']['Sub']}" == next(
        one["Resource"]["Sub"] for one in allowed("ReportRole") if one.get("Sid") == "Publish"
    )
    assert TEMPLATE["Outputs"]["ReportObject"]["Value"]["Sub"].endswith(variables["REPORT_KEY"]["Sub"])


def test_role_reads_the_attributes_of_the_page_alone() -> None:
    found = {one["Sid"]: one for one in allowed("ReportRole") if "dynamodb:" in str(one["Action"])}
    assert {sid: actions(one) for sid, one in found.items()} == {
        "Names": ["dynamodb:Query"], "Records": ["dynamodb:BatchGetItem"], "Pauses": ["dynamodb:Scan"],
    }  # fmt: skip
    assert "index/records" in str(found["Names"]["Resource"])
    for sid, attributes in (("Records", RECORD_ATTRIBUTES), ("Pauses", PAUSE_ATTRIBUTES)):
        condition = found[sid]["Condition"]
        assert condition["ForAllValues:StringEquals"] == {"dynamodb:Attributes": list(attributes)}
        assert condition["StringEquals"] == {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}


def test_attributes_hold_no_secret() -> None:
    sealed = {name for name, field in Record.model_fields.items() if "Pending" in str(field.annotation) or "Key" in str(field.annotation)}  # fmt: skip
    assert sealed == SEALED
    assert SEALED.isdisjoint(RECORD_ATTRIBUTES)
    assert set(RECORD_ATTRIBUTES) - {"pk", "sk", "schema"} <= Record.model_fields.keys()
    assert "definition" not in PAUSE_ATTRIBUTES


def test_role_decrypts_through_tables_only() -> None:
    for one in allowed("ReportRole"):
        if "kms:" in str(one["Action"]):
            assert actions(one) == ["kms:Decrypt"]
            assert one["Condition"]["StringEquals"]["kms:ViaService"]["Sub"].startswith("dynamodb.")
