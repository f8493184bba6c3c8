"""Calls of AWS for one certificate of an ACME account, counted request by request, and what they cost."""

from __future__ import annotations

from collections import Counter

from tests.bench.costs import PRICES
from tests.bench.counted_authority import VALIDATOR, Client, CountedAuthority, Step, counted
from tests.bench.figures import Figure, Part, table
from tests.doubles.world import World, load_template
from tests.tools.local_stack import Emulator

DELIVERY = 2  # SQS requests of Lambda for one message: received, deleted
# Assumptions that cannot be measured locally: seconds of the functions on AWS, and size of their logs.
CALL_SECONDS, OWN_SECONDS, PAGE_SECONDS, SIGNER_SECONDS = 0.010, 0.010, 0.1, 0.1
LOG_BYTES = 1_000  # of one invocation: a line of API Gateway, one of the function, and three of Lambda


def measure(world: World, running: Emulator) -> Part:
    """Count a certificate of an account that has not ordered lately, and another one right after it."""
    with counted(world, running) as authority:
        first, account = Client(authority), Client(authority)
        authority.address = "192.0.2.2"
        first.register()
        first.issue_one("warm.example.com")
        authority.address = "192.0.2.1"
        account.register()
        one, two = (_certificate(authority, account, f"{name}.example.com") for name in ("one", "two"))
    return _part(one, two)


def _certificate(authority: CountedAuthority, account: Client, name: str) -> list[Step]:
    """Have a new process of the account's client obtain a certificate; return what each request costs."""
    authority.steps.clear()
    account.restarted().issue_one(name)
    return list(authority.steps)


def _part(one: list[Step], two: list[Step]) -> Part:
    requests = sum(step.name != VALIDATOR for step in one)
    reads, writes = sum(step.reads for step in one), sum(step.writes for step in one)
    read_units, write_units = sum(step.read_units for step in one), sum(step.write_units for step in one)
    sent, signed = sum(step.calls["SendMessage"] for step in one), sum(step.calls["Sign"] for step in one)
    facts = {
        "HTTP requests of the client": f"{requests}",
        "reads of tables, and their units": f"{reads}, {read_units:g}",
        "writes of tables, and their units": f"{writes}, {write_units}",
        "the same for the next order of the account, right after it": f"{sum(step.writes for step in two)}, "
        f"{sum(step.write_units for step in two)}",
        "calls of KMS": f"{signed + sum(step.count('Encrypt', 'Decrypt') for step in one)}",
        "requests to SQS, Lambda's included": f"{sent * (1 + DELIVERY)}",
        "invocations of functions": f"{len(one) + signed}",
        "calls of S3": f"{sum(step.count('GetObject', 'PutObject') for step in one)}",
    }
    costs = _costs(one, requests, read_units, write_units)
    part = Part([Figure(f"one certificate of an account: {what}", found) for what, found in facts.items()])
    part.figures.append(Figure("cost of 1,000 certificates (calculated)", f"${1_000 * sum(costs.values()):.3f}"))
    rows = [(s.name, s.reads, f"{s.read_units:g}", s.writes, s.write_units, _others(s)) for s in one]
    part.lines += table(("request", "reads", "units", "writes", "units", "other calls"), rows)
    part.lines += ["", *table(("a certificate", "$ for 1,000"), [(k, f"{1_000 * v:.4f}") for k, v in costs.items()])]
    part.lines += ["", f"Prices: {PRICES['source']}."]
    return part


def _others(step: Step) -> str:
    """Return the calls that are not of DynamoDB."""
    return ", ".join(name for name in ("SendMessage", "Sign", "Encrypt", "Decrypt") if step.calls[name])


def _costs(steps: list[Step], requests: int, read_units: float, write_units: int) -> dict[str, float]:
    calls, signed = Counter[str](), sum(step.calls["Sign"] for step in steps)
    for step in steps:
        calls += step.calls
    validated = [step for step in steps if step.name == VALIDATOR]
    answered = sum(step.calls.total() for step in steps if step.name != VALIDATOR)
    seconds = {
        "AuthorityFunction": answered * CALL_SECONDS + requests * OWN_SECONDS + signed * OWN_SECONDS,
        "ValidatorFunction": sum(step.calls.total() * CALL_SECONDS + PAGE_SECONDS for step in validated),
        "SignerFunction": signed * SIGNER_SECONDS,
    }
    sizes = {name: load_template()["Resources"][name]["Properties"]["MemorySize"] / 1_024 for name in seconds}
    used = sum(seconds[name] * sizes[name] for name in seconds)
    invocations, kms = len(steps) + signed, calls["Sign"] + calls["Encrypt"] + calls["Decrypt"]
    messages = calls["SendMessage"] * (1 + DELIVERY)
    return {
        f"API Gateway: {requests} requests": requests * PRICES["api_gateway_http_request"],
        f"DynamoDB: {write_units} write units, {read_units:g} read units": write_units * PRICES["dynamodb_write_unit"]
        + read_units * PRICES["dynamodb_read_unit"],
        f"KMS: {kms} request": kms * PRICES["kms_request"],
        f"SQS: {messages} requests": messages * PRICES["sqs_request"],
        f"Lambda: {invocations} invocations, {sum(seconds.values()):.2f} s, {used:.2f} GB s (durations assumed)": invocations
        * PRICES["lambda_request"]
        + used * PRICES["lambda_gb_second_arm64"],
        f"logs: {LOG_BYTES * invocations:,} bytes (assumed)": LOG_BYTES
        * invocations
        / 1e9
        * PRICES["cloudwatch_log_gb"],
    }
