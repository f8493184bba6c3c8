"""Checks of `doctor` for the subscriptions of the event topic: confirmed, and able to receive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import DENIED, code
from evercert.cli import arguments
from evercert.cli.doctor import filter_policies, stack_checks
from evercert.cli.doctor.endpoint_checks import GUIDE, Arn, Endpoints, Problem
from evercert.cli.doctor.stack_checks import Check, CheckFunction
from evercert.cli.event_queue import PREFIX
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

TITLE = "topic"
ROW = "subscription"
MOST = 100  # subscriptions in one check
DELIVERY_WINDOW = timedelta(days=1)
_PENDING = {"PendingConfirmation", "pending confirmation"}


def of_topic(connection: Connection) -> dict[str, CheckFunction]:
    """Return the checks by name."""
    return {TITLE: partial(_topic, connection), "deliveries": partial(_deliveries, connection)}


def _topic(connection: Connection) -> list[Check]:
    found = list(islice(_subscriptions(connection), MOST + 1))
    confirmed = [one for one in found if str(one.get("SubscriptionArn")).startswith("arn:")]
    return [_summary(len(confirmed), len(found)), *(row for one in found[:MOST] for row in _rows(connection, one))]


def _subscriptions(connection: Connection) -> Iterator[dict[str, Any]]:
    """Yield the subscriptions, without those of a running `evercert events`."""
    pages = connection.clients.sns.get_paginator("list_subscriptions_by_topic")
    for page in pages.paginate(TopicArn=connection.output("Topic")):
        for subscription in page["Subscriptions"]:
            if not subscription.get("Endpoint", "").rpartition(":")[2].startswith(PREFIX):
                yield dict(subscription)


def _summary(confirmed: int, found: int) -> Check:
    if found > MOST:
        return Check(TITLE, "ok", f"more than {MOST} subscriptions; checked the first {MOST}")
    if confirmed:
        return Check(TITLE, "ok", arguments.counted(confirmed, "subscription"))
    remedy = "confirm a subscription, see below" if found else "subscribe a mailbox or a queue"
    return Check(TITLE, "warning", "the event topic has no subscribers", remedy)


def _rows(connection: Connection, subscription: dict[str, Any]) -> list[Check]:
    """Return one row for each problem of a subscription; an error of one does not hide the others."""
    endpoint = printable(str(subscription.get("Endpoint", "")), 200)
    found = stack_checks.run(ROW, partial(_problems, connection, subscription, endpoint))
    return [replace(one, found=f"{endpoint}: {one.found}") for one in found]


def _problems(connection: Connection, subscription: dict[str, Any], endpoint: str) -> list[Check]:
    if str(subscription.get("SubscriptionArn")) in _PENDING:
        return [Check(ROW, "warning", "not confirmed", _confirmation(connection, subscription, endpoint))]
    problems = (*_of_endpoint(connection, subscription), *_of_attributes(connection, subscription))
    return [Check(ROW, one.status, one.text, one.remedy) for one in problems]


def _confirmation(connection: Connection, subscription: dict[str, Any], endpoint: str) -> str:
    topic = connection.output("Topic")
    if str(subscription.get("Protocol")).startswith("email"):
        again = f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint {endpoint}"
        return f"open the link in the e-mail of SNS; to get it again: {again}"
    return f"with the token that SNS sent to it: aws sns confirm-subscription --topic-arn {topic} --token TOKEN"


def _of_endpoint(connection: Connection, subscription: dict[str, Any]) -> list[Problem]:
    endpoints, arn = Endpoints(connection), Arn.of(str(subscription.get("Endpoint", "")))
    protocol = subscription.get("Protocol")
    if protocol == "sqs" and arn is not None:
        return endpoints.queue(arn)
    if protocol == "lambda" and arn is not None:
        return endpoints.function(arn)
    return []


def _of_attributes(connection: Connection, subscription: dict[str, Any]) -> list[Problem]:
    """Check the filter policy and the dead-letter queue."""
    arn = str(subscription.get("SubscriptionArn"))
    if not arn.startswith("arn:"):
        return []
    try:
        found = connection.clients.sns.get_subscription_attributes(SubscriptionArn=arn).get("Attributes", {})
    except ClientError as error:
        if code(error) in DENIED:
            return [
                Problem("unknown", "you lack the permission for its settings", "request sns:GetSubscriptionAttributes")
            ]
        if code(error) == "NotFound":
            return []  # ended since the list was read
        raise
    problems = []
    if text := filter_policies.problem(
        found.get("FilterPolicy", ""), found.get("FilterPolicyScope") or "MessageAttributes"
    ):
        problems.append(Problem("warning", text, "docs/reference/events.md lists types, severities and attributes"))
    return problems + Endpoints(connection).dead_letters(found.get("RedrivePolicy", ""))


def _deliveries(connection: Connection) -> list[Check]:
    """Check the topic's metric, which covers subscriptions in other accounts and of all protocols."""
    name = {"Name": "TopicName", "Value": connection.output("Topic").rpartition(":")[2]}
    measure = ("AWS/SNS", "NumberOfNotificationsFailed", "Sum")
    failed = int(stack_checks.metric(connection, measure, name, DELIVERY_WINDOW) or 0)
    if not failed:
        return [Check("deliveries", "ok", "no failures in the last day")]
    found = f"{failed} of SNS failed in the last day"
    return [Check("deliveries", "warning", found, f"fix the subscriptions above; {GUIDE} says how to find others")]
