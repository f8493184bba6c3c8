"""Read a stack from outside while the storm runs: destinations, events, and finally table, CAs and queues."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.storm.history import ACM, SECRET, Final, History, Issued, Sighting

EVERY = 1.0  # seconds
Item = dict[str, Any]


class Observer:
    """Fills a history; `client` returns a boto3 client of a service."""

    def __init__(self, client: Callable[[str], Any], history: History, *, topic: str) -> None:
        self._history = history
        self._secrets, self._acm = client("secretsmanager"), client("acm")
        self._dynamodb, self._sqs = client("dynamodb"), client("sqs")
        self._last: dict[tuple[str, str], str] = {}
        self._seen: set[tuple[tuple[str, str], str]] = set()
        self._arns: dict[str, str] = {}  # certificate by ARN
        self._queue = self._subscribe(client("sns"), topic)

    def watch(self, stop: threading.Event) -> None:
        """Look at all destinations and events until `stop`."""
        while not stop.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Record every value that is new, and all events that arrived."""
        for name in self._history.names:
            for stage in ("AWSPREVIOUS", "AWSCURRENT"):
                if (value := self.secret(name, stage)) is not None:
                    self._sighted(name, SECRET, value, current=stage == "AWSCURRENT")
        self._look_at_acm()
        self.receive()

    def secret(self, name: str, stage: str = "AWSCURRENT") -> dict[str, str] | None:
        """Return the value of a certificate's secret; None if there is none."""
        try:
            found = self._secrets.get_secret_value(SecretId=f"evercert/certificates/{name}", VersionStage=stage)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise
        return json.loads(found["SecretString"])

    def receive(self) -> None:
        """Record all events that arrived."""
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._history.events.append(message["Body"])
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])

    def items(self, table: str) -> list[Item]:
        """Return all items of a table, in the notation of DynamoDB."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def final(self, table: str, dead_letters: str) -> Final:
        """Return the state after the storm."""
        attributes = self._sqs.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["All"])["Attributes"]
        secrets = {name: self.secret(name) for name in self._history.names}
        acm: dict[str, list[str]] = {}
        for arn, name in self._imported():
            acm.setdefault(name, []).append(
                _serial_number(self._acm.get_certificate(CertificateArn=arn)["Certificate"])
            )
        return Final(
            at=time.time(),
            items=self.items(table),
            secrets={name: value for name, value in secrets.items() if value is not None},
            acm=acm,
            dead_letters=int(attributes["ApproximateNumberOfMessages"]),
        )

    def _sighted(self, name: str, place: str, value: dict[str, str], *, current: bool = True) -> None:
        """Record a value that became current; a previous one only if it was missed while it was current."""
        text, key = json.dumps(value, sort_keys=True), (name, place)
        if text == self._last.get(key) or (not current and (key, text) in self._seen):
            return
        self._history.sightings.append(Sighting(name, place, time.time(), value))
        self._last[key] = text
        self._seen.add((key, text))

    def _look_at_acm(self) -> None:
        for arn, name in self._imported():
            found = self._acm.get_certificate(CertificateArn=arn)
            value = {"certificate": found["Certificate"], "certificate_chain": found.get("CertificateChain") or ""}
            self._sighted(name, f"{ACM} {arn}", value)

    def _imported(self) -> Iterable[tuple[str, str]]:
        for page in self._acm.get_paginator("list_certificates").paginate():
            for summary in page["CertificateSummaryList"]:
                arn = summary["CertificateArn"]
                if arn not in self._arns:
                    tags = self._acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
                    self._arns[arn] = next((t["Value"] for t in tags if t["Key"] == "evercert:certificate"), "")
                yield arn, self._arns[arn]

    def _subscribe(self, sns: Any, topic: str) -> str:
        url = str(self._sqs.create_queue(QueueName="storm-inbox")["QueueUrl"])
        arn = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        return url


def issued_by_authority(issuer: str, ledger: Iterable[Item], certificates: Iterable[Item]) -> list[Issued]:
    """Return the leaves in the signer's ledger; the front's items say which are revoked."""
    revoked = {item["serial_number"]["S"].lstrip("0") for item in certificates if "revoked_at" in item}
    found = []
    for item in ledger:
        if item["sk"]["S"] != "result" or "der" not in item:
            continue
        try:
            leaf = x509.load_der_x509_certificate(bytes(item["der"]["B"]))
        except ValueError:  # a CRL
            continue
        pem = leaf.public_bytes(serialization.Encoding.PEM).decode()
        found.append(Issued(issuer, pem, f"{leaf.serial_number:x}" in revoked))
    return found


def _serial_number(pem: str) -> str:
    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:X}"
