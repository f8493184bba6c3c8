"""`doctor` on subscriptions: the double and the emulator, which enforces queue policies, give the same answers."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.cli.doctor import stack_checks, subscription_checks
from tests.doubles.subscribers import Subscribers
from tests.doubles.world import World
from tests.samples.queue_policies import policy, queue_policy

FAILED, WARNING, UNKNOWN = "failed", "warning", "unknown"


class Deployed:
    """The same set-up as that of the double, on the emulator."""

    def __init__(self, world: World) -> None:
        self._clients, self._world = world.operator, world
        self._mark = uuid.uuid4().hex[:8]
        self.topic = self._clients.sns.create_topic(Name=f"subscribed-{self._mark}")["TopicArn"]

    def queue(self, name: str, **attributes: str) -> str:
        name = f"{name}-{self._mark}"
        url = self._clients.sqs.create_queue(QueueName=name)["QueueUrl"]
        if attributes:
            self._clients.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)  # type: ignore[arg-type]
        return self._arn("sqs", name)

    def function(self, name: str) -> str:
        name = f"{name}-{self._mark}"
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = self._clients.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as file:
            file.writestr("app.py", "def handler(event, context): return None\n")
        arn: str = self._clients.lambda_.create_function(
            FunctionName=name, Runtime="python3.13", Handler="app.handler", Code={"ZipFile": code.getvalue()},
            Role=role["Role"]["Arn"],
        )["FunctionArn"]  # fmt: skip
        return arn

    def allow(self, function: str) -> None:
        self._clients.lambda_.add_permission(
            FunctionName=f"{function}-{self._mark}", StatementId="events", Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com", SourceArn=self.topic,
        )  # fmt: skip

    def subscribe(self, protocol: str, endpoint: str, **attributes: str) -> None:
        self._clients.sns.subscribe(
            TopicArn=self.topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes, ReturnSubscriptionArn=True
        )

    def connection(self) -> Any:
        outputs = {"Topic": self.topic, "Queue": self._world.queue_url}
        return SimpleNamespace(name="evercert", clients=self._clients, outputs=outputs, output=outputs.__getitem__)

    def _arn(self, service: str, name: str) -> str:
        parts = self.topic.split(":")
        return ":".join([*parts[:2], service, parts[3], parts[4], name])


Place = Subscribers | Deployed


@pytest.fixture(params=["double", "emulator"])
def place(request: pytest.FixtureRequest) -> Place:
    return Subscribers() if request.param == "double" else Deployed(request.getfixturevalue("world"))


def problems(place: Place) -> list[tuple[str, str]]:
    checks = stack_checks.run("topic", subscription_checks.of_topic(place.connection())["topic"])
    return [(row.status, row.found.rpartition(": ")[2]) for row in checks[1:]]


def working_queue(place: Place, name: str = "reload") -> str:
    arn = place.queue(name)
    return place.queue(name, Policy=queue_policy(arn, place.topic))


def test_queue_with_the_policy_of_the_guide_can_receive(place: Place) -> None:
    place.subscribe("sqs", working_queue(place))
    assert problems(place) == []


def test_queue_without_a_policy_cannot_receive(place: Place) -> None:
    place.subscribe("sqs", place.queue("reload"))
    assert problems(place) == [(FAILED, "the queue's policy does not allow the topic to send to it")]


def test_queue_for_another_topic_cannot_receive(place: Place) -> None:
    arn = place.queue("reload")
    place.queue("reload", Policy=queue_policy(arn, f"{place.topic}-2"))
    place.subscribe("sqs", arn)
    assert problems(place) == [(FAILED, "the queue's policy does not allow the topic to send to it")]


def test_queue_with_unknown_elements_is_unknown(place: Place) -> None:
    arn = place.queue("reload")
    unknown = {"Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "Action": "sqs:*", "Resource": arn}
    place.queue("reload", Policy=policy(unknown))
    place.subscribe("sqs", arn)
    assert problems(place) == [(UNKNOWN, "the queue's policy has elements that this check does not know")]


def test_missing_queue_cannot_receive(place: Place) -> None:
    place.subscribe("sqs", place.queue("reload") + "-gone")
    assert problems(place) == [(FAILED, "the queue does not exist")]


def test_function_with_a_permission_can_receive(place: Place) -> None:
    arn = place.function("reload")
    place.allow("reload")
    place.subscribe("lambda", arn)
    assert problems(place) == []


def test_function_without_a_permission_cannot_receive(place: Place) -> None:
    place.subscribe("lambda", place.function("reload"))
    assert problems(place) == [(FAILED, "the function's policy does not allow the topic to invoke it")]
    (row,) = stack_checks.run("topic", subscription_checks.of_topic(place.connection())["topic"])[1:]
    assert row.remedy.startswith("aws lambda add-permission --function-name arn:aws:lambda:")
    assert row.remedy.endswith(f"--source-arn {place.topic}")


def test_missing_function_cannot_receive(place: Place) -> None:
    place.subscribe("lambda", place.function("reload") + "-gone")
    assert problems(place) == [(FAILED, "the function does not exist")]


def test_filter_policy_that_matches_nothing_is_reported(place: Place) -> None:
    place.subscribe("sqs", working_queue(place), FilterPolicy=json.dumps({"severity": ["error"]}))
    assert problems(place) == [(WARNING, "no severity matches ['error']")]


def test_filter_policy_that_matches_is_ok(place: Place) -> None:
    place.subscribe("sqs", working_queue(place), FilterPolicy=json.dumps({"severity": ["critical"]}))
    assert problems(place) == []


def test_dead_letter_queue_without_a_policy_is_reported(place: Place) -> None:
    redrive = json.dumps({"deadLetterTargetArn": place.queue("lost")})
    place.subscribe("sqs", working_queue(place), RedrivePolicy=redrive)
    assert problems(place) == [(WARNING, "the queue's policy does not allow the topic to send to it")]


def test_dead_letter_queue_that_is_missing_is_reported(place: Place) -> None:
    redrive = json.dumps({"deadLetterTargetArn": place.queue("lost") + "-gone"})
    place.subscribe("sqs", working_queue(place), RedrivePolicy=redrive)
    assert problems(place) == [(WARNING, "the queue does not exist")]


def test_dead_letter_queue_that_works_is_ok(place: Place) -> None:
    redrive = json.dumps({"deadLetterTargetArn": working_queue(place, "lost")})
    place.subscribe("sqs", working_queue(place), RedrivePolicy=redrive)
    assert problems(place) == []
