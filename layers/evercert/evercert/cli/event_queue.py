"""A temporary queue, subscribed to the topic; one that a killed command left behind goes with the next command."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from evercert.aws.clients import Clients, code, translated
from evercert.aws.tags import STACK_TAG, TEMPORARY_TAG
from evercert.errors import EvercertError
from evercert.timestamps import from_text, to_text

PREFIX = "evercert-events-"
STALE = timedelta(hours=1)
BEAT = timedelta(minutes=10)  # the tag says when somebody last listened, so that a long look is not cleared away
WAIT_SECONDS = 2  # below the time limit of a call; also how long Ctrl-C may take
_GONE = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}


class Inbox:
    """One queue of one command; `stop` ends the waiting."""

    def __init__(
        self, clients: Clients, topic: str, stack: str, clock: Callable[[], datetime], stop: threading.Event
    ) -> None:
        self._sqs, self._sns = clients.sqs, clients.sns
        self._topic, self._stack, self._clock, self.stop = topic, stack, clock, stop
        self._name = f"{PREFIX}{uuid.uuid4().hex[:16]}"
        self._begun = False
        self._subscription: str | None = None
        self._beaten = 0.0

    def open(self) -> None:
        """Queue first, with a policy for this topic alone, then the subscription."""
        self._begun = True
        arn = ":".join([*self._topic.replace(":sns:", ":sqs:", 1).split(":")[:5], self._name])
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self._topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        settings = {"MessageRetentionPeriod": "3600", "SqsManagedSseEnabled": "true", "Policy": policy}
        with translated(f"make queue {self._name}"):
            self._sqs.create_queue(QueueName=self._name, Attributes=settings, tags=self._tags())  # type: ignore[arg-type]
        self._beaten = time.monotonic()
        with translated(f"subscribe queue {self._name} to the stack's topic"):
            self._subscription = self._sns.subscribe(
                TopicArn=self._topic,
                Protocol="sqs",
                Endpoint=arn,
                Attributes={"RawMessageDelivery": "true"},
                ReturnSubscriptionArn=True,
            )["SubscriptionArn"]

    def messages(self, span: timedelta | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Body and attributes of each, until the time is over or somebody interrupts; None: without an end."""
        give_up = None if span is None else time.monotonic() + span.total_seconds()
        url = self._url(self._name)
        while url is not None and not self.stop.is_set() and (give_up is None or time.monotonic() < give_up):
            self._beat(url)
            with translated(f"listen at queue {self._name}"):
                answer = self._sqs.receive_message(
                    QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS, MessageAttributeNames=["All"]
                )
                for message in answer.get("Messages", []):
                    self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            for message in answer.get("Messages", []):
                yield message["Body"], _plain(message.get("MessageAttributes", {}))

    def close(self) -> list[str]:
        """Takes subscription and queue away, whichever there is; answers with what it could not."""
        problems = []
        if self._subscription is not None:
            problems += self._tried(lambda: self._unsubscribe(str(self._subscription)))
        if self._begun:
            problems += self._tried(lambda: self._delete(self._name))
        return problems

    def clear_away(self) -> list[str]:
        """What commands that were killed an hour ago or more have left; answers with what it could not do."""
        return self._tried(self._clear_away)

    def _clear_away(self) -> None:
        subscribed = {}
        with translated("look for left subscriptions of the topic"):
            for page in self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self._topic):
                for found in page["Subscriptions"]:
                    name = found["Endpoint"].rpartition(":")[2]
                    if found["Protocol"] == "sqs" and name.startswith(PREFIX):
                        subscribed[name] = found["SubscriptionArn"]
        with translated(f"look for left queues {PREFIX}*"):
            pages = self._sqs.get_paginator("list_queues").paginate(QueueNamePrefix=PREFIX)
            queues = {url.rpartition("/")[2] for page in pages for url in page.get("QueueUrls", [])}
        for name in queues | subscribed.keys():
            url = self._url(name)
            if url is not None and not self._is_stale(url):
                continue
            if name in subscribed:
                self._unsubscribe(subscribed[name])
            if url is not None:
                self._delete(name)

    def _is_stale(self, url: str) -> bool:
        """Made by this command for this stack, and not listened to for an hour."""
        with translated("look at a left queue"):
            try:
                tags = self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
            except ClientError as error:
                if code(error) in _GONE:
                    return False
                raise
        try:
            heard = from_text(tags.get(TEMPORARY_TAG, ""))
        except ValueError:
            return False
        return tags.get(STACK_TAG) == self._stack and heard < self._clock() - STALE

    def _url(self, name: str) -> str | None:
        with translated(f"find queue {name}"):
            try:
                return self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
            except ClientError as error:
                if code(error) in _GONE:
                    return None
                raise

    def _unsubscribe(self, arn: str) -> None:
        with translated(f"take subscription {arn} away"):
            self._sns.unsubscribe(SubscriptionArn=arn)

    def _delete(self, name: str) -> None:
        url = self._url(name)
        if url is not None:
            with translated(f"take queue {name} away"):
                self._sqs.delete_queue(QueueUrl=url)

    def _beat(self, url: str) -> None:
        if time.monotonic() - self._beaten > BEAT.total_seconds():
            with translated(f"tag queue {self._name}"):
                self._sqs.tag_queue(QueueUrl=url, Tags=self._tags())
            self._beaten = time.monotonic()

    def _tags(self) -> dict[str, str]:
        return {TEMPORARY_TAG: to_text(self._clock()), STACK_TAG: self._stack}

    @staticmethod
    def _tried(do: Callable[[], None]) -> list[str]:
        try:
            do()
        except EvercertError as error:
            return [str(error)]
        return []


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    """Lists are sent as JSON; what is none is left as the text that it is."""
    found = {}
    for name, attribute in attributes.items():
        value = attribute.get("StringValue", "")
        if name == "labels":
            try:
                parsed = json.loads(value)
            except ValueError:
                parsed = []
            value = [str(part) for part in parsed] if isinstance(parsed, list) else []
        found[name] = value
    return found
