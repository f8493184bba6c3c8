"""Deployed stack of the checks of `doctor`, with an answer of AWS for each call."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

from evercert.cli.doctor import function_checks, stack_checks, subscription_checks
from evercert.cli.doctor.stack_checks import Check
from tests.doubles.fakes import FakeTable


class Client:
    """AWS client whose methods return or raise the configured answers."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments))
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: [self.answers[operation]])


USUAL: dict[str, dict[str, Any]] = {
    "scheduler": {"get_schedule": {"State": "ENABLED", "ScheduleExpression": "rate(5 minutes)"}},
    "sns": {"list_subscriptions_by_topic": {"Subscriptions": []}},
    "sqs": {"get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}}},
    "cloudformation": {"describe_stack_resource": {"StackResourceDetail": {"PhysicalResourceId": "key-1"}}},
    "kms": {"describe_key": {"KeyMetadata": {"KeyState": "Enabled"}}},
    "lambda": {"get_function_configuration": {"State": "Active", "LastUpdateStatus": "Successful"}},
    "cloudwatch": {"get_metric_statistics": {"Datapoints": []}},
}


def connection(outputs: dict[str, str] | None = None, status: str = "UPDATE_COMPLETE", **answers: Any) -> Any:
    """Return a healthy stack; override single answers with `service__method`."""
    answered = {service: dict(methods) for service, methods in USUAL.items()}
    for key, answer in answers.items():
        service, _, method = key.partition("__")
        answered[service][method] = answer
    made = {service: Client(**methods) for service, methods in answered.items()}
    clients = SimpleNamespace(
        client=made.__getitem__,
        sns=made["sns"],
        sqs=made["sqs"],
        kms=made["kms"],
        cloudformation=made["cloudformation"],
    )
    known = dict.fromkeys(stack_checks.OUTPUTS, "made") if outputs is None else outputs
    return SimpleNamespace(
        name="evercert", status=status, clients=clients, outputs=known, output=known.__getitem__, specs=FakeTable(),
        parameters={"Runtime": "python3.13", "Architecture": "arm64"},
    )  # fmt: skip


def of(stack: Any) -> dict[str, Any]:
    """Return the checks of a stack without an authority."""
    return {
        **stack_checks.of_stack(stack),
        **function_checks.of_functions(stack),
        **subscription_checks.of_topic(stack),
    }


def run(stack: Any, name: str) -> list[Check]:
    checks = {**of(stack), "schedule crl": partial(stack_checks.schedule, stack, "crl")}
    return stack_checks.run(name, checks[name])


def only(stack: Any, name: str) -> Check:
    (found,) = run(stack, name)
    return found


def points(statistic: str, *values: float) -> dict[str, Any]:
    return {"Datapoints": [{statistic: value} for value in values]}
