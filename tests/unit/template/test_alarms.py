"""Alarms and dashboard of the template, and their documentation."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from evercert.authority.api_errors import Refusal
from evercert.errors import Misconfigured, Rejected, Unavailable, Unexpected
from tests.doubles.world import load_template
from tests.tools.local_stack import ROOT

TEMPLATE = load_template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
STACK_NAME = {"Ref": "AWS::StackName"}
METRICS = {
    "checker": {"Ticks", "CertificatesDue", "OldestDueSeconds", "LeftForNextTick", "SoonestExpiryDays"},
    "issuer": {"CertificatesIssued", "CertificatesExpired", "CertificatesStale", "AcmImportsShare", "IssuanceFailures"},
    "authority": {"CaEndsDays", "CrlAgeSeconds", "FilesNotCopied", "RootCrlEndsDays"},
}
FILTERS = {
    "SignerRefusalsFilter": (Refusal.kind,),
    "SignerUnavailableFilter": (Unavailable.kind,),
    "SignerFailuresFilter": (Misconfigured.kind, Rejected.kind, Unexpected.kind),
}
FUNCTIONS = [name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Serverless::Function"]
COUNTED = [one for name in FILTERS for one in RESOURCES[name]["Properties"]["MetricTransformations"]]
KINDS = {"rejected", "unavailable", "misconfigured", "unexpected"}
ALARMS = {name: resource for name, resource in RESOURCES.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
SILENT = {"CheckerSilentAlarm", "CrlStaleAlarm"}  # the state without data reports a task that does not run
OPERATIONS = (ROOT / "docs" / "reference" / "alarms.md").read_text()


def assert_sent(metric: str, dimensions: dict[str, Any], stack: Any) -> None:
    """Check that a function sends this metric with these dimensions; otherwise the alarm can never fire."""
    assert metric in METRICS[dimensions["service"]], metric
    kind = {"kind"} if metric == "IssuanceFailures" else set()
    assert set(dimensions) == {"service", "stack"} | kind
    assert dimensions["stack"] == stack
    assert dimensions.get("kind", "rejected") in KINDS


def test_functions_send_metrics_under_the_names_of_the_alarms() -> None:
    shared = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert shared["POWERTOOLS_METRICS_NAMESPACE"] == "evercert"
    for name in ("checker", "issuer", "authority", "signer"):
        own = RESOURCES[f"{name.capitalize()}Function"]["Properties"]["Environment"]["Variables"]
        assert own["POWERTOOLS_SERVICE_NAME"] == name
        assert own.get("STACK_NAME") == (None if name == "signer" else STACK_NAME)  # the signer sends no metrics


def test_every_alarm_watches_a_metric_that_is_sent() -> None:
    for alarm in ALARMS.values():
        properties = alarm["Properties"]
        dimensions = {each["Name"]: each["Value"] for each in properties.get("Dimensions", [])}
        if properties["Namespace"] == "evercert":
            assert_sent(properties["MetricName"], dimensions, STACK_NAME)
        else:
            found = (properties["Namespace"], properties["MetricName"], dimensions)
            assert found in [
                ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": {"GetAtt": "DeadLetters.QueueName"}}),
                ("AWS/Lambda", "Errors", {"FunctionName": {"Ref": "IssuerFunction"}}),
                *(("AWS/Lambda", "Throttles", {"FunctionName": {"Ref": name}}) for name in FUNCTIONS),
                ("AWS/Lambda", "Errors", {"FunctionName": {"Ref": "SignerFunction"}}),
                ("AWS/Lambda", "Errors", {"FunctionName": {"Ref": "ValidatorFunction"}}),
                ("AWS/Lambda", "Errors", {"FunctionName": {"Ref": "RenewalFunction"}}),
                ("AWS/Lambda", "AsyncEventsDropped", {"FunctionName": {"Ref": "ReportFunction"}}),
                ("AWS/ApiGateway", "5xx", {"ApiId": {"Ref": "AuthorityApi"}}),
                ("AWS/ApiGateway", "5xx", {"ApiId": {"Ref": "ResponderApi"}}),
                *((each["MetricNamespace"], each["MetricName"], {}) for each in COUNTED),
            ]


def test_log_filters_count_the_outcomes_that_the_signer_logs() -> None:
    for name, kinds in FILTERS.items():
        assert RESOURCES[name]["Properties"]["LogGroupName"] == {"Ref": "SignerLogs"}
        pattern = RESOURCES[name]["Properties"]["FilterPattern"]
        assert tuple(re.findall(r'\$\.message\.outcome = "([a-z-]+)"', pattern)) == kinds
        assert pattern.count("||") == len(kinds) - 1
    assert '"outcome": known.kind' in (ROOT / "functions" / "signer" / "app.py").read_text()


def test_every_alarm_has_a_description_and_a_section() -> None:
    headings = {line.removeprefix("### ").lower().replace(" ", "-") for line in OPERATIONS.splitlines()}
    for name, alarm in ALARMS.items():
        description = alarm["Properties"]["AlarmDescription"]
        text, anchor = re.fullmatch(r"([A-Z].{30,})\(docs/reference/alarms\.md#([a-z-]+)\)\.", description).groups()
        assert "." not in text.rstrip(), name
        assert anchor in headings, name
        assert f"`{name}`" in OPERATIONS, name


def test_alarms_have_actions_only_with_an_alarm_topic() -> None:
    topic = {"If": ["HasAlarmTopic", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    for name, alarm in ALARMS.items():
        assert alarm["Properties"]["AlarmActions"] == alarm["Properties"]["OKActions"] == topic, name
    assert TEMPLATE["Parameters"]["AlarmTopic"]["Default"] == ""


def test_missing_data_means_what_the_metric_is_sent_for() -> None:
    treated = {name: alarm["Properties"]["TreatMissingData"] for name, alarm in ALARMS.items()}
    assert [name for name, how in treated.items() if how == "ignore"] == [
        "AcmQuotaAlarm",
        "CaEndingAlarm",
        "RootCrlEndingAlarm",
        "AuthorityFilesAlarm",
    ]
    assert {name for name, how in treated.items() if how == "missing"} == SILENT
    assert set(treated.values()) == {"ignore", "missing", "notBreaching"}


def test_silence_is_reported_but_no_new_stack() -> None:
    """A new alarm starts without data, which is no state change; losing data later is one."""
    assert {name for name, one in ALARMS.items() if "InsufficientDataActions" in one["Properties"]} == SILENT
    for name in SILENT:
        assert ALARMS[name]["Properties"]["InsufficientDataActions"] == ALARMS[name]["Properties"]["AlarmActions"]


@pytest.mark.parametrize(
    ("name", "operator", "threshold", "minutes"),
    [
        ("DeadLettersAlarm", ">", 0, 5),
        ("CheckerSilentAlarm", "<", 1, 15),
        ("OldestDueAlarm", ">", 1800, 10),
        ("SoonestExpiryAlarm", "<", {"Ref": "ExpiryAlarmDays"}, 10),
        ("MisconfiguredAlarm", ">=", 1, 60),
        ("RejectedAlarm", ">=", 1, 60),
        ("UnexpectedAlarm", ">=", 1, 60),
        ("UnavailableAlarm", ">=", 20, 60),
        ("AcmQuotaAlarm", ">=", 80, 60),
        ("StaleAlarm", ">=", 1, 25 * 60),
        ("IssuerErrorsAlarm", ">=", 3, 15),
        ("IssuerThrottlesAlarm", ">=", 1, 15),
        ("CheckerThrottlesAlarm", ">=", 1, 15),
        ("ResponderErrorsAlarm", ">=", 1, 60),
        ("ResponderThrottlesAlarm", ">=", 1, 60),
        ("AuthorityErrorsAlarm", ">=", 1, 60),
        ("AuthorityThrottlesAlarm", ">=", 1, 60),
        ("AdministrationThrottlesAlarm", ">=", 1, 60),
        ("RenewalErrorsAlarm", ">=", 1, 60),
        ("RenewalThrottlesAlarm", ">=", 1, 60),
        ("ValidatorErrorsAlarm", ">=", 1, 60),
        ("ValidatorThrottlesAlarm", ">=", 1, 60),
        ("ReportMissingAlarm", ">=", 1, 60),
        ("SignerErrorsAlarm", ">=", 1, 60),
        ("SignerThrottlesAlarm", ">=", 1, 60),
        ("SignerRefusalsAlarm", ">=", 1, 5),
        ("SignerUnavailableAlarm", ">=", 1, 60),
        ("SignerFailuresAlarm", ">=", 1, 5),
        ("CaEndingAlarm", "<", 90, 24 * 60),
        ("RootCrlEndingAlarm", "<", 60, 24 * 60),
        ("AuthorityFilesAlarm", ">=", 1, 24 * 60),
        ("CrlStaleAlarm", ">=", 2 * 86_400, 24 * 60),
    ],
)
def test_alarm_has_threshold_and_period(name: str, operator: str, threshold: Any, minutes: int) -> None:
    operators = {
        ">": "GreaterThanThreshold",
        ">=": "GreaterThanOrEqualToThreshold",
        "<": "LessThanThreshold",
    }
    alarm = ALARMS[name]["Properties"]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == (operators[operator], threshold)
    assert alarm["Period"] * alarm["EvaluationPeriods"] == minutes * 60


def test_every_function_has_an_alarm_for_throttles() -> None:
    watched = {
        alarm["Properties"]["Dimensions"][0]["Value"]["Ref"]
        for alarm in ALARMS.values()
        if alarm["Properties"]["MetricName"] == "Throttles"
    }
    assert watched == set(FUNCTIONS) - {"ReportFunction"}  # its alarm counts throttled runs too, after all retries


@pytest.mark.parametrize(
    "name",
    [
        "ResponderErrorsAlarm",
        "ResponderThrottlesAlarm",
        "AuthorityErrorsAlarm",
        "AuthorityThrottlesAlarm",
        "AdministrationThrottlesAlarm",
        "RenewalErrorsAlarm",
        "RenewalThrottlesAlarm",
        "ValidatorErrorsAlarm",
        "ValidatorThrottlesAlarm",
        "SignerErrorsAlarm",
        "SignerThrottlesAlarm",
        "SignerUnavailableAlarm",
    ],
)
def test_alarm_fires_for_a_quiet_api(name: str) -> None:
    """One failed call in each of two periods of an hour suffices; a single failed call does not."""
    alarm = ALARMS[name]["Properties"]
    assert (alarm["Threshold"], alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (
        1,
        300,
        12,
        2,
    )


def test_dashboard_shows_every_metric_that_is_sent() -> None:
    dashboard = RESOURCES["Dashboard"]
    assert "${AWS::Region}" in dashboard["Properties"]["DashboardName"]["Sub"]  # one list for all regions
    rows = [
        row
        for widget in json.loads(dashboard["Properties"]["DashboardBody"]["Sub"])["widgets"]
        for row in widget["properties"]["metrics"]
    ]
    shown = set()
    for namespace, metric, *pairs, _ in rows:
        if namespace == "evercert":
            assert_sent(metric, dict(zip(pairs[::2], pairs[1::2], strict=True)), "${AWS::StackName}")
            shown.add(metric)
    assert shown == METRICS["checker"] | METRICS["issuer"]  # few stacks have an authority; its own have alarms
    assert {row[-2] for row in rows if row[1] == "IssuanceFailures"} == KINDS
