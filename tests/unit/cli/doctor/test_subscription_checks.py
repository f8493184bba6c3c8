"""Checks of subscriptions that the emulator cannot show: keys, mailboxes, other accounts, missing permissions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evercert.cli.doctor import stack_checks, subscription_checks
from evercert.cli.doctor.stack_checks import Check
from tests.doubles.described_stack import connection, only
from tests.doubles.subscribers import TOPIC, Subscribers
from tests.samples.queue_policies import SNS, policy, queue_policy


@pytest.fixture
def place() -> Subscribers:
    return Subscribers()


def checks(place: Subscribers) -> list[Check]:
    return stack_checks.run("topic", subscription_checks.of_topic(place.connection())["topic"])


def problems(place: Subscribers) -> list[tuple[str, str]]:
    """Return status and text of each row without its endpoint."""
    return [(row.status, row.found.rpartition(": ")[2]) for row in checks(place)[1:]]


def working_queue(place: Subscribers, name: str = "reload", **attributes: str) -> str:
    arn = place.queue(name)
    place.queues[name] = {"Policy": queue_policy(arn, TOPIC), **attributes}
    return arn


def test_topic_without_subscriptions_has_no_subscribers() -> None:
    check = only(connection(), "topic")
    assert (check.status, check.found) == ("warning", "the event topic has no subscribers")
    assert check.remedy == "subscribe a mailbox or a queue"


def test_topic_does_not_count_running_commands() -> None:
    follower = {"SubscriptionArn": "arn:x", "Endpoint": "arn:aws:sqs:x:1:evercert-events-1", "Protocol": "sqs"}
    check = only(connection(sns__list_subscriptions_by_topic={"Subscriptions": [follower]}), "topic")
    assert check.found == "the event topic has no subscribers"


@pytest.mark.parametrize("protocol", ["email", "email-json"])
def test_unconfirmed_mailbox_is_reported(place: Subscribers, protocol: str) -> None:
    place.subscribe(protocol, "ops@example.com", confirmed=False)
    topic, mailbox = checks(place)
    assert (topic.status, topic.remedy) == ("warning", "confirm a subscription, see below")
    assert (mailbox.status, mailbox.found) == ("warning", "ops@example.com: not confirmed")
    assert f"aws sns subscribe --topic-arn {TOPIC} --protocol email" in mailbox.remedy


def test_unconfirmed_web_address_is_reported(place: Subscribers) -> None:
    place.subscribe("https", "https://example.com/\x1bhook", confirmed=False)
    (row,) = checks(place)[1:]
    assert row.found == "https://example.com/ hook: not confirmed"
    assert f"aws sns confirm-subscription --topic-arn {TOPIC} --token TOKEN" in row.remedy


def test_confirmed_mailbox_is_ok(place: Subscribers) -> None:
    place.subscribe("email", "ops@example.com")
    assert checks(place) == [Check("topic", "ok", "1 subscription")]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ({"manager": "AWS"}, ("failed", "the queue's key is managed by AWS, so SNS cannot use it")),
        ({"policy": policy()}, ("failed", "the policy of the queue's key does not allow sns.amazonaws.com")),
        (
            {"policy": policy({"Effect": "Allow", "Principal": SNS, "Action": "kms:Decrypt", "Resource": "*"})},
            ("failed", "the policy of the queue's key does not allow sns.amazonaws.com"),
        ),
        (
            {"policy": policy({"Effect": "Allow", "NotPrincipal": SNS, "Action": "kms:*", "Resource": "*"})},
            ("unknown", "the policy of the queue's key has elements that this check does not know"),
        ),
        ({"policy": policy({"Effect": "Allow", "Principal": SNS, "Action": "kms:*", "Resource": "*"})}, None),
        (
            {"policy": policy({"Effect": "Allow", "Principal": SNS, "Action": ["kms:GenerateDataKey*", "kms:Decrypt"], "Resource": "*"})},
            None,
        ),
        (None, ("failed", "the queue's key does not exist")),
    ],
    ids=["managed-by-aws", "no-statement", "decrypt-only", "unknown", "all-actions", "usual", "missing"],
)  # fmt: skip
def test_key_of_a_queue_is_checked(
    place: Subscribers, key: dict[str, Any] | None, found: tuple[str, str] | None
) -> None:
    place.keys = {"key-1": key} if key is not None else {}
    place.subscribe("sqs", working_queue(place, KmsMasterKeyId="key-1"))
    assert problems(place) == ([found] if found else [])


@pytest.mark.parametrize("key", ["alias/aws/sqs", "arn:aws:kms:eu-central-1:111122223333:alias/aws/sqs"])
def test_queue_with_the_key_of_sqs_cannot_receive(place: Subscribers, key: str) -> None:
    place.subscribe("sqs", working_queue(place, KmsMasterKeyId=key))
    assert problems(place) == [("failed", "the queue's key is aws/sqs, which SNS cannot use")]
    assert "DescribeKey" not in place.calls


@pytest.mark.parametrize(
    ("protocol", "arn", "found"),
    [
        ("sqs", "arn:aws:sqs:eu-central-1:444455556666:q", "the queue is in another account"),
        ("sqs", "arn:aws:sqs:us-east-1:111122223333:q", "the queue is in another region"),
        ("lambda", "arn:aws:lambda:eu-central-1:444455556666:function:f", "the function is in another account"),
    ],
    ids=["queue-account", "queue-region", "function-account"],
)
def test_endpoint_elsewhere_is_unknown(place: Subscribers, protocol: str, arn: str, found: str) -> None:
    place.subscribe(protocol, arn)
    assert problems(place) == [("unknown", f"{found}, so its policy was not checked")]
    assert not {"GetQueueAttributes", "GetPolicy"} & set(place.calls)


@pytest.mark.parametrize(
    ("operation", "remedy"),
    [
        ("GetQueueAttributes", "request sqs:GetQueueAttributes"),
        ("GetSubscriptionAttributes", "request sns:GetSubscriptionAttributes"),
        ("DescribeKey", "request kms:DescribeKey and kms:GetKeyPolicy"),
        ("GetKeyPolicy", "request kms:DescribeKey and kms:GetKeyPolicy"),
        ("GetPolicy", "request lambda:GetPolicy"),
        ("GetFunctionConfiguration", "request lambda:GetFunctionConfiguration"),
    ],
)
def test_missing_permission_is_unknown(place: Subscribers, operation: str, remedy: str) -> None:
    if "Key" in operation or "Queue" in operation or "Subscription" in operation:
        place.keys["key-1"] = {"policy": policy({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"})}
        place.subscribe("sqs", working_queue(place, KmsMasterKeyId="key-1"))
    else:
        place.subscribe("lambda", place.function("reload"))
    assert all(row.status != "unknown" for row in checks(place))
    place.denied = {operation}
    assert [row.remedy for row in checks(place)[1:]] == [remedy]
    assert problems(place)[0][0] == "unknown"


def test_alias_of_a_function_has_its_own_policy(place: Subscribers) -> None:
    place.allow("reload")
    place.subscribe("lambda", place.function("reload:live"))
    assert problems(place) == [("failed", "the function's policy does not allow the topic to invoke it")]
    place.allow("reload:live")
    assert problems(place) == []
    del place.functions["reload:live"]
    assert problems(place) == [("failed", "the function does not exist")]


def test_missing_permission_for_the_list_is_unknown(place: Subscribers) -> None:
    place.denied = {"ListSubscriptionsByTopic"}
    assert [(row.name, row.status) for row in checks(place)] == [("topic", "unknown")]


def test_error_of_one_subscription_does_not_hide_others(place: Subscribers) -> None:
    place.subscribe("sqs", working_queue(place, KmsMasterKeyId="key-1"))
    place.keys["key-1"] = {}  # an answer without a policy
    place.subscribe("sqs", "arn:aws:sqs:eu-central-1:111122223333:gone")
    first, second = checks(place)[1:]
    assert (first.status, first.found.startswith("arn:aws:sqs:eu-central-1:111122223333:reload: ")) == ("failed", True)
    assert second.found.endswith(":gone: the queue does not exist")


def test_ended_subscription_is_ignored(place: Subscribers) -> None:
    place.subscribe("email", "ops@example.com")
    place.attributes.clear()
    assert problems(place) == []


def test_messages_in_the_dead_letter_queue_are_reported(place: Subscribers) -> None:
    lost = working_queue(place, "lost", ApproximateNumberOfMessages="3")
    place.subscribe("sqs", working_queue(place), RedrivePolicy=json.dumps({"deadLetterTargetArn": lost}))
    assert problems(place) == [("warning", "see dead-letter queue lost")]
    assert "SNS could not deliver 3 events" in checks(place)[1].found


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"deadLetterTargetArn": "x"}', '{"deadLetterTargetArn": 7}'])
def test_malformed_redrive_policy_is_ignored(place: Subscribers, text: str) -> None:
    place.subscribe("sqs", working_queue(place), RedrivePolicy=text)
    assert problems(place) == []


def test_check_is_limited_to_100_subscriptions(place: Subscribers) -> None:
    for number in range(130):
        place.subscribe("sqs", f"arn:aws:sqs:eu-central-1:111122223333:gone-{number}")
    found = checks(place)
    assert found[0].found == "more than 100 subscriptions; checked the first 100"
    assert place.calls.count("GetQueueAttributes") == len(found) - 1 == subscription_checks.MOST


def test_failed_deliveries_are_reported() -> None:
    points = {"Datapoints": [{"Sum": 2.0}, {"Sum": 1.0}]}
    check = only(connection(cloudwatch__get_metric_statistics=points), "deliveries")
    assert (check.status, check.found) == ("warning", "3 of SNS failed in the last day")
    assert only(connection(), "deliveries") == Check("deliveries", "ok", "no failures in the last day")


def test_subscription_without_an_endpoint_is_counted(place: Subscribers) -> None:
    place.subscriptions = [{"SubscriptionArn": f"{TOPIC}:1"}]
    place.attributes[f"{TOPIC}:1"] = {}
    assert checks(place) == [Check("topic", "ok", "1 subscription")]
