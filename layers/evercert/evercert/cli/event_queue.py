"""Temporary SQS queue, subscribed to the stack's topic; each command also deletes stale queues of killed commands."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from evercert import json_parser
from evercert.aws.clients import Clients, code, translated
from evercert.aws.tags import STACK_TAG, TEMPORARY_TAG
from evercert.errors import EvercertError
from evercert.timestamps import from_text, to_text

PREFIX = "evercert-events-"
STALE = timedelta(hours=1)
HEARTBEAT = timedelta(minutes=10)  # how often a listening command renews the tag that protects its queue
WAIT_SECONDS = 2  # below the time limit of a call; also the longest delay of Ctrl-C
_GONE = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}


class TemporaryQueue:
    """Queue of one command; setting `stop` ends the wait for messages."""

    def __init__(
        self, clients: Clients, topic: str, stack: str, clock: Callable[[], datetime], stop: threading.Event
    ) -> None:
        self._sqs, self._sns = clients.sqs, clients.sns
        self._topic, self._stack, self._clock, self.stop = topic, stack, clock, stop
        self._name = f"{PREFIX}{uuid.uuid4().hex[:16]}"
        self._opened = False
        self._subscription: str | None = None
        self._last_heartbeat = 0.0

    def open(self) -> None:
        """Create the queue, with a policy for this topic only, then subscribe it."""
        self._opened = True
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
        with translated(f"create queue {self._name}"):
            self._sqs.create_queue(QueueName=self._name, Attributes=settings, tags=self._tags())  # type: ignore[arg-type]
        self._last_heartbeat = time.monotonic()
        with translated(f"subscribe queue {self._name} to the stack's topic"):
            self._subscription = self._sns.subscribe(
                TopicArn=self._topic,
                Protocol="sqs",
                Endpoint=arn,
                Attributes={"RawMessageDelivery": "true"},
                ReturnSubscriptionArn=True,
            )["SubscriptionArn"]

    def messages(self, span: timedelta | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield body and attributes of each message until `span` is over (None: no limit) or `stop` is set."""
        give_up = None if span is None else time.monotonic() + span.total_seconds()
        url = self._url(self._name)
        while url is not None and not self.stop.is_set() and (give_up is None or time.monotonic() < give_up):
            self._renew_tag(url)
            with translated(f"receive from queue {self._name}"):
                answer = self._sqs.receive_message(
                    QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS, MessageAttributeNames=["All"]
                )
                for message in answer.get("Messages", []):
                    self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            for message in answer.get("Messages", []):
                yield message["Body"], plain_attributes(message.get("MessageAttributes", {}))

    def close(self) -> list[str]:
        """Delete the subscription and the queue; return the errors."""
        problems = []
        if self._subscription is not None:
            problems += self._attempt(lambda: self._unsubscribe(str(self._subscription)))
        if self._opened:
            problems += self._attempt(lambda: self._delete(self._name))
        return problems

    def delete_stale(self) -> list[str]:
        """Delete queues and subscriptions of commands killed at least an hour ago; return the errors."""
        return self._attempt(self._delete_stale)

    def _delete_stale(self) -> None:
        subscribed = {}
        with translated("list stale subscriptions of the topic"):
            for page in self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self._topic):
                for found in page["Subscriptions"]:
                    name = found.get("Endpoint", "").rpartition(":")[2]
                    if found["Protocol"] == "sqs" and name.startswith(PREFIX):
                        subscribed[name] = found["SubscriptionArn"]
        with translated(f"list stale queues {PREFIX}*"):
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
        """Return whether this command created the queue for this stack and its heartbeat is older than an hour."""
        with translated("read the tags of a stale queue"):
            try:
                tags = self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
            except ClientError as error:
                if code(error) in _GONE:
                    return False
                raise
        try:
            last_heartbeat = from_text(tags.get(TEMPORARY_TAG, ""))
        except ValueError:
            return False
        return tags.get(STACK_TAG) == self._stack and last_heartbeat < self._clock() - STALE

    def _url(self, name: str) -> str | None:
        with translated(f"find queue {name}"):
            try:
                return self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
            except ClientError as error:
                if code(error) in _GONE:
                    return None
                raise

    def _unsubscribe(self, arn: str) -> None:
        with translated(f"delete subscription {arn}"):
            self._sns.unsubscribe(SubscriptionArn=arn)

    def _delete(self, name: str) -> None:
        url = self._url(name)
        if url is not None:
            with translated(f"delete queue {name}"):
                self._sqs.delete_queue(QueueUrl=url)

    def _renew_tag(self, url: str) -> None:
        if time.monotonic() - self._last_heartbeat > HEARTBEAT.total_seconds():
            with translated(f"tag queue {self._name}"):
                self._sqs.tag_queue(QueueUrl=url, Tags=self._tags())
            self._last_heartbeat = time.monotonic()

    def _tags(self) -> dict[str, str]:
        return {TEMPORARY_TAG: to_text(self._clock()), STACK_TAG: self._stack}

    @staticmethod
    def _attempt(action: Callable[[], None]) -> list[str]:
        try:
            action()
        except EvercertError as error:
            return [str(error)]
        return []


def plain_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes as strings, and `labels`, which is sent as JSON, as a list."""
    found = {}
    for name, attribute in attributes.items():
        value = attribute.get("StringValue", "")
        if name == "labels":
            try:
                parsed = json_parser.parse(value)
            except ValueError:
                parsed = []
            value = [str(part) for part in parsed] if isinstance(parsed, list) else []
        found[name] = value
    return found
