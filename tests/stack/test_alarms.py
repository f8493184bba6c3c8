"""The deployed alarms fire on the metrics that the functions send."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.stack.conftest import Stack, until
from tests.tools.local_stack import STACK


def state(stack: Stack, name: str) -> str:
    (alarm,) = stack.client("cloudwatch").describe_alarms(AlarmNames=[stack.resource(name)])["MetricAlarms"]
    return str(alarm["StateValue"])


def send(stack: Stack, metric: str, value: float, at: float, **dimensions: str) -> None:
    datum: dict[str, Any] = {
        "MetricName": metric,
        "Value": value,
        "Timestamp": at,
        "Dimensions": [{"Name": k, "Value": v} for k, v in {**dimensions, "stack": STACK}.items()],
    }
    stack.client("cloudwatch").put_metric_data(Namespace="evercert", MetricData=[datum])


@pytest.mark.parametrize(
    ("alarm", "metric", "value", "dimensions"),
    [
        ("OldestDueAlarm", "OldestDueSeconds", 1801, {"service": "checker"}),
        ("SoonestExpiryAlarm", "SoonestExpiryDays", 0.9, {"service": "checker"}),
        ("MisconfiguredAlarm", "IssuanceFailures", 1, {"service": "issuer", "kind": "misconfigured"}),
        ("RejectedAlarm", "IssuanceFailures", 1, {"service": "issuer", "kind": "rejected"}),
        ("UnexpectedAlarm", "IssuanceFailures", 1, {"service": "issuer", "kind": "unexpected"}),
        ("UnavailableAlarm", "IssuanceFailures", 20, {"service": "issuer", "kind": "unavailable"}),
        ("AcmQuotaAlarm", "AcmImportsShare", 80, {"service": "issuer"}),
    ],
)
def test_alarm_fires_on_its_metric(
    stack: Stack, alarm: str, metric: str, value: float, dimensions: dict[str, str]
) -> None:
    now = time.time()
    for minutes in (0, 5, 10):  # the longest evaluation period of any alarm
        send(stack, metric, value, now - minutes * 60, **dimensions)
    assert until(lambda: state(stack, alarm) == "ALARM", seconds=30)


def test_dashboard_exists(stack: Stack) -> None:
    names = [each["DashboardName"] for each in stack.client("cloudwatch").list_dashboards()["DashboardEntries"]]
    assert f"{STACK}-eu-central-1" in names
