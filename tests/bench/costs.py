"""Costs of a renewal and of an idle day, calculated from counted calls and prices, compared with alternatives."""

from __future__ import annotations

import json
from collections import Counter

from tests.bench.figures import Figure, Part, table
from tests.bench.renewals import Renewal
from tests.doubles.world import load_template
from tests.tools.local_stack import ROOT

PRICES = json.loads((ROOT / "tests" / "bench" / "prices.json").read_text())
DAYS = 30.4  # per month
FLEETS = (100, 1_000, 10_000)
# Assumptions that cannot be measured locally: duration of the functions on AWS, and size of their logs.
ISSUER_SECONDS, ISSUER_GB = 1.5, 1769 / 1024
CHECKER_SECONDS, CHECKER_GB = 0.5, 0.5
LOG_BYTES = 3_000
TICKS, QUERIES = 288, 32  # per day: every five minutes; an empty page costs half a unit
POLLS = 5 * 3 * 1_440  # per day: Lambda's five pollers, 20 seconds each
METRICS = 12  # combinations of name and dimensions that one stack sends in a month
MESSAGES = 3  # SQS requests of one renewal: sent, received, deleted
SHORT_LIVED_DAYS = 7


def measure(listened: Renewal) -> Part:
    """Calculate costs from the calls of one self-signed renewal into a secret and ACM."""
    renewal, idle = of_run(listened), idle_day()
    part = Part(
        [
            Figure("cost of a renewal", f"${sum(renewal.values()):.6f}"),
            Figure(
                "cost of an idle day",
                f"${sum(idle.values()):.2f}, of which keys, alarms and metrics are ${_fixed():.2f}",
            ),
        ]
    )
    part.lines += [f"Prices: {PRICES['source']}.", ""]
    part.lines += table(("a renewal", "$ for 1,000"), [(name, f"{1000 * cost:.4f}") for name, cost in renewal.items()])
    head = ("write, from the tick on", "item", "bytes before", "bytes after", "units", "units of indexes")
    part.lines += ["", *table(head, _write_rows(listened))]
    part.lines += ["", *table(("an idle day", "$"), [(name, f"{cost:.4f}") for name, cost in idle.items()])]
    part.lines += ["", *_beside(sum(renewal.values()), sum(idle.values()))]
    return part


def of_run(listened: Renewal, seconds: float = ISSUER_SECONDS) -> dict[str, float]:
    """Return the costs of a recorded run and its message, by service."""
    calls = Counter(call.service for call in listened.calls)
    reads, writes = units(listened)
    return {
        f"DynamoDB: {writes} write units, {reads:g} read units": writes * PRICES["dynamodb_write_unit"]
        + (reads + 0.5) * PRICES["dynamodb_read_unit"],
        f"KMS: {calls['kms']} requests": calls["kms"] * PRICES["kms_request"],
        f"Secrets Manager: {calls['secretsmanager']} calls": calls["secretsmanager"] * PRICES["secretsmanager_call"],
        f"SNS: {calls['sns']} event": calls["sns"] * PRICES["sns_publish"],
        f"SQS: {MESSAGES + calls['sqs']} requests": (MESSAGES + calls["sqs"]) * PRICES["sqs_request"],
        f"Lambda: {seconds} s of {ISSUER_GB:.2f} GB (assumed)": PRICES["lambda_request"]
        + seconds * ISSUER_GB * PRICES["lambda_gb_second_arm64"],
        f"logs: {LOG_BYTES} bytes (assumed)": LOG_BYTES / 1e9 * PRICES["cloudwatch_log_gb"],
        f"ACM: {calls['acm']} calls": 0.0,
    }


def units(listened: Renewal) -> tuple[float, int]:
    """Return read units, estimated from the calls, and write units, counted from the items before and after each."""
    reads = 0.0
    for call in listened.calls:
        match call.operation:
            case "GetItem":
                reads += 1.0 if call.parameters.get("ConsistentRead") else 0.5
            case "BatchGetItem":
                reads += sum(len(keys["Keys"]) for keys in call.parameters["RequestItems"].values())
    return reads, listened.write_units


def _write_rows(listened: Renewal) -> list[tuple[str, ...]]:
    """Return one row for each written item; both items of a transaction cost twice their size."""
    rows = [
        (
            write.operation,
            write.key["sk"]["S"].partition("#")[0],
            f"{write.before:,}",
            f"{write.after:,}",
            str(write.units),
            str(write.entries or ""),
        )
        for write in listened.writes
    ]
    return [*rows, ("**in all**", "", "", "", str(listened.write_units), "")]


def idle_day() -> dict[str, float]:
    reads = TICKS * QUERIES / 2
    seconds = TICKS * CHECKER_SECONDS * CHECKER_GB
    return {
        f"DynamoDB: {reads:,.0f} read units": reads * PRICES["dynamodb_read_unit"],
        f"Lambda: {TICKS} ticks of {CHECKER_SECONDS} s (assumed)": TICKS * PRICES["lambda_request"]
        + seconds * PRICES["lambda_gb_second_arm64"],
        f"SQS: {POLLS:,} polls": POLLS * PRICES["sqs_request"],
        "EventBridge Scheduler and logs": TICKS * (PRICES["scheduler_invocation"] + 1e-6 * PRICES["cloudwatch_log_gb"]),
        f"{_count('AWS::KMS::Key')} keys, {_count('AWS::CloudWatch::Alarm')} alarms, {METRICS} metrics": _fixed(),
    }


def _fixed() -> float:
    month = _count("AWS::KMS::Key") * PRICES["kms_key_month"]
    month += _count("AWS::CloudWatch::Alarm") * PRICES["cloudwatch_alarm_month"]
    return (month + METRICS * PRICES["cloudwatch_metric_month"]) / DAYS


def _count(kind: str) -> int:
    return sum(resource["Type"] == kind for resource in load_template()["Resources"].values())


def _beside(renewal: float, idle: float) -> list[str]:
    """Return the monthly costs of a fleet that renews at two thirds of its lifetime, with one secret per certificate."""
    rows = []
    for lifetime in (47, 90):
        for fleet in FLEETS:
            issued = fleet * DAYS / (lifetime * 2 / 3)
            secrets = fleet * PRICES["secret_month"]
            ours = idle * DAYS + issued * renewal + secrets
            short = PRICES["private_ca_short_lived_month"]
            short += fleet * DAYS / (SHORT_LIVED_DAYS * 2 / 3) * PRICES["private_ca_short_lived_issue"]
            exportable = issued * PRICES["acm_exportable_issue"]
            authority = PRICES["private_ca_month"] + _tiers(issued)
            costs = (ours, ours - secrets, authority, short, exportable)
            rows.append((f"{fleet:,}", f"{lifetime} days", *(f"{cost:,.0f}" for cost in costs)))
    head = (
        "certificates", "lifetime", "evercert, $ a month", "of it without secrets", "+ AWS Private CA",
        "+ the same, short-lived (7 days)", "exportable ACM instead, renewed as often",
    )  # fmt: skip
    return table(head, rows)


def _tiers(issued: float) -> float:
    cost = 0.0
    for size, price in PRICES["private_ca_issue"]:
        taken = issued if size is None else min(issued, size)
        cost += taken * price
        issued -= taken
    return cost
