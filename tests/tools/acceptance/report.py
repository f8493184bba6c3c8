"""Report of a run that can be sent to others: results, times, calls and costs; no account, no key, no secret."""

from __future__ import annotations

import json
import platform
import re
import traceback
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evercert import __version__
from tests.tools.local_stack import ROOT

PRICES = json.loads((ROOT / "tests" / "bench" / "prices.json").read_text())
HOURS_OF_MONTH = 730
PER_CALL = {
    "kms": "kms_request", "secretsmanager": "secretsmanager_call", "sqs": "sqs_request", "sns": "sns_publish",
    "dynamodb": "dynamodb_write_unit",
}  # fmt: skip
FUNCTION_REPORT = re.compile(
    r"Billed Duration: (\d+) ms\s+Memory Size: (\d+) MB.*?(?:Init Duration: ([\d.]+) ms|$)", re.DOTALL
)


def functions(logs: Any, stack: str) -> dict[str, dict[str, float]]:
    """Return invocations, billed milliseconds, GB-seconds and cold starts of each function, from its log."""
    found: dict[str, dict[str, float]] = {}
    for group in logs.describe_log_groups(logGroupNamePrefix=f"/evercert/{stack}/")["logGroups"]:
        name, total = group["logGroupName"], Counter[str]()
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name, filterPattern='"Billed Duration"')
        for page in pages:
            for match in (FUNCTION_REPORT.search(event["message"]) for event in page["events"]):
                if match:
                    billed, memory, start = int(match[1]), int(match[2]), float(match[3] or 0)
                    total.update(
                        invocations=1, billed_ms=billed, cold_starts=int(start > 0), cold_start_ms=round(start)
                    )
                    total["mb_seconds"] += round(billed * memory / 1_000)
        found[name.rpartition("/")[2]] = dict(total)
    return found


def calls(file: Path) -> dict[str, int]:
    """Return the number of calls by operation."""
    return dict(Counter(file.read_text().splitlines()).most_common()) if file.exists() else {}


def cost(calls: dict[str, int], used: dict[str, dict[str, float]], minutes: float, keys: int, secrets: int) -> float:
    """Return an estimate in dollars: requests of this machine, functions, and keys and secrets by the hour."""
    hours = minutes / 60 + 1
    total = sum(number * PRICES.get(PER_CALL.get(call.split()[0], ""), 0) for call, number in calls.items())
    for function in used.values():
        total += function.get("invocations", 0) * PRICES["lambda_request"]
        total += function.get("mb_seconds", 0) / 1_024 * PRICES["lambda_gb_second_arm64"]
    total += hours / HOURS_OF_MONTH * (keys * PRICES["kms_key_month"] + secrets * PRICES["secret_month"])
    return float(total)


def masked(value: Any, account: str) -> Any:
    """Replace account ids, key ids, API ids, addresses and access keys in all texts."""
    text = json.dumps(value)
    text = text.replace(account, "************")
    for pattern, replacement in MASKS:
        text = re.sub(pattern, replacement, text)
    return json.loads(text)


MASKS = [
    (r"(?<!\d)\d{12}(?!\d)", "************"),
    (r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}", "<access key>"),
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", "<private key>"),
    (r"\b[a-z0-9]{10}\.execute-api\.", "<api>.execute-api."),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
]


def failure(error: BaseException | None) -> dict[str, Any] | None:
    """Return the text of an error and where it was raised."""
    if error is None:
        return None
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return {"error": f"{type(error).__name__}: {error}"[:8_000], "at": places[-6:]}


def build(region: str, phases: Iterable[tuple[str, float]], **more: Any) -> dict[str, Any]:
    """Return the report, not yet masked."""
    versions = {"evercert": __version__, "python": platform.python_version(), "system": platform.platform()}
    return {
        "format": "evercert-acceptance/v1",
        "versions": versions,
        "region": region,
        "seconds": {title: round(seconds, 1) for title, seconds in phases},
        **more,
    }
